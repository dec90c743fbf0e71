//! What a sync counts means what the types say: over kills, reloads, moves of the root, heals and
//! repairs.

use snaplight::hash::Hash;
use snaplight::state::{Counters, Counts, Record};
use snaplight::sync::{Input, Millis, Phase, Progress, Queued, Report};
use snaplight_peer::chain::{Chain, Change};
use snaplight_peer::state::{Realistic, Recipe};

use crate::damage::lose_page;
use crate::world::{End, World};

fn chain(accounts: u64, huge: u64) -> Chain {
    let recipe = Recipe {
        accounts,
        contracts_per_mille: 100,
        seed: 5,
        huge: vec![(1, huge)],
    };
    Chain::new(recipe.build(), 7)
}

fn root(chain: &Chain) -> Hash {
    Hash(chain.root())
}

fn world(chain: &Chain, seed: u64) -> World {
    let mut world = World::new(chain.server(), seed);
    begin(&mut world, chain);
    world
}

/// Kills the session and begins the next one towards the chain's head.
fn killed(world: World, chain: &Chain, seed: u64) -> World {
    let mut world = World::on_disk(chain.server(), seed, world.kill());
    begin(&mut world, chain);
    world
}

fn begin(world: &mut World, chain: &Chain) {
    // Slow enough for batches by time.
    world.latency = (300, 900);
    world.honest_peer();
    world.honest_peer();
    world.target(root(chain));
}

fn finish(world: &mut World) -> Report {
    match world.run() {
        End::Done(report) => *report,
        end => panic!("{end:?}"),
    }
}

fn progress(world: &World) -> Progress {
    world.engine.progress(Millis(world.now))
}

fn received(counters: &Counters) -> u64 {
    counters.accounts + counters.slots
}

fn held(counts: &Counts) -> u64 {
    counts.accounts + counts.slots
}

/// What is received and what is reused are together what the state holds, unless more was received
/// than it holds.
fn assert_sum(report: &Report) {
    let (counters, counts) = (&report.counters, &report.held);
    for (received, held) in [
        (counters.accounts, counts.accounts),
        (counters.slots, counts.slots),
    ] {
        assert!(received <= held, "{received} of {held} received");
    }
    assert_eq!(received(counters) + counters.reused(counts), held(counts));
}

/// What the record says of the build: its counters, and what it holds.
fn recorded(record: &Record) -> Option<(Counters, Counts)> {
    let building = record.building.as_ref()?;
    Some((building.counters, building.counts))
}

#[test]
fn a_first_sync_receives_each_item_once_and_counts_the_bytes_of_each() {
    let chain = chain(3_000, 20_000);
    let report = finish(&mut world(&chain, 1));
    let state = chain.state(&chain.root()).expect("the head");
    let accounts = state.accounts().iter();
    let storages = state.storages();
    let slots = storages.flat_map(|(_, slots)| slots.iter().map(|(_, value)| value.len() as u64));
    let counters = report.counters;
    let [accounts, slots, codes] = [
        accounts.map(|(_, body)| 32 + body.len() as u64).collect(),
        slots.map(|value| 32 + value).collect(),
        state
            .codes()
            .map(|(_, code)| code.len() as u64)
            .collect::<Vec<u64>>(),
    ];
    for (count, bytes, truth) in [
        (counters.accounts, counters.account_bytes, accounts),
        (counters.slots, counters.slot_bytes, slots),
        (counters.codes, counters.code_bytes, codes),
    ] {
        assert_eq!((count, bytes), (truth.len() as u64, truth.iter().sum()));
    }
    assert_eq!(counters.reused(&report.held), 0);
    assert_eq!((counters.healed_codes, counters.healed_code_bytes), (0, 0));
    assert_eq!(counters.moves, 0);
}

#[test]
fn a_first_sync_goes_on_counting_after_kills_and_says_what_they_cost() {
    let chain = chain(8_000, 25_000);
    let mut kills = 0;
    for events in [30, 45, 60, 90, 120] {
        let mut world = world(&chain, events);
        // What was received and is not held: it was lost with a kill, or waits for a batch.
        let mut again = 0;
        let mut lives = 0;
        let report = loop {
            // A life that is too short for a batch is followed by longer ones.
            lives += 1;
            match world.run_some(events + 10 * lives) {
                End::Paused => {}
                End::Done(report) => break report,
                end => panic!("{end:?}"),
            }
            let stored = recorded(&world.disk.record());
            world = killed(world, &chain, events + lives);
            let Some((counters, counts)) = stored else {
                continue;
            };
            kills += 1;
            let resumed = progress(&world);
            assert_eq!(resumed.counters, counters);
            assert_eq!(resumed.held.accounts, counts.accounts);
            assert_eq!(counters.reused(&counts), 0);
            let more = received(&counters) - held(&counts);
            assert!(again <= more, "{again} before the kill, {more} after it");
            again = more;
        };
        // The last life received what was lost before for the second time, and all else once.
        let counters = report.counters;
        assert_eq!(received(&counters), held(&report.held) + again);
        assert_eq!(counters.reused(&report.held), 0);
        assert_eq!(counters.moves, 0);
        assert!(counters.batches > 0 && counters.requests > 0 && counters.round_trips > 0);
        assert_eq!(recorded(&world.disk.record()), None);
    }
    assert!(kills > 6, "only {kills} kills hit a build");
}

#[test]
fn what_a_build_without_counters_holds_is_reused() {
    let chain = chain(8_000, 25_000);
    let mut world = world(&chain, 3);
    world.run_until(|world| {
        recorded(&world.disk.record()).is_some_and(|(_, held)| held.accounts > 0)
    });
    let mut record = world.disk.record();
    let building = record.building.as_mut().expect("a build");
    building.counters = Counters::default();
    let before = building.counts;
    world.disk.record = record.encode();
    let report = finish(&mut killed(world, &chain, 4));
    assert_sum(&report);
    assert_eq!(report.counters.reused(&report.held), held(&before));
}

#[test]
fn a_heal_begins_at_zero_and_reuses_what_it_does_not_receive() {
    let mut chain = chain(8_000, 12_000);
    let mut world = world(&chain, 3);
    finish(&mut world);
    for _ in 0..3 {
        let changed = chain
            .advance(&Change {
                values: 40,
                slots: 30,
                ..Change::default()
            })
            .changed;
        world.target(root(&chain));
        let report = finish(&mut world);
        assert_sum(&report);
        let counters = report.counters;
        // Nothing was deleted, so no account is received that has not changed. A small storage comes
        // whole.
        assert_eq!(counters.accounts, changed.accounts);
        assert!((1..2 * changed.slots).contains(&counters.slots));
        assert!(counters.node_bytes > 32 * counters.nodes);
        assert!(counters.node_bytes < counters.healing.bytes);
    }
}

#[test]
fn codes_that_a_heal_brings_are_counted_as_healed() {
    let mut chain = chain(2_000, 100);
    let mut world = world(&chain, 3);
    finish(&mut world);
    chain.advance(&Change {
        insert: 300,
        ..Change::default()
    });
    world.target(root(&chain));
    let counters = finish(&mut world).counters;
    assert!(counters.codes > 0);
    assert_eq!(
        (counters.healed_codes, counters.healed_code_bytes),
        (counters.codes, counters.code_bytes)
    );
}

#[test]
fn a_heal_goes_on_counting_after_kills() {
    let mut chain = chain(8_000, 12_000);
    let mut first = world(&chain, 3);
    finish(&mut first);
    first.collect_garbage();
    let changed = chain.advance_by(0.1).changed;
    let mut kills = 0;
    for events in [20, 40, 60, 100] {
        let mut world = World::on_disk(chain.server(), events, first.disk.clone());
        begin(&mut world, &chain);
        let mut lives = 0;
        let report = loop {
            lives += 1;
            match world.run_some(events + 10 * lives) {
                End::Paused => {}
                End::Done(report) => break report,
                end => panic!("{end:?}"),
            }
            let stored = recorded(&world.disk.record());
            world = killed(world, &chain, events + lives);
            if let Some((counters, _)) = stored {
                kills += 1;
                assert_eq!(progress(&world).counters, counters);
            }
        };
        assert_sum(&report);
        // Deleted leaves are not received, and those beside them may be.
        let all = received(&report.counters) + changed.accounts;
        assert!(all > changed.accounts + changed.slots, "{report:?}");
        assert_eq!(report.counters.moves, 0);
    }
    assert!(kills > 4, "only {kills} kills hit a build");
}

#[test]
fn nothing_is_reused_in_a_first_sync_however_often_its_root_moves_and_it_is_killed() {
    for events in (0..120).step_by(6) {
        let mut chain = chain(3_000, 6_000);
        let mut world = world(&chain, events);
        if let End::Done(_) = world.run_some(events) {
            break;
        }
        let mut moves = 0;
        for step in 0..4 {
            let had = world.engine.record().building.is_some();
            let before = root(&chain);
            chain.advance_by(0.01);
            let is_killed = step == 2;
            if is_killed {
                let stored = recorded(&world.disk.record());
                world = killed(world, &chain, events + 1);
                moves = stored.map_or(0, |(counters, _)| counters.moves);
                moves += u64::from(stored.is_some() && had && before != root(&chain));
            } else {
                world.target(root(&chain));
                moves += 1;
            }
            match world.run_some(20) {
                End::Paused => {}
                end => panic!("{events}: {end:?}"),
            }
        }
        let report = finish(&mut world);
        let (counters, counts) = (report.counters, report.held);
        assert_eq!(counters.reused(&counts), 0, "{events}: {report:?}");
        assert_eq!(counters.moves, moves, "{events}");
    }
}

#[test]
fn a_repair_counts_for_itself_and_reuses_what_is_whole() {
    let chain = chain(3_000, 3_000);
    let mut world = world(&chain, 3);
    finish(&mut world);
    world.collect_garbage();
    let damage = lose_page(&mut world.disk, &chain);
    for damage in damage {
        world.input(Input::Damaged(damage));
    }
    world.run_until(|world| progress(world).phase == Phase::Finishing);
    let last = progress(&world);
    let all = world.disk.record().complete.expect("a state").counts;
    assert_eq!(
        (last.held.accounts, last.held.slots),
        (all.accounts, all.slots)
    );
    let counters = last.counters;
    assert!(received(&counters) > 0 && received(&counters) < held(&all) / 2);
    assert_eq!(
        received(&counters) + counters.reused(&last.held),
        held(&all)
    );
}

#[test]
fn what_is_queued_is_shown_while_there_is_any() {
    let mut chain = Chain::new(Realistic::new(4_000, 9).build(), 9);
    let mut world = world(&chain, 3);
    let mut most = most_queued(&mut world);
    assert!(most.codes > 0 && most.storages > 0, "{most:?}");
    chain.advance_by(0.05);
    world.target(root(&chain));
    most = most_queued(&mut world);
    assert!(most.nodes > 0, "{most:?}");
    assert_eq!(progress(&world).queued, Queued::default());
}

/// Runs to the end. Returns the most that was queued of each kind.
fn most_queued(world: &mut World) -> Queued {
    let mut most = Queued::default();
    while let End::Paused = world.run_some(1) {
        let Queued {
            nodes,
            codes,
            storages,
            ..
        } = progress(world).queued;
        most.nodes = most.nodes.max(nodes);
        most.codes = most.codes.max(codes);
        most.storages = most.storages.max(storages);
    }
    most
}
