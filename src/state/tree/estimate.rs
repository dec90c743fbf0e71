//! How much is to be expected below a blinded entry, to choose between asking for its node and asking for a range.

use super::Tree;
use crate::state::entry::StatePath;

/// What is to be expected below a blinded entry.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Estimate {
    /// Leaves below; `None` if there is nothing to judge by.
    pub leaves: Option<u64>,
    /// Something is held there under another hash.
    pub based: bool,
    /// The share of these leaves that is likely to have changed, 0 to 1; `None` if there is nothing to judge by.
    pub changed: Option<f64>,
}

impl Tree {
    /// What is to be expected below the blinded entry at this place.
    pub fn estimate(&self, at: &StatePath) -> Estimate {
        Estimate {
            leaves: self.estimated_leaves_below(at),
            ..Estimate::default()
        }
    }
}

impl Estimate {
    /// Bytes that revealing node by node is likely to receive.
    pub fn node_bytes(&self) -> Option<u64> {
        None
    }

    /// Bytes that ranges over all of it are likely to receive.
    pub fn range_bytes(&self) -> Option<u64> {
        None
    }
}
