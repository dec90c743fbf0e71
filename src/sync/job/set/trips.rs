//! Counts which requests of a set had to wait for which answers.

use crate::flat_map::{ChunkedMap, FlatMap};
use crate::hash::Hash;
use crate::heap::owns;
use crate::state::StatePath;
use crate::trie::path::Path;

/// Places that are remembered. Above, what is asked for counts as waiting for the root alone.
/// Chosen without a measurement: the paths of a thousand accounts, 1.6 MB.
const MAX_PLACES: usize = 16_384;

/// In which round trip the nodes came that were revealed since the target moved.
#[derive(Debug, Default)]
pub(super) struct Trips {
    /// The round trips before the target moved.
    before: u64,
    /// By place. Bound: [`MAX_PLACES`].
    revealed: ChunkedMap<StatePath, u64>,
    /// By the hashes of codes that are missing. Bound: the codes missing.
    codes: FlatMap<Hash, u64>,
}

impl Trips {
    pub(super) fn after(before: u64) -> Trips {
        Trips {
            before,
            ..Trips::default()
        }
    }

    /// The round trip of what waits for nothing.
    pub(super) fn first(&self) -> u64 {
        self.before + 1
    }

    /// A node came in this round trip.
    pub(super) fn revealed(&mut self, at: StatePath, trip: u64) {
        if self.revealed.len() < MAX_PLACES {
            self.revealed.insert(at, trip);
        }
    }

    /// The account that names a code came in this round trip.
    pub(super) fn named(&mut self, code: Hash, trip: u64) {
        self.codes.insert(code, trip);
    }

    /// The round trip in which the node at this place can come: it waits for the one above it.
    pub(super) fn at(&self, at: &StatePath) -> u64 {
        let above = self.above(at.account, &at.path);
        let leaf = at.account.map(Path::full);
        let above = above.or_else(|| leaf.and_then(|leaf| self.above(None, &leaf)));
        above.unwrap_or(self.before) + 1
    }

    /// The round trip in which these codes can come.
    pub(super) fn of_codes(&self, codes: &[Hash]) -> u64 {
        let named = codes.iter().filter_map(|code| self.codes.get(code));
        named.max().copied().unwrap_or(self.before) + 1
    }

    fn above(&self, account: Option<Hash>, path: &Path) -> Option<u64> {
        let above = (0..path.len()).rev().map(|depth| StatePath {
            account,
            path: path.prefix(depth),
        });
        let mut known = above.filter_map(|at| self.revealed.get(&at));
        known.next().copied()
    }
}

owns! {
    Trips: revealed, codes;
}
