//! The store in the browser: IndexedDB, one transaction per batch.
//!
//! Three object stores: `pages` by number, `codes` by their hash's 32 bytes, and `meta`. There,
//! `root` is the sequence number and the record, `label` what the database is for (an older Snaplight
//! writes none), `closed` the sequence number when the last session was closed
//! (`unclean_shutdown.rs`), `scope:` with a version behind it is a scope's bytes, and the keys
//! `turn:` say which batch is next (`turns.rs`).
//!
//! Whoever leaves a transaction open makes every tab wait, also one whose page stands still. So
//! each transaction is committed as soon as all its requests are made.
//!
//! Measurements shaped it:
//! - A request costs the same for any size up to some KiB, so pages are few and large.
//! - Waiting for each request triples the time, so only a transaction's `complete` is awaited.
//! - A value over 64 KiB becomes a file of its own, so pages stay below.
//! - A view of wasm memory would be cloned with the whole memory behind it, so bytes are copied out
//!   first.
//! - A full disk shows only as the reason of an aborted transaction.

mod batch;
mod connection;
mod errors;
mod global;
mod lock;
mod signal;
mod transaction;
mod turns;
mod unclean_shutdown;
mod value;

pub use lock::WriterLock;

use self::{
    batch::{Keys, issue},
    connection::{Access, DbConnection},
    global::is_gecko,
    signal::Receiver,
    transaction::{Transaction, found},
    value::{Meta, all_scopes, bytes, code_key, copied, hash_of, number, scope_version},
};
use super::{Contents, MAX_SCOPES, Store, StoreError};
use crate::{
    hash::Hash,
    state::{Batch, PageId},
};
use idb::ObjectStore;
use js_sys::Array;
use std::cell::{Cell, RefCell};
use wasm_bindgen::{JsCast, JsValue};
use web_sys::IdbRequest;

/// Version of the object stores, their keys and what `meta` holds. A change of meaning must raise
/// it, so that older code refuses the database instead of misreading it. Pages and the record have
/// version numbers of their own.
pub const SCHEMA_VERSION: u32 = 1;

const PAGES: &str = "pages";
const CODES: &str = "codes";
const META: &str = "meta";
/// The key of the record in `meta`.
const META_KEY: &str = "root";
/// The key of the label in `meta`.
const LABEL_KEY: &str = "label";
/// The key of the last closing in `meta`.
const CLOSED_KEY: &str = "closed";

/// One connection to an IndexedDB database.
pub struct IndexedDb {
    connection: DbConnection,
    access: Cell<Access>,
    /// Whether the last session that wrote was closed, as of the last reading of the record.
    clean: Cell<bool>,
    /// What is stored, as of the last reading of the record and of our last batch that landed.
    stored: Cell<Stored>,
    /// The record as `meta` has it, to put it back. `undefined` if there is none.
    root: RefCell<JsValue>,
    /// Resolved when it is known what came of a batch that may have failed.
    looking: Cell<Option<Receiver<()>>>,
}

/// Which batch landed last.
#[derive(Clone, Copy, Default)]
struct Stored {
    /// 0 if there is no record.
    sequence: u64,
    /// Whether the ring is that of this batch: [`turns`].
    has_turns: bool,
}

/// What the browser has done when it calls a transaction complete.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Durability {
    /// Handed it to the operating system. Survives a killed tab or browser; a power cut may cost
    /// the last batches, never a part of one. Strict would make Firefox 1.6 to 2.4 times slower.
    #[default]
    Relaxed,
    /// Flushed it to the disk.
    Strict,
}

impl Durability {
    /// As `IDBTransactionOptions` spells it.
    fn name(self) -> &'static str {
        match self {
            Durability::Relaxed => "relaxed",
            Durability::Strict => "strict",
        }
    }
}

impl IndexedDb {
    /// Opens the database that `lock` was taken for, to read and write. The lock is kept until the
    /// connection ends.
    pub async fn open_to_write(
        lock: WriterLock,
        durability: Durability,
    ) -> Result<IndexedDb, StoreError> {
        let connection = match DbConnection::open(lock.database()).await {
            Ok(connection) => connection,
            Err(error) => {
                lock.release().await;
                return Err(error);
            }
        };
        connection.hold_lock(lock);
        Ok(IndexedDb::new(connection, Access::Write(durability)))
    }

    /// Opens the database to read. If there is none, an empty one is made. The browser begins when
    /// this is called.
    pub fn open_to_read(name: &str) -> impl Future<Output = Result<IndexedDb, StoreError>> {
        let opening = DbConnection::open(name);
        async { Ok(IndexedDb::new(opening.await?, Access::Read)) }
    }

    /// Makes a reader the writer: `lock` is kept until the connection ends.
    pub fn promote(&self, lock: WriterLock, durability: Durability) {
        self.access.set(Access::Write(durability));
        // What was read before the lock was ours may be old.
        self.stored.take();
        self.connection.hold_lock(lock);
    }

    /// Makes a writer a reader again, and releases its lock.
    pub fn demote(&self) {
        self.access.set(Access::Read);
        self.connection.release_lock();
    }

    /// Waits for the connection's end; `true` if somebody else ended it: another tab that deletes
    /// the database, or the user who clears the site's data. Only the last caller is answered.
    pub fn ended(&self) -> impl Future<Output = bool> + 'static {
        self.connection.ended()
    }

    /// Deletes a database, if there is one. Every Snaplight connection to it ends and is
    /// [`StoreError::Closed`] from then on. [`StoreError::Blocked`] if another program's connection
    /// stays open; the database is deleted as soon as that ends.
    pub async fn delete(name: &str) -> Result<(), StoreError> {
        connection::delete(name).await
    }

    /// Whether any page is stored, even if there is no record.
    pub async fn holds_pages(&self) -> Result<bool, StoreError> {
        let transaction = self.read(&[PAGES])?;
        let keys = get_keys(&transaction.store(PAGES)?, 1)?;
        transaction.commit();
        transaction.complete().await?;
        let keys: Array = found(&keys)?.unchecked_into();
        Ok(keys.length() > 0)
    }

    fn new(connection: DbConnection, access: Access) -> IndexedDb {
        IndexedDb {
            connection,
            access: Cell::new(access),
            clean: Cell::new(true),
            stored: Cell::default(),
            root: RefCell::new(JsValue::UNDEFINED),
            looking: Cell::default(),
        }
    }

    /// The record in a value of `meta`. Notes which batch wrote it, and whether that session was
    /// closed.
    fn record_in(&self, value: &JsValue, closed: &JsValue) -> Option<Vec<u8>> {
        let Some(meta) = Meta::parse(value) else {
            self.clean.set(true);
            self.stored.take();
            self.root.replace(JsValue::UNDEFINED);
            return None;
        };
        self.root.replace(value.clone());
        let was_closed = closed.as_f64() == Some(meta.stored.sequence as f64);
        self.clean.set(meta.clean || was_closed);
        self.stored.set(meta.stored);
        bytes(&meta.record)
    }

    /// The sequence number in the store. In a transaction of its own.
    async fn stored_sequence(&self) -> Result<u64, StoreError> {
        let gets = self.get_all(META, vec![JsValue::from_str(META_KEY)])?;
        let values = gets.values().await?;
        let meta = values.first().and_then(Meta::parse);
        Ok(meta.map_or(0, |meta| meta.stored.sequence))
    }

    fn read(&self, stores: &[&str]) -> Result<Transaction, StoreError> {
        self.connection.begin(stores, Access::Read)
    }

    fn write(&self) -> Result<Transaction, StoreError> {
        match self.access.get() {
            Access::Read => Err(StoreError::ReadOnly),
            Access::Write(durability) => self
                .connection
                .begin(&[PAGES, CODES, META], Access::Write(durability)),
        }
    }

    /// Reads values of one object store by key, in one transaction.
    fn get_all(&self, store: &str, keys: Vec<JsValue>) -> Result<PendingReads, StoreError> {
        let transaction = self.read(&[store])?;
        let store = transaction.store(store)?;
        let requests = keys
            .into_iter()
            .map(|key| get(&store, key))
            .collect::<Result<Vec<_>, _>>()?;
        if let Some(last) = requests.last() {
            transaction.is_over_with(last)?;
        }
        transaction.commit();
        Ok(PendingReads {
            transaction,
            requests,
        })
    }

    /// Asks for what [`Store::contents`] answers.
    fn ask_contents(&self, codes: usize) -> Result<AskedContents, StoreError> {
        let transaction = match codes {
            0 => self.read(&[META]),
            _ => self.read(&[META, CODES]),
        }?;
        let meta = transaction.store(META)?;
        let record = get(&meta, JsValue::from_str(META_KEY))?;
        let closed = get(&meta, JsValue::from_str(CLOSED_KEY))?;
        let label = get(&meta, JsValue::from_str(LABEL_KEY))?;
        let limit = Some(MAX_SCOPES as u32);
        let versions = meta.get_all_keys(Some(all_scopes()?.into()), limit);
        let scopes = meta.get_all(Some(all_scopes()?.into()), limit);
        let mut asked = AskedContents {
            record,
            closed,
            label,
            versions: versions.map_err(errors::idb)?.into(),
            scopes: scopes.map_err(errors::idb)?.into(),
            codes: None,
            transaction,
        };
        // For the browser a limit of 0 means no limit.
        if codes > 0 {
            let limit = u32::try_from(codes).unwrap_or(u32::MAX);
            asked.codes = Some(get_keys(&asked.transaction.store(CODES)?, limit)?);
        }
        // The others have been made before these, so they have their answers sooner.
        let last = asked.codes.as_ref().unwrap_or(&asked.scopes);
        asked.transaction.is_over_with(last)?;
        asked.transaction.commit();
        Ok(asked)
    }
}

impl Store for IndexedDb {
    fn record(&self) -> impl Future<Output = Result<Option<Vec<u8>>, StoreError>> {
        let keys = [META_KEY, CLOSED_KEY].map(JsValue::from_str);
        let gets = self.get_all(META, keys.into());
        async move {
            match &*gets?.values().await? {
                [record, closed] => Ok(self.record_in(record, closed)),
                _ => Ok(None),
            }
        }
    }

    fn pages<'a>(
        &'a self,
        ids: &[PageId],
    ) -> impl Future<Output = Result<Vec<Option<Vec<u8>>>, StoreError>> + use<'a> {
        // JavaScript rounds an id above 2^53, which only a damaged parent can name. No page has
        // such an id, so nothing is found.
        let keys = ids
            .iter()
            .map(|id| JsValue::from_f64(id.0 as f64))
            .collect();
        let gets = self.get_all(PAGES, keys);
        async move { Ok(gets?.values().await?.iter().map(bytes).collect()) }
    }

    fn code<'a>(
        &'a self,
        hash: &Hash,
    ) -> impl Future<Output = Result<Option<Vec<u8>>, StoreError>> + use<'a> {
        let gets = self.get_all(CODES, vec![code_key(hash)]);
        async move { Ok(gets?.values().await?.first().and_then(bytes)) }
    }

    fn contents(&self, codes: usize) -> impl Future<Output = Result<Contents, StoreError>> {
        let asked = self.ask_contents(codes);
        async move {
            let AskedContents {
                transaction,
                record,
                closed,
                label,
                versions,
                scopes,
                codes,
            } = asked?;
            transaction.complete().await?;
            let label = bytes(&found(&label)?);
            let Some(record) = self.record_in(&found(&record)?, &found(&closed)?) else {
                return Ok(Contents {
                    label,
                    ..Contents::default()
                });
            };
            let versions: Array = found(&versions)?.unchecked_into();
            let scopes: Array = found(&scopes)?.unchecked_into();
            let scopes = versions.iter().zip(scopes.iter());
            let codes: Array = match codes {
                Some(codes) => found(&codes)?.unchecked_into(),
                None => Array::new(),
            };
            Ok(Contents {
                label,
                record: Some(record),
                scopes: scopes
                    .filter_map(|(key, value)| Some((scope_version(&key)?, bytes(&value)?)))
                    .collect(),
                codes: codes.iter().filter_map(|key| hash_of(&key)).collect(),
            })
        }
    }

    fn commit(&self, batch: Batch) -> impl Future<Output = Result<(), StoreError>> {
        // Not inside the future: the transaction takes its place when the call is made.
        let sequence = batch.sequence;
        let has_turns = self.stored.get().has_turns;
        let keys = Keys::of(&batch);
        let queued = self.write().and_then(|transaction| {
            let mut root = JsValue::UNDEFINED;
            let transaction = all_or_nothing(transaction, |transaction| {
                root = issue(transaction, batch, has_turns)?;
                if has_turns && !is_gecko() {
                    transaction.commit();
                }
                Ok(())
            })?;
            Ok((transaction, root))
        });
        async move {
            match queued {
                Ok((transaction, root)) => {
                    let ended = transaction.complete().await;
                    // Whoever waits for two batches must hear of the first one first.
                    if let Some(before) = self.looking.take() {
                        before.await;
                    }
                    let outcome = self.judged(sequence, &keys, ended).await;
                    if outcome.is_ok() {
                        self.root.replace(root);
                        self.stored.set(Stored {
                            sequence,
                            has_turns: true,
                        });
                    }
                    outcome
                }
                Err(error) => Err(error),
            }
        }
    }

    fn label(&self, label: &[u8]) -> impl Future<Output = Result<(), StoreError>> + use<'_> {
        let queued = self.write().and_then(|transaction| {
            all_or_nothing(transaction, |transaction| {
                let key = JsValue::from_str(LABEL_KEY);
                let put = transaction.store(META)?.put(&copied(label), Some(&key));
                put.map_err(errors::idb)?;
                transaction.commit();
                Ok(())
            })
        });
        async move { queued?.complete().await }
    }

    fn clear(&self) -> impl Future<Output = Result<(), StoreError>> {
        self.stored.take();
        self.root.replace(JsValue::UNDEFINED);
        let queued = self.write().and_then(|transaction| {
            all_or_nothing(transaction, |transaction| {
                for store in [PAGES, CODES, META] {
                    transaction.store(store)?.clear().map_err(errors::idb)?;
                }
                transaction.commit();
                Ok(())
            })
        });
        async move { queued?.complete().await }
    }

    fn close(&self) -> impl Future<Output = ()> {
        // Not inside the future: the connection ends when the call is made.
        let goodbye = self.say_goodbye();
        let lock = self.connection.close();
        async move {
            // A deletion is blocked until this transaction is complete.
            if let Some(goodbye) = goodbye {
                let _ = goodbye.complete().await;
            }
            if let Some(lock) = lock {
                lock.release().await;
            }
        }
    }
}

/// Runs `issue`. If it fails half-way, cancels what it has issued.
fn all_or_nothing(
    transaction: Transaction,
    issue: impl FnOnce(&Transaction) -> Result<(), StoreError>,
) -> Result<Transaction, StoreError> {
    if let Err(error) = issue(&transaction) {
        transaction.canceller().cancel(error.clone());
        return Err(error);
    }
    Ok(transaction)
}

/// What [`Store::contents`] waits for.
struct AskedContents {
    transaction: Transaction,
    record: IdbRequest,
    closed: IdbRequest,
    label: IdbRequest,
    versions: IdbRequest,
    scopes: IdbRequest,
    codes: Option<IdbRequest>,
}

/// Reads under way.
struct PendingReads {
    transaction: Transaction,
    requests: Vec<IdbRequest>,
}

impl PendingReads {
    /// The values found, in the order asked; `undefined` where there is none.
    async fn values(self) -> Result<Vec<JsValue>, StoreError> {
        self.transaction.complete().await?;
        self.requests.iter().map(found).collect()
    }
}

fn get(store: &ObjectStore, key: JsValue) -> Result<IdbRequest, StoreError> {
    store.get(key).map(IdbRequest::from).map_err(errors::idb)
}

fn get_keys(store: &ObjectStore, limit: u32) -> Result<IdbRequest, StoreError> {
    let keys = store.get_all_keys(None, Some(limit));
    keys.map(IdbRequest::from).map_err(errors::idb)
}
