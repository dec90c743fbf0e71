#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::collections::BTreeMap;

use super::*;
use crate::state::PageId;
use crate::state::account::Account;
use crate::state::entry::{AccountLeaf, Code, Entry, Item, Storage};
use crate::state::page::{Folds, Page, entry_size, fold_list};
use crate::state::source::EntryList;
use crate::trie::fold::Root;

const BUDGET: usize = 4_000;

struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        self.0 >> 33
    }

    fn below(&mut self, bound: usize) -> usize {
        self.next() as usize % bound
    }

    /// One key in four shares a stretch with the one before, so that there are extensions and deep
    /// branches.
    fn key(&mut self, last: &mut Hash) -> Hash {
        let mut key = Hash(core::array::from_fn(|_| self.next() as u8));
        if self.below(4) == 0 {
            let shared = self.below(31);
            key.0[..shared].copy_from_slice(&last.0[..shared]);
        }
        *last = key;
        key
    }
}

/// `slots` is the most that an account has; one account in eight has any.
fn accounts(rng: &mut Rng, count: usize, slots: usize) -> Vec<Entry> {
    let mut last = Hash::ZERO;
    let mut list = BTreeMap::new();
    for _ in 0..count {
        let mut storage = Storage::Empty;
        let mut storage_root = Hash::EMPTY_ROOT;
        if slots > 0 && rng.below(8) == 0 {
            let entries = slot_list(rng, slots);
            storage_root = fold_list(&mut Fold::new(), &entries, Root::Trie).unwrap();
            storage = Storage::Inline(entries);
        }
        let (nonce, code_hash) = (rng.next(), Hash::EMPTY_CODE);
        let slim = Account {
            nonce,
            balance: [0; 32],
            storage_root,
            code_hash,
        }
        .to_slim();
        let leaf = AccountLeaf {
            slim: slim.into(),
            storage,
            code: Code::None,
        };
        list.insert(
            Path::full(rng.key(&mut last)),
            Item::Account(Box::new(leaf)),
        );
    }
    list.into_iter()
        .map(|(path, item)| Entry { path, item })
        .collect()
}

fn slot_list(rng: &mut Rng, most: usize) -> Vec<Entry> {
    let mut last = Hash::ZERO;
    let count = 1 + rng.below(most);
    let slots: BTreeMap<_, _> = (0..count)
        .map(|_| (Path::full(rng.key(&mut last)), Item::Slot([0x11].into())))
        .collect();
    slots
        .into_iter()
        .map(|(path, item)| Entry { path, item })
        .collect()
}

/// Makes some subtries of the list blinded.
fn blind(rng: &mut Rng, list: Vec<Entry>, one_in: usize) -> Vec<Entry> {
    let mut fold = Fold::new();
    fold_list(&mut fold, &list, Root::Trie).unwrap();
    let mut result: Vec<Option<Entry>> = list.into_iter().map(Some).collect();
    for branch in fold.branches() {
        if branch.depth < 2 || rng.below(one_in) > 0 {
            continue;
        }
        let path = fold.path(branch.first as usize).prefix(branch.depth);
        let hash = branch.reference.hash().unwrap();
        result[branch.first as usize..=branch.last as usize].fill(None);
        result[branch.first as usize] = Some(Entry {
            path,
            item: Item::blinded(hash),
        });
    }
    result.into_iter().flatten().collect()
}

/// A cut list, and the pages that left it.
struct Outcome {
    root: Hash,
    kept: Vec<Entry>,
    sum: Sum,
    pages: BTreeMap<PageId, Vec<u8>>,
}

fn run(list: &[Entry], mode: CutMode) -> Outcome {
    run_from(PageId(1), list, mode)
}

fn run_from(first: PageId, list: &[Entry], mode: CutMode) -> Outcome {
    let mut folds = Folds::new();
    let root = fold_list(&mut folds.list, list, Root::Trie).unwrap();
    let mut out = NewPages::new(first);
    let place = Place {
        account: None,
        budget: BUDGET,
    };
    let mut source = EntryList::new(list, None, &mut folds.storage, BUDGET, mode);
    source.cut_large_storage(&mut out).unwrap();
    let kept = cut(&folds.list, &mut source, place, mode, &mut out).unwrap();
    let entries = kept.items.iter().map(|item| match item {
        KeptItem::Entry(index) => source.get(*index).unwrap().clone(),
        KeptItem::Page(path, page) => Entry {
            path: *path,
            item: Item::Page(*page),
        },
        KeptItem::Blinded(path, hash) => Entry {
            path: *path,
            item: Item::blinded(*hash),
        },
    });
    let entries: Vec<Entry> = entries.collect();
    Outcome {
        root,
        kept: entries,
        sum: kept.sum,
        pages: out.take().into_iter().collect(),
    }
}

/// Puts the content of every page back after proving it, and checks that the siblings of one page
/// stand side by side in one list.
fn inline_page(
    list: Vec<Entry>,
    account: Option<Hash>,
    pages: &BTreeMap<PageId, Vec<u8>>,
) -> Vec<Entry> {
    let mut result = Vec::new();
    let mut seen: Vec<PageId> = Vec::new();
    let verified = |page: &PageRef, at: StatePath| {
        let mut decoded = Page::decode(&pages[&page.id]).unwrap();
        decoded
            .verify(page, &at, &mut Folds::new())
            .unwrap()
            .into_entries()
    };
    for entry in list {
        let path = entry.path;
        match entry.item {
            Item::Page(page) => {
                let again = seen.contains(&page.id);
                assert!(!again || seen.last() == Some(&page.id), "siblings apart");
                seen.push(page.id);
                result.extend(inline_page(
                    verified(&page, StatePath { account, path }),
                    account,
                    pages,
                ));
            }
            Item::Account(mut leaf) => {
                let key = path.key();
                leaf.storage = match leaf.storage {
                    Storage::Page(page) => {
                        let slots = verified(&page, StatePath::storage(key, Path::ROOT));
                        Storage::Inline(inline_page(slots, Some(key), pages))
                    }
                    Storage::Inline(slots) => Storage::Inline(inline_page(slots, Some(key), pages)),
                    storage => storage,
                };
                result.push(Entry {
                    path,
                    item: Item::Account(leaf),
                });
            }
            _ => result.push(entry),
        }
    }
    result
}

fn check(list: &[Entry], outcome: &Outcome) {
    let folded = fold_list(&mut Fold::new(), &outcome.kept, Root::Trie).unwrap();
    assert_eq!(folded, outcome.root, "what is kept folds to the same root");
    for page in outcome.pages.values() {
        assert!(page.len() <= BUDGET + 100, "a page of {} bytes", page.len());
    }
    assert_eq!(
        inline_page(outcome.kept.clone(), None, &outcome.pages),
        list
    );
}

#[test]
fn a_closed_list_fits_and_its_pages_hold_exactly_what_left_it() {
    for seed in 0..30 {
        let mut rng = Rng(seed);
        let count = 1 + rng.below(700);
        let slots = [0, 40, 1_500][rng.below(3)];
        let list = accounts(&mut rng, count, slots);
        let list = if seed % 2 == 0 {
            list
        } else {
            blind(&mut rng, list, 20)
        };
        let outcome = run(&list, CutMode::Closing);
        check(&list, &outcome);
        assert!(
            outcome.sum.size <= BUDGET,
            "{} bytes are left",
            outcome.sum.size
        );
    }
}

#[test]
fn a_growing_list_gives_away_complete_subtries_only() {
    for seed in 0..30 {
        let mut rng = Rng(seed + 1_000);
        let list = accounts(&mut rng, 700, 30);
        let list = blind(&mut rng, list, 10);
        let outcome = run(&list, CutMode::Growing);
        check(&list, &outcome);
        let open = |entry: &Entry| matches!(entry.item, Item::Page(page) if page.open);
        assert!(!outcome.kept.iter().any(open));
    }
}

#[test]
fn a_page_of_a_growing_list_is_full_unless_its_parent_is_complete() {
    // 0x00 to 0x07 are complete, of about 900 bytes each: four fit a page. 0x08 is not known.
    let mut rng = Rng(7);
    let mut list = Vec::new();
    for child in 0..8u8 {
        let mut part = accounts(&mut rng, 20, 0);
        for entry in &mut part {
            let mut key = entry.path.key();
            key.0[0] = child;
            entry.path = Path::full(key);
        }
        part.sort_by_key(|entry| entry.path);
        list.extend(part);
    }
    let mut unknown = Hash::ZERO;
    unknown.0[0] = 8;
    list.push(Entry {
        path: Path::new(unknown, 2),
        item: Item::blinded(Hash([9; 32])),
    });
    let outcome = run(&list, CutMode::Growing);
    check(&list, &outcome);
    assert_eq!(outcome.pages.len(), 1, "the second run may still grow");
    let moved: Vec<u8> = outcome
        .kept
        .iter()
        .filter(|entry| matches!(entry.item, Item::Page(_)))
        .map(|entry| entry.path.nibble(1))
        .collect();
    assert!(moved.len() >= 4 && moved == (0..moved.len() as u8).collect::<Vec<_>>());
}

#[test]
fn a_collapsed_list_writes_only_what_has_pages_below() {
    for seed in 0..20 {
        let mut rng = Rng(seed + 2_000);
        let list = accounts(&mut rng, 700, 60);
        // First some of it becomes pages, as it would while the list grows.
        let list = blind(&mut rng, list, 30);
        let grown = run(&list, CutMode::Growing);
        let collapsed = run_from(PageId(1_000), &grown.kept, CutMode::Collapsing);
        let folded = fold_list(&mut Fold::new(), &collapsed.kept, Root::Trie).unwrap();
        assert_eq!(folded, collapsed.root);
        assert!(collapsed.sum.size <= BUDGET);
        let mut pages = grown.pages.clone();
        pages.extend(collapsed.pages.clone());
        let all = inline_page(collapsed.kept.clone(), None, &pages);
        // Every page that was cut earlier is still reached. Only what was in memory is missing.
        let held = inline_page(
            grown
                .kept
                .iter()
                .filter(|e| e.has_pages())
                .cloned()
                .collect(),
            None,
            &pages,
        );
        let reached: BTreeMap<Path, &Entry> = all.iter().map(|entry| (entry.path, entry)).collect();
        assert!(held.iter().all(|entry| reached.contains_key(&entry.path)));
        let kept: usize = grown.kept.iter().map(entry_size).sum();
        let written: usize = collapsed.pages.values().map(Vec::len).sum();
        assert!(written + collapsed.sum.size <= kept + BUDGET);
    }
}

#[test]
fn a_single_account_with_large_storage_gives_that_away() {
    let mut rng = Rng(5);
    let mut list = Vec::new();
    while !list
        .iter()
        .any(|entry: &Entry| entry_size(entry) > 3 * BUDGET)
    {
        list = accounts(&mut rng, 1, 1_500);
    }
    let outcome = run(&list, CutMode::Closing);
    check(&list, &outcome);
    assert!(outcome.pages.len() > 3 && outcome.sum.size < 200);
}
