//! Measures what the size of a set's pages costs on disk. `cargo bench --profile sim --bench
//! set_pages` prints a line for each size.
//!
//! The set is 20 accounts in a trie of a million, and 20 slots in each of 5 contracts of a million
//! slots. Eight roots follow each other; before each, 1,500 accounts and 300 slots in each contract
//! have changed. Only the tree runs: the nodes of the tracked paths are revealed, and each complete
//! state is the base of the next.

#![allow(clippy::expect_used, missing_docs)]

use std::collections::{BTreeMap, BTreeSet, HashSet};

use snaplight::hash::Hash;
use snaplight::state::page::Page;
use snaplight::state::{
    Account, HashedNode, MarkWalk, NewPages, PageId, PageRef, Scope, StatePath, TrackedAccount,
    TrackedSet, Tree, Unfinished,
};
use snaplight::trie::{Fold, Path, Root, keccak, prove};

const ACCOUNTS: usize = 1_000_000;
const SLOTS: usize = 1_000_000;
const CONTRACTS: usize = 5;
const TRACKED: usize = 20;
const ROOTS: usize = 8;
const CHANGED_ACCOUNTS: usize = 1_500;
const CHANGED_SLOTS: usize = 300;
const BUDGETS: [usize; 8] = [1_024, 1_280, 1_536, 1_792, 2_048, 2_816, 8_192, 24_576];

/// SplitMix64 (Steele, Lea, Flood).
struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn hash(&mut self) -> Hash {
        let mut bytes = [0; 32];
        for part in bytes.chunks_exact_mut(8) {
            part.copy_from_slice(&self.next().to_be_bytes());
        }
        Hash(bytes)
    }
}

/// The nodes on the tracked paths of one root, by hash.
#[derive(Clone)]
struct Bag {
    root: Hash,
    nodes: BTreeMap<Hash, Vec<u8>>,
}

fn bag(leaves: &BTreeMap<Hash, Vec<u8>>, keys: &[Hash]) -> Bag {
    let mut fold = Fold::new();
    for (key, value) in leaves {
        fold.push_leaf(key, value).expect("ascending");
    }
    let root = fold.run(Root::Trie).expect("a trie");
    let mut nodes = BTreeMap::new();
    for key in keys {
        for node in prove(&fold, key).expect("all is known") {
            nodes.insert(keccak(&node), node);
        }
    }
    Bag { root, nodes }
}

fn slot(rng: &mut Rng) -> Vec<u8> {
    alloy_rlp::encode(&rng.hash().0[..8])
}

fn main() {
    let mut rng = Rng(7);
    let nothing = Bag {
        root: Hash::EMPTY_ROOT,
        nodes: BTreeMap::new(),
    };
    let mut roots = vec![nothing; ROOTS];
    let mut contracts: Vec<Vec<Hash>> = vec![Vec::new(); ROOTS];
    let mut tracked = Vec::new();
    for _ in 0..CONTRACTS {
        let mut leaves: BTreeMap<Hash, Vec<u8>> = BTreeMap::new();
        let keys: Vec<Hash> = (0..SLOTS).map(|_| rng.hash()).collect();
        leaves.extend(keys.iter().map(|key| (*key, vec![1])));
        let slots = keys.get(..TRACKED).unwrap_or_default().to_vec();
        for (root, roots) in roots.iter_mut().zip(&mut contracts) {
            for _ in 0..CHANGED_SLOTS {
                let key = keys.get(rng.next() as usize % SLOTS).expect("in bounds");
                leaves.insert(*key, slot(&mut rng));
            }
            let bag = bag(&leaves, &slots);
            root.nodes.extend(bag.nodes);
            roots.push(bag.root);
        }
        tracked.push(TrackedAccount::of_keys(rng.hash(), false, Some(slots)));
    }
    let mut leaves: BTreeMap<Hash, Vec<u8>> = BTreeMap::new();
    let mut account = |storage_root| {
        let mut balance = [0; 32];
        balance[24..].copy_from_slice(&(rng.next() >> 8).to_be_bytes());
        Account {
            nonce: rng.next() % 200,
            balance,
            storage_root,
            code_hash: Hash::EMPTY_CODE,
        }
        .to_full()
    };
    let mut more = Rng(8);
    let keys: Vec<Hash> = (0..ACCOUNTS).map(|_| more.hash()).collect();
    leaves.extend(keys.iter().map(|key| (*key, account(Hash::EMPTY_ROOT))));
    let plain = keys.get(..TRACKED).unwrap_or_default();
    tracked.extend(
        plain
            .iter()
            .map(|key| TrackedAccount::of_keys(*key, false, Some(Vec::new()))),
    );
    let wanted: Vec<Hash> = tracked.iter().map(TrackedAccount::key).collect();
    for (root, storage) in roots.iter_mut().zip(&contracts) {
        for _ in 0..CHANGED_ACCOUNTS {
            let key = keys
                .get(more.next() as usize % ACCOUNTS)
                .expect("in bounds");
            leaves.insert(*key, account(Hash::EMPTY_ROOT));
        }
        for (contract, storage) in tracked.iter().zip(storage) {
            leaves.insert(contract.key(), account(*storage));
        }
        let bag = bag(&leaves, &wanted);
        root.nodes.extend(bag.nodes);
        root.root = bag.root;
    }
    let set = TrackedSet::default().with(&tracked).expect("a small set");
    let scope = Scope::set(1, set);
    for budget in BUDGETS {
        follow(&roots, &scope, budget);
    }
}

fn follow(roots: &[Bag], scope: &Scope, budget: usize) {
    let mut pages: BTreeMap<PageId, Vec<u8>> = BTreeMap::new();
    let mut complete: Option<PageRef> = None;
    let mut states: Vec<PageRef> = Vec::new();
    let mut next = PageId(1);
    let codes: HashSet<Hash> = HashSet::new();
    let (mut first, mut read, mut written) = (0, 0, 0);
    for bag in roots {
        let tree = Tree::over_complete(bag.root, complete, scope, scope.clone());
        let mut tree = tree.with_set_budget(budget).with_first_page(next);
        let mut out = NewPages::new(next);
        while let Some(at) = missing(&tree) {
            while let Some(id) = tree.base_page_needed(&at) {
                let bytes = pages.get(&id).expect("stored");
                tree.inline_page(id, bytes).expect("it folds");
                read += 1;
            }
            let Some((_, hash)) = tree
                .blinded()
                .into_iter()
                .find(|(path, _)| *path == at)
                .or_else(|| {
                    let mut accounts = tree.incomplete_accounts();
                    let root =
                        accounts.find(|found| Some(found.account) == at.account && !found.partial);
                    root.and_then(|found| Some((at, found.storage?)))
                })
            else {
                continue;
            };
            let node = bag.nodes.get(&hash).expect("on a path");
            tree.reveal(&at, &HashedNode::new(node), &codes)
                .expect("wanted");
        }
        tree.cut_complete(&codes, &mut out).expect("cut");
        complete = tree.snapshot(Unfinished::Write, &mut out).expect("written");
        next = out.next_id();
        for (id, bytes) in out.take() {
            written += bytes.len();
            pages.insert(id, bytes);
        }
        states.extend(complete);
        if first == 0 {
            collect(&mut pages, &states, next);
            first = pages.values().map(Vec::len).sum();
            let entries: usize = pages
                .values()
                .filter_map(|bytes| Page::decode(bytes).ok())
                .map(|page| page.entries.len())
                .sum();
            print!(
                "{budget}: one root {first} bytes in {} pages, {entries} entries at the top; ",
                pages.len()
            );
        }
    }
    collect(&mut pages, &states, next);
    let all: usize = pages.values().map(Vec::len).sum();
    println!(
        "all {ROOTS}: {all} bytes in {} pages; {} bytes written and {} pages read a root",
        pages.len(),
        (written - first) / (ROOTS - 1),
        read / (ROOTS - 1),
    );
}

fn missing(tree: &Tree) -> Option<StatePath> {
    let blinded = tree.blinded().first().map(|(at, _)| *at);
    blinded.or_else(|| {
        let mut accounts = tree.incomplete_accounts();
        let found = accounts.find(|found| found.storage.is_some() && !found.partial);
        found.map(|found| StatePath::storage(found.account, Path::ROOT))
    })
}

/// Deletes the pages that no state reaches.
fn collect(pages: &mut BTreeMap<PageId, Vec<u8>>, states: &[PageRef], next: PageId) {
    let mut walk = MarkWalk::new(states.to_vec());
    loop {
        let ids = walk.wanted(16);
        if ids.is_empty() {
            break;
        }
        for id in ids {
            walk.feed(id, pages.get(&id).map(Vec::as_slice));
        }
    }
    let orphans: BTreeSet<PageId> = walk
        .orphans(pages.keys().copied(), next)
        .expect("all pages are there")
        .into_iter()
        .collect();
    pages.retain(|id, _| !orphans.contains(id));
}
