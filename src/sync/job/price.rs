//! What nodes and ranges cost, in bytes received, and which of them is cheaper for a blinded place.
//! `cargo bench --profile sim --bench heal_shares` measures what these prices come to: a heal costs
//! at most 1.1 times the bytes of a fresh sync, whatever share of the state has changed.

use crate::state::Estimate;

/// With fewer leaves, a range's proof costs more than their nodes: 4,000 bytes against some 130 for
/// each leaf. Measured (`heal_shares`): with 10 a heal takes an eighth more requests, with 100 the
/// same bytes and requests.
pub(super) const WORTH_A_RANGE: f64 = 30.0;
/// Leaves asked for by one range: what half a megabyte holds, the largest request. Measured
/// (`heal_shares`): with a quarter or four times of it, a heal costs 1.13 of a fresh sync's bytes
/// at worst instead of 1.09.
pub(super) const LEAVES_PER_RANGE: u64 = 8_192;
/// Bytes of the proof of a range's two edges: about eight full branches, since the edges share the
/// upper ones. Measured (`heal_shares`): half or twice of it changes no byte worth a hundredth.
pub(super) const RANGE_PROOF: u64 = 4_000;
/// Bytes of a branch whose sixteen children are all there: 16 hashes with their prefixes, an empty
/// value, and the list's header (yellow paper, appendix D).
pub(super) const NODE_BYTES: u64 = 532;

/// How to get what is below a blinded place.
pub(super) enum Way {
    Node,
    /// Leaves expected in the range, and what nodes and the range would cost, both in bytes.
    Range {
        leaves: u64,
        nodes: u64,
        range: u64,
    },
}

impl Way {
    /// The cheaper one, by what each is likely to receive. The proof of a range is not counted,
    /// since neighbours share it.
    pub(super) fn cheapest(estimate: &Estimate) -> Way {
        match (
            estimate.leaves,
            estimate.node_bytes(),
            estimate.range_bytes(),
        ) {
            (Some(leaves), Some(nodes), Some(range)) if range < nodes => Way::Range {
                leaves,
                nodes,
                range,
            },
            _ => Way::Node,
        }
    }
}
