//! How the last session ended, and what to do when it ended badly.
//!
//! Chromium's LevelDB backend can lose an origin's whole IndexedDB after a kill. The kill tears the
//! log; the torn log reads well at the first reopening, is taken for corrupt at the second, and
//! then everything is deleted. Writing so much in the first session after the kill that the log is
//! replaced prevents it (measured; it harms no other backend). So a session that is closed notes
//! the sequence number of the last batch, and a writer that opens a database with a later batch
//! does the rewrite. An older Snaplight does not read that note, and does a rewrite that is not
//! needed.

use super::{
    CLOSED_KEY, IndexedDb, META, connection::Access, errors, global::random, number,
    value::key_range,
};
use crate::{state::PageId, store::StoreError};
use js_sys::Uint8Array;
use wasm_bindgen::JsValue;

/// Bytes of one record: below 64 KiB, above which values become files of their own, and no more
/// than `crypto.getRandomValues` fills at once (65,536).
const SCRATCH_BYTES: u32 = 60_000;
/// Records written: nine megabytes in all. LevelDB begins a new log at four (`write_buffer_size`),
/// so the log is replaced twice. That this is enough was measured; the factor of two was chosen
/// without a measurement.
const SCRATCH_RECORDS: u64 = 150;
/// Records in one transaction: three megabytes, so that a batch does not wait long for its turn.
const RECORDS_PER_TRANSACTION: u64 = 50;

impl IndexedDb {
    /// Whether the last session that wrote was closed, as of the last
    /// [`Store::record`](crate::store::Store::record).
    pub fn ended_well(&self) -> bool {
        self.clean.get()
    }

    /// Writes and deletes so much that Chromium replaces the log that a kill may have torn. The
    /// records get numbers as keys in `meta`, where our values have words. Records that a kill
    /// during an earlier rewrite has left are deleted too.
    pub async fn rewrite_log(&self) -> Result<(), StoreError> {
        let written = self.write_scratch().await;
        // Also if there was no space for it: in the next transaction Firefox only lets us delete.
        self.delete_scratch().await?;
        written?;
        self.clean.set(true);
        Ok(())
    }

    async fn write_scratch(&self) -> Result<(), StoreError> {
        let scratch = Uint8Array::new_with_length(SCRATCH_BYTES);
        // Random bytes, because the browser compresses, and compressed bytes might not fill a log.
        random(&scratch)?;
        let mut next = 0;
        while next < SCRATCH_RECORDS {
            let end = (next + RECORDS_PER_TRANSACTION).min(SCRATCH_RECORDS);
            let transaction = self.meta_transaction()?;
            let meta = transaction.store(META)?;
            for key in next..end {
                meta.put(&scratch, Some(&number(key)?))
                    .map_err(errors::idb)?;
            }
            transaction.commit();
            transaction.complete().await?;
            next = end;
        }
        Ok(())
    }

    async fn delete_scratch(&self) -> Result<(), StoreError> {
        let transaction = self.meta_transaction()?;
        let all = PageId(0)..PageId(SCRATCH_RECORDS);
        if let Some(range) = key_range(&all)? {
            transaction
                .store(META)?
                .delete(range)
                .map_err(errors::idb)?;
        }
        transaction.commit();
        transaction.complete().await
    }

    /// Notes that the session was closed, if we write and the log is whole. The browser finishes
    /// the transaction although the connection is closed next. Until it has, the connection counts
    /// as open and blocks a deletion.
    pub(super) fn say_goodbye(&self) -> Option<super::Transaction> {
        let sequence = self.stored.get().sequence;
        if sequence == 0 || !self.clean.get() || !matches!(self.access.get(), Access::Write(_)) {
            return None;
        }
        // If it fails, or if a batch lands that nobody waited for, the next session does a needless
        // rewrite.
        self.note_closing(sequence).ok()
    }

    fn note_closing(&self, sequence: u64) -> Result<super::Transaction, StoreError> {
        let transaction = self.meta_transaction()?;
        let key = JsValue::from_str(CLOSED_KEY);
        transaction
            .store(META)?
            .put(&number(sequence)?, Some(&key))
            .map_err(errors::idb)?;
        transaction.commit();
        Ok(transaction)
    }

    fn meta_transaction(&self) -> Result<super::Transaction, StoreError> {
        match self.access.get() {
            Access::Read => Err(StoreError::ReadOnly),
            Access::Write(durability) => self.connection.begin(&[META], Access::Write(durability)),
        }
    }
}
