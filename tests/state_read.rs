//! Reads a stored state. Every answer is right, and a key without an answer is reported as such.

#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[allow(dead_code, reason = "the other tests use the rest")]
mod state_world;

use std::collections::{BTreeMap, HashSet};

use snaplight::hash::Hash;
use snaplight::state::page::{Folds, MIN_BUDGET, Page, PageError};
use snaplight::state::{
    Entry, Item, Lookup, PageId, PageRef, SlimAccount, StatePath, Step, Storage, Tree, Unfinished,
};
use snaplight::trie::fold::Fold;
use snaplight::trie::path::Path;
use snaplight::trie::range::{verify_accounts, verify_slots};
use state_world::{Rng, World, fetched};
use xxhash_rust::xxh64::xxh64;

/// A stored state.
struct Stored {
    world: World,
    root: Option<PageRef>,
    pages: BTreeMap<PageId, Vec<u8>>,
}

fn stored(seed: u64, without: Option<usize>) -> Stored {
    let world = World::odd(&mut Rng(seed), 300, 200, 20);
    let (mut tree, mut out) = fetched(&world, MIN_BUDGET, without);
    assert_eq!(tree.is_complete(), without.is_none());
    let root = tree.snapshot(Unfinished::Write, &mut out).unwrap();
    Stored {
        world,
        root,
        pages: out.take().into_iter().collect(),
    }
}

impl Stored {
    /// Returns the last step of a look-up, or the damaged page that ends it.
    fn look_up(&self, mut lookup: Lookup) -> Found {
        let mut folds = Folds::new();
        while let Step::Need(wanted) = *lookup.step() {
            let page = self.pages.get(&wanted.page.id).ok_or(PageError::Missing);
            let page = page.and_then(|bytes| Page::decode(bytes));
            let page = page.and_then(|mut page| page.verify(&wanted.page, &wanted.at, &mut folds));
            lookup.feed_verified(&page.map_err(|error| (wanted.page.id, error))?);
        }
        Ok(lookup.step().clone())
    }

    /// Looks up every account and some slots of each. Each answer is right or `allowed`; returns
    /// how many were only allowed.
    fn check(&self, allowed: impl Fn(&Found) -> bool) -> usize {
        let mut other = 0;
        for (key, slim) in &self.world.accounts.leaves {
            match self.look_up(Lookup::account(self.root, *key)) {
                Ok(Step::Account(Some(found))) => {
                    assert_eq!(found.account, SlimAccount::parse(slim).unwrap().account());
                }
                step => {
                    assert!(allowed(&step), "{step:?}");
                    other += 1;
                }
            }
            for (slot, rlp) in self
                .world
                .storage
                .get(key)
                .iter()
                .flat_map(|t| t.leaves.iter().take(5))
            {
                match self.look_up(Lookup::slot(self.root, *key, *slot)) {
                    Ok(Step::Slot(word)) => {
                        let value = snaplight::state::account::slot_value(rlp).unwrap();
                        assert_eq!(&word[32 - value.len()..], value);
                    }
                    step => {
                        assert!(allowed(&step), "{step:?}");
                        other += 1;
                    }
                }
            }
        }
        other
    }
}

/// The outcome of a look-up.
type Found = Result<Step, (PageId, PageError)>;

fn is_damage(found: &Found) -> bool {
    found.is_err()
}

#[test]
fn a_whole_state_answers_everything() {
    assert_eq!(stored(1, None).check(|_| false), 0);
}

#[test]
fn a_changed_page_is_damage_and_never_a_wrong_answer() {
    let mut stored = stored(2, None);
    let mut rng = Rng(2);
    let mut damaged = 0;
    for id in stored.pages.keys().copied().collect::<Vec<_>>() {
        let page = stored.pages[&id].clone();
        let mut changed = page.clone();
        let body = page.len() - 8;
        changed[1 + rng.below(body - 1)] ^= 1 << rng.below(8);
        // An attacker can fix the checksum.
        let checksum = xxh64(&changed[..body], 0);
        changed[body..].copy_from_slice(&checksum.to_le_bytes());
        stored.pages.insert(id, changed);
        damaged += stored.check(is_damage);
        stored.pages.insert(id, page);
    }
    assert!(damaged > 300, "only {damaged} look-ups read a changed page");
}

#[test]
fn a_page_in_the_place_of_another_is_damage() {
    let mut stored = stored(3, None);
    let ids: Vec<PageId> = stored.pages.keys().copied().collect();
    let mut damaged = 0;
    for pair in ids.windows(2) {
        let (a, b) = (
            stored.pages[&pair[0]].clone(),
            stored.pages[&pair[1]].clone(),
        );
        stored.pages.insert(pair[0], b.clone());
        damaged += stored.check(is_damage);
        stored.pages.insert(pair[0], a);
    }
    assert!(
        damaged > 300,
        "only {damaged} look-ups read a page in the wrong place"
    );
}

#[test]
fn a_missing_page_is_named() {
    let mut stored = stored(4, None);
    let id = stored.root.unwrap().id;
    stored.pages.remove(&id);
    let found = stored.look_up(Lookup::account(stored.root, Hash::ZERO));
    assert_eq!(found, Err((id, PageError::Missing)));
}

#[test]
fn storage_that_is_not_held_is_not_tracked_and_never_zero() {
    let stored = stored(5, Some(2));
    assert!(stored.root.unwrap().open);
    assert!(stored.check(|found| *found == Ok(Step::NotTracked)) > 0);
    for account in stored.world.storage.keys() {
        let step = stored.look_up(Lookup::slot(stored.root, *account, Hash([1; 32])));
        assert!(matches!(step, Ok(Step::NotTracked | Step::Slot(_))));
    }
}

#[test]
fn accounts_that_are_not_held_are_not_tracked_but_absence_between_held_ones_is_proven() {
    let world = World::odd(&mut Rng(6), 300, 1, 0);
    let (mut fold, held) = (Fold::new(), HashSet::new());
    let mut tree = Tree::new(world.accounts.root);
    let mut out = snaplight::state::NewPages::new(PageId(1));
    let answer = world.accounts.serve(&Hash([0x30; 32]), &Hash::MAX, 100);
    let origin = Hash([0x30; 32]);
    let range = answer.accounts(&mut fold, &world.accounts.root, &origin);
    tree.join_accounts(&range, &held, &mut out).unwrap();
    let root = tree.snapshot(Unfinished::Write, &mut out).unwrap();
    let stored = Stored {
        world,
        root,
        pages: out.take().into_iter().collect(),
    };
    let (first, last) = (answer.leaves[0].0, answer.leaves[99].0);
    for key in stored.world.accounts.leaves.keys() {
        let step = stored.look_up(Lookup::account(root, *key));
        match (first..=last).contains(key) {
            true => assert!(matches!(step, Ok(Step::Account(Some(_))))),
            // A proof may show a leaf beside the range.
            false => assert!(matches!(
                step,
                Ok(Step::NotTracked | Step::Account(Some(_)))
            )),
        }
    }
    let between = first.next().unwrap();
    assert_eq!(
        stored.look_up(Lookup::account(root, between)),
        Ok(Step::Account(None))
    );
    let outside = stored.look_up(Lookup::account(root, Hash([0x01; 32])));
    assert_eq!(outside, Ok(Step::NotTracked));
}

#[test]
fn the_empty_state_holds_nothing() {
    let mut tree = Tree::new(Hash::EMPTY_ROOT);
    assert!(tree.is_complete());
    let mut out = snaplight::state::NewPages::new(PageId(1));
    tree.cut_complete(&HashSet::new(), &mut out).unwrap();
    assert_eq!(tree.snapshot(Unfinished::Write, &mut out), Ok(None));
    assert_eq!(out.bytes(), 0);
    assert_eq!(
        *Lookup::account(None, Hash::ZERO).step(),
        Step::Account(None)
    );
    assert_eq!(
        *Lookup::slot(None, Hash::ZERO, Hash::ZERO).step(),
        Step::Slot([0; 32])
    );
}

#[test]
fn spans_are_the_runs_of_what_is_missing() {
    let world = World::odd(&mut Rng(7), 400, 1, 0);
    let mut tree = Tree::new(world.accounts.root);
    assert_eq!(
        tree.blinded_span(&Hash::ZERO, &Hash::MAX),
        Some((Hash::ZERO, Hash::MAX))
    );
    let (mut fold, mut out) = (Fold::new(), snaplight::state::NewPages::new(PageId(1)));
    let origin = Hash([0x40; 32]);
    let answer = world.accounts.serve(&origin, &Hash::MAX, 50);
    let range = answer.accounts(&mut fold, &world.accounts.root, &origin);
    tree.join_accounts(&range, &HashSet::new(), &mut out)
        .unwrap();
    let last = answer.leaves[49].0;
    let (from, to) = tree.blinded_span(&Hash::ZERO, &Hash::MAX).unwrap();
    assert!(from == Hash::ZERO && to < origin);
    let (from, to) = tree.blinded_span(&origin, &Hash::MAX).unwrap();
    assert!(from > last && to == Hash::MAX);
    // Spans are clipped to the keys that were asked for. There is none where everything is known.
    assert_eq!(tree.blinded_span(&origin, &last), None);
    let clipped = tree
        .blinded_span(&Hash([0xd0; 32]), &Hash([0xd1; 32]))
        .unwrap();
    assert!(clipped.0 >= Hash([0xd0; 32]) && clipped.1 <= Hash([0xd1; 32]));
    // Asking for one span after the other makes the tree complete.
    while let Some((from, to)) = tree.blinded_span(&Hash::ZERO, &Hash::MAX) {
        let answer = world.accounts.serve(&from, &to, 30);
        let range = answer.accounts(&mut fold, &world.accounts.root, &from);
        tree.join_accounts(&range, &HashSet::new(), &mut out)
            .unwrap();
    }
    assert!(tree.is_complete());
}

#[test]
fn what_is_missing_is_estimated_from_what_is_held_beside_it() {
    let mut rng = Rng(8);
    let bodies = (0..20_000)
        .map(|_| {
            (
                rng.hash(),
                state_world::body(&mut rng, Hash::EMPTY_ROOT, Hash::EMPTY_CODE),
            )
        })
        .collect();
    let accounts = state_world::Trie::of_accounts(bodies);
    let mut tree = Tree::new(accounts.root).with_budget(16 * 1024);
    let at = |nibbles: u8| StatePath::account_trie(Path::new(Hash([0xee; 32]), nibbles));
    assert_eq!(tree.estimated_leaves_below(&at(1)), None);
    let (mut fold, mut out) = (Fold::new(), snaplight::state::NewPages::new(PageId(1)));
    let answer = accounts.serve(&Hash::ZERO, &Hash::MAX, 12_000);
    let range = answer.accounts(&mut fold, &accounts.root, &Hash::ZERO);
    tree.join_accounts(&range, &HashSet::new(), &mut out)
        .unwrap();
    // A sixteenth of 20,000, and so on, whether or not the neighbours are in pages by now.
    assert!((1_100..1_400).contains(&tree.estimated_leaves_below(&at(1)).unwrap()));
    assert!((60..100).contains(&tree.estimated_leaves_below(&at(2)).unwrap()));
    assert_eq!(tree.estimated_leaves_below(&at(5)), Some(1));
}

#[test]
fn an_answer_of_another_root_is_not_joined_but_a_base() {
    let (mut fold, mut out) = (Fold::new(), snaplight::state::NewPages::new(PageId(1)));
    let world = World::odd(&mut Rng(9), 50, 20, 30);
    let mut tree = Tree::new(Hash([1; 32]));
    let leaves = world.accounts.all_leaves();
    let root = world.accounts.root;
    let range = verify_accounts(&mut fold, &root, &Hash::ZERO, &leaves, &[]).unwrap();
    let joined = tree.join_accounts(&range, &HashSet::new(), &mut out);
    // They came from a peer and are kept, but the tree does not hold them.
    let joined = joined.expect("a proven range");
    assert_eq!((joined.accounts, tree.held().accounts), (50, 0));
    assert_eq!((joined.storage.len(), joined.codes.len()), (0, 0));
    let hash = Hash([1; 32]);
    match tree.entries() {
        [Entry { item, .. }] => assert!(
            matches!(item, Item::Blinded { hash: held, base } if *held == hash && !base.is_empty())
        ),
        entries => panic!("{entries:?}"),
    }
    // If the tree turns to that root, all of it is held.
    let tree = tree.retarget(root);
    assert_eq!(tree.blinded().len(), 0);

    let (mut tree, mut out) = fetched(&world, MIN_BUDGET, Some(1));
    let mut storages = world.storage.iter();
    let ((first, _), (_, second)) = (storages.next().unwrap(), storages.next().unwrap());
    let leaves = second.all_leaves();
    let range = verify_slots(&mut fold, &second.root, &Hash::ZERO, &leaves, &[]).unwrap();
    let joined = tree.join_storage(first, &range, &mut out);
    assert_eq!(joined.map(|joined| joined.slots), Ok(leaves.len() as u64));
    assert_eq!(
        tree.blinded().len(),
        1,
        "of the first storage, over the second"
    );
}

#[test]
fn a_complete_storage_of_more_than_half_a_page_gets_pages_of_its_own() {
    let world = World::odd(&mut Rng(10), 200, 400, 40);
    let (tree, _) = fetched(&world, MIN_BUDGET, None);
    let mut own = 0;
    for entry in tree.entries() {
        if let Item::Account(leaf) = &entry.item {
            let size = world.storage.get(&entry.path.key()).map_or(0, |trie| {
                trie.leaves
                    .values()
                    .map(|value| 33 + value.len())
                    .sum::<usize>()
            });
            match &leaf.storage {
                Storage::Page(page) => {
                    assert!(!page.open);
                    own += 1;
                }
                _ => assert!(size <= MIN_BUDGET / 2),
            }
        }
    }
    assert!(own > 0);
}
