//! Moves the root while a sync runs. Held data is kept, and what differs is healed.

use snaplight::hash::Hash;
use snaplight::sync::{Millis, Outrun, Report};
use snaplight_peer::chain::{Chain, Change};
use snaplight_peer::state::{Realistic, Recipe};

use crate::truth::assert_complete;
use crate::world::{End, World};

fn recipe(seed: u64) -> Recipe {
    Recipe {
        accounts: 6_000,
        contracts_per_mille: 100,
        seed,
        huge: vec![(1, 12_000)],
    }
}

fn root(chain: &Chain) -> Hash {
    Hash(chain.root())
}

/// Runs the sync to its end, and compares everything with the chain's head.
fn finish(world: &mut World, chain: &Chain) -> Report {
    let report = match world.run() {
        End::Done(report) => *report,
        end => panic!("{end:?}"),
    };
    world.collect_garbage();
    assert_eq!(report.root, root(chain));
    assert_complete(&world.disk, &chain.state(&chain.root()).expect("the head"));
    report
}

fn synced(chain: &Chain, seed: u64) -> World {
    let mut world = World::new(chain.server(), seed);
    world.honest_peer();
    world.honest_peer();
    world.target(root(chain));
    finish(&mut world, chain);
    world
}

#[test]
fn a_state_like_mainnets_is_followed_over_blocks_with_delegations_and_emptied_contracts() {
    let mut chain = Chain::new(Realistic::new(4_000, 9).build(), 9);
    let mut world = synced(&chain, 9);
    for share in [0.002, 0.05, 0.5] {
        let counts = chain.server().head().counts();
        let changed = chain.advance(&Change::realistic(counts, share)).changed;
        assert!(changed.accounts > 0 && changed.slots > changed.accounts);
        world.target(root(&chain));
        finish(&mut world, &chain);
    }
    assert_eq!(world.faults, []);
}

#[test]
fn a_block_that_changes_a_thousandth_costs_little_more_than_the_changed_nodes() {
    for (name, change) in [
        (
            "values",
            Change {
                values: 20,
                ..Change::default()
            },
        ),
        (
            "insertions",
            Change {
                insert: 20,
                ..Change::default()
            },
        ),
        (
            "deletions",
            Change {
                delete: 20,
                ..Change::default()
            },
        ),
    ] {
        let mut chain = Chain::new(Recipe::plain(20_000, 1).build(), 7);
        let mut world = synced(&chain, 3);
        let changed = chain.advance(&change).changed;
        let before = world.received;
        world.target(root(&chain));
        let report = finish(&mut world, &chain);
        let received = world.received - before;
        let bound = changed.node_bytes * 12 / 10 + changed.code_bytes;
        println!(
            "{name}: {received} of {} {} nodes; {report:?}",
            changed.node_bytes, changed.nodes
        );
        assert!(
            received <= bound,
            "{name}: {received} bytes for {} of changed nodes",
            changed.node_bytes
        );
    }
}

#[test]
fn contracts_and_their_storage_heal_too() {
    let mut chain = Chain::new(recipe(1).build(), 7);
    let mut world = synced(&chain, 3);
    for block in 0..12 {
        let change = Change {
            values: 12,
            insert: 4,
            delete: 3,
            slots: 30,
            ..Change::default()
        };
        let changed = chain.advance(&change).changed;
        let before = world.received;
        world.target(root(&chain));
        let report = finish(&mut world, &chain);
        println!(
            "{block}: {} of {} {} nodes; {:?}",
            world.received - before,
            changed.node_bytes,
            changed.nodes,
            report.counters
        );
    }
}

#[test]
fn the_root_may_move_at_any_moment_of_a_first_sync() {
    for events in (0..120).step_by(4) {
        let mut chain = Chain::new(recipe(2).build(), 7);
        let mut world = World::new(chain.server(), events);
        world.honest_peer();
        world.honest_peer();
        world.target(root(&chain));
        world.run_some(events);
        for _ in 0..3 {
            chain.advance_by(0.01);
            world.target(root(&chain));
            if let End::Done(_) = world.run_some(20) {
                break;
            }
        }
        chain.advance_by(0.01);
        world.target(root(&chain));
        finish(&mut world, &chain);
    }
}

#[test]
fn a_first_sync_whose_root_moves_faster_than_it_heals_still_fetches_what_it_never_held() {
    let mut chain = Chain::new(Recipe::plain(20_000, 1).build(), 7);
    let mut world = World::new(chain.server(), 3);
    // With one slow peer, healing from the root down takes longer than a block.
    world.peer(World::vice("slow=250 capped=40000"));
    world.target(root(&chain));
    let mut outrun = Vec::new();
    for _ in 0..60 {
        let block = world.now + 1_000;
        while world.now < block {
            let end = world.run_some(1);
            assert!(matches!(end, End::Paused), "{end:?}");
        }
        chain.advance_by(0.0005);
        world.target(root(&chain));
        outrun.extend(world.engine.progress(Millis(world.now)).outrun);
    }
    assert!(
        !outrun.is_empty(),
        "no progress reported that the chain outruns the sync"
    );
    for Outrun {
        needed_per_second,
        healed_per_second,
    } in outrun
    {
        assert!(needed_per_second > healed_per_second && healed_per_second > 0);
    }
    let report = finish(&mut world, &chain);
    let (accounts, received) = (report.held.accounts, report.counters.accounts);
    assert!(
        (accounts..accounts * 5 / 4).contains(&received),
        "{received} accounts received of {accounts}: few are received twice"
    );
    let fresh = accounts * 60;
    let ranges = report.counters.ranges.bytes;
    assert!(
        ranges < 2 * fresh,
        "{ranges} bytes in ranges, where all are {fresh}"
    );
}

#[test]
fn a_few_changed_slots_of_a_huge_contract_cost_their_nodes_also_block_after_block() {
    let mut chain = Chain::new(recipe(9).build(), 7);
    let mut world = synced(&chain, 3);
    for block in 0..20 {
        let changed = chain
            .advance(&Change {
                values: 6,
                slots: 30,
                ..Change::default()
            })
            .changed;
        let before = world.received;
        world.target(root(&chain));
        finish(&mut world, &chain);
        let received = world.received - before;
        let truth = changed.node_bytes + changed.code_bytes;
        assert!(
            received <= truth * 12 / 10,
            "block {block}: {received} bytes for {truth}"
        );
    }
}

/// If connections are slow and everything else is fast, a heal takes the time of its round trips.
#[test]
fn round_trips_follow_the_depth_of_the_tries() {
    const ROUND_TRIP_MS: u64 = 1_000;
    for values in [12, 100] {
        let mut chain = Chain::new(recipe(1).build(), 7);
        let mut world = World::new(chain.server(), 3);
        world.latency = (ROUND_TRIP_MS, ROUND_TRIP_MS + 1);
        for _ in 0..4 {
            world.honest_peer();
        }
        world.target(root(&chain));
        finish(&mut world, &chain);
        for _ in 0..4 {
            chain.advance(&Change {
                values,
                insert: 4,
                delete: 3,
                slots: 2 * values,
                ..Change::default()
            });
            world.target(root(&chain));
            let report = finish(&mut world, &chain);
            let state = chain.state(&chain.root()).expect("the head");
            let storage = state.storages().map(|(_, trie)| depth(trie)).max();
            let bound = depth(state.accounts()) + storage.unwrap_or(0) + 1;
            let counted = report.counters.round_trips;
            let waited = report.elapsed_ms / ROUND_TRIP_MS;
            assert!(
                counted <= bound && waited <= bound,
                "{counted} round trips counted, {waited} waited for, {bound} at most"
            );
        }
    }
}

/// Returns the number of nodes on the longest path from the root to a leaf.
fn depth(trie: &snaplight_peer::trie::Trie) -> u64 {
    let nibbles = |(key, _): (&[u8; 32], &[u8])| key.map(|byte| [byte >> 4, byte & 0xf]).concat();
    depth_below(&trie.iter().map(nibbles).collect::<Vec<_>>(), 0)
}

fn depth_below(keys: &[Vec<u8>], from: usize) -> u64 {
    let [first, .., last] = keys else { return 1 };
    let pairs = first.iter().zip(last);
    let shared = pairs.take_while(|(a, b)| a == b).count();
    let children = keys.chunk_by(|a, b| a[shared] == b[shared]);
    let below = children.map(|keys| depth_below(keys, shared + 1)).max();
    u64::from(shared > from) + 1 + below.unwrap_or(0)
}
