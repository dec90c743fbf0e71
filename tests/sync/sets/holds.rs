//! A database goes from everything to a set, and back.

use snaplight::state::Scope;
use snaplight::sync::{Input, Millis, Phase};
use snaplight_peer::chain::Chain;
use snaplight_peer::state::Recipe;

use super::support::{root, run_until_complete_for, set, sync, tracked, world_of};
use crate::truth::assert_complete;
use crate::world::{End, World};

fn small() -> Recipe {
    Recipe {
        accounts: 3_000,
        contracts_per_mille: 100,
        ..super::support::recipe()
    }
}

/// A world in which everything is complete.
fn everything(chain: &Chain) -> World {
    let mut world = World::new(chain.server(), 4);
    world.honest_peer();
    world.target(root(chain));
    assert!(matches!(world.run(), End::Done(_)));
    world.collect_garbage();
    world
}

#[test]
fn from_everything_to_a_set_needs_no_peer() {
    let chain = Chain::new(small().build(), 1);
    let mut world = everything(&chain);
    let before: usize = world.disk.pages.values().map(Vec::len).sum();
    for peer in world.connected() {
        world.lose(peer);
    }
    let asked = world.asked.len();
    let scope = set(1, &tracked());
    world.input(Input::Scope(scope.clone()));
    run_until_complete_for(&mut world, &chain, &scope);
    assert_eq!(world.asked.len(), asked);
    world.collect_garbage();
    let after: usize = world.disk.pages.values().map(Vec::len).sum();
    assert!(after * 4 < before, "{after} bytes of {before} are left");
}

#[test]
fn from_a_set_to_everything_is_a_fresh_sync_beside_the_set() {
    let chain = Chain::new(small().build(), 1);
    let fresh = everything(&chain).received;
    let scope = set(1, &tracked());
    let mut world = world_of(&chain, &scope, 4);
    world.honest_peer();
    sync(&mut world, &chain, &scope);
    let from = world.received;
    world.input(Input::Scope(Scope::everything_as(2)));
    world.run_until(|world| {
        let complete = world
            .engine
            .record()
            .complete
            .expect("the set stays readable");
        complete.scope == 2
    });
    world.collect_garbage();
    assert_complete(&world.disk, &chain.state(&chain.root()).expect("the head"));
    let received = world.received - from;
    assert!(received * 10 <= fresh * 11, "{received} of {fresh} bytes");
}

#[test]
fn both_ways_survive_kills() {
    let chain = Chain::new(small().build(), 1);
    for to_set in [true, false] {
        for events in [0, 3, 10, 40, 150] {
            let scope = set(1, &tracked());
            let (mut world, next) = match to_set {
                true => (everything(&chain), scope.clone()),
                false => {
                    let mut world = world_of(&chain, &scope, 4);
                    world.honest_peer();
                    sync(&mut world, &chain, &scope);
                    (world, Scope::everything_as(2))
                }
            };
            world.input(Input::Scope(next.clone()));
            let _ = world.run_some(events);
            let mut world = World::on_disk(chain.server(), 3, world.kill());
            if world.engine.today().version() < next.version() {
                world.input(Input::Scope(next.clone()));
            }
            world.honest_peer();
            world.target(root(&chain));
            assert!(matches!(world.run(), End::Done(_)));
            world.collect_garbage();
            match to_set {
                true => super::support::assert_held(&world, &chain, &scope),
                false => {
                    let state = chain.state(&chain.root()).expect("the head");
                    assert_complete(&world.disk, &state);
                }
            }
        }
    }
}

#[test]
fn what_is_to_be_held_is_stored_although_the_sync_under_way_is_cancelled() {
    let chain = Chain::new(small().build(), 1);
    let mut resuming = 0;
    for events in 0..8 {
        let mut world = World::new(chain.server(), 4);
        world.honest_peer();
        world.target(root(&chain));
        world.run_until(|world| world.engine.record().building.is_some());
        let mut world = World::on_disk(chain.server(), 4, world.kill());
        world.target(root(&chain));
        let _ = world.run_some(events);
        resuming += usize::from(world.engine.progress(Millis(world.now)).phase == Phase::Resuming);
        let scope = set(1, &tracked());
        world.input(Input::Scope(scope.clone()));
        world.input(Input::Cancel);
        let end = world.run();
        assert!(matches!(end, End::Cancelled), "{end:?}");
        let end = world.run_ms(1_000);
        assert!(matches!(end, End::Stuck), "{end:?}");
        let mut world = World::on_disk(chain.server(), 4, world.kill());
        assert_eq!(world.engine.today(), scope, "cancelled after {events}");
        world.honest_peer();
        sync(&mut world, &chain, &scope);
    }
    assert!(resuming > 0, "no cancel came while pages were read");
}
