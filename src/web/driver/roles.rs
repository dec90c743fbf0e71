//! Who writes. One tab does; the others read what it has completed, and one of them takes its place
//! when it goes.

use std::rc::Rc;

use wasm_bindgen::JsValue;
use wasm_bindgen_futures::spawn_local;

use super::Driver;
use super::scopes::Followed;
use crate::hash::Hash;
use crate::state::{Complete, Network, Record};
use crate::store::Store;
use crate::store::indexed_db::WriterLock;
use crate::sync::Failure;
use crate::web::errors::{JsError, failure};
use crate::web::stored_state::{Hold, StoredState};

impl Driver {
    pub(in crate::web) fn is_writer(&self) -> bool {
        self.followed.borrow().is_none()
    }

    /// The random name that this database was given when it was made. Pages of one with another
    /// name are not its pages.
    pub(in crate::web) fn incarnation(&self) -> [u8; 16] {
        self.with_record(|record| record.incarnation)
    }

    /// The state that a read uses if it names none.
    pub(in crate::web) fn complete(&self) -> Option<Complete> {
        self.with_record(|record| record.complete)
    }

    /// The readable state with this root.
    pub(in crate::web) fn state_with_root(&self, root: &Hash) -> Option<Complete> {
        self.with_record(|record| record.state_with_root(root).copied())
    }

    /// Reads the record that reads go by: the writer's, or what a follower knows of it.
    fn with_record<T>(&self, read: impl FnOnce(&Record) -> T) -> T {
        match &*self.followed.borrow() {
            Some(followed) => read(&followed.record),
            None => read(self.engine.borrow().record()),
        }
    }

    /// Reads again what the writer has completed. Does nothing on the writer.
    pub(in crate::web) async fn catch_up(&self) -> Result<(), JsError> {
        if self.is_writer() {
            return Ok(());
        }
        // Without a record that can be read, the last one stands until the writer has written its
        // next.
        let Some(found) = self.read_record().await? else {
            return Ok(());
        };
        let before = self.held();
        {
            let mut followed = self.followed.borrow_mut();
            match &mut *followed {
                Some(last) if is_later(&found.record, &last.record) => *last = found,
                // It is not newer, or we are the writer by now.
                _ => return Ok(()),
            }
        }
        self.tell_if_held_changed(&before);
        Ok(())
    }

    /// The record, with the scopes that it names; `None` if they cannot be read.
    async fn read_record(&self) -> Result<Option<Followed>, JsError> {
        let stored = self.store.contents(0).await?;
        let record = stored.record.and_then(|bytes| Record::decode(&bytes).ok());
        Ok(record.and_then(|record| {
            let scopes = record.scopes_of(&stored.scopes)?;
            Some(Followed { record, scopes })
        }))
    }

    /// Waits until nobody else writes, and is the writer from then on; `false` if the database was
    /// closed before. `leaving` is [`WriterLock::wait`]'s.
    pub(in crate::web) async fn take_over(
        self: &Rc<Self>,
        name: &str,
        network: Network,
        hold: Option<Hold>,
        leaving: JsValue,
    ) -> Result<bool, JsError> {
        let lock = WriterLock::wait(name, leaving).await?;
        if self.lifecycle.is_closing() {
            lock.release().await;
            return Ok(false);
        }
        self.store.promote(lock);
        let found = StoredState::load(&self.store, name, network, true).await;
        // What another tab has made of it meanwhile stands, as it does for any other follower.
        let taken_over = found.and_then(|found| self.become_writer(found, hold));
        if taken_over.is_err() {
            self.store.resign();
        }
        taken_over.map(|()| true)
    }

    /// Becomes the writer of what the database holds.
    fn become_writer(
        self: &Rc<Self>,
        found: StoredState,
        hold: Option<Hold>,
    ) -> Result<(), JsError> {
        let before = self.held();
        let begins_set = found.begins_set(hold);
        let adopted =
            self.engine
                .borrow_mut()
                .take_over_record(found.record, found.scopes, found.codes);
        // A follower gets no target, and what its engine wants of the store is refused.
        debug_assert!(adopted, "the engine of a follower was at work");
        if !adopted {
            let words = "the engine of a follower was at work";
            return Err(failure(Failure::Defect(words)));
        }
        self.followed.take();
        self.tell_if_held_changed(&before);
        self.begin_writing(found.lost, begins_set);
        self.run();
        Ok(())
    }

    /// What a writer does first: it says what it found, begins a new database of a set, and rewrites
    /// the log after an unclean end (`store::indexed_db`).
    pub(in crate::web) fn begin_writing(
        self: &Rc<Self>,
        lost: Option<&'static str>,
        begins_set: bool,
    ) {
        if let Some(lost) = lost {
            self.listener.event("damaged", "record", lost);
        }
        if begins_set {
            self.begin_set();
        }
        if self.store.ended_well() {
            return;
        }
        let driver = self.clone();
        spawn_local(async move {
            // If this fails, for instance because the disk is full, the next opening tries again.
            if driver.store.rewrite_log().await.is_ok() {
                driver.listener.event("recovered", "", "");
            }
        });
    }

    /// Tells when somebody else ends the connection to the database.
    pub(in crate::web) fn watch_connection(self: &Rc<Self>) {
        let Some(ended) = self.store.ended() else {
            return;
        };
        let driver = Rc::downgrade(self);
        spawn_local(async move {
            let from_outside = ended.await;
            if let Some(driver) = driver.upgrade().filter(|_| from_outside) {
                driver.listener.event("ended", "", "");
            }
        });
    }
}

fn is_later(record: &Record, last: &Record) -> bool {
    record.network == last.network
        && (record.incarnation != last.incarnation || record.sequence > last.sequence)
}
