//! Derives which branches there are, from how many nibbles each entry shares with the one before.

use super::encode::NodeRef;
use super::path::KEY_NIBBLES;
use crate::hash::Hash;

/// Most levels of inner nodes, counted from the entries up. Each level takes at least one nibble of
/// a key.
pub(crate) const LEVELS: usize = KEY_NIBBLES as usize;

/// A branch that the entries determine.
#[derive(Clone, Copy, Debug)]
pub struct Branch {
    /// Number of nibbles in its path: those that all its entries share.
    pub depth: u8,
    /// Index of its first entry.
    pub first: u32,
    /// Index of its last entry, inclusive.
    pub last: u32,
    /// Refers to the branch itself, not to an extension above it.
    pub reference: NodeRef,
    /// What its parent holds: a reference to the branch, or to the extension above it.
    pub(crate) link: NodeRef,
    /// Depth at which its link starts: one below the parent branch. For the top, where the fold
    /// starts.
    pub(crate) link_from: u8,
    /// Its level in the order of hashing, from 1 on.
    level: u8,
    /// Start and end of its children in [`Shape::children`].
    children: (u32, u32),
}

impl Branch {
    /// What its parent holds: a reference to the branch, or to the extension above it.
    pub fn link(&self) -> NodeRef {
        self.link
    }

    /// Whether there is an extension above it.
    pub(crate) fn has_link(&self) -> bool {
        self.link_from < self.depth
    }
}

/// A child of a branch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChildOf {
    /// An entry, by its index.
    Entry(u32),
    /// A branch, maybe below an extension, by its index in
    /// [`Fold::branches`](crate::Fold::branches).
    Branch(u32),
}

/// A node to be hashed: twice the index of a branch, plus 1 for the extension above it.
#[derive(Clone, Copy)]
pub(crate) struct InnerNode(pub(crate) u32);

impl InnerNode {
    /// The end of a level's list. No index is that large.
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

/// Which node is the root of a trie that has a branch.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Top {
    /// The top branch.
    Branch,
    /// The extension above the top branch.
    Link,
}

/// The branches over a list of entries, and the order in which they are hashed.
///
/// All sizes are bounded by the number of entries, n: fewer than n branches and 2n children.
#[derive(Default)]
pub(crate) struct Shape {
    /// Children before parents. Fewer than n.
    pub(crate) branches: Vec<Branch>,
    /// The children of all branches, those of one branch side by side. Fewer than 2n.
    children: Vec<ChildOf>,
    /// Branches that may still get children, from the top down: the depth of each, and where its
    /// children start in `pending`. At most one per nibble of a key.
    open: Vec<(u8, usize)>,
    /// Children of open branches, in key order. At most n.
    pending: Vec<ChildOf>,
    /// The first node of each level. [`LEVELS`] of them.
    levels: Vec<InnerNode>,
    /// For each branch and for the extension above it: the next node of the same level. Fewer than
    /// 2n.
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

    /// Derives the branches. `shared` gives for each entry how many nibbles it shares with the one
    /// before (0 for the first). The path of the top node starts at depth `from`.
    pub(crate) fn build(&mut self, shared: impl Iterator<Item = u8>, from: u8) {
        self.clear();
        for (i, shared) in shared.enumerate() {
            if i > 0 {
                self.branch_at(shared);
            }
            self.pending.push(ChildOf::Entry(i as u32));
        }
        while let Some((depth, start)) = self.open.pop() {
            self.close(depth, start);
        }
        // Only the top is left. If it is deeper than `from`, it gets an extension.
        if let Some(ChildOf::Branch(top)) = self.pending.pop() {
            self.link(top, from);
        }
    }

    /// The children of a branch, in nibble order. None if there is no such branch.
    pub(crate) fn children(&self, branch: usize) -> &[ChildOf] {
        self.branches.get(branch).map_or(&[], |branch| {
            &self.children[branch.children.0 as usize..branch.children.1 as usize]
        })
    }

    /// The first node to be hashed at a level.
    pub(crate) fn first_at(&self, level: usize) -> Option<InnerNode> {
        self.levels[level].some()
    }

    /// The next node of the same level.
    pub(crate) fn next_after(&self, node: InnerNode) -> Option<InnerNode> {
        self.next[node.0 as usize].some()
    }

    /// Whether the node would be the root if the entries were a whole trie.
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

    /// Sets how the parent of a node refers to it.
    #[inline]
    pub(crate) fn set(&mut self, node: InnerNode, reference: NodeRef) {
        let branch = &mut self.branches[node.branch()];
        branch.link = reference;
        if !node.is_link() {
            branch.reference = reference;
        }
    }

    /// The next entry shares `shared` nibbles with the one before. So there is a branch at that
    /// depth, and all open branches below it are complete.
    #[inline]
    fn branch_at(&mut self, shared: u8) {
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
        // The new branch's first child is the last one that is pending.
        self.open.push((shared, self.pending.len() - 1));
    }

    /// Completes an open branch: takes its children out of `pending`, from `start` on, and puts the
    /// branch there instead.
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

    /// Sets where the link of a branch starts, once its parent is known. Returns the level of the
    /// node that the parent refers to.
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

    /// Puts a node in front of its level's list.
    #[inline]
    fn schedule(&mut self, node: InnerNode, level: u8) {
        let head = &mut self.levels[usize::from(level) - 1];
        self.next[node.0 as usize] = *head;
        *head = node;
    }
}
