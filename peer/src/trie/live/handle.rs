//! Nodes of a live trie.

use super::{Body, Live, Node};
use crate::trie::{node::NodeRef, visit::Visitor};
use std::sync::Arc;

/// A node of a live trie.
#[derive(Debug, Clone)]
pub(crate) struct Handle {
    node: Arc<Node>,
    /// The branch below the extension, and not the extension.
    is_below: bool,
}

impl Handle {
    /// Writes the node's RLP into `out`, which is emptied first.
    pub(in crate::trie) fn put(&self, out: &mut Vec<u8>) {
        let at = usize::from(self.node.at);
        match &self.node.body {
            Body::Leaf(leaf) => leaf.put_node(at, out),
            Body::Branch(branch) => {
                branch.put_node(out);
                if at < usize::from(branch.depth) && !self.is_below {
                    let reference = NodeRef::of(out);
                    branch.put_extension(at, &reference, out);
                }
            }
        }
    }
}

impl Live {
    /// See [`crate::trie::Trie::visit`].
    pub(in crate::trie) fn visit(&self, visitor: &mut impl Visitor<Handle>) {
        if let Some(top) = &self.top {
            visit(top, visitor);
        }
    }
}

fn visit(node: &Arc<Node>, visitor: &mut impl Visitor<Handle>) {
    let handle = |is_below| Handle {
        node: Arc::clone(node),
        is_below,
    };
    // What is embedded in its parent has no hash, nor has anything below it.
    let has_hash = node.reference.is_hash() || node.at == 0;
    let hash = node.reference.root();
    if has_hash && !visitor.node(&hash, handle(false)) {
        return;
    }
    let branch = match &node.body {
        Body::Leaf(leaf) => return visitor.leaf(leaf.key(), leaf.storage()),
        Body::Branch(branch) => branch,
    };
    if node.at < branch.depth {
        // The reference was the extension's.
        let below = handle(true);
        let mut out = Vec::new();
        below.put(&mut out);
        let reference = NodeRef::of(&out);
        if reference.is_hash() && !visitor.node(&reference.root(), below) {
            return;
        }
    }
    for child in branch.children.iter().flatten() {
        visit(child, visitor);
    }
}
