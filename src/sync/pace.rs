//! Whether healing keeps up with the chain.

use super::{Millis, Outrun};

/// Moves of the root over which the pace is judged: fewer may be an accident.
const MOVES: usize = 4;

/// The last moves of the root. Bound: [`MOVES`].
#[derive(Debug, Default)]
pub(crate) struct Pace {
    moves: Vec<Move>,
}

#[derive(Clone, Copy, Debug)]
struct Move {
    at: Millis,
    /// Places that were still blinded when the root moved.
    backlog: u64,
    /// Nodes healed until then.
    healed: u64,
}

impl Pace {
    /// The root moved while so many places were still blinded.
    pub(crate) fn moved(&mut self, at: Millis, backlog: u64, healed: u64) {
        if self.moves.len() == MOVES {
            self.moves.remove(0);
        }
        self.moves.push(Move {
            at,
            backlog,
            healed,
        });
    }

    /// Both rates, if what is left did not shrink from move to move.
    pub(crate) fn outrun(&self) -> Option<Outrun> {
        let (first, last) = (self.moves.first()?, self.moves.last()?);
        let mut pairs = self.moves.iter().zip(self.moves.iter().skip(1));
        let grows = pairs.all(|(earlier, later)| later.backlog >= earlier.backlog);
        if self.moves.len() < MOVES || !grows || first.backlog == 0 {
            return None;
        }
        let millis = last.at.since(first.at).max(1);
        let healed = last.healed.saturating_sub(first.healed);
        let needed = healed + last.backlog.saturating_sub(first.backlog);
        Some(Outrun {
            needed_per_second: needed * 1000 / millis,
            healed_per_second: healed * 1000 / millis,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_backlog_that_grows_with_every_move_says_both_rates() {
        let mut pace = Pace::default();
        for second in 0..4 {
            assert_eq!(pace.outrun(), None);
            pace.moved(Millis(second * 1000), 100 + 50 * second, 200 * second);
        }
        let outrun = pace.outrun().unwrap();
        assert_eq!(outrun.healed_per_second, 200);
        assert_eq!(outrun.needed_per_second, 250);
    }

    #[test]
    fn a_backlog_that_shrinks_once_is_keeping_up() {
        let mut pace = Pace::default();
        for (second, backlog) in [90, 100, 80, 110].into_iter().enumerate() {
            pace.moved(Millis(second as u64 * 1000), backlog, 0);
        }
        assert_eq!(pace.outrun(), None);
    }
}
