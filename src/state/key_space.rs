//! Reckoning with the key space: where keys lie, how wide a part of it is, and how densely leaves lie.
//!
//! Keys are hashes, so leaves lie evenly and a share of the key space holds that share of the
//! leaves. A key counts by its leading eight bytes: no state has so many leaves that the other
//! bytes matter. Widths are in units of these, so the whole key space is 2^64 wide.

use crate::hash::Hash;
use crate::trie::path::Path;

/// The leading eight bytes of a key, as a big-endian number.
pub(crate) fn leading(key: &Hash) -> u64 {
    let first = key.0.first_chunk();
    first.map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

/// How much of the key space lies between two keys; 0 if `last` is before `first`.
pub(crate) fn width(first: &Hash, last: &Hash) -> u64 {
    leading(last).saturating_sub(leading(first))
}

/// How much of the key space lies below a path.
pub(crate) fn width_below(path: &Path) -> u64 {
    width(&path.first_key(), &path.last_key())
}

/// How densely leaves lie: leaves per unit of width. Never 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Density(f64);

impl Density {
    /// So many leaves in so wide a part of the key space. `None` if either is 0 or less: then
    /// there is nothing to judge by. The width may be a sum, and of more than one key space.
    pub(crate) fn new(leaves: u64, width: f64) -> Option<Density> {
        (leaves > 0 && width > 0.0).then(|| Density(leaves as f64 / width))
    }

    /// How many leaves are to be expected in so wide a part of the key space.
    pub(crate) fn leaves_in(self, width: u64) -> f64 {
        self.0 * width as f64
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn key(first: u8) -> Hash {
        let mut key = Hash::ZERO;
        key.0[0] = first;
        key
    }

    #[test]
    fn a_key_counts_by_its_first_eight_bytes() {
        assert_eq!(leading(&Hash::ZERO), 0);
        assert_eq!(leading(&Hash::MAX), u64::MAX);
        assert_eq!(leading(&key(0x80)), 1 << 63);
        assert_eq!(leading(&key(1).next().unwrap()), leading(&key(1)));
    }

    #[test]
    fn a_width_is_the_share_of_the_key_space_between_two_keys() {
        assert_eq!(width(&key(0x40), &key(0xc0)), 1 << 63);
        assert_eq!(width(&key(2), &key(1)), 0);
        assert_eq!(width_below(&Path::ROOT), u64::MAX);
        assert_eq!(width_below(&Path::new(key(0x30), 1)), (1 << 60) - 1);
        assert_eq!(width_below(&Path::full(key(7))), 0);
    }

    #[test]
    fn leaves_are_expected_by_the_share_that_is_known() {
        let quarter = (1u64 << 62) as f64;
        let density = Density::new(100, quarter).unwrap();
        assert_eq!(density.leaves_in(u64::MAX), 400.0);
        assert_eq!(
            density
                .leaves_in(width_below(&Path::new(key(0), 2)))
                .round(),
            2.0
        );
        assert_eq!(Density::new(0, quarter), None);
        assert_eq!(Density::new(100, 0.0), None);
        assert_eq!(Density::new(100, -1.0), None);
    }
}
