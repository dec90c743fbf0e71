//! Syncs by hash: peers that answer GetNodeData and nothing else, alone and beside peers by snap.

mod bounds;
mod healing;
mod late;
mod mixed;
mod places;
mod vices;
mod waits;

use std::sync::Arc;

use snaplight::hash::Hash;
use snaplight::sync::Report;
use snaplight_peer::session::Server;
use snaplight_peer::state::{Account, Builder, State};

use crate::timing::{contracts, serve};
use crate::truth::assert_complete;
use crate::world::{End, World};

/// Most hashes in one request (`docs/websocket-peers.md`, 6.7).
const MOST_HASHES: usize = 384;

/// Syncs the server's newest state.
fn sync(world: &mut World) -> Report {
    let root = Hash(world.server.head().root());
    world.target(root);
    finish(world)
}

/// Runs the sync under way to its end, and compares the disk with the server's newest state.
#[track_caller]
fn finish(world: &mut World) -> Report {
    let report = match world.run() {
        End::Done(report) => *report,
        end => panic!(
            "{end:?}, waited for {:?}, faults {:?}",
            world.waits, world.faults
        ),
    };
    let head = world.server.head();
    assert_eq!(report.root, Hash(head.root()));
    world.collect_garbage();
    assert_complete(&world.disk, &head);
    report
}

/// Nothing was asked for twice at a time, no request was too long, and nobody was blamed.
#[track_caller]
fn assert_honest(world: &World) {
    assert_eq!(world.faults, []);
    assert_eq!(world.dropped, []);
    assert_eq!(world.hashes.twice, 0, "hashes asked for while in flight");
    assert!(world.hashes.most <= MOST_HASHES);
}

/// Syncs a state from honest peers by hash alone.
fn sync_alone(server: &Arc<Server>, peers: usize, seed: u64) -> (World, Report) {
    let mut world = World::new(server.clone(), seed);
    for _ in 0..peers {
        world.peer_by_hash(Vec::new());
    }
    let report = sync(&mut world);
    assert_honest(&world);
    assert_eq!(world.asked, [], "nothing is asked for by path or range");
    (world, report)
}

fn sync_state(state: State, seed: u64) {
    sync_alone(&serve(state), 1, seed);
}

#[test]
fn the_smallest_states_sync_by_hash() {
    sync_state(Builder::new().build(), 1);
    let plain = Account::new().balance(1);
    sync_state(Builder::new().account([7; 20], plain).build(), 2);
    let contract = Account::new()
        .nonce(1)
        .code([0x60, 0x00])
        .slot([0; 32], [1; 32]);
    sync_state(Builder::new().account([7; 20], contract).build(), 3);
}

#[test]
fn contracts_sync_by_hash_from_one_peer_and_from_several() {
    let server = serve(contracts(5_000, 150, 5));
    for peers in [1, 3, 8] {
        let (_, report) = sync_alone(&server, peers, 5);
        let counts = server.head().counts();
        let counters = report.counters;
        assert_eq!(
            (counters.accounts, counters.slots, counters.codes),
            (counts.accounts, counts.slots, report.held.codes)
        );
    }
}
