//! From sorted leaves to a trie, on all cores where it is worth it.

use super::{Branch, Child, Kind, Trie, node};
use crate::{EMPTY_CODE, EMPTY_ROOT, Hash, rlp};
use node::NodeRef;
use std::{ops::Range, thread};

/// Below this many leaves a second thread costs more than it brings.
const PARALLEL_FROM: usize = 4096;

/// Leaves in ascending order of their keys, encoded for the wire.
#[derive(Debug, Clone)]
pub struct Leaves {
    kind: Kind,
    keys: Vec<Hash>,
    /// `[key, value]` one behind the other, as AccountRange and StorageRanges list them.
    items: Vec<u8>,
    /// Where each item ends.
    ends: Vec<usize>,
}

impl Leaves {
    /// None yet, with room for `count`.
    #[must_use]
    pub fn with_capacity(kind: Kind, count: usize) -> Leaves {
        // A plain account's item takes some 50 bytes, most slots' less.
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
    /// If `key` is not behind the last one: a trie of unsorted leaves would have a wrong root. Only
    /// whoever makes a state can get here, nothing from the wire.
    pub fn push(&mut self, key: Hash, value: &[u8]) {
        assert!(
            self.keys.last().is_none_or(|last| *last < key),
            "leaves out of order"
        );
        let value_len = match self.kind {
            Kind::Accounts => value.len(),
            Kind::Slots => rlp::string_len(value),
        };
        rlp::put_list_header(33 + value_len, &mut self.items);
        rlp::put_string(&key, &mut self.items);
        match self.kind {
            Kind::Accounts => self.items.extend_from_slice(value),
            Kind::Slots => rlp::put_string(value, &mut self.items),
        }
        self.keys.push(key);
        self.ends.push(self.items.len());
    }

    /// Leaves that all come behind these.
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

    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    pub(super) fn keys(&self) -> &[Hash] {
        &self.keys
    }

    pub(super) fn items(&self, range: Range<usize>) -> &[u8] {
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

    pub(super) fn value(&self, index: usize) -> &[u8] {
        let item = self.items(index..index + 1);
        let header = if item[0] < 0xf8 {
            1
        } else {
            1 + usize::from(item[0] - 0xf7)
        };
        let mut value = &item[header + 33..];
        match self.kind {
            Kind::Accounts => value,
            // Written by `push`, so it reads back.
            Kind::Slots => rlp::string(&mut value).unwrap_or_default(),
        }
    }

    /// The leaf's node as the trie has it below `depth` nibbles, into `out`.
    pub(super) fn put_node(&self, index: usize, depth: usize, out: &mut Vec<u8>) {
        let value = self.value(index);
        match self.kind {
            Kind::Slots => node::put_leaf(&self.keys[index], depth, value, out),
            Kind::Accounts => match spell_out(value) {
                Some(body) => node::put_leaf(&self.keys[index], depth, &body, out),
                None => node::put_leaf(&self.keys[index], depth, value, out),
            },
        }
    }
}

/// A slim body as the trie has it, with the hashes of empty storage and code in their places.
/// None if it is no list of four strings: a bogus state may hold anything, and then holds it as it is.
fn spell_out(slim: &[u8]) -> Option<Vec<u8>> {
    let mut fields = rlp::list(&mut &*slim).ok()?;
    let head = fields;
    rlp::string(&mut fields).ok()?;
    rlp::string(&mut fields).ok()?;
    let numbers = &head[..head.len() - fields.len()];
    let storage = rlp::string(&mut fields).ok()?;
    let code = rlp::string(&mut fields).ok()?;
    rlp::end(fields).ok()?;
    let storage = if storage.is_empty() {
        &EMPTY_ROOT
    } else {
        storage
    };
    let code = if code.is_empty() { &EMPTY_CODE } else { code };
    let mut body = Vec::with_capacity(numbers.len() + 68);
    rlp::put_list_header(
        numbers.len() + rlp::string_len(storage) + rlp::string_len(code),
        &mut body,
    );
    body.extend_from_slice(numbers);
    rlp::put_string(storage, &mut body);
    rlp::put_string(code, &mut body);
    Some(body)
}

impl Trie {
    /// Hashes every node.
    ///
    /// # Panics
    /// With 2^31 leaves or more.
    #[must_use]
    pub fn build(leaves: Leaves) -> Trie {
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
        Trie {
            leaves,
            leaf_refs,
            branches,
            top,
            root,
        }
    }
}

/// A trie's nodes while they are made. Indexes of leaves are those of `Leaves`, from `first_leaf`.
#[derive(Default)]
struct Arena {
    first_leaf: usize,
    leaf_refs: Vec<NodeRef>,
    branches: Vec<Branch>,
    /// The node being written.
    scratch: Vec<u8>,
}

impl Arena {
    /// The nodes of the leaves in `range`, which share `depth` nibbles. Visits leaves in order.
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

    /// The same for all leaves, with the top branch's children on several threads.
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

    /// A branch at `split` nibbles, and the extension above it if its parent ends at `depth` < `split`.
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
            let key = &leaves.keys()[first];
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

/// Sorted keys share what the first and the last share.
fn common_nibbles_of(leaves: &Leaves, range: &Range<usize>) -> usize {
    node::common_nibbles(&leaves.keys()[range.start], &leaves.keys()[range.end - 1])
}

/// The leaves in `range` by their nibble at `depth`.
fn groups(
    leaves: &Leaves,
    range: Range<usize>,
    depth: usize,
) -> impl Iterator<Item = (u8, Range<usize>)> {
    let mut start = range.start;
    std::iter::from_fn(move || {
        let rest = &leaves.keys()[start..range.end];
        let nibble = node::nibble(rest.first()?, depth);
        let len = rest.partition_point(|key| node::nibble(key, depth) == nibble);
        start += len;
        Some((nibble, start - len..start))
    })
}

/// `work` on each of `jobs`, results in their order, on as many threads as there are cores.
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
