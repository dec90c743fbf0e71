//! A trie in a few large arrays, built from sorted leaves. Large tries are built on all cores.

use super::{
    Kind, Take, leaf,
    node::{self, NodeRef},
    serve::{Nodes, Target},
};
use crate::{EMPTY_ROOT, Hash};
use std::{ops::Range, thread};

mod handle;
pub(super) use handle::Handle;

/// With fewer leaves, a second thread takes longer than it saves. Chosen without a measurement.
const PARALLEL_FROM: usize = 4096;

/// A trie with keys of 32 bytes.
///
/// The leaves' keys are held twice: in `keys` for searching, and inside the encoded items. This
/// takes 32 bytes more per leaf, and an answer is one copy of adjacent bytes.
#[derive(Debug, Clone)]
pub(super) struct Flat {
    leaves: Leaves,
    /// How each leaf's parent refers to it.
    leaf_refs: Vec<NodeRef>,
    /// Children are before their parents.
    branches: Vec<Branch>,
    top: Child,
    root: Hash,
}

/// A branch node, without its children's references, which are with the children.
#[derive(Debug, Clone)]
struct Branch {
    /// How many nibbles are above it.
    depth: u8,
    /// Its first leaf, whose key begins with the nibbles above the branch.
    first: u32,
    children: [Child; 16],
    /// How its parent refers to it. If there is an extension above it, this refers to the
    /// extension.
    reference: NodeRef,
}

/// A child's index, packed into 4 bytes because each branch has sixteen of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Child(u32);

impl Child {
    const NONE: Child = Child(u32::MAX);
    const BRANCH: u32 = 1 << 31;

    fn leaf(index: usize) -> Child {
        Child(index as u32)
    }

    fn branch(index: usize) -> Child {
        Child(index as u32 | Child::BRANCH)
    }

    fn get(self) -> Option<Target<usize, usize>> {
        match self {
            Child::NONE => None,
            Child(packed) if packed & Child::BRANCH != 0 => {
                Some(Target::Branch((packed & !Child::BRANCH) as usize))
            }
            Child(packed) => Some(Target::Leaf(packed as usize)),
        }
    }

    /// The same child after `leaves` and `branches` have been added in front.
    fn shifted(self, leaves: usize, branches: usize) -> Child {
        match self.get() {
            None => self,
            Some(Target::Leaf(index)) => Child::leaf(index + leaves),
            Some(Target::Branch(index)) => Child::branch(index + branches),
        }
    }
}

/// Leaves in ascending order of their keys, encoded as answers contain them.
#[derive(Debug, Clone)]
pub struct Leaves {
    kind: Kind,
    keys: Vec<Hash>,
    /// `[key, value]` items without gaps, as AccountRange and StorageRanges contain them.
    items: Vec<u8>,
    /// Where each item ends.
    ends: Vec<usize>,
}

impl Leaves {
    /// No leaves yet, with room for `count`.
    #[must_use]
    pub fn with_capacity(kind: Kind, count: usize) -> Leaves {
        // A plain account's item has about 50 bytes, and most slots have fewer.
        Leaves {
            kind,
            keys: Vec::with_capacity(count),
            items: Vec::with_capacity(count * 48),
            ends: Vec::with_capacity(count),
        }
    }

    /// Adds a leaf: a slim account body, or the RLP of a slot's value.
    ///
    /// # Panics
    /// If `key` is not greater than the last one, because a trie of unsorted leaves would have a
    /// wrong root. Only code that builds a state can cause this, and nothing from the wire.
    pub fn push(&mut self, key: Hash, value: &[u8]) {
        assert!(
            self.keys.last().is_none_or(|last| *last < key),
            "leaves out of order"
        );
        leaf::put_item(self.kind, &key, value, &mut self.items);
        self.keys.push(key);
        self.ends.push(self.items.len());
    }

    /// Adds leaves whose keys are all greater.
    pub fn append(&mut self, other: &Leaves) {
        assert!(
            self.keys
                .last()
                .zip(other.keys.first())
                .is_none_or(|(last, next)| last < next),
            "leaves out of order"
        );
        let shift = self.items.len();
        self.keys.extend_from_slice(&other.keys);
        self.items.extend_from_slice(&other.items);
        self.ends.extend(other.ends.iter().map(|end| end + shift));
    }

    fn len(&self) -> usize {
        self.keys.len()
    }

    fn items(&self, range: Range<usize>) -> &[u8] {
        let start = if range.start == 0 {
            0
        } else {
            self.ends[range.start - 1]
        };
        let end = if range.end == 0 {
            0
        } else {
            self.ends[range.end - 1]
        };
        &self.items[start..end]
    }

    fn value(&self, index: usize) -> &[u8] {
        leaf::item_value(self.kind, self.items(index..index + 1))
    }

    /// Writes the leaf's node, as the trie has it below `depth` nibbles, into `out`.
    fn put_node(&self, index: usize, depth: usize, out: &mut Vec<u8>) {
        leaf::put_node(self.kind, self.items(index..index + 1), depth, out);
    }
}

impl Flat {
    pub(super) fn build(leaves: Leaves) -> Flat {
        assert!(leaves.len() < (1 << 31), "too many leaves for 31 bits");
        let mut arena = Arena::default();
        let top = if leaves.len() == 0 {
            None
        } else if leaves.len() < PARALLEL_FROM {
            Some(arena.subtrie(&leaves, 0..leaves.len(), 0))
        } else {
            Some(arena.subtrie_in_parallel(&leaves))
        };
        let (top, root) = match top {
            None => (Child::NONE, EMPTY_ROOT),
            Some((child, reference)) => (child, reference.root()),
        };
        let Arena {
            mut leaf_refs,
            mut branches,
            ..
        } = arena;
        leaf_refs.shrink_to_fit();
        branches.shrink_to_fit();
        Flat {
            leaves,
            leaf_refs,
            branches,
            top,
            root,
        }
    }

    pub(super) fn root(&self) -> Hash {
        self.root
    }

    pub(super) fn kind(&self) -> Kind {
        self.leaves.kind
    }

    pub(super) fn len(&self) -> usize {
        self.leaves.len()
    }

    pub(super) fn get(&self, key: &Hash) -> Option<&[u8]> {
        let index = self.leaves.keys.binary_search(key).ok()?;
        Some(self.leaves.value(index))
    }

    pub(super) fn nth(&self, index: usize) -> Option<&Hash> {
        self.leaves.keys.get(index)
    }

    fn first_from(&self, origin: &Hash) -> usize {
        self.leaves.keys.partition_point(|key| key < origin)
    }

    pub(super) fn iter_from(&self, origin: &Hash) -> impl Iterator<Item = (&Hash, &[u8])> {
        (self.first_from(origin)..self.len())
            .map(|index| (&self.leaves.keys[index], self.leaves.value(index)))
    }

    pub(super) fn range(
        &self,
        origin: &Hash,
        mut take: impl FnMut(&Hash, &[u8]) -> Take,
    ) -> super::Range<'_> {
        let first = self.first_from(origin);
        let mut end = first;
        while end < self.len() {
            match take(&self.leaves.keys[end], self.leaves.value(end)) {
                Take::No => break,
                Take::Yes => end += 1,
                Take::Last => {
                    end += 1;
                    break;
                }
            }
        }
        if end == first {
            return super::Range::default();
        }
        super::Range {
            items: vec![self.leaves.items(first..end)],
            last: self.leaves.keys.get(end - 1),
        }
    }

    /// An item as answers contain it.
    pub(super) fn item(&self, leaf: usize) -> &[u8] {
        self.leaves.items(leaf..leaf + 1)
    }

    /// How a child's parent refers to it.
    pub(super) fn reference(&self, child: Target<usize, usize>) -> NodeRef {
        match child {
            Target::Leaf(index) => self.leaf_refs[index],
            Target::Branch(index) => self.branches[index].reference,
        }
    }
}

impl Nodes for &Flat {
    type Leaf = usize;
    type Branch = usize;

    fn top(&self) -> Option<Target<usize, usize>> {
        self.top.get()
    }

    fn child(&self, branch: usize, nibble: u8) -> Option<Target<usize, usize>> {
        self.branches[branch].children[usize::from(nibble)].get()
    }

    fn branch_depth(&self, branch: usize) -> usize {
        usize::from(self.branches[branch].depth)
    }

    fn branch_key(&self, branch: usize) -> &Hash {
        &self.leaves.keys[self.branches[branch].first as usize]
    }

    fn put_leaf(&self, leaf: usize, depth: usize, out: &mut Vec<u8>) {
        self.leaves.put_node(leaf, depth, out);
    }

    fn put_branch(&self, branch: usize, out: &mut Vec<u8>) {
        let references = self.branches[branch]
            .children
            .map(|child| Some(self.reference(child.get()?)));
        node::put_branch(&references, out);
    }
}

/// A trie's nodes while it is built. The indexes of leaves are those of `Leaves`, from `first_leaf`
/// on.
#[derive(Default)]
struct Arena {
    first_leaf: usize,
    leaf_refs: Vec<NodeRef>,
    branches: Vec<Branch>,
    /// The node that is being written.
    scratch: Vec<u8>,
}

impl Arena {
    /// Makes the nodes of the leaves in `range`, which share `depth` nibbles. Visits the leaves in
    /// order.
    fn subtrie(&mut self, leaves: &Leaves, range: Range<usize>, depth: usize) -> (Child, NodeRef) {
        if range.len() == 1 {
            leaves.put_node(range.start, depth, &mut self.scratch);
            let reference = NodeRef::of(&self.scratch);
            self.leaf_refs.push(reference);
            return (Child::leaf(range.start - self.first_leaf), reference);
        }
        let split = common_nibbles_of(leaves, &range);
        let mut children = [(Child::NONE, None); 16];
        for (nibble, group) in groups(leaves, range.clone(), split) {
            let (child, reference) = self.subtrie(leaves, group, split + 1);
            children[nibble as usize] = (child, Some(reference));
        }
        self.branch(leaves, range.start, depth, split, &children)
    }

    /// The same for all leaves. The children of the top branch are made on several threads.
    fn subtrie_in_parallel(&mut self, leaves: &Leaves) -> (Child, NodeRef) {
        let all = 0..leaves.len();
        let split = common_nibbles_of(leaves, &all);
        let groups: Vec<_> = groups(leaves, all, split).collect();
        let parts = in_parallel(&groups, |(_, group)| {
            let mut arena = Arena {
                first_leaf: group.start,
                ..Arena::default()
            };
            let top = arena.subtrie(leaves, group.clone(), split + 1);
            (arena, top)
        });
        let mut children = [(Child::NONE, None); 16];
        for ((nibble, group), (part, (child, reference))) in groups.iter().zip(parts) {
            let branches = self.branches.len();
            self.leaf_refs.extend(part.leaf_refs);
            self.branches
                .extend(part.branches.into_iter().map(|branch| {
                    Branch {
                        first: branch.first,
                        children: branch
                            .children
                            .map(|child| child.shifted(group.start, branches)),
                        ..branch
                    }
                }));
            children[*nibble as usize] = (child.shifted(group.start, branches), Some(reference));
        }
        self.branch(leaves, 0, 0, split, &children)
    }

    /// A branch at `split` nibbles. Its parent ends at `depth` nibbles; if that is less, an
    /// extension is between them.
    fn branch(
        &mut self,
        leaves: &Leaves,
        first: usize,
        depth: usize,
        split: usize,
        children: &[(Child, Option<NodeRef>); 16],
    ) -> (Child, NodeRef) {
        node::put_branch(&children.map(|(_, reference)| reference), &mut self.scratch);
        let mut reference = NodeRef::of(&self.scratch);
        if split > depth {
            let key = &leaves.keys[first];
            node::put_extension(key, depth, split, &reference, &mut self.scratch);
            reference = NodeRef::of(&self.scratch);
        }
        self.branches.push(Branch {
            depth: split as u8,
            first: first as u32,
            children: children.map(|(child, _)| child),
            reference,
        });
        (Child::branch(self.branches.len() - 1), reference)
    }
}

/// The nibbles that sorted keys have in common are those of the first and the last key.
fn common_nibbles_of(leaves: &Leaves, range: &Range<usize>) -> usize {
    node::common_nibbles(&leaves.keys[range.start], &leaves.keys[range.end - 1])
}

/// Groups the leaves in `range` by their nibble at `depth`.
fn groups(
    leaves: &Leaves,
    range: Range<usize>,
    depth: usize,
) -> impl Iterator<Item = (u8, Range<usize>)> {
    let mut start = range.start;
    std::iter::from_fn(move || {
        let rest = &leaves.keys[start..range.end];
        let nibble = node::nibble(rest.first()?, depth);
        let len = rest.partition_point(|key| node::nibble(key, depth) == nibble);
        start += len;
        Some((nibble, start - len..start))
    })
}

/// Does `work` on each of `jobs`, on as many threads as there are cores. Results keep the jobs'
/// order.
pub(crate) fn in_parallel<J: Sync, R: Send>(jobs: &[J], work: impl Fn(&J) -> R + Sync) -> Vec<R> {
    use std::sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    };
    let threads = thread::available_parallelism().map_or(1, |count| count.get());
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::with_capacity(jobs.len()));
    thread::scope(|scope| {
        for _ in 0..threads.min(jobs.len()) {
            scope.spawn(|| {
                while let Some((index, job)) = {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    jobs.get(index).map(|job| (index, job))
                } {
                    let result = work(job);
                    done.lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push((index, result));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_unstable_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, result)| result).collect()
}
