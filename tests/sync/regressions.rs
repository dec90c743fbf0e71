//! Failures that seeded worlds have found, each in the smallest world that shows it.

use snaplight::hash::Hash;
use snaplight::state::{PageId, StoreError};
use snaplight::sync::{Damage, Failure, Input, Limits, Millis, Phase};
use snaplight_peer::chain::{Chain, Change};
use snaplight_peer::state::Recipe;

use crate::truth::{assert_complete, walk};
use crate::world::{End, World};

fn chain(accounts: u64, seed: u64) -> Chain {
    let recipe = Recipe {
        accounts,
        contracts_per_mille: 300,
        seed,
        huge: vec![(1, 500)],
    };
    Chain::new(recipe.build(), seed)
}

fn world(chain: &Chain, seed: u64, limits: Limits) -> World {
    let mut world = World::new(chain.server(), seed);
    world.engine = world.engine.with_limits(limits);
    world.honest_peer();
    world.honest_peer();
    world
}

fn small() -> Limits {
    Limits {
        batch_bytes: 16 * 1024,
        batch_ms: 20,
        asked_bytes: 64 * 1024,
        page_bytes: 4 * 1024,
        ..Limits::default()
    }
}

/// Runs the sync to its end and collects the garbage. Checks that everything is the chain's head.
fn finish(world: &mut World, chain: &Chain) {
    match world.run() {
        End::Done(report) => {
            assert_eq!(report.root.0, chain.root());
            let counts = chain.server().head().counts();
            let held = (report.held.accounts, report.held.slots);
            assert_eq!(held, (counts.accounts, counts.slots));
        }
        end => panic!("{end:?}, waited for {:?}", world.waits),
    }
    world.collect_garbage();
    assert_complete(&world.disk, &chain.server().head());
}

fn advance(chain: &mut Chain, world: &mut World) {
    chain.advance(&Change {
        values: 20,
        insert: 10,
        delete: 10,
        slots: 20,
        ..Change::default()
    });
    world.target(Hash(chain.root()));
}

#[test]
fn a_sync_whose_cursor_edges_alone_are_above_the_memory_bound_goes_on() {
    let chain = chain(2_000, 1);
    let limits = Limits {
        waiting_bytes: 4 * 1024,
        ..small()
    };
    let mut world = world(&chain, 1, limits);
    world.target(Hash(chain.root()));
    finish(&mut world, &chain);
}

#[test]
fn what_one_job_asked_for_does_not_come_back_into_the_queues_of_the_next() {
    for events in (0..80).step_by(2) {
        let mut chain = chain(200, 2);
        let mut world = world(&chain, events, small());
        world.target(Hash(chain.root()));
        world.run_some(events);
        // The empty state ends that job at once, while its requests are in flight.
        world.target(Hash::EMPTY_ROOT);
        world.run_some(events % 7);
        let accounts = chain.server().head().counts().accounts;
        chain.advance(&Change {
            delete: accounts - 2,
            ..Change::default()
        });
        world.target(Hash(chain.root()));
        let mut end = world.run();
        if let End::Done(report) = &end
            && report.root == Hash::EMPTY_ROOT
        {
            end = world.run();
        }
        assert!(matches!(end, End::Done(_)), "{end:?}, {:?}", world.waits);
        world.collect_garbage();
        assert_complete(&world.disk, &chain.server().head());
    }
}

#[test]
fn a_root_that_moves_during_the_garbage_collection_after_a_sync_leaves_no_old_page() {
    for events in (0..40).step_by(3) {
        let mut chain = chain(400, 3);
        let mut world = world(&chain, events, small());
        world.target(Hash(chain.root()));
        finish(&mut world, &chain);
        advance(&mut chain, &mut world);
        assert!(matches!(world.run(), End::Done(_)));
        world.run_some(events);
        let back = Hash(chain.root());
        advance(&mut chain, &mut world);
        world.run_some(events / 2);
        // The build is put off, and the garbage that was found must not be lost with it.
        world.target(back);
        assert!(matches!(world.run(), End::Done(_)));
        world.collect_garbage();
        world.target(Hash(chain.root()));
        finish(&mut world, &chain);
    }
}

#[test]
fn the_empty_state_right_after_an_end_is_complete_although_there_is_no_garbage() {
    let chain = chain(1, 4);
    let mut world = world(&chain, 4, small());
    for _ in 0..3 {
        world.target(Hash(chain.root()));
        assert!(matches!(world.run(), End::Done(_)));
        world.target(Hash::EMPTY_ROOT);
        assert!(matches!(world.run(), End::Done(_)));
    }
}

#[test]
fn a_target_that_is_cancelled_while_the_last_one_ends_has_the_only_end() {
    let mut seen = 0;
    for events in (0..200).step_by(2) {
        let mut chain = chain(40, 5);
        let mut world = world(&chain, 5, small());
        let first = Hash(chain.root());
        world.target(first);
        if let End::Done(_) = world.run_some(events) {
            continue;
        }
        seen += usize::from(world.engine.progress(Millis(world.now)).phase == Phase::Finishing);
        advance(&mut chain, &mut world);
        world.input(Input::Cancel);
        assert!(matches!(world.run(), End::Cancelled), "after {events}");
        assert!(matches!(world.run_some(60), End::Paused), "after {events}");
    }
    assert!(seen > 0, "no cancel was made during the last batch");
}

#[test]
fn pages_of_a_build_that_was_cancelled_at_the_empty_state_are_collected_with_the_next() {
    let mut cancelled = 0;
    for events in (0..120).step_by(3) {
        let mut chain = chain(400, 14);
        let mut world = world(&chain, 14, small());
        world.target(Hash(chain.root()));
        finish(&mut world, &chain);
        advance(&mut chain, &mut world);
        if let End::Done(_) = world.run_some(events) {
            break;
        }
        world.target(Hash::EMPTY_ROOT);
        world.input(Input::Cancel);
        // If the last batch was in flight, the empty state is complete.
        cancelled += usize::from(matches!(world.run(), End::Cancelled));
        world.target(Hash(chain.root()));
        finish(&mut world, &chain);
    }
    assert!(cancelled > 0, "no build was cancelled");
}

#[test]
fn the_root_that_moves_before_the_first_answers_reports_what_it_holds() {
    for events in (0..60).step_by(2) {
        let mut chain = chain(300, 6);
        let mut world = world(&chain, events, small());
        world.target(Hash(chain.root()));
        world.run_some(events);
        advance(&mut chain, &mut world);
        world.run_some(3);
        advance(&mut chain, &mut world);
        finish(&mut world, &chain);
    }
}

#[test]
fn a_base_in_a_batch_in_flight_to_the_store_is_waited_for() {
    for events in (0..120).step_by(3) {
        let mut chain = chain(600, 7);
        let mut world = world(&chain, events, small());
        world.target(Hash(chain.root()));
        world.run_some(events);
        for _ in 0..4 {
            advance(&mut chain, &mut world);
            if let End::Done(_) = world.run_some(6) {
                break;
            }
        }
        advance(&mut chain, &mut world);
        finish(&mut world, &chain);
    }
}

#[test]
fn a_batch_that_fails_after_a_newer_target_was_set_is_no_end_of_that_one() {
    let mut replaced = 0;
    for events in 0..120 {
        let mut chain = chain(40, 11);
        // The whole sync is a single batch.
        let mut world = world(&chain, 11, Limits::default());
        world.disk.fail_at = Some((1, StoreError::Quota));
        world.target(Hash(chain.root()));
        if !matches!(world.run_some(events), End::Paused) {
            break;
        }
        let is_ending = world.engine.progress(Millis(world.now)).phase == Phase::Finishing;
        advance(&mut chain, &mut world);
        match world.run() {
            End::Done(report) => assert_eq!(report.root.0, chain.root()),
            // The new target only moved the sync, so the failed batch ends it.
            End::Failed(_) => assert!(!is_ending, "after {events}"),
            end => panic!("{end:?}"),
        }
        replaced += usize::from(is_ending);
    }
    assert!(replaced > 0, "no target was set during the last batch");
}

#[test]
fn the_base_of_a_large_storage_is_not_written_out_before_it_is_compared() {
    let recipe = Recipe {
        accounts: 50,
        contracts_per_mille: 0,
        seed: 10,
        huge: vec![(1, 4_000)],
    };
    let mut chain = Chain::new(recipe.build(), 10);
    let limits = Limits {
        batch_bytes: 4 * 1024,
        batch_ms: 1_000,
        asked_bytes: 16 * 1024,
        cut_bytes: 8 * 1024,
        page_bytes: 3 * 1024,
        ..Limits::default()
    };
    let mut world = world(&chain, 10, limits);
    world.target(Hash(chain.root()));
    finish(&mut world, &chain);
    for slots in [40, 1_000, 3_000] {
        chain.advance(&Change {
            slots,
            ..Change::default()
        });
        let before = world.batches;
        world.target(Hash(chain.root()));
        finish(&mut world, &chain);
        let batches = world.batches - before;
        assert!(batches < 500, "{batches} batches for {slots} slots");
    }
}

#[test]
fn below_a_page_that_two_states_name_in_part_nothing_is_left_behind() {
    let recipe = Recipe {
        accounts: 50,
        contracts_per_mille: 0,
        seed: 9,
        huge: vec![(1, 4_000)],
    };
    let mut chain = Chain::new(recipe.build(), 9);
    let limits = Limits {
        page_bytes: 3 * 1024,
        ..small()
    };
    let mut world = world(&chain, 9, limits);
    world.target(Hash(chain.root()));
    finish(&mut world, &chain);
    for slots in [1_000, 300, 1, 2_000, 100, 700] {
        chain.advance(&Change {
            slots,
            ..Change::default()
        });
        world.target(Hash(chain.root()));
        finish(&mut world, &chain);
    }
}

#[test]
fn damage_that_is_met_during_a_repair_is_healed_after_it() {
    let chain = chain(600, 8);
    let mut world = world(&chain, 8, small());
    world.target(Hash(chain.root()));
    finish(&mut world, &chain);
    let pages: Vec<_> = world.disk.pages.keys().copied().collect();
    for page in pages.iter().step_by(5) {
        world.disk.pages.remove(page);
    }
    let damaged = walk(&world.disk).damaged;
    assert!(damaged.len() > 2, "{damaged:?}");
    for (page, at) in damaged {
        let at = Some(at);
        world.input(Input::Damaged(Damage::Page { page, at }));
        world.run_some(2);
    }
    for _ in 0..2_000 {
        world.run_some(5);
        let Some((page, at)) = walk(&world.disk).damaged.first().copied() else {
            return;
        };
        // A page that is healed may have a damaged page below it, which no reader could reach
        // before.
        let at = Some(at);
        world.input(Input::Damaged(Damage::Page { page, at }));
    }
    panic!("never healed");
}

#[test]
fn a_page_with_an_id_that_was_never_given_out_is_read_and_not_waited_for() {
    let mut chain = chain(600, 8);
    let mut before = world(&chain, 8, small());
    before.target(Hash(chain.root()));
    finish(&mut before, &chain);
    // The fuzzer's: a record with a right checksum calls ids free that its pages have. Such a page was
    // taken for one of a batch in flight, and the sync waited for it for ever.
    let mut disk = before.kill();
    let mut record = disk.record();
    record.next_page = PageId(1);
    disk.record = record.encode();
    disk.is_forged = true;

    let mut world = World::on_disk(chain.server(), 9, disk);
    world.engine = world.engine.with_limits(small());
    world.honest_peer();
    chain.advance_by(0.1);
    world.target(Hash(chain.root()));
    // The ids of the new pages are taken, as the store says.
    let end = world.run_some(20_000);
    assert!(
        matches!(end, End::Failed(Failure::Store(StoreError::Exists))),
        "{end:?}"
    );
}
