//! The engine: inputs in, outputs out, and the order in which things are done.

use std::collections::VecDeque;
use std::ops::Range;

use super::commits::{Commits, Settled};
use super::gc::Gc;
use super::goal::Goal;
use super::headers::Pivot;
use super::job::Job;
use super::limits::Limits;
use super::peers::Peers;
use super::requests::{PendingRequest, Requests};
use super::resume::Loading;
use super::{
    Counters, Damage, Event, Failure, Input, Millis, Output, PeerId, PeerProgress, Phase, Progress,
    Report, WaitReason,
};
use crate::flat_map::ChunkedSet;
use crate::hash::Hash;
use crate::state::{Counts, Network, PageId, Record, StoreError};
use crate::trie::Fold;
use crate::wire::PeerFault;

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
    pub(super) limits: Limits,
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
    pub(super) codes_held: ChunkedSet<Hash>,
    /// What the caller waits for.
    pub(super) goal: Goal,
    /// The walk that finds what the last switch left behind.
    pub(super) gc: Option<Gc>,
    /// What it found, until a batch deletes it.
    pub(super) garbage: Option<Vec<Range<PageId>>>,
    /// The store could not do what sweeping takes: it waits for the next target.
    pub(super) is_gc_put_off: bool,
    /// What is damaged in the complete state, until it is repaired. Bound: 64.
    pub(super) damage: Vec<Damage>,
    /// The first ones of them, which the repair under way is about.
    pub(super) repairing: usize,
    pub(super) started: Millis,
    pub(super) last_commit: Millis,
    /// Stays until something is proven again, so that a peer's being asked once more is no flicker.
    pub(super) waiting: Option<WaitReason>,
    pub(super) tickets: u64,
    /// The round that the next job begins with.
    pub(super) rounds: u32,
}

/// What the engine is doing.
pub(super) enum Activity {
    Idle,
    /// Reading the pages that the last session left open.
    Loading(Box<Loading>),
    Syncing(Box<Job>),
    /// The last batch is on its way.
    Ending(Box<Ended>),
}

/// A sync that lacks nothing but its last batch.
pub(super) struct Ended {
    pub(super) pivot: Pivot,
    pub(super) held: Counts,
    pub(super) counters: Counters,
    pub(super) how: Ending,
    pub(super) is_repair: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    Done,
    Cancelled,
}

/// An answer that matched its request.
#[derive(Debug)]
pub(super) struct Arrived {
    pub(super) request: PendingRequest,
    pub(super) payload: Vec<u8>,
    pub(super) at: Millis,
}

impl Engine {
    /// An engine over a database whose record and stored codes are given.
    pub fn new(config: Config, record: Record, codes_held: Vec<Hash>) -> Engine {
        let mut stored = ChunkedSet::default();
        stored.insert_all(codes_held);
        Engine {
            config,
            limits: Limits::default(),
            record,
            activity: Activity::Idle,
            peers: Peers::default(),
            requests: Requests::default(),
            arrived: VecDeque::new(),
            outbox: VecDeque::new(),
            commits: Commits::default(),
            fold: Fold::new(),
            codes_held: stored,
            goal: Goal::Nothing,
            gc: None,
            garbage: None,
            is_gc_put_off: false,
            damage: Vec::new(),
            repairing: 0,
            started: Millis(0),
            last_commit: Millis(0),
            waiting: None,
            tickets: 0,
            rounds: 0,
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
            Input::LoadFailed(ticket, error) => self.load_failed(ticket, error),
            Input::Committed(sequence) => self.committed(now, sequence),
            Input::CommitFailed(sequence, error) => self.commit_failed(sequence, error),
            Input::Target(target) => self.target(now, target),
            Input::Damaged(damage) => self.damaged(damage),
            Input::Cancel => self.cancel(now),
            Input::Tick => {}
        }
        if let Activity::Syncing(job) = &mut self.activity {
            job.note_pace(now);
        }
        self.on_tick(now);
        self.start_next(now);
    }

    /// The next thing to do, or `None` until the next input. At most one expensive step is done per call.
    pub fn poll(&mut self, now: Millis) -> Option<Output> {
        if let Some(output) = self.outbox.pop_front() {
            return Some(output);
        }
        if let Some(arrived) = self.arrived.pop_front() {
            self.verify_answer(now, arrived);
            self.assign(now);
            return Some(Output::Yield);
        }
        if self.take_read() {
            self.outbox.push_back(Output::Yield);
            return self.outbox.pop_front();
        }
        self.load_if_due(now);
        if self.commit_if_due(now) {
            return self.outbox.pop_front();
        }
        self.assign(now);
        // A page that was taken in just now may have been the last that was missing.
        if self.commit_if_due(now) {
            return self.outbox.pop_front();
        }
        self.report_stall(now);
        self.outbox.pop_front()
    }

    /// When to come back with [`Input::Tick`] if nothing else happens before.
    pub fn next_deadline(&self) -> Option<Millis> {
        [
            self.peers.next_deadline(),
            self.requests.next_deadline(),
            self.commit_deadline(),
            self.peers.next_forgiveness(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// A copy of where things stand.
    pub fn progress(&self, now: Millis) -> Progress {
        let idle = match self.goal {
            Goal::Header(_) => Phase::Locating,
            _ => Phase::Idle,
        };
        let (phase, target, held, counters, key_space) = match &self.activity {
            Activity::Idle => (idle, None, Counts::default(), Counters::default(), [0; _]),
            Activity::Loading(loading) => (
                Phase::Resuming,
                Some(loading.root()),
                loading.held(),
                Counters::default(),
                [0; _],
            ),
            Activity::Syncing(job) => {
                let phase = if job.is_healing() {
                    Phase::Healing
                } else {
                    Phase::Ranges
                };
                (
                    phase,
                    Some(job.pivot.root),
                    job.held(),
                    job.counters,
                    job.key_space(),
                )
            }
            Activity::Ending(ended) => (
                Phase::Finishing,
                Some(ended.pivot.root),
                ended.held,
                ended.counters,
                [u8::MAX; _],
            ),
        };
        let peers = self.peers.progress(target.as_ref());
        let elapsed_ms = match phase {
            Phase::Idle => 0,
            _ => now.since(self.started),
        };
        Progress {
            phase,
            target,
            held: Counts {
                codes: self.codes_held.len() as u64,
                ..held
            },
            counters,
            eta_ms: match &self.activity {
                Activity::Syncing(job) if self.waiting.is_none() => job.eta(now),
                _ => None,
            },
            outrun: match &self.activity {
                Activity::Syncing(job) => job.pace.outrun(),
                _ => None,
            },
            key_space,
            elapsed_ms,
            waiting: self.waiting.clone(),
            peers,
        }
    }

    /// What one peer delivered; `None` if there is no such peer. [`Progress::peers`] has all of them.
    pub fn peer_progress(&self, peer: PeerId) -> Option<PeerProgress> {
        self.peers.progress_of(peer, self.root().as_ref())
    }

    /// The root being made complete.
    fn root(&self) -> Option<Hash> {
        match &self.activity {
            Activity::Idle => None,
            Activity::Loading(loading) => Some(loading.root()),
            Activity::Syncing(job) => Some(job.pivot.root),
            Activity::Ending(ended) => Some(ended.pivot.root),
        }
    }

    /// The database's record as of the last batch that landed: what is complete, and what is being built.
    pub fn record(&self) -> &Record {
        &self.record
    }

    fn committed(&mut self, now: Millis, sequence: u64) {
        let Settled::Landed(record) = self.commits.landed(sequence) else {
            return;
        };
        self.record = *record;
        if matches!(self.activity, Activity::Ending(_)) && self.commits.is_settled() {
            self.landed(now);
        }
    }

    fn commit_failed(&mut self, sequence: u64, error: StoreError) {
        if let Settled::Lost(codes) = self.commits.failed(sequence) {
            for code in &codes {
                self.codes_held.remove(code);
            }
            match self.activity {
                // Nobody waits for what a sweep deletes.
                Activity::Idle => self.is_gc_put_off = true,
                _ => self.fail(Failure::Store(error)),
            }
        }
    }

    /// Ends the sync by an error that is no peer's. The tree in memory is thrown away; the record stays.
    pub(super) fn fail(&mut self, failure: Failure) {
        self.drop_job();
        // Or it would start at once again, and fail again.
        self.repair_ended();
        if matches!(self.goal, Goal::UnderWay) {
            self.end_goal(Event::Failed(failure));
        }
    }

    pub(super) fn drop_job(&mut self) {
        self.cancel_requests();
        self.waiting = None;
        if let Some(job) = self.leave() {
            for code in job.uncommitted_codes() {
                self.codes_held.remove(code);
            }
        }
    }

    /// Nothing that was asked for, or has come and is not proven yet, is waited for any more.
    pub(super) fn cancel_requests(&mut self) {
        for request in self.requests.cancel_all() {
            self.return_work(request);
        }
        for arrived in std::mem::take(&mut self.arrived) {
            self.return_work(arrived.request);
        }
    }

    pub(super) fn report(
        &self,
        now: Millis,
        pivot: Pivot,
        held: Counts,
        counters: Counters,
        already_complete: bool,
    ) -> Box<Report> {
        Box::new(Report {
            root: pivot.root,
            block: pivot.block,
            held: Counts {
                codes: self.codes_held.len() as u64,
                ..held
            },
            counters,
            elapsed_ms: now.since(self.started),
            already_complete,
        })
    }
}
