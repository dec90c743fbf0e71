//! Requests of a client that fetches a state in any order, and look-ups of a reader.

use std::collections::BTreeMap;

use snaplight::hash::Hash;
use snaplight::state::page::{Folds, Page, VerifiedPage};
use snaplight::state::{Lookup, PageId, StatePath, Step, Tree};
use snaplight::trie::fold::Fold;
use snaplight::trie::range::{VerifiedRange, verify_accounts, verify_slots};

use super::{Answer, Rng};

/// More pages than any look-up reads, which is at most one per nibble of two paths.
const MOST_PAGES: usize = 200;

/// A part of a trie: from one key to another, with at most `max` leaves.
pub(crate) struct Part {
    pub(crate) origin: Hash,
    pub(crate) limit: Hash,
    pub(crate) max: usize,
}

impl Part {
    /// Chooses a part of the account trie with any start and length. Usually it is missing, and
    /// sometimes it ends past its limit.
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

    /// Chooses a part, or all, of one account's missing storage.
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

/// Chooses one of the missing codes.
pub(crate) fn missing_code(rng: &mut Rng, tree: &Tree) -> Option<Hash> {
    let missing: Vec<Hash> = tree
        .incomplete_accounts()
        .filter_map(|found| found.code)
        .collect();
    (!missing.is_empty()).then(|| missing[rng.below(missing.len())])
}

/// Chooses the place of a blinded node.
pub(crate) fn blinded_node(rng: &mut Rng, tree: &Tree) -> Option<StatePath> {
    let blinded = tree.blinded();
    (!blinded.is_empty()).then(|| blinded[rng.below(blinded.len())].0)
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

/// Pages verified by look-ups, as a reader caches them.
#[derive(Clone, Default)]
pub(crate) struct ReadCache(BTreeMap<(PageId, Hash, StatePath), VerifiedPage>);

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
                let mut page = Page::decode(&pages[&wanted.page.id]).unwrap();
                let verified = page.verify(&wanted.page, &wanted.at, &mut Folds::new());
                verified.unwrap()
            });
            lookup.feed_verified(page);
        }
        panic!("a look-up does not end");
    }
}
