//! One trie, kept for serving: the leaves in order, each already encoded as the wire wants it, and
//! of the inner nodes what is needed to write any of them down without hashing below it.

mod build;
mod node;
mod serve;
#[cfg(test)]
mod tests;

pub use build::Leaves;
pub(crate) use build::in_parallel;
pub use serve::NodeAt;

use crate::Hash;
use node::NodeRef;

/// A trie with keys of 32 bytes. Immutable.
///
/// The leaves' keys are kept twice, in `keys` for searching and inside the encoded items: 32 bytes
/// more per leaf make an answer one copy of adjacent bytes.
#[derive(Debug)]
pub struct Trie {
    leaves: Leaves,
    /// How each leaf's parent names it.
    leaf_refs: Vec<NodeRef>,
    /// Children before parents.
    branches: Vec<Branch>,
    top: Child,
    root: Hash,
}

/// What a trie's values are, which decides how they look on the wire and how in the trie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Values are slim account bodies; on the wire a list in the item, in the trie spelled out.
    Accounts,
    /// Values are RLP of slot values; on the wire a string around that, in the trie as they are.
    Slots,
}

/// A branch node, with all that its RLP is made of (the children's references are with them).
#[derive(Debug, Clone)]
struct Branch {
    /// Nibbles above it.
    depth: u8,
    /// Its first leaf: the nibbles above it are those of that leaf's key.
    first: u32,
    children: [Child; 16],
    /// How its parent names it: the reference of the extension above it, where there is one.
    reference: NodeRef,
}

/// A child in the arena, packed into 4 bytes because there are sixteen in each branch.
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

    fn get(self) -> Option<Target> {
        match self {
            Child::NONE => None,
            Child(packed) if packed & Child::BRANCH != 0 => {
                Some(Target::Branch((packed & !Child::BRANCH) as usize))
            }
            Child(packed) => Some(Target::Leaf(packed as usize)),
        }
    }

    /// The same child after `leaves` and `branches` were put in front of its part of the arena.
    fn shifted(self, leaves: usize, branches: usize) -> Child {
        match self.get() {
            None => self,
            Some(Target::Leaf(index)) => Child::leaf(index + leaves),
            Some(Target::Branch(index)) => Child::branch(index + branches),
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Target {
    Leaf(usize),
    Branch(usize),
}

impl Trie {
    /// The root hash; `EMPTY_ROOT` without leaves.
    #[must_use]
    pub fn root(&self) -> Hash {
        self.root
    }

    /// How many leaves there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.leaves.len()
    }

    /// Whether there is no leaf.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All leaves, ascending: key, and value as `Kind` says (slim body, or RLP of the slot's value).
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&Hash, &[u8])> {
        (0..self.len()).map(|index| (self.key(index), self.value(index)))
    }

    /// The value under `key`.
    #[must_use]
    pub fn get(&self, key: &Hash) -> Option<&[u8]> {
        let index = self.leaves.keys().binary_search(key).ok()?;
        Some(self.value(index))
    }

    /// The first leaf whose key is `origin` or behind it; `len()` if there is none.
    #[must_use]
    pub fn first_from(&self, origin: &Hash) -> usize {
        self.leaves.keys().partition_point(|key| key < origin)
    }

    /// The key of a leaf. `index` < `len()`.
    #[must_use]
    pub fn key(&self, index: usize) -> &Hash {
        &self.leaves.keys()[index]
    }

    /// The value of a leaf, as in `iter`. `index` < `len()`.
    #[must_use]
    pub fn value(&self, index: usize) -> &[u8] {
        self.leaves.value(index)
    }

    /// Adjacent leaves as the wire wants them, `[[key, value], ...]` without the outer header.
    #[must_use]
    pub fn items(&self, range: std::ops::Range<usize>) -> &[u8] {
        self.leaves.items(range)
    }
}
