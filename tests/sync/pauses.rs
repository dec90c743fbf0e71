//! Pauses: a page that was away, a line that was down, a clock that jumped, timers that ring late.
//! A pause is one event, however many requests are open, and an absence is nobody's fault.

use std::sync::Arc;

use snaplight::hash::Hash;
use snaplight::sync::PeerId;
use snaplight::wire::PeerFault;
use snaplight_peer::session::Server;

use crate::timing::{assert_nobody_is_blamed, contracts, finish, serve, sync, world_of};
use crate::world::World;
use crate::world::absence::Wakes;

/// Two each of accounts, storages and codes.
const OPEN: usize = 6;

fn server() -> Arc<Server> {
    serve(contracts(6_000, 500, 40))
}

/// A sync with [`OPEN`] requests open at its only peer, which is honest.
fn open_requests(server: &Arc<Server>) -> (World, PeerId) {
    let mut world = world_of(server, 40);
    let peer = world.honest_peer();
    world.target(Hash(server.head().root()));
    world.run_until(|world| world.unanswered.of(peer) >= OPEN);
    (world, peer)
}

#[test]
fn a_page_that_was_away_blames_nobody() {
    let server = server();
    for millis in [6_000, 7_000, 40_000, 24 * 3_600_000] {
        for wakes in [Wakes::ByTimer, Wakes::ByFrames] {
            let (mut world, _) = open_requests(&server);
            world.sleep(millis, wakes);
            finish(&mut world);
            assert_nobody_is_blamed(&world);
        }
    }
}

#[test]
fn a_page_that_is_away_again_and_again_blames_nobody() {
    let server = server();
    let (mut world, _) = open_requests(&server);
    for _ in 0..12 {
        world.sleep(7_000, Wakes::ByTimer);
        world.run_some(3);
    }
    finish(&mut world);
    assert_nobody_is_blamed(&world);
}

#[test]
fn a_page_that_was_away_while_idle_blames_nobody() {
    let server = server();
    let mut world = world_of(&server, 41);
    for _ in 0..3 {
        world.honest_peer();
    }
    sync(&mut world);
    for millis in [20_000, 3_600_000] {
        world.sleep(millis, Wakes::ByTimer);
        world.run_ms(60_000);
    }
    assert_nobody_is_blamed(&world);
}

#[test]
fn a_page_that_was_away_during_a_handshake_blames_nobody() {
    let server = server();
    // Without a timer, it goes on with its work before anything is told to the engine.
    for wakes in [Wakes::ByTimer, Wakes::ByFrames] {
        for millis in [11_000, 40_000, 3_600_000] {
            let mut world = world_of(&server, 42);
            world.honest_peer();
            world.honest_peer();
            world.target(Hash(server.head().root()));
            world.run_some(1);
            world.sleep(millis, wakes);
            finish(&mut world);
            assert_nobody_is_blamed(&world);
        }
    }
}

/// The first absence ends just before the handshake would be overdue, so that it cannot be told
/// from a peer's silence. After the second one, what has arrived is looked at first.
#[test]
fn a_page_that_is_away_again_before_it_has_looked_at_anything_blames_nobody() {
    let server = server();
    let mut world = world_of(&server, 45);
    world.honest_peer();
    world.target(Hash(server.head().root()));
    world.run_some(1);
    world.sleep(29_900, Wakes::ByTimer);
    world.sleep(3_600_000, Wakes::ByTimer);
    finish(&mut world);
    assert_nobody_is_blamed(&world);
}

#[test]
fn a_clock_that_jumps_by_an_hour_blames_nobody() {
    let server = server();
    let (mut world, _) = open_requests(&server);
    world.jump_clock(3_600_000);
    finish(&mut world);
    assert_nobody_is_blamed(&world);
}

#[test]
fn a_hidden_tab_whose_timers_ring_once_a_minute_blames_nobody() {
    let server = server();
    let (mut world, peer) = open_requests(&server);
    world.timers_ms = 60_000;
    finish(&mut world);
    // It also waits for what is answered late.
    let mut world = world_of(&server, 43);
    world.timers_ms = 60_000;
    let slow = world.peer(World::vice("slow=4000"));
    assert_eq!(peer, slow);
    sync(&mut world);
    world.run_ms(600_000);
    assert_nobody_is_blamed(&world);
}

#[test]
fn a_line_that_is_down_for_six_seconds_costs_no_peer() {
    let server = server();
    let (mut world, peer) = open_requests(&server);
    world.stall(peer, 6_000);
    finish(&mut world);
    assert_eq!(world.dropped, []);
    // One pause is one event.
    let is_timeout = |(_, fault): &(PeerId, PeerFault)| *fault == PeerFault::Timeout;
    assert!(world.faults.iter().all(is_timeout), "{:?}", world.faults);
    assert!(world.faults.len() <= 1, "{:?}", world.faults);
}

#[test]
fn a_line_that_is_down_for_six_seconds_costs_none_of_many_peers() {
    let server = server();
    let mut world = world_of(&server, 44);
    let peers: Vec<PeerId> = (0..6).map(|_| world.honest_peer()).collect();
    world.target(Hash(server.head().root()));
    world.run_until(|world| peers.iter().all(|peer| world.unanswered.of(*peer) >= 1));
    for peer in &peers {
        world.stall(*peer, 6_000);
    }
    finish(&mut world);
    assert_eq!(world.dropped, []);
}
