//! Garbage: pages that no root reaches. Both walks say which pages they want to read and take them as bytes; they only ever
//! read pages that have others below.
//!
//! That a walk may stop at a page which both states have rests on one rule: all entries of a page stand in one page above it.

use super::entry::{PageId, PageRef};
use super::page::{Page, PageError};
use super::tree::each_page;

/// Finds what a new complete state does not share with the one before: walks both, and stops wherever they have the same
/// page, so that it costs what has changed.
pub struct Superseded {
    old: Side,
    new: Side,
    /// What the pages that have been read name. Bound: the pages that only one of the states has.
    read: Vec<(PageId, Vec<PageRef>)>,
    /// A page of the new state could not be read.
    blind: bool,
}

/// Finds everything that some roots reach.
pub struct Reach {
    side: Side,
    /// Older pages are not looked at.
    since: PageId,
    /// A page could not be read.
    blind: bool,
}

/// One state, as far as it has been walked.
#[derive(Default)]
struct Side {
    /// In any order, some more than once. Bound: the entries for pages in the state, 8 bytes each.
    reached: Vec<PageId>,
    /// Those with others below. One page may be named twice, and only once so.
    inner: Ids,
    /// Of these, what is to be read.
    waiting: Ids,
}

/// A set of ids, in order: none of these sets is as large as to be worth a tree.
#[derive(Default)]
struct Ids(Vec<PageId>);

impl Superseded {
    /// The walk from both root pages (`None`: the empty state).
    pub fn new(old: Option<PageRef>, new: Option<PageRef>) -> Superseded {
        let mut walk = Superseded {
            old: Side::default(),
            new: Side::default(),
            read: Vec::new(),
            blind: false,
        };
        walk.reach(old.as_slice(), new.as_slice());
        walk
    }

    /// Pages to read next, at most so many. None: the walk is over.
    pub fn wanted(&self, limit: usize) -> Vec<PageId> {
        let waiting = self.old.waiting.0.iter().chain(&self.new.waiting.0);
        waiting.take(limit).copied().collect()
    }

    /// Takes a page that is wanted (`None`: the database has none). One that cannot be read ends the walk there; what is only
    /// below it is left to [`Reach`].
    pub fn feed(&mut self, id: PageId, bytes: Option<&[u8]>) {
        let below = match pages_below(bytes) {
            Ok(below) => below,
            Err(_) => {
                self.blind |= self.new.waiting.contains(id);
                Vec::new()
            }
        };
        let in_old = self.old.waiting.remove(id);
        let in_new = self.new.waiting.remove(id);
        if let Err(place) = self.read_at(id) {
            self.read.insert(place, (id, below.clone()));
        }
        let of = |waited: bool| if waited { below.as_slice() } else { &[] };
        self.reach(of(in_old), of(in_new));
    }

    /// The pages that only the old state reaches. `None` if a page of the new one could not be read: nothing may be deleted
    /// then.
    pub fn finish(self) -> Option<Vec<PageId>> {
        let (mut old, new) = (Ids::of(self.old.reached), Ids::of(self.new.reached));
        old.0.retain(|id| !new.contains(*id));
        (!self.blind).then_some(old.0)
    }

    fn read_at(&self, id: PageId) -> Result<usize, usize> {
        self.read.binary_search_by_key(&id, |(id, _)| *id)
    }

    /// Both sides have come to these pages. Where both have the same page, neither has to look below it; unless one of them
    /// has done so already, then the other must follow.
    fn reach(&mut self, old: &[PageRef], new: &[PageRef]) {
        let mut steps: Vec<(bool, PageRef)> = old.iter().map(|page| (true, *page)).collect();
        steps.extend(new.iter().map(|page| (false, *page)));
        while let Some((is_old, page)) = steps.pop() {
            let read = self.read_at(page.id).ok();
            let (here, there) = match is_old {
                true => (&mut self.old, &mut self.new),
                false => (&mut self.new, &mut self.old),
            };
            here.reached.push(page.id);
            if !page.inner || !here.inner.insert(page.id) {
                continue;
            }
            if let Some((_, below)) = read.and_then(|read| self.read.get(read)) {
                steps.extend(below.iter().map(|below| (is_old, *below)));
            } else if there.inner.contains(page.id) {
                there.waiting.remove(page.id);
            } else {
                here.waiting.insert(page.id);
            }
        }
    }
}

impl Reach {
    /// The walk from these root pages.
    pub fn new(roots: impl IntoIterator<Item = PageRef>) -> Reach {
        Reach::since(PageId(0), roots)
    }

    /// As [`Reach::new`], of pages from `since` on. A page names only older ones, so nothing is missed by not looking into
    /// those before.
    pub fn since(since: PageId, roots: impl IntoIterator<Item = PageRef>) -> Reach {
        let mut side = Side::default();
        let young = roots.into_iter().filter(|root| root.id >= since);
        young.for_each(|root| side.reach(&root));
        Reach {
            side,
            since,
            blind: false,
        }
    }

    /// Pages to read next, at most so many. None: the walk is over.
    pub fn wanted(&self, limit: usize) -> Vec<PageId> {
        self.side.waiting.0.iter().take(limit).copied().collect()
    }

    /// Takes a page that is wanted (`None`: the database has none).
    pub fn feed(&mut self, id: PageId, bytes: Option<&[u8]>) {
        if !self.side.waiting.remove(id) {
            return;
        }
        match pages_below(bytes) {
            Ok(below) => {
                let young = below.iter().filter(|page| page.id >= self.since);
                young.for_each(|page| self.side.reach(page));
            }
            Err(_) => self.blind = true,
        }
    }

    /// Of the stored pages those below `next_page` that no root reaches; `next_page` is the record's at the moment when the
    /// roots were taken from it: what has been written since then is not known here. `None` if a page could not be read:
    /// nothing may be deleted then.
    pub fn orphans(
        self,
        stored: impl IntoIterator<Item = PageId>,
        next_page: PageId,
    ) -> Option<Vec<PageId>> {
        let reached = Ids::of(self.side.reached);
        let orphan = |id: &PageId| *id < next_page && !reached.contains(*id);
        (!self.blind).then(|| stored.into_iter().filter(orphan).collect())
    }
}

impl Side {
    fn reach(&mut self, page: &PageRef) {
        self.reached.push(page.id);
        if page.inner && self.inner.insert(page.id) {
            self.waiting.insert(page.id);
        }
    }
}

impl Ids {
    fn of(mut ids: Vec<PageId>) -> Ids {
        ids.sort_unstable();
        ids.dedup();
        Ids(ids)
    }

    fn contains(&self, id: PageId) -> bool {
        self.0.binary_search(&id).is_ok()
    }

    /// `false` if it was there.
    fn insert(&mut self, id: PageId) -> bool {
        let place = self.0.binary_search(&id);
        if let Err(place) = place {
            self.0.insert(place, id);
        }
        place.is_err()
    }

    /// `false` if it was not there.
    fn remove(&mut self, id: PageId) -> bool {
        let place = self.0.binary_search(&id);
        if let Ok(place) = place {
            self.0.remove(place);
        }
        place.is_ok()
    }
}

/// The pages that a page names.
///
/// It is not folded: its checksum covers the ids, and nothing is deleted or believed because of a hash in it.
fn pages_below(bytes: Option<&[u8]>) -> Result<Vec<PageRef>, PageError> {
    let page = Page::decode(bytes.ok_or(PageError::Missing)?)?;
    let mut below = Vec::new();
    for entry in &page.entries {
        each_page(entry, false, &mut |page, _| below.push(*page));
    }
    Ok(below)
}
