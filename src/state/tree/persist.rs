//! Moving subtries out of memory into pages, and starting again from pages.

use core::ops::Range;

use super::{Tree, Unfinished};
use crate::hash::Hash;
use crate::state::cut::{CutMode, Kept, Place, cut_list, write_whole};
use crate::state::entry::{Code, CodesHeld, Entry, Item, PageId, PageRef, StatePath, Storage};
use crate::state::new_pages::NewPages;
use crate::state::page::{Folds, Page, PageError, base_size, fold_list};
use crate::state::source::{EntryList, move_base};
use crate::state::tree_error::TreeError;
use crate::trie::fold::Root;
use crate::trie::path::Path;

/// A base larger than so many pages does not wait in memory for what is revealed above it, but
/// moves into pages: it is the whole list of a tree that was turned towards another root. Measured
/// by `benches/heal_shares.rs`, where no root moves during a heal: 1 and 16 change nothing. So this
/// is only a bound of memory, chosen without a measurement.
const GIANT_PAGES: usize = 4;

impl Tree {
    /// Notes which codes have come, and moves complete subtries that fill a page out of memory.
    pub fn cut_complete(
        &mut self,
        held: &dyn CodesHeld,
        out: &mut NewPages,
    ) -> Result<(), TreeError> {
        for entry in &mut self.entries {
            if let Item::Account(leaf) = &mut entry.item
                && leaf.code == Code::Missing
                && held.holds(&leaf.code_hash())
            {
                leaf.code = Code::Held;
            }
        }
        move_giants(&mut self.entries, None, self.budget, out)?;
        self.fold()?;
        let budget = self.page_budget();
        let place = Place {
            account: None,
            budget,
        };
        let storage_fold = &mut self.folds.storage;
        let mode = CutMode::Growing;
        let mut list = EntryList::new(&self.entries, None, storage_fold, budget, mode);
        list.cut_large_storage(out)?;
        let kept = cut_list(&self.folds.list, &mut list, place, mode, out)?;
        let mut replaced = core::mem::take(&mut list.replaced);

        let length = kept.items.len();
        let mut old = core::mem::take(&mut self.entries).into_iter().enumerate();
        self.entries = Vec::with_capacity(length);
        for item in kept.items {
            self.entries.extend(item.entry(|index| {
                let entry = old.find(|(i, _)| *i == index).map(|(_, entry)| entry);
                let replaced = replaced.get_mut(index).and_then(Option::take);
                replaced.map(|entry| *entry).or(entry)
            }));
        }
        self.count_bytes();
        match self.entries.len() == length {
            true => Ok(()),
            false => Err(TreeError::defect("what was kept is in the list")),
        }
    }

    /// Writes the current list as pages up to a new root page, without changing the list. These are
    /// the batch's upper pages: their ids are contiguous, and the next batch replaces them all.
    /// Returns the root page; `None` for the empty trie.
    pub fn snapshot(
        &mut self,
        unfinished: Unfinished,
        out: &mut NewPages,
    ) -> Result<Option<PageRef>, TreeError> {
        if self.root == Hash::EMPTY_ROOT {
            return Ok(None);
        }
        self.fold()?;
        let mode = match unfinished {
            Unfinished::Blind => CutMode::Collapsing,
            Unfinished::Write => CutMode::Closing,
        };
        let budget = self.page_budget();
        let place = Place {
            account: None,
            budget,
        };
        let storage_fold = &mut self.folds.storage;
        let mut list = EntryList::new(&self.entries, None, storage_fold, budget, mode);
        list.cut_large_storage(out)?;
        let kept: Kept = cut_list(&self.folds.list, &mut list, place, mode, out)?;
        write_whole(&kept, &list, place, self.root, out).map(Some)
    }

    /// Starts from a stored root page. The caller then loads what [`Tree::pages_to_inline`] names
    /// and gives it to [`Tree::inline_page`], until nothing is named. `spine` are the ids of the
    /// last batch's upper pages.
    pub fn resume(
        root: Hash,
        page: &PageRef,
        spine: Range<PageId>,
        bytes: &[u8],
    ) -> Result<Tree, PageError> {
        if page.hash != root {
            return Err(PageError::Misplaced);
        }
        let at = StatePath::account_trie(Path::ROOT);
        let page = Page::decode(bytes)?.verify(page, &at, &mut Folds::new())?;
        Ok(Tree::of(root, page.into_entries(), spine))
    }

    fn fold(&mut self) -> Result<(), TreeError> {
        match fold_list(&mut self.folds.list, &self.entries, Root::Trie)? {
            found if found == self.root => Ok(()),
            found => Err(TreeError::Root(found)),
        }
    }
}

/// Moves giant bases into pages.
fn move_giants(
    list: &mut [Entry],
    account: Option<Hash>,
    budget: usize,
    out: &mut NewPages,
) -> Result<(), TreeError> {
    for entry in list {
        match &mut entry.item {
            Item::Blinded { base, .. } if base_size(base) > GIANT_PAGES * budget => {
                *base = move_base(base, account, budget, budget, out)?;
            }
            Item::Account(leaf) => {
                if let Storage::Inline(slots) = &mut leaf.storage {
                    move_giants(slots, Some(entry.path.key()), budget, out)?;
                }
            }
            _ => {}
        }
    }
    Ok(())
}
