//! What one batch asks of the browser, and what came of it.
//!
//! At its quota, Firefox (153) breaks what IndexedDB promises about transactions. It may call one
//! aborted that it has committed. It may also land some requests of an aborted one: SQLite has undone
//! what came before the request that failed, and what was queued behind it lands by itself. And it
//! lets the next transaction only delete: each `put` throws an `InvalidStateError`. So after an abort
//! that no function of ours has asked for, we look what is there, and delete what should not be.
//!
//! Firefox does not abort a transaction that was committed explicitly if one of its requests fails,
//! unless that is the last one. So a batch, which relies on that, is not committed explicitly there.

use super::{
    CODES, IndexedDb, META, META_KEY, PAGES, Stored, errors, get,
    global::{listen_once, result},
    signal::{Sender, signal},
    transaction::{Canceller, Transaction},
    turns,
    value::{Meta, all_scopes, code_key, copied, key_range, number, scope_key},
};
use crate::{
    hash::Hash,
    state::{Batch, PageId},
    store::StoreError,
};
use idb::ObjectStore;
use wasm_bindgen::JsValue;

/// Tells the next batch that it is known what came of this one, or that nobody waits for that.
struct SentWhenDropped(Sender<()>);

impl Drop for SentWhenDropped {
    fn drop(&mut self) {
        self.0.send(());
    }
}

/// Issues everything that `batch` asks for, in the order in which the browser has to do it. With
/// `has_turns`, the browser itself refuses the batch if it is not its turn. Answers the record as it is
/// written.
pub(super) fn issue(
    transaction: &Transaction,
    batch: Batch,
    has_turns: bool,
) -> Result<JsValue, StoreError> {
    let (pages, codes, meta) = (
        transaction.store(PAGES)?,
        transaction.store(CODES)?,
        transaction.store(META)?,
    );
    if has_turns {
        turns::take(&meta, batch.sequence)?;
    } else {
        check_predecessor(&meta, batch.sequence, transaction.canceller())?;
        turns::begin(&meta, batch.sequence)?;
    }
    if batch.sequence == 1 {
        // There is no record before this one, so everything here is left-overs.
        pages.clear().map_err(errors::idb)?;
        codes.clear().map_err(errors::idb)?;
        meta.delete(all_scopes()?).map_err(errors::idb)?;
    }
    for range in &batch.delete {
        if let Some(range) = key_range(range)? {
            pages.delete(range).map_err(errors::idb)?;
        }
    }
    for hash in &batch.delete_codes {
        codes.delete(code_key(hash)).map_err(errors::idb)?;
    }
    for (id, page) in batch.pages {
        // `add`, not `put`: a taken id aborts the transaction.
        pages
            .add(&copied(&page), Some(&number(id.0)?))
            .map_err(errors::idb)?;
    }
    for (hash, code) in batch.codes {
        codes
            .put(&copied(&code), Some(&code_key(&hash)))
            .map_err(errors::idb)?;
    }
    for version in batch.delete_scopes {
        meta.delete(scope_key(version)).map_err(errors::idb)?;
    }
    for (version, scope) in batch.scopes {
        meta.put(&copied(&scope), Some(&scope_key(version)))
            .map_err(errors::idb)?;
    }
    let value = Meta::encode(batch.sequence, &batch.record)?;
    meta.put(&value, Some(&JsValue::from_str(META_KEY)))
        .map_err(errors::idb)?;
    Ok(value)
}

/// Reads the stored sequence inside the batch's own transaction, and cancels the transaction unless
/// it is the sequence before this one. It needs the page to answer, so such a transaction is not
/// committed explicitly.
///
/// Nothing waits for the answer. It comes while the other requests are under way, so the browser
/// has the bytes of the second of two batches while it still writes the first.
fn check_predecessor(
    meta: &ObjectStore,
    sequence: u64,
    canceller: Canceller,
) -> Result<(), StoreError> {
    let request = get(meta, JsValue::from_str(META_KEY))?;
    // It runs even if the commit's future is dropped. Without it the batch would land unchecked.
    listen_once(&request, "onsuccess", move |event| {
        let value = match result(&event) {
            Ok(value) => value,
            Err(error) => return canceller.cancel(error),
        };
        let stored = Meta::parse(&value).map_or(0, |meta| meta.stored.sequence);
        if stored.checked_add(1) != Some(sequence) {
            canceller.cancel(StoreError::Superseded { sequence, stored });
        }
    })
}

/// What a batch writes besides the record. Bound: as in [`Batch`].
pub(super) struct Keys {
    pages: Vec<PageId>,
    codes: Vec<Hash>,
    scopes: Vec<u64>,
}

impl Keys {
    pub(super) fn of(batch: &Batch) -> Keys {
        Keys {
            pages: batch.pages.iter().map(|(id, _)| *id).collect(),
            codes: batch.codes.iter().map(|(hash, _)| *hash).collect(),
            scopes: batch.scopes.iter().map(|(version, _)| *version).collect(),
        }
    }
}

impl IndexedDb {
    /// What came of a batch whose transaction ended like this.
    pub(super) async fn judged(
        &self,
        sequence: u64,
        keys: &Keys,
        ended: Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        match ended {
            // A key was taken: that of a page, or that of its turn.
            Err(StoreError::Exists) => {
                let stored = self.stored_sequence().await?;
                Err(match stored.checked_add(1) == Some(sequence) {
                    true => StoreError::Exists,
                    false => StoreError::Superseded { sequence, stored },
                })
            }
            Err(error @ (StoreError::Quota | StoreError::Aborted { .. })) => {
                let (known, looking) = signal();
                let _known = SentWhenDropped(known);
                self.looking.set(Some(looking));
                let stored = self.stored_sequence().await?;
                // We have the writer's lock, so a batch of this number is this one.
                if stored >= sequence && self.has_all(keys).await? {
                    return Ok(());
                }
                // If this fails, what is missing is healed when it is read, as any damage is.
                let _ = self.undo(sequence, keys, stored == sequence).await;
                Err(error)
            }
            ended => ended,
        }
    }

    async fn has_all(&self, keys: &Keys) -> Result<bool, StoreError> {
        let pages = keys.pages.iter().map(|id| number(id.0));
        let codes = keys.codes.iter().map(code_key).collect();
        let scopes = keys.scopes.iter().copied().map(scope_key).collect();
        let pages = pages.collect::<Result<Vec<_>, _>>()?;
        for (store, keys) in [(PAGES, pages), (CODES, codes), (META, scopes)] {
            let values = self.get_all(store, keys)?.values().await?;
            if values.iter().any(JsValue::is_undefined) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Deletes the pages of a batch that failed, and puts back the record before it if it has landed.
    /// Its codes and scopes stay: they are what their keys say, and a batch that comes writes them
    /// again.
    async fn undo(&self, sequence: u64, keys: &Keys, has_record: bool) -> Result<(), StoreError> {
        // The turns may be those of the batch that failed.
        self.stored.set(Stored {
            has_turns: false,
            ..self.stored.get()
        });
        let transaction = self.write()?;
        let pages = transaction.store(PAGES)?;
        for id in &keys.pages {
            pages.delete(number(id.0)?).map_err(errors::idb)?;
        }
        transaction.commit();
        transaction.complete().await?;
        if !has_record {
            return Ok(());
        }
        // Another transaction, because the first one after the quota may only delete.
        let transaction = self.write()?;
        let meta = transaction.store(META)?;
        let (root, key) = (self.root.borrow().clone(), JsValue::from_str(META_KEY));
        match root.is_undefined() {
            true if sequence > 1 => return Ok(()), // Nobody has read it. What is missing is healed.
            true => meta.delete(key).map(drop),
            false => meta.put(&root, Some(&key)).map(drop),
        }
        .map_err(errors::idb)?;
        transaction.commit();
        transaction.complete().await
    }
}
