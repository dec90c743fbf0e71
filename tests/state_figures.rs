//! Figures of the page tree in a first sync, to be compared with the model's. Run alone:
//! `cargo test --release --test state_figures -- --ignored --nocapture`.

#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[allow(dead_code, reason = "the other tests use the rest")]
mod state_world;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::time::{Duration, Instant};

use snaplight::hash::Hash;
use snaplight::state::{PAGE_BUDGET, PageId, Pages, Spill, Tree};
use snaplight::trie::fold::Fold;
use snaplight::trie::range::{verify_accounts, verify_slots};
use state_world::{Rng, Trie, World, body, slot};

const ANSWER: usize = 5_000;
const CURSORS: u8 = 16;
const BATCH: usize = 4 << 20;

#[derive(Default)]
struct Figures {
    written: usize,
    written_bytes: usize,
    live: BTreeMap<PageId, usize>,
    peak: usize,
    batches: usize,
    verify: Duration,
    join: Duration,
    settle: Duration,
    snapshot: Duration,
}

struct Sync<'a> {
    world: &'a World,
    tree: Tree,
    out: Pages,
    spine: Range<PageId>,
    codes: BTreeSet<Hash>,
    fold: Fold,
    figures: Figures,
}

impl Sync<'_> {
    fn run(&mut self) {
        let mut cursors: Vec<(Hash, Hash)> = (0..CURSORS)
            .map(|i| (Hash([i << 4; 32]), Hash([i << 4 | 0xf; 32])))
            .map(|(from, last)| {
                let mut ends = (Hash::ZERO, Hash::MAX);
                ends.0.0[0] = from.0[0];
                ends.1.0[0] = last.0[0] | 0xf;
                ends
            })
            .collect();
        while !cursors.is_empty() {
            cursors.retain_mut(|cursor| {
                let Some((origin, last)) = self.tree.blinded_span(&cursor.0, &cursor.1) else {
                    return false;
                };
                cursor.0 = origin;
                self.accounts(&origin, &last);
                if self.out.bytes() + self.tree.resident_bytes() / 2 >= BATCH {
                    self.batch(Spill::Collapse);
                }
                true
            });
        }
        let start = Instant::now();
        self.tree.settle(&self.codes, &mut self.out).unwrap();
        self.figures.settle += start.elapsed();
        assert!(self.tree.is_complete());
        self.batch(Spill::All);
    }

    fn accounts(&mut self, origin: &Hash, last: &Hash) {
        let answer = self.world.accounts.serve(origin, last, ANSWER);
        let leaves: Vec<_> = answer
            .leaves
            .iter()
            .map(|(key, value)| (*key, &value[..]))
            .collect();
        let proof: Vec<_> = answer.proof.iter().map(Vec::as_slice).collect();
        let root = self.world.accounts.root;
        let start = Instant::now();
        let range = verify_accounts(&mut self.fold, &root, origin, &leaves, &proof).unwrap();
        self.figures.verify += start.elapsed();
        let start = Instant::now();
        let joined = self
            .tree
            .join_accounts(&self.fold, &range, &self.codes, &mut self.out)
            .unwrap();
        self.figures.join += start.elapsed();
        self.codes.extend(joined.codes);
        for (account, root) in joined.storage {
            let trie = &self.world.storage[&account];
            let mut origin = Hash::ZERO;
            loop {
                let answer = trie.serve(&origin, &Hash::MAX, 4_000);
                let leaves: Vec<_> = answer
                    .leaves
                    .iter()
                    .map(|(key, value)| (*key, &value[..]))
                    .collect();
                let proof: Vec<_> = answer.proof.iter().map(Vec::as_slice).collect();
                let start = Instant::now();
                let range = verify_slots(&mut self.fold, &root, &origin, &leaves, &proof).unwrap();
                self.figures.verify += start.elapsed();
                let start = Instant::now();
                let joined = self
                    .tree
                    .join_storage(&account, &self.fold, &range, &mut self.out)
                    .unwrap();
                self.figures.join += start.elapsed();
                self.figures.peak = self.figures.peak.max(self.tree.resident_bytes());
                if joined.complete {
                    break;
                }
                origin = answer.leaves.last().unwrap().0.next().unwrap();
                if self.out.bytes() >= BATCH {
                    self.batch(Spill::Collapse);
                }
            }
        }
        self.figures.peak = self.figures.peak.max(self.tree.resident_bytes());
    }

    fn batch(&mut self, spill: Spill) {
        let start = Instant::now();
        self.tree.settle(&self.codes, &mut self.out).unwrap();
        self.figures.settle += start.elapsed();
        let first = self.out.next_id();
        let start = Instant::now();
        self.tree.snapshot(spill, &mut self.out).unwrap();
        self.figures.snapshot += start.elapsed();
        self.figures.live.retain(|id, _| !self.spine.contains(id));
        for (id, page) in self.out.take() {
            // Its key is a number, stored in some 8 bytes.
            let size = page.len() + 8;
            self.figures.written += 1;
            self.figures.written_bytes += size;
            self.figures.live.insert(id, size);
        }
        self.spine = first..self.out.next_id();
        self.figures.batches += 1;
    }
}

fn measure(name: &str, world: &World, budget: usize) {
    let mut sync = Sync {
        world,
        tree: Tree::new(world.accounts.root).with_budget(budget),
        out: Pages::new(PageId(1)),
        spine: PageId(1)..PageId(1),
        codes: BTreeSet::new(),
        fold: Fold::new(),
        figures: Figures::default(),
    };
    sync.run();
    let accounts = world.accounts.leaves.len() as f64;
    let slots: usize = world.storage.values().map(|trie| trie.leaves.len()).sum();
    let leaf_bytes = world
        .accounts
        .leaves
        .values()
        .map(|slim| 33 + slim.len())
        .sum::<usize>()
        + world
            .storage
            .values()
            .flat_map(|trie| trie.leaves.values())
            .map(|v| 33 + v.len())
            .sum::<usize>();
    let figures = sync.figures;
    let live: usize = figures.live.values().sum();
    let us = |time: Duration| time.as_secs_f64() * 1e6 / (accounts + slots as f64);
    println!(
        "{name}, {budget} byte pages: records per 1,000 accounts {:.2} written, {:.2} live; {:.1} bytes per leaf live; \
         write amplification {:.3}; {} batches; at most {} kB in memory; us per leaf: verify {:.3} join {:.3} settle {:.3} \
         snapshot {:.3}",
        figures.written as f64 * 1000. / accounts,
        figures.live.len() as f64 * 1000. / accounts,
        live as f64 / (accounts + slots as f64),
        figures.written_bytes as f64 / leaf_bytes as f64,
        figures.batches,
        figures.peak / 1000,
        us(figures.verify),
        us(figures.join),
        us(figures.settle),
        us(figures.snapshot),
    );
}

fn plain(accounts: usize) -> World {
    let mut rng = Rng(accounts as u64);
    let bodies = (0..accounts)
        .map(|_| {
            (
                rng.hash(),
                body(&mut rng, Hash::EMPTY_ROOT, Hash::EMPTY_CODE),
            )
        })
        .collect();
    World {
        accounts: Trie::of_accounts(bodies),
        storage: BTreeMap::new(),
    }
}

/// One contract that is nearly all of the state.
fn huge(slots: usize) -> World {
    let mut rng = Rng(slots as u64);
    let trie = Trie::of_slots((0..slots).map(|_| (rng.hash(), slot(&mut rng))).collect());
    let mut bodies: BTreeMap<_, _> = (0..100)
        .map(|_| {
            (
                rng.hash(),
                body(&mut rng, Hash::EMPTY_ROOT, Hash::EMPTY_CODE),
            )
        })
        .collect();
    let key = rng.hash();
    bodies.insert(key, body(&mut rng, trie.root, Hash::EMPTY_CODE));
    World {
        accounts: Trie::of_accounts(bodies),
        storage: [(key, trie)].into(),
    }
}

/// 15 % contracts: most with 1 to 50 slots, one in a thousand with thousands.
fn contracts(accounts: usize) -> World {
    let mut rng = Rng(accounts as u64 + 1);
    let mut storage = BTreeMap::new();
    let mut bodies = BTreeMap::new();
    let codes: Vec<Hash> = (0..accounts / 20 + 1).map(|_| rng.hash()).collect();
    for _ in 0..accounts {
        let key = rng.hash();
        let (mut root, mut code) = (Hash::EMPTY_ROOT, Hash::EMPTY_CODE);
        if rng.chance(15) {
            code = codes[rng.below(codes.len())];
            let slots = match rng.below(1_000) {
                0 => 20_000,
                1..30 => 50 + rng.below(1_000),
                _ => 1 + rng.below(50),
            };
            let trie = Trie::of_slots((0..slots).map(|_| (rng.hash(), slot(&mut rng))).collect());
            root = trie.root;
            storage.insert(key, trie);
        }
        bodies.insert(key, body(&mut rng, root, code));
    }
    World {
        accounts: Trie::of_accounts(bodies),
        storage,
    }
}

#[test]
#[ignore = "figures, not a check; takes a minute"]
fn figures() {
    for accounts in [100_000, 360_000, 1_000_000] {
        let world = plain(accounts);
        measure(&format!("{accounts} plain"), &world, PAGE_BUDGET);
        if accounts == 1_000_000 {
            measure(&format!("{accounts} plain"), &world, 32 * 1024);
        }
    }
    measure(
        "100 and one contract of 1,000,000 slots",
        &huge(1_000_000),
        PAGE_BUDGET,
    );
    measure("50,000 with contracts", &contracts(50_000), PAGE_BUDGET);
}
