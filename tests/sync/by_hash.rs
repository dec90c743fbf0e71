//! Syncs by hash: states of every shape from peers that answer GetNodeData and nothing else, alone
//! and beside peers by snap.

use std::sync::Arc;

use snaplight::hash::Hash;
use snaplight_peer::session::Server;
use snaplight_peer::state::{Account, Builder, Recipe, State};

use crate::truth::assert_complete;
use crate::world::{End, World};

fn world(state: State, seed: u64) -> (World, Hash) {
    let root = Hash(state.root());
    (World::new(Arc::new(Server::new(state)), seed), root)
}

fn contracts(accounts: u64, seed: u64, huge: Vec<(u64, u64)>) -> State {
    Recipe {
        accounts,
        contracts_per_mille: 150,
        seed,
        huge,
    }
    .build()
}

/// Syncs to the end, and compares the result with the true state.
fn finish(world: &mut World, root: Hash) {
    world.target(root);
    match world.run() {
        End::Done(report) => assert_eq!(report.root, root),
        end => panic!(
            "{end:?}, waited for {:?}, faults {:?}",
            world.waits, world.faults
        ),
    }
    assert_complete(&world.disk, world.server.states().head().expect("a state"));
}

/// Syncs from honest peers by hash alone.
fn sync(state: State, peers: usize, seed: u64) -> World {
    let (mut world, root) = world(state, seed);
    for _ in 0..peers {
        world.peer_by_hash(Vec::new());
    }
    finish(&mut world, root);
    assert_eq!(world.faults, []);
    assert_eq!(world.asked, [], "nothing is asked by path or range");
    assert_eq!(world.hashes.twice, 0);
    assert!(world.hashes.most <= 384);
    world
}

#[test]
fn the_smallest_states_sync_by_hash() {
    sync(Builder::new().build(), 1, 1);
    let plain = Account::new().balance(1);
    sync(Builder::new().account([7; 20], plain).build(), 1, 2);
    let contract = Account::new()
        .nonce(1)
        .code([0x60, 0x00])
        .slot([0; 32], [1; 32]);
    sync(Builder::new().account([7; 20], contract).build(), 1, 3);
}

#[test]
fn plain_accounts_sync_by_hash_and_each_node_comes_once() {
    let world = sync(Recipe::plain(20_000, 4).build(), 1, 4);
    let counters = world.engine.progress(snaplight::sync::Millis(world.now));
    let _ = counters;
    assert_eq!(world.hashes.asked, world.hashes.distinct.len() as u64);
    println!(
        "requests {} hashes {} received {} ms {}",
        world.hashes.requests, world.hashes.asked, world.received, world.now
    );
}

#[test]
fn contracts_sync_by_hash_from_several_peers() {
    let world = sync(contracts(5_000, 5, vec![(1, 30_000), (7, 400)]), 3, 5);
    println!(
        "requests {} hashes {} distinct {} received {} ms {}",
        world.hashes.requests,
        world.hashes.asked,
        world.hashes.distinct.len(),
        world.received,
        world.now
    );
}
