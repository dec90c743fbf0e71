//! The state that is being built, in memory: one ordered list of entries for the account trie, and inside it one for each
//! storage trie that is not in a page. It starts as one blinded entry at the root; every verified answer is a partial trie
//! of the *same* root, and joining two of them keeps, place by place, what knows more: a leaf before a page before a
//! blinded subtrie. Nothing needs to be folded for that: both sides fold to the root.
//!
//! What is complete leaves memory as pages: at once out of an answer that is complete in itself, otherwise when [`Tree::settle`]
//! finds that what was missing has come.

use core::ops::Range;

use super::entry::{Entry, Item, PageId};
use super::page::{FRAME, Folds, MAX_PAGE, MIN_BUDGET, PAGE_BUDGET, entry_size};
use crate::hash::Hash;
use crate::heap::{HeapBytes, owns};
use crate::trie::path::Path;

mod adopt;
mod base;
mod estimate;
mod inline_page;
mod join;
mod list;
mod persist;
mod query;
mod repair;
mod reveal;
mod stale;

pub use estimate::{ChangeRate, Estimate, Received, range_bytes};
pub use reveal::{HashedNode, RevealFault, Revealing};

/// A state of which a part is known. Its size in memory is bounded by whoever feeds it ([`Tree::resident_bytes`]).
pub struct Tree {
    root: Hash,
    entries: Vec<Entry>,
    /// Encoded size of `entries`.
    bytes: usize,
    /// What pages are cut to.
    budget: usize,
    /// Ids of the upper pages that the next batch deletes: none of them may stay in the list.
    spine: Range<PageId>,
    /// Pages from this id on belong to this build, and to it alone.
    first_page: PageId,
    /// Pages of this build that nothing refers to any more. Bound: the pages dissolved since the last batch.
    freed: Vec<PageId>,
    folds: Folds,
}

/// What an answer added to the tree, and what the new accounts want.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Joined {
    /// New accounts.
    pub accounts: u64,
    /// New storage slots.
    pub slots: u64,
    /// New accounts whose storage is blinded, and its root.
    pub storage: Vec<(Hash, Hash)>,
    /// Hashes of missing codes of new accounts; one hash may stand here more than once.
    pub codes: Vec<Hash>,
    /// Leaves (accounts, slots) that were held under another root, have not changed, and were taken over.
    pub reused: u64,
    /// Accounts that were taken over or revealed and whose storage is held in part, or under another root, and its root.
    pub partial: Vec<(Hash, Hash)>,
}

/// What a storage answer added to the tree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StorageJoined {
    /// New storage slots.
    pub slots: u64,
    /// Slots that were held under another root, have not changed, and were taken over.
    pub reused: u64,
    /// Nothing of this storage is blinded any more.
    pub complete: bool,
}

/// An account that waits in memory because something of it is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Incomplete {
    /// Hash of its address.
    pub account: Hash,
    /// Its storage root, if its storage is blinded, wholly or in part.
    pub storage: Option<Hash>,
    /// Whether a part of its storage is known: ask for the blinded spans ([`Tree::storage_span`]) then.
    pub partial: bool,
    /// Whether something of its storage is held under another root: ask for what has changed ([`Tree::estimate`]) then.
    pub based: bool,
    /// The hash of its code, if that is missing.
    pub code: Option<Hash>,
}

/// How much a snapshot writes of what waits in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfinished {
    /// Subtries without a page below are written as blinded, by their hash: they wait in memory, and what is still growing
    /// is not written again with every batch. A crash costs at most what waited.
    Blind,
    /// Everything is written.
    Write,
}

impl Tree {
    /// Nothing is known but the root.
    pub fn new(root: Hash) -> Tree {
        let mut entries = Vec::new();
        if root != Hash::EMPTY_ROOT {
            entries.push(Entry {
                path: Path::ROOT,
                item: Item::blinded(root),
            });
        }
        Tree::of(root, entries, PageId(0)..PageId(0))
    }

    fn of(root: Hash, entries: Vec<Entry>, spine: Range<PageId>) -> Tree {
        let bytes = entries.iter().map(entry_size).sum();
        Tree {
            root,
            entries,
            bytes,
            budget: PAGE_BUDGET,
            spine,
            first_page: PageId(u64::MAX),
            freed: Vec::new(),
            folds: Folds::new(),
        }
    }

    /// Cuts pages to `budget` bytes instead of [`PAGE_BUDGET`]; at least [`MIN_BUDGET`], at most [`MAX_PAGE`].
    pub fn with_budget(self, budget: usize) -> Tree {
        let budget = budget.clamp(MIN_BUDGET, MAX_PAGE - FRAME);
        Tree { budget, ..self }
    }

    /// Pages from `first` on belong to this build alone: once nothing refers to one any more, [`Tree::take_freed`] names it.
    pub fn with_first_page(self, first: PageId) -> Tree {
        Tree {
            first_page: first,
            ..self
        }
    }

    /// The state root.
    pub fn root(&self) -> Hash {
        self.root
    }

    /// Size of what is in memory, in bytes, as pages would hold it; in memory it takes three to five times as much.
    pub fn resident_bytes(&self) -> usize {
        self.bytes
    }

    /// Bytes that the entries take on the heap, and of these the room that none of them uses.
    pub(crate) fn entries_heap(&self) -> (usize, usize) {
        (self.entries.heap_bytes(), list::unused_bytes(&self.entries))
    }

    /// The list of the account trie.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    fn count_bytes(&mut self) {
        self.bytes = self.entries.iter().map(entry_size).sum();
    }
}

owns! {
    Tree: entries, freed, folds;
}
