//! Measures a tracked set in a large state: what the next root costs, how long it takes at a round
//! trip of 100 ms, and what the set takes on disk. `cargo bench --profile sim --bench sets
//! [-- SEED]`.
//!
//! The set is 20 plain accounts, and 20 slots in each of 5 contracts of a million slots, in a state
//! of a million accounts. Each block changes 1,500 accounts and 300 slots in each of the contracts.
//! The engine runs in the tests' world, in virtual time and with a disk in memory, so only bytes,
//! requests and round trips are meaningful.

// Most of the tests' world is not used here.
#![allow(clippy::expect_used, clippy::panic, dead_code, missing_docs)]

#[path = "../tests/sync/disk.rs"]
mod disk;
#[path = "../tests/json_value/mod.rs"]
mod json_value;
#[path = "../tests/sync/rng.rs"]
mod rng;
#[path = "../tests/sync/world/mod.rs"]
mod world;

use std::collections::BTreeMap;

use snaplight::hash::Hash;
use snaplight::state::{Scope, TrackedAccount, TrackedSet};
use snaplight::sync::{Input, Report};
use snaplight::trie::keccak;
use snaplight_peer::chain::{Chain, Change};
use snaplight_peer::state::{Recipe, State};

use world::{End, World};

const ACCOUNTS: u64 = 1_000_000;
const CONTRACTS: u64 = 5;
const SLOTS_OF_A_CONTRACT: u64 = 1_000_000;
/// Accounts, and slots in each contract, that are tracked.
const TRACKED: u64 = 20;
/// Roots that the set follows.
const ROOTS: usize = 9;
const LATENCY_MS: u64 = 100;

fn main() {
    let seed = std::env::args().find_map(|argument| argument.parse().ok());
    let seed: u64 = seed.unwrap_or(7);
    let recipe = Recipe {
        huge: vec![(CONTRACTS, SLOTS_OF_A_CONTRACT)],
        ..Recipe::plain(ACCOUNTS, seed)
    };
    println!("building a state of {ACCOUNTS} accounts and {CONTRACTS} large contracts");
    let mut chain = Chain::keeping(ROOTS + 1, recipe.build(), seed);
    for slots_per_contract in [300, 5] {
        follow(&recipe, &mut chain, slots_per_contract, seed);
    }
}

/// Follows the chain from its head on.
fn follow(recipe: &Recipe, chain: &mut Chain, slots_per_contract: u64, seed: u64) {
    let tracked = tracked(recipe);
    let mut world = World::new(chain.server(), seed);
    world.latency = (LATENCY_MS, LATENCY_MS);
    let set = TrackedSet::default().with(&tracked).expect("a small set");
    world.input(Input::Scope(Scope::set(1, set)));
    world.honest_peer();
    let mut before = BTreeMap::new();
    println!("each block changes 1,500 accounts and {slots_per_contract} slots in each contract");
    for root in 0..ROOTS {
        let (from, started) = (world.received, world.now);
        let report = sync(&mut world, chain);
        let bytes = world.received - from;
        let millis = world.now - started;
        let state = chain.state(&chain.root()).expect("the head");
        let after = nodes(&state, &tracked);
        let changed: usize = after
            .iter()
            .filter(|(hash, _)| !before.contains_key(*hash))
            .map(|(_, length)| length)
            .sum();
        world.collect_garbage();
        let disk: usize = world.disk.pages.values().map(Vec::len).sum();
        println!(
            "root {root}: {bytes} bytes, {:.2} of the {changed} bytes of changed nodes; {} requests, \
             {} round trips, {millis} ms; {} pages, {disk} bytes on disk",
            bytes as f64 / changed as f64,
            report.counters.requests,
            report.counters.round_trips,
            world.disk.pages.len(),
        );
        before = after;
        chain.advance(&Change {
            values: 1_500,
            slots: slots_per_contract * CONTRACTS,
            contracts: CONTRACTS,
            ..Change::default()
        });
        world.announce();
    }
}

/// The contracts are the first accounts.
fn tracked(recipe: &Recipe) -> Vec<TrackedAccount> {
    let contracts = (0..CONTRACTS).map(|contract| {
        let step = SLOTS_OF_A_CONTRACT / TRACKED;
        let slots = (0..TRACKED).map(|slot| recipe.slot_key(contract, 3 + slot * step / 2));
        let slots: Vec<[u8; 32]> = slots.collect();
        TrackedAccount::new(recipe.address(contract), false, &slots)
    });
    let step = (ACCOUNTS - CONTRACTS) / TRACKED;
    let plain = (0..TRACKED).map(|account| {
        let address = recipe.address(CONTRACTS + account * step);
        TrackedAccount::new(address, false, &[])
    });
    contracts.chain(plain).collect()
}

/// The nodes on the tracked paths of a state: hash, and length in bytes.
fn nodes(state: &State, tracked: &[TrackedAccount]) -> BTreeMap<Hash, usize> {
    let mut nodes = BTreeMap::new();
    let mut add = |path: Vec<Vec<u8>>| {
        for node in path {
            nodes.insert(keccak(&node), node.len());
        }
    };
    for account in tracked {
        add(state.accounts().prove(&account.key().0, None));
        let (Some(storage), slots) = (state.storage(&account.key().0), account.slots()) else {
            continue;
        };
        if let snaplight::state::TrackedSlots::Single(slots) = slots {
            for slot in slots {
                add(storage.prove(&slot.key().0, None));
            }
        }
    }
    nodes
}

fn sync(world: &mut World, chain: &Chain) -> Report {
    world.target(Hash(chain.root()));
    match world.run() {
        End::Done(report) => *report,
        end => panic!("{end:?}"),
    }
}
