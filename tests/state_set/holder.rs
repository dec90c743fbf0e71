//! A stand-in for the engine and its store, which holds a set.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::rc::Rc;

use snaplight::hash::Hash;
use snaplight::state::page::{Folds, Page};
use snaplight::state::{
    Code, Entry, HashedNode, Item, Lookup, Neighbour, NewPages, PageId, PageRef, ProofStep, Prover,
    Scope, StatePath, Step, Storage, Tree, Unfinished,
};
use snaplight::trie::fold::Fold;
use snaplight::trie::path::Path;

use crate::state_world::asking::{Part, ReadCache, missing_code};
use crate::state_world::{Rng, World};
use crate::truth::{Held, What, expected};

/// A complete state, or one that is being built, as the record names it.
#[derive(Clone)]
pub(crate) struct Named {
    pub(crate) world: Rc<World>,
    pub(crate) page: Option<PageRef>,
    pub(crate) scope: Scope,
    spine: Range<PageId>,
    first_page: PageId,
}

#[derive(Clone)]
struct Stored {
    pages: BTreeMap<PageId, Vec<u8>>,
    codes: BTreeSet<Hash>,
    next_page: PageId,
    complete: Option<Named>,
    building: Option<Named>,
}

pub(crate) struct Holder {
    pub(crate) rng: Rng,
    pub(crate) world: Rc<World>,
    pub(crate) scope: Scope,
    pub(crate) tree: Tree,
    /// Nodes and codes that were fetched.
    pub(crate) fetched: usize,
    /// Of a hundred pages to be read, so many are damaged.
    pub(crate) lost: usize,
    /// Pages that were read.
    pub(crate) read: usize,
    stored: Stored,
    out: NewPages,
    budget: usize,
    fold: Fold,
    codes: BTreeSet<Hash>,
    first_page: PageId,
    spine: Range<PageId>,
    cache: ReadCache,
}

impl Holder {
    pub(crate) fn new(rng: Rng, world: Rc<World>, scope: Scope, budget: usize) -> Holder {
        let mut holder = Holder {
            rng,
            tree: Tree::new(Hash::EMPTY_ROOT),
            world,
            scope,
            fetched: 0,
            lost: 0,
            read: 0,
            stored: Stored {
                pages: BTreeMap::new(),
                codes: BTreeSet::new(),
                next_page: PageId(1),
                complete: None,
                building: None,
            },
            out: NewPages::new(PageId(1)),
            budget,
            fold: Fold::new(),
            codes: BTreeSet::new(),
            first_page: PageId(1),
            spine: PageId(0)..PageId(0),
            cache: ReadCache::default(),
        };
        holder.open();
        holder
    }

    pub(crate) fn complete(&self) -> Option<&Named> {
        self.stored.complete.as_ref()
    }

    pub(crate) fn pages(&self) -> &BTreeMap<PageId, Vec<u8>> {
        &self.stored.pages
    }

    /// Starts from what is stored, towards today's state and scope, with nothing in memory.
    pub(crate) fn open(&mut self) {
        self.codes = self.stored.codes.clone();
        self.out = NewPages::new(self.stored.next_page);
        self.spine = PageId(0)..PageId(0);
        self.first_page = self.stored.next_page;
        let (root, today) = (self.world.accounts.root, self.scope.clone());
        let complete = self.stored.complete.clone();
        let Some(build) = self.stored.building.clone() else {
            let tree = match complete {
                None => Tree::new(root).with_scope(today),
                Some(complete) => Tree::over_complete(root, complete.page, &complete.scope, today),
            };
            return self.build_on(tree);
        };
        self.first_page = build.first_page;
        let scope = complete.map(|complete| complete.scope);
        let tree = match build.page {
            None => Tree::new(build.world.accounts.root).with_scope(build.scope),
            Some(page) => {
                self.spine = build.spine.clone();
                let bytes = &self.stored.pages[&page.id];
                let root = build.world.accounts.root;
                let tree = Tree::resume(root, &page, build.spine, bytes).unwrap();
                tree.built_for(build.scope, scope.as_ref())
            }
        };
        self.build_on(tree);
        let early = self.rng.chance(50);
        if early {
            self.tree.rescope(self.scope.clone(), &self.codes);
        }
        loop {
            let ids = self.tree.pages_to_inline();
            if ids.is_empty() {
                break;
            }
            ids.into_iter().for_each(|id| self.inline_page(id));
        }
        if !early {
            self.tree.rescope(self.scope.clone(), &self.codes);
        }
        self.retarget(self.world.clone());
    }

    fn build_on(&mut self, tree: Tree) {
        self.tree = tree
            .with_budget(self.budget)
            .with_first_page(self.first_page);
    }

    pub(crate) fn retarget(&mut self, world: Rc<World>) {
        let tree = std::mem::replace(&mut self.tree, Tree::new(Hash::EMPTY_ROOT));
        self.tree = tree.retarget(world.accounts.root);
        self.world = world;
        self.check();
    }

    pub(crate) fn rescope(&mut self, scope: Scope) {
        self.scope = scope;
        self.tree.rescope(self.scope.clone(), &self.codes);
        self.check();
    }

    fn inline_page(&mut self, id: PageId) {
        if self.rng.below(100) < self.lost {
            assert!(self.tree.drop_base_page(id));
            return;
        }
        let bytes = self.out.get(id);
        let bytes = bytes.or_else(|| self.stored.pages.get(&id).map(Vec::as_slice));
        self.tree.inline_page(id, bytes.unwrap()).unwrap();
        self.read += 1;
    }

    /// Reads the pages of all bases, as a planner does that wants to know how deep they are.
    pub(crate) fn read_bases(&mut self) {
        loop {
            let mut ids = Vec::new();
            pages_of_bases(self.tree.entries(), false, &mut ids);
            let Some(id) = ids.first() else {
                break;
            };
            self.inline_page(*id);
        }
    }

    /// The places of nodes that are missing.
    pub(crate) fn missing(&self) -> Vec<StatePath> {
        let blinded = self.tree.blinded().into_iter().map(|(at, _)| at);
        let whole = self.tree.incomplete_accounts();
        let whole = whole.filter(|found| found.storage.is_some() && !found.partial);
        blinded
            .chain(whole.map(|found| StatePath::storage(found.account, Path::ROOT)))
            .collect()
    }

    /// Fetches one node that is missing, unless it turns out to be held.
    pub(crate) fn node(&mut self, careful: bool) {
        let missing = self.missing();
        if missing.is_empty() {
            return;
        }
        let at = missing[self.rng.below(missing.len())];
        assert!(self.scope.touches(&at), "{at} is not wanted");
        while careful && let Some(id) = self.tree.base_page_needed(&at) {
            self.inline_page(id);
        }
        if !self.missing().contains(&at) {
            return;
        }
        let blob = self.world.trie(&at).node(&at.path).unwrap();
        let node = HashedNode::new(&blob);
        self.tree.reveal(&at, &node, &self.codes).unwrap();
        self.fetched += 1;
        self.check();
    }

    /// Fetches a range of a storage that is wholly wanted.
    pub(crate) fn storage(&mut self) {
        let Some((account, part)) = Part::of_storage(&mut self.rng, &self.tree) else {
            return;
        };
        let Part { origin, limit, max } = part;
        let world = self.world.clone();
        let trie = &world.storage[&account];
        let answer = trie.serve(&origin, &limit, max);
        let range = answer.slots(&mut self.fold, &trie.root, &origin);
        let joined = self.tree.join_storage(&account, &range, &mut self.out);
        let slots = joined.unwrap().slots;
        let root = StatePath::storage(account, Path::ROOT);
        assert!(slots == 0 || self.scope.includes(&root));
        self.fetched += usize::from(slots > 0);
        self.check();
    }

    pub(crate) fn code(&mut self) {
        let missing = missing_code(&mut self.rng, &self.tree);
        // What a page of a base says of codes may be older than the codes held.
        if let Some(code) = missing {
            self.fetched += usize::from(self.codes.insert(code));
        }
    }

    /// One transaction of the store.
    pub(crate) fn batch(&mut self, unfinished: Unfinished) -> Option<PageRef> {
        self.tree.cut_complete(&self.codes, &mut self.out).unwrap();
        let start = self.out.next_id();
        let before = self.tree.entries().to_vec();
        let page = self.tree.snapshot(unfinished, &mut self.out).unwrap();
        assert_eq!(before, self.tree.entries());
        let freed = self.out.forget(self.tree.take_freed());
        let stored = &mut self.stored;
        for (id, bytes) in self.out.take() {
            assert!(bytes.len() <= self.budget + 200, "{} bytes", bytes.len());
            assert!(stored.pages.insert(id, bytes).is_none());
        }
        stored.pages.retain(|id, _| !self.spine.contains(id));
        for id in freed {
            assert!(stored.pages.remove(&id).is_some(), "{id:?} is freed twice");
        }
        self.spine = start..self.out.next_id();
        stored.next_page = self.out.next_id();
        stored.codes = self.codes.clone();
        stored.building = Some(Named {
            world: self.world.clone(),
            page,
            scope: self.scope.clone(),
            spine: self.spine.clone(),
            first_page: self.first_page,
        });
        page
    }

    /// Writes the last batch: the build becomes the complete state.
    pub(crate) fn switch(&mut self) {
        assert!(self.tree.is_complete());
        let counts = self.tree.held();
        let page = self.batch(Unfinished::Write);
        assert!(page.is_none_or(|page| !page.open));
        self.stored.complete = self.stored.building.take();
        let held = self.held();
        assert_eq!(held, expected(&self.world, &self.scope));
        let count = |is: fn(&What) -> bool| held.values().filter(|what| is(what)).count() as u64;
        assert_eq!(
            counts.accounts,
            count(|what| matches!(what, What::Account(..)))
        );
        assert_eq!(counts.slots, count(|what| matches!(what, What::Slot(..))));
        self.open();
        assert!(self.tree.is_complete() && self.missing().is_empty());
    }

    /// Fetches and reads all that is missing. Nothing is fetched that could have been read.
    pub(crate) fn finish(&mut self) {
        let mut steps = 0;
        while !self.tree.is_complete() {
            self.node(true);
            // A range of a storage that has a base is fetched without a look into the base.
            if self.rng.chance(30) && self.tree.incomplete_accounts().all(|found| !found.based) {
                self.storage();
            }
            self.code();
            self.tree.cut_complete(&self.codes, &mut self.out).unwrap();
            steps += 1;
            assert!(steps < 50_000, "not complete: {:?}", self.tree.entries());
        }
        self.switch();
    }

    fn check(&self) {
        let touched = self.missing().into_iter();
        for at in touched {
            assert!(self.scope.touches(&at), "{at} is not wanted");
        }
    }

    /// All that the complete state holds.
    fn held(&self) -> Held {
        let mut held = Held::new();
        let complete = self.stored.complete.as_ref().unwrap();
        if let Some(page) = complete.page {
            let top = StatePath::account_trie(Path::ROOT);
            self.list_page(page, top, &mut held);
        }
        held
    }

    fn list_page(&self, page: PageRef, at: StatePath, held: &mut Held) {
        let mut decoded = Page::decode(&self.stored.pages[&page.id]).unwrap();
        let verified = decoded.verify(&page, &at, &mut Folds::new()).unwrap();
        self.list(verified.entries(), at.account, held);
    }

    fn list(&self, entries: &[Entry], account: Option<Hash>, held: &mut Held) {
        for Entry { path, item } in entries {
            let at = StatePath {
                account,
                path: *path,
            };
            let what = match item {
                Item::Page(page) => {
                    self.list_page(*page, at, held);
                    continue;
                }
                Item::Account(leaf) => {
                    let root = StatePath::storage(path.key(), Path::ROOT);
                    match &leaf.storage {
                        Storage::Inline(slots) => self.list(slots, Some(path.key()), held),
                        Storage::Page(page) => self.list_page(*page, root, held),
                        Storage::Blinded => panic!("a storage is missing"),
                        Storage::Empty | Storage::Outside => {}
                    }
                    assert_ne!(leaf.code, Code::Missing);
                    let is_known = leaf.storage != Storage::Outside;
                    What::Account(leaf.slim.to_vec(), leaf.code == Code::Held, is_known)
                }
                Item::Slot(value) => What::Slot(value.to_vec()),
                Item::Outside(hash) => What::Outside(*hash),
                Item::Neighbour(Neighbour::Account(value) | Neighbour::Slot(value)) => {
                    What::Neighbour(value.to_vec())
                }
                Item::Blinded { .. } => What::Missing,
            };
            assert!(held.insert(at, what).is_none(), "{at} twice");
        }
    }

    pub(crate) fn look_up(&mut self, lookup: Lookup) -> Step {
        self.cache.look_up(&self.stored.pages, lookup)
    }

    /// The proof from the complete state, and how many pages were read for it.
    pub(crate) fn prove(&self, account: Hash, slots: Vec<Hash>) -> (Prover, usize) {
        let page = self.complete().and_then(|complete| complete.page);
        let mut prover = Prover::new(page, account, slots);
        let mut read = 0;
        while let ProofStep::Need(wanted) = prover.step() {
            let mut page = Page::decode(&self.stored.pages[&wanted.page.id]).unwrap();
            let page = page.verify(&wanted.page, &wanted.at, &mut Folds::new());
            prover.feed_verified(&page.unwrap());
            read += 1;
        }
        (prover, read)
    }
}

fn pages_of_bases(list: &[Entry], in_base: bool, ids: &mut Vec<PageId>) {
    for entry in list {
        match &entry.item {
            Item::Page(page) if in_base => ids.push(page.id),
            Item::Blinded { base, .. } => pages_of_bases(base, true, ids),
            Item::Account(leaf) => match &leaf.storage {
                Storage::Page(page) if in_base => ids.push(page.id),
                Storage::Inline(slots) => pages_of_bases(slots, in_base, ids),
                _ => {}
            },
            _ => {}
        }
    }
}
