//! What the user sees of a sync.

use crate::hash::Hash;
use crate::state::Counts;

/// Cells of [`Progress::key_space`].
pub const KEY_SPACE_CELLS: usize = 256;

/// Where a sync stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// No sync is under way.
    #[default]
    Idle,
    /// The last session's open pages are being read.
    Resuming,
    /// Account ranges, storage ranges and codes are being fetched.
    Ranges,
    /// What is still blinded is being revealed node by node.
    Healing,
    /// Everything is verified; the last batch is being committed.
    Finishing,
}

/// Totals of what was received and verified. All counts are of the sync under way, earlier sessions of it included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Accounts verified.
    pub accounts: u64,
    /// Storage slots verified.
    pub slots: u64,
    /// Bytecodes verified.
    pub codes: u64,
    /// Trie nodes revealed one by one.
    pub nodes: u64,
    /// Bytes of frames received.
    pub bytes_received: u64,
    /// Bytes of pages and codes handed to the store, superseded ones included.
    pub bytes_stored: u64,
    /// Pages handed to the store, superseded ones included.
    pub pages_stored: u64,
    /// Batches committed.
    pub batches: u64,
    /// Requests sent.
    pub requests: u64,
}

/// What a database holds already, before anything is received.
impl From<Counts> for Counters {
    fn from(
        Counts {
            accounts,
            slots,
            codes,
        }: Counts,
    ) -> Counters {
        Counters {
            accounts,
            slots,
            codes,
            ..Counters::default()
        }
    }
}

/// A copy of the engine's state for display.
#[derive(Clone, Debug)]
pub struct Progress {
    /// Where the sync stands.
    pub phase: Phase,
    /// The root being made complete.
    pub target: Option<Hash>,
    /// The totals so far.
    pub counters: Counters,
    /// What is known of each 1/256 of the account key space, 0 to 255.
    pub key_space: [u8; KEY_SPACE_CELLS],
    /// Milliseconds since the sync started in this session.
    pub elapsed_ms: u64,
    /// Why nothing moves, while nothing does.
    pub waiting: Option<super::Why>,
    /// One element per connected peer.
    pub peers: Vec<PeerProgress>,
}

/// What one peer delivered.
#[derive(Clone, Debug)]
pub struct PeerProgress {
    /// The connection.
    pub peer: super::PeerId,
    /// The client name of its Hello, empty before.
    pub client: String,
    /// Whether it shook hands.
    pub ready: bool,
    /// Whether it said that it does not have the target's state.
    pub refused: bool,
    /// Requests in flight.
    pub in_flight: usize,
    /// Answers that were proven.
    pub answers: u64,
    /// Bytes received.
    pub bytes: u64,
    /// Accounts delivered.
    pub accounts: u64,
    /// Slots delivered.
    pub slots: u64,
    /// Bytecodes delivered.
    pub codes: u64,
    /// Timeouts in a row.
    pub strikes: u32,
    /// Smoothed round trip in milliseconds, 0 before the first answer.
    pub round_trip_ms: u64,
}

/// How a sync ended.
#[derive(Clone, Debug)]
pub struct Report {
    /// The root.
    pub root: Hash,
    /// The totals.
    pub counters: Counters,
    /// Milliseconds from the target's being set to its being durable, in this session.
    pub elapsed_ms: u64,
    /// Whether nothing had to be done, because the root was complete already.
    pub already_complete: bool,
}
