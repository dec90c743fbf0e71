//! Upkeep of the complete state: damage is healed, what a switch left behind is collected, and a
//! record that another writer wrote is taken over.

use super::Engine;
use crate::hash::Hash;
use crate::state::Record;
use crate::sync::ids::Millis;
use crate::sync::io::{Damage, Event};
use crate::sync::loads::LoadPurpose;
use crate::sync::resume::Start;
use crate::sync::target::Goal;
use crate::sync::upkeep::Upkeep;

impl Engine {
    /// Goes on from another record and other stored codes, with the same peers: another tab was the
    /// writer until now. `false`, and nothing changes, while anything is under way.
    #[must_use]
    pub fn take_over_record(&mut self, record: Record, codes_held: Vec<Hash>) -> bool {
        let is_still =
            self.is_idle() && self.commits.is_settled() && matches!(self.goal, Goal::Nothing);
        if is_still {
            self.upkeep = Upkeep::over(&record);
            self.record = record;
            self.codes_held.clear();
            self.codes_held.insert_all(codes_held);
            self.loads.cancel(LoadPurpose::Gc);
        }
        is_still
    }

    /// A reader found damage: it is healed as soon as nothing else is under way.
    pub(super) fn damaged(&mut self, damage: Damage) {
        if !self.upkeep.damaged(damage) {
            return;
        }
        if let Damage::Code(hash) = damage {
            self.code_lost(hash);
        }
        self.tell(Event::Damaged(damage));
    }

    /// The store does not have a code that it should have. The job fetches it again if its state
    /// needs it, and the repair does if the complete state needs it.
    fn code_lost(&mut self, hash: Hash) {
        if self.job().is_some_and(|job| job.has_code(&hash)) {
            // The next batch brings it.
            return;
        }
        self.codes_held.remove(&hash);
        if let Some(job) = self.job_mut() {
            job.code_lost(hash);
        }
    }

    /// Heals what readers found damaged, if anything.
    pub(super) fn start_repair(&mut self) {
        let Some(damage) = self.upkeep.begin_repair() else {
            return;
        };
        // It may fetch a code that no account names.
        self.upkeep.leave_codes();
        match Start::repair(&self.record, damage) {
            Some(start) => self.begin(start),
            // There is no state that could be damaged.
            None => self.repaired(),
        }
    }

    /// Everything that was known to be damaged when the repair began is whole, or no longer part of
    /// the state.
    pub(super) fn repaired(&mut self) {
        self.upkeep.repaired();
        self.tell(Event::Repaired);
    }

    /// Begins to collect what the last switch left, also after a crash in between. It waits until
    /// every batch is settled: one on its way may have collected it.
    pub(super) fn collect_if_due(&mut self, now: Millis) {
        if !self.upkeep.may_collect() || !self.commits.is_settled() {
            return;
        }
        if self.upkeep.has_garbage() {
            return self.commit_garbage(now);
        }
        if let (Some(pending), Some(complete)) = (&self.record.pending_gc, self.record.complete) {
            // A build needs codes that the complete state does not name.
            let with_codes = self.is_idle() && self.record.building.is_none();
            let page = complete.top.page();
            self.upkeep
                .collect(pending, page, &self.codes_held, with_codes);
            // There may be nothing to read.
            self.end_gc_if_over(now);
        }
    }

    /// Whether nothing is left of the switch before, or the next batch deletes it.
    pub(super) fn is_collected(&self) -> bool {
        let record = self.commits.last_record().unwrap_or(&self.record);
        !self.upkeep.is_collecting() && (self.upkeep.has_garbage() || record.pending_gc.is_none())
    }

    /// Ends the collection once everything has been looked at.
    pub(super) fn end_gc_if_over(&mut self, now: Millis) {
        let is_over = self.upkeep.is_collecting() && self.upkeep.next_pages().is_empty();
        if is_over && !self.loads.is_open(LoadPurpose::Gc) {
            self.upkeep.end_collection();
            self.commit_garbage(now);
        }
    }
}
