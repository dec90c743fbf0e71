//! The engine: inputs in, outputs out, and the order in which things are done.

mod answers;
mod asking;
mod batching;
mod calls;
mod headers;
mod loading;
mod scopes;
mod sessions;
mod targets;
mod upkeep;

use std::collections::VecDeque;

use super::clock::Clock;
use super::commits::{Commits, Settled};
use super::ids::{Millis, PeerId};
use super::io::{Event, Failure, Input, Output};
use super::job::{Changes, Job};
use super::journal::{Journal, JournalEntry};
use super::lacking::Lacking;
use super::limits::{Footprint, Limits};
use super::loads::Loads;
use super::peers::Peers;
use super::progress::{Counters, Missing, PeerProgress, Phase, Progress, Report, WaitReason};
use super::requests::{Arrived, Requests};
use super::resume::Resume;
use super::target::{Goal, Pivot};
use super::upkeep::Upkeep;
use crate::flat_map::ChunkedSet;
use crate::hash::Hash;
use crate::heap::{HeapBytes, owns};
use crate::state::{Counts, Network, Record, Scope, StoreError};
use crate::trie::Fold;
use crate::wire::PeerFault;

/// What the caller fixes for the engine's life.
#[derive(Clone, Debug)]
pub struct Config {
    /// The chain that peers must be on.
    pub network: Network,
    /// The chain's id (EIP-155), which a provider has to name. With most networks it is the
    /// network's id.
    pub chain_id: u64,
    /// The client name that our Hello carries, at most 256 bytes.
    pub client: String,
    /// 64 random bytes for our Hello. They prove nothing; they only tell connections apart in a
    /// peer's log.
    pub node_id: [u8; 64],
}

/// The sync engine. See [the module](super) for how to drive it.
pub struct Engine {
    config: Config,
    limits: Limits,
    /// What the database holds: the record of the last batch that landed.
    record: Record,
    activity: Activity,
    /// What the caller waits for.
    goal: Goal,
    upkeep: Upkeep,
    /// What is to be held, and what the states in the record were built for. Bound: the scopes that
    /// the record names, and one for each change since.
    scopes: Vec<Scope>,
    rescoping: Rescoping,
    /// What changed at the moves before, for the next job.
    changes: Changes,
    clock: Clock,
    peers: Peers,
    /// What single peers lack of the state.
    lacking: Lacking,
    requests: Requests,
    /// Answers that wait for verification. Bound: requests in flight, since each answers one, and
    /// [`MAX_ARRIVED`](sessions::MAX_ARRIVED) bytes.
    arrived: Vec<Arrived>,
    loads: Loads,
    commits: Commits,
    /// What [`Engine::poll`] returns next. Bound: the requests that peers have room for, and a few
    /// outputs for each input, since the caller polls until there are none.
    outbox: VecDeque<Output>,
    journal: Journal,
    /// Scratch memory of verification.
    fold: Fold,
    /// Codes that are durable or part of a batch. Bound: the codes of the state, 32 bytes each.
    codes_held: ChunkedSet<Hash>,
    /// When the last target came that found the engine idle.
    started: Millis,
    last_commit: Millis,
    /// Why nothing moves. Kept until an answer is proven, so that progress does not flicker while a
    /// peer is asked again.
    waiting: Option<WaitReason>,
    /// What no peer has, if that was told.
    named: Option<Missing>,
    /// The round that the next job begins with.
    next_round: u32,
    /// Bytes of an answer to a range of a healing, smoothed; 0 before the first.
    span_bytes: u64,
}

/// What the engine works on.
enum Activity {
    Idle,
    /// Reading the pages that the last session left open.
    Resuming(Box<Resume>),
    Syncing(Box<Job>),
    /// The last batch is on its way.
    Ending(Box<LastBatch>),
}

/// The build of the complete state for today's scope, that begins by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rescoping {
    /// None is under way, or somebody waits for what is.
    Idle,
    /// The engine works on one, or on its last batch, and nobody waits for it as for a target.
    UnderWay,
    /// The last one was cancelled, or a sync failed. The next target or scope ends that.
    PutOff,
}

/// A sync that lacks nothing but its last batch.
struct LastBatch {
    pivot: Pivot,
    held: Counts,
    counters: Counters,
    how: Ending,
    is_repair: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    Done,
    /// The state was complete already: the batch only names another block with its root.
    Named,
    Cancelled,
}

impl Engine {
    /// An engine over a database whose record and stored codes are given.
    pub fn new(config: Config, record: Record, codes_held: Vec<Hash>) -> Engine {
        let mut stored = ChunkedSet::default();
        stored.insert_all(codes_held);
        Engine {
            config,
            limits: Limits::default(),
            upkeep: Upkeep::over(&record),
            record,
            scopes: Vec::new(),
            rescoping: Rescoping::Idle,
            changes: Changes::default(),
            activity: Activity::Idle,
            goal: Goal::Nothing,
            clock: Clock::default(),
            peers: Peers::default(),
            lacking: Lacking::default(),
            requests: Requests::default(),
            arrived: Vec::new(),
            loads: Loads::default(),
            commits: Commits::default(),
            outbox: VecDeque::new(),
            journal: Journal::default(),
            fold: Fold::new(),
            codes_held: stored,
            started: Millis(0),
            last_commit: Millis(0),
            waiting: None,
            named: None,
            next_round: 0,
            span_bytes: 0,
        }
    }

    /// The same engine with other bounds, before anything has happened to it.
    pub fn with_limits(self, limits: Limits) -> Engine {
        Engine { limits, ..self }
    }

    /// Takes in what happened. Nothing that a peer sends can be an error of this call.
    ///
    /// A call that comes later than [`Engine::next_deadline`] shows that the page was away. That
    /// time is no peer's fault, and hardly counts.
    pub fn handle(&mut self, now: Millis, input: Input) {
        self.journal.note_input(now, &input);
        let before = self.clock.last();
        let now = self.tell_time(now);
        self.clock.happened(before);
        match input {
            Input::PeerJoined(peer, by) => self.peer_joined(now, peer, by),
            Input::PeerLeft(peer) => self.peer_left(peer),
            Input::Frame(peer, bytes) => self.frame(now, peer, bytes),
            Input::Unread(peer, length, head) => self.unread(now, peer, length, &head),
            Input::Replied(peer, id, reply) => self.replied(now, peer, id, reply),
            Input::Scope(scope) => self.set_scope(now, scope),
            Input::Text(peer) => self.fault(peer, PeerFault::TextFrame),
            Input::Loaded(ticket, pages) => self.loaded(now, ticket, pages),
            Input::LoadFailed(ticket, error) => self.load_failed(ticket, error),
            Input::Committed(sequence) => self.committed(now, sequence),
            Input::CommitFailed(sequence, error) => self.commit_failed(sequence, error),
            Input::Target(target) => self.target(now, target),
            Input::Damaged(damage) => self.damaged(damage),
            Input::Cancel => self.cancel(now),
            Input::Tick => {}
        }
        if let Some(job) = self.job_mut() {
            job.note_pace(now);
        }
        self.on_tick(now);
        self.start_next(now);
    }

    /// The next thing to do, or `None` until the next input. At most one expensive step is done per
    /// call.
    pub fn poll(&mut self, now: Millis) -> Option<Output> {
        let own = self.tell_time(now);
        let output = self.next_output(own)?;
        self.journal.note_output(now, &output);
        Some(output)
    }

    fn next_output(&mut self, now: Millis) -> Option<Output> {
        if let Some(output) = self.outbox.pop_front() {
            return Some(output);
        }
        if let Some(arrived) = self.next_answer() {
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
        self.own_deadline().map(|own| self.clock.outside(own))
    }

    /// The engine's own time of a call.
    fn tell_time(&mut self, now: Millis) -> Millis {
        let deadline = match self.clock.is_long_since(now) {
            true => self.own_deadline(),
            false => None,
        };
        let (now, was_away) = self.clock.arrive(now, deadline);
        if was_away {
            self.requests.disturb();
        }
        now
    }

    /// When a peer is judged by this deadline.
    fn judged(&self, deadline: Option<Millis>) -> Option<Millis> {
        deadline.map(|deadline| self.clock.judged(deadline))
    }

    /// The same as [`Engine::next_deadline`] in the engine's own time.
    fn own_deadline(&self) -> Option<Millis> {
        [
            self.judged(self.peers.next_deadline(!self.requests.is_empty())),
            self.judged(self.requests.next_deadline()),
            self.commit_deadline(),
            self.peers.next_retry(self.clock.last()),
            self.lacking.next_retry(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// The database's record as of the last batch that landed: what is complete, and what is being
    /// built.
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// A copy of where things stand.
    pub fn progress(&self, now: Millis) -> Progress {
        let now = self.clock.own(now);
        let mut progress = match &self.activity {
            Activity::Idle => Progress::idle(match self.goal {
                Goal::Header(_) => Phase::Locating,
                Goal::Nothing | Goal::Next(_) | Goal::UnderWay => Phase::Idle,
            }),
            Activity::Resuming(resume) => Progress {
                held: resume.held(),
                counters: resume.counters(),
                ..Progress::idle(Phase::Resuming)
            },
            Activity::Syncing(job) => Progress {
                held: job.held(),
                queued: job.queued(),
                counters: *job.counters(),
                eta_ms: job.eta(now).filter(|_| self.waiting.is_none()),
                outrun: job.outrun(),
                key_space: job.key_space(),
                ..Progress::idle(match job.is_healing() {
                    true => Phase::Healing,
                    false => Phase::Ranges,
                })
            },
            Activity::Ending(last) => Progress {
                held: last.held,
                counters: last.counters,
                key_space: [u8::MAX; _],
                ..Progress::idle(Phase::Finishing)
            },
        };
        progress.target = self.target_root();
        progress.held = self.with_codes(progress.held);
        progress.elapsed_ms = match progress.phase {
            Phase::Idle => 0,
            _ => now.since(self.started),
        };
        progress.waiting = self.waiting.clone();
        progress.peers = self.peers.progress(progress.target.as_ref());
        progress
    }

    /// What one peer delivered; `None` if the engine does not know it.
    pub fn peer_progress(&self, peer: PeerId) -> Option<PeerProgress> {
        self.peers.progress_of(peer, self.target_root().as_ref())
    }

    /// The last inputs and outputs, the oldest first, [`JOURNAL_ENTRIES`](super::JOURNAL_ENTRIES) at
    /// most.
    pub fn journal(&self) -> impl Iterator<Item = &JournalEntry> {
        self.journal.entries()
    }

    /// Its bounds.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// What it holds now.
    pub fn footprint(&self) -> Footprint {
        let tree = self.job().map(Job::tree);
        let (tree_heap, tree_unused) = tree.map_or((0, 0), |tree| tree.entries_heap());
        let arrived = self.arrived.iter();
        Footprint {
            tree: tree.map_or(0, |tree| tree.resident_bytes()),
            pending: self.job().map_or(0, Job::pending_bytes),
            asked: self.requests.bytes_expected(),
            arrived: arrived.map(Arrived::bytes).sum(),
            requests: self.requests.len(),
            batches: self.commits.len(),
            heap: self.heap_bytes(),
            tree_heap,
            tree_unused,
        }
    }

    fn job(&self) -> Option<&Job> {
        match &self.activity {
            Activity::Syncing(job) => Some(job),
            Activity::Idle | Activity::Resuming(_) | Activity::Ending(_) => None,
        }
    }

    fn job_mut(&mut self) -> Option<&mut Job> {
        match &mut self.activity {
            Activity::Syncing(job) => Some(job),
            Activity::Idle | Activity::Resuming(_) | Activity::Ending(_) => None,
        }
    }

    /// The root that the engine works towards.
    fn target_root(&self) -> Option<Hash> {
        match &self.activity {
            Activity::Idle => None,
            Activity::Resuming(resume) => Some(resume.root()),
            Activity::Syncing(job) => Some(job.root()),
            Activity::Ending(last) => Some(last.pivot.root),
        }
    }

    fn is_idle(&self) -> bool {
        matches!(self.activity, Activity::Idle)
    }

    /// These counts of a state with all codes that are held. Those of states before are among them
    /// until they are collected. A state without accounts names none.
    fn with_codes(&self, held: Counts) -> Counts {
        let codes = match held.accounts {
            0 => 0,
            _ => self.codes_held.len() as u64,
        };
        Counts { codes, ..held }
    }

    fn tell(&mut self, event: Event) {
        self.outbox.push_back(Output::Event(event));
    }

    fn committed(&mut self, now: Millis, sequence: u64) {
        let Settled::Landed(batch) = self.commits.landed(sequence) else {
            return;
        };
        let before = std::mem::replace(&mut self.record, batch.record);
        self.forget_scopes();
        for code in &batch.deleted_codes {
            self.codes_held.remove(code);
        }
        for state in batch.dropped {
            self.tell(Event::Dropped(Box::new(state)));
        }
        if before.kept != self.record.kept {
            self.search_kept();
        }
        if matches!(self.activity, Activity::Ending(_)) && self.commits.is_settled() {
            self.landed(now);
        }
    }

    fn commit_failed(&mut self, sequence: u64, error: StoreError) {
        let Settled::Lost(codes) = self.commits.failed(sequence) else {
            return;
        };
        for code in &codes {
            self.codes_held.remove(code);
        }
        match self.is_idle() {
            // The batch only deleted garbage. Nobody waits for it.
            true => self.upkeep.put_off_gc(),
            false => self.fail(Failure::Store(error)),
        }
    }

    /// Ends the sync by an error that is no peer's. The tree in memory is thrown away; the record
    /// stays.
    fn fail(&mut self, failure: Failure) {
        debug_assert!(!failure.is_defect(), "{failure}");
        self.drop_job();
        // A repair would start at once again, and fail again. So would a build for today's scope.
        self.upkeep.forget_damage();
        let rescoping = std::mem::replace(&mut self.rescoping, Rescoping::PutOff);
        if self.goal.is_under_way() {
            self.end_goal(Event::Failed(failure));
        } else if rescoping == Rescoping::UnderWay && matches!(self.goal, Goal::Nothing) {
            // Whoever has changed the scope waits for its version. A target that is waited for goes
            // on, and brings it.
            self.tell(Event::Failed(failure));
        }
    }

    /// Throws away what is under way. Codes that are in no batch yet have to be fetched again.
    fn drop_job(&mut self) {
        self.waiting = None;
        if let Some(job) = self.leave() {
            for code in job.uncommitted_codes() {
                self.codes_held.remove(code);
            }
        }
    }

    fn report(
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
            held,
            counters,
            elapsed_ms: now.since(self.started),
            already_complete,
        })
    }
}

owns! {
    Config: client;
    Engine: activity, scopes, changes, fold, codes_held, peers, lacking, requests, arrived, outbox, journal, loads, commits, upkeep,
        config;
}

impl HeapBytes for Activity {
    fn heap_bytes(&self) -> usize {
        match self {
            Activity::Idle => 0,
            Activity::Resuming(resume) => resume.heap_bytes(),
            Activity::Syncing(job) => job.heap_bytes(),
            Activity::Ending(last) => size_of_val(&**last),
        }
    }
}
