//! A page: a database record that holds a whole trie, or one or several adjacent sibling subtries
//! (children of one branch). A page is written once and never changed. `codec` describes its bytes.
//!
//! The checksum covers what no trie hash covers (ids, flags, counts). Everything else is believed
//! only after it has been folded ([`Page::verify`]).

use core::fmt;

use super::entry::{Entry, Item, Neighbour, PageRef, StatePath, Storage};
use crate::hash::Hash;
use crate::heap::owns;
use crate::trie::fold::{Fold, FoldError, Root};

mod codec;
mod size;
// The tests need proptest, which is a native dependency.
#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests;

pub(crate) use codec::PageWriter;
pub(crate) use size::{
    FRAME, base_size, blinded_size, count_size, entry_size, leaf_size, page_size, storage_size,
};

/// The size that pages are cut to, in bytes. Measured by `cargo xtask bench --only heal`: against
/// 16 KiB, a state of a million accounts takes 2.4 records per 1,000 accounts instead of 4.2, and a
/// healed block receives no more bytes; 56 KiB doubles those bytes.
pub const PAGE_BUDGET: usize = 24 * 1024;

/// The size that the pages of a set are cut to, in bytes. What changes with each block is near the
/// root, so small pages below it are shared by successive states. But all pages on the tracked paths
/// are read before the next state is asked for. Measured by `benches/sets.rs`: eight states of a set
/// that takes 0.23 MB take 1.51 MB in 1,000 pages, and the next state takes 295 to 330 ms at a round
/// trip of 100 ms. Pages of 1,280 bytes take 1.12 MB and half as many pages again, and 340 to 375 ms.
pub const SET_PAGE_BUDGET: usize = 1_792;

/// The least budget, in bytes: sixteen account leaves of one branch, which cannot be split. The
/// pages of a set may have as many, where that is so.
pub const MIN_BUDGET: usize = 16 * 176;

/// The longest page, in bytes: Chromium keeps values below 64 KiB inside its database, and makes a
/// file of each longer one.
pub const MAX_PAGE: usize = 60_000;

/// A page's decoded content, not yet proven to be what the parent names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Where the common parent of its subtries is; the root's path for a whole trie.
    pub parent: StatePath,
    /// Whether it holds a whole trie, rather than children of a branch.
    pub whole: bool,
    /// Its entries in the order of paths; no path is a prefix of another. Bound: [`MAX_PAGE`].
    pub entries: Vec<Entry>,
}

/// One subtrie of a page, proven to fold to the hash that its parent holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedPage {
    hash: Hash,
    at: StatePath,
    entries: Vec<Entry>,
}

/// Why a page cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PageError {
    /// The database has no page of this id.
    Missing,
    /// A newer version of Snaplight has written it.
    NewerFormat {
        /// The page's format.
        found: u8,
        /// The newest that this version reads.
        supported: u8,
    },
    /// The checksum does not fit: the bytes are not what was written.
    Checksum,
    /// The checksum fits, but the bytes are not those of a page: what is wrong.
    Malformed(&'static str),
    /// The page does not belong to this place.
    Misplaced,
    /// A subtrie, or an account's storage, folds to another hash than the one above it.
    Hash {
        /// What the parent holds.
        expected: Hash,
        /// What the entries fold to.
        found: Hash,
    },
    /// The entries do not make a trie.
    Fold(FoldError),
}

impl fmt::Display for PageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PageError::Missing => f.write_str("the page is not in the database"),
            PageError::NewerFormat { found, supported } => {
                write!(
                    f,
                    "page format {found}, this version reads up to {supported}"
                )
            }
            PageError::Checksum => f.write_str("the page's checksum is wrong"),
            PageError::Malformed(what) => write!(f, "malformed page: {what}"),
            PageError::Misplaced => f.write_str("the page belongs to another place"),
            PageError::Hash { expected, found } => {
                write!(f, "the page folds to {found} instead of {expected}")
            }
            PageError::Fold(error) => write!(f, "the page holds no trie: {error}"),
        }
    }
}

impl core::error::Error for PageError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            PageError::Fold(error) => Some(error),
            PageError::Missing
            | PageError::NewerFormat { .. }
            | PageError::Checksum
            | PageError::Malformed(_)
            | PageError::Misplaced
            | PageError::Hash { .. } => None,
        }
    }
}

impl From<FoldError> for PageError {
    fn from(error: FoldError) -> PageError {
        PageError::Fold(error)
    }
}

/// Scratch memory for folding a list and the storage lists inside it.
pub struct Folds {
    /// Folds the list itself.
    pub list: Fold,
    /// Folds the storage of one account at a time.
    pub storage: Fold,
}

owns! {
    Folds: list, storage;
}

impl Folds {
    /// Starts without memory; it grows with the first use.
    pub fn new() -> Folds {
        Folds {
            list: Fold::new(),
            storage: Fold::new(),
        }
    }
}

impl Default for Folds {
    fn default() -> Folds {
        Folds::new()
    }
}

impl Page {
    /// Decodes a page's bytes. Fails on anything that cannot have been written.
    pub fn decode(bytes: &[u8]) -> Result<Page, PageError> {
        codec::decode(bytes)
    }

    /// Takes the subtrie at `at` out of this page and proves it to be what `expected` says: folds
    /// it, and the storage inside it. For a whole trie `at` is the root's path. The pages that it
    /// names are older than itself.
    pub fn verify(
        &mut self,
        expected: &PageRef,
        at: &StatePath,
        folds: &mut Folds,
    ) -> Result<VerifiedPage, PageError> {
        let (root, in_place) = match self.whole {
            true => (Root::Trie, at.path.is_empty()),
            false => (
                Root::Branch(at.path.len()),
                !at.path.is_empty() && self.parent.path.is_prefix_of(&at.path),
            ),
        };
        let is_child = expected.parent == self.parent.path.len();
        if self.parent.account != at.account || !in_place || !is_child {
            return Err(PageError::Misplaced);
        }
        let start = self.entries.partition_point(|entry| entry.path < at.path);
        let length = self.entries.iter().skip(start);
        let length = length
            .take_while(|entry| at.path.is_prefix_of(&entry.path))
            .count();
        let entries: Vec<Entry> = self.entries.drain(start..start + length).collect();

        let found = fold_list(&mut folds.list, &entries, root)?;
        expect(&expected.hash, found)?;
        for entry in &entries {
            if let Item::Account(leaf) = &entry.item
                && let Storage::Inline(slots) = &leaf.storage
            {
                let found = fold_list(&mut folds.storage, slots, Root::Trie)?;
                expect(&leaf.storage_root(), found)?;
            }
        }
        // So every way from page to page ends, whatever a database holds.
        let mut names_older = true;
        for entry in &entries {
            entry.each_page(&mut |_, page, _| names_older &= page.id < expected.id);
        }
        if !names_older {
            return Err(PageError::Malformed("it names a page that is not older"));
        }
        let told = (
            expected.open,
            expected.inner,
            expected.leaves,
            expected.slots,
        );
        let held = (
            entries.iter().any(Entry::is_open),
            entries.iter().any(Entry::has_pages),
            entries.iter().map(Entry::leaves).sum(),
            entries.iter().map(Entry::slots).sum(),
        );
        if told != held {
            return Err(PageError::Malformed(
                "other flags or leaves than its parent says",
            ));
        }
        Ok(VerifiedPage {
            hash: expected.hash,
            at: *at,
            entries,
        })
    }
}

impl VerifiedPage {
    /// Hash of its top node.
    pub fn hash(&self) -> Hash {
        self.hash
    }

    /// The path of its top node.
    pub fn at(&self) -> &StatePath {
        &self.at
    }

    /// What the subtrie holds.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// What the subtrie holds, to replace its [`PageRef`].
    pub fn into_entries(self) -> Vec<Entry> {
        self.entries
    }
}

/// Folds one list. Nested storage is not looked at.
pub(crate) fn fold_list(fold: &mut Fold, entries: &[Entry], root: Root) -> Result<Hash, FoldError> {
    fold.clear();
    for Entry { path, item } in entries {
        match item {
            Item::Account(leaf) => fold.push_account(&path.key(), &leaf.slim)?,
            Item::Slot(value) => fold.push_leaf(&path.key(), value)?,
            Item::Blinded { hash, .. } => fold.push_ref(path, hash)?,
            Item::Page(page) => fold.push_ref(path, &page.hash)?,
            Item::Outside(hash) => fold.push_ref(path, hash)?,
            Item::Neighbour(Neighbour::Account(slim)) => fold.push_account(&path.key(), slim)?,
            Item::Neighbour(Neighbour::Slot(value)) => fold.push_leaf(&path.key(), value)?,
        }
    }
    fold.run(root)
}

fn expect(expected: &Hash, found: Hash) -> Result<(), PageError> {
    match found == *expected {
        true => Ok(()),
        false => Err(PageError::Hash {
            expected: *expected,
            found,
        }),
    }
}
