//! The few browser interfaces that `web-sys` does not offer stably, reached the same way in pages
//! and in workers.

use super::errors;
use crate::store::StoreError;
use js_sys::{Array, Function, Object, Promise, Reflect, Uint8Array};
use wasm_bindgen::{JsCast, JsValue, closure::Closure, prelude::wasm_bindgen};
use web_sys::{Event, IdbTransaction};

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

    /// A `Promise`, for the one call whose function JavaScript keeps and not we.
    pub(super) type Pending;

    #[wasm_bindgen(method, js_name = catch)]
    pub(super) fn on_rejection(this: &Pending, callback: &Function) -> Promise;

    /// `IDBDatabase`, for the one call that takes a durability.
    pub(super) type DurableDatabase;

    #[wasm_bindgen(method, catch)]
    pub(super) fn transaction(
        this: &DurableDatabase,
        stores: &Array,
        mode: &str,
        options: &Object,
    ) -> Result<IdbTransaction, JsValue>;

    /// `IDBTransaction`, for its `commit`, which `web-sys` calls deprecated.
    type Committed;

    #[wasm_bindgen(method, catch)]
    fn commit(this: &Committed) -> Result<(), JsValue>;

    #[wasm_bindgen(js_namespace = crypto, js_name = getRandomValues, catch)]
    fn get_random_values(array: &Uint8Array) -> Result<(), JsValue>;

    #[wasm_bindgen(js_namespace = ["navigator", "userAgent"], js_name = includes, catch)]
    fn agent_includes(part: &str) -> Result<bool, JsValue>;
}

/// Says that no request comes any more, so the browser ends the transaction even if our page stands
/// still from now on. Without this it ends when its last event has been handled, and other tabs
/// wait for that.
pub(super) fn commit(transaction: &IdbTransaction) {
    // It throws if the transaction was aborted already, which its `abort` event tells.
    let _ = transaction.unchecked_ref::<Committed>().commit();
}

/// Whether this is Firefox: see `batch.rs`. Nothing but its name tells, and other browsers say "like
/// Gecko".
pub(super) fn is_gecko() -> bool {
    // Its name is searched by JavaScript, because Rust's search would cost the module 4 kB.
    agent_includes("Gecko/").unwrap_or(false)
}

/// Fills `array`, of at most 65,536 bytes.
pub(super) fn random(array: &Uint8Array) -> Result<(), StoreError> {
    get_random_values(array).map_err(|thrown| errors::thrown(&thrown))
}

/// `navigator[property]`; [`StoreError::Unsupported`] if the browser has none. `api` is its full
/// name.
pub(super) fn navigator<T: JsCast>(property: &str, api: &'static str) -> Result<T, StoreError> {
    let navigator = get(&js_sys::global(), "navigator")?;
    if !navigator.is_object() {
        return Err(StoreError::Unsupported { api });
    }
    let value = get(&navigator, property)?;
    if !value.is_object() {
        return Err(StoreError::Unsupported { api });
    }
    Ok(value.unchecked_into())
}

/// Calls `callback` with the first event that `target` gives to the handler with this name, e.g.
/// `onsuccess`.
///
/// It works even if nobody waits any more. The function belongs to `target`, so the browser's
/// collector frees both. The `idb` crate removes its functions too early or keeps them for ever,
/// with all that they own.
pub(super) fn listen_once(
    target: &JsValue,
    handler: &str,
    callback: impl FnOnce(Event) + 'static,
) -> Result<(), StoreError> {
    let function = once(Box::new(move |event| {
        callback(event.unchecked_into());
        JsValue::UNDEFINED
    }));
    set(target.unchecked_ref(), handler, &function)
}

/// A function that works once, and that the browser's collector frees, called or not.
pub(super) fn once(callback: Box<dyn FnOnce(JsValue) -> JsValue>) -> JsValue {
    let mut callback = Some(callback);
    Closure::<dyn FnMut(JsValue) -> JsValue>::new(move |argument| match callback.take() {
        Some(callback) => callback(argument),
        None => JsValue::UNDEFINED,
    })
    .into_js_value()
}

/// The result of the request that an event is about.
pub(super) fn result(event: &Event) -> Result<JsValue, StoreError> {
    get(&of_target(event), "result")
}

/// The error of the request or transaction that an event is about.
pub(super) fn error(event: &Event) -> JsValue {
    get(&of_target(event), "error").unwrap_or(JsValue::UNDEFINED)
}

fn of_target(event: &Event) -> JsValue {
    event.target().map_or(JsValue::UNDEFINED, JsValue::from)
}

pub(super) fn get(object: &JsValue, key: &str) -> Result<JsValue, StoreError> {
    Reflect::get(object, &JsValue::from_str(key)).map_err(|thrown| errors::thrown(&thrown))
}

pub(super) fn set(object: &Object, key: &str, value: &JsValue) -> Result<(), StoreError> {
    Reflect::set(object, &JsValue::from_str(key), value)
        .map(|_| ())
        .map_err(|thrown| errors::thrown(&thrown))
}
