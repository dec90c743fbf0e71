//! Garbage collection: after a switch, the pages that no readable state reaches any more and the
//! codes that none names are found and deleted, in the background.

use std::ops::Range;

use super::loads::{LoadedPage, PAGES_PER_LOAD};
use crate::flat_map::ChunkedSet;
use crate::hash::Hash;
use crate::heap::{HeapBytes, owns};
use crate::state::gc::CodeWalk;
use crate::state::page::Page;
use crate::state::{DiffWalk, MarkWalk, PageId, PageRef, PendingGc};

/// Pages that each walk reads at a time. Chosen without a measurement: few, since nobody waits for
/// them, and reads of the user should not wait behind them.
const PAGES_PER_WALK: usize = 16;
/// Damaged pages and codes remembered at a time. Chosen without a measurement: more is found again
/// when it is read again.
pub(crate) const MAX_DAMAGE: usize = 64;
const _: () = assert!(2 * PAGES_PER_WALK <= PAGES_PER_LOAD);

/// The walks after a switch. One goes over the state that can be read no more and over the readable
/// ones, for what only the first reaches. The other goes over the new one's own pages, for what its
/// build has dropped. After them comes the walk for codes.
pub(crate) struct Gc {
    diff: DiffWalk,
    mark: MarkWalk,
    /// The root pages of the readable states. Bound: [`MAX_KEPT`](crate::state::MAX_KEPT).
    roots: Vec<PageRef>,
    build: Range<PageId>,
    codes: CodeGc,
    /// Pages that could not be read. Bound: [`MAX_DAMAGE`].
    unreadable: Vec<PageId>,
}

/// What is done about codes.
pub(crate) enum CodeGc {
    /// Nothing: while another state is built, it is not known which codes are needed.
    Left,
    /// It begins once the pages are known. Besides the codes that only the old state names, these
    /// are candidates; `None`: all that are held.
    Next(Option<Vec<Hash>>),
    /// It has begun.
    Walk(Box<CodeWalk>),
}

/// What a collection found.
pub(crate) struct Garbage {
    /// Bound: the pages of a state before and those that the last build wrote; after damage or a
    /// failed collection, all pages stored.
    pub(crate) pages: Vec<Range<PageId>>,
    pub(crate) codes: CodeGarbage,
}

/// What a collection found out about codes.
pub(crate) enum CodeGarbage {
    /// These are not named, and all others are. Bound: the codes held, 32 bytes each.
    Unnamed(Vec<Hash>),
    /// Nothing, because the state is damaged. Its repair is followed by another collection.
    Unknown,
    /// They were not looked at.
    Left,
}

impl Gc {
    /// `roots`: the root pages of the readable states.
    pub(crate) fn new(pending: &PendingGc, roots: Vec<PageRef>, codes: CodeGc) -> Gc {
        // Over nothing, no code is lost. Over everything, all that are held are candidates.
        let with_codes = matches!(codes, CodeGc::Next(Some(_)))
            && pending.old.is_some()
            && !is_wide(&pending.build, &roots);
        Gc {
            diff: DiffWalk::over(pending.old, roots.iter().copied(), with_codes),
            mark: MarkWalk::since(pending.build.start, roots.iter().copied()),
            roots,
            build: pending.build.clone(),
            codes,
            unreadable: Vec::new(),
        }
    }

    /// The pages to read next; none if everything has been looked at.
    pub(crate) fn next_pages(&self) -> Vec<PageId> {
        if let CodeGc::Walk(walk) = &self.codes {
            return walk.wanted(2 * PAGES_PER_WALK);
        }
        let mut ids = self.diff.wanted(PAGES_PER_WALK);
        ids.extend(self.mark.wanted(PAGES_PER_WALK));
        PageId::in_order(ids)
    }

    /// Takes in pages that were read. `held`: the codes that are held.
    pub(crate) fn take(&mut self, pages: &[LoadedPage], held: &ChunkedSet<Hash>) {
        let diff = self.diff.wanted(usize::MAX);
        for (id, bytes) in pages {
            let bytes = bytes.as_deref();
            let is_unreadable = bytes.is_none_or(|bytes| Page::decode(bytes).is_err());
            if is_unreadable && self.unreadable.len() < MAX_DAMAGE {
                self.unreadable.push(*id);
            }
            if let CodeGc::Walk(walk) = &mut self.codes {
                walk.feed(*id, bytes);
                continue;
            }
            if diff.contains(id) {
                self.diff.feed(*id, bytes);
            }
            self.mark.feed(*id, bytes);
            if is_unreadable {
                self.widen();
            }
        }
        self.proceed(held);
    }

    /// Begins the walk for codes if those for pages are over. They come first, because they find
    /// which parts of the states differ.
    pub(crate) fn proceed(&mut self, held: &ChunkedSet<Hash>) {
        if !self.next_pages().is_empty() {
            return;
        }
        let CodeGc::Next(fetched) = &mut self.codes else {
            return;
        };
        let fetched = fetched.take();
        let candidates = match fetched.filter(|_| !is_wide(&self.build, &self.roots)) {
            Some(fetched) => {
                let mut candidates = self.diff.lost_codes();
                candidates.insert_all(fetched);
                candidates
            }
            None => held.clone(),
        };
        let roots = self.roots.iter().copied();
        self.codes = CodeGc::Walk(Box::new(CodeWalk::new(roots, candidates)));
    }

    /// Another state is going to be built, so codes are left alone.
    pub(crate) fn leave_codes(&mut self) {
        self.diff.leave_codes();
        self.codes = CodeGc::Left;
    }

    /// What is below a page that cannot be read is not known any more. So everything that no readable
    /// state reaches is collected.
    fn widen(&mut self) {
        if self.build.start > PageId(0) {
            self.build.start = PageId(0);
            self.mark = MarkWalk::new(self.roots.iter().copied());
        }
    }

    /// Takes out the pages that could not be read.
    pub(crate) fn take_unreadable(&mut self) -> Vec<PageId> {
        std::mem::take(&mut self.unreadable)
    }

    /// What to delete. `None` if a page of a readable state could not be read: it is not known then
    /// what that state reaches.
    pub(crate) fn finish(self) -> Option<Garbage> {
        let mut ids = self.diff.finish()?;
        ids.retain(|id| !self.build.contains(id));
        let mut pages = ranges(ids);
        pages.extend(self.mark.gaps(self.build)?);
        let codes = match self.codes {
            CodeGc::Walk(walk) => walk
                .finish()
                .map_or(CodeGarbage::Unknown, CodeGarbage::Unnamed),
            CodeGc::Left | CodeGc::Next(_) => CodeGarbage::Left,
        };
        Some(Garbage { pages, codes })
    }
}

/// Whether all codes that are held are looked at: it is not known what was there before, or nothing
/// has to be read for it.
fn is_wide(build: &Range<PageId>, roots: &[PageRef]) -> bool {
    build.start == PageId(0) || roots.is_empty()
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
    Gc: diff, mark, roots, codes, unreadable;
    Garbage: pages, codes;
}

impl HeapBytes for CodeGc {
    fn heap_bytes(&self) -> usize {
        match self {
            CodeGc::Left => 0,
            CodeGc::Next(fetched) => fetched.heap_bytes(),
            CodeGc::Walk(walk) => walk.heap_bytes(),
        }
    }
}

impl HeapBytes for CodeGarbage {
    fn heap_bytes(&self) -> usize {
        match self {
            CodeGarbage::Unnamed(codes) => codes.heap_bytes(),
            CodeGarbage::Unknown | CodeGarbage::Left => 0,
        }
    }
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
