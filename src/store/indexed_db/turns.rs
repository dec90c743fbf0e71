//! How the browser itself refuses a batch whose predecessor did not land.
//!
//! A transaction that is committed explicitly ends even while our page stands still. So no function
//! of ours can judge what it has read, and something in the database has to refuse: `add` aborts
//! the transaction if its key is taken. `meta` has a ring of keys, and each sequence number has one
//! of them. All are taken but that of the batch whose turn it is. A batch takes its key and frees
//! the next one, in its own transaction.
//!
//! A batch whose turn is any other multiple of the ring away is not noticed. Batches in flight are
//! fewer than the ring is long. Only two writers at once could be so far apart, which the lock
//! prevents, and then the pages' ids are taken too.
//!
//! An older Snaplight knows no ring and writes records without [`KEYS`] in them. After such a
//! record, and in a new database, a batch is checked by a function, and makes the ring anew.

use super::errors;
use crate::store::StoreError;
use idb::ObjectStore;
use wasm_bindgen::JsValue;

/// Keys in the ring. More than the three batches that can be in flight. To make the ring costs as
/// many requests, once for a database.
pub(super) const KEYS: u64 = 32;

/// Takes the turn of this batch, or has the browser abort its transaction.
pub(super) fn take(meta: &ObjectStore, sequence: u64) -> Result<(), StoreError> {
    meta.add(&JsValue::TRUE, Some(&key(sequence)))
        .map_err(errors::idb)?;
    free(meta, sequence.wrapping_add(1))
}

/// Makes a ring in which it is the turn of the batch after this one.
pub(super) fn begin(meta: &ObjectStore, sequence: u64) -> Result<(), StoreError> {
    for other in 0..KEYS {
        meta.put(&JsValue::TRUE, Some(&key(other)))
            .map_err(errors::idb)?;
    }
    free(meta, sequence.wrapping_add(1))
}

fn free(meta: &ObjectStore, sequence: u64) -> Result<(), StoreError> {
    meta.delete(key(sequence)).map(drop).map_err(errors::idb)
}

fn key(sequence: u64) -> JsValue {
    JsValue::from_str(&format!("turn:{}", sequence % KEYS))
}
