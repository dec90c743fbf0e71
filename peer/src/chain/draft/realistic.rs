//! What only the blocks of a realistic chain do: they write slots of large contracts more often,
//! and they delegate accounts.

use super::{CLEARED_WHOLE, Draft, Fields};
use crate::{
    EMPTY_CODE, Hash,
    keccak::keccak,
    state::{delegation, is_delegation},
    trie::Trie,
};
use std::collections::BTreeSet;

/// How often a random choice is repeated until it fits. After that it is given up: perhaps nothing
/// is left that fits. Chosen without a measurement.
const TRIES: u64 = 16;

/// One storage in this many is emptied instead of written to, if it is small enough.
const WRITTEN_PER_EMPTIED: u64 = 32;

/// If a block writes at least one slot in this many, contracts are chosen by their size, and by the
/// square root of their size otherwise. By its size, the largest contract would get nearly all of a
/// few writes.
const MANY: u64 = 8;

/// One delegation in this many is to a new address that no account has delegated to.
const DELEGATIONS_PER_DELEGATE: u64 = 64;

impl Draft<'_> {
    /// Writes `count` slots of `contracts` contracts. Some get back what the last block replaced.
    pub(in crate::chain) fn slots_of(&mut self, contracts: u64, count: u64) {
        let total = self.state.counts().slots;
        if count > 0 && count >= total / 2 {
            return self.rewrite(count, total);
        }
        let left = count - self.restore_values(count / 8);
        let chosen = self.choose(contracts.saturating_sub(self.slots.len() as u64));
        let weight = |account| {
            let len = self.state.storage(account).map_or(0, Trie::len) as u64;
            1 + if count >= total / MANY {
                len
            } else {
                len.isqrt()
            }
        };
        let weights: Vec<u64> = chosen.iter().map(weight).collect();
        let all: u64 = weights.iter().sum();
        let (mut before, mut written) = (0, 0);
        for (account, weight) in chosen.into_iter().zip(weights) {
            before += weight;
            // What a contract leaves of its share is added to the next one's.
            let share = (left * before / all).saturating_sub(written).max(1);
            written += self.write_some(account, share);
        }
    }

    /// Writes about `count` slots of one contract, or empties it. Returns how many slots it wrote.
    fn write_some(&mut self, account: Hash, count: u64) -> u64 {
        // A borrow of the state alone, because `self` changes below.
        let state = self.state;
        let storage = state.storage(&account);
        let len = storage.map_or(0, Trie::len);
        let is_emptied = self.chain.random.below(WRITTEN_PER_EMPTIED) == 0;
        if is_emptied && (1..=CLEARED_WHOLE).contains(&len) {
            for (key, _) in storage.into_iter().flat_map(Trie::iter) {
                self.write(account, *key, None);
            }
            return len as u64;
        }
        let mut written = 0;
        for _ in 0..count * TRIES {
            if written == count {
                break;
            }
            let index = self.chain.random.below(len as u64) as usize;
            let old = storage.and_then(|storage| storage.nth(index));
            // As many slots are added as are cleared, so that a long chain keeps its proportions.
            let (key, value) = match (self.chain.random.below(8), old) {
                (0..=5, Some(key)) => (*key, Some(self.value())),
                (6, Some(key)) => (*key, None),
                _ => (self.chain.random.hash(), Some(self.value())),
            };
            written += u64::from(self.write(account, key, value));
        }
        written
    }

    /// Different contracts that this block has not written to yet. Half of them are chosen by their
    /// slots, because most transactions use large contracts.
    fn choose(&mut self, count: u64) -> BTreeSet<Hash> {
        if count * 4 >= self.chain.contracts.len() as u64 {
            return self.choose_of_all(count);
        }
        let total = self.state.counts().slots;
        let mut chosen = BTreeSet::new();
        for turn in 0..count * TRIES {
            if chosen.len() as u64 == count {
                break;
            }
            let account = if turn % 2 == 0 {
                self.contract().map(|(account, _)| account)
            } else {
                let slot = self.chain.random.below(total);
                self.state.accounts().with_slot(slot).copied()
            };
            if let Some(account) = account
                && self.is_contract(&account)
                && !self.slots.contains_key(&account)
            {
                chosen.insert(account);
            }
        }
        chosen
    }

    /// The same for so many contracts that random choices would often fail.
    fn choose_of_all(&mut self, count: u64) -> BTreeSet<Hash> {
        let all: BTreeSet<Hash> = self.chain.contracts.iter().copied().collect();
        let is_free =
            |account: &Hash| self.is_contract(account) && !self.slots.contains_key(account);
        let mut all: Vec<Hash> = all.into_iter().filter(is_free).collect();
        self.draw(&mut all, count);
        all.into_iter().collect()
    }

    /// Half of `count` accounts delegate themselves. The others change a delegation or revoke it.
    pub(in crate::chain) fn delegate(&mut self, count: u64) {
        for _ in 0..count {
            let kind = self.chain.random.below(4);
            let chosen = match kind {
                0 | 1 => self.delegated().or_else(|| self.plain()),
                _ => self.plain(),
            };
            let Some((account, mut fields)) = chosen else {
                continue;
            };
            let old = fields.code;
            fields.code = match kind {
                0 if old != EMPTY_CODE => EMPTY_CODE,
                _ => self.delegation(old),
            };
            // Each authorization counts as a transaction.
            fields.nonce = fields.nonce.wrapping_add(1);
            if old == EMPTY_CODE {
                self.chain.delegated.push(account);
            } else if fields.code == EMPTY_CODE {
                self.chain.delegated.retain(|other| *other != account);
            }
            self.accounts.insert(account, Some(fields));
        }
    }

    /// A delegation's code other than `old`. It is mostly one that some account has, so popular
    /// ones become more popular, and seldom a new one.
    fn delegation(&mut self, old: Hash) -> Hash {
        let is_new = self.chain.random.below(DELEGATIONS_PER_DELEGATE) == 0;
        for _ in 0..if is_new { 0 } else { TRIES } {
            match self.delegated() {
                Some((_, fields)) if fields.code != old => return fields.code,
                Some(_) => {}
                None => break,
            }
        }
        let address = self.chain.random.hash();
        let mut delegate = [0; 20];
        delegate.copy_from_slice(&address[..20]);
        let code = delegation(&delegate);
        let hash = keccak(&code);
        self.codes.insert(hash, code.into());
        hash
    }

    /// A delegated account that this block has not changed yet.
    fn delegated(&mut self) -> Option<(Hash, Fields)> {
        for _ in 0..TRIES {
            let index = self.chain.random.below(self.chain.delegated.len() as u64) as usize;
            let account = *self.chain.delegated.get(index)?;
            if self.accounts.contains_key(&account) {
                continue;
            }
            let fields = Fields::of(self.state, &account);
            let is_delegated = |fields: &Fields| {
                let code = self.state.code(&fields.code);
                code.is_some_and(is_delegation)
            };
            match fields.filter(is_delegated) {
                Some(fields) => return Some((account, fields)),
                // It is gone or no longer delegated.
                None => {
                    self.chain.delegated.swap_remove(index);
                }
            }
        }
        None
    }

    /// An account without code that this block has not changed yet.
    fn plain(&mut self) -> Option<(Hash, Fields)> {
        let accounts = self.state.accounts();
        for _ in 0..TRIES {
            let index = self.chain.random.below(accounts.len() as u64) as usize;
            let account = *accounts.nth(index)?;
            if self.accounts.contains_key(&account) {
                continue;
            }
            let fields = Fields::of(self.state, &account);
            if let Some(fields) = fields.filter(|fields| fields.code == EMPTY_CODE) {
                return Some((account, fields));
            }
        }
        None
    }
}
