//! Sweeping: after a new state is complete, the pages that only the old one reaches are found and deleted, in the background.

use super::Ticket;
use crate::state::{PageId, PageRef, Superseded};
use std::ops::Range;

/// Pages read at a time. Few, since nobody waits for them.
const PAGES_PER_LOAD: usize = 16;

/// A walk over the old and the new complete state under way.
pub(crate) struct Sweep {
    walk: Superseded,
    /// The load under way. Bound: [`PAGES_PER_LOAD`].
    asked: Option<(Ticket, Vec<PageId>)>,
}

impl Sweep {
    pub(crate) fn new(old: PageRef, new: Option<PageRef>) -> Sweep {
        Sweep {
            walk: Superseded::new(Some(old), new),
            asked: None,
        }
    }

    /// The pages to read now, unless some are being read.
    pub(crate) fn next_load(&mut self, ticket: Ticket) -> Option<Vec<PageId>> {
        if self.asked.is_some() {
            return None;
        }
        let ids = self.walk.wanted(PAGES_PER_LOAD);
        if ids.is_empty() {
            return None;
        }
        self.asked = Some((ticket, ids.clone()));
        Some(ids)
    }

    /// Takes in the pages of a load; `false` if it is not this walk's.
    pub(crate) fn loaded(&mut self, ticket: Ticket, pages: &[Option<Vec<u8>>]) -> bool {
        let Some((_, ids)) = self.asked.take_if(|(asked, _)| *asked == ticket) else {
            return false;
        };
        for (index, id) in ids.into_iter().enumerate() {
            self.walk
                .feed(id, pages.get(index).and_then(Option::as_deref));
        }
        true
    }

    /// Whether this ticket is of a load of this walk.
    pub(crate) fn awaits_load(&self, ticket: Ticket) -> bool {
        self.asked
            .as_ref()
            .is_some_and(|(asked, _)| *asked == ticket)
    }

    /// Whether everything has been looked at.
    pub(crate) fn is_over(&self) -> bool {
        self.asked.is_none() && self.walk.wanted(1).is_empty()
    }

    /// What to delete: nothing if a page of the new state could not be read, since then nobody knows what it shares.
    pub(crate) fn finish(self) -> Vec<Range<PageId>> {
        ranges(self.walk.finish().unwrap_or_default())
    }
}

/// Neighbouring ids as ranges, so that a batch deletes in few calls.
pub(super) fn ranges(mut ids: Vec<PageId>) -> Vec<Range<PageId>> {
    ids.sort_unstable();
    let mut ranges: Vec<Range<PageId>> = Vec::new();
    for id in ids {
        match ranges.last_mut() {
            Some(range) if range.contains(&id) => {}
            Some(range) if range.end == id => range.end = id.next(),
            _ => ranges.push(id..id.next()),
        }
    }
    ranges
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
