//! A native peer that serves Ethereum state, made to test the crate `snaplight`.
//!
//! It is an independent second implementation of the same formats. The two share no code, so that
//! a misread format shows up as a disagreement. `docs/websocket-peers.md` describes the wire.
//!
//! | module | what it does |
//! |---|---|
//! | [`state`] | a whole state in memory, from a genesis file, from a seed, or built by a test |
//! | [`trie`] | one trie, which keeps its nodes' hashes so that it serves proofs and nodes quickly |
//! | [`snap`] | answers to snap/1 requests: pure functions of a state and a request |
//! | [`node_data`] | answers to GetNodeData of eth/66: nodes and codes of all held states by hash |
//! | [`block`] | the headers of the blocks that the states belong to |
//! | [`chain`] | a chain of states that grows, block after block |
//! | [`handshake`] | Hello, Status, capabilities, Disconnect |
//! | [`eth66`] | what eth/66 has and eth/69 has not |
//! | [`session`] | one connection without a socket: frames in, frames out |
//! | [`vice`] | the faults that a peer can have, for tests |
//! | [`net`] | sessions on real WebSockets |
//!
//! A test without a network drives a [`session::Session`]:
//!
//! ```
//! use std::sync::Arc;
//! use snaplight_peer::{session::{Outgoing, Server, Session}, state::{Account, Builder}};
//!
//! let state = Builder::new().account([7; 20], Account::new().balance(1)).build();
//! let mut session = Session::new(Arc::new(Server::new(state)), Vec::new());
//! let hello = session.open(); // both sides send Hello at once
//! assert!(matches!(hello.as_slice(), [Outgoing::Frame(frame)] if frame[0] == 0x80));
//! ```

#![forbid(unsafe_code)]

pub mod block;
pub mod chain;
pub mod eth66;
pub mod handshake;
pub mod keccak;
pub mod net;
pub mod node_data;
mod outgoing;
mod rlp;
mod server;
pub mod session;
pub mod snap;
pub mod state;
pub mod trie;
pub mod vice;

/// 32 bytes: a Keccak-256 hash, or a number in big-endian order.
pub type Hash = [u8; 32];

/// The root of a trie without entries: Keccak-256 of the byte 0x80.
pub const EMPTY_ROOT: Hash = [
    0x56, 0xe8, 0x1f, 0x17, 0x1b, 0xcc, 0x55, 0xa6, 0xff, 0x83, 0x45, 0xe6, 0x92, 0xc0, 0xf8, 0x6e,
    0x5b, 0x48, 0xe0, 0x1b, 0x99, 0x6c, 0xad, 0xc0, 0x01, 0x62, 0x2f, 0xb5, 0xe3, 0x63, 0xb4, 0x21,
];

/// The hash of no code: Keccak-256 of no bytes.
pub const EMPTY_CODE: Hash = [
    0xc5, 0xd2, 0x46, 0x01, 0x86, 0xf7, 0x23, 0x3c, 0x92, 0x7e, 0x7d, 0xb2, 0xdc, 0xc7, 0x03, 0xc0,
    0xe5, 0x00, 0xb6, 0x53, 0xca, 0x82, 0x27, 0x3b, 0x7b, 0xfa, 0xd8, 0x04, 0x5d, 0x85, 0xa4, 0x70,
];
