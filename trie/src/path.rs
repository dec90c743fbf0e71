//! Where something is in a trie: up to 64 nibbles of a 32-byte key.

use core::fmt;

pub use crate::hash::KEY_NIBBLES;
use crate::hash::{Hash, compare_keys};

/// A place in a trie: 0 to 64 nibbles, packed with the high nibble first. The nibbles past its end
/// are zero.
///
/// Paths are ordered by [`Path::first_key`]; a path comes before those it is a prefix of.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Path {
    // The derived order compares these fields from the first on.
    key: Hash,
    len: u8,
}

impl Path {
    /// The trie's root: no nibbles.
    pub const ROOT: Path = Path {
        key: Hash::ZERO,
        len: 0,
    };

    /// The first `len` nibbles of `key`, or all 64 if `len` is larger.
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

    /// Number of nibbles, 0 to 64. This is also the depth of the node at this path.
    pub fn len(&self) -> u8 {
        self.len
    }

    /// Whether this is the root's path.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether this is a whole key. Only a leaf's value can be there.
    pub fn is_full(&self) -> bool {
        self.len == KEY_NIBBLES
    }

    /// The nibble at index `i`, counted from the root; 0 past the end.
    pub fn nibble(&self, i: u8) -> u8 {
        nibble(&self.key, i)
    }

    /// The path one nibble (the low four bits of `nibble`) further down, or `None` below a whole
    /// key.
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

    /// This path followed by `nibbles`, or `None` if that is longer than a key.
    pub fn join(&self, nibbles: Nibbles<'_>) -> Option<Path> {
        nibbles
            .iter()
            .try_fold(*self, |path, nibble| path.child(nibble))
    }

    /// The first `len` nibbles of this path, or all of it if it is not longer.
    pub fn prefix(&self, len: u8) -> Path {
        Path::new(self.key, len.min(self.len))
    }

    /// Whether `other` starts with this path.
    pub fn is_prefix_of(&self, other: &Path) -> bool {
        self.len <= other.len && self.common(other) == self.len
    }

    /// Whether `key` starts with this path.
    pub fn covers(&self, key: &Hash) -> bool {
        common_nibbles(&self.key, key) >= self.len
    }

    /// Number of leading nibbles that both paths share.
    pub fn common(&self, other: &Path) -> u8 {
        common_nibbles(&self.key, &other.key)
            .min(self.len)
            .min(other.len)
    }

    /// The lowest key that starts with this path: the path padded with `0`.
    pub fn first_key(&self) -> Hash {
        self.key
    }

    /// The highest key that starts with this path: the path padded with `f`.
    pub fn last_key(&self) -> Hash {
        let mut key = self.key;
        key.0
            .iter_mut()
            .zip(beyond(self.len))
            .for_each(|(byte, beyond)| *byte |= beyond);
        key
    }

    /// The packed nibbles, padded with `0`. For a whole key, this is the key.
    pub fn key(&self) -> Hash {
        self.key
    }

    /// Hex-prefix encoding without the leaf flag (yellow paper, appendix C), as snap's GetTrieNodes
    /// takes a path: 1 to 33 bytes.
    pub fn to_compact(&self) -> Vec<u8> {
        let mut compact = Vec::with_capacity(usize::from(self.len / 2) + 1);
        if self.len.is_multiple_of(2) {
            compact.push(0);
            compact.extend_from_slice(&self.key.0[..usize::from(self.len / 2)]);
        } else {
            // The first byte holds the flag and the first nibble, so the rest moves by half a byte.
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

/// A mask of the nibbles of a key behind its first `len`.
fn beyond(len: u8) -> [u8; 32] {
    // The same computation for each byte, so that the compiler does sixteen of them at once.
    core::array::from_fn(|byte| {
        let nibble = 2 * byte as u8;
        (if len <= nibble { 0xf0 } else { 0 }) | if len <= nibble + 1 { 0x0f } else { 0 }
    })
}

/// Number of leading nibbles that two keys share, 0 to 64.
pub fn common_nibbles(a: &Hash, b: &Hash) -> u8 {
    compare_keys(a, b).1
}

/// The nibble of `key` at index `i`; 0 past the end.
pub(crate) fn nibble(key: &Hash, i: u8) -> u8 {
    let byte = key.0.get(usize::from(i / 2)).copied().unwrap_or(0);
    if i.is_multiple_of(2) {
        byte >> 4
    } else {
        byte & 0xf
    }
}

/// The nibbles in a leaf or an extension, still in their hex-prefix encoding.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Nibbles<'a> {
    bytes: &'a [u8],
    /// 1 if the first half byte belongs to the hex-prefix flag, otherwise 0.
    skip: u8,
}

impl<'a> Nibbles<'a> {
    /// The nibbles of a hex-prefix encoding (yellow paper, appendix C), and whether it has the leaf
    /// flag. `None` if the encoding is not canonical.
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

    /// The nibbles, starting with the one nearest to the root.
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
