//! Syncs whose virtual time is measured.

use std::sync::Arc;

use snaplight::hash::Hash;
use snaplight::sync::Millis;
use snaplight_peer::session::Server;
use snaplight_peer::state::{Recipe, State};
use snaplight_peer::vice::Vice;

use crate::truth::assert_complete;
use crate::world::{End, World};

/// No sync of these tests takes longer, if it ends at all.
const LONGEST_MS: u64 = 2 * 3_600_000;

/// A state of which this many of a thousand accounts are contracts.
pub(crate) fn contracts(accounts: u64, per_mille: u16, seed: u64) -> State {
    let contracts_per_mille = per_mille;
    Recipe {
        contracts_per_mille,
        ..Recipe::plain(accounts, seed)
    }
    .build()
}

/// A server of one state. A state is expensive to make, so that worlds share servers.
pub(crate) fn serve(state: State) -> Arc<Server> {
    Arc::new(Server::new(state))
}

/// A world whose round trips take between 20 and 80 milliseconds.
pub(crate) fn world_of(server: &Arc<Server>, seed: u64) -> World {
    let mut world = World::new(server.clone(), seed);
    world.latency = (20, 80);
    world
}

/// A world with one peer for each of these lists of vices, each on a line of its own.
pub(crate) fn on_own_lines(server: &Arc<Server>, rate: u64, peers: &[Vec<Vice>]) -> World {
    let mut world = world_of(server, 1);
    for vices in peers {
        let line = world.line(rate);
        world.peer_on(line, vices.clone());
    }
    world
}

/// Syncs the server's newest state, compares it with the true one, and returns how many
/// milliseconds it took.
pub(crate) fn sync(world: &mut World) -> u64 {
    let head = world.server.head();
    let start = world.now;
    world.target(Hash(head.root()));
    finish(world);
    world.now - start
}

/// Runs a sync that is under way until its state is complete.
pub(crate) fn finish(world: &mut World) {
    let end = world.run_ms(LONGEST_MS);
    assert!(matches!(end, End::Done(_)), "{end:?}: {}", describe(world));
    world.collect_garbage();
    assert_complete(&world.disk, &world.server.head());
}

/// Asserts that no peer was dropped and no fault was reported.
pub(crate) fn assert_nobody_is_blamed(world: &World) {
    assert_eq!(world.faults, [], "faults of honest peers");
    assert_eq!(world.dropped, [], "honest peers were dropped");
}

/// Asserts that `millis` is at most `factor` times `of`.
#[track_caller]
pub(crate) fn assert_at_most(millis: u64, factor: f64, of: u64) {
    let ratio = millis as f64 / of as f64;
    println!("{millis} ms, {ratio:.2} times {of} ms");
    assert!(ratio <= factor, "{millis} ms is {ratio:.2} times {of} ms");
}

fn describe(world: &World) -> String {
    let progress = world.engine.progress(Millis(world.now));
    format!(
        "after {} ms: {:?}, {} peers, waited for {:?}, faults {:?}, dropped {:?}",
        world.now,
        progress.held,
        progress.peers.len(),
        world.waits,
        world.faults,
        world.dropped
    )
}
