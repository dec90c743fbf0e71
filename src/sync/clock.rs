//! The engine's own time, in which nobody was away.
//!
//! A page can be away for seconds or hours: its thread is blocked by a loop or a dialog, its process
//! is stopped, the machine sleeps. Nothing reaches the engine meanwhile, and when it is back, a
//! timer may ring before the frames that have arrived are delivered. A peer must not be judged by
//! such time. So the engine counts only a little of it.

use super::ids::Millis;

/// A call that comes so much later than the engine asked for shows that the page was away. Timers
/// ring some milliseconds late; a busy page makes that a hundred.
const LATE_MS: u64 = 250;
/// How much of an absence counts: long enough for the frames that have arrived meanwhile to be
/// delivered. It is not nothing, because the timers of a hidden page ring once a minute (Chromium),
/// and a dead peer has to be found there too.
const COUNTED_MS: u64 = 1_000;

/// Time for what has arrived to be delivered, before anybody is judged. Chosen without a measurement.
const GRACE_MS: u64 = 2_000;

/// Translates the driver's time to the engine's own.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    /// The last call, in the engine's time.
    last: Millis,
    /// How far the engine's time is behind.
    away_ms: u64,
    /// Nobody is judged before, because the page was away.
    judges_from: Millis,
    /// Nothing was heard since the page was away.
    is_new: bool,
}

impl Clock {
    /// Whether the last call was so long ago that the page may have been away.
    pub(crate) fn is_long_since(&self, now: Millis) -> bool {
        self.own(now).since(self.last) > COUNTED_MS
    }

    /// The engine's time of a call, and whether the page was away. `deadline`: when the engine wanted
    /// to be called at the latest, in its own time.
    pub(crate) fn arrive(&mut self, now: Millis, deadline: Option<Millis>) -> (Millis, bool) {
        let own = self.own(now);
        let is_late = deadline.is_some_and(|deadline| own.since(deadline) > LATE_MS);
        let gap = own.since(self.last);
        let was_away = is_late && gap > COUNTED_MS;
        if was_away {
            self.away_ms += gap - COUNTED_MS;
        }
        self.last = self.own(now);
        // Not anew each time that a timer of a hidden page rings.
        if was_away && !self.is_new {
            self.judges_from = self.last.after(GRACE_MS);
            self.is_new = true;
        }
        (self.last, was_away)
    }

    /// Something was heard.
    pub(crate) fn heard(&mut self) {
        self.is_new = false;
    }

    /// Whether peers may be judged by their time: what has arrived while the page was away is looked
    /// at before.
    pub(crate) fn may_judge(&self) -> bool {
        self.last >= self.judges_from
    }

    /// When a deadline is looked at.
    pub(crate) fn judged(&self, deadline: Millis) -> Millis {
        deadline.max(self.judges_from)
    }

    /// The last call.
    pub(crate) fn last(&self) -> Millis {
        self.last
    }

    /// The engine's time, which never runs backwards.
    pub(crate) fn own(&self, now: Millis) -> Millis {
        Millis(now.0.saturating_sub(self.away_ms)).max(self.last)
    }

    /// The driver's time of a moment in the engine's.
    pub(crate) fn outside(&self, own: Millis) -> Millis {
        own.after(self.away_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_absence_counts_as_a_second_however_long_it_was() {
        let mut clock = Clock::default();
        assert_eq!(clock.arrive(Millis(10_000), None).0, Millis(10_000));
        let deadline = Some(Millis(15_000));
        // On time, and a little late.
        assert_eq!(clock.own(Millis(15_000)), Millis(15_000));
        assert_eq!(clock.arrive(Millis(15_200), deadline).0, Millis(15_200));
        // An hour late.
        let deadline = Some(Millis(20_200));
        let back = Millis(15_200 + 3_600_000);
        assert_eq!(clock.arrive(back, deadline).0, Millis(16_200));
        assert_eq!(clock.outside(Millis(16_200)), back);
        // From then on, time goes on as outside.
        assert_eq!(clock.own(Millis(back.0 + 70)), Millis(16_270));
    }

    #[test]
    fn a_clock_that_jumps_back_stands_still() {
        let mut clock = Clock::default();
        assert_eq!(clock.arrive(Millis(10_000), None).0, Millis(10_000));
        assert_eq!(clock.arrive(Millis(4_000), None).0, Millis(10_000));
        assert_eq!(clock.arrive(Millis(10_001), None).0, Millis(10_001));
    }
}
