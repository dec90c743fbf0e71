//! Reading the last complete state: pages down from its root, each proven before it is believed.

use std::cell::RefCell;
use std::rc::Rc;

use super::driver::Driver;
use super::errors::Trouble;
use crate::hash::Hash;
use crate::state::page::{Folds, PageError, VerifiedPage};
use crate::state::read::{FoundAccount, Lookup, Step, Wanted};
use crate::state::{Account, Code, Complete, PageId, PageRef};
use crate::store::Store;
use crate::trie::keccak;

/// Proven pages kept: the upper pages of a large state (a thousand accounts to a page, so some hundred pages name a
/// hundred million) and what was read last. Decoded, 256 pages of 16 KiB are about 10 MiB at most.
const MAX_CACHED_PAGES: usize = 256;

/// Something read, and the state root that proves it.
pub(super) struct Answer<T> {
    pub(super) value: T,
    pub(super) root: Hash,
}

/// Look-ups in the last complete state. Any number may be under way.
pub(super) struct Reader {
    driver: Rc<Driver>,
    /// Scratch memory for proving.
    folds: RefCell<Folds>,
    cache: Cache,
}

impl Reader {
    pub(super) fn new(driver: Rc<Driver>) -> Reader {
        Reader {
            driver,
            folds: RefCell::new(Folds::new()),
            cache: Cache::default(),
        }
    }

    /// `None`: proven not to exist.
    pub(super) async fn account(&self, account: &Hash) -> Result<Answer<Option<Account>>, Trouble> {
        let Answer { value, root } = self.found(account).await?;
        Ok(Answer {
            value: value.map(|found| found.account),
            root,
        })
    }

    /// Zero: proven not to be set.
    pub(super) async fn slot(
        &self,
        account: &Hash,
        slot: &Hash,
    ) -> Result<Answer<[u8; 32]>, Trouble> {
        let Answer { value, root } = self
            .look_up(|page| Lookup::slot(page, *account, *slot))
            .await?;
        match value {
            Step::Slot(value) => Ok(Answer { value, root }),
            _ => Err(not_tracked("This storage slot", &root)),
        }
    }

    /// The code of an account and its hash; empty if it has none or does not exist.
    pub(super) async fn code_of(&self, account: &Hash) -> Result<(Hash, Answer<Vec<u8>>), Trouble> {
        let Answer { value, root } = self.found(account).await?;
        let hash = match value {
            Some(FoundAccount {
                code: Code::Missing,
                ..
            }) => return Err(not_tracked("The code of this account", &root)),
            Some(found) => found.account.code_hash,
            None => Hash::EMPTY_CODE,
        };
        let value = self.load_code(&hash, &root).await?;
        Ok((hash, Answer { value, root }))
    }

    /// The code with this hash.
    pub(super) async fn code(&self, hash: &Hash) -> Result<Answer<Vec<u8>>, Trouble> {
        let root = self.complete()?.root;
        let value = self.load_code(hash, &root).await?;
        Ok(Answer { value, root })
    }

    async fn found(&self, account: &Hash) -> Result<Answer<Option<FoundAccount>>, Trouble> {
        let Answer { value, root } = self.look_up(|page| Lookup::account(page, *account)).await?;
        match value {
            Step::Account(value) => Ok(Answer { value, root }),
            _ => Err(not_tracked("This account", &root)),
        }
    }

    async fn load_code(&self, hash: &Hash, root: &Hash) -> Result<Vec<u8>, Trouble> {
        if *hash == Hash::EMPTY_CODE {
            return Ok(Vec::new());
        }
        let code = self.driver.store().code(hash).await?;
        let code = code.ok_or_else(|| not_tracked(&format!("The code {hash}"), root))?;
        match keccak(&code) == *hash {
            true => Ok(code),
            false => Err(Trouble::damaged(&format!(
                "the code {hash} has another hash"
            ))),
        }
    }

    /// Goes down until there is an answer. A page that is not there or not right while a new state became complete was
    /// replaced, and the look-up starts again in the new state; under an unchanged state it is damage.
    async fn look_up(
        &self,
        start: impl Fn(Option<PageRef>) -> Lookup,
    ) -> Result<Answer<Step>, Trouble> {
        'state: loop {
            let complete = self.complete()?;
            let mut lookup = start(complete.page);
            while let Step::Need(wanted) = *lookup.step() {
                let page = match self.page(&wanted).await? {
                    Ok(page) => page,
                    Err(_) if self.complete()? != complete => continue 'state,
                    Err(error) => return Err(damaged(wanted.page.id, &error)),
                };
                lookup.feed_verified(&page);
            }
            let root = complete.root;
            return match lookup.step() {
                Step::Damaged { id, error } => Err(damaged(*id, error)),
                step => Ok(Answer {
                    value: step.clone(),
                    root,
                }),
            };
        }
    }

    async fn page(&self, wanted: &Wanted) -> Result<Result<Rc<VerifiedPage>, PageError>, Trouble> {
        if let Some(page) = self.cache.get(wanted.key()) {
            return Ok(Ok(page));
        }
        let pages = self.driver.store().pages(&[wanted.page.id]).await?;
        let bytes = pages.first().and_then(Option::as_deref);
        let verified = wanted.verify(bytes, &mut self.folds.borrow_mut());
        Ok(verified.map(|page| self.cache.keep(wanted.key(), page)))
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
        self.driver.record().complete.ok_or_else(no_state)
    }
}

/// Proven pages by what they were proven to be, the least recently used of them leaving first. A list, because proving a
/// page costs a thousand times more than looking through all of it.
#[derive(Default)]
struct Cache {
    /// Most recently used last.
    pages: RefCell<Vec<(Key, Rc<VerifiedPage>)>>,
}

/// A page's id, and the hash of the subtrie in it: one page may hold several.
type Key = (PageId, Hash);

impl Cache {
    fn get(&self, key: Key) -> Option<Rc<VerifiedPage>> {
        let mut pages = self.pages.borrow_mut();
        let place = pages.iter().position(|(cached, _)| *cached == key)?;
        let entry = pages.remove(place);
        let page = entry.1.clone();
        pages.push(entry);
        Some(page)
    }

    fn keep(&self, key: Key, page: VerifiedPage) -> Rc<VerifiedPage> {
        let page = Rc::new(page);
        let mut pages = self.pages.borrow_mut();
        if pages.len() >= MAX_CACHED_PAGES {
            pages.remove(0);
        }
        pages.push((key, page.clone()));
        page
    }
}

fn not_tracked(what: &str, root: &Hash) -> Trouble {
    Trouble::new(
        "NOT_TRACKED",
        format!("{what} is not held in the state of {root}, so nothing can be said about it."),
    )
}

fn damaged(page: PageId, error: &PageError) -> Trouble {
    Trouble::damaged(&format!("page {}: {error}", page.0))
}
