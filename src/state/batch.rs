//! What one step of the sync wants stored, as plain data: the core makes batches, the store room lands them.

use super::PageId;
use crate::hash::Hash;
use core::ops::Range;

/// One transaction: everything or nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// Number of this batch in the database's life, from 1. The store refuses it unless the stored one is `sequence - 1`.
    pub sequence: u64,
    /// New pages; none of the ids may be in the store.
    pub pages: Vec<(PageId, Vec<u8>)>,
    /// Bytecodes by their hash; storing one again is harmless.
    pub codes: Vec<(Hash, Vec<u8>)>,
    /// Ranges of pages to forget, done before `pages` are added.
    pub delete: Vec<Range<PageId>>,
    /// The encoded record that takes the place of the one before.
    pub record: Vec<u8>,
}
