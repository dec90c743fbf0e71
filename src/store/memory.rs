//! A store in memory, for databases that leave no trace and for tests.
//!
//! A [`MemoryDisk`] is what survives, a [`MemoryStore`] is one connection to it, so that reopening,
//! a second writer and a killed tab look here as they do in a browser.

use super::{Contents, MAX_SCOPES, Store, StoreError};
use crate::{
    flat_map::FlatMap,
    hash::Hash,
    state::{Batch, PageId},
};
use std::{
    cell::{Cell, RefCell},
    future::ready,
    rc::Rc,
};

/// One connection to a [`MemoryDisk`].
#[derive(Debug)]
pub struct MemoryStore {
    disk: MemoryDisk,
    writes: bool,
    closed: Cell<bool>,
}

/// What is left of a database while no connection is open. Cheap to clone: the clones are the same
/// disk.
#[derive(Clone, Debug, Default)]
pub struct MemoryDisk(Rc<RefCell<Disk>>);

/// Bound: what the caller commits. Only tests and small databases with `memory: true` should put a
/// whole state here.
#[derive(Debug, Default)]
struct Disk {
    pages: FlatMap<PageId, Vec<u8>>,
    codes: FlatMap<Hash, Vec<u8>>,
    scopes: FlatMap<u64, Vec<u8>>,
    label: Option<Vec<u8>>,
    meta: Option<Meta>,
    has_writer: bool,
}

#[derive(Debug)]
struct Meta {
    sequence: u64,
    record: Vec<u8>,
}

impl MemoryDisk {
    /// The one writing connection; [`StoreError::Locked`] while there is another.
    pub fn writer(&self) -> Result<MemoryStore, StoreError> {
        let mut disk = self.0.borrow_mut();
        if disk.has_writer {
            return Err(StoreError::Locked);
        }
        disk.has_writer = true;
        Ok(self.connect(true))
    }

    /// One of any number of reading connections.
    pub fn reader(&self) -> MemoryStore {
        self.connect(false)
    }

    /// Loses the record and keeps pages, codes and scopes, as a browser's clean-up might.
    ///
    /// Hidden, because only tests need it: they show that a store without a record is empty, and
    /// nothing else can bring a store into that state.
    #[doc(hidden)]
    pub fn lose_record(&self) {
        self.0.borrow_mut().meta = None;
    }

    fn connect(&self, writes: bool) -> MemoryStore {
        MemoryStore {
            disk: self.clone(),
            writes,
            closed: Cell::new(false),
        }
    }
}

impl Store for MemoryStore {
    fn record(&self) -> impl Future<Output = Result<Option<Vec<u8>>, StoreError>> {
        ready(self.read(|disk| disk.meta.as_ref().map(|meta| meta.record.clone())))
    }

    fn pages<'a>(
        &'a self,
        ids: &[PageId],
    ) -> impl Future<Output = Result<Vec<Option<Vec<u8>>>, StoreError>> + use<'a> {
        ready(self.read(|disk| ids.iter().map(|id| disk.pages.get(id).cloned()).collect()))
    }

    fn code<'a>(
        &'a self,
        hash: &Hash,
    ) -> impl Future<Output = Result<Option<Vec<u8>>, StoreError>> + use<'a> {
        ready(self.read(|disk| disk.codes.get(hash).cloned()))
    }

    fn contents(&self, codes: usize) -> impl Future<Output = Result<Contents, StoreError>> {
        ready(self.read(|disk| {
            let label = disk.label.clone();
            let Some(meta) = &disk.meta else {
                return Contents {
                    label,
                    ..Contents::default()
                };
            };
            let scopes = disk.scopes.iter().take(MAX_SCOPES);
            Contents {
                label,
                record: Some(meta.record.clone()),
                scopes: scopes
                    .map(|(version, bytes)| (*version, bytes.clone()))
                    .collect(),
                codes: disk.codes.keys().take(codes).copied().collect(),
            }
        }))
    }

    fn commit(&self, batch: Batch) -> impl Future<Output = Result<(), StoreError>> {
        // Not inside a future: a call takes its place when it is made.
        let landed = self
            .check_writable()
            .and_then(|()| self.disk.0.borrow_mut().apply(batch));
        ready(landed)
    }

    fn label(&self, label: &[u8]) -> impl Future<Output = Result<(), StoreError>> + use<'_> {
        ready(
            self.check_writable()
                .map(|()| self.disk.0.borrow_mut().label = Some(label.to_vec())),
        )
    }

    fn clear(&self) -> impl Future<Output = Result<(), StoreError>> {
        ready(
            self.check_writable()
                .map(|()| *self.disk.0.borrow_mut() = Disk::of_a_writer()),
        )
    }

    fn close(&self) -> impl Future<Output = ()> {
        self.end();
        ready(())
    }
}

impl MemoryStore {
    fn end(&self) {
        if !self.closed.replace(true) && self.writes {
            self.disk.0.borrow_mut().has_writer = false;
        }
    }

    fn read<T>(&self, read: impl FnOnce(&Disk) -> T) -> Result<T, StoreError> {
        if self.closed.get() {
            return Err(StoreError::Closed);
        }
        Ok(read(&self.disk.0.borrow()))
    }

    fn check_writable(&self) -> Result<(), StoreError> {
        match (self.closed.get(), self.writes) {
            (true, _) => Err(StoreError::Closed),
            (false, false) => Err(StoreError::ReadOnly),
            (false, true) => Ok(()),
        }
    }
}

impl Drop for MemoryStore {
    fn drop(&mut self) {
        self.end();
    }
}

impl Disk {
    fn apply(&mut self, batch: Batch) -> Result<(), StoreError> {
        let stored = self.meta.as_ref().map_or(0, |meta| meta.sequence);
        if stored.checked_add(1) != Some(batch.sequence) {
            return Err(StoreError::Superseded {
                sequence: batch.sequence,
                stored,
            });
        }
        let is_deleted = |id: &PageId| batch.delete.iter().any(|range| range.contains(id));
        let mut new = FlatMap::default();
        for (id, _) in &batch.pages {
            let stays = self.meta.is_some() && !is_deleted(id);
            if (stays && self.pages.contains(id)) || new.contains(id) {
                return Err(StoreError::Exists);
            }
            new.insert(*id, ());
        }

        // Nothing can fail any more.
        if self.meta.is_none() {
            self.pages.clear();
            self.codes.clear();
            self.scopes.clear();
        }
        self.pages.retain(&|id| !is_deleted(id));
        for hash in &batch.delete_codes {
            self.codes.remove(hash);
        }
        for version in &batch.delete_scopes {
            self.scopes.remove(version);
        }
        for (id, bytes) in batch.pages {
            self.pages.insert(id, bytes);
        }
        for (hash, code) in batch.codes {
            self.codes.insert(hash, code);
        }
        for (version, bytes) in batch.scopes {
            self.scopes.insert(version, bytes);
        }
        self.meta = Some(Meta {
            sequence: batch.sequence,
            record: batch.record,
        });
        Ok(())
    }

    /// An empty disk with a writing connection.
    fn of_a_writer() -> Disk {
        Disk {
            has_writer: true,
            ..Disk::default()
        }
    }
}
