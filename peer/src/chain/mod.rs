//! A chain of states: every block changes some of the one before, by a seed. States share what they have
//! in common, so that many of them take little more than one.

mod draft;

use crate::{
    EMPTY_CODE, Hash,
    block::Block,
    server::Server,
    snap::{self, Request},
    state::{Counts, Random, State, States, code_hash, is_delegation},
    trie::Tally,
};
use draft::{Draft, Fields};
use std::{collections::HashMap, sync::Arc};

/// A chain that grows on demand. Its server serves it while it does.
#[derive(Debug)]
pub struct Chain {
    server: Arc<Server>,
    random: Random,
    /// Accounts with code but for the delegated ones, in no particular order. May hold some that are
    /// gone.
    contracts: Vec<Hash>,
    /// Accounts that have delegated themselves, in no particular order. May hold some that are gone.
    /// A block adds no more than it delegates or brings back.
    delegated: Vec<Hash>,
    /// How many accounts have a code.
    code_users: HashMap<Hash, u64>,
    /// What the last block changed, as it was before: values that come back.
    before: Before,
}

/// What was before a block. As large as the block's change.
#[derive(Debug, Default)]
struct Before {
    /// Nonces and balances by account.
    accounts: Vec<(Hash, u64, Hash)>,
    /// Slots by account and hash of the key: RLP of the value, or none.
    slots: Vec<(Hash, Hash, Option<Vec<u8>>)>,
    /// Accounts that are gone.
    deleted: Vec<(Hash, Fields)>,
}

/// What a block shall change.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Change {
    /// Accounts that get another nonce and balance. Some get back what the block before took.
    pub values: u64,
    /// Accounts that are created; one in eight is a contract. Some are those the block before deleted.
    pub insert: u64,
    /// Accounts that are deleted, contracts with their storages among them.
    pub delete: u64,
    /// Slots that are written: overwritten, added, cleared, or given back what the block before took; now
    /// and then a whole storage is cleared.
    pub slots: u64,
    /// Contracts that these slots are in, half of them chosen by size; then no account with a large
    /// storage is deleted either. 0 leaves it to chance: some five slots each, of whichever contracts.
    pub contracts: u64,
    /// Accounts that delegate themselves (EIP-7702), change that, or take it back.
    pub delegations: u64,
}

impl Change {
    /// A change of a share of the accounts and slots there are, 1.0 for all of them. One account in
    /// twenty of these is deleted, and as many are created.
    #[must_use]
    pub fn share(of: Counts, share: f64) -> Change {
        let part = |count: u64| (count as f64 * share.clamp(0.0, 1.0)).round() as u64;
        let accounts = part(of.accounts);
        let delete = accounts.div_ceil(20).min(of.accounts / 2);
        Change {
            values: accounts - delete,
            insert: delete,
            delete,
            slots: part(of.slots),
            ..Change::default()
        }
    }

    /// A change of a share of the accounts, 1.0 for all of them, as blocks on mainnet make it: three
    /// slots are written for each account that changes. One in four of these is a contract with slots
    /// that change, one in twenty is deleted and another one created, one in fifty is a delegation.
    #[must_use]
    pub fn realistic(of: Counts, share: f64) -> Change {
        let accounts = (of.accounts as f64 * share.clamp(0.0, 1.0)).round() as u64;
        let contracts = accounts.div_ceil(4);
        let delete = accounts.div_ceil(20).min(of.accounts / 2);
        let delegations = accounts.div_ceil(50);
        let rest = accounts.saturating_sub(contracts + 2 * delete + delegations);
        // Values are those of any accounts, also of contracts that change anyway.
        let other = of.accounts.saturating_sub(contracts).max(1);
        Change {
            values: (rest as f64 * of.accounts as f64 / other as f64).round() as u64,
            insert: delete,
            delete,
            slots: 3 * accounts,
            contracts,
            delegations,
        }
    }
}

/// A block, and what it changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewBlock {
    /// The block.
    pub block: Arc<Block>,
    /// Compared with the state before.
    pub changed: Changed,
}

/// What is different in a state from the one before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Changed {
    /// Accounts that are another, were not there, or are gone.
    pub accounts: u64,
    /// The same of slots.
    pub slots: u64,
    /// Trie nodes, of all tries, that were not at their path before: what a client that holds the state
    /// before must fetch. Nodes inside their parents are not counted.
    pub nodes: u64,
    /// The sum of these nodes' sizes.
    pub node_bytes: u64,
    /// Codes that no account had before.
    pub codes: u64,
    /// The sum of their sizes.
    pub code_bytes: u64,
}

impl Changed {
    /// From one state to another of the same chain.
    #[must_use]
    pub fn between(before: &State, after: &State) -> Changed {
        let tally = Tally::of(after.accounts(), before.accounts());
        let new_codes = || {
            after
                .codes()
                .filter(|(hash, _)| before.code(hash).is_none())
        };
        Changed {
            accounts: tally.leaves,
            slots: tally.slots,
            nodes: tally.nodes,
            node_bytes: tally.bytes,
            codes: new_codes().count() as u64,
            code_bytes: new_codes().map(|(_, code)| code.len() as u64).sum(),
        }
    }
}

impl Chain {
    /// A chain that begins with `state`, on a network of its own. The same state and seed make the same
    /// chain. 128 states are kept.
    #[must_use]
    pub fn new(state: State, seed: u64) -> Chain {
        Chain::keeping(States::WINDOW, state, seed)
    }

    /// The same with another number of states that are kept, at least one.
    #[must_use]
    pub fn keeping(states: usize, state: State, seed: u64) -> Chain {
        let mut window = States::new(states);
        window.push(Arc::new(state));
        Chain::of(Server::of_chain(window), seed)
    }

    /// A chain that goes on from a server's head.
    #[must_use]
    pub fn of(server: Server, seed: u64) -> Chain {
        let head = Arc::new(server.head().live());
        let (mut contracts, mut delegated) = (Vec::new(), Vec::new());
        let mut code_users = HashMap::new();
        for (account, body) in head.accounts().iter() {
            let code = code_hash(body);
            if code != EMPTY_CODE {
                match head.code(&code).is_some_and(is_delegation) {
                    true => delegated.push(*account),
                    false => contracts.push(*account),
                }
                *code_users.entry(code).or_default() += 1;
            }
        }
        server.replace(head);
        Chain {
            server: Arc::new(server),
            random: Random::of_chain(seed),
            contracts,
            delegated,
            code_users,
            before: Before::default(),
        }
    }

    /// What serves the chain, now and later.
    #[must_use]
    pub fn server(&self) -> Arc<Server> {
        Arc::clone(&self.server)
    }

    /// The newest block.
    #[must_use]
    pub fn head(&self) -> Arc<Block> {
        Arc::clone(self.server.blocks().head())
    }

    /// The newest state root.
    #[must_use]
    pub fn root(&self) -> Hash {
        self.head().header.state_root
    }

    /// The truth about a root that is kept: accounts, storages, codes.
    #[must_use]
    pub fn state(&self, root: &Hash) -> Option<Arc<State>> {
        self.server.states().get(root).cloned()
    }

    /// The payload of the answer to a snap request.
    #[must_use]
    pub fn serve(&self, request: &Request) -> Vec<u8> {
        let mut answer = Vec::new();
        snap::answer(&self.server.states(), request, &mut answer);
        answer
    }

    /// Makes the next block and serves it. Whoever is connected should be told, see
    /// [`crate::session::Session::on_head`].
    pub fn advance(&mut self, change: &Change) -> NewBlock {
        let before = self.server.head();
        let mut draft = Draft::new(&before, self);
        // Where proportions matter, no large storage goes with its account either.
        let most = match change.contracts {
            0 => usize::MAX,
            _ => draft::CLEARED_WHOLE,
        };
        draft.delete(change.delete, most);
        draft.values(change.values);
        match change.contracts {
            0 => draft.slots(change.slots),
            contracts => draft.slots_of(contracts, change.slots),
        }
        draft.insert(change.insert);
        draft.delegate(change.delegations);
        let after = Arc::new(draft.finish());
        let changed = Changed::between(&before, &after);
        let block = self.server.push(after);
        NewBlock { block, changed }
    }

    /// Changes a share of what there is, see [`Change::share`].
    pub fn advance_by(&mut self, share: f64) -> NewBlock {
        let counts = self.server.head().counts();
        self.advance(&Change::share(counts, share))
    }
}
