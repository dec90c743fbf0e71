//! The store keeps its promises in a dedicated worker too, where a sync usually runs.
#![cfg(target_arch = "wasm32")]
#![allow(clippy::unwrap_used)]

mod store_browser;
mod store_suite;

use snaplight::store::{
    StoreError,
    indexed_db::{self, WriterLock},
};
use store_browser::Database;
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_dedicated_worker);

#[wasm_bindgen_test]
async fn the_whole_suite_passes_on_indexed_db() {
    store_suite::every_case(Database::fresh).await;
}

#[wasm_bindgen_test]
async fn the_writers_lock_is_exclusive() {
    let lock = WriterLock::acquire("worker").await.unwrap();
    assert_eq!(
        WriterLock::acquire("worker").await.err(),
        Some(StoreError::Locked)
    );
    lock.release().await;
    WriterLock::acquire("worker").await.unwrap();
}

#[wasm_bindgen_test]
async fn usage_is_known_and_persistence_is_for_pages_to_ask() {
    indexed_db::usage().await.unwrap();
    let api = "navigator.storage.persist";
    assert_eq!(
        indexed_db::persist().await,
        Err(StoreError::Unsupported { api })
    );
}
