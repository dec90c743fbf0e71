//! Nodes of a flat trie by their places in its arrays.

use super::{Child, Flat};
use crate::trie::{
    node::{self, NodeRef},
    serve::{Nodes, Target},
    visit::Visitor,
};
use std::sync::Arc;

/// A node of a flat trie.
#[derive(Debug, Clone)]
pub(crate) struct Handle {
    trie: Arc<Flat>,
    child: Child,
    /// How many nibbles are above the node. If it is less than the branch's own number, the node is
    /// the extension above the branch.
    at: u8,
}

impl Handle {
    fn new(trie: &Arc<Flat>, child: Child, at: usize) -> Handle {
        Handle {
            trie: Arc::clone(trie),
            child,
            at: at as u8,
        }
    }

    /// Writes the node's RLP into `out`, which is emptied first.
    pub(in crate::trie) fn put(&self, out: &mut Vec<u8>) {
        let trie = self.trie.as_ref();
        match self.child.get() {
            None => out.clear(),
            Some(Target::Leaf(leaf)) => (&trie).put_leaf(leaf, usize::from(self.at), out),
            Some(Target::Branch(branch)) => {
                (&trie).put_branch(branch, out);
                let (at, depth) = (usize::from(self.at), (&trie).branch_depth(branch));
                if at < depth {
                    let reference = NodeRef::of(out);
                    node::put_extension((&trie).branch_key(branch), at, depth, &reference, out);
                }
            }
        }
    }
}

impl Flat {
    /// See [`crate::trie::Trie::visit`].
    pub(in crate::trie) fn visit(self: &Arc<Flat>, visitor: &mut impl Visitor<Handle>) {
        self.visit_child(self.top, 0, visitor);
    }

    /// A node and what is below it. `at` nibbles are above it.
    fn visit_child(self: &Arc<Flat>, child: Child, at: usize, visitor: &mut impl Visitor<Handle>) {
        let Some(target) = child.get() else { return };
        let reference = self.reference(target);
        // What is embedded in its parent has no hash, nor has anything below it.
        let has_hash = reference.is_hash() || at == 0;
        if has_hash {
            let handle = Handle::new(self, child, at);
            if !visitor.node(&reference.root(), handle) {
                return;
            }
        }
        let trie = self.as_ref();
        let branch = match target {
            Target::Leaf(leaf) => return visitor.leaf(&trie.leaves.keys[leaf], None),
            Target::Branch(branch) => branch,
        };
        let depth = (&trie).branch_depth(branch);
        if at < depth {
            // The reference was the extension's.
            let below = Handle::new(self, child, depth);
            let mut out = Vec::new();
            below.put(&mut out);
            let reference = NodeRef::of(&out);
            if reference.is_hash() && !visitor.node(&reference.root(), below) {
                return;
            }
        }
        for child in self.branches[branch].children {
            self.visit_child(child, depth + 1, visitor);
        }
    }
}
