//! Generates a state with the proportions of a small mainnet.

use super::{Group, Purpose, Random, Recipe, state_of};
use crate::{
    EMPTY_CODE, EMPTY_ROOT, Hash,
    keccak::keccak,
    state::{State, delegation, slim_body},
    trie::{Kind, Leaves, Trie, in_parallel},
};
use std::sync::Arc;

/// One account in this many is a contract.
const ACCOUNTS_PER_CONTRACT: u64 = 4;

/// Slots of a giant contract. There is one giant contract for each this many accounts. A smaller
/// state has one with as many slots as there are accounts. So giant contracts always have one slot
/// for each account.
const GIANT: u64 = 100_000;

/// The sizes of the other contracts' storages. They have twelve slots on average, which is three
/// for each account.
const STORAGES: Spread = Spread(&[
    (3000, 0, 0),
    (2200, 1, 1),
    (2600, 2, 5),
    (1400, 6, 15),
    (600, 16, 63),
    (150, 64, 255),
    (44, 256, 1023),
    (6, 1024, 5055),
]);

/// How many contracts share a code on average.
const CONTRACTS_PER_CODE: u64 = 50;

/// One code in this many is a proxy's. Proxies' codes come first, so most contracts have one.
const CODES_PER_PROXY: u64 = 8;

/// Sizes of proxies' codes in bytes.
const PROXIES: Spread = Spread(&[(100, 100, 400)]);

/// Sizes of all other codes in bytes. A code may have at most 24,576.
const CODES: Spread = Spread(&[
    (18, 100, 400),
    (32, 400, 3_000),
    (33, 3_000, 12_000),
    (17, 12_000, 24_576),
]);

/// One externally owned account in this many is delegated (EIP-7702).
const OWNED_PER_DELEGATION: u64 = 50;

/// How many delegates there are: accounts delegate themselves to a few wallets.
const DELEGATES: u64 = 12;

/// A state with the proportions of a small mainnet. A quarter of the accounts are contracts. There
/// are four slots for each account: one belongs to giant contracts, and three are spread over the
/// other contracts with a heavy tail. Contracts share codes of 100 bytes to 24 kB. One externally
/// owned account in fifty is delegated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Realistic {
    /// Gives the addresses and the slots' keys.
    names: Recipe,
}

impl Realistic {
    /// A state of this many accounts. Another seed gives another state.
    #[must_use]
    pub fn new(accounts: u64, seed: u64) -> Realistic {
        Realistic {
            names: Recipe::plain(accounts, seed),
        }
    }

    /// The recipe of plain accounts with the same addresses and keys.
    #[must_use]
    pub fn names(&self) -> &Recipe {
        &self.names
    }

    /// Generates the state.
    #[must_use]
    pub fn build(&self) -> State {
        let codes = self.codes();
        let delegations = self.delegations();
        // The storages are made one after the other, each on all cores.
        let giants: Vec<Trie> = (0..self.giants())
            .map(|contract| {
                self.names
                    .storage(account_of(contract), self.slots(contract))
            })
            .collect();
        let groups = in_parallel(&self.names.hashes(), |group| {
            self.group(group, &codes, &delegations, &giants)
        });
        let giants = giants.into_iter().map(Arc::new);
        state_of(
            self.names.accounts,
            groups,
            giants,
            codes.into_iter().chain(delegations),
        )
    }

    fn group(
        &self,
        hashes: &[(Hash, u64)],
        codes: &[(Hash, Arc<[u8]>)],
        delegations: &[(Hash, Arc<[u8]>)],
        giants: &[Trie],
    ) -> Group {
        let mut accounts = Leaves::with_capacity(Kind::Accounts, hashes.len());
        let mut storages = Vec::new();
        for (hash, index) in hashes {
            let mut random = Random::new(self.names.seed, Purpose::Account, *index);
            let mut balance = random.balance();
            let body = if let Some(contract) = contract_at(*index) {
                let root = match (giants.get(contract as usize), self.slots(contract)) {
                    (Some(storage), _) => storage.root(),
                    (None, 0) => EMPTY_ROOT,
                    (None, slots) => {
                        let storage = self.names.storage(*index, slots);
                        let root = storage.root();
                        storages.push(storage);
                        root
                    }
                };
                // Few contracts hold ether.
                if random.below(4) > 0 {
                    balance = [0; 32];
                }
                slim_body(1, &balance, &root, &share(codes, contract, &mut random))
            } else {
                // Most accounts have sent a few transactions, and some have sent very many.
                let mut nonce = random.next() >> (40 + random.below(24));
                let owned = index - index / ACCOUNTS_PER_CONTRACT - 1;
                let mut code = EMPTY_CODE;
                if owned.is_multiple_of(OWNED_PER_DELEGATION) {
                    code = share(delegations, owned / OWNED_PER_DELEGATION, &mut random);
                    // A delegation counts as a transaction.
                    nonce += 1;
                }
                slim_body(nonce, &balance, &EMPTY_ROOT, &code)
            };
            accounts.push(*hash, &body);
        }
        Group { accounts, storages }
    }

    fn contracts(&self) -> u64 {
        self.names.accounts.div_ceil(ACCOUNTS_PER_CONTRACT)
    }

    fn giants(&self) -> u64 {
        (self.names.accounts / GIANT).max(1).min(self.contracts())
    }

    /// How many slots a contract has. Sizes are assigned by rank and not at random: a few more or
    /// fewer of the largest storages would change the whole state's proportions.
    fn slots(&self, contract: u64) -> u64 {
        let giants = self.giants();
        match contract.checked_sub(giants) {
            None => self.names.accounts / giants,
            Some(rank) => STORAGES.at(2 * rank + 1, 2 * (self.contracts() - giants)),
        }
    }

    fn codes(&self) -> Vec<(Hash, Arc<[u8]>)> {
        let count = match self.contracts() {
            0 => 0,
            contracts => contracts / CONTRACTS_PER_CODE + 1,
        };
        let numbers: Vec<u64> = (0..count).collect();
        in_parallel(&numbers, |number| {
            let mut random = Random::new(self.names.seed, Purpose::Code, *number);
            let spread = match *number <= count / CODES_PER_PROXY {
                true => PROXIES,
                false => CODES,
            };
            let len = spread.at(random.below(1 << 32), 1 << 32) as usize;
            let code: Vec<u8> = std::iter::repeat_with(|| random.next().to_be_bytes())
                .take(len.div_ceil(8))
                .flatten()
                .take(len)
                .collect();
            (keccak(&code), Arc::from(code))
        })
    }

    /// The delegations that are in use, each to one of the first contracts.
    fn delegations(&self) -> Vec<(Hash, Arc<[u8]>)> {
        let owned = self.names.accounts - self.contracts();
        let used = owned.div_ceil(OWNED_PER_DELEGATION).min(DELEGATES);
        (0..used)
            .map(|contract| delegation(&self.names.address(account_of(contract))))
            .map(|code| (keccak(&code), Arc::from(code)))
            .collect()
    }
}

/// The number of the account that is the contract with this number.
fn account_of(contract: u64) -> u64 {
    contract * ACCOUNTS_PER_CONTRACT
}

/// The number of the contract that an account is. `None` if it is none.
fn contract_at(account: u64) -> Option<u64> {
    account
        .is_multiple_of(ACCOUNTS_PER_CONTRACT)
        .then_some(account / ACCOUNTS_PER_CONTRACT)
}

/// The hash of the code of the user with this number. The first users have a code each, so that
/// every code has a user. Of the other users, most have one of a few popular codes.
fn share(codes: &[(Hash, Arc<[u8]>)], user: u64, random: &mut Random) -> Hash {
    let popular = random.popular(codes.len());
    let code = codes.get(user as usize).or_else(|| codes.get(popular));
    code.map_or(EMPTY_CODE, |(hash, _)| *hash)
}

/// How sizes are distributed: parts of a whole, with the smallest and the largest size of each
/// part. Within a part, sizes are spaced evenly.
#[derive(Clone, Copy)]
struct Spread(&'static [(u64, u64, u64)]);

impl Spread {
    /// The size at place `at` of `of` places, in ascending order. `at` is below `of`, and `of` is
    /// below 2^40.
    fn at(self, at: u64, of: u64) -> u64 {
        let whole: u64 = self.0.iter().map(|(part, _, _)| part).sum();
        let mut rest = at * whole;
        for (part, smallest, largest) in self.0 {
            if rest < part * of {
                return smallest + rest * (largest - smallest + 1) / (part * of);
            }
            rest -= part * of;
        }
        self.0.last().map_or(0, |(_, _, largest)| *largest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn sizes_are_spread_evenly_within_parts_and_storages_hold_twelve_slots_on_average() {
        const SMALL: Spread = Spread(&[(1, 0, 0), (3, 5, 7)]);
        let sizes: Vec<u64> = (0..8).map(|at| SMALL.at(at, 8)).collect();
        assert_eq!(sizes, [0, 0, 5, 5, 6, 6, 7, 7]);
        for contracts in [5_000, 25_000, 1_000_000] {
            let sizes = (0..contracts).map(|rank| STORAGES.at(2 * rank + 1, 2 * contracts));
            let mean = sizes.sum::<u64>() as f64 / contracts as f64;
            assert!((11.8..12.2).contains(&mean), "{contracts}: {mean}");
        }
    }

    #[test]
    fn users_of_a_state_of_any_size_have_slots_and_every_code() {
        // Every account is found among these, so every code has a user.
        for accounts in 0..300 {
            let state = Realistic::new(accounts, 1).build();
            let named: BTreeSet<Hash> = state
                .accounts()
                .iter()
                .map(|(_, body)| crate::state::code_hash(body))
                .filter(|code| *code != EMPTY_CODE)
                .collect();
            assert_eq!(named.len() as u64, state.counts().codes, "{accounts}");
            assert_eq!(state.counts().accounts, accounts);
        }
    }
}
