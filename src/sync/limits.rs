//! What the engine may hold, ask for and batch at a time. Together with two batches in flight, a kill costs about 8 MiB at most.

use super::engine::{Activity, Arrived, Config, Engine};
use super::job::Job;
use crate::heap::{HeapBytes, owns};
use crate::state::PAGE_BUDGET;

/// The bounds of one engine. The defaults are for a browser; simulations make them small, so that small states press on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of pages and codes that make a batch. Two batches may be in flight beside the one growing.
    pub batch_bytes: usize,
    /// Milliseconds after which a batch is made even if it is small, so that slow syncs survive kills too.
    pub batch_ms: u64,
    /// Bytes asked for and not yet verified.
    pub asked_bytes: u64,
    /// Bytes of entries in memory that wait for their storage, codes or neighbours. Above, no more accounts are asked for.
    pub waiting_bytes: usize,
    /// Growth of what is in memory, in bytes, after which it is looked through for what has become complete.
    pub settle_bytes: usize,
    /// Bytes that a page is cut to.
    pub page_bytes: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            batch_bytes: 3 * 512 * 1024,
            batch_ms: 750,
            asked_bytes: 2 * 1024 * 1024,
            waiting_bytes: 3 * 512 * 1024,
            settle_bytes: 512 * 1024,
            page_bytes: PAGE_BUDGET,
        }
    }
}

/// What an engine holds at a moment, for whoever watches its bounds.
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
    /// Bytes that the engine has on the heap, by what its vectors have room for: all of the above but
    /// what has left it, as it is in memory and not as it is encoded, and its scratch memory.
    pub heap: usize,
    /// Of these, what the tree's entries take.
    pub tree_heap: usize,
    /// And of these, the room in its lists that no entry uses.
    pub tree_unused: usize,
}

impl Engine {
    /// The same engine with other bounds, before anything has happened to it.
    pub fn with_limits(self, limits: Limits) -> Engine {
        Engine { limits, ..self }
    }

    /// What it holds now.
    pub fn footprint(&self) -> Footprint {
        let job = match &self.activity {
            Activity::Syncing(job) => Some(&**job),
            _ => None,
        };
        let (tree_heap, tree_unused) = job.map_or((0, 0), |job| job.tree.entries_heap());
        Footprint {
            tree: job.map_or(0, |job| job.tree.resident_bytes()),
            pending: job.map_or(0, Job::pending_bytes),
            asked: self.requests.bytes_asked(),
            arrived: self
                .arrived
                .iter()
                .map(|arrived| arrived.payload.len())
                .sum(),
            requests: self.requests.len(),
            batches: self.commits.len(),
            heap: self.heap_bytes(),
            tree_heap,
            tree_unused,
        }
    }
}

owns! {
    Arrived: payload, request;
    Config: client;
    Engine: activity, fold, codes_held, peers, requests, arrived, outbox, commits, gc, garbage,
        damage, config;
}

impl HeapBytes for Activity {
    fn heap_bytes(&self) -> usize {
        match self {
            Activity::Idle => 0,
            Activity::Loading(loading) => loading.heap_bytes(),
            Activity::Syncing(job) => job.heap_bytes(),
            Activity::Ending(ended) => size_of_val(&**ended),
        }
    }
}
