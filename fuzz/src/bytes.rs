//! An input, read from front to back. Past its end there are zeros, so every input is a whole one.

use snaplight::hash::Hash;

/// The bytes of an input that are still to be read.
pub(crate) struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    pub(crate) fn new(input: &'a [u8]) -> Bytes<'a> {
        Bytes(input)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// All that is left.
    pub(crate) fn rest(&mut self) -> &'a [u8] {
        core::mem::take(&mut self.0)
    }

    pub(crate) fn byte(&mut self) -> u8 {
        self.array::<1>()[0]
    }

    pub(crate) fn bool(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    /// A number below `bound`, which is above 0.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        let number = match bound {
            0..=0x100 => usize::from(self.byte()),
            _ => usize::from(u16::from_le_bytes(self.array())),
        };
        number % bound
    }

    pub(crate) fn u64(&mut self) -> u64 {
        let length = self.below(9);
        let taken = self.take(length);
        taken
            .iter()
            .fold(0, |number, byte| number << 8 | u64::from(*byte))
    }

    /// At most so many bytes.
    pub(crate) fn take(&mut self, length: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// At most `most` bytes, behind a byte or two that say how many.
    pub(crate) fn some(&mut self, most: usize) -> &'a [u8] {
        let length = self.below(most + 1);
        self.take(length)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut array = [0; N];
        let taken = self.take(N);
        array[..taken.len()].copy_from_slice(taken);
        array
    }

    pub(crate) fn hash(&mut self) -> Hash {
        Hash(self.array())
    }

    /// A key that is easily near another one: most of its bytes are alike.
    pub(crate) fn key(&mut self) -> Hash {
        match self.byte() % 4 {
            0 => self.hash(),
            1 => {
                let (at, byte) = (self.below(32), self.byte());
                let mut key = [0xaa; 32];
                key[at] = byte;
                Hash(key)
            }
            2 => {
                let mut key = [0; 32];
                key[..2].copy_from_slice(&self.array::<2>());
                Hash(key)
            }
            _ => {
                let mut key = [0xbb; 32];
                key[31] = self.byte();
                Hash(key)
            }
        }
    }

    /// Changes some bytes: replaces, inserts, removes and cuts off, as often as the input says.
    pub(crate) fn spoil(&mut self, bytes: &mut Vec<u8>) {
        for _ in 0..self.below(4) {
            let at = self.below(bytes.len() + 1);
            match self.byte() % 5 {
                0 => bytes.truncate(at),
                1 => bytes.insert(at, self.byte()),
                2 if at < bytes.len() => {
                    bytes.remove(at);
                }
                3 => {
                    let inserted = self.some(40);
                    bytes.splice(at..at, inserted.iter().copied());
                }
                _ => {
                    if let Some(byte) = bytes.get_mut(at) {
                        *byte ^= self.byte();
                    }
                }
            }
        }
    }
}
