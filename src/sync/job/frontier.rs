//! What a first sync asks for node by node, while no peer is there that answers ranges.
//!
//! It is made by one pass over the tree and used up; then the next is made. So there is no second
//! list of what is missing that could disagree with the tree.

use super::plan::by_level;
use crate::hash::Hash;
use crate::heap::owns;
use crate::state::StatePath;

/// Blinded places up to which a first sync by hash goes breadth first, so that many requests can be
/// in flight. Above, it goes depth first, so that subtries are finished and leave memory. Two levels
/// of branches have 256 places.
const BREADTH: usize = 1_024;
/// Places that one pass in depth takes: two requests and more. In the worst case all of them are
/// branches, which make sixteen places each.
const DEPTH_AHEAD: usize = 1_024;

/// The next nodes to ask for.
#[derive(Debug, Default)]
pub(super) struct Frontier {
    /// The first ones first. Bound: [`DEPTH_AHEAD`].
    nodes: Vec<(StatePath, Hash)>,
    /// Nothing has changed in the tree since all its blinded places were taken.
    is_all: bool,
    /// Whether accounts have to leave memory before others come.
    is_full: bool,
}

impl Frontier {
    /// The tree has changed.
    pub(super) fn changed(&mut self) {
        self.is_all = false;
    }

    /// Whether another one is to be made. `is_full`: accounts have to leave memory before others
    /// come.
    pub(super) fn is_due(&mut self, is_full: bool) -> bool {
        if self.is_full != is_full {
            self.is_full = is_full;
            self.is_all = false;
            self.nodes.clear();
        }
        self.nodes.is_empty() && !self.is_all
    }

    /// Takes up the places that are blinded and not asked for, in key order, which is depth first.
    pub(super) fn fill<I>(&mut self, blinded: impl Fn() -> I)
    where
        I: Iterator<Item = (StatePath, Hash)>,
    {
        let mut nodes: Vec<_> = match self.is_full {
            // What is missing of storages keeps accounts in memory.
            true => blinded()
                .filter(|(at, _)| at.account.is_some())
                .take(DEPTH_AHEAD)
                .collect(),
            false => Vec::new(),
        };
        self.is_all = false;
        if nodes.is_empty() {
            nodes = blinded().take(BREADTH + 1).collect();
            self.is_all = nodes.len() <= BREADTH;
        }
        match self.is_all && !self.is_full {
            true => by_level(&mut nodes),
            false => nodes.truncate(DEPTH_AHEAD),
        }
        self.nodes = nodes;
    }

    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Where nodes are taken from.
    pub(super) fn nodes_mut(&mut self) -> &mut Vec<(StatePath, Hash)> {
        &mut self.nodes
    }
}

owns! {
    Frontier: nodes;
}
