//! Tries for serving. The leaves are encoded as answers contain them. Of the inner nodes, enough is
//! kept to write each of them without hashing the nodes below it.

mod flat;
mod handle;
mod leaf;
mod live;
mod node;
mod serve;
#[cfg(test)]
mod tests;
mod visit;

pub use flat::Leaves;
pub(crate) use flat::in_parallel;
pub(crate) use handle::Handle;
pub(crate) use leaf::Leaf;
pub(crate) use live::{Edit, Tally};
pub use serve::NodeAt;
pub(crate) use visit::Visitor;

use crate::Hash;
use flat::Flat;
use handle::AnyKind;
use live::Live;
use std::sync::Arc;

/// A trie with keys of 32 bytes. It never changes: an edit makes another trie, which shares nodes
/// with this one.
#[derive(Debug, Clone)]
pub struct Trie(Repr);

#[derive(Debug, Clone)]
enum Repr {
    /// Compact, and quick to make and to serve: for states that never change.
    Flat(Arc<Flat>),
    /// With nodes that several tries share: for states of a chain.
    Live(Live),
}

/// What a trie's values are. This decides their form in answers and in the trie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Slim account bodies. In answers they are lists, and in the trie the hashes are written out.
    Accounts,
    /// RLP of slots' values. In answers they are inside a string, and in the trie they are as they
    /// are.
    Slots,
}

/// Whether a leaf belongs to a range.
pub(crate) enum Take {
    /// It does.
    Yes,
    /// It does, and it is the last one.
    Last,
    /// It does not, and none behind it does.
    No,
}

/// Adjacent leaves.
#[derive(Debug, Default)]
pub(crate) struct Range<'a> {
    /// `[[key, value], ...]` as answers contain it, without the outer header, in pieces.
    pub(crate) items: Vec<&'a [u8]>,
    /// The key of the last leaf.
    pub(crate) last: Option<&'a Hash>,
}

impl Range<'_> {
    /// The length of all items in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.items.iter().map(|item| item.len()).sum()
    }
}

impl Trie {
    /// Builds a trie and hashes all its nodes.
    ///
    /// # Panics
    /// If there are 2^31 leaves or more.
    #[must_use]
    pub fn build(leaves: Leaves) -> Trie {
        Trie(Repr::Flat(Arc::new(Flat::build(leaves))))
    }

    /// The same trie, ready for edits. `storage` returns the storage that belongs to an account.
    pub(crate) fn live<'a>(&self, storage: impl Fn(&Hash) -> Option<&'a Trie>) -> Trie {
        match &self.0 {
            Repr::Flat(flat) => Trie(Repr::Live(Live::of(flat, &|key| storage(key).cloned()))),
            Repr::Live(_) => self.clone(),
        }
    }

    /// The trie after some leaves were set or removed. `edits` are sorted by key, and each key
    /// occurs once.
    pub(crate) fn edited(&self, edits: &[Edit]) -> Trie {
        Trie(Repr::Live(self.to_live().edited(edits)))
    }

    fn to_live(&self) -> Live {
        match &self.0 {
            Repr::Flat(flat) => Live::of(flat, &|_| None),
            Repr::Live(live) => live.clone(),
        }
    }

    /// Shows a visitor the nodes that have a hash of their own, parents first, and the leaves. An
    /// empty trie has none.
    pub(crate) fn visit(&self, visitor: &mut impl Visitor<Handle>) {
        match &self.0 {
            Repr::Flat(flat) => flat.visit(&mut AnyKind(visitor)),
            Repr::Live(live) => live.visit(&mut AnyKind(visitor)),
        }
    }

    /// The root hash. `EMPTY_ROOT` if there are no leaves.
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

    /// Whether there are no leaves.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All leaves in ascending order: the key, and the value as `Kind` describes it.
    pub fn iter(&self) -> impl Iterator<Item = (&Hash, &[u8])> {
        self.iter_from(&[0; 32])
    }

    /// The same from the first leaf whose key is at least `origin`.
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

    /// The key of the leaf with this index.
    #[must_use]
    pub fn nth(&self, index: usize) -> Option<&Hash> {
        match &self.0 {
            Repr::Flat(flat) => flat.nth(index),
            Repr::Live(live) => live.nth(index),
        }
    }

    /// The account whose storage contains the slot with this index among the slots of all accounts.
    /// Only for a trie of accounts that carry their storages.
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

    /// The storage of an account, if this is a trie of accounts that carry their storages.
    pub(crate) fn storage(&self, account: &Hash) -> Option<&Trie> {
        match &self.0 {
            Repr::Flat(_) => None,
            Repr::Live(live) => live.get(account)?.storage(),
        }
    }

    /// How many slots the leaves' storages have.
    pub(crate) fn slots(&self) -> u64 {
        match &self.0 {
            Repr::Flat(_) => 0,
            Repr::Live(live) => live.slots(),
        }
    }

    /// The nodes from the root towards `key`, as far as the path exists. They prove the value under
    /// the key, or that there is none. Nodes that are embedded in their parents are not listed.
    /// Empty for an empty trie.
    #[must_use]
    pub fn path_to(&self, key: &Hash) -> Vec<Vec<u8>> {
        match &self.0 {
            Repr::Flat(flat) => serve::path_to(&flat.as_ref(), key),
            Repr::Live(live) => serve::path_to(&live, key),
        }
    }

    /// A range's proof: the path to `origin`, and what the path to `last` has beyond it.
    #[must_use]
    pub fn prove(&self, origin: &Hash, last: Option<&Hash>) -> Vec<Vec<u8>> {
        let mut proof = self.path_to(origin);
        if let Some(last) = last {
            // Two paths are equal at first; after they part, they have no nodes in common.
            let tail = self.path_to(last);
            let shared = proof.iter().zip(&tail).take_while(|(a, b)| a == b).count();
            proof.extend(tail.into_iter().skip(shared));
        }
        proof
    }

    /// The node at a path of any number of nibbles. A number above 15 leads nowhere.
    #[must_use]
    pub fn node_at(&self, path: &[u8]) -> NodeAt {
        match &self.0 {
            Repr::Flat(flat) => serve::node_at(&flat.as_ref(), path),
            Repr::Live(live) => serve::node_at(&live, path),
        }
    }

    /// The depths of the nodes on the way to a path that have hashes of their own, without the root
    /// and the node at the path itself.
    #[must_use]
    pub fn hashed_above(&self, path: &[u8]) -> Vec<usize> {
        match &self.0 {
            Repr::Flat(flat) => serve::hashed_above(&flat.as_ref(), path),
            Repr::Live(live) => serve::hashed_above(&live, path),
        }
    }

    /// All nodes with a hash of their own in no particular order: far too large a proof.
    #[must_use]
    pub fn all_nodes(&self) -> Vec<Vec<u8>> {
        match &self.0 {
            Repr::Flat(flat) => serve::all_nodes(&flat.as_ref()),
            Repr::Live(live) => serve::all_nodes(&live),
        }
    }
}
