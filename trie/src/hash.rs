//! The 32-byte Keccak-256 digest, which names every trie node, code and hashed key.

use core::cmp::Ordering;
use core::fmt;
use core::hash::Hasher;

/// Nibbles in a whole key.
pub const KEY_NIBBLES: u8 = 64;

/// A 32-byte Keccak-256 digest; also the hashed key of an account (`keccak(address)`) or of a
/// storage slot (`keccak(slot)`). Its order is the order of keys in the trie: big-endian numbers.
#[derive(Clone, Copy)]
pub struct Hash(pub [u8; 32]);

impl Hash {
    /// The lowest key of the key space.
    pub const ZERO: Hash = Hash([0; 32]);
    /// The highest key of the key space.
    pub const MAX: Hash = Hash([0xff; 32]);
    /// Root of the empty trie, `keccak(rlp(""))` (yellow paper, appendix D).
    pub const EMPTY_ROOT: Hash = Hash([
        0x56, 0xe8, 0x1f, 0x17, 0x1b, 0xcc, 0x55, 0xa6, 0xff, 0x83, 0x45, 0xe6, 0x92, 0xc0, 0xf8,
        0x6e, 0x5b, 0x48, 0xe0, 0x1b, 0x99, 0x6c, 0xad, 0xc0, 0x01, 0x62, 0x2f, 0xb5, 0xe3, 0x63,
        0xb4, 0x21,
    ]);
    /// Code hash of an account without code, `keccak("")`.
    pub const EMPTY_CODE: Hash = Hash([
        0xc5, 0xd2, 0x46, 0x01, 0x86, 0xf7, 0x23, 0x3c, 0x92, 0x7e, 0x7d, 0xb2, 0xdc, 0xc7, 0x03,
        0xc0, 0xe5, 0x00, 0xb6, 0x53, 0xca, 0x82, 0x27, 0x3b, 0x7b, 0xfa, 0xd8, 0x04, 0x5d, 0x85,
        0xa4, 0x70,
    ]);

    /// The digest in `bytes`, if there are exactly 32 of them.
    pub fn from_slice(bytes: &[u8]) -> Option<Hash> {
        bytes.try_into().ok().map(Hash)
    }

    /// Parses 64 hexadecimal digits of either case, with or without `0x` in front.
    pub fn from_hex(text: &str) -> Option<Hash> {
        let digits = text.strip_prefix("0x").unwrap_or(text).as_bytes();
        if digits.len() != 64 {
            return None;
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let high = (pair[0] as char).to_digit(16)?;
            let low = (pair[1] as char).to_digit(16)?;
            *byte = (high * 16 + low) as u8;
        }
        Some(Hash(bytes))
    }

    /// The key plus one, or `None` after the highest.
    pub fn next(&self) -> Option<Hash> {
        let mut bytes = self.0;
        for byte in bytes.iter_mut().rev() {
            *byte = byte.wrapping_add(1);
            if *byte != 0 {
                return Some(Hash(bytes));
            }
        }
        None
    }

    /// The key minus one, or `None` before the lowest.
    pub fn previous(&self) -> Option<Hash> {
        let mut bytes = self.0;
        for byte in bytes.iter_mut().rev() {
            *byte = byte.wrapping_sub(1);
            if *byte != 0xff {
                return Some(Hash(bytes));
            }
        }
        None
    }
}

// Compares words. The derived comparison would go byte by byte in wasm, which has no instruction
// that compares 32 bytes.
impl PartialEq for Hash {
    fn eq(&self, other: &Hash) -> bool {
        let (a, b) = (self.0.as_chunks().0, other.0.as_chunks().0);
        let differences = a.iter().zip(b);
        let differences = differences.map(|(a, b)| u64::from_ne_bytes(*a) ^ u64::from_ne_bytes(*b));
        differences.fold(0, |all, difference| all | difference) == 0
    }
}

impl Eq for Hash {}

impl Ord for Hash {
    fn cmp(&self, other: &Hash) -> Ordering {
        compare_keys(self, other).0
    }
}

impl PartialOrd for Hash {
    fn partial_cmp(&self, other: &Hash) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl core::hash::Hash for Hash {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.0.hash(hasher);
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("0x")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The order of two keys, and how many leading nibbles they share (64 if they are equal).
///
/// Compares words and turns only the first two that differ to big-endian order. Wasm has no
/// instruction for that turn, and the derived comparison, which turns every word, measurably slows
/// the fold.
#[inline(never)]
pub(crate) fn compare_keys(a: &Hash, b: &Hash) -> (Ordering, u8) {
    let (a, _) = a.0.as_chunks::<8>();
    let (b, _) = b.0.as_chunks::<8>();
    match (0..).zip(a.iter().zip(b)).find(|(_, (a, b))| a != b) {
        Some((word, (a, b))) => {
            let (a, b) = (u64::from_be_bytes(*a), u64::from_be_bytes(*b));
            (a.cmp(&b), 16 * word + ((a ^ b).leading_zeros() / 4) as u8)
        }
        None => (Ordering::Equal, KEY_NIBBLES),
    }
}
