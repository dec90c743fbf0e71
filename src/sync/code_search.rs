//! Finding the accounts of a set that name damaged codes. A peer by snap or by hash is asked for a
//! code by its hash, but a provider by the address of an account. And a code that only kept states
//! name is not healed: they are dropped.

use super::io::Damage;
use super::loads::{LoadedPage, PAGES_PER_LOAD};
use crate::hash::Hash;
use crate::heap::{HeapBytes, flat, owns};
use crate::state::page::{Folds, Page};
use crate::state::{Code, Lookup, NeededPage, PageId, PageRef, Record, Step, TrackedSet};

/// Looks up the accounts whose codes are tracked: in the complete state, and in the kept ones for what
/// is not found there.
pub(crate) struct CodeSearch {
    /// Bound: [`MAX_DAMAGE`](super::gc::MAX_DAMAGE).
    codes: Vec<Hash>,
    /// The accounts to look up. Bound: those of the set.
    accounts: Vec<Hash>,
    /// The root pages of the readable states, the complete one first.
    roots: Vec<PageRef>,
    /// Which of them is searched, and how many accounts were looked up in it.
    at: (usize, usize),
    /// Under way. Bound: [`PAGES_PER_LOAD`].
    lookups: Vec<Lookup>,
    found: Found,
}

/// What a search has found.
#[derive(Default)]
pub(crate) struct Found {
    /// A damaged code, and an account of the complete state that names it.
    pub(crate) owners: Vec<(Hash, Hash)>,
    /// The root pages of kept states that cannot be read without what is damaged.
    pub(crate) spoilt: Vec<PageId>,
    /// Pages of the complete state that are damaged too. Bound: those on the ways to the accounts.
    pub(crate) pages: Vec<Damage>,
}

impl CodeSearch {
    pub(crate) fn new(codes: Vec<Hash>, record: &Record, set: &TrackedSet) -> CodeSearch {
        let tracked = set.accounts().iter().filter(|tracked| tracked.code());
        let mut search = CodeSearch {
            codes,
            accounts: tracked.map(|tracked| tracked.key()).collect(),
            roots: record
                .readable()
                .filter_map(|state| state.top.page())
                .collect(),
            at: (0, 0),
            lookups: Vec::new(),
            found: Found::default(),
        };
        search.proceed();
        search
    }

    /// Whether it searches for these codes in the states of this record.
    pub(crate) fn is_for(&self, codes: &[Hash], record: &Record) -> bool {
        let roots = record.readable().filter_map(|state| state.top.page());
        self.codes == codes && roots.eq(self.roots.iter().copied())
    }

    /// The pages to read next, at most [`PAGES_PER_LOAD`]; none once the search is over.
    pub(crate) fn next_pages(&self) -> Vec<PageId> {
        let needed = self.lookups.iter().filter_map(needed);
        PageId::in_order(needed.map(|wanted| wanted.page.id).collect())
    }

    /// Takes in pages that were read.
    pub(crate) fn take(&mut self, pages: Vec<LoadedPage>) {
        let mut folds = Folds::new();
        for (id, bytes) in pages {
            let mut page = bytes.and_then(|bytes| Page::decode(&bytes).ok());
            while let Some(wanted) = self.needed_of(id) {
                let verified = page
                    .as_mut()
                    .and_then(|page| page.verify(&wanted.page, &wanted.at, &mut folds).ok());
                match verified {
                    Some(verified) => {
                        for lookup in &mut self.lookups {
                            lookup.feed_verified(&verified);
                        }
                    }
                    None => self.damaged(&wanted),
                }
            }
        }
        self.proceed();
    }

    /// What it has found, once it is over.
    pub(crate) fn finish(self) -> Found {
        self.found
    }

    fn needed_of(&self, id: PageId) -> Option<NeededPage> {
        let mut needed = self.lookups.iter().filter_map(needed);
        needed.find(|wanted| wanted.page.id == id)
    }

    /// The look-ups that need this page lead nowhere.
    fn damaged(&mut self, wanted: &NeededPage) {
        self.lookups
            .retain(|lookup| needed(lookup).as_ref() != Some(wanted));
        match self.kept_root() {
            Some(root) => self.found.spoilt.push(root),
            None => self.found.pages.push(Damage::Page {
                page: wanted.page.id,
                at: Some(wanted.at),
            }),
        }
    }

    /// The root page of the state that is searched, if it is not the complete one.
    fn kept_root(&self) -> Option<PageId> {
        let root = self.roots.get(self.at.0).filter(|_| self.at.0 > 0);
        root.map(|root| root.id)
    }

    /// Uses what the look-ups have found, and begins the next ones.
    fn proceed(&mut self) {
        loop {
            self.use_found();
            let Some(root) = self
                .roots
                .get(self.at.0)
                .filter(|_| self.lookups.is_empty())
            else {
                return;
            };
            let left = self.accounts.iter().skip(self.at.1);
            let next = left.take(PAGES_PER_LOAD);
            let next = next.map(|account| Lookup::account(Some(*root), *account));
            self.lookups = next.collect();
            self.at.1 += self.lookups.len();
            let is_lost = self
                .kept_root()
                .is_some_and(|root| self.found.spoilt.contains(&root));
            if self.lookups.is_empty() || is_lost || !self.lacks_any() {
                self.lookups.clear();
                self.at = (self.at.0 + 1, 0);
            }
        }
    }

    /// Whether a code is not found yet that the state which is searched may name.
    fn lacks_any(&self) -> bool {
        self.codes.iter().any(|code| self.lacks(code))
    }

    fn lacks(&self, code: &Hash) -> bool {
        !self.found.owners.iter().any(|(found, _)| found == code)
    }

    fn use_found(&mut self) {
        for lookup in std::mem::take(&mut self.lookups) {
            match lookup.step() {
                Step::Need(_) => self.lookups.push(lookup),
                Step::Account(Some(found)) if found.code != Code::Outside => {
                    let code = found.account.code_hash;
                    if !self.codes.contains(&code) || !self.lacks(&code) {
                        continue;
                    }
                    match self.kept_root() {
                        Some(root) => self.found.spoilt.push(root),
                        None => self.found.owners.push((code, lookup.key())),
                    }
                }
                _ => {}
            }
        }
    }
}

fn needed(lookup: &Lookup) -> Option<NeededPage> {
    match lookup.step() {
        Step::Need(wanted) => Some(*wanted),
        _ => None,
    }
}

impl HeapBytes for Found {
    fn heap_bytes(&self) -> usize {
        self.owners.heap_bytes() + self.spoilt.heap_bytes() + self.pages.heap_bytes()
    }
}

flat!(Lookup);
owns! {
    CodeSearch: codes, accounts, roots, lookups, found;
}
