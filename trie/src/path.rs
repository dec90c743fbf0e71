//! Where something is in a trie: up to 64 nibbles of a 32-byte key.

use core::fmt;

pub use crate::hash::KEY_NIBBLES;
use crate::hash::{Hash, compare_keys};

/// A place in a trie: 0 to 64 nibbles, packed high nibble first; the nibbles past its end are zero.
///
/// Ordered by [`Path::first_key`], and a prefix before what it covers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Path {
    // The order of these two fields is the order of paths.
    key: Hash,
    len: u8,
}

impl Path {
    /// The trie's root: no nibbles.
    pub const ROOT: Path = Path {
        key: Hash::ZERO,
        len: 0,
    };

    /// The first `len` nibbles of `key` (all 64 of them if `len` is larger).
    pub fn new(key: Hash, len: u8) -> Path {
        let len = len.min(KEY_NIBBLES);
        let mut key = key;
        key.0
            .iter_mut()
            .zip(beyond(len))
            .for_each(|(byte, beyond)| *byte &= !beyond);
        Path { key, len }
    }

    /// A leaf's path: the whole key.
    pub fn full(key: Hash) -> Path {
        Path {
            key,
            len: KEY_NIBBLES,
        }
    }

    /// Number of nibbles, 0 to 64; also the depth of what is there.
    pub fn len(&self) -> u8 {
        self.len
    }

    /// Whether this is the root's path.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether this is a whole key, where only a leaf can be.
    pub fn is_full(&self) -> bool {
        self.len == KEY_NIBBLES
    }

    /// The nibble at `i`, counted from the root; 0 past the end.
    pub fn nibble(&self, i: u8) -> u8 {
        nibble(&self.key, i)
    }

    /// The path one nibble (its low four bits) further down, or `None` below a whole key.
    pub fn child(&self, nibble: u8) -> Option<Path> {
        let mut bytes = self.key.0;
        let byte = bytes.get_mut(usize::from(self.len / 2))?;
        *byte |= if self.len.is_multiple_of(2) {
            nibble << 4
        } else {
            nibble & 0xf
        };
        Some(Path {
            key: Hash(bytes),
            len: self.len + 1,
        })
    }

    /// The path reached by following `nibbles` from here, or `None` if that is longer than a key.
    pub fn join(&self, nibbles: Nibbles<'_>) -> Option<Path> {
        nibbles
            .iter()
            .try_fold(*self, |path, nibble| path.child(nibble))
    }

    /// The first `len` nibbles of this path (itself if it has no more than that).
    pub fn prefix(&self, len: u8) -> Path {
        Path::new(self.key, len.min(self.len))
    }

    /// Whether `other` is here or below.
    pub fn is_prefix_of(&self, other: &Path) -> bool {
        self.len <= other.len && self.common(other) == self.len
    }

    /// Whether `key` is here or below.
    pub fn covers(&self, key: &Hash) -> bool {
        common_nibbles(&self.key, key) >= self.len
    }

    /// How many leading nibbles both paths share.
    pub fn common(&self, other: &Path) -> u8 {
        common_nibbles(&self.key, &other.key)
            .min(self.len)
            .min(other.len)
    }

    /// The lowest key here or below: padded with `0`.
    pub fn first_key(&self) -> Hash {
        self.key
    }

    /// The highest key here or below: padded with `f`.
    pub fn last_key(&self) -> Hash {
        let mut key = self.key;
        key.0
            .iter_mut()
            .zip(beyond(self.len))
            .for_each(|(byte, beyond)| *byte |= beyond);
        key
    }

    /// The packed nibbles; for a whole key, the key.
    pub fn key(&self) -> Hash {
        self.key
    }

    /// Hex-prefix encoding without the leaf flag (yellow paper, appendix C), as `GetTrieNodes` names a node.
    pub fn to_compact(&self) -> Vec<u8> {
        let mut compact = Vec::with_capacity(usize::from(self.len / 2) + 1);
        if self.len.is_multiple_of(2) {
            compact.push(0);
            compact.extend_from_slice(&self.key.0[..usize::from(self.len / 2)]);
        } else {
            // Everything moves by half a byte: the flag takes the first.
            compact.push(0x10 | self.nibble(0));
            compact.extend(
                (1..self.len)
                    .step_by(2)
                    .map(|i| self.nibble(i) << 4 | self.nibble(i + 1)),
            );
        }
        compact
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (0..self.len).try_for_each(|i| write!(f, "{:x}", self.nibble(i)))
    }
}

impl fmt::Debug for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Path({self})")
    }
}

/// The nibbles of a key that a path of `len` nibbles does not reach, all ones.
fn beyond(len: u8) -> [u8; 32] {
    // Byte for byte alike, so that sixteen of them are done at once.
    core::array::from_fn(|byte| {
        let nibble = 2 * byte as u8;
        (if len <= nibble { 0xf0 } else { 0 }) | if len <= nibble + 1 { 0x0f } else { 0 }
    })
}

/// How many leading nibbles two keys share: 0, or up to 64 if they are equal.
pub fn common_nibbles(a: &Hash, b: &Hash) -> u8 {
    compare_keys(a, b).1
}

/// The nibble of `key` at `i`; 0 past the end.
pub(crate) fn nibble(key: &Hash, i: u8) -> u8 {
    let byte = key.0.get(usize::from(i / 2)).copied().unwrap_or(0);
    if i.is_multiple_of(2) {
        byte >> 4
    } else {
        byte & 0xf
    }
}

/// Some nibbles inside a node: the part of a path that a leaf or an extension takes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Nibbles<'a> {
    bytes: &'a [u8],
    /// 1 if the first half byte belongs to the hex-prefix flag.
    skip: u8,
}

impl<'a> Nibbles<'a> {
    /// The nibbles of a hex-prefix encoding, and whether it carries the leaf flag. `None` if the encoding is not the
    /// canonical one.
    pub fn from_compact(compact: &'a [u8]) -> Option<(Nibbles<'a>, bool)> {
        let (&first, rest) = compact.split_first()?;
        let leaf = first & 0x20 != 0;
        match first >> 4 {
            0 | 2 if first & 0xf == 0 => Some((
                Nibbles {
                    bytes: rest,
                    skip: 0,
                },
                leaf,
            )),
            1 | 3 => Some((
                Nibbles {
                    bytes: compact,
                    skip: 1,
                },
                leaf,
            )),
            _ => None,
        }
    }

    /// Number of nibbles.
    pub fn len(&self) -> usize {
        self.bytes.len() * 2 - usize::from(self.skip)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The nibbles, from the root's side on.
    pub fn iter(&self) -> impl Iterator<Item = u8> + 'a {
        self.bytes
            .iter()
            .flat_map(|byte| [byte >> 4, byte & 0xf])
            .skip(usize::from(self.skip))
    }
}

impl fmt::Debug for Nibbles<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Nibbles(")?;
        self.iter().try_for_each(|nibble| write!(f, "{nibble:x}"))?;
        f.write_str(")")
    }
}
