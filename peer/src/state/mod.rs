//! A whole state in memory: accounts, their storages and the codes. It never changes.

mod builder;
mod export;
mod generate;
mod genesis;
mod names;
pub(crate) mod number;
#[cfg(test)]
mod tests;

pub(crate) use builder::slim_body;
pub use builder::{Account, Builder};
pub(crate) use generate::Random;
pub use generate::{Realistic, Recipe};
pub use genesis::GenesisError;

use crate::{EMPTY_CODE, EMPTY_ROOT, Hash, rlp, trie::Trie};
use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

/// Codes by hash. States of a chain share them until a block changes them.
pub(crate) type Codes = Arc<HashMap<Hash, Arc<[u8]>>>;

/// The state of one root. Clones share everything.
#[derive(Debug, Clone)]
pub struct State {
    accounts: Trie,
    /// Storages by their root, so that equal storages are held once. Empty in a state of a chain:
    /// there the accounts carry their storages, so that a new state need not copy this map.
    storages: HashMap<Hash, Arc<Trie>>,
    codes: Codes,
    /// The slots of all accounts.
    slots: u64,
}

/// How much a state contains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Accounts.
    pub accounts: u64,
    /// Slots of all accounts.
    pub slots: u64,
    /// Different codes.
    pub codes: u64,
}

impl State {
    /// `storages` must be the ones that the accounts' bodies name.
    fn new(
        accounts: Trie,
        storages: HashMap<Hash, Arc<Trie>>,
        codes: HashMap<Hash, Arc<[u8]>>,
    ) -> State {
        let slots = accounts
            .iter()
            .filter_map(|(_, body)| storages.get(&storage_root(body)))
            .map(|storage| storage.len() as u64)
            .sum();
        State {
            accounts,
            storages,
            codes: Arc::new(codes),
            slots,
        }
    }

    /// The same state, ready for changes: its accounts carry their storages.
    pub(crate) fn live(&self) -> State {
        let accounts = self.accounts.live(|account| self.storage(account));
        State::of_live(accounts, Arc::clone(&self.codes))
    }

    /// A state of accounts that carry their storages.
    pub(crate) fn of_live(accounts: Trie, codes: Codes) -> State {
        State {
            slots: accounts.slots(),
            accounts,
            storages: HashMap::new(),
            codes,
        }
    }

    /// The state root.
    #[must_use]
    pub fn root(&self) -> Hash {
        self.accounts.root()
    }

    /// How much the state contains.
    #[must_use]
    pub fn counts(&self) -> Counts {
        Counts {
            accounts: self.accounts.len() as u64,
            slots: self.slots,
            codes: self.codes.len() as u64,
        }
    }

    /// The accounts: hashes of addresses and slim bodies, in ascending order.
    #[must_use]
    pub fn accounts(&self) -> &Trie {
        &self.accounts
    }

    /// The slim body of one account.
    #[must_use]
    pub fn account(&self, account: &Hash) -> Option<&[u8]> {
        self.accounts.get(account)
    }

    /// The storage of an account: hashes of slot keys and RLP of values, in ascending order. `None`
    /// if there is no such account, or if it has no storage.
    #[must_use]
    pub fn storage(&self, account: &Hash) -> Option<&Trie> {
        let held = || self.storages.get(&storage_root(self.account(account)?));
        self.accounts
            .storage(account)
            .or_else(|| held().map(Arc::as_ref))
    }

    /// All accounts that have a storage, and their storages.
    pub fn storages(&self) -> impl Iterator<Item = (&Hash, &Trie)> {
        self.accounts
            .iter()
            .filter_map(|(account, _)| Some((account, self.storage(account)?)))
    }

    /// All codes, shared.
    pub(crate) fn shared_codes(&self) -> Codes {
        Arc::clone(&self.codes)
    }

    /// The code with this hash.
    #[must_use]
    pub fn code(&self, hash: &Hash) -> Option<&[u8]> {
        self.codes.get(hash).map(AsRef::as_ref)
    }

    /// The same state without some codes, as a node has it that lacks them.
    #[must_use]
    pub fn without_codes(&self, lacks: impl Fn(&Hash) -> bool) -> State {
        let mut state = self.clone();
        Arc::make_mut(&mut state.codes).retain(|hash, _| !lacks(hash));
        state
    }

    /// All codes, in no particular order.
    pub fn codes(&self) -> impl ExactSizeIterator<Item = (&Hash, &[u8])> {
        self.codes.iter().map(|(hash, code)| (hash, code.as_ref()))
    }
}

/// The storage root in a slim body. The empty root if the body does not decode.
fn storage_root(slim: &[u8]) -> Hash {
    hash_field(slim, 2).unwrap_or(EMPTY_ROOT)
}

/// The code hash in a slim body. The empty code's hash if the body does not decode.
#[must_use]
pub fn code_hash(slim: &[u8]) -> Hash {
    hash_field(slim, 3).unwrap_or(EMPTY_CODE)
}

/// The first bytes of a delegated account's code (EIP-7702). The delegate's address follows.
const DELEGATION: [u8; 3] = [0xef, 0x01, 0x00];

/// The code of an account that is delegated to `address`.
pub(crate) fn delegation(address: &[u8; 20]) -> Vec<u8> {
    [DELEGATION.as_slice(), address].concat()
}

/// Whether a code is that of a delegated account.
#[must_use]
pub fn is_delegation(code: &[u8]) -> bool {
    code.len() == DELEGATION.len() + 20 && code.starts_with(&DELEGATION)
}

/// A hash in a slim body, by the field's index. `None` if it is empty.
pub(crate) fn hash_field(slim: &[u8], index: usize) -> Option<Hash> {
    let mut fields = rlp::list(&mut &*slim).ok()?;
    for _ in 0..index {
        rlp::string(&mut fields).ok()?;
    }
    rlp::hash(&mut fields).ok()
}

/// The served states: the newest ones of a chain. Real nodes hold 128.
#[derive(Debug, Clone)]
pub struct States {
    by_root: HashMap<Hash, Arc<State>>,
    /// The oldest state is first. A block without changes repeats the root of the block before it.
    order: VecDeque<Hash>,
    window: usize,
}

impl States {
    /// How many of the newest states a node must serve, as the protocol says.
    pub const WINDOW: usize = 128;

    /// No states yet. The newest `window` of those that are pushed are held, at least one.
    #[must_use]
    pub fn new(window: usize) -> States {
        States {
            by_root: HashMap::new(),
            order: VecDeque::new(),
            window: window.max(1),
        }
    }

    /// Adds a new head, and forgets the oldest state if there are too many.
    pub fn push(&mut self, state: Arc<State>) {
        self.order.push_back(state.root());
        self.by_root.insert(state.root(), state);
        while self.order.len() > self.window {
            if let Some(root) = self.order.pop_front()
                && !self.order.contains(&root)
            {
                self.by_root.remove(&root);
            }
        }
    }

    /// Replaces a state by the same state in another form.
    pub(crate) fn replace(&mut self, state: Arc<State>) {
        if let Some(held) = self.by_root.get_mut(&state.root()) {
            *held = state;
        }
    }

    /// The same states without the newest `count`. The oldest state always stays.
    #[must_use]
    pub fn without_newest(&self, count: usize) -> States {
        let mut older = States::new(self.window);
        let kept = self.order.len().saturating_sub(count).max(1);
        let states = self.order.iter().take(kept);
        states
            .filter_map(|root| self.by_root.get(root))
            .for_each(|state| older.push(Arc::clone(state)));
        older
    }

    /// The state with this root alone, or no state if it is not held.
    pub(crate) fn only(&self, root: Option<&Hash>) -> States {
        let mut only = States::new(1);
        if let Some(state) = root.and_then(|root| self.by_root.get(root)) {
            only.push(Arc::clone(state));
        }
        only
    }

    /// The state with this root, if it is held.
    #[must_use]
    pub fn get(&self, root: &Hash) -> Option<&Arc<State>> {
        self.by_root.get(root)
    }

    /// The roots of the held states, oldest first.
    pub fn roots(&self) -> impl ExactSizeIterator<Item = &Hash> {
        self.order.iter()
    }

    /// The newest state.
    #[must_use]
    pub fn head(&self) -> Option<&Arc<State>> {
        self.by_root.get(self.order.back()?)
    }

    /// The code with this hash, if any of the states has it.
    #[must_use]
    pub fn code(&self, hash: &Hash) -> Option<&[u8]> {
        // Almost everything that is asked for is in the head.
        let head = self.head()?;
        head.code(hash)
            .or_else(|| self.by_root.values().find_map(|state| state.code(hash)))
    }
}
