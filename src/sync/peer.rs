//! One connection: what it is asked, how fast it answers, and what it delivered.

use super::ids::{Millis, PeerId};
use super::progress::PeerProgress;
use super::throughput::{Delivery, Throughput};
use super::want::RequestKind;
use crate::hash::Hash;
use crate::heap::HeapBytes;
use crate::state::Network;
use crate::wire::{Head, Offsets, PeerFault, Session, SessionEvent};

/// Most requests open at a peer: servers take at least so many (`docs/websocket-peers.md`, section
/// 6.2).
pub(super) const MAX_OPEN: usize = 16;

/// Time for Hello and Status together, the protocol's (`docs/websocket-peers.md`, section 3). Nodes
/// allow each other 5 seconds for each; here both may be queued behind the answers of other peers on
/// a slow line.
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

/// Bytes of the first request to a peer, of which nothing is known. So little, because many peers
/// may share a slow line; the next request follows the rate of the first answer.
const FIRST_REQUEST: u64 = 8 * 1024;
/// Fewest bytes asked for in one request. go-ethereum's 64 KiB take 20 seconds at 3.5 kB/s; with
/// less than 16 KiB, most of an answer is proof.
pub(super) const MIN_REQUEST: u64 = 16 * 1024;
/// Most bytes asked for in one request, as in go-ethereum.
const MAX_REQUEST: u64 = 512 * 1024;
/// Bytes that may be on their way from a peer while it is only known that it carries something:
/// little on a line of a megabit, and enough for a level of a trie that has changed here and there.
const UNMEASURED_WINDOW: u64 = 128 * 1024;
/// Bytes asked for in one request meanwhile: go-ethereum's fewest.
const UNMEASURED_REQUEST: u64 = 64 * 1024;
/// A request asks for what the peer delivers in this time, a quarter of what may be on its way, or in
/// two round trips if that is more: where each request waits for the answer before, the rate doubles
/// with each. Chosen without a measurement.
const REQUEST_MS: u64 = 250;
/// An answer is short if it has less than this share of the bytes that were asked for although
/// there was more.
const SHORT_SHARE: u64 = 8;
/// A peer of which nothing is known is taken to answer after this, so that it is tried when the
/// others have enough to do. Chosen without a measurement.
const UNKNOWN_MS: u64 = 500;
/// Answers without anything, one after another, that show that a peer does not have the state any
/// more, and lacks not only single items. Chosen without a measurement.
const MAX_EMPTY: u32 = 3;
/// Answers that may come twice, whatever else comes (`docs/websocket-peers.md`, section 7).
const MAX_REPEATED: u64 = 8;
/// Above that, one of so many answers may.
const REPEATED_SHARE: u64 = 4;
/// The share of useful bytes is counted in so many parts.
const USEFUL_PARTS: u64 = 256;
/// Short answers in a row after which a peer has to wait as after a refusal, while others do not.
/// One may be an accident.
const MAX_SHORT: u32 = 2;

/// One connection.
#[derive(Debug)]
pub(crate) struct Peer {
    session: Session,
    joined: Millis,
    heard: Millis,
    pinged: Option<Millis>,
    /// Its open requests, late ones included: how many, and how many bytes they are likely to bring.
    open: [Open; RequestKind::COUNT],
    refused: [Option<Refusal>; RequestKind::COUNT],
    /// What the connection carries.
    line: Throughput,
    /// What it carries while this kind of request is served, and how long one takes.
    kinds: [Served; RequestKind::COUNT],
    /// The shortest time that an answer took, the handshake's included; 0 before that.
    least_trip_ms: u64,
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
    /// Answers that came twice.
    repeated: u64,
    delivered: Delivered,
}

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

/// Its place among peers that may be asked: lower is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    has_refused: bool,
    strikes: u32,
    /// Milliseconds until it would have answered.
    done_ms: u64,
}

/// Talking.
impl Peer {
    pub(super) fn new(now: Millis) -> Peer {
        Peer {
            session: Session::default(),
            joined: now,
            heard: now,
            pinged: None,
            open: Default::default(),
            refused: Default::default(),
            line: Throughput::default(),
            kinds: Default::default(),
            least_trip_ms: 0,
            strikes: 0,
            probe_at: now,
            short: 0,
            short_until: now,
            proved_at: None,
            proved_root: None,
            empty: 0,
            repeated: 0,
            delivered: Delivered::default(),
        }
    }

    pub(super) fn is_ready(&self) -> bool {
        self.session.is_ready()
    }

    pub(super) fn offsets(&self) -> Option<Offsets> {
        self.session.offsets()
    }

    /// Judges one frame. After a new head it may be asked at once for what it lacked. That it has
    /// refused stays known until it proves something, or the user would see nobody refuse.
    pub(crate) fn receive<'a>(
        &mut self,
        now: Millis,
        frame: &'a [u8],
        network: &Network,
    ) -> Result<SessionEvent<'a>, PeerFault> {
        self.heard = now;
        self.pinged = None;
        self.delivered.bytes += frame.len() as u64;
        let head = self.session.head();
        let received = self.session.receive(frame, network);
        if self.session.head() != head {
            for refusal in self.refused.iter_mut().flatten() {
                refusal.until = None;
                refusal.lasts_ms = 0;
            }
        }
        if self.least_trip_ms == 0 && self.session.is_ready() {
            // Its Status answers our Hello.
            self.least_trip_ms = now.since(self.joined).max(1);
        }
        received
    }

    /// The newest block that it says it has.
    pub(crate) fn head(&self) -> Option<Head> {
        self.session.head()
    }

    pub(super) fn least_trip_ms(&self) -> u64 {
        self.least_trip_ms
    }

    /// Bytes of all frames that it sent.
    pub(super) fn received(&self) -> u64 {
        self.delivered.bytes
    }

    /// When something is overdue. `is_busy`: answers of any peer are on their way.
    pub(super) fn deadline(&self, is_busy: bool) -> Millis {
        let patience = if is_busy { BUSY_PING_MS } else { PING_MS };
        match (self.session.is_ready(), self.pinged) {
            (false, _) => self.joined.after(HANDSHAKE_MS),
            (true, Some(pinged)) => pinged.after(patience),
            (true, None) => self.heard.after(PING_MS),
        }
    }

    /// What is overdue: a fault, or a Ping that is to be sent now.
    pub(super) fn overdue(&mut self, now: Millis) -> Option<PeerFault> {
        match (self.session.is_ready(), self.pinged) {
            (false, _) => Some(PeerFault::HandshakeTimeout),
            (true, Some(_)) => Some(PeerFault::PingTimeout),
            (true, None) => {
                self.pinged = Some(now);
                None
            }
        }
    }

    pub(super) fn progress(&self, id: PeerId, root: Option<&Hash>) -> PeerProgress {
        let trips = self.kinds.iter().map(|served| served.round_trip_ms);
        PeerProgress {
            peer: id,
            client: self.session.client().to_owned(),
            head: self.session.head(),
            ready: self.session.is_ready(),
            refused: root.is_some_and(|root| self.has_refused(root)),
            in_flight: self.open_requests(),
            answers: self.delivered.answers,
            bytes: self.delivered.bytes,
            accounts: self.delivered.proven.accounts,
            slots: self.delivered.proven.slots,
            codes: self.delivered.proven.codes,
            strikes: self.strikes,
            round_trip_ms: trips.max().unwrap_or(0),
            bytes_per_second: self.line.per_second(),
        }
    }
}

/// Asking.
impl Peer {
    /// Whether nothing that it sent was proven yet.
    pub(super) fn is_unproven(&self) -> bool {
        self.proved_at.is_none()
    }

    /// Whether an answer of it was proven after this moment.
    pub(super) fn proved_since(&self, moment: Millis) -> bool {
        self.proved_at.is_some_and(|proved| proved > moment)
    }

    /// Bytes per second that it is known to deliver. A peer that is late is not counted on.
    pub(super) fn known_rate(&self) -> u64 {
        match self.is_unproven() || self.strikes > 0 {
            true => 0,
            false => self.line.per_second(),
        }
    }

    /// Bytes that may be on their way from it, at most `share`.
    pub(super) fn window(&self, share: u64) -> u64 {
        if self.is_unproven() || self.strikes > 0 {
            return MIN_REQUEST;
        }
        let least = 2 * MIN_REQUEST;
        let ahead = self
            .line
            .ahead(self.least_trip_ms, least, UNMEASURED_WINDOW);
        ahead.min(share.max(least))
    }

    /// Open requests, late ones included.
    pub(super) fn open_requests(&self) -> usize {
        self.open.iter().map(|open| open.count).sum()
    }

    /// Bytes that its open requests are likely to bring.
    fn open_bytes(&self) -> u64 {
        self.open.iter().map(|open| open.bytes).sum()
    }

    /// Whether it has room for one more request of this kind. `window`: bytes that may be on their
    /// way from it; `late`: how many of its open requests are late.
    pub(super) fn has_room(
        &self,
        kind: RequestKind,
        window: u64,
        late: usize,
        now: Millis,
    ) -> bool {
        let count = self.open_requests();
        if count >= MAX_OPEN {
            return false;
        }
        if self.strikes > 0 {
            // It has to show with one request that it is there.
            return count == late && self.probe_at <= now;
        }
        if self.is_unproven() {
            return count == 0;
        }
        // No kind takes more than half, so that none has to wait for another.
        let own = self.open[kind.index()];
        (count == 0 || self.open_bytes() + MIN_REQUEST <= window)
            && (own.count == 0 || own.bytes + MIN_REQUEST <= window / 2)
    }

    /// The best peer is the one that would answer first, of those that have not refused. What counts
    /// is what it proves of what was asked for, and not what it sends.
    pub(super) fn rank(&self, kind: RequestKind, root: &Hash, window: u64) -> Rank {
        let bytes = self.open_bytes() + self.request_bytes(kind, window);
        let sent = self.delivered.bytes / USEFUL_PARTS + 1;
        let useful = (self.delivered.proven.bytes / sent).clamp(1, USEFUL_PARTS);
        let time = self.rate(kind).time_for(bytes * USEFUL_PARTS / useful);
        let done_ms = match time {
            Some(time) if !self.is_unproven() => time + self.least_trip_ms,
            _ => UNKNOWN_MS,
        };
        Rank {
            has_refused: self.has_refused_kind(kind, root),
            strikes: self.strikes,
            done_ms,
        }
    }

    /// What it carries while it serves this kind; of all kinds until the line was busy with it.
    fn rate(&self, kind: RequestKind) -> Throughput {
        let served = self.kinds[kind.index()].rate;
        match served.is_measured() {
            true => served,
            false => self.line,
        }
    }

    /// Bytes to ask for in one request of this kind.
    pub(super) fn request_bytes(&self, kind: RequestKind, window: u64) -> u64 {
        if self.is_unproven() {
            return FIRST_REQUEST;
        }
        let room = window.saturating_sub(self.open_bytes());
        let unmeasured = if self.line.is_measured() {
            0
        } else {
            UNMEASURED_REQUEST
        };
        let time = REQUEST_MS.max(2 * self.least_trip_ms);
        let wanted = self.rate(kind).within(time).max(unmeasured).min(room);
        match self.strikes {
            0 => wanted.clamp(MIN_REQUEST, MAX_REQUEST),
            _ => MIN_REQUEST,
        }
    }

    /// Milliseconds in which it delivers what is open, and so many bytes more; `None` if nothing is
    /// known of it.
    pub(super) fn time_for(&self, bytes: u64) -> Option<u64> {
        self.line.time_for(self.open_bytes() + bytes)
    }

    /// A request of this kind is sent, which is likely to bring so many bytes.
    pub(super) fn asked(&mut self, kind: RequestKind, expected: u64) {
        let open = &mut self.open[kind.index()];
        open.count += 1;
        open.bytes += expected;
    }

    /// A request ended, in whatever way.
    pub(crate) fn freed(&mut self, kind: RequestKind, expected: u64) {
        let open = &mut self.open[kind.index()];
        open.count = open.count.saturating_sub(1);
        open.bytes = open.bytes.saturating_sub(expected);
    }
}

/// Judging.
impl Peer {
    /// It does not have what it was asked for: it is not asked for this kind and root for a while,
    /// longer each time.
    pub(crate) fn refused(&mut self, kind: RequestKind, root: Hash, now: Millis) {
        let last = self.refused[kind.index()].filter(|last| last.root == root);
        let lasts_ms = last.map_or(FIRST_REFUSAL_MS, |last| {
            (2 * last.lasts_ms).clamp(FIRST_REFUSAL_MS, LONGEST_REFUSAL_MS)
        });
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
    pub(super) fn clear_refusals(&mut self) {
        self.refused = Default::default();
    }

    /// Pauses that are over.
    pub(super) fn end_refusals(&mut self, now: Millis) {
        for refusal in self.refused.iter_mut().flatten() {
            refusal.until = refusal.until.filter(|until| now < *until);
        }
    }

    /// Whether it is not to be asked for this kind and root now.
    pub(super) fn refuses(&self, kind: RequestKind, root: &Hash, now: Millis) -> bool {
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

    /// Whether it has to wait because its answers are short.
    pub(super) fn is_lagging(&self, now: Millis) -> bool {
        now < self.short_until
    }

    /// A request was late: less is asked of it until it answers.
    pub(super) fn late(&mut self, now: Millis) {
        self.slowed();
        self.strikes += 1;
        let pause = FIRST_PROBE_MS << (self.strikes - 1).min(8);
        self.probe_at = now.after(pause.min(LONGEST_PROBE_MS));
    }

    /// It is slower than was thought.
    pub(super) fn slowed(&mut self) {
        self.line.halve();
        self.kinds.iter_mut().for_each(|served| served.rate.halve());
    }

    /// An answer was proven: it sets the pace and wipes the strikes, and what the peer refused of
    /// this kind before.
    pub(super) fn proved(
        &mut self,
        now: Millis,
        (kind, root): (RequestKind, Hash),
        timing: Timing,
        gain: Gain,
    ) {
        self.refused[kind.index()] = None;
        (self.strikes, self.empty) = (0, 0);
        self.proved_at = Some(now);
        if kind != RequestKind::Headers {
            self.proved_root = Some(root);
        }
        let served = &mut self.kinds[kind.index()];
        if let Some((own, _)) = timing.deliveries {
            self.line.learn(own);
            served.rate.learn(own);
            let elapsed = timing.elapsed_ms.max(1);
            served.round_trip_ms = match served.round_trip_ms {
                0 => elapsed,
                smoothed => (smoothed * 3 + elapsed) / 4,
            };
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
    pub(super) fn next_retry(&self, now: Millis) -> Option<Millis> {
        let refusals = self.refused.iter().flatten();
        let waits = refusals.filter_map(|refusal| refusal.until);
        let probe = (self.strikes > 0).then_some(self.probe_at);
        let short = (self.short > 0).then_some(self.short_until);
        let others = probe.into_iter().chain(short).filter(|at| now < *at);
        waits.chain(others).min()
    }
}

impl HeapBytes for Peer {
    fn heap_bytes(&self) -> usize {
        self.session.client().len()
    }
}
