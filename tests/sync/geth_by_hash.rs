//! Counterparts of go-ethereum's tests of syncs by hash (trie/sync_test.go,
//! core/state/sync_test.go), in which every node and code comes by GetNodeData. `geth_heal` has
//! those by path; docs/testing.md has the table.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use snaplight::hash::Hash;
use snaplight::state::PageId;
use snaplight::sync::{Damage, Input, Limits, Report};
use snaplight_peer::chain::{Chain, Change};
use snaplight_peer::keccak::keccak;
use snaplight_peer::session::Server;
use snaplight_peer::state::{Account, Builder, Recipe, State, States};
use snaplight_peer::trie::Trie;

use crate::geth_heal;
use crate::truth::{assert_complete, walk};
use crate::world::{End, World};

/// A state whose account trie is what go-ethereum's tests of tries sync: values and nothing below.
fn trie() -> State {
    Recipe::plain(2_000, 91).build()
}

/// Accounts with storages and codes.
fn state() -> State {
    Recipe {
        contracts_per_mille: 300,
        huge: vec![(1, 400)],
        ..Recipe::plain(800, 92)
    }
    .build()
}

/// Syncs the state with this root, and compares the disk with the true state.
fn go(world: &mut World, root: [u8; 32]) -> Report {
    let report = geth_heal::go(world, root);
    assert_eq!(world.faults, []);
    assert_eq!(world.asked, [], "nothing is asked for by path or range");
    report
}

/// Syncs a state from nothing, from one peer by hash for each of these vices.
fn sync_from(state: State, vices: &[&str]) -> (World, Report) {
    let root = state.root();
    let mut world = World::new(Arc::new(Server::new(state)), 3);
    for vice in vices {
        world.peer_by_hash(World::vice(vice));
    }
    let report = go(&mut world, root);
    assert_eq!(world.hashes.twice, 0, "hashes asked for while in flight");
    (world, report)
}

/// Peers that overtake each other, and whose items come in another order than they were asked for.
const IN_ANY_ORDER: [&str; 3] = ["reversed", "slow=40", "reversed slow=90"];
/// The same, with a half of each answer or less.
const HALF_IN_ANY_ORDER: [&str; 4] = [
    "short reversed",
    "slow=90 short",
    "capped=300 slow=7",
    "reversed short slow=40",
];

/// TestEmptySync, TestEmptyStateSync.
#[test]
fn nothing_is_asked_for_by_hash_for_an_empty_state() {
    let (world, _) = sync_from(Builder::new().build(), &["slow=1"]);
    assert_eq!(world.hashes.requests, 0);
}

/// TestIterativeSync, one node at a time.
#[test]
fn a_trie_syncs_by_hash_with_one_node_an_answer() {
    let (world, report) = sync_from(trie(), &["capped=1"]);
    assert_eq!(report.counters.healing.answers, report.counters.nodes);
    assert_eq!(report.counters.nodes, world.hashes.distinct.len() as u64);
}

/// TestIterativeSync, in batches.
#[test]
fn a_trie_syncs_by_hash_in_batches() {
    let (world, report) = sync_from(trie(), &["slow=1"]);
    let most = report.counters.nodes / 40;
    assert!(world.hashes.requests <= most, "{}", world.hashes.requests);
}

/// TestIterativeDelayedSync.
#[test]
fn a_trie_syncs_by_hash_with_half_of_each_answer() {
    sync_from(trie(), &["short"]);
}

/// TestIterativeRandomSyncIndividual, TestIterativeRandomSyncBatched.
#[test]
fn a_trie_syncs_by_hash_in_any_order_one_at_a_time_and_in_batches() {
    sync_from(trie(), &["capped=1", "capped=1 slow=7", "capped=1 slow=3"]);
    sync_from(trie(), &IN_ANY_ORDER);
}

/// TestIterativeRandomDelayedSync.
#[test]
fn a_trie_syncs_by_hash_with_half_of_each_answer_in_any_order() {
    sync_from(trie(), &HALF_IN_ANY_ORDER);
}

/// TestDuplicateAvoidanceSync.
#[test]
fn no_hash_is_asked_for_twice() {
    for peers in [&["slow=1"][..], &["slow=1", "slow=5"]] {
        let (world, _) = sync_from(trie(), peers);
        assert_eq!(world.hashes.asked, world.hashes.distinct.len() as u64);
    }
}

/// The path of each node of a trie by its hash. No two of these nodes are equal.
fn paths(trie: &Trie) -> BTreeMap<[u8; 32], usize> {
    let mut depths = BTreeMap::new();
    for (key, _) in trie.iter() {
        for (depth, node) in trie.path_to(key).iter().enumerate() {
            depths.insert(keccak(node), depth);
        }
    }
    depths
}

/// TestSyncOrdering. By hash no path is sent, so what is checked is that a level comes before the
/// one below it while the trie is narrow.
#[test]
fn a_level_is_asked_for_by_hash_before_the_one_below_it() {
    let state = trie();
    let depths = paths(state.accounts());
    let (world, _) = sync_from(state, &["slow=1"]);
    for request in &world.hashes.all {
        let levels: Vec<usize> = request.iter().map(|hash| depths[hash]).collect();
        assert!(levels.is_sorted(), "{levels:?}");
    }
}

/// TestSyncMovingTarget.
#[test]
fn a_target_that_moves_is_healed_by_hash() {
    let mut chain = Chain::new(trie(), 9);
    let mut world = World::new(chain.server(), 4);
    world.peer_by_hash(Vec::new());
    go(&mut world, chain.root());
    chain.advance(&Change {
        insert: 10,
        ..Change::default()
    });
    go(&mut world, chain.root());
    chain.advance(&Change {
        delete: 10,
        values: 10,
        ..Change::default()
    });
    go(&mut world, chain.root());
    assert_eq!(world.hashes.twice, 0);
}

/// A state with two contracts. The first one's nodes are small enough to be embedded in others,
/// since its keys differ only at their ends. The second one's keys are spread evenly.
fn pivot(slots: u8, tiny: bool) -> State {
    let mut close = Account::new().nonce(1).code([1]);
    let mut spread = Account::new().nonce(1).code([1]);
    for index in 0..slots {
        let mut key = [0xab; 32];
        key[30] = index % 5;
        key[31] = index;
        let mut value = [if tiny { 0 } else { index + 1 }; 32];
        value[31] = index + 1;
        close = close.slot_at(key, value);
        spread = spread.slot_at(keccak(&[index]), value);
    }
    let mut builder = Builder::new()
        .account([1; 20], close)
        .account([2; 20], spread);
    for index in 0..slots {
        builder = builder.account([100 + index; 20], Account::new().balance(index.into()));
    }
    builder.build()
}

fn server_of(states: impl IntoIterator<Item = State>) -> Arc<Server> {
    let mut held = States::new(8);
    for state in states {
        held.push(Arc::new(state));
    }
    Arc::new(Server::of_chain(held))
}

/// TestPivotMove, with tiny and with full values.
#[test]
fn a_trie_that_collapses_and_expands_again_is_healed_by_hash() {
    for tiny in [true, false] {
        let steps = [100, 1, 100, 2, 0, 60];
        let server = server_of(steps.map(|slots| pivot(slots, tiny)));
        let mut world = World::new(server, 5);
        world.peer_by_hash(Vec::new());
        for slots in steps {
            go(&mut world, pivot(slots, tiny).root());
        }
    }
}

/// TestSyncAbort.
#[test]
fn a_healing_by_hash_that_is_aborted_leaves_nothing_that_the_next_root_could_take_for_its_own() {
    for events in 0..60 {
        // State C has a key that B had deleted.
        let states = [pivot(100, true), pivot(3, true), pivot(99, false)];
        let [a, b, c] = [0, 1, 2].map(|index: usize| states[index].root());
        let mut world = World::new(server_of(states), events);
        world.peer_by_hash(Vec::new());
        go(&mut world, a);
        world.target(Hash(b));
        let end = world.run_some(events);
        if !matches!(end, End::Done(_)) {
            world.input(Input::Cancel);
            // If the last batch was in flight, the sync is done.
            assert!(matches!(world.run(), End::Cancelled | End::Done(_)));
        }
        go(&mut world, c);
    }
}

/// TestIterativeStateSyncIndividual.
#[test]
fn a_state_syncs_by_hash_with_one_item_an_answer() {
    let (_, report) = sync_from(state(), &["capped=1"]);
    let items = report.counters.nodes + report.counters.codes;
    assert!(report.counters.healing.answers <= items);
}

/// TestIterativeStateSyncBatched.
#[test]
fn a_state_syncs_by_hash_in_batches() {
    let (world, report) = sync_from(state(), &["slow=1"]);
    let most = report.counters.nodes / 10;
    assert!(world.hashes.requests <= most, "{}", world.hashes.requests);
}

/// TestIterativeDelayedStateSync.
#[test]
fn a_state_syncs_by_hash_with_half_of_each_answer() {
    sync_from(state(), &["short"]);
}

/// TestIterativeRandomStateSyncIndividual, TestIterativeRandomStateSyncBatched.
#[test]
fn a_state_syncs_by_hash_in_any_order_one_at_a_time_and_in_batches() {
    sync_from(state(), &["capped=1", "capped=1 slow=7", "capped=1 slow=3"]);
    sync_from(state(), &IN_ANY_ORDER);
}

/// TestIterativeRandomDelayedStateSync.
#[test]
fn a_state_syncs_by_hash_with_half_of_each_answer_in_any_order() {
    sync_from(state(), &HALF_IN_ANY_ORDER);
}

/// TestIncompleteSyncHash. Every few events of a sync by hash, no state is readable yet, and what is
/// stored of it is not taken for whole.
#[test]
fn nothing_of_a_sync_by_hash_is_complete_before_its_end() {
    let state = trie();
    let root = state.root();
    let mut world = World::new(Arc::new(Server::new(state)), 6);
    world.engine = world.engine.with_limits(Limits {
        batch_bytes: 8 * 1024,
        batch_ms: 20,
        ..Limits::default()
    });
    world.peer_by_hash(Vec::new());
    world.target(Hash(root));
    let mut batches = BTreeSet::new();
    while let End::Paused = world.run_some(1) {
        let record = world.disk.record();
        if record.complete.is_none() {
            batches.insert(record.sequence);
        }
    }
    assert!(batches.len() > 2, "{batches:?}");
    assert!(world.disk.record().complete.is_some());
    world.collect_garbage();
    assert_complete(&world.disk, &world.server.head());
}

/// TestIncompleteStateSync: whatever page or code of the state is lost, that is noticed and healed
/// by hash.
#[test]
fn every_page_and_code_that_is_lost_is_noticed_and_fetched_by_hash() {
    let (world, _) = sync_from(state(), &["slow=1"]);
    let disk = world.disk.clone();
    let server = world.server.clone();
    let with_loss = |lose: &dyn Fn(&mut World) -> Damage| {
        let mut world = World::on_disk(server.clone(), 7, disk.clone());
        world.peer_by_hash(Vec::new());
        let damage = lose(&mut world);
        world.input(Input::Damaged(damage));
        world.run_until(|world| world.repairs > 0);
        world.collect_garbage();
        assert_complete(&world.disk, &server.head());
        assert_eq!(world.hashes.twice, 0);
    };
    let pages: Vec<PageId> = disk.pages.keys().copied().collect();
    for page in pages {
        with_loss(&|world| {
            world.disk.pages.remove(&page);
            let damaged = walk(&world.disk).damaged;
            assert!(damaged.iter().all(|(found, _)| *found == page));
            let at = damaged.first().map(|(_, at)| *at);
            assert!(at.is_some(), "the loss of {page:?} is noticed");
            Damage::Page { page, at }
        });
    }
    for code in disk.codes.keys() {
        with_loss(&|world| {
            world.disk.codes.remove(code);
            Damage::Code(*code)
        });
    }
}
