//! The few browser interfaces that `web-sys` does not offer stably, reached the same way in pages and in workers.

use super::fault;
use crate::store::StoreFault;
use js_sys::{Array, Function, Object, Promise, Reflect, Uint8Array};
use wasm_bindgen::{JsCast, JsValue, prelude::wasm_bindgen};
use web_sys::IdbTransaction;

#[wasm_bindgen]
extern "C" {
    /// `navigator.locks`.
    pub(super) type LockManager;

    #[wasm_bindgen(method, catch)]
    pub(super) fn request(
        this: &LockManager,
        name: &str,
        options: &Object,
        callback: &Function,
    ) -> Result<Promise, JsValue>;

    /// `navigator.storage`.
    pub(super) type StorageManager;

    #[wasm_bindgen(method, catch)]
    pub(super) fn estimate(this: &StorageManager) -> Result<Promise, JsValue>;

    #[wasm_bindgen(method, catch)]
    pub(super) fn persist(this: &StorageManager) -> Result<Promise, JsValue>;

    /// `IDBDatabase`, for the one call that takes a durability.
    pub(super) type DurableDatabase;

    #[wasm_bindgen(method, catch)]
    pub(super) fn transaction(
        this: &DurableDatabase,
        stores: &Array,
        mode: &str,
        options: &Object,
    ) -> Result<IdbTransaction, JsValue>;

    #[wasm_bindgen(js_namespace = crypto, js_name = getRandomValues, catch)]
    fn get_random_values(array: &Uint8Array) -> Result<(), JsValue>;
}

/// Fills `array`, of at most 65,536 bytes.
pub(super) fn random(array: &Uint8Array) -> Result<(), StoreFault> {
    get_random_values(array).map_err(|thrown| fault::thrown(&thrown))
}

/// `navigator[property]`, or the typed word for a browser that has none (`api` is its full name).
pub(super) fn navigator<T: JsCast>(property: &str, api: &'static str) -> Result<T, StoreFault> {
    let navigator = get(&js_sys::global(), "navigator")?;
    if !navigator.is_object() {
        return Err(StoreFault::Unsupported { api });
    }
    let value = get(&navigator, property)?;
    if !value.is_object() {
        return Err(StoreFault::Unsupported { api });
    }
    Ok(value.unchecked_into())
}

pub(super) fn get(object: &JsValue, key: &str) -> Result<JsValue, StoreFault> {
    Reflect::get(object, &JsValue::from_str(key)).map_err(|thrown| fault::thrown(&thrown))
}

pub(super) fn set(object: &Object, key: &str, value: &JsValue) -> Result<(), StoreFault> {
    Reflect::set(object, &JsValue::from_str(key), value)
        .map(|_| ())
        .map_err(|thrown| fault::thrown(&thrown))
}
