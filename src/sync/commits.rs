//! Batches on their way to the store, in the order of their sequence numbers.

use crate::hash::Hash;
use crate::heap::owns;
use crate::state::Record;

/// Batches handed to the store and not yet settled: two, so that one is written while the next is put together.
pub(crate) const MAX_IN_FLIGHT: usize = 2;

/// Batches in flight. Bound: [`MAX_IN_FLIGHT`].
#[derive(Debug, Default)]
pub(crate) struct Commits {
    flights: Vec<Flight>,
    /// One of the batches failed, so those behind it will fail too.
    doomed: bool,
}

/// One batch in flight.
#[derive(Debug)]
pub(crate) struct Flight {
    /// The record it writes, which is the truth once it has landed.
    pub(crate) record: Record,
    /// The codes it writes.
    pub(crate) codes: Vec<Hash>,
}

/// What the end of a batch means.
#[derive(Debug)]
pub(crate) enum Settled {
    /// It is durable: this is the database's record now.
    Landed(Box<Record>),
    /// The first failure: everything since the last landed batch is lost, these codes among it.
    Lost(Vec<Hash>),
    /// A follower of a failed batch failed as expected.
    Follower,
    /// No such batch is in flight.
    Unknown,
}

impl Commits {
    pub(crate) fn push(&mut self, flight: Flight) {
        self.flights.push(flight);
    }

    pub(crate) fn landed(&mut self, sequence: u64) -> Settled {
        match self.take(sequence) {
            Some(flight) => Settled::Landed(Box::new(flight.record)),
            None => Settled::Unknown,
        }
    }

    pub(crate) fn failed(&mut self, sequence: u64) -> Settled {
        let Some(flight) = self.take(sequence) else {
            return Settled::Unknown;
        };
        let was_doomed = self.doomed;
        self.doomed = !self.flights.is_empty();
        if was_doomed {
            return Settled::Follower;
        }
        let mut codes = flight.codes;
        self.flights
            .iter()
            .for_each(|follower| codes.extend(&follower.codes));
        Settled::Lost(codes)
    }

    pub(crate) fn len(&self) -> usize {
        self.flights.len()
    }

    /// Whether nothing is in flight, so that the committed record is the whole truth.
    pub(crate) fn is_settled(&self) -> bool {
        self.flights.is_empty()
    }

    pub(crate) fn has_room(&self) -> bool {
        self.flights.len() < MAX_IN_FLIGHT && !self.doomed
    }

    /// The record that the next batch follows, if any batch is in flight.
    pub(crate) fn last_record(&self) -> Option<&Record> {
        self.flights.last().map(|flight| &flight.record)
    }

    fn take(&mut self, sequence: u64) -> Option<Flight> {
        let index = self
            .flights
            .iter()
            .position(|flight| flight.record.sequence == sequence)?;
        Some(self.flights.remove(index))
    }
}

owns! {
    Flight: codes;
    Commits: flights;
}
