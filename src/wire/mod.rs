//! What crosses the WebSocket: devp2p messages as `docs/websocket-peers.md` defines them.
//!
//! Decoding borrows from the frame and judges form only (RLP, counts, lengths); what an answer proves is for
//! [`crate::trie`] to say. May not enter: who asked what, when, and why.

pub mod eth;
mod fault;
mod request;
mod rlp;
mod session;
pub mod snap;

pub use eth::{Head, VerifiedHeader};
pub use fault::{PeerFault, Severity};
pub use request::Request;
pub use session::{Message, Offsets, Session, SessionEvent};

/// Largest frame in either direction, in bytes: the limit of snap and of every devp2p capability in use.
pub const MAX_FRAME: usize = 10 * 1024 * 1024;
