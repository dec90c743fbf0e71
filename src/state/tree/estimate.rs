//! How much is to be expected below a blinded entry, to choose between asking for its node and asking for a range.

use super::Tree;
use crate::state::entry::{Entry, Item, StatePath};

/// Bytes of a leaf's node, as a node request receives it: most accounts, most slots.
const LEAF_NODE: f64 = 110.0;
/// Bytes of a branch node: a hash per child, sixteen of them near the root, few where leaves are near.
const BRANCH_NODE: f64 = 532.0;
/// Bytes of a leaf in a range, as snap sends it.
const LEAF_IN_RANGE: f64 = 55.0;
/// Subtries that must differ, where all do, before that says anything.
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

/// The share of the leaves of one trie that is likely to have changed, judged by how many of them stand in subtries that differ.
/// Keys are hashes, so changes lie evenly: of subtries of n leaves, (1 - share)^n are the same.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Churn {
    share: Option<f64>,
}

impl Churn {
    /// Judges the list of a trie: what is held, and what is blinded over a base.
    pub fn of(list: &[Entry]) -> Churn {
        let (mut held, mut differing, mut places) = (0, 0, 0);
        for entry in list {
            match &entry.item {
                Item::Blinded { base, .. } if base.is_empty() => {}
                Item::Blinded { .. } => {
                    differing += held_leaves(entry);
                    places += 1;
                }
                _ => held += entry.leaves(),
            }
        }
        if differing == 0 || held == 0 && places < ENOUGH {
            return Churn::default();
        }
        let equal = match held {
            // Where all differ, this is the least that may have changed.
            0 => 0.5 / (places as f64 + 1.0),
            _ => held as f64 / (held + differing) as f64,
        };
        let leaves = (differing as f64 / places as f64).max(1.0);
        Churn {
            share: Some(1.0 - power(equal, 1.0 / leaves)),
        }
    }

    /// The larger share of the two.
    pub fn or_more(self, other: Churn) -> Churn {
        let is_more = other.share > self.share;
        if is_more { other } else { self }
    }

    /// The share within a subtrie of so many leaves that is known to differ.
    fn within(&self, leaves: u64) -> Option<f64> {
        let share = self.share?;
        let differs = 1.0 - power(1.0 - share, leaves as f64);
        Some(if differs > 0.0 {
            (share / differs).min(1.0)
        } else {
            1.0
        })
    }
}

impl Tree {
    /// What is to be expected below the blinded entry at this place.
    pub fn estimate(&self, at: &StatePath, churn: &Churn) -> Estimate {
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
                true => churn.within(held),
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
            let touched = 1.0 - power(1.0 - changed, below);
            bytes += nodes * touched * (BRANCH_NODE * (below / 16.0).clamp(0.2, 1.0));
            nodes *= 16.0;
        }
        Some(bytes as u64)
    }

    /// Bytes that ranges over all of it are likely to receive, without the proof of their two edges.
    pub fn range_bytes(&self) -> Option<u64> {
        Some((self.leaves? as f64 * LEAF_IN_RANGE) as u64)
    }
}

fn held_leaves(entry: &Entry) -> u64 {
    match &entry.item {
        Item::Blinded { base, .. } => base.iter().map(held_leaves).sum(),
        _ => entry.leaves(),
    }
}

/// A share to a power of 0 or more: the whole part by squares, the fraction by square roots, which are one instruction each.
/// `f64::powf` knows every other case too, in two kilobytes of module.
fn power(share: f64, exponent: f64) -> f64 {
    let mut whole = exponent as u64;
    let mut fraction = exponent.fract();
    let (mut product, mut square, mut root) = (1.0, share, share);
    while whole > 0 {
        if whole & 1 == 1 {
            product *= square;
        }
        square *= square;
        whole >>= 1;
    }
    while fraction > 0.0 {
        root = root.sqrt();
        fraction *= 2.0;
        if fraction >= 1.0 {
            product *= root;
            fraction -= 1.0;
        }
    }
    product
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::hash::Hash;
    use crate::state::entry::{PageId, PageRef};
    use crate::trie::path::Path;

    fn page(leaves: u64) -> Entry {
        let page = PageRef {
            hash: Hash::ZERO,
            id: PageId(1),
            open: false,
            inner: false,
            leaves,
            slots: 0,
            parent: 0,
        };
        Entry {
            path: Path::ROOT,
            item: Item::Page(page),
        }
    }

    fn differing(leaves: u64) -> Entry {
        Entry {
            path: Path::ROOT,
            item: Item::Blinded {
                hash: Hash::ZERO,
                base: vec![page(leaves)],
            },
        }
    }

    fn list(equal: usize, different: usize, leaves: u64) -> Vec<Entry> {
        let equal = std::iter::repeat_with(|| page(leaves)).take(equal);
        let different = std::iter::repeat_with(|| differing(leaves)).take(different);
        equal.chain(different).collect()
    }

    #[test]
    fn few_changes_make_most_of_the_upper_subtries_differ_and_are_still_seen_as_few() {
        // One change in a thousand leaves: of subtries of 400, a third differ.
        let churn = Churn::of(&list(172, 84, 400));
        let share = churn.share.unwrap();
        assert!((0.0009..0.0011).contains(&share), "{share}");
        // Where a subtrie differs, at least one of its leaves does.
        assert!(churn.within(1).unwrap() > 0.99);
        assert!(churn.within(400).unwrap() < 0.004);
    }

    #[test]
    fn where_everything_differs_small_subtries_say_more_than_large_ones() {
        let large = Churn::of(&list(0, 16, 6_000)).share.unwrap();
        let small = Churn::of(&list(0, 4_096, 24)).share.unwrap();
        assert!(large < 0.001, "{large}");
        assert!(small > 0.3, "{small}");
        assert_eq!(Churn::of(&list(0, 3, 6_000)).share, None);
    }

    /// Else the rest of a state of which a third had changed was healed node by node, for 1.3 times a sync from nothing.
    #[test]
    fn what_came_by_range_does_not_make_the_rest_seem_unchanged() {
        let before = Churn::of(&list(0, 4_096, 24));
        let after = Churn::of(&list(4_000, 96, 24));
        assert!(after.share.unwrap() < 0.01);
        assert_eq!(after.or_more(before), before);
        assert_eq!(Churn::default().or_more(before), before);
        assert_eq!(before.or_more(Churn::default()), before);
    }

    #[test]
    fn a_power_is_what_the_standard_library_takes_it_for() {
        for share in [0.0, 1e-9, 0.25, 0.7, 1.0 - 1e-9, 1.0] {
            for exponent in [0.0, 1e-12, 1.0 / 3.0, 0.5, 1.0, 16.0, 400.7, 1e9, 1e18] {
                let difference = power(share, exponent) - share.powf(exponent);
                assert!(difference.abs() < 1e-9, "{share}^{exponent}");
            }
        }
    }
}
