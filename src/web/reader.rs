//! Reads one of the states that can be read: pages down from its root, each verified before it is
//! used.
//!
//! A read is judged by today's scope and by the scope that its state was built for, and never by
//! what a page happens to hold.

use std::cell::Cell;
use std::rc::Rc;

use super::backend::Backend;
use super::driver::Driver;
use super::errors::JsError;
use super::page_cache::{PageCache, PageLoadError};
use super::read_priority::ReadPriority;
use crate::hash::Hash;
use crate::state::page::VerifiedPage;
use crate::state::prove::{AccountProof, ProofStep, Prover};
use crate::state::read::{Lookup, NeededPage, Step};
use crate::state::{Account, Code, Complete, Scope};
use crate::store::Store;
use crate::trie::keccak;

/// What to read. Accounts and slots are given by the hashes of their address and number.
#[derive(Clone, Debug)]
pub(super) enum Query {
    Account(Hash),
    /// Slots of an account. Bound: the caller's array.
    Slots(Hash, Vec<Hash>),
    /// The code of an account.
    CodeOf(Hash),
    /// The code with this hash.
    Code(Hash),
    /// The proof of an account and of slots of it. Bound: the caller's array.
    Proof(Hash, Vec<Hash>),
}

/// What was read, in bytes, and the state that it was read from.
pub(super) struct ReadResult {
    pub(super) state: Complete,
    /// An account: nonce 8 bytes, balance 32, code hash 32, storage root 32, or no bytes if it is
    /// proven not to exist. Slots: the value of each in 32 bytes, zero if it is proven not to be
    /// set. A code: its bytes.
    pub(super) value: Vec<u8>,
    /// The hash of a code.
    pub(super) code_hash: Option<Hash>,
    /// Of a proof, whose account is `value`.
    pub(super) proof: Option<AccountProof>,
}

/// Looks up values in the states that can be read. Any number of look-ups may be under way. Bound:
/// the caller's calls.
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

    /// Reads anything, in the state with the root `at`, or in the complete state. One function for
    /// all queries, because a function for each would be compiled with a whole look-up inside.
    ///
    /// If a page is missing or wrong and another state has taken the place of this one meanwhile,
    /// the page was replaced, and the read starts again in the new state. If the state is
    /// unchanged, the page is damaged.
    pub(super) async fn read(
        &self,
        query: &Query,
        at: Option<Hash>,
    ) -> Result<ReadResult, JsError> {
        loop {
            let state = self.state(at)?;
            self.check_scope(query, &state)?;
            let (hash, named) = match query {
                Query::Code(hash) => (*hash, false),
                Query::Proof(account, slots) => {
                    let proof = self.prove(*account, slots, at, &state).await?;
                    let Some(proof) = proof else {
                        continue;
                    };
                    let value = proof.account.as_ref().map(body).unwrap_or_default();
                    return Ok(ReadResult {
                        proof: Some(proof),
                        ..ReadResult::of(state, value)
                    });
                }
                Query::Account(account) | Query::CodeOf(account) | Query::Slots(account, _) => {
                    let slots = match query {
                        Query::Slots(_, slots) => Some(&slots[..]),
                        _ => None,
                    };
                    let Some(found) = self.look_up(*account, slots, at, &state).await? else {
                        continue;
                    };
                    match (query, found) {
                        (Query::CodeOf(_), Found::Account(_, Code::Missing | Code::Outside)) => {
                            return Err(not_tracked("The code of this account", &state, false));
                        }
                        (Query::CodeOf(_), Found::Account(account, _)) => (account.code_hash, true),
                        (Query::CodeOf(_), Found::NoAccount) => (Hash::EMPTY_CODE, true),
                        (_, Found::Account(account, _)) => {
                            return Ok(ReadResult::of(state, body(&account)));
                        }
                        (_, Found::NoAccount) => return Ok(ReadResult::of(state, Vec::new())),
                        (_, Found::Values(values)) => return Ok(ReadResult::of(state, values)),
                    }
                }
            };
            if let Some(found) = self.code(hash, at, state, named).await? {
                return Ok(found);
            }
        }
    }

    /// Refuses what today's scope or the state's leaves out.
    fn check_scope(&self, query: &Query, state: &Complete) -> Result<(), JsError> {
        let today = self.driver.scope();
        let then = self.driver.scope_of(state);
        for (scope, pending) in [(Some(&today), false), (then.as_ref(), true)] {
            if let Some(what) = left_out(query, scope) {
                return Err(not_tracked(what, state, pending));
            }
        }
        Ok(())
    }

    /// Reads a code. `named`: an account's leaf says that the code is held, so the database is
    /// damaged if it is missing. `None` if it is missing and another state has taken the place of
    /// this one meanwhile, which need not name it.
    async fn code(
        &self,
        hash: Hash,
        at: Option<Hash>,
        state: Complete,
        named: bool,
    ) -> Result<Option<ReadResult>, JsError> {
        let code = match hash {
            hash if hash == Hash::EMPTY_CODE => Some(Vec::new()),
            hash => self.store.code(&hash).await?,
        };
        if code.is_none() && self.is_replaced(at, &state).await? {
            return Ok(None);
        }
        match code {
            Some(value) if keccak(&value) == hash => Ok(Some(ReadResult {
                code_hash: Some(hash),
                ..ReadResult::of(state, value)
            })),
            None if !named => {
                let what = format!("The code {hash}");
                Err(not_tracked(&what, &state, false))
            }
            _ => Err(self.driver.damaged_code(hash)),
        }
    }

    /// Goes down from the root until there is an answer for each slot, or for the account. `None`
    /// if another state has taken the place of this one meanwhile.
    async fn look_up(
        &self,
        account: Hash,
        slots: Option<&[Hash]>,
        at: Option<Hash>,
        state: &Complete,
    ) -> Result<Option<Found>, JsError> {
        let root = state.top.page();
        let mut lookups: Vec<Lookup> = match slots {
            None => vec![Lookup::account(root, account)],
            Some(slots) => {
                let slots = slots.iter();
                slots
                    .map(|slot| Lookup::slot(root, account, *slot))
                    .collect()
            }
        };
        loop {
            // All pages that are needed now are loaded together.
            let needed: Vec<NeededPage> = lookups.iter().filter_map(needed_page).collect();
            if needed.is_empty() {
                break;
            }
            for wanted in &needed {
                self.pages.begin(wanted);
            }
            for lookup in &mut lookups {
                let Some(wanted) = needed_page(lookup) else {
                    continue;
                };
                let Some(page) = self.page(&wanted, at, state).await? else {
                    return Ok(None);
                };
                lookup.feed_verified(&page);
            }
        }
        let mut values = Vec::new();
        for lookup in &lookups {
            match lookup.step() {
                Step::Slot(value) => values.extend(value),
                Step::Account(Some(found)) => {
                    return Ok(Some(Found::Account(found.account, found.code)));
                }
                Step::Account(None) => return Ok(Some(Found::NoAccount)),
                _ => return Err(not_tracked("This part of the state", state, false)),
            }
        }
        Ok(Some(Found::Values(values)))
    }

    /// Makes a proof; `None` if another state has taken the place of this one meanwhile.
    async fn prove(
        &self,
        account: Hash,
        slots: &[Hash],
        at: Option<Hash>,
        state: &Complete,
    ) -> Result<Option<AccountProof>, JsError> {
        let mut prover = Prover::new(state.top.page(), account, slots.to_vec());
        while let ProofStep::Need(wanted) = prover.step() {
            let Some(page) = self.page(&wanted, at, state).await? else {
                return Ok(None);
            };
            prover.feed_verified(&page);
        }
        let not_held = || not_tracked("This part of the state", state, false);
        prover.into_proof().ok_or_else(not_held).map(Some)
    }

    /// A page of this state; `None` if another state has taken its place meanwhile.
    async fn page(
        &self,
        wanted: &NeededPage,
        at: Option<Hash>,
        state: &Complete,
    ) -> Result<Option<Rc<VerifiedPage>>, JsError> {
        match self.pages.get(wanted).await {
            Ok(page) => Ok(Some(page)),
            Err(PageLoadError::Store(error)) => Err(error.into()),
            Err(PageLoadError::Page(_)) if self.is_replaced(at, state).await? => Ok(None),
            Err(PageLoadError::Page(error)) => Err(self.driver.damaged_page(wanted, &error)),
        }
    }

    /// Whether a read that began in `state` finds another one now.
    async fn is_replaced(&self, at: Option<Hash>, state: &Complete) -> Result<bool, JsError> {
        self.driver.catch_up().await?;
        Ok(self.state(at)?.top != state.top)
    }

    /// The state to read: the one with this root, or the complete one.
    fn state(&self, at: Option<Hash>) -> Result<Complete, JsError> {
        if self.driver.is_closing() {
            return Err(JsError::closed());
        }
        let incarnation = self.driver.incarnation();
        if self.incarnation.replace(incarnation) != incarnation {
            self.pages.forget();
        }
        let Some(root) = at else {
            return self.driver.complete().ok_or_else(no_state);
        };
        let found = self.driver.state_with_root(&root);
        found.ok_or_else(|| no_such_state(&root))
    }
}

/// What a look-up found.
enum Found {
    Account(Account, Code),
    /// The account is proven not to exist.
    NoAccount,
    /// The slots' values, 32 bytes each.
    Values(Vec<u8>),
}

impl ReadResult {
    fn of(state: Complete, value: Vec<u8>) -> ReadResult {
        ReadResult {
            state,
            value,
            code_hash: None,
            proof: None,
        }
    }
}

fn needed_page(lookup: &Lookup) -> Option<NeededPage> {
    match lookup.step() {
        Step::Need(wanted) => Some(*wanted),
        _ => None,
    }
}

/// What of a query the scope leaves out, in words; all of it if the scope is not known.
fn left_out(query: &Query, scope: Option<&Scope>) -> Option<&'static str> {
    let has = |has: &dyn Fn(&Scope) -> bool| scope.is_some_and(has);
    match query {
        Query::Code(_) => None,
        Query::Account(account)
        | Query::CodeOf(account)
        | Query::Slots(account, _)
        | Query::Proof(account, _)
            if !has(&|scope| scope.has_account(account)) =>
        {
            Some("This account")
        }
        Query::CodeOf(account) if !has(&|scope| scope.has_code(account)) => {
            Some("The code of this account")
        }
        Query::Slots(account, slots) | Query::Proof(account, slots)
            if !has(&|scope| slots.iter().all(|slot| scope.has_slot(account, slot))) =>
        {
            Some("A slot of this account")
        }
        _ => None,
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

fn no_state() -> JsError {
    JsError::new(
        "NO_STATE",
        "No state is complete yet, so there is nothing to read: first await what track returned, or a \
         sync.",
    )
}

fn no_such_state(root: &Hash) -> JsError {
    let message = format!(
        "The state of {root} cannot be read any more: newer ones have taken its place. Take a \
         newer one of db.states."
    );
    JsError::new("NO_SUCH_STATE", message)
}

/// `pending`: it is tracked, and not proven yet in this state.
fn not_tracked(what: &str, state: &Complete, pending: bool) -> JsError {
    let root = state.top.root();
    let message = match pending {
        true => format!(
            "{what} is tracked, but not proven yet in the state of {root}: await what track or \
             hold returned."
        ),
        false => {
            format!(
                "{what} is not held in the state of {root}, so nothing can be said about it. In a set, \
                 track it."
            )
        }
    };
    JsError::new("NOT_TRACKED", message).with_pending(pending)
}
