#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeMap;

use super::*;
use crate::state::account::Account;
use crate::state::entry::AccountLeaf;
use crate::state::page::{Folds, Page, PageError, PageWriter, fold_list};
use crate::state::prove::{ProofStep, Prover};
use crate::trie::fold::{Fold, Root};

const FIRST: Hash = Hash([0x11; 32]);
const SECOND: Hash = Hash([0x22; 32]);
const SLOT: Hash = Hash([0x77; 32]);

/// The page of a whole trie, its id, and what its parent holds.
fn whole(account: Option<Hash>, id: u64, entries: &[Entry]) -> (PageRef, Vec<u8>) {
    let path = Path::ROOT;
    let mut writer = PageWriter::new(&StatePath { account, path }, true, 0);
    for Entry { path, item } in entries {
        writer.entry(path, item);
    }
    let page = PageRef {
        hash: fold_list(&mut Fold::new(), entries, Root::Trie).unwrap(),
        id: PageId(id),
        open: entries.iter().any(Entry::is_open),
        inner: entries.iter().any(Entry::has_pages),
        leaves: entries.iter().map(Entry::leaves).sum(),
        slots: entries.iter().map(Entry::slots).sum(),
        parent: 0,
    };
    (page, writer.finish())
}

/// A database in which two accounts have one storage root and name one page for it: the first one's.
fn shared_page() -> (PageRef, BTreeMap<PageId, Vec<u8>>) {
    let slots = [3u8, 0x77].map(|key| Entry {
        path: Path::full(Hash([key; 32])),
        item: Item::Slot([key & 0x7f].into()),
    });
    let (storage, storage_bytes) = whole(Some(FIRST), 1, &slots);
    let accounts = [FIRST, SECOND].map(|key| {
        let body = Account {
            nonce: 1,
            balance: [0; 32],
            storage_root: storage.hash,
            code_hash: Hash::EMPTY_CODE,
        };
        let leaf = AccountLeaf {
            slim: body.to_slim().into(),
            storage: Storage::Page(storage),
            code: Code::None,
        };
        Entry {
            path: Path::full(key),
            item: Item::Account(Box::new(leaf)),
        }
    });
    let (root, root_bytes) = whole(None, 2, &accounts);
    let pages = [(PageId(1), storage_bytes), (PageId(2), root_bytes)];
    (root, pages.into())
}

/// Pages as a reader caches them.
#[derive(Default)]
struct Cache(BTreeMap<(PageId, Hash, StatePath), VerifiedPage>);

impl Cache {
    fn get(
        &mut self,
        pages: &BTreeMap<PageId, Vec<u8>>,
        wanted: &NeededPage,
    ) -> Result<VerifiedPage, PageError> {
        if let Some(page) = self.0.get(&wanted.key()) {
            return Ok(page.clone());
        }
        let bytes = pages.get(&wanted.page.id).ok_or(PageError::Missing)?;
        let page = Page::decode(bytes)?.verify(&wanted.page, &wanted.at, &mut Folds::new())?;
        self.0.insert(wanted.key(), page.clone());
        Ok(page)
    }
}

fn look_up(
    cache: &mut Cache,
    pages: &BTreeMap<PageId, Vec<u8>>,
    mut lookup: Lookup,
) -> Result<Step, PageError> {
    for _ in 0..=MAX_STEPS {
        let Step::Need(wanted) = *lookup.step() else {
            return Ok(lookup.step().clone());
        };
        lookup.feed_verified(&cache.get(pages, &wanted)?);
    }
    panic!("a look-up does not end");
}

/// The page was cached under its id and hash, and each look-up of the second account got the first
/// one's page again, for ever.
#[test]
fn one_page_named_by_two_accounts_is_right_for_one_and_damage_for_the_other() {
    let (root, pages) = shared_page();
    let mut cache = Cache::default();
    let found = look_up(&mut cache, &pages, Lookup::slot(Some(root), FIRST, SLOT));
    assert!(matches!(found, Ok(Step::Slot(value)) if value[31] == 0x77));
    let found = look_up(&mut cache, &pages, Lookup::slot(Some(root), SECOND, SLOT));
    assert_eq!(found, Err(PageError::Misplaced));
}

#[test]
fn whatever_a_look_up_or_a_proof_is_fed_it_ends_after_as_many_pages_as_paths_have_nibbles() {
    let (root, pages) = shared_page();
    let mut cache = Cache::default();
    let top = NeededPage {
        page: root,
        at: StatePath::account_trie(Path::ROOT),
    };
    let top = cache.get(&pages, &top).unwrap();

    let mut lookup = Lookup::slot(Some(root), FIRST, SLOT);
    let mut fed = 0;
    while matches!(lookup.step(), Step::Need(_)) {
        lookup.feed_verified(&top);
        fed += 1;
    }
    assert_eq!((fed, lookup.step()), (MAX_STEPS, &Step::NotTracked));

    let mut prover = Prover::new(Some(root), FIRST, vec![SLOT]);
    let mut fed = 0;
    while matches!(prover.step(), ProofStep::Need(_)) {
        prover.feed_verified(&top);
        fed += 1;
    }
    assert_eq!((fed, prover.step()), (2 * MAX_STEPS, ProofStep::NotTracked));
}

/// A page of nothing but a reference to itself folds to its own hash.
#[test]
fn a_page_that_names_itself_or_a_newer_one_is_damage() {
    for (id, named, is_sound) in [(5, 4, true), (5, 5, false), (5, 6, false)] {
        let page = PageRef {
            hash: Hash([9; 32]),
            id: PageId(named),
            open: false,
            inner: true,
            leaves: 1,
            slots: 0,
            parent: 0,
        };
        let own = Entry {
            path: Path::ROOT,
            item: Item::Page(page),
        };
        let over = Entry {
            path: Path::ROOT,
            item: Item::Blinded {
                hash: Hash([8; 32]),
                base: vec![own.clone()],
            },
        };
        for entry in [own, over] {
            let (root, bytes) = whole(None, id, &[entry]);
            let at = StatePath::account_trie(Path::ROOT);
            let verified = Page::decode(&bytes)
                .unwrap()
                .verify(&root, &at, &mut Folds::new());
            match is_sound {
                true => assert!(verified.is_ok()),
                false => assert!(matches!(verified, Err(PageError::Malformed(_)))),
            }
        }
    }
}
