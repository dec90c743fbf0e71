//! Opens, upgrades and deletes databases, and notices when a connection is lost.

use super::{
    CODES, Durability, META, PAGES, SCHEMA_VERSION, WriterLock, errors,
    global::{self, DurableDatabase, commit, error, listen_once, result},
    signal::{Sender, signal},
    transaction::Transaction,
};
use crate::store::StoreError;
use idb::{Factory, ObjectStoreParams};
use js_sys::{Array, Object};
use std::{cell::Cell, rc::Rc};
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Event, IdbDatabase, IdbOpenDbRequest, IdbTransaction};

/// An open connection. Dropping it closes it, because one left open would block every other tab's
/// deletion or upgrade.
pub(super) struct DbConnection {
    database: IdbDatabase,
    shared: Rc<SharedState>,
    /// The same database for `idb`, which owns the callbacks that end the connection from outside.
    handlers: idb::Database,
}

/// Shared with the callbacks that end a connection from outside.
struct SharedState {
    closed: Cell<bool>,
    /// The writer's lock. It is here, so that it is released at once when the connection ends from
    /// outside.
    lock: Cell<Option<WriterLock>>,
    /// Told when the connection ends; `true` if the browser or another tab ended it.
    close_listener: Cell<Option<Sender<bool>>>,
}

/// What a connection or a transaction may do.
#[derive(Clone, Copy)]
pub(super) enum Access {
    Read,
    Write(Durability),
}

impl DbConnection {
    /// Opens the database, creating it if there is none. The browser begins when this is called.
    pub(super) fn open(name: &str) -> impl Future<Output = Result<DbConnection, StoreError>> {
        let (sender, opened) = signal();
        let asked = ask_to_open(name, sender);
        async move {
            asked?;
            match opened.await {
                Ok(connection) => {
                    connection.check_stores()?;
                    Ok(connection)
                }
                Err(StoreError::Other { name: error, .. }) if error == errors::VERSION => {
                    Err(newer_format(name).await)
                }
                Err(error) => Err(error),
            }
        }
    }

    /// Ties the writer's lock to this connection. It is released when the connection ends in any
    /// way.
    pub(super) fn hold_lock(&self, lock: WriterLock) {
        self.shared.lock.set(Some(lock));
        // Another tab may have ended the connection in between.
        if self.shared.closed.get() {
            drop(self.shared.end());
        }
    }

    /// Releases the writer's lock and stays open.
    pub(super) fn release_lock(&self) {
        drop(self.shared.lock.take());
    }

    /// Waits for the end. Answers whether it came from outside.
    pub(super) fn ended(&self) -> impl Future<Output = bool> + 'static {
        let (sender, ended) = signal();
        self.shared.close_listener.set(Some(sender));
        ended
    }

    /// Starts a transaction over `stores`. It takes its place in the database's queue now.
    pub(super) fn begin(&self, stores: &[&str], access: Access) -> Result<Transaction, StoreError> {
        if self.shared.closed.get() {
            return Err(StoreError::Closed);
        }
        let (mode, durability) = match access {
            Access::Read => ("readonly", Durability::Relaxed),
            Access::Write(durability) => ("readwrite", durability),
        };
        let options = Object::new();
        global::set(
            &options,
            "durability",
            &JsValue::from_str(durability.name()),
        )?;
        let names: Array = stores.iter().map(|name| JsValue::from_str(name)).collect();
        let database: &DurableDatabase = self.database.unchecked_ref();
        match database.transaction(&names, mode, &options) {
            Ok(transaction) => Transaction::new(transaction),
            // The browser has closed the connection and has not told us yet.
            Err(thrown) if errors::name_of(&thrown) == errors::INVALID_STATE => {
                self.shared.tell_closed(true);
                drop(self.close());
                Err(StoreError::Closed)
            }
            Err(thrown) => Err(errors::thrown(&thrown)),
        }
    }

    /// Ends the connection, and hands out the lock it had. Transactions under way still finish: the
    /// browser waits for them.
    pub(super) fn close(&self) -> Option<WriterLock> {
        self.database.close();
        self.shared.tell_closed(false);
        self.shared.end()
    }

    fn new(database: idb::Database) -> DbConnection {
        let database: IdbDatabase = database.into();
        let shared = Rc::new(SharedState {
            closed: Cell::new(false),
            lock: Cell::new(None),
            close_listener: Cell::new(None),
        });
        let mut handlers = idb::Database::from(database.clone());
        // Another tab wants to delete or upgrade the database. Its user has asked for that, so we
        // close at once.
        let (making_way, ended) = (database.clone(), Rc::clone(&shared));
        handlers.on_version_change(move |_| {
            making_way.close();
            drop(ended.end());
            ended.tell_closed(true);
        });
        // The browser closed it, for instance because the user cleared the site's data.
        let ended = Rc::clone(&shared);
        handlers.on_close(move |_| {
            drop(ended.end());
            ended.tell_closed(true);
        });
        DbConnection {
            database,
            shared,
            handlers,
        }
    }

    /// Refuses a database of this name and version that another program made. Every later step
    /// would fail.
    fn check_stores(&self) -> Result<(), StoreError> {
        let names = self.handlers.store_names();
        let ours = [PAGES, CODES, META]
            .iter()
            .all(|ours| names.iter().any(|name| name == ours));
        if ours {
            return Ok(());
        }
        Err(StoreError::Other {
            name: "NotFoundError".to_owned(),
            message: "a database of this name exists and is not Snaplight's".to_owned(),
        })
    }
}

impl Drop for DbConnection {
    fn drop(&mut self) {
        drop(self.close());
        // The closures are dropped next, and the browser must not call them any more.
        self.database.set_onversionchange(None);
        self.database.set_onclose(None);
    }
}

impl SharedState {
    fn end(&self) -> Option<WriterLock> {
        self.closed.set(true);
        self.lock.take()
    }

    fn tell_closed(&self, from_outside: bool) {
        if let Some(close_listener) = self.close_listener.take() {
            close_listener.send(from_outside);
        }
    }
}

/// Deletes the database, if there is one. Snaplight's own connections close by themselves.
///
/// [`StoreError::Blocked`] if another connection stays open; the deletion happens when that is
/// closed.
pub(super) async fn delete(name: &str) -> Result<(), StoreError> {
    let (sender, deleted) = signal();
    let request: IdbOpenDbRequest = Factory::new()
        .and_then(|factory| factory.delete(name))
        .map_err(errors::idb)?
        .into();
    answer(&request, sender, |_| Ok(()))?;
    deleted.await
}

/// Schema version 1: three object stores without key paths or indexes. Later versions add their
/// steps here.
fn create_stores(database: idb::Database) -> Result<(), StoreError> {
    for name in [PAGES, CODES, META] {
        database
            .create_object_store(name, ObjectStoreParams::new())
            .map_err(errors::idb)?;
    }
    Ok(())
}

/// Begins to open the database, creating it if there is none, and sends the outcome to `sender`.
fn ask_to_open(
    name: &str,
    sender: Sender<Result<DbConnection, StoreError>>,
) -> Result<(), StoreError> {
    let request = request_open(name, Some(SCHEMA_VERSION))?;
    let upgraded = sender.clone();
    listen_once(&request, "onupgradeneeded", move |event| {
        if let Err(error) = database(&event).and_then(create_stores) {
            upgraded.send(Err(error));
        }
        if let Some(upgrade) = upgrade_of(&event) {
            commit(&upgrade);
        }
    })?;
    answer_open(&request, sender)
}

/// Sends the outcome of an open request to `sender`. If a connection comes after a `Blocked`,
/// nobody takes it, and its `Drop` closes it.
fn answer_open(
    request: &IdbOpenDbRequest,
    sender: Sender<Result<DbConnection, StoreError>>,
) -> Result<(), StoreError> {
    answer(request, sender, |event| {
        database(event).map(DbConnection::new)
    })
}

/// Sends the outcome of a request to `sender`, even if the caller's future is gone.
fn answer<T: 'static>(
    request: &IdbOpenDbRequest,
    sender: Sender<Result<T, StoreError>>,
    value: impl FnOnce(&Event) -> Result<T, StoreError> + 'static,
) -> Result<(), StoreError> {
    let (failed, blocked) = (sender.clone(), sender.clone());
    listen_once(request, "onsuccess", move |event| {
        sender.send(value(&event));
    })?;
    listen_once(request, "onerror", move |event| {
        failed.send(Err(errors::thrown(&error(&event))));
    })?;
    listen_once(request, "onblocked", move |_| {
        blocked.send(Err(StoreError::Blocked));
    })
}

fn request_open(name: &str, version: Option<u32>) -> Result<IdbOpenDbRequest, StoreError> {
    let request = Factory::new().and_then(|factory| factory.open(name, version));
    request.map(IdbOpenDbRequest::from).map_err(errors::idb)
}

/// The transaction that makes the object stores, of an open request's event.
fn upgrade_of(event: &Event) -> Option<IdbTransaction> {
    let request: IdbOpenDbRequest = event.target()?.unchecked_into();
    request.transaction()
}

/// The database that an open request's event is about.
fn database(event: &Event) -> Result<idb::Database, StoreError> {
    let database: IdbDatabase = result(event)?.unchecked_into();
    Ok(database.into())
}

/// The error for a database of a newer version. The browser's `VersionError` does not say which, so
/// the database is opened once more without asking for a version.
async fn newer_format(name: &str) -> StoreError {
    let found = async {
        let (sender, opened) = signal();
        let request = request_open(name, None)?;
        // The database was deleted in between. Without this, an empty one without object stores
        // would take its place.
        listen_once(&request, "onupgradeneeded", |event| {
            // It throws if the upgrade was aborted already.
            let _ = upgrade_of(&event).map(|upgrade| upgrade.abort());
        })?;
        answer_open(&request, sender)?;
        let connection = opened.await?;
        connection.handlers.version().map_err(errors::idb)
    };
    match found.await {
        Ok(found) => StoreError::NewerFormat {
            found,
            supported: SCHEMA_VERSION,
        },
        Err(error) => error,
    }
}
