//! What one transaction of the store writes. This is pure data: the engine puts it together, the
//! store carries it out.

use core::ops::Range;

use super::entry::PageId;
use crate::hash::Hash;
use crate::heap::owns;

/// One transaction: either all of it lands or none of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// This batch's sequence number. It may only land if the stored record has the number before
    /// it.
    pub sequence: u64,
    /// New pages: id and bytes. Their ids have never been used before. Bound: what the engine lets
    /// wait in memory.
    pub pages: Vec<(PageId, Vec<u8>)>,
    /// New bytecodes by their Keccak-256 hash. Bound: as for `pages`.
    pub codes: Vec<(Hash, Vec<u8>)>,
    /// Ids of pages that no root reaches once this batch has landed. Bound: the pages of the states
    /// before.
    pub delete: Vec<Range<PageId>>,
    /// Codes that no account names once this batch has landed. Bound: the codes held.
    pub delete_codes: Vec<Hash>,
    /// New scopes by their versions, in the form of [`super::Scope::encode`]. Bound: one for each
    /// change that the caller made since the last batch.
    pub scopes: Vec<(u64, Vec<u8>)>,
    /// Versions of scopes that the record does not name any more. Bound: the scopes stored.
    pub delete_scopes: Vec<u64>,
    /// The new root record ([`super::Record::encode`]), which carries `sequence`.
    pub record: Vec<u8>,
}

owns! {
    Batch: pages, codes, delete, delete_codes, scopes, delete_scopes, record;
}
