//! Starting towards a root: from nothing, or from what an earlier session left.

use super::headers::Aim;
use super::job::Job;
use super::{Output, Ticket};
use crate::hash::Hash;
use crate::state::{Block, Building, Counts, PageId, Record, Tree};

/// Pages asked for at a time, so that an answer stays below a mebibyte.
const PAGES_PER_LOAD: usize = 64;

/// The open pages of an unfinished tree on their way back into memory.
pub(crate) struct Loading {
    building: Building,
    ticket: Ticket,
    tree: Option<Tree>,
    /// What the load under way asks for. Bound: [`PAGES_PER_LOAD`].
    asked: Vec<PageId>,
}

/// How a start begins.
pub(crate) enum Resumed {
    /// Pages have to be read first.
    Load(Loading, Output),
    /// Nothing has to be read.
    Ready(Job),
}

impl Loading {
    /// Begins towards `root` over a database with this record.
    pub(crate) fn start(aim: Aim, record: &Record, ticket: u64) -> Resumed {
        match &record.building {
            Some(
                building @ Building {
                    root: unfinished,
                    page: Some(page),
                    ..
                },
            ) if *unfinished == aim.root => {
                let (mut building, ticket) = (building.clone(), Ticket(ticket));
                building.block = aim.block.or(building.block);
                let loading = Loading {
                    building,
                    ticket,
                    tree: None,
                    asked: vec![page.id],
                };
                Resumed::Load(loading, Output::Load(ticket, vec![page.id]))
            }
            unfinished => {
                // Another root's unfinished tree is given up; its pages go with the first batch.
                let mut job =
                    Job::new(aim, Tree::new(aim.root), record.next_page, record.next_page);
                if let Some(unfinished) = unfinished {
                    job.discard(unfinished.first_page..record.next_page);
                }
                Resumed::Ready(job)
            }
        }
    }

    /// Takes the pages asked for. `Ok(Some)` asks for more; an error names the page that is missing or damaged.
    pub(crate) fn take(
        &mut self,
        pages: Vec<Option<Vec<u8>>>,
        ticket: u64,
    ) -> Result<Option<Output>, PageId> {
        let mut pages = pages.into_iter();
        for id in std::mem::take(&mut self.asked) {
            let bytes = pages.next().flatten().ok_or(id)?;
            match (&mut self.tree, &self.building) {
                (Some(tree), _) => tree.dissolve(id, &bytes).map(drop).map_err(|_| id)?,
                (
                    None,
                    Building {
                        root,
                        page: Some(page),
                        spine,
                        ..
                    },
                ) => {
                    self.tree =
                        Some(Tree::resume(*root, page, spine.clone(), &bytes).map_err(|_| id)?);
                }
                (None, _) => {}
            }
        }
        let Some(tree) = &self.tree else {
            return Ok(None);
        };
        self.asked = tree.pages_to_dissolve();
        self.asked.truncate(PAGES_PER_LOAD);
        if self.asked.is_empty() {
            return Ok(None);
        }
        self.ticket = Ticket(ticket);
        Ok(Some(Output::Load(self.ticket, self.asked.clone())))
    }

    /// The sync, once everything is read.
    pub(crate) fn into_job(self, next_page: PageId) -> Job {
        let aim = self.aim();
        let tree = self.tree.unwrap_or_else(|| Tree::new(aim.root));
        Job::new(aim, tree, self.building.first_page, next_page)
    }

    pub(crate) fn root(&self) -> Hash {
        self.building.root
    }

    pub(crate) fn aim(&self) -> Aim {
        Aim {
            root: self.building.root,
            block: self.building.block,
        }
    }

    /// The block of the same root that is asked for now.
    pub(crate) fn name_block(&mut self, block: Option<Block>) {
        self.building.block = block.or(self.building.block);
    }

    pub(crate) fn ticket(&self) -> Ticket {
        self.ticket
    }

    /// What earlier sessions brought.
    pub(crate) fn held(&self) -> Counts {
        self.building.counts
    }
}
