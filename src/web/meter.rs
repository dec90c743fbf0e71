//! Where the time of a sync goes: computing, or idle with or without a transaction in flight.

use std::cell::Cell;

/// Milliseconds.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Times {
    pub(super) computing: f64,
    pub(super) storing: f64,
    pub(super) waiting: f64,
}

impl Times {
    pub(super) fn elapsed(&self) -> f64 {
        self.computing + self.storing + self.waiting
    }
}

/// What this module does with its thread.
#[derive(Clone, Copy, Debug, Default)]
pub(super) enum Doing {
    Computing,
    /// Idle while a transaction is in flight.
    Storing,
    /// Idle, with at most requests under way, or while something else runs on this thread.
    #[default]
    Waiting,
}

/// Three timers, of which one runs at any moment from [`Meter::start`] to [`Meter::stop`].
#[derive(Debug, Default)]
pub(super) struct Meter {
    times: Cell<Times>,
    doing: Cell<Doing>,
    /// When the running timer was last read; `None` while stopped.
    mark: Cell<Option<f64>>,
}

impl Meter {
    pub(super) fn start(&self, now: f64) {
        self.times.set(Times::default());
        self.mark.set(Some(now));
    }

    pub(super) fn stop(&self, now: f64) {
        self.read(now);
        self.mark.set(None);
    }

    /// Switches the running timer.
    pub(super) fn turn_to(&self, doing: Doing, now: f64) {
        self.read(now);
        self.doing.set(doing);
    }

    pub(super) fn read(&self, now: f64) -> Times {
        let mut times = self.times.get();
        if let Some(mark) = self.mark.get() {
            let passed = (now - mark).max(0.0);
            match self.doing.get() {
                Doing::Computing => times.computing += passed,
                Doing::Storing => times.storing += passed,
                Doing::Waiting => times.waiting += passed,
            }
            self.times.set(times);
            self.mark.set(Some(now));
        }
        times
    }
}
