//! Stale answers: proven against a root that is not the tree's any more. Where the tree's own
//! subtrie turns out to be the same, they reveal it. Everywhere else they become a base, where
//! nothing is held yet.

use core::iter;

use super::adopt::{Adopter, Base, depth_above};
use super::join::join_slots;
use super::list::{Overlay, holds_anything, over, restored};
use super::scoped::Settler;
use super::{Joined, StorageJoined, Tree};
use crate::hash::Hash;
use crate::state::cut::{CutMode, Place, cut};
use crate::state::entry::{AccountLeaf, CodesHeld, Entry, Item, Storage};
use crate::state::new_pages::NewPages;
use crate::state::source::{Arena, Mark, tally};
use crate::state::tree_error::TreeError;
use crate::trie::fold::{EntryItem, Fold};
use crate::trie::range::VerifiedRange;

impl Tree {
    /// Takes what is of use in an account range of another root.
    pub(super) fn join_stale_accounts(
        &mut self,
        range: &VerifiedRange<'_>,
        held: &dyn CodesHeld,
        out: &mut NewPages,
    ) -> Result<Joined, TreeError> {
        let fold = range.fold();
        let mut joined = Joined::default();
        let marks = marks(&self.entries, fold, |value| Mark::account(value, held));
        (joined.accounts, joined.account_bytes) = tally(&marks);
        let place = Place {
            account: None,
            budget: self.budget,
        };
        let mut adopter = Adopter {
            fold: &mut self.folds.list,
            joined: &mut joined,
            held: Some(held),
            settler: Settler {
                scope: &self.scope,
                older: &self.older,
                account: None,
            },
            origins: &self.origins,
        };
        if let Some(stale) = stale(fold, &marks, place, out)? {
            join_stale(&mut self.entries, stale, &mut adopter);
            self.count_bytes();
        }
        Ok(joined)
    }

    /// Takes what is of use in a range of one account's storage, if the account has another storage
    /// root now or stands in a base.
    pub(super) fn join_stale_storage(
        &mut self,
        account: &Hash,
        range: &VerifiedRange<'_>,
        out: &mut NewPages,
    ) -> Result<StorageJoined, TreeError> {
        let fold = range.fold();
        let mut joined = StorageJoined::default();
        let mut adopted = Joined::default();
        let place = Place {
            account: Some(*account),
            budget: self.budget,
        };
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
        let found = find_anywhere(&mut self.entries, account, false).and_then(|(leaf, in_base)| {
            let root = leaf.storage_root();
            let slots = leaf.storage.take_list(root)?;
            Some((leaf, in_base, root, slots))
        });
        if let Some((leaf, in_base, root, mut slots)) = found {
            if root == range.root() {
                let page;
                (page, joined) = join_slots(&mut slots, range, place, &mut adopter, out)?;
                leaf.storage = page.map_or(Storage::Inline(slots), Storage::Page);
            } else {
                let slot = |value: &[u8]| Some(Mark::Slot(value.len() as u32));
                let marks = marks(&slots, fold, slot);
                if let Some(stale) = stale(fold, &marks, place, out)?
                    && !in_base
                {
                    (joined.slots, joined.slot_bytes) = tally(&marks);
                    join_stale(&mut slots, stale, &mut adopter);
                }
                leaf.storage = restored(slots);
            }
        }
        self.count_bytes();
        Ok(joined)
    }
}

/// The leaf of an account, in the list or in a base, and whether it is in a base.
fn find_anywhere<'a>(
    list: &'a mut [Entry],
    account: &Hash,
    in_base: bool,
) -> Option<(&'a mut AccountLeaf, bool)> {
    let entry = list.get_mut(covering(list, account)?)?;
    match &mut entry.item {
        Item::Account(leaf) => Some((leaf, in_base)),
        Item::Blinded { base, .. } => find_anywhere(base, account, true),
        Item::Slot(_) | Item::Page(_) | Item::Outside(_) | Item::Neighbour(_) => None,
    }
}

/// Index of the entry at or above a key.
fn covering(list: &[Entry], key: &Hash) -> Option<usize> {
    let after = list.partition_point(|entry| entry.path.first_key() <= *key);
    let index = after.checked_sub(1)?;
    list.get(index)
        .is_some_and(|entry| entry.path.covers(key))
        .then_some(index)
}

/// Whether nothing is held at a key, in the base or in the list.
fn is_lacking(list: &[Entry], key: &Hash, in_base: bool) -> bool {
    match covering(list, key).and_then(|index| list.get(index)) {
        Some(Entry {
            item: Item::Blinded { base, .. },
            ..
        }) => is_lacking(base, key, true),
        Some(_) => false,
        // A list has an entry for every place that is not empty; a base only has what is held.
        None => in_base,
    }
}

/// Marks the leaves of an answer that are of use: those at which nothing is held.
fn marks(list: &[Entry], fold: &Fold, mark: impl Fn(&[u8]) -> Option<Mark>) -> Vec<Mark> {
    let mark = |index| match fold.item(index) {
        Some(EntryItem::Leaf(value)) if is_lacking(list, &fold.path(index).key(), false) => {
            mark(value).unwrap_or(Mark::Known)
        }
        _ => Mark::Known,
    };
    (0..fold.len()).map(mark).collect()
}

/// What is of use in a stale answer, as a list. What is complete in it goes into pages first.
/// `None` if nothing is of use.
fn stale(
    fold: &Fold,
    marks: &[Mark],
    place: Place,
    out: &mut NewPages,
) -> Result<Option<Vec<Entry>>, TreeError> {
    if marks.iter().all(|mark| *mark == Mark::Known) {
        return Ok(None);
    }
    let mut arena = Arena { fold, marks };
    let kept = cut(fold, &mut arena, place, CutMode::Growing, out)?;
    let own = |index| {
        let path = fold.path(index);
        arena.item(index).map(|item| Entry { path, item })
    };
    let stale = kept.items.iter().filter_map(|item| item.entry(own));
    Ok(Some(stale.collect()))
}

/// Joins a stale answer to a list: gives every blinded entry its part of the answer.
fn join_stale(list: &mut Vec<Entry>, stale: Vec<Entry>, adopter: &mut Adopter<'_>) {
    let depths: Vec<u8> = (0..list.len()).map(|i| depth_above(list, i)).collect();
    let mut stale = Base::new(stale);
    let mut after = Vec::with_capacity(list.len());
    for (entry, depth) in core::mem::take(list).into_iter().zip(depths) {
        match entry.item {
            Item::Blinded { hash, base } => {
                let part = stale.take(&entry.path);
                if holds_anything(&part) {
                    let part = mix(base, part);
                    adopter.compare(entry.path, hash, part, depth, &mut after);
                } else {
                    after.push(over(entry.path, hash, base));
                }
            }
            item => after.push(Entry {
                path: entry.path,
                item,
            }),
        }
    }
    *list = after;
}

/// Fills the gaps of a base with what a stale answer holds. Nothing that is held is replaced.
fn mix(base: Vec<Entry>, stale: Vec<Entry>) -> Vec<Entry> {
    let mut mixed = Vec::with_capacity(base.len() + stale.len());
    let mut base = base.into_iter().peekable();
    let mut stale = stale.into_iter().peekable();
    let (mut held, mut found) = (base.next(), stale.next());
    loop {
        let (old, new) = match (held, found) {
            (Some(old), Some(new)) => (old, new),
            (old, new) => {
                mixed.extend(old.into_iter().chain(base));
                mixed.extend(new.into_iter().chain(stale));
                return mixed;
            }
        };
        match Overlay::of(&old.path, &new.path) {
            Overlay::Same | Overlay::OldAbove => {
                let next = || stale.next_if(|entry| old.path.is_prefix_of(&entry.path));
                let below: Vec<Entry> = iter::once(new).chain(iter::from_fn(next)).collect();
                match old.item {
                    Item::Blinded { base, .. } if base.is_empty() && holds_anything(&below) => {
                        mixed.extend(below);
                    }
                    Item::Blinded { hash, base } if !base.is_empty() => {
                        mixed.push(over(old.path, hash, mix(base, below)));
                    }
                    _ => mixed.push(old),
                }
                (held, found) = (base.next(), stale.next());
            }
            Overlay::NewAbove => {
                let next = || base.next_if(|entry| new.path.is_prefix_of(&entry.path));
                let below: Vec<Entry> = iter::once(old).chain(iter::from_fn(next)).collect();
                match new.item {
                    Item::Page(_) if !holds_anything(&below) => mixed.push(new),
                    _ => mixed.extend(below),
                }
                (held, found) = (base.next(), stale.next());
            }
            Overlay::Apart if old.path < new.path => {
                mixed.push(old);
                (held, found) = (base.next(), Some(new));
            }
            Overlay::Apart => {
                mixed.push(new);
                (held, found) = (Some(old), stale.next());
            }
        }
    }
}
