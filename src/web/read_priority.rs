//! Readers come first: while somebody waits for a page, a sync does nothing that takes time.

use std::cell::Cell;

use super::event_loop::precise_now;

/// How long we compute before the page gets its turn, in milliseconds. Chosen without a measurement
/// of others: one verified range takes one to four, so a turn is one range or a few, and a frame of
/// an animation (16 ms) fits several turns.
const TURN_MS: f64 = 4.0;
/// How long work is put off for readers after the last work, in milliseconds: most pages are there
/// by then, and a reader who never stops costs a sync half of its pace and no more. Measured
/// together with [`NEXT_READ_MS`], against not waiting: during heals the median first read takes
/// 0.4 ms instead of 11.5 (`docs/measurements.md`). Other values were not compared.
const READERS_FIRST_MS: f64 = 8.0;
/// How soon after one page or answer a reader may ask for the next, in milliseconds: most look-ups
/// take more than one page, and wallets look up more than one account.
const NEXT_READ_MS: f64 = 2.0;

/// Who reads now, and when we worked last. Shared by the driver and the page cache. Times are those
/// of [`precise_now`].
#[derive(Debug)]
pub(super) struct ReadPriority {
    /// Transactions that readers wait for.
    in_flight: Cell<usize>,
    last_read: Cell<f64>,
    last_work: Cell<f64>,
}

impl Default for ReadPriority {
    fn default() -> ReadPriority {
        ReadPriority {
            in_flight: Cell::new(0),
            last_read: Cell::new(f64::MIN),
            last_work: Cell::new(f64::MIN),
        }
    }
}

impl ReadPriority {
    /// Transactions that readers wait for.
    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.get()
    }

    pub(super) fn transaction_began(&self) {
        self.in_flight.update(|count| count + 1);
    }

    pub(super) fn transaction_ended(&self) {
        debug_assert!(
            self.in_flight.get() > 0,
            "more transactions ended than began"
        );
        self.in_flight.update(|count| count.saturating_sub(1));
        self.note_read();
    }

    /// A reader was given what it asked for.
    pub(super) fn note_read(&self) {
        self.last_read.set(precise_now());
    }

    /// One step of a sync was done.
    pub(super) fn note_work(&self) {
        self.last_work.set(precise_now());
    }

    /// Whether work has to wait for readers.
    pub(super) fn are_readers_first(&self, now: f64) -> bool {
        let reads = self.in_flight.get() > 0 || now - self.last_read.get() < NEXT_READ_MS;
        reads && now - self.last_work.get() < READERS_FIRST_MS
    }

    /// How long one turn of ours may last. A reader waits for one step and not for several.
    pub(super) fn turn_ms(&self) -> f64 {
        match self.in_flight.get() {
            0 => TURN_MS,
            _ => 0.0,
        }
    }
}
