//! Compares a disk with the true state, entry by entry, by walking every page from the root page
//! down.

use std::collections::{BTreeMap, BTreeSet};

use snaplight::hash::Hash;
use snaplight::state::page::{Folds, Page};
use snaplight::state::{
    Entry, Item, Neighbour, PageId, PageRef, RootPage, SlimAccount, StatePath, Storage,
};
use snaplight::trie::Path;
use snaplight_peer::state::State;

use crate::disk::Disk;

pub(crate) type Storages = BTreeMap<Hash, BTreeMap<Hash, Vec<u8>>>;

/// Asserts that the complete state of `disk` is exactly `state`, and that it reaches every page of
/// `disk`.
pub(crate) fn assert_complete(disk: &Disk, state: &State) {
    let reached = assert_state(disk, state);
    assert!(
        disk.record().building.is_none(),
        "an unfinished tree is left"
    );
    let stored: BTreeSet<PageId> = disk.pages.keys().copied().collect();
    assert_eq!(reached, stored, "pages that no root reaches");
    let named: BTreeSet<Hash> = codes_named(state).collect();
    let stored: BTreeSet<Hash> = disk.codes.keys().copied().collect();
    assert_eq!(named, stored, "codes that no account names");
    let counts = disk.record().complete.map(|complete| complete.counts.codes);
    assert_eq!(counts, Some(named.len() as u64));
}

/// The hashes of the codes that a state's accounts name. It may still have others.
pub(crate) fn codes_named(state: &State) -> impl Iterator<Item = Hash> {
    state.accounts().iter().filter_map(|(_, body)| {
        let body = SlimAccount::parse(body).expect("a slim account");
        body.has_code().then(|| body.code_hash())
    })
}

/// Asserts that the complete state of `disk` is exactly `state`. Returns the ids of its pages.
pub(crate) fn assert_state(disk: &Disk, state: &State) -> BTreeSet<PageId> {
    let complete = disk.record().complete.expect("a complete state");
    assert_eq!(complete.top.root().0, state.root());
    let walk = walk(disk);
    assert_eq!(walk.damaged, [], "pages of the complete state are damaged");
    let accounts: BTreeMap<Hash, Vec<u8>> = state
        .accounts()
        .iter()
        .map(|(hash, body)| (Hash(*hash), body.to_vec()))
        .collect();
    assert!(
        walk.accounts == accounts,
        "accounts differ: {} held, {} true",
        walk.accounts.len(),
        accounts.len()
    );
    let slots = |(account, trie): (&[u8; 32], &snaplight_peer::trie::Trie)| {
        (
            Hash(*account),
            trie.iter()
                .map(|(slot, value)| (Hash(*slot), value.to_vec()))
                .collect(),
        )
    };
    let storages: Storages = state.storages().map(slots).collect();
    assert!(
        walk.storages == storages,
        "storages differ: {} held, {} true",
        walk.storages.len(),
        storages.len()
    );
    for hash in codes_named(state) {
        assert_eq!(
            disk.codes.get(&hash).map(Vec::as_slice),
            state.code(&hash.0),
            "the code {hash} is missing or wrong"
        );
    }
    let (counts, truth) = (complete.counts, state.counts());
    assert_eq!(
        (counts.accounts, counts.slots),
        (truth.accounts, truth.slots)
    );
    walk.reached
}

/// Walks the complete state of `disk` through all its pages.
pub(crate) fn walk(disk: &Disk) -> Walk<'_> {
    let complete = disk.record().complete;
    let top = complete.map(|complete| complete.top);
    Walk::of(disk, top.unwrap_or_else(empty), false)
}

/// The state without accounts.
fn empty() -> RootPage {
    RootPage::new(Hash::EMPTY_ROOT, None).expect("the empty trie has no page")
}

pub(crate) struct Walk<'a> {
    disk: &'a Disk,
    /// Whether something may be outside the scope.
    is_set: bool,
    pub(crate) reached: BTreeSet<PageId>,
    /// The pages with the places at which they are named.
    pub(crate) places: Vec<(PageId, StatePath)>,
    /// Pages that are missing or do not match their parent's hash, with their places.
    pub(crate) damaged: Vec<(PageId, StatePath)>,
    pub(crate) accounts: BTreeMap<Hash, Vec<u8>>,
    pub(crate) storages: Storages,
    /// Accounts outside the scope that are held because an absence needs them.
    pub(crate) neighbours: BTreeMap<Hash, Vec<u8>>,
}

impl<'a> Walk<'a> {
    /// Walks a state through all its pages. `is_set`: it is of a set, so that something may be
    /// outside.
    pub(crate) fn of(disk: &'a Disk, top: RootPage, is_set: bool) -> Walk<'a> {
        let mut walk = Walk {
            disk,
            is_set,
            reached: BTreeSet::new(),
            places: Vec::new(),
            damaged: Vec::new(),
            accounts: BTreeMap::new(),
            storages: BTreeMap::new(),
            neighbours: BTreeMap::new(),
        };
        if let Some(page) = top.page() {
            assert!(!page.open, "the root page is marked as incomplete");
            walk.page(&page, &StatePath::account_trie(Path::ROOT));
        }
        walk
    }

    fn page(&mut self, page: &PageRef, at: &StatePath) {
        self.reached.insert(page.id);
        self.places.push((page.id, *at));
        let bytes = self.disk.pages.get(&page.id);
        let decoded = bytes.and_then(|bytes| Page::decode(bytes).ok());
        let verified =
            decoded.and_then(|mut decoded| decoded.verify(page, at, &mut Folds::new()).ok());
        match verified {
            Some(verified) => {
                let before = self.reached.len();
                self.entries(at.account, verified.entries());
                let has_pages = self.reached.len() > before;
                assert!(
                    page.inner || !has_pages,
                    "{page:?} at {at:?} has pages below it"
                );
            }
            None => self.damaged.push((page.id, *at)),
        }
    }

    fn entries(&mut self, account: Option<Hash>, entries: &[Entry]) {
        for entry in entries {
            match (&entry.item, account) {
                (Item::Account(leaf), None) => {
                    let hash = entry.path.key();
                    self.accounts.insert(hash, leaf.slim.to_vec());
                    match &leaf.storage {
                        Storage::Empty => {}
                        Storage::Outside if self.is_set => {}
                        Storage::Blinded | Storage::Outside => {
                            panic!("the storage of {hash} is missing")
                        }
                        Storage::Inline(slots) => self.entries(Some(hash), slots),
                        Storage::Page(page) => {
                            self.page(page, &StatePath::storage(hash, Path::ROOT))
                        }
                    }
                }
                (Item::Slot(value), Some(account)) => {
                    self.storages
                        .entry(account)
                        .or_default()
                        .insert(entry.path.key(), value.to_vec());
                }
                (Item::Page(page), _) => self.page(
                    page,
                    &StatePath {
                        account,
                        path: entry.path,
                    },
                ),
                (Item::Outside(_), _) if self.is_set => {}
                (Item::Neighbour(Neighbour::Account(slim)), None) if self.is_set => {
                    self.neighbours.insert(entry.path.key(), slim.to_vec());
                }
                (Item::Neighbour(Neighbour::Slot(_)), Some(_)) if self.is_set => {}
                (item, _) => panic!("{item:?} at {}", entry.path),
            }
        }
    }
}
