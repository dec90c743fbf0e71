//! How a connection ended, and the WebSocket close codes.

use wasm_bindgen::JsValue;

use super::object::Fields;
use crate::wire::{close_code, reason_of};

/// WebSocket's normal closure (RFC 6455, 7.4.1).
pub(super) const CLOSE_DONE: u16 = 1000;
/// What a broken connection is reported with: no close frame was received (RFC 6455, 7.4.1).
pub(super) const CLOSE_ABNORMAL: u16 = 1006;
/// A breach of the protocol (`docs/websocket-peers.md`, section 7). Also sent instead of a code that
/// only servers may send (1003, 1009).
pub(super) const CLOSE_BREACH: u16 = 4002;
/// How a connection ended (`PeerClosed` of `snaplight.d.ts`).
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
        PeerClosed {
            by: "peer",
            code,
            reason,
            disconnect: reason_of(code).map(|reason| reason as f64),
        }
    }

    /// The peer sent a Disconnect with this reason. It closes the socket with the code that goes
    /// with it.
    pub(super) fn disconnected(reason: u64) -> PeerClosed<'static> {
        PeerClosed {
            by: "peer",
            code: close_code(reason),
            reason: "",
            disconnect: Some(reason as f64),
        }
    }

    pub(super) fn to_js(&self) -> JsValue {
        Fields::new()
            .text("by", self.by)
            .number("code", self.code.into())
            .text("reason", self.reason)
            .or_null("disconnect", self.disconnect)
            .into()
    }

    pub(super) fn code(&self) -> u16 {
        self.code
    }

    pub(super) fn reason(&self) -> &str {
        self.reason
    }
}
