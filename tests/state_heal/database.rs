//! The stored data: pages, codes, and the content of the root record.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::rc::Rc;

use snaplight::hash::Hash;
use snaplight::state::page::{Folds, Page};
use snaplight::state::{
    DiffWalk, Entry, Item, Lookup, MarkWalk, PageId, PageRef, SlimAccount, StatePath, Step, Storage,
};
use snaplight::trie::path::Path;

use crate::chain::State;
use crate::state_world::Rng;
use crate::state_world::asking::ReadCache;

#[derive(Clone)]
pub(crate) struct Database {
    pub(crate) pages: BTreeMap<PageId, Vec<u8>>,
    pub(crate) codes: BTreeSet<Hash>,
    pub(crate) next_page: PageId,
    pub(crate) complete: Option<Complete>,
    pub(crate) building: Option<Building>,
    cache: ReadCache,
}

#[derive(Clone)]
pub(crate) struct Complete {
    pub(crate) state: Rc<State>,
    pub(crate) page: Option<PageRef>,
}

#[derive(Clone)]
pub(crate) struct Building {
    pub(crate) state: Rc<State>,
    pub(crate) page: Option<PageRef>,
    pub(crate) first_page: PageId,
    pub(crate) spine: Range<PageId>,
}

impl Database {
    pub(crate) fn new() -> Database {
        Database {
            pages: BTreeMap::new(),
            codes: BTreeSet::new(),
            next_page: PageId(1),
            complete: None,
            building: None,
            cache: ReadCache::default(),
        }
    }

    pub(crate) fn page(&self, id: PageId) -> Option<&[u8]> {
        self.pages.get(&id).map(Vec::as_slice)
    }

    fn roots(&self) -> Vec<PageRef> {
        let complete = self.complete.iter().filter_map(|complete| complete.page);
        let building = self.building.iter().filter_map(|building| building.page);
        complete.chain(building).collect()
    }

    /// Deletes the pages of the state before that the complete one does not share. Returns how many
    /// pages were read for it.
    pub(crate) fn delete_superseded(&mut self, old: Option<PageRef>) -> usize {
        let new = self.complete.as_ref().and_then(|complete| complete.page);
        let mut walk = DiffWalk::new(old, new);
        let mut read = 0;
        loop {
            let ids = walk.wanted(3);
            if ids.is_empty() {
                break;
            }
            for id in ids {
                assert!(
                    self.pages.contains_key(&id),
                    "the walk asks for a page that is not stored"
                );
                walk.feed(id, self.page(id));
                read += 1;
            }
        }
        for id in walk.finish().unwrap() {
            assert!(self.pages.remove(&id).is_some());
        }
        read
    }

    /// Deletes the pages that no root reaches. Returns how many.
    pub(crate) fn collect_garbage(&mut self) -> usize {
        let mut walk = MarkWalk::new(self.roots());
        loop {
            let ids = walk.wanted(3);
            if ids.is_empty() {
                break;
            }
            for id in ids {
                walk.feed(id, self.page(id));
            }
        }
        let orphans = walk
            .orphans(self.pages.keys().copied(), self.next_page)
            .unwrap();
        for id in &orphans {
            self.pages.remove(id);
        }
        orphans.len()
    }

    /// Checks that every page that a root reaches is there and is what its parent names, and that
    /// no page has two parents in one state. Returns the pages reached.
    pub(crate) fn check_reachable(&self) -> BTreeSet<PageId> {
        let mut reached = BTreeSet::new();
        for root in self.roots() {
            self.check_tree(root, &mut reached);
        }
        reached
    }

    pub(crate) fn check_tree(&self, root: PageRef, reached: &mut BTreeSet<PageId>) {
        let mut folds = Folds::new();
        let mut next = vec![(root, StatePath::account_trie(Path::ROOT))];
        let mut parents: BTreeMap<PageId, BTreeSet<PageId>> = BTreeMap::new();
        let mut done = BTreeSet::new();
        while let Some((page, at)) = next.pop() {
            reached.insert(page.id);
            if !done.insert((page.id, at)) {
                continue;
            }
            let bytes = self
                .page(page.id)
                .unwrap_or_else(|| panic!("page {page:?} is gone"));
            let mut decoded = Page::decode(bytes).unwrap();
            let verified = decoded.verify(&page, &at, &mut folds).unwrap();
            for entry in verified.entries() {
                named(entry, at.account, false, &mut |below, at, in_base| {
                    if !in_base {
                        parents.entry(below.id).or_default().insert(page.id);
                    }
                    next.push((below, at));
                });
            }
        }
        for (page, parents) in parents {
            assert!(
                parents.len() == 1,
                "page {page:?} has the parents {parents:?}"
            );
        }
    }

    /// The pages of the complete state, and the place of each.
    pub(crate) fn places(&self) -> BTreeMap<PageId, StatePath> {
        let mut places = BTreeMap::new();
        let root = self.complete.as_ref().and_then(|complete| complete.page);
        let at = StatePath::account_trie(Path::ROOT);
        let mut next: Vec<_> = root.map(|page| (page, at)).into_iter().collect();
        while let Some((page, at)) = next.pop() {
            places.insert(page.id, at);
            let mut decoded = Page::decode(&self.pages[&page.id]).unwrap();
            let verified = decoded.verify(&page, &at, &mut Folds::new()).unwrap();
            for entry in verified.entries() {
                named(entry, at.account, false, &mut |page, at, _| {
                    next.push((page, at))
                });
            }
        }
        places
    }

    /// Reads one in `share` of the complete state's accounts and slots.
    pub(crate) fn check_reads(&mut self, rng: &mut Rng, share: usize) {
        let Some(complete) = self.complete.clone() else {
            return;
        };
        let root = complete.page;
        for (key, slim) in &complete.state.accounts.leaves {
            if rng.below(share) > 0 {
                continue;
            }
            let account = SlimAccount::parse(slim).unwrap().account();
            match self.look_up(Lookup::account(root, *key)) {
                Step::Account(Some(found)) => assert_eq!(found.account, account),
                step => panic!("{key}: {step:?}"),
            }
            let storage = complete.state.storage.get(key);
            for (slot, rlp) in storage.iter().flat_map(|trie| &trie.leaves) {
                if rng.below(share) > 0 {
                    continue;
                }
                let value = alloy_rlp::decode_exact::<alloy_rlp::bytes::Bytes>(rlp).unwrap();
                let mut word = [0; 32];
                word[32 - value.len()..].copy_from_slice(&value);
                let step = self.look_up(Lookup::slot(root, *key, *slot));
                assert_eq!(step, Step::Slot(word));
            }
        }
        let absent = rng.hash();
        let step = self.look_up(Lookup::account(root, absent));
        assert_eq!(step, Step::Account(None));
    }

    fn look_up(&mut self, lookup: Lookup) -> Step {
        self.cache.look_up(&self.pages, lookup)
    }
}

/// Calls `call` with every page that an entry names, its place, and whether a base names it.
fn named(
    entry: &Entry,
    account: Option<Hash>,
    in_base: bool,
    call: &mut impl FnMut(PageRef, StatePath, bool),
) {
    let path = entry.path;
    match &entry.item {
        Item::Page(page) => call(*page, StatePath { account, path }, in_base),
        Item::Blinded { base, .. } => {
            for entry in base {
                named(entry, account, true, call);
            }
        }
        Item::Account(leaf) => match &leaf.storage {
            Storage::Page(page) => {
                call(*page, StatePath::storage(path.key(), Path::ROOT), in_base);
            }
            Storage::Inline(slots) => {
                for slot in slots {
                    named(slot, Some(path.key()), in_base, call);
                }
            }
            _ => {}
        },
        Item::Slot(_) | Item::Outside(_) | Item::Neighbour(_) => {}
    }
}
