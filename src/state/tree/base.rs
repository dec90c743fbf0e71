//! Bases: what is held under another root. Where a tree with bases comes from, and which of their pages have to be read
//! before they can be compared.

use super::Tree;
use crate::hash::Hash;
use crate::state::entry::{Entry, Item, PageId, PageRef, StatePath};
use crate::trie::path::Path;

impl Tree {
    /// Turns towards another root, whenever that may be: everything held so far is the base of the new tree, and what has
    /// not changed is adopted from it as the new tree is revealed.
    pub fn retarget(self, root: Hash) -> Tree {
        if root == self.root {
            return self;
        }
        let entries = match root {
            Hash::EMPTY_ROOT => Vec::new(),
            _ => vec![over(Path::ROOT, root, self.entries)],
        };
        let tree = Tree::of(root, entries, self.spine);
        Tree {
            budget: self.budget,
            first_page: self.first_page,
            ..tree
        }
    }

    /// Starts towards `root` over a complete state, given by its root page (`None`: the empty state).
    pub fn over_complete(root: Hash, complete: Option<PageRef>) -> Tree {
        let mut tree = Tree::new(root);
        if let (Some(page), true) = (complete, root != Hash::EMPTY_ROOT) {
            let held = vec![Entry {
                path: Path::ROOT,
                item: Item::Page(page),
            }];
            tree.entries = match page.hash == root {
                true => held,
                false => vec![over(Path::ROOT, root, held)],
            };
            tree.count_bytes();
        }
        tree
    }

    /// The page that has to be read ([`Tree::dissolve`]) before the blinded entry at this place is asked for or revealed;
    /// afterwards it may turn out to be held already. Whoever does not read it loses nothing yet: what is revealed below
    /// inherits the page.
    pub fn base_page_needed(&self, _at: &StatePath) -> Option<PageId> {
        None
    }

    /// Pages of bases between two keys that hold storages (at most `limit` of them): to be read before a range of accounts
    /// between them is joined, or what is held of those storages is lost. Ask again until there are none.
    pub fn base_pages_within(&self, _from: &Hash, _last: &Hash, _limit: usize) -> Vec<PageId> {
        Vec::new()
    }

    /// Forgets a page that is missing or damaged: a base does without it; where it stands in the list itself, its subtries
    /// are blinded again. `true` if it was there.
    pub fn drop_base_page(&mut self, _id: PageId) -> bool {
        false
    }

    /// Pages of this build that nothing refers to any more: the next batch deletes them.
    pub fn take_freed(&mut self) -> Vec<PageId> {
        core::mem::take(&mut self.freed)
    }
}

/// A blinded entry over what is held there under another hash.
pub(super) fn over(path: Path, hash: Hash, base: Vec<Entry>) -> Entry {
    let mut base = base;
    // At one place only the last word counts, and what lies under it.
    while let [
        Entry {
            path: below,
            item: Item::Blinded { .. },
        },
    ] = base.as_slice()
        && *below == path
    {
        match base.pop().map(|entry| entry.item) {
            Some(Item::Blinded { hash: old, base }) if old == hash => {
                return Entry {
                    path,
                    item: Item::Blinded { hash, base },
                };
            }
            Some(Item::Blinded { base: under, .. }) => base = under,
            _ => {}
        }
    }
    if !holds_anything(&base) {
        base = Vec::new();
    }
    Entry {
        path,
        item: Item::Blinded { hash, base },
    }
}

/// Whether a list says more than hashes.
fn holds_anything(list: &[Entry]) -> bool {
    list.iter()
        .any(|entry| !matches!(&entry.item, Item::Blinded { base, .. } if base.is_empty()))
}
