//! Joining a verified answer to a list of the same root.

use core::iter;
use core::ops::Range;

use super::adopt::{Adopter, depth_above};
use super::list::{self, Overlay, find_account};
use super::scoped::Settler;
use super::{Joined, StorageJoined, Tree};
use crate::hash::Hash;
use crate::state::account::VerifiedFull;
use crate::state::cut::{CutMode, KeptItem, Place, Source, cut, cut_list, write_whole};
use crate::state::entry::{Code, CodesHeld, Entry, Item, PageRef, StatePath, Storage};
use crate::state::new_pages::NewPages;
use crate::state::page::{entry_size, fold_list, storage_size};
use crate::state::source::{Arena, Mark, SlotList, tally};
use crate::state::tree_error::TreeError;
use crate::trie::fold::{EntryItem, Fold, Root};
use crate::trie::path::Path;
use crate::trie::range::VerifiedRange;

impl Tree {
    /// Joins a verified account range. What is complete in the answer is cut into pages at once.
    /// Its edges, and accounts that wait for storage or code, become entries. What the tree knew
    /// already stays as it is. A range of another root, because the target moved, reveals what
    /// is the same and is a base for the rest. A set has no ranges of accounts, so a late one adds
    /// nothing.
    pub fn join_accounts(
        &mut self,
        range: &VerifiedRange<'_>,
        held: &dyn CodesHeld,
        out: &mut NewPages,
    ) -> Result<Joined, TreeError> {
        if !self.scope.is_everything() {
            return Ok(Joined::default());
        }
        if range.root() != self.root {
            return self.join_stale_accounts(range, held, out);
        }
        let fold = range.fold();
        let mut joined = Joined::default();
        let Some(overlap) = Overlap::find(&self.entries, range)? else {
            return Ok(joined);
        };
        let marks = overlap.marks(&self.entries, fold, |key, full| {
            let body = VerifiedFull::split(full)?;
            let code = Code::of(body.code_hash(), held);
            if let (Code::Missing, Some(hash)) = (code, body.code_hash()) {
                joined.codes.push(hash);
            }
            let storage = body.storage_root();
            joined.storage.extend(storage.map(|root| (key, root)));
            Some(Mark::Account {
                slim: body.slim_len() as u32,
                storage: storage.is_some(),
                code,
            })
        })?;
        (joined.accounts, joined.account_bytes) = tally(&marks);
        let place = Place {
            account: None,
            budget: self.budget,
        };
        let mut arena = Arena {
            fold,
            marks: &marks,
        };
        let mut adopted = Joined::default();
        let mut adopter = Adopter {
            fold: &mut self.folds.list,
            joined: &mut adopted,
            held: Some(held),
            settler: Settler {
                scope: &self.scope,
                older: &self.older,
                account: None,
            },
            origins: &self.origins,
        };
        let based = overlap.based(&self.entries);
        let (added, removed) =
            overlap.splice(&mut self.entries, &mut arena, place, &mut adopter, out)?;
        self.bytes = (self.bytes + added).saturating_sub(removed);
        // For accounts that met a base, the base decides what they lack.
        if !based.is_empty() {
            let met = |key: &Hash| based.iter().any(|path| path.covers(key));
            joined.storage.retain(|(key, _)| !met(key));
            joined.storage.extend(adopted.storage);
            joined.codes.extend(adopted.codes);
        }
        Ok(joined)
    }

    /// Joins a verified range of one account's storage, or all of it. An answer for an account that
    /// is complete already adds nothing. A range of another storage root is treated as in
    /// [`Tree::join_accounts`]. A range of a storage that is not wholly in the scope adds nothing.
    pub fn join_storage(
        &mut self,
        account: &Hash,
        range: &VerifiedRange<'_>,
        out: &mut NewPages,
    ) -> Result<StorageJoined, TreeError> {
        if !self
            .scope
            .includes(&StatePath::storage(*account, Path::ROOT))
        {
            return Ok(StorageJoined::default());
        }
        let budget = self.budget;
        let leaf = find_account(&mut self.entries, account);
        let Some(leaf) = leaf.filter(|leaf| leaf.storage_root() == range.root()) else {
            return self.join_stale_storage(account, range, out);
        };
        let before = storage_size(&leaf.storage);
        let Some(mut slots) = leaf.storage.take_list(range.root()) else {
            return Ok(StorageJoined::default());
        };
        let place = Place {
            account: Some(*account),
            budget,
        };
        let mut adopted = Joined::default();
        let mut adopter = Adopter {
            fold: &mut self.folds.storage,
            joined: &mut adopted,
            held: None,
            settler: Settler {
                scope: &self.scope,
                older: &self.older,
                account: Some(*account),
            },
            origins: &self.origins,
        };
        let (page, joined) = join_slots(&mut slots, range, place, &mut adopter, out)?;
        leaf.storage = page.map_or(Storage::Inline(slots), Storage::Page);
        let after = storage_size(&leaf.storage);
        self.bytes = (self.bytes + after).saturating_sub(before);
        Ok(joined)
    }
}

/// Joins an answer to a storage trie's list. A storage that is complete then, and too large for its
/// account's page, goes into pages of its own: the first value returned.
pub(super) fn join_slots(
    slots: &mut Vec<Entry>,
    range: &VerifiedRange<'_>,
    place: Place,
    adopter: &mut Adopter<'_>,
    out: &mut NewPages,
) -> Result<(Option<PageRef>, StorageJoined), TreeError> {
    let fold = range.fold();
    let mut joined = StorageJoined::default();
    let large = place.budget / 2;
    if let Some(overlap) = Overlap::find(slots, range)? {
        let marks = overlap.marks(slots, fold, |_, value| Some(Mark::Slot(value.len() as u32)))?;
        (joined.slots, joined.slot_bytes) = tally(&marks);
        let mut arena = Arena {
            fold,
            marks: &marks,
        };
        let whole = joined.slots == fold.len() as u64;
        if whole
            && (0..fold.len())
                .map(|slot| arena.sum(slot).size)
                .sum::<usize>()
                > large
        {
            // The answer is the whole storage, so nothing becomes an entry.
            let kept = cut(fold, &mut arena, place, CutMode::Closing, out)?;
            let page = write_whole(&kept, &arena, place, range.root(), out)?;
            return Ok((Some(page), joined));
        }
        overlap.splice(slots, &mut arena, place, adopter, out)?;
    }
    let scratch = &mut *adopter.fold;
    let is_open = slots.iter().any(Entry::is_open);
    if is_open || slots.iter().map(entry_size).sum::<usize>() <= large {
        return Ok((None, joined));
    }
    let found = fold_list(scratch, slots, Root::Trie)?;
    if found != range.root() {
        return Err(TreeError::Root(found));
    }
    let mut source = SlotList(slots);
    let kept = cut_list(scratch, &mut source, place, CutMode::Closing, out)?;
    let page = write_whole(&kept, &source, place, range.root(), out)?;
    Ok((Some(page), joined))
}

fn is_based(entry: &Entry) -> bool {
    matches!(&entry.item, Item::Blinded { base, .. } if !base.is_empty())
}

/// Where a list and an answer say something about the same places.
struct Overlap {
    /// Entries of the list that meet the part of which the answer proves everything.
    list: Range<usize>,
    /// Entries of the fold that meet those.
    arena: Range<usize>,
}

impl Overlap {
    /// `None` if the answer proves nothing new about any key.
    fn find(list: &[Entry], range: &VerifiedRange<'_>) -> Result<Option<Overlap>, TreeError> {
        let fold = range.fold();
        // Everything is proven between the last subtrie left of the origin and the first right of
        // the last leaf. That is more than the requested interval where the trie had nothing.
        let delivered = range.delivered();
        let from = match delivered.start.checked_sub(1) {
            None => Some(Hash::ZERO),
            Some(left) => fold.path(left).last_key().next(),
        };
        let to = match delivered.end < fold.len() {
            true => fold.path(delivered.end).first_key().previous(),
            false => Some(Hash::MAX),
        };
        let (from, to) = match (from, to) {
            (Some(from), Some(to)) if from <= to => (from, to),
            _ => return Ok(None),
        };
        let start = list.partition_point(|entry| entry.path.last_key() < from);
        let end = list.partition_point(|entry| entry.path.first_key() <= to);
        let (Some(first), Some(last)) = (
            list.get(start),
            end.checked_sub(1).and_then(|i| list.get(i)),
        ) else {
            return nothing_there(fold, &delivered);
        };
        if start >= end {
            return nothing_there(fold, &delivered);
        }
        let (from, to) = (first.path.first_key(), last.path.last_key());
        let arena = partition(fold, |path| path.last_key() < from)..partition(fold, |path| {
            path.first_key() <= to
        });
        Ok(Some(Overlap {
            list: start..end,
            arena,
        }))
    }

    /// The entries of the list that the answer meets.
    fn met<'a>(&self, list: &'a [Entry]) -> &'a [Entry] {
        let met = list.get(self.list.clone());
        debug_assert!(met.is_some(), "the list is the one that was searched");
        met.unwrap_or_default()
    }

    /// The paths at which the answer meets a base.
    fn based(&self, list: &[Entry]) -> Vec<Path> {
        let met = self.met(list).iter();
        met.filter(|entry| is_based(entry))
            .map(|entry| entry.path)
            .collect()
    }

    /// Marks the entries of the answer; calls `mark` for each new leaf.
    fn marks(
        &self,
        list: &[Entry],
        fold: &Fold,
        mut mark: impl FnMut(Hash, &[u8]) -> Option<Mark>,
    ) -> Result<Vec<Mark>, TreeError> {
        let mut marks = vec![Mark::Known; fold.len()];
        let mut list = self.met(list).iter().peekable();
        // Leaves beside the range that its proof shows are as good as delivered ones.
        for index in self.arena.clone() {
            let Some(EntryItem::Leaf(value)) = fold.item(index) else {
                continue;
            };
            let path = fold.path(index);
            let over = loop {
                match list.peek() {
                    Some(entry) if entry.path.is_prefix_of(&path) => break entry,
                    Some(entry) if entry.path < path => list.next(),
                    _ => return Err(TreeError::Disjoint(path)),
                };
            };
            if matches!(over.item, Item::Blinded { .. })
                && let Some(slot) = marks.get_mut(index)
            {
                *slot = mark(path.key(), value).unwrap_or(Mark::Known);
            }
        }
        Ok(marks)
    }

    /// Cuts what is complete in the answer into pages and joins the rest to the list. Returns by
    /// how many bytes the list has grown and shrunk.
    fn splice(
        &self,
        list: &mut Vec<Entry>,
        arena: &mut Arena<'_>,
        place: Place,
        adopter: &mut Adopter<'_>,
        out: &mut NewPages,
    ) -> Result<(usize, usize), TreeError> {
        let kept = cut(arena.fold, arena, place, CutMode::Growing, out)?;
        let new = kept.items.iter().filter_map(|item| match item {
            KeptItem::Entry(index) if !self.arena.contains(index) => None,
            KeptItem::Entry(index) => Some((arena.fold.path(*index), item)),
            KeptItem::Page(path, _) | KeptItem::Blinded(path, _) => Some((*path, item)),
        });
        let item = |kept: &KeptItem| match kept {
            KeptItem::Entry(index) => arena.item(*index),
            KeptItem::Page(_, page) => Some(Item::Page(*page)),
            KeptItem::Blinded(_, hash) => Some(Item::blinded(*hash)),
        };
        let depth = |index| match list.get(index).is_some_and(is_based) {
            true => depth_above(list, index),
            false => 0,
        };
        let depths: Vec<u8> = self.list.clone().map(depth).collect();
        let old = list::take(list, self.list.clone());
        let removed = old.iter().map(entry_size).sum();
        let merged = merge(old.into_iter().zip(depths), new, item, adopter)?;
        let added = merged.iter().map(entry_size).sum();
        list::put(list, self.list.clone(), merged);
        Ok((added, removed))
    }
}

/// Joins two lists of one trie and keeps, place by place, the one that knows more. With each entry,
/// `old` gives the depth of the branch above it if the entry is blinded over a base. `item` makes
/// the item of a new entry and is only called where it is needed; it returns `None` for a leaf that
/// `old` has.
fn merge<N>(
    old: impl Iterator<Item = (Entry, u8)>,
    new: impl Iterator<Item = (Path, N)>,
    item: impl Fn(N) -> Option<Item>,
    adopter: &mut Adopter<'_>,
) -> Result<Vec<Entry>, TreeError> {
    let most = old.size_hint().0 + new.size_hint().1.unwrap_or(0);
    let mut merged = Vec::with_capacity(most);
    let mut old = old.peekable();
    let mut new = new.peekable();
    loop {
        // Both lists have an entry for every place that is not empty.
        let (held, found) = match (old.next(), new.next()) {
            (Some(held), Some(found)) => (held, found),
            (Some((Entry { path, .. }, _)), None) | (None, Some((path, _))) => {
                return Err(TreeError::Disjoint(path));
            }
            (None, None) => return Ok(merged),
        };
        let (above, path) = (held.0.path, found.0);
        match Overlay::of(&above, &path) {
            Overlay::Same => refine(held, item(found.1), adopter, &mut merged)?,
            Overlay::OldAbove => {
                let next = || new.next_if(|(path, _)| above.is_prefix_of(path));
                let below = iter::once(found).chain(iter::from_fn(next));
                put_below(held, below, &item, adopter, &mut merged)?;
            }
            Overlay::NewAbove => {
                let next = || old.next_if(|(held, _)| path.is_prefix_of(&held.path));
                let below = iter::once(held).chain(iter::from_fn(next));
                put_above((path, item(found.1)), below, &mut merged)?;
            }
            Overlay::Apart => return Err(TreeError::Disjoint(above.min(path))),
        }
    }
}

/// Joins where `old` has an entry and `new` has what is below it.
fn put_below<N>(
    (old, depth): (Entry, u8),
    new: impl Iterator<Item = (Path, N)>,
    item: impl Fn(N) -> Option<Item>,
    adopter: &mut Adopter<'_>,
    merged: &mut Vec<Entry>,
) -> Result<(), TreeError> {
    let Item::Blinded { base, .. } = old.item else {
        new.for_each(drop);
        merged.push(old);
        return Ok(());
    };
    let start = merged.len();
    for (path, found) in new {
        let item = item(found).ok_or(TreeError::Disjoint(path))?;
        merged.push(Entry { path, item });
    }
    if !base.is_empty() {
        let revealed = merged.split_off(start);
        merged.extend(adopter.merge(revealed, base, depth));
    }
    Ok(())
}

/// Joins where `new` has an entry and `old` has what is below it.
fn put_above(
    (path, new): (Path, Option<Item>),
    old: impl Iterator<Item = (Entry, u8)>,
    merged: &mut Vec<Entry>,
) -> Result<(), TreeError> {
    match new {
        Some(Item::Blinded { .. } | Item::Outside(_)) => merged.extend(old.map(|(held, _)| held)),
        Some(item @ Item::Page(_)) => {
            merged.push(Entry { path, item });
            for (held, _) in old {
                if !matches!(held.item, Item::Blinded { .. }) {
                    return Err(TreeError::Disjoint(held.path));
                }
            }
        }
        Some(Item::Account(_) | Item::Slot(_) | Item::Neighbour(_)) | None => {
            return Err(TreeError::Disjoint(path));
        }
    }
    Ok(())
}

/// Joins what both lists have at one path.
fn refine(
    (held, depth): (Entry, u8),
    found: Option<Item>,
    adopter: &mut Adopter<'_>,
    merged: &mut Vec<Entry>,
) -> Result<(), TreeError> {
    let path = held.path;
    let hashes = (hash_of(&held.item), found.as_ref().and_then(hash_of));
    if matches!(hashes, (Some(held), Some(found)) if held != found) {
        return Err(TreeError::Disjoint(path));
    }
    match (held.item, found) {
        (
            item @ (Item::Account(_)
            | Item::Slot(_)
            | Item::Page(_)
            | Item::Outside(_)
            | Item::Neighbour(_)),
            _,
        )
        | (item @ Item::Blinded { .. }, Some(Item::Blinded { .. })) => {
            merged.push(Entry { path, item });
        }
        (Item::Blinded { base, .. }, Some(item)) if base.is_empty() => {
            merged.push(Entry { path, item });
        }
        (Item::Blinded { base, .. }, Some(item)) => {
            merged.extend(adopter.merge(vec![Entry { path, item }], base, depth));
        }
        (Item::Blinded { .. }, None) => return Err(TreeError::Disjoint(path)),
    }
    Ok(())
}

fn hash_of(item: &Item) -> Option<Hash> {
    match item {
        Item::Blinded { hash, .. } | Item::Page(PageRef { hash, .. }) => Some(*hash),
        Item::Outside(hash) => Some(*hash),
        Item::Account(_) | Item::Slot(_) | Item::Neighbour(_) => None,
    }
}

/// The first index for which `before` does not hold; it has to hold for all entries before that.
fn partition(fold: &Fold, before: impl Fn(&Path) -> bool) -> usize {
    let (mut low, mut high) = (0, fold.len());
    while low < high {
        let middle = low.midpoint(high);
        match before(&fold.path(middle)) {
            true => low = middle + 1,
            false => high = middle,
        }
    }
    low
}

/// Where the answer proves everything, the list has nothing, so the answer must have nothing
/// either.
fn nothing_there(fold: &Fold, delivered: &Range<usize>) -> Result<Option<Overlap>, TreeError> {
    match delivered.is_empty() {
        true => Ok(None),
        false => Err(TreeError::Disjoint(fold.path(delivered.start))),
    }
}

#[cfg(test)]
mod tests;
