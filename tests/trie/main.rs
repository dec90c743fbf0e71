//! The trie crate from outside, compared with alloy-trie: roots, range verification, single proofs.

#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod accounts;
mod fold;
mod keccak;
mod node;
mod proof;
mod range_attacks;
mod range_geth;
mod range_props;
mod range_surplus;
mod support;
