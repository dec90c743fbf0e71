//! The one table of requests in flight. Every request ends in exactly one way: answered, timed out,
//! or cancelled because its peer left or the target changed. That end hands what was asked for back
//! to the caller.

use super::ids::{Millis, PeerId};
use super::want::{RequestKind, Want};
use crate::hash::Hash;
use crate::heap::{HeapBytes, owns};
use crate::wire::{Message, Request};

/// Ids of ended requests that are remembered, so that a late answer is told from one that nobody
/// asked for. More than 64 peers with 2 requests of each of 5
/// kinds have in flight.
const MAX_ENDED: usize = 1024;
/// Bytes that an answer may have above twice the soft limit: room for one code of 24 KiB (EIP-170)
/// and two full proofs.
const ANSWER_SLACK: u64 = 256 * 1024;

/// Requests in flight. Bound: peers x kinds x requests per kind.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    /// By id, ascending.
    open: Vec<(u64, PendingRequest)>,
    /// Recently ended without an answer. Bound: [`MAX_ENDED`].
    ended: Vec<(u64, PeerId)>,
    last_id: u64,
}

/// One request in flight. It is judged by what it asked for, never by today's target.
#[derive(Debug)]
pub(crate) struct PendingRequest {
    pub(crate) peer: PeerId,
    pub(crate) subject: Subject,
    /// The soft limit of the answer's bytes.
    pub(crate) bytes: u64,
    pub(crate) sent: Millis,
    pub(crate) deadline: Millis,
}

/// What a request asks for.
#[derive(Debug)]
pub(crate) enum Subject {
    /// The header of the block with this hash. It is the engine's.
    Header(Hash),
    /// A piece of a state. It is the job's.
    State(StateRequest),
}

/// A request for a piece of a state.
#[derive(Debug)]
pub(crate) struct StateRequest {
    /// The state root that it names.
    pub(crate) root: Hash,
    pub(crate) want: Want,
    /// The job's round when it was made.
    pub(crate) round: u32,
    /// Round trips until it is answered, including those that had to come before it.
    pub(crate) trip: u64,
}

impl Subject {
    pub(crate) fn kind(&self) -> RequestKind {
        match self {
            Subject::Header(_) => RequestKind::Headers,
            Subject::State(state) => state.want.kind(),
        }
    }

    /// The message that answers it.
    pub(crate) fn answer(&self) -> Message {
        self.kind().answer()
    }

    /// The request that asks for it, for about `bytes` bytes.
    pub(crate) fn request(&self, bytes: u64) -> Request {
        match self {
            Subject::Header(hash) => Request::Header(*hash),
            Subject::State(state) => state.want.request(state.root, bytes),
        }
    }

    fn as_state(&self) -> Option<&StateRequest> {
        match self {
            Subject::Header(_) => None,
            Subject::State(state) => Some(state),
        }
    }
}

impl PendingRequest {
    /// Bytes of content above which an answer is more than was asked for. Servers count the soft
    /// limit in their own way and may exceed it by one item: twice of it is beyond any of them.
    pub(crate) fn most_bytes(&self) -> u64 {
        self.bytes * 2 + ANSWER_SLACK
    }

    /// First and last key, if it asks for a range of accounts.
    pub(crate) fn account_range(&self) -> Option<(Hash, Hash)> {
        self.subject.as_state()?.want.account_range()
    }
}

/// An answer that matched its request, and waits for verification.
#[derive(Debug)]
pub(crate) struct Arrived {
    pub(crate) request: PendingRequest,
    pub(crate) at: Millis,
    frame: AnswerFrame,
}

/// An answer's frame, which is not copied.
#[derive(Debug)]
pub(crate) struct AnswerFrame {
    bytes: Vec<u8>,
    /// Where in it the message starts, behind its id.
    start: usize,
}

impl AnswerFrame {
    /// `length`: how many of the last bytes are the message.
    pub(crate) fn new(bytes: Vec<u8>, length: usize) -> AnswerFrame {
        let start = bytes.len().saturating_sub(length);
        AnswerFrame { bytes, start }
    }

    /// The message without its id.
    pub(crate) fn payload(&self) -> &[u8] {
        debug_assert!(self.start <= self.bytes.len());
        self.bytes.get(self.start..).unwrap_or_default()
    }
}

impl Arrived {
    pub(crate) fn new(request: PendingRequest, frame: AnswerFrame, at: Millis) -> Arrived {
        Arrived { request, at, frame }
    }

    /// The message without its id.
    pub(crate) fn payload(&self) -> &[u8] {
        self.frame.payload()
    }

    pub(crate) fn into_parts(self) -> (PendingRequest, AnswerFrame) {
        (self.request, self.frame)
    }
}

/// What an answer's id says.
#[derive(Debug)]
pub(crate) enum Match {
    /// The request it answers, taken out of the table.
    Open(Box<PendingRequest>),
    /// It was asked, but its time was over.
    Late,
    /// Nobody asked this peer.
    Unknown,
}

impl Requests {
    /// Enters a request and returns its id, which is never used again.
    pub(crate) fn open(&mut self, request: PendingRequest) -> u64 {
        self.last_id += 1;
        self.open.push((self.last_id, request));
        self.last_id
    }

    /// Finds what an answer from `peer` answers. A peer cannot end another peer's request.
    pub(crate) fn answer(&mut self, id: u64, peer: PeerId) -> Match {
        let open = self
            .open
            .iter()
            .position(|(open, request)| *open == id && request.peer == peer);
        if let Some(index) = open {
            return Match::Open(Box::new(self.open.remove(index).1));
        }
        match self.ended.iter().position(|ended| *ended == (id, peer)) {
            Some(index) => {
                self.ended.remove(index);
                Match::Late
            }
            None => Match::Unknown,
        }
    }

    /// Takes out what is over its deadline.
    pub(crate) fn expire(&mut self, now: Millis) -> Vec<PendingRequest> {
        self.end_where(|request| request.deadline <= now)
    }

    /// Takes out what a peer that left was asked for.
    pub(crate) fn peer_left(&mut self, peer: PeerId) -> Vec<PendingRequest> {
        self.end_where(|request| request.peer == peer)
    }

    /// Takes out everything.
    pub(crate) fn cancel_all(&mut self) -> Vec<PendingRequest> {
        self.end_where(|_| true)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.open.len()
    }

    /// Whether anything is asked for in this round of the job.
    pub(crate) fn awaits(&self, round: u32) -> bool {
        let mut states = self
            .open
            .iter()
            .filter_map(|(_, request)| request.subject.as_state());
        states.any(|state| state.round == round)
    }

    /// First and last keys of the account ranges asked for.
    pub(crate) fn account_ranges(&self) -> impl Iterator<Item = (Hash, Hash)> + '_ {
        self.open
            .iter()
            .filter_map(|(_, request)| request.account_range())
    }

    /// Bytes asked for and not yet answered.
    pub(crate) fn bytes_asked(&self) -> u64 {
        self.open.iter().map(|(_, request)| request.bytes).sum()
    }

    pub(crate) fn next_deadline(&self) -> Option<Millis> {
        self.open.iter().map(|(_, request)| request.deadline).min()
    }

    fn end_where(&mut self, is_over: impl Fn(&PendingRequest) -> bool) -> Vec<PendingRequest> {
        let mut over = Vec::new();
        for (id, request) in self.open.extract_if(.., |(_, request)| is_over(request)) {
            if self.ended.len() == MAX_ENDED {
                self.ended.remove(0);
            }
            self.ended.push((id, request.peer));
            over.push(request);
        }
        over
    }
}

impl HeapBytes for Subject {
    fn heap_bytes(&self) -> usize {
        self.as_state().map_or(0, |state| state.want.heap_bytes())
    }
}

owns! {
    PendingRequest: subject;
    AnswerFrame: bytes;
    Arrived: frame, request;
    Requests: open, ended;
}
