//! Changing a part of a list, which may have tens of thousands of entries behind it. Called from a few places and long when
//! compiled, so neither is inlined.

use core::ops::Range;

use crate::state::entry::{Entry, Item};

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
    if part.len() == entries.len() {
        let places = list.get_mut(part).unwrap_or_default().iter_mut();
        return places
            .zip(entries)
            .for_each(|(place, entry)| *place = entry);
    }
    let behind = list.split_off(part.end);
    list.truncate(part.start);
    list.extend(entries);
    list.extend(behind);
}
