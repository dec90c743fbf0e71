//! Changing a part of a list, which may have tens of thousands of entries behind it. Called from a few places and long when
//! compiled, so neither is inlined.

use core::ops::Range;

use crate::state::entry::{Entry, Item};

/// Room for so many entries more is made where there is none: a hundred kilobytes. To double the room, as vectors do, would
/// take another megabyte when four million accounts are held.
const SPARE: usize = 1_024;

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
pub(super) fn put(list: &mut Vec<Entry>, part: Range<usize>, entries: Vec<Entry>) {
    if list.capacity() < list.len() + entries.len() {
        list.reserve_exact(entries.len() + SPARE);
    }
    list.splice(part, entries);
}
