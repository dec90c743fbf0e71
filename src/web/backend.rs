//! One type for the store that `open` asked for.

use std::pin::Pin;

use super::errors::JsError;
use crate::hash::Hash;
use crate::state::{Batch, PageId};
use crate::store::indexed_db::{Durability, IndexedDb, WriterLock};
use crate::store::{Contents, MemoryDisk, MemoryStore, Store, StoreError};

/// The role that a caller of `open` asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OpenAs {
    /// The writer if there is none, else a follower.
    Either,
    Write,
    Follow,
}

/// An enum and not a trait object: the trait's methods return futures of their own types.
pub(super) enum Backend {
    Memory(MemoryStore),
    IndexedDb(IndexedDb),
}

/// A store's answer to come. It is boxed, so that its callers are not compiled with the steps of
/// both stores inside. It is not an `async` block around a `match`, because the call itself must be
/// made at once.
type Later<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

fn later<'a, T>(answer: impl Future<Output = T> + 'a) -> Later<'a, T> {
    Box::pin(answer)
}

impl Backend {
    /// Opens the database `name`, or an empty one in memory. Answers also whether we write to it.
    pub(super) async fn open(
        name: &str,
        memory: bool,
        open_as: OpenAs,
    ) -> Result<(Backend, bool), JsError> {
        if memory {
            return Ok((Backend::Memory(MemoryDisk::default().writer()?), true));
        }
        // Asked for before the lock, so that the browser does both at once.
        let opening = IndexedDb::open_to_read(name);
        let lock = match open_as {
            OpenAs::Follow => None,
            OpenAs::Write => Some(WriterLock::acquire(name).await?),
            OpenAs::Either => match WriterLock::acquire(name).await {
                Ok(lock) => Some(lock),
                Err(StoreError::Locked) => None,
                Err(error) => return Err(error.into()),
            },
        };
        let writes = lock.is_some();
        match (opening.await, lock) {
            (Ok(store), lock) => {
                if let Some(lock) = lock {
                    store.promote(lock, Durability::default());
                }
                Ok((Backend::IndexedDb(store), writes))
            }
            (Err(error), lock) => {
                // Awaited, so that the next `open` finds the lock free.
                if let Some(lock) = lock {
                    lock.release().await;
                }
                Err(error.into())
            }
        }
    }

    /// Makes this connection the writer's.
    pub(super) fn promote(&self, lock: WriterLock) {
        if let Backend::IndexedDb(store) = self {
            store.promote(lock, Durability::default());
        }
    }

    /// Lets somebody else write.
    pub(super) fn resign(&self) {
        if let Backend::IndexedDb(store) = self {
            store.demote();
        }
    }

    /// Whether the last session that wrote was closed, as of the last call of `record`.
    pub(super) fn ended_well(&self) -> bool {
        match self {
            Backend::Memory(_) => true,
            Backend::IndexedDb(store) => store.ended_well(),
        }
    }

    /// Repairs what a session that was not closed leaves behind (`store::indexed_db`).
    pub(super) async fn rewrite_log(&self) -> Result<(), StoreError> {
        match self {
            Backend::Memory(_) => Ok(()),
            Backend::IndexedDb(store) => store.rewrite_log().await,
        }
    }

    /// Whether any page is stored, even if there is no record.
    pub(super) async fn holds_pages(&self) -> Result<bool, StoreError> {
        match self {
            Backend::Memory(_) => Ok(false),
            Backend::IndexedDb(store) => store.holds_pages().await,
        }
    }

    /// Waits for the end of the connection; `true` if somebody else ended it. `None` in memory.
    pub(super) fn ended(&self) -> Option<impl Future<Output = bool> + 'static> {
        match self {
            Backend::Memory(_) => None,
            Backend::IndexedDb(store) => Some(store.ended()),
        }
    }

    /// Deletes the database `name`, if there is one. Fails while somebody has it open to write.
    pub(super) async fn delete(name: &str) -> Result<(), JsError> {
        let lock = WriterLock::acquire(name).await?;
        let deleted = IndexedDb::delete(name).await;
        // Awaited, so that the next `open` finds the lock free.
        lock.release().await;
        Ok(deleted?)
    }
}

impl Store for Backend {
    fn record(&self) -> impl Future<Output = Result<Option<Vec<u8>>, StoreError>> {
        match self {
            Backend::Memory(store) => later(store.record()),
            Backend::IndexedDb(store) => later(store.record()),
        }
    }

    fn pages<'a>(
        &'a self,
        ids: &[PageId],
    ) -> impl Future<Output = Result<Vec<Option<Vec<u8>>>, StoreError>> + use<'a> {
        match self {
            Backend::Memory(store) => later(store.pages(ids)),
            Backend::IndexedDb(store) => later(store.pages(ids)),
        }
    }

    fn code<'a>(
        &'a self,
        hash: &Hash,
    ) -> impl Future<Output = Result<Option<Vec<u8>>, StoreError>> + use<'a> {
        match self {
            Backend::Memory(store) => later(store.code(hash)),
            Backend::IndexedDb(store) => later(store.code(hash)),
        }
    }

    fn contents(&self, codes: usize) -> impl Future<Output = Result<Contents, StoreError>> {
        match self {
            Backend::Memory(store) => later(store.contents(codes)),
            Backend::IndexedDb(store) => later(store.contents(codes)),
        }
    }

    fn commit(&self, batch: Batch) -> impl Future<Output = Result<(), StoreError>> {
        match self {
            Backend::Memory(store) => later(store.commit(batch)),
            Backend::IndexedDb(store) => later(store.commit(batch)),
        }
    }

    fn label(&self, label: &[u8]) -> impl Future<Output = Result<(), StoreError>> + use<'_> {
        match self {
            Backend::Memory(store) => later(store.label(label)),
            Backend::IndexedDb(store) => later(store.label(label)),
        }
    }

    fn clear(&self) -> impl Future<Output = Result<(), StoreError>> {
        match self {
            Backend::Memory(store) => later(store.clear()),
            Backend::IndexedDb(store) => later(store.clear()),
        }
    }

    fn close(&self) -> impl Future<Output = ()> {
        match self {
            Backend::Memory(store) => later(store.close()),
            Backend::IndexedDb(store) => later(store.close()),
        }
    }
}
