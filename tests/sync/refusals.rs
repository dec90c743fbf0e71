//! Measures in virtual time how soon a peer is asked again after it has refused a request.

use std::sync::Arc;

use snaplight::hash::Hash;
use snaplight::sync::{Input, Millis, Target, WaitReason};
use snaplight_peer::chain::Chain;
use snaplight_peer::session::Server;
use snaplight_peer::state::Recipe;

use crate::truth::assert_complete;
use crate::world::{End, World};

/// A light client names a block this long before its node has the state.
const EARLY_MS: u64 = 300;
/// Upper bound for the announcement, a header, the changed nodes level by level and the last batch,
/// from a peer with a round-trip time of 20 to 30 ms.
const ROUND_TRIPS_MS: u64 = 220;
/// Upper bound for the wait until the third request, which is sent 250 + 500 ms after the first,
/// plus latency. The node has the block [`EARLY_MS`] after the first request.
const NEXT_REQUEST_MS: u64 = 500;

/// Makes a chain, the same chain one block further on, and a session that holds the first chain's
/// head.
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
    world.collect_garbage();
    ahead.advance_by(0.01);
    (chain, ahead, world)
}

/// Returns the milliseconds from the moment when the node has the block to the moment when its
/// state is complete. The block is asked for `early` milliseconds before the node has it.
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
    world.collect_garbage();
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
        // The second case has 3 s of refusals, after which a peer is asked less often.
        for early in [EARLY_MS, 10 * EARLY_MS] {
            let late = lateness(target, early, true);
            assert!(late <= ROUND_TRIPS_MS, "{late} ms after {early}");
        }
    }
}

#[test]
fn a_block_that_no_peer_announces_is_asked_for_again_soon() {
    for target in [by_block, by_root] {
        let late = lateness(target, EARLY_MS, false);
        assert!(late <= NEXT_REQUEST_MS + ROUND_TRIPS_MS, "{late} ms");
    }
}

#[test]
fn a_peer_that_never_has_the_state_is_asked_less_and_less() {
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
    assert_eq!(world.waits, [why], "reported once");
    // Progress shows at any moment which peers have refused.
    let progress = world.engine.progress(Millis(world.now));
    assert!(progress.peers.iter().all(|peer| peer.refused));
}

/// No peer has the state that is asked for. A complete state is there, so that a heal begins, which
/// asks one peer at a time. The peers' chain goes on, so that each block makes it possible that a
/// peer has the state by now.
#[test]
fn peers_that_are_all_too_old_are_counted_although_a_state_is_complete() {
    for (peers, latency) in [(1, 20), (5, 20), (5, 400), (12, 400)] {
        let (mut chain, _, mut world) = follower();
        world.latency = (latency, latency + 100);
        for _ in 1..peers {
            world.honest_peer();
        }
        world.run_ms(2_000);
        world.waits.clear();
        let root = Hash([0x5a; 32]);
        world.input(Input::Target(Target::Root(root)));
        for second in 1..=60 {
            assert!(matches!(world.run_ms(1_000), End::Paused));
            if second % 12 == 0 {
                chain.advance_by(0.01);
                world.announce();
            }
            let progress = world.engine.progress(Millis(world.now));
            let refused = progress.peers.iter().filter(|peer| peer.refused).count();
            if let Some(WaitReason::NeedNewRoot { peers, .. }) = progress.waiting {
                assert_eq!(refused, peers, "after {second} s: those that are counted");
            }
        }
        assert_eq!(
            world.waits,
            [WaitReason::NeedNewRoot { root, peers }],
            "{peers} peers, {latency} ms: {:?}",
            world.engine.progress(Millis(world.now)).waiting
        );
        assert_eq!(world.faults, []);
    }
}

#[test]
fn who_has_refused_is_known_also_while_new_heads_have_the_peers_asked_again() {
    let (mut chain, _, mut world) = follower();
    world.honest_peer();
    world.honest_peer();
    // The root node is all that is wanted, so the peers are asked one after the other.
    world.target(Hash([0x5a; 32]));
    let refusing = |world: &World| {
        let progress = world.engine.progress(Millis(world.now));
        progress.peers.iter().filter(|peer| peer.refused).count()
    };
    world.run_until(|world| refusing(world) == 3);
    for _ in 0..3 {
        chain.advance_by(0.01);
        world.announce();
        for _ in 0..30 {
            assert_eq!(refusing(&world), 3);
            assert!(matches!(world.run_some(1), End::Paused));
        }
    }
}

#[test]
fn codes_that_only_another_peer_has_arrive_within_a_second() {
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
