//! Single nodes of a trie, held so that they can be served without their path.

use super::{Trie, flat, live};
use crate::Hash;

/// A node that has a hash of its own. It is written anew whenever it is served, so a handle takes
/// the same few bytes however large the node is.
#[derive(Debug, Clone)]
pub(crate) enum Handle {
    /// Keeps its whole trie in memory.
    Flat(flat::Handle),
    /// Keeps the nodes below it in memory.
    Live(live::Handle),
}

impl Handle {
    /// The node's RLP.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(532);
        match self {
            Handle::Flat(handle) => handle.put(&mut out),
            Handle::Live(handle) => handle.put(&mut out),
        }
        out
    }
}

/// What is done with the nodes of a trie.
pub(crate) trait Visitor {
    /// A node that has a hash of its own. If the result is false, nothing below it is shown.
    fn node(&mut self, hash: &Hash, node: Handle) -> bool;
    /// A leaf, after its node. `storage` is the one that the leaf carries.
    fn leaf(&mut self, key: &Hash, storage: Option<&Trie>);
}
