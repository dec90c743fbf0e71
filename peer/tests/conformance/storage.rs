//! GetStorageRanges.

use super::{MAX, ZERO, suite};
use crate::support::{ask, assert_proves, plus, word};
use snaplight_peer::{
    Hash,
    keccak::keccak,
    snap::{GetStorageRanges, Request},
};

#[test]
fn storage_ranges_00_to_04() {
    let mut suite = suite();
    let slots: Vec<Hash> = [2, 1, 3].map(|slot| keccak(&word(slot))).into();
    let [first, second, third] = [slots[0], slots[1], slots[2]];
    assert_eq!((first[0], second[0], third[0]), (0x40, 0xb1, 0xc2));
    let mut origin = [0xff; 32];
    origin[0] = 0x4f;
    for (origin, limit, bytes, expected) in [
        (ZERO, MAX, 500, &slots[..]),
        (first, MAX, 1000, &slots[..]),
        (plus(&first, 1), MAX, 500, &slots[1..]),
        (first, second, 500, &slots[..2]),
        (origin, plus(&second, 1), 500, &slots[1..]),
    ] {
        let answer = suite.storage(origin, limit, bytes);
        assert_eq!(answer.keys(), expected);
        let account = suite.storage_account();
        let trie = suite.state.storage(&account).unwrap();
        if origin == ZERO {
            assert!(answer.proof.is_empty(), "a whole storage needs no proof");
        } else {
            for key in [&origin, expected.last().unwrap()] {
                let value = trie.get(key).map(<[u8]>::to_vec);
                assert_proves(trie, &answer.proof, key, value);
            }
        }
        assert!(
            answer.sets[0]
                .iter()
                .all(|(key, value)| trie.get(key) == Some(value))
        );
    }
}

#[test]
fn storage_ranges_cut_an_answer_with_a_proof_and_end_it_there() {
    let mut suite = suite();
    // A slot counts 33. The second one begins below 1.1 * 32 = 35, and the third one does not.
    for (bytes, count) in [(1, 1), (32, 2), (60, 2), (61, 3)] {
        let answer = suite.storage(ZERO, MAX, bytes);
        assert_eq!(answer.keys().len(), count, "{bytes} bytes");
        assert_eq!(answer.proof.is_empty(), count == 3);
    }
    // There is no room for any account, as in go-ethereum.
    assert!(suite.storage(ZERO, MAX, 0).is_nothing());
}

#[test]
fn storage_ranges_stopped_at_a_limit_have_a_proof_from_zero_on_too() {
    let mut suite = suite();
    let second = keccak(&word(1));
    let answer = suite.storage(ZERO, second, 500);
    assert_eq!(answer.keys().len(), 2);
    assert!(!answer.proof.is_empty());
}

#[test]
fn storage_ranges_of_several_accounts_leave_out_empty_and_unknown_ones() {
    let mut suite = suite();
    let account = suite.storage_account();
    let plain = suite.keys[0];
    let mut ask_for = |accounts: &[Hash], bytes| {
        let (accounts, root) = (accounts.to_vec(), suite.state.root());
        let (origin, limit) = (None, None);
        let request = GetStorageRanges {
            id: 1,
            root,
            accounts,
            origin,
            limit,
            bytes,
        };
        ask(&mut suite.session, &Request::Storage(request))
    };
    let whole = ask_for(&[account, plain, account, account], 1000);
    assert_eq!(whole.sets.len(), 3);
    assert!(whole.proof.is_empty());
    // Three slots are 99 bytes, so no further account is opened.
    assert_eq!(ask_for(&[account, account, account], 99).sets.len(), 1);
    // With one byte more, the second account is opened and cut at 110 bytes.
    let cut = ask_for(&[account, account, account], 100);
    assert_eq!(cut.sets.iter().map(Vec::len).collect::<Vec<_>>(), [3, 1]);
    assert!(!cut.proof.is_empty());
    let unknown = [0x77; 32];
    assert_eq!(ask_for(&[account, unknown, account], 1000).sets.len(), 2);
    assert!(ask_for(&[unknown], 1000).is_nothing());
    assert!(ask_for(&[], 1000).is_nothing());
}

#[test]
fn storage_ranges_behind_the_last_slot_are_proven_to_be_empty() {
    let mut suite = suite();
    let answer = suite.storage(MAX, MAX, 500);
    assert!(answer.sets.is_empty());
    let account = suite.storage_account();
    assert_proves(
        suite.state.storage(&account).unwrap(),
        &answer.proof,
        &MAX,
        None,
    );
}

#[test]
fn storage_ranges_of_an_unknown_state_are_empty() {
    let mut suite = suite();
    let accounts = vec![suite.storage_account()];
    let (origin, limit) = (None, None);
    let request = GetStorageRanges {
        id: 1,
        root: [0x13; 32],
        accounts,
        origin,
        limit,
        bytes: 1000,
    };
    assert!(ask(&mut suite.session, &Request::Storage(request)).is_nothing());
}
