//! What happened to the engine last, so that a user's bug can be diagnosed: the kind, the
//! connection and a size of the last inputs and outputs. Nothing in it tells what was asked for or
//! answered.

use super::ids::{Millis, PeerId};
use super::io::{Event, Input, Output};
use super::progress::WaitReason;
use crate::heap::flat;
use crate::wire::rpc::Reply;

/// Entries that are kept: some seconds of a sync at full speed, and minutes of a quiet one, in ten
/// kilobytes. Chosen without a measurement.
pub const JOURNAL_ENTRIES: usize = 512;

/// One input or output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JournalEntry {
    /// When, on the driver's clock.
    pub at: Millis,
    /// What it was: a few words of English.
    pub what: &'static str,
    /// The connection that it is about.
    pub peer: Option<PeerId>,
    /// Bytes of a frame, items of a load, the sequence number of a batch, the version of a scope,
    /// or the close code of a fault; otherwise 0. What does not fit is the greatest `u32`.
    pub amount: u32,
}

/// The last entries, in a ring.
#[derive(Debug, Default)]
pub(super) struct Journal {
    /// Bound: [`JOURNAL_ENTRIES`].
    entries: Vec<JournalEntry>,
    /// Where the oldest one is, once all room is used.
    oldest: usize,
}

impl Journal {
    pub(super) fn note_input(&mut self, at: Millis, input: &Input) {
        let (what, peer, amount) = match input {
            Input::PeerJoined(peer, _) => ("joined", Some(*peer), 0),
            Input::PeerLeft(peer) => ("left", Some(*peer), 0),
            Input::Frame(peer, bytes) => ("frame", Some(*peer), bytes.len() as u64),
            Input::Replied(peer, _, Reply::Failed(_)) => ("no reply", Some(*peer), 0),
            Input::Replied(peer, _, Reply::Malformed(_)) => ("odd reply", Some(*peer), 0),
            Input::Replied(peer, ..) => ("reply", Some(*peer), 0),
            Input::Scope(scope) => ("scope", None, scope.version()),
            Input::Text(peer) => ("text", Some(*peer), 0),
            Input::Unread(peer, bytes, _) => ("frame not read", Some(*peer), *bytes as u64),
            Input::Loaded(_, pages) => ("loaded", None, pages.len() as u64),
            Input::LoadFailed(..) => ("load failed", None, 0),
            Input::Committed(sequence) => ("committed", None, *sequence),
            Input::CommitFailed(sequence, _) => ("commit failed", None, *sequence),
            Input::Target(_) => ("target", None, 0),
            Input::Damaged(_) => ("damage found", None, 0),
            Input::Cancel => ("cancel", None, 0),
            Input::Tick => ("tick", None, 0),
        };
        self.note(at, what, peer, amount);
    }

    /// Notes an output. [`Output::Yield`] is none of interest, and there are too many.
    pub(super) fn note_output(&mut self, at: Millis, output: &Output) {
        let (what, peer, amount) = match output {
            Output::Send(peer, frame) => ("send", Some(*peer), frame.len() as u64),
            Output::Call(peer, ..) => ("call", Some(*peer), 0),
            Output::Load(_, pages) => ("load", None, pages.len() as u64),
            Output::Commit(batch) => ("commit", None, batch.sequence),
            Output::Drop(peer, fault) => ("drop", Some(*peer), fault.close_code().into()),
            Output::Event(Event::PeerReady(peer)) => ("ready", Some(*peer), 0),
            Output::Event(Event::PeerFault(peer, fault)) => {
                ("fault", Some(*peer), fault.close_code().into())
            }
            Output::Event(Event::Lie(peer, _)) => ("lie", Some(*peer), 0),
            Output::Event(Event::Damaged(_)) => ("damaged", None, 0),
            Output::Event(Event::Repaired) => ("repaired", None, 0),
            Output::Event(Event::Dropped(_)) => ("state dropped", None, 0),
            Output::Event(Event::Waiting(reason)) => (waits_for(reason), None, 0),
            Output::Event(Event::Done(_)) => ("done", None, 0),
            Output::Event(Event::Cancelled) => ("cancelled", None, 0),
            Output::Event(Event::Failed(_)) => ("failed", None, 0),
            Output::Yield => return,
        };
        self.note(at, what, peer, amount);
    }

    /// The entries, the oldest first.
    pub(super) fn entries(&self) -> impl Iterator<Item = &JournalEntry> {
        let (newer, older) = self.entries.split_at(self.oldest);
        older.iter().chain(newer)
    }

    fn note(&mut self, at: Millis, what: &'static str, peer: Option<PeerId>, amount: u64) {
        let entry = JournalEntry {
            at,
            what,
            peer,
            amount: u32::try_from(amount).unwrap_or(u32::MAX),
        };
        if self.entries.len() < JOURNAL_ENTRIES {
            self.entries.push(entry);
        } else if let Some(oldest) = self.entries.get_mut(self.oldest) {
            *oldest = entry;
            self.oldest = (self.oldest + 1) % JOURNAL_ENTRIES;
        }
    }
}

fn waits_for(reason: &WaitReason) -> &'static str {
    match reason {
        WaitReason::NoPeers => "waits for peers",
        WaitReason::NoAnswer { .. } => "waits for answers",
        WaitReason::NeedNewRoot { .. } => "waits for a root",
        WaitReason::Unavailable { .. } => "waits for an item",
        WaitReason::BlockUnavailable { .. } => "waits for a block",
    }
}

flat!(JournalEntry);
crate::heap::owns! {
    Journal: entries;
}
