//! Which bytecodes a complete state does not name.

use super::{Below, DiffWalk, Part, nibble_at};
use crate::flat_map::ChunkedSet;
use crate::hash::Hash;
use crate::heap::owns;
use crate::state::entry::{Code, Item, PageId, PageRef};
use crate::state::page::{Page, PageError};

/// Finds the codes that a complete state does not name, among some that it may not.
///
/// An account that a block left alone still names its code, so the walk over what two states share
/// can often be left out: candidates are the codes in what only the state before has, without those
/// in what only the new one has. A block in which no account lost its code leaves none. While any
/// is left, all accounts are walked over, and each candidate that is named is crossed off.
pub struct CodeWalk {
    /// The codes that may not be named. Bound: the codes held, 32 bytes each.
    candidates: ChunkedSet<Hash>,
    step: Step,
    /// What is to be read now. Bound: `limit`, and the siblings in the last one's page.
    asked: Vec<Part>,
    /// What is to be read after that, the next one last. Bound: the references to pages in the
    /// account tries, 16 bytes each.
    waiting: Vec<Part>,
    /// What only the new state has, until its turn. Bound: the same.
    own: Vec<Part>,
    complete: Option<PageRef>,
    /// Pages to read at a time.
    limit: usize,
    /// Whether a page of the state could not be read, so that it is not known what it names.
    blind: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    /// What only the state before has: its codes are candidates.
    Before,
    /// What only the new state has.
    Own,
    /// The whole state.
    All,
}

impl CodeWalk {
    /// Goes over the whole complete state with this root page (`None`: the empty state).
    pub(crate) fn all(
        candidates: ChunkedSet<Hash>,
        complete: Option<PageRef>,
        limit: usize,
    ) -> CodeWalk {
        let mut walk = CodeWalk {
            candidates,
            step: Step::Own,
            asked: Vec::new(),
            waiting: Vec::new(),
            own: Vec::new(),
            complete,
            limit,
            blind: false,
        };
        walk.proceed();
        walk
    }

    /// Goes over what has changed between two states, of which `complete` is the new one, then over
    /// the whole state if it has to.
    pub(crate) fn over(
        diff: &DiffWalk,
        candidates: ChunkedSet<Hash>,
        complete: Option<PageRef>,
        limit: usize,
    ) -> CodeWalk {
        let [before, own] = diff.changed_accounts();
        let mut walk = CodeWalk {
            candidates,
            step: Step::Before,
            asked: Vec::new(),
            waiting: before,
            own,
            complete,
            limit,
            blind: diff.blind,
        };
        walk.proceed();
        walk
    }

    /// Pages to read next. The walk is over when there are none.
    pub(crate) fn wanted(&self) -> Vec<PageId> {
        PageId::in_order(self.asked.iter().map(|part| part.page).collect())
    }

    /// Takes a page that is wanted (`None`: the database does not have it). `held`: all codes that
    /// are held.
    pub(crate) fn feed(&mut self, id: PageId, bytes: Option<&[u8]>, held: &ChunkedSet<Hash>) {
        let parts = self
            .asked
            .extract_if(.., |part| part.page == id)
            .collect::<Vec<_>>();
        if parts.is_empty() {
            return;
        }
        match bytes.ok_or(PageError::Missing).and_then(Page::decode) {
            Ok(page) => self.take(&page, &parts, held),
            // It is not known what the state before named, so any code may be garbage.
            Err(_) if self.step == Step::Before => {
                *self = CodeWalk::all(held.clone(), self.complete, self.limit);
            }
            Err(_) => self.blind = true,
        }
        self.proceed();
    }

    /// The codes that no account names. `None` if a page of the state could not be read: nothing
    /// may be deleted then.
    pub(crate) fn finish(mut self) -> Option<Vec<Hash>> {
        let unnamed = self.candidates.take_first(usize::MAX, |_, ()| true);
        (!self.blind).then(|| unnamed.into_iter().map(|(code, ())| code).collect())
    }

    fn take(&mut self, page: &Page, parts: &[Part], held: &ChunkedSet<Hash>) {
        let depth = page.parent.path.len();
        for entry in &page.entries {
            let nibble = nibble_at(&entry.path, depth);
            if !parts.iter().any(|part| part.holds(nibble)) {
                continue;
            }
            match (&entry.item, self.step) {
                (Item::Account(leaf), step) if leaf.code != Code::None => {
                    let code = leaf.code_hash();
                    if step != Step::Before {
                        self.candidates.remove(&code);
                    } else if held.contains(&code) {
                        self.candidates.insert(code, ());
                    }
                }
                (Item::Page(below), Step::All) => {
                    let below = Below::new(nibble, below, &entry.path, true);
                    self.waiting.push(below.part);
                }
                _ => {}
            }
        }
    }

    /// Chooses what to read next.
    fn proceed(&mut self) {
        loop {
            let is_over = self.blind || self.candidates.is_empty() && self.step != Step::Before;
            if is_over {
                self.asked.clear();
                self.waiting.clear();
                return;
            }
            let (asked, limit) = (&mut self.asked, self.limit);
            while let Some(part) = self.waiting.pop_if(|part| {
                let is_sibling = asked.last().is_some_and(|last| last.page == part.page);
                asked.len() < limit || is_sibling
            }) {
                asked.push(part);
            }
            if !self.asked.is_empty() {
                return;
            }
            let root = self.complete.iter().map(|page| Below::root(page).part);
            (self.step, self.waiting) = match self.step {
                Step::Before => (Step::Own, std::mem::take(&mut self.own)),
                Step::Own => (Step::All, root.collect()),
                Step::All => return,
            };
        }
    }
}

owns! {
    CodeWalk: candidates, asked, waiting, own;
}
