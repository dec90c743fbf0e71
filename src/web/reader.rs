//! Reading the last complete state: pages down from its root, each proven before it is believed.

use std::cell::Cell;
use std::rc::Rc;

use super::driver::Driver;
use super::errors::Trouble;
use super::pages::{Miss, Pages};
use crate::hash::Hash;
use crate::state::read::{FoundAccount, Lookup, Step};
use crate::state::{Account, Code, Complete, PageRef};
use crate::store::Store;
use crate::trie::keccak;

/// Something read, and the state that proves it.
pub(super) struct Answer<T> {
    pub(super) value: T,
    pub(super) state: Complete,
}

/// Look-ups in the last complete state. Any number may be under way.
pub(super) struct Reader {
    driver: Rc<Driver>,
    pages: Rc<Pages>,
    /// Of which making of the database the proven pages are.
    incarnation: Cell<[u8; 16]>,
}

impl Reader {
    pub(super) fn new(driver: Rc<Driver>) -> Reader {
        Reader {
            pages: Rc::new(Pages::new(driver.clone())),
            incarnation: Cell::new(driver.incarnation()),
            driver,
        }
    }

    /// Forgets the pages that were proven, so that the next reads look at what is stored.
    pub(super) fn forget(&self) {
        self.pages.forget();
    }

    /// `None`: proven not to exist.
    pub(super) async fn account(&self, account: &Hash) -> Result<Answer<Option<Account>>, Trouble> {
        let Answer { value, state } = self.found(account).await?;
        Ok(Answer {
            value: value.map(|found| found.account),
            state,
        })
    }

    /// Zero: proven not to be set.
    pub(super) async fn slot(
        &self,
        account: &Hash,
        slot: &Hash,
    ) -> Result<Answer<[u8; 32]>, Trouble> {
        let Answer { value, state } = self
            .look_up(|page| Lookup::slot(page, *account, *slot))
            .await?;
        match value {
            Step::Slot(value) => Ok(Answer { value, state }),
            _ => Err(not_tracked("This storage slot", &state)),
        }
    }

    /// The code of an account and its hash; empty if it has none or does not exist.
    pub(super) async fn code_of(&self, account: &Hash) -> Result<(Hash, Answer<Vec<u8>>), Trouble> {
        let Answer { value, state } = self.found(account).await?;
        let hash = match value {
            Some(FoundAccount {
                code: Code::Missing,
                ..
            }) => return Err(not_tracked("The code of this account", &state)),
            Some(found) => found.account.code_hash,
            None => Hash::EMPTY_CODE,
        };
        // The account's leaf says that it is held, so without it the database is damaged.
        let value = match self.load_code(&hash).await? {
            Some(value) => value,
            None => return Err(self.driver.damaged_code(hash)),
        };
        Ok((hash, Answer { value, state }))
    }

    /// The code with this hash.
    pub(super) async fn code(&self, hash: &Hash) -> Result<Answer<Vec<u8>>, Trouble> {
        let state = self.complete()?;
        let value = self.load_code(hash).await?;
        let value = value.ok_or_else(|| not_tracked(&format!("The code {hash}"), &state))?;
        Ok(Answer { value, state })
    }

    async fn found(&self, account: &Hash) -> Result<Answer<Option<FoundAccount>>, Trouble> {
        let Answer { value, state } = self.look_up(|page| Lookup::account(page, *account)).await?;
        match value {
            Step::Account(value) => Ok(Answer { value, state }),
            _ => Err(not_tracked("This account", &state)),
        }
    }

    async fn load_code(&self, hash: &Hash) -> Result<Option<Vec<u8>>, Trouble> {
        if *hash == Hash::EMPTY_CODE {
            return Ok(Some(Vec::new()));
        }
        let code = self.driver.store().code(hash).await?;
        match code {
            Some(code) if keccak(&code) != *hash => Err(self.driver.damaged_code(*hash)),
            code => Ok(code),
        }
    }

    /// Goes down until there is an answer. A page that is not there or not right while a new state became complete was
    /// replaced, and the look-up starts again in the new state; under an unchanged state it is damage.
    async fn look_up(
        &self,
        start: impl Fn(Option<PageRef>) -> Lookup,
    ) -> Result<Answer<Step>, Trouble> {
        'state: loop {
            let state = self.complete()?;
            let incarnation = self.driver.incarnation();
            if self.incarnation.replace(incarnation) != incarnation {
                self.pages.forget();
            }
            let mut lookup = start(state.page);
            while let Step::Need(wanted) = *lookup.step() {
                match self.pages.get(&wanted).await {
                    Ok(page) => {
                        lookup.feed_verified(&page);
                    }
                    Err(Miss::Store(fault)) => return Err(fault.into()),
                    Err(Miss::Page(error)) => {
                        self.driver.catch_up().await?;
                        if self.complete()? != state {
                            continue 'state;
                        }
                        return Err(self.driver.damaged_page(&wanted, &error));
                    }
                }
            }
            return Ok(Answer {
                value: lookup.step().clone(),
                state,
            });
        }
    }

    fn complete(&self) -> Result<Complete, Trouble> {
        if self.driver.is_closing() {
            return Err(Trouble::closed());
        }
        let no_state = || {
            Trouble::new(
                "NO_STATE",
                "No state is complete yet, so there is nothing to read: await a sync first.",
            )
        };
        self.driver.complete().ok_or_else(no_state)
    }
}

fn not_tracked(what: &str, state: &Complete) -> Trouble {
    Trouble::new(
        "NOT_TRACKED",
        format!(
            "{what} is not held in the state of {}, so nothing can be said about it.",
            state.root
        ),
    )
}
