//! Counts what a trie has that an older one did not have. A client with the old trie must fetch at
//! least this.

use super::{Body, Branch, Leaf, Node, find};
use crate::{
    Hash,
    trie::{
        Trie,
        node::{self, NodeRef},
    },
};
use std::sync::Arc;

/// The differences between a trie and the one before it, their leaves' storages included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Leaves of the trie itself that changed, were added or were removed.
    pub(crate) leaves: u64,
    /// The same for the storages' leaves.
    pub(crate) slots: u64,
    /// Nodes with a hash of their own that were not at their path before.
    pub(crate) nodes: u64,
    /// Their sizes in bytes, added up.
    pub(crate) bytes: u64,
    /// Leaves that were not there before.
    new_leaves: u64,
    new_slots: u64,
}

impl Tally {
    pub(crate) fn of(new: &Trie, old: &Trie) -> Tally {
        let mut tally = Tally::default();
        tally.walk(new, Some(old));
        // The new total is the old one, less what was removed, plus what was added. It is computed
        // from the totals, because whole storages are removed with their accounts.
        let gone = |before: u64, new: u64, after: u64| (before + new).saturating_sub(after);
        tally.leaves += gone(old.len() as u64, tally.new_leaves, new.len() as u64);
        tally.slots += gone(old.slots(), tally.new_slots, new.slots());
        tally
    }

    fn walk(&mut self, new: &Trie, old: Option<&Trie>) {
        let (new, old) = (new.to_live(), old.map(Trie::to_live));
        if let Some(top) = &new.top {
            let old = old.as_ref().and_then(|old| old.top.as_ref());
            self.visit(top, old, &mut Vec::new());
        }
    }

    /// `old` is the old trie's node that covers the path at which `new` begins. It may begin above
    /// that path.
    fn visit(&mut self, new: &Arc<Node>, old: Option<&Arc<Node>>, scratch: &mut Vec<u8>) {
        if let Some(old) = old
            && (Arc::ptr_eq(new, old) || new.at == old.at && new.reference == old.reference)
        {
            return;
        }
        match &new.body {
            Body::Leaf(leaf) => {
                leaf.put_node(usize::from(new.at), scratch);
                self.count(scratch, new.at);
                self.leaf(leaf, find(old, leaf.key()));
            }
            Body::Branch(branch) => {
                branch.put_node(scratch);
                let reference = NodeRef::of(scratch);
                let before = old.and_then(|old| branch_at(old, branch, scratch));
                if before == Some(reference) {
                    // At most the extension above it has changed.
                    self.extension(new, branch, &reference, scratch);
                    return;
                }
                branch.put_node(scratch);
                self.count(scratch, branch.depth);
                self.extension(new, branch, &reference, scratch);
                for child in branch.children.iter().flatten() {
                    let before = covering(old, child.key(), usize::from(child.at));
                    self.visit(child, before, scratch);
                }
            }
        }
    }

    fn extension(&mut self, new: &Node, branch: &Branch, to: &NodeRef, scratch: &mut Vec<u8>) {
        if branch.depth > new.at {
            branch.put_extension(usize::from(new.at), to, scratch);
            self.count(scratch, new.at);
        }
    }

    fn count(&mut self, rlp: &[u8], at: u8) {
        if rlp.len() >= 32 || at == 0 {
            self.nodes += 1;
            self.bytes += rlp.len() as u64;
        }
    }

    fn leaf(&mut self, new: &Leaf, old: Option<&Leaf>) {
        match old {
            None => {
                self.leaves += 1;
                self.new_leaves += 1;
            }
            Some(old) if old.item() != new.item() => self.leaves += 1,
            Some(_) => return,
        }
        let (storage, before) = (new.storage(), old.and_then(Leaf::storage));
        let Some(storage) = storage else { return };
        if before.is_some_and(|before| before.root() == storage.root()) {
            return;
        }
        let mut inner = Tally::default();
        inner.walk(storage, before);
        self.slots += inner.leaves;
        self.new_slots += inner.new_leaves;
        self.nodes += inner.nodes;
        self.bytes += inner.bytes;
    }
}

/// The reference of the old branch that was at the place of `branch`.
fn branch_at(old: &Arc<Node>, branch: &Branch, scratch: &mut Vec<u8>) -> Option<NodeRef> {
    let depth = usize::from(branch.depth);
    let Body::Branch(before) = &covering(Some(old), &branch.key, depth)?.body else {
        return None;
    };
    if before.depth != branch.depth {
        return None;
    }
    before.put_node(scratch);
    Some(NodeRef::of(scratch))
}

/// The old node that covers the first `len` nibbles of `key`: it begins there, or it ends below.
fn covering<'a>(mut old: Option<&'a Arc<Node>>, key: &Hash, len: usize) -> Option<&'a Arc<Node>> {
    loop {
        let node = old?;
        let begins = usize::from(node.at);
        let ends = match &node.body {
            Body::Leaf(_) => 64,
            Body::Branch(branch) => usize::from(branch.depth),
        };
        if node::common_nibbles(node.key(), key) < ends.min(len.max(begins)) {
            return None;
        }
        match &node.body {
            Body::Branch(branch) if ends < len => {
                old = branch.children[usize::from(node::nibble(key, ends))].as_ref();
            }
            _ => return old,
        }
    }
}
