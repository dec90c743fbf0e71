//! The store: where pages, codes and the one record live between two visits.
//!
//! It knows bytes, ids and transactions, and nothing of what the bytes mean. The reader of a
//! page decides whether it is true, by hashing it. The store shares the words of [`crate::state`]
//! (ids, hashes, batches). It knows no tries, peers, messages, schedules or clocks. Its module
//! `indexed_db` is the one place outside `web` that touches JavaScript, and only the browser's
//! storage and locks.
//!
//! # What every store promises
//! - A [`Batch`] lands whole or not at all, also when the tab is killed half-way.
//! - A batch lands only on its predecessor: of two in flight the second cannot land when the first
//!   failed.
//! - A page is written once and never changed.
//! - **No record, no data.** A store without a record is empty, even if a browser's clean-up left
//!   pages in it: the first batch (sequence 1) clears pages, codes and scopes in its own
//!   transaction.
//!
//! One writer at a time, any number of readers. The writer is the one who holds the database's lock
//! (`WriterLock` in the browser). The sequence check above keeps a database whole even where the
//! lock fails (how far, in the browser: `indexed_db/turns.rs`).

#[cfg(target_arch = "wasm32")]
pub mod indexed_db;
mod memory;

pub use crate::state::StoreError;
pub use memory::{MemoryDisk, MemoryStore};

use crate::{
    hash::Hash,
    state::{Batch, PageId},
};

/// Most scopes that are read at once. The record names at most ten: what is to be held today, and
/// those of the eight readable states and of the build. More are not ours.
pub const MAX_SCOPES: usize = 16;

/// What a database is opened with. In a store without a record there is the label at most.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    /// What [`Store::label`] was given last.
    pub label: Option<Vec<u8>>,
    /// The record of the last batch that landed.
    pub record: Option<Vec<u8>>,
    /// The scopes by their versions, ascending, as [`Batch::scopes`] brought them. At most
    /// [`MAX_SCOPES`].
    pub scopes: Vec<(u64, Vec<u8>)>,
    /// Hashes of the codes, ascending, as many as were asked for.
    pub codes: Vec<Hash>,
}

/// A connection to one database.
///
/// Calls may overlap. Each **takes its place when it is called**, not when its future is first
/// polled. Dropping a future gives up the answer, not the work.
pub trait Store {
    /// The record of the last batch that landed; `None` in an empty store.
    fn record(&self) -> impl Future<Output = Result<Option<Vec<u8>>, StoreError>>;

    /// The pages' bytes in the order of `ids`; `None` where there is no such page, or something
    /// that cannot be one.
    ///
    /// One transaction: no batch lands between two of these pages. Bounded by the caller:
    /// `ids.len()` pages at once.
    fn pages<'a>(
        &'a self,
        ids: &[PageId],
    ) -> impl Future<Output = Result<Vec<Option<Vec<u8>>>, StoreError>> + use<'a, Self>;

    /// The bytecode stored under `hash`. Not hashed again here.
    fn code<'a>(
        &'a self,
        hash: &Hash,
    ) -> impl Future<Output = Result<Option<Vec<u8>>, StoreError>> + use<'a, Self>;

    /// What a database is opened with: the record, the scopes and the hashes of the first `codes`
    /// codes.
    ///
    /// One transaction: no batch lands between two of them, and a page that was just opened waits
    /// once instead of three times.
    fn contents(&self, codes: usize) -> impl Future<Output = Result<Contents, StoreError>>;

    /// Lands `batch`: first its deletions, then its pages, codes, scopes and record. Answers once the
    /// transaction is complete.
    ///
    /// Fails with [`StoreError::Superseded`] unless the stored sequence is `batch.sequence - 1` (an
    /// empty store's is 0), and with [`StoreError::Exists`] if a page's id is taken. After a
    /// failure nothing of the batch is in the store.
    fn commit(&self, batch: Batch) -> impl Future<Output = Result<(), StoreError>>;

    /// Notes what the database is for, in place of what was noted before. No batch changes it.
    fn label(&self, label: &[u8]) -> impl Future<Output = Result<(), StoreError>> + use<'_, Self>;

    /// Forgets everything, the label too: afterwards the store is empty and the next batch's sequence is 1.
    fn clear(&self) -> impl Future<Output = Result<(), StoreError>>;

    /// Ends this connection. What was asked before is still done; every later call is
    /// [`StoreError::Closed`]. Answers once the next writer, in this tab or another, will find the
    /// lock free. Dropping a store ends the connection too, but nobody learns when the lock is
    /// free.
    fn close(&self) -> impl Future<Output = ()>;
}
