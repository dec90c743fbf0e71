//! Makes states that follow each other.

use std::collections::BTreeMap;
use std::rc::Rc;

use snaplight::hash::Hash;
use snaplight::state::{Account, StatePath};

use crate::state_world::{Rng, Trie, body, slot};

/// One state: what it holds, and what a peer that has it can prove.
pub(crate) struct State {
    pub(crate) accounts: Trie,
    pub(crate) storage: BTreeMap<Hash, Rc<Trie>>,
    bodies: BTreeMap<Hash, Account>,
}

/// All states so far. The root may go back to any of them.
pub(crate) struct Chain {
    pub(crate) states: Vec<Rc<State>>,
    codes: Vec<Hash>,
    slots: usize,
}

/// What a change does.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Insertion,
    Deletion,
    /// Slots of existing storages.
    Slots,
    /// Whole storages.
    Storage,
    Value,
}

impl State {
    fn of(bodies: BTreeMap<Hash, Account>, storage: BTreeMap<Hash, Rc<Trie>>) -> Rc<State> {
        Rc::new(State {
            accounts: Trie::of_accounts(bodies.clone()),
            storage,
            bodies,
        })
    }

    pub(crate) fn root(&self) -> Hash {
        self.accounts.root
    }

    pub(crate) fn trie(&self, at: &StatePath) -> Option<&Trie> {
        match &at.account {
            None => Some(&self.accounts),
            Some(account) => self.storage.get(account).map(Rc::as_ref),
        }
    }
}

impl Chain {
    /// Makes a first state with about `accounts` accounts. Of a hundred, `contracts` have code, and
    /// as many have storage.
    pub(crate) fn new(rng: &mut Rng, accounts: usize, slots: usize, contracts: usize) -> Chain {
        let codes = (0..accounts / 4 + 1).map(|_| rng.hash()).collect();
        let mut chain = Chain {
            states: Vec::new(),
            codes,
            slots,
        };
        let (mut bodies, mut storage) = (BTreeMap::new(), BTreeMap::new());
        for _ in 0..accounts {
            chain.create(rng, contracts, &mut bodies, &mut storage);
        }
        chain.states.push(State::of(bodies, storage));
        chain
    }

    /// Makes a first state whose keys are spread evenly, as hashes are. Of a hundred accounts,
    /// `contracts` have some slots.
    pub(crate) fn even(rng: &mut Rng, accounts: usize, contracts: usize) -> Chain {
        let (mut bodies, mut storage) = (BTreeMap::new(), BTreeMap::new());
        for _ in 0..accounts {
            let key = rng.hash();
            bodies.insert(key, body(rng, Hash::EMPTY_ROOT, Hash::EMPTY_CODE));
            if rng.chance(contracts) {
                let slots = (0..1 + rng.below(60)).map(|_| (rng.hash(), slot(rng)));
                set_storage(&key, slots.collect(), &mut bodies, &mut storage);
            }
        }
        Chain {
            states: vec![State::of(bodies, storage)],
            codes: vec![rng.hash()],
            slots: 60,
        }
    }

    /// Returns the newest state after `changes` changes of one kind.
    pub(crate) fn change_by(&self, rng: &mut Rng, kind: Kind, changes: usize) -> Rc<State> {
        let last = self.last();
        let (mut bodies, mut storage) = (last.bodies.clone(), last.storage.clone());
        let keys: Vec<Hash> = match kind {
            Kind::Slots => storage.keys().copied().collect(),
            _ => bodies.keys().copied().collect(),
        };
        for _ in 0..changes {
            let key = keys[rng.below(keys.len())];
            match kind {
                Kind::Insertion => {
                    bodies.insert(rng.hash(), body(rng, Hash::EMPTY_ROOT, Hash::EMPTY_CODE));
                }
                kind => self.change_one(rng, kind, &key, &mut bodies, &mut storage),
            }
        }
        State::of(bodies, storage)
    }

    pub(crate) fn last(&self) -> Rc<State> {
        self.states[self.states.len() - 1].clone()
    }

    /// Makes the next state: usually a change of the newest, sometimes an older state again.
    pub(crate) fn advance(&mut self, rng: &mut Rng) -> Rc<State> {
        let state = match rng.below(10) {
            0 => self.states[rng.below(self.states.len())].clone(),
            1 => self.change(rng, 100),
            2 => self.change(rng, 20),
            _ => self.change(rng, 2),
        };
        self.states.push(state.clone());
        state
    }

    /// Makes a change to about `percent` of a hundred accounts, and to at least one thing.
    pub(crate) fn change(&self, rng: &mut Rng, percent: usize) -> Rc<State> {
        let last = self.last();
        let (mut bodies, mut storage) = (last.bodies.clone(), last.storage.clone());
        let changes = 1 + rng.below(bodies.len() * percent / 100 + 1);
        // A block has one kind of change, or all kinds.
        let kinds = [
            Kind::Insertion,
            Kind::Deletion,
            Kind::Slots,
            Kind::Storage,
            Kind::Value,
        ];
        let only = kinds.get(rng.below(8));
        for _ in 0..changes {
            let key = match bodies.len() {
                0 => Hash::ZERO,
                n => *bodies.keys().nth(rng.below(n)).unwrap(),
            };
            let kind = *only.unwrap_or(&kinds[rng.below(5)]);
            self.change_one(rng, kind, &key, &mut bodies, &mut storage);
        }
        State::of(bodies, storage)
    }

    fn change_one(
        &self,
        rng: &mut Rng,
        kind: Kind,
        key: &Hash,
        bodies: &mut BTreeMap<Hash, Account>,
        storage: &mut BTreeMap<Hash, Rc<Trie>>,
    ) {
        match kind {
            Kind::Insertion => self.create(rng, 30, bodies, storage),
            Kind::Deletion => {
                bodies.remove(key);
                storage.remove(key);
            }
            Kind::Slots => self.write(rng, key, bodies, storage),
            Kind::Storage => {
                // A contract is destroyed and made again, or an account gets its first storage.
                let slots = self.storage_of(rng);
                set_storage(key, slots, bodies, storage);
            }
            Kind::Value => {
                if let Some(account) = bodies.get_mut(key) {
                    *account = body(rng, account.storage_root, account.code_hash);
                }
            }
        }
    }

    fn create(
        &self,
        rng: &mut Rng,
        contracts: usize,
        bodies: &mut BTreeMap<Hash, Account>,
        storage: &mut BTreeMap<Hash, Rc<Trie>>,
    ) {
        let keys: Vec<Hash> = bodies.keys().copied().collect();
        let key = odd_key(rng, &keys);
        let mut code = Hash::EMPTY_CODE;
        if rng.chance(contracts) {
            code = self.codes[rng.below(self.codes.len())];
        }
        bodies.insert(key, body(rng, Hash::EMPTY_ROOT, code));
        storage.remove(&key);
        if rng.chance(contracts) {
            let slots = self.storage_of(rng);
            set_storage(&key, slots, bodies, storage);
        }
    }

    /// Writes and clears some slots.
    fn write(
        &self,
        rng: &mut Rng,
        key: &Hash,
        bodies: &mut BTreeMap<Hash, Account>,
        storage: &mut BTreeMap<Hash, Rc<Trie>>,
    ) {
        let Some(trie) = storage.get(key) else { return };
        let mut slots = trie.leaves.clone();
        for _ in 0..1 + rng.below(slots.len() / 10 + 2) {
            let keys: Vec<Hash> = slots.keys().copied().collect();
            match rng.below(3) {
                0 => {
                    slots.insert(odd_key(rng, &keys), slot(rng));
                }
                1 if !keys.is_empty() => {
                    slots.remove(&keys[rng.below(keys.len())]);
                }
                _ if !keys.is_empty() => {
                    slots.insert(keys[rng.below(keys.len())], slot(rng));
                }
                _ => {}
            }
        }
        set_storage(key, slots, bodies, storage);
    }

    fn storage_of(&self, rng: &mut Rng) -> BTreeMap<Hash, Vec<u8>> {
        let most = match rng.below(6) {
            0 => self.slots,
            1 => self.slots / 4,
            _ => 8,
        };
        let mut slots = BTreeMap::new();
        let mut keys = Vec::new();
        for _ in 0..rng.below(most + 1) {
            let key = odd_key(rng, &keys);
            keys.push(key);
            slots.insert(key, slot(rng));
        }
        slots
    }
}

fn set_storage(
    key: &Hash,
    slots: BTreeMap<Hash, Vec<u8>>,
    bodies: &mut BTreeMap<Hash, Account>,
    storage: &mut BTreeMap<Hash, Rc<Trie>>,
) {
    let Some(account) = bodies.get_mut(key) else {
        return;
    };
    if slots.is_empty() {
        account.storage_root = Hash::EMPTY_ROOT;
        storage.remove(key);
        return;
    }
    let trie = Trie::of_slots(slots);
    account.storage_root = trie.root;
    storage.insert(*key, Rc::new(trie));
}

/// Two keys of five share a long prefix with another, so that there are extensions and deep
/// branches.
fn odd_key(rng: &mut Rng, keys: &[Hash]) -> Hash {
    let mut key = rng.hash();
    if !keys.is_empty() && rng.chance(40) {
        let near = keys[rng.below(keys.len())];
        let shared = rng.below(64);
        if shared % 2 == 1 {
            key.0[shared / 2] = near.0[shared / 2] & 0xf0 | key.0[shared / 2] & 0xf;
        }
        key.0[..shared / 2].copy_from_slice(&near.0[..shared / 2]);
    }
    key
}
