#![allow(clippy::unwrap_used)]

use super::*;

const ONE: [u8; 20] = [1; 20];
const TWO: [u8; 20] = [2; 20];

fn number(last: u8) -> [u8; 32] {
    let mut number = [0; 32];
    number[31] = last;
    number
}

/// An account of a list.
fn listed(address: [u8; 20], flags: u8, slots: &[u8]) -> Vec<u8> {
    let mut out = address.to_vec();
    out.push(flags);
    if flags & SINGLE_SLOTS != 0 {
        out.extend((slots.len() as u32).to_le_bytes());
        slots.iter().for_each(|slot| out.extend(number(*slot)));
    }
    out
}

fn set(accounts: &[TrackedAccount]) -> TrackedSet {
    TrackedSet::default().with(accounts).unwrap()
}

fn removed(from: &TrackedSet, list: &[u8]) -> Result<TrackedSet, ScopeError> {
    from.less(&Removal::read_list(list).unwrap())
}

#[test]
fn a_set_is_what_its_list_says() {
    let accounts = [
        TrackedAccount::new(ONE, true, &[number(7), number(8)]),
        TrackedAccount::whole(TWO, false),
        TrackedAccount::new([3; 20], false, &[]),
    ];
    let tracked = set(&accounts);
    let list = TrackedAccount::read_list(&tracked.list()).unwrap();
    assert_eq!(set(&list), tracked);
}

#[test]
fn an_account_alone_is_removed_with_all_of_its_parts() {
    let tracked = set(&[
        TrackedAccount::new(ONE, true, &[number(7)]),
        TrackedAccount::whole(TWO, true),
    ]);
    let left = removed(&tracked, &listed(TWO, 0, &[])).unwrap();
    assert_eq!(left, set(&[TrackedAccount::new(ONE, true, &[number(7)])]));
}

#[test]
fn only_the_named_parts_of_an_account_are_removed() {
    let tracked = set(&[
        TrackedAccount::new(ONE, true, &[number(7), number(8)]),
        TrackedAccount::whole(TWO, true),
    ]);
    let mut list = listed(ONE, SINGLE_SLOTS, &[8, 9]);
    list.extend(listed(TWO, CODE, &[]));
    let left = removed(&tracked, &list).unwrap();
    let wanted = set(&[
        TrackedAccount::new(ONE, true, &[number(7)]),
        TrackedAccount::whole(TWO, false),
    ]);
    assert_eq!(left, wanted);
    let left = removed(&left, &listed(TWO, ALL_SLOTS, &[])).unwrap();
    let account = TrackedAccount::new(TWO, false, &[]);
    assert_eq!(left.get(&account.key()), Some(&account));
}

#[test]
fn single_slots_cannot_be_taken_out_of_all() {
    let tracked = set(&[TrackedAccount::whole(ONE, true)]);
    let refused = removed(&tracked, &listed(ONE, SINGLE_SLOTS, &[8]));
    assert_eq!(refused, Err(ScopeError::AllSlots));
}

#[test]
fn what_is_not_tracked_is_nothing_to_be_removed() {
    let tracked = set(&[TrackedAccount::new(ONE, false, &[])]);
    let mut list = listed(TWO, 0, &[]);
    list.extend(listed(ONE, SINGLE_SLOTS | CODE, &[1]));
    assert_eq!(removed(&tracked, &list), Ok(tracked.clone()));
}

#[test]
fn a_list_that_is_cut_or_has_unknown_flags_is_refused() {
    let list = listed(ONE, SINGLE_SLOTS, &[1, 2]);
    for end in 1..list.len() {
        let cut = TrackedAccount::read_list(&list[..end]);
        assert_eq!(cut, Err(ScopeError::Damaged), "{end} bytes");
    }
    let odd = listed(ONE, SINGLE_SLOTS | ALL_SLOTS, &[1]);
    assert_eq!(TrackedAccount::read_list(&odd), Err(ScopeError::Damaged));
}

#[test]
fn a_list_beyond_the_limits_is_refused_before_it_takes_memory() {
    let mut list = ONE.to_vec();
    list.push(SINGLE_SLOTS);
    list.extend(u32::MAX.to_le_bytes());
    let refused = TrackedAccount::read_list(&list);
    assert_eq!(refused, Err(ScopeError::TooManySlots(u32::MAX as usize)));
    let account = listed(ONE, 0, &[]);
    let refused = TrackedAccount::read_list(&account.repeat(MAX_TRACKED_ACCOUNTS + 1));
    let count = MAX_TRACKED_ACCOUNTS + 1;
    assert_eq!(refused, Err(ScopeError::TooManyAccounts(count)));
}
