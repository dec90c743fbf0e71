//! Changing a part of a list, which may have tens of thousands of entries behind it, or none: there is one for the account
//! trie, and one for each storage that waits in memory. Called from a few places and long when compiled, so neither is inlined.

use core::ops::Range;

use crate::state::entry::{Entry, Item, Storage};

/// Where there is no room, some is made for so many entries more: one for each eight there are, so that a
/// contract of three slots gets no more than it needs, ...
const ENTRIES_PER_SPARE: usize = 8;
/// ... and a hundred kilobytes at most. To double the room, as vectors do, would take another megabyte when four million
/// accounts are held.
const MOST_SPARE: usize = 1_024;

/// Takes out what is in a part of a list; [`put`] fills it again.
#[inline(never)]
pub(super) fn take(list: &mut [Entry], part: Range<usize>) -> Vec<Entry> {
    let entries = list.get_mut(part).unwrap_or_default().iter_mut();
    entries
        .map(|entry| Entry {
            path: entry.path,
            item: core::mem::replace(&mut entry.item, Item::Slot(Box::default())),
        })
        .collect()
}

/// Puts entries in the place of a part of a list. What is behind it moves only if it has to.
#[inline(never)]
pub(super) fn put(list: &mut Vec<Entry>, part: Range<usize>, mut entries: Vec<Entry>) {
    // Most storages come whole.
    if part == (0..list.len()) && entries.len() > list.capacity() {
        trim(&mut entries);
        *list = entries;
        return;
    }
    make_room(list, list.len() - part.len() + entries.len());
    list.splice(part, entries);
}

/// Room for so many entries in all, and a few more if some has to be made.
pub(super) fn make_room(list: &mut Vec<Entry>, entries: usize) {
    if list.capacity() < entries {
        list.reserve_exact(with_spare(entries) - list.len());
    }
}

/// Gives back room that a list will hardly need: more than what [`put`] would have made.
pub(super) fn trim(entries: &mut Vec<Entry>) {
    entries.shrink_to(with_spare(entries.len()));
}

/// So many entries, and those that room is made for besides.
fn with_spare(entries: usize) -> usize {
    entries + (entries / ENTRIES_PER_SPARE).min(MOST_SPARE)
}

/// Bytes of room that no entry uses, in this list and in those inside it.
pub(super) fn unused_bytes(entries: &Vec<Entry>) -> usize {
    let inside = entries.iter().map(|entry| match &entry.item {
        Item::Account(leaf) => match &leaf.storage {
            Storage::Inline(slots) => unused_bytes(slots),
            Storage::Empty | Storage::Blinded | Storage::Page(_) => 0,
        },
        Item::Blinded { base, .. } => unused_bytes(base),
        Item::Slot(_) | Item::Page(_) => 0,
    });
    (entries.capacity() - entries.len()) * size_of::<Entry>() + inside.sum::<usize>()
}
