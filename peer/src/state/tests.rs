//! States from genesis files, from seeds, and built by hand.

#![allow(clippy::unwrap_used)]

use super::{Account, Builder, Recipe, State, States, code_hash};
use crate::{EMPTY_CODE, Hash, keccak::keccak};
use alloy_trie::{
    TrieAccount,
    root::{state_root_unhashed, storage_root_unhashed},
};
use std::sync::Arc;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn word(value: u64) -> Hash {
    let mut word = [0; 32];
    word[24..].copy_from_slice(&value.to_be_bytes());
    word
}

#[test]
fn a_state_has_the_root_that_alloy_trie_computes() {
    let code = vec![0x60, 0x00];
    let state = Builder::new()
        .account(
            [1; 20],
            Account::new()
                .nonce(7)
                .balance(1_000_000_000_000_000_000_000),
        )
        .account(
            [2; 20],
            Account::new().code(code.clone()).slot(word(1), word(5)),
        )
        .account(
            [3; 20],
            Account::new()
                .slot(word(9), word(0x1234))
                .slot(word(2), word(0)),
        )
        .build();
    let plain = TrieAccount {
        nonce: 7,
        ..TrieAccount::default()
    };
    let plain = TrieAccount {
        balance: "1000000000000000000000".parse().unwrap(),
        ..plain
    };
    let storage =
        |key: u64, value: &str| storage_root_unhashed([(word(key).into(), value.parse().unwrap())]);
    let accounts = [
        ([1; 20].into(), plain),
        (
            [2; 20].into(),
            TrieAccount {
                storage_root: storage(1, "5"),
                code_hash: keccak(&code).into(),
                ..TrieAccount::default()
            },
        ),
        (
            [3; 20].into(),
            TrieAccount {
                storage_root: storage(9, "4660"),
                ..TrieAccount::default()
            },
        ),
    ];
    assert_eq!(state.root(), state_root_unhashed(accounts).0);
    let counts = state.counts();
    assert_eq!((counts.accounts, counts.slots, counts.codes), (3, 2, 1));
    let contract = keccak(&[2; 20]);
    assert_eq!(code_hash(state.account(&contract).unwrap()), keccak(&code));
    assert_eq!(
        state.storage(&contract).unwrap().get(&keccak(&word(1))),
        Some(&[5][..])
    );
    assert_eq!(state.code(&keccak(&code)), Some(code.as_slice()));
    assert_eq!(state.storages().count(), 2);
    assert!(state.storage(&keccak(&[1; 20])).is_none());
}

#[test]
fn both_shapes_of_genesis_files_and_all_ways_to_write_numbers_give_the_same_state() {
    let plain = r#"{
        "0x0000000000000000000000000000000000000001": {"balance": "0x10", "nonce": "0x2"},
        "0x00000000000000000000000000000000000000aa": {"balance": "0", "code": "0x6001",
            "storage": {"0x01": "0x0203", "0x02": "0x00"}}}"#;
    let geth = r#"{"config": {"chainId": 5}, "alloc": {
        "0000000000000000000000000000000000000001": {"balance": "16", "nonce": 2, "secretKey": "x"},
        "00000000000000000000000000000000000000AA": {"balance": "0x0", "code": "6001", "storage": {
    "0x0000000000000000000000000000000000000000000000000000000000000001":
    "0000000000000000000000000000000000000000000000000000000000000203"}}}}"#;
    let by_hand = Builder::new()
        .account(
            word(1)[12..].try_into().unwrap(),
            Account::new().balance(16).nonce(2),
        )
        .account(
            word(0xaa)[12..].try_into().unwrap(),
            Account::new()
                .code(vec![0x60, 0x01])
                .slot(word(1), word(0x0203)),
        )
        .build();
    for json in [plain, geth] {
        assert_eq!(State::from_genesis(json).unwrap().root(), by_hand.root());
    }
}

#[test]
fn a_bad_genesis_file_is_refused_and_the_error_names_the_place() {
    for (json, place) in [
        ("[", ""),
        ("[]", "not an object of accounts"),
        (r#"{"0x12": {}}"#, "0x12"),
        (
            r#"{"alloc": {"0x0000000000000000000000000000000000000001": 5}}"#,
            "01: not an object",
        ),
        (
            r#"{"0000000000000000000000000000000000000001": {"balance": 1.5}}"#,
            "01.balance",
        ),
        (
            r#"{"0000000000000000000000000000000000000001": {"code": "0x1"}}"#,
            "01.code",
        ),
        (
            r#"{"0000000000000000000000000000000000000001": {"nonce": "0x10000000000000000"}}"#,
            "01.nonce: a nonce has at most 64 bits",
        ),
        (
            r#"{"0000000000000000000000000000000000000001": {"storage": {"g": "1"}}}"#,
            "01.storage",
        ),
    ] {
        let error = State::from_genesis(json).unwrap_err().to_string();
        assert!(error.contains(place), "{error}");
    }
}

#[test]
fn a_recipe_gives_the_same_state_again_and_another_seed_another_one() {
    let recipe = Recipe {
        accounts: 3000,
        contracts_per_mille: 150,
        seed: 7,
        huge: vec![(2, 20_000)],
    };
    let state = recipe.build();
    assert_eq!(state.root(), recipe.build().root());
    assert_ne!(
        state.root(),
        Recipe {
            seed: 8,
            ..recipe.clone()
        }
        .build()
        .root()
    );

    let counts = state.counts();
    assert_eq!(counts.accounts, 3000);
    assert!(counts.slots > 40_000 && counts.codes > 5);
    // Every account is found by its address, and every slot by its key.
    for index in 0..3000 {
        assert!(state.account(&keccak(&recipe.address(index))).is_some());
    }
    let huge = state.storage(&keccak(&recipe.address(1))).unwrap();
    assert_eq!(huge.len(), 20_000);
    assert!((0..20_000).all(|slot| huge.get(&keccak(&recipe.slot_key(1, slot))).is_some()));
    // Every account's code is there, and every code has an account.
    let named: std::collections::HashSet<_> = state
        .accounts()
        .iter()
        .map(|(_, body)| code_hash(body))
        .collect();
    assert!(
        named
            .iter()
            .all(|hash| *hash == EMPTY_CODE || state.code(hash).is_some())
    );
}

#[test]
fn contracts_are_mainnet_like_most_small_some_large_some_without_storage() {
    let recipe = Recipe {
        accounts: 20_000,
        contracts_per_mille: 150,
        seed: 3,
        huge: Vec::new(),
    };
    let state = recipe.build();
    let sizes: Vec<usize> = state.storages().map(|(_, storage)| storage.len()).collect();
    let contracts = state
        .accounts()
        .iter()
        .filter(|(_, b)| code_hash(b) != EMPTY_CODE)
        .count();
    assert!((2500..3500).contains(&contracts), "{contracts}");
    assert!(sizes.len() < contracts);
    let small = sizes.iter().filter(|size| **size <= 50).count();
    assert!(small * 10 > sizes.len() * 9 && small < sizes.len());
    assert!(state.codes().len() * 20 < contracts);
}

#[test]
fn a_recipe_does_not_change() {
    // Benchmarks of different days are comparable only if this root stays the same.
    let recipe = Recipe {
        accounts: 1000,
        contracts_per_mille: 150,
        seed: 1,
        huge: vec![(1, 5000)],
    };
    assert_eq!(
        hex(&recipe.build().root()),
        "43aafafd7672d965a45d6bea3785ef2a82eb82e57f0aaf876c63bd9d45fdaca6"
    );
}

#[test]
fn a_window_of_states_forgets_the_oldest_one_but_no_root_that_occurs_again() {
    let state = |balance| {
        Arc::new(
            Builder::new()
                .account([1; 20], Account::new().balance(balance))
                .build(),
        )
    };
    let roots: Vec<_> = (0..4).map(|balance| state(balance).root()).collect();
    let mut states = States::new(2);
    states.push(state(0));
    states.push(state(1));
    states.push(state(0));
    assert!(states.get(&roots[0]).is_some() && states.get(&roots[1]).is_some());
    states.push(state(3));
    assert!(states.get(&roots[0]).is_some() && states.get(&roots[1]).is_none());
    assert_eq!(states.head().map(|state| state.root()), Some(roots[3]));
}

#[test]
fn a_bogus_body_is_in_the_trie_as_it_is_and_its_root_commits_to_it() {
    let bogus = Builder::new()
        .account([1; 20], Account::new().raw_body(vec![0xc0]))
        .build();
    let trie = bogus.accounts();
    assert_eq!(trie.get(&keccak(&[1; 20])), Some(&[0xc0][..]));
    let proof = trie.path_to(&keccak(&[1; 20]));
    assert_eq!(keccak(&proof[0]), bogus.root());
    assert_eq!(proof[0].last(), Some(&0xc0));
}
