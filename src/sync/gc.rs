//! Sweeping: after a new state is complete, the pages that only the old one reaches are found and deleted, in the background.

use super::Ticket;
use crate::heap::owns;
use crate::state::page::Page;
use crate::state::{DiffWalk, MarkWalk, PageId, PageRef, PendingGc};
use std::ops::Range;

/// Pages read at a time. Few, since nobody waits for them.
const PAGES_PER_LOAD: usize = 16;

/// The walks after a switch: over the old and the new complete state, for what only the old one reaches; and over the new
/// one's own pages, for what its building has dropped on the way.
pub(crate) struct Gc {
    diff: DiffWalk,
    mark: MarkWalk,
    complete: Option<PageRef>,
    build: Range<PageId>,
    /// The load under way. Bound: twice [`PAGES_PER_LOAD`].
    asked: Option<(Ticket, Vec<PageId>)>,
}

impl Gc {
    pub(crate) fn new(pending_gc: &PendingGc, complete: Option<PageRef>) -> Gc {
        Gc {
            diff: DiffWalk::new(pending_gc.old, complete),
            mark: MarkWalk::since(pending_gc.build.start, complete),
            complete,
            build: pending_gc.build.clone(),
            asked: None,
        }
    }

    /// The pages to read now, unless some are being read.
    pub(crate) fn next_load(&mut self, ticket: Ticket) -> Option<Vec<PageId>> {
        if self.asked.is_some() {
            return None;
        }
        let mut ids = self.diff.wanted(PAGES_PER_LOAD);
        ids.extend(self.mark.wanted(PAGES_PER_LOAD));
        let ids = PageId::in_order(ids);
        if ids.is_empty() {
            return None;
        }
        self.asked = Some((ticket, ids.clone()));
        Some(ids)
    }

    /// Takes in the pages of a load; `false` if it is not this sweep's.
    pub(crate) fn loaded(&mut self, ticket: Ticket, pages: &[Option<Vec<u8>>]) -> bool {
        let Some((_, ids)) = self.asked.take_if(|(asked, _)| *asked == ticket) else {
            return false;
        };
        let diff = self.diff.wanted(usize::MAX);
        for (index, id) in ids.into_iter().enumerate() {
            let bytes = pages.get(index).and_then(Option::as_deref);
            if diff.contains(&id) {
                self.diff.feed(id, bytes);
            }
            self.mark.feed(id, bytes);
            if bytes.is_none_or(|bytes| Page::decode(bytes).is_err()) {
                self.widen();
            }
        }
        true
    }

    /// Nobody knows any more what is below a page that cannot be read: so everything that the new state does not reach goes.
    fn widen(&mut self) {
        if self.build.start > PageId(0) {
            self.build.start = PageId(0);
            self.mark = MarkWalk::new(self.complete);
        }
    }

    /// Whether this ticket is of a load of this sweep.
    pub(crate) fn awaits_load(&self, ticket: Ticket) -> bool {
        let asked = self.asked.as_ref();
        asked.is_some_and(|(asked, _)| *asked == ticket)
    }

    /// Whether everything has been looked at.
    pub(crate) fn is_over(&self) -> bool {
        let is_over = self.diff.wanted(1).is_empty() && self.mark.wanted(1).is_empty();
        self.asked.is_none() && is_over
    }

    /// What to delete: nothing if a page of the new state could not be read, since then nobody knows what it reaches.
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
    Gc: diff, mark, asked;
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
