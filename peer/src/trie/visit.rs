//! Looking at all nodes of a trie.

use super::Trie;
use crate::Hash;

/// What is done with the nodes of a trie. `N` stands for a node, and can write its RLP.
pub(crate) trait Visitor<N> {
    /// A node that has a hash of its own. If the result is false, nothing below it is shown.
    fn node(&mut self, hash: &Hash, node: N) -> bool;
    /// A leaf, after its node. `storage` is the one that the leaf carries.
    fn leaf(&mut self, key: &Hash, storage: Option<&Trie>);
}
