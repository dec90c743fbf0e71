//! New pages on their way into a batch.

use super::entry::PageId;
use super::page::MAX_PAGE;
use super::tree_error::TreeError;
use crate::heap::owns;

/// Pages waiting to be written by the next batch, and the counter their ids come from.
#[derive(Debug)]
pub struct NewPages {
    next: PageId,
    written: Vec<(PageId, Vec<u8>)>,
    bytes: usize,
}

impl NewPages {
    /// The next page gets the id `next`.
    pub fn new(next: PageId) -> NewPages {
        NewPages {
            next,
            written: Vec::new(),
            bytes: 0,
        }
    }

    /// The id that the next page gets.
    pub fn next_id(&self) -> PageId {
        self.next
    }

    /// Bytes of the pages that wait.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many pages wait.
    pub fn len(&self) -> usize {
        self.written.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.written.is_empty()
    }

    /// A page that waits: the database does not have it yet.
    pub fn get(&self, id: PageId) -> Option<&[u8]> {
        let index = self.written.binary_search_by_key(&id, |(id, _)| *id).ok()?;
        self.written.get(index).map(|(_, page)| page.as_slice())
    }

    /// Drops those of some pages that still wait, and returns the others: they are in the database.
    pub fn forget(&mut self, mut ids: Vec<PageId>) -> Vec<PageId> {
        ids.retain(|id| {
            let found = self.written.binary_search_by_key(id, |(id, _)| *id);
            if let Ok(index) = found {
                let (_, page) = self.written.remove(index);
                self.bytes = self.bytes.saturating_sub(page.len());
            }
            found.is_err()
        });
        ids
    }

    /// Takes the pages for a batch.
    pub fn take(&mut self) -> Vec<(PageId, Vec<u8>)> {
        self.bytes = 0;
        core::mem::take(&mut self.written)
    }

    /// Adds a page and gives it its id.
    pub(crate) fn push(&mut self, page: Vec<u8>) -> Result<PageId, TreeError> {
        if page.len() > MAX_PAGE {
            return Err(TreeError::PageTooLong(page.len()));
        }
        let id = self.next;
        self.next = id.next();
        self.bytes += page.len();
        self.written.push((id, page));
        Ok(id)
    }
}

owns! {
    NewPages: written;
}
