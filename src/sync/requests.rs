//! The one table of open requests. Every request ends in exactly one way: it is answered, or its
//! peer leaves. A request that is late, or whose sync was cancelled, stays in the table: the peer
//! is still at work on it, and its answer is used if it proves something that is wanted.

use super::ids::{Millis, PeerId};
use super::peer::Timing;
use super::peers::Received;
use super::throughput::Delivery;
use super::want::{RequestKind, Want};
use crate::hash::Hash;
use crate::heap::{HeapBytes, owns};
use crate::trie::node::MAX_NODE;
use crate::wire::rpc::{BlockRef, Reply};
use crate::wire::{Answer, HEAD, MAX_FRAME, Message, PeerFault, Request};

/// Ids of answered requests that are remembered, so that an answer that comes twice is told from
/// one that nobody asked for: as many as 16 peers have open for single keys, and 64 for ranges.
const MAX_ENDED: usize = 1024;
/// A smallest request that is open for so long shows that its peer stalls, if others answer
/// meanwhile: go-ethereum's longest timeout.
const STALL_MS: u64 = 60_000;
/// How much longer an answer may take because somebody computes. Chosen without a measurement.
const NOISE_MS: u64 = 20;
/// The time for a request that is late is extended by this, while nobody else is there to do it.
const EXTENSION_MS: u64 = 5_000;
/// A call that takes longer than usual, and that nobody else can make now, is looked at again after
/// this.
const HEDGE_MS: u64 = 300;
/// Bytes that an answer may have above twice the soft limit: room for two full proofs. The last code
/// or node does not count.
const ANSWER_SLACK: u64 = 256 * 1024;
/// Where servers end an answer of node data, in bytes (`docs/websocket-peers.md`, section 6.7): the
/// request cannot name a limit of its own.
const NODE_DATA_LIMIT: u64 = 2 * 1024 * 1024;

/// Open requests. Bound: peers times requests open at a peer.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    /// By id, ascending.
    open: Vec<(u64, PendingRequest)>,
    /// Answered recently. Bound: [`MAX_ENDED`].
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
    /// The bytes that it is likely to have.
    pub(crate) expected: u64,
    pub(crate) sent: Millis,
    /// When it is late, and when that is looked at again.
    pub(crate) deadline: Millis,
    /// What was received when it was sent; `None` once the page was away.
    pub(crate) received: Option<Received>,
    /// Whether its work has gone back to where it came from.
    pub(crate) is_late: bool,
    /// Whether it is a call of a provider.
    pub(crate) is_call: bool,
}

/// What a request asks for.
#[derive(Clone, Debug)]
pub(crate) enum Subject {
    /// The header of the block with this hash. It is the engine's.
    Header(Hash),
    /// A piece of a state. It is the job's.
    State(StateRequest),
}

/// A request for a piece of a state.
#[derive(Clone, Debug)]
pub(crate) struct StateRequest {
    /// The state root that it names.
    pub(crate) root: Hash,
    pub(crate) want: Want,
    /// The job's round when it was made.
    pub(crate) round: u32,
    /// Round trips until it is answered, including those that had to come before it.
    pub(crate) trip: u64,
    /// The block after which the state has this root, if it is known: providers are asked by it.
    pub(crate) block: Option<Hash>,
}

impl Subject {
    pub(crate) fn kind(&self) -> RequestKind {
        match self {
            Subject::Header(_) => RequestKind::Headers,
            Subject::State(state) => state.want.kind(),
        }
    }

    /// The bytes that an answer is likely to have: see [`Want::expected`].
    pub(crate) fn expected(&self, bytes: u64, span: u64) -> u64 {
        match self {
            Subject::Header(_) => bytes,
            Subject::State(state) => state.want.expected(bytes, span),
        }
    }

    /// The request that asks for it, for about `bytes` bytes.
    pub(crate) fn request(&self, bytes: u64) -> Request {
        match self {
            Subject::Header(hash) => Request::Header(*hash),
            Subject::State(state) => match state.want.request(state.root, bytes) {
                Request::Call(call) => Request::Call(call.at(match state.block {
                    Some(block) => BlockRef::Hash(block),
                    None => BlockRef::Latest,
                })),
                request => request,
            },
        }
    }

    /// The root or block that it is about.
    pub(crate) fn root(&self) -> Hash {
        match self {
            Subject::Header(block) => *block,
            Subject::State(state) => state.root,
        }
    }

    /// How many slots a call for it names.
    pub(crate) fn slots(&self) -> usize {
        match self.as_state().map(|state| &state.want) {
            Some(Want::Proof { slots, .. }) => slots.len(),
            _ => 0,
        }
    }

    /// Whether it asks for a code, which may be of any size.
    pub(crate) fn asks_for_codes(&self) -> bool {
        let want = self.as_state().map(|state| &state.want);
        match want {
            Some(Want::Codes(_)) => true,
            Some(Want::NodeData { codes, .. }) => !codes.is_empty(),
            _ => false,
        }
    }

    fn as_state(&self) -> Option<&StateRequest> {
        match self {
            Subject::Header(_) => None,
            Subject::State(state) => Some(state),
        }
    }

    /// The piece of a state that it asks for.
    pub(crate) fn as_state_mut(&mut self) -> Option<&mut StateRequest> {
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
        let most = match self.subject.kind() {
            RequestKind::NodeData => NODE_DATA_LIMIT,
            _ => self.bytes * 2,
        };
        most + ANSWER_SLACK
    }

    /// Bytes of a frame that may answer it: the last item, which cannot be split, comes on top.
    pub(crate) fn most_frame(&self) -> usize {
        let item = match self.subject.asks_for_codes() {
            true => MAX_FRAME,
            false => MAX_NODE,
        };
        let content = usize::try_from(self.most_bytes()).unwrap_or(MAX_FRAME);
        content.saturating_add(item + HEAD).min(MAX_FRAME)
    }
}

/// An answer that matched its request, and waits for verification.
#[derive(Debug)]
pub(crate) struct Arrived {
    pub(crate) request: PendingRequest,
    pub(crate) timing: Timing,
    content: Content,
}

/// What an answer came as.
#[derive(Debug)]
pub(crate) enum Content {
    /// A message of a peer.
    Frame(AnswerFrame),
    /// The reply to a call of a provider.
    Reply(Reply),
}

impl Content {
    /// Its bytes without message ids, and without what is not proven.
    pub(crate) fn len(&self) -> usize {
        match self {
            Content::Frame(frame) => frame.payload().len(),
            Content::Reply(reply) => reply.bytes(),
        }
    }
}

/// An answer's frame, which is not copied.
#[derive(Debug)]
pub(crate) struct AnswerFrame {
    bytes: Vec<u8>,
    /// Where in it the message starts, behind its id.
    start: usize,
}

impl AnswerFrame {
    /// Of a frame with this answer, which may have so many bytes that could be left out.
    ///
    /// # Errors
    /// [`PeerFault::Malformed`], [`PeerFault::TooMuch`].
    pub(crate) fn of(bytes: Vec<u8>, message: Message, most: u64) -> Result<Self, PeerFault> {
        let payload = Answer::payload_of(&bytes)?;
        if Answer::split(payload)?.splittable_bytes(message)? as u64 > most {
            return Err(PeerFault::TooMuch);
        }
        let start = bytes.len() - payload.len();
        Ok(AnswerFrame { bytes, start })
    }

    /// The message without its id.
    pub(crate) fn payload(&self) -> &[u8] {
        debug_assert!(self.start <= self.bytes.len());
        self.bytes.get(self.start..).unwrap_or_default()
    }
}

impl Arrived {
    /// `received`: bytes received by now from its peer and from all, this frame included.
    pub(crate) fn new(
        request: PendingRequest,
        content: Content,
        now: Millis,
        received: (u64, u64),
    ) -> Arrived {
        let elapsed_ms = now.since(request.sent);
        let deliveries = request.received.map(|before| {
            // What takes much longer than the quickest answer has waited behind others. What was
            // asked for shows nothing: there may be little of it.
            let was_busy = elapsed_ms >= 2 * before.least_trip_ms + NOISE_MS;
            let brought = |bytes| Delivery {
                bytes,
                elapsed_ms,
                was_busy,
            };
            let (from_peer, from_all) = received;
            (
                brought(from_peer.saturating_sub(before.from_peer)),
                brought(from_all.saturating_sub(before.from_all)),
            )
        });
        let timing = Timing {
            elapsed_ms,
            asked: request.bytes,
            bytes: content.len(),
            deliveries,
        };
        Arrived {
            request,
            timing,
            content,
        }
    }

    /// Bytes of its content.
    pub(crate) fn bytes(&self) -> usize {
        self.content.len()
    }

    pub(crate) fn into_parts(self) -> (PendingRequest, Timing, Content) {
        (self.request, self.timing, self.content)
    }
}

/// What an answer's id says.
#[derive(Debug)]
pub(crate) enum Match {
    /// The request it answers, taken out of the table.
    Open(Box<PendingRequest>),
    /// It has been answered before.
    Again,
    /// Nobody asked this peer.
    Unknown,
}

/// What becomes of a request whose time is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Overdue {
    /// Somebody else can do its work, which goes back.
    Late,
    /// Nobody else can: it is waited for.
    Waited,
    /// It was late before and is still open.
    Stalled,
}

/// A request whose time is over. It stays open.
#[derive(Debug)]
pub(crate) struct Expired {
    pub(crate) what: Overdue,
    pub(crate) peer: PeerId,
    pub(crate) sent: Millis,
    pub(crate) bytes: u64,
    pub(crate) expected: u64,
    pub(crate) is_call: bool,
    pub(crate) subject: Subject,
}

impl Requests {
    /// Enters a request and returns its id, which is never used again.
    pub(crate) fn open(&mut self, request: PendingRequest) -> u64 {
        self.last_id += 1;
        self.open.push((self.last_id, request));
        self.last_id
    }

    /// The open request that an answer from `peer` with this id answers.
    pub(crate) fn awaited(&self, id: u64, peer: PeerId) -> Option<&PendingRequest> {
        let mut open = self.open.iter();
        let found = open.find(|(open, request)| *open == id && request.peer == peer);
        found.map(|(_, request)| request)
    }

    /// Finds what an answer from `peer` answers. A peer cannot end another peer's request.
    pub(crate) fn answer(&mut self, id: u64, peer: PeerId) -> Match {
        let open = self
            .open
            .iter()
            .position(|(open, request)| *open == id && request.peer == peer);
        if let Some(index) = open {
            if self.ended.len() == MAX_ENDED {
                self.ended.remove(0);
            }
            self.ended.push((id, peer));
            return Match::Open(Box::new(self.open.remove(index).1));
        }
        match self.ended.contains(&(id, peer)) {
            true => Match::Again,
            false => Match::Unknown,
        }
    }

    /// Looks at the requests whose time is over. `can_replace` says whether somebody else can do
    /// what a peer was asked for.
    pub(crate) fn expire(
        &mut self,
        now: Millis,
        can_replace: impl Fn(&PendingRequest) -> bool,
    ) -> Vec<Expired> {
        let mut expired = Vec::new();
        for (_, request) in &mut self.open {
            if now < request.deadline {
                continue;
            }
            let what = if request.is_late {
                request.deadline = now.after(STALL_MS);
                Overdue::Stalled
            } else if can_replace(request) {
                request.is_late = true;
                request.deadline = request.sent.after(STALL_MS).max(now.after(EXTENSION_MS));
                Overdue::Late
            } else if request.is_call && now.since(request.sent) < EXTENSION_MS {
                // Somebody else may have room for it by then.
                request.deadline = now.after(HEDGE_MS);
                continue;
            } else {
                request.deadline = now.after(EXTENSION_MS);
                Overdue::Waited
            };
            expired.push(Expired {
                what,
                peer: request.peer,
                sent: request.sent,
                bytes: request.bytes,
                expected: request.expected,
                is_call: request.is_call,
                subject: request.subject.clone(),
            });
        }
        expired
    }

    /// The page was away: nothing can be learned from the time that open requests take.
    pub(crate) fn disturb(&mut self) {
        for (_, request) in &mut self.open {
            request.received = None;
        }
    }

    /// Takes out what a peer that left was asked for.
    pub(crate) fn peer_left(&mut self, peer: PeerId) -> Vec<PendingRequest> {
        let left = self
            .open
            .extract_if(.., |(_, request)| request.peer == peer);
        left.map(|(_, request)| request).collect()
    }

    /// Whether nothing is asked for, late requests aside.
    pub(crate) fn is_idle(&self) -> bool {
        self.in_time().next().is_none()
    }

    /// Whether no request is open, late ones included.
    pub(crate) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// How many are open, late ones aside.
    pub(crate) fn len(&self) -> usize {
        self.in_time().count()
    }

    /// The requests that are not late.
    pub(crate) fn in_time(&self) -> impl Iterator<Item = &PendingRequest> {
        let open = self.open.iter().map(|(_, request)| request);
        open.filter(|request| !request.is_late)
    }

    /// Whether no answer can be queued before that of a request which was sent to this peer then:
    /// it is the oldest one, or the oldest one is open for twice as long as that of a peer that
    /// stalls.
    pub(crate) fn is_first_in_line(&self, peer: PeerId, sent: Millis, now: Millis) -> bool {
        let mut own = self.open.iter().filter(|(_, request)| request.peer == peer);
        own.next()
            .is_none_or(|(_, first)| first.sent >= sent || now.since(first.sent) >= 2 * STALL_MS)
    }

    /// Whether anything is asked for in this round of the job.
    pub(crate) fn awaits(&self, round: u32) -> bool {
        let mut states = self
            .in_time()
            .filter_map(|request| request.subject.as_state());
        states.any(|state| state.round == round)
    }

    /// What is asked for in states, late requests aside.
    pub(crate) fn states_mut(&mut self) -> impl Iterator<Item = &mut StateRequest> {
        let open = self.open.iter_mut().map(|(_, request)| request);
        let in_time = open.filter(|request| !request.is_late);
        in_time.filter_map(|request| request.subject.as_state_mut())
    }

    /// Bytes that are likely to come, without those of late requests.
    pub(crate) fn bytes_expected(&self) -> u64 {
        self.in_time().map(|request| request.expected).sum()
    }

    pub(crate) fn next_deadline(&self) -> Option<Millis> {
        self.open.iter().map(|(_, request)| request.deadline).min()
    }
}

impl HeapBytes for Content {
    fn heap_bytes(&self) -> usize {
        match self {
            Content::Frame(frame) => frame.heap_bytes(),
            Content::Reply(reply) => reply.heap_bytes(),
        }
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
    Arrived: content, request;
    Requests: open, ended;
}
