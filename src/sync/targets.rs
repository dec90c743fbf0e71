//! Targets: how a sync starts, moves and stops.

use super::engine::{Activity, Ending, Engine};
use super::headers::{Aim, Sought, known};
use super::resume::{Loading, Resumed};
use super::{Counters, Event, Failure, Millis, Output, Target};
use crate::state::Counts;

impl Engine {
    pub(super) fn target(&mut self, now: Millis, target: Target) {
        self.sought = None;
        let aim = match target {
            Target::Root(root) => Some(Aim { root, block: None }),
            Target::Block(block) => known(&self.record, &block),
        };
        match (aim, target) {
            (Some(aim), _) => self.aim(aim),
            (None, Target::Block(block)) => self.sought = Some(Sought::new(block)),
            (None, Target::Root(_)) => {}
        }
        if matches!(self.activity, Activity::Idle) {
            self.started = now;
        }
    }

    /// Goes for a state whose root is known.
    pub(super) fn aim(&mut self, aim: Aim) {
        match &mut self.activity {
            Activity::Syncing(job) if job.aim.root == aim.root => return job.aim = aim,
            Activity::Loading(loading) if loading.root() == aim.root => {
                return loading.name_block(aim.block);
            }
            Activity::Ending(_) => {}
            _ => self.drop_job(),
        }
        self.next = Some(aim);
    }

    /// Starts towards the next target once every earlier batch is settled, so that the record is the whole truth.
    pub(super) fn start_next(&mut self, now: Millis) {
        let Activity::Idle = self.activity else {
            return;
        };
        if !self.commits.is_settled() {
            return;
        }
        let Some(aim) = self.next.take() else {
            return;
        };
        self.last_commit = now;
        self.waiting = None;
        self.peers.forgive();
        if let Some(complete) = self.record.complete
            && complete.root == aim.root
        {
            let report = self.report(now, aim, complete.counts, Counters::default(), true);
            self.outbox.push_back(Output::Event(Event::Done(report)));
            return;
        }
        self.tickets += 1;
        match Loading::start(aim, &self.record, self.tickets) {
            Resumed::Load(loading, output) => {
                self.activity = Activity::Loading(Box::new(loading));
                self.outbox.push_back(output);
            }
            Resumed::Ready(job) => self.activity = Activity::Syncing(Box::new(job)),
        }
    }

    pub(super) fn loaded(
        &mut self,
        now: Millis,
        ticket: super::Ticket,
        pages: Vec<Option<Vec<u8>>>,
    ) {
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

    pub(super) fn cancel(&mut self, now: Millis) {
        let unstarted = self.next.take();
        let sought = self.sought.take();
        match &self.activity {
            Activity::Idle => {
                // A header that was not found has no root to report.
                let found = sought.map(|_| Aim::NONE);
                if let Some(aim) = unstarted.or(found) {
                    let report =
                        self.report(now, aim, Counts::default(), Counters::default(), false);
                    self.outbox
                        .push_back(Output::Event(Event::Cancelled(report)));
                }
            }
            Activity::Ending(_) => {}
            Activity::Loading(loading) => {
                let report = self.report(
                    now,
                    loading.aim(),
                    loading.held(),
                    Counters::default(),
                    false,
                );
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
}
