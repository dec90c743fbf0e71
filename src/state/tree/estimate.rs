//! How much is to be expected below a blinded entry, to choose between asking for its node and asking for a range.

use super::Tree;
use crate::state::entry::{Entry, Item, StatePath};
use crate::trie::path::KEY_NIBBLES;

/// Bytes of a leaf's node, as a node request receives it: most accounts, most slots.
const LEAF_NODE: f64 = 110.0;
/// Bytes of a branch node: a hash per child, sixteen of them near the root, few where leaves are near.
const BRANCH_NODE: f64 = 532.0;
/// Bytes of a leaf in a range, as snap sends it.
const LEAF_IN_RANGE: f64 = 55.0;
/// Bytes of the two edge proofs of a range.
const RANGE_PROOF: f64 = 4_000.0;
/// Children that must have been compared at a depth before it says anything.
const ENOUGH: u64 = 16;

/// What is to be expected below a blinded entry.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Estimate {
    /// Leaves below; `None` if there is nothing to judge by.
    pub leaves: Option<u64>,
    /// Something is held there under another hash.
    pub based: bool,
    /// The share of these leaves that is likely to have changed, 0 to 1; `None` if there is nothing to judge by. Without a
    /// base all of them have to come.
    pub changed: Option<f64>,
}

/// How often parts of a base were the same as the new subtrie, by the depth of the branch above.
#[derive(Clone, Debug)]
pub(super) struct Comparisons {
    levels: [Level; KEY_NIBBLES as usize + 1],
}

#[derive(Clone, Copy, Debug, Default)]
struct Level {
    equal: u64,
    different: u64,
    /// Leaves held in all of them.
    leaves: u64,
}

impl Tree {
    /// What is to be expected below the blinded entry at this place.
    pub fn estimate(&self, at: &StatePath) -> Estimate {
        let held = self.base_at(at);
        let held: u64 = held.iter().map(held_leaves).sum();
        let based = held > 0;
        Estimate {
            leaves: match based {
                true => Some(held),
                false => self.estimated_leaves_below(at),
            },
            based,
            changed: match based {
                true => self.comparisons.changed(),
                false => None,
            },
        }
    }
}

impl Estimate {
    /// Bytes that revealing node by node is likely to receive.
    pub fn node_bytes(&self) -> Option<u64> {
        let leaves = self.leaves? as f64;
        let changed = match self.based {
            true => self.changed?,
            false => 1.0,
        };
        let mut bytes = leaves * changed * LEAF_NODE;
        // Level by level, the branches with a changed leaf below.
        let mut nodes = 1.0;
        while nodes < leaves {
            let below = leaves / nodes;
            let touched = 1.0 - (1.0 - changed).powf(below);
            bytes += nodes * touched * (BRANCH_NODE * (below / 16.0).clamp(0.2, 1.0));
            nodes *= 16.0;
        }
        Some(bytes as u64)
    }

    /// Bytes that ranges over all of it are likely to receive.
    pub fn range_bytes(&self) -> Option<u64> {
        Some((self.leaves? as f64 * LEAF_IN_RANGE + RANGE_PROOF) as u64)
    }
}

impl Comparisons {
    pub(super) fn new() -> Comparisons {
        Comparisons {
            levels: [Level::default(); KEY_NIBBLES as usize + 1],
        }
    }

    /// Notes that a subtrie below a branch at this depth was compared with what is held of it.
    pub(super) fn note(&mut self, depth: u8, leaves: u64, equal: bool) {
        if let Some(level) = self.levels.get_mut(usize::from(depth)) {
            match equal {
                true => level.equal += 1,
                false => level.different += 1,
            }
            level.leaves += leaves;
        }
    }

    /// The share of leaves that have changed, judging by the deepest level at which enough has been compared. Keys are
    /// hashes: a subtrie of n leaves is the same with probability (1 - share)^n.
    fn changed(&self) -> Option<f64> {
        let level = self
            .levels
            .iter()
            .rfind(|level| level.equal + level.different >= ENOUGH && level.leaves > 0)?;
        let compared = (level.equal + level.different) as f64;
        let leaves = (level.leaves as f64 / compared).max(1.0);
        // Where all differ, this is the least that may have changed.
        let equal = (level.equal as f64).max(0.5) / (compared + 1.0);
        Some(1.0 - equal.powf(1.0 / leaves))
    }
}

fn held_leaves(entry: &Entry) -> u64 {
    match &entry.item {
        Item::Blinded { base, .. } => base.iter().map(held_leaves).sum(),
        _ => entry.leaves(),
    }
}
