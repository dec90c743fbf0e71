//! A hash that is wanted at several places is asked for once at a time, and what came is joined at
//! all of them.

use std::collections::BTreeSet;

use snaplight_peer::keccak::keccak;
use snaplight_peer::state::{Account, Builder, State};
use snaplight_peer::trie::Trie;

use super::sync_alone;
use crate::timing::serve;

/// Syncs the state from one and from three peers by hash. No hash is asked for twice at a time, and
/// at most `again` hashes are asked for once more, because they came before they were wanted at
/// another place.
fn sync_once(state: State, again: usize) {
    let server = serve(state);
    for peers in [1, 3] {
        let (world, report) = sync_alone(&server, peers, 9);
        let asked = world.hashes.asked as usize;
        let distinct = world.hashes.distinct.len();
        assert!(
            asked <= distinct + again,
            "{asked} asked for, {distinct} different ones"
        );
        let counts = server.head().counts();
        assert_eq!(
            (report.held.accounts, report.held.slots),
            (counts.accounts, counts.slots)
        );
    }
}

fn key(index: u32) -> [u8; 32] {
    keccak(&index.to_be_bytes())
}

/// A key that begins with this nibble and goes on as `key` does.
fn below(nibble: u8, key: [u8; 32]) -> [u8; 32] {
    let mut moved = key;
    moved[0] = nibble << 4 | key[0] & 0x0f;
    moved
}

fn with_slots(slots: impl IntoIterator<Item = u32>) -> Account {
    let slots = slots.into_iter();
    slots.fold(Account::new().nonce(1), |account, slot| {
        account.slot_at(key(slot), key(slot))
    })
}

#[test]
fn storages_that_are_alike_in_hundreds_of_accounts_are_fetched_once() {
    let mut builder = Builder::new();
    for index in 0..600 {
        let account = with_slots(0..40).nonce(index);
        builder = builder.account_at(key(u32::MAX - index as u32), account);
    }
    sync_once(builder.build(), 400);
}

#[test]
fn storages_that_are_alike_in_a_part_are_fetched_once_where_they_are_alike() {
    let mut builder = Builder::new();
    for index in 0..200 {
        let account = with_slots((0..60).chain([1_000 + index]));
        builder = builder.account_at(key(u32::MAX - index), account);
    }
    sync_once(builder.build(), 400);
}

#[test]
fn equal_subtries_of_one_storage_are_fetched_once() {
    let mut account = Account::new().nonce(1);
    for index in 0..200 {
        for nibble in 0..16 {
            account = account.slot_at(below(nibble, key(index)), key(index));
        }
    }
    sync_once(Builder::new().account([3; 20], account).build(), 0);
}

#[test]
fn equal_subtries_of_the_account_trie_are_fetched_once() {
    let mut builder = Builder::new();
    for index in 0..300 {
        for nibble in 0..16 {
            let account = with_slots(0..index % 4).code([1, index as u8]);
            builder = builder.account_at(below(nibble, key(index)), account);
        }
    }
    sync_once(builder.build(), 100);
}

#[test]
fn codes_that_many_accounts_share_are_fetched_once() {
    let mut builder = Builder::new();
    for index in 0..3_000_u32 {
        let account = Account::new().nonce(1).code([index as u8 % 7; 3_000]);
        builder = builder.account_at(key(index), account);
    }
    sync_once(builder.build(), 0);
}

/// All nodes of a trie, from the longest to the shortest.
fn nodes(trie: &Trie) -> Vec<Vec<u8>> {
    let mut nodes = trie.all_nodes();
    nodes.sort_by_key(|node| std::cmp::Reverse(node.len()));
    nodes
}

/// Adds contracts whose codes are the given nodes. Their keys begin with 0xf.
fn with_codes(mut builder: Builder, codes: &[Vec<u8>]) -> Builder {
    for (index, code) in codes.iter().enumerate() {
        let account = Account::new().nonce(1).code(code.clone());
        builder = builder.account_at(below(0x0f, key(index as u32)), account);
    }
    builder
}

#[test]
fn a_code_that_is_also_a_node_of_a_storage_is_fetched_once() {
    let base = || Builder::new().account_at(below(1, key(0)), with_slots(0..100));
    let state = base().build();
    let storage = state.storage(&below(1, key(0))).expect("a storage");
    let state = with_codes(base(), &nodes(storage)).build();
    assert!(state.code(&storage.root()).is_some());
    sync_once(state, 100);
}

#[test]
fn a_code_that_is_also_a_node_of_the_account_trie_is_fetched_once() {
    // Nothing below another first nibble changes when the contracts come.
    let base = || {
        let keys = (0..100).map(|index| below(1, key(index)));
        keys.fold(Builder::new(), |builder, key| {
            builder.account_at(key, Account::new().nonce(1).balance(5))
        })
    };
    let before = nodes(base().build().accounts());
    let state = with_codes(base(), &before).build();
    let after: BTreeSet<_> = nodes(state.accounts()).into_iter().collect();
    let both = before.iter().filter(|node| after.contains(*node)).count();
    assert!(both > 100, "{both} nodes are codes too");
    sync_once(state, 150);
}
