//! The world around one engine: a virtual clock, peers with latency, lines that they share, and a
//! disk that survives kills.

pub(crate) mod absence;
mod hashes;
mod line;
pub(crate) mod provider;
mod unanswered;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::Arc;

use snaplight::hash::Hash;
use snaplight::state::StoreError;
use snaplight::state::{Batch, Network, PageId};
use snaplight::sync::{
    Config, Damage, Engine, Event, Failure, Input, Lie, Millis, Output, PeerId, Report, Target,
    Ticket, WaitReason,
};
use snaplight::wire::rpc::{Call, Reply};
use snaplight::wire::{By, HEAD, PeerFault};
use snaplight_peer::session::{Outgoing, Server, Session};
use snaplight_peer::snap::Request;
use snaplight_peer::vice::Vice;

use self::hashes::Hashes;
use self::line::Line;
pub(crate) use self::line::LineId;
use self::provider::{Provider, Ways};
use self::unanswered::Unanswered;
use crate::disk::Disk;
use crate::rng::Rng;

/// A world that needs more events than this has livelocked.
const MAX_EVENTS: u64 = 2_000_000;

/// A condition that is waited for outside a sync is met within this many events.
const MAX_STEPS: u64 = 20_000;

/// How a sync ended.
#[derive(Debug)]
pub(crate) enum End {
    Done(Box<Report>),
    Cancelled,
    Failed(Failure),
    /// No event is left, so the sync would wait for ever.
    Stuck,
    /// The given number of events has passed.
    Paused,
}

/// Who stands between a peer and the engine: what reaches the engine in place of something that the
/// peer sends, and how many milliseconds later.
pub(crate) type Middle = Box<dyn FnMut(PeerId, Outgoing) -> Vec<(u64, Outgoing)>>;

pub(crate) struct World {
    pub(crate) now: u64,
    pub(crate) engine: Engine,
    pub(crate) disk: Disk,
    pub(crate) server: Arc<Server>,
    pub(crate) faults: Vec<(PeerId, PeerFault)>,
    pub(crate) dropped: Vec<PeerId>,
    pub(crate) waits: Vec<WaitReason>,
    /// Damage that the engine has reported.
    pub(crate) damaged: Vec<Damage>,
    /// Kept states that were dropped because of damage.
    pub(crate) dropped_states: Vec<Hash>,
    /// How often the engine has reported that all damage is repaired.
    pub(crate) repairs: u64,
    /// The next load fails with this error.
    pub(crate) fail_load: Option<StoreError>,
    /// The least and the greatest round-trip time of a connection, in milliseconds.
    pub(crate) latency: (u64, u64),
    pub(crate) batches: u64,
    /// Pages that were read from the disk.
    pub(crate) pages_read: usize,
    /// Bytes of frames that reached the engine.
    pub(crate) received: u64,
    /// Every snap request that was sent.
    pub(crate) asked: Vec<Request>,
    /// How many messages each peer was sent.
    pub(crate) sent: BTreeMap<PeerId, u64>,
    pub(crate) unanswered: Unanswered,
    /// What was asked for by hash.
    pub(crate) hashes: Hashes,
    /// Timers ring only at multiples of this many milliseconds, as in a hidden tab.
    pub(crate) timers_ms: u64,
    rng: Rng,
    /// `None` if everything reaches the engine as it was sent.
    pub(crate) middle: Option<Middle>,
    connections: BTreeMap<PeerId, Connection>,
    /// Providers that may be called.
    pub(crate) providers: BTreeMap<PeerId, Provider>,
    /// Providers that were dropped, or have left.
    pub(crate) left: BTreeMap<PeerId, Provider>,
    /// What providers claimed otherwise than they proved.
    pub(crate) lies: Vec<(PeerId, Lie)>,
    lines: Vec<Line>,
    queue: BinaryHeap<Reverse<(u64, u64)>>,
    scheduled: BTreeMap<u64, Scheduled>,
    /// When the store has ended all its transactions, which it runs one after another.
    store_free: u64,
    next: u64,
    peers: u32,
}

struct Connection {
    session: Session,
    latency: u64,
    /// What carries its frames to the engine. Without a line they take no time.
    line: Option<LineId>,
    /// When the last message in each direction has arrived. Messages keep their order.
    up_free: u64,
    down_free: u64,
}

enum Scheduled {
    ToPeer(PeerId, Vec<u8>),
    /// It has reached the line that carries it to the engine.
    OnLine(PeerId, LineId, Outgoing),
    FromPeer(PeerId, Outgoing),
    /// It reaches a provider.
    Call(PeerId, u64, Call),
    Reply(PeerId, u64, Reply),
    Commit(Batch),
    Committed(u64, Result<(), StoreError>),
    Load(Ticket, Vec<PageId>),
}

impl World {
    pub(crate) fn new(server: Arc<Server>, seed: u64) -> World {
        let disk = Disk::new(World::network_of(&server));
        World::on_disk(server, seed, disk)
    }

    /// The network that a server belongs to.
    pub(crate) fn network_of(server: &Server) -> Network {
        let (id, genesis) = server.network();
        Network {
            id,
            genesis: Hash(genesis),
        }
    }

    /// Starts a new session on the disk of an earlier one.
    pub(crate) fn on_disk(server: Arc<Server>, seed: u64, disk: Disk) -> World {
        let network = World::network_of(&server);
        let config = Config {
            network,
            client: "snaplight/test".to_owned(),
            chain_id: network.id,
            node_id: [1; 64],
        };
        let codes = disk.codes.keys().copied().collect();
        World {
            now: 1_000,
            engine: Engine::new(config, disk.record(), codes).with_scopes(disk.scopes()),
            disk,
            server,
            faults: Vec::new(),
            dropped: Vec::new(),
            waits: Vec::new(),
            damaged: Vec::new(),
            dropped_states: Vec::new(),
            repairs: 0,
            fail_load: None,
            latency: (5, 64),
            batches: 0,
            pages_read: 0,
            received: 0,
            asked: Vec::new(),
            sent: BTreeMap::new(),
            unanswered: Unanswered::default(),
            hashes: Hashes::default(),
            timers_ms: 1,
            rng: Rng::new(seed),
            middle: None,
            connections: BTreeMap::new(),
            providers: BTreeMap::new(),
            left: BTreeMap::new(),
            lies: Vec::new(),
            lines: Vec::new(),
            queue: BinaryHeap::new(),
            scheduled: BTreeMap::new(),
            store_free: 0,
            next: 0,
            peers: 0,
        }
    }

    /// Kills the session. Only the disk is left.
    pub(crate) fn kill(self) -> Disk {
        self.disk
    }

    /// Kills the session. The first `batches` batches in flight are still written.
    pub(crate) fn kill_after(&mut self, batches: usize) -> Disk {
        let commits = std::mem::take(&mut self.scheduled).into_values();
        let commits = commits.filter_map(|scheduled| match scheduled {
            Scheduled::Commit(batch) => Some(batch),
            _ => None,
        });
        for batch in commits.take(batches) {
            if self.disk.commit(batch).is_err() {
                break;
            }
        }
        self.disk.clone()
    }

    /// The number of batches in flight to the disk.
    pub(crate) fn batches_in_flight(&self) -> usize {
        let scheduled = self.scheduled.values();
        scheduled
            .filter(|scheduled| matches!(scheduled, Scheduled::Commit(_)))
            .count()
    }

    pub(crate) fn honest_peer(&mut self) -> PeerId {
        self.peer(Vec::new())
    }

    pub(crate) fn peer(&mut self, vices: Vec<Vice>) -> PeerId {
        self.peer_of(self.server.clone(), vices)
    }

    pub(crate) fn peer_of(&mut self, server: Arc<Server>, vices: Vec<Vice>) -> PeerId {
        self.connect(server, By::Snap, vices, None)
    }

    /// A provider, which is called, of the states of the world's server.
    pub(crate) fn provider(&mut self, ways: Ways) -> PeerId {
        self.provider_of(self.server.clone(), ways)
    }

    pub(crate) fn provider_of(&mut self, server: Arc<Server>, ways: Ways) -> PeerId {
        self.peers += 1;
        let id = PeerId(self.peers);
        self.providers.insert(id, Provider::new(server, ways));
        self.input(Input::PeerJoined(id, By::Rpc));
        id
    }

    /// A peer that is asked by hash.
    pub(crate) fn peer_by_hash(&mut self, vices: Vec<Vice>) -> PeerId {
        self.connect(self.server.clone(), By::Hash, vices, None)
    }

    /// Adds a line of this rate, which may carry the frames of many peers.
    pub(crate) fn line(&mut self, bytes_per_second: u64) -> LineId {
        self.lines.push(Line::new(bytes_per_second));
        LineId(self.lines.len() - 1)
    }

    /// All lines carry nothing for `millis` milliseconds, after what they have taken already.
    pub(crate) fn break_lines(&mut self, millis: u64) {
        let now = self.now;
        self.lines
            .iter_mut()
            .for_each(|line| line.stop(now, millis));
    }

    /// A peer whose frames this line carries.
    pub(crate) fn peer_on(&mut self, line: LineId, vices: Vec<Vice>) -> PeerId {
        self.connect(self.server.clone(), By::Snap, vices, Some(line))
    }

    pub(crate) fn connect(
        &mut self,
        server: Arc<Server>,
        by: By,
        vices: Vec<Vice>,
        line: Option<LineId>,
    ) -> PeerId {
        self.peers += 1;
        let id = PeerId(self.peers);
        let mut session = Session::new(server, vices);
        let latency = self.rng.within(self.latency.0, self.latency.1);
        let hello = session.open();
        self.connections.insert(
            id,
            Connection {
                session,
                latency,
                line,
                up_free: 0,
                down_free: 0,
            },
        );
        self.engine
            .handle(Millis(self.now), Input::PeerJoined(id, by));
        self.deliver(id, hello);
        id
    }

    /// Breaks a connection. Returns `false` if there was none.
    pub(crate) fn lose(&mut self, peer: PeerId) -> bool {
        let was_there = self.end_connection(peer);
        if was_there {
            self.input(Input::PeerLeft(peer));
        }
        was_there
    }

    fn end_connection(&mut self, peer: PeerId) -> bool {
        self.unanswered.left(peer);
        self.hashes.left(peer);
        let provider = self.providers.remove(&peer);
        let was_provider = provider.is_some();
        self.left.extend(provider.map(|provider| (peer, provider)));
        self.connections.remove(&peer).is_some() || was_provider
    }

    /// Holds back what this peer sends from now on for `millis` milliseconds.
    pub(crate) fn stall(&mut self, peer: PeerId, millis: u64) {
        if let Some(connection) = self.connections.get_mut(&peer) {
            connection.down_free = connection.down_free.max(self.now + millis);
        }
    }

    /// The peers that are connected.
    pub(crate) fn connected(&self) -> Vec<PeerId> {
        self.connections.keys().copied().collect()
    }

    /// Makes all peers announce the chain's new head.
    pub(crate) fn announce(&mut self) {
        for peer in self.connected() {
            if let Some(connection) = self.connections.get_mut(&peer) {
                let news = connection.session.on_head();
                self.deliver(peer, news);
            }
        }
    }

    pub(crate) fn vice(text: &str) -> Vec<Vice> {
        text.split(' ')
            .map(|vice| vice.parse().expect("a vice"))
            .collect()
    }

    pub(crate) fn target(&mut self, root: Hash) {
        self.input(Input::Target(Target::Root(root)));
    }

    pub(crate) fn input(&mut self, input: Input) {
        self.engine.handle(Millis(self.now), input);
    }

    /// Runs until the sync ends.
    pub(crate) fn run(&mut self) -> End {
        self.run_for(MAX_EVENTS, false)
    }

    /// Runs for at most `events` events.
    pub(crate) fn run_some(&mut self, events: u64) -> End {
        self.run_for(events, true)
    }

    /// Runs until the sync ends, or until this many milliseconds have passed.
    pub(crate) fn run_ms(&mut self, millis: u64) -> End {
        let until = self.now + millis;
        while self.now < until {
            match self.run_for(1, true) {
                End::Paused => {}
                end => return end,
            }
        }
        End::Paused
    }

    /// Runs until the garbage of the last state is collected.
    pub(crate) fn collect_garbage(&mut self) {
        self.run_until(|world| world.disk.record().pending_gc.is_none());
    }

    /// Runs until the condition is met. No sync may end before.
    pub(crate) fn run_until(&mut self, is_met: impl Fn(&World) -> bool) {
        for _ in 0..MAX_STEPS {
            if is_met(self) {
                return;
            }
            let end = self.run_some(1);
            assert!(matches!(end, End::Paused), "{end:?}");
        }
        panic!(
            "the condition was not met in {MAX_STEPS} events; progress: {:?}",
            self.engine.progress(Millis(self.now))
        );
    }

    fn run_for(&mut self, events: u64, may_pause: bool) -> End {
        let mut left = events;
        loop {
            while let Some(output) = self.engine.poll(Millis(self.now)) {
                if let Some(end) = self.carry_out(output) {
                    return end;
                }
            }
            if left == 0 {
                assert!(
                    may_pause,
                    "the world has livelocked after {events} events: {:?} {:?}",
                    self.engine.footprint(),
                    self.engine.progress(Millis(self.now))
                );
                return End::Paused;
            }
            left -= 1;
            let event = self.queue.peek().map(|Reverse((at, _))| *at);
            let deadline = self.engine.next_deadline();
            let deadline = deadline.map(|deadline| self.rings(deadline.0));
            match (event, deadline) {
                (Some(at), deadline) if deadline.is_none_or(|deadline| at <= deadline) => {
                    self.run_next()
                }
                (_, Some(deadline)) => {
                    // A world in which only pings go back and forth is stuck.
                    if deadline > self.now + 3_600_000 {
                        return End::Stuck;
                    }
                    self.now = deadline;
                    self.engine.handle(Millis(self.now), Input::Tick);
                }
                (_, None) => return End::Stuck,
            }
        }
    }

    fn carry_out(&mut self, output: Output) -> Option<End> {
        match output {
            Output::Send(peer, frame) => {
                self.asked.extend(snap_request(&frame));
                *self.sent.entry(peer).or_default() += 1;
                if self.connections.contains_key(&peer) {
                    self.unanswered.asked(peer, &frame);
                    self.hashes.asked(peer, &frame);
                }
                if let Some(connection) = self.connections.get_mut(&peer) {
                    connection.up_free = connection.up_free.max(self.now + connection.latency / 2);
                    let at = connection.up_free;
                    self.schedule(at, Scheduled::ToPeer(peer, frame));
                }
            }
            Output::Call(peer, id, call) => {
                let Some(provider) = self.providers.get(&peer) else {
                    panic!("call {id} of {peer:?}, no provider: {call:?}")
                };
                *self.sent.entry(peer).or_default() += 1;
                let at = self.now + provider.ways.latency_ms / 2;
                self.schedule(at, Scheduled::Call(peer, id, call));
            }
            Output::Load(ticket, ids) => self.schedule(self.now + 3, Scheduled::Load(ticket, ids)),
            Output::Commit(batch) => {
                self.batches += 1;
                self.store_free = self.store_free.max(self.now) + 2 + self.rng.below(30);
                self.schedule(self.store_free, Scheduled::Commit(batch));
            }
            Output::Drop(peer, fault) => {
                self.end_connection(peer);
                self.dropped.push(peer);
                assert!((1000..=4999).contains(&fault.close_code()));
            }
            Output::Yield => {}
            Output::Event(Event::PeerFault(peer, fault)) => self.faults.push((peer, fault)),
            Output::Event(Event::Waiting(why)) => self.waits.push(why),
            Output::Event(Event::PeerReady(_)) => {}
            Output::Event(Event::Lie(peer, lie)) => self.lies.push((peer, lie)),
            Output::Event(Event::Damaged(damage)) => self.damaged.push(damage),
            Output::Event(Event::Repaired) => self.repairs += 1,
            Output::Event(Event::Dropped(state)) => self.dropped_states.push(state.top.root()),
            Output::Event(Event::Done(report)) => return Some(End::Done(report)),
            Output::Event(Event::Cancelled) => return Some(End::Cancelled),
            Output::Event(Event::Failed(failure)) => return Some(End::Failed(failure)),
            Output::Event(event) => panic!("an event that this world does not handle: {event:?}"),
        }
        None
    }

    fn run_next(&mut self) {
        let Some(Reverse((at, number))) = self.queue.pop() else {
            return;
        };
        self.now = self.now.max(at);
        if let Some(scheduled) = self.scheduled.remove(&number) {
            self.happen(scheduled);
        }
    }

    fn happen(&mut self, scheduled: Scheduled) {
        match scheduled {
            Scheduled::ToPeer(peer, frame) => {
                let Some(connection) = self.connections.get_mut(&peer) else {
                    return;
                };
                let answers = connection.session.on_frame(&frame);
                self.deliver(peer, answers);
            }
            Scheduled::OnLine(peer, line, outgoing) => {
                let at = self.lines[line.0].carry(self.now, size(&outgoing));
                self.schedule(at, Scheduled::FromPeer(peer, outgoing));
            }
            Scheduled::FromPeer(peer, outgoing) => self.arrive(peer, outgoing),
            Scheduled::Call(peer, id, call) => {
                let now = self.now;
                let Some(provider) = self.providers.get_mut(&peer) else {
                    return;
                };
                let back = provider.ways.latency_ms.div_ceil(2);
                if let Some((reply, extra)) = provider.reply(now, &call) {
                    self.schedule(now + back + extra, Scheduled::Reply(peer, id, reply));
                }
            }
            Scheduled::Reply(peer, id, reply) => {
                if self.providers.contains_key(&peer) {
                    self.input(Input::Replied(peer, id, reply));
                }
            }
            Scheduled::Commit(batch) => {
                let sequence = batch.sequence;
                let result = self.disk.commit(batch);
                let at = self.now + self.rng.below(3);
                self.schedule(at, Scheduled::Committed(sequence, result));
            }
            Scheduled::Committed(sequence, Ok(())) => self.input(Input::Committed(sequence)),
            Scheduled::Committed(sequence, Err(error)) => {
                self.input(Input::CommitFailed(sequence, error))
            }
            Scheduled::Load(ticket, ids) => {
                if let Some(error) = self.fail_load.take() {
                    return self.input(Input::LoadFailed(ticket, error));
                }
                self.pages_read += ids.len();
                let pages = ids
                    .iter()
                    .map(|id| self.disk.pages.get(id).cloned())
                    .collect();
                self.input(Input::Loaded(ticket, pages));
            }
        }
    }

    fn deliver(&mut self, peer: PeerId, outgoing: Vec<Outgoing>) {
        for outgoing in outgoing {
            let jitter = self.rng.below(10);
            let Some(connection) = self.connections.get_mut(&peer) else {
                return;
            };
            if let Outgoing::Wait(wait) = outgoing {
                connection.down_free = connection.down_free.max(self.now) + wait.as_millis() as u64;
                continue;
            }
            connection.down_free = connection
                .down_free
                .max(self.now + connection.latency / 2 + jitter);
            let (at, line) = (connection.down_free, connection.line);
            let passed = match &mut self.middle {
                None => vec![(0, outgoing)],
                Some(middle) => middle(peer, outgoing),
            };
            for (later, outgoing) in passed {
                let scheduled = match line {
                    None => Scheduled::FromPeer(peer, outgoing),
                    Some(line) => Scheduled::OnLine(peer, line, outgoing),
                };
                self.schedule(at + later, scheduled);
            }
        }
    }

    fn arrive(&mut self, peer: PeerId, outgoing: Outgoing) {
        if !self.connections.contains_key(&peer) {
            return;
        }
        match outgoing {
            Outgoing::Frame(frame) => {
                self.received += frame.len() as u64;
                if let Some(id) = self.unanswered.answered(peer, &frame) {
                    self.hashes.answered(peer, id);
                }
                let head = frame.get(..HEAD).unwrap_or(&frame);
                // As a driver does it.
                self.input(match self.engine.wants_frame(peer, frame.len(), head) {
                    true => Input::Frame(peer, frame),
                    false => Input::Unread(peer, frame.len(), head.to_vec()),
                });
            }
            Outgoing::Text(_) => self.input(Input::Text(peer)),
            Outgoing::Fragment(_) | Outgoing::Wait(_) => {}
            Outgoing::Cut | Outgoing::Close(_) => {
                self.end_connection(peer);
                self.input(Input::PeerLeft(peer));
            }
        }
    }

    fn schedule(&mut self, at: u64, scheduled: Scheduled) {
        self.next += 1;
        self.scheduled.insert(self.next, scheduled);
        self.queue.push(Reverse((at, self.next)));
    }
}

/// The bytes that a line carries.
fn size(outgoing: &Outgoing) -> usize {
    match outgoing {
        Outgoing::Frame(bytes) | Outgoing::Fragment(bytes) => bytes.len(),
        Outgoing::Text(text) => text.len(),
        Outgoing::Wait(_) | Outgoing::Cut | Outgoing::Close(_) => 0,
    }
}

/// Decodes a frame that is a snap request. A message id is one byte, and snap's ids follow the 18
/// ids of eth/69.
fn snap_request(frame: &[u8]) -> Option<Request> {
    let (id, payload) = frame.split_first()?;
    let code = id.checked_sub(0x10 + 18).filter(|code| *code < 8)?;
    Request::decode(code.into(), payload).ok()
}
