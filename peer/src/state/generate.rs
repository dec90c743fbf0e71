//! Generates states from a seed. The same recipe gives the same state everywhere.

mod realistic;
pub use realistic::Realistic;

use super::{State, builder::slim_body, number};
use crate::{
    EMPTY_CODE, EMPTY_ROOT, Hash,
    keccak::keccak,
    rlp,
    trie::{Kind, Leaves, Trie, in_parallel},
};
use std::{collections::HashMap, sync::Arc};

/// What to generate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipe {
    /// Accounts in total.
    pub accounts: u64,
    /// How many of 1,000 accounts are contracts.
    pub contracts_per_mille: u16,
    /// Another seed gives another state.
    pub seed: u64,
    /// Huge contracts: how many, and how many slots each has. They are the first accounts.
    pub huge: Vec<(u64, u64)>,
}

impl Recipe {
    /// A recipe of plain accounts.
    #[must_use]
    pub fn plain(accounts: u64, seed: u64) -> Recipe {
        Recipe {
            accounts,
            contracts_per_mille: 0,
            seed,
            huge: Vec::new(),
        }
    }

    /// The address of the account with number `index` < `accounts`.
    #[must_use]
    pub fn address(&self, index: u64) -> [u8; 20] {
        let mut random = Random::new(self.seed, Purpose::Address, index);
        let mut address = [0; 20];
        address[..8].copy_from_slice(&random.next().to_be_bytes());
        address[8..16].copy_from_slice(&random.next().to_be_bytes());
        address[16..].copy_from_slice(&random.next().to_be_bytes()[..4]);
        address
    }

    /// The key of a slot of a contract. The first keys are 0, 1 and 2, as for numbered variables.
    /// The others are scattered, as for mappings.
    #[must_use]
    pub fn slot_key(&self, account: u64, slot: u64) -> Hash {
        let mut key = [0; 32];
        if slot < 3 {
            key[31] = slot as u8;
        } else {
            let mut random = Random::new(self.seed, Purpose::Slot, account);
            random.skip(slot);
            for chunk in key.chunks_mut(8) {
                chunk.copy_from_slice(&random.next().to_be_bytes());
            }
            // Never the key of another slot, whatever the numbers are.
            key[..8].copy_from_slice(&slot.to_be_bytes());
        }
        key
    }

    /// Generates the state.
    #[must_use]
    pub fn build(&self) -> State {
        let codes = self.codes();
        // The storages are made one after the other, each on all cores.
        let huge = self.huge_slots();
        let hashes = self.hashes();
        // There is one group for each first byte: enough to share out evenly, and each is sorted by
        // itself.
        let groups = in_parallel(&hashes, |group| self.group(group, &codes, &huge));

        state_of(self.accounts, groups, huge.into_values(), codes)
    }

    /// The accounts' numbers and the hashes of their addresses, by first byte, sorted.
    fn hashes(&self) -> Vec<Vec<(Hash, u64)>> {
        const CHUNK: u64 = 1 << 16;
        let starts: Vec<u64> = (0..self.accounts).step_by(CHUNK as usize).collect();
        let chunks = in_parallel(&starts, |start| {
            let mut groups = vec![Vec::new(); 256];
            for index in *start..(start + CHUNK).min(self.accounts) {
                let hash = keccak(&self.address(index));
                groups[usize::from(hash[0])].push((hash, index));
            }
            groups
        });
        let bytes: Vec<usize> = (0..256).collect();
        in_parallel(&bytes, |byte| {
            let mut group: Vec<_> = chunks
                .iter()
                .flat_map(|groups| groups[*byte].iter().copied())
                .collect();
            group.sort_unstable();
            group.dedup_by(|(a, _), (b, _)| a == b);
            group
        })
    }

    fn group(
        &self,
        hashes: &[(Hash, u64)],
        codes: &[(Hash, Arc<[u8]>)],
        huge: &HashMap<u64, Arc<Trie>>,
    ) -> Group {
        let mut accounts = Leaves::with_capacity(Kind::Accounts, hashes.len());
        let mut storages = Vec::new();
        for (hash, index) in hashes {
            let mut random = Random::new(self.seed, Purpose::Account, *index);
            let balance = random.balance();
            let huge = huge.get(index);
            let is_contract =
                huge.is_some() || random.below(1000) < u64::from(self.contracts_per_mille);
            let body = if is_contract {
                let root = match huge {
                    Some(storage) => storage.root(),
                    None => match random.slots() {
                        0 => EMPTY_ROOT,
                        slots => {
                            let storage = self.storage(*index, slots);
                            let root = storage.root();
                            storages.push(storage);
                            root
                        }
                    },
                };
                let code = codes.get(random.popular(codes.len()));
                slim_body(
                    1,
                    &balance,
                    &root,
                    &code.map_or(EMPTY_CODE, |(hash, _)| *hash),
                )
            } else {
                // Most accounts have sent a few transactions, and some have sent very many.
                let nonce = random.next() >> (40 + random.below(24));
                slim_body(nonce, &balance, &EMPTY_ROOT, &EMPTY_CODE)
            };
            accounts.push(*hash, &body);
        }
        Group { accounts, storages }
    }

    fn storage(&self, account: u64, slots: u64) -> Trie {
        const CHUNK: u64 = 1 << 14;
        let starts: Vec<u64> = (0..slots).step_by(CHUNK as usize).collect();
        let make = |start: &u64| {
            let end = (start + CHUNK).min(slots);
            (*start..end)
                .map(|slot| (keccak(&self.slot_key(account, slot)), slot))
                .collect::<Vec<_>>()
        };
        let mut keys = match starts.as_slice() {
            // Ordinary contracts are made many at a time, so one of them is not split among
            // threads.
            [start] => make(start),
            _ => in_parallel(&starts, make).concat(),
        };
        keys.sort_unstable();
        let mut leaves = Leaves::with_capacity(Kind::Slots, keys.len());
        let mut value = Vec::with_capacity(33);
        for (key, slot) in keys {
            let mut random = Random::new(self.seed, Purpose::Value, account);
            random.skip(slot);
            value.clear();
            random.put_value(&mut value);
            leaves.push(key, &value);
        }
        Trie::build(leaves)
    }

    fn huge_slots(&self) -> HashMap<u64, Arc<Trie>> {
        let sizes = self
            .huge
            .iter()
            .flat_map(|(count, slots)| (0..*count).map(move |_| *slots));
        (0..self.accounts)
            .zip(sizes)
            .filter(|(_, slots)| *slots > 0)
            .map(|(account, slots)| (account, Arc::new(self.storage(account, slots))))
            .collect()
    }

    /// The codes that the contracts share. As on mainnet, there are far fewer codes than contracts.
    fn codes(&self) -> Vec<(Hash, Arc<[u8]>)> {
        let contracts = self
            .accounts
            .saturating_mul(u64::from(self.contracts_per_mille))
            / 1000;
        let huge: u64 = self.huge.iter().map(|(count, _)| count).sum();
        let count = if contracts + huge == 0 {
            0
        } else {
            (contracts + huge) / 50 + 1
        };
        let numbers: Vec<u64> = (0..count).collect();
        in_parallel(&numbers, |number| {
            let mut random = Random::new(self.seed, Purpose::Code, *number);
            // 5.5 KB on average, and never above the 24 KiB that a code may have.
            let len = 40 + random.below(64) * random.below(350);
            let code: Vec<u8> = std::iter::repeat_with(|| random.next().to_be_bytes())
                .take(len.div_ceil(8) as usize)
                .flatten()
                .collect();
            (keccak(&code), Arc::from(code))
        })
    }
}

struct Group {
    accounts: Leaves,
    storages: Vec<Trie>,
}

/// Assembles a state from groups in the order of their hashes and from storages that were made
/// separately.
fn state_of(
    accounts: u64,
    groups: Vec<Group>,
    large: impl IntoIterator<Item = Arc<Trie>>,
    codes: impl IntoIterator<Item = (Hash, Arc<[u8]>)>,
) -> State {
    let mut leaves = Leaves::with_capacity(Kind::Accounts, accounts as usize);
    let mut storages = HashMap::new();
    for group in groups {
        leaves.append(&group.accounts);
        for trie in group.storages {
            storages.insert(trie.root(), Arc::new(trie));
        }
    }
    storages.extend(large.into_iter().map(|trie| (trie.root(), trie)));
    State::new(Trie::build(leaves), storages, codes.into_iter().collect())
}

/// Separates the random numbers that are used for different things.
#[derive(Clone, Copy)]
enum Purpose {
    Address = 1,
    Account = 2,
    Slot = 3,
    Value = 4,
    Code = 5,
    Chain = 6,
}

/// SplitMix64: fast, good enough, and the same everywhere.
#[derive(Debug)]
pub(crate) struct Random(u64);

impl Random {
    const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

    fn new(seed: u64, purpose: Purpose, index: u64) -> Random {
        let mut random = Random(seed ^ (purpose as u64).wrapping_mul(0xd1b5_4a32_d192_ed03));
        let start = random.next() ^ index.wrapping_mul(0xa076_1d64_78bd_642f);
        // One more hash, because neighbouring indexes would give overlapping sequences.
        random.0 = start;
        Random(random.next())
    }

    /// The random numbers for the blocks of a chain.
    pub(crate) fn of_chain(seed: u64) -> Random {
        Random::new(seed, Purpose::Chain, 0)
    }

    /// 32 random bytes.
    pub(crate) fn hash(&mut self) -> Hash {
        let mut hash = [0; 32];
        for chunk in hash.chunks_mut(8) {
            chunk.copy_from_slice(&self.next().to_be_bytes());
        }
        hash
    }

    /// A balance of up to a few thousand ether, seldom round, in wei.
    pub(crate) fn balance(&mut self) -> Hash {
        let mut balance = [0; 32];
        balance[16..24].copy_from_slice(&(self.next() >> 58).to_be_bytes());
        balance[24..].copy_from_slice(&self.next().to_be_bytes());
        balance
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(Random::STEP);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Moves to the part of the sequence that belongs to one slot.
    fn skip(&mut self, slot: u64) {
        self.0 = self
            .0
            .wrapping_add(slot.wrapping_mul(Random::STEP.wrapping_mul(8)));
    }

    /// Slightly uneven for a large `limit`, which does not matter here.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        if limit == 0 { 0 } else { self.next() % limit }
    }

    /// How many slots a contract has. With every doubling there are half as many contracts, so most
    /// have few and some have thousands. A quarter has none (proxies, wallets).
    fn slots(&mut self) -> u64 {
        let random = self.next();
        if random & 3 == 0 {
            return 0;
        }
        let octave = (random >> 2).trailing_zeros().min(12);
        (1 << octave) + self.below(1 << octave)
    }

    /// A random index below `count`. Small ones are far more frequent: a few codes have most of the
    /// contracts.
    fn popular(&mut self, count: usize) -> usize {
        let bits = self.below(u64::from(count.max(1).ilog2()) + 1);
        self.below((2 << bits).min(count as u64)) as usize
    }

    /// Appends the RLP of a slot's value: a flag or counter, an address, an amount or a whole word.
    pub(crate) fn put_value(&mut self, out: &mut Vec<u8>) {
        let len = match self.below(10) {
            0..4 => 1 + self.below(2),
            4..7 => 20,
            7..9 => 6 + self.below(6),
            _ => 32,
        };
        let mut word = [0; 32];
        for chunk in word.chunks_mut(8) {
            chunk.copy_from_slice(&self.next().to_be_bytes());
        }
        // A slot of zero would not exist.
        word[31] |= 1;
        rlp::put_string(number::trimmed(&word[32 - len as usize..]), out);
    }
}
