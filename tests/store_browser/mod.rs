//! Makes a browser's database a place for the suite, and causes what happens only in browsers.
#![allow(dead_code, reason = "each test binary uses its part")]

use crate::store_suite::Place;
use snaplight::store::{
    StoreError,
    indexed_db::{Durability, IndexedDb, WriterLock},
};
use wasm_bindgen::prelude::{JsValue, wasm_bindgen};

/// A database that only one test uses.
pub(crate) struct Database(&'static str);

impl Database {
    /// Names a database and deletes what an earlier run has left of it.
    pub(crate) async fn fresh(name: &'static str) -> Database {
        IndexedDb::delete(name).await.unwrap();
        Database(name)
    }

    pub(crate) fn name(&self) -> &'static str {
        self.0
    }
}

impl Place for Database {
    type Store = IndexedDb;

    async fn writer(&self) -> Result<IndexedDb, StoreError> {
        let lock = WriterLock::acquire(self.0).await?;
        IndexedDb::open_to_write(lock, Durability::default()).await
    }

    async fn reader(&self) -> Result<IndexedDb, StoreError> {
        IndexedDb::open_to_read(self.0).await
    }

    async fn lose_record(&self) {
        put_raw(self.0, "meta", None).await.unwrap();
    }
}

/// Returns the browser's estimate of the bytes that the whole origin stores.
pub(crate) async fn bytes_used() -> f64 {
    usage().await.as_f64().unwrap()
}

/// Puts `value` under the key that tests of foreign values read (`root` in `meta`, 1 elsewhere).
/// `None` deletes the key.
pub(crate) async fn put_raw(
    name: &str,
    store: &str,
    value: Option<JsValue>,
) -> Result<JsValue, JsValue> {
    put(name, store, value.unwrap_or(JsValue::UNDEFINED)).await
}

#[wasm_bindgen(inline_js = r#"
const settled = (request) => new Promise((resolve, reject) => {
  request.onsuccess = () => resolve(request.result);
  request.onerror = () => reject(request.error);
});

export async function put(name, store, value) {
  const database = await settled(indexedDB.open(name));
  const key = store === "meta" ? "root" : 1;
  const objects = database.transaction(store, "readwrite").objectStore(store);
  await settled(value === undefined ? objects.delete(key) : objects.put(value, key));
  database.close();
}

// Opens (or makes) a database as another program would, with this version and these stores. The
// connection does not close when another one needs that.
let others = [];
export async function open_as_other(name, version, stores) {
  const request = indexedDB.open(name, version);
  request.onupgradeneeded = () => stores.forEach((store) => request.result.createObjectStore(store));
  others.push(await settled(request));
}

export function close_others() {
  others.forEach((database) => database.close());
  others = [];
}

export async function database_names() {
  return (await indexedDB.databases()).map((database) => database.name);
}

// Simulates a full disk. A request succeeds, and then its transaction aborts with the reason. The
// first `after` calls of `add` are not affected. A page may abort only what it has not committed.
const { add } = IDBObjectStore.prototype;
const { commit } = IDBTransaction.prototype;
export function fill_disk(after) {
  let left = after;
  IDBTransaction.prototype.commit = () => {};
  IDBObjectStore.prototype.add = function (...args) {
    const request = add.apply(this, args);
    if (left-- === 0) {
      const transaction = this.transaction;
      request.onsuccess = () => {
        const reason = new DOMException("The disk is full.", "QuotaExceededError");
        Object.defineProperty(transaction, "error", { value: reason });
        transaction.abort();
      };
    }
    return request;
  };
}

export function empty_disk() {
  IDBObjectStore.prototype.add = add;
  IDBTransaction.prototype.commit = commit;
}

// Notes from now on which transactions are made, and which of them are committed.
const { transaction } = IDBDatabase.prototype;
const open = new Set();
export function watch_transactions() {
  IDBDatabase.prototype.transaction = function (...args) {
    const made = transaction.apply(this, args);
    open.add(made);
    return made;
  };
  IDBTransaction.prototype.commit = function () {
    open.delete(this);
    return commit.apply(this);
  };
}

// Other browsers say "like Gecko".
export function is_firefox() {
  return navigator.userAgent.includes('Gecko/');
}

// How many of them were left to end by themselves.
export function left_open() {
  IDBDatabase.prototype.transaction = transaction;
  IDBTransaction.prototype.commit = commit;
  const { size } = open;
  open.clear();
  return size;
}

// A record as an older version writes it.
export async function put_old(name, sequence, record) {
  await put(name, "meta", { sequence, record });
}

// Hides this part of `navigator`, as browsers do on a page that is no secure context.
export function withhold(property) {
  Object.defineProperty(navigator, property, { value: undefined, configurable: true });
}

export function restore(property) {
  delete navigator[property];
}

export async function usage() {
  return (await navigator.storage.estimate()).usage;
}

export async function persist() {
  return navigator.storage.persist();
}
"#)]
extern "C" {
    #[wasm_bindgen(catch)]
    async fn put(name: &str, store: &str, value: JsValue) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(catch)]
    pub(crate) async fn open_as_other(
        name: &str,
        version: u32,
        stores: Vec<String>,
    ) -> Result<JsValue, JsValue>;
    pub(crate) fn close_others();
    #[wasm_bindgen(catch)]
    pub(crate) async fn database_names() -> Result<JsValue, JsValue>;
    pub(crate) fn fill_disk(after: u32);
    pub(crate) fn empty_disk();
    pub(crate) fn watch_transactions();
    pub(crate) fn left_open() -> u32;
    pub(crate) fn is_firefox() -> bool;
    #[wasm_bindgen(catch)]
    pub(crate) async fn put_old(
        name: &str,
        sequence: u32,
        record: Vec<u8>,
    ) -> Result<JsValue, JsValue>;
    pub(crate) fn withhold(property: &str);
    pub(crate) fn restore(property: &str);
    async fn usage() -> JsValue;
    /// Asks the browser to keep the origin's data, as the message of a full disk advises.
    #[wasm_bindgen(catch)]
    pub(crate) async fn persist() -> Result<JsValue, JsValue>;
}
