//! The store passes every case of the suite in a dedicated worker too, where a sync usually runs.
#![cfg(target_arch = "wasm32")]
#![allow(clippy::unwrap_used)]

mod store_browser;
#[macro_use]
mod store_suite;

use snaplight::store::{StoreError, indexed_db::WriterLock};
use store_browser::{Database, bytes_used, persist};
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_dedicated_worker);

macro_rules! in_a_worker {
    ($($case:ident)*) => {$(
        #[wasm_bindgen_test]
        async fn $case() {
            store_suite::$case(&Database::fresh(concat!("worker: ", stringify!($case))).await).await;
        }
    )*};
}

every_case!(in_a_worker);

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
async fn usage_is_known_and_only_pages_may_ask_for_persistence() {
    assert!(bytes_used().await >= 0.0);
    assert!(persist().await.is_err());
}
