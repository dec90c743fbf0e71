//! What the engine may hold, ask for and batch at a time. Together with two batches in flight, a
//! kill costs about 8 MiB at most.

use crate::state::PAGE_BUDGET;

/// The bounds of one engine. The defaults are for a browser; simulations make them small, so that
/// small states press on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of pages and codes that make a batch. Two batches may be in flight beside the one that
    /// grows.
    pub batch_bytes: usize,
    /// Milliseconds after which a batch is made even if it is small, so that slow syncs survive
    /// kills too.
    pub batch_ms: u64,
    /// Bytes asked for and not yet received. What has arrived and waits for verification comes on
    /// top: at most what was in flight.
    pub asked_bytes: u64,
    /// Bytes of entries in memory that wait for their storage, codes or neighbours. Above, no more
    /// accounts are asked for.
    pub waiting_bytes: usize,
    /// Growth of what is in memory, in bytes, after which it is looked through for what has become
    /// complete.
    pub cut_bytes: usize,
    /// Bytes that a page is cut to.
    pub page_bytes: usize,
}

impl Default for Limits {
    /// The limits that everything in `docs/measurements.md` was measured with. At full speed
    /// `batch_bytes` decides what a kill costs (7 MB at worst, `cargo xtask kills --full-speed`),
    /// and `batch_ms` in a slow sync (0.3 MB at 240 kB/s, `cargo xtask kills`). `asked_bytes` lets
    /// four of the largest requests be in flight. `waiting_bytes` and `cut_bytes` bound the memory,
    /// which takes three to five times the encoded size (`cargo xtask bench`, memory).
    fn default() -> Limits {
        Limits {
            batch_bytes: 3 * 512 * 1024,
            batch_ms: 750,
            asked_bytes: 2 * 1024 * 1024,
            waiting_bytes: 3 * 512 * 1024,
            cut_bytes: 512 * 1024,
            page_bytes: PAGE_BUDGET,
        }
    }
}

/// What an engine holds at a moment, for tests and tools that watch its bounds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Footprint {
    /// Bytes of the tree in memory, as pages would hold it.
    pub tree: usize,
    /// Bytes of pages and codes that wait for the next batch.
    pub pending: usize,
    /// Bytes asked for and not yet received.
    pub asked: u64,
    /// Bytes received and not yet verified.
    pub arrived: usize,
    /// Requests in flight.
    pub requests: usize,
    /// Batches in flight.
    pub batches: usize,
    /// Bytes that the engine has on the heap, counted by what its vectors have room for. It counts
    /// what is in memory and not its encoded size, scratch memory included, and nothing that has
    /// left the engine.
    pub heap: usize,
    /// Of these, what the tree's entries take.
    pub tree_heap: usize,
    /// And of these, the room in its lists that no entry uses.
    pub tree_unused: usize,
}
