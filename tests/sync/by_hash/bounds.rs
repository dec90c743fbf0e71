//! What a sync by hash costs: bytes, requests and memory.

use std::collections::BTreeMap;

use snaplight::hash::Hash;
use snaplight::sync::Limits;
use snaplight::wire::By;
use snaplight_peer::keccak::keccak;
use snaplight_peer::state::{Account, Builder, Realistic, Recipe, State};
use snaplight_peer::trie::Trie;

use super::{assert_honest, sync, sync_alone};
use crate::bounds::assert_bounded_with_copies;
use crate::timing::{contracts, serve};
use crate::truth::assert_complete;
use crate::world::{End, World};

/// How many different trie nodes and codes a state has, and the sum of their sizes in bytes.
fn distinct(state: &State) -> (usize, u64) {
    let storages = state.storages().map(|(_, storage)| storage);
    let tries = [state.accounts()].into_iter().chain(storages);
    let codes = state.codes().map(|(_, code)| code.to_vec());
    let items = tries.flat_map(Trie::all_nodes).chain(codes);
    let sizes: BTreeMap<_, u64> = items
        .map(|item| (keccak(&item), item.len() as u64))
        .collect();
    (sizes.len(), sizes.values().sum())
}

/// Syncs by hash, and returns the bytes received as a part of the sum of the different items' sizes.
/// Each of them is asked for once.
fn overhead(state: State, peers: usize) -> f64 {
    let server = serve(state);
    let (count, bytes) = distinct(&server.head());
    let (world, _) = sync_alone(&server, peers, 1);
    assert_eq!(world.hashes.distinct.len(), count);
    world.received as f64 / bytes as f64
}

#[test]
fn plain_accounts_cost_at_most_a_twentieth_more_bytes_than_their_nodes_have() {
    for (accounts, peers) in [(2_000, 1), (20_000, 1), (20_000, 4)] {
        let overhead = overhead(Recipe::plain(accounts, 4).build(), peers);
        assert!(overhead <= 1.05, "{accounts} by {peers} peers: {overhead}");
    }
}

#[test]
fn contracts_cost_at_most_a_twentieth_more_bytes_than_their_nodes_and_codes_have() {
    for peers in [1, 4] {
        let realistic = overhead(Realistic::new(5_000, 4).build(), peers);
        let recipe = overhead(contracts(5_000, 150, 4), peers);
        assert!(realistic <= 1.05 && recipe <= 1.05, "{realistic} {recipe}");
    }
}

/// Syncs by hash and checks the bounds again and again. Returns the most bytes that the engine has
/// had on the heap. `copies`: see [`assert_bounded_with_copies`].
fn most_heap(state: State, limits: Limits, copies: usize) -> usize {
    let server = &serve(state);
    let mut world = World::new(server.clone(), 3);
    world.engine = world.engine.with_limits(limits);
    world.peer_by_hash(Vec::new());
    world.peer_by_hash(Vec::new());
    world.target(Hash(server.head().root()));
    let mut most = 0;
    loop {
        let end = world.run_some(5);
        most = world.engine.footprint().heap.max(most);
        assert_bounded_with_copies(&world, &limits, copies);
        match end {
            End::Paused => {}
            End::Done(_) => break,
            end => panic!("{end:?}, waited for {:?}", world.waits),
        }
    }
    world.collect_garbage();
    assert_complete(&world.disk, &server.head());
    assert_honest(&world);
    most
}

/// Limits with which small states press on memory.
fn tight() -> Limits {
    Limits {
        batch_bytes: 16 * 1024,
        batch_ms: 100,
        asked_bytes: 64 * 1024,
        waiting_bytes: 32 * 1024,
        cut_bytes: 8 * 1024,
        page_bytes: 4 * 1024,
    }
}

/// What equal storages may have in memory beyond the bounds: the nodes of an answer are joined at
/// further places while memory has room, and a storage leaves it when its last level has come.
const COPIES: usize = 256 * 1024;

/// What a state of any size may take on the heap with the default limits. The footprint's own bounds
/// are encoded sizes; in memory these take three to five times as much.
const HEAP: usize = 32 * 1024 * 1024;
/// The same with the tight limits: what one answer may add comes on top.
const TIGHT_HEAP: usize = 8 * 1024 * 1024;

#[test]
fn memory_is_bounded_in_a_first_sync_of_many_plain_accounts() {
    let most = most_heap(Recipe::plain(100_000, 5).build(), Limits::default(), 0);
    assert!(most <= HEAP, "{most}");
}

#[test]
fn memory_is_bounded_in_a_first_sync_of_one_large_storage() {
    let recipe = Recipe {
        huge: vec![(1, 60_000)],
        ..Recipe::plain(100, 5)
    };
    let most = most_heap(recipe.build(), Limits::default(), 0);
    assert!(most <= HEAP, "{most}");
}

#[test]
fn memory_is_bounded_with_tight_limits() {
    let huge = Recipe {
        huge: vec![(1, 5_000)],
        ..Recipe::plain(500, 6)
    };
    for state in [
        Recipe::plain(10_000, 6).build(),
        contracts(3_000, 300, 6),
        huge.build(),
        equal_storages(300, 100),
    ] {
        let most = most_heap(state, tight(), 0);
        assert!(most <= TIGHT_HEAP, "{most}");
    }
}

/// Contracts that all have the same storage of so many slots.
fn equal_storages(accounts: u32, slots: u32) -> State {
    let slots: Vec<_> = (0..slots).map(|slot| keccak(&slot.to_le_bytes())).collect();
    let mut builder = Builder::new();
    for index in 0..accounts {
        let contract = Account::new().nonce(index.into());
        let contract = slots
            .iter()
            .fold(contract, |contract, slot| contract.slot_at(*slot, *slot));
        builder = builder.account_at(keccak(&index.to_be_bytes()), contract);
    }
    builder.build()
}

#[test]
fn memory_is_bounded_with_thousands_of_equal_storages() {
    let most = most_heap(equal_storages(800, 60), Limits::default(), COPIES);
    assert!(most <= HEAP, "{most}");
}

#[test]
fn a_sync_by_hash_that_is_killed_in_its_middle_has_lost_little() {
    let server = serve(Recipe::plain(60_000, 7).build());
    let alone = sync_alone(&server, 1, 7).0.received;
    let mut world = World::new(server.clone(), 7);
    let line = world.line(1_000_000);
    world.connect(server.clone(), By::Hash, Vec::new(), Some(line));
    world.target(Hash(server.head().root()));
    world.run_until(|world| world.received > alone / 2);
    let before = world.received;
    let mut world = World::on_disk(server, 8, world.kill());
    world.peer_by_hash(Vec::new());
    sync(&mut world);
    assert_honest(&world);
    let lost = before + world.received - alone;
    // Two batches, what waits in memory, and nodes above what was written.
    assert!(
        lost <= 3 * 1024 * 1024,
        "{lost} of {alone} bytes came twice"
    );
}
