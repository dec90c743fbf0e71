//! Makes the state of the next block.

mod realistic;

use super::{Before, Chain};
use crate::{
    EMPTY_CODE, EMPTY_ROOT, Hash,
    keccak::keccak,
    rlp,
    state::{State, code_hash, is_delegation, slim_body},
    trie::{Edit, Kind, Leaf, Leaves, Trie},
};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

/// A storage with more slots than this is never cleared as a whole, because the block would change
/// far more than it was asked to. Chosen without a measurement.
pub(super) const CLEARED_WHOLE: usize = 64;

pub(super) struct Draft<'a> {
    state: &'a State,
    chain: &'a mut Chain,
    /// What accounts become. `None` deletes the account.
    accounts: BTreeMap<Hash, Option<Fields>>,
    /// What slots become, by account and hash of the key. `None` clears the slot.
    slots: BTreeMap<Hash, BTreeMap<Hash, Option<Vec<u8>>>>,
    /// New codes by hash.
    codes: HashMap<Hash, Arc<[u8]>>,
    /// `last` is what the last block replaced, and `before` is what this one replaces.
    last: Before,
    before: Before,
}

/// An account's fields.
#[derive(Debug, Clone)]
pub(super) struct Fields {
    nonce: u64,
    balance: Hash,
    storage: Option<Arc<Trie>>,
    code: Hash,
}

impl Fields {
    /// `None` if there is no such account, or if its body does not decode (a bogus state).
    fn of(state: &State, account: &Hash) -> Option<Fields> {
        let body = state.account(account)?;
        let mut fields = rlp::list(&mut &*body).ok()?;
        let nonce = rlp::uint(&mut fields).ok()?;
        let trimmed = rlp::string(&mut fields).ok()?;
        let mut balance = [0; 32];
        balance
            .get_mut(32usize.checked_sub(trimmed.len())?..)?
            .copy_from_slice(trimmed);
        Some(Fields {
            nonce,
            balance,
            storage: state
                .storage(account)
                .map(|storage| Arc::new(storage.clone())),
            code: code_hash(body),
        })
    }

    fn leaf(&self, account: &Hash) -> Leaf {
        let root = self.storage.as_ref().map_or(EMPTY_ROOT, |trie| trie.root());
        let body = slim_body(self.nonce, &self.balance, &root, &self.code);
        Leaf::new(Kind::Accounts, account, &body).with_storage(self.storage.clone())
    }
}

impl<'a> Draft<'a> {
    pub(super) fn new(state: &'a State, chain: &'a mut Chain) -> Draft<'a> {
        Draft {
            state,
            last: std::mem::take(&mut chain.before),
            chain,
            accounts: BTreeMap::new(),
            slots: BTreeMap::new(),
            codes: HashMap::new(),
            before: Before::default(),
        }
    }

    /// Deletes `count` accounts, except those with more than `most` slots.
    pub(super) fn delete(&mut self, count: u64, most: usize) {
        for account in self.pick(count) {
            if self.state.storage(&account).map_or(0, Trie::len) > most {
                continue;
            }
            if let Some(fields) = Fields::of(self.state, &account) {
                self.before.deleted.push((account, fields));
            }
            self.accounts.insert(account, None);
        }
    }

    pub(super) fn values(&mut self, count: u64) {
        let back = self.last.accounts.len().min(count as usize / 8);
        let mut left = count;
        for (account, nonce, balance) in self
            .last
            .accounts
            .split_off(self.last.accounts.len() - back)
        {
            if !self.accounts.contains_key(&account) {
                left -= u64::from(self.set(account, |_| (nonce, balance)));
            }
        }
        for account in self.pick(left) {
            let step = 1 + self.chain.random.below(3);
            let balance = self.chain.random.balance();
            self.set(account, |nonce| (nonce.wrapping_add(step), balance));
        }
    }

    /// Sets nonce and balance. False if there is no such account.
    fn set(&mut self, account: Hash, to: impl FnOnce(u64) -> (u64, Hash)) -> bool {
        let Some(mut fields) = Fields::of(self.state, &account) else {
            return false;
        };
        self.before
            .accounts
            .push((account, fields.nonce, fields.balance));
        (fields.nonce, fields.balance) = to(fields.nonce);
        self.accounts.insert(account, Some(fields));
        true
    }

    pub(super) fn insert(&mut self, count: u64) {
        let deleted = self.last.deleted.len();
        let back = self
            .last
            .deleted
            .split_off(deleted - deleted.min(count as usize / 4));
        let mut left = count;
        for (account, fields) in back {
            let has_code = fields.code != EMPTY_CODE;
            let code = self.state.code(&fields.code);
            if !has_code || code.is_some() {
                match code {
                    Some(code) if is_delegation(code) => self.chain.delegated.push(account),
                    Some(_) => self.chain.contracts.push(account),
                    None => {}
                }
                self.accounts.insert(account, Some(fields));
                left -= 1;
            }
        }
        for _ in 0..left {
            let account = self.chain.random.hash();
            if self.state.account(&account).is_some() || self.accounts.contains_key(&account) {
                continue;
            }
            let mut fields = Fields {
                nonce: self.chain.random.below(4),
                balance: [0; 32],
                storage: None,
                code: EMPTY_CODE,
            };
            fields.balance[24..].copy_from_slice(&self.chain.random.next().to_be_bytes());
            if self.chain.random.below(8) == 0 {
                fields.nonce = 1;
                fields.code = self.code();
                let count = self.chain.random.below(33);
                fields.storage = (count > 0).then(|| Arc::new(self.storage(count)));
                self.chain.contracts.push(account);
            }
            self.accounts.insert(account, Some(fields));
        }
    }

    /// The code of a new contract: the code of another contract, or a new one.
    fn code(&mut self) -> Hash {
        if self.chain.random.below(2) == 0
            && let Some((_, fields)) = self.contract()
            // The other contract may have got a code in this block that no other account has.
            && self.state.code(&fields.code).is_some()
        {
            return fields.code;
        }
        let len = 40 + self.chain.random.below(64) * self.chain.random.below(350);
        let code: Vec<u8> = std::iter::repeat_with(|| self.chain.random.next().to_be_bytes())
            .take(len.div_ceil(8) as usize)
            .flatten()
            .collect();
        let hash = keccak(&code);
        self.codes.insert(hash, code.into());
        hash
    }

    fn storage(&mut self, count: u64) -> Trie {
        let slots: BTreeMap<Hash, Vec<u8>> = (0..count)
            .map(|_| (self.chain.random.hash(), self.value()))
            .collect();
        let mut leaves = Leaves::with_capacity(Kind::Slots, slots.len());
        slots
            .iter()
            .for_each(|(key, value)| leaves.push(*key, value));
        Trie::build(leaves)
    }

    fn value(&mut self) -> Vec<u8> {
        let mut value = Vec::with_capacity(33);
        self.chain.random.put_value(&mut value);
        value
    }

    /// A contract that exists before the block and after it.
    fn contract(&mut self) -> Option<(Hash, Fields)> {
        // Every contract that no longer exists is removed from the list, so this loop ends.
        while !self.chain.contracts.is_empty() {
            let index = self.chain.random.below(self.chain.contracts.len() as u64) as usize;
            let account = self.chain.contracts[index];
            let fields = match self.accounts.get(&account) {
                Some(fields) => fields.clone(),
                None => Fields::of(self.state, &account),
            };
            match fields {
                Some(fields) => return Some((account, fields)),
                None => self.chain.contracts.swap_remove(index),
            };
        }
        None
    }

    pub(super) fn slots(&mut self, count: u64) {
        let total = self.state.counts().slots;
        if count > 0 && count >= total / 2 {
            return self.rewrite(count, total);
        }
        let mut left = (count - self.restore_values(count / 8)) as usize;
        // A slot that is written twice counts once, so the number of attempts is limited instead.
        for _ in 0..count * 4 {
            if left == 0 {
                break;
            }
            let Some((account, fields)) = self.contract() else {
                break;
            };
            let storage = fields.storage.as_deref();
            let len = storage.map_or(0, Trie::len);
            if self.chain.random.below(64) == 0 && len <= CLEARED_WHOLE.min(left) {
                let keys: Vec<Hash> = storage
                    .iter()
                    .flat_map(|storage| storage.iter().map(|(key, _)| *key))
                    .collect();
                for key in keys {
                    left -= usize::from(self.write(account, key, None));
                }
                continue;
            }
            for _ in 0..(1 + self.chain.random.below(8)).min(left as u64) {
                let kind = self.chain.random.below(8);
                let index = self.chain.random.below(len as u64) as usize;
                let old = storage.and_then(|storage| storage.nth(index));
                let (key, value) = match (kind, old) {
                    (0..=4, Some(key)) => (*key, Some(self.value())),
                    (5, Some(key)) => (*key, None),
                    _ => (self.chain.random.hash(), Some(self.value())),
                };
                left -= usize::from(self.write(account, key, value));
            }
        }
    }

    /// Restores up to `count` of the values that the last block replaced in slots. Returns how
    /// many.
    fn restore_values(&mut self, count: u64) -> u64 {
        let back = self.last.slots.len().min(count as usize);
        let mut given = 0;
        for (account, slot, value) in self.last.slots.split_off(self.last.slots.len() - back) {
            if self.is_contract(&account) {
                given += u64::from(self.write(account, slot, value));
            }
        }
        given
    }

    /// Writes so many of all slots that choosing them one by one would take too long.
    fn rewrite(&mut self, count: u64, total: u64) {
        let contracts: BTreeSet<Hash> = self.chain.contracts.iter().copied().collect();
        for account in contracts {
            if !self.is_contract(&account) {
                continue;
            }
            let Some(storage) = self.state.storage(&account) else {
                continue;
            };
            for (key, _) in storage.iter() {
                if self.chain.random.below(total) >= count {
                    continue;
                }
                let is_cleared = self.chain.random.below(32) == 0;
                let value = (!is_cleared).then(|| self.value());
                self.write(account, *key, value);
                if is_cleared {
                    let (key, value) = (self.chain.random.hash(), self.value());
                    self.write(account, key, Some(value));
                }
            }
        }
    }

    /// Whether the account exists before the block and after it.
    fn is_contract(&self, account: &Hash) -> bool {
        match self.accounts.get(account) {
            Some(fields) => fields.is_some(),
            None => self.state.account(account).is_some(),
        }
    }

    /// Sets or clears a slot. False if this block has written it already.
    fn write(&mut self, account: Hash, slot: Hash, value: Option<Vec<u8>>) -> bool {
        let slots = self.slots.entry(account).or_default();
        if slots.insert(slot, value).is_some() {
            return false;
        }
        let before = self.state.storage(&account);
        let before = before.and_then(|storage| storage.get(&slot));
        self.before
            .slots
            .push((account, slot, before.map(<[u8]>::to_vec)));
        true
    }

    /// Leaves `count` random accounts in the list, in random order.
    fn draw(&mut self, all: &mut Vec<Hash>, count: u64) {
        let count = all.len().min(count as usize);
        for index in 0..count {
            let rest = (all.len() - index) as u64;
            all.swap(index, index + self.chain.random.below(rest) as usize);
        }
        all.truncate(count);
    }

    /// `count` different random accounts that this block has not changed yet.
    fn pick(&mut self, count: u64) -> Vec<Hash> {
        let accounts = self.state.accounts();
        let len = accounts.len() as u64;
        if count >= len / 4 {
            let mut all: Vec<Hash> = accounts
                .iter()
                .map(|(account, _)| *account)
                .filter(|account| !self.accounts.contains_key(account))
                .collect();
            self.draw(&mut all, count);
            return all;
        }
        let mut picked = BTreeSet::new();
        // At most a quarter is picked and at most half is deleted, so there are always others. The
        // attempts are limited all the same.
        for _ in 0..count * 16 {
            if picked.len() as u64 == count {
                break;
            }
            let index = self.chain.random.below(len) as usize;
            if let Some(account) = accounts.nth(index)
                && !self.accounts.contains_key(account)
            {
                picked.insert(*account);
            }
        }
        picked.into_iter().collect()
    }

    /// Applies all changes and returns the new state.
    pub(super) fn finish(mut self) -> State {
        self.write_slots();
        self.chain.before = std::mem::take(&mut self.before);
        let codes = self.count_codes();
        let edits: Vec<Edit> = self
            .accounts
            .iter()
            .map(|(account, fields)| Edit {
                key: *account,
                leaf: fields.as_ref().map(|fields| fields.leaf(account)),
            })
            .collect();
        State::of_live(self.state.accounts().edited(&edits), codes)
    }

    fn write_slots(&mut self) {
        for (account, slots) in std::mem::take(&mut self.slots) {
            let fields = match self.accounts.remove(&account) {
                Some(fields) => fields,
                None => Fields::of(self.state, &account),
            };
            let Some(mut fields) = fields else { continue };
            let edits: Vec<Edit> = slots
                .into_iter()
                .map(|(key, value)| Edit {
                    key,
                    leaf: value.map(|value| Leaf::new(Kind::Slots, &key, &value)),
                })
                .collect();
            let storage = match fields.storage {
                Some(storage) => storage.edited(&edits),
                None => Trie::build(Leaves::with_capacity(Kind::Slots, 0)).edited(&edits),
            };
            fields.storage = (!storage.is_empty()).then(|| Arc::new(storage));
            self.accounts.insert(account, Some(fields));
        }
    }

    /// The codes of the new state: all codes that some account has.
    fn count_codes(&mut self) -> Arc<HashMap<Hash, Arc<[u8]>>> {
        let mut codes = self.state.shared_codes();
        for (account, fields) in &self.accounts {
            let old = self.state.account(account).map_or(EMPTY_CODE, code_hash);
            let new = fields.as_ref().map_or(EMPTY_CODE, |fields| fields.code);
            if old == new {
                continue;
            }
            if new != EMPTY_CODE {
                *self.chain.code_users.entry(new).or_default() += 1;
            }
            if let Some(users) = self.chain.code_users.get_mut(&old) {
                *users -= 1;
            }
        }
        for account in self.accounts.keys() {
            let old = self.state.account(account).map_or(EMPTY_CODE, code_hash);
            if self.chain.code_users.get(&old) == Some(&0) {
                self.chain.code_users.remove(&old);
                Arc::make_mut(&mut codes).remove(&old);
            }
        }
        for (hash, code) in std::mem::take(&mut self.codes) {
            Arc::make_mut(&mut codes).insert(hash, code);
        }
        codes
    }
}
