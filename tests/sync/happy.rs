//! Syncs states of every shape from honest peers.

use std::sync::Arc;

use snaplight::hash::Hash;
use snaplight_peer::session::Server;
use snaplight_peer::state::{Account, Builder, Recipe, State};

use crate::truth::assert_complete;
use crate::world::{End, World};

/// Syncs from honest peers, and compares the result with the true state.
fn sync(state: State, peers: usize, seed: u64) -> World {
    let root = Hash(state.root());
    let mut world = World::new(Arc::new(Server::new(state)), seed);
    for _ in 0..peers {
        world.honest_peer();
    }
    world.target(root);
    match world.run() {
        End::Done(report) => assert_eq!(report.root, root),
        end => panic!(
            "{end:?}, waited for {:?}, faults {:?}",
            world.waits, world.faults
        ),
    }
    assert_eq!(world.faults, []);
    assert_complete(&world.disk, world.server.states().head().expect("a state"));
    world
}

fn contracts(accounts: u64, seed: u64, huge: Vec<(u64, u64)>) -> State {
    Recipe {
        accounts,
        contracts_per_mille: 150,
        seed,
        huge,
    }
    .build()
}

#[test]
fn an_empty_state_is_complete_at_once() {
    sync(Builder::new().build(), 1, 1);
}

#[test]
fn a_state_of_one_account_syncs() {
    sync(
        Builder::new()
            .account([7; 20], Account::new().balance(1))
            .build(),
        1,
        2,
    );
}

#[test]
fn a_bytecode_that_is_longer_than_any_request_syncs() {
    let mut builder = Builder::new();
    for nonce in 1..40 {
        let code = vec![nonce as u8; if nonce == 20 { 1_200_000 } else { 20_000 }];
        builder = builder.account([nonce as u8; 20], Account::new().nonce(nonce).code(code));
    }
    sync(builder.build(), 1, 30);
}

#[test]
fn a_state_of_one_contract_with_one_slot_syncs() {
    let account = Account::new()
        .nonce(1)
        .code([0x60, 0x00])
        .slot([0; 32], [1; 32]);
    sync(Builder::new().account([7; 20], account).build(), 1, 3);
}

#[test]
fn plain_accounts_sync_from_one_peer_and_nothing_is_left_to_heal() {
    let mut world = sync(Recipe::plain(20_000, 4).build(), 1, 4);
    assert_eq!(
        world
            .engine
            .progress(snaplight::sync::Millis(world.now))
            .counters
            .nodes,
        0
    );
    world.target(Hash(world.server.states().head().expect("a state").root()));
    match world.run() {
        End::Done(report) => assert!(report.already_complete),
        end => panic!("{end:?}"),
    }
}

#[test]
fn plain_accounts_sync_from_five_peers() {
    sync(Recipe::plain(50_000, 5).build(), 5, 5);
}

#[test]
fn contracts_with_storage_and_shared_codes_sync() {
    sync(contracts(5_000, 6, vec![]), 2, 6);
}

#[test]
fn large_contracts_sync_in_chunks() {
    sync(contracts(500, 7, vec![(2, 30_000), (1, 90_000)]), 3, 7);
}

#[test]
fn accounts_on_every_boundary_of_the_cursors_sync() {
    let mut builder = Builder::new();
    for nibble in 0..16u8 {
        let mut first = [0; 32];
        first[0] = nibble << 4;
        let mut last = [0xff; 32];
        last[0] = nibble << 4 | 0x0f;
        builder = builder
            .account_at(first, Account::new().balance(1))
            .account_at(last, Account::new().balance(2));
    }
    for index in 0..3_000u32 {
        let hash = snaplight_peer::keccak::keccak(&index.to_be_bytes());
        builder = builder.account_at(hash, Account::new().balance(index.into()));
    }
    sync(builder.build(), 2, 8);
}

#[test]
fn slots_on_every_boundary_of_the_chunks_sync() {
    let mut account = Account::new().nonce(1).code([1]);
    for nibble in 0..16u8 {
        let mut first = [0; 32];
        first[0] = nibble << 4;
        let mut last = [0xff; 32];
        last[0] = nibble << 4 | 0x0f;
        account = account.slot_at(first, [1; 32]).slot_at(last, [2; 32]);
    }
    for index in 0..40_000u32 {
        account = account.slot_at(
            snaplight_peer::keccak::keccak(&index.to_be_bytes()),
            [3; 32],
        );
    }
    sync(
        Builder::new()
            .account([1; 20], account)
            .account([2; 20], Account::new().balance(5))
            .build(),
        2,
        9,
    );
}

#[test]
fn storage_in_three_of_sixteen_ranges_syncs_although_the_last_is_empty() {
    let mut account = Account::new().nonce(1).code([1]);
    for index in 0..60_000u32 {
        let mut slot = snaplight_peer::keccak::keccak(&index.to_be_bytes());
        slot[0] = slot[0] & 0x0f | [0x10, 0x30, 0xb0][index as usize % 3];
        account = account.slot_at(slot, [3; 32]);
    }
    sync(Builder::new().account([1; 20], account).build(), 2, 10);
}

#[test]
fn tiny_slots_under_one_prefix_make_embedded_nodes_and_sync() {
    let mut account = Account::new().nonce(1).code([1]);
    for index in 0..200u8 {
        let mut slot = [0xab; 32];
        slot[30] = index;
        slot[31] = index.wrapping_mul(7);
        let mut value = [0; 32];
        value[31] = index % 5 + 1;
        account = account.slot_at(slot, value);
    }
    sync(Builder::new().account([1; 20], account).build(), 1, 11);
}
