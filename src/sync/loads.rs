//! The one table of page reads under way. Every load ends in exactly one way: read, failed, or
//! cancelled because what it was for is over; the answer to a cancelled load is ignored.

use super::ids::Ticket;
use super::io::Output;
use crate::heap::owns;
use crate::state::PageId;

/// Most pages in one load. At 24 KiB each, its answer stays below two mebibytes. Reading pages in
/// transactions of 32 and more is three to four times as fast as one by one.
pub(crate) const PAGES_PER_LOAD: usize = 64;

/// What pages are read for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LoadPurpose {
    /// The open pages that the last session left.
    Resume,
    /// Pages of a base, which a healing compares with.
    Heal,
    /// Pages that the garbage collection walks over.
    Gc,
    /// Pages of kept states, which are searched for damage.
    Kept,
    /// Pages on the way to accounts that may name a damaged code.
    Codes,
}

/// A page that was read: its id and its bytes, or `None` if the store has no such page.
pub(crate) type LoadedPage = (PageId, Option<Vec<u8>>);

/// Loads under way. Bound: one for each purpose.
#[derive(Debug, Default)]
pub(crate) struct Loads {
    open: Vec<Load>,
    last_ticket: u64,
}

#[derive(Debug)]
struct Load {
    ticket: Ticket,
    purpose: LoadPurpose,
    /// Bound: [`PAGES_PER_LOAD`].
    pages: Vec<PageId>,
}

impl Loads {
    /// Enters a load of these pages, at most [`PAGES_PER_LOAD`], and returns what asks for it.
    pub(crate) fn open(&mut self, purpose: LoadPurpose, pages: Vec<PageId>) -> Output {
        debug_assert!(!self.is_open(purpose), "two loads for {purpose:?}");
        debug_assert!(pages.len() <= PAGES_PER_LOAD, "{} pages", pages.len());
        self.cancel(purpose);
        self.last_ticket += 1;
        let ticket = Ticket(self.last_ticket);
        self.open.push(Load {
            ticket,
            purpose,
            pages: pages.clone(),
        });
        Output::Load(ticket, pages)
    }

    /// Whether pages are being read for this.
    pub(crate) fn is_open(&self, purpose: LoadPurpose) -> bool {
        self.open.iter().any(|load| load.purpose == purpose)
    }

    /// Forgets the load for this purpose, if there is one.
    pub(crate) fn cancel(&mut self, purpose: LoadPurpose) {
        self.open.retain(|load| load.purpose != purpose);
    }

    /// Takes out the load with this ticket, and pairs its ids with the pages that were read.
    /// `None` if it was cancelled. Pages beyond those asked for are ignored; missing ones count as
    /// not stored.
    pub(crate) fn loaded(
        &mut self,
        ticket: Ticket,
        pages: Vec<Option<Vec<u8>>>,
    ) -> Option<(LoadPurpose, Vec<LoadedPage>)> {
        let load = self.take(ticket)?;
        let mut pages = pages.into_iter();
        let ids = load.pages.into_iter();
        let read = ids.map(|id| (id, pages.next().flatten())).collect();
        Some((load.purpose, read))
    }

    /// Takes out the load with this ticket, which the store could not read. `None` if it was
    /// cancelled.
    pub(crate) fn failed(&mut self, ticket: Ticket) -> Option<LoadPurpose> {
        self.take(ticket).map(|load| load.purpose)
    }

    fn take(&mut self, ticket: Ticket) -> Option<Load> {
        let index = self.open.iter().position(|load| load.ticket == ticket)?;
        Some(self.open.remove(index))
    }
}

owns! {
    Load: pages;
    Loads: open;
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    fn ticket(output: &Output) -> Ticket {
        match output {
            Output::Load(ticket, _) => *ticket,
            other => panic!("{other:?} is no load"),
        }
    }

    #[test]
    fn a_load_is_answered_once_and_pages_that_are_not_stored_are_told() {
        let mut loads = Loads::default();
        let asked = ticket(&loads.open(LoadPurpose::Heal, vec![PageId(7), PageId(9)]));
        assert!(loads.is_open(LoadPurpose::Heal));
        let (purpose, pages) = loads.loaded(asked, vec![Some(vec![1])]).unwrap();
        assert_eq!(purpose, LoadPurpose::Heal);
        assert_eq!(pages, [(PageId(7), Some(vec![1])), (PageId(9), None)]);
        assert!(loads.loaded(asked, Vec::new()).is_none());
    }

    #[test]
    fn the_answer_to_a_cancelled_load_is_ignored_also_when_another_was_opened_since() {
        let mut loads = Loads::default();
        let first = ticket(&loads.open(LoadPurpose::Resume, vec![PageId(1)]));
        loads.cancel(LoadPurpose::Resume);
        let second = ticket(&loads.open(LoadPurpose::Resume, vec![PageId(2)]));
        assert!(loads.loaded(first, vec![None]).is_none());
        assert_eq!(loads.failed(second), Some(LoadPurpose::Resume));
        assert!(!loads.is_open(LoadPurpose::Resume));
    }
}
