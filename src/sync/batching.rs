//! When a batch is put together, what goes into it, and how much may wait in memory meanwhile.

use super::commits::Flight;
use super::engine::{Activity, Ended, Ending, Engine};
use super::gc::ranges;
use super::{Failure, Millis, Output, RequestKind};
use crate::state::{
    Batch, Building, Complete, Counts, PageId, PendingGc, Record, RootPage, Unfinished,
};
use crate::wire::eth::HEADER_BYTES;

/// Smallest request worth its round trip, in bytes.
const MIN_ASK: u64 = 16 * 1024;

impl Engine {
    /// Bytes that may still be asked for with a request of this kind, or `None` if it must wait.
    pub(super) fn room_for(&self, kind: RequestKind) -> Option<u64> {
        if kind == RequestKind::Headers {
            return Some(HEADER_BYTES);
        }
        let Activity::Syncing(job) = &self.activity else {
            return None;
        };
        if job.pending_bytes() >= self.limits.batch_bytes && !self.commits.has_room() {
            return None;
        }
        // Storage and codes let accounts leave memory; accounts and nodes bring more of them.
        let brings_more = matches!(kind, RequestKind::Accounts | RequestKind::Nodes);
        // The edges of all cursors may be more than that; then they go on one request at a time.
        let is_only_way = job.lacks_only_accounts() && !self.requests.awaits(job.round);
        if brings_more && job.tree.resident_bytes() >= self.limits.waiting_bytes && !is_only_way {
            return None;
        }
        let left = self
            .limits
            .asked_bytes
            .saturating_sub(self.requests.bytes_asked());
        (left >= MIN_ASK).then_some(left)
    }

    /// Makes a batch if it is due, or the last one if everything is there. `true` if it did.
    pub(super) fn commit_if_due(&mut self, now: Millis) -> bool {
        let has_room = self.commits.has_room();
        let Activity::Syncing(job) = &mut self.activity else {
            return false;
        };
        if !has_room {
            return false;
        }
        if job.is_exhausted() && !self.requests.awaits(job.round) {
            // One state at a time is swept away, so that the record needs to name but one.
            if !self.is_collected() {
                self.collect_if_due(now);
            }
            if self.is_collected() || self.is_gc_put_off {
                return self.commit_last(now, Ending::Done);
            }
            // Meanwhile batches go on by time, or their deadline would stand in the past.
        }
        let Activity::Syncing(job) = &mut self.activity else {
            return false;
        };
        let is_full = job.pending_bytes() >= self.limits.batch_bytes;
        let is_time = job.is_dirty() && now.since(self.last_commit) >= self.limits.batch_ms;
        let has_grown = job.grown_since_settled() >= self.limits.settle_bytes;
        // What is read of a base is worked on next. To write it out before would be to read it again, and again.
        let is_worked_on =
            job.is_over_base() && job.tree.resident_bytes() < self.limits.waiting_bytes;
        if !is_full && has_grown && !is_worked_on {
            match job.settle(&self.codes_held) {
                Ok(()) => self.outbox.push_back(Output::Yield),
                Err(error) => self.fail(Failure::Tree(error)),
            }
            return true;
        }
        match (is_full, is_time) {
            // At full speed, what still waits is better left out: it would be written again and again.
            (true, _) if !job.is_over_base() => self.commit(now, Unfinished::Blind),
            (true, _) => self.commit(now, Unfinished::Write),
            (false, true) => self.commit(now, Unfinished::Write),
            (false, false) => false,
        }
    }

    /// When [`Engine::commit_if_due`] will find the next batch due by time.
    pub(super) fn commit_deadline(&self) -> Option<Millis> {
        let Activity::Syncing(job) = &self.activity else {
            return None;
        };
        (job.is_dirty() && self.commits.has_room())
            .then(|| self.last_commit.after(self.limits.batch_ms))
    }

    /// The last batch of a sync: everything in memory goes out, and on success the new state becomes the complete one.
    pub(super) fn commit_last(&mut self, now: Millis, how: Ending) -> bool {
        if !self.commit_with(now, Unfinished::Write, how == Ending::Done) {
            return false;
        }
        if let Some(job) = self.leave() {
            self.activity = Activity::Ending(Box::new(Ended {
                pivot: job.pivot,
                held: job.held(),
                counters: job.counters,
                how,
                is_repair: job.is_repair,
            }));
        }
        true
    }

    fn commit(&mut self, now: Millis, unfinished: Unfinished) -> bool {
        self.commit_with(now, unfinished, false)
    }

    fn commit_with(&mut self, now: Millis, unfinished: Unfinished, is_last: bool) -> bool {
        let before = self.commits.last_record().unwrap_or(&self.record).clone();
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
        if is_last && !job.tree.is_complete() {
            self.fail(Failure::Defect(
                "nothing is left to ask for, and the state is incomplete",
            ));
            return false;
        }
        let Some(top) = RootPage::new(job.pivot.root, built.root_page) else {
            self.fail(Failure::Defect("the root page is not that of the target"));
            return false;
        };
        let (accounts, slots) = built
            .root_page
            .map_or((0, 0), |page| (page.leaves, page.slots));
        let counts = Counts {
            accounts,
            slots,
            codes: self.codes_held.len() as u64,
        };
        // The last batch's upper pages are replaced by this one's, and nothing else ever named them.
        let replaced = before
            .building
            .as_ref()
            .map(|building| building.spine.clone());
        let mut delete = ranges(built.freed);
        delete.extend(replaced);
        let garbage = self.garbage.take();
        let is_collected = garbage.is_some() || before.pending_gc.is_none();
        delete.extend(garbage.into_iter().flatten());
        let mut record = Record {
            sequence: before.sequence + 1,
            next_page: built.spine.end,
            ..before
        };
        if is_collected {
            record.pending_gc = None;
        }
        if is_last {
            record.pending_gc = Some(PendingGc {
                old: before.complete.and_then(|complete| complete.top.page()),
                // What an earlier sweep could not look at is looked for everywhere.
                build: if is_collected {
                    job.first_page
                } else {
                    PageId(0)
                }..record.next_page,
            });
            record.complete = Some(Complete {
                top,
                counts,
                block: job.pivot.block,
            });
            record.building = None;
        } else {
            let spine = built.spine;
            record.building = Some(Building {
                top,
                first_page: job.first_page,
                spine,
                counts,
                block: job.pivot.block,
            });
        }
        delete.retain(|range| range.start < range.end);
        let bytes = built
            .pages
            .iter()
            .map(|(_, page)| page.len())
            .chain(built.codes.iter().map(|(_, code)| code.len()));
        let bytes = bytes.sum::<usize>();
        job.counters.bytes_stored += bytes as u64;
        job.counters.pages_stored += built.pages.len() as u64;
        job.counters.batches += 1;
        let codes = built.codes.iter().map(|(hash, _)| *hash).collect();
        let batch = Batch {
            sequence: record.sequence,
            pages: built.pages,
            codes: built.codes,
            delete,
            record: record.encode(),
        };
        self.commits.push(Flight { record, codes });
        self.last_commit = now;
        self.outbox.push_back(Output::Commit(batch));
        true
    }

    /// Deletes what a sweep found, unless a batch of the sync under way will.
    pub(super) fn commit_garbage(&mut self, now: Millis) {
        if !matches!(self.activity, Activity::Idle) || !self.commits.is_settled() {
            return;
        }
        let record = Record {
            sequence: self.record.sequence + 1,
            pending_gc: None,
            ..self.record.clone()
        };
        let batch = Batch {
            sequence: record.sequence,
            pages: Vec::new(),
            codes: Vec::new(),
            delete: self.garbage.take().unwrap_or_default(),
            record: record.encode(),
        };
        let codes = Vec::new();
        self.commits.push(Flight { record, codes });
        self.last_commit = now;
        self.outbox.push_back(Output::Commit(batch));
    }
}
