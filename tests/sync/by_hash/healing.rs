//! Healing by hash: moved roots, damage, kills, and the rest of a sync that was begun by ranges.

use std::sync::Arc;

use snaplight::hash::Hash;
use snaplight::state::PageId;
use snaplight::sync::{Damage, Input, Limits};
use snaplight::wire::By;
use snaplight_peer::chain::{Chain, Change, Changed};
use snaplight_peer::state::Recipe;

use super::{assert_honest, finish, sync, sync_alone};
use crate::rng::Rng;
use crate::timing::{assert_nobody_is_blamed, contracts, serve};
use crate::truth::walk;
use crate::world::{End, World};

fn chain(accounts: u64, seed: u64) -> Chain {
    let recipe = Recipe {
        accounts,
        contracts_per_mille: 150,
        seed,
        huge: vec![(1, 2_000)],
    };
    Chain::new(recipe.build(), seed)
}

/// A world that has the chain's newest state complete, and no peer.
fn complete(chain: &Chain, seed: u64) -> World {
    let mut world = World::new(chain.server(), seed);
    let first = world.honest_peer();
    sync(&mut world);
    world.lose(first);
    world.asked.clear();
    world.received = 0;
    world
}

/// The number of a block's changed nodes and new codes, and the sum of their sizes.
fn items(changed: &Changed) -> (u64, u64) {
    (
        changed.nodes + changed.codes,
        changed.node_bytes + changed.code_bytes,
    )
}

#[test]
fn a_moved_root_is_healed_by_hash_and_nothing_but_what_has_changed_is_asked_for() {
    for share in [0.000_5, 0.01, 0.3, 1.0] {
        let mut chain = chain(3_000, 21);
        let mut world = complete(&chain, 21);
        world.peer_by_hash(Vec::new());
        world.peer_by_hash(Vec::new());
        let (nodes, bytes) = items(&chain.advance_by(share).changed);
        sync(&mut world);
        assert_honest(&world);
        assert_eq!(world.asked, [], "nothing is asked for by path or range");
        let asked = world.hashes.asked;
        assert!(
            asked <= nodes,
            "{share}: {asked} asked for, {nodes} changed"
        );
        // A Hello, a Status and some answers come on top of a small change.
        let most = bytes * 105 / 100 + 4_096;
        assert!(
            world.received <= most,
            "{share}: {} of {bytes}",
            world.received
        );
    }
}

#[test]
fn changes_of_every_kind_are_healed_by_hash() {
    let changes = [
        Change {
            insert: 500,
            ..Change::default()
        },
        Change {
            delete: 2_000,
            ..Change::default()
        },
        Change {
            slots: 3_000,
            ..Change::default()
        },
        Change {
            values: 900,
            contracts: 20,
            ..Change::default()
        },
        Change {
            delete: 1_490,
            ..Change::default()
        },
        Change {
            insert: 3,
            ..Change::default()
        },
    ];
    let mut chain = chain(3_000, 22);
    let mut world = complete(&chain, 22);
    world.peer_by_hash(Vec::new());
    for change in changes {
        chain.advance(&change);
        sync(&mut world);
    }
    assert_honest(&world);
}

#[test]
fn a_root_that_moves_in_the_middle_of_a_first_sync_by_hash_costs_little() {
    for seed in 0..8 {
        let mut chain = chain(3_000, 23);
        let alone = sync_alone(&chain.server(), 1, seed).0.received;
        let mut world = World::new(chain.server(), seed);
        world.latency = (20, 200);
        world.peer_by_hash(Vec::new());
        world.peer_by_hash(Vec::new());
        world.target(Hash(chain.root()));
        for _ in 0..4 {
            let end = world.run_some(5 + 4 * seed);
            assert!(matches!(end, End::Paused), "{end:?}");
            chain.advance_by(0.01);
            world.target(Hash(chain.root()));
        }
        finish(&mut world);
        assert_nobody_is_blamed(&world);
        let received = world.received;
        assert!(
            received <= alone * 5 / 2,
            "seed {seed}: {received} bytes, {alone} without moves"
        );
    }
}

#[test]
fn a_root_that_moves_in_the_middle_of_a_healing_by_hash_is_healed_too() {
    for events in (0..60).step_by(5) {
        let mut chain = chain(1_500, 24);
        let mut world = complete(&chain, events);
        world.peer_by_hash(Vec::new());
        for share in [0.2, 0.01, 0.2] {
            chain.advance_by(share);
            world.target(Hash(chain.root()));
            let end = world.run_some(events);
            assert!(matches!(end, End::Paused | End::Done(_)), "{end:?}");
        }
        // A root that is complete already ends at once.
        chain.advance_by(0.01);
        sync(&mut world);
        assert_nobody_is_blamed(&world);
    }
}

#[test]
fn a_root_that_moves_back_is_healed_by_hash() {
    let mut chain = chain(1_000, 25);
    let old = Hash(chain.root());
    let mut world = complete(&chain, 25);
    world.peer_by_hash(Vec::new());
    chain.advance_by(0.3);
    sync(&mut world);
    world.target(old);
    assert!(matches!(world.run(), End::Done(_)), "{:?}", world.waits);
    sync(&mut world);
    assert_honest(&world);
}

/// Reports damage as a reader does, until none is left.
fn repair(world: &mut World) {
    for _ in 0..20 {
        let damaged = walk(&world.disk).damaged;
        let Some((page, at)) = damaged.first().copied() else {
            return;
        };
        let at = Some(at);
        let before = world.repairs;
        world.input(Input::Damaged(Damage::Page { page, at }));
        world.run_until(|world| world.repairs > before);
        world.collect_garbage();
    }
    panic!("damage is left after 20 repairs");
}

#[test]
fn a_damaged_page_is_healed_by_hash_and_little_else_is_fetched() {
    let chain = chain(3_000, 26);
    // Without the newest page, the root's, nothing of the state is known.
    let pages = complete(&chain, 26).disk.pages;
    let pages: Vec<PageId> = pages.into_keys().rev().skip(1).collect();
    for (index, page) in pages.iter().enumerate().step_by(4) {
        let mut world = complete(&chain, 26);
        match index % 8 {
            0 => drop(world.disk.pages.remove(page)),
            _ => {
                let bytes = world.disk.pages.get_mut(page).expect("a page");
                let middle = bytes.len() / 2;
                bytes[middle] ^= 0x40;
            }
        }
        world.peer_by_hash(Vec::new());
        repair(&mut world);
        assert_honest(&world);
        crate::truth::assert_complete(&world.disk, &world.server.head());
        assert!(
            world.received < 300_000,
            "page {page:?}: {}",
            world.received
        );
    }
}

#[test]
fn a_damaged_code_is_healed_by_hash() {
    let chain = chain(1_000, 27);
    let mut world = complete(&chain, 27);
    world.peer_by_hash(Vec::new());
    let codes: Vec<Hash> = world.disk.codes.keys().copied().take(3).collect();
    for (index, code) in codes.iter().enumerate() {
        match index {
            0 => drop(world.disk.codes.remove(code)),
            _ => drop(world.disk.codes.insert(*code, b"not it".to_vec())),
        }
        let before = world.repairs;
        world.input(Input::Damaged(Damage::Code(*code)));
        world.run_until(|world| world.repairs > before);
    }
    world.collect_garbage();
    assert_honest(&world);
    assert_eq!(world.hashes.asked, 3);
    crate::truth::assert_complete(&world.disk, &world.server.head());
}

#[test]
fn a_code_that_is_damaged_before_a_sync_by_hash_ends_is_healed() {
    for events in (0..40).step_by(4) {
        let mut chain = chain(600, 28);
        let mut world = complete(&chain, 28);
        world.peer_by_hash(Vec::new());
        chain.advance_by(0.1);
        world.target(Hash(chain.root()));
        let end = world.run_some(events);
        let code = *world.disk.codes.keys().next().expect("a code");
        world.disk.codes.remove(&code);
        world.input(Input::Damaged(Damage::Code(code)));
        if !matches!(end, End::Done(_)) {
            assert!(matches!(world.run(), End::Done(_)));
        }
        world.run_until(|world| world.repairs > 0);
        world.collect_garbage();
        assert_honest(&world);
        crate::truth::assert_complete(&world.disk, &world.server.head());
    }
}

/// Limits with which much is written before the end.
fn small() -> Limits {
    Limits {
        batch_bytes: 16 * 1024,
        batch_ms: 20,
        asked_bytes: 64 * 1024,
        page_bytes: 4 * 1024,
        ..Limits::default()
    }
}

#[test]
fn a_sync_by_hash_that_is_killed_at_any_moment_goes_on_with_what_it_has_written() {
    let server = serve(contracts(2_000, 150, 29));
    let begin = |mut world: World| {
        world.engine = world.engine.with_limits(small());
        world.peer_by_hash(Vec::new());
        world.target(Hash(server.head().root()));
        world
    };
    let mut whole = begin(World::new(server.clone(), 29));
    finish(&mut whole);
    let mut last = u64::MAX;
    for events in (10..200).step_by(30) {
        let mut world = begin(World::new(server.clone(), 29));
        if !matches!(world.run_some(events), End::Paused) {
            break;
        }
        let disk = world.kill_after(events as usize % 3);
        let mut world = begin(World::on_disk(server.clone(), 30, disk));
        finish(&mut world);
        assert_honest(&world);
        last = world.received;
    }
    assert!(
        last < whole.received * 3 / 4,
        "{last} of {} bytes after the last kill",
        whole.received
    );
}

#[test]
fn a_sync_by_hash_that_is_killed_again_and_again_ends() {
    for seed in 0..10 {
        let mut chain = chain(1_000, 31);
        let mut rng = Rng::new(seed);
        let mut disk = World::new(chain.server(), seed).disk;
        for _ in 0..4 {
            let mut world = World::on_disk(chain.server(), rng.next(), disk);
            world.engine = world.engine.with_limits(small());
            world.peer_by_hash(Vec::new());
            world.target(Hash(chain.root()));
            let events = rng.scale(120);
            world.run_some(events);
            let batches = rng.below(3) as usize;
            disk = world.kill_after(batches);
            chain.advance_by(0.02);
        }
        let mut world = World::on_disk(chain.server(), seed, disk);
        world.peer_by_hash(Vec::new());
        sync(&mut world);
        assert_nobody_is_blamed(&world);
    }
}

/// Runs a first sync from a peer of one kind, which leaves after so many answers. One of the other
/// kind comes then or was there before.
fn handed_over(from: By, to: By, bytes: u64, is_there: bool) -> World {
    let server = serve(contracts(3_000, 150, 32));
    let mut world = World::new(server.clone(), bytes);
    let line = world.line(200_000);
    let first = world.connect(server.clone(), from, Vec::new(), Some(line));
    if is_there {
        world.connect(server.clone(), to, Vec::new(), Some(line));
    }
    world.target(Hash(server.head().root()));
    world.run_until(|world| world.received > bytes);
    world.lose(first);
    if !is_there {
        world.connect(server.clone(), to, Vec::new(), Some(line));
    }
    finish(&mut world);
    assert_nobody_is_blamed(&world);
    world
}

#[test]
fn the_rest_of_a_sync_is_fetched_from_a_peer_of_the_other_kind_when_the_first_leaves() {
    for bytes in [2_000, 20_000, 100_000, 200_000, 300_000] {
        for (from, to) in [(By::Snap, By::Hash), (By::Hash, By::Snap)] {
            for is_there in [false, true] {
                let world = handed_over(from, to, bytes, is_there);
                assert_eq!(world.hashes.twice, 0);
            }
        }
    }
}

#[test]
fn the_rest_of_a_sync_by_ranges_is_fetched_by_hash_when_no_snap_peer_has_the_root_any_more() {
    for answers in [0, 1, 3, 8, 15, 30] {
        let server = serve(contracts(3_000, 150, 33));
        let mut world = World::new(server.clone(), 33);
        let refuses = format!("stale-root+{answers}");
        let line = world.line(200_000);
        world.peer_on(line, World::vice(&refuses));
        world.connect(server.clone(), By::Hash, Vec::new(), Some(line));
        sync(&mut world);
        assert_honest(&world);
        let asked = world.hashes.asked;
        assert!(answers > 8 || asked > 1_000, "{answers}: {asked}");
    }
}

#[test]
fn peers_of_both_kinds_that_join_and_leave_in_turns_bring_a_sync_to_its_end() {
    for seed in 0..8 {
        let mut chain = chain(2_000, 34);
        let mut world = World::new(chain.server(), seed);
        let mut rng = Rng::new(seed);
        let mut by = By::Snap;
        let mut last = None;
        world.target(Hash(chain.root()));
        for turn in 0..8 {
            let line = world.line(150_000);
            let joined = world.connect(chain.server(), by, Vec::new(), Some(line));
            let steps = rng.scale(40);
            let end = world.run_some(steps);
            assert!(matches!(end, End::Paused), "{end:?}");
            if let Some(peer) = last.replace(joined) {
                world.lose(peer);
            }
            if seed % 2 == 1 && turn % 3 == 2 {
                chain.advance_by(0.02);
                world.target(Hash(chain.root()));
            }
            by = match by {
                By::Snap => By::Hash,
                By::Hash | By::Rpc => By::Snap,
            };
        }
        finish(&mut world);
        assert_nobody_is_blamed(&world);
    }
}

#[test]
fn a_moved_root_is_healed_by_hash_when_the_snap_peers_stay_behind() {
    let mut chain = chain(2_000, 35);
    let mut world = complete(&chain, 35);
    let behind = Arc::new(chain.server().behind(0));
    world.peer_of(behind, Vec::new());
    world.peer_by_hash(Vec::new());
    for _ in 0..5 {
        chain.advance_by(0.01);
        sync(&mut world);
    }
    assert_honest(&world);
}
