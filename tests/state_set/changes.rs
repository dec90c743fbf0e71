//! Changes of scope, one by one: what they read, what they fetch, and what is left.

use std::rc::Rc;

use snaplight::hash::Hash;
use snaplight::state::page::MIN_BUDGET;
use snaplight::state::{Scope, StatePath, TrackedAccount, TrackedSet, TrackedSlots};
use snaplight::trie::path::Path;

use crate::holder::Holder;
use crate::state_world::{Rng, World};
use crate::truth::{next, some_set};

fn world(seed: u64) -> Rc<World> {
    Rc::new(World::odd(&mut Rng(seed), 150, 200, 50))
}

fn holder(seed: u64, world: &Rc<World>, scope: Scope) -> Holder {
    let mut holder = Holder::new(Rng(seed), world.clone(), scope, MIN_BUDGET);
    holder.finish();
    holder
}

/// Turns to another scope of the same root; returns the nodes and codes that were fetched.
fn turn(holder: &mut Holder, set: TrackedSet) -> usize {
    let before = holder.fetched;
    holder.scope = Scope::set(holder.scope.version() + 1, set);
    holder.open();
    holder.finish();
    holder.fetched - before
}

#[test]
fn from_everything_to_a_set_nothing_is_fetched() {
    for seed in 0..40 {
        let world = world(seed);
        let mut holder = holder(seed, &world, Scope::everything());
        let set = some_set(&world, &mut Rng(seed), 10);
        assert_eq!(turn(&mut holder, set), 0);
    }
}

#[test]
fn what_is_removed_from_a_set_is_not_fetched_again() {
    for seed in 0..40 {
        let world = world(seed);
        let mut rng = Rng(seed);
        let set = some_set(&world, &mut rng, 20);
        let mut holder = holder(seed, &world, Scope::set(1, set.clone()));
        let keys = set.accounts().iter().map(TrackedAccount::key);
        let removed: Vec<Hash> = keys.filter(|_| rng.chance(40)).collect();
        assert_eq!(turn(&mut holder, set.without(&removed)), 0);
    }
}

#[test]
fn an_addition_fetches_no_more_than_a_set_of_it_alone() {
    for seed in 0..40 {
        let world = world(seed);
        let mut rng = Rng(seed);
        let set = single(&some_set(&world, &mut rng, 20));
        let added = single(&some_set(&world, &mut rng, 3));
        let both = set.with(added.accounts()).unwrap();
        let alone = holder(seed, &world, Scope::set(1, added)).fetched;
        let mut holder = holder(seed, &world, Scope::set(1, set));
        let first = holder.fetched;
        let addition = turn(&mut holder, both.clone());
        assert!(addition <= alone, "{addition} fetched, alone {alone}");
        let mut whole = Holder::new(Rng(seed), world.clone(), Scope::set(1, both), MIN_BUDGET);
        whole.finish();
        assert_eq!(first + addition, whole.fetched);
    }
}

/// The same accounts, without the storages that are wanted whole: ranges of these come in any
/// number.
fn single(set: &TrackedSet) -> TrackedSet {
    let accounts = set.accounts().iter().map(|account| {
        let slots = match account.slots() {
            TrackedSlots::All => Vec::new(),
            TrackedSlots::Single(slots) => slots.iter().map(|slot| slot.key()).collect(),
        };
        TrackedAccount::of_keys(account.key(), account.code(), Some(slots))
    });
    let accounts: Vec<_> = accounts.collect();
    TrackedSet::default().with(&accounts).unwrap()
}

#[test]
fn pages_are_read_only_where_two_scopes_differ() {
    let world = world(3);
    let mut rng = Rng(3);
    let set = some_set(&world, &mut rng, 60);
    let mut holder = holder(3, &world, Scope::set(1, set.clone()));
    let pages = holder.pages().len();
    let read = holder.read;
    let removed = set.accounts()[0].key();
    turn(&mut holder, set.without(&[removed]));
    let read = holder.read - read;
    assert!(
        read > 0 && read < pages / 3,
        "{read} of {pages} pages are read"
    );
    let read = holder.read;
    assert_eq!(turn(&mut holder, set.without(&[removed])), 0);
    assert_eq!(holder.read, read, "the same set again");
}

#[test]
fn what_was_read_and_has_not_changed_is_not_written_again() {
    let mut rng = Rng(6);
    let first = Rc::new(World::odd(&mut rng, 2_000, 100, 20));
    let set = some_set(&first, &mut rng, 300);
    let second = Rc::new(next(&first, &mut rng, 2));
    let written = |reads_first: bool| {
        let mut holder = holder(6, &first, Scope::set(1, set.clone()));
        let before = holder.pages().len();
        holder.world = second.clone();
        holder.open();
        if reads_first {
            holder.read_bases();
        }
        let read = holder.read;
        holder.finish();
        assert_eq!(reads_first, read > 0);
        (before, holder.pages().len() - before)
    };
    let (before, without) = written(false);
    let (_, with) = written(true);
    assert!(
        without < before && with <= without + before / 20,
        "{with}, {without} of {before}"
    );
}

#[test]
fn a_set_of_nothing_holds_the_root_alone() {
    let world = world(4);
    let mut holder = holder(4, &world, Scope::set(1, TrackedSet::default()));
    assert_eq!((holder.fetched, holder.pages().len()), (0, 1));
    let key = *world.accounts.leaves.keys().next().unwrap();
    let one = TrackedAccount::of_keys(key, false, Some(Vec::new()));
    let one = TrackedSet::default().with(&[one]).unwrap();
    assert!(turn(&mut holder, one) > 0);
    assert_eq!(turn(&mut holder, TrackedSet::default()), 0);
}

#[test]
fn an_account_is_complete_once_its_path_its_slots_and_its_code_are_there() {
    let world = world(5);
    let (key, trie) = world
        .storage
        .iter()
        .max_by_key(|(_, trie)| trie.leaves.len())
        .unwrap();
    let slot = *trie.leaves.keys().next().unwrap();
    let tracked = TrackedAccount::of_keys(*key, false, Some(vec![slot]));
    let set = TrackedSet::default().with(&[tracked]).unwrap();
    let mut holder = Holder::new(Rng(5), world.clone(), Scope::set(1, set), MIN_BUDGET);
    let at = StatePath::account_trie(Path::full(*key));
    assert_eq!(holder.tree.depth_of(&at), Some(0));
    let mut depth = 0;
    while !holder.tree.is_complete() {
        assert!(!holder.tree.is_complete_at(key));
        holder.node(true);
        let known = holder.tree.depth_of(&at).unwrap();
        assert!(known >= depth);
        depth = known;
    }
    assert!(holder.tree.is_complete_at(key));
    assert_eq!(usize::from(depth), depth_of_leaf(&world, key));
    let slot = StatePath::storage(*key, Path::full(slot));
    assert!(holder.tree.depth_of(&slot).is_some());
    let other = world
        .accounts
        .leaves
        .keys()
        .find(|other| *other != key)
        .unwrap();
    assert!(!holder.tree.is_complete_at(other));
}

/// The nibbles above the node of an account's leaf.
fn depth_of_leaf(world: &World, key: &Hash) -> usize {
    let keys: Vec<&Hash> = world.accounts.leaves.keys().collect();
    let at = keys.iter().position(|found| *found == key).unwrap();
    let beside = [at.checked_sub(1), Some(at + 1)].into_iter().flatten();
    let beside = beside.filter_map(|index| keys.get(index));
    let shared = beside.map(|other| Path::full(**other).common(&Path::full(*key)));
    usize::from(shared.max().unwrap()) + 1
}
