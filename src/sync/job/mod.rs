//! One sync towards one root: the tree that is built, and what is asked for.
//!
//! A job is in one of three phases. Over nothing it is a [`FirstSync`], which walks the account trie
//! by cursors. Over a base it is a [`Healing`], which plans what differs. For a set it is a
//! [`SetPlan`], which follows the tracked keys.

mod asking;
mod base_pages;
mod cursor;
mod eta;
mod first_sync;
mod frontier;
mod gaps;
mod healing;
mod joining;
mod pace;
mod plan;
mod price;
mod queues;
mod round_trips;
mod set;
mod staged;

use base_pages::BasePages;
use first_sync::FirstSync;
use healing::Healing;
use pace::Pace;
use queues::Queues;
use round_trips::RoundTrips;
use set::SetPlan;
use staged::Staged;

use super::ids::Millis;
use super::progress::{Counters, KEY_SPACE_CELLS, Outrun, Queued};
use super::target::Pivot;
use super::want::{RequestKind, Want};
use crate::hash::Hash;
use crate::heap::{HeapBytes, owns};
use crate::state::{CodesHeld, Counts, Entry, PageId, Scope, Tree, TreeError, Unfinished};

pub(super) use asking::Terms;
pub(super) use set::{Changes, HeldSlot, KnownStorage, SetWays, known_storage};
pub(super) use staged::Built;

/// A sync under way.
pub(crate) struct Job {
    pivot: Pivot,
    tree: Tree,
    phase: JobPhase,
    base_pages: BasePages,
    queues: Queues,
    /// What the next batch carries.
    staged: Staged,
    /// The first page id of this build: older ones belong to the complete state.
    first_page: PageId,
    /// How often the target moved. What was asked before a move goes back to no queue.
    round: u32,
    counters: Counters,
    pace: Pace,
    round_trips: RoundTrips,
    is_repair: bool,
    /// What changed at the moves before. Only a set asks ahead by it.
    changes: Changes,
    /// How peers can be asked.
    ways: SetWays,
}

enum JobPhase {
    /// Nothing is held under another root: what is missing is walked over.
    FirstSync(FirstSync),
    /// Something is held under another root: what is missing is planned.
    Healing(Healing),
    /// Only a set is wanted: what is asked for follows its keys.
    Set(SetPlan),
}

impl JobPhase {
    /// `round_trips`: those before.
    fn of(tree: &Tree, round_trips: u64) -> JobPhase {
        if !tree.scope().is_everything() {
            return JobPhase::Set(SetPlan::of(tree, round_trips));
        }
        match tree.entries().iter().any(Entry::has_base) {
            true => JobPhase::Healing(Healing::new()),
            false => JobPhase::FirstSync(FirstSync::of(tree)),
        }
    }
}

/// Beginning, and moving to another root.
impl Job {
    /// Starts from whatever `tree` holds; new pages get ids from `next_page` on.
    pub(crate) fn new(pivot: Pivot, tree: Tree, first_page: PageId, next_page: PageId) -> Job {
        let tree = tree.with_first_page(first_page);
        Job {
            pivot,
            phase: JobPhase::of(&tree, 0),
            base_pages: BasePages::default(),
            queues: Queues::of(&tree),
            staged: Staged::new(next_page),
            first_page,
            round: 0,
            counters: Counters::default(),
            pace: Pace::default(),
            round_trips: RoundTrips::after(0),
            is_repair: false,
            changes: Changes::default(),
            ways: SetWays::default(),
            tree,
        }
    }

    /// The same job as the continuation of a build that has counted this.
    pub(crate) fn counting_from(self, counters: Counters) -> Job {
        Job {
            counters,
            round_trips: RoundTrips::after(counters.round_trips),
            phase: match self.phase {
                JobPhase::Set(_) => JobPhase::of(&self.tree, counters.round_trips),
                phase => phase,
            },
            ..self
        }
    }

    /// The same job as a repair, which fetches these codes again. `owners`: some of them, and accounts
    /// that name them.
    pub(crate) fn repairing(mut self, codes: Vec<Hash>, owners: Vec<(Hash, Hash)>) -> Job {
        self.is_repair = true;
        self.queues.add_codes(codes);
        self.queues.owned_by(owners);
        self
    }

    /// The same job as it begins: its round, the bytes that pages are cut to, and what changed at
    /// the moves before.
    pub(crate) fn entered(self, round: u32, page_bytes: usize, changes: Changes) -> Job {
        Job {
            round,
            changes,
            tree: self.tree.with_budget(page_bytes),
            ..self
        }
    }

    /// The target has moved while the job was under way. Everything held becomes the base of the
    /// new tree. `true` if the root is another one.
    #[must_use]
    pub(crate) fn retarget(&mut self, now: Millis, pivot: Pivot) -> bool {
        let has_moved = self.pivot.root != pivot.root;
        if has_moved {
            let known = self.key_space().map(u64::from).iter().sum();
            let healed = self.counters.nodes + self.counters.accounts + self.counters.slots;
            self.pace.moved(now, known, healed);
        }
        self.turn_to(pivot);
        has_moved
    }

    /// Turns towards another root. What is in flight belongs to the round before.
    pub(crate) fn turn_to(&mut self, pivot: Pivot) {
        if self.pivot.root != pivot.root {
            let tree = std::mem::replace(&mut self.tree, Tree::new(Hash::EMPTY_ROOT));
            self.tree = tree.retarget(pivot.root);
            self.begin_round();
            self.counters.moves += 1;
        }
        self.pivot = pivot.after(self.pivot);
    }

    /// What is to be held has changed. `true` if everything is planned anew, and what is in flight
    /// belongs to the round before: it is not only another set.
    #[must_use]
    pub(crate) fn rescope(&mut self, scope: Scope, held: &dyn CodesHeld) -> bool {
        if scope.version() == self.tree.scope().version() {
            return false;
        }
        let _ = self.tree.rescope(scope, held);
        self.staged.touch();
        let is_everything = self.tree.scope().is_everything();
        match &mut self.phase {
            JobPhase::Set(set) if !is_everything => {
                set.changed();
                self.queues.drop_unwanted(&self.tree);
                self.queues.add_missing(&self.tree);
                false
            }
            JobPhase::FirstSync(_) | JobPhase::Healing(_) if is_everything => false,
            JobPhase::Set(_) | JobPhase::FirstSync(_) | JobPhase::Healing(_) => {
                self.begin_round();
                true
            }
        }
    }

    /// Plans anew what the tree lacks. What is in flight belongs to the round before.
    fn begin_round(&mut self) {
        let round_trips = self.counters.round_trips;
        self.changes.forget();
        self.phase = JobPhase::of(&self.tree, round_trips);
        self.base_pages = BasePages::default();
        self.queues = Queues::of(&self.tree);
        self.staged.touch();
        self.round += 1;
        self.round_trips = RoundTrips::after(round_trips);
    }

    /// What changed at the moves so far, for the next job.
    pub(crate) fn take_changes(&mut self) -> Changes {
        let mut changes = std::mem::take(&mut self.changes);
        match &self.phase {
            JobPhase::Set(set)
                if set.has_base() && self.counters.moves == 0 && self.tree.is_complete() =>
            {
                changes.moved(self.tree.scope());
            }
            _ => changes.forget(),
        }
        changes
    }

    /// An account range has been on its way since before the target moved.
    fn await_span(&mut self, origin: Hash, limit: Hash) {
        match &mut self.phase {
            JobPhase::FirstSync(first) => first.await_span(origin, limit),
            JobPhase::Healing(healing) => healing.await_span(origin, limit),
            JobPhase::Set(_) => {}
        }
    }

    /// A request from before the target moved has ended.
    pub(crate) fn stale_ended(&mut self, want: &Want) {
        if let Want::Accounts { origin, limit, .. } = want {
            match &mut self.phase {
                JobPhase::FirstSync(first) => first.span_ended(origin, limit),
                JobPhase::Healing(healing) => healing.span_ended(origin, limit),
                JobPhase::Set(_) => {}
            }
        }
    }
}

/// What it is, has and lacks.
impl Job {
    pub(crate) fn pivot(&self) -> Pivot {
        self.pivot
    }

    pub(crate) fn root(&self) -> Hash {
        self.pivot.root
    }

    pub(crate) fn round(&self) -> u32 {
        self.round
    }

    pub(crate) fn first_page(&self) -> PageId {
        self.first_page
    }

    pub(crate) fn is_repair(&self) -> bool {
        self.is_repair
    }

    pub(crate) fn counters(&self) -> &Counters {
        &self.counters
    }

    /// The totals, for what the job itself does not see.
    pub(crate) fn counters_mut(&mut self) -> &mut Counters {
        &mut self.counters
    }

    pub(crate) fn tree(&self) -> &Tree {
        &self.tree
    }

    /// Bytes of pages and codes that the next batch will carry at least.
    pub(crate) fn pending_bytes(&self) -> usize {
        self.staged.bytes()
    }

    /// Whether a batch would carry anything new.
    pub(crate) fn is_dirty(&self) -> bool {
        self.staged.is_dirty()
    }

    /// Accounts and slots held of the target's state.
    pub(crate) fn held(&self) -> Counts {
        self.tree.held()
    }

    /// What is known to be missing, apart from account ranges, and is not asked for yet.
    pub(crate) fn queued(&self) -> Queued {
        let planned = match &self.phase {
            JobPhase::FirstSync(first) => match first.frontier() {
                Some(frontier) => frontier.len(),
                None => self.left_nodes(first, usize::MAX),
            },
            JobPhase::Healing(healing) => healing.nodes(),
            JobPhase::Set(set) => set.len(),
        };
        let mut queued = self.queues.queued();
        queued.nodes += planned as u64;
        queued
    }

    /// What is known of each 1/256 of the account key space, 0 to 255.
    pub(crate) fn key_space(&self) -> [u8; KEY_SPACE_CELLS] {
        let by_cursors = match &self.phase {
            JobPhase::FirstSync(first) => first.key_space(),
            JobPhase::Healing(_) | JobPhase::Set(_) => None,
        };
        by_cursors.unwrap_or_else(|| healing::key_space(&self.tree))
    }

    /// Milliseconds until the account ranges are done, once there is enough data to estimate.
    pub(crate) fn eta(&self, now: Millis) -> Option<u64> {
        match &self.phase {
            JobPhase::FirstSync(first) => first.eta(now),
            JobPhase::Healing(_) | JobPhase::Set(_) => None,
        }
    }

    /// Both rates, if the chain moves faster than it is healed.
    pub(crate) fn outrun(&self) -> Option<Outrun> {
        self.pace.outrun()
    }

    /// Whether ranges are done and only single nodes are missing.
    pub(crate) fn is_healing(&self) -> bool {
        match &self.phase {
            JobPhase::Healing(healing) => !healing.lacks_spans() && !self.queues.has_large(),
            JobPhase::Set(set) => set.has_base(),
            JobPhase::FirstSync(_) if self.ways.is_by_hash => true,
            JobPhase::FirstSync(first) => {
                !first.lacks_accounts()
                    && !self.queues.lacks_storage()
                    && !self.tree.blinded_where(1, &|_, _| true).is_empty()
            }
        }
    }

    /// Whether something is held under another root.
    pub(crate) fn is_over_base(&self) -> bool {
        match &self.phase {
            JobPhase::FirstSync(_) => false,
            JobPhase::Healing(_) => true,
            JobPhase::Set(set) => set.has_base(),
        }
    }

    /// Whether nothing is left to ask for, to read or to wait for, beside the requests and the load
    /// in flight.
    pub(crate) fn is_exhausted(&self) -> bool {
        let awaits_ranges = match &self.phase {
            JobPhase::FirstSync(_) | JobPhase::Set(_) => false,
            JobPhase::Healing(healing) => healing.awaits_ranges(),
        };
        !awaits_ranges
            && !self.is_reading()
            && !RequestKind::STATE.into_iter().any(|kind| self.lacks(kind))
    }

    /// Whether work of this kind waits in the queues.
    pub(crate) fn lacks(&self, kind: RequestKind) -> bool {
        match (kind, &self.phase) {
            (RequestKind::Accounts, JobPhase::FirstSync(first)) => first.lacks_accounts(),
            (RequestKind::Accounts, JobPhase::Healing(healing)) => healing.lacks_spans(),
            (RequestKind::Accounts, JobPhase::Set(_)) => false,
            (RequestKind::Storage, _) => self.queues.lacks_storage(),
            (RequestKind::Codes, _) => self.queues.lacks_codes(),
            (RequestKind::Nodes, _) if self.queues.has_nodes_aside() => true,
            (RequestKind::Nodes, JobPhase::FirstSync(first)) => self.left_nodes(first, 1) > 0,
            (RequestKind::Nodes, JobPhase::Healing(healing)) => healing.lacks_nodes(),
            // Whichever way it is asked for.
            (RequestKind::Nodes, JobPhase::Set(set)) => set.lacks_any(),
            // What is asked for by hash is asked for in another way too.
            (RequestKind::NodeData | RequestKind::Headers, _) => false,
            (RequestKind::Keys | RequestKind::Proofs | RequestKind::CodesOf, _) => false,
        }
    }

    /// How many nodes a first sync has to ask for that no range brings, at most `most`.
    fn left_nodes(&self, first: &FirstSync, most: usize) -> usize {
        asking::next_nodes(&self.tree, &self.queues, first, most, &|_| true).len()
    }

    /// Whether only accounts and nodes can go on: no storage or code is missing that would let
    /// accounts leave memory.
    pub(crate) fn lacks_only_accounts(&self) -> bool {
        !self.queues.lacks_storage() && !self.queues.lacks_codes()
    }
}

/// Time and batches.
impl Job {
    /// Time has passed.
    pub(crate) fn note_pace(&mut self, now: Millis) {
        if let JobPhase::FirstSync(first) = &mut self.phase {
            first.note_pace(now);
        }
    }

    /// Bytes that have come to wait in memory since it was last cut, if anything came from a peer.
    pub(crate) fn grown_since_cut(&self) -> usize {
        self.staged.grown_since_cut(self.tree.resident_bytes())
    }

    /// Moves what has become complete out of memory, into pages.
    pub(crate) fn cut_complete(&mut self, held: &dyn CodesHeld) -> Result<(), TreeError> {
        self.tree.cut_complete(held, self.staged.pages_mut())?;
        self.staged.cut_at(self.tree.resident_bytes());
        Ok(())
    }

    /// Cuts what is complete, writes the upper pages, and empties what is staged into a batch.
    pub(crate) fn build(
        &mut self,
        held: &dyn CodesHeld,
        unfinished: Unfinished,
    ) -> Result<Built, TreeError> {
        self.cut_complete(held)?;
        let built = self.staged.build(&mut self.tree, unfinished)?;
        self.counters.bytes_stored += built.bytes();
        self.counters.pages_stored += built.pages.len() as u64;
        self.counters.batches += 1;
        Ok(built)
    }

    /// Codes that are in no batch yet.
    pub(crate) fn uncommitted_codes(&self) -> impl Iterator<Item = &Hash> {
        self.staged.codes()
    }
}

impl HeapBytes for JobPhase {
    fn heap_bytes(&self) -> usize {
        match self {
            JobPhase::FirstSync(first) => first.heap_bytes(),
            JobPhase::Healing(healing) => healing.heap_bytes(),
            JobPhase::Set(set) => set.heap_bytes(),
        }
    }
}

owns! {
    Job: tree, phase, base_pages, queues, staged, pace, changes;
}
