//! "I do not have that": how soon a peer is asked again that may have it by now, in virtual time.

use std::sync::Arc;

use snaplight::hash::Hash;
use snaplight::sync::{Input, Millis, Target, WaitReason};
use snaplight_peer::chain::Chain;
use snaplight_peer::session::Server;
use snaplight_peer::state::Recipe;

use crate::truth::assert_complete;
use crate::world::{End, World};

/// A light client hears of a block so long before its node has the state.
const EARLY_MS: u64 = 300;
/// The announcement, a header, the changed nodes level by level and the last batch, from a peer that is
/// 20 to 30 ms away.
const ROUND_TRIPS_MS: u64 = 220;
/// Whoever is asked again after 250 ms, and 500 after that, is asked within so long.
const NEXT_QUESTION_MS: u64 = 500;

/// A tab that holds the chain's head, and the same chain a block further on.
fn follower() -> (Chain, Chain, World) {
    let recipe = Recipe {
        accounts: 500,
        contracts_per_mille: 200,
        seed: 21,
        huge: Vec::new(),
    };
    // The same seed makes the same chain.
    let [chain, mut ahead] = [(); 2].map(|()| Chain::new(recipe.build(), 21));
    let mut world = World::new(chain.server(), 21);
    world.latency = (20, 21);
    world.honest_peer();
    world.target(Hash(chain.root()));
    assert!(matches!(world.run(), End::Done(_)));
    world.sweep();
    ahead.advance_by(0.01);
    (chain, ahead, world)
}

/// Milliseconds from the node's having the block to its state's being complete, where it was asked for
/// `early` milliseconds before.
fn lateness(target: impl Fn(&Chain) -> Target, early: u64, is_announced: bool) -> u64 {
    let (mut chain, ahead, mut world) = follower();
    world.input(Input::Target(target(&ahead)));
    let at = world.now + early;
    while world.now < at {
        assert!(matches!(world.run_some(1), End::Paused));
    }
    chain.advance_by(0.01);
    assert_eq!(chain.root(), ahead.root());
    let had = world.now;
    if is_announced {
        world.announce();
    }
    let End::Done(report) = world.run() else {
        panic!("not done, waited for {:?}", world.waits)
    };
    assert_eq!(report.root.0, ahead.root());
    let late = world.now - had;
    assert_eq!(world.faults, []);
    world.sweep();
    assert_complete(&world.disk, &chain.server().head());
    late
}

fn by_block(chain: &Chain) -> Target {
    Target::Block(Hash(chain.head().hash))
}

fn by_root(chain: &Chain) -> Target {
    Target::Root(Hash(chain.root()))
}

#[test]
fn a_block_that_was_asked_for_too_early_is_asked_for_again_as_soon_as_it_is_announced() {
    for target in [by_block, by_root] {
        // After a second of refusals, too, when a peer would be left alone for another one.
        for early in [EARLY_MS, 10 * EARLY_MS] {
            let late = lateness(target, early, true);
            assert!(late <= ROUND_TRIPS_MS, "{late} ms after {early}");
        }
    }
}

#[test]
fn a_block_that_nobody_announces_is_asked_for_again_soon() {
    for target in [by_block, by_root] {
        let late = lateness(target, EARLY_MS, false);
        assert!(late <= NEXT_QUESTION_MS + ROUND_TRIPS_MS, "{late} ms");
    }
}

#[test]
fn who_never_has_it_is_asked_less_and_less() {
    let (_, ahead, mut world) = follower();
    let before = world.asked.len();
    world.waits.clear();
    world.input(Input::Target(by_root(&ahead)));
    let at = world.now + 60_000;
    while world.now < at {
        assert!(matches!(world.run_some(1), End::Paused));
    }
    let asked = world.asked.len() - before;
    assert!((8..=14).contains(&asked), "{asked} requests in a minute");
    let root = Hash(ahead.root());
    let why = WaitReason::NeedNewRoot { root, peers: 1 };
    assert_eq!(world.waits, [why], "said once");
    // Whoever looks at any moment sees who has refused.
    let progress = world.engine.progress(Millis(world.now));
    assert!(progress.peers.iter().all(|peer| peer.refused));
}

#[test]
fn codes_that_only_another_peer_has_are_there_within_a_second() {
    let recipe = Recipe {
        accounts: 400,
        contracts_per_mille: 500,
        seed: 22,
        huge: Vec::new(),
    };
    let state = recipe.build();
    assert!(state.counts().codes >= 4);
    let odd = |hash: &[u8; 32]| hash[31] % 2 == 1;
    let [evens, odds] = [
        state.without_codes(odd),
        state.without_codes(|hash| !odd(hash)),
    ];
    assert!(evens.counts().codes > 0 && odds.counts().codes > 0);
    let whole = Arc::new(Server::new(state.clone()));
    let mut world = World::new(whole, 22);
    for part in [evens, odds] {
        world.peer_of(Arc::new(Server::new(part)), Vec::new());
    }
    let start = world.now;
    world.target(Hash(state.root()));
    assert!(matches!(world.run(), End::Done(_)), "{:?}", world.waits);
    let took = world.now - start;
    assert!(took <= 1_000, "{took} ms");
    assert_eq!(world.faults, []);
    assert_complete(&world.disk, &state);
}
