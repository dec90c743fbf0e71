//! What somebody asks who fetches a state in any order, and what somebody sees who reads it.

use std::collections::BTreeMap;

use snaplight::hash::Hash;
use snaplight::state::page::{Folds, VerifiedPage};
use snaplight::state::{Lookup, PageId, Step, Tree};
use snaplight::trie::fold::Fold;
use snaplight::trie::range::{VerifiedRange, verify_accounts, verify_slots};

use super::{Answer, Rng};

/// No look-up reads more pages than a path has nibbles, twice.
const MOST_PAGES: usize = 200;

/// A part of a trie: from a key to a key, and how many leaves at most.
pub(crate) struct Part {
    pub(crate) origin: Hash,
    pub(crate) limit: Hash,
    pub(crate) max: usize,
}

impl Part {
    /// Of the accounts: mostly of what is missing, from anywhere, of any length, sometimes past its limit.
    pub(crate) fn of_accounts(rng: &mut Rng, tree: &Tree) -> Part {
        let from = anywhere(rng, Hash::ZERO);
        let (origin, limit) = match tree.blinded_span(&from, &Hash::MAX) {
            Some(span) if rng.chance(90) => span,
            _ => (from, anywhere(rng, Hash::MAX)),
        };
        let most = if rng.chance(70) { 40 } else { 400 };
        let max = 1 + rng.below(most);
        Part { origin, limit, max }
    }

    /// Of one account's storage that is missing: the whole, or a part.
    pub(crate) fn of_storage(rng: &mut Rng, tree: &Tree) -> Option<(Hash, Part)> {
        let incomplete = tree.incomplete_accounts();
        let waiting: Vec<_> = incomplete.filter(|waits| waits.storage.is_some()).collect();
        if waiting.is_empty() {
            return None;
        }
        let account = waiting[rng.below(waiting.len())].account;
        let (mut origin, mut limit, mut max) = (Hash::ZERO, Hash::MAX, usize::MAX);
        if rng.chance(60) {
            let from = anywhere(rng, Hash::ZERO);
            if let Some(span) = tree.storage_span(&account, &from, &Hash::MAX) {
                (origin, limit) = span;
            }
            max = 1 + rng.below(30);
        }
        Some((account, Part { origin, limit, max }))
    }
}

fn anywhere(rng: &mut Rng, or: Hash) -> Hash {
    if rng.chance(50) { or } else { rng.hash() }
}

impl Answer {
    pub(crate) fn accounts<'f>(
        &self,
        fold: &'f mut Fold,
        root: &Hash,
        origin: &Hash,
    ) -> VerifiedRange<'f> {
        verify_accounts(fold, root, origin, &self.leaves(), &self.nodes()).unwrap()
    }

    pub(crate) fn slots<'f>(
        &self,
        fold: &'f mut Fold,
        root: &Hash,
        origin: &Hash,
    ) -> VerifiedRange<'f> {
        verify_slots(fold, root, origin, &self.leaves(), &self.nodes()).unwrap()
    }

    fn leaves(&self) -> Vec<(Hash, &[u8])> {
        let leaves = self.leaves.iter();
        leaves.map(|(key, value)| (*key, &value[..])).collect()
    }

    fn nodes(&self) -> Vec<&[u8]> {
        self.proof.iter().map(Vec::as_slice).collect()
    }
}

/// Pages proven by look-ups, as a reader keeps them.
#[derive(Clone, Default)]
pub(crate) struct ReadCache(BTreeMap<(PageId, Hash), VerifiedPage>);

impl ReadCache {
    pub(crate) fn look_up(
        &mut self,
        pages: &BTreeMap<PageId, Vec<u8>>,
        mut lookup: Lookup,
    ) -> Step {
        for _ in 0..MOST_PAGES {
            let Step::Need(wanted) = *lookup.step() else {
                return lookup.step().clone();
            };
            let page = self.0.entry(wanted.key()).or_insert_with(|| {
                let page = pages.get(&wanted.page.id).map(Vec::as_slice);
                wanted.verify(page, &mut Folds::new()).unwrap()
            });
            lookup.feed_verified(page);
        }
        panic!("a look-up without end");
    }
}
