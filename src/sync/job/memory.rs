//! What a job owns on the heap.

use super::{Job, Large};
use crate::heap::HeapBytes;

impl HeapBytes for Large {
    fn heap_bytes(&self) -> usize {
        self.chunks.heap_bytes()
    }
}

impl HeapBytes for Job {
    fn heap_bytes(&self) -> usize {
        let waiting = [
            self.storages.heap_bytes(),
            self.large.heap_bytes(),
            self.codes.heap_bytes(),
            self.codes_asked.heap_bytes(),
            self.nodes_asked.heap_bytes(),
            self.storages_asked.heap_bytes(),
            self.cursors.heap_bytes(),
            self.healing.heap_bytes(),
            self.pace.heap_bytes(),
            self.eta.heap_bytes(),
        ];
        self.tree.heap_bytes()
            + self.pages.heap_bytes()
            + self.new_codes.heap_bytes()
            + waiting.iter().sum::<usize>()
    }
}
