//! The first state of a set.

use snaplight::hash::Hash;
use snaplight::state::TrackedAccount;
use snaplight_peer::chain::Chain;
use snaplight_peer::snap::Request;
use snaplight_peer::state::Recipe;

use super::support::{recipe, root, set, sync, synced, tracked, world_of};
use crate::world::End;

#[test]
fn accounts_and_slots_come_in_one_round_trip_and_codes_in_the_next() {
    let chain = Chain::new(recipe().build(), 1);
    let scope = set(1, &tracked());
    let mut world = synced(&chain, &scope);
    assert_eq!(world.faults, []);
    let report = sync(&mut world, &chain, &scope);
    assert!(report.already_complete);
    let mut world = world_of(&chain, &scope, 2);
    world.honest_peer();
    let report = sync(&mut world, &chain, &scope);
    assert_eq!(report.counters.round_trips, 2);
    let is_wide = |request: &Request| match request {
        Request::Accounts(request) => request.origin != request.limit,
        _ => false,
    };
    assert!(!world.asked.iter().any(is_wide), "a range of accounts");
}

#[test]
fn a_set_without_codes_takes_one_round_trip() {
    let chain = Chain::new(recipe().build(), 1);
    let bare = tracked().into_iter().map(|account| {
        let slots = match account.slots() {
            snaplight::state::TrackedSlots::Single(slots) => {
                slots.iter().map(|slot| slot.number()).collect()
            }
            snaplight::state::TrackedSlots::All => Vec::new(),
        };
        TrackedAccount::new(account.address(), false, &slots)
    });
    let scope = set(1, &bare.collect::<Vec<_>>());
    let mut world = world_of(&chain, &scope, 3);
    world.honest_peer();
    let report = sync(&mut world, &chain, &scope);
    assert_eq!(report.counters.round_trips, 1);
}

#[test]
fn peers_by_hash_alone_serve_a_set_and_so_do_both_kinds_together() {
    let chain = Chain::new(recipe().build(), 1);
    let scope = set(1, &tracked());
    for with_snap in [false, true] {
        let mut world = world_of(&chain, &scope, 4);
        world.peer_by_hash(Vec::new());
        if with_snap {
            world.honest_peer();
        }
        sync(&mut world, &chain, &scope);
        assert_eq!(world.faults, []);
    }
}

#[test]
fn whole_storages_come_by_ranges() {
    let chain = Chain::new(recipe().build(), 1);
    let scope = set(
        1,
        &[
            TrackedAccount::whole(recipe().address(0), true),
            TrackedAccount::new(recipe().address(1), false, &[]),
        ],
    );
    let mut world = world_of(&chain, &scope, 6);
    world.honest_peer();
    world.honest_peer();
    let report = sync(&mut world, &chain, &scope);
    assert!(report.counters.requests < 100, "{report:?}");
}

#[test]
fn the_empty_state_and_the_empty_set_are_complete_at_once() {
    let empty = Chain::new(Recipe::plain(0, 1).build(), 1);
    let scope = set(1, &tracked());
    let mut world = world_of(&empty, &scope, 7);
    world.target(root(&empty));
    assert!(matches!(world.run(), End::Done(_)));
    assert_eq!(root(&empty), Hash::EMPTY_ROOT);

    let chain = Chain::new(recipe().build(), 1);
    let scope = set(1, &[]);
    let mut world = world_of(&chain, &scope, 8);
    let report = sync(&mut world, &chain, &scope);
    assert_eq!(report.counters.requests, 0);
}

#[test]
fn a_first_sync_that_is_killed_goes_on() {
    let chain = Chain::new(recipe().build(), 1);
    let scope = set(1, &tracked());
    for events in [20, 60, 120, 200] {
        let mut world = world_of(&chain, &scope, events);
        world.honest_peer();
        world.target(root(&chain));
        let end = world.run_some(events);
        assert!(matches!(end, End::Paused | End::Done(_)), "{end:?}");
        let mut world = crate::world::World::on_disk(chain.server(), 9, world.kill());
        if world.engine.today().is_everything() {
            world.input(snaplight::sync::Input::Scope(scope.clone()));
        }
        world.honest_peer();
        sync(&mut world, &chain, &scope);
    }
}
