//! The engine's own time, in which nobody was away.
//!
//! A page can be away for seconds or hours: its thread is blocked by a loop or a dialog, its
//! process is stopped, the machine sleeps. Nothing reaches the engine meanwhile, and when it is
//! back, a timer may ring before the frames that have arrived are delivered. A peer must not be
//! judged by such time. So the engine counts only a little of it.

use super::ids::Millis;

/// A call that comes so much later than the engine asked for shows that the page was away. Timers
/// ring some milliseconds late; a busy page makes that a hundred.
const LATE_MS: u64 = 250;
/// How much of an absence counts. It is not nothing, because the timers of a hidden page ring once
/// a minute (Chromium), and a dead peer has to be found there too.
const COUNTED_MS: u64 = 1_000;
/// Time for what has arrived to be delivered, before anybody is judged: after an absence, and after
/// any other second without a call. Chosen without a measurement.
const GRACE_MS: u64 = 2_000;
const SHORT_GRACE_MS: u64 = 100;

/// Translates the driver's time to the engine's own.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    /// The last call, in the engine's time.
    last: Millis,
    /// How far the engine's time is behind.
    away_ms: u64,
    /// Nobody is judged before.
    judges_from: Millis,
    /// The grace that was given since something happened.
    given_ms: u64,
}

impl Clock {
    /// Whether nobody has called for so long that the page may have been away.
    pub(crate) fn is_long_since(&self, now: Millis) -> bool {
        self.own(now).since(self.last) > COUNTED_MS
    }

    /// The engine's time of a call, and whether the page was away. `deadline`: when the engine
    /// wanted to be called at the latest, in its own time.
    pub(crate) fn arrive(&mut self, now: Millis, deadline: Option<Millis>) -> (Millis, bool) {
        let own = self.own(now);
        let is_late = deadline.is_some_and(|deadline| own.since(deadline) > LATE_MS);
        let is_long = self.is_long_since(now);
        let was_away = is_late && is_long;
        if was_away {
            self.away_ms += own.since(self.last) - COUNTED_MS;
        }
        self.last = self.own(now);
        // Not each time that a timer of a hidden page rings, or nobody would ever be judged.
        let grace = if was_away { GRACE_MS } else { SHORT_GRACE_MS };
        if is_long && grace > self.given_ms {
            self.judges_from = self.last.after(grace);
            self.given_ms = grace;
        }
        (self.last, was_away)
    }

    /// Something has happened. `before`: the engine's time of the call before.
    pub(crate) fn happened(&mut self, before: Millis) {
        if self.last.since(before) < COUNTED_MS {
            self.given_ms = 0;
        }
    }

    /// Whether peers may be judged by their time.
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
    fn nobody_is_judged_at_once_after_a_gap_and_not_never_if_gaps_follow_each_other() {
        let mut clock = Clock::default();
        let call = |clock: &mut Clock, now: u64| {
            let before = clock.last();
            clock.arrive(Millis(now), Some(Millis(now)));
            clock.happened(before);
            clock.may_judge()
        };
        // A timer that rings in time is followed by another one, as frames may wait.
        assert!(!call(&mut clock, 15_000));
        assert!(call(&mut clock, 15_100));
        assert!(!call(&mut clock, 30_000));
        // In a hidden page that one comes a minute later.
        assert!(call(&mut clock, 90_000));
    }

    #[test]
    fn a_clock_that_jumps_back_stands_still() {
        let mut clock = Clock::default();
        assert_eq!(clock.arrive(Millis(10_000), None).0, Millis(10_000));
        assert_eq!(clock.arrive(Millis(4_000), None).0, Millis(10_000));
        assert_eq!(clock.arrive(Millis(10_001), None).0, Millis(10_001));
    }
}
