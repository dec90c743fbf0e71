//! A disk that survives kills: the store as the engine sees it.

use std::collections::BTreeMap;

use snaplight::hash::Hash;
use snaplight::state::page::{Folds, Page, VerifiedPage};
use snaplight::state::{Batch, NeededPage, Network, PageId, Record, RootPage, Scope, StoreError};

#[derive(Clone, Debug)]
pub(crate) struct Disk {
    pub(crate) pages: BTreeMap<PageId, Vec<u8>>,
    pub(crate) codes: BTreeMap<Hash, Vec<u8>>,
    pub(crate) record: Vec<u8>,
    /// What is to be held, in the form of [`Scope::encode`], by version.
    pub(crate) scopes: BTreeMap<u64, Vec<u8>>,
    /// Pages ever written.
    pub(crate) pages_written: u64,
    pub(crate) bytes_written: u64,
    /// Whether every commit is printed.
    pub(crate) prints: bool,
    /// The commit with this sequence number fails with this error.
    pub(crate) fail_at: Option<(u64, StoreError)>,
    /// Somebody has changed it, so that an id may be taken which the record calls free.
    pub(crate) is_forged: bool,
    /// The records before and after each batch that made another state complete.
    pub(crate) switches: Vec<(Record, Record)>,
}

impl Disk {
    /// A page that a look-up needs; `None` if it is missing or damaged.
    pub(crate) fn verified(&self, needed: &NeededPage, folds: &mut Folds) -> Option<VerifiedPage> {
        let mut page = Page::decode(self.pages.get(&needed.page.id)?).ok()?;
        page.verify(&needed.page, &needed.at, folds).ok()
    }

    pub(crate) fn new(network: Network) -> Disk {
        let record = Record::fresh([7; 16], network);
        Disk {
            pages: BTreeMap::new(),
            codes: BTreeMap::new(),
            record: record.encode(),
            scopes: BTreeMap::new(),
            pages_written: 0,
            bytes_written: 0,
            prints: false,
            fail_at: None,
            is_forged: false,
            switches: Vec::new(),
        }
    }

    pub(crate) fn record(&self) -> Record {
        Record::decode(&self.record).expect("a record that was committed")
    }

    /// The scopes that were committed.
    pub(crate) fn scopes(&self) -> Vec<Scope> {
        let scopes = self.scopes.iter().map(|(version, bytes)| {
            let scope = Scope::decode(bytes).expect("a scope that was committed");
            assert_eq!(scope.version(), *version);
            scope
        });
        scopes.collect()
    }

    pub(crate) fn commit(&mut self, batch: Batch) -> Result<(), StoreError> {
        if let Some((sequence, error)) = &self.fail_at
            && *sequence == batch.sequence
        {
            let error = error.clone();
            self.fail_at = None;
            return Err(error);
        }
        if self.record().sequence + 1 != batch.sequence {
            return Err(StoreError::Superseded {
                sequence: batch.sequence,
                stored: self.record().sequence,
            });
        }
        let is_deleted = |id: &PageId| batch.delete.iter().any(|range| range.contains(id));
        let is_taken = |id: &PageId| self.pages.contains_key(id) && !is_deleted(id);
        if self.is_forged && batch.pages.iter().any(|(id, _)| is_taken(id)) {
            return Err(StoreError::Exists);
        }
        if self.prints {
            print(&batch);
        }
        for range in batch.delete {
            self.pages.retain(|id, _| !range.contains(id));
        }
        for hash in &batch.delete_codes {
            self.codes.remove(hash);
        }
        for (id, page) in batch.pages {
            self.pages_written += 1;
            self.bytes_written += page.len() as u64;
            assert!(page.len() <= 60_000, "page of {} bytes", page.len());
            assert!(
                self.pages.insert(id, page).is_none(),
                "page {id:?} was written twice"
            );
        }
        self.codes.extend(batch.codes);
        for version in &batch.delete_scopes {
            self.scopes.remove(version);
        }
        self.scopes.extend(batch.scopes);
        let before = self.record();
        self.record = batch.record;
        let after = self.record();
        let name = |record: &Record| record.complete.map(|state| (state.top, state.scope));
        if name(&before) != name(&after) {
            self.switches.push((before, after));
        }
        Ok(())
    }
}

fn print(batch: &Batch) {
    let record = Record::decode(&batch.record).expect("a record");
    let pages: Vec<u64> = batch.pages.iter().map(|(id, _)| id.0).collect();
    let root = |top: RootPage| (top.root(), top.page().map(|page| page.id.0));
    println!(
        "batch {}: pages {pages:?}, {} codes, deletes {:?} and {} codes, complete {:?}, building {:?}, pending_gc {:?}",
        batch.sequence,
        batch.codes.len(),
        batch.delete,
        batch.delete_codes.len(),
        record.complete.map(|state| root(state.top)),
        record
            .building
            .map(|state| (root(state.top), state.first_page, state.spine)),
        record.pending_gc.map(|pending_gc| (
            pending_gc.old.map(|page| page.id.0),
            pending_gc.build,
            pending_gc.stray_codes
        )),
    );
}
