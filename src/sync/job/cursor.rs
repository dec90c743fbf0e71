//! Cursors: neighbouring slices of one trie's key space, each walked from left to right by one
//! request at a time.
//!
//! A cursor remembers no ranges, only where to look on. What is missing is always read off the
//! tree.

use crate::hash::Hash;
use crate::heap::flat;
use crate::state::key_space::{leading, width};

/// Account ranges that are walked side by side, as in go-ethereum.
pub(super) const ACCOUNT_CURSORS: usize = 16;

/// One slice of a key space.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cursor {
    /// First key of the slice.
    first: Hash,
    /// Last key of the slice, inclusive.
    last: Hash,
    /// Where to look on, or `None` at the end.
    next: Option<Hash>,
    /// Whether a request for this slice is in flight.
    is_busy: bool,
}

impl Cursor {
    /// Cuts the keys from `first` to the highest into at most `count` slices of equal width.
    pub(super) fn slices(first: Hash, count: usize) -> Vec<Cursor> {
        let start = leading(&first);
        let count = count.max(1) as u64;
        // Slices are aligned by the first eight bytes, which is finer than any state is dense. The
        // width of all of them together is 2^64, one more than 64 bits can say.
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
                    is_busy: false,
                });
            }
        }
        cursors
    }

    /// First and last key of what the slice still has to look at, unless a request for it is in
    /// flight or it is done.
    pub(super) fn waiting(&self) -> Option<(Hash, Hash)> {
        let next = self.next.filter(|_| !self.is_busy)?;
        Some((next, self.last))
    }

    /// First and last key of what a request in flight may cover.
    pub(super) fn busy(&self) -> Option<(Hash, Hash)> {
        let next = self.next.filter(|_| self.is_busy)?;
        Some((next, self.last))
    }

    /// Looks on at this key of the slice.
    pub(super) fn start_at(&mut self, key: Hash) {
        self.next = Some(key);
    }

    /// A request for this slice was sent.
    pub(super) fn asked(&mut self) {
        self.is_busy = true;
    }

    /// The request ended without an answer.
    pub(super) fn requeue(&mut self) {
        self.is_busy = false;
    }

    /// The request's answer was joined: the slice goes on behind `last`, or is done if nothing lies
    /// to the right.
    pub(super) fn joined(&mut self, last: Option<Hash>) {
        self.is_busy = false;
        match last {
            Some(last) => self.advance(&last),
            None => self.finish(),
        }
    }

    /// Everything up to and including `key` is known now. A key at or behind the end finishes the
    /// slice.
    pub(super) fn advance(&mut self, key: &Hash) {
        self.next = match *key >= self.last {
            true => None,
            false => key.next(),
        };
    }

    /// Everything to the right is known.
    pub(super) fn finish(&mut self) {
        self.next = None;
    }

    /// Whether nothing is left to look at.
    pub(super) fn is_done(&self) -> bool {
        self.next.is_none()
    }

    /// How many of the slice's equal parts lie behind the cursor.
    pub(super) fn known(&self, parts: u32) -> u64 {
        let Some(next) = self.next else {
            return u64::from(parts);
        };
        let known = width(&self.first, &next) as f64;
        let whole = width(&self.first, &self.last).max(1) as f64;
        (known * f64::from(parts) / whole) as u64
    }
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
