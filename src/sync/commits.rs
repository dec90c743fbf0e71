//! Batches on their way to the store, in the order of their sequence numbers.

use crate::hash::Hash;
use crate::heap::owns;
use crate::state::{Complete, Record};

/// Batches handed to the store and not yet settled: two, so that one is written while the next is
/// put together.
pub(crate) const MAX_IN_FLIGHT: usize = 2;

/// Batches in flight. Bound: [`MAX_IN_FLIGHT`], and the last one of a sync that is cancelled.
#[derive(Debug, Default)]
pub(crate) struct Commits {
    in_flight: Vec<BatchInFlight>,
    /// One of the batches failed, so those behind it will fail too.
    has_failed: bool,
}

/// One batch in flight.
#[derive(Debug)]
pub(crate) struct BatchInFlight {
    /// The record it writes, which is the truth once it has landed.
    pub(crate) record: Record,
    /// The codes it writes.
    pub(crate) codes: Vec<Hash>,
    /// The codes it deletes.
    pub(crate) deleted_codes: Vec<Hash>,
    /// The states that are kept no more because they are damaged.
    pub(crate) dropped: Vec<Complete>,
}

/// What the end of a batch means.
#[derive(Debug)]
pub(crate) enum Settled {
    /// It is durable: its record is the database's now.
    Landed(Box<BatchInFlight>),
    /// The first failure: everything since the last landed batch is lost, these codes among it.
    Lost(Vec<Hash>),
    /// A batch behind a failed one. It fails too.
    AfterFailure,
    /// No such batch is in flight.
    Unknown,
}

impl Commits {
    pub(crate) fn push(&mut self, batch: BatchInFlight) {
        self.in_flight.push(batch);
    }

    pub(crate) fn landed(&mut self, sequence: u64) -> Settled {
        match self.take(sequence) {
            Some(batch) => Settled::Landed(Box::new(batch)),
            None => Settled::Unknown,
        }
    }

    pub(crate) fn failed(&mut self, sequence: u64) -> Settled {
        let Some(batch) = self.take(sequence) else {
            return Settled::Unknown;
        };
        let had_failed = self.has_failed;
        self.has_failed = !self.in_flight.is_empty();
        if had_failed {
            return Settled::AfterFailure;
        }
        let mut codes = batch.codes;
        self.in_flight
            .iter()
            .for_each(|follower| codes.extend(&follower.codes));
        Settled::Lost(codes)
    }

    pub(crate) fn len(&self) -> usize {
        self.in_flight.len()
    }

    /// Whether nothing is in flight, so that the committed record is the whole truth.
    pub(crate) fn is_settled(&self) -> bool {
        self.in_flight.is_empty()
    }

    pub(crate) fn has_room(&self) -> bool {
        self.in_flight.len() < MAX_IN_FLIGHT && !self.has_failed
    }

    /// The record of the newest batch in flight; `None` if there is none.
    pub(crate) fn last_record(&self) -> Option<&Record> {
        self.in_flight.last().map(|batch| &batch.record)
    }

    fn take(&mut self, sequence: u64) -> Option<BatchInFlight> {
        let index = self
            .in_flight
            .iter()
            .position(|batch| batch.record.sequence == sequence)?;
        Some(self.in_flight.remove(index))
    }
}

owns! {
    BatchInFlight: codes, deleted_codes, dropped;
    Commits: in_flight;
}
