//! Peers that waste a sync's time, alone and in the majority: they may not slow it down.

use std::sync::Arc;

use snaplight::hash::Hash;
use snaplight::sync::{PeerFault, PeerId};
use snaplight_peer::session::Server;
use snaplight_peer::state::Recipe;
use snaplight_peer::vice::Vice;

use crate::timing::{assert_at_most, contracts, on_own_lines, serve, sync};
use crate::world::World;

/// Bytes per second of an honest peer's line.
const HONEST_RATE: u64 = 200_000;
/// The line of the peer beside them is faster, which makes it the more tempting.
const VICIOUS_RATE: u64 = 2_000_000;

/// Syncs from two honest peers, and again with a third one of these vices beside them. Returns the
/// second world and the third peer.
fn beside_two(server: &Arc<Server>, vice: &str) -> (World, PeerId) {
    let honest = [vec![], vec![]];
    let without = sync(&mut on_own_lines(server, HONEST_RATE, &honest));
    let mut world = on_own_lines(server, HONEST_RATE, &honest);
    let line = world.line(VICIOUS_RATE);
    let vicious = world.peer_on(line, World::vice(vice));
    let millis = sync(&mut world);
    println!("{vice}: {:?}, sent {:?}", world.faults, world.sent);
    assert_at_most(millis, 1.3, without);
    let blamed = world.faults.iter().all(|(peer, _)| *peer == vicious);
    assert!(blamed, "{:?}", world.faults);
    (world, vicious)
}

fn plain() -> Arc<Server> {
    serve(Recipe::plain(50_000, 70).build())
}

#[test]
fn a_drip_filled_up_with_junk_is_a_fault_and_slows_nothing_down() {
    let server = plain();
    for vice in ["drip=80000", "drip=2000", "drip=80000+10"] {
        let (world, vicious) = beside_two(&server, vice);
        assert_eq!(world.dropped, [vicious], "{vice}: {:?}", world.faults);
    }
}

#[test]
fn a_drip_of_proof_nodes_that_nothing_needs_is_a_fault() {
    let server = plain();
    for vice in ["padded=9", "padded=100", "drip=0 padded=60"] {
        let (world, vicious) = beside_two(&server, vice);
        assert_eq!(world.dropped, [vicious], "{vice}: {:?}", world.faults);
    }
}

#[test]
fn a_few_proof_nodes_too_many_are_no_fault() {
    let server = plain();
    for vice in ["padded=8", "drip=532"] {
        let (world, _) = beside_two(&server, vice);
        assert_eq!(world.dropped, [], "{vice}: {:?}", world.faults);
    }
}

#[test]
fn a_drip_without_junk_slows_nothing_down() {
    let server = serve(contracts(15_000, 200, 70));
    for vice in ["drip=0", "drip=0+10", "drip=0 slow=500", "capped=200"] {
        let (world, _) = beside_two(&server, vice);
        assert_eq!(world.dropped, [], "{vice}: {:?}", world.faults);
    }
}

/// Vices that differ from each other, so that no two peers of a world are alike. Those with which a
/// connection is never made or ends at once do least harm, so they come last.
const VICES: &[&str] = &[
    "silent",
    "slow=4000",
    "drip=0",
    "drip=80000",
    "empty",
    "capped=500",
    "twice",
    "lie",
    "short",
    "corrupt=slot",
    "silent@codes",
    "slow=1000",
    "drip=0+10",
    "stale-root+3",
    "replay",
    "corrupt=key",
    "silent+5",
    "slow=9000@codes",
    "padded=60",
    "empty@storage",
    "capped=2000@accounts",
    "unasked",
    "corrupt=nonce",
    "truncated",
    "silent@accounts",
    "slow=14000@storage",
    "drip=532",
    "empty@codes",
    "lacks-codes=1",
    "wrong-id",
    "corrupt=balance",
    "more",
    "silent@storage+3",
    "slow=300",
    "drip=5000@storage",
    "lacks-codes=8",
    "wrong-code",
    "corrupt=storage-root",
    "cut+5",
    "silent+40",
    "again=2000",
    "one-code",
    "corrupt=code-hash",
    "corrupt=code",
    "corrupt=proof",
    "drop-first-proof",
    "drop-last-proof",
    "drop-item",
    "swap-values",
    "unsorted",
    "modify-value",
    "always-prove",
    "no-proof",
    "shuffled-proof",
    "many-proof-nodes",
    "codes-as-hashes",
    "garbage",
    "text",
    "oversized",
    "no-pong",
    "cut",
    "no-status",
    "no-hello",
];

/// Vices with which a peer delivers next to nothing but costs time, each in nine degrees.
fn wasteful(number: usize) -> String {
    let degree = number / 7 + 1;
    match number % 7 {
        0 => format!("silent+{}", 5 * degree - 5),
        1 => format!("slow={}", 2_000 * degree + 2_000),
        2 => format!("drip=0 slow={}", 400 * degree - 400),
        3 => format!("drip={} slow={}", 500 * degree - 400, 100 * degree),
        4 => format!("capped={} slow=1500+{}", 200 * degree, 2 * degree - 2),
        5 => format!("empty+{degree} slow={}", 300 * degree),
        _ => format!("silent@codes silent@storage+{degree} slow={}", 900 * degree),
    }
}

/// Syncs from one honest peer alone, and again with others beside it, each with another vice and a
/// line of its own.
fn against_many(server: &Arc<Server>, rate: u64, vices: &[String]) {
    let alone = sync(&mut on_own_lines(server, rate, &[Vec::new()]));
    println!("alone: {alone} ms");
    assert!(alone >= 60_000, "{alone} ms is too short to compare");
    let hostile = vices.len();
    let mut peers: Vec<Vec<Vice>> = vices.iter().map(|vice| World::vice(vice)).collect();
    peers.insert(hostile / 2, Vec::new());
    let mut world = on_own_lines(server, rate, &peers);
    let millis = sync(&mut world);
    let honest = PeerId(hostile as u32 / 2 + 1);
    assert!(!world.dropped.contains(&honest), "{:?}", world.dropped);
    let blamed = world.faults.iter().any(|(peer, _)| *peer == honest);
    assert!(!blamed, "{:?}", world.faults);
    assert_at_most(millis, 1.5, alone);
}

/// The first of all vices, and the first of those that only waste time.
fn both_kinds(hostile: usize) -> [Vec<String>; 2] {
    let named = VICES[..hostile].iter().map(ToString::to_string);
    [named.collect(), (0..hostile).map(wasteful).collect()]
}

/// go-ethereum's rule (A13 in `geth-features.md`): a peer that fails even the smallest request is
/// dropped. It is dropped only while others answer, since otherwise the line may be to blame.
#[test]
fn a_peer_that_leaves_even_a_smallest_request_open_is_dropped_while_others_answer() {
    let server = serve(contracts(16_000, 200, 73));
    let silent = World::vice("silent");
    let mut world = on_own_lines(&server, 10_000, &[silent.clone(), Vec::new()]);
    assert!(sync(&mut world) >= 120_000);
    assert_eq!(world.faults, [(PeerId(1), PeerFault::Timeout)]);
    assert_eq!(world.dropped, [PeerId(1)]);

    let mut world = on_own_lines(&server, 10_000, &[silent.clone(), silent]);
    world.target(Hash(server.head().root()));
    world.run_ms(3_600_000);
    assert_eq!(world.dropped, []);
}

#[test]
fn nine_of_ten_peers_are_hostile() {
    let server = serve(contracts(16_000, 200, 71));
    for vices in both_kinds(9) {
        against_many(&server, 40_000, &vices);
    }
}

#[test]
fn sixty_three_of_sixty_four_peers_are_hostile() {
    let server = serve(contracts(16_000, 200, 71));
    for vices in both_kinds(63) {
        against_many(&server, 40_000, &vices);
    }
}

#[test]
#[ignore = "takes long; cargo xtask sim --lines"]
fn most_peers_are_hostile_in_a_large_sync() {
    let server = serve(contracts(100_000, 200, 72));
    for hostile in [9, 63] {
        for vices in both_kinds(hostile) {
            against_many(&server, 200_000, &vices);
        }
    }
}
