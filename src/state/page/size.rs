//! How many bytes things take in a page, as upper bounds that are known before they are written.
//! Pages are cut by these.

use crate::state::entry::{Entry, Item, Neighbour, PageRef, Storage};
use crate::trie::path::Path;

/// Most bytes that a page has besides its entries.
pub(crate) const FRAME: usize = 2 + 32 + 33 + 8;

/// Most bytes of a leaf in a page: the parent's path may cover some of its key.
pub(crate) fn leaf_size(value: usize) -> usize {
    1 + 32 + value
}

/// Most bytes of an entry in a page.
pub(crate) fn entry_size(entry: &Entry) -> usize {
    match &entry.item {
        Item::Account(leaf) => leaf_size(leaf.slim.len()) + storage_size(&leaf.storage),
        Item::Slot(value) => leaf_size(value.len()),
        Item::Blinded { base, .. } => blinded_size(&entry.path) + base_size(base),
        Item::Page(page) => page_size(&entry.path, page),
        Item::Outside(_) => blinded_size(&entry.path),
        Item::Neighbour(Neighbour::Account(value) | Neighbour::Slot(value)) => {
            leaf_size(value.len())
        }
    }
}

/// Most bytes that an account's storage adds to its entry.
pub(crate) fn storage_size(storage: &Storage) -> usize {
    match storage {
        Storage::Empty | Storage::Blinded | Storage::Outside => 0,
        Storage::Inline(slots) => count_size(slots) + slots.iter().map(entry_size).sum::<usize>(),
        Storage::Page(page) => 1 + page_numbers_size(page),
    }
}

/// Bytes that the number of a list's entries takes.
pub(crate) fn count_size(list: &[Entry]) -> usize {
    number_size(list.len() as u64)
}

/// Most bytes that a base adds to its blinded entry.
pub(crate) fn base_size(base: &[Entry]) -> usize {
    match base.is_empty() {
        true => 0,
        false => count_size(base) + base.iter().map(entry_size).sum::<usize>(),
    }
}

pub(crate) fn blinded_size(path: &Path) -> usize {
    2 + usize::from(path.len().div_ceil(2)) + 32
}

pub(crate) fn page_size(path: &Path, page: &PageRef) -> usize {
    blinded_size(path) + 1 + page_numbers_size(page)
}

fn page_numbers_size(page: &PageRef) -> usize {
    [page.id.0, page.leaves, page.slots]
        .map(number_size)
        .iter()
        .sum()
}

fn number_size(number: u64) -> usize {
    (u64::BITS - (number | 1).leading_zeros()).div_ceil(7) as usize
}
