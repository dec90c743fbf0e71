//! Snaplight: Ethereum's state, proven, persistent and readable offline, inside the browser.

pub mod hash;
pub mod state;
pub mod store;
pub mod sync;
pub mod trie;
#[cfg(target_arch = "wasm32")]
pub mod web;
pub mod wire;
