//! Pages of a base on their way into the tree: a plan wants them, they are read, and are taken in one
//! by one. The order does not matter: each page knows its place.

use crate::heap::owns;
use crate::state::PageId;
use crate::sync::loads::{LoadedPage, PAGES_PER_LOAD};

#[derive(Debug, Default)]
pub(super) struct BasePages {
    /// To be read. Bound: what the plan wants read.
    wanted: Vec<PageId>,
    /// Read, and not taken in yet. Bound: [`PAGES_PER_LOAD`], or what no batch carries yet.
    read: Vec<LoadedPage>,
    /// A page was neither stored nor in memory nor in flight. A plan that wants it again is right.
    looks_again: bool,
}

impl BasePages {
    /// The plan wants these read, and nothing that an earlier plan wanted.
    pub(super) fn want(&mut self, pages: Vec<PageId>) {
        self.wanted = pages;
    }

    /// The pages to read now, at most [`PAGES_PER_LOAD`]. Those that `recent` still has are taken
    /// from there. `stored`: pages below it are durable. `true` if one can be had from neither,
    /// because it is in a batch in flight: a later plan asks for it again. If the next plan does so
    /// too and no batch is in flight (`is_settled`), such an id was never given out: somebody else
    /// has written it. It is read like any other, and what the store says of it is damage.
    pub(super) fn take_wanted(
        &mut self,
        stored: PageId,
        is_settled: bool,
        recent: impl Fn(PageId) -> Option<Vec<u8>>,
    ) -> (Vec<PageId>, bool) {
        let wanted = std::mem::take(&mut self.wanted);
        let (mut durable, new): (Vec<_>, Vec<_>) = wanted.into_iter().partition(|id| *id < stored);
        let is_nowhere = std::mem::take(&mut self.looks_again) && is_settled;
        let mut is_in_flight = false;
        for id in new {
            match recent(id) {
                Some(bytes) => self.read.push((id, Some(bytes))),
                None if is_nowhere => durable.push(id),
                None => is_in_flight = true,
            }
        }
        self.looks_again = is_in_flight && is_settled;
        self.wanted = durable.split_off(durable.len().min(PAGES_PER_LOAD));
        (durable, is_in_flight)
    }

    /// Whether a page was neither stored nor in a batch, and the next plan decides where it is.
    pub(super) fn looks_again(&self) -> bool {
        self.looks_again
    }

    /// Keeps pages that were read.
    pub(super) fn loaded(&mut self, pages: Vec<LoadedPage>) {
        self.read.extend(pages);
    }

    /// Whether pages that were read wait to be taken in.
    pub(super) fn has_read(&self) -> bool {
        !self.read.is_empty()
    }

    /// One of the pages that were read.
    pub(super) fn take_read(&mut self) -> Option<LoadedPage> {
        self.read.pop()
    }

    /// Whether pages have to be read or taken in.
    pub(super) fn is_reading(&self) -> bool {
        self.has_read() || !self.wanted.is_empty()
    }
}

owns! {
    BasePages: wanted, read;
}
