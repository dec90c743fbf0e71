#![allow(clippy::unwrap_used)]

use super::super::MAX_TRACKED_SLOTS;
use super::super::codec::SINGLE_SLOTS;
use super::*;

const ONE: [u8; 20] = [1; 20];
const TWO: [u8; 20] = [2; 20];

fn number(last: u8) -> [u8; 32] {
    let mut number = [0; 32];
    number[31] = last;
    number
}

/// An account with these of its slots.
fn with_slots(address: [u8; 20], code: bool, slots: &[u8]) -> TrackedAccount {
    let numbers: Vec<[u8; 32]> = slots.iter().map(|slot| number(*slot)).collect();
    TrackedAccount::new(address, code, &numbers)
}

fn set(accounts: &[TrackedAccount]) -> TrackedSet {
    TrackedSet::default().with(accounts).unwrap()
}

#[test]
fn a_set_is_what_its_list_says() {
    let tracked = set(&[
        with_slots(ONE, true, &[7, 8]),
        TrackedAccount::whole(TWO, false),
        with_slots([3; 20], false, &[]),
    ]);
    let list = TrackedAccount::read_list(&tracked.list()).unwrap();
    assert_eq!(set(&list), tracked);
}

#[test]
fn an_account_alone_is_removed_with_all_of_its_parts() {
    let one = with_slots(ONE, true, &[7]);
    let tracked = set(&[one.clone(), TrackedAccount::whole(TWO, true)]);
    let left = tracked.less(&[with_slots(TWO, false, &[])]).unwrap();
    assert_eq!(left, set(&[one]));
}

#[test]
fn only_the_named_parts_of_an_account_are_removed() {
    let tracked = set(&[
        with_slots(ONE, true, &[7, 8]),
        TrackedAccount::whole(TWO, true),
    ]);
    let removed = [with_slots(ONE, false, &[8, 9]), with_slots(TWO, true, &[])];
    let left = tracked.less(&removed).unwrap();
    let wanted = set(&[
        with_slots(ONE, true, &[7]),
        TrackedAccount::whole(TWO, false),
    ]);
    assert_eq!(left, wanted);
    let left = left.less(&[TrackedAccount::whole(TWO, false)]).unwrap();
    let account = with_slots(TWO, false, &[]);
    assert_eq!(left.get(&account.key()), Some(&account));
}

#[test]
fn single_slots_cannot_be_taken_out_of_all() {
    let tracked = set(&[TrackedAccount::whole(ONE, true)]);
    let refused = tracked.less(&[with_slots(ONE, false, &[8])]);
    assert_eq!(refused, Err(ScopeError::AllSlots));
}

#[test]
fn what_is_not_tracked_is_nothing_to_be_removed() {
    let tracked = set(&[with_slots(ONE, false, &[])]);
    let removed = [with_slots(TWO, false, &[]), with_slots(ONE, true, &[1])];
    assert_eq!(tracked.less(&removed), Ok(tracked.clone()));
}

#[test]
fn a_list_that_is_cut_or_has_unknown_flags_is_refused() {
    let mut list = Vec::new();
    with_slots(ONE, false, &[1, 2]).encode(&mut list);
    for end in 1..list.len() {
        let cut = TrackedAccount::read_list(&list[..end]);
        assert_eq!(cut, Err(ScopeError::Damaged), "{end} bytes");
    }
    list[20] |= 8;
    assert_eq!(TrackedAccount::read_list(&list), Err(ScopeError::Damaged));
}

#[test]
fn a_list_that_names_more_than_it_has_takes_no_memory_for_it() {
    let mut list = ONE.to_vec();
    list.push(SINGLE_SLOTS);
    list.extend(u32::MAX.to_le_bytes());
    assert_eq!(TrackedAccount::read_list(&list), Err(ScopeError::Damaged));
}

#[test]
fn a_list_beyond_the_limits_makes_no_set() {
    let mut account = Vec::new();
    with_slots(ONE, false, &[]).encode(&mut account);
    let count = MAX_TRACKED_ACCOUNTS + 1;
    let refused = TrackedAccount::read_list(&account.repeat(count));
    assert_eq!(refused, Err(ScopeError::TooManyAccounts(count)));
    let numbers: Vec<[u8; 32]> = (0..=MAX_TRACKED_SLOTS as u64)
        .map(|index| {
            let mut number = [0; 32];
            number[24..].copy_from_slice(&index.to_be_bytes());
            number
        })
        .collect();
    let refused = TrackedSet::default().with(&[TrackedAccount::new(ONE, false, &numbers)]);
    assert_eq!(refused, Err(ScopeError::TooManySlots(numbers.len())));
}
