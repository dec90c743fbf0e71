//! States, what changes from one to the next, sets of them, and what a set has to hold.

use std::collections::{BTreeMap, BTreeSet};

use snaplight::hash::Hash;
use snaplight::state::{
    Account, Scope, SlimAccount, StatePath, TrackedAccount, TrackedSet, TrackedSlots,
};
use snaplight::trie::fold::{Fold, FoldError, Root};
use snaplight::trie::path::Path;

use crate::state_world::{Rng, Trie, World, body, odd_key, slot};

/// What is held at one place of a state, without pages.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum What {
    /// A wanted account: its slim body, whether its code is held, and whether its storage is known.
    Account(Vec<u8>, bool, bool),
    Slot(Vec<u8>),
    Outside(Hash),
    Neighbour(Vec<u8>),
    /// It is still to be fetched.
    Missing,
}

pub(crate) type Held = BTreeMap<StatePath, What>;

fn account(slim: &[u8]) -> Account {
    SlimAccount::parse(slim).unwrap().account()
}

/// The same state after some accounts and slots have changed, come and gone.
pub(crate) fn next(world: &World, rng: &mut Rng, share: usize) -> World {
    let mut storage = BTreeMap::new();
    let mut bodies = BTreeMap::new();
    let mut keys: Vec<Hash> = world.accounts.leaves.keys().copied().collect();
    let some_code = rng.hash();
    for (key, slim) in &world.accounts.leaves {
        let mut account = account(slim);
        if rng.chance(share / 2) {
            continue;
        }
        if rng.chance(share) {
            account.nonce += 1;
        }
        if rng.chance(share / 2) {
            account.code_hash = [some_code, Hash::EMPTY_CODE][rng.below(2)];
        }
        let mut slots = world.storage.get(key).map(|trie| trie.leaves.clone());
        if rng.chance(share) {
            let leaves = slots.get_or_insert_default();
            let mut slot_keys: Vec<Hash> = leaves.keys().copied().collect();
            for slot_key in slot_keys.clone() {
                match rng.below(100) {
                    0..10 => drop(leaves.remove(&slot_key)),
                    10..20 => drop(leaves.insert(slot_key, slot(rng))),
                    _ => {}
                }
            }
            for _ in 0..rng.below(4) {
                leaves.insert(odd_key(rng, &mut slot_keys), slot(rng));
            }
        }
        if let Some(leaves) = slots.filter(|leaves| !leaves.is_empty()) {
            let trie = Trie::of_slots(leaves);
            account.storage_root = trie.root;
            storage.insert(*key, trie);
        } else {
            account.storage_root = Hash::EMPTY_ROOT;
        }
        bodies.insert(*key, account);
    }
    for _ in 0..rng.below(1 + world.accounts.leaves.len() * share / 200) {
        let key = odd_key(rng, &mut keys);
        let account = body(rng, Hash::EMPTY_ROOT, Hash::EMPTY_CODE);
        bodies.entry(key).or_insert(account);
    }
    World {
        accounts: Trie::of_accounts(bodies),
        storage,
    }
}

/// A set of some keys that the state has, and some that it has not.
pub(crate) fn some_set(world: &World, rng: &mut Rng, most: usize) -> TrackedSet {
    let count = rng.below(most + 1);
    let accounts: Vec<TrackedAccount> = (0..count)
        .map(|_| {
            let key = some_key(&world.accounts, rng);
            let slots = match world.storage.get(&key) {
                _ if rng.chance(20) => None,
                Some(trie) => Some((0..rng.below(8)).map(|_| some_key(trie, rng)).collect()),
                None => Some((0..rng.below(3)).map(|_| rng.hash()).collect()),
            };
            TrackedAccount::of_keys(key, rng.chance(50), slots)
        })
        .collect();
    TrackedSet::default().with(&accounts).unwrap()
}

fn some_key(trie: &Trie, rng: &mut Rng) -> Hash {
    let mut keys: Vec<Hash> = trie.leaves.keys().copied().collect();
    match keys.is_empty() {
        true => rng.hash(),
        false if rng.chance(75) => keys[rng.below(keys.len())],
        false => odd_key(rng, &mut keys),
    }
}

/// What a scope has to hold of a state, derived from the leaves alone.
pub(crate) fn expected(world: &World, scope: &Scope) -> Held {
    let mut held = Held::new();
    let wanted = match scope.tracked() {
        None => world.accounts.leaves.keys().copied().collect(),
        Some(set) => set.accounts().iter().map(TrackedAccount::key).collect(),
    };
    let everything = scope.is_everything();
    expect_trie(&world.accounts, None, &wanted, &mut held);
    let accounts: Vec<(StatePath, What)> = held.clone().into_iter().collect();
    for (at, what) in accounts {
        let What::Account(slim, ..) = what else {
            continue;
        };
        let key = at.path.key();
        let tracked = scope.tracked().and_then(|set| set.get(&key));
        let slots = world.storage.get(&key);
        let wanted: BTreeSet<Hash> = match tracked.map(TrackedAccount::slots) {
            Some(TrackedSlots::Single(slots)) => slots.iter().map(|slot| slot.key()).collect(),
            _ => slots
                .iter()
                .flat_map(|trie| trie.leaves.keys().copied())
                .collect(),
        };
        let has_code = account(&slim).code_hash != Hash::EMPTY_CODE;
        let code = has_code && (everything || tracked.is_some_and(|account| account.code()));
        let is_known = slots.is_none() || !wanted.is_empty();
        held.insert(at, What::Account(slim, code, is_known));
        if let Some(trie) = slots
            && is_known
        {
            expect_trie(trie, Some(key), &wanted, &mut held);
        }
    }
    held
}

fn expect_trie(trie: &Trie, account: Option<Hash>, wanted: &BTreeSet<Hash>, held: &mut Held) {
    let leaves: Vec<(Hash, &[u8])> = trie.all_leaves();
    if !leaves.is_empty() {
        expect_slot(account, &leaves, Path::ROOT, wanted, held);
    }
}

fn touches(wanted: &BTreeSet<Hash>, path: &Path) -> bool {
    wanted
        .range(path.first_key()..=path.last_key())
        .next()
        .is_some()
}

/// What is held of the node in one child slot, below which these leaves are.
fn expect_slot(
    account: Option<Hash>,
    leaves: &[(Hash, &[u8])],
    slot: Path,
    wanted: &BTreeSet<Hash>,
    held: &mut Held,
) {
    let (first, last) = (leaves[0].0, leaves[leaves.len() - 1].0);
    let top = match leaves.len() {
        1 => Path::full(first),
        _ => Path::full(first).prefix(Path::full(first).common(&Path::full(last))),
    };
    let at = |path| StatePath { account, path };
    let outside = match (touches(wanted, &slot), touches(wanted, &top)) {
        (false, _) => hash_of(account, leaves, &slot).map(|hash| (slot, hash)),
        (true, false) if leaves.len() > 1 => hash_of(account, leaves, &top).map(|hash| (top, hash)),
        _ => None,
    };
    if let Some((path, hash)) = outside {
        held.insert(at(path), What::Outside(hash));
        return;
    }
    if let [(key, value)] = leaves {
        let what = match (wanted.contains(key), account) {
            (false, _) => What::Neighbour(value.to_vec()),
            (true, None) => What::Account(value.to_vec(), false, false),
            (true, Some(_)) => What::Slot(value.to_vec()),
        };
        held.insert(at(top), what);
        return;
    }
    for nibble in 0..16 {
        let slot = top.child(nibble).unwrap();
        let below: Vec<(Hash, &[u8])> = leaves
            .iter()
            .filter(|(key, _)| slot.covers(key))
            .copied()
            .collect();
        if !below.is_empty() {
            expect_slot(account, &below, slot, wanted, held);
        }
    }
}

/// The hash of the node in a child slot; `None` if it is embedded.
fn hash_of(account: Option<Hash>, leaves: &[(Hash, &[u8])], slot: &Path) -> Option<Hash> {
    let mut fold = Fold::new();
    for (key, value) in leaves {
        match account {
            None => fold.push_account(key, value).unwrap(),
            Some(_) => fold.push_leaf(key, value).unwrap(),
        }
    }
    let root = match slot.is_empty() {
        true => Root::Trie,
        false => Root::Child(slot.len()),
    };
    match fold.run(root) {
        Ok(hash) => Some(hash),
        Err(FoldError::EmbeddedTop) => None,
        Err(error) => panic!("{error}"),
    }
}
