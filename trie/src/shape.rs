//! Which branches there are: a tree out of nothing but how many nibbles each entry shares with the one before.

use super::encode::NodeRef;
use super::path::KEY_NIBBLES;
use crate::hash::Hash;

/// Levels of inner nodes, counted from the entries up: each takes at least one nibble, so there are no more than a key has.
pub(crate) const LEVELS: usize = KEY_NIBBLES as usize;

/// A branch that the entries determine.
#[derive(Clone, Copy, Debug)]
pub struct Branch {
    /// Nibbles above it: what its entries share.
    pub depth: u8,
    /// Index of its first entry.
    pub first: u32,
    /// Index of its last entry, inclusive.
    pub last: u32,
    /// Names the branch itself, not an extension above it.
    pub reference: NodeRef,
    /// What its parent holds: the same, or an extension.
    pub(crate) link: NodeRef,
    /// Depth at which its link starts: one below the parent branch, 0 for the top.
    pub(crate) link_from: u8,
    /// Its level in the order of hashing.
    level: u8,
    /// Its children, a stretch of [`Shape::children`].
    children: (u32, u32),
}

impl Branch {
    /// Whether an extension leads to it.
    pub(crate) fn has_link(&self) -> bool {
        self.link_from < self.depth
    }
}

/// A child of a branch, by its index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChildOf {
    /// An entry.
    Entry(u32),
    /// A branch, maybe below an extension; an index into [`super::Fold::branches`].
    Branch(u32),
}

/// A node to be hashed: a branch, or the extension above it.
#[derive(Clone, Copy)]
pub(crate) struct InnerNode(pub(crate) u32);

impl InnerNode {
    /// Ends a level's list; no index gets there.
    const NONE: InnerNode = InnerNode(u32::MAX);

    fn some(self) -> Option<InnerNode> {
        (self.0 != Self::NONE.0).then_some(self)
    }

    pub(crate) fn of_branch(branch: u32) -> InnerNode {
        InnerNode(2 * branch)
    }

    pub(crate) fn link_above(branch: u32) -> InnerNode {
        InnerNode(2 * branch + 1)
    }

    pub(crate) fn branch(self) -> usize {
        (self.0 / 2) as usize
    }

    pub(crate) fn is_link(self) -> bool {
        self.0 % 2 == 1
    }
}

/// What stands at a trie's root, where there is a branch at all.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Top {
    /// The branch.
    Branch,
    /// An extension above it.
    Link,
}

/// The branches over a list of entries, and the order to hash them in. All bounds follow from the number of entries n:
/// fewer than n branches, fewer than 2n children.
#[derive(Default)]
pub(crate) struct Shape {
    /// Children before parents.
    pub(crate) branches: Vec<Branch>,
    children: Vec<ChildOf>,
    /// Branches that may still get children: depth, and where those start in `pending`. At most one per nibble of a key.
    open: Vec<(u8, usize)>,
    /// Children of open branches, in key order.
    pending: Vec<ChildOf>,
    /// First node of each level, and after each node (branch and link in turn) the next of its level.
    levels: Vec<InnerNode>,
    next: Vec<InnerNode>,
}

impl Shape {
    /// Bytes on the heap.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.branches.capacity() * size_of::<Branch>()
            + (self.children.capacity() + self.pending.capacity()) * size_of::<ChildOf>()
            + self.open.capacity() * size_of::<(u8, usize)>()
            + (self.levels.capacity() + self.next.capacity()) * size_of::<InnerNode>()
    }

    pub(crate) fn clear(&mut self) {
        self.branches.clear();
        self.children.clear();
        self.open.clear();
        self.pending.clear();
        self.next.clear();
        self.levels.clear();
        self.levels.resize(LEVELS, InnerNode::NONE);
    }

    /// Derives the branches. `shared` says for each entry how many nibbles it shares with the one before (0 for the first).
    /// The path of the top node starts at depth `from`.
    pub(crate) fn build(&mut self, shared: impl Iterator<Item = u8>, from: u8) {
        self.clear();
        for (i, shared) in shared.enumerate() {
            if i > 0 {
                self.turn_off(shared);
            }
            self.pending.push(ChildOf::Entry(i as u32));
        }
        while let Some((depth, start)) = self.open.pop() {
            self.close(depth, start);
        }
        // Only the top is left: if its path is not empty, an extension leads to it.
        if let Some(ChildOf::Branch(top)) = self.pending.pop() {
            self.link(top, from);
        }
    }

    /// The children of a branch, in nibble order.
    pub(crate) fn children(&self, branch: usize) -> &[ChildOf] {
        self.branches.get(branch).map_or(&[], |branch| {
            &self.children[branch.children.0 as usize..branch.children.1 as usize]
        })
    }

    /// The first node to be hashed at this level.
    pub(crate) fn first_at(&self, level: usize) -> Option<InnerNode> {
        self.levels[level].some()
    }

    /// The next node of the same level.
    pub(crate) fn next_after(&self, node: InnerNode) -> Option<InnerNode> {
        self.next[node.0 as usize].some()
    }

    /// Whether the node is the root of the trie that the entries would be.
    pub(crate) fn top_of(&self, node: InnerNode) -> Option<Top> {
        if node.branch() + 1 != self.branches.len() {
            return None;
        }
        match (node.is_link(), self.branches.last()?.depth) {
            (true, _) => Some(Top::Link),
            (false, 0) => Some(Top::Branch),
            _ => None,
        }
    }

    /// Notes how the node is named.
    #[inline]
    pub(crate) fn set(&mut self, node: InnerNode, reference: NodeRef) {
        let branch = &mut self.branches[node.branch()];
        branch.link = reference;
        if !node.is_link() {
            branch.reference = reference;
        }
    }

    /// The next entry leaves the path of those before at depth `shared`: there is a branch there, and what lies deeper is
    /// complete.
    #[inline]
    fn turn_off(&mut self, shared: u8) {
        while let Some(&(depth, start)) = self.open.last() {
            if depth < shared {
                break;
            }
            if depth == shared {
                return;
            }
            self.open.pop();
            self.close(depth, start);
        }
        // Its first child is what was just completed.
        self.open.push((shared, self.pending.len() - 1));
    }

    /// Makes a branch of the pending children from `start` on, and a pending child of the branch.
    fn close(&mut self, depth: u8, start: usize) {
        let mut level = 0;
        let (mut first, mut last) = (u32::MAX, 0);
        for i in start..self.pending.len() {
            let child = self.pending[i];
            let (child_first, child_last, child_level) = match child {
                ChildOf::Entry(entry) => (entry, entry, 0),
                ChildOf::Branch(branch) => {
                    let link_level = self.link(branch, depth + 1);
                    let branch = &self.branches[branch as usize];
                    (branch.first, branch.last, link_level)
                }
            };
            first = first.min(child_first);
            last = last.max(child_last);
            level = level.max(child_level + 1);
        }
        let children_start = self.children.len() as u32;
        self.children.extend(self.pending.drain(start..));
        let branch = self.branches.len() as u32;
        self.branches.push(Branch {
            depth,
            first,
            last,
            reference: NodeRef::from_hash(Hash::ZERO),
            link: NodeRef::from_hash(Hash::ZERO),
            link_from: depth,
            level,
            children: (children_start, self.children.len() as u32),
        });
        self.next.extend([InnerNode::NONE; 2]);
        self.schedule(InnerNode::of_branch(branch), level);
        self.pending.push(ChildOf::Branch(branch));
    }

    /// Now that the branch's parent is known: its link starts at depth `from`. Returns the level of what its parent names.
    #[inline]
    fn link(&mut self, branch: u32, from: u8) -> u8 {
        let Branch { depth, level, .. } = self.branches[branch as usize];
        self.branches[branch as usize].link_from = from;
        if from == depth {
            return level;
        }
        self.schedule(InnerNode::link_above(branch), level + 1);
        level + 1
    }

    #[inline]
    fn schedule(&mut self, node: InnerNode, level: u8) {
        let head = &mut self.levels[usize::from(level) - 1];
        self.next[node.0 as usize] = *head;
        *head = node;
    }
}
