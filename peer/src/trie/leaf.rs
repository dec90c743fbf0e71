//! Leaves: their forms in answers and in the trie.

use super::{Kind, Trie, node};
use crate::{EMPTY_CODE, EMPTY_ROOT, Hash, rlp};
use std::sync::Arc;

/// A leaf that several tries share, with the storage that belongs to it.
#[derive(Debug, Clone)]
pub(crate) struct Leaf {
    kind: Kind,
    /// `[key, value]`, as AccountRange and StorageRanges contain it.
    item: Arc<[u8]>,
    /// The storage of an account that has one. The account's body contains its root.
    storage: Option<Arc<Trie>>,
}

impl Leaf {
    /// A leaf of a slim body or of the RLP of a slot's value.
    pub(crate) fn new(kind: Kind, key: &Hash, value: &[u8]) -> Leaf {
        let mut item = Vec::with_capacity(value.len() + 40);
        put_item(kind, key, value, &mut item);
        Leaf::of_item(kind, &item)
    }

    /// The same leaf with the storage that its slim body names.
    pub(crate) fn with_storage(mut self, storage: Option<Arc<Trie>>) -> Leaf {
        self.storage = storage;
        self
    }

    /// `item` must have been made by `put_item`.
    pub(super) fn of_item(kind: Kind, item: &[u8]) -> Leaf {
        Leaf {
            kind,
            item: item.into(),
            storage: None,
        }
    }

    pub(crate) fn key(&self) -> &Hash {
        item_key(&self.item)
    }

    pub(crate) fn value(&self) -> &[u8] {
        item_value(self.kind, &self.item)
    }

    pub(super) fn item(&self) -> &[u8] {
        &self.item
    }

    pub(crate) fn storage(&self) -> Option<&Trie> {
        self.storage.as_deref()
    }

    /// How many slots belong to it.
    pub(super) fn slots(&self) -> u64 {
        self.storage().map_or(0, |storage| storage.len() as u64)
    }

    pub(super) fn put_node(&self, depth: usize, out: &mut Vec<u8>) {
        put_node(self.kind, &self.item, depth, out);
    }
}

/// Appends `[key, value]` as answers contain it.
pub(super) fn put_item(kind: Kind, key: &Hash, value: &[u8], out: &mut Vec<u8>) {
    let value_len = match kind {
        Kind::Accounts => value.len(),
        Kind::Slots => rlp::string_len(value),
    };
    rlp::put_list_header(33 + value_len, out);
    rlp::put_string(key, out);
    match kind {
        Kind::Accounts => out.extend_from_slice(value),
        Kind::Slots => rlp::put_string(value, out),
    }
}

/// What follows an item's header and its key.
fn item_body(item: &[u8]) -> &[u8] {
    let header = if item[0] < 0xf8 {
        1
    } else {
        1 + usize::from(item[0] - 0xf7)
    };
    &item[header + 1..]
}

/// The item's key. `item` must have been made by `put_item`.
pub(super) fn item_key(item: &[u8]) -> &Hash {
    item_body(item).first_chunk().unwrap_or(&[0; 32])
}

/// The item's value. `item` must have been made by `put_item`.
pub(super) fn item_value(kind: Kind, item: &[u8]) -> &[u8] {
    let mut value = &item_body(item)[32..];
    match kind {
        Kind::Accounts => value,
        // `put_item` has written this, so it can be read.
        Kind::Slots => rlp::string(&mut value).unwrap_or_default(),
    }
}

/// Writes an item's node, as the trie has it below `depth` nibbles, into `out`.
pub(super) fn put_node(kind: Kind, item: &[u8], depth: usize, out: &mut Vec<u8>) {
    let (key, value) = (item_key(item), item_value(kind, item));
    match kind {
        Kind::Slots => node::put_leaf(key, depth, value, out),
        Kind::Accounts => match spell_out(value) {
            Some(body) => node::put_leaf(key, depth, &body, out),
            None => node::put_leaf(key, depth, value, out),
        },
    }
}

/// A slim body as the trie has it, with the hashes of empty storage and code written out. `None` if
/// it is no list of four strings: a bogus state's trie holds such bytes as they are.
fn spell_out(slim: &[u8]) -> Option<Vec<u8>> {
    let mut fields = rlp::list(&mut &*slim).ok()?;
    let head = fields;
    rlp::string(&mut fields).ok()?;
    rlp::string(&mut fields).ok()?;
    let numbers = &head[..head.len() - fields.len()];
    let storage = rlp::string(&mut fields).ok()?;
    let code = rlp::string(&mut fields).ok()?;
    rlp::end(fields).ok()?;
    let storage = if storage.is_empty() {
        &EMPTY_ROOT
    } else {
        storage
    };
    let code = if code.is_empty() { &EMPTY_CODE } else { code };
    let mut body = Vec::with_capacity(numbers.len() + 68);
    rlp::put_list_header(
        numbers.len() + rlp::string_len(storage) + rlp::string_len(code),
        &mut body,
    );
    body.extend_from_slice(numbers);
    rlp::put_string(storage, &mut body);
    rlp::put_string(code, &mut body);
    Some(body)
}
