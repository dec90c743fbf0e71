//! A small chain of the native peer, whose states are the truth about what an engine and a database
//! may hold.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use snaplight::hash::Hash;
use snaplight::state::{Scope, TrackedAccount, TrackedSet};
use snaplight::sync::Limits;
use snaplight::trie::keccak;
use snaplight_peer::chain::{Chain, Change};
use snaplight_peer::session::Server;
use snaplight_peer::state::{Recipe, State};

use crate::bytes::Bytes;

/// States of the chain.
pub(crate) const STATES: usize = 5;
/// Accounts of the first state: their leaves take a dozen pages of the least size.
const ACCOUNTS: u64 = 160;
/// The largest contract's slots: they take several pages too.
const SLOTS: u64 = 150;
/// Bounds that such a state presses on.
pub(crate) const LIMITS: Limits = Limits {
    batch_bytes: 4 * 1024,
    batch_ms: 1_000,
    asked_bytes: 64 * 1024,
    waiting_bytes: 16 * 1024,
    cut_bytes: 4 * 1024,
    page_bytes: snaplight::state::page::MIN_BUDGET,
};

/// The states of a chain, and who serves them.
pub(crate) struct Truth {
    pub(crate) server: Arc<Server>,
    /// In the order of blocks.
    pub(crate) states: Vec<Arc<State>>,
    recipe: Recipe,
}

thread_local! {
    static TRUTH: RefCell<Option<Rc<Truth>>> = const { RefCell::new(None) };
}

/// The chain, made once.
pub(crate) fn truth() -> Rc<Truth> {
    TRUTH.with_borrow_mut(|truth| Rc::clone(truth.get_or_insert_with(|| Rc::new(Truth::new()))))
}

impl Truth {
    fn new() -> Truth {
        let recipe = Recipe {
            accounts: ACCOUNTS,
            contracts_per_mille: 200,
            seed: 5,
            huge: vec![(1, SLOTS)],
        };
        let mut chain = Chain::new(recipe.build(), 5);
        for _ in 1..STATES {
            let counts = chain.server().head().counts();
            chain.advance(&Change::share(counts, 0.1));
        }
        let server = chain.server();
        let states = server.states();
        let states = states
            .roots()
            .map(|root| Arc::clone(states.get(root).expect("a state")));
        Truth {
            states: states.collect(),
            server,
            recipe,
        }
    }

    pub(crate) fn root(&self, number: usize) -> Hash {
        Hash(self.states[number].root())
    }

    /// The state with this root.
    pub(crate) fn state(&self, root: &Hash) -> Option<&Arc<State>> {
        self.states.iter().find(|state| state.root() == root.0)
    }

    /// An address that some of the states have, or none.
    pub(crate) fn address(&self, bytes: &mut Bytes<'_>) -> [u8; 20] {
        match bytes.byte() {
            number @ 0..0xf0 => self.recipe.address(u64::from(number) % ACCOUNTS),
            byte => [byte; 20],
        }
    }

    /// A slot's number.
    pub(crate) fn slot(&self, bytes: &mut Bytes<'_>) -> [u8; 32] {
        self.recipe
            .slot_key(0, u64::from(bytes.byte()) % (SLOTS + 10))
    }

    /// An account and perhaps one of its slots, by their hashes.
    pub(crate) fn key(&self, bytes: &mut Bytes<'_>) -> (Hash, Option<Hash>) {
        let account = keccak(&self.address(bytes));
        let slot = bytes.bool().then(|| keccak(&self.slot(bytes)));
        (account, slot)
    }

    /// A set of some accounts.
    pub(crate) fn set(&self, version: u64, bytes: &mut Bytes<'_>) -> Scope {
        let mut accounts = Vec::new();
        for _ in 0..1 + bytes.below(6) {
            let (address, code) = (self.address(bytes), bytes.bool());
            accounts.push(match bytes.byte() % 8 {
                0 => TrackedAccount::whole(address, code),
                _ => {
                    let count = bytes.below(4);
                    let slots: Vec<_> = (0..count).map(|_| self.slot(bytes)).collect();
                    TrackedAccount::new(address, code, &slots)
                }
            });
        }
        let set = TrackedSet::default().with(&accounts);
        Scope::set(version, set.expect("a small set"))
    }
}
