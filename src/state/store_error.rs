//! Why the store did not do as told.

use core::fmt;

/// A store's failure. Whatever it is, nothing of the batch it answers is in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreError {
    /// The origin's storage is full. Everything older is intact; the same batch may be tried again once there is room.
    Quota,
    /// The transaction was taken back by the browser, with the reason it gave (a `DOMException`'s name and message).
    Aborted {
        /// For instance `UnknownError`; `AbortError` if the browser gave no reason.
        name: String,
        /// For people.
        message: String,
    },
    /// The batch does not follow the last one that landed: the batch before it failed, or another writer was here.
    Superseded {
        /// The refused batch's sequence.
        sequence: u64,
        /// The sequence of what is stored, 0 if nothing is.
        stored: u64,
    },
    /// The batch holds a page under an id that is taken. Pages never change, so one of the two writers is wrong.
    Exists,
    /// Another tab or worker writes to this database.
    Locked,
    /// This connection was opened for reading.
    ReadOnly,
    /// Another tab keeps an older connection open and does not let go of it. A deletion still happens when it does.
    Blocked,
    /// The connection has ended: by `close`, because another tab deletes or upgrades the database, or by the browser.
    Closed,
    /// The database was written by a newer Snaplight. Left untouched.
    NewerFormat {
        /// The database's schema version.
        found: u32,
        /// The highest this code knows.
        supported: u32,
    },
    /// The browser lacks something the store needs, or withholds it from this page (Web Locks want a secure context).
    Unsupported {
        /// The missing thing as JavaScript names it, for instance `navigator.locks`.
        api: &'static str,
    },
    /// Anything else the browser threw.
    Other {
        /// The exception's name, for instance `DataError`.
        name: String,
        /// For people.
        message: String,
    },
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreError::Quota => f.write_str("the storage quota is exhausted"),
            StoreError::Aborted { name, message } => {
                write!(f, "the transaction was aborted: {name}: {message}")
            }
            StoreError::Superseded { sequence, stored } => {
                write!(
                    f,
                    "batch {sequence} does not follow the stored batch {stored}"
                )
            }
            StoreError::Exists => f.write_str("a page of the batch is already stored"),
            StoreError::Locked => f.write_str("another tab or worker writes to this database"),
            StoreError::ReadOnly => f.write_str("the database was opened for reading only"),
            StoreError::Blocked => f.write_str("another tab keeps the database open"),
            StoreError::Closed => f.write_str("the database connection is closed"),
            StoreError::NewerFormat { found, supported } => {
                write!(
                    f,
                    "the database has format {found}, this version knows up to {supported}"
                )
            }
            StoreError::Unsupported { api } => write!(f, "{api} is not available here"),
            StoreError::Other { name, message } => write!(f, "{name}: {message}"),
        }
    }
}

impl core::error::Error for StoreError {}
