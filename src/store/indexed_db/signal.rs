//! Makes a future of a browser's callback.

use std::{
    cell::Cell,
    future::Future,
    pin::Pin,
    rc::{Rc, Weak},
    task::{Context, Poll, Waker},
};

/// Waits for the first value that any of its [`Sender`]s sends. Can be awaited once.
pub(super) struct Receiver<T>(Rc<Shared<T>>);

/// Sends the value. Every callback that may do so has a clone, and the first to send decides. A
/// later value is dropped, and so is a value that nobody waits for any more: its `Drop` closes what
/// it owns (a connection, a lock).
pub(super) struct Sender<T>(Weak<Shared<T>>);

/// What a receiver shares with its senders.
struct Shared<T> {
    value: Cell<Option<T>>,
    settled: Cell<bool>,
    waker: Cell<Option<Waker>>,
}

/// A sender, to be cloned for each callback, and the future that it resolves.
pub(super) fn signal<T>() -> (Sender<T>, Receiver<T>) {
    let shared = Rc::new(Shared {
        value: Cell::new(None),
        settled: Cell::new(false),
        waker: Cell::new(None),
    });
    (Sender(Rc::downgrade(&shared)), Receiver(shared))
}

impl<T> Sender<T> {
    pub(super) fn send(&self, value: T) {
        let Some(shared) = self.0.upgrade() else {
            return;
        };
        if shared.settled.replace(true) {
            return;
        }
        shared.value.set(Some(value));
        if let Some(waker) = shared.waker.take() {
            waker.wake();
        }
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        Sender(self.0.clone())
    }
}

impl<T> Future for Receiver<T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        match self.0.value.take() {
            Some(value) => Poll::Ready(value),
            None => {
                self.0.waker.set(Some(context.waker().clone()));
                Poll::Pending
            }
        }
    }
}
