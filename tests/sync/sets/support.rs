//! A chain, a world that holds a set of its state, and what must be true of the disk then.

use std::collections::BTreeMap;

use snaplight::hash::Hash;
use snaplight::state::{Scope, TrackedAccount, TrackedSet, TrackedSlots};
use snaplight::sync::{Input, Report};
use snaplight_peer::chain::{Chain, Change};
use snaplight_peer::state::{Recipe, State, code_hash};

use crate::truth::Walk;
use crate::world::{End, World};

/// Contracts of the state, which are its first accounts, and slots of each.
pub(super) const CONTRACTS: u64 = 4;
pub(super) const SLOTS: u64 = 20_000;
/// Plain accounts that the set of [`tracked`] has.
pub(super) const PLAIN: u64 = 12;

pub(super) fn recipe() -> Recipe {
    Recipe {
        accounts: 20_000,
        contracts_per_mille: 0,
        seed: 13,
        huge: vec![(CONTRACTS, SLOTS)],
    }
}

/// Plain accounts, contracts with twenty of their slots, and what does not exist: an account, and a
/// slot of each contract. A plain account has a tracked slot too.
pub(super) fn tracked() -> Vec<TrackedAccount> {
    let recipe = recipe();
    let mut tracked = Vec::new();
    for contract in 0..CONTRACTS {
        let mut slots: Vec<[u8; 32]> = (0..20)
            .map(|slot| recipe.slot_key(contract, slot * 977))
            .collect();
        slots.push([0xee; 32]);
        tracked.push(TrackedAccount::new(recipe.address(contract), true, &slots));
    }
    for plain in 0..PLAIN {
        let address = recipe.address(CONTRACTS + plain * 37);
        tracked.push(TrackedAccount::new(address, false, &[]));
    }
    let address = recipe.address(CONTRACTS + 5);
    tracked.push(TrackedAccount::new(address, false, &[[1; 32]]));
    tracked.push(TrackedAccount::new([0x77; 20], true, &[[0; 32]]));
    tracked
}

pub(super) fn set(version: u64, accounts: &[TrackedAccount]) -> Scope {
    let set = TrackedSet::default().with(accounts);
    Scope::set(version, set.expect("a small set"))
}

pub(super) fn root(chain: &Chain) -> Hash {
    Hash(chain.root())
}

/// A world without peers that is to hold this.
pub(super) fn world_of(chain: &Chain, scope: &Scope, seed: u64) -> World {
    let mut world = World::new(chain.server(), seed);
    world.input(Input::Scope(scope.clone()));
    world
}

/// Makes the chain's head complete, and compares what is held.
#[track_caller]
pub(super) fn sync(world: &mut World, chain: &Chain, scope: &Scope) -> Report {
    world.target(root(chain));
    let report = match world.run() {
        End::Done(report) => *report,
        end => panic!("{end:?}, waited for {:?}", world.waits),
    };
    assert_eq!(report.root, root(chain));
    assert_held(world, chain, scope);
    report
}

/// A world with one peer by snap in which the set is complete.
pub(super) fn synced(chain: &Chain, scope: &Scope) -> World {
    let mut world = world_of(chain, scope, 5);
    world.latency = (100, 100);
    world.honest_peer();
    sync(&mut world, chain, scope);
    world
}

/// Runs until a state is complete for this scope. No sync ends meanwhile.
#[track_caller]
pub(super) fn run_until_complete_for(world: &mut World, chain: &Chain, scope: &Scope) {
    let version = scope.version();
    world.run_until(|world| {
        let complete = world.engine.record().complete;
        complete.is_some_and(|complete| complete.scope == version)
    });
    assert_held(world, chain, scope);
}

/// Asserts that the complete state is the chain's head for this scope, and that nothing else is
/// held as if it were wanted.
#[track_caller]
pub(super) fn assert_held(world: &World, chain: &Chain, scope: &Scope) {
    let complete = world.engine.record().complete.expect("a complete state");
    assert_eq!(complete.top.root(), root(chain));
    assert_eq!(complete.scope, scope.version());
    let state = chain.state(&chain.root()).expect("the head");
    let set = scope.tracked().expect("a set");
    let walk = Walk::of(&world.disk, complete.top, true);
    assert_eq!(walk.damaged, []);
    let (mut accounts, mut storages) = (BTreeMap::new(), BTreeMap::new());
    for tracked in set.accounts() {
        let key = tracked.key();
        let Some(body) = state.account(&key.0) else {
            continue;
        };
        accounts.insert(key, body.to_vec());
        let slots = slots_of(&state, tracked);
        if !slots.is_empty() {
            storages.insert(key, slots);
        }
        let code = Hash(code_hash(body));
        if tracked.code() && code != Hash::EMPTY_CODE {
            assert!(world.disk.codes.contains_key(&code), "{code} is missing");
        }
    }
    assert!(walk.accounts == accounts, "the accounts differ");
    assert!(walk.storages == storages, "the storages differ");
    assert_eq!(complete.counts.accounts, accounts.len() as u64);
    let slots: usize = storages.values().map(BTreeMap::len).sum();
    assert_eq!(complete.counts.slots, slots as u64);
}

fn slots_of(state: &State, account: &TrackedAccount) -> BTreeMap<Hash, Vec<u8>> {
    let Some(storage) = state.storage(&account.key().0) else {
        return BTreeMap::new();
    };
    let slots = storage.iter();
    let slots = slots.map(|(key, value)| (Hash(*key), value.to_vec()));
    match account.slots() {
        TrackedSlots::All => slots.collect(),
        TrackedSlots::Single(single) => slots
            .filter(|(key, _)| single.iter().any(|slot| slot.key() == *key))
            .collect(),
    }
}

/// The nodes on the tracked paths of the chain's head: hash, and length in bytes.
pub(super) fn nodes(chain: &Chain, tracked: &[TrackedAccount]) -> BTreeMap<Hash, usize> {
    let state = chain.state(&chain.root()).expect("the head");
    let mut nodes = BTreeMap::new();
    let mut add = |path: Vec<Vec<u8>>| {
        for node in path {
            nodes.insert(snaplight::trie::keccak(&node), node.len());
        }
    };
    for account in tracked {
        add(state.accounts().prove(&account.key().0, None));
        if let (Some(storage), TrackedSlots::Single(slots)) =
            (state.storage(&account.key().0), account.slots())
        {
            for slot in slots {
                add(storage.prove(&slot.key().0, None));
            }
        }
    }
    nodes
}

/// A block that changes many accounts, and slots of the contracts.
pub(super) fn block() -> Change {
    Change {
        values: 300,
        slots: 300 * CONTRACTS,
        contracts: CONTRACTS,
        ..Change::default()
    }
}
