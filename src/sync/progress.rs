//! What the user sees of a sync.

use core::fmt;

use super::ids::PeerId;
use crate::hash::Hash;
use crate::state::{Block, Counts, StatePath};
use crate::trie::path::Path;
use crate::wire::Head;

pub use crate::state::{Counters, Traffic};

/// Cells of [`Progress::key_space`].
pub const KEY_SPACE_CELLS: usize = 256;

/// Where a sync stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Phase {
    /// No sync is under way.
    #[default]
    Idle,
    /// The header of the block asked for is being fetched.
    Locating,
    /// The last session's open pages are being read.
    Resuming,
    /// Account ranges, storage ranges and codes are being fetched.
    Ranges,
    /// What is still blinded is being revealed node by node.
    Healing,
    /// Everything is verified; the last batch is being committed.
    Finishing,
}

/// What is known to be missing, apart from account ranges, and is not asked for yet. What is in
/// flight does not count, as in go-ethereum's `SyncProgress`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Queued {
    /// Trie nodes. A healing plans them a level or a few requests ahead; there may be more below.
    pub nodes: u64,
    /// Bytecodes.
    pub codes: u64,
    /// Storages of whole accounts, those included that are fetched in chunks.
    pub storages: u64,
}

/// A healing that the chain outruns: over several moves of the root, it came no closer to a
/// complete state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outrun {
    /// Trie nodes and leaves that would have to be received per second, by the share of the key
    /// space that is known when the root moves.
    pub needed_per_second: u64,
    /// Trie nodes and leaves received per second.
    pub healed_per_second: u64,
}

/// A copy of the engine's state for display.
#[derive(Clone, Debug)]
pub struct Progress {
    /// Where the sync stands.
    pub phase: Phase,
    /// The root being made complete.
    pub target: Option<Hash>,
    /// The totals so far, of earlier sessions too.
    pub counters: Counters,
    /// What is held of the target's state.
    pub held: Counts,
    /// What is known to be missing and is not asked for yet.
    pub queued: Queued,
    /// Milliseconds until the account ranges of a first sync are done at the pace of the last
    /// seconds; `None` in the first ones, while it waits, and while it heals, since what differs is
    /// not known before.
    pub eta_ms: Option<u64>,
    /// Whether the chain moves faster than it can be healed.
    pub outrun: Option<Outrun>,
    /// What is known of each 1/256 of the account key space, 0 to 255.
    pub key_space: [u8; KEY_SPACE_CELLS],
    /// Milliseconds since the sync started in this session.
    pub elapsed_ms: u64,
    /// Why nothing moves, while nothing does.
    pub waiting: Option<WaitReason>,
    /// One element per connected peer.
    pub peers: Vec<PeerProgress>,
}

impl Progress {
    /// A copy that says nothing but the phase.
    pub(crate) fn idle(phase: Phase) -> Progress {
        Progress {
            phase,
            target: None,
            counters: Counters::default(),
            held: Counts::default(),
            queued: Queued::default(),
            eta_ms: None,
            outrun: None,
            key_space: [0; KEY_SPACE_CELLS],
            elapsed_ms: 0,
            waiting: None,
            peers: Vec::new(),
        }
    }
}

/// A single piece of a state that can be missing where everything else is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Missing {
    /// The bytecode with this hash.
    Code(Hash),
    /// A trie node.
    Node {
        /// Where it is.
        path: StatePath,
        /// Its hash.
        hash: Hash,
    },
    /// An account's whole storage.
    Storage {
        /// Hash of the account's address.
        account: Hash,
        /// Root of its storage trie.
        root: Hash,
    },
}

impl Missing {
    /// The node with this hash at this place.
    pub(crate) fn node(&(path, hash): &(StatePath, Hash)) -> Missing {
        Missing::Node { path, hash }
    }

    /// What is missing if the node at this place is. The root of a storage trie stands for the
    /// storage.
    pub(crate) fn at(path: StatePath, hash: Hash) -> Missing {
        match path.account {
            Some(account) if path.path.is_empty() => Missing::Storage {
                account,
                root: hash,
            },
            _ => Missing::node(&(path, hash)),
        }
    }

    /// The place of the node that is missing, if it is one.
    pub(crate) fn place(&self) -> Option<StatePath> {
        match self {
            Missing::Code(_) => None,
            Missing::Node { path, .. } => Some(*path),
            Missing::Storage { account, .. } => Some(StatePath::storage(*account, Path::ROOT)),
        }
    }
}

/// Why nothing moves.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WaitReason {
    /// No peer has shaken hands, or only providers are there and what is missing can be had from
    /// none of them.
    NoPeers,
    /// What was asked for does not come, and there is nobody else to ask.
    NoAnswer {
        /// How many peers there are.
        peers: usize,
    },
    /// Every peer says that it does not have the state of this root: a newer one is needed, or
    /// another peer.
    NeedNewRoot {
        /// The root that all of them refused.
        root: Hash,
        /// How many did.
        peers: usize,
    },
    /// Everything else is there, but no peer has this.
    Unavailable {
        /// One of the pieces that no peer has.
        item: Missing,
        /// How many peers lack it.
        peers: usize,
    },
    /// Every peer says that it does not have this block.
    BlockUnavailable {
        /// The block's hash.
        block: Hash,
        /// How many said so.
        peers: usize,
    },
}

/// What one peer delivered.
#[derive(Clone, Debug)]
pub struct PeerProgress {
    /// The connection.
    pub peer: PeerId,
    /// The client name of its Hello, empty before.
    pub client: String,
    /// The newest block that it says it has. Nothing proves it.
    pub head: Option<Head>,
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
    /// Late requests in a row; of a provider its wrong answers as well.
    pub strikes: u32,
    /// Smoothed round trip in milliseconds, of the kind of request that takes longest; 0 before the
    /// first answer.
    pub round_trip_ms: u64,
    /// Bytes per second that its connection carries, as its proven answers show; 0 before the
    /// first.
    pub bytes_per_second: u64,
}

/// How a sync ended.
#[derive(Clone, Debug)]
pub struct Report {
    /// The root.
    pub root: Hash,
    /// The block after which the state has this root, as far as it is known: the one asked for
    /// last.
    pub block: Option<Block>,
    /// What the state holds.
    pub held: Counts,
    /// The totals, of earlier sessions too.
    pub counters: Counters,
    /// Milliseconds from the target's being set to its being durable, in this session.
    pub elapsed_ms: u64,
    /// Whether nothing had to be done, because the root was complete already.
    pub already_complete: bool,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Missing::Code(hash) => write!(f, "the bytecode {hash}"),
            Missing::Node { path, hash } => write!(f, "the trie node {hash} at {path}"),
            Missing::Storage { account, root } => {
                write!(f, "the storage {root} of the account {account}")
            }
        }
    }
}

impl fmt::Display for WaitReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WaitReason::NoPeers => f.write_str("no peer is connected and ready"),
            WaitReason::NoAnswer { peers: 1 } => f.write_str("the only peer does not answer"),
            WaitReason::NoAnswer { peers } => write!(f, "none of the {peers} peers answers"),
            WaitReason::NeedNewRoot { root, peers: 1 } => {
                write!(f, "the only peer does not have the state of {root}")
            }
            WaitReason::NeedNewRoot { root, peers } => {
                write!(f, "none of the {peers} peers has the state of {root}")
            }
            WaitReason::Unavailable { item, peers: 1 } => {
                write!(
                    f,
                    "the only peer does not have {item}, which the state needs"
                )
            }
            WaitReason::Unavailable { item, peers } => {
                write!(
                    f,
                    "none of the {peers} peers has {item}, which the state needs"
                )
            }
            WaitReason::BlockUnavailable { block, peers: 1 } => {
                write!(f, "the only peer does not have the block {block}")
            }
            WaitReason::BlockUnavailable { block, peers } => {
                write!(f, "none of the {peers} peers has the block {block}")
            }
        }
    }
}
