//! The whole vocabulary between the engine and the world, on one page.

use core::fmt;

use crate::hash::Hash;
use crate::heap::{HeapBytes, flat};
use crate::state::{Batch, PageId, StatePath, StoreError, TreeError};

use super::progress::Report;
use crate::wire::PeerFault;

/// Milliseconds on the driver's monotonic clock. Only differences mean anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Millis(pub u64);

impl Millis {
    /// This moment plus `millis`, saturating.
    pub fn after(self, millis: u64) -> Millis {
        Millis(self.0.saturating_add(millis))
    }

    /// Milliseconds since `earlier`, 0 if it is later.
    pub fn since(self, earlier: Millis) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// One connection. The driver gives each connection a fresh number, also when the same peer comes back, so that a
/// new session never inherits the old one's requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId(pub u32);

/// Names one [`Output::Load`], so that its answer finds back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket(pub u64);

/// Everything that can happen to the engine.
#[derive(Debug)]
pub enum Input {
    /// A socket is open; the engine greets it.
    PeerJoined(PeerId),
    /// A socket closed or failed, whoever closed it. Not a fault.
    PeerLeft(PeerId),
    /// One binary frame from a peer.
    Frame(PeerId, Vec<u8>),
    /// A text frame from a peer: a fault in this protocol.
    Text(PeerId),
    /// A frame above [`MAX_FRAME`](crate::wire::MAX_FRAME), with its size in bytes, which the driver did not copy in.
    Oversized(PeerId, usize),
    /// The answer to [`Output::Load`], one element per id asked for, `None` where the store has no such page.
    Loaded(Ticket, Vec<Option<Vec<u8>>>),
    /// The batch with this sequence number is durable.
    Committed(u64),
    /// The store could not read these pages.
    LoadFailed(Ticket, StoreError),
    /// The batch with this sequence number was not written. Every batch gets exactly one [`Input::Committed`] or
    /// `CommitFailed`; of two in flight the second fails too, because its predecessor is missing.
    CommitFailed(u64, StoreError),
    /// Make this state complete. A sync under way moves to it and keeps what it has. Of an older target
    /// nothing more is told; this one gets exactly one of [`Event::Done`], [`Event::Cancelled`] and
    /// [`Event::Failed`], unless a newer one overtakes it.
    Target(Target),
    /// A reader met something of the complete state that is missing or not what it should be. It is healed from peers as soon
    /// as no sync is under way. May be told many times of the same.
    Damaged(Damage),
    /// Stop the sync under way. What is verified is committed first, then [`Event::Cancelled`] follows.
    /// A sync that lacks nothing but its last batch ends as it would have, by [`Event::Done`] or
    /// [`Event::Failed`].
    Cancel,
    /// Time passed; see [`Engine::next_deadline`](super::Engine::next_deadline).
    Tick,
}

/// Something of the complete state that is missing or not what it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// A page does not fold to the hash that its parent holds, or is not there.
    Page {
        /// The page.
        page: PageId,
        /// The place of the subtrie that was looked for in it; unknown if the engine itself met it.
        at: Option<StatePath>,
    },
    /// A bytecode does not hash to its hash, or is not there.
    Code(Hash),
}

/// A state to make complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// The state with this root.
    Root(Hash),
    /// The state after the block with this hash; its header is fetched from a peer and proven by its hash.
    Block(Hash),
}

/// Everything the engine wants from the world.
#[derive(Debug)]
pub enum Output {
    /// Send one binary frame.
    Send(PeerId, Vec<u8>),
    /// Read these pages; answer with [`Input::Loaded`] or [`Input::LoadFailed`].
    Load(Ticket, Vec<PageId>),
    /// Write this batch in one transaction; answer with [`Input::Committed`] or [`Input::CommitFailed`]. Batches are
    /// to be queued in the order in which they come; at most two are in flight, and a third once
    /// the sync is cancelled.
    Commit(Batch),
    /// Close this connection with this WebSocket close code; the fault says why. No [`Input::PeerLeft`] is needed.
    Drop(PeerId, PeerFault),
    /// An expensive step is done and more is to do: let the event loop have its turn, then poll again.
    Yield,
    /// Something to tell the user.
    Event(Event),
}

/// What a user may want to know.
#[derive(Debug)]
pub enum Event {
    /// The peer shook hands and may be asked.
    PeerReady(PeerId),
    /// The peer broke a rule. If the fault is grave, [`Output::Drop`] follows.
    PeerFault(PeerId, PeerFault),
    /// Something stored is missing or not what it should be; healing it starts at once, or after the sync under way.
    Damaged(Damage),
    /// What was damaged is whole again.
    Repaired,
    /// Nothing is in flight and something is missing; the sync goes on by itself when the reason goes away.
    Waiting(WaitReason),
    /// The state of the target is complete and durable.
    Done(Box<Report>),
    /// The sync ended because [`Input::Cancel`] asked for it; everything committed stays.
    Cancelled,
    /// The sync ended by an error of ours or of the store; everything committed stays, and a new
    /// [`Input::Target`] goes on from there.
    Failed(Failure),
}

/// Why nothing moves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WaitReason {
    /// No peer has shaken hands.
    NoPeers,
    /// Every peer says that it does not have the state of this root: a newer one is needed, or another peer.
    NeedNewRoot {
        /// The root that all of them refused.
        root: Hash,
        /// How many did.
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

/// Why a sync ended without success: never a peer's doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The store could not read or write.
    Store(StoreError),
    /// A stored page is missing or does not fold to the hash its parent holds.
    Damaged(PageId),
    /// A state under this root cannot be decoded: no honest chain has it.
    BogusRoot(Hash),
    /// The tree in memory contradicts itself: a defect of this library; please report it.
    Tree(TreeError),
    /// Another defect of this library; please report it.
    Defect(&'static str),
}

impl fmt::Display for WaitReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WaitReason::NoPeers => f.write_str("no peer is connected and ready"),
            WaitReason::NeedNewRoot { root, peers: 1 } => {
                write!(f, "the only peer does not have the state of {root}")
            }
            WaitReason::NeedNewRoot { root, peers } => {
                write!(f, "none of the {peers} peers has the state of {root}")
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

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Store(error) => error.fmt(f),
            Failure::Damaged(PageId(page)) => {
                write!(
                    f,
                    "page {page} of the database is missing or damaged; delete the database and sync again"
                )
            }
            Failure::BogusRoot(root) => {
                write!(
                    f,
                    "what {root} commits to is no Ethereum state; check where this root comes from"
                )
            }
            Failure::Tree(error) => write!(f, "defect in Snaplight, please report it: {error}"),
            Failure::Defect(words) => write!(f, "defect in Snaplight, please report it: {words}"),
        }
    }
}

flat!(Millis, PeerId, Ticket, Damage);

impl HeapBytes for Output {
    fn heap_bytes(&self) -> usize {
        match self {
            Output::Send(_, frame) => frame.heap_bytes(),
            Output::Load(_, pages) => pages.heap_bytes(),
            Output::Commit(batch) => batch.heap_bytes(),
            Output::Event(Event::Done(_)) => size_of::<Report>(),
            // Some words, seldom.
            Output::Drop(..) | Output::Yield | Output::Event(_) => 0,
        }
    }
}
