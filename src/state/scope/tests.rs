#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use proptest::prelude::*;
use xxhash_rust::xxh64::xxh64;

use super::*;

/// A few addresses and numbers, so that sets meet.
fn account() -> impl Strategy<Value = TrackedAccount> {
    let slots = proptest::collection::vec(0..6u8, 0..5);
    (0..8u8, any::<bool>(), proptest::option::of(slots)).prop_map(|(address, code, slots)| {
        match slots {
            None => TrackedAccount::whole([address; 20], code),
            Some(slots) => {
                let slots: Vec<[u8; 32]> = slots.into_iter().map(|slot| [slot; 32]).collect();
                TrackedAccount::new([address; 20], code, &slots)
            }
        }
    })
}

fn set() -> impl Strategy<Value = TrackedSet> {
    let accounts = proptest::collection::vec(account(), 0..8);
    accounts.prop_map(|accounts| TrackedSet::default().with(&accounts).unwrap())
}

fn scope() -> impl Strategy<Value = Scope> {
    (any::<u64>(), proptest::option::weighted(0.9, set())).prop_map(|(version, set)| match set {
        None => Scope::everything_as(version),
        Some(set) => Scope::set(version, set),
    })
}

/// A place in the account trie, or in the storage trie of an account that may be tracked.
fn place() -> impl Strategy<Value = StatePath> {
    let account = proptest::option::of(0..9u8);
    (account, 0..9u8, any::<bool>(), 0..=4u8).prop_map(|(account, near, far, len)| {
        let len = if far { 64 } else { len };
        match account {
            None => StatePath::account_trie(Path::new(keccak(&[near; 20]), len)),
            Some(of) => StatePath::storage(keccak(&[of; 20]), Path::new(keccak(&[near; 32]), len)),
        }
    })
}

/// What is wanted at or below a place, of the few keys that the sets have: an account, its code,
/// or one of its slots. Everything has a key more, which no set has.
fn wanted(scope: &Scope, at: &StatePath) -> Vec<(u8, Option<u8>)> {
    const CODE: u8 = 100;
    let mut wanted = Vec::new();
    for address in 0..9u8 {
        let key = keccak(&[address; 20]);
        let is_below = match &at.account {
            None => at.path.covers(&key),
            Some(account) => *account == key,
        };
        if !is_below || !scope.has_account(&key) {
            continue;
        }
        if at.account.is_none() {
            wanted.push((address, None));
            wanted.extend(scope.has_code(&key).then_some((address, Some(CODE))));
        }
        for number in 0..9u8 {
            let slot = keccak(&[number; 32]);
            let is_below = at.account.is_none() || at.path.covers(&slot);
            if is_below && scope.has_slot(&key, &slot) {
                wanted.push((address, Some(number)));
            }
        }
    }
    wanted
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_scope_is_read_as_it_was_written(scope in scope()) {
        prop_assert_eq!(Scope::decode(&scope.encode()), Ok(scope));
    }

    #[test]
    fn a_changed_or_missing_byte_is_damage(
        scope in scope(),
        at in any::<prop::sample::Index>(),
        change in 1..=255u8,
    ) {
        let bytes = scope.encode();
        let at = at.index(bytes.len());
        prop_assert_eq!(Scope::decode(&bytes[..at]), Err(ScopeError::Damaged));
        let mut changed = bytes.clone();
        changed[at] ^= change;
        prop_assert_eq!(Scope::decode(&changed), Err(ScopeError::Damaged));
        // Somebody else can set the checksum right.
        let body = changed.len() - 8;
        let checksum = xxh64(&changed[..body], 0).to_le_bytes();
        changed[body..].copy_from_slice(&checksum);
        if let Ok(scope) = Scope::decode(&changed) {
            prop_assert_eq!(Scope::decode(&scope.encode()), Ok(scope));
        }
    }

    #[test]
    fn two_scopes_differ_where_they_want_different_things(
        one in scope(),
        other in scope(),
        at in place(),
    ) {
        let differs = one.differs_at(&other, &at);
        prop_assert_eq!(differs, other.differs_at(&one, &at));
        let is_seen = wanted(&one, &at) != wanted(&other, &at);
        prop_assert!(differs || !is_seen);
        // Everything and a set differ wherever the set has not all, and the few keys that are looked
        // at may not show it. Of slots, one form of a set may have all and the other each of them.
        let may_be_unseen = [&one, &other]
            .iter()
            .any(|scope| scope.is_everything() || scope.includes(&at) || has_whole(scope));
        prop_assert!(!differs || is_seen || may_be_unseen);
    }

    #[test]
    fn what_differs_below_differs_above(one in scope(), other in scope(), at in place()) {
        if one.differs_at(&other, &at) {
            for len in 0..at.path.len() {
                let above = StatePath { path: at.path.prefix(len), ..at };
                prop_assert!(one.differs_at(&other, &above));
            }
        }
    }

    #[test]
    fn a_place_is_touched_if_something_below_is_wanted(scope in scope(), at in place()) {
        let has = !wanted(&scope, &at).is_empty();
        prop_assert!(scope.touches(&at) || !has);
        prop_assert!(!scope.includes(&at) || scope.touches(&at));
        prop_assert!(has || !scope.touches(&at) || scope.is_everything() || scope.includes(&at));
    }

    #[test]
    fn with_adds_and_without_removes(set in set(), added in proptest::collection::vec(account(), 0..4)) {
        let both = set.with(&added).unwrap();
        for account in &added {
            let held = both.get(&account.key()).unwrap();
            prop_assert!(held.code() || !account.code());
            match (held.slots(), account.slots()) {
                (TrackedSlots::All, _) => {}
                (TrackedSlots::Single(held), TrackedSlots::Single(added)) => {
                    prop_assert!(added.iter().all(|slot| held.contains(slot)));
                }
                (TrackedSlots::Single(_), TrackedSlots::All) => prop_assert!(false),
            }
        }
        let keys: Vec<Hash> = added.iter().map(TrackedAccount::key).collect();
        let less = both.without(&keys);
        prop_assert!(keys.iter().all(|key| less.get(key).is_none()));
        let others = |set: &TrackedSet| {
            let others = set.accounts().iter().filter(|account| !keys.contains(&account.key()));
            others.cloned().collect::<Vec<_>>()
        };
        prop_assert_eq!(others(&set), less.accounts().to_vec());
        prop_assert!(both.accounts().is_sorted_by_key(TrackedAccount::key));
    }
}

fn has_whole(scope: &Scope) -> bool {
    let accounts = scope
        .tracked()
        .map(TrackedSet::accounts)
        .unwrap_or_default();
    let mut accounts = accounts.iter();
    accounts.any(|account| *account.slots() == TrackedSlots::All)
}

#[test]
fn a_set_beyond_its_limits_is_refused() {
    let address = |number: usize| {
        let mut address = [0; 20];
        address[..8].copy_from_slice(&number.to_be_bytes());
        address
    };
    let accounts: Vec<TrackedAccount> = (0..=MAX_TRACKED_ACCOUNTS)
        .map(|number| TrackedAccount::new(address(number), false, &[]))
        .collect();
    let most = TrackedSet::default()
        .with(&accounts[..MAX_TRACKED_ACCOUNTS])
        .unwrap();
    assert_eq!(most.with(&accounts[..1]), Ok(most.clone()));
    assert_eq!(
        most.with(&accounts),
        Err(ScopeError::TooManyAccounts(MAX_TRACKED_ACCOUNTS + 1))
    );
    let number = |number: usize| {
        let mut word = [0; 32];
        word[24..].copy_from_slice(&number.to_be_bytes());
        word
    };
    let numbers: Vec<[u8; 32]> = (0..MAX_TRACKED_SLOTS).map(number).collect();
    let many = TrackedAccount::new(address(1), false, &numbers);
    let many = TrackedSet::default().with(&[many]).unwrap();
    let one_more = TrackedAccount::new(address(2), false, &[number(1)]);
    assert_eq!(
        many.with(&[one_more]),
        Err(ScopeError::TooManySlots(MAX_TRACKED_SLOTS + 1))
    );
}
