//! Which pages no state reaches.

use std::ops::Range;

use super::{Below, Look, PageId, PageRef, Side, What};
use crate::heap::owns;

/// Finds every page that some roots reach.
pub struct MarkWalk {
    side: Side,
    /// Pages with lower ids are not read.
    since: PageId,
    /// Whether a page could not be read.
    blind: bool,
}

impl MarkWalk {
    /// Starts at these root pages.
    pub fn new(roots: impl IntoIterator<Item = PageRef>) -> MarkWalk {
        MarkWalk::since(PageId(0), roots)
    }

    /// As [`MarkWalk::new`], but only of pages with ids from `since` on. A page names only pages
    /// older than itself, so nothing is missed below older pages.
    pub fn since(since: PageId, roots: impl IntoIterator<Item = PageRef>) -> MarkWalk {
        let mut side = Side::default();
        let young = roots.into_iter().filter(|root| root.id >= since);
        young.for_each(|root| side.reach(Below::root(&root, false)));
        MarkWalk {
            side,
            since,
            blind: false,
        }
    }

    /// Pages to read next, at most `limit` of them. The walk is over when there are none.
    pub fn wanted(&self, limit: usize) -> Vec<PageId> {
        self.side.wanted(limit)
    }

    /// Takes a page that is wanted (`None`: the database does not have it).
    pub fn feed(&mut self, id: PageId, bytes: Option<&[u8]>) {
        match self.side.look(id, bytes, Look::Pages) {
            Ok(below) => {
                for below in below {
                    let is_young =
                        matches!(below.what, What::Part(part, _) if part.page >= self.since);
                    if is_young {
                        self.side.reach(below);
                    }
                }
            }
            Err(_) => self.blind = true,
        }
    }

    /// The ids of `range` that no root reaches, as ranges: at most one more than pages are reached. They
    /// are not listed one by one, because a forged record may name any number of ids. `None` if a page
    /// could not be read: nothing may be deleted then.
    pub(crate) fn gaps(self, range: Range<PageId>) -> Option<Vec<Range<PageId>>> {
        if self.blind {
            return None;
        }
        let mut gaps = Vec::new();
        let mut from = range.start;
        for id in PageId::in_order(self.side.reached) {
            if !(from..range.end).contains(&id) {
                continue;
            }
            if from < id {
                gaps.push(from..id);
            }
            from = id.next();
        }
        if from < range.end {
            gaps.push(from..range.end);
        }
        Some(gaps)
    }

    /// The stored pages below `next_page` that no root reaches. `next_page` is the record's at the
    /// moment when the roots were taken from it: what was written later is not known here. `None` as
    /// in `gaps`.
    pub fn orphans(
        self,
        stored: impl IntoIterator<Item = PageId>,
        next_page: PageId,
    ) -> Option<Vec<PageId>> {
        let gaps = self.gaps(PageId(0)..next_page)?;
        let is_in_gap = |id: &PageId| {
            let at = gaps.partition_point(|gap| gap.end <= *id);
            gaps.get(at).is_some_and(|gap| gap.contains(id))
        };
        Some(stored.into_iter().filter(is_in_gap).collect())
    }
}

owns! {
    MarkWalk: side;
}
