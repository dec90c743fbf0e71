//! What one transaction of the store writes. Pure data: the store carries it out, the engine puts it together.

use core::ops::Range;

use super::entry::PageId;
use crate::hash::Hash;
use crate::heap::owns;

/// One transaction: all of it or none of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// This batch's sequence number; it may only land where the stored record has the one before.
    pub sequence: u64,
    /// New pages. Their ids have never been used before.
    pub pages: Vec<(PageId, Vec<u8>)>,
    /// Bytecodes by their hash.
    pub codes: Vec<(Hash, Vec<u8>)>,
    /// Pages that no root reaches any more once this batch has landed.
    pub delete: Vec<Range<PageId>>,
    /// The new root record ([`super::Record::encode`]), which names `sequence`.
    pub record: Vec<u8>,
}

owns! {
    Batch: pages, codes, delete, record;
}
