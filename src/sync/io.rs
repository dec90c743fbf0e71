//! What goes into the engine and what comes out of it: the whole vocabulary, on one page.

use core::fmt;

use super::ids::{PeerId, Ticket};
use super::progress::{Report, WaitReason};
use super::target::Target;
use crate::hash::Hash;
use crate::heap::{HeapBytes, flat};
use crate::state::{Batch, Complete, PageId, Scope, StatePath, StoreError, TreeError};
use crate::wire::rpc::{Call, Reply};
use crate::wire::{By, PeerFault};

/// Everything that can happen to the engine.
#[derive(Debug)]
#[non_exhaustive]
pub enum Input {
    /// A socket is open; the engine greets it, and offers what this kind of connection needs.
    PeerJoined(PeerId, By),
    /// A socket closed or failed, whoever closed it. This is no fault.
    PeerLeft(PeerId),
    /// One binary frame from a peer.
    Frame(PeerId, Vec<u8>),
    /// What an [`Output::Call`] came to. Each gets exactly one reply, unless the peer leaves.
    Replied(PeerId, u64, Reply),
    /// What is to be held from now on. Its version is higher than that of every scope before.
    Scope(Scope),
    /// A text frame from a peer: a fault in this protocol.
    Text(PeerId),
    /// A binary frame that the engine does not want to read
    /// ([`Engine::wants_frame`](super::Engine::wants_frame)): its size in bytes, and its first
    /// [`HEAD`](crate::wire::HEAD) bytes.
    Unread(PeerId, usize, Vec<u8>),
    /// The answer to [`Output::Load`]: one element for each id asked for, `None` where the store
    /// has no such page.
    Loaded(Ticket, Vec<Option<Vec<u8>>>),
    /// The store could not read these pages.
    LoadFailed(Ticket, StoreError),
    /// The batch with this sequence number is durable.
    Committed(u64),
    /// The batch with this sequence number was not written. Every batch gets exactly one
    /// [`Input::Committed`] or `CommitFailed`. Of two in flight the second fails too, because its
    /// predecessor is missing.
    CommitFailed(u64, StoreError),
    /// Make this state complete. A sync under way moves to it and keeps what it has. Nothing more
    /// is told of an older target. This one gets exactly one of [`Event::Done`],
    /// [`Event::Cancelled`] and [`Event::Failed`], unless a newer one takes its place.
    Target(Target),
    /// A reader found that something of a readable state is missing or not what it should be. In the
    /// complete state it is healed from peers as soon as no sync is under way. A kept state is
    /// dropped. The same damage may be told many times.
    Damaged(Damage),
    /// Stop the sync under way. What is verified is committed first, then [`Event::Cancelled`]
    /// follows. A sync that lacks nothing but its last batch ends as it would have, by
    /// [`Event::Done`] or [`Event::Failed`].
    Cancel,
    /// Time passed; see [`Engine::next_deadline`](super::Engine::next_deadline).
    Tick,
}

/// Something of a readable state that is missing or not what it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Damage {
    /// A page does not fold to the hash that its parent holds, or is not there.
    Page {
        /// The page.
        page: PageId,
        /// The place of the subtrie that was looked for in it; `None` if the engine itself found
        /// it.
        at: Option<StatePath>,
    },
    /// A bytecode does not hash to its hash, or is not there.
    Code(Hash),
}

/// Everything the engine wants from the world. A driver has to do each of them, so a new one is
/// meant to break its `match`.
#[derive(Debug)]
pub enum Output {
    /// Send one binary frame.
    Send(PeerId, Vec<u8>),
    /// Make this call of a provider; answer with [`Input::Replied`] and the same number.
    Call(PeerId, u64, Call),
    /// Read these pages; answer with [`Input::Loaded`] or [`Input::LoadFailed`].
    Load(Ticket, Vec<PageId>),
    /// Write this batch in one transaction; answer with [`Input::Committed`] or
    /// [`Input::CommitFailed`]. Batches are queued in the order in which they come. At most two are
    /// in flight, and a third once the sync is cancelled.
    Commit(Batch),
    /// Close this connection; the fault says why, and [`PeerFault::close_code`] with which
    /// WebSocket close code. No [`Input::PeerLeft`] is needed.
    Drop(PeerId, PeerFault),
    /// An expensive step is done and more is to do: let the event loop have its turn, then poll
    /// again.
    Yield,
    /// Something to tell the user.
    Event(Event),
}

/// What a user may want to know.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// The peer shook hands and may be asked.
    PeerReady(PeerId),
    /// The peer broke a rule. If the fault is grave, [`Output::Drop`] follows.
    PeerFault(PeerId, PeerFault),
    /// A provider said something else of an account than its own proof shows. The proven value is
    /// used.
    Lie(PeerId, Lie),
    /// Something stored is missing or not what it should be. Healing it starts at once, or after
    /// the sync under way.
    Damaged(Damage),
    /// What was damaged is whole again, or no longer part of the complete state.
    Repaired,
    /// This state was kept besides the complete one and is damaged. It can be read no more.
    Dropped(Box<Complete>),
    /// Nothing is in flight and something is missing. The sync goes on by itself when the reason
    /// goes away.
    Waiting(WaitReason),
    /// The state of the target is complete and durable.
    Done(Box<Report>),
    /// The sync ended because [`Input::Cancel`] asked for it; everything committed stays.
    Cancelled,
    /// The sync ended by an error of ours or of the store. Everything committed stays, and a new
    /// [`Input::Target`] goes on from there.
    Failed(Failure),
}

/// A field of an account of which a provider claimed something else than it proved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lie {
    /// The account's address.
    pub address: [u8; 20],
    /// Which field it is.
    pub field: LieField,
    /// What the provider claimed: a number big-endian, or a hash.
    pub claimed: [u8; 32],
    /// What its proof shows, in the same form.
    pub proven: [u8; 32],
}

/// A field of the answer to `eth_getProof` (EIP-1186).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LieField {
    /// `balance`.
    Balance,
    /// `nonce`.
    Nonce,
    /// `codeHash`.
    CodeHash,
    /// `storageHash`.
    StorageHash,
    /// The value of the slot with this number, 32 bytes big-endian.
    Slot([u8; 32]),
}

impl LieField {
    /// The field's name in the answer: a slot's is `storageProof`.
    pub fn name(&self) -> &'static str {
        match self {
            LieField::Balance => "balance",
            LieField::Nonce => "nonce",
            LieField::CodeHash => "codeHash",
            LieField::StorageHash => "storageHash",
            LieField::Slot(_) => "storageProof",
        }
    }
}

impl Event {
    /// Whether it ends what the caller waits for.
    pub(crate) fn is_end(&self) -> bool {
        matches!(self, Event::Done(_) | Event::Cancelled | Event::Failed(_))
    }
}

/// Why a sync ended without success. It is never a peer's doing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Failure {
    /// The store could not read or write.
    Store(StoreError),
    /// A state under this root cannot be decoded: no honest chain has it.
    BogusRoot(Hash),
    /// The tree in memory contradicts itself: a defect of this library; please report it.
    Tree(TreeError),
    /// Another defect of this library; please report it.
    Defect(&'static str),
}

impl Failure {
    /// Whether nothing but a defect of this library can be the cause. A tree that does not fold may
    /// also be the fault of a root that commits to something else than a state.
    pub(crate) fn is_defect(&self) -> bool {
        match self {
            Failure::Defect(_)
            | Failure::Tree(TreeError::Defect(_) | TreeError::PageTooLong(_)) => true,
            Failure::Store(_) | Failure::BogusRoot(_) | Failure::Tree(_) => false,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Store(error) => error.fmt(f),
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

impl core::error::Error for Failure {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Failure::Store(error) => Some(error),
            Failure::Tree(error) => Some(error),
            Failure::BogusRoot(_) | Failure::Defect(_) => None,
        }
    }
}

flat!(Damage);

impl HeapBytes for Output {
    fn heap_bytes(&self) -> usize {
        match self {
            Output::Send(_, frame) => frame.heap_bytes(),
            Output::Load(_, pages) => pages.heap_bytes(),
            Output::Commit(batch) => batch.heap_bytes(),
            Output::Event(Event::Done(_)) => size_of::<Report>(),
            Output::Event(Event::Dropped(_)) => size_of::<Complete>(),
            // At most a few words, and seldom.
            Output::Drop(..) | Output::Yield | Output::Event(_) | Output::Call(..) => 0,
        }
    }
}
