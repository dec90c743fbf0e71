//! How a connection ended, and the WebSocket close codes.

use serde::Serialize;

/// WebSocket's normal closure (RFC 6455, 7.4.1).
pub(super) const CLOSE_DONE: u16 = 1000;
/// What a broken connection is reported with: no close frame was received (RFC 6455, 7.4.1).
pub(super) const CLOSE_ABNORMAL: u16 = 1006;
/// A breach of the protocol (`docs/websocket-peers.md`, section 7). Also sent instead of a code that
/// only servers may send (1003, 1009).
pub(super) const CLOSE_BREACH: u16 = 4002;
/// The close code that goes with a Disconnect is this plus the reason (`docs/websocket-peers.md`,
/// section 7).
const CLOSE_DISCONNECT: u16 = 4000;
/// The last reason that devp2p has: anything else.
const LAST_REASON: u64 = 0x10;

/// How a connection ended (`PeerClosed` of `snaplight.d.ts`).
#[derive(Serialize)]
pub(super) struct PeerClosed<'a> {
    /// Who ended it: `peer`, `fault` or `user`.
    by: &'static str,
    code: u16,
    /// Empty if `disconnect` says it all.
    reason: &'a str,
    /// The devp2p reason that the peer gave.
    disconnect: Option<f64>,
}

impl<'a> PeerClosed<'a> {
    pub(super) fn by_user() -> PeerClosed<'static> {
        PeerClosed {
            by: "user",
            code: CLOSE_DONE,
            reason: "closed by the user",
            disconnect: None,
        }
    }

    /// `code` is what the peer is told.
    pub(super) fn by_fault(code: u16, reason: &'a str) -> PeerClosed<'a> {
        PeerClosed {
            by: "fault",
            code,
            reason,
            disconnect: None,
        }
    }

    /// The peer closed the socket, or the network did.
    pub(super) fn by_peer(code: u16, reason: &'a str) -> PeerClosed<'a> {
        let disconnect = code.checked_sub(CLOSE_DISCONNECT).map(u64::from);
        PeerClosed {
            by: "peer",
            code,
            reason,
            disconnect: disconnect
                .filter(|reason| (1..=LAST_REASON).contains(reason))
                .map(|reason| reason as f64),
        }
    }

    /// The peer sent a Disconnect with this reason. It closes the socket with the code that goes
    /// with it.
    pub(super) fn disconnected(reason: u64) -> PeerClosed<'static> {
        PeerClosed {
            by: "peer",
            code: match reason {
                0 => CLOSE_DONE,
                _ => CLOSE_DISCONNECT + reason.min(LAST_REASON) as u16,
            },
            reason: "",
            disconnect: Some(reason as f64),
        }
    }

    pub(super) fn code(&self) -> u16 {
        self.code
    }

    pub(super) fn reason(&self) -> &str {
        self.reason
    }
}
