//! The entries of a fold as they are in memory, and leaf values as RLP strings.

use crate::hash::Hash;
use crate::path::KEY_NIBBLES;
use crate::scratch::ScratchBuf;

/// An entry of a fold.
#[derive(Clone, Copy)]
pub(super) struct Entry {
    pub(super) key: Hash,
    /// Nibbles shared with the entry before; 0 for the first.
    pub(super) shared: u8,
    pub(super) kind: EntryKind,
}

/// What an entry is, and where its content is in the fold's `items`.
#[derive(Clone, Copy)]
pub(super) enum EntryKind {
    /// A leaf, and where its item is in `items`.
    Leaf { at: u32, len: u8 },
    /// A blinded subtrie: where its hash is in `items`, and the number of nibbles in its path.
    Ref { at: u32, len: u8 },
}

impl Entry {
    /// Number of nibbles in its path.
    pub(super) fn len(&self) -> u8 {
        match self.kind {
            EntryKind::Leaf { .. } => KEY_NIBBLES,
            EntryKind::Ref { len, .. } => len,
        }
    }
}

/// Appends a value of 1 to [`MAX_VALUE`](super::MAX_VALUE) bytes as an RLP string.
pub(super) fn push_string(out: &mut ScratchBuf, value: &[u8]) {
    match *value {
        [byte] if byte < 0x80 => {}
        _ if value.len() < 56 => out.push(0x80 + value.len() as u8),
        _ => out.append(&[0xb8, value.len() as u8]),
    }
    out.append(value);
}

/// The value that [`push_string`] has written.
pub(super) fn string_content(item: &[u8]) -> Option<&[u8]> {
    match *item.first()? {
        0..0x80 => Some(item),
        0xb8 => item.get(2..),
        _ => item.get(1..),
    }
}
