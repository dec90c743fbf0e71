//! Opening, upgrading, losing and deleting a database.

use super::{
    CODES, Durability, META, PAGES, SCHEMA_VERSION, WriterLock, errors,
    global::{self, DurableDatabase, error, hear, result},
    signal::{Sender, signal},
    transaction::Transaction,
};
use crate::store::StoreError;
use idb::{Factory, ObjectStoreParams};
use js_sys::{Array, Object};
use std::{cell::Cell, rc::Rc};
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Event, IdbDatabase, IdbOpenDbRequest};

/// An open connection. Dropping it closes it: one left open would block every other tab's deletion or upgrade.
pub(super) struct DbConnection {
    database: IdbDatabase,
    life: Rc<Life>,
    /// The same database as `idb` sees it: owns the callbacks that end us from outside.
    handlers: idb::Database,
}

/// Shared with the callbacks that end a connection from outside.
struct Life {
    closed: Cell<bool>,
    /// Here, so that the next writer need not wait for our owner to notice that the connection has ended.
    lock: Cell<Option<WriterLock>>,
    /// Who wants to hear of the end, and whether it was our owner's wish.
    close_listener: Cell<Option<Sender<bool>>>,
}

/// What a transaction may do.
#[derive(Clone, Copy)]
pub(super) enum Mode {
    Read,
    Write(Durability),
}

impl DbConnection {
    /// Opens the database, creating it if there is none.
    pub(super) async fn open(name: &str) -> Result<DbConnection, StoreError> {
        let (sender, opened) = signal();
        let request = request_open(name, Some(SCHEMA_VERSION))?;
        let upgraded = sender.clone();
        hear(&request, "onupgradeneeded", move |event| {
            if let Err(fault) = database(&event).and_then(create_stores) {
                upgraded.send(Err(fault));
            }
        })?;
        answer_open(&request, sender)?;

        match opened.await {
            Ok(connection) => {
                connection.check_stores()?;
                Ok(connection)
            }
            Err(StoreError::Other { name: error, .. }) if error == errors::VERSION => {
                Err(newer_format(name).await)
            }
            Err(fault) => Err(fault),
        }
    }

    /// Ties the writer's lock to this connection: given up with it, however it ends.
    pub(super) fn keep(&self, lock: WriterLock) {
        self.life.lock.set(Some(lock));
        // It may have ended in between, by another tab's wish.
        if self.life.closed.get() {
            drop(self.life.end());
        }
    }

    /// Gives the writer's lock back and stays open.
    pub(super) fn give_up_lock(&self) {
        drop(self.life.lock.take());
    }

    /// Waits for the end; whether it came from outside.
    pub(super) fn ended(&self) -> impl Future<Output = bool> + 'static {
        let (sender, ended) = signal();
        self.life.close_listener.set(Some(sender));
        ended
    }

    /// Starts a transaction over `stores`. It takes its place in the database's queue now.
    pub(super) fn begin(&self, stores: &[&str], mode: Mode) -> Result<Transaction, StoreError> {
        if self.life.closed.get() {
            return Err(StoreError::Closed);
        }
        let (mode, durability) = match mode {
            Mode::Read => ("readonly", Durability::Relaxed),
            Mode::Write(durability) => ("readwrite", durability),
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
            // The browser closed the connection and has not told us yet.
            Err(thrown) if errors::name_of(&thrown) == errors::INVALID_STATE => {
                self.life.tell_closed(true);
                drop(self.close());
                Err(StoreError::Closed)
            }
            Err(thrown) => Err(errors::thrown(&thrown)),
        }
    }

    /// Ends the connection, and hands out the lock it had. Transactions under way still finish: the browser waits for them.
    pub(super) fn close(&self) -> Option<WriterLock> {
        self.database.close();
        self.life.tell_closed(false);
        self.life.end()
    }

    fn new(database: idb::Database) -> DbConnection {
        let database: IdbDatabase = database.into();
        let life = Rc::new(Life {
            closed: Cell::new(false),
            lock: Cell::new(None),
            close_listener: Cell::new(None),
        });
        let mut handlers = idb::Database::from(database.clone());
        // Another tab wants to delete or upgrade the database. It is the user's wish there, so we make way at once.
        let (making_way, ended) = (database.clone(), Rc::clone(&life));
        handlers.on_version_change(move |_| {
            making_way.close();
            drop(ended.end());
            ended.tell_closed(true);
        });
        // The browser closed it, for instance because the user cleared the site's data.
        let ended = Rc::clone(&life);
        handlers.on_close(move |_| {
            drop(ended.end());
            ended.tell_closed(true);
        });
        DbConnection {
            database,
            life,
            handlers,
        }
    }

    /// A database of this name and version that somebody else made would fail at every step; say so at the first.
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
        // Their closures go with us; the browser must not call them any more.
        self.database.set_onversionchange(None);
        self.database.set_onclose(None);
    }
}

impl Life {
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

/// Deletes the database, if there is one. Our own connections make way by themselves.
///
/// [`StoreError::Blocked`] if somebody's does not; the deletion then happens once it is gone.
pub(super) async fn delete(name: &str) -> Result<(), StoreError> {
    let (sender, deleted) = signal();
    let request: IdbOpenDbRequest = Factory::new()
        .and_then(|factory| factory.delete(name))
        .map_err(errors::idb)?
        .into();
    answer(&request, sender, |_| Ok(()))?;
    deleted.await
}

/// Schema version 1: three stores without key paths or indexes. Later versions add their step here, from the old version on.
fn create_stores(database: idb::Database) -> Result<(), StoreError> {
    for name in [PAGES, CODES, META] {
        database
            .create_object_store(name, ObjectStoreParams::new())
            .map_err(errors::idb)?;
    }
    Ok(())
}

/// Lets an open request answer `sender`, now or later: a connection that comes after a `Blocked` is closed by its `Drop`.
fn answer_open(
    request: &IdbOpenDbRequest,
    sender: Sender<Result<DbConnection, StoreError>>,
) -> Result<(), StoreError> {
    answer(request, sender, |event| {
        database(event).map(DbConnection::new)
    })
}

/// Lets a request answer `sender`, also when the caller's future is gone.
fn answer<T: 'static>(
    request: &IdbOpenDbRequest,
    sender: Sender<Result<T, StoreError>>,
    value: impl FnOnce(&Event) -> Result<T, StoreError> + 'static,
) -> Result<(), StoreError> {
    let (failed, blocked) = (sender.clone(), sender.clone());
    hear(request, "onsuccess", move |event| {
        sender.send(value(&event));
    })?;
    hear(request, "onerror", move |event| {
        failed.send(Err(errors::thrown(&error(&event))));
    })?;
    hear(request, "onblocked", move |_| {
        blocked.send(Err(StoreError::Blocked));
    })
}

fn request_open(name: &str, version: Option<u32>) -> Result<IdbOpenDbRequest, StoreError> {
    let request = Factory::new().and_then(|factory| factory.open(name, version));
    request.map(IdbOpenDbRequest::from).map_err(errors::idb)
}

/// The database that an open request's event is about.
fn database(event: &Event) -> Result<idb::Database, StoreError> {
    let database: IdbDatabase = result(event)?.unchecked_into();
    Ok(database.into())
}

/// The browser says `VersionError` and not which version there is; opening without asking for one tells.
async fn newer_format(name: &str) -> StoreError {
    let found = async {
        let (sender, opened) = signal();
        let request = request_open(name, None)?;
        // The database went away in between. Do not leave an empty one without stores in its place.
        hear(&request, "onupgradeneeded", |event| {
            let request = event
                .target()
                .map(JsCast::unchecked_into::<IdbOpenDbRequest>);
            if let Some(upgrade) = request.and_then(|request| request.transaction()) {
                let _ = upgrade.abort();
            }
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
        Err(fault) => fault,
    }
}
