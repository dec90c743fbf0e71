//! Errors on their way to JavaScript: a code that `pkg/lib/errors.js` makes a class of, and a message that says what
//! happened, to what, and what to do.

use wasm_bindgen::JsValue;

use super::object::Plain;
use crate::state::RecordError;
use crate::store::StoreFault;
use crate::sync::{Failure, StoreTrouble};

/// An error for JavaScript.
#[derive(Clone, Debug)]
pub(super) struct Trouble {
    code: &'static str,
    message: String,
}

impl Trouble {
    pub(super) fn new(code: &'static str, message: impl Into<String>) -> Trouble {
        Trouble {
            code,
            message: message.into(),
        }
    }

    pub(super) fn closed() -> Trouble {
        Trouble::new(
            "CLOSED",
            "The database was closed before the answer was there.",
        )
    }

    /// `remedy`: what is done about it, without a full stop.
    pub(super) fn damaged(what: &str, remedy: &str) -> Trouble {
        let message = format!(
            "The database is damaged: {what}. Nothing of that is answered. {remedy}: read again after the event 'repaired'."
        );
        Trouble::new("DAMAGED", message)
    }
}

impl From<Trouble> for JsValue {
    fn from(trouble: Trouble) -> JsValue {
        Plain::new()
            .with("code", trouble.code)
            .with("message", trouble.message)
            .into()
    }
}

impl From<StoreFault> for Trouble {
    fn from(fault: StoreFault) -> Trouble {
        let (code, advice) = match &fault {
            StoreFault::Quota => (
                "QUOTA",
                "Nothing is lost: make space, or ask navigator.storage.persist(), and call sync again",
            ),
            StoreFault::Aborted { .. } => ("STORE_ABORTED", "Nothing is lost: call sync again"),
            StoreFault::Superseded { .. } | StoreFault::Exists => (
                "STORE_SUPERSEDED",
                "Somebody else wrote to this database: close it and open it again",
            ),
            StoreFault::Locked => (
                "LOCKED",
                "The database is open already, here or in another tab or worker: close it there first",
            ),
            StoreFault::Blocked => ("STORE_BLOCKED", "Close the other tabs of this site"),
            StoreFault::Closed => ("CLOSED", "Open it again"),
            StoreFault::NewerFormat { .. } => (
                "STORE_NEWER",
                "Update the package, or delete the database with deleteDatabase",
            ),
            StoreFault::Unsupported { .. } => (
                "UNSUPPORTED",
                "Use a secure page (https or localhost) in a current browser, or open with memory: true",
            ),
            StoreFault::ReadOnly | StoreFault::Other { .. } => {
                ("STORE_FAILED", "What was committed is intact; try again")
            }
        };
        Trouble::new(
            code,
            format!("{}. {advice}.", capitalised(&fault.to_string())),
        )
    }
}

impl From<RecordError> for Trouble {
    fn from(error: RecordError) -> Trouble {
        match error {
            RecordError::NewerFormat { found, supported } => Trouble::new(
                "STORE_NEWER",
                format!(
                    "The database has format {found}, this version of the package knows {supported}. \
                     Update the package, or delete the database with deleteDatabase."
                ),
            ),
            RecordError::Damaged => Trouble::new(
                "STORE_FAILED",
                "The root record is not what was written. Close the database and open it again.",
            ),
        }
    }
}

/// The engine's word for a store's failure; the fault itself stays with the driver, for the user.
pub(super) fn trouble(fault: &StoreFault) -> StoreTrouble {
    match fault {
        StoreFault::Quota => StoreTrouble::Full,
        StoreFault::Superseded { .. } | StoreFault::Exists => StoreTrouble::Superseded,
        other => StoreTrouble::Failed(other.to_string()),
    }
}

/// Why a sync failed. `fault` is the store's fault behind it, if there was one: it says more than the engine's word.
pub(super) fn failure(failure: &Failure, fault: Option<StoreFault>) -> Trouble {
    let code = match (failure, fault) {
        (Failure::Store(_), Some(fault)) => return fault.into(),
        (Failure::Store(StoreTrouble::Full), None) => "QUOTA",
        (Failure::Store(StoreTrouble::Superseded), None) => "STORE_SUPERSEDED",
        (Failure::Store(StoreTrouble::Failed(_)), None) => "STORE_FAILED",
        (Failure::Damaged(_), _) => "DAMAGED",
        (Failure::BogusRoot(_), _) => "BOGUS_ROOT",
        (Failure::Tree(_) | Failure::Defect(_), _) => "CRASHED",
    };
    Trouble::new(code, format!("The sync failed: {failure}."))
}

fn capitalised(text: &str) -> String {
    let mut rest = text.chars();
    rest.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(rest).collect()
    })
}
