//! The next root of a set.

use snaplight::state::TrackedAccount;
use snaplight_peer::chain::{Chain, Change};
use snaplight_peer::snap::Request;

use crate::world::World;

use super::support::{block, nodes, recipe, set, sync, synced, tracked, world_of};

#[test]
fn the_next_root_takes_two_round_trips_and_little_more_than_the_changed_nodes() {
    let mut chain = Chain::new(recipe().build(), 7);
    let tracked = tracked();
    let scope = set(1, &tracked);
    let mut world = synced(&chain, &scope);
    let mut before = nodes(&chain, &tracked);
    for number in 0..6 {
        chain.advance(&block());
        world.announce();
        let (from, started) = (world.received, world.now);
        world.asked.clear();
        let report = sync(&mut world, &chain, &scope);
        for request in &world.asked {
            if let Request::Nodes(request) = request {
                let mut counts = std::collections::BTreeMap::new();
                for set in &request.paths {
                    let (is_slot, rest) = match set.len() {
                        1 => (false, &set[..]),
                        _ => (true, &set[1..]),
                    };
                    for path in rest {
                        let odd = path[0] & 0x10 != 0;
                        let depth = (path.len() - 1) * 2 + usize::from(odd);
                        *counts.entry((is_slot, depth)).or_insert(0) += 1;
                    }
                }
                println!("REQ {counts:?} bytes {}", request.bytes);
            }
        }
        let (bytes, millis) = (world.received - from, world.now - started);
        let after = nodes(&chain, &tracked);
        let changed = after.iter().filter(|(hash, _)| !before.contains_key(hash));
        let changed: usize = changed.map(|(_, length)| length).sum();
        println!(
            "{number}: {bytes} bytes for {changed}, {:.2}; {millis} ms, {report:?}",
            bytes as f64 / changed as f64
        );
        assert!(report.counters.round_trips <= 2, "{report:?}");
        assert!(millis <= 350, "{millis} ms");
        assert!(
            bytes as usize <= changed * 7 / 5,
            "{bytes} bytes for {changed}"
        );
        before = after;
    }
    assert_eq!(world.faults, []);
}

/// Such a contract costs nothing but the path of its account.
#[test]
fn a_contract_that_does_not_change_costs_none_of_its_storage() {
    let mut chain = Chain::new(recipe().build(), 7);
    let scope = set(1, &tracked());
    let mut world = synced(&chain, &scope);
    for number in 0..3 {
        chain.advance(&Change {
            values: 300,
            ..Change::default()
        });
        world.asked.clear();
        let r = sync(&mut world, &chain, &scope);
        println!("{r:?}");
        let storages = world.asked.iter().filter_map(|request| match request {
            Request::Nodes(request) => Some(request.paths.iter().filter(|set| set.len() > 1)),
            _ => None,
        });
        let asked = storages.flatten().count();
        assert!(number == 0 || asked == 0, "{asked} storages are asked for");
    }
}

/// A later version of snap has no such request.
#[test]
fn peers_that_serve_no_nodes_by_path_are_asked_for_single_keys() {
    let mut chain = Chain::new(recipe().build(), 7);
    let scope = set(1, &tracked());
    let mut world = world_of(&chain, &scope, 3);
    world.latency = (100, 100);
    world.peer(World::vice("empty@nodes"));
    sync(&mut world, &chain, &scope);
    for number in 0..3 {
        chain.advance(&block());
        world.announce();
        let started = world.now;
        sync(&mut world, &chain, &scope);
        let millis = world.now - started;
        // The first time, they show that they serve none.
        assert!(number == 0 || millis <= 350, "{millis} ms");
    }
    assert_eq!(world.faults, []);
}

#[test]
fn peers_by_hash_follow_a_set_too() {
    let mut chain = Chain::new(recipe().build(), 7);
    let scope = set(1, &tracked());
    let mut world = world_of(&chain, &scope, 3);
    world.peer_by_hash(Vec::new());
    sync(&mut world, &chain, &scope);
    for _ in 0..2 {
        chain.advance(&block());
        sync(&mut world, &chain, &scope);
    }
    assert_eq!(world.faults, []);
}

#[test]
fn accounts_that_come_and_go_are_followed() {
    let mut chain = Chain::new(recipe().build(), 7);
    let plain = (0..400).map(|index| TrackedAccount::new(recipe().address(index + 4), true, &[]));
    let scope = set(1, &plain.collect::<Vec<_>>());
    let mut world = synced(&chain, &scope);
    for _ in 0..4 {
        chain.advance(&Change {
            values: 500,
            insert: 3_000,
            delete: 3_000,
            ..Change::default()
        });
        sync(&mut world, &chain, &scope);
    }
    assert_eq!(world.faults, []);
}

#[test]
fn a_whole_storage_is_healed() {
    let mut chain = Chain::new(recipe().build(), 7);
    let scope = set(1, &[TrackedAccount::whole(recipe().address(0), true)]);
    let mut world = synced(&chain, &scope);
    for slots in [10, 400, 40_000] {
        chain.advance(&Change {
            slots,
            contracts: 4,
            ..Change::default()
        });
        sync(&mut world, &chain, &scope);
    }
    assert_eq!(world.faults, []);
}

#[test]
fn a_target_that_moves_on_the_way_is_reached() {
    let mut chain = Chain::new(recipe().build(), 7);
    let scope = set(1, &tracked());
    let mut world = synced(&chain, &scope);
    for events in [3, 8, 15] {
        chain.advance(&block());
        world.target(super::support::root(&chain));
        let _ = world.run_some(events);
        chain.advance(&block());
        sync(&mut world, &chain, &scope);
    }
    assert_eq!(world.faults, []);
}
