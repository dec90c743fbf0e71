//! When a batch is put together, what goes into it, and how much may wait in memory meanwhile.

use std::ops::Range;

use super::{Activity, Ending, Engine, LastBatch};
use crate::hash::Hash;
use crate::state::{
    Batch, Building, Complete, Counts, PageId, PendingGc, Record, RootPage, Scope, Unfinished,
};
use crate::sync::commits::BatchInFlight;
use crate::sync::gc::{CodeGarbage, ranges};
use crate::sync::ids::Millis;
use crate::sync::io::{Failure, Output};
use crate::sync::job::{Built, Job};
use crate::sync::loads::LoadPurpose;
use crate::sync::progress::Counters;
use crate::sync::target::Pivot;
use crate::sync::want::RequestKind;

/// What memory has room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Room {
    /// Nothing.
    None,
    /// Storage and codes, which let accounts leave memory.
    ToComplete,
    /// Anything.
    Enough,
}

impl Engine {
    /// Whether memory has room for what a request of this kind brings.
    pub(super) fn room_for(&self, kind: RequestKind) -> Room {
        let Some(job) = self.job() else {
            return Room::None;
        };
        if job.pending_bytes() >= self.limits.batch_bytes && !self.commits.has_room() {
            return Room::None;
        }
        let is_full = job.tree().resident_bytes() >= self.limits.waiting_bytes;
        // The edges of all cursors may be more than that; then they go on one request at a time.
        let is_only_way = job.lacks_only_accounts() && !self.requests.awaits(job.round());
        match kind {
            _ if !is_full || is_only_way => Room::Enough,
            RequestKind::Accounts | RequestKind::Nodes => Room::None,
            _ => Room::ToComplete,
        }
    }

    /// Makes a batch if it is due, or the last one if everything is there, or cuts what is
    /// complete. `true` if the step is done: the caller polls again.
    #[must_use]
    pub(super) fn commit_if_due(&mut self, now: Millis) -> bool {
        if self.job().is_none() || !self.commits.has_room() {
            return false;
        }
        if self.is_exhausted() {
            // The record has one `pending_gc`, so an earlier one has to be collected first.
            if !self.is_collected() {
                self.collect_if_due(now);
            }
            if self.may_switch() {
                return self.commit_last(now, Ending::Done);
            }
            // While garbage is collected, batches are still made by time. Otherwise
            // `commit_deadline` would stay in the past.
        }
        // A sync may wait for peers for ever, and what the caller wants held is not to be forgotten.
        if self.is_scope_unwritten() {
            self.commit_record(now, self.following(), Vec::new());
            return true;
        }
        let Activity::Syncing(job) = &mut self.activity else {
            return false;
        };
        let is_full = job.pending_bytes() >= self.limits.batch_bytes;
        let is_time = job.is_dirty() && now.since(self.last_commit) >= self.limits.batch_ms;
        let has_grown = job.grown_since_cut() >= self.limits.cut_bytes;
        // Pages read from a base are needed for the next requests. Writing them out first would
        // read them in a loop.
        let is_over_base = job.is_over_base();
        let is_worked_on = is_over_base && job.tree().resident_bytes() < self.limits.waiting_bytes;
        if !is_full && has_grown && !is_worked_on {
            match job.cut_complete(&self.codes_held) {
                Ok(()) => self.outbox.push_back(Output::Yield),
                Err(error) => self.fail(Failure::Tree(error)),
            }
            return true;
        }
        match (is_full, is_time) {
            // At full speed, unfinished subtries are left out. Otherwise every batch would write
            // them again.
            (true, _) if !is_over_base => self.commit(now, Unfinished::Blind),
            (true, _) | (false, true) => self.commit(now, Unfinished::Write),
            (false, false) => false,
        }
    }

    /// Whether nothing is left to ask for, to read or to wait for.
    fn is_exhausted(&self) -> bool {
        self.job().is_some_and(|job| {
            job.is_exhausted()
                && !self.loads.is_open(LoadPurpose::Heal)
                && !self.requests.awaits(job.round())
        })
    }

    /// Whether pages are being read for the job, or have to be.
    pub(super) fn is_reading(&self) -> bool {
        self.loads.is_open(LoadPurpose::Heal) || self.job().is_some_and(Job::is_reading)
    }

    /// When [`Engine::commit_if_due`] will find the next batch due by time.
    pub(super) fn commit_deadline(&self) -> Option<Millis> {
        let job = self.job()?;
        (job.is_dirty() && self.commits.has_room())
            .then(|| self.last_commit.after(self.limits.batch_ms))
    }

    /// The last batch of a sync: everything in memory goes out, and on success the new state
    /// becomes the complete one. `false` if it failed.
    pub(super) fn commit_last(&mut self, now: Millis, how: Ending) -> bool {
        if !self.commit_with(now, Unfinished::Write, how == Ending::Done) {
            return false;
        }
        if let Some(job) = self.leave() {
            self.activity = Activity::Ending(Box::new(LastBatch {
                pivot: job.pivot(),
                held: job.held(),
                counters: *job.counters(),
                how,
                is_repair: job.is_repair(),
            }));
        }
        true
    }

    /// Names the block asked for as the one after which the complete state has its root.
    pub(super) fn commit_block(&mut self, now: Millis, complete: Complete, pivot: Pivot) {
        let block = pivot.block;
        let record = Record {
            complete: Some(Complete { block, ..complete }),
            ..self.following()
        };
        self.name(now, record, pivot);
    }

    /// Whether a kept state has this root and holds what is to be held today.
    pub(super) fn is_electable(&self, root: &Hash) -> bool {
        let kept = self.record.kept_with(root, self.version_today());
        kept.is_some_and(|state| !self.upkeep.is_spoilt(state))
    }

    /// Makes a kept state the complete one again, as that of the block asked for.
    pub(super) fn elect(&mut self, now: Millis, pivot: Pivot) {
        let mut record = self.following();
        let Some(kept) = record.state_with_root(&pivot.root) else {
            return self.fail(Failure::Defect("a kept state that is not there"));
        };
        let pivot = pivot.after(Pivot::of_complete(kept));
        if let Some(complete) = record.elect(&pivot.root, pivot.block) {
            let counts = self.with_codes(complete.counts);
            record.complete = Some(Complete { counts, ..complete });
        }
        self.name(now, record, pivot);
    }

    /// Commits a record that names the state of `pivot` as the complete one, which is held already.
    fn name(&mut self, now: Millis, record: Record, pivot: Pivot) {
        let held = record
            .complete
            .map_or(Counts::default(), |held| held.counts);
        self.commit_record(now, record, Vec::new());
        self.activity = Activity::Ending(Box::new(LastBatch {
            pivot,
            held,
            counters: Counters::default(),
            how: Ending::Named,
            is_repair: false,
        }));
    }

    /// The version of the scope that is to be held from now on.
    pub(super) fn version_today(&self) -> u64 {
        let newest = self.scopes.iter().map(Scope::version).max();
        newest.unwrap_or_default().max(self.record.scope)
    }

    /// What the record of the next batch begins as.
    pub(super) fn following(&self) -> Record {
        let before = self.commits.last_record().unwrap_or(&self.record);
        Record {
            sequence: before.sequence + 1,
            scope: self.version_today(),
            ..before.clone()
        }
    }

    /// Commits a record alone. `dropped`: the states that it keeps no more because of damage.
    pub(super) fn commit_record(&mut self, now: Millis, record: Record, dropped: Vec<Complete>) {
        let changes = Changes {
            dropped,
            ..Changes::default()
        };
        self.push_batch(now, record, changes);
    }

    fn commit(&mut self, now: Millis, unfinished: Unfinished) -> bool {
        self.commit_with(now, unfinished, false)
    }

    fn commit_with(&mut self, now: Millis, unfinished: Unfinished, is_last: bool) -> bool {
        let Activity::Syncing(job) = &mut self.activity else {
            return false;
        };
        let built = match job.build(&self.codes_held, unfinished) {
            Ok(built) => built,
            Err(error) => {
                self.fail(Failure::Tree(error));
                return false;
            }
        };
        let next = match self.next_record(&built, is_last) {
            Ok(next) => next,
            Err(failure) => {
                // They are in no batch, and not in the job any more either.
                for (code, _) in &built.codes {
                    self.codes_held.remove(code);
                }
                self.fail(failure);
                return false;
            }
        };
        self.upkeep
            .fetched_codes(built.codes.iter().map(|(hash, _)| hash));
        let garbage = self.upkeep.take_garbage();
        let mut delete = ranges(built.freed);
        // The last batch's upper pages are replaced by this one's, and nothing else ever named
        // them.
        delete.extend(next.replaced);
        delete.extend(garbage.map(|garbage| garbage.pages).into_iter().flatten());
        delete.retain(|range| range.start < range.end);
        let changes = Changes {
            pages: built.pages,
            codes: built.codes,
            delete,
            ..Changes::default()
        };
        self.push_batch(now, next.record, changes);
        true
    }

    /// The record of the batch that these pages go into. `is_last`: the state is complete with it.
    fn next_record(&self, built: &Built, is_last: bool) -> Result<NextRecord, Failure> {
        let before = self.commits.last_record().unwrap_or(&self.record);
        let Some(job) = self.job() else {
            return Err(Failure::Defect("a batch without a job"));
        };
        if is_last && !job.tree().is_complete() {
            return Err(Failure::Defect(
                "nothing is left to ask for, and the state is incomplete",
            ));
        }
        let Some(top) = RootPage::new(job.root(), built.root_page) else {
            return Err(Failure::Defect("the root page is not that of the target"));
        };
        let held = built.root_page.map_or(Counts::default(), |page| Counts {
            accounts: page.leaves,
            slots: page.slots,
            ..Counts::default()
        });
        let counts = self.with_codes(held);
        let block = job.pivot().block;
        let scope = job.tree().scope().version();
        // A repair takes the place of a build that was left, whose pages are garbage.
        let left = before.building.as_ref().map(|left| left.first_page);
        let first_page = left.map_or(job.first_page(), |left| left.min(job.first_page()));
        let is_collected = self.upkeep.has_garbage() || before.pending_gc.is_none();
        let mut record = Record {
            next_page: built.spine.end,
            ..self.following()
        };
        if is_collected {
            record.pending_gc = None;
        }
        if is_last {
            let complete = Complete {
                top,
                counts,
                block,
                scope,
            };
            let keeps = self.is_of_set(&complete)
                && before
                    .complete
                    .is_some_and(|before| self.is_of_set(&before));
            let mut gone = record.switch(complete, keeps).into_iter();
            let (old, more) = (gone.next(), gone.next());
            // If several states are gone, or an earlier collection did not finish, all ids are
            // searched.
            record.pending_gc = Some(match is_collected && more.is_none() {
                true => PendingGc {
                    old: old.and_then(|state| state.top.page()),
                    build: first_page..record.next_page,
                    stray_codes: self.upkeep.may_have_strays(),
                },
                false => PendingGc::of_everything(record.next_page),
            });
            record.building = None;
        } else {
            record.building = Some(Building {
                top,
                first_page,
                spine: built.spine.clone(),
                counts,
                block,
                counters: *job.counters(),
                scope,
            });
        }
        if self.new_scopes(before, &record).is_none() {
            return Err(Failure::Defect("a state of a scope that nobody knows"));
        }
        let replaced = before
            .building
            .as_ref()
            .map(|building| building.spine.clone());
        Ok(NextRecord { record, replaced })
    }

    /// Deletes what a collection found, unless a batch of the sync under way will.
    pub(super) fn commit_garbage(&mut self, now: Millis) {
        if !self.is_idle() || !self.commits.is_settled() {
            return;
        }
        let Some(garbage) = self.upkeep.take_garbage() else {
            debug_assert!(false, "a collection has ended");
            return;
        };
        let mut record = Record {
            pending_gc: None,
            ..self.following()
        };
        let mut delete_codes = Vec::new();
        match (garbage.codes, &mut record.complete) {
            (CodeGarbage::Unnamed(codes), Some(complete)) => {
                let held = |code: &&Hash| self.codes_held.contains(code);
                let unnamed = codes.iter().filter(held).count();
                complete.counts.codes = (self.codes_held.len() - unnamed) as u64;
                delete_codes = codes;
            }
            // A build that was given up at once: codes are still to be collected, of all that are
            // held.
            (CodeGarbage::Left, Some(complete)) if record.building.is_none() => {
                record.pending_gc = Some(PendingGc::of_codes(complete, record.next_page));
            }
            // The switch at the end of a build is followed by another collection.
            _ => {}
        }
        let changes = Changes {
            delete: garbage.pages,
            delete_codes,
            ..Changes::default()
        };
        self.push_batch(now, record, changes);
    }

    /// Whether a state was built for a set.
    fn is_of_set(&self, state: &Complete) -> bool {
        let scope = self.scope(state.scope);
        scope.is_some_and(|scope| !scope.is_everything())
    }

    /// The scopes that `next` names and `before` does not, as they are stored. `None` if one is not
    /// known.
    fn new_scopes(&self, before: &Record, next: &Record) -> Option<Vec<(u64, Vec<u8>)>> {
        let versions = unnamed(next, before).into_iter();
        versions
            .map(|version| Some((version, self.scope(version)?.encode())))
            .collect()
    }

    /// Hands a batch to the store.
    fn push_batch(&mut self, now: Millis, record: Record, changes: Changes) {
        let before = self.commits.last_record().unwrap_or(&self.record);
        let Some(scopes) = self.new_scopes(before, &record) else {
            return self.fail(Failure::Defect("a scope that nobody knows"));
        };
        let batch = Batch {
            sequence: record.sequence,
            pages: changes.pages,
            codes: changes.codes,
            delete: changes.delete,
            delete_codes: changes.delete_codes,
            scopes,
            delete_scopes: unnamed(before, &record),
            record: record.encode(),
        };
        self.commits.push(BatchInFlight {
            record,
            codes: batch.codes.iter().map(|(hash, _)| *hash).collect(),
            deleted_codes: batch.delete_codes.clone(),
            dropped: changes.dropped,
        });
        self.last_commit = now;
        self.outbox.push_back(Output::Commit(batch));
    }
}

/// The versions of the scopes that one record names and another does not.
fn unnamed(by: &Record, other: &Record) -> Vec<u64> {
    let (mut versions, named) = (by.scopes(), other.scopes());
    versions.retain(|version| !named.contains(version));
    versions
}

/// The record of the next batch, and the pages that it replaces.
struct NextRecord {
    record: Record,
    replaced: Option<Range<PageId>>,
}

/// What a batch changes besides the record.
#[derive(Default)]
struct Changes {
    pages: Vec<(PageId, Vec<u8>)>,
    codes: Vec<(Hash, Vec<u8>)>,
    delete: Vec<Range<PageId>>,
    delete_codes: Vec<Hash>,
    dropped: Vec<Complete>,
}
