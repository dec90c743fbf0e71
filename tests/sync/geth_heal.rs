//! Counterparts of go-ethereum's tests of healing by trie nodes (trie/sync_test.go,
//! core/state/sync_test.go). Other tests here are counterparts of the rest; docs/testing.md has the
//! table.

use std::collections::BTreeSet;
use std::sync::Arc;

use snaplight::hash::Hash;
use snaplight::sync::{Input, Report};
use snaplight_peer::chain::{Chain, Change};
use snaplight_peer::session::Server;
use snaplight_peer::snap::Request;
use snaplight_peer::state::{Account, Builder, Recipe, State, States};

use crate::truth::assert_complete;
use crate::world::{End, World};

fn chain(accounts: u64, contracts_per_mille: u16) -> Chain {
    let recipe = Recipe {
        accounts,
        contracts_per_mille,
        seed: 5,
        huge: vec![(1, 400)],
    };
    Chain::new(recipe.build(), 9)
}

/// Syncs the state with this root, and compares the disk with the true state.
pub(crate) fn go(world: &mut World, root: [u8; 32]) -> Report {
    world.target(Hash(root));
    let report = match world.run() {
        End::Done(report) => report,
        end => panic!("{end:?}, waited for {:?}", world.waits),
    };
    world.collect_garbage();
    let states = world.server.states();
    assert_complete(
        &world.disk,
        states.get(&root).expect("a state that is kept"),
    );
    *report
}

/// Syncs a state, then heals over a block that only peers with these vices serve. `World::asked` of
/// the result has the requests of the heal.
fn heal_from(mut chain: Chain, change: &Change, vices: &[&str]) -> (World, Report) {
    let mut world = World::new(chain.server(), 3);
    let first = world.honest_peer();
    go(&mut world, chain.root());
    world.lose(first);
    for vice in vices {
        world.peer(World::vice(vice));
    }
    chain.advance(change);
    world.asked.clear();
    let report = go(&mut world, chain.root());
    assert_eq!(world.faults, []);
    (world, report)
}

const BLOCK: Change = Change {
    values: 30,
    insert: 10,
    delete: 10,
    slots: 40,
    contracts: 0,
    delegations: 0,
};

/// Returns the path sets of all node requests.
fn paths(world: &World) -> Vec<Vec<Vec<Vec<u8>>>> {
    let nodes = world.asked.iter().filter_map(|request| match request {
        Request::Nodes(request) => Some(request.paths.clone()),
        _ => None,
    });
    nodes.collect()
}

#[test]
fn empty_sync_requests_nothing() {
    let server = Arc::new(Server::new(Builder::new().build()));
    let mut world = World::new(server, 1);
    world.honest_peer();
    go(&mut world, Hash::EMPTY_ROOT.0);
    assert_eq!(world.asked, []);
}

#[test]
fn iterative_sync_one_node_an_answer() {
    let (world, report) = heal_from(chain(2_000, 0), &BLOCK, &["capped=1@nodes"]);
    assert!(report.counters.nodes > 50, "{report:?}");
    assert!(report.counters.healing.answers * 2 >= report.counters.nodes);
    drop(world);
}

#[test]
fn iterative_sync_in_batches() {
    let (_, report) = heal_from(chain(2_000, 0), &BLOCK, &["slow=1"]);
    assert!(report.counters.healing.answers <= 20, "{report:?}");
}

#[test]
fn iterative_delayed_sync_with_half_of_each_answer() {
    heal_from(chain(2_000, 0), &BLOCK, &["short@nodes"]);
}

#[test]
fn iterative_random_delayed_sync_from_peers_that_overtake_each_other() {
    let vices = [
        "slow=1",
        "short@nodes",
        "slow=90",
        "capped=300@nodes",
        "slow=7",
    ];
    heal_from(chain(2_000, 0), &BLOCK, &vices);
}

#[test]
fn iterative_state_sync_one_item_an_answer() {
    let one = ["capped=1@nodes capped=1@codes capped=1@storage"];
    heal_from(chain(1_000, 300), &BLOCK, &one);
}

#[test]
fn iterative_state_sync_in_batches() {
    heal_from(chain(1_000, 300), &BLOCK, &["slow=1"]);
}

#[test]
fn iterative_delayed_state_sync_with_half_of_each_answer() {
    heal_from(chain(1_000, 300), &BLOCK, &["short@nodes short@codes"]);
}

#[test]
fn iterative_random_delayed_state_sync_from_peers_that_overtake_each_other() {
    let vices = ["slow=1", "short@nodes", "slow=90", "capped=300", "one-code"];
    heal_from(chain(1_000, 300), &BLOCK, &vices);
}

#[test]
fn duplicate_avoidance_sync() {
    let (world, _) = heal_from(chain(1_000, 300), &BLOCK, &["slow=1"]);
    let mut seen = BTreeSet::new();
    for set in paths(&world).into_iter().flatten() {
        let (account, rest) = set.split_first().expect("a path");
        // A set is one account path, or an account and paths of its storage.
        let below: Vec<_> = match rest {
            [] => vec![(account.clone(), None)],
            _ => rest
                .iter()
                .map(|path| (account.clone(), Some(path.clone())))
                .collect(),
        };
        for path in below {
            assert!(seen.insert(path.clone()), "{path:?} was asked for twice");
        }
    }
    assert!(!seen.is_empty());
}

#[test]
fn sync_ordering_by_path() {
    let (world, _) = heal_from(chain(2_000, 0), &BLOCK, &["slow=1"]);
    let nibbles = |path: &Vec<u8>| {
        // The yellow paper's compact form: the first nibble says whether the second is one of the
        // path.
        let all = path.iter().flat_map(|byte| [byte >> 4, byte & 15]);
        let skipped = 2 - usize::from(path.first().is_some_and(|byte| byte >> 4 & 1 == 1));
        all.skip(skipped).collect::<Vec<_>>()
    };
    for request in paths(&world) {
        let singles = request.iter().filter(|set| set.len() == 1);
        let order: Vec<_> = singles.map(|set| nibbles(&set[0])).collect();
        assert!(order.is_sorted(), "{order:?}");
    }
}

#[test]
fn sync_moving_target() {
    let mut chain = chain(1_000, 0);
    let mut world = World::new(chain.server(), 4);
    world.honest_peer();
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
}

/// Makes a state with two contracts. The keys of the first contract's slots differ only at their
/// ends, so that its nodes are small enough to be embedded in others. The keys of the second
/// contract's slots are spread evenly.
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
        spread = spread.slot_at(snaplight_peer::keccak::keccak(&[index]), value);
    }
    let mut builder = Builder::new()
        .account([1; 20], close)
        .account([2; 20], spread);
    for index in 0..slots {
        builder = builder.account([100 + index; 20], Account::new().balance(index.into()));
    }
    builder.build()
}

#[test]
fn pivot_move_collapses_and_expands_again_with_tiny_and_with_full_values() {
    for tiny in [true, false] {
        let mut states = States::new(8);
        for slots in [100, 1, 100, 2, 0, 60] {
            states.push(Arc::new(pivot(slots, tiny)));
        }
        let server = Arc::new(Server::of_chain(states));
        let mut world = World::new(server, 5);
        world.honest_peer();
        for slots in [100, 1, 100, 2, 0, 60] {
            go(&mut world, pivot(slots, tiny).root());
        }
    }
}

#[test]
fn sync_abort_leaves_nothing_that_the_next_root_could_take_for_its_own() {
    for events in 0..60 {
        let (a, b) = (pivot(100, true), pivot(3, true));
        // State C has a key that B had deleted.
        let c = pivot(99, false);
        let roots = [a.root(), b.root(), c.root()];
        let mut states = States::new(8);
        for state in [a, b, c] {
            states.push(Arc::new(state));
        }
        let mut world = World::new(Arc::new(Server::of_chain(states)), events);
        world.honest_peer();
        go(&mut world, roots[0]);
        world.target(Hash(roots[1]));
        let end = world.run_some(events);
        if !matches!(end, End::Done(_)) {
            world.input(Input::Cancel);
            // If the last batch was in flight, the sync is done.
            assert!(matches!(world.run(), End::Cancelled | End::Done(_)));
        }
        go(&mut world, roots[2]);
    }
}
