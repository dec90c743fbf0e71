//! Starting: from what an earlier session left, over the complete state, to repair it, or from nothing.

use super::headers::Pivot;
use super::job::Job;
use super::{Damage, Output, Ticket};
use crate::hash::Hash;
use crate::heap::owns;
use crate::state::{Building, Counts, PageId, PageRef, Record, StatePath, Tree};

/// Pages asked for at a time, so that an answer stays below a mebibyte.
const PAGES_PER_LOAD: usize = 64;

/// The pages of a tree on their way back into memory.
pub(crate) struct Loading {
    /// Where to go once they are there.
    pivot: Pivot,
    /// What is being read.
    from: Building,
    ticket: Ticket,
    tree: Option<Tree>,
    /// What the load under way asks for. Bound: [`PAGES_PER_LOAD`].
    asked: Vec<PageId>,
    /// Damaged pages to be blinded, if that is what it is for. Bound: the engine's list of damage.
    damage: Vec<(PageId, StatePath)>,
    /// Damaged codes to be fetched again.
    codes: Vec<Hash>,
    is_repair: bool,
}

/// How a start begins.
pub(crate) enum Resumed {
    /// Pages have to be read first.
    Load(Box<Loading>, Output),
    /// Nothing has to be read.
    Ready(Box<Job>),
}

impl Loading {
    /// Begins towards `pivot` over a database with this record.
    pub(crate) fn start(pivot: Pivot, record: &Record, ticket: u64) -> Resumed {
        let next = record.next_page;
        if let Some(building) = &record.building
            && let Some(page) = building.top.page()
        {
            return Loading::read(pivot, building.clone(), page, ticket);
        }
        // A build that was cancelled at the empty state reaches no page, and what it wrote before that is swept with this one.
        let building = record.building.as_ref();
        let first = building.map_or(next, |building| building.first_page);
        let tree = match &record.complete {
            Some(complete) => Tree::over_complete(pivot.root, complete.top.page()),
            None => Tree::new(pivot.root),
        };
        Resumed::Ready(Box::new(Job::new(
            pivot,
            tree.with_first_page(first),
            first,
            next,
        )))
    }

    /// Begins to heal damaged pages of the complete state.
    pub(crate) fn repair(record: &Record, damage: Vec<Damage>, ticket: u64) -> Option<Resumed> {
        let complete = record.complete?;
        let page = complete.top.page()?;
        let next = record.next_page;
        let pivot = Pivot {
            root: complete.top.root(),
            block: complete.block,
        };
        if !damage
            .iter()
            .any(|damage| matches!(damage, Damage::Page { .. }))
        {
            let tree = Tree::over_complete(pivot.root, complete.top.page());
            let mut job = Job::new(pivot, tree.with_first_page(next), next, next);
            let code = |damage: &Damage| match damage {
                Damage::Code(hash) => Some(*hash),
                Damage::Page { .. } => None,
            };
            job.fetch_codes(damage.iter().filter_map(code).collect());
            job.is_repair = true;
            return Some(Resumed::Ready(Box::new(job)));
        }
        let from = Building {
            top: complete.top,
            first_page: next,
            spine: next..next,
            counts: complete.counts,
            block: complete.block,
        };
        let Resumed::Load(loading, output) = Loading::read(pivot, from, page, ticket) else {
            return None;
        };
        let mut loading = loading;
        for damage in damage {
            match damage {
                Damage::Page { page, at } => loading.damage.extend(at.map(|at| (page, at))),
                Damage::Code(hash) => loading.codes.push(hash),
            }
        }
        loading.is_repair = true;
        Some(Resumed::Load(loading, output))
    }

    fn read(pivot: Pivot, from: Building, page: PageRef, ticket: u64) -> Resumed {
        let ticket = Ticket(ticket);
        let loading = Loading {
            pivot,
            from,
            ticket,
            tree: None,
            asked: vec![page.id],
            damage: Vec::new(),
            codes: Vec::new(),
            is_repair: false,
        };
        Resumed::Load(Box::new(loading), Output::Load(ticket, vec![page.id]))
    }

    /// Goes for another root as soon as everything is read.
    pub(crate) fn retarget(&mut self, pivot: Pivot) {
        self.pivot = pivot;
    }

    /// Takes the pages asked for. `Some` asks for more. Damaged pages are done without, and named.
    pub(crate) fn take(
        &mut self,
        pages: Vec<Option<Vec<u8>>>,
        ticket: u64,
    ) -> (Option<Output>, Vec<PageId>) {
        let mut damaged = Vec::new();
        let mut pages = pages.into_iter();
        for id in std::mem::take(&mut self.asked) {
            let bytes = pages.next().flatten();
            if !self.take_page(id, bytes.as_deref()) {
                damaged.push(id);
            }
        }
        self.asked = self.next_pages();
        if self.asked.is_empty() {
            return (None, damaged);
        }
        self.ticket = Ticket(ticket);
        (Some(Output::Load(self.ticket, self.asked.clone())), damaged)
    }

    /// The sync, once everything is read. The last batch's root page may be damaged: then everything is fetched again.
    pub(crate) fn into_job(self, now: super::Millis, next_page: PageId) -> Job {
        let first_page = self.from.first_page;
        let source = Pivot {
            root: self.from.top.root(),
            block: self.from.block,
        };
        let tree = self.tree.unwrap_or_else(|| Tree::new(source.root));
        let mut job = Job::new(
            source,
            tree.with_first_page(first_page),
            first_page,
            next_page,
        );
        if self.pivot.root != source.root {
            job.retarget(now, self.pivot);
            job.counters.moves = 0;
        }
        job.pivot = self.pivot;
        job.is_repair = self.is_repair;
        job.fetch_codes(self.codes);
        job
    }

    /// Whether it heals damage.
    pub(crate) fn is_repair(&self) -> bool {
        self.is_repair
    }

    /// What earlier sessions brought.
    pub(crate) fn held(&self) -> Counts {
        self.from.counts
    }

    pub(crate) fn ticket(&self) -> Ticket {
        self.ticket
    }

    pub(crate) fn root(&self) -> Hash {
        self.pivot.root
    }

    fn take_page(&mut self, id: PageId, bytes: Option<&[u8]>) -> bool {
        match (&mut self.tree, bytes, self.from.top.page()) {
            (Some(tree), Some(bytes), _) => match tree.inline_page(id, bytes) {
                Ok(_) => true,
                Err(_) => !tree.drop_base_page(id),
            },
            (Some(tree), None, _) => !tree.drop_base_page(id),
            (None, Some(bytes), Some(page)) => {
                let spine = self.from.spine.clone();
                self.tree = Tree::resume(self.from.top.root(), &page, spine, bytes).ok();
                self.tree.is_some()
            }
            (None, ..) => false,
        }
    }

    /// What has to be read before the tree can be worked on.
    fn next_pages(&mut self) -> Vec<PageId> {
        let Some(tree) = &mut self.tree else {
            return Vec::new();
        };
        let mut ids = tree.pages_to_inline();
        ids.truncate(PAGES_PER_LOAD);
        while let (true, Some((id, at))) = (ids.is_empty(), self.damage.first()) {
            match tree.blind_page(*id, at) {
                Ok(Some(above)) => ids.push(above),
                // Blinded; or no longer part of this state, and then there is nothing to heal.
                Ok(None) | Err(_) => {
                    self.damage.remove(0);
                }
            }
        }
        ids
    }
}

owns! {
    Loading: tree, asked, damage, codes;
}
