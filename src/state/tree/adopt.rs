//! What is revealed meets what is held there under another root: the base. Every part of the base that folds, at its new
//! place, to the hash that the new subtrie has is taken over as it is; any other part goes on as the base of what is still
//! blinded there.

use super::Joined;
use super::list::over;
use crate::hash::Hash;
use crate::state::entry::{AccountLeaf, Code, CodesHeld, Entry, Item, PageRef, Storage};
use crate::state::page::fold_list;
use crate::trie::fold::{Fold, Root};
use crate::trie::path::Path;

/// A base is looked through entry by entry for one that makes up the new subtrie alone if it has at most so many: what is
/// left when siblings were deleted is found by that, and a request saved for each.
const TRY_ALONE: usize = 16;

/// Merges revealed entries with bases.
pub(super) struct Adopter<'a> {
    pub(super) fold: &'a mut Fold,
    /// Of adopted leaves, and of accounts revealed over a base.
    pub(super) joined: &'a mut Joined,
    /// `None`: what accounts say of their codes stays as it is.
    pub(super) held: Option<&'a dyn CodesHeld>,
}

impl Adopter<'_> {
    /// Merges what was revealed below one blinded entry with its base. `revealed` are leaves, new pages, and blinded entries
    /// without a base, in order; `outer` is the depth of the branch above the blinded entry, 0 if there is none.
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
                        self.adopt_storage(&mut leaf, old);
                    }
                    self.want(&entry.path, &mut leaf);
                    merged.push(Entry {
                        path: entry.path,
                        item: Item::Account(leaf),
                    });
                }
                Item::Slot(_) | Item::Page(_) => merged.push(entry),
            }
        }
        merged
    }

    /// Takes a part over if it folds to the new hash, else blinds it.
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
                return self.adopt(part, parent, merged);
            }
            // At one place only the last word counts, and what lies under it.
            match part.as_mut_slice() {
                [
                    Entry {
                        path: below,
                        item: Item::Blinded { base, .. },
                    },
                ] if *below == path => part = core::mem::take(base),
                _ => break,
            }
        }
        if (2..=TRY_ALONE).contains(&part.len())
            && let Some(index) = (0..part.len())
                .find(|i| self.folds_to(part.get(*i..=*i).unwrap_or_default(), &path, &hash))
        {
            let alone = part.swap_remove(index);
            return self.adopt(vec![alone], parent, merged);
        }
        merged.push(over(path, hash, part));
    }

    /// Whether a part of a base makes the node that has this hash, at this place.
    fn folds_to(&mut self, part: &[Entry], path: &Path, hash: &Hash) -> bool {
        match part {
            [] => false,
            [
                Entry {
                    path: at,
                    item: Item::Page(PageRef { hash: held, .. }) | Item::Blinded { hash: held, .. },
                },
            ] if at == path => held == hash,
            // A page above, which has not been read yet.
            [first, ..] if !path.is_prefix_of(&first.path) => false,
            _ => fold_list(self.fold, part, Root::Child(path.len())) == Ok(*hash),
        }
    }

    /// `parent`: depth of the branch above.
    pub(super) fn adopt(&mut self, part: Vec<Entry>, parent: u8, merged: &mut Vec<Entry>) {
        let paths: Vec<Path> = part.iter().map(|entry| entry.path).collect();
        for (index, mut entry) in part.into_iter().enumerate() {
            let depth = depth_among(&paths, index).unwrap_or(parent);
            self.joined.reused += entry.leaves() + entry.slots();
            close(&mut entry, depth);
            if let Item::Account(leaf) = &mut entry.item {
                self.want(&entry.path, leaf);
            }
            merged.push(entry);
        }
    }

    /// The storage of an account whose body has changed.
    fn adopt_storage(&mut self, leaf: &mut AccountLeaf, old: AccountLeaf) {
        let root = leaf.storage_root();
        if root == Hash::EMPTY_ROOT {
            return;
        }
        if root == old.storage_root() {
            leaf.storage = old.storage;
            close_storage(leaf);
            self.joined.reused += match &leaf.storage {
                Storage::Inline(slots) => slots.iter().map(Entry::leaves).sum(),
                Storage::Page(page) => page.leaves,
                Storage::Empty | Storage::Blinded => 0,
            };
            return;
        }
        let base = match old.storage {
            Storage::Empty | Storage::Blinded => return,
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

    /// Notes what an account lacks.
    fn want(&mut self, path: &Path, leaf: &mut AccountLeaf) {
        if !leaf.is_open() {
            return;
        }
        if leaf.code == Code::Missing {
            let code = leaf.code_hash();
            match self.held.is_some_and(|held| held.holds(&code)) {
                true => leaf.code = Code::Held,
                false => self.joined.codes.push(code),
            }
        }
        match &leaf.storage {
            Storage::Blinded => self.joined.storage.push((path.key(), leaf.storage_root())),
            Storage::Inline(slots) if slots.iter().any(Entry::is_open) => {
                self.joined.partial.push((path.key(), leaf.storage_root()));
            }
            _ => {}
        }
    }
}

/// What is left of a base while it is handed out from left to right.
pub(super) struct Base {
    /// The next entry is the last. Bound: the base's entries.
    rest: Vec<Entry>,
}

impl Base {
    pub(super) fn new(mut base: Vec<Entry>) -> Base {
        base.reverse();
        Base { rest: base }
    }

    /// What the base has below `place`; what it has before that is dropped. A page above that has not been read stays for
    /// the places that follow, too.
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
                    Item::Account(_) | Item::Slot(_) => {}
                }
            } else if next.path > *place {
                self.rest.push(next);
                break;
            }
        }
        part
    }
}

/// The account that is all there is of a base at an account's key.
fn account_in(mut part: Vec<Entry>) -> Option<AccountLeaf> {
    loop {
        match part.pop()?.item {
            Item::Account(leaf) => return Some(*leaf),
            Item::Blinded { base, .. } => part = base,
            Item::Slot(_) | Item::Page(_) => return None,
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

/// Depth of the branch right above one of some paths in order; `None` if it stands alone.
fn depth_among(paths: &[Path], index: usize) -> Option<u8> {
    let path = paths.get(index)?;
    let before = index.checked_sub(1).and_then(|before| paths.get(before));
    let neighbours = [before, paths.get(index + 1)];
    let shared = neighbours.into_iter().flatten();
    shared.map(|neighbour| neighbour.common(path)).max()
}

/// Readies an entry of a base for the list: `parent` is the depth of the branch that it gets. A page is not taken over as it
/// is if something below it is missing, because then it has to be looked into, or if the branch is another than that whose
/// children share the page, because they must stay together: it is blinded over itself, so that it will be read.
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
        Storage::Empty | Storage::Blinded | Storage::Page(_) => {}
    }
}

fn blinded_page(path: Path, page: PageRef) -> Item {
    Item::Blinded {
        hash: page.hash,
        base: vec![Entry {
            path,
            item: Item::Page(page),
        }],
    }
}
