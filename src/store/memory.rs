//! A store in memory: for tests and simulations, and for a visit that shall leave no trace.
//!
//! A [`MemoryDisk`] is what survives, a [`MemoryStore`] one connection to it, so that reopening, a second writer and a
//! killed tab look here as they do in a browser. The disk also has the bad days: see [`Mishap`].

use super::{Store, StoreError};
use crate::{
    flat_map::FlatMap,
    hash::Hash,
    state::{Batch, PageId},
};
use std::{
    cell::{Cell, RefCell},
    future::{pending, ready},
    rc::Rc,
};

/// One connection to a [`MemoryDisk`].
#[derive(Debug)]
pub struct MemoryStore {
    disk: MemoryDisk,
    writes: bool,
    closed: Cell<bool>,
}

/// What a database is once no connection is open. Cheap to clone: the clones are the same disk.
#[derive(Clone, Debug, Default)]
pub struct MemoryDisk(Rc<RefCell<Disk>>);

/// What shall happen to a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mishap {
    /// It fails with this fault and leaves nothing.
    Fail(StoreError),
    /// The tab is killed before it lands: it leaves nothing and is never answered.
    CrashBefore,
    /// The tab is killed after it landed: it is stored and never answered.
    CrashAfter,
}

/// Bound: what the caller commits. Nobody but tests and small `memory: true` databases should put a whole state here.
#[derive(Clone, Debug, Default)]
struct Disk {
    pages: FlatMap<PageId, Vec<u8>>,
    codes: FlatMap<Hash, Vec<u8>>,
    meta: Option<Meta>,
    written_by_someone: bool,
    mishap: Option<Mishap>,
}

#[derive(Clone, Debug)]
struct Meta {
    sequence: u64,
    record: Vec<u8>,
}

impl MemoryDisk {
    /// The one writing connection; [`StoreError::Locked`] while there is another.
    pub fn writer(&self) -> Result<MemoryStore, StoreError> {
        let mut disk = self.0.borrow_mut();
        if disk.written_by_someone {
            return Err(StoreError::Locked);
        }
        disk.written_by_someone = true;
        Ok(self.connect(true))
    }

    /// One of any number of reading connections.
    pub fn reader(&self) -> MemoryStore {
        self.connect(false)
    }

    /// Decides the fate of the next commit that would have landed or failed by itself.
    pub fn next_commit(&self, mishap: Mishap) {
        self.0.borrow_mut().mishap = Some(mishap);
    }

    /// Loses the record and keeps pages and codes, as a careless clean-up might.
    pub fn lose_record(&self) {
        self.0.borrow_mut().meta = None;
    }

    /// A disk of its own with the same content and no connection: what a machine that dies now would find.
    pub fn copy(&self) -> MemoryDisk {
        let disk = Disk {
            written_by_someone: false,
            mishap: None,
            ..self.0.borrow().clone()
        };
        MemoryDisk(Rc::new(RefCell::new(disk)))
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

    fn codes_held(&self, limit: usize) -> impl Future<Output = Result<Vec<Hash>, StoreError>> {
        ready(self.read(|disk| match disk.meta {
            Some(_) => disk.codes.keys().take(limit).copied().collect(),
            None => Vec::new(),
        }))
    }

    fn commit(&self, batch: Batch) -> impl Future<Output = Result<(), StoreError>> {
        // Not inside the future: a call takes its place when it is made.
        let answer = self.land(batch);
        async move {
            match answer {
                Some(answer) => answer,
                None => pending().await,
            }
        }
    }

    fn clear(&self) -> impl Future<Output = Result<(), StoreError>> {
        ready(self.write().map(|()| self.disk.0.borrow_mut().empty()))
    }

    fn close(&self) -> impl Future<Output = ()> {
        self.end();
        ready(())
    }
}

impl MemoryStore {
    /// `None`: the tab did not live to hear.
    fn land(&self, batch: Batch) -> Option<Result<(), StoreError>> {
        if let Err(fault) = self.write() {
            return Some(Err(fault));
        }
        let mut disk = self.disk.0.borrow_mut();
        match disk.mishap.take() {
            None => Some(disk.apply(batch)),
            Some(Mishap::Fail(fault)) => Some(Err(fault)),
            Some(Mishap::CrashBefore) => None,
            Some(Mishap::CrashAfter) => disk.apply(batch).err().map(Err),
        }
    }

    fn end(&self) {
        if !self.closed.replace(true) && self.writes {
            self.disk.0.borrow_mut().written_by_someone = false;
        }
    }

    fn read<T>(&self, what: impl FnOnce(&Disk) -> T) -> Result<T, StoreError> {
        if self.closed.get() {
            return Err(StoreError::Closed);
        }
        Ok(what(&self.disk.0.borrow()))
    }

    fn write(&self) -> Result<(), StoreError> {
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
            if (stays && self.pages.contains(id)) || !new.insert(*id, ()) {
                return Err(StoreError::Exists);
            }
        }

        // From here on nothing can fail.
        if self.meta.is_none() {
            self.empty();
        }
        self.pages.retain(|id| !is_deleted(id));
        for (id, bytes) in batch.pages {
            self.pages.insert(id, bytes);
        }
        for (hash, code) in batch.codes {
            self.codes.insert(hash, code);
        }
        self.meta = Some(Meta {
            sequence: batch.sequence,
            record: batch.record,
        });
        Ok(())
    }

    fn empty(&mut self) {
        self.pages.clear();
        self.codes.clear();
        self.meta = None;
    }
}
