//! Which states a damaged page belongs to.

use super::{Below, Look, PageId, PageRef, Side, What};
use crate::heap::owns;

/// Finds out whether one state reaches one of some damaged pages. It reads only pages that are newer
/// than the oldest of these: a page names only pages older than itself.
pub(crate) struct ReachWalk {
    side: Side,
    /// Ascending. Bound: the damage that is remembered.
    damaged: Vec<PageId>,
    /// Whether the state has one of them, or another page that cannot be read.
    has_damage: bool,
}

impl ReachWalk {
    /// Starts at a state's root page.
    pub(crate) fn new(root: &PageRef, damaged: &[PageId]) -> ReachWalk {
        let mut walk = ReachWalk {
            side: Side::default(),
            damaged: PageId::in_order(damaged.to_vec()),
            has_damage: false,
        };
        walk.reach(Below::root(root, false));
        walk
    }

    /// Pages to read next, at most `limit` of them. The walk is over when there are none.
    pub(crate) fn wanted(&self, limit: usize) -> Vec<PageId> {
        match self.has_damage {
            true => Vec::new(),
            false => self.side.wanted(limit),
        }
    }

    /// Takes a page that is wanted (`None`: the database does not have it).
    pub(crate) fn feed(&mut self, id: PageId, bytes: Option<&[u8]>) {
        match self.side.look(id, bytes, Look::Pages) {
            Ok(below) => below.into_iter().for_each(|below| self.reach(below)),
            Err(_) => self.has_damage = true,
        }
    }

    /// Whether the state is damaged.
    pub(crate) fn finish(self) -> bool {
        self.has_damage
    }

    fn reach(&mut self, below: Below) {
        let What::Part(part, _) = below.what else {
            return;
        };
        self.has_damage |= self.damaged.binary_search(&part.page).is_ok();
        if self
            .damaged
            .first()
            .is_some_and(|oldest| part.page > *oldest)
        {
            self.side.reach(below);
        }
    }
}

owns! {
    ReachWalk: side, damaged;
}
