//! Starting: from what an earlier session left, over the complete state, from nothing, or to repair
//! the complete state.

use super::io::Damage;
use super::job::Job;
use super::loads::{LoadedPage, PAGES_PER_LOAD};
use super::target::Pivot;
use crate::hash::Hash;
use crate::heap::owns;
use crate::state::{
    Building, Complete, Counters, Counts, PageId, PageRef, Record, Scope, StatePath, Tree,
};

/// How a job begins.
pub(crate) enum Start {
    /// Pages have to be read first, beginning with the root page.
    Read(Box<Resume>, PageId),
    /// Nothing has to be read.
    Ready(Box<Job>),
}

impl Start {
    /// Begins towards `pivot` over a database with this record.
    pub(crate) fn towards(pivot: Pivot, record: &Record) -> Start {
        let next = record.next_page;
        if let Some(building) = &record.building
            && let Some(page) = building.top.page()
        {
            return Resume::new(pivot, building.clone(), page).into_start();
        }
        // A build that was cancelled at the empty state reaches no page. The garbage
        // collection after this build deletes what it wrote.
        let building = record.building.as_ref();
        let first = building.map_or(next, |building| building.first_page);
        let counters = building.map(|building| building.counters);
        let pivot = building.map_or(pivot, |building| pivot.after(Pivot::of_building(building)));
        let tree = match &record.complete {
            Some(complete) => Tree::over_complete(
                pivot.root,
                complete.top.page(),
                &Scope::everything(),
                Scope::everything(),
            ),
            None => Tree::new(pivot.root),
        };
        let job = Job::new(pivot, tree, first, next);
        Start::Ready(Box::new(job.counting_from(counters.unwrap_or_default())))
    }

    /// Begins to repair the complete state; `None` if there is none, or an empty one.
    pub(crate) fn repair(record: &Record, damage: Vec<Damage>) -> Option<Start> {
        let complete = record.complete?;
        let page = complete.top.page()?;
        let (mut pages, mut codes) = (Vec::new(), Vec::new());
        let mut has_damaged_page = false;
        for damage in damage {
            match damage {
                Damage::Page { page, at } => {
                    has_damaged_page = true;
                    pages.extend(at.map(|at| (page, at)));
                }
                Damage::Code(hash) => codes.push(hash),
            }
        }
        let pivot = Pivot::of_complete(&complete);
        let next = record.next_page;
        if !has_damaged_page {
            let tree = Tree::over_complete(
                pivot.root,
                complete.top.page(),
                &Scope::everything(),
                Scope::everything(),
            );
            let job = Job::new(pivot, tree, next, next).repairing(codes);
            return Some(Start::Ready(Box::new(job)));
        }
        let mut resume = Resume::new(pivot, as_building(complete, next), page);
        resume.repair = Some(Repair { pages, codes });
        Some(resume.into_start())
    }
}

/// A complete state as one that is being built again from page `next` on.
fn as_building(complete: Complete, next: PageId) -> Building {
    Building {
        top: complete.top,
        first_page: next,
        spine: next..next,
        counts: complete.counts,
        block: complete.block,
        counters: Counters::default(),
        scope: complete.scope,
    }
}

/// The pages of a tree on their way back into memory.
pub(crate) struct Resume {
    /// Where to go once they are there.
    pivot: Pivot,
    /// What is being read.
    from: Building,
    /// Its root page.
    root_page: PageRef,
    tree: Option<Tree>,
    repair: Option<Repair>,
}

/// What a repair is about.
struct Repair {
    /// Damaged pages still to be blinded. Bound: [`Upkeep`](super::upkeep::Upkeep)'s list of
    /// damage.
    pages: Vec<(PageId, StatePath)>,
    /// Damaged codes to be fetched again. Bound: the same.
    codes: Vec<Hash>,
}

impl Resume {
    fn new(pivot: Pivot, from: Building, root_page: PageRef) -> Resume {
        Resume {
            pivot,
            from,
            root_page,
            tree: None,
            repair: None,
        }
    }

    fn into_start(self) -> Start {
        let first = self.root_page.id;
        Start::Read(Box::new(self), first)
    }

    /// Goes for another root as soon as everything is read.
    pub(crate) fn retarget(&mut self, pivot: Pivot) {
        self.pivot = pivot.after(self.pivot);
    }

    /// Takes in pages that were read. Returns the ids of those that are missing or damaged; the
    /// tree does without them.
    pub(crate) fn take(&mut self, pages: Vec<LoadedPage>) -> Vec<PageId> {
        let mut damaged = Vec::new();
        for (id, bytes) in pages {
            if !self.take_page(id, bytes.as_deref()) {
                damaged.push(id);
            }
        }
        damaged
    }

    /// `false` if the page is missing or damaged.
    #[must_use]
    fn take_page(&mut self, id: PageId, bytes: Option<&[u8]>) -> bool {
        let Some(tree) = &mut self.tree else {
            let spine = self.from.spine.clone();
            self.tree = bytes.and_then(|bytes| {
                Tree::resume(self.from.top.root(), &self.root_page, spine, bytes).ok()
            });
            return self.tree.is_some();
        };
        let inlined = bytes.is_some_and(|bytes| tree.inline_page(id, bytes).is_ok());
        inlined || !tree.drop_base_page(id)
    }

    /// The pages to read next, at most [`PAGES_PER_LOAD`]; none once everything is read.
    pub(crate) fn next_pages(&mut self) -> Vec<PageId> {
        let Some(tree) = &mut self.tree else {
            return Vec::new();
        };
        let mut ids = tree.pages_to_inline();
        ids.truncate(PAGES_PER_LOAD);
        let Some(repair) = &mut self.repair else {
            return ids;
        };
        while let (true, Some((id, at))) = (ids.is_empty(), repair.pages.first()) {
            match tree.blind_page(*id, at) {
                Ok(Some(above)) => ids.push(above),
                // It is blinded now; or it is no longer part of this state, and nothing is to
                // repair.
                Ok(None) | Err(_) => {
                    repair.pages.remove(0);
                }
            }
        }
        ids
    }

    /// The job, once everything is read. If the root page is damaged, everything is fetched again.
    pub(crate) fn into_job(self, next_page: PageId) -> Job {
        let first_page = self.from.first_page;
        let source = Pivot::of_building(&self.from);
        let tree = self.tree.unwrap_or_else(|| Tree::new(source.root));
        let job = Job::new(source, tree, first_page, next_page);
        let mut job = job.counting_from(self.from.counters);
        job.turn_to(self.pivot);
        match self.repair {
            Some(repair) => job.repairing(repair.codes),
            None => job,
        }
    }

    /// Whether it is for a repair.
    pub(crate) fn is_repair(&self) -> bool {
        self.repair.is_some()
    }

    /// What earlier sessions brought.
    pub(crate) fn held(&self) -> Counts {
        self.from.counts
    }

    /// What earlier sessions counted.
    pub(crate) fn counters(&self) -> Counters {
        self.from.counters
    }

    /// The root to go for.
    pub(crate) fn root(&self) -> Hash {
        self.pivot.root
    }
}

owns! {
    Repair: pages, codes;
    Resume: tree, repair;
}
