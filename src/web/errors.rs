//! Errors on their way to JavaScript: a code that `pkg/lib/errors.js` makes a class of, and a
//! message that says what happened, to what, and what to do.

use wasm_bindgen::JsValue;

use super::object::Fields;
use crate::state::RecordError;
use crate::store::StoreError;
use crate::sync::Failure;
use crate::wire::rpc::HeaderError;

/// Name of the `DOMException` for storage that is denied.
const SECURITY: &str = "SecurityError";

/// An error for JavaScript, where it is a plain object with these fields.
#[derive(Clone, Debug)]
pub(super) struct JsError {
    code: &'static str,
    message: String,
    /// Of what is not tracked: whether it will be.
    pending: bool,
}

impl JsError {
    pub(super) fn new(code: &'static str, message: impl Into<String>) -> JsError {
        JsError {
            code,
            message: message.into(),
            pending: false,
        }
    }

    pub(super) fn with_pending(self, pending: bool) -> JsError {
        JsError { pending, ..self }
    }

    pub(super) fn closed() -> JsError {
        JsError::new(
            "CLOSED",
            "The database was closed before the answer was there.",
        )
    }

    /// `remedy`: what is done about it, without a full stop.
    pub(super) fn damaged(what: &str, remedy: &str) -> JsError {
        let message = format!(
            "The database is damaged: {what}. Nothing of that is answered. {remedy}: read again \
             after the event 'repaired'."
        );
        JsError::new("DAMAGED", message)
    }
}

impl From<JsError> for JsValue {
    fn from(error: JsError) -> JsValue {
        Fields::new()
            .text("code", error.code)
            .text("message", &error.message)
            .value("pending", error.pending)
            .into()
    }
}

impl From<StoreError> for JsError {
    fn from(error: StoreError) -> JsError {
        let (code, advice) = match &error {
            StoreError::Quota => (
                "QUOTA",
                "Nothing is lost: make space, or ask navigator.storage.persist(), and call sync again",
            ),
            StoreError::Aborted { .. } => ("STORE_ABORTED", "Nothing is lost: call sync again"),
            StoreError::Superseded { .. } | StoreError::Exists => (
                "STORE_SUPERSEDED",
                "Somebody else wrote to this database: close it and open it again",
            ),
            StoreError::Locked => ("LOCKED", "Close it there first"),
            StoreError::Blocked => ("STORE_BLOCKED", "Close the other tabs of this site"),
            StoreError::Closed => ("CLOSED", "Open it again"),
            StoreError::NewerFormat { .. } => (
                "STORE_NEWER",
                "Update the package, or delete the database with deleteDatabase",
            ),
            StoreError::Unsupported { .. } => (
                "UNSUPPORTED",
                "Use an https or localhost page in Chrome 96, Firefox 96, Safari 16.4 or newer, or open \
                 with memory: true",
            ),
            // A frame without an origin of its own, or blocked cookies: it stays so.
            StoreError::Other { name, .. } if name == SECURITY => (
                "UNSUPPORTED",
                "This page may not store anything: allow cookies and site data for it, give its \
                 sandboxed frame allow-same-origin, or open with memory: true",
            ),
            StoreError::ReadOnly | StoreError::Other { .. } => {
                ("STORE_FAILED", "What was committed is intact; try again")
            }
        };
        JsError::new(
            code,
            // A browser's own words may end with a full stop.
            format!(
                "{}. {advice}.",
                capitalised(error.to_string().trim_end_matches('.'))
            ),
        )
    }
}

impl From<HeaderError> for JsError {
    fn from(error: HeaderError) -> JsError {
        let message = format!("The header cannot be a target: {error}. Check where it comes from.");
        JsError::new("WRONG_HEADER", message)
    }
}

impl From<RecordError> for JsError {
    fn from(error: RecordError) -> JsError {
        match error {
            RecordError::NewerFormat { found, supported } => JsError::new(
                "STORE_NEWER",
                format!(
                    "The database has format {found}, this version of the package knows \
                     {supported}. Update the package, or delete the database with deleteDatabase."
                ),
            ),
            RecordError::Damaged => JsError::new(
                "STORE_FAILED",
                "The root record is not what was written. Close the database and open it again.",
            ),
        }
    }
}

/// Why a sync failed.
pub(super) fn failure(failure: Failure) -> JsError {
    let code = match failure {
        Failure::Store(error) => return error.into(),
        Failure::BogusRoot(_) => "BOGUS_ROOT",
        Failure::Tree(_) | Failure::Defect(_) => "CRASHED",
    };
    JsError::new(code, format!("The sync failed: {failure}."))
}

/// Our sentences begin with a letter of ASCII. Unicode's table of capitals would make the module
/// 4.4 kB larger as brotli sends it.
fn capitalised(text: &str) -> String {
    let mut text = text.to_owned();
    if let Some(first) = text.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    text
}
