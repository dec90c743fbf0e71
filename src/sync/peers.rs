//! The table of peers: who may be asked, for how much, and how long that may take.

use super::ids::{Millis, PeerId};
use super::peer::{Gain, MIN_REQUEST, Peer, Provider, Rank, Timing};
use super::progress::PeerProgress;
use super::throughput::Throughput;
use super::want::RequestKind;
use crate::hash::Hash;
use crate::heap::owns;
use crate::wire::{By, Offsets, PeerFault};

/// Most peers at a time. More sockets are refused. Chosen without a measurement: 64 peers with
/// requests of 64 KiB have twice what may be asked for at a time.
pub const MAX_PEERS: usize = 64;

/// Fewest bytes in flight over all peers: two smallest requests, so that the line does not idle
/// while an answer is verified.
const MIN_BUDGET: u64 = 2 * MIN_REQUEST;
/// The same before their line was ever busy: nine seconds at 30 kB/s.
const FIRST_BUDGET: u64 = 256 * 1024;
/// Peers of which nothing is proven yet that may be asked at a time. What they are asked for waits
/// until they answer; so they must not hold all of it.
const MAX_UNPROVEN: usize = 8;

/// Time after which work goes from a peer that has proven nothing yet to another. Chosen without a
/// measurement: longer than most round trips, and short if many peers are silent.
const UNPROVEN_MS: u64 = 2_000;
/// A request is late after this many times the time in which its line delivers what is open. An
/// answer may have twice the bytes that were asked for.
const PATIENCE_FACTOR: u64 = 4;
/// The nearest deadline. Chosen without a measurement: a stall of some seconds is no fault.
const MIN_PATIENCE_MS: u64 = 5_000;
/// The pause of a provider that is told as a wait. Chosen without a measurement: shorter ones are
/// part of a sync.
pub(crate) const LONG_PAUSE_MS: u64 = 5_000;
/// The farthest deadline, and the one of a request to a peer of which nothing is known and that has
/// no other beside it: half of go-ethereum's, since a browser has fewer peers to go on with.
const MAX_PATIENCE_MS: u64 = 30_000;

/// All connections. Bound: [`MAX_PEERS`].
#[derive(Debug, Default)]
pub(crate) struct Peers {
    /// In the order of joining. With so few, looking through all is faster than a map.
    table: Vec<(PeerId, Peer)>,
    /// What all connections carry together: they may share one line.
    line: Throughput,
    /// Bytes of frames of all peers, those that left included.
    received: u64,
    /// When answers were last on their way from any peer.
    busy_at: Millis,
    /// Whether the state that is worked on is that of a set.
    is_set: bool,
}

/// Where a request goes, and how large it may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Route {
    pub(crate) peer: PeerId,
    /// Where message ids start in its session; `None` for a provider, which is called.
    pub(crate) offsets: Option<Offsets>,
    /// Bytes to ask for.
    pub(crate) bytes: u64,
    /// Most slots to ask for in one call.
    pub(crate) keys: usize,
}

/// What was received when a request was sent.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Received {
    pub(crate) from_peer: u64,
    pub(crate) from_all: u64,
    /// The quickest answer of this peer until then, 0 if there was none.
    pub(crate) least_trip_ms: u64,
}

impl Peers {
    /// Adds a connection; `false` if the table is full. `outside`: the driver's time.
    #[must_use]
    pub(crate) fn join(&mut self, peer: PeerId, by: By, now: Millis, outside: Millis) -> bool {
        if self.table.len() >= MAX_PEERS {
            return false;
        }
        self.leave(peer);
        self.table.push((peer, Peer::new(by, now, outside)));
        true
    }

    /// Removes a connection, if it is there.
    pub(crate) fn leave(&mut self, peer: PeerId) {
        self.table.retain(|(id, _)| *id != peer);
    }

    pub(crate) fn get(&self, peer: PeerId) -> Option<&Peer> {
        let found = self.table.iter().find(|(id, _)| *id == peer);
        found.map(|(_, peer)| peer)
    }

    pub(crate) fn get_mut(&mut self, peer: PeerId) -> Option<&mut Peer> {
        let found = self.table.iter_mut().find(|(id, _)| *id == peer);
        found.map(|(_, peer)| peer)
    }

    fn all(&self) -> impl Iterator<Item = &Peer> {
        self.table.iter().map(|(_, peer)| peer)
    }

    /// Those that may be asked, whatever they have.
    pub(crate) fn ready(&self) -> Vec<PeerId> {
        self.those(&Peer::is_ready)
    }

    /// Says whether the state that is worked on is that of a set: providers have no other.
    pub(crate) fn serve_set(&mut self, is_set: bool) {
        self.is_set = is_set;
    }

    /// How many may be asked for state.
    pub(crate) fn serving(&self) -> usize {
        self.able(RequestKind::Proofs)
    }

    /// How many of them are providers that want to be left alone for at least so long.
    pub(crate) fn paused(&self, until: Millis) -> usize {
        let is_paused = |peer: &&Peer| {
            let provider = peer.provider().and_then(Provider::next_retry);
            self.is_of_use(peer) && provider.is_some_and(|retry| retry >= until)
        };
        self.all().filter(is_paused).count()
    }

    /// Whether all that may be asked for state are providers, and none of them has to wait.
    pub(crate) fn is_only_called(&self, now: Millis) -> bool {
        let mut of_use = self.all().filter(|peer| self.is_of_use(peer));
        of_use.all(|peer| peer.by() == By::Rpc && peer.next_retry(now).is_none())
    }

    /// How many may be asked for headers.
    pub(crate) fn serving_headers(&self) -> usize {
        self.able(RequestKind::Headers)
    }

    /// How many are ready, without providers that are not called for this kind.
    fn able(&self, kind: RequestKind) -> usize {
        let is_able = |peer: &&Peer| match peer.provider() {
            Some(provider) => provider.knows(kind) && (self.is_set || kind == RequestKind::Headers),
            None => true,
        };
        self.all()
            .filter(|peer| peer.is_ready())
            .filter(is_able)
            .count()
    }

    /// Whether a peer is there for the state that is worked on.
    fn is_of_use(&self, peer: &Peer) -> bool {
        peer.is_ready() && (self.is_set || peer.by() != By::Rpc)
    }

    /// Those of whom this holds.
    fn those(&self, holds: &dyn Fn(&Peer) -> bool) -> Vec<PeerId> {
        let those = self.table.iter().filter(|(_, peer)| holds(peer));
        those.map(|(id, _)| *id).collect()
    }

    /// How many ready peers have refused this kind for `root`, and proven nothing of it since.
    pub(crate) fn refusing(&self, kind: RequestKind, root: &Hash) -> usize {
        self.all()
            .filter(|peer| peer.is_ready() && peer.has_refused_kind(kind, root))
            .count()
    }

    /// How many ready peers have refused the state `root`: all those by hash that have, and those
    /// by snap that have refused one kind of request. Codes are the same under every root, so a
    /// newer one does not help.
    pub(crate) fn refusing_state(&self, root: &Hash) -> usize {
        let kinds = [
            RequestKind::Accounts,
            RequestKind::Storage,
            RequestKind::Nodes,
            RequestKind::Keys,
        ];
        let by_snap = kinds.into_iter().map(|kind| self.refusing(kind, root));
        by_snap.max().unwrap_or(0)
            + self.refusing(RequestKind::NodeData, root)
            + self.refusing(RequestKind::Proofs, root)
    }

    /// Those that may have something of the state `root`, or all if none may.
    pub(crate) fn holding(&self, root: &Hash) -> Vec<PeerId> {
        let serves = |peer: &Peer| self.is_of_use(peer);
        let those = self.those(&|peer| serves(peer) && !peer.has_refused_state(root));
        match those.is_empty() {
            true => self.those(&serves),
            false => those,
        }
    }

    /// Whether the state `root` has to be asked for node by node: there are peers by hash, and none
    /// by snap that can be relied on.
    pub(crate) fn is_only_by_hash(&self, root: &Hash, now: Millis) -> bool {
        let by_hash = |peer: &Peer| peer.by() == By::Hash && peer.is_ready();
        let by_snap = |peer: &Peer| peer.by() == By::Snap && peer.is_reliable(root, now);
        self.all().any(by_hash) && !self.all().any(by_snap)
    }

    /// Whether the nodes of the state `root` cannot be had by their paths: there are peers by snap,
    /// and all have refused them, and never served any. They may speak a version of snap that has
    /// ranges only.
    pub(crate) fn is_only_by_key(&self, root: &Hash) -> bool {
        let by_snap = |peer: &&Peer| peer.by() == By::Snap && peer.is_ready();
        let has_none = |peer: &Peer| peer.has_no_paths(root);
        self.all().any(|peer| by_snap(&peer)) && self.all().filter(by_snap).all(has_none)
    }

    /// Forgets all refusals: they hold for a root, and the target is a new one.
    pub(crate) fn clear_refusals(&mut self) {
        self.table
            .iter_mut()
            .for_each(|(_, peer)| peer.clear_refusals());
    }

    /// What each peer delivered. `root`: the target's.
    pub(crate) fn progress(&self, root: Option<&Hash>) -> Vec<PeerProgress> {
        let table = self.table.iter();
        table.map(|(id, peer)| peer.progress(*id, root)).collect()
    }

    /// What one peer delivered.
    pub(crate) fn progress_of(&self, peer: PeerId, root: Option<&Hash>) -> Option<PeerProgress> {
        Some(self.get(peer)?.progress(peer, root))
    }
}

/// Who is asked, and for how much.
impl Peers {
    /// Bytes that may be in flight over all peers together, at most `limit`.
    fn budget(&self, limit: u64) -> u64 {
        let trips = self.all().map(Peer::least_trip_ms);
        let ahead = self.line.ahead(trips.max().unwrap_or(0));
        let least = match self.line.is_measured() {
            true => MIN_BUDGET,
            false => FIRST_BUDGET,
        };
        // Twice as much as one peer may have on its way, so that slow peers, which have two
        // requests of the smallest size, do not wait for the others.
        (2 * ahead).max(least).min(limit)
    }

    /// Bytes that are likely to come from all peers, late requests aside.
    fn bytes_in_time(&self) -> u64 {
        self.all().map(Peer::bytes_in_time).sum()
    }

    /// The ready peers with room for a request of this kind that do not refuse `root` now, the best
    /// first. `limit`: bytes that may be in flight at most.
    pub(crate) fn askable(
        &self,
        kind: RequestKind,
        root: &Hash,
        now: Millis,
        limit: u64,
    ) -> Vec<Route> {
        let most = limit.saturating_sub(self.bytes_in_time());
        let budget = self.budget(limit);
        let unproven = self.all().filter(|peer| peer.is_unproven());
        let unproven: usize = unproven.map(Peer::requests_in_time).sum();
        let may_serve = |peer: &Peer| peer.is_ready() && kind.is_asked(peer.by());
        let mut peers = self.all();
        let has_others = peers.any(|peer| may_serve(peer) && !peer.is_lagging(now));
        let has_reliable = self.all().any(|peer| may_serve(peer) && !peer.is_struck());
        // No peer takes the part of others in the budget. For one that carries much, the limit may
        // be less than what is on its way in a second.
        let rates: u64 = self.all().map(Peer::known_rate).sum();
        let share = |peer: &Peer| {
            let share = limit.saturating_mul(peer.known_rate());
            share.checked_div(rates).unwrap_or(limit)
        };
        let mut askable: Vec<(Rank, Route)> = Vec::new();
        // Sorted as it grows: a sort would add three kilobytes to the module.
        let mut add = |peer: &Peer, route: Route| {
            let rank = peer.rank(kind, root);
            let place = askable.partition_point(|(other, _)| *other <= rank);
            askable.insert(place, (rank, route));
        };
        for (id, peer) in &self.table {
            if let Some(provider) = peer.provider() {
                let bytes = peer.call_bytes(kind).map(|bytes| bytes.min(most));
                let bytes = bytes.filter(|bytes| *bytes > 0);
                // For a quick one it is worth to wait.
                let is_outrun = self.all().any(|other| {
                    let quick = other
                        .provider()
                        .filter(|other| provider.is_outrun_by(other));
                    quick.is_some_and(|quick| quick.serves(kind)) && !other.refuses(kind, root, now)
                });
                let may_be_asked =
                    kind.is_asked(By::Rpc) && !peer.refuses(kind, root, now) && !is_outrun;
                if let (true, Some(bytes)) = (may_be_asked, bytes) {
                    let route = Route {
                        peer: *id,
                        offsets: None,
                        bytes,
                        keys: provider.keys(),
                    };
                    add(peer, route);
                }
                continue;
            }
            let is_small = kind == RequestKind::Keys;
            // How long a bytecode takes shows nothing, as it may be of any size. So a peer that was
            // late is tried with something else.
            let has_to_wait = has_others && peer.is_lagging(now)
                || has_reliable && peer.is_struck() && kind == RequestKind::Codes
                || !is_small && peer.is_unproven() && unproven >= MAX_UNPROVEN;
            // What is asked of a much slower peer does not hold up a faster one, and nothing holds
            // up a request that shows what a peer is worth. One request may always be in flight,
            // however long its answer is.
            let rate = peer.known_rate();
            let ahead = self.all().filter(|other| 2 * other.known_rate() >= rate);
            let left = match ahead.map(Peer::bytes_in_time).sum() {
                _ if peer.is_unproven() || peer.is_struck() => budget,
                0 => limit,
                ahead => budget.saturating_sub(ahead),
            };
            let left = left.min(most);
            let window = peer.window(share(peer)).min(limit);
            if has_to_wait
                || !kind.is_asked(peer.by())
                || left < MIN_REQUEST
                || peer.refuses(kind, root, now)
            {
                continue;
            }
            let bytes = match is_small {
                true => peer.small_bytes(window, now),
                false if peer.has_room(window, now) => peer.request_bytes(kind, window, left),
                false => None,
            };
            let (Some(offsets), Some(bytes)) = (peer.offsets(), bytes) else {
                continue;
            };
            let route = Route {
                peer: *id,
                offsets: Some(offsets),
                bytes,
                keys: usize::MAX,
            };
            add(peer, route);
        }
        askable.into_iter().map(|(_, route)| route).collect()
    }

    /// The usual time of a call of the quickest provider, in milliseconds.
    fn quickest_call(&self) -> Option<u64> {
        let providers = self.all().filter_map(Peer::provider);
        let ready = providers.filter(|provider| provider.is_ready());
        ready.filter_map(Provider::usual_ms).min()
    }

    /// A request is sent that is likely to bring so many bytes. Returns what was received so far, and
    /// the milliseconds that it may take.
    pub(crate) fn asked(&mut self, id: PeerId, expected: u64) -> (Received, u64) {
        let all = self.bytes_in_time() + expected;
        let others = self.others(id).next().is_some();
        let (from_all, line) = (self.received, self.line);
        let quickest = self.quickest_call();
        let Some(peer) = self.get_mut(id) else {
            return (Received::default(), MAX_PATIENCE_MS);
        };
        let times = [peer.time_for(expected), line.time_for(all)];
        let calls = peer.provider().map(|own| own.patience_ms(quickest));
        let patience = match times.into_iter().flatten().max() {
            _ if calls.is_some() => calls.unwrap_or(MAX_PATIENCE_MS),
            _ if peer.is_unproven() && others => UNPROVEN_MS,
            None => MAX_PATIENCE_MS,
            Some(time) => (PATIENCE_FACTOR * time).clamp(MIN_PATIENCE_MS, MAX_PATIENCE_MS),
        };
        peer.asked(expected);
        let received = Received {
            from_peer: peer.received(),
            from_all,
            least_trip_ms: peer.least_trip_ms(),
        };
        (received, patience)
    }

    /// Whether somebody else is there to do what this peer was asked for at `sent`: somebody who
    /// has proven something since, or anybody if this one never did or had half a minute.
    pub(crate) fn is_replaceable(
        &self,
        id: PeerId,
        kind: RequestKind,
        sent: Millis,
        now: Millis,
    ) -> bool {
        if kind == RequestKind::Headers && self.able(kind) > 1 && now.since(sent) >= MIN_PATIENCE_MS
        {
            return true;
        }
        let is_new = self.get(id).is_none_or(Peer::is_unproven);
        let anybody = is_new || now.since(sent) >= MAX_PATIENCE_MS;
        anybody && self.others(id).next().is_some() || self.has_proof_of_others(id, sent)
    }

    /// Whether a call of this provider has somebody else to make it, who is not slow: a provider
    /// with room, or a peer by snap that is not known to lack the state. After half a minute it may
    /// be asked again itself.
    pub(crate) fn is_callable_elsewhere(
        &self,
        id: PeerId,
        (kind, root): (RequestKind, &Hash),
        sent: Millis,
        now: Millis,
    ) -> bool {
        let is_lost = now.since(sent) >= MAX_PATIENCE_MS;
        let others = self.table.iter().filter(|(other, _)| *other != id);
        let mut others = others.map(|(_, peer)| peer).filter(|peer| peer.is_ready());
        is_lost
            || others.any(|other| {
                let may_be_asked = match other.by() {
                    By::Rpc => !other.has_late() && other.call_bytes(kind).is_some(),
                    By::Snap => other.is_reliable(root, now),
                    By::Hash => kind == RequestKind::Headers,
                };
                may_be_asked && !other.refuses(kind, root, now)
            })
    }

    /// Whether another peer has proven something since.
    pub(crate) fn has_proof_of_others(&self, id: PeerId, since: Millis) -> bool {
        self.others(id).any(|other| other.proved_since(since))
    }

    /// The other peers that are there for the state that is worked on.
    fn others(&self, id: PeerId) -> impl Iterator<Item = &Peer> {
        let others = self.table.iter().filter(move |(other, _)| *other != id);
        others
            .map(|(_, peer)| peer)
            .filter(|peer| self.is_of_use(peer))
    }
}

/// What comes of it.
impl Peers {
    /// Bytes of a frame came.
    pub(crate) fn count_received(&mut self, bytes: usize) {
        self.received += bytes as u64;
    }

    /// What was received by now, from this peer and from all.
    pub(crate) fn received(&self, peer: PeerId) -> (u64, u64) {
        (self.get(peer).map_or(0, Peer::received), self.received)
    }

    /// An answer of this peer was proven. `subject`: its kind, and the root or block that it was
    /// asked under.
    pub(crate) fn proved(
        &mut self,
        now: Millis,
        id: PeerId,
        subject: (RequestKind, Hash),
        timing: Timing,
        gain: Gain,
    ) {
        if let Some((_, all)) = timing.deliveries {
            self.line.learn(all);
        }
        if let Some(peer) = self.get_mut(id) {
            peer.proved(now, subject, timing, gain);
        }
    }

    /// Ends the pauses that are over.
    pub(crate) fn end_refusals(&mut self, now: Millis) {
        for (_, peer) in &mut self.table {
            peer.end_refusals(now);
        }
    }

    /// The connections that are overdue, and those to be pinged now: providers are asked for their
    /// chain instead. `is_busy`: answers are on
    /// their way.
    pub(crate) fn on_tick(
        &mut self,
        now: Millis,
        is_busy: bool,
    ) -> (Vec<(PeerId, PeerFault)>, Vec<PeerId>) {
        let mut overdue = Vec::new();
        let mut pings = Vec::new();
        if is_busy {
            self.busy_at = now;
        }
        for (id, peer) in &mut self.table {
            let deadline = peer.deadline(is_busy, self.busy_at);
            if deadline.is_none_or(|deadline| now < deadline) {
                continue;
            }
            match peer.overdue(now) {
                Some(fault) => overdue.push((*id, fault)),
                None => pings.push(*id),
            }
        }
        (overdue, pings)
    }

    pub(crate) fn next_deadline(&self, is_busy: bool) -> Option<Millis> {
        self.all()
            .filter_map(|peer| peer.deadline(is_busy, self.busy_at))
            .min()
    }

    /// When the next peer that has to wait may be asked again.
    pub(crate) fn next_retry(&self, now: Millis) -> Option<Millis> {
        self.all().filter_map(|peer| peer.next_retry(now)).min()
    }
}

owns! {
    Peers: table;
}
