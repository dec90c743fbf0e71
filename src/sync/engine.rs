//! The engine: inputs in, outputs out, and the order in which things are done.

use std::collections::{BTreeSet, VecDeque};

use super::commits::{Commits, Settled};
use super::job::Job;
use super::peers::Peers;
use super::requests::{Match, Request, Requests};
use super::resume::{Loading, Resumed};
use super::{
    Counters, Event, Failure, Input, Kind, Millis, Output, PeerId, Phase, Progress, Report,
    StoreTrouble, Why,
};
use crate::hash::Hash;
use crate::state::{Network, Record};
use crate::trie::Fold;
use crate::wire::{Link, LinkEvent, PeerFault, snap::Answer};

/// What the caller fixes for the engine's life.
#[derive(Clone, Debug)]
pub struct Config {
    /// The chain that peers must be on.
    pub network: Network,
    /// The client name that our Hello carries, at most 256 bytes.
    pub client: String,
    /// 64 random bytes for our Hello. They prove nothing; they only tell connections apart in a peer's log.
    pub node_id: [u8; 64],
}

/// The sync engine. See [the room](super) for how to drive it.
pub struct Engine {
    pub(super) config: Config,
    /// What the database holds: the record of the last batch that landed.
    pub(super) record: Record,
    pub(super) activity: Activity,
    pub(super) peers: Peers,
    pub(super) requests: Requests,
    /// Answers that wait for verification. Bound: requests in flight, since each answers one.
    pub(super) arrived: VecDeque<Arrived>,
    pub(super) outbox: VecDeque<Output>,
    pub(super) commits: Commits,
    pub(super) fold: Fold,
    /// Codes that are durable or part of a batch. Bound: the codes of the state, 32 bytes each.
    pub(super) codes_held: BTreeSet<Hash>,
    /// The root to go for as soon as what was before is settled.
    next_target: Option<Hash>,
    started: Millis,
    pub(super) last_commit: Millis,
    /// Stays until something is proven again, so that a peer's being asked once more is no flicker.
    pub(super) waiting: Option<Why>,
    tickets: u64,
}

/// What the engine is doing.
pub(super) enum Activity {
    Idle,
    /// Reading the pages that the last session left open.
    Loading(Box<Loading>),
    Syncing(Box<Job>),
    /// The last batch is on its way.
    Ending {
        root: Hash,
        counters: Counters,
        how: Ending,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    Done,
    Cancelled,
}

/// An answer that matched its request.
#[derive(Debug)]
pub(super) struct Arrived {
    pub(super) request: Request,
    pub(super) payload: Vec<u8>,
    pub(super) at: Millis,
}

impl Engine {
    /// An engine over a database whose record and stored codes are given.
    pub fn new(config: Config, record: Record, codes_held: Vec<Hash>) -> Engine {
        Engine {
            config,
            record,
            activity: Activity::Idle,
            peers: Peers::default(),
            requests: Requests::default(),
            arrived: VecDeque::new(),
            outbox: VecDeque::new(),
            commits: Commits::default(),
            fold: Fold::new(),
            codes_held: codes_held.into_iter().collect(),
            next_target: None,
            started: Millis(0),
            last_commit: Millis(0),
            waiting: None,
            tickets: 0,
        }
    }

    /// Takes in what happened. Nothing a peer sends can be an error of this call.
    pub fn handle(&mut self, now: Millis, input: Input) {
        match input {
            Input::PeerJoined(peer) => self.peer_joined(now, peer),
            Input::PeerLeft(peer) => self.peer_left(peer),
            Input::Frame(peer, bytes) => self.frame(now, peer, &bytes),
            Input::Text(peer) => self.fault(peer, PeerFault::TextFrame),
            Input::Oversized(peer, bytes) => self.fault(peer, PeerFault::OversizedFrame { bytes }),
            Input::Loaded(ticket, pages) => self.loaded(now, ticket, pages),
            Input::LoadFailed(ticket, trouble) => {
                if matches!(&self.activity, Activity::Loading(loading) if loading.ticket() == ticket)
                {
                    self.fail(Failure::Store(trouble));
                }
            }
            Input::Committed(sequence) => self.committed(now, sequence),
            Input::CommitFailed(sequence, trouble) => self.commit_failed(sequence, trouble),
            Input::Target(root) => self.target(root),
            Input::Cancel => self.cancel(now),
            Input::Tick => {}
        }
        self.tend(now);
        self.start_next(now);
    }

    /// The next thing to do, or `None` until the next input. At most one expensive step is done per call.
    pub fn poll(&mut self, now: Millis) -> Option<Output> {
        if let Some(output) = self.outbox.pop_front() {
            return Some(output);
        }
        if let Some(arrived) = self.arrived.pop_front() {
            self.digest(now, arrived);
            self.assign(now);
            return Some(Output::Yield);
        }
        if self.commit_if_due(now) {
            return self.outbox.pop_front();
        }
        self.assign(now);
        self.wait_aloud(now);
        self.outbox.pop_front()
    }

    /// When to come back with [`Input::Tick`] if nothing else happens before.
    pub fn next_deadline(&self) -> Option<Millis> {
        let waiting = self
            .waiting
            .is_some()
            .then(|| self.peers.next_forgiveness())
            .flatten();
        [
            self.peers.next_deadline(),
            self.requests.next_deadline(),
            self.commit_deadline(),
            waiting,
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// A copy of where things stand.
    pub fn progress(&self, now: Millis) -> Progress {
        let (phase, target, counters, key_space) = match &self.activity {
            Activity::Idle => (Phase::Idle, None, Counters::default(), [0; _]),
            Activity::Loading(loading) => (
                Phase::Resuming,
                Some(loading.root()),
                loading.counters(),
                [0; _],
            ),
            Activity::Syncing(job) => {
                let phase = if job.is_healing() {
                    Phase::Healing
                } else {
                    Phase::Ranges
                };
                (phase, Some(job.target), job.counters, job.key_space())
            }
            Activity::Ending { root, counters, .. } => {
                (Phase::Finishing, Some(*root), *counters, [u8::MAX; _])
            }
        };
        let peers = self.peers.progress(target.as_ref(), now);
        let elapsed_ms = target.map_or(0, |_| now.since(self.started));
        Progress {
            phase,
            target,
            counters,
            key_space,
            elapsed_ms,
            waiting: self.waiting.clone(),
            peers,
        }
    }

    /// The database's record as of the last batch that landed: what is complete, and what is being built.
    pub fn record(&self) -> &Record {
        &self.record
    }

    fn peer_joined(&mut self, now: Millis, peer: PeerId) {
        match self.peers.join(peer, now) {
            true => {
                let hello = Link::hello(&self.config.client, &self.config.node_id);
                self.outbox.push_back(Output::Send(peer, hello));
            }
            false => self
                .outbox
                .push_back(Output::Drop(peer, PeerFault::TooManyPeers)),
        }
    }

    fn peer_left(&mut self, peer: PeerId) {
        self.peers.leave(peer);
        for request in self.requests.peer_left(peer) {
            self.return_work(request);
        }
    }

    fn frame(&mut self, now: Millis, id: PeerId, bytes: &[u8]) {
        let Some(peer) = self.peers.get_mut(id) else {
            return;
        };
        peer.heard(now, bytes.len());
        if let Activity::Syncing(job) = &mut self.activity {
            job.counters.bytes_received += bytes.len() as u64;
        }
        match peer.link.receive(bytes, &self.config.network) {
            Ok(LinkEvent::None) => {}
            Ok(LinkEvent::Reply(reply)) => self.outbox.push_back(Output::Send(id, reply)),
            Ok(LinkEvent::Ready(reply)) => {
                self.outbox.push_back(Output::Send(id, reply));
                self.outbox.push_back(Output::Event(Event::PeerReady(id)));
            }
            Ok(LinkEvent::Snap(message, payload)) => {
                if let Err(fault) = self.answer(now, id, message, payload) {
                    self.fault(id, fault);
                }
            }
            Err(fault) => self.fault(id, fault),
        }
    }

    /// Holds an answer against its request: session, id, kind, size. Content is for [`Engine::digest`].
    fn answer(
        &mut self,
        now: Millis,
        peer: PeerId,
        message: u64,
        payload: &[u8],
    ) -> Result<(), PeerFault> {
        let answer = Answer::split(payload)?;
        let request = match self.requests.answer(answer.id, peer) {
            Match::Open(request) => *request,
            Match::Late => return Ok(()),
            Match::Unknown => return Err(PeerFault::Unrequested(answer.id)),
        };
        let asked = request.want.request(request.root, request.bytes);
        let verdict = match asked.answer_id() == message {
            false => Err(PeerFault::WrongKind),
            true if answer.len() as u64 > request.most_bytes() => Err(PeerFault::TooMuch),
            true => Ok(()),
        };
        match verdict {
            Ok(()) => self.arrived.push_back(Arrived {
                request,
                payload: payload.to_vec(),
                at: now,
            }),
            Err(_) => self.return_work(request),
        }
        verdict
    }

    /// A peer broke a rule: say so, and close the connection if the rule is worth it.
    pub(super) fn fault(&mut self, id: PeerId, fault: PeerFault) {
        let Some(peer) = self.peers.get_mut(id) else {
            return;
        };
        self.outbox
            .push_back(Output::Event(Event::PeerFault(id, fault.clone())));
        if !peer.is_out(&fault) {
            return;
        }
        self.outbox
            .push_back(Output::Send(id, Link::disconnect(fault.reason())));
        self.outbox.push_back(Output::Drop(id, fault));
        self.peer_left(id);
    }

    /// A request ended without a usable answer: its peer is free, its work goes back.
    pub(super) fn return_work(&mut self, request: Request) {
        if let Some(peer) = self.peers.get_mut(request.peer) {
            peer.freed(request.want.kind());
        }
        if let Activity::Syncing(job) = &mut self.activity
            && job.target == request.root
        {
            job.give_back(request.want);
        }
    }

    /// Ends what is over its time, pings who is silent.
    fn tend(&mut self, now: Millis) {
        for request in self.requests.expire(now) {
            let peer = request.peer;
            self.return_work(request);
            self.fault(peer, PeerFault::Timeout);
        }
        let (overdue, pings) = self.peers.tend(now);
        overdue
            .into_iter()
            .for_each(|(peer, fault)| self.fault(peer, fault));
        pings
            .into_iter()
            .for_each(|peer| self.outbox.push_back(Output::Send(peer, Link::ping())));
    }

    fn target(&mut self, root: Hash) {
        match &self.activity {
            Activity::Syncing(job) if job.target == root => return,
            Activity::Loading(loading) if loading.root() == root => return,
            Activity::Ending { .. } => {}
            _ => self.drop_job(),
        }
        self.next_target = Some(root);
    }

    /// Starts towards the next target once every earlier batch is settled, so that the record is the whole truth.
    fn start_next(&mut self, now: Millis) {
        let Activity::Idle = self.activity else {
            return;
        };
        if !self.commits.is_settled() {
            return;
        }
        let Some(root) = self.next_target.take() else {
            return;
        };
        self.started = now;
        self.last_commit = now;
        self.waiting = None;
        self.peers.forgive();
        if let Some(complete) = self.record.complete
            && complete.root == root
        {
            let report = self.report(now, root, complete.counts.into(), true);
            self.outbox.push_back(Output::Event(Event::Done(report)));
            return;
        }
        self.tickets += 1;
        match Loading::start(root, &self.record, self.tickets) {
            Resumed::Load(loading, output) => {
                self.activity = Activity::Loading(Box::new(loading));
                self.outbox.push_back(output);
            }
            Resumed::Ready(job) => self.activity = Activity::Syncing(Box::new(job)),
        }
    }

    fn loaded(&mut self, now: Millis, ticket: super::Ticket, pages: Vec<Option<Vec<u8>>>) {
        let Activity::Loading(loading) = &mut self.activity else {
            return;
        };
        if loading.ticket() != ticket {
            return;
        }
        self.tickets += 1;
        match loading.take(pages, self.tickets) {
            Ok(Some(output)) => self.outbox.push_back(output),
            Ok(None) => {
                if let Activity::Loading(loading) =
                    std::mem::replace(&mut self.activity, Activity::Idle)
                {
                    self.last_commit = now;
                    self.activity =
                        Activity::Syncing(Box::new(loading.into_job(self.record.next_page)));
                }
            }
            Err(page) => self.fail(Failure::Damaged(page)),
        }
    }

    fn committed(&mut self, now: Millis, sequence: u64) {
        let Settled::Landed(record) = self.commits.landed(sequence) else {
            return;
        };
        self.record = *record;
        if let Activity::Ending {
            root,
            counters,
            how,
        } = &self.activity
            && self.commits.is_settled()
        {
            let report = self.report(now, *root, *counters, false);
            let event = match how {
                Ending::Done => Event::Done(report),
                Ending::Cancelled => Event::Cancelled(report),
            };
            self.activity = Activity::Idle;
            // A newer target has taken this one's place: only its end counts.
            if self.next_target.is_none() {
                self.outbox.push_back(Output::Event(event));
            }
        }
    }

    fn commit_failed(&mut self, sequence: u64, trouble: StoreTrouble) {
        if let Settled::Lost(codes) = self.commits.failed(sequence) {
            for code in &codes {
                self.codes_held.remove(code);
            }
            self.fail(Failure::Store(trouble));
        }
    }

    /// Ends the sync by an error that is no peer's. The tree in memory is thrown away; the record stays.
    pub(super) fn fail(&mut self, failure: Failure) {
        self.drop_job();
        self.outbox.push_back(Output::Event(Event::Failed(failure)));
    }

    fn drop_job(&mut self) {
        for request in self.requests.call_off() {
            self.return_work(request);
        }
        for arrived in std::mem::take(&mut self.arrived) {
            self.return_work(arrived.request);
        }
        self.waiting = None;
        if let Activity::Syncing(job) = std::mem::replace(&mut self.activity, Activity::Idle) {
            for code in job.uncommitted_codes() {
                self.codes_held.remove(code);
            }
        }
    }

    fn cancel(&mut self, now: Millis) {
        let unstarted = self.next_target.take();
        match &self.activity {
            Activity::Idle => {
                if let Some(root) = unstarted {
                    let report = self.report(now, root, Counters::default(), false);
                    self.outbox
                        .push_back(Output::Event(Event::Cancelled(report)));
                }
            }
            Activity::Ending { .. } => {}
            Activity::Loading(loading) => {
                let report = self.report(now, loading.root(), loading.counters(), false);
                self.activity = Activity::Idle;
                self.outbox
                    .push_back(Output::Event(Event::Cancelled(report)));
            }
            Activity::Syncing(_) => {
                for request in self.requests.call_off() {
                    self.return_work(request);
                }
                for arrived in std::mem::take(&mut self.arrived) {
                    self.return_work(arrived.request);
                }
                self.waiting = None;
                self.commit_last(now, Ending::Cancelled);
            }
        }
    }

    /// Sends requests while peers, work and room are there.
    fn assign(&mut self, now: Millis) {
        for kind in Kind::ALL {
            while self.ask(now, kind) {}
        }
    }

    fn ask(&mut self, now: Millis, kind: Kind) -> bool {
        let Some(bytes_left) = self.room_for(kind) else {
            return false;
        };
        let Activity::Syncing(job) = &mut self.activity else {
            return false;
        };
        let root = job.target;
        let Some(id) = self.peers.idle(kind, &root, now) else {
            return false;
        };
        let Some(peer) = self.peers.get_mut(id) else {
            return false;
        };
        let Some(offset) = peer.link.snap_offset() else {
            return false;
        };
        let bytes = peer.request_bytes().min(bytes_left);
        let Some(want) = job.take(kind, bytes) else {
            return false;
        };
        job.counters.requests += 1;
        let asked = want.request(root, bytes);
        let deadline = now.after(peer.patience());
        let request = self.requests.open(Request {
            peer: id,
            root,
            want,
            bytes,
            sent: now,
            deadline,
        });
        peer.asked(kind);
        if self.waiting == Some(Why::NoPeers) {
            self.waiting = None;
        }
        self.outbox
            .push_back(Output::Send(id, asked.frame(offset, request)));
        true
    }

    /// If nothing moves although something is missing, says why, once for each reason.
    fn wait_aloud(&mut self, now: Millis) {
        let Activity::Syncing(job) = &self.activity else {
            return;
        };
        if !self.requests.is_empty() || !self.commits.is_settled() || !self.outbox.is_empty() {
            return;
        }
        let root = job.target;
        let lacking = Kind::ALL.into_iter().filter(|kind| job.lacks(*kind));
        let refusing = lacking
            .map(|kind| self.peers.refusing(kind, &root, now))
            .max();
        let why = match (self.peers.ready(), refusing) {
            (0, _) => Why::NoPeers,
            (ready, Some(peers)) if peers == ready => Why::RootUnavailable { root, peers },
            (_, None) => {
                return self.fail(Failure::Defect(
                    "nothing is left to ask for, and the state is incomplete",
                ));
            }
            _ => return,
        };
        if self.waiting.as_ref() != Some(&why) {
            self.waiting = Some(why.clone());
            self.outbox.push_back(Output::Event(Event::Waiting(why)));
        }
    }

    fn report(
        &self,
        now: Millis,
        root: Hash,
        counters: Counters,
        already_complete: bool,
    ) -> Report {
        Report {
            root,
            counters,
            elapsed_ms: now.since(self.started),
            already_complete,
        }
    }
}
