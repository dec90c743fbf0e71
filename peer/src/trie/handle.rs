//! Single nodes of a trie, held so that they can be served without their path.

use super::visit::Visitor;
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

/// Shows a visitor of any trie the nodes of one kind.
pub(super) struct AnyKind<'a, V>(pub(super) &'a mut V);

impl<V: Visitor<Handle>> Visitor<flat::Handle> for AnyKind<'_, V> {
    fn node(&mut self, hash: &Hash, node: flat::Handle) -> bool {
        self.0.node(hash, Handle::Flat(node))
    }

    fn leaf(&mut self, key: &Hash, storage: Option<&Trie>) {
        self.0.leaf(key, storage);
    }
}

impl<V: Visitor<Handle>> Visitor<live::Handle> for AnyKind<'_, V> {
    fn node(&mut self, hash: &Hash, node: live::Handle) -> bool {
        self.0.node(hash, Handle::Live(node))
    }

    fn leaf(&mut self, key: &Hash, storage: Option<&Trie>) {
        self.0.leaf(key, storage);
    }
}
