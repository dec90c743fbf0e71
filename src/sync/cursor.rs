//! Cursors: neighbouring slices of one trie's key space, each walked from left to right by one request at a time.
//!
//! A cursor remembers no ranges, only where to look on. What is missing is always read off the tree.

use crate::hash::Hash;
use crate::heap::flat;

/// One slice of a key space.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cursor {
    /// First key of the slice.
    pub(crate) first: Hash,
    /// Last key of the slice, inclusive.
    pub(crate) last: Hash,
    /// Where to look on, or `None` at the end.
    pub(crate) next: Option<Hash>,
    /// Whether a request for this slice is in flight.
    pub(crate) busy: bool,
}

impl Cursor {
    /// Cuts the keys from `first` to the highest into at most `count` slices of equal width.
    pub(crate) fn slices(first: Hash, count: usize) -> Vec<Cursor> {
        let start = leading(&first);
        let count = count.max(1) as u64;
        // Slices are aligned by the first eight bytes; below that, nobody has data enough to care. All of them together are one
        // wider than a number of 64 bits may say.
        let (width, rest) = ((u64::MAX - start) / count, (u64::MAX - start) % count + 1);
        let begin = |index: u64| match index {
            0 => first,
            _ => {
                let mut key = [0; 32];
                let at = start + width * index + rest * index / count;
                key[..8].copy_from_slice(&at.to_be_bytes());
                Hash(key).max(first)
            }
        };
        let mut cursors = Vec::with_capacity(count as usize);
        for index in 0..count {
            let last = match index + 1 == count {
                true => Hash::MAX,
                false => begin(index + 1).previous().unwrap_or(Hash::MAX),
            };
            let first = begin(index);
            if first <= last {
                cursors.push(Cursor {
                    first,
                    last,
                    next: Some(first),
                    busy: false,
                });
            }
        }
        cursors
    }

    /// Everything up to and including `key` is known now; a key at or behind the end finishes the slice.
    pub(crate) fn advance(&mut self, key: &Hash) {
        self.next = match *key >= self.last {
            true => None,
            false => key.next(),
        };
    }

    /// How many of the slice's equal parts lie behind the cursor.
    pub(crate) fn known(&self, parts: u32) -> u64 {
        let Some(next) = self.next else {
            return u64::from(parts);
        };
        let (first, last, next) = (leading(&self.first), leading(&self.last), leading(&next));
        let width = last.saturating_sub(first).max(1) as f64;
        (next.saturating_sub(first) as f64 * f64::from(parts) / width) as u64
    }
}

/// The first eight bytes of a key as a number.
pub(crate) fn leading(key: &Hash) -> u64 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&key.0[..8]);
    u64::from_be_bytes(bytes)
}

flat!(Cursor);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_are_aligned_to_nibbles_and_cover_every_key_once() {
        let cursors = Cursor::slices(Hash::ZERO, 16);
        assert_eq!(cursors.len(), 16);
        assert_eq!(cursors[0].first, Hash::ZERO);
        assert_eq!(cursors[15].last, Hash::MAX);
        for pair in cursors.windows(2) {
            assert_eq!(pair[0].last.next(), Some(pair[1].first));
        }
        for (index, cursor) in cursors.iter().enumerate() {
            assert_eq!(
                usize::from(cursor.first.0[0]),
                index * 16,
                "{:?}",
                cursor.first
            );
        }
    }

    #[test]
    fn slices_of_a_remainder_start_at_its_first_key_and_end_at_the_highest() {
        let first = Hash([0x37; 32]);
        let cursors = Cursor::slices(first, 5);
        assert_eq!(cursors[0].first, first);
        assert_eq!(cursors[4].last, Hash::MAX);
        for pair in cursors.windows(2) {
            assert_eq!(pair[0].last.next(), Some(pair[1].first));
        }
    }

    #[test]
    fn slices_at_the_very_end_of_the_key_space_stay_in_order() {
        let cursors = Cursor::slices(Hash::MAX, 16);
        assert_eq!(cursors.last().map(|cursor| cursor.last), Some(Hash::MAX));
        assert_eq!(cursors.first().map(|cursor| cursor.first), Some(Hash::MAX));
        for pair in cursors.windows(2) {
            assert!(pair[0].last < pair[1].first);
        }
    }

    #[test]
    fn a_key_at_the_end_of_the_slice_finishes_it() {
        let mut cursor = Cursor::slices(Hash::ZERO, 16).remove(0);
        let last = cursor.last;
        cursor.advance(&last);
        assert_eq!(cursor.next, None);
        assert_eq!(cursor.known(255), 255);
    }
}
