//! Finding entries in a list, and replacing a part of one. The list of the account trie has tens of
//! thousands of entries; there is also one for each storage that waits in memory. [`take`] and
//! [`put`] are called from a few places and long when compiled, so they are not inlined.

use core::ops::Range;

use crate::hash::Hash;
use crate::state::entry::{AccountLeaf, Entry, Item, Storage};
use crate::trie::path::Path;

/// A list that needs more capacity gets one spare entry for each eight that it has. So a contract
/// of three slots gets no more than it needs. At most [`MOST_SPARE`].
const ENTRIES_PER_SPARE: usize = 8;
/// At most a hundred kilobytes of spare capacity. Doubling, as vectors do, would take another
/// megabyte when four million accounts are held.
const MOST_SPARE: usize = 1_024;

/// Takes the entries out of a part of a list; [`put`] fills the part again.
#[inline(never)]
pub(super) fn take(list: &mut [Entry], part: Range<usize>) -> Vec<Entry> {
    debug_assert!(part.end <= list.len(), "a part of a list lies in it");
    let entries = list.get_mut(part).unwrap_or_default().iter_mut();
    entries
        .map(|entry| Entry {
            path: entry.path,
            item: core::mem::replace(&mut entry.item, Item::Slot(Box::default())),
        })
        .collect()
}

/// Replaces a part of a list. Entries behind it move only if the length changes.
#[inline(never)]
pub(super) fn put(list: &mut Vec<Entry>, part: Range<usize>, mut entries: Vec<Entry>) {
    // Most storages come whole and are taken as they are.
    if part == (0..list.len()) && entries.len() > list.capacity() {
        trim(&mut entries);
        *list = entries;
        return;
    }
    make_room(list, list.len() - part.len() + entries.len());
    list.splice(part, entries);
}

/// Makes capacity for so many entries in all; if the list has to grow, with some to spare.
pub(super) fn make_room(list: &mut Vec<Entry>, entries: usize) {
    if list.capacity() < entries {
        list.reserve_exact(with_spare(entries) - list.len());
    }
}

/// Releases capacity beyond what [`put`] would have made.
pub(super) fn trim(entries: &mut Vec<Entry>) {
    entries.shrink_to(with_spare(entries.len()));
}

/// The capacity that is made for so many entries.
fn with_spare(entries: usize) -> usize {
    entries + (entries / ENTRIES_PER_SPARE).min(MOST_SPARE)
}

/// Bytes of unused capacity, in this list and in those inside it.
pub(super) fn unused_bytes(entries: &Vec<Entry>) -> usize {
    let inside = entries.iter().filter_map(Entry::inside).map(unused_bytes);
    (entries.capacity() - entries.len()) * size_of::<Entry>() + inside.sum::<usize>()
}

/// How an entry of an old list and one of a new list of the same trie lie to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Overlay {
    /// At the same place.
    Same,
    /// The old one is above the new one.
    OldAbove,
    /// The new one is above the old one.
    NewAbove,
    /// Neither is above the other.
    Apart,
}

impl Overlay {
    pub(super) fn of(old: &Path, new: &Path) -> Overlay {
        let shared = old.common(new);
        match (shared == old.len(), shared == new.len()) {
            (true, true) => Overlay::Same,
            (true, false) => Overlay::OldAbove,
            (false, true) => Overlay::NewAbove,
            (false, false) => Overlay::Apart,
        }
    }
}

/// The item at a path.
pub(super) fn find<'a>(list: &'a [Entry], path: &Path) -> Option<&'a Item> {
    let index = list.binary_search_by(|entry| entry.path.cmp(path)).ok()?;
    list.get(index).map(|entry| &entry.item)
}

/// The leaf of an account; `None` if it is in a page or unknown.
pub(super) fn find_account<'a>(
    entries: &'a mut [Entry],
    account: &Hash,
) -> Option<&'a mut AccountLeaf> {
    let index = entries
        .binary_search_by(|entry| entry.path.cmp(&Path::full(*account)))
        .ok()?;
    match &mut entries.get_mut(index)?.item {
        Item::Account(leaf) => Some(leaf),
        _ => None,
    }
}

/// A blinded entry over what is held there under another hash.
pub(super) fn over(path: Path, hash: Hash, mut base: Vec<Entry>) -> Entry {
    loop {
        match base.as_mut_slice() {
            // A base that is one blinded entry at the same path is replaced by its own base.
            [
                Entry {
                    path: below,
                    item:
                        Item::Blinded {
                            hash: old,
                            base: under,
                        },
                },
            ] if *below == path => {
                let is_same = *old == hash;
                base = core::mem::take(under);
                if is_same {
                    break;
                }
            }
            _ => break,
        }
    }
    if !holds_anything(&base) {
        base = Vec::new();
    }
    trim(&mut base);
    Entry {
        path,
        item: Item::Blinded { hash, base },
    }
}

/// The storage that has this list.
pub(super) fn restored(slots: Vec<Entry>) -> Storage {
    match slots.as_slice() {
        [
            Entry {
                path,
                item: Item::Blinded { base, .. },
            },
        ] if path.is_empty() && base.is_empty() => Storage::Blinded,
        _ => Storage::Inline(slots),
    }
}

/// Whether the list holds any leaf or page, or says what lies outside the scope: that may prove
/// that something is absent.
pub(super) fn holds_anything(list: &[Entry]) -> bool {
    list.iter()
        .any(|entry| !matches!(&entry.item, Item::Blinded { base, .. } if base.is_empty()))
}
