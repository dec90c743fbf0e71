//! Codes that no kept state names are collected, and all others stay.

use std::sync::Arc;

use snaplight::hash::Hash;
use snaplight::state::PendingGc;
use snaplight::sync::{Input, Limits};
use snaplight_peer::session::Server;
use snaplight_peer::state::{Account, Builder, State};

use crate::disk::Disk;
use crate::truth::assert_complete;
use crate::world::{End, World};

/// Accounts without code. They fill some thirty pages.
const PLAIN: u64 = 1_200;

/// States of one chain, and the empty state.
struct States {
    server: Arc<Server>,
    states: Vec<Arc<State>>,
}

fn key(number: u64) -> Hash {
    // Spread over the key space, so that contracts are in different pages.
    let mut key = [number as u8; 32];
    key[..8].copy_from_slice(&number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    Hash(key)
}

fn code(number: u64) -> Vec<u8> {
    vec![number as u8 + 1; 300]
}

/// `contracts`: each one's number and code. `nonce` is that of a few neighbouring accounts.
fn state(contracts: &[(u64, u64)], nonce: u64) -> State {
    let plain = (0..PLAIN).fold(Builder::new(), |builder, number| {
        let nonce = if key(number).0[0] < 4 { nonce } else { 1 };
        let account = Account::new().balance(7).nonce(nonce);
        builder.account_at(key(number).0, account)
    });
    let with_contracts = contracts.iter().fold(plain, |builder, (number, holds)| {
        let account = Account::new().nonce(1).code(code(*holds));
        builder.account_at(key(1_000_000 + number).0, account)
    });
    with_contracts.build()
}

impl States {
    fn new(contracts: &[&[(u64, u64)]]) -> States {
        let states = contracts.iter().zip(1..);
        let states = states.map(|(contracts, nonce)| Arc::new(state(contracts, nonce)));
        let mut states: Vec<Arc<State>> = states.collect();
        let server = Arc::new(Server::new((*states[0]).clone()));
        states.iter().skip(1).for_each(|state| {
            server.push(state.clone());
        });
        states.push(Arc::new(Builder::new().build()));
        States { server, states }
    }

    fn root(&self, state: usize) -> Hash {
        Hash(self.states[state].root())
    }

    /// The empty state.
    fn empty(&self) -> usize {
        self.states.len() - 1
    }

    fn open(&self, disk: Option<Disk>) -> World {
        let mut world = match disk {
            Some(disk) => World::on_disk(self.server.clone(), 5, disk),
            None => World::new(self.server.clone(), 5),
        };
        world.engine = world.engine.with_limits(Limits {
            batch_bytes: 2 * 1024,
            batch_ms: 20,
            page_bytes: 4 * 1024,
            ..Limits::default()
        });
        world.honest_peer();
        world
    }

    fn sync(&self, world: &mut World, state: usize) {
        world.target(self.root(state));
        match world.run() {
            End::Done(report) => assert_eq!(report.root, self.root(state)),
            end => panic!("{end:?}"),
        }
    }

    /// Collects, and asserts that the disk is exactly this state.
    fn assert_collected(&self, world: &mut World, state: usize) {
        world.collect_garbage();
        assert_complete(&world.disk, &self.states[state]);
    }

    /// A world that holds this state.
    fn holding(&self, state: usize) -> World {
        let mut world = self.open(None);
        self.sync(&mut world, state);
        self.assert_collected(&mut world, state);
        world
    }
}

#[test]
fn a_code_goes_with_the_last_account_that_names_it() {
    let states = States::new(&[
        &[(1, 1), (2, 2), (3, 2), (4, 4), (5, 5)],
        // The first is deleted, the second is not the last one, the fourth has another code.
        &[(3, 2), (4, 9), (5, 5)],
        &[(3, 2), (4, 4), (5, 5)],
    ]);
    let mut world = states.holding(0);
    assert_eq!(world.disk.codes.len(), 4);
    states.sync(&mut world, 1);
    states.assert_collected(&mut world, 1);
    assert_eq!(world.disk.codes.len(), 3);
    // What was deleted is fetched again when a state needs it.
    states.sync(&mut world, 2);
    states.assert_collected(&mut world, 2);
}

#[test]
fn a_block_in_which_no_account_loses_its_code_reads_no_more_than_what_changed() {
    let kept: &[(u64, u64)] = &[(1, 1), (2, 2), (3, 3), (4, 4)];
    let states = States::new(&[kept, kept]);
    let mut world = states.holding(0);
    states.sync(&mut world, 1);
    let pages = world.disk.pages.len();
    let before = world.pages_read;
    states.assert_collected(&mut world, 1);
    let read = world.pages_read - before;
    let kept = world.disk.pages.len();
    // The pages that changed are read, of both states, and those above them.
    let changed = pages - kept;
    assert!(read <= 3 * changed + 3, "{read} for {changed} pages");
    assert!(read < kept / 2, "{read} of {kept} pages");

    // A first sync whose root never moved fetches nothing that it does not need.
    let mut world = states.open(None);
    states.sync(&mut world, 1);
    let before = world.pages_read;
    states.assert_collected(&mut world, 1);
    let (read, kept) = (world.pages_read - before, world.disk.pages.len());
    assert!(read < kept / 2, "{read} of {kept} pages");
}

#[test]
fn the_empty_state_has_no_codes() {
    let states = States::new(&[&[(1, 1), (2, 2), (3, 3)]]);
    let mut world = states.holding(0);
    world.target(Hash::EMPTY_ROOT);
    let End::Done(report) = world.run() else {
        panic!("not done");
    };
    assert_eq!(report.held.codes, 0);
    let complete = world.disk.record().complete.expect("the empty state");
    assert_eq!(complete.counts.codes, 0);
    let before = world.pages_read;
    states.assert_collected(&mut world, states.empty());
    assert!(world.disk.codes.is_empty());
    assert!(
        world.pages_read - before < 10,
        "{}",
        world.pages_read - before
    );
    states.sync(&mut world, 0);
    states.assert_collected(&mut world, 0);
}

/// Syncs to state 1 over state 0 until the disk has a code more.
fn half_built(states: &States) -> World {
    let mut world = states.holding(0);
    world.target(states.root(1));
    let held = world.disk.codes.len();
    world.run_until(|world| world.disk.codes.len() > held);
    world
}

#[test]
fn the_codes_of_an_abandoned_build_are_collected_also_after_a_kill() {
    // They do not fit into one batch.
    let many: Vec<(u64, u64)> = (1..100).map(|number| (number, number)).collect();
    let states = States::new(&[&many[..2], &many, &[(1, 1), (2, 2), (9, 100)]]);
    let mut moved = half_built(&states);
    states.sync(&mut moved, 2);
    states.assert_collected(&mut moved, 2);

    let mut killed = states.open(Some(half_built(&states).kill()));
    states.sync(&mut killed, 2);
    states.assert_collected(&mut killed, 2);

    // The state that is complete needs nothing, and what was built waits. Then another is built.
    let mut back = half_built(&states);
    states.sync(&mut back, 0);
    back.run_some(50);
    assert!(back.disk.codes.len() > 2, "a build may need it");
    states.sync(&mut back, 2);
    states.assert_collected(&mut back, 2);
}

#[test]
fn a_kill_at_any_moment_of_a_collection_only_repeats_it() {
    let states = States::new(&[&[(1, 1), (2, 2), (3, 3)], &[(2, 2), (4, 4)]]);
    let start = || {
        let mut world = states.holding(0);
        states.sync(&mut world, 1);
        world
    };
    let mut world = start();
    world.collect_garbage();
    let events = (0..).take_while(|events| {
        let mut world = start();
        world.run_some(*events);
        let is_collecting = world.disk.record().pending_gc.is_some();
        let mut world = states.open(Some(world.kill()));
        states.assert_collected(&mut world, 1);
        is_collecting
    });
    let events = events.count();
    assert!(events > 3, "{events} events");
}

#[test]
fn a_target_at_any_moment_of_a_collection_leaves_codes_to_the_next_one() {
    let states = States::new(&[
        &[(1, 1), (2, 2), (3, 3)],
        &[(2, 2), (4, 4)],
        // It needs codes of the first state that the second does not name.
        &[(1, 1), (2, 2), (5, 3)],
    ]);
    let mut events = 0;
    let mut is_collecting = true;
    while is_collecting {
        for next in [0, 1, 2, states.empty()] {
            for is_killed in [false, true] {
                let mut world = states.holding(0);
                states.sync(&mut world, 1);
                world.run_some(events);
                is_collecting = world.disk.record().pending_gc.is_some();
                world.target(states.root(next));
                if is_killed {
                    world.run_some(3);
                    world = states.open(Some(world.kill()));
                }
                states.sync(&mut world, next);
                // A build may be left if the complete state was the target.
                states.assert_collected(&mut world, next);
            }
        }
        events += 1;
    }
    assert!(events > 3, "{events} events");
}

/// The build is given up before it has written anything, so only the record tells that codes are
/// still to be collected.
#[test]
fn a_sync_that_is_given_up_at_once_does_not_leave_codes_behind() {
    let states = States::new(&[&[(1, 1), (2, 2)], &[(2, 2)], &[(2, 2), (3, 3)]]);
    let mut world = states.holding(0);
    states.sync(&mut world, 1);
    assert!(world.disk.record().pending_gc.is_some());
    world.target(states.root(2));
    world.input(Input::Cancel);
    assert!(matches!(world.run(), End::Cancelled));
    let mut world = states.open(Some(world.kill()));
    states.sync(&mut world, 2);
    states.assert_collected(&mut world, 2);
}

/// A database of a version that deleted no codes.
#[test]
fn codes_that_an_older_version_left_are_collected_when_it_is_opened() {
    let states = States::new(&[&[(1, 1), (2, 2)]]);
    let mut disk = states.holding(0).kill();
    disk.codes.insert(Hash([7; 32]), vec![7]);
    let mut record = disk.record();
    record.pending_gc = Some(PendingGc {
        old: record.complete.and_then(|complete| complete.top.page()),
        build: record.next_page..record.next_page,
        stray_codes: true,
    });
    disk.record = record.encode();
    let mut world = states.open(Some(disk));
    states.assert_collected(&mut world, 0);
}

/// It is not known what a state with a damaged page names.
#[test]
fn no_code_is_deleted_while_the_state_is_damaged() {
    let states = States::new(&[&[(1, 1), (2, 2), (3, 3)], &[(2, 2), (3, 3)]]);
    let mut world = states.holding(0);
    states.sync(&mut world, 1);
    let leaf = *world.disk.pages.keys().next().expect("a page");
    world.disk.pages.remove(&leaf);
    world.collect_garbage();
    for hash in crate::truth::codes_named(&states.states[1]) {
        assert!(world.disk.codes.contains_key(&hash));
    }
}
