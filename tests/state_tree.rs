//! Seeded histories of a state being fetched: random answers in random order, batches at random
//! moments, and crashes after any of them. In the end the whole state can be read from pages alone,
//! and the database holds nothing else.

#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[allow(dead_code, reason = "the other tests use the rest")]
mod state_world;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use snaplight::hash::Hash;
use snaplight::state::page::{Folds, MIN_BUDGET, Page};
use snaplight::state::{
    Entry, HashedNode, Item, Lookup, Neighbour, NewPages, PageId, PageRef, RevealFault,
    SlimAccount, StatePath, Step, Storage, Tree, Unfinished,
};
use snaplight::trie::fold::Fold;
use snaplight::trie::path::Path;
use state_world::asking::{Part, ReadCache, blinded_node, missing_code};
use state_world::{Rng, World};

/// The database, and a stand-in for the engine.
struct Builder<'a> {
    world: &'a World,
    rng: Rng,
    budget: usize,
    fold: Fold,
    tree: Tree,
    out: NewPages,
    codes: BTreeSet<Hash>,
    // The stored data:
    pages: BTreeMap<PageId, Vec<u8>>,
    stored_codes: BTreeSet<Hash>,
    root: Option<PageRef>,
    spine: Range<PageId>,
    cache: ReadCache,
}

impl<'a> Builder<'a> {
    fn new(world: &'a World, rng: Rng, budget: usize) -> Builder<'a> {
        Builder {
            world,
            rng,
            budget,
            fold: Fold::new(),
            tree: Tree::new(world.accounts.root).with_budget(budget),
            out: NewPages::new(PageId(1)),
            codes: BTreeSet::new(),
            pages: BTreeMap::new(),
            stored_codes: BTreeSet::new(),
            root: None,
            spine: PageId(1)..PageId(1),
            cache: ReadCache::default(),
        }
    }

    fn random_step(&mut self) {
        match self.rng.below(100) {
            0..40 => self.accounts(),
            40..65 => self.storage(),
            65..75 => self.code(),
            75..85 => self.reveal(),
            85..95 => self.batch(Unfinished::Blind),
            95..98 => self.batch(Unfinished::Write),
            _ => self.crash(),
        }
        self.check_bytes();
    }

    fn accounts(&mut self) {
        let Part { origin, limit, max } = Part::of_accounts(&mut self.rng, &self.tree);
        let accounts = &self.world.accounts;
        let answer = accounts.serve(&origin, &limit, max);
        let range = answer.accounts(&mut self.fold, &accounts.root, &origin);
        let held = &self.codes;
        let joined = self
            .tree
            .join_accounts(&range, held, &mut self.out)
            .unwrap();
        assert!(joined.accounts <= answer.leaves.len() as u64 + 2);
        for (account, root) in joined.storage {
            assert_eq!(self.world.storage[&account].root, root);
        }
        assert!(joined.codes.iter().all(|code| !self.codes.contains(code)));
    }

    fn storage(&mut self) {
        let Some((account, part)) = Part::of_storage(&mut self.rng, &self.tree) else {
            return;
        };
        let Part { origin, limit, max } = part;
        let trie = &self.world.storage[&account];
        let answer = trie.serve(&origin, &limit, max);
        let range = answer.slots(&mut self.fold, &trie.root, &origin);
        self.tree
            .join_storage(&account, &range, &mut self.out)
            .unwrap();
        if max == usize::MAX {
            let mut incomplete = self.tree.incomplete_accounts();
            assert!(!incomplete.any(|found| found.account == account && found.storage.is_some()));
        }
    }

    fn code(&mut self) {
        let missing = missing_code(&mut self.rng, &self.tree);
        self.codes.extend(missing);
    }

    /// Reveals one node, in the form in which a peer answers `GetTrieNodes`.
    fn reveal(&mut self) {
        let Some(at) = blinded_node(&mut self.rng, &self.tree) else {
            return;
        };
        let blob = self.world.trie(&at).node(&at.path).unwrap();
        let mut wrong = blob.clone();
        wrong[0] ^= 1;
        assert_eq!(
            self.tree.reveal(&at, &HashedNode::new(&wrong), &self.codes),
            Err(RevealFault::Hash)
        );
        self.tree
            .reveal(&at, &HashedNode::new(&blob), &self.codes)
            .unwrap();
        let again = self.tree.reveal(&at, &HashedNode::new(&blob), &self.codes);
        assert_eq!(again, Err(RevealFault::NotBlinded));
    }

    fn batch(&mut self, unfinished: Unfinished) {
        self.tree.cut_complete(&self.codes, &mut self.out).unwrap();
        let start = self.out.next_id();
        let before = self.tree.entries().to_vec();
        let root = self.tree.snapshot(unfinished, &mut self.out).unwrap();
        assert_eq!(before, self.tree.entries());
        // One transaction of the store.
        self.pages.retain(|id, _| !self.spine.contains(id));
        for (id, bytes) in self.out.take() {
            assert!(
                bytes.len() <= self.budget + 100,
                "a page of {} bytes",
                bytes.len()
            );
            assert!(self.pages.insert(id, bytes).is_none());
        }
        self.spine = start..self.out.next_id();
        self.root = root;
        self.stored_codes = self.codes.clone();
        if self.rng.chance(30) {
            self.check_reachable();
        }
    }

    /// Loses what is in memory, and starts again from what the last batch stored.
    fn crash(&mut self) {
        self.codes = self.stored_codes.clone();
        self.tree = Tree::new(self.world.accounts.root).with_budget(self.budget);
        // Ids given out since the last batch were never stored.
        self.out = NewPages::new(self.spine.end);
        if let Some(root) = self.root {
            let bytes = &self.pages[&root.id];
            let state_root = self.world.accounts.root;
            let tree = Tree::resume(state_root, &root, self.spine.clone(), bytes).unwrap();
            self.tree = tree.with_budget(self.budget);
            loop {
                let ids = self.tree.pages_to_inline();
                if ids.is_empty() {
                    break;
                }
                for id in ids {
                    self.tree.inline_page(id, &self.pages[&id]).unwrap();
                }
            }
        }
    }

    fn finish(&mut self) {
        let mut steps = 0;
        while !self.tree.is_complete() {
            // Everything that is blinded or missing can be asked for.
            self.accounts();
            self.storage();
            self.code();
            self.tree.cut_complete(&self.codes, &mut self.out).unwrap();
            steps += 1;
            assert!(steps < 5_000, "not complete: {:?}", self.tree.entries());
        }
        self.batch(Unfinished::Write);
        self.check_reachable();
        assert!(self.root.is_none_or(|root| !root.open));
    }

    fn check_bytes(&self) {
        let bytes: usize = self.tree.entries().iter().map(size).sum();
        assert_eq!(self.tree.resident_bytes(), bytes);
    }

    /// Checks that every page is reached from the root by references that prove it, and that every
    /// page that is reached is stored.
    fn check_reachable(&self) {
        let mut reached = BTreeSet::new();
        let mut folds = Folds::new();
        let at = StatePath::account_trie(Path::ROOT);
        let mut next: Vec<_> = self.root.map(|page| (page, at)).into_iter().collect();
        // By page id: the places of its subtries, and of the pages that name them.
        let mut siblings: BTreeMap<PageId, BTreeSet<(PageId, Option<Hash>)>> = BTreeMap::new();
        while let Some((page, at)) = next.pop() {
            reached.insert(page.id);
            let mut decoded = Page::decode(&self.pages[&page.id]).unwrap();
            let verified = decoded.verify(&page, &at, &mut folds).unwrap();
            let mut name = |below: &PageRef, at: StatePath| {
                siblings
                    .entry(below.id)
                    .or_default()
                    .insert((page.id, at.account));
                next.push((*below, at));
            };
            for entry in verified.entries() {
                match &entry.item {
                    Item::Page(below) => name(
                        below,
                        StatePath {
                            account: at.account,
                            path: entry.path,
                        },
                    ),
                    Item::Account(leaf) => match &leaf.storage {
                        Storage::Page(below) => {
                            name(below, StatePath::storage(entry.path.key(), Path::ROOT));
                        }
                        Storage::Inline(slots) => {
                            for slot in slots {
                                if let Item::Page(below) = &slot.item {
                                    name(below, StatePath::storage(entry.path.key(), slot.path));
                                }
                            }
                        }
                        _ => {}
                    },
                    _ => {}
                }
            }
        }
        assert_eq!(
            reached,
            self.pages.keys().copied().collect(),
            "pages that no root reaches"
        );
        assert!(
            siblings.values().all(|parents| parents.len() == 1),
            "siblings in two parents"
        );
    }

    fn look_up(&mut self, lookup: Lookup) -> Step {
        self.cache.look_up(&self.pages, lookup)
    }

    fn check_reads(&mut self) {
        for (key, slim) in &self.world.accounts.leaves {
            let account = SlimAccount::parse(slim).unwrap().account();
            match self.look_up(Lookup::account(self.root, *key)) {
                Step::Account(Some(found)) => assert_eq!(found.account, account),
                step => panic!("{key}: {step:?}"),
            }
            let absent = self.look_up(Lookup::slot(self.root, *key, Hash([7; 32])));
            assert_eq!(absent, Step::Slot([0; 32]));
            for (slot, rlp) in self
                .world
                .storage
                .get(key)
                .iter()
                .flat_map(|trie| &trie.leaves)
            {
                let value = alloy_rlp::decode_exact::<alloy_rlp::bytes::Bytes>(rlp).unwrap();
                let mut word = [0; 32];
                word[32 - value.len()..].copy_from_slice(&value);
                let step = self.look_up(Lookup::slot(self.root, *key, *slot));
                assert_eq!(step, Step::Slot(word));
            }
        }
        for _ in 0..20 {
            let absent = self.rng.hash();
            assert_eq!(
                self.look_up(Lookup::account(self.root, absent)),
                Step::Account(None)
            );
            let step = self.look_up(Lookup::slot(self.root, absent, absent));
            assert_eq!(step, Step::Slot([0; 32]));
        }
    }
}

/// Computes the encoded size by the documented layout, without the crate's own function.
fn size(entry: &Entry) -> usize {
    let number = |mut n: u64| {
        let mut bytes = 1;
        while n > 0x7f {
            n >>= 7;
            bytes += 1;
        }
        bytes
    };
    let numbers = |page: &PageRef| number(page.id.0) + number(page.leaves) + number(page.slots);
    let path = 2 + usize::from(entry.path.len().div_ceil(2));
    match &entry.item {
        Item::Account(leaf) => {
            33 + leaf.slim.len()
                + match &leaf.storage {
                    Storage::Empty | Storage::Blinded | Storage::Outside => 0,
                    Storage::Inline(slots) => {
                        number(slots.len() as u64) + slots.iter().map(size).sum::<usize>()
                    }
                    Storage::Page(page) => 1 + numbers(page),
                }
        }
        Item::Slot(value) => 33 + value.len(),
        Item::Blinded { .. } => path + 32,
        Item::Page(page) => path + 33 + numbers(page),
        Item::Outside(_) => path + 32,
        Item::Neighbour(Neighbour::Account(value) | Neighbour::Slot(value)) => 33 + value.len(),
    }
}

fn history(seed: u64) {
    let mut rng = Rng(seed);
    let (accounts, slots) = match rng.below(5) {
        0 => (rng.below(3), 20),
        1 => (rng.below(30), 2_000),
        _ => (rng.below(500), 100),
    };
    let budget = [0, MIN_BUDGET, 4_000, 16_384][rng.below(4)].max(MIN_BUDGET);
    let contracts = [0, 0, 3, 30][rng.below(4)];
    let world = World::odd(&mut rng, accounts, slots, contracts);
    let mut builder = Builder::new(&world, rng, budget);
    for _ in 0..builder.rng.below(150) {
        builder.random_step();
    }
    builder.finish();
    builder.check_reads();
}

/// Returns the number of histories, which the environment variable `SNAPLIGHT_HISTORIES` sets.
fn histories() -> u64 {
    let asked = std::env::var("SNAPLIGHT_HISTORIES")
        .ok()
        .and_then(|count| count.parse().ok());
    asked.unwrap_or(300)
}

#[test]
fn after_any_history_the_state_is_complete_and_readable() {
    for seed in 0..histories() {
        let done = std::panic::catch_unwind(|| history(seed));
        assert!(done.is_ok(), "seed {seed}");
    }
}
