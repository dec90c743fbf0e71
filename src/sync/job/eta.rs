//! Estimates how long the account ranges will still take, once there is enough data.

use super::cursor::{ACCOUNT_CURSORS, Cursor};
use crate::heap::owns;
use crate::sync::ids::Millis;

/// Units of a cursor's slice: fine enough that each second of a sync of some hours shows.
const SLICE: u32 = 1 << 16;
/// The whole key space.
const WHOLE: u64 = SLICE as u64 * ACCOUNT_CURSORS as u64;
/// What has to be behind the cursors before anything is estimated. Chosen without a measurement:
/// the first round trips dominate the first percent.
const ENOUGH: u64 = WHOLE / 100;
/// The pace is judged over at least this long. Chosen without a measurement: a shorter time makes
/// the figure jump with each answer.
const ENOUGH_MS: u64 = 3_000;
/// The pace is judged over at most this many samples, so that an old pace does not count.
const SAMPLES: usize = 10;
/// Time between two samples.
const SAMPLE_MS: u64 = 1_000;

/// How far the account cursors were in the last seconds. Bound: [`SAMPLES`].
#[derive(Debug, Default)]
pub(super) struct Eta {
    samples: Vec<(Millis, u64)>,
}

impl Eta {
    /// Notes how far the cursors have come.
    pub(super) fn note(&mut self, now: Millis, share: u64) {
        if let Some((last, before)) = self.samples.last() {
            if share < *before {
                // Another root, or a part that has to be fetched again: earlier samples do not
                // count.
                self.samples.clear();
            } else if now.since(*last) < SAMPLE_MS {
                return;
            }
        }
        if self.samples.len() == SAMPLES {
            self.samples.remove(0);
        }
        self.samples.push((now, share));
    }

    /// Milliseconds until the rest is there, at the pace of the last seconds. `None` while there is
    /// too little data.
    pub(super) fn left(&self, now: Millis, share: u64) -> Option<u64> {
        let (since, before) = self.samples.first()?;
        let (took, gained) = (now.since(*since), share.saturating_sub(*before));
        let is_enough = took >= ENOUGH_MS && gained > 0 && (ENOUGH..WHOLE).contains(&share);
        is_enough.then(|| (WHOLE - share) * took / gained)
    }
}

/// How much of the key space lies behind the cursors.
pub(super) fn share(cursors: &[Cursor]) -> u64 {
    cursors.iter().map(|cursor| cursor.known(SLICE)).sum()
}

owns! {
    Eta: samples;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::Hash;

    /// A sync that covers a fiftieth of the key space each second.
    fn steady(seconds: u64) -> Eta {
        let mut eta = Eta::default();
        for second in 0..=seconds {
            eta.note(Millis(1_000 * second), second * WHOLE / 50);
        }
        eta
    }

    #[test]
    fn a_steady_pace_gives_the_time_of_the_rest() {
        let left = steady(20).left(Millis(20_000), 20 * WHOLE / 50);
        assert_eq!(left.map(|millis| millis.div_ceil(1_000)), Some(30));
    }

    #[test]
    fn there_is_no_estimate_in_the_first_seconds_or_of_the_first_percent_or_at_the_end() {
        assert_eq!(steady(2).left(Millis(2_000), 2 * WHOLE / 50), None);
        assert_eq!(Eta::default().left(Millis(9_000), WHOLE / 2), None);
        let mut slow = Eta::default();
        slow.note(Millis(0), 0);
        assert_eq!(slow.left(Millis(60_000), ENOUGH - 1), None);
        assert_eq!(steady(50).left(Millis(50_000), WHOLE), None);
    }

    #[test]
    fn while_nothing_comes_the_rest_takes_longer_and_longer_and_then_there_is_no_estimate() {
        let mut eta = steady(20);
        let share = 20 * WHOLE / 50;
        assert!(eta.left(Millis(25_000), share) > eta.left(Millis(21_000), share));
        for second in 21..40 {
            eta.note(Millis(1_000 * second), share);
        }
        assert_eq!(eta.left(Millis(40_000), share), None);
    }

    #[test]
    fn a_share_that_falls_is_judged_anew() {
        let mut eta = steady(20);
        eta.note(Millis(20_100), WHOLE / 50);
        assert_eq!(eta.left(Millis(22_000), 2 * WHOLE / 50), None);
    }

    #[test]
    fn cursors_at_their_beginnings_have_no_share_and_at_their_ends_all_of_it() {
        let mut cursors = Cursor::slices(Hash::ZERO, ACCOUNT_CURSORS);
        assert_eq!(share(&cursors), 0);
        if let Some(cursor) = cursors.first_mut() {
            cursor.advance(&Hash([0x07; 32]));
        }
        assert!((u64::from(SLICE) / 3..u64::from(SLICE) / 2).contains(&share(&cursors)));
        for cursor in &mut cursors {
            cursor.finish();
        }
        assert_eq!(share(&cursors), WHOLE);
    }
}
