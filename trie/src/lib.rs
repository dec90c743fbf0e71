//! One Merkle-Patricia trie at a time: paths, nodes, hashes, and the fold that derives every node from an ordered list.
//!
//! This room knows 32-byte keys (64 nibbles) and the values under them, and nothing of accounts beyond the encoding of their
//! bodies, of storage belonging to accounts, of pages, peers or requests. Nothing in it keeps state between calls but the
//! scratch memory of [`Fold`].
//!
//! It is the one package that is compiled for speed. Functions for use outside are not marked `#[inline]`: they would be
//! compiled there, for size.
//!
//! - [`path`]: where something is in a trie.
//! - [`node`]: one node's RLP, in and out.
//! - [`keccak`](mod@keccak): Keccak-256, two messages at a time.
//! - [`fold`]: entries in key order -> every branch, and the root.
//! - [`range`]: a peer's leaves and edge proof -> entries that fold to the root, or a fault.
//! - [`account`]: an account's body, as a peer sends it and as the trie holds it; a slot's value.
//! - [`scratch`]: bytes written in many short pieces, which a node's leaf and a page are.
//! - [`proof`]: the nodes along one key's path, out of a fold or checked against a root.

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
pub use proof::{Blinded, ProofFault, prove, verify_proof};
pub use range::{RangeFault, VerifiedRange, verify_accounts, verify_slots};
