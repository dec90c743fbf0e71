//! Bytes written one short piece after another, the inner loop of both folding and cutting pages.

use super::copy::copy;

/// A vector that is written into memory which is there and cleared already, so that its many short pieces are neither
/// calls of the allocator nor of the engine's routine for copies.
#[derive(Default)]
pub struct ScratchBuf {
    /// What has been written, and behind it whatever was there.
    bytes: Vec<u8>,
    len: usize,
}

impl ScratchBuf {
    /// Room for `capacity` bytes; more is found when needed.
    pub fn new(capacity: usize) -> ScratchBuf {
        ScratchBuf {
            bytes: vec![0; capacity],
            len: 0,
        }
    }

    /// Bytes on the heap.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.bytes.capacity()
    }

    /// How many bytes have been written.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing has been written.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Forgets what has been written; the memory stays.
    pub fn clear(&mut self) {
        self.len = 0;
    }

    /// What has been written.
    pub fn written(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    /// Writes one byte.
    pub fn push(&mut self, byte: u8) {
        self.room(1)[0] = byte;
        self.grow(1);
    }

    /// Writes a piece, fastest up to 128 bytes.
    pub fn append(&mut self, piece: &[u8]) {
        copy(self.room(piece.len()), piece);
        self.grow(piece.len());
    }

    /// Memory for what comes next, at most `most` bytes; [`ScratchBuf::grow`] says how many it has become.
    pub fn room(&mut self, most: usize) -> &mut [u8] {
        if most > self.bytes.len() - self.len {
            self.enlarge(most);
        }
        &mut self.bytes[self.len..self.len + most]
    }

    /// The next `by` bytes of the room have been written.
    pub fn grow(&mut self, by: usize) {
        self.len = self.bytes.len().min(self.len + by);
    }

    /// What has been written, as a vector.
    pub fn finish(mut self) -> Vec<u8> {
        self.bytes.truncate(self.len);
        self.bytes
    }

    #[cold]
    fn enlarge(&mut self, by: usize) {
        self.bytes.truncate(self.len);
        // A vector at least doubles its memory, and all of it is taken: the next piece must not find it full again.
        self.bytes.reserve(by);
        self.bytes.resize(self.bytes.capacity(), 0);
    }
}
