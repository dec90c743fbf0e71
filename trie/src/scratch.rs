//! A buffer that is written in many short pieces. Folding and cutting pages both do that in their
//! inner loop.

use super::copy::copy;

/// A growing buffer whose whole capacity is initialised, so that a short piece is written without a
/// call of the allocator or of the browser's routine for copies.
///
/// The writer bounds its size: a fold by its entries, a page by its budget.
#[derive(Default)]
pub struct ScratchBuf {
    /// The first `len` bytes have been written. The content of the rest means nothing.
    bytes: Vec<u8>,
    len: usize,
}

impl ScratchBuf {
    /// An empty buffer of `capacity` bytes. It grows when it has to.
    pub fn new(capacity: usize) -> ScratchBuf {
        ScratchBuf {
            bytes: vec![0; capacity],
            len: 0,
        }
    }

    /// Bytes on the heap, including spare capacity.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.bytes.capacity()
    }

    /// Number of bytes written.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether no bytes have been written.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Removes all bytes and keeps the memory.
    pub fn clear(&mut self) {
        self.len = 0;
    }

    /// The bytes written.
    pub fn written(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    /// Writes one byte.
    pub fn push(&mut self, byte: u8) {
        self.room(1)[0] = byte;
        self.grow(1);
    }

    /// Writes a piece. This is fastest for pieces of up to 128 bytes.
    pub fn append(&mut self, piece: &[u8]) {
        copy(self.room(piece.len()), piece);
        self.grow(piece.len());
    }

    /// Space for the next `most` bytes. Write to it, then call [`ScratchBuf::grow`] with how many
    /// bytes they have become.
    pub fn room(&mut self, most: usize) -> &mut [u8] {
        if most > self.bytes.len() - self.len {
            self.enlarge(most);
        }
        &mut self.bytes[self.len..self.len + most]
    }

    /// Counts the first `by` bytes of [`ScratchBuf::room`] as written. There must be that many.
    pub fn grow(&mut self, by: usize) {
        debug_assert!(by <= self.bytes.len() - self.len);
        self.len = self.bytes.len().min(self.len + by);
    }

    /// The bytes written, as a vector.
    pub fn finish(mut self) -> Vec<u8> {
        self.bytes.truncate(self.len);
        self.bytes
    }

    #[cold]
    fn enlarge(&mut self, by: usize) {
        self.bytes.truncate(self.len);
        // `reserve` at least doubles the capacity. All of it is initialised, so that the next
        // pieces find space.
        self.bytes.reserve(by);
        self.bytes.resize(self.bytes.capacity(), 0);
    }
}
