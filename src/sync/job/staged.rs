//! What waits for the next batch: pages that were cut, and codes.

use std::ops::Range;

use crate::hash::Hash;
use crate::heap::owns;
use crate::state::{Entry, Item, NewPages, PageId, PageRef, Tree, TreeError, Unfinished};

/// What the next batch carries. Bound: [`Limits::batch_bytes`](crate::sync::Limits::batch_bytes)
/// and what one step adds; above, nothing is asked for.
#[derive(Debug)]
pub(super) struct Staged {
    /// Pages that were cut.
    pages: NewPages,
    /// Codes that were verified.
    codes: Vec<(Hash, Vec<u8>)>,
    code_bytes: usize,
    /// Whether a batch would carry anything new.
    is_dirty: bool,
    /// What stayed in memory when it was last cut, in bytes.
    bytes_after_cut: usize,
    /// Whether anything has come from a peer since the last cut. Pages
    /// read from a base are needed for the next requests; writing them out first would read them in
    /// a loop.
    has_received: bool,
}

/// What a batch is made of.
#[derive(Debug)]
pub(crate) struct Built {
    pub(crate) pages: Vec<(PageId, Vec<u8>)>,
    pub(crate) codes: Vec<(Hash, Vec<u8>)>,
    /// Pages that nothing refers to any more.
    pub(crate) freed: Vec<PageId>,
    /// The page of the account trie's root; `None` for the empty trie.
    pub(crate) root_page: Option<PageRef>,
    /// The upper pages, which the next batch replaces.
    pub(crate) spine: Range<PageId>,
}

impl Built {
    /// Bytes of its pages and codes.
    pub(super) fn bytes(&self) -> u64 {
        let pages = self.pages.iter().map(|(_, page)| page.len());
        let codes = self.codes.iter().map(|(_, code)| code.len());
        pages.chain(codes).map(|bytes| bytes as u64).sum()
    }
}

impl Staged {
    /// New pages get ids from `next_page` on.
    pub(super) fn new(next_page: PageId) -> Staged {
        Staged {
            pages: NewPages::new(next_page),
            codes: Vec::new(),
            code_bytes: 0,
            is_dirty: false,
            bytes_after_cut: 0,
            has_received: false,
        }
    }

    /// Bytes of pages and codes.
    pub(super) fn bytes(&self) -> usize {
        self.pages.bytes() + self.code_bytes
    }

    pub(super) fn is_dirty(&self) -> bool {
        self.is_dirty
    }

    /// A batch would carry something new.
    pub(super) fn touch(&mut self) {
        self.is_dirty = true;
    }

    /// Something came from a peer.
    pub(super) fn note_received(&mut self) {
        self.has_received = true;
    }

    /// A page that no batch carries yet.
    pub(super) fn page(&self, id: PageId) -> Option<&[u8]> {
        self.pages.get(id)
    }

    /// Where pages that are cut go.
    pub(super) fn pages_mut(&mut self) -> &mut NewPages {
        &mut self.pages
    }

    pub(super) fn push_code(&mut self, hash: Hash, code: &[u8]) {
        self.code_bytes += code.len();
        self.codes.push((hash, code.to_vec()));
        self.is_dirty = true;
    }

    /// The codes that no batch carries yet.
    pub(super) fn codes(&self) -> impl Iterator<Item = &Hash> {
        self.codes.iter().map(|(hash, _)| hash)
    }

    /// Bytes that have come to wait in memory since the last cut, if anything came from a peer.
    /// `resident`: what waits there now.
    pub(super) fn grown_since_cut(&self, resident: usize) -> usize {
        match self.has_received {
            true => resident.saturating_sub(self.bytes_after_cut),
            false => 0,
        }
    }

    /// What is complete was cut; `resident` bytes stay in memory.
    pub(super) fn cut_at(&mut self, resident: usize) {
        self.bytes_after_cut = resident;
        self.has_received = false;
    }

    /// Writes the upper pages and takes everything out.
    pub(super) fn build(
        &mut self,
        tree: &mut Tree,
        unfinished: Unfinished,
    ) -> Result<Built, TreeError> {
        let start = self.pages.next_id();
        let root_page = match tree.entries() {
            // Nothing of it was touched: it needs no new page above.
            [
                Entry {
                    path,
                    item: Item::Page(page),
                },
            ] if path.is_empty() && self.pages.get(page.id).is_none() => Some(*page),
            _ => tree.snapshot(unfinished, &mut self.pages)?,
        };
        let end = self.pages.next_id();
        self.is_dirty = false;
        self.code_bytes = 0;
        // Pages made and freed between two batches are not written.
        let freed = self.pages.forget(tree.take_freed());
        Ok(Built {
            pages: self.pages.take(),
            codes: std::mem::take(&mut self.codes),
            freed,
            root_page,
            spine: start..end,
        })
    }
}

owns! {
    Staged: pages, codes;
}
