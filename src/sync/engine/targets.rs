//! How a sync starts, moves and stops. The table is in [`target`](crate::sync::target).

use super::{Activity, Ending, Engine, LastBatch, Rescoping};
use crate::sync::ids::Millis;
use crate::sync::io::{Event, Output};
use crate::sync::job::Job;
use crate::sync::loads::LoadPurpose;
use crate::sync::progress::Counters;
use crate::sync::resume::Start;
use crate::sync::target::{Goal, HeaderSearch, Pivot, Target};

impl Engine {
    /// The caller wants this state.
    pub(super) fn target(&mut self, now: Millis, target: Target) {
        // Drops an undelivered end: the caller would take it for the end of the new target.
        let is_end = |output: &Output| matches!(output, Output::Event(event) if event.is_end());
        self.outbox.retain(|output| !is_end(output));
        self.upkeep.resume_gc();
        self.rescoping = self.rescoping.resumed();
        match target {
            Target::Root(root) => self.set_pivot(now, Pivot { root, block: None }),
            Target::Block(block) => match Pivot::recorded(&self.record, &block) {
                Some(pivot) => self.set_pivot(now, pivot),
                None => self.goal = Goal::Header(HeaderSearch::new(block)),
            },
            Target::Header(header) => self.set_pivot(now, Pivot::of_header(&header)),
        }
        if self.is_idle() {
            self.started = now;
        }
    }

    /// Goes for a state whose root is known.
    pub(super) fn set_pivot(&mut self, now: Millis, pivot: Pivot) {
        let complete = self.record.complete.map(|complete| complete.top.root());
        let is_complete = complete == Some(pivot.root) && self.is_of_today();
        let is_kept = self.is_electable(&pivot.root);
        match &mut self.activity {
            Activity::Ending(_) | Activity::Idle => {
                self.goal = Goal::Next(match self.goal {
                    Goal::Next(before) => pivot.after(before),
                    _ => pivot,
                });
            }
            // The target is held. The unfinished build stays in the record.
            Activity::Syncing(job) if is_kept || is_complete && !job.is_repair() => {
                self.drop_job();
                self.goal = Goal::Next(pivot);
            }
            Activity::Resuming(resume) if is_kept || is_complete && !resume.is_repair() => {
                self.stop_resuming();
                self.goal = Goal::Next(pivot);
            }
            Activity::Resuming(resume) => {
                resume.retarget(pivot);
                self.goal = Goal::UnderWay;
                self.rescoping = Rescoping::Idle;
            }
            Activity::Syncing(job) => {
                let has_moved = job.retarget(now, pivot);
                self.goal = Goal::UnderWay;
                self.rescoping = Rescoping::Idle;
                if has_moved {
                    self.job_moved();
                }
            }
        }
    }

    /// The root of the job has moved: what was asked before belongs to an earlier round.
    pub(super) fn job_moved(&mut self) {
        self.waiting = None;
        self.peers.clear_refusals();
        self.upkeep.build_moved();
        self.loads.cancel(LoadPurpose::Heal);
        self.lacking.clear();
        self.named = None;
        self.expect_in_flight();
    }

    /// What is on its way since before the job has its root is not asked for again.
    fn expect_in_flight(&mut self) {
        let Activity::Syncing(job) = &mut self.activity else {
            return;
        };
        let arrived = self
            .arrived
            .iter_mut()
            .filter(|arrived| !arrived.request.is_late);
        let arrived = arrived.filter_map(|arrived| arrived.request.subject.as_state_mut());
        for request in self.requests.states_mut().chain(arrived) {
            job.expect(request);
        }
    }

    /// Starts towards the next target once every earlier batch is settled, so that the record is
    /// the whole truth. Without a target, heals what is damaged.
    pub(super) fn start_next(&mut self, now: Millis) {
        if !self.is_idle() || !self.commits.is_settled() {
            return;
        }
        self.drop_spoilt(now);
        self.collect_if_due(now);
        if !self.commits.is_settled() {
            return;
        }
        let Goal::Next(pivot) = self.goal else {
            return self.start_unasked(now);
        };
        self.goal = Goal::UnderWay;
        self.last_commit = now;
        self.waiting = None;
        self.peers.clear_refusals();
        if let Some(complete) = self.record.complete
            && complete.top.root() == pivot.root
        {
            let pivot = pivot.after(Pivot::of_complete(&complete));
            if !self.is_of_today() {
                let scopes = self.scopes_of_record();
                return self.begin(Start::rescope(pivot, &self.record, &scopes));
            }
            if pivot.block != complete.block {
                return self.commit_block(now, complete, pivot);
            }
            let counts = complete.counts;
            let report = self.report(now, pivot, counts, Counters::default(), true);
            self.end_goal(Event::Done(report));
            // No input need come after this end.
            return self.start_unasked(now);
        }
        if self.is_electable(&pivot.root) {
            return self.elect(now, pivot);
        }
        self.begin(Start::towards(
            pivot,
            &self.record,
            &self.scopes_of_record(),
        ));
    }

    /// Begins what nobody has to ask for: a repair, or else the build for today's scope.
    fn start_unasked(&mut self, now: Millis) {
        self.start_repair();
        self.start_rescoping(now);
    }

    /// Begins a job, or to read what it needs.
    pub(super) fn begin(&mut self, start: Start) {
        self.upkeep.build_begins(&self.record);
        match start {
            Start::Read(resume, root_page) => {
                self.activity = Activity::Resuming(resume);
                self.load(LoadPurpose::Resume, vec![root_page]);
            }
            Start::Ready(job) => self.enter(*job),
        }
    }

    /// The job is what the engine works on now.
    pub(super) fn enter(&mut self, job: Job) {
        let changes = std::mem::take(&mut self.changes);
        let job = job.entered(self.next_round, self.limits.page_bytes, changes);
        self.activity = Activity::Syncing(Box::new(job));
        self.lacking.clear();
        self.named = None;
        self.expect_in_flight();
    }

    /// The job is over. Later jobs get a higher round, so its open requests are stale.
    pub(super) fn leave(&mut self) -> Option<Job> {
        self.loads.cancel(LoadPurpose::Resume);
        self.loads.cancel(LoadPurpose::Heal);
        match std::mem::replace(&mut self.activity, Activity::Idle) {
            Activity::Syncing(mut job) => {
                self.changes = job.take_changes();
                self.next_round = job.round() + 1;
                Some(*job)
            }
            Activity::Idle | Activity::Resuming(_) | Activity::Ending(_) => None,
        }
    }

    fn stop_resuming(&mut self) {
        self.loads.cancel(LoadPurpose::Resume);
        self.activity = Activity::Idle;
    }

    /// Ends what the caller waits for, and a repair.
    pub(super) fn cancel(&mut self, now: Millis) {
        let is_under_way = self.goal.is_under_way();
        match &self.activity {
            // It lacks nothing: its last batch says how it ends.
            Activity::Ending(_) if is_under_way => {}
            Activity::Ending(_) | Activity::Idle => self.end_cancelled(),
            Activity::Resuming(resume) => {
                if resume.is_repair() {
                    self.upkeep.forget_damage();
                }
                self.stop_resuming();
                self.rescoping = Rescoping::PutOff;
                self.end_cancelled();
            }
            // What is damaged is found again when it is read again.
            Activity::Syncing(job) if job.is_repair() && !is_under_way => {
                self.drop_job();
                self.upkeep.forget_damage();
                self.end_cancelled();
            }
            Activity::Syncing(_) => {
                // Nobody waits for a build for today's scope as for a target.
                if self.rescoping != Rescoping::UnderWay {
                    self.goal = Goal::UnderWay;
                }
                self.rescoping = Rescoping::PutOff;
                self.waiting = None;
                self.commit_last(now, Ending::Cancelled);
            }
        }
    }

    /// The last batch of what was under way has landed.
    pub(super) fn landed(&mut self, now: Millis) {
        let Activity::Ending(last) = std::mem::replace(&mut self.activity, Activity::Idle) else {
            return;
        };
        let LastBatch {
            pivot,
            held,
            counters,
            how,
            is_repair,
        } = *last;
        if is_repair && how == Ending::Done {
            self.repaired();
        }
        if self.rescoping == Rescoping::UnderWay {
            self.rescoping = Rescoping::Idle;
        }
        if !self.goal.is_under_way() {
            return;
        }
        self.end_goal(match how {
            Ending::Cancelled => Event::Cancelled,
            Ending::Done | Ending::Named => {
                // The counts in the record are of the whole tree.
                let complete = self.record.complete;
                let held = complete.map_or(held, |complete| complete.counts);
                let already_complete = how == Ending::Named;
                Event::Done(self.report(now, pivot, held, counters, already_complete))
            }
        });
    }

    /// Tells the end of what the caller waits for.
    pub(super) fn end_goal(&mut self, end: Event) {
        self.goal = Goal::Nothing;
        self.waiting = None;
        self.tell(end);
    }

    /// Ends the goal by a cancellation, if somebody waits.
    fn end_cancelled(&mut self) {
        if !matches!(self.goal, Goal::Nothing) {
            self.end_goal(Event::Cancelled);
        }
    }
}
