//! Counts which requests had to wait for which answers: the round trips that no number of peers
//! could save.

use crate::state::StatePath;
use crate::sync::want::Want;
use crate::trie::path::KEY_NIBBLES;

const LEVELS: usize = KEY_NIBBLES as usize + 1;

/// Round trips, counted along the tries: a node waits for the nodes above it, a storage for the
/// accounts. Two requests of one level do not wait for each other, whenever they are sent.
#[derive(Debug)]
pub(super) struct RoundTrips {
    /// The round trips before the target moved.
    before: u64,
    /// Of account trie nodes, by the length of their paths.
    accounts: [u64; LEVELS],
    /// Of account ranges that a healing asks for.
    spans: u64,
    /// Of storage trie nodes, by the length of their paths.
    slots: [u64; LEVELS],
}

impl RoundTrips {
    pub(super) fn after(before: u64) -> RoundTrips {
        RoundTrips {
            before,
            accounts: [0; LEVELS],
            spans: 0,
            slots: [0; LEVELS],
        }
    }

    /// The round trips until `want` is answered. `answered`: round trips of the answers so far.
    pub(super) fn ask(&mut self, want: &Want, answered: u64) -> u64 {
        match want {
            Want::Nodes(nodes) => {
                let round_trips = nodes.iter().map(|(at, _)| self.node(at));
                round_trips.max().unwrap_or(1)
            }
            Want::NodeData { nodes, codes } => {
                let after_leaves = 1 + self.leaves();
                let round_trips = nodes.iter().map(|(at, _)| self.node(at));
                let least = match codes.is_empty() {
                    true => 1,
                    false => after_leaves,
                };
                round_trips.fold(least, u64::max)
            }
            Want::Accounts { cursor: None, .. } => {
                self.spans = self.spans.max(1 + most(self.before, &self.accounts));
                self.spans
            }
            Want::Storages(_) | Want::Codes(_) => 1 + self.leaves(),
            Want::Paths { .. } | Want::Key { .. } | Want::Proof { .. } | Want::CodeOf { .. } => {
                1 + answered
            }
            // A range of a cursor waits for the range before it.
            Want::Accounts { .. } | Want::Chunk { .. } => 1 + answered,
        }
    }

    fn node(&mut self, at: &StatePath) -> u64 {
        let leaves = self.leaves();
        let (levels, above) = match at.account {
            None => (&mut self.accounts, self.before),
            Some(_) => (&mut self.slots, leaves),
        };
        let (shorter, rest) = levels.split_at_mut(usize::from(at.path.len()).min(LEVELS - 1));
        let trip = 1 + most(above, shorter);
        for own in rest.iter_mut().take(1) {
            *own = trip.max(*own);
        }
        trip
    }

    /// Round trips needed to learn all accounts known so far.
    fn leaves(&self) -> u64 {
        most(self.before.max(self.spans), &self.accounts)
    }
}

fn most(least: u64, levels: &[u64]) -> u64 {
    levels.iter().fold(least, |most, trip| most.max(*trip))
}
