//! A chain of states. Every block changes a part of the state before it, by a seed. States share
//! what they have in common, so that many states take little more memory than one.

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

/// A chain that grows on demand while its server serves it.
#[derive(Debug)]
pub struct Chain {
    server: Arc<Server>,
    random: Random,
    /// Accounts with code, except delegated ones, in no particular order. Some may have been
    /// deleted. Bound: the contracts of the first state and those that blocks added.
    contracts: Vec<Hash>,
    /// Delegated accounts in no particular order. Some may have been deleted. A block adds at most
    /// as many as it delegates or brings back.
    delegated: Vec<Hash>,
    /// How many accounts have a code, by the code's hash.
    code_users: HashMap<Hash, u64>,
    /// What the last block replaced. The next block brings some of it back.
    before: Before,
}

/// What a block replaced. Bound: what the block changed.
#[derive(Debug, Default)]
struct Before {
    /// Account, nonce and balance.
    accounts: Vec<(Hash, u64, Hash)>,
    /// Account, hash of the slot's key, and RLP of its value. `None` if there was no such slot.
    slots: Vec<(Hash, Hash, Option<Vec<u8>>)>,
    /// The deleted accounts.
    deleted: Vec<(Hash, Fields)>,
}

/// What a block changes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Change {
    /// How many accounts get another nonce and balance. Some get back what the last block replaced.
    pub values: u64,
    /// How many accounts are created. One in eight is a contract. Some were deleted by the last
    /// block.
    pub insert: u64,
    /// How many accounts are deleted, among them contracts with their storages.
    pub delete: u64,
    /// How many slots are written: overwritten, added, cleared, or given back what the last block
    /// replaced. Now and then a whole storage is cleared.
    pub slots: u64,
    /// How many contracts these slots are in, half of them chosen by size. No account with a large
    /// storage is deleted then. With 0, contracts are chosen at random, with about five slots each.
    pub contracts: u64,
    /// How many accounts delegate themselves (EIP-7702), change their delegation or revoke it.
    pub delegations: u64,
}

impl Change {
    /// Changes a share of the accounts and slots, 1.0 for all of them. One in twenty of the changed
    /// accounts is deleted, and as many are created.
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

    /// Changes a share of the accounts, 1.0 for all of them, as mainnet's blocks do. Three slots
    /// are written for each changed account. Of the changed accounts, one in four is a contract
    /// whose slots change, one in twenty is deleted, one in twenty is created, and one in fifty is
    /// delegated.
    #[must_use]
    pub fn realistic(of: Counts, share: f64) -> Change {
        let accounts = (of.accounts as f64 * share.clamp(0.0, 1.0)).round() as u64;
        let contracts = accounts.div_ceil(4);
        let delete = accounts.div_ceil(20).min(of.accounts / 2);
        let delegations = accounts.div_ceil(50);
        let rest = accounts.saturating_sub(contracts + 2 * delete + delegations);
        // Values are written to any account, also to contracts that change anyway.
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

/// A block and what it changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewBlock {
    /// The block.
    pub block: Arc<Block>,
    /// Compared with the state before it.
    pub changed: Changed,
}

/// How much two successive states differ.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Changed {
    /// Accounts that changed, were created or were deleted.
    pub accounts: u64,
    /// Slots that changed, were added or were cleared.
    pub slots: u64,
    /// Nodes of all tries that were not at their path before. A client with the old state must
    /// fetch them. Nodes that are embedded in their parents do not count.
    pub nodes: u64,
    /// Their sizes in bytes, added up.
    pub node_bytes: u64,
    /// Codes that no account had before.
    pub codes: u64,
    /// Their sizes in bytes, added up.
    pub code_bytes: u64,
}

impl Changed {
    /// Compares two states of the same chain.
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
    /// A chain that begins with `state`, on a network of its own. The same state and seed always
    /// make the same chain. The newest 128 states are kept.
    #[must_use]
    pub fn new(state: State, seed: u64) -> Chain {
        Chain::keeping(States::WINDOW, state, seed)
    }

    /// As [`Chain::new`], with another number of states that are kept, at least one.
    #[must_use]
    pub fn keeping(states: usize, state: State, seed: u64) -> Chain {
        let mut window = States::new(states);
        window.push(Arc::new(state));
        Chain::of(Server::of_chain(window), seed)
    }

    /// A chain that continues from a server's head.
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

    /// The server that serves the chain.
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

    /// The state with this root, if it is kept. Tests compare with it.
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

    /// Makes the next block and serves it. Open connections should be told by
    /// [`crate::session::Session::on_head`].
    pub fn advance(&mut self, change: &Change) -> NewBlock {
        let before = self.server.head();
        let mut draft = Draft::new(&before, self);
        // With realistic proportions, no account with a large storage is deleted.
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

    /// Makes the next block, which changes a share of the state, see [`Change::share`].
    pub fn advance_by(&mut self, share: f64) -> NewBlock {
        let counts = self.server.head().counts();
        self.advance(&Change::share(counts, share))
    }
}
