//! The store in a real browser passes every case of the suite, and survives what happens only in
//! browsers.
#![cfg(target_arch = "wasm32")]
#![allow(clippy::panic, clippy::unwrap_used)]

mod store_browser;
#[macro_use]
mod store_suite;

use futures::FutureExt;
use js_sys::{Array, JsString};
use snaplight::{
    state::{Batch, PageId},
    store::{
        MemoryDisk, Store, StoreError,
        indexed_db::{Durability, IndexedDb, SCHEMA_VERSION, WriterLock},
    },
};
use store_browser::{
    Database, bytes_used, close_others, database_names, empty_disk, fill_disk, is_firefox,
    left_open, open_as_other, persist, put_old, put_raw, restore, watch_transactions, withhold,
};
use store_suite::{Place, batch, coded, hash, ids, page, record};
use wasm_bindgen::JsValue;
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_browser);

#[wasm_bindgen_test]
async fn a_full_disk_is_a_quota_error_and_everything_older_is_intact() {
    let database = Database::fresh("full disk").await;
    let store = database.writer().await.unwrap();
    store.commit(batch(1, [(1, page(1))])).await.unwrap();
    fill_disk(2);
    let first = store.commit(batch(2, (10..20).map(|id| (id, page(id)))));
    let second = store.commit(batch(3, [(20, page(20))]));
    assert_eq!(first.await, Err(StoreError::Quota));
    assert_eq!(
        second.await,
        Err(StoreError::Superseded {
            sequence: 3,
            stored: 1
        })
    );
    assert_eq!(store.record().await, Ok(Some(record(1))));
    assert_eq!(
        store.pages(&ids([1, 10, 20])).await,
        Ok(vec![Some(page(1)), None, None])
    );
    // With space again, the same batch is written.
    empty_disk();
    assert_eq!(
        store
            .commit(batch(2, (10..20).map(|id| (id, page(id)))))
            .await,
        Ok(())
    );
}

#[wasm_bindgen_test]
async fn a_newer_format_is_named_and_left_alone() {
    let database = Database::fresh("newer").await;
    open_as_other(database.name(), SCHEMA_VERSION + 6, vec!["pages".into()])
        .await
        .unwrap();
    close_others();
    let newer = StoreError::NewerFormat {
        found: SCHEMA_VERSION + 6,
        supported: SCHEMA_VERSION,
    };
    assert_eq!(database.reader().await.err(), Some(newer.clone()));
    assert_eq!(database.writer().await.err(), Some(newer.clone()));
    // The refused writer has released the lock.
    assert_eq!(database.writer().await.err(), Some(newer));
}

#[wasm_bindgen_test]
async fn a_session_that_wrote_and_was_not_closed_is_known_until_the_log_is_rewritten() {
    let database = Database::fresh("unclean").await;
    let store = database.writer().await.unwrap();
    assert_eq!(store.record().await, Ok(None));
    assert!(store.ended_well(), "a new database has no earlier session");
    store.commit(batch(1, [(1, page(1))])).await.unwrap();
    drop(store);

    let store = next_writer(&database).await;
    assert_eq!(store.record().await, Ok(Some(record(1))));
    assert!(!store.ended_well());
    // Closing does not repair the database, because the log is still the torn one.
    store.close().await;
    let store = database.writer().await.unwrap();
    store.record().await.unwrap();
    assert!(!store.ended_well());
    store.rewrite_log().await.unwrap();
    assert!(store.ended_well());
    assert_eq!(
        store.record().await,
        Ok(Some(record(1))),
        "the rewrite changed the record"
    );
    assert_eq!(store.pages(&ids([1])).await, Ok(vec![Some(page(1))]));
    store.rewrite_log().await.unwrap();
    store.close().await;

    let store = database.writer().await.unwrap();
    store.record().await.unwrap();
    assert!(store.ended_well());
    // The next batch removes the mark again.
    store.commit(batch(2, [])).await.unwrap();
    store.record().await.unwrap();
    assert!(!store.ended_well());
}

/// A page that stood still after its last request made every other tab wait.
#[wasm_bindgen_test]
async fn every_transaction_is_committed_when_its_requests_are_made() {
    let database = Database::fresh("committed").await;
    let store = database.writer().await.unwrap();
    // The first batch of a database is checked by a function, and the others by the browser.
    store.commit(batch(1, [(1, page(1))])).await.unwrap();
    watch_transactions();
    store.commit(batch(2, [(2, page(2))])).await.unwrap();
    let refused = store.commit(batch(2, [(3, page(3))])).await;
    let (sequence, stored) = (2, 2);
    assert_eq!(refused, Err(StoreError::Superseded { sequence, stored }));
    assert_eq!(store.record().await, Ok(Some(record(2))));
    store.pages(&ids([1, 2])).await.unwrap();
    store.code(&hash(1)).await.unwrap();
    store.contents(0).await.unwrap();
    store.contents(9).await.unwrap();
    store.holds_pages().await.unwrap();
    store.rewrite_log().await.unwrap();
    store.close().await;
    let store = database.writer().await.unwrap();
    store.record().await.unwrap();
    store.commit(batch(3, [(3, page(3))])).await.unwrap();
    store.clear().await.unwrap();
    // Firefox would not abort a batch that was committed explicitly and of which a request fails.
    let batches = if is_firefox() { 3 } else { 0 };
    assert_eq!(left_open(), batches);
}

#[wasm_bindgen_test]
async fn batches_follow_those_of_an_older_version() {
    let database = Database::fresh("older version").await;
    let store = database.writer().await.unwrap();
    store.commit(batch(1, [(1, page(1))])).await.unwrap();
    for (old, wrong) in [(2, [2, 4]), (40, [3, 40]), (77, [46, 78 + 32])] {
        // An older version knows no turns, and leaves those of the last batch that had some.
        put_old(database.name(), old, record(u64::from(old)))
            .await
            .unwrap();
        let old = u64::from(old);
        assert_eq!(store.record().await, Ok(Some(record(old))));
        for sequence in wrong {
            let refused = store.commit(batch(sequence, [])).await;
            let stored = old;
            assert_eq!(refused, Err(StoreError::Superseded { sequence, stored }));
        }
        let next = old + 1;
        store
            .commit(batch(next, [(next, page(next))]))
            .await
            .unwrap();
        assert_eq!(store.record().await, Ok(Some(record(next))));
    }
}

#[wasm_bindgen_test]
async fn of_two_writers_at_once_the_later_one_is_refused() {
    let database = Database::fresh("two writers").await;
    let store = database.writer().await.unwrap();
    store.commit(batch(1, [(1, page(1))])).await.unwrap();
    // The lock fails: a script of the page has stolen it.
    let other = database.reader().await.unwrap();
    let lock = WriterLock::acquire("some other database").await.unwrap();
    other.promote(lock, Durability::default());
    assert_eq!(other.record().await, Ok(Some(record(1))));
    // After as many batches as there are turns, the pages' ids alone would refuse it.
    for stored in 2..33 {
        other.commit(batch(stored, [])).await.unwrap();
        let refused = store.commit(batch(2, [(9, page(9))])).await;
        let sequence = 2;
        assert_eq!(refused, Err(StoreError::Superseded { sequence, stored }));
    }
}

#[wasm_bindgen_test]
async fn a_reader_becomes_the_writer_when_it_gets_the_lock() {
    let database = Database::fresh("promoted").await;
    let writer = database.writer().await.unwrap();
    let reader = database.reader().await.unwrap();
    assert_eq!(reader.commit(batch(1, [])).await, Err(StoreError::ReadOnly));
    let turn = WriterLock::wait(database.name(), JsValue::UNDEFINED);
    writer.commit(batch(1, [(1, page(1))])).await.unwrap();
    writer.close().await;
    reader.promote(turn.await.unwrap(), Durability::default());
    assert_eq!(reader.commit(batch(2, [])).await, Ok(()));
    assert_eq!(database.writer().await.err(), Some(StoreError::Locked));
    reader.demote();
    assert_eq!(reader.commit(batch(3, [])).await, Err(StoreError::ReadOnly));
    assert_eq!(
        next_writer(&database).await.commit(batch(3, [])).await,
        Ok(())
    );
}

#[wasm_bindgen_test]
async fn an_end_from_outside_differs_from_an_end_by_close() {
    let database = Database::fresh("ended").await;
    let reader = database.reader().await.unwrap();
    let ended = reader.ended();
    IndexedDb::delete(database.name()).await.unwrap();
    assert!(ended.await);
    let reader = database.reader().await.unwrap();
    let ended = reader.ended();
    reader.close().await;
    assert!(!ended.await);
}

#[wasm_bindgen_test]
async fn pages_without_a_record_are_seen() {
    let database = Database::fresh("pages only").await;
    let store = database.writer().await.unwrap();
    assert_eq!(store.holds_pages().await, Ok(false));
    store.commit(batch(1, [(1, page(1))])).await.unwrap();
    database.lose_record().await;
    assert_eq!(store.record().await, Ok(None));
    assert_eq!(store.holds_pages().await, Ok(true));
}

/// Opens the next writer, when the browser has passed the lock on.
async fn next_writer(database: &Database) -> IndexedDb {
    let lock = WriterLock::wait(database.name(), JsValue::UNDEFINED)
        .await
        .unwrap();
    IndexedDb::open_to_write(lock, Durability::default())
        .await
        .unwrap()
}

#[wasm_bindgen_test]
async fn a_database_of_another_program_is_refused() {
    let database = Database::fresh("not ours").await;
    open_as_other(database.name(), SCHEMA_VERSION, vec!["toys".into()])
        .await
        .unwrap();
    close_others();
    let Err(StoreError::Other { name, .. }) = database.writer().await else {
        panic!()
    };
    assert_eq!(name, "NotFoundError");
}

#[wasm_bindgen_test]
async fn a_deletion_closes_every_connection_and_frees_the_lock() {
    let database = Database::fresh("deleted").await;
    let writer = database.writer().await.unwrap();
    let reader = database.reader().await.unwrap();
    writer.commit(batch(1, [(1, page(1))])).await.unwrap();
    IndexedDb::delete(database.name()).await.unwrap();
    assert_eq!(writer.commit(batch(2, [])).await, Err(StoreError::Closed));
    assert_eq!(reader.record().await, Err(StoreError::Closed));
    // The next writer need not wait until the old one is dropped.
    let writer = database.writer().await.unwrap();
    assert_eq!(writer.record().await, Ok(None));
    assert_eq!(writer.pages(&ids([1])).await, Ok(vec![None]));
}

#[wasm_bindgen_test]
async fn a_deletion_that_is_blocked_says_so_and_happens_when_the_other_connection_closes() {
    let database = Database::fresh("blocked").await;
    drop(database.writer().await.unwrap());
    open_as_other(database.name(), SCHEMA_VERSION, vec![])
        .await
        .unwrap();
    assert_eq!(
        IndexedDb::delete(database.name()).await,
        Err(StoreError::Blocked)
    );
    close_others();
    // The browser opens the database after it has deleted it.
    assert_eq!(database.reader().await.unwrap().record().await, Ok(None));
}

/// In about one of ten runs, the mark of a closed writer was still being written when its `close`
/// had ended.
#[wasm_bindgen_test]
async fn a_closed_writer_blocks_no_deletion() {
    for _ in 0..30 {
        let database = Database::fresh("closed").await;
        let writer = database.writer().await.unwrap();
        writer.record().await.unwrap();
        writer.commit(batch(1, [(1, page(1))])).await.unwrap();
        writer.close().await;
        assert_eq!(IndexedDb::delete(database.name()).await, Ok(()));
    }
}

#[wasm_bindgen_test]
async fn a_dropped_connection_does_not_block_a_deletion() {
    let database = Database::fresh("dropped").await;
    drop(database.reader().await.unwrap());
    drop(database.writer().await.unwrap());
    // A connection that is dropped before it is open does not block it either.
    assert!(
        IndexedDb::open_to_read(database.name())
            .now_or_never()
            .is_none()
    );
    assert_eq!(IndexedDb::delete(database.name()).await, Ok(()));
    let names = Array::from(&database_names().await.unwrap());
    assert!(!names.includes(&JsString::from(database.name()), 0));
}

#[wasm_bindgen_test]
async fn values_of_a_wrong_type_count_as_missing() {
    let database = Database::fresh("foreign values").await;
    let store = database.writer().await.unwrap();
    store.commit(batch(1, [(1, page(1))])).await.unwrap();
    for value in [
        JsValue::from_str("page"),
        JsValue::NULL,
        Array::new().into(),
    ] {
        put_raw(database.name(), "pages", Some(value.clone()))
            .await
            .unwrap();
        assert_eq!(store.pages(&ids([1])).await, Ok(vec![None]));
        put_raw(database.name(), "meta", Some(value)).await.unwrap();
        assert_eq!(store.record().await, Ok(None));
    }
    // The next writer starts as in an empty store.
    assert_eq!(store.commit(batch(1, [(1, page(2))])).await, Ok(()));
    assert_eq!(store.pages(&ids([1])).await, Ok(vec![Some(page(2))]));
}

#[wasm_bindgen_test]
async fn a_number_javascript_would_round_is_refused_with_its_batch() {
    let database = Database::fresh("numbers").await;
    let store = database.writer().await.unwrap();
    let highest = (1 << 53) - 1;
    let rounded = batch(1, [(1, page(1)), (highest + 1, page(2))]);
    let Err(StoreError::Other { name, .. }) = store.commit(rounded).await else {
        panic!()
    };
    assert_eq!(name, "RangeError");
    assert_eq!(store.pages(&ids([1])).await, Ok(vec![None]));
    store.commit(batch(1, [(highest, page(1))])).await.unwrap();
    assert_eq!(store.pages(&ids([highest])).await, Ok(vec![Some(page(1))]));
    let beyond = ids([highest + 1, highest + 2, u64::MAX]);
    assert_eq!(store.pages(&beyond).await, Ok(vec![None, None, None]));
    let delete = vec![PageId(highest)..PageId(u64::MAX)];
    store
        .commit(Batch {
            delete,
            ..batch(2, [])
        })
        .await
        .unwrap();
    assert_eq!(store.pages(&ids([highest])).await, Ok(vec![None]));
}

#[wasm_bindgen_test]
async fn a_page_that_is_no_secure_context_may_read_but_not_write() {
    let database = Database::fresh("no locks").await;
    withhold("locks");
    let refused = WriterLock::acquire(database.name()).await.err();
    restore("locks");
    assert_eq!(
        refused,
        Some(StoreError::Unsupported {
            api: "Web Locks API (navigator.locks)"
        })
    );
    assert_eq!(database.reader().await.unwrap().record().await, Ok(None));
}

#[wasm_bindgen_test]
async fn a_lock_request_that_is_dropped_leaves_the_lock_free() {
    let mut waiting = Box::pin(WriterLock::acquire("abandoned"));
    // The request is dropped before the browser answers it.
    assert!(waiting.as_mut().now_or_never().is_none());
    drop(waiting);
    // The browser needs a moment to notice.
    while WriterLock::acquire("abandoned").await.is_err() {}
}

#[wasm_bindgen_test]
async fn a_writer_dropped_unclosed_frees_the_lock() {
    let database = Database::fresh("dropped writer").await;
    drop(database.writer().await.unwrap());
    while database.writer().await.is_err() {}
}

#[wasm_bindgen_test]
async fn the_strict_store_stores() {
    let database = Database::fresh("strict").await;
    let lock = WriterLock::acquire(database.name()).await.unwrap();
    let store = IndexedDb::open_to_write(lock, Durability::Strict)
        .await
        .unwrap();
    let with_code = coded(batch(1, [(1, page(1))]), vec![(hash(1), vec![1])]);
    store.commit(with_code).await.unwrap();
    assert_eq!(store.record().await, Ok(Some(record(1))));
}

#[wasm_bindgen_test]
async fn usage_grows_by_what_is_stored() {
    let database = Database::fresh("usage").await;
    let store = database.writer().await.unwrap();
    let before = bytes_used().await;
    store
        .commit(batch(1, (0..256).map(|id| (id, page(id)))))
        .await
        .unwrap();
    let after = bytes_used().await;
    assert!(
        after > before + 256.0 * 16.0 * 1024.0 / 2.0,
        "{before} to {after}"
    );
    persist().await.unwrap();
}

mod in_memory {
    use super::*;

    macro_rules! in_memory {
        ($($case:ident)*) => {$(
            #[wasm_bindgen_test]
            async fn $case() {
                store_suite::$case(&MemoryDisk::default()).await;
            }
        )*};
    }

    every_case!(in_memory);
}

macro_rules! in_indexed_db {
    ($($case:ident)*) => {$(
        #[wasm_bindgen_test]
        async fn $case() {
            store_suite::$case(&Database::fresh(stringify!($case)).await).await;
        }
    )*};
}

every_case!(in_indexed_db);
