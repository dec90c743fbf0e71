//! The table of peers: who may be asked, for how much, and what each delivered.

use super::ids::{Millis, PeerId};
use super::progress::PeerProgress;
use super::requests::Arrived;
use super::want::RequestKind;
use crate::hash::Hash;
use crate::heap::{HeapBytes, owns};
use crate::state::Network;
use crate::wire::{Offsets, PeerFault, Session, SessionEvent, Severity};

/// Requests of one kind in flight at one peer: two, so that a peer does not idle while its last
/// answer is verified. Not measured with more: they only wait in the peer's queue.
pub(super) const MAX_IN_FLIGHT: usize = 2;
/// Timeouts in a row that close a connection. Chosen without a measurement: one may be an accident.
pub(super) const MAX_STRIKES: u32 = 3;
/// Most peers at a time. More sockets are refused. Chosen without a measurement: 64 peers with
/// requests of 64 KiB have twice what may be asked for at a time.
pub const MAX_PEERS: usize = 64;

/// Time for Hello and Status together. devp2p servers allow 5 seconds for each.
const HANDSHAKE_MS: u64 = 10_000;
/// Silence after which a Ping is sent, and time to answer it: go-ethereum's ping interval.
const PING_MS: u64 = 15_000;
/// A peer that has refused is asked again after this: a node has a block some hundred milliseconds
/// after a light client has heard of it.
const FIRST_REFUSAL_MS: u64 = 250;
/// Each refusal in a row lasts twice as long as the one before, up to this: a peer that lacks
/// something for good is asked six times in the first ten seconds, and then seven times a minute.
const LONGEST_REFUSAL_MS: u64 = 8_000;

/// Round trip that request sizes aim at. Chosen without a measurement: long against the latency of
/// most networks (50 to 150 ms), short enough to share peers fairly.
const TARGET_MS: u64 = 400;
/// Fewest bytes asked for in one request, as in go-ethereum.
const MIN_REQUEST: u64 = 64 * 1024;
/// Most bytes asked for in one request, as in go-ethereum.
const MAX_REQUEST: u64 = 512 * 1024;
/// Bytes of the first request to a peer, of which nothing is known: at a megabit a second it takes
/// one second. A kill before that costs all of it.
const FIRST_REQUEST: u64 = 128 * 1024;
/// A deadline is this many smoothed round trips away. go-ethereum allows three. Chosen without a
/// measurement: mobile networks stall more often than those of nodes.
const DEADLINE_FACTOR: u64 = 5;
/// The nearest deadline. Chosen without a measurement: a stall of some seconds is no fault.
const MIN_DEADLINE_MS: u64 = 5_000;
/// The farthest deadline: half of go-ethereum's, since a browser has fewer peers to go on with.
const MAX_DEADLINE_MS: u64 = 30_000;

/// All connections. Bound: [`MAX_PEERS`].
#[derive(Debug, Default)]
pub(crate) struct Peers {
    /// In the order of joining. With so few, looking through all is faster than a map.
    table: Vec<(PeerId, Peer)>,
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Peer {
    session: Session,
    joined: Millis,
    heard: Millis,
    pinged: Option<Millis>,
    in_flight: [usize; RequestKind::COUNT],
    refused: [Option<Refusal>; RequestKind::COUNT],
    /// Bytes per second, smoothed; 0 before the first answer.
    rate: u64,
    round_trip_ms: u64,
    strikes: u32,
    delivered: Delivered,
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
}

/// How long an answer took, and how large it was.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timing {
    elapsed_ms: u64,
    /// Bytes of its payload.
    pub(crate) bytes: usize,
}

impl Timing {
    pub(crate) fn of(arrived: &Arrived) -> Timing {
        Timing {
            elapsed_ms: arrived.at.since(arrived.request.sent),
            bytes: arrived.payload().len(),
        }
    }
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

impl Peers {
    /// Adds a connection; `false` if the table is full.
    #[must_use]
    pub(crate) fn join(&mut self, peer: PeerId, now: Millis) -> bool {
        if self.table.len() >= MAX_PEERS {
            return false;
        }
        self.leave(peer);
        self.table.push((peer, Peer::new(now)));
        true
    }

    /// Removes a connection, if it is there.
    pub(crate) fn leave(&mut self, peer: PeerId) {
        self.table.retain(|(id, _)| *id != peer);
    }

    pub(crate) fn get_mut(&mut self, peer: PeerId) -> Option<&mut Peer> {
        let found = self.table.iter_mut().find(|(id, _)| *id == peer);
        found.map(|(_, peer)| peer)
    }

    fn all(&self) -> impl Iterator<Item = &Peer> {
        self.table.iter().map(|(_, peer)| peer)
    }

    /// The best of the ready peers with room for a request of this kind that have not refused
    /// `root`: fewest strikes, then least to do, then fastest.
    pub(crate) fn idle(
        &mut self,
        kind: RequestKind,
        root: &Hash,
        now: Millis,
    ) -> Option<IdlePeer<'_>> {
        let usable = self.table.iter_mut().filter_map(|(id, peer)| {
            let offsets = peer.session.offsets()?;
            let is_usable =
                peer.in_flight[kind.index()] < peer.room() && !peer.refuses(kind, root, now);
            is_usable.then_some(IdlePeer {
                id: *id,
                offsets,
                peer,
            })
        });
        usable.min_by_key(|idle| {
            (
                idle.peer.strikes,
                idle.peer.in_flight[kind.index()],
                u64::MAX - idle.peer.rate,
            )
        })
    }

    pub(crate) fn ready(&self) -> usize {
        self.all().filter(|peer| peer.session.is_ready()).count()
    }

    /// How many ready peers refuse this kind for `root` now.
    pub(crate) fn refusing(&self, kind: RequestKind, root: &Hash, now: Millis) -> usize {
        self.all()
            .filter(|peer| peer.session.is_ready() && peer.refuses(kind, root, now))
            .count()
    }

    /// Forgets all refusals: they hold for a root, and the target is a new one.
    pub(crate) fn clear_refusals(&mut self) {
        self.table
            .iter_mut()
            .for_each(|(_, peer)| peer.clear_refusals());
    }

    /// The connections that are overdue, and those to be pinged now.
    pub(crate) fn on_tick(&mut self, now: Millis) -> (Vec<(PeerId, PeerFault)>, Vec<PeerId>) {
        let mut overdue = Vec::new();
        let mut pings = Vec::new();
        for (id, peer) in &mut self.table {
            for refusal in peer.refused.iter_mut().flatten() {
                refusal.until = refusal.until.filter(|until| now < *until);
            }
            if now < peer.deadline() {
                continue;
            }
            match (peer.session.is_ready(), peer.pinged) {
                (false, _) => overdue.push((*id, PeerFault::HandshakeTimeout)),
                (true, Some(_)) => overdue.push((*id, PeerFault::PingTimeout)),
                (true, None) => {
                    peer.pinged = Some(now);
                    pings.push(*id);
                }
            }
        }
        (overdue, pings)
    }

    pub(crate) fn next_deadline(&self) -> Option<Millis> {
        self.all().map(Peer::deadline).min()
    }

    /// When the next peer that has refused may be asked again.
    pub(crate) fn next_refusal_end(&self) -> Option<Millis> {
        let refusals = self.all().flat_map(|peer| peer.refused.iter().flatten());
        refusals.filter_map(|refusal| refusal.until).min()
    }

    /// What each peer delivered. `root`: the target's.
    pub(crate) fn progress(&self, root: Option<&Hash>) -> Vec<PeerProgress> {
        let table = self.table.iter();
        table.map(|(id, peer)| peer.progress(*id, root)).collect()
    }

    /// What one peer delivered.
    pub(crate) fn progress_of(&self, peer: PeerId, root: Option<&Hash>) -> Option<PeerProgress> {
        let (id, peer) = self.table.iter().find(|(id, _)| *id == peer)?;
        Some(peer.progress(*id, root))
    }
}

/// A peer that may be asked now.
pub(crate) struct IdlePeer<'a> {
    id: PeerId,
    offsets: Offsets,
    peer: &'a mut Peer,
}

/// Where a request goes, and how long it may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Route {
    pub(crate) peer: PeerId,
    /// Where message ids start in its session.
    pub(crate) offsets: Offsets,
    /// Milliseconds that the peer gets for the request.
    pub(crate) patience_ms: u64,
}

impl IdlePeer<'_> {
    /// Bytes to ask for in one request.
    pub(crate) fn request_bytes(&self) -> u64 {
        self.peer.request_bytes()
    }

    /// A request of this kind is sent to it.
    pub(crate) fn asked(self, kind: RequestKind) -> Route {
        self.peer.in_flight[kind.index()] += 1;
        Route {
            peer: self.id,
            offsets: self.offsets,
            patience_ms: self.peer.patience(),
        }
    }
}

impl Peer {
    fn new(now: Millis) -> Peer {
        Peer {
            session: Session::default(),
            joined: now,
            heard: now,
            pinged: None,
            in_flight: Default::default(),
            refused: Default::default(),
            rate: 0,
            round_trip_ms: 0,
            strikes: 0,
            delivered: Delivered::default(),
        }
    }

    fn progress(&self, id: PeerId, root: Option<&Hash>) -> PeerProgress {
        PeerProgress {
            peer: id,
            client: self.session.client().to_owned(),
            head: self.session.head(),
            ready: self.session.is_ready(),
            refused: root.is_some_and(|root| self.has_refused(root)),
            in_flight: self.in_flight.iter().sum(),
            answers: self.delivered.answers,
            bytes: self.delivered.bytes,
            accounts: self.delivered.proven.accounts,
            slots: self.delivered.proven.slots,
            codes: self.delivered.proven.codes,
            strikes: self.strikes,
            round_trip_ms: self.round_trip_ms,
        }
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
        received
    }

    /// A request ended, in whatever way.
    pub(crate) fn freed(&mut self, kind: RequestKind) {
        let count = &mut self.in_flight[kind.index()];
        *count = count.saturating_sub(1);
    }

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

    /// Forgets its refusals: it may have the data by now.
    fn clear_refusals(&mut self) {
        self.refused = Default::default();
    }

    /// Counts a fault. `true` if it costs the connection.
    #[must_use]
    pub(crate) fn strike(&mut self, fault: &PeerFault) -> bool {
        match fault.severity() {
            Severity::Drop => true,
            Severity::Strike => {
                self.strikes += 1;
                self.strikes >= MAX_STRIKES
            }
        }
    }

    /// An answer was proven: it sets the pace and wipes the strikes, and what the peer refused of
    /// this kind before.
    pub(crate) fn proved(&mut self, kind: RequestKind, timing: Timing, gain: Gain) {
        self.refused[kind.index()] = None;
        let elapsed = timing.elapsed_ms.max(1);
        let rate = timing.bytes as u64 * 1000 / elapsed;
        self.rate = if self.rate == 0 {
            rate
        } else {
            (self.rate * 3 + rate) / 4
        };
        self.round_trip_ms = match self.round_trip_ms {
            0 => elapsed,
            smoothed => (smoothed * 3 + elapsed) / 4,
        };
        self.strikes = 0;
        self.delivered.answers += 1;
        self.delivered.proven.accounts += gain.accounts;
        self.delivered.proven.slots += gain.slots;
        self.delivered.proven.codes += gain.codes;
    }

    /// Bytes to ask for in one request.
    fn request_bytes(&self) -> u64 {
        match self.rate {
            0 => FIRST_REQUEST,
            rate => (rate.saturating_mul(TARGET_MS) / 1000).clamp(MIN_REQUEST, MAX_REQUEST),
        }
    }

    /// Milliseconds this peer gets for a request.
    fn patience(&self) -> u64 {
        match self.round_trip_ms {
            0 => MAX_DEADLINE_MS / 2,
            smoothed => (smoothed * DEADLINE_FACTOR).clamp(MIN_DEADLINE_MS, MAX_DEADLINE_MS),
        }
    }

    /// A peer with strikes gets one request at a time until it answers.
    fn room(&self) -> usize {
        if self.strikes > 0 { 1 } else { MAX_IN_FLIGHT }
    }

    /// Whether it is not to be asked for this kind and root now.
    fn refuses(&self, kind: RequestKind, root: &Hash, now: Millis) -> bool {
        self.refused[kind.index()].is_some_and(|refusal| {
            refusal.root == *root && refusal.until.is_some_and(|until| now < until)
        })
    }

    /// Whether its last answer about this root was a refusal, even if the pause is over.
    fn has_refused(&self, root: &Hash) -> bool {
        let mut refusals = self.refused.iter().flatten();
        refusals.any(|refusal| refusal.root == *root)
    }

    fn deadline(&self) -> Millis {
        match (self.session.is_ready(), self.pinged) {
            (false, _) => self.joined.after(HANDSHAKE_MS),
            (true, Some(pinged)) => pinged.after(PING_MS),
            (true, None) => self.heard.after(PING_MS),
        }
    }
}

impl HeapBytes for Peer {
    fn heap_bytes(&self) -> usize {
        self.session.client().len()
    }
}

owns! {
    Peers: table;
}
