//! Who writes. One tab does; the others read what it has completed, and one of them takes its place when it goes.

use std::rc::Rc;

use wasm_bindgen::JsValue;
use wasm_bindgen_futures::spawn_local;

use super::backend::Backend;
use super::driver::Driver;
use super::errors::JsError;
use super::event_loop;
use super::object;
use crate::hash::Hash;
use crate::state::{Network, Record, RecordError};
use crate::store::Store;
use crate::store::indexed_db::WriterLock;

/// Most codes whose hashes are kept in memory, 32 bytes each: twice what mainnet has. Those above are asked for again.
const MAX_CODES_HELD: usize = 4_000_000;

/// What a database holds when it is opened or taken over.
pub(super) struct StoredState {
    pub(super) record: Record,
    pub(super) codes: Vec<Hash>,
    /// What had to be given up, in words.
    pub(super) lost: Option<&'static str>,
}

impl StoredState {
    /// Reads the record, and a writer's codes. A record that is damaged or gone is replaced by a fresh one: whatever else
    /// is stored is then reached by nothing, and goes.
    pub(super) async fn load(
        store: &Backend,
        name: &str,
        network: Network,
        writes: bool,
    ) -> Result<StoredState, JsError> {
        let stored = store.record().await?;
        let decoded = stored.as_deref().map(Record::decode).transpose();
        let (record, lost) = match decoded {
            Ok(Some(record)) => (record, None),
            Ok(None) if writes && store.holds_pages().await? => (
                fresh(network)?,
                Some("its root record is gone, without which nothing of it can be proven"),
            ),
            Ok(None) => (fresh(network)?, None),
            Err(RecordError::Damaged) => (
                fresh(network)?,
                Some("its root record is not what was written, or names a page of another state"),
            ),
            Err(newer) => return Err(newer.into()),
        };
        if record.network != network {
            let message = format!(
                "The database '{name}' belongs to network {} with genesis block {}. Open it for that one, or choose \
                 another name.",
                record.network.id, record.network.genesis
            );
            return Err(JsError::new("WRONG_NETWORK", message));
        }
        let codes = match writes {
            true => store.codes_held(MAX_CODES_HELD).await?,
            false => Vec::new(),
        };
        if lost.is_some() && writes {
            store.clear().await?;
        }
        let (codes, lost) = match lost {
            Some(_) => (Vec::new(), lost.filter(|_| writes)),
            None => (codes, None),
        };
        Ok(StoredState {
            record,
            codes,
            lost,
        })
    }
}

impl Driver {
    pub(super) fn is_writer(&self) -> bool {
        self.followed.borrow().is_none()
    }

    /// Of which making of the database the pages are.
    pub(super) fn incarnation(&self) -> [u8; 16] {
        match &*self.followed.borrow() {
            Some(record) => record.incarnation,
            None => self.engine.borrow().record().incarnation,
        }
    }

    /// A follower reads again what the writer has completed. A writer knows.
    pub(super) async fn catch_up(&self) -> Result<(), JsError> {
        if self.is_writer() {
            return Ok(());
        }
        let stored = self.store.record().await?;
        // Without a record that can be read, the last one stands until the writer has written its next.
        let Some(record) = stored.and_then(|bytes| Record::decode(&bytes).ok()) else {
            return Ok(());
        };
        let before = self.complete();
        {
            let mut followed = self.followed.borrow_mut();
            match &mut *followed {
                Some(last) if is_later(&record, last) => *last = record,
                // It is old news, or we write ourselves meanwhile.
                _ => return Ok(()),
            }
        }
        self.tell_complete(before);
        Ok(())
    }

    /// Waits until nobody else writes, and is the writer from then on; `false` if the database was
    /// closed before. `leaving` is [`WriterLock::wait`]'s.
    pub(super) async fn take_over(
        self: &Rc<Self>,
        name: &str,
        network: Network,
        leaving: JsValue,
    ) -> Result<bool, JsError> {
        let lock = WriterLock::wait(name, leaving).await?;
        if self.is_closing() {
            lock.release().await;
            return Ok(false);
        }
        self.store.promote(lock);
        match StoredState::load(&self.store, name, network, true).await {
            Ok(found) => {
                let before = self.complete();
                self.engine.borrow_mut().adopt(found.record, found.codes);
                self.followed.take();
                self.tell_complete(before);
                self.begin_writing(found.lost);
                self.run();
                Ok(true)
            }
            Err(error) => {
                self.store.resign();
                Err(error)
            }
        }
    }

    /// What a writer does first: says what it found, and rewrites the log after an unclean end (`store::indexed_db`).
    pub(super) fn begin_writing(self: &Rc<Self>, lost: Option<&'static str>) {
        if let Some(lost) = lost {
            self.listener.event("damaged", "record", lost);
        }
        if self.store.ended_well() {
            return;
        }
        let driver = self.clone();
        spawn_local(async move {
            // What fails here, for instance for want of space, is tried again at the next opening.
            if driver.store.rewrite_log().await.is_ok() {
                driver.listener.event("recovered", "", "");
            }
        });
    }

    /// Tells when somebody else ends the connection.
    pub(super) fn watch_connection(self: &Rc<Self>) {
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

    fn tell_complete(&self, before: Option<crate::state::Complete>) {
        let after = self.complete();
        if after != before {
            self.listener.complete(&object::complete(after.as_ref()));
        }
    }
}

fn is_later(record: &Record, last: &Record) -> bool {
    record.network == last.network
        && (record.incarnation != last.incarnation || record.sequence > last.sequence)
}

/// The record of a database that holds nothing yet.
fn fresh(network: Network) -> Result<Record, JsError> {
    Ok(Record::fresh(event_loop::random()?, network))
}
