//! Out of memory into pages, and back after a restart.

use core::ops::Range;

use super::{Joined, Spill, Tree, TreeError};
use crate::hash::Hash;
use crate::state::cut::{Kept, KeptItem, Mode, Place, cut, write_whole};
use crate::state::entry::{Code, CodesHeld, Entry, Item, PageId, PageRef, StatePath, Storage};
use crate::state::page::{Folds, Page, PageError, entry_size, fold_list};
use crate::state::pages::Pages;
use crate::state::source::AccountList;
use crate::trie::fold::Root;
use crate::trie::path::Path;

impl Tree {
    /// Notes the codes that have come, and moves complete subtries that fill a page out of memory.
    pub fn settle(&mut self, held: &dyn CodesHeld, out: &mut Pages) -> Result<(), TreeError> {
        for entry in &mut self.entries {
            if let Item::Account(leaf) = &mut entry.item
                && leaf.code == Code::Missing
                && held.holds(&leaf.code_hash())
            {
                leaf.code = Code::Held;
            }
        }
        self.fold()?;
        let place = Place {
            account: None,
            budget: self.budget,
        };
        let storage_fold = &mut self.folds.storage;
        let mut list = AccountList::new(&self.entries, storage_fold, self.budget, Mode::Growing);
        list.cut_large_storage(out)?;
        let kept = cut(&self.folds.list, &mut list, place, Mode::Growing, out)?;
        let mut replaced = core::mem::take(&mut list.replaced);

        let mut old = core::mem::take(&mut self.entries).into_iter().enumerate();
        self.entries = Vec::with_capacity(kept.items.len());
        for item in kept.items {
            let entry = match item {
                KeptItem::Entry(index) => {
                    let entry = old.find(|(i, _)| *i == index).map(|(_, entry)| entry);
                    replaced.remove(&index).or(entry)
                }
                KeptItem::Page(path, page) => Some(Entry {
                    path,
                    item: Item::Page(page),
                }),
                KeptItem::Blinded(path, hash) => Some(Entry {
                    path,
                    item: Item::blinded(hash),
                }),
            };
            self.entries.extend(entry);
        }
        self.bytes = self.entries.iter().map(entry_size).sum();
        Ok(())
    }

    /// Writes the current list as pages up to a new root page, without changing the list: a batch's upper pages. Their ids
    /// are contiguous; the next batch replaces them all. `None` for the empty trie.
    pub fn snapshot(
        &mut self,
        spill: Spill,
        out: &mut Pages,
    ) -> Result<Option<PageRef>, TreeError> {
        if self.root == Hash::EMPTY_ROOT {
            return Ok(None);
        }
        self.fold()?;
        let mode = match spill {
            Spill::Collapse => Mode::Collapsing,
            Spill::All => Mode::Closing,
        };
        let place = Place {
            account: None,
            budget: self.budget,
        };
        let storage_fold = &mut self.folds.storage;
        let mut list = AccountList::new(&self.entries, storage_fold, self.budget, mode);
        list.cut_large_storage(out)?;
        let kept: Kept = cut(&self.folds.list, &mut list, place, mode, out)?;
        write_whole(&kept, &list, place, self.root, out).map(Some)
    }

    /// Starts from a stored root page. Load and [`Tree::dissolve`] what [`Tree::pages_to_dissolve`] names, until it names none.
    /// `spine`: the ids of the last batch's upper pages.
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

    /// Pages in the list that are open, or that the next batch deletes, each once.
    pub fn pages_to_dissolve(&self) -> Vec<PageId> {
        let mut ids: Vec<PageId> = self
            .entries
            .iter()
            .flat_map(pages_of)
            .filter_map(|page| self.unsettled(page))
            .collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    /// Puts the content of a page in the place of its references, once it has been proven to be what they name.
    pub fn dissolve(&mut self, id: PageId, bytes: &[u8]) -> Result<Joined, PageError> {
        let mut page = Page::decode(bytes)?;
        let parent = page.parent;
        let Tree { entries, folds, .. } = self;
        match parent.account {
            None => dissolve_in(entries, id, &mut page, None, folds)?,
            Some(account) => {
                let leaf =
                    super::join::find_account(entries, &account).ok_or(PageError::Misplaced)?;
                match &mut leaf.storage {
                    Storage::Inline(slots) => {
                        dissolve_in(slots, id, &mut page, Some(account), folds)?
                    }
                    Storage::Page(reference) if reference.id == id => {
                        let at = StatePath::storage(account, Path::ROOT);
                        let slots = page.verify(reference, &at, folds)?.into_entries();
                        leaf.storage = Storage::Inline(slots);
                    }
                    _ => return Err(PageError::Misplaced),
                }
            }
        }
        self.count_bytes();
        Ok(Joined::default())
    }

    fn fold(&mut self) -> Result<(), TreeError> {
        match fold_list(&mut self.folds.list, &self.entries, Root::Trie)? {
            found if found == self.root => Ok(()),
            found => Err(TreeError::Root(found)),
        }
    }

    fn unsettled(&self, page: PageRef) -> Option<PageId> {
        (page.open || self.spine.contains(&page.id)).then_some(page.id)
    }
}

/// The pages that an entry names: itself, its storage, or pages in its storage's list.
fn pages_of(entry: &Entry) -> Vec<PageRef> {
    match &entry.item {
        Item::Page(page) => vec![*page],
        Item::Account(leaf) => match &leaf.storage {
            Storage::Page(page) => vec![*page],
            Storage::Inline(slots) => slots.iter().flat_map(pages_of).collect(),
            Storage::Empty | Storage::Blinded => Vec::new(),
        },
        Item::Slot(_) | Item::Blinded { .. } => Vec::new(),
    }
}

/// Replaces every reference to the page in one trie's list.
fn dissolve_in(
    list: &mut Vec<Entry>,
    id: PageId,
    page: &mut Page,
    account: Option<Hash>,
    folds: &mut Folds,
) -> Result<(), PageError> {
    let mut found = false;
    let mut dissolved = Vec::with_capacity(list.len());
    for entry in core::mem::take(list) {
        match &entry.item {
            Item::Page(reference) if reference.id == id => {
                found = true;
                let at = StatePath {
                    account,
                    path: entry.path,
                };
                dissolved.extend(page.verify(reference, &at, folds)?.into_entries());
            }
            _ => dissolved.push(entry),
        }
    }
    *list = dissolved;
    if found {
        Ok(())
    } else {
        Err(PageError::Misplaced)
    }
}
