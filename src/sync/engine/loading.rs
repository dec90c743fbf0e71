//! Reading pages back from the store, for whatever needs them.

use super::{Activity, Engine};
use crate::state::{PageId, StoreError};
use crate::sync::ids::{Millis, Ticket};
use crate::sync::io::{Damage, Event, Failure, Output};
use crate::sync::loads::{LoadPurpose, LoadedPage};

impl Engine {
    /// Reads these pages.
    pub(super) fn load(&mut self, purpose: LoadPurpose, pages: Vec<PageId>) {
        let output = self.loads.open(purpose, pages);
        self.outbox.push_back(output);
    }

    pub(super) fn loaded(&mut self, now: Millis, ticket: Ticket, pages: Vec<Option<Vec<u8>>>) {
        let Some((purpose, pages)) = self.loads.loaded(ticket, pages) else {
            return;
        };
        match purpose {
            LoadPurpose::Resume => self.resume(now, pages),
            // The job takes them in one by one, as steps of their own.
            LoadPurpose::Heal => {
                if let Some(job) = self.job_mut() {
                    job.loaded(pages);
                }
            }
            LoadPurpose::Gc => {
                self.upkeep.take(&pages, &self.codes_held);
                self.end_gc_if_over(now);
            }
            LoadPurpose::Kept => {
                self.upkeep.take_searched(&pages);
                self.upkeep.end_search_if_over();
            }
            // The repair begins once it is over, after this input.
            LoadPurpose::Codes => self.upkeep.take_code_pages(pages),
        }
    }

    pub(super) fn load_failed(&mut self, ticket: Ticket, error: StoreError) {
        match self.loads.failed(ticket) {
            Some(LoadPurpose::Resume | LoadPurpose::Heal) => self.fail(Failure::Store(error)),
            Some(LoadPurpose::Gc) => self.upkeep.give_up_gc(),
            Some(LoadPurpose::Kept) => self.upkeep.give_up_search(),
            // What is still damaged is found again when it is read again.
            Some(LoadPurpose::Codes) => self.upkeep.forget_damage(),
            None => {}
        }
    }

    fn resume(&mut self, now: Millis, pages: Vec<LoadedPage>) {
        let Activity::Resuming(resume) = &mut self.activity else {
            return;
        };
        let damaged = resume.take(pages);
        let more = resume.next_pages();
        match more.is_empty() {
            true => self.finish_resuming(now),
            false => self.load(LoadPurpose::Resume, more),
        }
        self.found_damaged(damaged);
    }

    fn finish_resuming(&mut self, now: Millis) {
        let Activity::Resuming(resume) = std::mem::replace(&mut self.activity, Activity::Idle)
        else {
            return;
        };
        let is_wanted = self.goal.is_under_way();
        if resume.is_needless() && !is_wanted {
            return self.repaired();
        }
        let (next, today) = (self.record.next_page, self.today());
        let job = resume.into_job(next, today, &self.codes_held);
        self.last_commit = now;
        if job.is_repair() && !is_wanted && job.tree().is_complete() && job.is_exhausted() {
            return self.repaired();
        }
        self.enter(job);
    }

    /// Takes in some pages that were read for the job. `true` if there were any.
    pub(super) fn take_read(&mut self) -> bool {
        let Some(job) = self.job_mut().filter(|job| job.has_read()) else {
            return false;
        };
        let damaged = job.take_read();
        self.found_damaged(damaged);
        true
    }

    /// The job does without these pages. The states that are kept cannot.
    fn found_damaged(&mut self, pages: Vec<PageId>) {
        self.upkeep.unreadable(&pages);
        for page in pages {
            self.tell(Event::Damaged(Damage::Page { page, at: None }));
        }
    }

    /// Reads what the job needs, else what the garbage collection needs, and what a search needs.
    pub(super) fn load_if_due(&mut self, now: Millis) {
        self.search_if_due(now);
        if self.load_for_job() || self.loads.is_open(LoadPurpose::Gc) {
            return;
        }
        let pages = self.upkeep.next_pages();
        match pages.is_empty() {
            true => self.end_gc_if_over(now),
            false => self.load(LoadPurpose::Gc, pages),
        }
    }

    /// Reads pages of the base that the plan wants. `true` if it did, or found some in memory.
    fn load_for_job(&mut self) -> bool {
        let waiting_bytes = self.limits.waiting_bytes;
        let (stored, is_settled) = (self.record.next_page, self.commits.is_settled());
        let Activity::Syncing(job) = &mut self.activity else {
            return false;
        };
        job.replan(waiting_bytes);
        // Uses the pages that were read before reading more.
        let has_room = job.tree().resident_bytes() < waiting_bytes;
        let is_stuck = !self.requests.awaits(job.round()) && job.has_no_plan();
        if self.loads.is_open(LoadPurpose::Heal) || job.has_read() || !has_room && !is_stuck {
            return false;
        }
        let pages = job.next_pages(stored, is_settled);
        let goes_on = job.has_read() || job.looks_again();
        if !pages.is_empty() {
            self.load(LoadPurpose::Heal, pages);
        } else if goes_on {
            // Taking them in is the next step, or planning anew.
            self.outbox.push_back(Output::Yield);
        } else {
            return false;
        }
        true
    }
}
