//! What crosses the WebSocket: devp2p messages, as `docs/websocket-peers.md` defines them.
//!
//! Decoding borrows from the frame and checks only the form: RLP, counts, lengths. Whether an
//! answer is true is for [`crate::trie`] to prove. This module does not know who asked for what,
//! when, or why.
//!
//! - [`Session`]: the handshake of one connection, and its base messages.
//! - [`Request`]: what can be asked, and which [`Message`] answers it.
//! - [`Answer`]: an answer of which only the request id has been read.
//! - [`eth`], [`snap`]: the messages of the two capabilities.
//! - [`rpc`]: JSON-RPC providers, which have no frames.
//! - [`PeerFault`]: what a peer can do wrong, and what that costs it.

mod answer;
mod capabilities;
pub mod eth;
mod fault;
mod message;
mod request;
mod rlp;
pub mod rpc;
mod session;
pub mod snap;

pub use answer::Answer;
pub use capabilities::{By, Offsets};
pub use eth::{Head, VerifiedHeader};
pub use fault::{PeerFault, close_code, proven, reason_of};
pub use message::Message;
pub use request::Request;
pub use session::{Beginning, Session, SessionEvent};

/// Largest frame in either direction, in bytes: the limit of every devp2p capability in use
/// (go-ethereum's `maxMessageSize` of eth and of snap).
pub const MAX_FRAME: usize = 10 * 1024 * 1024;

/// Largest frame of the base protocol, and largest Status, in bytes (`docs/websocket-peers.md`,
/// section 1). A Status of go-ethereum has some eighty.
pub(crate) const MAX_BASE_FRAME: usize = 2048;

/// Largest frame that announces blocks, in bytes: 380 new blocks at once. go-ethereum announces one
/// at a time.
const MAX_ANNOUNCEMENT: usize = 16 * 1024;

/// So many bytes of a frame show what it is ([`Session::judge`]): its message id, the header of its
/// payload and the request id have nine bytes each at most.
pub const HEAD: usize = 32;
