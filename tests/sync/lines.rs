//! Slow lines, shared lines and lines of different rates, in virtual time. Where a test names a
//! factor, it is the time allowed against what the lines could carry.

use std::sync::Arc;

use snaplight_peer::chain::{Chain, Change};
use snaplight_peer::keccak::keccak;
use snaplight_peer::session::Server;
use snaplight_peer::state::{Account, Builder, Realistic, Recipe, State, States};

use crate::timing::{assert_at_most, assert_nobody_is_blamed, contracts, serve, sync, world_of};
use crate::world::World;

/// Syncs over one line that all peers share. Returns the milliseconds. Nobody may be blamed.
fn over_one_line(server: &Arc<Server>, peers: usize, bytes_per_second: u64) -> u64 {
    let mut world = world_of(server, 50);
    let line = world.line(bytes_per_second);
    for _ in 0..peers {
        world.peer_on(line, Vec::new());
    }
    let millis = sync(&mut world);
    println!("{peers} peers: {millis} ms, {} bytes", world.received);
    assert_nobody_is_blamed(&world);
    millis
}

/// 300 accounts, of which a third have each a code of their own.
fn small_state_with_codes() -> State {
    let mut builder = Builder::new();
    for index in 0..300_u16 {
        let mut account = Account::new().nonce(1).balance(u128::from(index) + 1);
        if index % 3 == 0 {
            let size = 400 + 71 * usize::from(index % 90);
            account = account.code(index.to_be_bytes().repeat(size / 2));
            account = account.slot([index as u8; 32], [1; 32]);
        }
        let mut address = [7; 20];
        address[..2].copy_from_slice(&index.to_be_bytes());
        builder = builder.account(address, account);
    }
    builder.build()
}

#[test]
fn many_peers_on_one_slow_line_are_as_fast_as_one() {
    let server = serve(contracts(20_000, 200, 51));
    let alone = over_one_line(&server, 1, 30_000);
    for peers in [4, 8] {
        assert_at_most(over_one_line(&server, peers, 30_000), 1.1, alone);
    }
}

#[test]
fn a_line_of_three_and_a_half_kilobytes_a_second_is_enough() {
    let server = serve(small_state_with_codes());
    for peers in [1, 8] {
        over_one_line(&server, peers, 3_500);
    }
}

/// A line that carries nothing else is also enough for what heals.
#[test]
fn a_heal_over_a_slow_line_blames_nobody() {
    for peers in [1, 8] {
        let mut chain = Chain::new(contracts(3_000, 200, 52), 52);
        let mut world = world_of(&chain.server(), 52);
        let line = world.line(10_000);
        for _ in 0..peers {
            world.peer_on(line, Vec::new());
        }
        sync(&mut world);
        for _ in 0..3 {
            chain.advance_by(0.05);
            sync(&mut world);
        }
        assert_nobody_is_blamed(&world);
    }
}

/// Some servers share a fast line's end, and the line becomes slow in the middle of a sync.
#[test]
fn peers_that_share_a_slow_line_beside_one_that_does_not_are_kept() {
    let server = serve(contracts(10_000, 200, 53));
    let mut world = world_of(&server, 53);
    let (slow, fast) = (world.line(15_000), world.line(150_000));
    for _ in 0..5 {
        world.peer_on(slow, Vec::new());
    }
    world.peer_on(fast, Vec::new());
    sync(&mut world);
    assert_nobody_is_blamed(&world);
}

#[test]
fn a_code_of_more_than_a_megabyte_is_taken() {
    let mut builder = Builder::new();
    for index in 0..200_u8 {
        let mut account = Account::new().nonce(1).balance(5);
        if index % 4 == 0 {
            account = account.code(vec![index; 1_000 + usize::from(index)]);
        }
        if index == 100 {
            account = account.code(vec![0x5b; 1_200_000]);
        }
        builder = builder.account([index; 20], account);
    }
    let server = serve(builder.build());
    // It takes 0, 1.2 and 40 seconds.
    for rate in [None, Some(1_000_000), Some(30_000)] {
        let mut world = world_of(&server, 54);
        match rate.map(|rate| world.line(rate)) {
            Some(line) => world.peer_on(line, Vec::new()),
            None => world.honest_peer(),
        };
        sync(&mut world);
        assert_nobody_is_blamed(&world);
    }
}

/// One peer at `fast` bytes a second and nine at a tenth of that, each on a line of its own.
fn one_fast_among_nine_slow(server: &Arc<Server>, fast: u64) {
    let mut alone = world_of(server, 55);
    alone.honest_peer();
    sync(&mut alone);
    let mut world = world_of(server, 55);
    for rate in [[fast / 10; 5].as_slice(), &[fast], &[fast / 10; 4]].concat() {
        let line = world.line(rate);
        world.peer_on(line, Vec::new());
    }
    let millis = sync(&mut world);
    assert_nobody_is_blamed(&world);
    assert_at_most(millis, 1.3, alone.received * 1000 / (fast + 9 * fast / 10));
}

#[test]
fn one_fast_peer_among_nine_slow_ones_and_all_are_used() {
    one_fast_among_nine_slow(&serve(contracts(40_000, 150, 56)), 200_000);
}

#[test]
#[ignore = "takes long; cargo xtask sim --lines"]
fn one_fast_peer_among_nine_slow_ones_and_all_are_used_in_a_large_sync() {
    one_fast_among_nine_slow(&serve(contracts(200_000, 150, 57)), 1_000_000);
}

/// A megabyte a second, and a round trip of a tenth of a second.
fn one_peer_far_away(accounts: u64) {
    let server = serve(Realistic::new(accounts, 58).build());
    let mut world = World::new(server, 58);
    world.latency = (100, 100);
    let line = world.line(1_000_000);
    world.peer_on(line, Vec::new());
    let millis = sync(&mut world);
    assert_nobody_is_blamed(&world);
    assert_at_most(millis, 1.15, world.received / 1000);
}

#[test]
fn one_peer_far_away_fills_its_line() {
    one_peer_far_away(30_000);
}

#[test]
#[ignore = "takes long; cargo xtask sim --lines"]
fn one_peer_far_away_fills_its_line_in_a_large_sync() {
    one_peer_far_away(100_000);
}

/// Heals after a change, with one peer whose round trip takes a fifth of a second. Returns the
/// number of round trips that the time was enough for.
fn round_trips_of_a_heal(state: State, change: &Change) -> u64 {
    let mut chain = Chain::new(state, 59);
    let mut world = World::new(chain.server(), 59);
    world.latency = (200, 200);
    world.honest_peer();
    sync(&mut world);
    chain.advance(change);
    let millis = sync(&mut world);
    println!("{millis} ms for {change:?}");
    assert_nobody_is_blamed(&world);
    millis / 200
}

/// The keys are far apart, so that each needs a path of its own.
#[test]
fn a_hundred_and_twenty_single_keys_do_not_cost_sixty_round_trips() {
    let none = Change::default();
    let values = Change {
        values: 120,
        ..none
    };
    let inserted = Change {
        insert: 120,
        ..none
    };
    let deleted = Change {
        delete: 120,
        ..none
    };
    for accounts in [500, 2_000, 10_000, 50_000] {
        for change in [&values, &inserted, &deleted] {
            let state = Recipe::plain(accounts, 59).build();
            let trips = round_trips_of_a_heal(state, change);
            assert!(trips <= 15, "{trips} round trips for {accounts} accounts");
        }
    }
    let slots = Change {
        slots: 120,
        contracts: 120,
        ..none
    };
    let some_slots = Change { slots: 120, ..none };
    let large = Recipe {
        contracts_per_mille: 30,
        huge: vec![(1, 30_000)],
        ..Recipe::plain(3_000, 61)
    };
    for (state, change) in [
        (contracts(20_000, 200, 60), &slots),
        (contracts(1_000, 900, 60), &slots),
        (large.build(), &some_slots),
    ] {
        let trips = round_trips_of_a_heal(state, change);
        assert!(trips <= 20, "{trips} round trips for slots");
    }
}

/// All accounts below every 34th of the trie's 4,096 paths of three nibbles change: 120 subtries
/// of about ten accounts, for each of which a range is cheaper than its nodes.
#[test]
fn a_hundred_and_twenty_small_ranges_do_not_cost_sixty_round_trips() {
    let state = |balance: u128| {
        let mut builder = Builder::new();
        for index in 0..40_000_u32 {
            let hash = keccak(&index.to_be_bytes());
            let subtrie = u16::from_be_bytes([hash[0], hash[1]]) >> 4;
            let balance = if subtrie % 34 == 0 { balance } else { 1 };
            builder = builder.account_at(hash, Account::new().balance(balance));
        }
        Arc::new(builder.build())
    };
    let mut states = States::new(8);
    states.push(state(2));
    let mut world = World::new(Arc::new(Server::of_chain(states)), 62);
    world.latency = (200, 200);
    world.honest_peer();
    sync(&mut world);
    world.server.push(state(3));
    world.announce();
    world.asked.clear();
    let millis = sync(&mut world);
    assert_nobody_is_blamed(&world);
    let trips = millis / 200;
    let requests = world.asked.len();
    println!("{trips} round trips, {requests} requests");
    assert!(trips <= 15, "{trips} round trips for {requests} requests");
}
