//! Builds a state account by account, for genesis files and tests.

use super::{State, number};
use crate::{
    EMPTY_CODE, EMPTY_ROOT, Hash,
    keccak::keccak,
    rlp,
    trie::{Kind, Leaves, Trie},
};
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

/// Collects accounts. `build` hashes them.
#[derive(Debug, Clone, Default)]
pub struct Builder {
    accounts: BTreeMap<Hash, Account>,
    codes: HashMap<Hash, Arc<[u8]>>,
}

/// An account of the state that is being built. It may be bogus: bytes without a meaning.
#[derive(Debug, Clone, Default)]
pub struct Account {
    nonce: u64,
    balance: Hash,
    code: Option<Arc<[u8]>>,
    slots: BTreeMap<Hash, Vec<u8>>,
    raw_body: Option<Vec<u8>>,
}

impl Account {
    /// Nonce 0, balance 0, no code, no storage.
    #[must_use]
    pub fn new() -> Account {
        Account::default()
    }

    /// Sets the nonce.
    #[must_use]
    pub fn nonce(mut self, nonce: u64) -> Account {
        self.nonce = nonce;
        self
    }

    /// Sets the balance, in wei.
    #[must_use]
    pub fn balance(mut self, wei: u128) -> Account {
        self.balance = [0; 32];
        self.balance[16..].copy_from_slice(&wei.to_be_bytes());
        self
    }

    /// Sets the balance, in wei, as 256 bits, big-endian.
    #[must_use]
    pub fn balance_be(mut self, wei: Hash) -> Account {
        self.balance = wei;
        self
    }

    /// Sets the code; empty means none.
    #[must_use]
    pub fn code(mut self, code: impl Into<Arc<[u8]>>) -> Account {
        let code = code.into();
        self.code = (!code.is_empty()).then_some(code);
        self
    }

    /// Sets a slot to a value. The key will be hashed. Zero means that there is no such slot.
    #[must_use]
    pub fn slot(self, key: Hash, value: Hash) -> Account {
        self.slot_at(keccak(&key), value)
    }

    /// Sets a slot by the hash of its key, for tries of a certain shape.
    #[must_use]
    pub fn slot_at(mut self, hash: Hash, value: Hash) -> Account {
        let value = number::trimmed(&value);
        if value.is_empty() {
            self.slots.remove(&hash);
        } else {
            let mut encoded = Vec::with_capacity(33);
            rlp::put_string(value, &mut encoded);
            self.slots.insert(hash, encoded);
        }
        self
    }

    /// Sets the bytes that the storage trie holds under a hash, whatever they are: a bogus state. A
    /// client then gets a value whose proof is right and that does not decode.
    #[must_use]
    pub fn raw_slot_at(mut self, hash: Hash, value: Vec<u8>) -> Account {
        self.slots.insert(hash, value);
        self
    }

    /// Replaces the slim body by these bytes: a bogus state. They must be one RLP item, or the
    /// answers that contain them are malformed too. If they are a list of four strings, the trie
    /// holds them with the empty hashes written out, as always. Otherwise it holds the bytes as
    /// they are.
    #[must_use]
    pub fn raw_body(mut self, body: Vec<u8>) -> Account {
        self.raw_body = Some(body);
        self
    }
}

impl Builder {
    /// A builder without accounts.
    #[must_use]
    pub fn new() -> Builder {
        Builder::default()
    }

    /// Adds an account. It replaces one with the same address.
    #[must_use]
    pub fn account(self, address: [u8; 20], account: Account) -> Builder {
        self.account_at(keccak(&address), account)
    }

    /// Adds an account by the hash of its address, for tries of a certain shape.
    #[must_use]
    pub fn account_at(mut self, hash: Hash, account: Account) -> Builder {
        self.insert(hash, account);
        self
    }

    pub(super) fn insert(&mut self, hash: Hash, account: Account) {
        if let Some(code) = &account.code {
            self.codes.insert(keccak(code), Arc::clone(code));
        }
        self.accounts.insert(hash, account);
    }

    /// Hashes all accounts.
    #[must_use]
    pub fn build(self) -> State {
        let mut storages = HashMap::new();
        let mut accounts = Leaves::with_capacity(Kind::Accounts, self.accounts.len());
        for (hash, account) in self.accounts {
            let storage = storage(&account.slots);
            let code = account.code.as_deref().map_or(EMPTY_CODE, keccak);
            let body = account.raw_body.unwrap_or_else(|| {
                slim_body(account.nonce, &account.balance, &storage.root(), &code)
            });
            accounts.push(hash, &body);
            if !storage.is_empty() {
                storages.insert(storage.root(), Arc::new(storage));
            }
        }
        State::new(Trie::build(accounts), storages, self.codes)
    }
}

fn storage(slots: &BTreeMap<Hash, Vec<u8>>) -> Trie {
    let mut leaves = Leaves::with_capacity(Kind::Slots, slots.len());
    for (hash, value) in slots {
        leaves.push(*hash, value);
    }
    Trie::build(leaves)
}

/// `[nonce, balance, storageRoot, codeHash]`. A hash is an empty string if there is no storage or
/// code.
pub(crate) fn slim_body(nonce: u64, balance: &Hash, storage: &Hash, code: &Hash) -> Vec<u8> {
    let mut fields = Vec::with_capacity(80);
    rlp::put_uint(nonce, &mut fields);
    rlp::put_string(number::trimmed(balance), &mut fields);
    rlp::put_string(
        if *storage == EMPTY_ROOT { &[] } else { storage },
        &mut fields,
    );
    rlp::put_string(if *code == EMPTY_CODE { &[] } else { code }, &mut fields);
    rlp::wrap(&fields)
}
