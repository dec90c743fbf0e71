//! Bases: what is held under another root. Where trees with bases come from, and which pages of a
//! base have to be read before it can be compared.

use super::adopt::Adopter;
use super::list::{find, holds_anything, over};
use super::scoped::{Settler, blinded_page};
use super::{Joined, Tree};
use crate::hash::Hash;
use crate::state::entry::{Entry, Item, PageId, PageRef, StatePath, Storage};
use crate::state::scope::Scope;
use crate::trie::path::Path;

impl Tree {
    /// Turns towards another root, at any moment. Everything held so far becomes the base of the
    /// new tree, and what has not changed is adopted from it as the new tree is revealed.
    pub fn retarget(mut self, root: Hash) -> Tree {
        if root == self.root {
            return self;
        }
        self.root = root;
        let base = core::mem::take(&mut self.entries);
        if !self.scope.touches(&StatePath::account_trie(Path::ROOT)) {
            self.entries = Tree::new(root).with_scope(self.scope.clone()).entries;
        } else if root != Hash::EMPTY_ROOT {
            let mut adopter = Adopter {
                fold: &mut self.folds.list,
                joined: &mut Joined::default(),
                held: None,
                settler: Settler {
                    scope: &self.scope,
                    older: &self.older,
                    account: None,
                },
                origins: &self.origins,
            };
            // The new root may be one that is held in part.
            adopter.compare(Path::ROOT, root, base, 0, &mut self.entries);
        }
        self.count_bytes();
        self
    }

    /// Starts towards `root` with a complete state as base, for `scope`. `complete` is its root
    /// page, `None` for the empty state; `built_for` is the scope that it was built for. If it has
    /// the same root and another scope, its pages are read where the two scopes differ, and nothing
    /// is fetched but what is wanted in addition. From a set to everything nothing of it is used: a
    /// first sync fetches ranges.
    pub fn over_complete(
        root: Hash,
        complete: Option<PageRef>,
        built_for: &Scope,
        scope: Scope,
    ) -> Tree {
        let tree = Tree::new(root).with_scope(scope);
        let top = StatePath::account_trie(Path::ROOT);
        let is_of_use = tree.scope.touches(&top)
            && (built_for.is_everything() || !tree.scope.is_everything())
            && root != Hash::EMPTY_ROOT;
        let Some(page) = complete.filter(|_| is_of_use) else {
            return tree;
        };
        let held = vec![Entry {
            path: Path::ROOT,
            item: Item::Page(page),
        }];
        let differs = tree.scope.differs_at(built_for, &top);
        let entries = match page.hash == root {
            true if differs => vec![Entry {
                path: Path::ROOT,
                item: blinded_page(Path::ROOT, page),
            }],
            true => held,
            false => vec![over(Path::ROOT, root, held)],
        };
        tree.over_entries(entries, built_for)
    }

    /// The page that has to be read ([`Tree::inline_page`]) before the blinded entry at this place
    /// is asked for or revealed. Afterwards the entry may turn out to be held already, or another
    /// page may be needed. If the entry is revealed without it, what is blinded below inherits the
    /// page, but the held storage of a revealed account is lost.
    pub fn base_page_needed(&self, at: &StatePath) -> Option<PageId> {
        match self.base_at(at) {
            [
                Entry {
                    item: Item::Page(page),
                    ..
                },
            ] => Some(page.id),
            _ => None,
        }
    }

    /// At most `limit` pages of bases between two keys that hold storages. They have to be read
    /// before a range of accounts between these keys is joined; otherwise what is held of those
    /// storages is lost. Ask again until there are none.
    pub fn base_pages_within(&self, from: &Hash, last: &Hash, limit: usize) -> Vec<PageId> {
        let mut ids = Vec::new();
        with_storages(&self.entries, from, last, false, &mut ids);
        ids.dedup();
        ids.truncate(limit);
        ids
    }

    /// Forgets a page that is missing or damaged. A base goes on without it; where it stands in the
    /// list itself, its subtries are blinded. Returns whether it was there.
    #[must_use]
    pub fn drop_base_page(&mut self, id: PageId) -> bool {
        let mut found = false;
        blind(&mut self.entries, id, &mut found);
        self.count_bytes();
        found
    }

    /// Takes the pages of this build that nothing refers to any more. The next batch deletes them.
    pub fn take_freed(&mut self) -> Vec<PageId> {
        core::mem::take(&mut self.freed)
    }

    /// The base of the blinded entry at this place.
    pub(super) fn base_at(&self, at: &StatePath) -> &[Entry] {
        let mut list = self.entries.as_slice();
        if let Some(account) = &at.account {
            list = match find(list, &Path::full(*account)) {
                Some(Item::Account(leaf)) => match &leaf.storage {
                    Storage::Inline(slots) => slots,
                    _ => return &[],
                },
                _ => return &[],
            };
        }
        match find(list, &at.path) {
            Some(Item::Blinded { base, .. }) => base,
            _ => &[],
        }
    }
}

/// Collects the pages of bases that meet `from..=last` and hold storages.
fn with_storages(list: &[Entry], from: &Hash, last: &Hash, in_base: bool, ids: &mut Vec<PageId>) {
    let start = list.partition_point(|entry| entry.path.last_key() < *from);
    let meeting = list.get(start..).unwrap_or_default().iter();
    for entry in meeting.take_while(|entry| entry.path.first_key() <= *last) {
        match &entry.item {
            Item::Page(page) if in_base && page.slots > 0 => ids.push(page.id),
            Item::Blinded { base, .. } => with_storages(base, from, last, true, ids),
            _ => {}
        }
    }
}

/// Takes a page out of bases, and blinds it where it stands in a list.
fn blind(list: &mut [Entry], id: PageId, found: &mut bool) {
    for entry in list {
        match &mut entry.item {
            Item::Page(page) if page.id == id => {
                *found = true;
                entry.item = Item::blinded(page.hash);
            }
            Item::Blinded { base, .. } => {
                blind(base, id, found);
                if !holds_anything(base) {
                    base.clear();
                }
            }
            Item::Account(leaf) => match &mut leaf.storage {
                Storage::Page(page) if page.id == id => {
                    *found = true;
                    leaf.storage = Storage::Blinded;
                }
                Storage::Inline(slots) => blind(slots, id, found),
                _ => {}
            },
            Item::Slot(_) | Item::Page(_) | Item::Outside(_) | Item::Neighbour(_) => {}
        }
    }
}
