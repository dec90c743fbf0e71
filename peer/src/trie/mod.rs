//! Tries, kept for serving: the leaves already encoded as the wire wants them, and of the inner nodes
//! what is needed to write any of them down without hashing below it.

mod flat;
mod leaf;
mod live;
mod node;
mod serve;
#[cfg(test)]
mod tests;

pub use flat::Leaves;
pub(crate) use flat::in_parallel;
pub(crate) use leaf::Leaf;
pub(crate) use live::{Edit, Tally};
pub use serve::NodeAt;

use crate::Hash;
use flat::Flat;
use live::Live;
use std::sync::Arc;

/// A trie with keys of 32 bytes. Immutable: what changes is another one, which shares with this one what
/// they have in common.
#[derive(Debug, Clone)]
pub struct Trie(Repr);

#[derive(Debug, Clone)]
enum Repr {
    /// Compact, quick to make and to serve: states that never change.
    Flat(Arc<Flat>),
    /// Nodes that several tries share: states of a chain.
    Live(Live),
}

/// What a trie's values are, which decides how they look on the wire and how in the trie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Values are slim account bodies; on the wire a list in the item, in the trie spelled out.
    Accounts,
    /// Values are RLP of slot values; on the wire a string around that, in the trie as they are.
    Slots,
}

/// Whether a leaf belongs to a range.
pub(crate) enum Take {
    /// Yes.
    Yes,
    /// Yes, and it is the last one.
    Last,
    /// No, and there are none behind it.
    No,
}

/// Adjacent leaves.
#[derive(Debug, Default)]
pub(crate) struct Range<'a> {
    /// As the wire wants them, `[[key, value], ...]` without the outer header, in pieces.
    pub(crate) items: Vec<&'a [u8]>,
    /// The last one's key.
    pub(crate) last: Option<&'a Hash>,
}

impl Range<'_> {
    /// Bytes of all items.
    pub(crate) fn bytes(&self) -> usize {
        self.items.iter().map(|item| item.len()).sum()
    }
}

impl Trie {
    /// Hashes every node.
    ///
    /// # Panics
    /// With 2^31 leaves or more.
    #[must_use]
    pub fn build(leaves: Leaves) -> Trie {
        Trie(Repr::Flat(Arc::new(Flat::build(leaves))))
    }

    /// The same trie, ready to be changed. `storage` says what belongs to an account.
    pub(crate) fn live<'a>(&self, storage: impl Fn(&Hash) -> Option<&'a Trie>) -> Trie {
        match &self.0 {
            Repr::Flat(flat) => Trie(Repr::Live(Live::of(flat, &|key| storage(key).cloned()))),
            Repr::Live(_) => self.clone(),
        }
    }

    /// The trie after some leaves were set or removed. `edits` are sorted by key, each key once.
    pub(crate) fn edited(&self, edits: &[Edit]) -> Trie {
        Trie(Repr::Live(self.to_live().edited(edits)))
    }

    fn to_live(&self) -> Live {
        match &self.0 {
            Repr::Flat(flat) => Live::of(flat, &|_| None),
            Repr::Live(live) => live.clone(),
        }
    }

    /// The root hash; `EMPTY_ROOT` without leaves.
    #[must_use]
    pub fn root(&self) -> Hash {
        match &self.0 {
            Repr::Flat(flat) => flat.root(),
            Repr::Live(live) => live.root(),
        }
    }

    /// How many leaves there are.
    #[must_use]
    pub fn len(&self) -> usize {
        match &self.0 {
            Repr::Flat(flat) => flat.len(),
            Repr::Live(live) => live.len(),
        }
    }

    /// Whether there is no leaf.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All leaves, ascending: key, and value as `Kind` says (slim body, or RLP of the slot's value).
    pub fn iter(&self) -> impl Iterator<Item = (&Hash, &[u8])> {
        self.iter_from(&[0; 32])
    }

    /// The same from the first leaf on whose key is `origin` or behind it.
    pub fn iter_from(&self, origin: &Hash) -> impl Iterator<Item = (&Hash, &[u8])> {
        let (flat, live) = match &self.0 {
            Repr::Flat(flat) => (Some(flat.iter_from(origin)), None),
            Repr::Live(live) => (None, Some(live.iter_from(origin))),
        };
        let live = live.into_iter().flatten();
        let live = live.map(|leaf| (leaf.key(), leaf.value()));
        flat.into_iter().flatten().chain(live)
    }

    /// The leaves from `origin` on, as far as `take` says.
    pub(crate) fn range(&self, origin: &Hash, take: impl FnMut(&Hash, &[u8]) -> Take) -> Range<'_> {
        match &self.0 {
            Repr::Flat(flat) => flat.range(origin, take),
            Repr::Live(live) => live.range(origin, take),
        }
    }

    /// The key of the leaf with so many before it.
    #[must_use]
    pub fn nth(&self, index: usize) -> Option<&Hash> {
        match &self.0 {
            Repr::Flat(flat) => flat.nth(index),
            Repr::Live(live) => live.nth(index),
        }
    }

    /// The account whose storage holds the slot with so many before it, if this is a trie of accounts
    /// that carry their storages.
    pub(crate) fn with_slot(&self, index: u64) -> Option<&Hash> {
        match &self.0 {
            Repr::Flat(_) => None,
            Repr::Live(live) => live.with_slot(index),
        }
    }

    /// The value under `key`.
    #[must_use]
    pub fn get(&self, key: &Hash) -> Option<&[u8]> {
        match &self.0 {
            Repr::Flat(flat) => flat.get(key),
            Repr::Live(live) => live.get(key).map(Leaf::value),
        }
    }

    /// The storage that belongs to an account, if this is a trie of accounts that carry them.
    pub(crate) fn storage(&self, account: &Hash) -> Option<&Trie> {
        match &self.0 {
            Repr::Flat(_) => None,
            Repr::Live(live) => live.get(account)?.storage(),
        }
    }

    /// The slots of all storages that the leaves carry.
    pub(crate) fn slots(&self) -> u64 {
        match &self.0 {
            Repr::Flat(_) => 0,
            Repr::Live(live) => live.slots(),
        }
    }

    /// The nodes from the root towards `key`, as far as its path goes: they prove what is under it,
    /// or that nothing is. Nodes embedded in their parents are not listed. Nothing for an empty trie.
    #[must_use]
    pub fn path_to(&self, key: &Hash) -> Vec<Vec<u8>> {
        match &self.0 {
            Repr::Flat(flat) => serve::path_to(&flat.as_ref(), key),
            Repr::Live(live) => serve::path_to(&live, key),
        }
    }

    /// A range's proof: the path to `origin`, then what the path to `last` adds.
    #[must_use]
    pub fn prove(&self, origin: &Hash, last: Option<&Hash>) -> Vec<Vec<u8>> {
        let mut proof = self.path_to(origin);
        if let Some(last) = last {
            // Two paths are the same as far as they go together and never meet again.
            let tail = self.path_to(last);
            let shared = proof.iter().zip(&tail).take_while(|(a, b)| a == b).count();
            proof.extend(tail.into_iter().skip(shared));
        }
        proof
    }

    /// The node at a path, which is any number of nibbles. What is no nibble leads nowhere.
    #[must_use]
    pub fn node_at(&self, path: &[u8]) -> NodeAt {
        match &self.0 {
            Repr::Flat(flat) => serve::node_at(&flat.as_ref(), path),
            Repr::Live(live) => serve::node_at(&live, path),
        }
    }

    /// The depths at which nodes with a hash of their own are on the way to a path, but for the root
    /// and the node at the path itself.
    #[must_use]
    pub fn hashed_above(&self, path: &[u8]) -> Vec<usize> {
        match &self.0 {
            Repr::Flat(flat) => serve::hashed_above(&flat.as_ref(), path),
            Repr::Live(live) => serve::hashed_above(&live, path),
        }
    }

    /// Every node with a hash of its own, in no particular order: a proof of far too much.
    #[must_use]
    pub fn all_nodes(&self) -> Vec<Vec<u8>> {
        match &self.0 {
            Repr::Flat(flat) => serve::all_nodes(&flat.as_ref()),
            Repr::Live(live) => serve::all_nodes(&live),
        }
    }
}
