//! Upkeep of the readable states: damage is healed, kept states that are damaged are dropped, what a
//! switch left behind is collected, and a record that another writer wrote is taken over.

use super::Engine;
use crate::hash::Hash;
use crate::state::{Complete, PendingGc, Record, Scope};
use crate::sync::ids::Millis;
use crate::sync::io::{Damage, Event};
use crate::sync::loads::LoadPurpose;
use crate::sync::resume::Start;
use crate::sync::target::Goal;
use crate::sync::upkeep::Upkeep;

impl Engine {
    /// Goes on from another record, the scopes that it names and other stored codes, with the same
    /// peers: another tab was the writer until now. `false`, and nothing changes, while anything is
    /// under way.
    #[must_use]
    pub fn take_over_record(
        &mut self,
        record: Record,
        scopes: Vec<Scope>,
        codes_held: Vec<Hash>,
    ) -> bool {
        let is_still =
            self.is_idle() && self.commits.is_settled() && matches!(self.goal, Goal::Nothing);
        if is_still {
            self.upkeep = Upkeep::over(&record);
            self.record = record;
            self.scopes = scopes;
            self.codes_held.clear();
            self.codes_held.insert_all(codes_held);
            self.loads.cancel(LoadPurpose::Gc);
            self.loads.cancel(LoadPurpose::Kept);
            self.loads.cancel(LoadPurpose::Codes);
        }
        is_still
    }

    /// A reader found damage: it is healed as soon as nothing else is under way.
    pub(super) fn damaged(&mut self, damage: Damage) {
        if !self.upkeep.damaged(damage) {
            return;
        }
        match damage {
            Damage::Code(hash) => self.code_lost(hash),
            Damage::Page { .. } => self.search_kept(),
        }
        self.tell(Event::Damaged(damage));
    }

    /// Searches the kept states for the damage that is known: some was found, or another state is
    /// kept now.
    pub(super) fn search_kept(&mut self) {
        self.loads.cancel(LoadPurpose::Kept);
        self.upkeep.search_kept(&self.record.kept);
        self.upkeep.end_search_if_over();
    }

    /// Reads what the search of the kept states needs.
    pub(super) fn search_if_due(&mut self, now: Millis) {
        if self.loads.is_open(LoadPurpose::Kept) {
            return;
        }
        let pages = self.upkeep.next_of_search();
        match pages.is_empty() {
            true => self.drop_spoilt(now),
            false => self.load(LoadPurpose::Kept, pages),
        }
    }

    /// Drops the kept states that are damaged, once nothing else is under way. Several may fall out
    /// at once, and what is below a damaged page is not known, so all ids are searched then.
    pub(super) fn drop_spoilt(&mut self, now: Millis) {
        if !self.is_idle() || !self.commits.is_settled() {
            return;
        }
        let kept = self.record.kept.iter();
        let (dropped, kept): (Vec<Complete>, Vec<Complete>) =
            kept.partition(|state| self.upkeep.is_spoilt(state));
        self.upkeep.forget_spoilt();
        if dropped.is_empty() {
            return;
        }
        self.loads.cancel(LoadPurpose::Gc);
        self.upkeep.restart_gc();
        let record = self.following();
        let record = Record {
            pending_gc: Some(PendingGc::of_everything(record.next_page)),
            kept,
            ..record
        };
        self.commit_record(now, record, dropped);
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
        let Some(owners) = self.owners_of_codes() else {
            return;
        };
        let Some(mut damage) = self.upkeep.begin_repair() else {
            return;
        };
        // Whoever names a code of a set is known by now. What nobody names, nobody needs.
        if self.today().tracked().is_some() {
            damage.retain(|damage| match damage {
                Damage::Code(hash) => owners.iter().any(|(code, _)| code == hash),
                Damage::Page { .. } => true,
            });
        }
        if damage.is_empty() {
            return self.repaired();
        }
        let is_code = |damage: &Damage| matches!(damage, Damage::Code(_));
        let has_code = damage.iter().any(is_code);
        // It may fetch a code that no account names.
        self.upkeep.leave_codes();
        let scopes = self.scopes_of_record();
        match Start::repair(&self.record, damage, owners, &scopes) {
            Some(start) => self.begin(start),
            // The complete state has nothing that could be damaged. A code that a kept state lacks
            // is not fetched then.
            None => {
                if has_code {
                    self.upkeep.spoil(&self.record.kept);
                }
                self.repaired();
            }
        }
    }

    /// Of a set: the accounts of the complete state that name the damaged codes. `None` while they are
    /// searched for.
    fn owners_of_codes(&mut self) -> Option<Vec<(Hash, Hash)>> {
        let codes = self.upkeep.damaged_codes();
        let today = self.today();
        let Some(set) = today.tracked().filter(|_| !codes.is_empty()) else {
            return Some(Vec::new());
        };
        self.upkeep.search_codes(codes, &self.record, set);
        let pages = self.upkeep.next_of_code_search();
        if pages.is_empty() {
            let found = self.upkeep.end_code_search();
            self.upkeep.spoil_roots(found.spoilt);
            for page in found.pages {
                self.damaged(page);
            }
            return Some(found.owners);
        }
        if !self.loads.is_open(LoadPurpose::Codes) {
            self.load(LoadPurpose::Codes, pages);
        }
        None
    }

    /// Everything that was known to be damaged when the repair began is whole, or no longer part of
    /// the state.
    pub(super) fn repaired(&mut self) {
        self.upkeep.repaired();
        // The damage may have kept the last collection from its end.
        self.upkeep.resume_gc();
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
        if self.is_gc_deferred(&self.record) || self.record.complete.is_none() {
            return;
        }
        if let Some(pending) = &self.record.pending_gc {
            // A build needs codes that the readable states do not name.
            let with_codes = self.is_idle() && self.record.building.is_none();
            let readable = self.record.readable();
            let roots = readable.filter_map(|state| state.top.page()).collect();
            self.upkeep
                .collect(pending, roots, &self.codes_held, with_codes);
            // There may be nothing to read.
            self.end_gc_if_over(now);
        }
    }

    /// Whether the collection that this record asks for waits for the next switch. A build may need
    /// pages of a state that was dropped while it was built, and of all ids that are searched, its
    /// own are some. The switch asks for all ids again.
    fn is_gc_deferred(&self, record: &Record) -> bool {
        let is_wide = record.pending_gc.as_ref().is_some_and(PendingGc::is_wide);
        is_wide && record.building.is_some() && !self.upkeep.is_collecting()
    }

    /// Whether the last batch of a build need not wait for a collection.
    pub(super) fn may_switch(&self) -> bool {
        let record = self.commits.last_record().unwrap_or(&self.record);
        self.is_collected() || self.upkeep.is_gc_put_off() || self.is_gc_deferred(record)
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
            self.search_kept();
            if self.upkeep.has_garbage() {
                self.commit_garbage(now);
            }
        }
    }
}
