//! Answers that nobody waits for: late ones, those of a cancelled sync, those that come twice, and
//! those to a request that was never made.

use std::sync::Arc;

use snaplight::hash::Hash;
use snaplight::sync::{Input, Millis};
use snaplight::wire::By;
use snaplight_peer::session::Server;

use crate::timing::{assert_nobody_is_blamed, contracts, finish, serve, sync, world_of};
use crate::world::{End, World};

/// What may come twice where an answer was late.
const WASTE: u64 = 300_000;
/// The unanswered requests that a server takes on a connection (docs/websocket-peers.md, 6.2).
const MOST_UNANSWERED: usize = 16;

fn server() -> Arc<Server> {
    serve(contracts(15_000, 200, 80))
}

/// The bytes that a sync from one honest peer receives.
fn bytes_alone(server: &Arc<Server>) -> u64 {
    let mut world = world_of(server, 80);
    world.honest_peer();
    sync(&mut world);
    world.received
}

#[test]
fn a_late_answer_is_used_and_is_no_fault() {
    let server = server();
    let alone = bytes_alone(&server);
    let mut world = world_of(&server, 80);
    let peer = world.honest_peer();
    world.target(Hash(server.head().root()));
    world.run_until(|world| world.unanswered.of(peer) >= 2);
    // A peer of which nothing is known gets 15 seconds.
    world.stall(peer, 20_000);
    finish(&mut world);
    assert_eq!(world.dropped, []);
    assert!(world.faults.len() <= 1, "{:?}", world.faults);
    let received = world.received;
    assert!(received <= alone + WASTE, "{received} bytes, {alone} alone");
}

#[test]
fn a_peer_whose_every_answer_takes_long_serves_a_whole_sync() {
    let server = serve(contracts(1_000, 200, 81));
    for (latency, slow) in [(6_000, 0), (9_000, 0), (100, 5_000), (100, 14_000)] {
        let mut world = World::new(server.clone(), 81);
        world.latency = (latency, latency);
        world.peer(World::vice(&format!("slow={slow}")));
        sync(&mut world);
        assert_eq!(world.dropped, [], "{latency} {slow}: {:?}", world.faults);
    }
}

/// Cancels a sync from one peer and starts it anew while answers are on their way. Returns the
/// world.
pub(crate) fn cancelled(server: &Arc<Server>, by: By, times: usize) -> World {
    let root = Hash(server.head().root());
    let mut world = World::new(server.clone(), 82);
    world.latency = (2_000, 2_000);
    let peer = world.connect(server.clone(), by, Vec::new(), None);
    world.target(root);
    for _ in 0..times {
        world.run_until(|world| world.unanswered.of(peer) >= 2);
        world.input(Input::Cancel);
        let end = world.run_ms(60_000);
        assert!(matches!(end, End::Cancelled), "{end:?}");
        world.target(root);
        world.run_some(1);
    }
    finish(&mut world);
    world
}

#[test]
fn a_new_sync_after_a_cancelled_one_asks_no_peer_beyond_its_room() {
    let server = server();
    let plain = cancelled(&server, By::Snap, 0);
    for times in [1, 6] {
        let world = cancelled(&server, By::Snap, times);
        assert_nobody_is_blamed(&world);
        let (most, of_kind) = (world.unanswered.most, &world.unanswered.most_of_kind);
        assert!(most <= MOST_UNANSWERED, "{most} requests at a time");
        for (kind, most) in of_kind {
            let usual = plain.unanswered.most_of_kind[kind];
            assert!(
                *most <= usual,
                "{times}: {most} of kind {kind}, usually {usual}"
            );
        }
    }
}

#[test]
fn what_a_cancelled_sync_asked_for_is_used_by_the_next_one() {
    let server = server();
    let alone = cancelled(&server, By::Snap, 0).received;
    for times in [1, 6] {
        let received = cancelled(&server, By::Snap, times).received;
        // Each cancelled sync had about 120 kB on their way.
        let most = alone + 40_000 * times as u64;
        assert!(
            received <= most,
            "{times}: {received} bytes, {alone} without"
        );
    }
}

#[test]
fn the_engine_counts_what_a_peer_has_not_answered_also_after_a_cancel() {
    let server = server();
    let root = Hash(server.head().root());
    let mut world = World::new(server.clone(), 83);
    world.latency = (2_000, 2_000);
    let peer = world.honest_peer();
    world.target(root);
    world.run_until(|world| world.unanswered.of(peer) >= 2);
    world.input(Input::Cancel);
    assert!(matches!(world.run(), End::Cancelled));
    let progress = world.engine.progress(Millis(world.now));
    assert_eq!(progress.peers[0].in_flight, world.unanswered.of(peer));
}

#[test]
fn an_answer_that_comes_twice_now_and_then_is_no_fault() {
    let server = serve(contracts(3_000, 200, 84));
    for vice in [
        "twice+2..3",
        "twice@codes+0..1",
        "twice@storage+1..3",
        "again=3000+2..3",
    ] {
        let mut world = world_of(&server, 84);
        world.peer(World::vice(vice));
        sync(&mut world);
        assert_nobody_is_blamed(&world);
    }
}

#[test]
fn an_answer_that_comes_twice_on_and_on_is_a_fault() {
    let server = serve(contracts(10_000, 200, 85));
    let mut world = world_of(&server, 85);
    // Small answers are many answers.
    let peer = world.peer(World::vice("capped=2000 twice"));
    world.target(Hash(server.head().root()));
    let end = world.run_ms(3_600_000);
    assert_eq!(world.dropped, [peer], "{end:?}");
    world.honest_peer();
    finish(&mut world);
}

#[test]
fn an_answer_to_a_request_that_was_never_made_is_a_fault() {
    let server = serve(contracts(3_000, 200, 86));
    for vice in ["unasked+2..3", "wrong-id+2..3", "unasked@codes+0..1"] {
        let mut world = world_of(&server, 86);
        let peer = world.peer(World::vice(vice));
        world.target(Hash(server.head().root()));
        world.run_ms(20_000);
        world.honest_peer();
        finish(&mut world);
        assert_eq!(world.dropped, [peer], "{vice}");
        assert_eq!(world.faults[0].1.code(), "unrequested", "{vice}");
    }
}
