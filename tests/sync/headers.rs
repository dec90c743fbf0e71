//! Syncs to a block's hash. The header is fetched and proven by its hash, and it has the state
//! root.

use snaplight::hash::Hash;
use snaplight::sync::{Input, Target, WaitReason};
use snaplight::wire::PeerFault;
use snaplight_peer::chain::Chain;
use snaplight_peer::state::Recipe;

use crate::truth::assert_complete;
use crate::world::{End, World};

fn chain() -> Chain {
    let mut chain = Chain::new(Recipe::plain(500, 1).build(), 7);
    chain.advance_by(0.01);
    chain
}

fn block(chain: &Chain) -> Hash {
    Hash(chain.head().hash)
}

#[test]
fn a_block_is_synced_by_its_hash_and_stays_known() {
    let chain = chain();
    let mut world = World::new(chain.server(), 1);
    world.honest_peer();
    let target = Input::Target(Target::Block(block(&chain)));
    world.input(target);
    let End::Done(report) = world.run() else {
        panic!("not done")
    };
    assert_eq!(report.root, Hash(chain.root()));
    let named = report.block.expect("a block");
    assert_eq!(named.hash, block(&chain));
    assert_eq!(named.number, chain.head().header.number);
    assert_eq!(named.timestamp, chain.head().header.timestamp);
    assert_complete(&world.disk, &chain.state(&chain.root()).expect("the head"));

    // The next session knows the block and asks no peer.
    let mut world = World::on_disk(chain.server(), 2, world.kill());
    world.input(Input::Target(Target::Block(block(&chain))));
    let End::Done(report) = world.run() else {
        panic!("not done")
    };
    assert!(report.already_complete);
    assert_eq!(report.block, Some(named));
}

#[test]
fn a_wrong_header_is_its_peers_fault_and_another_peer_has_the_right_one() {
    for (vice, fault) in [
        ("wrong-header", PeerFault::WrongHeader),
        ("corrupt-header", PeerFault::WrongHeader),
    ] {
        let chain = chain();
        let mut world = World::new(chain.server(), 1);
        let liar = world.peer(World::vice(vice));
        world.input(Input::Target(Target::Block(block(&chain))));
        assert!(matches!(world.run(), End::Stuck), "{vice}");
        assert_eq!(world.faults, [(liar, fault)], "{vice}");
        assert_eq!(world.dropped, [liar], "{vice}");
        assert_eq!(world.waits.last(), Some(&WaitReason::NoPeers), "{vice}");
        world.honest_peer();
        let End::Done(report) = world.run() else {
            panic!("{vice}: not done")
        };
        assert_eq!(report.root, Hash(chain.root()), "{vice}");
    }
}

#[test]
fn waiting_for_a_block_that_no_peer_has_is_reported_and_ends_when_a_peer_has_it() {
    // The same seed makes the same chain.
    let (mut chain, mut ahead) = (chain(), chain());
    ahead.advance_by(0.01);
    let unknown = block(&ahead);
    let mut world = World::new(chain.server(), 1);
    world.honest_peer();
    world.input(Input::Target(Target::Block(unknown)));
    world.run_some(200);
    let why = WaitReason::BlockUnavailable {
        block: unknown,
        peers: 1,
    };
    assert_eq!(world.waits.last(), Some(&why));
    chain.advance_by(0.01);
    let End::Done(report) = world.run() else {
        panic!("not done")
    };
    assert_eq!(report.root, Hash(chain.root()));
    assert!(world.faults.is_empty());
}

#[test]
fn the_newest_target_counts_also_while_a_header_is_being_fetched() {
    let mut chain = chain();
    let first = block(&chain);
    chain.advance_by(0.01);
    let mut world = World::new(chain.server(), 1);
    world.honest_peer();
    world.input(Input::Target(Target::Block(first)));
    world.run_some(6);
    world.input(Input::Target(Target::Block(block(&chain))));
    let End::Done(report) = world.run() else {
        panic!("not done")
    };
    assert_eq!(report.block.map(|named| named.hash), Some(block(&chain)));
}
