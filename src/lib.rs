//! Snaplight: Ethereum's state, proven, persistent and readable offline, inside the browser.

mod flat_map;
mod heap;
pub mod state;
pub mod store;
pub mod sync;
#[cfg(target_arch = "wasm32")]
pub mod web;
pub mod wire;

pub use snaplight_trie as trie;
pub use snaplight_trie::hash;
