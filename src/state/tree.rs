//! The state that is being built, in memory: one ordered list of entries for the account trie, and inside it one for each
//! storage trie that is not in a page. It starts as one blinded entry at the root; every verified answer is a partial trie
//! of the *same* root, and joining two of them keeps, place by place, what knows more: a leaf before a page before a
//! blinded subtrie. Nothing needs to be folded for that: both sides fold to the root.
//!
//! What is complete leaves memory as pages: at once out of an answer that is complete in itself, otherwise when [`Tree::settle`]
//! finds that what was missing has come.

use core::fmt;
use core::ops::Range;

use super::cut::Pages;
use super::entry::{CodesHeld, Entry, Item, PageId, PageRef, StatePath};
use super::page::{Folds, PAGE_BUDGET, PageError};
use crate::hash::Hash;
use crate::trie::fold::{Fold, FoldError};
use crate::trie::node::NodeError;
use crate::trie::path::Path;
use crate::trie::range::VerifiedRange;

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
}

/// What a storage answer added to the tree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StorageJoined {
    /// New storage slots.
    pub slots: u64,
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
    /// The hash of its code, if that is missing.
    pub code: Option<Hash>,
}

/// How much a snapshot writes of what waits in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spill {
    /// Subtries without a page below are written as blinded, by their hash: they wait in memory, and what is still growing
    /// is not written again with every batch. A crash costs at most what waited.
    Collapse,
    /// Everything is written.
    All,
}

/// Why a tree cannot do what it is asked. All of these are our own failures: peers' faults were found before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TreeError {
    /// The answer belongs to a trie of another root than the list it is joined to.
    OtherRoot {
        /// The root that the list has.
        expected: Hash,
        /// The root that the answer was proven against.
        found: Hash,
    },
    /// The list and a verified answer contradict each other at this path, although both fold to the same root.
    Disjoint(Path),
    /// The list does not fold to its root.
    Root(Hash),
    /// The list is no trie.
    Fold(FoldError),
    /// A page came out longer than any may be.
    PageTooLong(usize),
}

/// Why a node cannot be revealed. If the blob answers a request for the entry's hash, the peer is at fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RevealFault {
    /// Nothing is blinded at that place (any more).
    NotBlinded,
    /// The blob does not hash to the blinded entry's hash.
    Hash,
    /// Not a trie node.
    Node(NodeError),
    /// A leaf ends above a key's length, or a node leads past it, or its value is no account or slot.
    Content,
}

impl fmt::Display for TreeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TreeError::OtherRoot { expected, found } => {
                write!(f, "an answer of the trie {found} for the trie {expected}")
            }
            TreeError::Disjoint(path) => {
                write!(f, "list and answer contradict each other at '{path}'")
            }
            TreeError::Root(found) => write!(f, "the list folds to {found} instead of its root"),
            TreeError::Fold(fault) => write!(f, "the list is no trie: {fault}"),
            TreeError::PageTooLong(length) => write!(f, "a page of {length} bytes"),
        }
    }
}

impl core::error::Error for TreeError {}

impl From<FoldError> for TreeError {
    fn from(fault: FoldError) -> TreeError {
        TreeError::Fold(fault)
    }
}

impl Tree {
    /// Nothing is known but the root.
    pub fn new(root: Hash) -> Tree {
        Tree::with_budget(root, PAGE_BUDGET)
    }

    /// As [`Tree::new`], cutting pages to `budget` bytes.
    pub fn with_budget(root: Hash, budget: usize) -> Tree {
        let _ = (root, budget);
        todo!()
    }

    /// The state root.
    pub fn root(&self) -> Hash {
        self.root
    }

    /// Size of what is in memory, in bytes, as pages would hold it; in memory it takes two to three times as much.
    pub fn resident_bytes(&self) -> usize {
        self.bytes
    }

    /// The list of the account trie.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Joins a verified account range; `fold` is the one it was verified with. What is complete in the answer is cut into
    /// pages at once; its edges, and accounts that wait for storage or code, become entries. What the tree knew already is
    /// left as it is.
    pub fn join_accounts(
        &mut self,
        fold: &Fold,
        range: &VerifiedRange,
        held: &dyn CodesHeld,
        out: &mut Pages,
    ) -> Result<Joined, TreeError> {
        let _ = (fold, range, held, out);
        todo!()
    }

    /// Joins a verified range of one account's storage, or all of it. An answer for an account that is complete already adds
    /// nothing.
    pub fn join_storage(
        &mut self,
        account: &Hash,
        fold: &Fold,
        range: &VerifiedRange,
        out: &mut Pages,
    ) -> Result<StorageJoined, TreeError> {
        let _ = (account, fold, range, out);
        todo!()
    }

    /// Replaces the blinded entry at `at` by the node `blob`, if it hashes to it.
    pub fn reveal(
        &mut self,
        at: &StatePath,
        blob: &[u8],
        held: &dyn CodesHeld,
    ) -> Result<Joined, RevealFault> {
        let _ = (at, blob, held);
        todo!()
    }

    /// Every blinded entry of the account trie and of storage tries that are known in part, in key order. A storage trie of
    /// which nothing is known is not among them ([`Tree::incomplete_accounts`]).
    pub fn blinded(&self) -> impl Iterator<Item = (StatePath, Hash)> + '_ {
        core::iter::empty()
    }

    /// The first run of neighbouring blinded entries of the account trie that meets the keys `from..=last`: first and last
    /// key of what is to be asked for, within `from..=last`.
    pub fn blinded_span(&self, from: &Hash, last: &Hash) -> Option<(Hash, Hash)> {
        let _ = (from, last);
        todo!()
    }

    /// As [`Tree::blinded_span`], in the storage trie of `account`; all of `from..=last` if nothing of it is known.
    pub fn storage_span(&self, account: &Hash, from: &Hash, last: &Hash) -> Option<(Hash, Hash)> {
        let _ = (account, from, last);
        todo!()
    }

    /// The accounts that wait in memory for storage or code, in key order.
    pub fn incomplete_accounts(&self) -> impl Iterator<Item = Incomplete> + '_ {
        core::iter::empty()
    }

    /// Whether everything is held: no blinded entry, no missing storage, and no code that [`Tree::settle`] has not seen.
    pub fn is_complete(&self) -> bool {
        !self.entries.iter().any(Entry::is_open)
    }

    /// How many leaves are likely below `at`, judging by what is held next to it. `None` if nothing is.
    pub fn estimated_leaves_below(&self, at: &StatePath) -> Option<u64> {
        let _ = at;
        todo!()
    }

    /// Notes the codes that have come, and moves complete subtries that fill a page out of memory.
    pub fn settle(&mut self, held: &dyn CodesHeld, out: &mut Pages) -> Result<(), TreeError> {
        let _ = (held, out);
        todo!()
    }

    /// Writes the current list as pages up to a new root page, without changing the list: a batch's upper pages. Their ids
    /// are contiguous; the next batch replaces them all. `None` for the empty trie.
    pub fn snapshot(
        &mut self,
        spill: Spill,
        out: &mut Pages,
    ) -> Result<Option<PageRef>, TreeError> {
        let _ = (spill, out);
        todo!()
    }

    /// Starts from a stored root page. Load and [`Tree::dissolve`] what [`Tree::pages_to_dissolve`] names, until it names none.
    /// `spine`: the ids of the last batch's upper pages.
    pub fn resume(
        root: Hash,
        page: &PageRef,
        spine: Range<PageId>,
        bytes: &[u8],
    ) -> Result<Tree, PageError> {
        let _ = (root, page, spine, bytes);
        todo!()
    }

    /// Pages in the list that are open, or that the next batch deletes.
    pub fn pages_to_dissolve(&self) -> Vec<PageId> {
        Vec::new()
    }

    /// Puts the content of a page in the place of its references, once it has been proven to be what they name.
    pub fn dissolve(&mut self, id: PageId, bytes: &[u8]) -> Result<(), PageError> {
        let _ = (id, bytes);
        todo!()
    }
}
