//! The one table of requests in flight. Every request ends in exactly one way: answered, timed out, or called off
//! because its peer left or the target changed; that end hands its want back to the caller.

use super::want::{RequestKind, Want};
use super::{Millis, PeerId};
use crate::hash::Hash;
use crate::heap::owns;

/// Ids of ended requests that are remembered, so that a late answer is told from one that nobody asked for.
const MAX_ENDED: usize = 1024;
/// Room for one code or two full proofs behind the soft limit, in bytes.
const LARGEST_ITEM: u64 = 256 * 1024;

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
    pub(crate) root: Hash,
    pub(crate) want: Want,
    pub(crate) bytes: u64,
    /// The job's round when it was made.
    pub(crate) round: u32,
    /// Round trips until it is answered, those that had to come before it included.
    pub(crate) trip: u64,
    pub(crate) sent: Millis,
    pub(crate) deadline: Millis,
}

impl PendingRequest {
    /// Bytes of content above which an answer is more than was asked for: servers may exceed the soft limit by one
    /// item, and proofs come on top.
    pub(crate) fn most_bytes(&self) -> u64 {
        self.bytes * 2 + LARGEST_ITEM
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
        let mut open = self.open.iter();
        open.any(|(_, request)| {
            request.round == round && request.want.kind() != RequestKind::Headers
        })
    }

    /// First and last keys of the account ranges asked for.
    pub(crate) fn spans(&self) -> impl Iterator<Item = (Hash, Hash)> + '_ {
        self.open
            .iter()
            .filter_map(|(_, request)| request.want.span())
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

owns! {
    PendingRequest: want;
    Requests: open, ended;
}
