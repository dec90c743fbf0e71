//! Pages as a disk may have them, with the checksum repaired. Reading takes bounded memory, and a
//! page is taken for the subtrie that its parent names only if alloy-trie makes the same hash of its
//! entries.

use alloy_trie::{HashBuilder, Nibbles};
use snaplight::hash::Hash;
use snaplight::state::page::{Folds, Page};
use snaplight::state::{
    Entry, Item, Neighbour, PageError, PageId, PageRef, SlimAccount, StatePath, Storage,
};
use snaplight::trie::Path;
use xxhash_rust::xxh64::xxh64;

use crate::bytes::Bytes;
use crate::heap::within;
use crate::rlp::Item as Rlp;
use crate::trie::Trie;

/// Bytes that reading takes for each byte of a page: an entry of 34 has 112 in a list, and a list
/// that grows has twice as much room as it needs, besides the one that it is copied from.
const FOR_EACH_BYTE: usize = 16;
/// Bytes of lists that start with room for a few items, in each of the lists that are nested.
const SMALL: usize = 64 * 1024;

pub(crate) fn run(input: &[u8]) {
    let mut bytes = Bytes::new(input);
    let kind = bytes.byte();
    let mut content = match kind & 0x80 {
        0 => bytes.rest().to_vec(),
        _ => {
            let mut content = true_one(&mut bytes);
            bytes.spoil(&mut content);
            content
        }
    };
    if kind & 1 == 0 {
        content.extend(xxh64(&content, 0).to_le_bytes());
    }
    // Bases that are nested so deep that they once overflowed the stack take more than the 4,096
    // bytes of an input here. They are in the crate's own tests:
    // `seventeen_hundred_bases_at_one_place_are_refused_and_not_followed`.
    let limit = FOR_EACH_BYTE * content.len() + SMALL;
    let Ok(page) = within(limit, || Page::decode(&content)) else {
        return;
    };
    let sorted = page
        .entries
        .windows(2)
        .all(|pair| pair[0].path < pair[1].path);
    assert!(sorted, "entries out of order");
    verify(&page, page.parent);
    if !page.whole {
        for nibble in 0..16 {
            if let Some(path) = page.parent.path.child(nibble) {
                verify(
                    &page,
                    StatePath {
                        path,
                        ..page.parent
                    },
                );
            }
        }
    }
}

/// Looks for the subtrie at `at` as if its parent named the hash that alloy-trie makes of it.
fn verify(page: &Page, at: StatePath) {
    let inside = page
        .entries
        .iter()
        .filter(|entry| at.path.is_prefix_of(&entry.path));
    let entries: Vec<Entry> = inside.cloned().collect();
    let sum = |count: fn(&Entry) -> u64| entries.iter().map(count).try_fold(0u64, u64::checked_add);
    // Numbers that no database reaches: their sum is not defined.
    let (Some(leaves), Some(slots)) = (sum(Entry::leaves), sum(Entry::slots)) else {
        return;
    };
    if entries.is_empty() && !page.whole {
        return;
    }
    let truth = root_of(&entries, &at.path);
    let expected = |hash| PageRef {
        hash,
        id: PageId(1),
        open: entries.iter().any(Entry::is_open),
        inner: entries.iter().any(Entry::has_pages),
        leaves,
        slots,
        parent: page.parent.path.len(),
    };
    let mut folds = Folds::new();
    let wrong = page.clone().verify(&expected(Hash::MAX), &at, &mut folds);
    assert!(wrong.is_err(), "a page is no subtrie of this hash");
    match page
        .clone()
        .verify(&expected(truth.unwrap_or(Hash::MAX)), &at, &mut folds)
    {
        Ok(verified) => {
            assert_eq!(Some(verified.hash()), truth);
            assert_eq!(verified.entries(), entries);
            for entry in &entries {
                if let Item::Account(leaf) = &entry.item
                    && let Storage::Inline(slots) = &leaf.storage
                {
                    assert_eq!(root_of(slots, &Path::ROOT), Some(leaf.storage_root()));
                }
            }
        }
        Err(PageError::Hash { expected, found }) if Some(expected) == truth => {
            // Not that of a storage.
            let storages = entries.iter().filter_map(|entry| match &entry.item {
                Item::Account(leaf) => Some(leaf.storage_root()),
                _ => None,
            });
            let mut storages = storages;
            assert!(
                storages.any(|root| root == expected),
                "the page folds to {found}, and alloy-trie says {expected}"
            );
        }
        Err(_) => {}
    }
}

/// The hash that alloy-trie makes of a whole trie. `None` if it can't say: below a branch, and for
/// hashes that stand where no branch can be.
fn root_of(entries: &[Entry], at: &Path) -> Option<Hash> {
    if !at.is_empty() {
        return None;
    }
    let mut builder = HashBuilder::default();
    for Entry { path, item } in entries {
        let nibbles = Nibbles::unpack(path.key().0).slice(..usize::from(path.len()));
        match item {
            Item::Account(leaf) => builder.add_leaf(nibbles, &full(&leaf.slim)?),
            Item::Slot(value) | Item::Neighbour(Neighbour::Slot(value)) => {
                builder.add_leaf(nibbles, value);
            }
            Item::Neighbour(Neighbour::Account(slim)) => builder.add_leaf(nibbles, &full(slim)?),
            Item::Blinded { hash, .. } | Item::Outside(hash) => {
                builder.add_branch(nibbles, hash.0.into(), false);
            }
            Item::Page(page) => builder.add_branch(nibbles, page.hash.0.into(), false),
        }
    }
    Some(Hash(builder.root().0))
}

fn full(slim: &[u8]) -> Option<Vec<u8>> {
    Some(SlimAccount::parse(slim).ok()?.account().to_full())
}

/// A page in the layout of the crate's `src/state/page/codec.rs`, whose entries are in order.
fn true_one(bytes: &mut Bytes<'_>) -> Vec<u8> {
    let is_storage = bytes.bool();
    let is_whole = !bytes.byte().is_multiple_of(4);
    let mut out = vec![1 + bytes.byte() % 2];
    out.push(u8::from(is_storage) | u8::from(is_whole) << 1);
    if is_storage {
        out.extend(bytes.hash().0);
    }
    // Of the keys that start with this.
    let covered = if is_whole { 0 } else { bytes.below(4) };
    let start = [0xaa; 32];
    out.push(2 * covered as u8);
    out.extend(&start[..covered]);
    let mut keys: Vec<[u8; 32]> = (0..bytes.below(12)).map(|_| bytes.key().0).collect();
    for key in &mut keys {
        key[..covered].copy_from_slice(&start[..covered]);
    }
    keys.sort_unstable();
    keys.dedup();
    for key in keys {
        entry(bytes, &mut out, is_storage, key, covered);
    }
    out
}

fn entry(
    bytes: &mut Bytes<'_>,
    out: &mut Vec<u8>,
    is_storage: bool,
    key: [u8; 32],
    covered: usize,
) {
    let value = Rlp::string(number(bytes)).encode();
    match (bytes.byte() % 10, is_storage) {
        // Known by its hash, and in a page.
        (kind @ 0..2, _) => {
            let length = (covered + bytes.below(33 - covered)).max(covered);
            let tag = [2, 3 | bytes.byte() & 0b11000][usize::from(kind)];
            out.extend([tag, 2 * length as u8]);
            out.extend(&key[covered..length]);
            out.extend(bytes.hash().0);
            if kind == 1 {
                out.push(2 * bytes.below(length + 1) as u8);
                out.extend([
                    bytes.byte() & 0x7f,
                    bytes.byte() & 0x7f,
                    bytes.byte() & 0x7f,
                ]);
            }
        }
        (2, _) => {
            out.push(6);
            out.extend(&key[covered..]);
            let neighbour = if is_storage {
                value
            } else {
                slim(bytes, None, false)
            };
            out.extend(neighbour);
        }
        (_, true) => {
            out.push(1);
            out.extend(&key[covered..]);
            out.extend(value);
        }
        // An account, with or without code and slots.
        (kind, false) => {
            let code = bytes.byte() % 3;
            let mut storage = Trie::default();
            if kind > 6 {
                for _ in 0..1 + bytes.below(6) {
                    let value = Rlp::string(number(bytes)).encode();
                    storage.leaves.insert(bytes.key(), value);
                }
            }
            let root = (!storage.leaves.is_empty()).then(|| storage.root());
            out.push(code << 5 | u8::from(root.is_some()) << 4);
            out.extend(&key[covered..]);
            out.extend(slim(bytes, root, code > 0));
            if root.is_some() {
                out.push(storage.leaves.len() as u8);
                for (key, value) in storage.leaves {
                    out.push(1);
                    out.extend(key.0);
                    out.extend(value);
                }
            }
        }
    }
}

/// A number above zero, without leading zeros.
fn number<'a>(bytes: &mut Bytes<'a>) -> &'a [u8] {
    match bytes.some(32) {
        [] | [0, ..] => &[7],
        number => number,
    }
}

fn slim(bytes: &mut Bytes<'_>, root: Option<Hash>, has_code: bool) -> Vec<u8> {
    let code = if has_code {
        bytes.some(1).len() as u8
    } else {
        0
    };
    let code = if has_code { vec![code; 32] } else { Vec::new() };
    let fields = vec![
        Rlp::number(bytes.u64()),
        Rlp::string(number(bytes)),
        Rlp::string(root.map_or(Vec::new(), |root| root.0.to_vec())),
        Rlp::string(code),
    ];
    Rlp::List(fields).encode()
}
