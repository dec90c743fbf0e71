//! One writer per database, across tabs and workers: the Web Locks API.

use super::{
    errors,
    global::{self, LockManager, Pending},
    signal::signal,
};
use crate::store::StoreError;
use js_sys::{Function, Object, Promise};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;

/// The right to write to one database, for as long as this value lives. The browser releases
/// it when the tab dies.
#[derive(Debug)]
pub struct WriterLock {
    database: String,
    held: Held,
    /// Settled by the browser once others can have the lock.
    released: Promise,
}

/// Holds the lock until it is dropped: then it resolves the promise that the browser waits for.
#[derive(Debug)]
struct Held(Function);

impl WriterLock {
    /// Takes the lock if nobody has it; [`StoreError::Locked`] at once if somebody does.
    ///
    /// [`StoreError::Unsupported`] where the browser has no locks to offer: on a page that is not a
    /// secure context (plain http, except localhost). Opening for reading still works there.
    pub async fn acquire(database: &str) -> Result<WriterLock, StoreError> {
        WriterLock::request(database, true, &JsValue::UNDEFINED).await
    }

    /// Waits in line for the lock: until everybody who has it or asked for it before has closed the
    /// database or died.
    ///
    /// The place in the line is kept even if the future is dropped; the lock is then released as
    /// soon as it is granted. `leaving`, an `AbortSignal` or `undefined`, gives the place up and
    /// fails the wait. It matters, because the wait may last as long as another tab lives, and
    /// keeps everything that waits alive.
    pub async fn wait(database: &str, leaving: JsValue) -> Result<WriterLock, StoreError> {
        WriterLock::request(database, false, &leaving).await
    }

    async fn request(
        database: &str,
        if_available: bool,
        leaving: &JsValue,
    ) -> Result<WriterLock, StoreError> {
        let manager: LockManager = global::navigator("locks", "Web Locks API (navigator.locks)")?;
        let options = Object::new();
        global::set(&options, "mode", &JsValue::from_str("exclusive"))?;
        global::set(&options, "ifAvailable", &if_available.into())?;
        global::set(&options, "signal", leaving)?;

        let (sender, answer) = signal();
        let granted = {
            let sender = sender.clone();
            global::once(Box::new(move |lock| {
                if lock.is_null() {
                    sender.send(Err(StoreError::Locked));
                    return JsValue::UNDEFINED;
                }
                let mut resolver = None;
                let holding = Promise::new(&mut |resolve, _reject| resolver = Some(resolve));
                // If nobody waits any more, this is dropped at once, which releases the lock.
                let held = resolver.map(Held);
                sender.send(held.ok_or(StoreError::Unsupported { api: "Promise" }));
                holding.into()
            }))
        };
        // The API may refuse, for instance in a document that is being torn down.
        let refused = global::once(Box::new(move |reason| {
            sender.send(Err(errors::thrown(&reason)));
            JsValue::UNDEFINED
        }));
        // Both functions outlive this future if it is dropped.
        let request = manager
            .request(&lock_name(database), &options, granted.unchecked_ref())
            .map_err(|thrown| errors::thrown(&thrown))?;
        let _ = request
            .unchecked_ref::<Pending>()
            .on_rejection(refused.unchecked_ref());
        let held = answer.await?;
        Ok(WriterLock {
            database: database.to_owned(),
            held,
            released: request,
        })
    }

    /// Releases the lock now, and waits until others can have it. Dropping the lock releases it a
    /// moment later.
    pub fn release(self) -> impl Future<Output = ()> {
        drop(self.held);
        async move {
            // It rejects if somebody stole the lock. We do not hold it then either.
            let _ = JsFuture::from(self.released).await;
        }
    }

    /// The name of the database that the lock is for.
    pub fn database(&self) -> &str {
        &self.database
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // Resolving a promise does not throw.
        let _ = self.0.call0(&JsValue::UNDEFINED);
    }
}

/// All programs of an origin share one space of lock names, so ours begin with our name.
fn lock_name(database: &str) -> String {
    format!("snaplight:writer:{database}")
}
