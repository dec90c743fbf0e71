//! Adopting what has not changed. What is revealed meets what is held there under another root: the
//! base. A part of the base that folds, at its new place, to the new subtrie's hash is adopted as
//! it is. Any other part becomes the base of what is still blinded there.

use super::Joined;
use super::list::over;
use super::origins::Origins;
use super::scoped::{Settler, blinded_page, want};
use crate::hash::Hash;
use crate::state::entry::{AccountLeaf, CodesHeld, Entry, Item, PageRef, Storage};
use crate::state::page::fold_list;
use crate::trie::fold::{Fold, Root};
use crate::trie::path::Path;

/// A base of at most so many entries is searched for one that makes up the new subtrie alone. That
/// finds what is left when siblings were deleted, and saves a request for each: 43 of 9,004 nodes
/// where a fifth of a state changes (`benches/heal_shares.rs`). Sixteen are the children of one
/// branch.
const TRY_ALONE: usize = 16;

/// Merges revealed entries with bases.
pub(super) struct Adopter<'a> {
    pub(super) fold: &'a mut Fold,
    /// Notes what accounts revealed over a base lack.
    pub(super) joined: &'a mut Joined,
    /// Which codes are stored; `None` leaves what accounts say of their codes as it is.
    pub(super) held: Option<&'a dyn CodesHeld>,
    /// Makes what is adopted obey the scope.
    pub(super) settler: Settler<'a>,
    /// Where the pages that bases were read from are known.
    pub(super) origins: &'a Origins,
}

impl Adopter<'_> {
    /// Merges what was revealed below one blinded entry with its base. `revealed` are leaves, new
    /// pages and blinded entries without a base, in order. `outer` is the depth of the branch above
    /// the blinded entry, 0 if there is none.
    pub(super) fn merge(
        &mut self,
        revealed: Vec<Entry>,
        base: Vec<Entry>,
        outer: u8,
    ) -> Vec<Entry> {
        let mut base = Base::new(base);
        let paths: Vec<Path> = revealed.iter().map(|entry| entry.path).collect();
        let mut merged = Vec::with_capacity(revealed.len());
        for (index, entry) in revealed.into_iter().enumerate() {
            let part = base.take(&entry.path);
            match entry.item {
                Item::Blinded { hash, .. } => {
                    let parent = depth_among(&paths, index).unwrap_or(outer);
                    self.compare(entry.path, hash, part, parent, &mut merged);
                }
                Item::Account(mut leaf) => {
                    if let Some(old) = account_in(part) {
                        self.adopt_storage(&entry.path, &mut leaf, old);
                    }
                    want(&entry.path, &mut leaf, self.held, self.joined);
                    merged.push(Entry {
                        path: entry.path,
                        item: Item::Account(leaf),
                    });
                }
                Item::Slot(_) | Item::Page(_) | Item::Outside(_) | Item::Neighbour(_) => {
                    merged.push(entry);
                }
            }
        }
        merged
    }

    /// Adopts a part of a base if it folds to the new hash; otherwise it becomes the base of a
    /// blinded entry. `parent` is the depth of the branch above.
    pub(super) fn compare(
        &mut self,
        path: Path,
        hash: Hash,
        mut part: Vec<Entry>,
        parent: u8,
        merged: &mut Vec<Entry>,
    ) {
        if part.is_empty() {
            return merged.push(over(path, hash, part));
        }
        loop {
            if self.folds_to(&part, &path, &hash) {
                return self.adopt(&path, part, parent, merged);
            }
            // A base that is one blinded entry at the same path is replaced by its own base, and a
            // hash alone is none.
            match part.as_mut_slice() {
                [
                    Entry {
                        path: below,
                        item: Item::Blinded { base, .. },
                    },
                ] if *below == path => part = core::mem::take(base),
                [
                    Entry {
                        path: below,
                        item: Item::Outside(_),
                    },
                ] if *below == path => part.clear(),
                _ => break,
            }
        }
        if (2..=TRY_ALONE).contains(&part.len())
            && let Some(index) = part
                .chunks(1)
                .position(|alone| self.folds_to(alone, &path, &hash))
        {
            let alone = part.swap_remove(index);
            return self.adopt(&path, vec![alone], parent, merged);
        }
        merged.push(over(path, hash, part));
    }

    /// Whether a part of a base makes up the node with this hash at this place.
    #[must_use]
    fn folds_to(&mut self, part: &[Entry], path: &Path, hash: &Hash) -> bool {
        match part {
            [] => false,
            [
                Entry {
                    path: at,
                    item: Item::Page(PageRef { hash: held, .. }) | Item::Blinded { hash: held, .. },
                },
            ] if at == path => held == hash,
            // The first entry is a page above this place that has not been read yet.
            [first, ..] if !path.is_prefix_of(&first.path) => false,
            _ => fold_list(self.fold, part, Root::Child(path.len())) == Ok(*hash),
        }
    }

    /// Takes over a part of a base that makes up the node at `place`. `parent` is the depth of the
    /// branch above.
    pub(super) fn adopt(
        &mut self,
        place: &Path,
        part: Vec<Entry>,
        parent: u8,
        merged: &mut Vec<Entry>,
    ) {
        let origins = self.origins;
        let part = origins.restore(self.fold, &self.settler, place, parent, part);
        let part = self.settler.settle(self.fold, place, part, self.held);
        let paths: Vec<Path> = part.iter().map(|entry| entry.path).collect();
        for (index, mut entry) in part.into_iter().enumerate() {
            let depth = depth_among(&paths, index).unwrap_or(parent);
            close(&mut entry, depth);
            if let Item::Account(leaf) = &mut entry.item {
                want(&entry.path, leaf, self.held, self.joined);
            }
            merged.push(entry);
        }
    }

    /// Adopts the storage of an account whose body has changed, or makes it the base of the new
    /// storage.
    fn adopt_storage(&mut self, path: &Path, leaf: &mut AccountLeaf, old: AccountLeaf) {
        let root = leaf.storage_root();
        if root == Hash::EMPTY_ROOT || leaf.storage == Storage::Outside {
            return;
        }
        if root == old.storage_root() {
            leaf.storage = old.storage;
            let origins = self.origins;
            origins.restore_storage(self.fold, &self.settler, path, leaf);
            self.settler.settle_storage(self.fold, path.key(), leaf);
            close_storage(leaf);
            return;
        }
        let base = match old.storage {
            Storage::Empty | Storage::Blinded | Storage::Outside => return,
            Storage::Inline(slots) => slots,
            Storage::Page(page) => vec![Entry {
                path: Path::ROOT,
                item: Item::Page(page),
            }],
        };
        let under = over(Path::ROOT, root, base);
        if under.has_base() {
            leaf.storage = Storage::Inline(vec![under]);
        }
    }
}

/// The rest of a base, while it is handed out from left to right.
pub(super) struct Base {
    /// In reverse order: the next entry is the last. Bound: the base's entries.
    rest: Vec<Entry>,
}

impl Base {
    pub(super) fn new(mut base: Vec<Entry>) -> Base {
        base.reverse();
        Base { rest: base }
    }

    /// Takes what the base has below `place`, and drops what it has before that. A page above
    /// `place` that has not been read stays for the following places, too.
    pub(super) fn take(&mut self, place: &Path) -> Vec<Entry> {
        let mut part = Vec::new();
        while let Some(next) = self.rest.pop() {
            if place.is_prefix_of(&next.path) {
                part.push(next);
            } else if next.path.is_prefix_of(place) {
                match next.item {
                    Item::Page(_) => {
                        part.push(next.clone());
                        self.rest.push(next);
                        break;
                    }
                    Item::Blinded { base, .. } => self.rest.extend(base.into_iter().rev()),
                    Item::Account(_) | Item::Slot(_) | Item::Outside(_) | Item::Neighbour(_) => {}
                }
            } else if next.path > *place {
                self.rest.push(next);
                break;
            }
        }
        part
    }
}

/// The account's leaf in the part of a base at the account's key.
fn account_in(mut part: Vec<Entry>) -> Option<AccountLeaf> {
    loop {
        match part.pop()?.item {
            Item::Account(leaf) => return Some(*leaf),
            Item::Blinded { base, .. } => part = base,
            Item::Slot(_) | Item::Page(_) | Item::Outside(_) | Item::Neighbour(_) => return None,
        }
    }
}

/// Depth of the branch right above an entry of a list; 0 if it stands alone.
pub(super) fn depth_above(list: &[Entry], index: usize) -> u8 {
    let paths: Vec<Path> = (index.saturating_sub(1)..=index + 1)
        .filter_map(|i| list.get(i))
        .map(|entry| entry.path)
        .collect();
    depth_among(&paths, index.min(1)).unwrap_or(0)
}

/// Depth of the branch right above one of some sorted paths; `None` if it stands alone.
fn depth_among(paths: &[Path], index: usize) -> Option<u8> {
    let path = paths.get(index)?;
    let before = index.checked_sub(1).and_then(|before| paths.get(before));
    let neighbours = [before, paths.get(index + 1)];
    let shared = neighbours.into_iter().flatten();
    shared.map(|neighbour| neighbour.common(path)).max()
}

/// Prepares an entry of a base for the list. `parent` is the depth of the branch that it gets.
///
/// A page is blinded over itself, so that it will be read, in two cases: something below it is
/// missing and has to be looked for, or the new branch is not the one whose children share the
/// page, and these must stay together.
pub(super) fn close(entry: &mut Entry, parent: u8) {
    match &mut entry.item {
        Item::Page(page) if page.open || page.parent != parent => {
            let (path, page) = (entry.path, *page);
            entry.item = blinded_page(path, page);
        }
        Item::Account(leaf) => close_storage(leaf),
        _ => {}
    }
}

fn close_storage(leaf: &mut AccountLeaf) {
    match &mut leaf.storage {
        Storage::Page(page) if page.open => {
            let slot = Entry {
                path: Path::ROOT,
                item: blinded_page(Path::ROOT, *page),
            };
            leaf.storage = Storage::Inline(vec![slot]);
        }
        Storage::Inline(slots) => {
            for slot in slots {
                if let Item::Page(page) = &slot.item
                    && page.open
                {
                    slot.item = blinded_page(slot.path, *page);
                }
            }
        }
        Storage::Empty | Storage::Blinded | Storage::Page(_) | Storage::Outside => {}
    }
}
