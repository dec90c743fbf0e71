//! Pairs nodes by their number of Keccak blocks, so that both halves of the kernel work to the end.

use super::encode::NodeBuffer;
use super::keccak::{blocks_of, keccak_padded_pair, keccak_pair};
use super::node::MAX_NODE;
use crate::hash::Hash;

/// Most blocks a node can take.
const MAX_BLOCKS: usize = blocks_of(MAX_NODE);

/// Nodes that wait for a partner of their own size: at most one per block count. Its owner's number says whose hash it is.
pub(crate) struct HashBatch {
    /// The node being written.
    spare: Box<NodeBuffer>,
    /// By block count less one.
    lanes: [Lane; MAX_BLOCKS],
}

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

    /// Hashes the node just written, together with one that waited, or lets it wait. `done` gets each hash that is ready.
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

    /// Hashes what still waits, now paired across sizes.
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
