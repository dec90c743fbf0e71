//! The faults of a peer: one for each rule of `docs/websocket-peers.md`. Each ends the connection.

use core::fmt;

use super::By;
use crate::hash::Hash;
use crate::trie::{MAX_SURPLUS_NODES, RangeFault, VerifiedRange};

/// What a peer did wrong, or why its connection ends. Neither the caller nor we can cause any of
/// it, [`PeerFault::TooManyPeers`] aside.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PeerFault {
    /// It sent a text frame. Only binary frames are allowed.
    TextFrame,
    /// It sent a frame above [`MAX_FRAME`](super::MAX_FRAME), a message of the base protocol or a
    /// Status above 2,048 bytes, or an announcement of blocks above 16 KiB.
    OversizedFrame {
        /// Size of the frame in bytes.
        bytes: usize,
    },
    /// It sent a frame without a message id, or RLP that does not decode. Says what was found.
    Malformed(&'static str),
    /// It sent a message with an id outside every shared capability, one that may not come before
    /// its Status, or a second Status. Holds the id on the connection.
    UnknownMessage(u64),
    /// It sent a request of snap, which only a client may send. Holds the id on the connection.
    RequestToClient(u64),
    /// Its first message was not Hello, or Hello came twice.
    HelloExpected,
    /// Its devp2p base protocol is older than version 5.
    OldProtocol,
    /// There are as many connections as we keep. This is not the peer's fault, but why its
    /// connection is closed.
    TooManyPeers,
    /// It did not finish the handshake in time.
    HandshakeTimeout,
    /// It does not offer what the connection needs: both `snap/1` and `eth/69`, or `eth/66`. Holds
    /// the kind of the connection.
    NoSharedCapability(By),
    /// Its Status names another version of eth than 69, or 66 by hash. Holds that version.
    WrongVersion(u64),
    /// Its Status names another network. Holds that network's id.
    WrongNetwork(u64),
    /// Its Status names another genesis block. Holds that block's hash.
    WrongGenesis(Hash),
    /// It sent nothing in the time allowed after a Ping.
    PingTimeout,
    /// It sent a Disconnect. Holds its devp2p reason.
    Disconnected(u64),
    /// It sent more messages that nobody asked for than a node does.
    Flood,
    /// It answered a request that was never made, or is answered already. Holds the request id.
    Unrequested(u64),
    /// It answered with another message than the one that answers the request.
    WrongKind,
    /// It sent more items than were asked for, or far more bytes.
    TooMuch,
    /// It sent more proof nodes than [`MAX_PROOF_NODES`](super::snap::MAX_PROOF_NODES). Holds their
    /// number.
    TooManyProofNodes(usize),
    /// It sent a proof node above [`MAX_NODE`](crate::trie::node::MAX_NODE), which is longer than
    /// any node can be. Holds its length in bytes.
    OversizedProofNode(usize),
    /// It sent more proof nodes that no path needs than [`MAX_SURPLUS_NODES`]. Holds their number.
    SurplusProofNodes(usize),
    /// It sent an account body that is not a canonical slim account.
    BadAccount,
    /// It sent a slot's value that is not the canonical RLP of a 256-bit number above zero.
    BadSlot,
    /// It sent a range that its proof does not prove.
    BadRange(RangeFault),
    /// It sent a bytecode whose hash was not asked for, or in the wrong order.
    UnexpectedCode,
    /// It sent a trie node whose hash was not asked for, or in the wrong order.
    UnexpectedNode,
    /// It sent node data that nobody asked for.
    UnexpectedNodeData,
    /// It sent the header of another block than was asked for.
    WrongHeader,
    /// It did not even answer a smallest request in a minute, while other peers answered.
    Timeout,
    /// A provider on another chain. Holds that chain's id (EIP-155).
    WrongChain(u64),
    /// A provider that has nothing left to give, or is forbidden: it says so itself.
    Spent,
    /// A provider of which too many answers were wrong.
    Misleading,
}

/// Holds the outcome of a verification against the limit for proof nodes that no path needs.
///
/// # Errors
/// [`PeerFault::BadRange`] or [`PeerFault::SurplusProofNodes`].
pub fn proven<'f>(
    verified: Result<VerifiedRange<'f>, RangeFault>,
) -> Result<VerifiedRange<'f>, PeerFault> {
    let range = verified.map_err(PeerFault::BadRange)?;
    match range.surplus_nodes() {
        0..=MAX_SURPLUS_NODES => Ok(range),
        nodes => Err(PeerFault::SurplusProofNodes(nodes)),
    }
}

impl PeerFault {
    /// The name of this fault for programs, in kebab case. It stays the same in later versions.
    pub fn code(&self) -> &'static str {
        match self {
            PeerFault::TextFrame => "text-frame",
            PeerFault::OversizedFrame { .. } => "oversized-frame",
            PeerFault::Malformed(_) => "malformed",
            PeerFault::UnknownMessage(_) => "unknown-message",
            PeerFault::RequestToClient(_) => "request-to-client",
            PeerFault::HelloExpected => "hello-expected",
            PeerFault::OldProtocol => "old-protocol",
            PeerFault::TooManyPeers => "too-many-peers",
            PeerFault::HandshakeTimeout => "handshake-timeout",
            PeerFault::NoSharedCapability(_) => "no-shared-capability",
            PeerFault::WrongVersion(_) => "wrong-version",
            PeerFault::WrongNetwork(_) => "wrong-network",
            PeerFault::WrongGenesis(_) => "wrong-genesis",
            PeerFault::PingTimeout => "ping-timeout",
            PeerFault::Disconnected(_) => "disconnected",
            PeerFault::Flood => "flood",
            PeerFault::Unrequested(_) => "unrequested",
            PeerFault::WrongKind => "wrong-kind",
            PeerFault::TooMuch => "too-much",
            PeerFault::TooManyProofNodes(_) => "too-many-proof-nodes",
            PeerFault::OversizedProofNode(_) => "oversized-proof-node",
            PeerFault::SurplusProofNodes(_) => "surplus-proof-nodes",
            PeerFault::BadAccount => "bad-account",
            PeerFault::BadSlot => "bad-slot",
            PeerFault::BadRange(_) => "bad-range",
            PeerFault::UnexpectedCode => "unexpected-code",
            PeerFault::UnexpectedNode => "unexpected-node",
            PeerFault::UnexpectedNodeData => "unexpected-node-data",
            PeerFault::WrongHeader => "wrong-header",
            PeerFault::Timeout => "timeout",
            PeerFault::WrongChain(_) => "wrong-chain",
            PeerFault::Spent => "spent",
            PeerFault::Misleading => "misleading",
        }
    }

    /// The devp2p reason to send in a Disconnect (`docs/websocket-peers.md`, section 7).
    pub fn reason(&self) -> u64 {
        match self {
            PeerFault::Disconnected(_) => 0x00,
            PeerFault::NoSharedCapability(_)
            | PeerFault::WrongVersion(_)
            | PeerFault::WrongNetwork(_)
            | PeerFault::WrongGenesis(_)
            | PeerFault::WrongChain(_) => 0x03,
            PeerFault::TooManyPeers => 0x04,
            PeerFault::OldProtocol => 0x06,
            PeerFault::Spent => 0x10,
            PeerFault::HandshakeTimeout | PeerFault::PingTimeout | PeerFault::Timeout => 0x0b,
            _ => 0x02,
        }
    }

    /// The WebSocket close code that goes with [`PeerFault::reason`]: 1000, or 4000 plus the
    /// reason. A page may use no codes but 1000 and 3000 to 4999.
    pub fn close_code(&self) -> u16 {
        close_code(self.reason())
    }
}

/// The last reason that devp2p has: anything else. Higher ones are taken for it.
const LAST_REASON: u64 = 0x10;

/// The WebSocket close code that goes with a devp2p reason (`docs/websocket-peers.md`, section 7).
pub fn close_code(reason: u64) -> u16 {
    match reason.min(LAST_REASON) {
        0 => 1000,
        reason => 4000 + reason as u16,
    }
}

/// The devp2p reason that a WebSocket close code stands for: the inverse of [`close_code`], but for
/// 1000, which any connection may end with.
pub fn reason_of(close_code: u16) -> Option<u64> {
    let reason = u64::from(close_code.checked_sub(4000)?);
    (1..=LAST_REASON).contains(&reason).then_some(reason)
}

impl fmt::Display for PeerFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PeerFault::TextFrame => {
                f.write_str("sent a text frame where only binary frames are allowed")
            }
            PeerFault::OversizedFrame { bytes } => {
                write!(
                    f,
                    "sent a frame of {bytes} bytes, above the limit of such a message"
                )
            }
            PeerFault::Malformed(what) => write!(f, "sent a message that does not decode: {what}"),
            PeerFault::UnknownMessage(id) => {
                write!(f, "sent message 0x{id:02x}, which may not come now")
            }
            PeerFault::RequestToClient(_) => {
                f.write_str("sent a request, which only a client may send")
            }
            PeerFault::HelloExpected => f.write_str("did not start with exactly one Hello"),
            PeerFault::OldProtocol => {
                f.write_str("speaks a devp2p base protocol older than version 5")
            }
            PeerFault::TooManyPeers => f.write_str("is one peer more than are kept at a time"),
            PeerFault::HandshakeTimeout => f.write_str("did not finish the handshake in time"),
            PeerFault::NoSharedCapability(by) => f.write_str(match by {
                By::Snap => "does not offer snap/1 with eth/69",
                // It has no session that could fail.
                By::Rpc => "is a provider and speaks no capability",
                By::Hash => "does not offer eth/66, which answers by hash",
            }),
            PeerFault::WrongVersion(version) => {
                write!(
                    f,
                    "sent the Status of eth/{version}, which was not agreed on"
                )
            }
            PeerFault::WrongNetwork(id) => write!(f, "is on network {id}"),
            PeerFault::WrongGenesis(hash) => write!(f, "is on the chain with genesis block {hash}"),
            PeerFault::PingTimeout => f.write_str("did not answer a ping in time"),
            PeerFault::Disconnected(reason) => {
                write!(f, "disconnected with devp2p reason {reason}")
            }
            PeerFault::Flood => f.write_str("sent more than a node does that nobody asked for"),
            PeerFault::Unrequested(id) => write!(
                f,
                "sent an answer with the id {id}, to which no request is open"
            ),
            PeerFault::WrongKind => {
                f.write_str("answered with another kind of message than was asked for")
            }
            PeerFault::TooMuch => f.write_str("sent more than was asked for"),
            PeerFault::TooManyProofNodes(nodes) => {
                write!(f, "sent {nodes} proof nodes, more than any range needs")
            }
            PeerFault::OversizedProofNode(bytes) => {
                write!(
                    f,
                    "sent a proof node of {bytes} bytes, longer than any node"
                )
            }
            PeerFault::SurplusProofNodes(nodes) => {
                write!(f, "sent {nodes} proof nodes that no path needs")
            }
            PeerFault::BadAccount => f.write_str("sent an account that does not decode"),
            PeerFault::BadSlot => f.write_str("sent a storage slot that does not decode"),
            PeerFault::BadRange(fault) => write!(f, "sent a range that is not proven: {fault}"),
            PeerFault::UnexpectedCode => f.write_str("sent a bytecode that was not asked for"),
            PeerFault::UnexpectedNode => f.write_str("sent a trie node that was not asked for"),
            PeerFault::UnexpectedNodeData => f.write_str("sent node data that was not asked for"),
            PeerFault::WrongHeader => f.write_str("sent another block's header than was asked for"),
            PeerFault::Timeout => {
                f.write_str("did not answer a small request in a minute, while other peers did")
            }
            PeerFault::WrongChain(id) => write!(f, "is on the chain with id {id}"),
            PeerFault::Spent => {
                f.write_str("says that what it gives away is spent, or that it is forbidden")
            }
            PeerFault::Misleading => f.write_str("gave too many wrong answers"),
        }
    }
}

impl core::error::Error for PeerFault {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            PeerFault::BadRange(fault) => Some(fault),
            _ => None,
        }
    }
}
