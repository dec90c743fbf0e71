//! Garbage collection: after a new state is complete, the pages that only the old one reaches are
//! found and deleted, in the background.

use std::ops::Range;

use super::loads::{LoadedPage, PAGES_PER_LOAD};
use crate::heap::owns;
use crate::state::page::Page;
use crate::state::{DiffWalk, MarkWalk, PageId, PageRef, PendingGc};

/// Pages that each walk reads at a time. Chosen without a measurement: few, since nobody waits for
/// them, and reads of the user should not wait behind them.
const PAGES_PER_WALK: usize = 16;
const _: () = assert!(2 * PAGES_PER_WALK <= PAGES_PER_LOAD);

/// The walks after a switch. One goes over the old and the new complete state, for what only the
/// old one reaches. The other goes over the new one's own pages, for what its build has dropped.
pub(crate) struct Gc {
    diff: DiffWalk,
    mark: MarkWalk,
    complete: Option<PageRef>,
    build: Range<PageId>,
}

impl Gc {
    pub(crate) fn new(pending: &PendingGc, complete: Option<PageRef>) -> Gc {
        Gc {
            diff: DiffWalk::new(pending.old, complete),
            mark: MarkWalk::since(pending.build.start, complete),
            complete,
            build: pending.build.clone(),
        }
    }

    /// The pages to read next; none if everything has been looked at.
    pub(crate) fn next_pages(&self) -> Vec<PageId> {
        let mut ids = self.diff.wanted(PAGES_PER_WALK);
        ids.extend(self.mark.wanted(PAGES_PER_WALK));
        PageId::in_order(ids)
    }

    /// Takes in pages that were read.
    pub(crate) fn take(&mut self, pages: &[LoadedPage]) {
        let diff = self.diff.wanted(usize::MAX);
        for (id, bytes) in pages {
            let bytes = bytes.as_deref();
            if diff.contains(id) {
                self.diff.feed(*id, bytes);
            }
            self.mark.feed(*id, bytes);
            if bytes.is_none_or(|bytes| Page::decode(bytes).is_err()) {
                self.widen();
            }
        }
    }

    /// What is below a page that cannot be read is not known any more. So everything that the new
    /// state does not reach is collected.
    fn widen(&mut self) {
        if self.build.start > PageId(0) {
            self.build.start = PageId(0);
            self.mark = MarkWalk::new(self.complete);
        }
    }

    /// What to delete: nothing if a page of the new state could not be read, since then it is not
    /// known what that state reaches.
    pub(crate) fn finish(self) -> Vec<Range<PageId>> {
        let Range { start, end } = self.build;
        let built = (start.0..end.0).map(PageId);
        let mut ids = self.diff.finish().unwrap_or_default();
        ids.extend(self.mark.orphans(built, end).unwrap_or_default());
        ranges(ids)
    }
}

/// Neighbouring ids as ranges, so that a batch deletes in few calls.
pub(super) fn ranges(ids: Vec<PageId>) -> Vec<Range<PageId>> {
    let mut ranges: Vec<Range<PageId>> = Vec::new();
    for id in PageId::in_order(ids) {
        match ranges.last_mut() {
            Some(range) if range.end == id => range.end = id.next(),
            _ => ranges.push(id..id.next()),
        }
    }
    ranges
}

owns! {
    Gc: diff, mark;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbouring_ids_become_one_range() {
        let ids = [7, 3, 4, 5, 4, 9].map(PageId).to_vec();
        let expected = vec![
            PageId(3)..PageId(6),
            PageId(7)..PageId(8),
            PageId(9)..PageId(10),
        ];
        assert_eq!(ranges(ids), expected);
    }
}
