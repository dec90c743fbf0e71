//! Peers that lie to a set.

use snaplight::wire::PeerFault;
use snaplight_peer::chain::Chain;

use super::support::{block, recipe, set, sync, synced, tracked, world_of};
use crate::world::World;

#[test]
fn a_node_that_the_root_does_not_commit_to_is_a_fault() {
    let mut chain = Chain::new(recipe().build(), 7);
    let scope = set(1, &tracked());
    let mut world = synced(&chain, &scope);
    chain.advance(&block());
    let honest = world.connected();
    let liar = world.peer(World::vice("corrupt=node@nodes"));
    for peer in honest {
        world.lose(peer);
    }
    world.target(super::support::root(&chain));
    let _ = world.run_ms(2_000);
    let faults: Vec<_> = world
        .faults
        .iter()
        .map(|(_, fault)| fault.clone())
        .collect();
    assert_eq!(faults, [PeerFault::UnexpectedNode]);
    assert!(world.dropped.contains(&liar));
    world.honest_peer();
    sync(&mut world, &chain, &scope);
}

/// Whether the slot is there is judged by the account: it has storage, so the peer does not have
/// this state.
#[test]
fn an_empty_answer_for_a_slot_of_an_account_with_storage_is_no_absence() {
    let chain = Chain::new(recipe().build(), 7);
    let scope = set(1, &tracked());
    let mut world = world_of(&chain, &scope, 3);
    world.peer(World::vice("empty@storage"));
    let _ = world.run_ms(1_000);
    world.target(super::support::root(&chain));
    let end = world.run_ms(5_000);
    assert!(matches!(end, crate::world::End::Paused), "{end:?}");
    assert_eq!(world.faults, []);
    world.honest_peer();
    sync(&mut world, &chain, &scope);
    assert_eq!(world.faults, []);
}

#[test]
fn answers_of_another_state_are_faults_or_of_no_use() {
    let mut chain = Chain::new(recipe().build(), 7);
    chain.advance(&block());
    let scope = set(1, &tracked());
    for vice in [
        "wrong-state",
        "stale-root",
        "modify-value",
        "no-proof",
        "drop-last-proof",
    ] {
        let mut world = world_of(&chain, &scope, 3);
        world.peer(World::vice(vice));
        world.honest_peer();
        sync(&mut world, &chain, &scope);
    }
}
