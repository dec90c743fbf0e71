//! One connection: what it is asked, how fast it answers, and what it delivered.

mod allowance;
mod asking;
mod called;
mod provider;

pub(super) use asking::{MIN_REQUEST, Rank};
pub(crate) use provider::{FailedCall, Provider};

use self::allowance::{Allowance, IGNORED_PER_SECOND, UNASKED_PER_SECOND, cost_of_ignored};
use crate::hash::Hash;
use crate::heap::HeapBytes;
use crate::state::Network;
use crate::sync::ids::{Millis, PeerId};
use crate::sync::progress::PeerProgress;
use crate::sync::throughput::{Delivery, Throughput, smoothed};
use crate::sync::want::RequestKind;
use crate::wire::{Beginning, By, Head, Offsets, PeerFault, Session, SessionEvent};

/// Time for Hello and Status together, the protocol's (`docs/websocket-peers.md`, section 3), while
/// no answers are on their way. Nodes allow each other 5 seconds for each; here both may be queued
/// behind the answers of other peers on a slow line, and then the time is that for a Pong.
const HANDSHAKE_MS: u64 = 30_000;
/// Silence after which a Ping is sent, and time to answer it while nothing is asked for:
/// go-ethereum's ping interval.
const PING_MS: u64 = 15_000;
/// Time to answer a Ping while answers are on their way. A WebSocket shows no half frames, and the
/// Pong is queued behind them: a bytecode of a megabyte takes half a minute at 30 kB/s. With the
/// silence before the Ping, these are two minutes.
const BUSY_PING_MS: u64 = 105_000;
/// A peer that has refused is asked again after this: a node has a block some hundred milliseconds
/// after a light client has heard of it.
const FIRST_REFUSAL_MS: u64 = 250;
/// Each refusal in a row lasts twice as long as the one before, up to this: a peer that lacks
/// something for good is asked six times in the first ten seconds, and then seven times a minute.
const LONGEST_REFUSAL_MS: u64 = 8_000;
/// A peer that was late is tried again with a smallest request after this, each time in a row after
/// twice as long. Chosen without a measurement: stalls of mobile networks last some seconds.
const FIRST_PROBE_MS: u64 = 5_000;
const LONGEST_PROBE_MS: u64 = 60_000;

/// An answer is short if it has less than this share of the bytes that were asked for although
/// there was more.
const SHORT_SHARE: u64 = 8;
/// Answers without anything, one after another, that show that a peer does not have the state any
/// more, and lacks not only single items. Chosen without a measurement.
const MAX_EMPTY: u32 = 3;
/// Answers that may come twice, whatever else comes (`docs/websocket-peers.md`, section 7).
const MAX_REPEATED: u64 = 8;
/// Above that, one of so many answers may.
const REPEATED_SHARE: u64 = 4;
/// Short answers in a row after which a peer has to wait as after a refusal, while others do not.
/// One may be an accident.
const MAX_SHORT: u32 = 2;

/// The pause of a refusal after one of this length; 0 if there was none.
pub(in crate::sync) fn longer_pause(last_ms: u64) -> u64 {
    (2 * last_ms).clamp(FIRST_REFUSAL_MS, LONGEST_REFUSAL_MS)
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Peer {
    link: Link,
    joined: Millis,
    heard: Millis,
    pinged: Option<Millis>,
    /// Its open requests, late ones included.
    open: Open,
    /// Those of them that are late.
    late: Open,
    refused: [Option<Refusal>; RequestKind::COUNT],
    /// What the connection carries.
    line: Throughput,
    /// What it carries while this kind of request is served, and how long one takes.
    kinds: [Served; RequestKind::COUNT],
    /// The shortest time that an answer took, the handshake's included; 0 before that.
    least_trip_ms: u64,
    /// Whether it has taken longer than its line needs, and proven nothing since.
    is_slow: bool,
    /// Requests in a row that were late.
    strikes: u32,
    /// When it may be tried again after a strike.
    probe_at: Millis,
    /// Short answers in a row.
    short: u32,
    /// Until when it waits because of them.
    short_until: Millis,
    /// When its last answer was proven.
    proved_at: Option<Millis>,
    /// The root under which that was.
    proved_root: Option<Hash>,
    /// Answers in a row in which it had nothing, although it has the state.
    empty: u32,
    /// Whether it has refused the nodes of a state of which it has proven a single key, and never
    /// served any by their paths: it may speak a version of snap without them.
    lacks_paths: bool,
    /// Answers that came twice.
    repeated: u64,
    /// Small messages that may still come unasked.
    unasked: Allowance,
    /// Bytes that may still come to be ignored.
    ignored: Allowance,
    delivered: Delivered,
}

/// How it is talked to.
#[derive(Debug)]
enum Link {
    /// By frames.
    Devp2p(Session),
    /// By calls.
    Rpc(Box<Provider>),
}

/// How many requests, and how many bytes they are likely to bring.
#[derive(Clone, Copy, Debug, Default)]
struct Open {
    count: usize,
    bytes: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Served {
    rate: Throughput,
    /// Smoothed, 0 before the first answer.
    round_trip_ms: u64,
}

/// Totals of what a peer delivered and what was proven of it.
#[derive(Clone, Copy, Debug, Default)]
struct Delivered {
    answers: u64,
    bytes: u64,
    proven: Gain,
}

/// What an answer brought.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Gain {
    pub(crate) accounts: u64,
    pub(crate) slots: u64,
    pub(crate) codes: u64,
    /// Bytes of what was proven and is part of what was asked for, without proofs.
    pub(crate) bytes: u64,
    /// Whether the answer stopped before its end and before its limit of bytes.
    pub(crate) is_cut: bool,
}

/// How long an answer took, and what came meanwhile.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timing {
    /// Milliseconds from the request to its answer.
    pub(crate) elapsed_ms: u64,
    /// Soft limit of the request.
    pub(crate) asked: u64,
    /// Bytes of the answer's payload.
    pub(crate) bytes: usize,
    /// What this peer's connection brought meanwhile, and what all brought together; `None` if the
    /// page was away in between.
    pub(crate) deliveries: Option<(Delivery, Delivery)>,
}

/// The peer said "I do not have that", which is no fault. It stands until the peer proves that it
/// has some of it, or the target moves. A new head ends the pause.
#[derive(Clone, Copy, Debug)]
struct Refusal {
    root: Hash,
    /// The length of this pause. The next one is twice as long. 0 after a new head.
    lasts_ms: u64,
    /// When it may be asked again; `None` if it may be now.
    until: Option<Millis>,
}

/// Talking.
impl Peer {
    /// `outside`: the driver's time.
    pub(in crate::sync) fn new(by: By, now: Millis, outside: Millis) -> Peer {
        Peer {
            link: match by {
                By::Rpc => Link::Rpc(Box::default()),
                By::Snap | By::Hash => Link::Devp2p(Session::new(by)),
            },
            joined: now,
            heard: now,
            pinged: None,
            open: Open::default(),
            late: Open::default(),
            refused: Default::default(),
            line: Throughput::default(),
            kinds: Default::default(),
            least_trip_ms: 0,
            is_slow: false,
            strikes: 0,
            probe_at: now,
            short: 0,
            short_until: now,
            proved_at: None,
            proved_root: None,
            empty: 0,
            lacks_paths: false,
            repeated: 0,
            unasked: Allowance::new(UNASKED_PER_SECOND, now, outside),
            ignored: Allowance::new(IGNORED_PER_SECOND, now, outside),
            delivered: Delivered::default(),
        }
    }

    /// How it is asked.
    pub(in crate::sync) fn by(&self) -> By {
        match &self.link {
            Link::Devp2p(session) => session.by(),
            Link::Rpc(_) => By::Rpc,
        }
    }

    pub(in crate::sync) fn is_ready(&self) -> bool {
        match &self.link {
            Link::Devp2p(session) => session.is_ready(),
            Link::Rpc(provider) => provider.is_ready(),
        }
    }

    pub(in crate::sync) fn offsets(&self) -> Option<Offsets> {
        self.session().and_then(Session::offsets)
    }

    /// Its session, unless it is a provider.
    fn session(&self) -> Option<&Session> {
        match &self.link {
            Link::Devp2p(session) => Some(session),
            Link::Rpc(_) => None,
        }
    }

    /// What is known of a provider; `None` of a peer with frames.
    pub(in crate::sync) fn provider(&self) -> Option<&Provider> {
        match &self.link {
            Link::Devp2p(_) => None,
            Link::Rpc(provider) => Some(provider),
        }
    }

    pub(in crate::sync) fn provider_mut(&mut self) -> Option<&mut Provider> {
        match &mut self.link {
            Link::Devp2p(_) => None,
            Link::Rpc(provider) => Some(provider),
        }
    }

    /// What a frame is, by its length and its beginning. `None` of a provider, which has no frames.
    pub(crate) fn judge(&self, length: usize, head: &[u8]) -> Option<Result<Beginning, PeerFault>> {
        Some(self.session()?.judge(length, head))
    }

    /// Notes that a frame of so many bytes came.
    pub(crate) fn heard(&mut self, now: Millis, length: usize) {
        self.heard = now;
        self.pinged = None;
        self.delivered.bytes += length as u64;
    }

    /// Counts a frame that nobody asked for. `outside`: the driver's time.
    pub(crate) fn count_unasked(
        &mut self,
        (now, outside): (Millis, Millis),
        length: usize,
        beginning: Beginning,
    ) -> Result<(), PeerFault> {
        let is_allowed = match beginning {
            Beginning::Unasked => self.unasked.take(now, outside, 1),
            Beginning::Ignored => self.ignored.take(now, outside, cost_of_ignored(length)),
            _ => true,
        };
        is_allowed.then_some(()).ok_or(PeerFault::Flood)
    }

    /// Takes one frame in. After a new head it may be asked at once for what it lacked. That it has
    /// refused stays known until it proves something, or the user would see nobody refuse.
    pub(crate) fn receive<'a>(
        &mut self,
        now: Millis,
        frame: &'a [u8],
        network: &Network,
    ) -> Result<SessionEvent<'a>, PeerFault> {
        let Link::Devp2p(session) = &mut self.link else {
            debug_assert!(false, "a provider has no frames");
            return Ok(SessionEvent::None);
        };
        let head = session.head();
        let received = session.receive(frame, network);
        if session.head() != head {
            for refusal in self.refused.iter_mut().flatten() {
                refusal.until = None;
                refusal.lasts_ms = 0;
            }
        }
        if self.least_trip_ms == 0 && session.is_ready() {
            // Its Status answers our Hello.
            self.least_trip_ms = now.since(self.joined).max(1);
        }
        received
    }

    /// The newest block that it says it has.
    pub(crate) fn head(&self) -> Option<Head> {
        self.session().and_then(Session::head)
    }

    pub(in crate::sync) fn least_trip_ms(&self) -> u64 {
        self.least_trip_ms
    }

    /// Bytes of all frames that it sent.
    pub(in crate::sync) fn received(&self) -> u64 {
        self.delivered.bytes
    }

    /// When something is overdue. `is_busy`: answers of any peer are on their way; `busy_at`: when
    /// they last were. `None` for a provider whose chain is known.
    pub(in crate::sync) fn deadline(&self, is_busy: bool, busy_at: Millis) -> Option<Millis> {
        let Link::Devp2p(session) = &self.link else {
            return self.provider().and_then(Provider::deadline);
        };
        Some(match (session.is_ready(), self.pinged) {
            (false, _) if is_busy => self.joined.after(PING_MS + BUSY_PING_MS),
            (false, _) => self.joined.max(busy_at).after(HANDSHAKE_MS),
            (true, Some(pinged)) if is_busy => pinged.after(BUSY_PING_MS),
            (true, Some(pinged)) => pinged.max(busy_at).after(PING_MS),
            (true, None) => self.heard.after(PING_MS),
        })
    }

    /// What is overdue: a fault, or a Ping that is to be sent now; of a provider the question for
    /// its chain.
    pub(in crate::sync) fn overdue(&mut self, now: Millis) -> Option<PeerFault> {
        let session = match &mut self.link {
            Link::Devp2p(session) => session,
            Link::Rpc(provider) => {
                provider.chain_asked(now);
                return None;
            }
        };
        match (session.is_ready(), self.pinged) {
            (false, _) => Some(PeerFault::HandshakeTimeout),
            (true, Some(_)) => Some(PeerFault::PingTimeout),
            (true, None) => {
                self.pinged = Some(now);
                None
            }
        }
    }

    pub(in crate::sync) fn progress(&self, id: PeerId, root: Option<&Hash>) -> PeerProgress {
        let trips = self.kinds.iter().map(|served| served.round_trip_ms);
        PeerProgress {
            peer: id,
            client: self.session().map_or("", Session::client).to_owned(),
            head: self.head(),
            ready: self.is_ready(),
            refused: root.is_some_and(|root| self.has_refused(root)),
            in_flight: self.open.count,
            answers: self.delivered.answers,
            bytes: self.delivered.bytes,
            accounts: self.delivered.proven.accounts,
            slots: self.delivered.proven.slots,
            codes: self.delivered.proven.codes,
            strikes: self.strikes + self.provider().map_or(0, Provider::marks),
            round_trip_ms: trips.max().unwrap_or(0),
            bytes_per_second: self.line.per_second(),
        }
    }
}

/// Judging.
impl Peer {
    /// It does not have what it was asked for: it is not asked for this kind and root for a while,
    /// longer each time.
    pub(crate) fn refused(&mut self, kind: RequestKind, root: Hash, now: Millis) {
        let last = self.refused[kind.index()].filter(|last| last.root == root);
        let lasts_ms = longer_pause(last.map_or(0, |last| last.lasts_ms));
        self.refused[kind.index()] = Some(Refusal {
            root,
            lasts_ms,
            until: Some(now.after(lasts_ms)),
        });
    }

    /// Whether it has proven something of this state.
    pub(crate) fn has_state(&self, root: &Hash) -> bool {
        self.proved_root == Some(*root)
    }

    /// It had nothing of what it was asked for, which was not known before. Whether it still is
    /// taken to have the state, and to lack only that.
    #[must_use]
    pub(crate) fn lacked(&mut self) -> bool {
        self.empty += 1;
        self.empty <= MAX_EMPTY
    }

    /// An answer came twice. `true` if that has gone on too long.
    pub(crate) fn repeats(&mut self) -> bool {
        self.repeated += 1;
        self.repeated > MAX_REPEATED.max(self.delivered.answers / REPEATED_SHARE)
    }

    /// Forgets its refusals: it may have the data by now.
    pub(in crate::sync) fn clear_refusals(&mut self) {
        self.refused = Default::default();
    }

    /// Pauses that are over.
    pub(in crate::sync) fn end_refusals(&mut self, now: Millis) {
        if let Link::Rpc(provider) = &mut self.link {
            provider.end_pause(now);
        }
        for refusal in self.refused.iter_mut().flatten() {
            refusal.until = refusal.until.filter(|until| now < *until);
        }
    }

    /// Whether it is not to be asked for this kind and root now.
    pub(in crate::sync) fn refuses(&self, kind: RequestKind, root: &Hash, now: Millis) -> bool {
        self.refused[kind.index()].is_some_and(|refusal| {
            refusal.root == *root && refusal.until.is_some_and(|until| now < until)
        })
    }

    /// Whether its last answer about this root was a refusal, even if the pause is over.
    fn has_refused(&self, root: &Hash) -> bool {
        let mut refusals = self.refused.iter().flatten();
        refusals.any(|refusal| refusal.root == *root)
    }

    /// The same for one kind.
    pub(crate) fn has_refused_kind(&self, kind: RequestKind, root: &Hash) -> bool {
        self.refused[kind.index()].is_some_and(|refusal| refusal.root == *root)
    }

    /// Whether it has refused a part of this state that is not a code.
    pub(in crate::sync) fn has_refused_state(&self, root: &Hash) -> bool {
        let kinds = RequestKind::STATE.into_iter();
        let mut kinds = kinds.filter(|kind| *kind != RequestKind::Codes);
        kinds.any(|kind| self.has_refused_kind(kind, root))
    }

    /// Whether it has refused the nodes of this state, or is known to, and never served any by their
    /// paths.
    pub(in crate::sync) fn has_no_paths(&self, root: &Hash) -> bool {
        let has_served = self
            .kinds
            .get(RequestKind::Nodes.index())
            .is_some_and(|served| served.round_trip_ms > 0);
        self.lacks_paths || !has_served && self.has_refused_kind(RequestKind::Nodes, root)
    }

    /// Whether it may be asked for anything of this state now, and does not keep others waiting.
    pub(in crate::sync) fn is_reliable(&self, root: &Hash, now: Millis) -> bool {
        let mut kinds = RequestKind::STATE.into_iter();
        self.is_ready()
            && !self.is_slow
            && !self.is_lagging(now)
            && !kinds.any(|kind| kind != RequestKind::Codes && self.refuses(kind, root, now))
    }

    /// Whether it has to wait because its answers are short.
    pub(in crate::sync) fn is_lagging(&self, now: Millis) -> bool {
        now < self.short_until
    }

    /// A request was late: less is asked of it until it answers.
    pub(in crate::sync) fn late(&mut self, now: Millis) {
        self.slowed();
        self.strikes += 1;
        let pause = FIRST_PROBE_MS << (self.strikes - 1).min(8);
        self.probe_at = now.after(pause.min(LONGEST_PROBE_MS));
    }

    /// It is slower than was thought.
    pub(in crate::sync) fn slowed(&mut self) {
        self.is_slow = true;
        self.line.halve();
        self.kinds.iter_mut().for_each(|served| served.rate.halve());
    }

    /// An answer was proven: it sets the pace and wipes the strikes, and what the peer refused of
    /// this kind before.
    pub(in crate::sync) fn proved(
        &mut self,
        now: Millis,
        (kind, root): (RequestKind, Hash),
        timing: Timing,
        gain: Gain,
    ) {
        self.refused[kind.index()] = None;
        self.lacks_paths = match kind {
            RequestKind::Keys => self.has_no_paths(&root),
            RequestKind::Nodes => false,
            _ => self.lacks_paths,
        };
        if let Link::Rpc(provider) = &mut self.link {
            provider.proved();
        }
        (self.is_slow, self.strikes, self.empty) = (false, 0, 0);
        self.proved_at = Some(now);
        if kind != RequestKind::Headers {
            self.proved_root = Some(root);
        }
        let served = &mut self.kinds[kind.index()];
        if let Some((own, _)) = timing.deliveries {
            self.line.learn(own);
            served.rate.learn(own);
            let elapsed = timing.elapsed_ms.max(1);
            served.round_trip_ms = smoothed(served.round_trip_ms, elapsed);
            self.least_trip_ms = self.least_trip_ms.min(elapsed);
        }
        self.judge_length(now, timing, gain);
        self.delivered.answers += 1;
        let proven = &mut self.delivered.proven;
        proven.accounts += gain.accounts;
        proven.slots += gain.slots;
        proven.codes += gain.codes;
        proven.bytes += gain.bytes;
    }

    /// A peer that answers truly but with next to nothing each time has to wait longer and longer:
    /// each answer costs us a verification.
    fn judge_length(&mut self, now: Millis, timing: Timing, gain: Gain) {
        if !gain.is_cut || gain.bytes * SHORT_SHARE >= timing.asked {
            self.short = 0;
            return;
        }
        self.short += 1;
        if self.short >= MAX_SHORT {
            let pause = FIRST_REFUSAL_MS << (self.short - MAX_SHORT).min(8);
            self.short_until = now.after(pause.min(LONGEST_REFUSAL_MS));
        }
    }

    /// When it may be asked again after a refusal, a strike or short answers.
    pub(in crate::sync) fn next_retry(&self, now: Millis) -> Option<Millis> {
        let refusals = self.refused.iter().flatten();
        let waits = refusals.filter_map(|refusal| refusal.until);
        let probe = (self.strikes > 0).then_some(self.probe_at);
        let short = (self.short > 0).then_some(self.short_until);
        let others = probe.into_iter().chain(short).filter(|at| now < *at);
        let pause = self.provider().and_then(Provider::next_retry);
        waits.chain(others).chain(pause).min()
    }
}

impl HeapBytes for Peer {
    fn heap_bytes(&self) -> usize {
        match &self.link {
            Link::Devp2p(session) => session.client().len(),
            Link::Rpc(_) => size_of::<Provider>(),
        }
    }
}
