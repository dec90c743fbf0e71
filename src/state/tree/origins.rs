//! Which pages of a base were read. A subtrie that turns out to be unchanged goes back into the
//! page that it was read from, so that the next batch does not write it again.
//!
//! Only a set needs this. To ask for nodes by their paths, all pages on the tracked paths are read,
//! and most of what is in them has not changed.

use super::scoped::Settler;
use crate::heap::owns;
use crate::state::entry::{AccountLeaf, Entry, Item, PageRef, StatePath, Storage};
use crate::state::page::fold_list;
use crate::trie::fold::{Fold, Root};
use crate::trie::path::Path;

/// The subtries that were read out of pages, and the references that named them.
#[derive(Debug, Default)]
pub(super) struct Origins {
    /// By place, ascending. Bound: the subtries in the pages that were read since the tree has its
    /// root.
    pages: Vec<(StatePath, PageRef)>,
}

impl Origins {
    /// A subtrie was read out of this page.
    pub(super) fn add(&mut self, at: StatePath, page: PageRef) {
        match self.pages.binary_search_by(|(known, _)| known.cmp(&at)) {
            Ok(index) => {
                if let Some((_, known)) = self.pages.get_mut(index) {
                    *known = page;
                }
            }
            Err(index) => self.pages.insert(index, (at, page)),
        }
    }

    /// Puts the parts of an unchanged list that were read out of pages back into these, if they are
    /// still what the pages hold. The list makes up the node at `place`; `parent` is the depth of
    /// the branch above it.
    pub(super) fn restore(
        &self,
        fold: &mut Fold,
        settler: &Settler<'_>,
        place: &Path,
        parent: u8,
        entries: Vec<Entry>,
    ) -> Vec<Entry> {
        if self.pages.is_empty() {
            return entries;
        }
        let mut restored: Vec<Entry> = Vec::with_capacity(entries.len());
        let mut rest = entries.as_slice();
        let mut before = None;
        while let Some(entry) = rest.first() {
            let found = self.page_of(fold, settler, place, (before, parent), rest);
            let length = match found {
                Some((path, page, length)) => {
                    let item = Item::Page(page);
                    restored.push(Entry { path, item });
                    length
                }
                None => {
                    let mut entry = entry.clone();
                    if let Item::Account(leaf) = &mut entry.item {
                        self.restore_storage(fold, settler, &entry.path, leaf);
                    }
                    restored.push(entry);
                    1
                }
            };
            let (taken, behind) = rest.split_at_checked(length).unwrap_or((rest, &[]));
            before = taken.last().map(|entry| entry.path);
            rest = behind;
        }
        restored
    }

    /// As [`Origins::restore`], for the unchanged storage of an account.
    pub(super) fn restore_storage(
        &self,
        fold: &mut Fold,
        settler: &Settler<'_>,
        account: &Path,
        leaf: &mut AccountLeaf,
    ) {
        let settler = Settler {
            account: Some(account.key()),
            ..*settler
        };
        let Storage::Inline(slots) = &mut leaf.storage else {
            return;
        };
        let slots = self.restore(fold, &settler, &Path::ROOT, 0, core::mem::take(slots));
        leaf.storage = match slots.as_slice() {
            [
                Entry {
                    path,
                    item: Item::Page(page),
                },
            ] if path.is_empty() => Storage::Page(*page),
            _ => Storage::Inline(slots),
        };
    }

    /// The uppermost page at or below `place` that holds the first of these entries: the path of
    /// its subtrie, and how many entries it holds. `beside` are the path of the entry before, and
    /// the depth of the branch above the whole list.
    fn page_of(
        &self,
        fold: &mut Fold,
        settler: &Settler<'_>,
        place: &Path,
        beside: (Option<Path>, u8),
        entries: &[Entry],
    ) -> Option<(Path, PageRef, usize)> {
        let first = entries.first()?.path;
        (place.len()..=first.len()).find_map(|depth| {
            let path = first.prefix(depth);
            let at = StatePath {
                account: settler.account,
                path,
            };
            let index = self.pages.binary_search_by(|(known, _)| known.cmp(&at));
            let (_, page) = self.pages.get(index.ok()?)?;
            let held = entries.iter();
            let length = held
                .take_while(|entry| path.is_prefix_of(&entry.path))
                .count();
            // Subtries that share a page have to stay children of one branch.
            let after = entries.get(length).map(|entry| entry.path);
            let neighbours = [beside.0, after].into_iter().flatten();
            let above = neighbours.map(|neighbour| neighbour.common(&path)).max();
            let is_in_place = page.parent == above.unwrap_or(beside.1);
            if !is_in_place || page.open || settler.differs(&at) {
                return None;
            }
            let root = match path.is_empty() {
                true => Root::Trie,
                false => Root::Branch(path.len()),
            };
            let is_same = fold_list(fold, entries.get(..length)?, root) == Ok(page.hash);
            is_same.then_some((path, *page, length))
        })
    }
}

owns! {
    Origins: pages;
}
