//! How much a peer may send that nobody asked for.

use crate::sync::ids::Millis;

/// Small messages that may come unasked in a second: Pings, Pongs, reserved messages and new heads.
/// go-ethereum sends a Ping every 15 seconds, and a gateway announces each block; the quickest
/// chains make four in a second.
pub(super) const UNASKED_PER_SECOND: u64 = 10;
/// Bytes of messages that are ignored that may come in a second, each counted as [`LEAST_IGNORED`]
/// bytes at least. Mainnet's transactions have some tens of kilobytes, and its blocks as many. They
/// cost the line, and no memory.
pub(super) const IGNORED_PER_SECOND: u64 = 256 * 1024;
/// Bytes that a message which is ignored counts as at least, since each costs some work.
const LEAST_IGNORED: u64 = 1024;
/// So many milliseconds' worth may come at once: a gateway or a node may have stood still, and a line
/// may have been down.
const BURST_MS: u64 = 60_000;

/// What is left of an amount that grows with time.
#[derive(Debug)]
pub(super) struct Allowance {
    per_second: u64,
    /// In thousandths.
    left: u64,
    at: Millis,
    /// How long the page had been away by then.
    away_ms: u64,
}

impl Allowance {
    /// `outside`: the driver's time, in which a page that was away was away.
    pub(super) fn new(per_second: u64, now: Millis, outside: Millis) -> Allowance {
        Allowance {
            per_second,
            left: per_second * BURST_MS,
            at: now,
            away_ms: outside.since(now),
        }
    }

    /// Takes so much; `false` if less is left. All that may have come while the page was away is
    /// granted beside the burst.
    #[must_use]
    pub(super) fn take(&mut self, now: Millis, outside: Millis, amount: u64) -> bool {
        let away_ms = outside.since(now);
        let grown = self.per_second.saturating_mul(now.since(self.at));
        let missed = away_ms.saturating_sub(self.away_ms);
        let missed = self.per_second.saturating_mul(missed);
        let most = self.per_second * BURST_MS;
        let left = self.left.max(self.left.saturating_add(grown).min(most));
        let left = left.saturating_add(missed);
        let after = left.checked_sub(amount.saturating_mul(1000));
        (self.at, self.away_ms) = (now, away_ms);
        self.left = after.unwrap_or(left);
        after.is_some()
    }
}

/// What a message of so many bytes that is ignored counts as.
pub(super) fn cost_of_ignored(length: usize) -> u64 {
    (length as u64).max(LEAST_IGNORED)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of some messages are taken. `now` is the engine's time and the driver's.
    fn taken(allowance: &mut Allowance, now: (u64, u64), messages: usize) -> usize {
        let takes = (0..messages).map(|_| allowance.take(Millis(now.0), Millis(now.1), 1));
        takes.filter(|taken| *taken).count()
    }

    #[test]
    fn a_minutes_worth_may_come_at_once_and_then_what_each_second_allows() {
        let mut allowance = Allowance::new(10, Millis(0), Millis(50));
        assert_eq!(taken(&mut allowance, (1, 51), 1_000), 600);
        // Messages that come one by one lose no fraction.
        let each = |millis: u64| taken(&mut allowance, (1 + millis, 51 + millis), 1);
        assert_eq!((1..=10_000).map(each).sum::<usize>(), 100);
        // What is not used is not kept beyond a minute's worth.
        assert_eq!(taken(&mut allowance, (900_000, 900_050), 1_000), 600);
    }

    #[test]
    fn what_gathered_while_the_page_was_away_for_an_hour_is_taken() {
        let mut allowance = Allowance::new(10, Millis(0), Millis(0));
        let back = (1_000, 3_601_000);
        assert_eq!(taken(&mut allowance, back, 40_000), 36_600);
        assert_eq!(taken(&mut allowance, (2_000, 3_602_000), 40_000), 10);
    }
}
