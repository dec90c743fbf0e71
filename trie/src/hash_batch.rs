//! Pairs nodes that have the same number of Keccak blocks, so that no half of the kernel is idle.

use super::encode::NodeBuffer;
use super::keccak::{blocks_of, keccak_padded_pair, keccak_pair};
use super::node::MAX_NODE;
use crate::hash::Hash;

/// Most Keccak blocks that a node takes.
const MAX_BLOCKS: usize = blocks_of(MAX_NODE);

/// Nodes that wait for a second one of their size, at most one per number of blocks.
///
/// The caller names each node by a number, its owner, and gets it back with the hash.
pub(crate) struct HashBatch {
    /// The node being written.
    spare: Box<NodeBuffer>,
    /// By number of blocks, less one.
    lanes: [Lane; MAX_BLOCKS],
}

/// The node of one size that waits, if there is one.
struct Lane {
    buffer: Box<NodeBuffer>,
    owner: Option<u32>,
}

impl HashBatch {
    /// Bytes on the heap.
    pub(crate) const HEAP_BYTES: usize = (1 + MAX_BLOCKS) * size_of::<NodeBuffer>();

    pub(crate) fn new() -> HashBatch {
        HashBatch {
            spare: Box::new(NodeBuffer::new()),
            lanes: core::array::from_fn(|_| Lane {
                buffer: Box::new(NodeBuffer::new()),
                owner: None,
            }),
        }
    }

    /// Where the next node is to be written.
    pub(crate) fn buffer(&mut self) -> &mut NodeBuffer {
        &mut self.spare
    }

    /// Takes the node that was just written. If one of its size waits, hashes both and calls `done`
    /// with each owner and hash; otherwise lets this one wait.
    pub(crate) fn submit(&mut self, owner: u32, mut done: impl FnMut(u32, Hash)) {
        let blocks = self.spare.pad();
        let lane = &mut self.lanes[blocks - 1];
        match lane.owner.take() {
            Some(first) => {
                let (a, b) =
                    keccak_padded_pair(lane.buffer.padded(blocks), self.spare.padded(blocks));
                done(first, a);
                done(owner, b);
            }
            None => {
                core::mem::swap(&mut lane.buffer, &mut self.spare);
                lane.owner = Some(owner);
            }
        }
    }

    /// Hashes all nodes that wait, in pairs of different sizes.
    pub(crate) fn flush(&mut self, mut done: impl FnMut(u32, Hash)) {
        let mut rest = self
            .lanes
            .iter_mut()
            .filter_map(|lane| lane.owner.take().map(|owner| (owner, lane.buffer.rlp())));
        while let Some((first, a)) = rest.next() {
            match rest.next() {
                Some((second, b)) => {
                    let (a, b) = keccak_pair(a, b);
                    done(first, a);
                    done(second, b);
                }
                None => done(first, keccak_pair(a, &[]).0),
            }
        }
    }
}
