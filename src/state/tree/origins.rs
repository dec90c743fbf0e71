//! Which pages of a base were read. A subtrie that turns out to be unchanged goes back into the
//! page that it was read from, so that the next batch does not write it again.
//!
//! Only a set needs this. To ask for nodes by their paths, all pages on the tracked paths are read,
//! and most of what is in them has not changed.

use super::scoped::Settler;
use crate::heap::owns;
use crate::state::entry::{AccountLeaf, Entry, Item, PageRef, StatePath, Storage};
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

    /// Puts the parts of an unchanged list that were read out of pages back into these. The list
    /// makes up the node at `place`; `parent` is the depth of the branch above it.
    pub(super) fn restore(
        &self,
        settler: &Settler<'_>,
        place: &Path,
        parent: u8,
        entries: Vec<Entry>,
    ) -> Vec<Entry> {
        if self.pages.is_empty() {
            return entries;
        }
        let mut restored: Vec<Entry> = Vec::with_capacity(entries.len());
        for mut entry in entries {
            let is_inside = |last: &Entry| {
                matches!(last.item, Item::Page(_)) && last.path.is_prefix_of(&entry.path)
            };
            if restored.last().is_some_and(is_inside) {
                continue;
            }
            match self.page_of(settler, place, parent, &entry.path) {
                Some((path, page)) => restored.push(Entry {
                    path,
                    item: Item::Page(page),
                }),
                None => {
                    if let Item::Account(leaf) = &mut entry.item {
                        self.restore_storage(settler, &entry.path, leaf);
                    }
                    restored.push(entry);
                }
            }
        }
        restored
    }

    /// As [`Origins::restore`], for the unchanged storage of an account.
    pub(super) fn restore_storage(
        &self,
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
        let slots = self.restore(&settler, &Path::ROOT, 0, core::mem::take(slots));
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

    /// The page that an entry was read out of, and the path of the page's subtrie: the uppermost
    /// one at or below `place` that can be named again.
    fn page_of(
        &self,
        settler: &Settler<'_>,
        place: &Path,
        parent: u8,
        entry: &Path,
    ) -> Option<(Path, PageRef)> {
        (place.len()..=entry.len()).find_map(|depth| {
            let at = StatePath {
                account: settler.account,
                path: entry.prefix(depth),
            };
            let index = self.pages.binary_search_by(|(known, _)| known.cmp(&at));
            let (_, page) = self.pages.get(index.ok()?)?;
            // Subtries that share a page have to stay children of one branch.
            let is_child = page.parent >= place.len() && depth > place.len();
            let is_in_place = is_child || page.parent == parent;
            (is_in_place && !page.open && !settler.differs(&at)).then_some((at.path, *page))
        })
    }
}

owns! {
    Origins: pages;
}
