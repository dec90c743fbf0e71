//! Counterparts of go-ethereum's tests of its snap syncer (eth/protocols/snap/sync_test.go). Other
//! tests here are counterparts of the rest; docs/testing.md has the table.

use std::sync::Arc;

use snaplight::hash::Hash;
use snaplight::sync::{PeerId, Report, WaitReason};
use snaplight_peer::session::Server;
use snaplight_peer::snap::Request;
use snaplight_peer::state::{Account, Builder, Recipe, State};

use crate::truth::assert_complete;
use crate::world::{End, World};

fn key(index: u32) -> [u8; 32] {
    snaplight_peer::keccak::keccak(&index.to_be_bytes())
}

/// Makes `accounts` contracts with `slots` slots each. They share eight codes of one byte.
fn contracts(accounts: u32, slots: u32) -> State {
    let mut builder = Builder::new();
    for index in 0..accounts {
        let mut account = Account::new().nonce(1).code([index as u8 % 8]);
        for slot in 0..slots {
            account = account.slot_at(key(index << 16 | slot), key(slot));
        }
        builder = builder.account_at(key(u32::MAX - index), account);
    }
    builder.build()
}

/// A peer with a line of its own.
fn join(world: &mut World, vice: &str) -> PeerId {
    let line = world.line(2_000_000);
    let vices = if vice.is_empty() {
        Vec::new()
    } else {
        World::vice(vice)
    };
    world.peer_on(line, vices)
}

/// Syncs from honest peers and from one peer of each vice. Returns the world, the report and the
/// vicious peers.
fn sync(state: State, honest: usize, vices: &[&str]) -> (World, Report, Vec<PeerId>) {
    let root = Hash(state.root());
    let mut world = World::new(Arc::new(Server::new(state)), 7);
    // With lines that carry any amount, the first peer that answers would do all the work.
    let vicious: Vec<_> = vices.iter().map(|v| join(&mut world, v)).collect();
    for _ in 0..honest {
        join(&mut world, "");
    }
    world.target(root);
    let report = match world.run() {
        End::Done(report) => report,
        end => panic!("{end:?}, waited for {:?}", world.waits),
    };
    assert_complete(&world.disk, world.server.states().head().expect("a state"));
    let is_vicious = |peer: &PeerId| vicious.contains(peer);
    assert!(world.faults.iter().all(|(peer, _)| is_vicious(peer)));
    (world, *report, vicious)
}

/// Syncs as [`sync`] does, and checks that the vicious peer is dropped.
fn sync_and_drop(state: State, honest: usize, vice: &str) {
    let (world, _, vicious) = sync(state, honest, &[vice]);
    assert_eq!(world.dropped, vicious, "{vice}: {:?}", world.faults);
}

#[test]
fn sync_bloated_proof() {
    let state = Recipe::plain(60, 1).build();
    let root = Hash(state.root());
    let mut world = World::new(Arc::new(Server::new(state)), 1);
    let peer = world.peer(World::vice("drop-item huge-proof"));
    world.target(root);
    assert!(matches!(world.run_some(10_000), End::Stuck));
    assert_eq!(world.dropped, [peer]);
    assert_eq!(world.faults[0].1.code(), "bad-range");
    assert_eq!(world.waits.last(), Some(&WaitReason::NoPeers));
    assert!(world.disk.record().complete.is_none());
}

#[test]
fn sync_with_storage() {
    sync(contracts(3, 3_000), 1, &[]);
}

#[test]
fn multi_sync_many_useless() {
    let useless = ["empty@accounts", "empty@storage", "empty@nodes"];
    let (world, ..) = sync(contracts(100, 30), 1, &useless);
    assert_eq!(world.dropped, []);
}

#[test]
fn multi_sync_many_useless_with_answers_that_race_their_deadlines() {
    // Work goes from a peer that has proven nothing to another after two seconds.
    for latency in [1_970, 1_985, 1_990, 1_995, 2_000, 2_010] {
        let slow = format!("slow={latency}");
        let root = Hash(contracts(40, 20).root());
        let mut world = World::new(Arc::new(Server::new(contracts(40, 20))), latency);
        world.peer(World::vice(&slow));
        world.target(root);
        world.run_some(20);
        world.peer(World::vice(&slow));
        world.honest_peer();
        assert!(matches!(world.run(), End::Done(_)));
        assert_complete(&world.disk, world.server.states().head().expect("a state"));
        assert_eq!(world.faults, []);
    }
}

#[test]
fn multi_sync_many_unresponsive() {
    let silent = ["silent@accounts", "silent@storage", "silent@nodes"];
    sync(contracts(100, 30), 1, &silent);
}

#[test]
fn sync_no_storage_and_one_capped_peer() {
    let (world, ..) = sync(Recipe::plain(3_000, 2).build(), 3, &["capped=500@accounts"]);
    assert_eq!(world.dropped, []);
}

#[test]
fn sync_no_storage_and_one_code_corrupt_peer() {
    let (world, _, vicious) = sync(
        contracts(3_000, 0),
        0,
        &["codes-as-hashes@codes", "one-code"],
    );
    assert_eq!(world.dropped, vicious[..1], "{:?}", world.faults);
}

#[test]
fn sync_no_storage_and_one_account_corrupt_peer() {
    sync_and_drop(
        Recipe::plain(3_000, 3).build(),
        1,
        "drop-first-proof@accounts",
    );
}

#[test]
fn sync_no_storage_and_one_code_capped_peer() {
    let (world, report, _) = sync(contracts(3_000, 0), 0, &["one-code"]);
    assert_eq!(report.counters.codes, 8);
    let code_requests = world
        .asked
        .iter()
        .filter(|r| matches!(r, Request::Codes(_)));
    assert!(code_requests.count() <= 100, "each code is asked for once");
}

#[test]
fn sync_with_storage_and_one_capped_peer() {
    let (world, ..) = sync(contracts(100, 300), 1, &["capped=500@storage"]);
    assert_eq!(world.dropped, []);
}

#[test]
fn sync_with_storage_and_corrupt_peer() {
    sync_and_drop(contracts(8, 10_000), 1, "drop-first-proof@storage");
}

#[test]
fn sync_with_storage_and_non_proving_peer() {
    sync_and_drop(contracts(8, 10_000), 1, "no-proof@storage");
}

#[test]
fn sync_with_storage_misbehaving_prove() {
    let (world, report, _) = sync(contracts(100, 300), 0, &["always-prove"]);
    assert_eq!(world.dropped, []);
    assert_eq!(report.counters.nodes, 0, "nothing is left to heal");
}
