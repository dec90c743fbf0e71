//! Peers by hash with vices: alone, beside an honest peer by hash, and beside one by snap.

use std::sync::Arc;

use snaplight::hash::Hash;
use snaplight::sync::{PeerId, Report};
use snaplight::wire::By;
use snaplight_peer::keccak::keccak;
use snaplight_peer::session::Server;
use snaplight_peer::state::{Account, Builder};

use super::{finish, sync, sync_alone};
use crate::timing::{assert_nobody_is_blamed, contracts, serve};
use crate::world::World;

/// Vices with which a peer serves a whole sync alone, and is not blamed for.
const ODD: &[&str] = &[
    "short",
    "reversed",
    "repeat-item",
    "late-item+3..5",
    "twice+1..3",
    "again=300+1..3",
    "capped=1",
    "capped=3000",
    "drip=0",
    "slow=150",
    "short reversed",
    "stale-root",
];

/// Vices with which a peer is dropped, each with the fault that it is blamed for. It is honest at
/// first, so that it takes part.
const WRONG: &[(&str, &str)] = &[
    ("corrupt=node+3", "unexpected-node-data"),
    ("modify-value+3", "unexpected-node-data"),
    ("stray-item+3", "unexpected-node-data"),
    ("more+3", "too-much"),
    ("wrong-id+3", "unrequested"),
    ("unasked+3", "unrequested"),
    ("wrong-code+3", "wrong-kind"),
    ("truncated+3", "malformed"),
    ("text+3", "text-frame"),
];

fn server() -> Arc<Server> {
    serve(contracts(3_000, 150, 61))
}

/// A state with so many codes that peers of both kinds are asked for some.
pub(super) fn many_codes() -> Arc<Server> {
    let mut builder = Builder::new();
    for index in 0..1_500_u32 {
        let code = index.to_be_bytes().repeat(300);
        let account = Account::new().nonce(1).code(code);
        builder = builder.account_at(keccak(&index.to_be_bytes()), account);
    }
    serve(builder.build())
}

/// A world with a peer by hash of these vices on a line of its own.
fn world_of(server: &Arc<Server>, vice: &str) -> (World, PeerId) {
    let mut world = World::new(server.clone(), 61);
    let line = world.line(1_000_000);
    let vices = World::vice(vice);
    let vicious = world.connect(server.clone(), By::Hash, vices, Some(line));
    (world, vicious)
}

fn join_honest(world: &mut World, by: By) -> PeerId {
    let line = world.line(300_000);
    world.connect(world.server.clone(), by, Vec::new(), Some(line))
}

/// Syncs from a peer of these vices and an honest one. Nobody but the first may be blamed.
fn beside_honest(server: &Arc<Server>, vice: &str, by: By) -> (World, Report, PeerId) {
    let (mut world, vicious) = world_of(server, vice);
    join_honest(&mut world, by);
    let report = sync(&mut world);
    let blamed = world.faults.iter().map(|(peer, _)| *peer);
    assert!(
        blamed
            .chain(world.dropped.clone())
            .all(|peer| peer == vicious),
        "{vice}: {:?}",
        world.faults
    );
    (world, report, vicious)
}

#[test]
fn a_peer_that_is_only_odd_serves_a_whole_sync_alone() {
    // Some of them answer with one item at a time.
    let server = serve(contracts(500, 150, 61));
    for vice in ODD {
        let (mut world, _) = world_of(&server, vice);
        sync(&mut world);
        assert_nobody_is_blamed(&world);
        assert_eq!(world.hashes.twice, 0, "{vice}");
    }
}

#[test]
fn a_peer_that_is_only_odd_is_not_blamed_beside_an_honest_one() {
    let server = server();
    // What comes late may have come from the other peer, and then nobody wants it.
    for vice in ODD.iter().filter(|vice| !vice.starts_with("late-item")) {
        for by in [By::Hash, By::Snap] {
            let (world, ..) = beside_honest(&server, vice, by);
            assert_nobody_is_blamed(&world);
        }
    }
}

#[test]
fn a_liar_alone_is_dropped_and_the_sync_ends_with_an_honest_peer() {
    let server = server();
    for (vice, fault) in WRONG {
        for by in [By::Hash, By::Snap] {
            let (mut world, liar) = world_of(&server, vice);
            world.target(Hash(server.head().root()));
            world.run_until(|world| !world.dropped.is_empty());
            join_honest(&mut world, by);
            finish(&mut world);
            assert_eq!(world.dropped, [liar], "{vice}");
            let [(of, said)] = world.faults.as_slice() else {
                panic!("{vice}: {:?}", world.faults);
            };
            assert_eq!((*of, said.code()), (liar, *fault), "{vice}");
        }
    }
}

#[test]
fn a_liar_beside_an_honest_peer_by_hash_is_dropped_for_what_it_did() {
    let server = server();
    for (vice, fault) in WRONG {
        let (world, _, liar) = beside_honest(&server, vice, By::Hash);
        assert_eq!(world.dropped, [liar], "{vice}");
        assert_eq!(world.faults[0].1.code(), *fault, "{vice}");
    }
}

/// A snap peer leaves little to ask a peer by hash for, so the vices show from the beginning.
#[test]
fn a_liar_beside_an_honest_peer_by_snap_is_dropped_for_what_it_did() {
    let server = many_codes();
    for (vice, fault) in WRONG {
        let vice = vice.trim_end_matches("+3");
        let (world, _, liar) = beside_honest(&server, vice, By::Snap);
        assert_eq!(world.dropped, [liar], "{vice}");
        assert_eq!(world.faults[0].1.code(), *fault, "{vice}");
    }
}

#[test]
fn garbage_and_broken_connections_by_hash_harm_nobody_else() {
    let server = server();
    for vice in [
        "garbage+3",
        "cut+3",
        "no-status",
        "no-hello",
        "too-many-peers",
    ] {
        for by in [By::Hash, By::Snap] {
            beside_honest(&server, vice, by);
        }
    }
}

#[test]
fn peers_that_answer_nothing_useful_keep_nobody_from_the_end() {
    let server = server();
    for vice in [
        "silent",
        "silent+3",
        "empty",
        "empty+3",
        "replay+3",
        "slow=20000",
    ] {
        for by in [By::Hash, By::Snap] {
            beside_honest(&server, vice, by);
        }
    }
}

#[test]
fn an_item_that_was_not_asked_for_but_is_wanted_is_used_and_counted() {
    let server = server();
    let (mut world, _) = world_of(&server, "late-item+3..5");
    let report = sync(&mut world);
    assert_nobody_is_blamed(&world);
    let counters = report.counters;
    assert!(counters.unexpected > 0, "{counters:?}");
    assert_eq!(counters.duplicate, 0, "{counters:?}");
}

#[test]
fn an_item_that_comes_twice_in_an_answer_is_counted() {
    let server = server();
    let (mut world, _) = world_of(&server, "repeat-item");
    let report = sync(&mut world);
    let answers = report.counters.healing.answers;
    let again = report.counters.duplicate;
    assert!(
        0 < again && again <= answers,
        "{again} in {answers} answers"
    );
    assert_eq!(report.counters.unexpected, 0);
}

#[test]
fn an_answer_that_comes_twice_is_counted_and_nothing_is_fetched_again_for_it() {
    let server = server();
    let (mut world, _) = world_of(&server, "twice+2..5");
    let report = sync(&mut world);
    assert_eq!(report.counters.duplicate, 3);
    assert_eq!(report.counters.unexpected, 0);
    let honest = sync_alone(&server, 1, 61).0.hashes.asked;
    let asked = world.hashes.asked;
    assert!(
        asked <= honest + 10,
        "{asked} asked for, {honest} of an honest peer"
    );
}

#[test]
fn an_answer_that_comes_twice_on_and_on_is_a_fault() {
    let server = serve(contracts(10_000, 150, 62));
    let (mut world, peer) = world_of(&server, "twice");
    world.target(Hash(server.head().root()));
    world.run_until(|world| !world.dropped.is_empty());
    join_honest(&mut world, By::Hash);
    finish(&mut world);
    assert_eq!(world.dropped, [peer]);
    assert_eq!(world.faults[0].1.code(), "unrequested");
}

#[test]
fn honest_answers_count_as_nothing_unusual() {
    let server = server();
    for (first, second) in [(By::Hash, By::Hash), (By::Hash, By::Snap)] {
        let mut world = World::new(server.clone(), 63);
        join_honest(&mut world, first);
        join_honest(&mut world, second);
        let counters = sync(&mut world).counters;
        let unusual = [counters.late, counters.duplicate, counters.unexpected];
        assert_eq!(unusual, [0; 3]);
        assert_nobody_is_blamed(&world);
    }
}
