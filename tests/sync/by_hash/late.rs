//! Answers that come late, and answers to a cancelled sync, where peers by hash take part.

use std::sync::Arc;

use snaplight::hash::Hash;
use snaplight::wire::By;
use snaplight_peer::session::Server;

use super::{finish, sync_alone};
use crate::strays::cancelled;
use crate::timing::{assert_nobody_is_blamed, contracts, serve};
use crate::world::World;

fn server() -> Arc<Server> {
    serve(contracts(4_000, 150, 41))
}

/// A peer of one kind stops for 45 seconds while it is asked. A slow one of the other kind takes
/// over. Returns how many late answers were counted.
fn overtaken(server: &Arc<Server>, slow: By, other: By) -> u64 {
    let mut world = World::new(server.clone(), 41);
    let line = world.line(200_000);
    let first = world.connect(server.clone(), slow, Vec::new(), Some(line));
    world.target(Hash(server.head().root()));
    world.run_until(|world| world.received > 60_000 && world.unanswered.of(first) >= 2);
    world.stall(first, 45_000);
    let line = world.line(12_000);
    world.connect(server.clone(), other, Vec::new(), Some(line));
    let report = finish(&mut world);
    assert_eq!(world.dropped, [], "{:?}", world.faults);
    assert!(world.faults.len() <= 1, "{:?}", world.faults);
    report.counters.late
}

#[test]
fn a_late_answer_by_snap_is_used_after_a_peer_by_hash_took_over() {
    assert!(overtaken(&server(), By::Snap, By::Hash) > 0);
}

#[test]
fn a_late_answer_by_hash_is_used_after_a_peer_by_snap_took_over() {
    assert!(overtaken(&server(), By::Hash, By::Snap) > 0);
}

#[test]
fn a_late_answer_by_hash_is_used_after_another_peer_by_hash_took_over() {
    assert!(overtaken(&server(), By::Hash, By::Hash) > 0);
}

#[test]
fn the_node_data_of_a_cancelled_sync_is_used_by_the_next_one() {
    let server = server();
    let alone = cancelled(&server, By::Hash, 0).received;
    for times in [1, 6] {
        let world = cancelled(&server, By::Hash, times);
        assert_nobody_is_blamed(&world);
        let received = world.received;
        let most = alone + 40_000 * times as u64;
        assert!(
            received <= most,
            "{times}: {received} bytes, {alone} without"
        );
    }
}

#[test]
fn a_peer_by_hash_whose_every_answer_takes_long_serves_a_whole_sync() {
    let server = serve(contracts(500, 150, 43));
    for (latency, slow) in [(6_000, 0), (9_000, 0), (100, 5_000), (100, 14_000)] {
        let mut world = World::new(server.clone(), 43);
        world.latency = (latency, latency);
        world.peer_by_hash(World::vice(&format!("slow={slow}")));
        world.target(Hash(server.head().root()));
        finish(&mut world);
        assert_eq!(world.dropped, [], "{latency} {slow}: {:?}", world.faults);
    }
}

#[test]
fn a_peer_by_hash_on_a_slow_line_is_not_blamed_and_costs_no_byte_more() {
    let server = serve(contracts(1_000, 150, 44));
    let alone = sync_alone(&server, 1, 44).0.received;
    for rate in [3_500, 20_000, 100_000] {
        let mut world = World::new(server.clone(), 44);
        let line = world.line(rate);
        world.connect(server.clone(), By::Hash, Vec::new(), Some(line));
        world.target(Hash(server.head().root()));
        finish(&mut world);
        assert_nobody_is_blamed(&world);
        assert_eq!(world.hashes.twice, 0);
        let received = world.received;
        assert!(
            received <= alone * 102 / 100,
            "{rate}: {received} of {alone}"
        );
    }
}
