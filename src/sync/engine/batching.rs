//! When a batch is put together, what goes into it, and how much may wait in memory meanwhile.

use std::ops::Range;

use super::{Activity, Ending, Engine, LastBatch};
use crate::hash::Hash;
use crate::state::{
    Batch, Building, Complete, Counts, PageId, PendingGc, Record, RootPage, Unfinished,
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
            if self.is_collected() || self.upkeep.is_gc_put_off() {
                return self.commit_last(now, Ending::Done);
            }
            // While garbage is collected, batches are still made by time. Otherwise
            // `commit_deadline` would stay in the past.
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
            sequence: self.record.sequence + 1,
            complete: Some(Complete { block, ..complete }),
            ..self.record.clone()
        };
        self.push_batch(now, record, Changes::default());
        self.activity = Activity::Ending(Box::new(LastBatch {
            pivot,
            held: complete.counts,
            counters: Counters::default(),
            how: Ending::Named,
            is_repair: false,
        }));
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
            delete_codes: Vec::new(),
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
        let first_page = job.first_page();
        let is_collected = self.upkeep.has_garbage() || before.pending_gc.is_none();
        let mut record = Record {
            sequence: before.sequence + 1,
            next_page: built.spine.end,
            ..before.clone()
        };
        if is_collected {
            record.pending_gc = None;
        }
        if is_last {
            // If an earlier collection did not finish, all ids are searched.
            let start = if is_collected { first_page } else { PageId(0) };
            record.pending_gc = Some(PendingGc {
                old: before.complete.and_then(|complete| complete.top.page()),
                build: start..record.next_page,
                stray_codes: self.upkeep.may_have_strays(),
            });
            record.complete = Some(Complete {
                top,
                counts,
                block,
                scope: job.tree().scope().version(),
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
                scope: job.tree().scope().version(),
            });
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
            sequence: self.record.sequence + 1,
            pending_gc: None,
            ..self.record.clone()
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

    /// Hands a batch to the store.
    fn push_batch(&mut self, now: Millis, record: Record, changes: Changes) {
        let batch = Batch {
            sequence: record.sequence,
            pages: changes.pages,
            codes: changes.codes,
            delete: changes.delete,
            delete_codes: changes.delete_codes,
            scopes: Vec::new(),
            delete_scopes: Vec::new(),
            record: record.encode(),
        };
        self.commits.push(BatchInFlight {
            record,
            codes: batch.codes.iter().map(|(hash, _)| *hash).collect(),
            deleted_codes: batch.delete_codes.clone(),
        });
        self.last_commit = now;
        self.outbox.push_back(Output::Commit(batch));
    }
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
}
