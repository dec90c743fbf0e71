//! Whichever store was asked for at `open`, behind one type.

use super::errors::Trouble;
use crate::hash::Hash;
use crate::state::{Batch, PageId};
use crate::store::indexed_db::{IndexedDbStore, WriterLock};
use crate::store::{MemoryStore, Store, StoreFault};

/// An enum and not a trait object: the trait's methods are asynchronous, which a trait object cannot be.
pub(super) enum Storage {
    Memory(MemoryStore),
    IndexedDb(IndexedDbStore),
}

impl Storage {
    /// The database `name` with the right to write to it, or one in memory.
    pub(super) async fn open(name: &str, memory: bool) -> Result<Storage, Trouble> {
        if memory {
            return Ok(Storage::Memory(MemoryStore::default()));
        }
        let lock = WriterLock::acquire(name).await?;
        Ok(Storage::IndexedDb(IndexedDbStore::open(name, lock).await?))
    }
}

impl Store for Storage {
    async fn record(&self) -> Result<Option<Vec<u8>>, StoreFault> {
        match self {
            Storage::Memory(store) => store.record().await,
            Storage::IndexedDb(store) => store.record().await,
        }
    }

    async fn pages(&self, ids: &[PageId]) -> Result<Vec<Option<Vec<u8>>>, StoreFault> {
        match self {
            Storage::Memory(store) => store.pages(ids).await,
            Storage::IndexedDb(store) => store.pages(ids).await,
        }
    }

    async fn code(&self, hash: &Hash) -> Result<Option<Vec<u8>>, StoreFault> {
        match self {
            Storage::Memory(store) => store.code(hash).await,
            Storage::IndexedDb(store) => store.code(hash).await,
        }
    }

    async fn codes_held(&self, limit: usize) -> Result<Vec<Hash>, StoreFault> {
        match self {
            Storage::Memory(store) => store.codes_held(limit).await,
            Storage::IndexedDb(store) => store.codes_held(limit).await,
        }
    }

    async fn commit(&self, batch: Batch) -> Result<(), StoreFault> {
        match self {
            Storage::Memory(store) => store.commit(batch).await,
            Storage::IndexedDb(store) => store.commit(batch).await,
        }
    }

    async fn clear(&self) -> Result<(), StoreFault> {
        match self {
            Storage::Memory(store) => store.clear().await,
            Storage::IndexedDb(store) => store.clear().await,
        }
    }

    fn close(&self) {
        match self {
            Storage::Memory(store) => store.close(),
            Storage::IndexedDb(store) => store.close(),
        }
    }
}
