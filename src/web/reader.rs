//! Reads the last complete state: pages down from its root, each verified before it is used.

use std::cell::Cell;
use std::rc::Rc;

use super::backend::Backend;
use super::driver::Driver;
use super::errors::JsError;
use super::page_cache::{PageCache, PageLoadError};
use super::read_priority::ReadPriority;
use crate::hash::Hash;
use crate::state::read::{Lookup, Step};
use crate::state::{Account, Code, Complete};
use crate::store::Store;
use crate::trie::keccak;

/// What to read. Accounts and slots are given by the hashes of their address and number.
#[derive(Clone, Copy, Debug)]
pub(super) enum Query {
    Account(Hash),
    Slot(Hash, Hash),
    /// The code of an account.
    CodeOf(Hash),
    /// The code with this hash.
    Code(Hash),
}

/// What was read, in bytes, and the state that it was read from.
pub(super) struct ReadResult {
    pub(super) state: Complete,
    /// An account: nonce 8 bytes, balance 32, code hash 32, storage root 32, or no bytes if it is
    /// proven not to exist. A slot: its value in 32 bytes, zero if it is proven not to be set. A
    /// code: its bytes.
    pub(super) value: Vec<u8>,
    /// The hash of a code.
    pub(super) code_hash: Option<Hash>,
}

/// Looks up values in the last complete state. Any number of look-ups may be under way. Bound: the
/// caller's calls.
pub(super) struct StateReader {
    driver: Rc<Driver>,
    store: Rc<Backend>,
    readers: Rc<ReadPriority>,
    pages: Rc<PageCache>,
    /// Which incarnation of the database the cached pages belong to.
    incarnation: Cell<[u8; 16]>,
}

impl StateReader {
    pub(super) fn new(
        driver: Rc<Driver>,
        store: Rc<Backend>,
        readers: Rc<ReadPriority>,
    ) -> StateReader {
        StateReader {
            pages: Rc::new(PageCache::new(store.clone(), readers.clone())),
            incarnation: Cell::new(driver.incarnation()),
            driver,
            store,
            readers,
        }
    }

    /// Notes that somebody was given what [`StateReader::read`] found.
    pub(super) fn note_read(&self) {
        self.readers.note_read();
    }

    /// Forgets the cached pages, so that the next reads look at what is stored.
    pub(super) fn forget(&self) {
        self.pages.forget();
    }

    /// Reads anything. One function for all queries, because a function for each would be compiled
    /// with a whole look-up inside.
    pub(super) async fn read(&self, query: Query) -> Result<ReadResult, JsError> {
        loop {
            let (hash, state, named) = match query {
                Query::Code(hash) => (hash, self.complete()?, false),
                Query::Account(account) | Query::CodeOf(account) | Query::Slot(account, _) => {
                    let slot = match query {
                        Query::Slot(_, slot) => Some(slot),
                        _ => None,
                    };
                    let (step, state) = self.look_up(account, slot).await?;
                    let found = match step {
                        Step::Slot(value) => return Ok(ReadResult::of(state, value.to_vec())),
                        Step::Account(found) => found,
                        _ => return Err(not_tracked("This part of the state", &state)),
                    };
                    match (query, found) {
                        (Query::CodeOf(_), Some(found)) if found.code == Code::Missing => {
                            return Err(not_tracked("The code of this account", &state));
                        }
                        (Query::CodeOf(_), found) => {
                            let hash =
                                found.map_or(Hash::EMPTY_CODE, |found| found.account.code_hash);
                            (hash, state, true)
                        }
                        (_, found) => {
                            let body = found.map(|found| body(&found.account));
                            return Ok(ReadResult::of(state, body.unwrap_or_default()));
                        }
                    }
                }
            };
            if let Some(found) = self.code(hash, state, named).await? {
                return Ok(found);
            }
        }
    }

    /// Reads a code. `named`: an account's leaf says that the code is held, so the database is
    /// damaged if it is missing. `None` if it is missing and a new state has become complete
    /// meanwhile, which need not name it.
    async fn code(
        &self,
        hash: Hash,
        state: Complete,
        named: bool,
    ) -> Result<Option<ReadResult>, JsError> {
        let code = match hash {
            hash if hash == Hash::EMPTY_CODE => Some(Vec::new()),
            hash => self.store.code(&hash).await?,
        };
        if code.is_none() {
            self.driver.catch_up().await?;
            if self.complete()?.top != state.top {
                return Ok(None);
            }
        }
        match code {
            Some(value) if keccak(&value) == hash => Ok(Some(ReadResult {
                state,
                value,
                code_hash: Some(hash),
            })),
            None if !named => Err(not_tracked(&format!("The code {hash}"), &state)),
            _ => Err(self.driver.damaged_code(hash)),
        }
    }

    /// Goes down from the root until there is an answer. If a page is missing or wrong and a new
    /// state has become complete meanwhile, the page was replaced, and the look-up starts again in
    /// the new state. If the state is unchanged, the page is damaged.
    async fn look_up(
        &self,
        account: Hash,
        slot: Option<Hash>,
    ) -> Result<(Step, Complete), JsError> {
        'state: loop {
            let state = self.complete()?;
            let incarnation = self.driver.incarnation();
            if self.incarnation.replace(incarnation) != incarnation {
                self.pages.forget();
            }
            let mut lookup = match slot {
                None => Lookup::account(state.top.page(), account),
                Some(slot) => Lookup::slot(state.top.page(), account, slot),
            };
            while let Step::Need(wanted) = *lookup.step() {
                match self.pages.get(&wanted).await {
                    Ok(page) => {
                        lookup.feed_verified(&page);
                    }
                    Err(PageLoadError::Store(error)) => return Err(error.into()),
                    Err(PageLoadError::Page(error)) => {
                        self.driver.catch_up().await?;
                        if self.complete()?.top != state.top {
                            continue 'state;
                        }
                        return Err(self.driver.damaged_page(&wanted, &error));
                    }
                }
            }
            return Ok((lookup.step().clone(), state));
        }
    }

    fn complete(&self) -> Result<Complete, JsError> {
        if self.driver.is_closing() {
            return Err(JsError::closed());
        }
        let no_state = || {
            JsError::new(
                "NO_STATE",
                "No state is complete yet, so there is nothing to read: await a sync first.",
            )
        };
        self.driver.complete().ok_or_else(no_state)
    }
}

impl ReadResult {
    fn of(state: Complete, value: Vec<u8>) -> ReadResult {
        ReadResult {
            state,
            value,
            code_hash: None,
        }
    }
}

fn body(account: &Account) -> Vec<u8> {
    let mut body = account.nonce.to_be_bytes().to_vec();
    for word in [
        &account.balance,
        &account.code_hash.0,
        &account.storage_root.0,
    ] {
        body.extend(word);
    }
    body
}

fn not_tracked(what: &str, state: &Complete) -> JsError {
    JsError::new(
        "NOT_TRACKED",
        format!(
            "{what} is not held in the state of {}, so nothing can be said about it.",
            state.top.root()
        ),
    )
}
