//! Garbage: pages that no root reaches. Both walks say which pages they want to read and take them as bytes; they only ever
//! read pages that have others below.

use std::collections::BTreeSet;

use super::entry::{PageId, PageRef};

/// Finds what a new complete state does not share with the one before: walks both, and stops wherever they have the same
/// page, so that it costs what has changed.
pub struct Superseded {}

/// Finds everything that some roots reach.
pub struct Reach {
    reached: BTreeSet<PageId>,
}

impl Superseded {
    /// The walk from both root pages (`None`: the empty state).
    pub fn new(_old: Option<PageRef>, _new: Option<PageRef>) -> Superseded {
        Superseded {}
    }

    /// Pages to read next, at most so many. None: the walk is over.
    pub fn wanted(&self, _limit: usize) -> Vec<PageId> {
        Vec::new()
    }

    /// Takes a page that is wanted (`None`: the database has none).
    pub fn feed(&mut self, _id: PageId, _bytes: Option<&[u8]>) {}

    /// The pages that only the old state reaches. `None` if a page of the new one could not be read: nothing may be deleted
    /// then.
    pub fn finish(self) -> Option<Vec<PageId>> {
        None
    }
}

impl Reach {
    /// The walk from these root pages.
    pub fn new(_roots: impl IntoIterator<Item = PageRef>) -> Reach {
        Reach {
            reached: BTreeSet::new(),
        }
    }

    /// Pages to read next, at most so many. None: the walk is over.
    pub fn wanted(&self, _limit: usize) -> Vec<PageId> {
        Vec::new()
    }

    /// Takes a page that is wanted (`None`: the database has none).
    pub fn feed(&mut self, _id: PageId, _bytes: Option<&[u8]>) {}

    /// Of the stored pages those below `next_page` that no root reaches; `next_page` is the record's at the moment when the
    /// roots were taken from it. `None` if a page could not be read: nothing may be deleted then.
    pub fn orphans(
        self,
        stored: impl IntoIterator<Item = PageId>,
        next_page: PageId,
    ) -> Option<Vec<PageId>> {
        let orphan = |id: &PageId| *id < next_page && !self.reached.contains(id);
        let _ = &self.reached;
        Some(stored.into_iter().filter(orphan).collect())
    }
}
