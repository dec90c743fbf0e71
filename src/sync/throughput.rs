//! How much a line carries, learned from the answers that it brought, and how much to ask of it.
//!
//! The rate of an answer is not its own size by its own time: other answers came in between. It is
//! everything that the line brought between a request and its answer, by that time (the delivery
//! rate of BBR, draft-cardwell-iccrg-bbr-congestion-control, section 4.1). So a line that many
//! peers share is measured right, and so is a peer that several requests wait for.

/// Bytes in flight are kept to what the line brings in this time. Chosen without a measurement:
/// long against the round trips of most networks (50 to 150 ms), so that the line never idles, and
/// short enough for what is urgent not to wait behind the rest.
const AHEAD_MS: u64 = 1_000;
/// On a line with long round trips it is twice the round trip, and at most this.
const MAX_AHEAD_MS: u64 = 4_000;

/// An average that follows what is new by a quarter of the difference; 0 stands for none yet.
pub(crate) fn smoothed(average: u64, new: u64) -> u64 {
    match average {
        0 => new,
        _ => (average * 3 + new) / 4,
    }
}

/// A rate that was learned.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Throughput {
    /// Bytes per second, 0 before the first answer.
    per_second: u64,
    /// Whether that is what the line carries. Before it was busy, it is only known to carry so much
    /// at least.
    is_measured: bool,
}

/// What one answer says about a line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Delivery {
    /// Bytes that the line brought between the request and its answer.
    pub(crate) bytes: u64,
    pub(crate) elapsed_ms: u64,
    /// Whether the line was kept busy. If not, the answer can only show that it is faster than was
    /// thought.
    pub(crate) was_busy: bool,
}

impl Throughput {
    /// Takes in an answer. It rises at once, so that a fast line is filled within a few round
    /// trips, and falls by a quarter of the difference.
    pub(crate) fn learn(&mut self, delivery: Delivery) {
        let rate = delivery.bytes.saturating_mul(1_000) / delivery.elapsed_ms.max(1);
        self.is_measured |= delivery.was_busy;
        if rate > self.per_second {
            self.per_second = rate;
        } else if delivery.was_busy {
            self.per_second = smoothed(self.per_second, rate);
        }
    }

    /// Answers are late: it is taken to be half of what it was.
    pub(crate) fn halve(&mut self) {
        self.per_second /= 2;
        self.is_measured = true;
    }

    /// Whether the line was ever busy.
    pub(crate) fn is_measured(self) -> bool {
        self.is_measured
    }

    pub(crate) fn per_second(self) -> u64 {
        self.per_second
    }

    /// Bytes that may be in flight on a line with this round trip.
    pub(crate) fn ahead(self, round_trip_ms: u64) -> u64 {
        self.within((2 * round_trip_ms).clamp(AHEAD_MS, MAX_AHEAD_MS))
    }

    /// Bytes in so many milliseconds.
    pub(crate) fn within(self, millis: u64) -> u64 {
        self.per_second.saturating_mul(millis) / 1_000
    }

    /// Milliseconds for so many bytes; `None` if the rate is not known.
    pub(crate) fn time_for(self, bytes: u64) -> Option<u64> {
        bytes.saturating_mul(1_000).checked_div(self.per_second)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delivery(bytes: u64, elapsed_ms: u64, was_busy: bool) -> Delivery {
        Delivery {
            bytes,
            elapsed_ms,
            was_busy,
        }
    }

    #[test]
    fn a_rate_rises_at_once_and_falls_slowly_and_only_if_the_line_was_busy() {
        let mut rate = Throughput::default();
        assert_eq!((rate.per_second(), rate.time_for(1)), (0, None));
        rate.learn(delivery(30_000, 1_000, false));
        assert_eq!(rate.per_second(), 30_000);
        rate.learn(delivery(100, 1_000, false));
        assert_eq!(rate.per_second(), 30_000);
        rate.learn(delivery(10_000, 1_000, true));
        assert_eq!(rate.per_second(), 25_000);
        rate.learn(delivery(5, 0, true));
        assert_eq!(rate.per_second(), (3 * 25_000 + 5_000) / 4);
        assert_eq!(rate.time_for(40_000), Some(2_000));
    }

    #[test]
    fn what_is_in_flight_follows_rate_and_round_trip() {
        let mut rate = Throughput::default();
        rate.learn(delivery(1_000, 1, true));
        assert_eq!(rate.ahead(50), 1_000_000);
        assert_eq!(rate.ahead(1_500), 3_000_000);
        assert_eq!(rate.ahead(60_000), 4_000_000);
        rate.halve();
        assert_eq!(rate.within(100), 50_000);
    }
}
