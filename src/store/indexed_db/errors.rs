//! Makes a `StoreError` of what the browser throws.

use crate::store::StoreError;
use js_sys::Reflect;
use wasm_bindgen::JsValue;

/// Names of the `DOMException`s that mean something to us (Web IDL, "Error names").
const QUOTA_EXCEEDED: &str = "QuotaExceededError";
const CONSTRAINT: &str = "ConstraintError";
const SECURITY: &str = "SecurityError";
pub(super) const VERSION: &str = "VersionError";
pub(super) const INVALID_STATE: &str = "InvalidStateError";

/// An exception, a rejection or an event's error.
pub(super) fn thrown(value: &JsValue) -> StoreError {
    let name = name_of(value);
    match name.as_str() {
        QUOTA_EXCEEDED => StoreError::Quota,
        _ => StoreError::Other {
            name,
            message: text(value, "message"),
        },
    }
}

/// The reason that a transaction gives for its abort. A full disk is reported only here: no request
/// fails.
pub(super) fn aborted(reason: &JsValue) -> StoreError {
    let name = name_of(reason);
    match name.as_str() {
        QUOTA_EXCEEDED => StoreError::Quota,
        // Only `add` can break a constraint here: a page's, or that of a turn.
        CONSTRAINT => StoreError::Exists,
        "" => StoreError::Aborted {
            name: "AbortError".to_owned(),
            message: String::new(),
        },
        _ => StoreError::Aborted {
            name,
            message: text(reason, "message"),
        },
    }
}

/// An error of the `idb` crate. Most of them wrap what the browser threw.
pub(super) fn idb(error: idb::Error) -> StoreError {
    use idb::Error;
    match error {
        // The getter throws where storage is denied.
        Error::IndexedDbNotFound(value) if name_of(&value) == SECURITY => thrown(&value),
        Error::IndexedDbNotFound(_) => StoreError::Unsupported { api: "IndexedDB" },
        Error::DomException(exception) => thrown(&exception),
        Error::AddFailed(value)
        | Error::ClearFailed(value)
        | Error::DeleteFailed(value)
        | Error::GetAllKeysFailed(value)
        | Error::GetFailed(value)
        | Error::IndexedDbDeleteFailed(value)
        | Error::IndexedDbOpenFailed(value)
        | Error::KeyRangeCreateFailed(value)
        | Error::ObjectStoreCreateFailed(value)
        | Error::ObjectStoreNotFound(value)
        | Error::RequestResultNotFound(value)
        | Error::UpdateFailed(value) => thrown(&value),
        // An answer that browsers do not give. The crate's own message for it would cost the module
        // 4 kB.
        _ => StoreError::Other {
            name: "TypeError".to_owned(),
            message: "the browser's answer is of an unexpected kind".to_owned(),
        },
    }
}

pub(super) fn name_of(value: &JsValue) -> String {
    text(value, "name")
}

/// A property that should be a string; empty if `value` is no object or has none.
fn text(value: &JsValue, property: &str) -> String {
    Reflect::get(value, &JsValue::from_str(property))
        .ok()
        .and_then(|text| text.as_string())
        .unwrap_or_default()
}
