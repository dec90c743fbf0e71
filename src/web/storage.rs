//! Whichever store was asked for at `open`, behind one type.

use std::pin::Pin;
use std::task::{Context, Poll};

use super::errors::Trouble;
use crate::hash::Hash;
use crate::state::{Batch, PageId};
use crate::store::indexed_db::{Durability, IndexedDb, WriterLock};
use crate::store::{MemoryDisk, MemoryStore, Store, StoreFault};

/// An enum and not a trait object: the trait's methods return futures of their own types.
pub(super) enum Storage {
    Memory(MemoryStore),
    IndexedDb(IndexedDb),
}

/// The answer of one or the other. Not an `async` block around a `match`: the call itself must be made at once.
enum Answer<M, I> {
    Memory(Pin<Box<M>>),
    IndexedDb(Pin<Box<I>>),
}

impl<M: Future, I: Future<Output = M::Output>> Future for Answer<M, I> {
    type Output = M::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<M::Output> {
        match self.get_mut() {
            Answer::Memory(answer) => answer.as_mut().poll(context),
            Answer::IndexedDb(answer) => answer.as_mut().poll(context),
        }
    }
}

impl Storage {
    /// The database `name` with the right to write to it, or an empty one in memory.
    pub(super) async fn open(name: &str, memory: bool) -> Result<Storage, Trouble> {
        if memory {
            return Ok(Storage::Memory(MemoryDisk::default().writer()?));
        }
        let lock = WriterLock::acquire(name).await?;
        let store = IndexedDb::open_to_write(lock, Durability::default()).await?;
        Ok(Storage::IndexedDb(store))
    }

    /// Deletes the database `name`, if there is one and nobody has it open to write.
    pub(super) async fn delete(name: &str) -> Result<(), Trouble> {
        let lock = WriterLock::acquire(name).await?;
        let deleted = IndexedDb::delete(name).await;
        // Awaited, so that whoever opens it next finds the lock free.
        lock.release().await;
        Ok(deleted?)
    }
}

impl Store for Storage {
    fn record(&self) -> impl Future<Output = Result<Option<Vec<u8>>, StoreFault>> {
        match self {
            Storage::Memory(store) => Answer::Memory(Box::pin(store.record())),
            Storage::IndexedDb(store) => Answer::IndexedDb(Box::pin(store.record())),
        }
    }

    fn pages(
        &self,
        ids: &[PageId],
    ) -> impl Future<Output = Result<Vec<Option<Vec<u8>>>, StoreFault>> {
        match self {
            Storage::Memory(store) => Answer::Memory(Box::pin(store.pages(ids))),
            Storage::IndexedDb(store) => Answer::IndexedDb(Box::pin(store.pages(ids))),
        }
    }

    fn code(&self, hash: &Hash) -> impl Future<Output = Result<Option<Vec<u8>>, StoreFault>> {
        match self {
            Storage::Memory(store) => Answer::Memory(Box::pin(store.code(hash))),
            Storage::IndexedDb(store) => Answer::IndexedDb(Box::pin(store.code(hash))),
        }
    }

    fn codes_held(&self, limit: usize) -> impl Future<Output = Result<Vec<Hash>, StoreFault>> {
        match self {
            Storage::Memory(store) => Answer::Memory(Box::pin(store.codes_held(limit))),
            Storage::IndexedDb(store) => Answer::IndexedDb(Box::pin(store.codes_held(limit))),
        }
    }

    fn commit(&self, batch: Batch) -> impl Future<Output = Result<(), StoreFault>> {
        match self {
            Storage::Memory(store) => Answer::Memory(Box::pin(store.commit(batch))),
            Storage::IndexedDb(store) => Answer::IndexedDb(Box::pin(store.commit(batch))),
        }
    }

    fn clear(&self) -> impl Future<Output = Result<(), StoreFault>> {
        match self {
            Storage::Memory(store) => Answer::Memory(Box::pin(store.clear())),
            Storage::IndexedDb(store) => Answer::IndexedDb(Box::pin(store.clear())),
        }
    }

    fn close(&self) -> impl Future<Output = ()> {
        match self {
            Storage::Memory(store) => Answer::Memory(Box::pin(store.close())),
            Storage::IndexedDb(store) => Answer::IndexedDb(Box::pin(store.close())),
        }
    }
}
