//! Holds what a disk says against the true state, entry by entry, by walking every page from the root page down.

use std::collections::{BTreeMap, BTreeSet};

use snaplight::hash::Hash;
use snaplight::state::page::{Folds, Page};
use snaplight::state::{Entry, Item, PageId, PageRef, StatePath, Storage};
use snaplight::trie::Path;
use snaplight_peer::state::State;

use crate::disk::Disk;

type Storages = BTreeMap<Hash, BTreeMap<Hash, Vec<u8>>>;

/// The complete state of `disk` is `state`, nothing more, nothing less; and no page is left that it does not reach.
pub(crate) fn assert_complete(disk: &Disk, state: &State) {
    let record = disk.record();
    let complete = record.complete.expect("a complete state");
    assert_eq!(complete.root.0, state.root());
    assert!(record.building.is_none(), "an unfinished tree is left");
    let mut walk = Walk {
        disk,
        reached: BTreeSet::new(),
        accounts: BTreeMap::new(),
        storages: BTreeMap::new(),
    };
    if let Some(page) = complete.page {
        assert!(!page.open, "the root page says that something is missing");
        walk.page(&page, &StatePath::account_trie(Path::ROOT));
    }
    let accounts: BTreeMap<Hash, Vec<u8>> = state
        .accounts()
        .iter()
        .map(|(hash, body)| (Hash(*hash), body.to_vec()))
        .collect();
    assert_eq!(walk.accounts, accounts, "accounts differ");
    let slots = |(account, trie): (&[u8; 32], &snaplight_peer::trie::Trie)| {
        (
            Hash(*account),
            trie.iter()
                .map(|(slot, value)| (Hash(*slot), value.to_vec()))
                .collect(),
        )
    };
    let storages: Storages = state.storages().map(slots).collect();
    assert_eq!(walk.storages, storages, "storages differ");
    for (hash, code) in state.codes() {
        assert_eq!(
            disk.codes.get(&Hash(*hash)).map(Vec::as_slice),
            Some(code),
            "a code is missing or wrong"
        );
    }
    let stored: BTreeSet<PageId> = disk.pages.keys().copied().collect();
    assert_eq!(walk.reached, stored, "pages that no root reaches");
    let counts = (
        complete.counts.accounts,
        complete.counts.slots,
        complete.counts.codes,
    );
    assert_eq!(
        counts,
        (
            state.counts().accounts,
            state.counts().slots,
            state.counts().codes
        )
    );
}

struct Walk<'a> {
    disk: &'a Disk,
    reached: BTreeSet<PageId>,
    accounts: BTreeMap<Hash, Vec<u8>>,
    storages: Storages,
}

impl Walk<'_> {
    fn page(&mut self, page: &PageRef, at: &StatePath) {
        let bytes = self
            .disk
            .pages
            .get(&page.id)
            .expect("a page that is named exists");
        self.reached.insert(page.id);
        let mut decoded = Page::decode(bytes).expect("a page decodes");
        let verified = decoded
            .verify(page, at, &mut Folds::new())
            .expect("a page folds to the hash above it");
        self.entries(at.account, verified.entries());
    }

    fn entries(&mut self, account: Option<Hash>, entries: &[Entry]) {
        for entry in entries {
            match (&entry.item, account) {
                (Item::Account(leaf), None) => {
                    let hash = entry.path.key();
                    self.accounts.insert(hash, leaf.slim.to_vec());
                    match &leaf.storage {
                        Storage::Empty => {}
                        Storage::Blinded => panic!("the storage of {hash} is missing"),
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
                (item, _) => panic!("{item:?} at {}", entry.path),
            }
        }
    }
}
