//! Upkeep of the complete state: damage is healed, what a switch left behind is swept away, and a record that another writer
//! wrote is taken over.

use super::engine::{Activity, Engine};
use super::gc::Gc;
use super::goal::Goal;
use super::resume::Loading;
use super::{Damage, Event, Millis, Output};
use crate::hash::Hash;
use crate::state::Record;

/// Damage remembered at a time; more is met again when it is read again.
const MAX_DAMAGE: usize = 64;

impl Engine {
    /// Goes on from another record and other stored codes, with the same peers: another tab was the writer until now. `false`,
    /// and nothing changes, while anything is under way.
    pub fn adopt(&mut self, record: Record, codes_held: Vec<Hash>) -> bool {
        let is_still = matches!(self.activity, Activity::Idle)
            && self.commits.is_settled()
            && matches!(self.goal, Goal::Nothing);
        if is_still {
            self.record = record;
            self.codes_held.clear();
            self.codes_held.insert_all(codes_held);
            self.gc = None;
            self.garbage = None;
            self.is_gc_put_off = false;
            self.repair_ended();
        }
        is_still
    }

    /// A reader met damage: it is healed as soon as nothing else is under way.
    pub(super) fn damaged(&mut self, damage: Damage) {
        if self.damage.contains(&damage) || self.damage.len() >= MAX_DAMAGE {
            return;
        }
        if let Damage::Code(hash) = damage {
            self.codes_held.remove(&hash);
        }
        self.damage.push(damage);
        self.outbox.push_back(Output::Event(Event::Damaged(damage)));
    }

    /// Heals what readers found damaged, if anything.
    pub(super) fn start_repair(&mut self) {
        if self.damage.is_empty() {
            return;
        }
        self.tickets += 1;
        self.repairing = self.damage.len();
        match Loading::repair(&self.record, self.damage.clone(), self.tickets) {
            Some(resumed) => self.begin(resumed),
            // No state, no damage.
            None => self.repaired(),
        }
    }

    /// Everything that was known to be damaged when the repair began is whole, or no longer part of the state. What was met
    /// since is next.
    pub(super) fn repaired(&mut self) {
        let healed = std::mem::take(&mut self.repairing).min(self.damage.len());
        self.damage.drain(..healed);
        self.outbox.push_back(Output::Event(Event::Repaired));
    }

    /// A repair is over, well or not; what is still damaged is met again when it is read again.
    pub(super) fn repair_ended(&mut self) {
        self.repairing = 0;
        self.damage.clear();
    }

    /// Begins to sweep what the last switch left, also after a crash in between. Only once every batch is settled: one on its
    /// way may have swept it.
    pub(super) fn collect_if_due(&mut self, now: Millis) {
        if self.gc.is_some() || self.is_gc_put_off || !self.commits.is_settled() {
            return;
        }
        if self.garbage.is_some() {
            return self.commit_garbage(now);
        }
        if let (Some(pending_gc), Some(complete)) = (&self.record.pending_gc, self.record.complete)
        {
            self.gc = Some(Gc::new(pending_gc, complete.top.page()));
            // There may be nothing to read.
            self.end_gc(now);
        }
    }

    /// Whether nothing is left of the switch before, or the next batch deletes it.
    pub(super) fn is_collected(&self) -> bool {
        let record = self.commits.last_record().unwrap_or(&self.record);
        self.gc.is_none() && (self.garbage.is_some() || record.pending_gc.is_none())
    }

    pub(super) fn end_gc(&mut self, now: Millis) {
        if let Some(gc) = self.gc.take_if(|gc| gc.is_over()) {
            self.garbage = Some(gc.finish());
            self.commit_garbage(now);
        }
    }
}
