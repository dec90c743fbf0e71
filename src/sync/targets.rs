//! Targets: how a sync starts, moves and stops.

use super::engine::{Activity, Ended, Ending, Engine};
use super::goal::Goal;
use super::headers::{HeaderSearch, Pivot, known};
use super::job::Job;
use super::resume::{Loading, Resumed};
use super::{Counters, Damage, Event, Failure, Millis, Output, Target, Ticket};
use crate::state::{PageId, StoreError};

impl Engine {
    pub(super) fn target(&mut self, now: Millis, target: Target) {
        // An end that nobody has heard of yet would be taken for this target's.
        let is_end =
            |event: &Event| matches!(event, Event::Done(_) | Event::Cancelled | Event::Failed(_));
        self.outbox
            .retain(|output| !matches!(output, Output::Event(event) if is_end(event)));
        self.is_gc_put_off = false;
        let pivot = match target {
            Target::Root(root) => Some(Pivot { root, block: None }),
            Target::Block(block) => known(&self.record, &block),
        };
        match (pivot, target) {
            (Some(pivot), _) => self.pivot(now, pivot),
            (None, Target::Block(block)) => self.goal = Goal::Header(HeaderSearch::new(block)),
            (None, Target::Root(_)) => {}
        }
        if matches!(self.activity, Activity::Idle) {
            self.started = now;
        }
    }

    /// Goes for a state whose root is known.
    pub(super) fn pivot(&mut self, now: Millis, pivot: Pivot) {
        let complete = self.record.complete.map(|complete| complete.top.root());
        // It is there already: what is being built waits in the record for a target of its own.
        let is_complete = complete == Some(pivot.root);
        match &mut self.activity {
            Activity::Syncing(job) if is_complete && !job.is_repair => {
                self.drop_job();
                self.goal = Goal::Next(pivot);
            }
            Activity::Loading(loading) if is_complete && !loading.is_repair() => {
                self.activity = Activity::Idle;
                self.goal = Goal::Next(pivot);
            }
            Activity::Syncing(job) => {
                self.goal = Goal::UnderWay;
                let has_moved = job.pivot.root != pivot.root;
                if has_moved {
                    self.waiting = None;
                    self.peers.forgive();
                }
                job.retarget(now, pivot);
                if has_moved {
                    let arrived = self.arrived.iter();
                    let waiting = arrived.filter_map(|arrived| arrived.request.want.span());
                    job.await_stale(self.requests.spans().chain(waiting).collect());
                }
            }
            Activity::Loading(loading) => {
                self.goal = Goal::UnderWay;
                loading.retarget(pivot);
            }
            Activity::Ending(_) | Activity::Idle => self.goal = Goal::Next(pivot),
        }
    }

    /// Starts towards the next target once every earlier batch is settled, so that the record is the whole truth; without a
    /// target, heals what is damaged.
    pub(super) fn start_next(&mut self, now: Millis) {
        let Activity::Idle = self.activity else {
            return;
        };
        if !self.commits.is_settled() {
            return;
        }
        self.collect_if_due(now);
        if !self.commits.is_settled() {
            return;
        }
        let Goal::Next(pivot) = self.goal else {
            return self.start_repair();
        };
        self.goal = Goal::UnderWay;
        self.last_commit = now;
        self.waiting = None;
        self.peers.forgive();
        if let Some(complete) = self.record.complete
            && complete.top.root() == pivot.root
        {
            let report = self.report(now, pivot, complete.counts, Counters::default(), true);
            return self.end_goal(Event::Done(report));
        }
        self.tickets += 1;
        let resumed = Loading::start(pivot, &self.record, self.tickets);
        self.begin(resumed);
    }

    pub(super) fn begin(&mut self, resumed: Resumed) {
        match resumed {
            Resumed::Load(loading, output) => {
                self.activity = Activity::Loading(loading);
                self.outbox.push_back(output);
            }
            Resumed::Ready(job) => self.enter(*job),
        }
    }

    fn enter(&mut self, job: Job) {
        let mut job = job.cutting_to(self.limits.page_bytes);
        job.round = self.rounds;
        self.activity = Activity::Syncing(Box::new(job));
    }

    /// The job is over. What it asked for and is not there yet is of no later job's round.
    pub(super) fn leave(&mut self) -> Option<Job> {
        match std::mem::replace(&mut self.activity, Activity::Idle) {
            Activity::Syncing(job) => {
                self.rounds = job.round + 1;
                Some(*job)
            }
            _ => None,
        }
    }

    pub(super) fn loaded(&mut self, now: Millis, ticket: Ticket, pages: Vec<Option<Vec<u8>>>) {
        if let Some(gc) = &mut self.gc
            && gc.loaded(ticket, &pages)
        {
            return self.end_gc(now);
        }
        match &mut self.activity {
            // It takes them in one by one, as steps of its own.
            Activity::Syncing(job) => drop(job.loaded(ticket, pages)),
            Activity::Loading(loading) if loading.ticket() == ticket => {
                self.tickets += 1;
                let (more, damaged) = loading.take(pages, self.tickets);
                match more {
                    Some(output) => self.outbox.push_back(output),
                    None => self.finish_loading(now),
                }
                self.found_damaged(damaged);
            }
            _ => {}
        }
    }

    /// Takes in some pages that were read for the job. `true` if there were any.
    pub(super) fn take_read(&mut self) -> bool {
        let Activity::Syncing(job) = &mut self.activity else {
            return false;
        };
        let Some(damaged) = job.take_read() else {
            return false;
        };
        self.found_damaged(damaged);
        true
    }

    fn found_damaged(&mut self, pages: Vec<PageId>) {
        for page in pages {
            let damage = Damage::Page { page, at: None };
            self.outbox.push_back(Output::Event(Event::Damaged(damage)));
        }
    }

    fn finish_loading(&mut self, now: Millis) {
        let Activity::Loading(loading) = std::mem::replace(&mut self.activity, Activity::Idle)
        else {
            return;
        };
        let job = loading.into_job(now, self.record.next_page);
        self.last_commit = now;
        let is_wanted = matches!(self.goal, Goal::UnderWay);
        if job.is_repair && !is_wanted && job.tree.is_complete() && job.is_exhausted() {
            self.repaired();
            return;
        }
        self.enter(job);
    }

    pub(super) fn load_failed(&mut self, ticket: Ticket, error: StoreError) {
        let is_sweeps = self.gc.as_ref().is_some_and(|gc| gc.awaits_load(ticket));
        let is_ours = match &self.activity {
            Activity::Loading(loading) => loading.ticket() == ticket,
            Activity::Syncing(job) => job.awaits_load(ticket),
            Activity::Idle | Activity::Ending(_) => false,
        };
        if is_ours {
            self.fail(Failure::Store(error));
        }
        if is_sweeps {
            self.gc = None;
            self.is_gc_put_off = true;
        }
    }

    /// Reads what the job or the sweep wants read.
    pub(super) fn load_if_due(&mut self, now: Millis) {
        if let Activity::Syncing(job) = &mut self.activity {
            job.replan(self.limits.waiting_bytes);
        }
        let ticket = Ticket(self.tickets + 1);
        let stored = self.record.next_page;
        if let Activity::Syncing(job) = &mut self.activity
            // What was read is asked about before more is.
            && (job.tree.resident_bytes() < self.limits.waiting_bytes
                || !self.requests.awaits(job.round) && job.has_no_plan())
            && let Some(ids) = job.next_load(ticket, stored)
        {
            if ids.is_empty() {
                return self.outbox.push_back(Output::Yield);
            }
            self.tickets += 1;
            self.outbox.push_back(Output::Load(ticket, ids));
            return;
        }
        if let Some(gc) = &mut self.gc {
            if let Some(ids) = gc.next_load(ticket) {
                self.tickets += 1;
                self.outbox.push_back(Output::Load(ticket, ids));
            } else {
                self.end_gc(now);
            }
        }
    }

    /// Ends what the caller waits for, and a repair. See the table in `goal.rs`.
    pub(super) fn cancel(&mut self, now: Millis) {
        let is_under_way = matches!(self.goal, Goal::UnderWay);
        match &self.activity {
            // It lacks nothing: its last batch says how it ends.
            Activity::Ending(_) if is_under_way => {}
            Activity::Ending(_) | Activity::Idle => self.end_cancelled(),
            Activity::Loading(loading) => {
                if loading.is_repair() {
                    self.repair_ended();
                }
                self.activity = Activity::Idle;
                self.end_cancelled();
            }
            // What is damaged is met again when it is read again.
            Activity::Syncing(job) if job.is_repair && !is_under_way => {
                self.drop_job();
                self.repair_ended();
                self.end_cancelled();
            }
            Activity::Syncing(_) => {
                self.goal = Goal::UnderWay;
                self.cancel_requests();
                self.waiting = None;
                self.commit_last(now, Ending::Cancelled);
            }
        }
    }

    /// The last batch of what was under way has landed.
    pub(super) fn landed(&mut self, now: Millis) {
        let Activity::Ending(ended) = std::mem::replace(&mut self.activity, Activity::Idle) else {
            return;
        };
        let Ended {
            pivot,
            held,
            counters,
            how,
            is_repair,
        } = *ended;
        if is_repair && how == Ending::Done {
            self.repaired();
        }
        if !matches!(self.goal, Goal::UnderWay) {
            return;
        }
        self.end_goal(match how {
            Ending::Cancelled => Event::Cancelled,
            Ending::Done => {
                // What the record says was counted through the whole tree.
                let held = self
                    .record
                    .complete
                    .map_or(held, |complete| complete.counts);
                Event::Done(self.report(now, pivot, held, counters, false))
            }
        });
    }
}
