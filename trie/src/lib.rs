//! One Merkle-Patricia trie at a time: paths, nodes, hashes, and the fold that derives every node
//! from an ordered list of entries.
//!
//! This crate knows 32-byte keys (64 nibbles) and the values under them. Of accounts it knows only
//! how their bodies are encoded. It does not know which storage belongs to which account, and it
//! knows no pages, peers or requests. Nothing in it keeps state between calls except the memory of
//! a [`Fold`].
//!
//! It is the one package that is compiled for speed. Functions for use outside are not marked
//! `#[inline]`: they would be compiled into the calling crate, which is compiled for size.
//!
//! - [`hash`](mod@hash): 32-byte digests and keys.
//! - [`path`]: where something is in a trie.
//! - [`node`]: decodes the RLP of one node.
//! - [`keccak`](mod@keccak): Keccak-256, two messages at a time.
//! - [`fold`]: derives every branch and the root from entries in key order.
//! - [`range`]: verifies a peer's leaves and the proof of their edges against a root.
//! - [`account`]: account bodies, as a peer sends them and as the trie holds them; slot values.
//! - [`scratch`]: a buffer that is written in many short pieces.
//! - [`proof`]: the nodes along the path of one key, taken out of a fold or verified against a
//!   root.

#![forbid(unsafe_code)]

pub mod account;
mod copy;
mod encode;
pub mod fold;
pub mod hash;
mod hash_batch;
pub mod keccak;
pub mod node;
pub mod path;
pub mod proof;
pub mod range;
pub mod scratch;
mod shape;
mod slim;

pub use fold::{Branch, ChildOf, EntryItem, Fold, FoldError, NodeRef, Root};
pub use keccak::{keccak, keccak_pair};
pub use node::{Child, Node, NodeError};
pub use path::{Nibbles, Path, common_nibbles};
pub use proof::{ProofFault, ProveError, find_proven, prove, prove_into, verify_proof};
pub use range::{MAX_SURPLUS_NODES, RangeFault, VerifiedRange, verify_accounts, verify_slots};
