//! What is to be held changes: accounts and slots are added and removed.

use snaplight::state::TrackedAccount;
use snaplight::sync::{Input, WaitReason};
use snaplight_peer::chain::Chain;

use super::support::{
    block, recipe, root, run_until_complete_for, set, sync, synced, tracked, world_of,
};
use crate::world::End;

/// The whole set, and only a part of it.
fn sets() -> (Vec<TrackedAccount>, Vec<TrackedAccount>) {
    let all = tracked();
    let part = all.iter().skip(2).step_by(2).cloned().collect();
    (all, part)
}

#[test]
fn what_is_added_over_a_complete_state_comes_in_one_round_trip_by_itself() {
    let chain = Chain::new(recipe().build(), 1);
    let (all, part) = sets();
    let mut world = synced(&chain, &set(1, &part));
    let (scope, from) = (set(2, &all), world.now);
    world.input(Input::Scope(scope.clone()));
    run_until_complete_for(&mut world, &chain, &scope);
    // Codes take another one.
    assert!(world.now - from <= 350, "{} ms", world.now - from);
    assert_eq!(world.faults, []);
}

#[test]
fn what_is_added_at_any_moment_of_a_sync_is_there_at_its_end() {
    let (all, part) = sets();
    let mut chain = Chain::new(recipe().build(), 1);
    for events in [1, 5, 20, 60, 100] {
        let mut world = synced(&chain, &set(1, &part));
        chain.advance(&block());
        world.target(root(&chain));
        let end = world.run_some(events);
        let scope = set(2, &all);
        world.input(Input::Scope(scope.clone()));
        if matches!(end, End::Paused) && !matches!(world.run(), End::Done(_)) {
            panic!("the sync ends");
        }
        if world
            .engine
            .record()
            .complete
            .map(|complete| complete.scope)
            != Some(2)
        {
            run_until_complete_for(&mut world, &chain, &scope);
        }
        sync(&mut world, &chain, &scope);
    }
}

#[test]
fn a_removal_needs_neither_a_build_nor_a_peer() {
    let chain = Chain::new(recipe().build(), 1);
    let (all, part) = sets();
    let mut world = synced(&chain, &set(1, &all));
    world.collect_garbage();
    for peer in world.connected() {
        world.lose(peer);
    }
    let (asked, batches) = (world.asked.len(), world.batches);
    world.input(Input::Scope(set(2, &part)));
    world.run_until(|world| world.engine.record().scope == 2);
    assert_eq!(world.asked.len(), asked);
    assert_eq!(world.batches, batches + 1, "the record alone is written");
    assert_eq!(
        world.engine.record().complete.map(|held| held.scope),
        Some(1)
    );
    // A target makes the same root complete for what is left, from what is there.
    sync(&mut world, &chain, &set(2, &part));
    assert_eq!(world.asked.len(), asked);
}

#[test]
fn what_is_removed_and_added_again_is_complete_for_the_newest_scope() {
    let chain = Chain::new(recipe().build(), 1);
    let (all, part) = sets();
    let mut world = synced(&chain, &set(1, &all));
    let asked = world.asked.len();
    world.input(Input::Scope(set(2, &part)));
    let scope = set(3, &all);
    world.input(Input::Scope(scope.clone()));
    run_until_complete_for(&mut world, &chain, &scope);
    assert_eq!(world.asked.len(), asked, "everything is there");
}

#[test]
fn an_addition_whose_root_nobody_serves_waits_and_comes_with_the_next_target() {
    let mut chain = Chain::keeping(2, recipe().build(), 1);
    let (all, part) = sets();
    let mut world = synced(&chain, &set(1, &part));
    for _ in 0..3 {
        chain.advance(&block());
    }
    world.waits.clear();
    let scope = set(2, &all);
    world.input(Input::Scope(scope.clone()));
    let end = world.run_ms(5_000);
    assert!(matches!(end, End::Paused), "{end:?}");
    let needs_new_root = |why: &WaitReason| matches!(why, WaitReason::NeedNewRoot { .. });
    assert!(world.waits.iter().any(needs_new_root), "{:?}", world.waits);
    sync(&mut world, &chain, &scope);
}

#[test]
fn an_addition_survives_kills() {
    let chain = Chain::new(recipe().build(), 1);
    let (all, part) = sets();
    for events in [0, 5, 20, 50] {
        let mut world = synced(&chain, &set(1, &part));
        let scope = set(2, &all);
        world.input(Input::Scope(scope.clone()));
        let _ = world.run_some(events);
        let mut world = crate::world::World::on_disk(chain.server(), 3, world.kill());
        if world.engine.today().version() < 2 {
            world.input(Input::Scope(scope.clone()));
        }
        world.honest_peer();
        sync(&mut world, &chain, &scope);
    }
}

#[test]
fn a_change_of_the_set_is_stored_at_once_although_no_peer_is_there() {
    let chain = Chain::new(recipe().build(), 1);
    let (all, part) = sets();
    let mut world = synced(&chain, &set(1, &part));
    for peer in world.connected() {
        world.lose(peer);
    }
    let scope = set(2, &all);
    world.input(Input::Scope(scope.clone()));
    let end = world.run_ms(1_000);
    assert!(matches!(end, End::Stuck), "{end:?}");
    let mut world = crate::world::World::on_disk(chain.server(), 3, world.kill());
    assert_eq!(world.engine.today(), scope);
    world.honest_peer();
    sync(&mut world, &chain, &scope);
}

#[test]
fn a_set_that_is_changed_before_its_first_state_needs_no_more_than_the_last_form() {
    let chain = Chain::new(recipe().build(), 1);
    let (all, part) = sets();
    let mut world = world_of(&chain, &set(1, &all), 3);
    let scope = set(2, &part);
    world.input(Input::Scope(scope.clone()));
    world.honest_peer();
    sync(&mut world, &chain, &scope);
}
