//! GetAccountRange.

use super::{MAX, WEIGHT, ZERO, state, suite};
use crate::support::{plus, ready};
use snaplight_peer::{EMPTY_ROOT, session::Server, state::States};
use std::sync::Arc;

/// As many accounts as are needed to exceed `bytes`.
fn count(bytes: u64) -> usize {
    (bytes / WEIGHT) as usize + 1
}

#[test]
fn account_range_00_to_02_stop_at_the_first_account_beyond_the_bytes() {
    let mut suite = suite();
    for bytes in [4000, 3000, 2000] {
        suite.expect_accounts(bytes, ZERO, MAX, count(bytes), 0);
    }
    // An exact fit does not exceed the limit.
    suite.expect_accounts(WEIGHT * 10, ZERO, MAX, 11, 0);
    suite.expect_accounts(WEIGHT * 10 - 1, ZERO, MAX, 10, 0);
}

#[test]
fn account_range_03_04_one_account_for_one_byte_or_none() {
    let mut suite = suite();
    suite.expect_accounts(1, ZERO, MAX, 1, 0);
    suite.expect_accounts(0, ZERO, MAX, 1, 0);
}

#[test]
fn account_range_05_the_next_account_behind_the_limit_is_returned() {
    let mut suite = suite();
    let first = suite.keys[0];
    suite.expect_accounts(4000, plus(&first, -500), plus(&first, 1), 2, 0);
}

#[test]
fn account_range_06_07_out_of_bounds_the_first_account_behind_is_returned() {
    let mut suite = suite();
    let first = suite.keys[0];
    suite.expect_accounts(4000, plus(&first, -500), plus(&first, -450), 1, 0);
    suite.expect_accounts(4000, ZERO, ZERO, 1, 0);
}

#[test]
fn account_range_08_09_from_the_first_account_and_from_behind_it() {
    let mut suite = suite();
    let first = suite.keys[0];
    suite.expect_accounts(4000, first, MAX, count(4000), 0);
    suite.expect_accounts(4000, plus(&first, 1), MAX, count(4000), 1);
}

#[test]
fn account_range_10_13_unknown_roots_and_storage_roots_have_an_empty_answer() {
    let mut suite = suite();
    let account = suite.storage_account();
    let storage_root = suite.state.storage(&account).unwrap().root();
    for root in [[0x13; 32], storage_root, EMPTY_ROOT] {
        assert!(suite.accounts(4000, root, ZERO, MAX).is_nothing());
    }
}

#[test]
fn account_range_11_12_an_older_state_is_served_until_it_leaves_the_window() {
    let old = state(0x0100_0000).root();
    let mut suite = suite();
    assert_eq!(
        suite.accounts(4000, old, ZERO, MAX).keys().len(),
        count(4000)
    );

    let mut states = States::new(1);
    states.push(Arc::new(state(0x0100_0000)));
    states.push(Arc::new(state(0x0200_0000)));
    suite.session = ready(&Arc::new(Server::of_chain(states)), Vec::new());
    assert!(suite.accounts(4000, old, ZERO, MAX).is_nothing());
}

#[test]
fn account_range_14_from_the_end_there_is_only_a_proof() {
    let mut suite = suite();
    suite.expect_accounts(4000, MAX, ZERO, 0, 0);
    assert!(
        !suite
            .accounts(4000, suite.state.root(), MAX, ZERO)
            .proof
            .is_empty()
    );
}

#[test]
fn account_range_15_16_a_limit_before_the_origin_gives_one_account() {
    let mut suite = suite();
    let first = suite.keys[0];
    suite.expect_accounts(4000, first, plus(&first, -1), 1, 0);
    suite.expect_accounts(4000, first, ZERO, 1, 0);
}

#[test]
fn account_range_of_everything_is_proven_too() {
    let mut suite = suite();
    suite.expect_accounts(u64::MAX, ZERO, MAX, suite.keys.len(), 0);
    // A proof has every node once.
    let answer = suite.accounts(u64::MAX, suite.state.root(), suite.keys[0], MAX);
    let mut unique = answer.proof.clone();
    unique.sort();
    unique.dedup();
    assert_eq!(unique.len(), answer.proof.len());
}
