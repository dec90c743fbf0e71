//! How much the origin stores, and the request to keep it.

use super::{
    errors,
    global::{self, StorageManager},
};
use crate::store::StoreError;
use js_sys::Promise;
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::JsFuture;

/// Bytes the whole origin stores, by `navigator.storage.estimate()`. The quota it also names is a constant that says
/// nothing about the disk, so it is not handed on.
pub async fn usage() -> Result<u64, StoreError> {
    let estimate = settled(storage()?.estimate()).await?;
    // `as` saturates, and a missing figure is no usage.
    Ok(global::get(&estimate, "usage")?.as_f64().unwrap_or(0.0) as u64)
}

/// Asks the browser not to evict the origin's storage under pressure; whether it agreed. Some browsers ask the user. Only
/// pages can ask: in a worker this is [`StoreError::Unsupported`].
pub async fn persist() -> Result<bool, StoreError> {
    let storage = storage()?;
    if !global::get(storage.as_ref(), "persist")?.is_function() {
        return Err(StoreError::Unsupported {
            api: "navigator.storage.persist",
        });
    }
    Ok(settled(storage.persist()).await?.is_truthy())
}

fn storage() -> Result<StorageManager, StoreError> {
    global::navigator("storage", "navigator.storage")
}

async fn settled(promise: Result<Promise, JsValue>) -> Result<JsValue, StoreError> {
    match promise {
        Ok(promise) => JsFuture::from(promise).await,
        Err(thrown) => Err(thrown),
    }
    .map_err(|thrown| errors::thrown(&thrown))
}
