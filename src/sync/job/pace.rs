//! Whether healing keeps up with the chain.

use crate::heap::{flat, owns};
use crate::sync::ids::Millis;
use crate::sync::progress::{KEY_SPACE_CELLS, Outrun};

/// Moves of the root over which the pace is judged. Chosen without a measurement: with a block
/// every 12 seconds it is a minute, and fewer may be an accident.
const MOVES: usize = 6;
/// The whole key space, in the unit of [`Pace::moved`].
const ALL: u64 = KEY_SPACE_CELLS as u64 * 255;

/// The last moves of the root since a state was complete. Bound: [`MOVES`].
#[derive(Debug, Default)]
pub(super) struct Pace {
    moves: Vec<Move>,
}

#[derive(Clone, Copy, Debug)]
struct Move {
    at: Millis,
    /// How much of the key space was known under the root that was left.
    known: u64,
    /// Nodes and leaves received until then.
    healed: u64,
}

impl Pace {
    /// The root moved. `known`: the known part of the key space, in units of 1/(256 * 255).
    pub(super) fn moved(&mut self, at: Millis, known: u64, healed: u64) {
        if self.moves.len() == MOVES {
            self.moves.remove(0);
        }
        self.moves.push(Move { at, known, healed });
    }

    /// Both rates, if the later half of the last moves came no closer to a complete state than the
    /// earlier half.
    pub(super) fn outrun(&self) -> Option<Outrun> {
        let (first, last) = (self.moves.first()?, self.moves.last()?);
        let closest = |moves: &[Move]| moves.iter().map(|moved| moved.known).max();
        let (earlier, later) = self.moves.split_at(self.moves.len() / 2);
        let comes_closer = closest(later) > closest(earlier);
        let millis = last.at.since(first.at);
        let healed = last.healed.saturating_sub(first.healed);
        if self.moves.len() < MOVES || comes_closer || millis == 0 || healed == 0 {
            return None;
        }
        // Scales the work done by the known share of the key space, to estimate the work needed.
        let known: u64 = self.moves.iter().skip(1).map(|moved| moved.known).sum();
        let all = ALL * (MOVES as u64 - 1);
        Some(Outrun {
            needed_per_second: healed * all / known.clamp(1, all) * 1000 / millis,
            healed_per_second: healed * 1000 / millis,
        })
    }
}

flat!(Move);

owns! {
    Pace: moves;
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_healing_that_comes_no_closer_says_both_rates() {
        let mut pace = Pace::default();
        for second in 0..6 {
            assert_eq!(pace.outrun(), None);
            pace.moved(Millis(second * 1000), ALL / 2, 200 * second);
        }
        let outrun = pace.outrun().unwrap();
        assert_eq!(outrun.healed_per_second, 200);
        assert_eq!(outrun.needed_per_second, 400);
    }

    #[test]
    fn one_that_comes_closer_is_keeping_up() {
        let mut pace = Pace::default();
        for (second, known) in [90, 100, 80, 110, 70, 60].into_iter().enumerate() {
            pace.moved(Millis(second as u64 * 1000), known, second as u64);
        }
        assert_eq!(pace.outrun(), None);
    }

    #[test]
    fn moves_in_one_instant_say_nothing() {
        let mut pace = Pace::default();
        for _ in 0..9 {
            pace.moved(Millis(5), 0, 0);
        }
        assert_eq!(pace.outrun(), None);
    }
}
