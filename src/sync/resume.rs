//! Starting: from what an earlier session left, over the complete state, from nothing, or to repair
//! the complete state.

use super::io::Damage;
use super::job::Job;
use super::loads::{LoadedPage, PAGES_PER_LOAD};
use super::target::Pivot;
use crate::hash::Hash;
use crate::heap::owns;
use crate::state::{
    Building, CodesHeld, Complete, Counters, Counts, PageId, PageRef, Record, Scope, StatePath,
    Tree,
};

/// How a job begins.
pub(crate) enum Start {
    /// Pages have to be read first, beginning with the root page.
    Read(Box<Resume>, PageId),
    /// Nothing has to be read.
    Ready(Box<Job>),
}

/// What is to be held, and what the states in a record were built for.
pub(crate) struct Scopes {
    pub(crate) today: Scope,
    /// `None` if that is not known, which is a defect: then nothing of it is used.
    pub(crate) complete: Option<Scope>,
    /// The same, of the build.
    pub(crate) build: Option<Scope>,
}

impl Start {
    /// Begins towards `pivot` over a database with this record.
    pub(crate) fn towards(pivot: Pivot, record: &Record, scopes: &Scopes) -> Start {
        let next = record.next_page;
        if let Some(building) = &record.building
            && let Some(page) = building.top.page()
            && let Some(built_for) = &scopes.build
        {
            let resume = Resume::new(pivot, building.clone(), page, built_for.clone());
            return resume.beside(scopes.complete.clone()).into_start();
        }
        // A build that was cancelled at the empty state reaches no page. The garbage
        // collection after this build deletes what it wrote.
        let building = record.building.as_ref();
        let first = building.map_or(next, |building| building.first_page);
        let counters = building.map(|building| building.counters);
        let pivot = building.map_or(pivot, |building| pivot.after(Pivot::of_building(building)));
        let tree = over_complete(pivot, record, scopes);
        let job = Job::new(pivot, tree, first, next);
        Start::Ready(Box::new(job.counting_from(counters.unwrap_or_default())))
    }

    /// Begins to build the complete state again, for today's scope. An unfinished build goes on if
    /// it is that. Any other is left.
    pub(crate) fn rescope(pivot: Pivot, record: &Record, scopes: &Scopes) -> Start {
        let building = record.building.as_ref();
        if building.is_some_and(|building| building.top.root() == pivot.root) {
            return Start::towards(pivot, record, scopes);
        }
        let tree = over_complete(pivot, record, scopes);
        let job = Job::new(pivot, tree, record.next_page, record.next_page);
        Start::Ready(Box::new(job))
    }

    /// Begins to repair the complete state; `None` if there is none, or an empty one.
    /// `owners`: damaged codes, and accounts that name them.
    pub(crate) fn repair(
        record: &Record,
        damage: Vec<Damage>,
        owners: Vec<(Hash, Hash)>,
        scopes: &Scopes,
    ) -> Option<Start> {
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
            let tree = over_complete(pivot, record, scopes);
            let job = Job::new(pivot, tree, next, next).repairing(codes, owners);
            return Some(Start::Ready(Box::new(job)));
        }
        let built_for = scopes.complete.clone()?;
        let from = as_building(complete, next);
        let mut resume = Resume::new(pivot, from, page, built_for.clone()).beside(Some(built_for));
        resume.repair = Some(Repair {
            pages,
            codes,
            owners,
        });
        Some(resume.into_start())
    }
}

/// A tree for today's scope over the complete state.
fn over_complete(pivot: Pivot, record: &Record, scopes: &Scopes) -> Tree {
    let today = scopes.today.clone();
    match (&record.complete, &scopes.complete) {
        (Some(complete), Some(built_for)) => {
            Tree::over_complete(pivot.root, complete.top.page(), built_for, today)
        }
        _ => Tree::new(pivot.root).with_scope(today),
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
    /// The scope that it was built for.
    built_for: Scope,
    /// The scope that the complete state was built for.
    beside: Option<Scope>,
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
    /// Accounts that name them: the code's hash, and the account's. Bound: the same.
    owners: Vec<(Hash, Hash)>,
}

impl Resume {
    fn new(pivot: Pivot, from: Building, root_page: PageRef, built_for: Scope) -> Resume {
        Resume {
            pivot,
            from,
            root_page,
            built_for,
            beside: None,
            tree: None,
            repair: None,
        }
    }

    /// The same beside a complete state that was built for this scope.
    fn beside(self, beside: Option<Scope>) -> Resume {
        Resume { beside, ..self }
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
            let (built_for, beside) = (&self.built_for, self.beside.as_ref());
            self.tree = bytes.and_then(|bytes| {
                let tree =
                    Tree::resume(self.from.top.root(), &self.root_page, spine, bytes).ok()?;
                Some(tree.built_for(built_for.clone(), beside))
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

    /// The job, once everything is read, for `today`'s scope. If the root page is damaged,
    /// everything is fetched again. `held`: the codes that are held.
    pub(crate) fn into_job(self, next_page: PageId, today: Scope, held: &dyn CodesHeld) -> Job {
        let first_page = self.from.first_page;
        let source = Pivot::of_building(&self.from);
        let built_for = self.built_for;
        let tree = self.tree;
        let tree = tree.unwrap_or_else(|| Tree::new(source.root).with_scope(built_for));
        let job = Job::new(source, tree, first_page, next_page);
        let mut job = job.counting_from(self.from.counters);
        let _ = job.rescope(today, held);
        job.turn_to(self.pivot);
        match self.repair {
            Some(repair) => job.repairing(repair.codes, repair.owners),
            None => job,
        }
    }

    /// Whether it is for a repair, and nothing of the complete state is to be repaired: what is
    /// damaged is only in states that are kept, or in none any more.
    pub(crate) fn is_needless(&self) -> bool {
        let repair = self.repair.as_ref();
        let lacks_no_code = repair.is_some_and(|repair| repair.codes.is_empty());
        lacks_no_code && self.tree.as_ref().is_some_and(Tree::is_complete)
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
    Repair: pages, codes, owners;
    Resume: tree, repair;
}
