//! Damage in the states that are kept besides the complete one. It is not healed: a state that is
//! damaged is kept no more.

use super::loads::{LoadedPage, PAGES_PER_LOAD};
use crate::heap::owns;
use crate::state::gc::ReachWalk;
use crate::state::{Complete, PageId};

/// Searches the kept states for damaged pages, one state after the other.
pub(crate) struct KeptSearch {
    /// The pages. Bound: [`MAX_DAMAGE`](super::gc::MAX_DAMAGE).
    damaged: Vec<PageId>,
    /// The states still to be searched, by the ids of their root pages. Bound:
    /// [`MAX_KEPT`](crate::state::MAX_KEPT).
    walks: Vec<(PageId, ReachWalk)>,
    /// Those that are damaged. Bound: the same.
    found: Vec<PageId>,
}

impl KeptSearch {
    pub(crate) fn new(damaged: Vec<PageId>, kept: &[Complete]) -> KeptSearch {
        let roots = kept.iter().filter_map(|state| state.top.page());
        let walks = roots.map(|root| (root.id, ReachWalk::new(&root, &damaged)));
        let mut search = KeptSearch {
            walks: walks.collect(),
            damaged,
            found: Vec::new(),
        };
        search.proceed();
        search
    }

    /// The pages to read next; none once the search is over.
    pub(crate) fn next_pages(&self) -> Vec<PageId> {
        let walk = self.walks.last();
        walk.map_or(Vec::new(), |(_, walk)| walk.wanted(PAGES_PER_LOAD))
    }

    /// Takes in pages that were read.
    pub(crate) fn take(&mut self, pages: &[LoadedPage]) {
        if let Some((_, walk)) = self.walks.last_mut() {
            for (id, bytes) in pages {
                walk.feed(*id, bytes.as_deref());
            }
        }
        self.proceed();
    }

    /// The pages that it searches for.
    pub(crate) fn damaged(&self) -> &[PageId] {
        &self.damaged
    }

    /// The ids of the root pages of the states that are damaged.
    pub(crate) fn finish(self) -> Vec<PageId> {
        self.found
    }

    /// Goes on to the next state once one has been searched.
    fn proceed(&mut self) {
        while let Some((root, walk)) = self.walks.pop_if(|(_, walk)| walk.wanted(1).is_empty()) {
            if walk.finish() {
                self.found.push(root);
            }
        }
    }
}

owns! {
    KeptSearch: damaged, walks, found;
}
