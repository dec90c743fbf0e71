//! Finding garbage: pages that no root reaches, and (`codes`) bytecodes that no account names. The
//! walks say which pages they want to read and take the bytes. Those for pages only read pages that
//! have others below.
//!
//! A page may hold several sibling subtries, and a state may name only some of them. So the walks
//! go through subtries, and read the pages in which these are.

mod codes;

pub use codes::CodeWalk;

use super::entry::{Item, PageId, PageRef, in_order};
use super::page::{Page, PageError};
use crate::heap::{flat, owns};
use crate::trie::path::Path;

/// Finds the pages of the old complete state that the new one does not share. It walks both states
/// and stops wherever they have the same page, so that its cost is in proportion to what has
/// changed.
pub struct DiffWalk {
    old: Side,
    new: Side,
    /// The subtries that the pages read so far name. Bound: the pages of which only one of the
    /// states has a subtrie.
    read: Vec<(PageId, Vec<Below>)>,
    /// Whether a page of the new state could not be read.
    blind: bool,
}

/// Finds every page that some roots reach.
pub struct MarkWalk {
    side: Side,
    /// Pages with lower ids are not read.
    since: PageId,
    /// Whether a page could not be read.
    blind: bool,
}

/// One state, as far as it has been walked.
#[derive(Default)]
struct Side {
    /// The subtries in pages that were reached, in any order, some more than once. Bound: the
    /// references to pages in the state, 16 bytes each.
    reached: Vec<Part>,
    /// The subtries reached that have pages below. Bound: as for `reached`.
    inner: Parts,
    /// Those of `inner` that are still to be read.
    waiting: Parts,
}

/// A sorted set. None of these is large enough to need a tree.
#[derive(Default)]
struct Parts(Vec<Part>);

/// One of the subtries in a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Part {
    page: PageId,
    /// The subtrie's nibble at the depth of the branch whose children share the page.
    nibble: u8,
    /// Whether it is of the account trie, and not of an account's storage trie.
    has_accounts: bool,
}

/// A subtrie that a page names.
#[derive(Clone, Copy, Debug)]
struct Below {
    /// The nibble of the naming page's subtrie that it is in.
    nibble: u8,
    part: Part,
    /// Whether it has pages below.
    inner: bool,
}

/// The nibble of a subtrie that is a whole trie and so has its page to itself.
const WHOLE_TRIE: u8 = 16;

impl DiffWalk {
    /// Starts at both root pages (`None`: the empty state).
    pub fn new(old: Option<PageRef>, new: Option<PageRef>) -> DiffWalk {
        let mut walk = DiffWalk {
            old: Side::default(),
            new: Side::default(),
            read: Vec::new(),
            blind: false,
        };
        let root = |page: Option<PageRef>| page.iter().map(Below::root).collect();
        walk.reach(root(old), root(new));
        walk
    }

    /// Pages to read next, at most `limit` of them. The walk is over when there are none.
    pub fn wanted(&self, limit: usize) -> Vec<PageId> {
        let mut ids = self.old.wanted(limit);
        ids.extend(self.new.wanted(limit));
        let mut ids = PageId::in_order(ids);
        ids.truncate(limit);
        ids
    }

    /// Takes a page that is wanted (`None`: the database does not have it). The walk goes no
    /// further below a page that cannot be read; [`MarkWalk`] finds what is only below it.
    pub fn feed(&mut self, id: PageId, bytes: Option<&[u8]>) {
        let (in_old, in_new) = (self.old.take_waiting(id), self.new.take_waiting(id));
        let below = match pages_below(bytes) {
            Ok(below) => below,
            Err(_) => {
                self.blind |= !in_new.is_empty();
                Vec::new()
            }
        };
        let of = |parts: &[Part]| {
            let parts = parts.iter();
            parts.flat_map(|part| part.select(&below)).collect()
        };
        let (old, new) = (of(&in_old), of(&in_new));
        if let Err(place) = self.read_at(id) {
            self.read.insert(place, (id, below));
        }
        self.reach(old, new);
    }

    /// The pages that only the old state reaches. `None` if a page of the new state could not be
    /// read: nothing may be deleted then.
    pub fn finish(self) -> Option<Vec<PageId>> {
        let mut old = self.old.pages();
        let new = self.new.pages();
        old.retain(|id| new.binary_search(id).is_err());
        (!self.blind).then_some(old)
    }

    /// The subtries of the account trie that only the old state reaches, and those that only the
    /// new one does.
    fn changed_accounts(&self) -> [Vec<Part>; 2] {
        let (old, new) = (self.old.accounts(), self.new.accounts());
        let without = |parts: &[Part], others: &[Part]| {
            let parts = parts.iter().copied();
            let only = parts.filter(|part| others.binary_search(part).is_err());
            only.collect()
        };
        [without(&old, &new), without(&new, &old)]
    }

    fn read_at(&self, id: PageId) -> Result<usize, usize> {
        self.read.binary_search_by_key(&id, |(id, _)| *id)
    }

    /// Notes that both sides have come to these subtries. Where both have the same subtrie, neither
    /// needs to look below it, unless its page has been read already.
    fn reach(&mut self, old: Vec<Below>, new: Vec<Below>) {
        let mut steps: Vec<(bool, Below)> = old.into_iter().map(|below| (true, below)).collect();
        steps.extend(new.into_iter().map(|below| (false, below)));
        while let Some((is_old, Below { part, inner, .. })) = steps.pop() {
            let read = self.read_at(part.page).ok();
            let (here, there) = match is_old {
                true => (&mut self.old, &mut self.new),
                false => (&mut self.new, &mut self.old),
            };
            here.reached.push(part);
            if !inner || here.inner.contains(part) {
                continue;
            }
            here.inner.insert(part);
            if let Some((_, below)) = read.and_then(|read| self.read.get(read)) {
                steps.extend(part.select(below).map(|below| (is_old, below)));
            } else if there.inner.contains(part) {
                there.waiting.remove(part);
            } else {
                here.waiting.insert(part);
            }
        }
    }
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
        young.for_each(|root| side.reach(&Below::root(&root)));
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
        let parts = self.side.take_waiting(id);
        if parts.is_empty() {
            return;
        }
        match pages_below(bytes) {
            Ok(below) => {
                let below = parts.iter().flat_map(|part| part.select(&below));
                let young = below.filter(|below| below.part.page >= self.since);
                young.for_each(|below| self.side.reach(&below));
            }
            Err(_) => self.blind = true,
        }
    }

    /// The stored pages below `next_page` that no root reaches. `next_page` is the record's at the
    /// moment when the roots were taken from it: what was written later is not known here. `None`
    /// if a page could not be read: nothing may be deleted then.
    pub fn orphans(
        self,
        stored: impl IntoIterator<Item = PageId>,
        next_page: PageId,
    ) -> Option<Vec<PageId>> {
        let reached = self.side.pages();
        let orphan = |id: &PageId| *id < next_page && reached.binary_search(id).is_err();
        (!self.blind).then(|| stored.into_iter().filter(orphan).collect())
    }
}

impl Side {
    fn reach(&mut self, below: &Below) {
        self.reached.push(below.part);
        if below.inner && !self.inner.contains(below.part) {
            self.inner.insert(below.part);
            self.waiting.insert(below.part);
        }
    }

    /// The pages reached, in ascending order.
    fn pages(&self) -> Vec<PageId> {
        PageId::in_order(self.reached.iter().map(|part| part.page).collect())
    }

    /// The subtries of the account trie that were reached, in ascending order.
    fn accounts(&self) -> Vec<Part> {
        let parts = self.reached.iter().copied();
        in_order(parts.filter(|part| part.has_accounts).collect())
    }

    fn wanted(&self, limit: usize) -> Vec<PageId> {
        let mut ids: Vec<PageId> = self.waiting.0.iter().map(|part| part.page).collect();
        ids.dedup();
        ids.truncate(limit);
        ids
    }

    /// Takes the subtries that wait for this page.
    fn take_waiting(&mut self, id: PageId) -> Vec<Part> {
        let waiting = &mut self.waiting.0;
        let from = waiting.partition_point(|part| part.page < id);
        let to = waiting.partition_point(|part| part.page <= id);
        waiting.drain(from..to).collect()
    }
}

impl Part {
    /// Whether it is the subtrie in which its page holds what has this nibble.
    fn holds(&self, nibble: u8) -> bool {
        self.nibble == WHOLE_TRIE || self.nibble == nibble
    }

    /// Those of a page's named subtries that are in this one of its own.
    fn select(self, below: &[Below]) -> impl Iterator<Item = Below> {
        let is_in = move |below: &&Below| self.holds(below.nibble);
        below.iter().filter(is_in).copied()
    }
}

impl Below {
    /// The root page of an account trie.
    fn root(page: &PageRef) -> Below {
        Below::new(WHOLE_TRIE, page, &Path::ROOT, true)
    }

    /// `nibble` is that of the naming page's subtrie, `path` that of the named subtrie's top.
    fn new(nibble: u8, page: &PageRef, path: &Path, has_accounts: bool) -> Below {
        let part = Part {
            page: page.id,
            nibble: nibble_at(path, page.parent),
            has_accounts,
        };
        Below {
            nibble,
            part,
            inner: page.inner,
        }
    }
}

impl Parts {
    fn contains(&self, part: Part) -> bool {
        self.0.binary_search(&part).is_ok()
    }

    fn insert(&mut self, part: Part) {
        if let Err(place) = self.0.binary_search(&part) {
            self.0.insert(place, part);
        }
    }

    fn remove(&mut self, part: Part) {
        if let Ok(place) = self.0.binary_search(&part) {
            self.0.remove(place);
        }
    }
}

/// The subtries that a page names.
///
/// The page is not folded: its checksum covers the ids, and no hash in it is relied on here.
fn pages_below(bytes: Option<&[u8]>) -> Result<Vec<Below>, PageError> {
    let page = Page::decode(bytes.ok_or(PageError::Missing)?)?;
    let depth = page.parent.path.len();
    let mut below = Vec::new();
    for entry in &page.entries {
        let nibble = nibble_at(&entry.path, depth);
        let is_storage = page.parent.account.is_some() || matches!(entry.item, Item::Account(_));
        entry.each_page(&mut |path, page, _| {
            below.push(Below::new(nibble, page, &path, !is_storage));
        });
    }
    Ok(below)
}

/// The child of the branch at `depth` that a path leads to; [`WHOLE_TRIE`] if the path ends at or
/// above that branch.
fn nibble_at(path: &Path, depth: u8) -> u8 {
    match path.len() > depth {
        true => path.nibble(depth),
        false => WHOLE_TRIE,
    }
}

flat!(Part, Below);

owns! {
    Parts: 0;
    Side: reached, inner, waiting;
    DiffWalk: old, new, read;
    MarkWalk: side;
}
