//! What is under way, so that closing can wait for its end.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::task::{Poll, Waker};

/// The sync and the commits under way, and how far closing has come.
#[derive(Debug, Default)]
pub(super) struct Lifecycle {
    /// A target was given, and its end is not told yet.
    is_syncing: Cell<bool>,
    commits_in_flight: Cell<usize>,
    /// The engine has work left, and the loop goes on with it in a later turn.
    is_turn_ahead: Cell<bool>,
    stage: Cell<Stage>,
    /// The caller of `close()`, until everything has ended. One at a time:
    /// [`Lifecycle::begin_closing`].
    closer: RefCell<Option<Waker>>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Open,
    /// New calls are refused; what is under way ends.
    Closing,
    Closed,
}

impl Lifecycle {
    /// `false` if a sync is under way already.
    #[must_use]
    pub(super) fn begin_sync(&self) -> bool {
        !self.is_syncing.replace(true)
    }

    pub(super) fn end_sync(&self) {
        self.is_syncing.set(false);
    }

    pub(super) fn begin_commit(&self) {
        self.commits_in_flight.update(|count| count + 1);
    }

    pub(super) fn end_commit(&self) {
        debug_assert!(self.is_storing(), "more commits ended than began");
        self.commits_in_flight
            .update(|count| count.saturating_sub(1));
    }

    pub(super) fn is_storing(&self) -> bool {
        self.commits_in_flight.get() > 0
    }

    /// The loop has ended: with work left for a later turn, or without.
    pub(super) fn note_turn_ahead(&self, is_ahead: bool) {
        self.is_turn_ahead.set(is_ahead);
    }

    /// `false` if somebody closes already.
    #[must_use]
    pub(super) fn begin_closing(&self) -> bool {
        let is_open = self.stage.get() == Stage::Open;
        if is_open {
            self.stage.set(Stage::Closing);
        }
        is_open
    }

    pub(super) fn end_closing(&self) {
        self.stage.set(Stage::Closed);
    }

    /// Whether `close` was called.
    pub(super) fn is_closing(&self) -> bool {
        self.stage.get() != Stage::Open
    }

    pub(super) fn is_closed(&self) -> bool {
        self.stage.get() == Stage::Closed
    }

    /// Waits until no sync and no commit is under way, and none is due: a batch that waits for
    /// readers is not lost. For the caller of `close()`.
    pub(super) async fn quiet(&self) {
        poll_fn(|context| {
            if self.is_quiet() {
                return Poll::Ready(());
            }
            self.closer.replace(Some(context.waker().clone()));
            Poll::Pending
        })
        .await;
    }

    /// Wakes the caller of `close()`, if nothing is under way any more.
    pub(super) fn wake_if_quiet(&self) {
        if let Some(waker) = self.is_quiet().then(|| self.closer.take()).flatten() {
            waker.wake();
        }
    }

    fn is_quiet(&self) -> bool {
        !self.is_syncing.get() && !self.is_storing() && !self.is_turn_ahead.get()
    }
}
