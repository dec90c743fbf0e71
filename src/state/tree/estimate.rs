//! Estimates how much is below a blinded entry, to choose between requesting its node and
//! requesting a range.

use super::Tree;
use crate::state::entry::{Entry, Item, StatePath};
use crate::state::page::entry_size;

/// Bytes of an account's leaf node: a full body of some 78 bytes, some 30 of the path, and headers.
/// A slot's is shorter. Computed from the encoding (yellow paper, appendix D), not measured.
const LEAF_NODE: f64 = 110.0;
/// Bytes of a full branch node: sixteen children of 33 bytes, an empty value and a header of three
/// (yellow paper, appendix D). Near the leaves a branch has few children.
const BRANCH_NODE: f64 = 532.0;
/// Bytes of a leaf in a range, as snap sends it: some 50 for a plain account, 115 for a contract,
/// 36 to 70 for a slot. Measured by `benches/heal_shares.rs` at 20,000 accounts: with 80 a heal of
/// 30 % changed plain accounts receives 1.43 of a fresh sync's bytes instead of 1.02; with 40 it
/// receives up to a tenth less there where the choice is close, but mainnet has more contracts and
/// slots.
const LEAF_IN_RANGE: u64 = 55;
/// If all subtries differ, that means something only if there are so many of them. Measured by
/// `benches/heal_shares.rs` at 20,000 accounts: 4 and 64 receive the same bytes to a hundredth.
const ENOUGH: u64 = 16;

/// How often the interval in which a share lies is halved: the share is exact to a millionth.
const PRECISION: usize = 20;
/// The number of classes that [`size_class`] tells apart.
const SIZE_CLASSES: usize = u64::BITS as usize + 1;

/// What is to be expected below a blinded entry.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Estimate {
    /// Leaves below; `None` if there is nothing to judge by.
    pub leaves: Option<u64>,
    /// Whether something is held there under another hash.
    pub based: bool,
    /// The share of these leaves that has probably changed, 0 to 1; `None` if there is nothing to
    /// judge by. Without a base all leaves have to be fetched.
    pub changed: Option<f64>,
    /// Bytes of the base that have to be in memory when a range over it comes: pages with storages.
    pub bytes: usize,
}

/// The share of the leaves of one trie that has probably changed. Keys are hashes, so changes lie
/// evenly: of the subtries of n leaves, (1 - share)^n are the same.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ChangeRate {
    share: Option<f64>,
    /// If nothing was found to be the same, the leaves of all subtries that differ: all of them may
    /// have changed.
    pub all: Option<u64>,
}

/// Leaves that came since the trie was first compared with what is held. They are held now, but
/// that does not mean that they are the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Received {
    /// All of them.
    pub leaves: u64,
    /// Those of them that came node by node. A leaf comes that way only if it has changed.
    pub revealed: u64,
}

/// A trie's list compared with what is held: what the change rate is judged by.
struct Comparison {
    /// Leaves of the subtries that are the same.
    equal: u64,
    /// By size class ([`size_class`]): the number of subtries that differ, and the leaves of their
    /// bases.
    differing: [(u64, u64); SIZE_CLASSES],
}

impl Comparison {
    fn of(list: &[Entry], received: Received) -> Comparison {
        let mut held = 0;
        let mut differing = [(0, 0); SIZE_CLASSES];
        // Every leaf that was revealed is a subtrie of one leaf that differs.
        differing[1] = (received.revealed, received.revealed);
        for entry in list {
            match &entry.item {
                Item::Blinded { base, .. } if base.is_empty() => {}
                Item::Blinded { .. } => {
                    let leaves = held_leaves(entry);
                    if let Some((subtries, sum)) = differing.get_mut(size_class(leaves)) {
                        *subtries += 1;
                        *sum += leaves;
                    }
                }
                _ => held += entry.leaves(),
            }
        }
        Comparison {
            equal: held.saturating_sub(received.leaves),
            differing,
        }
    }

    /// The size classes in which subtries differ: the leaves of all of them, and leaves per
    /// subtrie.
    fn sizes(&self) -> impl Iterator<Item = (u64, u64)> {
        let some = self.differing.iter().filter(|(_, sum)| *sum > 0);
        some.map(|(subtries, sum)| (*sum, *sum / *subtries))
    }

    /// The least leaves that count as equal. If none are equal, one more subtrie might have been:
    /// half of a subtrie counts, of the smallest size up to which [`ENOUGH`] subtries differ. 0 if
    /// fewer differ in all, `None` if none differ.
    fn least_equal(&self) -> Option<f64> {
        let mut subtries = 0;
        let enough = self.sizes().find(|(sum, leaves)| {
            subtries += sum / leaves;
            subtries >= ENOUGH
        });
        let least = enough.map_or(0.0, |(_, leaves)| leaves as f64 / 2.0);
        (subtries > 0).then_some(least)
    }

    /// The likeliest share, found by halving the interval in which it lies: under it, `equal`
    /// leaves are expected to be the same ([`ChangeRate::of`]).
    fn likeliest_share(&self, equal: f64) -> f64 {
        let (mut low, mut high) = (0.0, 1.0);
        for _ in 0..PRECISION {
            let share = (low + high) / 2.0;
            let expected: f64 = self
                .sizes()
                .map(|(sum, leaves)| {
                    let same = power(1.0 - share, leaves);
                    sum as f64 * same / (1.0 - same)
                })
                .sum();
            match expected > equal {
                true => low = share,
                false => high = share,
            }
        }
        low
    }
}

impl ChangeRate {
    /// Judges the list of a trie by what is the same in it and what is blinded over a base.
    ///
    /// The share s is the one under which the list is the likeliest. A subtrie of n leaves is the
    /// same with the probability (1 - s)^n. With E leaves in subtries that are the same, and
    /// subtries of n leaves that differ, the likelihood (1 - s)^E * product(1 - (1 - s)^n) is
    /// highest where
    ///
    /// E = sum(n * (1 - s)^n / (1 - (1 - s)^n))
    ///
    /// over the subtries that differ. The right side falls as s grows.
    pub fn of(list: &[Entry], received: Received) -> ChangeRate {
        let comparison = Comparison::of(list, received);
        let Some(least) = comparison.least_equal() else {
            return ChangeRate::default();
        };
        let equal = comparison.equal as f64;
        if equal.max(least) == 0.0 {
            return ChangeRate::default();
        }
        ChangeRate {
            share: Some(comparison.likeliest_share(equal.max(least))),
            all: (equal < least).then(|| comparison.sizes().map(|(sum, _)| sum).sum()),
        }
    }

    /// This rate, or `other` if there is nothing to judge by here.
    pub fn or(self, other: ChangeRate) -> ChangeRate {
        if self.share.is_some() { self } else { other }
    }

    /// The share within a subtrie of so many leaves that is known to differ.
    fn within(&self, leaves: u64) -> Option<f64> {
        let share = self.share?;
        let differs = 1.0 - power(1.0 - share, leaves);
        Some(if differs > 0.0 {
            (share / differs).min(1.0)
        } else {
            1.0
        })
    }
}

impl Tree {
    /// Estimates what is below the blinded entry at this place.
    pub fn estimate(&self, at: &StatePath, change_rate: &ChangeRate) -> Estimate {
        let base = self.base_at(at);
        let held: u64 = base.iter().map(held_leaves).sum();
        let based = held > 0;
        Estimate {
            leaves: match based {
                true => Some(held),
                false => self.estimated_leaves_below(at),
            },
            based,
            changed: match based {
                true => change_rate.within(held),
                false => None,
            },
            bytes: base.iter().map(|entry| self.bytes_behind(entry)).sum(),
        }
    }

    fn bytes_behind(&self, entry: &Entry) -> usize {
        match &entry.item {
            Item::Page(page) if page.slots == 0 => 0,
            // Large storages have pages of their own and are not loaded.
            Item::Page(page) => self
                .budget
                .min((page.leaves + page.slots).saturating_mul(LEAF_IN_RANGE) as usize),
            Item::Blinded { base, .. } => base.iter().map(|entry| self.bytes_behind(entry)).sum(),
            _ => entry_size(entry),
        }
    }
}

impl Estimate {
    /// Bytes that revealing all of it node by node will probably receive.
    pub fn node_bytes(&self) -> Option<u64> {
        let leaves = self.leaves? as f64;
        let changed = match self.based {
            true => self.changed?,
            false => 1.0,
        };
        let mut bytes = leaves * changed * LEAF_NODE;
        // Per level, the branches that have a changed leaf below.
        let mut nodes = 1.0;
        while nodes < leaves {
            let below = leaves / nodes;
            let touched = 1.0 - power(1.0 - changed, below as u64);
            bytes += nodes * touched * (BRANCH_NODE * (below / 16.0).clamp(0.2, 1.0));
            nodes *= 16.0;
        }
        Some(bytes as u64)
    }

    /// Bytes that ranges over all of it will probably receive, without the proofs of their edges.
    pub fn range_bytes(&self) -> Option<u64> {
        self.leaves.map(range_bytes)
    }
}

/// Bytes that so many leaves take in a range.
pub fn range_bytes(leaves: u64) -> u64 {
    leaves.saturating_mul(LEAF_IN_RANGE)
}

fn held_leaves(entry: &Entry) -> u64 {
    match &entry.item {
        Item::Blinded { base, .. } => base.iter().map(held_leaves).sum(),
        _ => entry.leaves(),
    }
}

/// Sizes of subtries are told apart by their number of bits.
fn size_class(leaves: u64) -> usize {
    (u64::BITS - leaves.leading_zeros()) as usize
}

/// A share to a power, by repeated squaring. `f64::powi` would add a kilobyte to the module.
fn power(share: f64, mut exponent: u64) -> f64 {
    let (mut product, mut square) = (1.0, share);
    while exponent > 0 {
        if exponent & 1 == 1 {
            product *= square;
        }
        square *= square;
        exponent >>= 1;
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

    fn share(list: &[Entry]) -> f64 {
        ChangeRate::of(list, Received::default()).share.unwrap()
    }

    #[test]
    fn few_changes_make_most_of_the_upper_subtries_differ_and_are_still_seen_as_few() {
        // One change in a thousand leaves: of subtries of 400, a third differ.
        let list = list(172, 84, 400);
        let share = share(&list);
        assert!((0.0009..0.0011).contains(&share), "{share}");
        // Where a subtrie differs, at least one of its leaves does.
        let change_rate = ChangeRate::of(&list, Received::default());
        assert!(change_rate.within(1).unwrap() > 0.99);
        assert!(change_rate.within(400).unwrap() < 0.004);
    }

    #[test]
    fn where_everything_differs_small_subtries_say_more_than_large_ones() {
        let large = share(&list(0, 16, 6_000));
        let small = share(&list(0, 4_096, 24));
        assert!(large < 0.001, "{large}");
        assert!(small > 0.3, "{small}");
        let few = ChangeRate::of(&list(0, 3, 6_000), Received::default());
        assert_eq!(few.share, None);
    }

    /// Without this, a state of which everything had changed was healed node by node until most of
    /// it had been compared.
    #[test]
    fn small_subtries_say_as_much_among_large_ones() {
        let mut list = list(0, 64, 24);
        let alone = share(&list);
        list.extend(std::iter::repeat_with(|| differing(400)).take(240));
        assert!(alone > 0.18, "{alone}");
        assert!((share(&list) - alone).abs() < 0.01);
    }

    #[test]
    fn a_power_is_what_the_standard_library_takes_it_for() {
        for share in [0.0, 1e-9, 0.25, 0.7, 1.0 - 1e-9, 1.0] {
            for exponent in [0, 1, 2, 16, 400, 1 << 30, 1 << 60] {
                let difference = power(share, exponent) - share.powf(exponent as f64);
                assert!(difference.abs() < 1e-9, "{share}^{exponent}");
            }
        }
    }

    /// Without this, the rest of a state of which a third had changed was healed node by node, for
    /// 1.3 times the bytes of a sync from nothing.
    #[test]
    fn what_was_received_does_not_make_the_rest_seem_unchanged() {
        let before = share(&list(0, 4_096, 24));
        let ranged = Received {
            leaves: 4_000 * 24,
            revealed: 0,
        };
        let after = ChangeRate::of(&list(4_000, 96, 24), ranged).share.unwrap();
        assert!(after > before / 2.0, "{before} {after}");
        // Of 1,000 leaves that were looked at one by one, every third had changed.
        let revealed = Received {
            leaves: 333,
            revealed: 333,
        };
        let third = ChangeRate::of(&list(1_000, 0, 1), revealed).share.unwrap();
        assert!((0.32..0.34).contains(&third), "{third}");
    }
}
