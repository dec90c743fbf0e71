//! Why a store fails.

use core::fmt;

/// A store's failure. In every case nothing of the batch that failed is in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreError {
    /// The origin's storage quota is used up. Everything older is intact, and the same batch may be
    /// tried again once there is space.
    Quota,
    /// The browser aborted the transaction. The reason is a `DOMException`'s name and message.
    Aborted {
        /// For instance `UnknownError`; `AbortError` if the browser gave no reason.
        name: String,
        /// For people.
        message: String,
    },
    /// The batch does not follow the last one that landed: the batch before it failed, or there was
    /// another writer.
    Superseded {
        /// The refused batch's sequence.
        sequence: u64,
        /// The stored record's sequence, 0 if there is none.
        stored: u64,
    },
    /// The batch has a page under an id that is taken. Pages never change, so one of two writers is
    /// wrong.
    Exists,
    /// Another tab or worker writes to this database.
    Locked,
    /// This connection was opened for reading.
    ReadOnly,
    /// Another tab keeps an older connection open. A deletion still happens once that is closed.
    Blocked,
    /// The connection has ended: by `close`, by the browser, or because another tab deletes or
    /// upgrades the database.
    Closed,
    /// A newer version of Snaplight has written the database, which is left as it is.
    NewerFormat {
        /// The database's schema version.
        found: u32,
        /// The highest that this version knows.
        supported: u32,
    },
    /// The browser lacks something that the store needs, or withholds it from this page (Web Locks
    /// need a secure context).
    Unsupported {
        /// The missing thing, for instance `Web Locks (navigator.locks)`.
        api: &'static str,
    },
    /// Any other exception of the browser.
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
            StoreError::Locked => {
                f.write_str("another page, tab or worker writes to this database")
            }
            StoreError::ReadOnly => f.write_str("the database was opened for reading only"),
            StoreError::Blocked => f.write_str("another tab keeps the database open"),
            StoreError::Closed => f.write_str("the database connection is closed"),
            StoreError::NewerFormat { found, supported } => {
                write!(
                    f,
                    "the database has format {found}, this version knows up to {supported}"
                )
            }
            StoreError::Unsupported { api } => write!(f, "there is no {api} here"),
            StoreError::Other { name, message } => write!(f, "{name}: {message}"),
        }
    }
}

impl core::error::Error for StoreError {}
