//! A peer's faults: one variant per rule of `docs/websocket-peers.md`, and what each costs.

use core::fmt;

use crate::trie::RangeFault;

/// What a peer did wrong. Nothing here can be caused by the caller or by us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PeerFault {
    /// A text frame, where only binary frames are allowed.
    TextFrame,
    /// A frame above the limit of the protocol.
    OversizedFrame {
        /// Its size in bytes.
        bytes: usize,
    },
    /// Bytes that are no message: no message id, or RLP that does not decode.
    Malformed(&'static str),
    /// A message id outside every shared capability, or one that only a client may send.
    UnknownMessage(u64),
    /// The first message was not Hello, or Hello came twice.
    HelloExpected,
    /// Its devp2p base protocol is older than version 5.
    OldProtocol,
    /// More connections than we keep. Not its fault at all, but the reason it is closed.
    TooManyPeers,
    /// The handshake was not finished in time.
    HandshakeTimeout,
    /// Nothing in common: no shared `snap/1` and `eth/69`.
    NoSharedCapability,
    /// The peer's Status names another network.
    WrongNetwork(u64),
    /// The peer's Status names another genesis block.
    WrongGenesis(crate::hash::Hash),
    /// No Pong within the time allowed.
    PingTimeout,
    /// The peer said goodbye with this devp2p reason.
    Disconnected(u64),
    /// An answer with an id that was never asked, or was answered already.
    Unrequested(u64),
    /// An answer of another kind than its request.
    WrongKind,
    /// More items than were asked for, or more bytes than twice what was asked for.
    TooMuch,
    /// More proof nodes than any honest range needs.
    TooManyProofNodes(usize),
    /// An account body that is no canonical slim account.
    BadAccount,
    /// A slot value that is no canonical RLP of a 256-bit number.
    BadSlot,
    /// The range does not prove what it says.
    BadRange(RangeFault),
    /// A code whose hash was not asked for, or out of order.
    UnexpectedCode,
    /// A trie node whose hash was not asked for, or out of order.
    UnexpectedNode,
    /// A header that is not the one of the block asked for.
    WrongHeader,
    /// A request ended by its deadline.
    Timeout,
}

/// What a fault costs the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The connection is closed.
    Drop,
    /// Counted; several in a row close the connection.
    Strike,
}

impl PeerFault {
    /// Policy in one place: a lie or a broken protocol closes the connection, slowness is counted.
    pub fn severity(&self) -> Severity {
        match self {
            PeerFault::Timeout => Severity::Strike,
            _ => Severity::Drop,
        }
    }

    /// A stable name for programs, in kebab case.
    pub fn code(&self) -> &'static str {
        match self {
            PeerFault::TextFrame => "text-frame",
            PeerFault::OversizedFrame { .. } => "oversized-frame",
            PeerFault::Malformed(_) => "malformed",
            PeerFault::UnknownMessage(_) => "unknown-message",
            PeerFault::HelloExpected => "hello-expected",
            PeerFault::OldProtocol => "old-protocol",
            PeerFault::TooManyPeers => "too-many-peers",
            PeerFault::HandshakeTimeout => "handshake-timeout",
            PeerFault::NoSharedCapability => "no-shared-capability",
            PeerFault::WrongNetwork(_) => "wrong-network",
            PeerFault::WrongGenesis(_) => "wrong-genesis",
            PeerFault::PingTimeout => "ping-timeout",
            PeerFault::Disconnected(_) => "disconnected",
            PeerFault::Unrequested(_) => "unrequested",
            PeerFault::WrongKind => "wrong-kind",
            PeerFault::TooMuch => "too-much",
            PeerFault::TooManyProofNodes(_) => "too-many-proof-nodes",
            PeerFault::BadAccount => "bad-account",
            PeerFault::BadSlot => "bad-slot",
            PeerFault::BadRange(_) => "bad-range",
            PeerFault::UnexpectedCode => "unexpected-code",
            PeerFault::UnexpectedNode => "unexpected-node",
            PeerFault::WrongHeader => "wrong-header",
            PeerFault::Timeout => "timeout",
        }
    }

    /// The devp2p reason to disconnect with (`docs/websocket-peers.md`, section 7).
    pub fn reason(&self) -> u64 {
        match self {
            PeerFault::Disconnected(_) => 0x00,
            PeerFault::NoSharedCapability
            | PeerFault::WrongNetwork(_)
            | PeerFault::WrongGenesis(_) => 0x03,
            PeerFault::TooManyPeers => 0x04,
            PeerFault::OldProtocol => 0x06,
            PeerFault::HandshakeTimeout | PeerFault::PingTimeout | PeerFault::Timeout => 0x0b,
            _ => 0x02,
        }
    }

    /// The WebSocket close code that goes with [`PeerFault::reason`]. A page may close with 1000 and 3000-4999 only.
    pub fn close_code(&self) -> u16 {
        match self.reason() {
            0 => 1000,
            reason => 4000 + reason as u16,
        }
    }
}

impl fmt::Display for PeerFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PeerFault::TextFrame => {
                f.write_str("sent a text frame where only binary frames are allowed")
            }
            PeerFault::OversizedFrame { bytes } => write!(
                f,
                "sent a frame of {bytes} bytes, above the limit of 10 MiB"
            ),
            PeerFault::Malformed(what) => write!(f, "sent a message that does not decode: {what}"),
            PeerFault::UnknownMessage(id) => {
                write!(f, "sent a message with the unknown id 0x{id:02x}")
            }
            PeerFault::HelloExpected => f.write_str("did not start with exactly one Hello"),
            PeerFault::OldProtocol => {
                f.write_str("speaks a devp2p base protocol older than version 5")
            }
            PeerFault::TooManyPeers => f.write_str("is one peer more than are kept at a time"),
            PeerFault::HandshakeTimeout => f.write_str("did not finish the handshake in time"),
            PeerFault::NoSharedCapability => f.write_str("does not offer snap/1 with eth/69"),
            PeerFault::WrongNetwork(id) => write!(f, "is on network {id}"),
            PeerFault::WrongGenesis(hash) => write!(f, "is on the chain with genesis block {hash}"),
            PeerFault::PingTimeout => f.write_str("did not answer a ping in time"),
            PeerFault::Disconnected(reason) => {
                write!(f, "disconnected with devp2p reason {reason}")
            }
            PeerFault::Unrequested(id) => write!(f, "answered request {id}, which is not open"),
            PeerFault::WrongKind => {
                f.write_str("answered with another kind of message than was asked for")
            }
            PeerFault::TooMuch => f.write_str("sent more than was asked for"),
            PeerFault::TooManyProofNodes(nodes) => {
                write!(f, "sent {nodes} proof nodes, more than any range needs")
            }
            PeerFault::BadAccount => f.write_str("sent an account that does not decode"),
            PeerFault::BadSlot => f.write_str("sent a storage slot that does not decode"),
            PeerFault::BadRange(fault) => write!(f, "sent a range that is not proven: {fault}"),
            PeerFault::UnexpectedCode => f.write_str("sent a bytecode that was not asked for"),
            PeerFault::UnexpectedNode => f.write_str("sent a trie node that was not asked for"),
            PeerFault::WrongHeader => f.write_str("sent another block's header than was asked for"),
            PeerFault::Timeout => f.write_str("did not answer in time"),
        }
    }
}
