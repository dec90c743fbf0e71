//! Finding garbage: pages that no root reaches, and bytecodes that no account names. The walks say
//! which pages they want to read and take the bytes. As long as codes do not matter, they only read
//! pages that have others below.
//!
//! A page may hold several sibling subtries, and a state may name only some of them. So the walks
//! go through subtries, and read the pages in which these are.

mod mark;
mod reach;

pub use mark::MarkWalk;
pub(crate) use reach::ReachWalk;

use super::entry::{Code, Entry, Item, PageId, PageRef};
use super::page::{Page, PageError};
use crate::flat_map::ChunkedSet;
use crate::hash::Hash;
use crate::heap::{flat, owns};
use crate::trie::path::Path;

/// Finds the pages of an old state that none of the others shares, and perhaps the codes in them
/// that the others' own pages do not name. It walks all of them and stops wherever the old one and
/// another have the same page, so that its cost is in proportion to what has changed.
///
/// There is one old state and not several: one of two could reach a page below a page that it shares
/// with the others, at which the walk stops, and the other could reach the same page in another way.
pub struct DiffWalk {
    old: Side,
    new: Side,
    /// Whether codes matter.
    with_codes: bool,
    /// The subtries that the pages read so far name. Bound: the pages of which only the old state
    /// has a subtrie, or only the others.
    read: Vec<(PageId, Vec<Below>)>,
    /// Whether a page of the other states could not be read.
    blind: bool,
}

/// Finds the codes that no readable state names, among some that none may. It reads the account
/// pages until each of them is found.
pub(crate) struct CodeWalk {
    side: Side,
    /// The codes that were not found yet. Bound: the codes held, 32 bytes each.
    candidates: ChunkedSet<Hash>,
    /// Whether a page could not be read.
    blind: bool,
}

/// One state or several, as far as they have been walked.
#[derive(Default)]
struct Side {
    /// The pages reached, in any order, some more than once. Bound: the references to pages in the
    /// states, 8 bytes each.
    reached: Vec<PageId>,
    /// The subtries reached that have to be looked into. Bound: as for `reached`.
    inner: Parts,
    /// Those of `inner` that are still to be read.
    waiting: Parts,
    /// The codes of the accounts that were read, in any order, some more than once, if they matter.
    /// Bound: the contracts of which only one of the sides has the page, 32 bytes each.
    codes: Vec<Hash>,
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
}

/// Something that a page names.
#[derive(Clone, Copy, Debug)]
struct Below {
    /// The nibble of the naming page's subtrie that it is in.
    nibble: u8,
    what: What,
}

#[derive(Clone, Copy, Debug)]
enum What {
    /// A subtrie, and whether it has to be looked into.
    Part(Part, bool),
    /// The code of an account.
    Code(Hash),
}

/// The nibble of a subtrie that is a whole trie and so has its page to itself.
const WHOLE_TRIE: u8 = 16;

impl DiffWalk {
    /// Starts at the root pages of the old state (`None`: the empty state) and of all others.
    pub fn new(old: Option<PageRef>, others: impl IntoIterator<Item = PageRef>) -> DiffWalk {
        DiffWalk::over(old, others, false)
    }

    /// As [`DiffWalk::new`]. `with_codes`: it also finds [`DiffWalk::lost_codes`], for which it
    /// reads the account pages that only one of the sides has.
    pub(crate) fn over(
        old: Option<PageRef>,
        others: impl IntoIterator<Item = PageRef>,
        with_codes: bool,
    ) -> DiffWalk {
        let mut walk = DiffWalk {
            old: Side::default(),
            new: Side::default(),
            with_codes,
            read: Vec::new(),
            blind: false,
        };
        let root = |page: PageRef| Below::root(&page, with_codes);
        let old = old.into_iter().map(root).collect();
        walk.reach(old, others.into_iter().map(root).collect());
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
        let look = if self.with_codes {
            Look::Both
        } else {
            Look::Pages
        };
        let below = match look_below(bytes, look) {
            Ok(below) => below,
            Err(_) => {
                self.blind |= !in_new.is_empty();
                Vec::new()
            }
        };
        let (old, new) = (select(&in_old, &below), select(&in_new, &below));
        if let Err(place) = self.read_at(id) {
            self.read.insert(place, (id, below));
        }
        self.reach(old, new);
    }

    /// The pages that only the old state reaches. `None` if a page of another state could not be
    /// read: nothing may be deleted then.
    pub fn finish(self) -> Option<Vec<PageId>> {
        let mut old = PageId::in_order(self.old.reached);
        let new = PageId::in_order(self.new.reached);
        old.retain(|id| new.binary_search(id).is_err());
        (!self.blind).then_some(old)
    }

    /// Codes do not matter any more.
    pub(crate) fn leave_codes(&mut self) {
        self.with_codes = false;
    }

    /// Takes out the codes in the old state's own pages that are not in the others' own. The pages
    /// that they share may name them.
    pub(crate) fn lost_codes(&mut self) -> ChunkedSet<Hash> {
        let mut lost = ChunkedSet::default();
        lost.insert_all(std::mem::take(&mut self.old.codes));
        for code in std::mem::take(&mut self.new.codes) {
            lost.remove(&code);
        }
        lost
    }

    fn read_at(&self, id: PageId) -> Result<usize, usize> {
        self.read.binary_search_by_key(&id, |(id, _)| *id)
    }

    /// Notes that both sides have come to these subtries. Where both have the same subtrie, neither
    /// needs to look below it, unless its page has been read already.
    fn reach(&mut self, old: Vec<Below>, new: Vec<Below>) {
        let mut steps = Vec::new();
        for (is_old, side) in [(true, old), (false, new)] {
            for below in side {
                steps.push((is_old, below));
            }
        }
        while let Some((is_old, Below { what, .. })) = steps.pop() {
            let read = match what {
                What::Part(part, _) => self.read_at(part.page).ok(),
                What::Code(_) => None,
            };
            let (here, there) = match is_old {
                true => (&mut self.old, &mut self.new),
                false => (&mut self.new, &mut self.old),
            };
            let (part, inner) = match what {
                What::Part(part, inner) => (part, inner),
                What::Code(code) => {
                    here.codes.push(code);
                    continue;
                }
            };
            here.reached.push(part.page);
            if !inner || here.inner.contains(part) {
                continue;
            }
            here.inner.insert(part);
            if let Some((_, below)) = read.and_then(|read| self.read.get(read)) {
                for below in select(&[part], below) {
                    steps.push((is_old, below));
                }
            } else if there.inner.contains(part) {
                there.waiting.remove(part);
            } else {
                here.waiting.insert(part);
            }
        }
    }
}

impl CodeWalk {
    /// Starts at these root pages of readable states.
    pub(crate) fn new(
        roots: impl IntoIterator<Item = PageRef>,
        candidates: ChunkedSet<Hash>,
    ) -> CodeWalk {
        let mut side = Side::default();
        for root in roots {
            side.reach(Below::root(&root, true));
        }
        CodeWalk {
            side,
            candidates,
            blind: false,
        }
    }

    /// Pages to read next, at most `limit` of them. The walk is over when there are none.
    pub(crate) fn wanted(&self, limit: usize) -> Vec<PageId> {
        match self.blind || self.candidates.is_empty() {
            true => Vec::new(),
            false => self.side.wanted(limit),
        }
    }

    /// Takes a page that is wanted (`None`: the database does not have it).
    pub(crate) fn feed(&mut self, id: PageId, bytes: Option<&[u8]>) {
        let Ok(below) = self.side.look(id, bytes, Look::Codes) else {
            self.blind = true;
            return;
        };
        for below in below {
            match below.what {
                What::Part(..) => self.side.reach(below),
                What::Code(code) => self.candidates.remove(&code),
            }
        }
    }

    /// The codes that no account names. `None` if a page could not be read: nothing may be deleted
    /// then.
    pub(crate) fn finish(self) -> Option<Vec<Hash>> {
        (!self.blind).then(|| self.candidates.into_keys())
    }
}

impl Side {
    fn reach(&mut self, below: Below) {
        let What::Part(part, inner) = below.what else {
            return;
        };
        self.reached.push(part.page);
        if inner && !self.inner.contains(part) {
            self.inner.insert(part);
            self.waiting.insert(part);
        }
    }

    fn wanted(&self, limit: usize) -> Vec<PageId> {
        let mut ids: Vec<PageId> = self.waiting.0.iter().map(|part| part.page).collect();
        ids.dedup();
        ids.truncate(limit);
        ids
    }

    /// Takes a page in: what the subtries that wait for it name. Nothing, if none waits.
    fn look(
        &mut self,
        id: PageId,
        bytes: Option<&[u8]>,
        look: Look,
    ) -> Result<Vec<Below>, PageError> {
        let parts = self.take_waiting(id);
        match parts.is_empty() {
            true => Ok(Vec::new()),
            false => Ok(select(&parts, &look_below(bytes, look)?)),
        }
    }

    /// Takes the subtries that wait for this page.
    fn take_waiting(&mut self, id: PageId) -> Vec<Part> {
        let waiting = &mut self.waiting.0;
        let from = waiting.partition_point(|part| part.page < id);
        let to = waiting.partition_point(|part| part.page <= id);
        waiting.drain(from..to).collect()
    }
}

impl Below {
    /// The root page of an account trie. `with_codes`: it is to be read for its codes.
    fn root(page: &PageRef, with_codes: bool) -> Below {
        Below::page(WHOLE_TRIE, page, &Path::ROOT, with_codes)
    }

    /// `nibble` is that of the naming page's subtrie, `path` that of the named subtrie's top.
    fn page(nibble: u8, page: &PageRef, path: &Path, is_looked_into: bool) -> Below {
        let part = Part {
            page: page.id,
            nibble: nibble_at(path, page.parent),
        };
        Below {
            nibble,
            what: What::Part(part, page.inner || is_looked_into),
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

/// What is looked for in a page.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Look {
    Pages,
    /// The codes of its accounts, and the account pages below it, which have others.
    Codes,
    Both,
}

/// Those of the things that a page names that are in these subtries of it.
fn select(parts: &[Part], below: &[Below]) -> Vec<Below> {
    let mut selected = Vec::new();
    for part in parts {
        for below in below {
            if part.nibble == WHOLE_TRIE || part.nibble == below.nibble {
                selected.push(*below);
            }
        }
    }
    selected
}

/// What a page names.
///
/// The page is not folded: its checksum covers the ids, and no hash in it is relied on here. A code
/// that is deleted by mistake, because a damaged page does not name it, is fetched with the page.
fn look_below(bytes: Option<&[u8]>, look: Look) -> Result<Vec<Below>, PageError> {
    let page = Page::decode(bytes.ok_or(PageError::Missing)?)?;
    let depth = page.parent.path.len();
    let mut below = Vec::new();
    for entry in &page.entries {
        let nibble = nibble_at(&entry.path, depth);
        let code = code_of(entry).filter(|_| look != Look::Pages);
        below.extend(code.map(|code| Below {
            nibble,
            what: What::Code(code),
        }));
        let is_storage = page.parent.account.is_some() || matches!(entry.item, Item::Account(_));
        if is_storage && look == Look::Codes {
            continue;
        }
        let is_looked_into = !is_storage && look != Look::Pages;
        entry.each_page(&mut |path, page, _| {
            below.push(Below::page(nibble, page, &path, is_looked_into));
        });
    }
    Ok(below)
}

/// The code that an account names. One outside the scope is not held for this account's sake.
fn code_of(entry: &Entry) -> Option<Hash> {
    match &entry.item {
        Item::Account(leaf) => match leaf.code {
            Code::Held | Code::Missing => Some(leaf.code_hash()),
            Code::None | Code::Outside => None,
        },
        _ => None,
    }
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
    Side: reached, inner, waiting, codes;
    DiffWalk: old, new, read;
    CodeWalk: side, candidates;
}
