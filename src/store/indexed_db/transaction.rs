//! One IndexedDB transaction, and how it ends.

use super::{
    errors,
    global::{commit, error, listen_once},
    signal::{Receiver, Sender, signal},
};
use crate::store::StoreError;
use idb::ObjectStore;
use wasm_bindgen::JsValue;
use web_sys::{IdbRequest, IdbTransaction};

/// A transaction. All its requests are issued in one go, without awaiting anything, because it ends
/// by itself as soon as the event loop turns with no request pending. [`Transaction::commit`] ends
/// it without the event loop.
///
/// The `idb` crate's own future is not used. It reports an abort as a success, turns a failed
/// request into an unrelated type error before the reason for the abort is known, and misses events
/// that come before it is polled.
pub(super) struct Transaction {
    inner: idb::Transaction,
    raw: IdbTransaction,
    sender: Sender<Result<(), StoreError>>,
    over: Receiver<Result<(), StoreError>>,
}

/// Cancels a transaction, from inside its own callbacks.
#[derive(Clone)]
pub(super) struct Canceller {
    raw: IdbTransaction,
    sender: Sender<Result<(), StoreError>>,
}

impl Transaction {
    pub(super) fn new(raw: IdbTransaction) -> Result<Transaction, StoreError> {
        let (sender, over) = signal();
        let (completed, aborted) = (sender.clone(), sender.clone());
        listen_once(&raw, "oncomplete", move |_| completed.send(Ok(())))?;
        // A failed request aborts the transaction, whose `abort` event has the reason.
        listen_once(&raw, "onabort", move |event| {
            aborted.send(Err(errors::aborted(&error(&event))));
        })?;
        Ok(Transaction {
            inner: raw.clone().into(),
            raw,
            sender,
            over,
        })
    }

    pub(super) fn store(&self, name: &str) -> Result<ObjectStore, StoreError> {
        self.inner.object_store(name).map_err(errors::idb)
    }

    /// No request comes any more: see [`commit`].
    pub(super) fn commit(&self) {
        commit(&self.raw);
    }

    pub(super) fn canceller(&self) -> Canceller {
        Canceller {
            raw: self.raw.clone(),
            sender: self.sender.clone(),
        }
    }

    /// Of a transaction that only reads: all its answers are there when this request, its last one,
    /// succeeds, since requests succeed in order. That is a fifth sooner than `complete` comes.
    pub(super) fn is_over_with(&self, last: &IdbRequest) -> Result<(), StoreError> {
        let sender = self.sender.clone();
        listen_once(last, "onsuccess", move |_| sender.send(Ok(())))
    }

    /// Waits until the transaction is complete, or fails with the reason why it is not.
    pub(super) async fn complete(self) -> Result<(), StoreError> {
        self.over.await
    }
}

impl Canceller {
    /// Cancels it: nothing of the transaction will be in the store, and `error` is the reason.
    pub(super) fn cancel(&self, error: StoreError) {
        self.sender.send(Err(error));
        // It throws if the browser has aborted it already, which is what we want.
        let _ = self.raw.abort();
    }
}

/// What a `get` found, once its transaction is complete; `undefined` if it found nothing.
pub(super) fn found(request: &IdbRequest) -> Result<JsValue, StoreError> {
    request.result().map_err(|thrown| errors::thrown(&thrown))
}
