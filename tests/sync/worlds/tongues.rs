//! Which peers of a world are asked by hash. They are chosen by a generator of their own, so that
//! the rest of a world is what its seed has always made.

use snaplight::wire::By;

use super::vices::{self, Guilt};
use crate::rng::Rng;

/// How a world's peers are connected.
#[derive(Debug)]
pub(super) struct Tongues {
    share: Share,
    rng: Rng,
    /// Whether a peer of this session was connected already.
    has_any: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Share {
    /// All peers are by snap.
    None,
    /// The first peer of each session is by hash.
    One,
    /// Each peer is by hash or by snap.
    Some,
    /// All peers are by hash.
    All,
}

impl Tongues {
    /// In half of the worlds, peers by hash take part.
    pub(super) fn new(seed: u64) -> Tongues {
        // Any constant does that makes this another generator than the others of the seed.
        let mut rng = Rng::new(seed ^ 0x6a09_e667_f3bc_c908);
        let share = rng.pick(&[
            Share::None,
            Share::None,
            Share::None,
            Share::One,
            Share::Some,
            Share::All,
        ]);
        Tongues {
            share,
            rng,
            has_any: false,
        }
    }

    /// All peers are by snap.
    pub(super) fn snap() -> Tongues {
        Tongues {
            share: Share::None,
            rng: Rng::new(0),
            has_any: false,
        }
    }

    pub(super) fn new_session(&mut self) {
        self.has_any = false;
    }

    /// How the next peer is connected.
    pub(super) fn next(&mut self) -> By {
        let is_first = !std::mem::replace(&mut self.has_any, true);
        let by_hash = match self.share {
            Share::None => false,
            Share::One => is_first,
            Share::Some => self.rng.percent(50),
            Share::All => true,
        };
        match by_hash {
            true => By::Hash,
            false => By::Snap,
        }
    }

    /// A vice of a peer by hash, or `None` if it has the one that its world has chosen.
    pub(super) fn vice_by_hash(&mut self) -> Option<(String, Guilt)> {
        let is_own = self.rng.percent(70);
        is_own.then(|| vices::by_hash(&mut self.rng))
    }
}
