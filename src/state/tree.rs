//! The state that is being built, in memory: one sorted list of entries for the account trie, and
//! inside it one for each storage trie that is not in a page. It starts as one blinded entry at the
//! root. Every verified answer is a partial trie of the *same* root. Joining two of them keeps,
//! place by place, the one that knows more: a leaf before a page before a blinded subtrie. Nothing
//! needs to be folded for that, because both sides fold to the root.
//!
//! What is complete leaves memory as pages. An answer that is complete in itself is cut at once;
//! other subtries leave when [`Tree::cut_complete`] finds that what was missing has come.

use core::ops::Range;

use super::entry::{Entry, Item, PageId};
use super::page::{FRAME, Folds, MAX_PAGE, MIN_BUDGET, PAGE_BUDGET, SET_PAGE_BUDGET, entry_size};
use super::scope::Scope;
use crate::hash::Hash;
use crate::heap::{HeapBytes, owns};
use crate::trie::path::Path;

mod adopt;
mod base;
mod estimate;
mod inline_page;
mod join;
mod list;
mod origins;
mod persist;
mod query;
mod repair;
mod reveal;
mod scoped;
mod stale;

use origins::Origins;
use scoped::Older;

pub use estimate::{ChangeRate, Estimate, Received, range_bytes};
pub use reveal::{HashedNode, RevealFault, Revealing};

/// A state of which a part is known. The caller bounds its size in memory
/// ([`Tree::resident_bytes`]).
pub struct Tree {
    root: Hash,
    entries: Vec<Entry>,
    /// Encoded size of `entries` in bytes.
    bytes: usize,
    /// The size that pages are cut to, in bytes: where everything is held, and around the paths of
    /// a set.
    budget: usize,
    set_budget: usize,
    /// Ids of the upper pages that the next batch deletes. None of them may stay in the list.
    spine: Range<PageId>,
    /// Pages with ids from this one on belong to this build alone.
    first_page: PageId,
    /// Pages of this build that nothing refers to any more. Bound: the pages inlined since the last
    /// batch.
    freed: Vec<PageId>,
    folds: Folds,
    /// What is to be held. What is revealed outside it stays known by its hash.
    scope: Scope,
    /// The scopes before it for which bases were built.
    older: Older,
    /// Pages of bases that were read, if a set is held.
    origins: Origins,
}

/// What an answer added to the tree, and what the new accounts still need.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Joined {
    /// New accounts.
    pub accounts: u64,
    /// Their bytes: key and slim body.
    pub account_bytes: u64,
    /// New storage slots.
    pub slots: u64,
    /// Their bytes: key and value.
    pub slot_bytes: u64,
    /// New accounts whose storage is blinded: hash of the address, and storage root.
    pub storage: Vec<(Hash, Hash)>,
    /// Hashes of missing codes of new accounts. A hash may stand here more than once.
    pub codes: Vec<Hash>,
}

/// What a storage answer added to the tree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StorageJoined {
    /// New storage slots.
    pub slots: u64,
    /// Their bytes: key and value.
    pub slot_bytes: u64,
}

/// An account that waits in memory because something of it is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Incomplete {
    /// Hash of its address.
    pub account: Hash,
    /// Its storage root, if its storage is blinded wholly or in part.
    pub storage: Option<Hash>,
    /// Whether a part of its storage is known. If so, ask for the blinded spans
    /// ([`Tree::storage_span`]).
    pub partial: bool,
    /// Whether something of its storage is held under another root. If so, ask for what has changed
    /// ([`Tree::estimate`]).
    pub based: bool,
    /// The hash of its code, if the code is missing.
    pub code: Option<Hash>,
}

/// How much a snapshot writes of what waits in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfinished {
    /// Subtries without a page below are written as blinded, by their hash. They stay in memory, so
    /// what is still growing is not written again with every batch. A crash loses at most what
    /// waited in memory.
    Blind,
    /// Everything is written.
    Write,
}

impl Tree {
    /// A state of which nothing is known but the root.
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
            set_budget: SET_PAGE_BUDGET,
            spine,
            first_page: PageId(u64::MAX),
            freed: Vec::new(),
            folds: Folds::new(),
            scope: Scope::everything(),
            older: Older::default(),
            origins: Origins::default(),
        }
    }

    /// Cuts pages to `budget` bytes instead of [`PAGE_BUDGET`]: at least [`MIN_BUDGET`], at most
    /// [`MAX_PAGE`] with its frame.
    pub fn with_budget(self, budget: usize) -> Tree {
        let budget = budget.clamp(MIN_BUDGET, MAX_PAGE - FRAME);
        Tree { budget, ..self }
    }

    /// Cuts the pages of a set to `budget` bytes instead of [`SET_PAGE_BUDGET`]. Only measurements
    /// call it.
    pub fn with_set_budget(self, budget: usize) -> Tree {
        Tree {
            set_budget: budget,
            ..self
        }
    }

    /// The size that pages are cut to, in bytes.
    fn page_budget(&self) -> usize {
        match self.scope.is_everything() {
            true => self.budget,
            false => self.set_budget,
        }
    }

    /// Pages with ids from `first` on belong to this build alone. Once nothing refers to one any
    /// more, [`Tree::take_freed`] names it.
    pub fn with_first_page(self, first: PageId) -> Tree {
        Tree {
            first_page: first,
            ..self
        }
    }

    /// Size of what is in memory, in bytes as pages would hold it. On the heap it takes three to
    /// five times as much.
    pub fn resident_bytes(&self) -> usize {
        self.bytes
    }

    /// Bytes that the entries take on the heap, and how many of these are unused capacity.
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
    Tree: entries, freed, folds, older, origins;
}
