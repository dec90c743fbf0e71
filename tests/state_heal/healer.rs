//! A stand-in for the engine. It asks for what is missing in any order, joins the answers, and
//! commits at any moment.

use std::collections::BTreeSet;
use std::ops::Range;
use std::rc::Rc;

use snaplight::hash::Hash;
use snaplight::state::{
    HashedNode, NewPages, PageId, PageRef, RevealFault, Scope, StatePath, Tree, Unfinished,
};
use snaplight::trie::fold::Fold;
use snaplight::trie::node::{Node, decode};

use crate::chain::State;
use crate::database::{Building, Complete, Database};
use crate::state_world::asking::{Part, blinded_node, missing_code};
use crate::state_world::{Answer, Rng};

/// What a heal has received.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Received {
    pub(crate) nodes: usize,
    /// Bytes of these nodes.
    pub(crate) bytes: usize,
    /// Nodes that the complete state has at the same place.
    pub(crate) needless: usize,
    /// How many of them were leaves.
    pub(crate) leaves: usize,
}

pub(crate) struct Healer {
    pub(crate) rng: Rng,
    pub(crate) db: Database,
    pub(crate) tree: Tree,
    pub(crate) target: Rc<State>,
    pub(crate) received: Received,
    out: NewPages,
    budget: usize,
    fold: Fold,
    codes: BTreeSet<Hash>,
    first_page: PageId,
    spine: Range<PageId>,
    /// Whether base pages are read before anything above them is asked for.
    pub(crate) careful: bool,
    /// Pages read.
    pub(crate) pages_read: usize,
    /// A page that the database has lost, and how often it was asked for.
    pub(crate) missing: Option<PageId>,
    pub(crate) dropped: usize,
}

impl Healer {
    pub(crate) fn new(rng: Rng, db: Database, target: Rc<State>, budget: usize) -> Healer {
        let mut healer = Healer {
            rng,
            db,
            tree: Tree::new(Hash::EMPTY_ROOT),
            target,
            received: Received::default(),
            out: NewPages::new(PageId(0)),
            budget,
            fold: Fold::new(),
            codes: BTreeSet::new(),
            first_page: PageId(0),
            spine: PageId(0)..PageId(0),
            careful: true,
            pages_read: 0,
            missing: None,
            dropped: 0,
        };
        healer.open(healer.target.clone());
        healer
    }

    /// Starts a heal to a state from what the database has, with nothing in memory.
    pub(crate) fn open(&mut self, target: Rc<State>) {
        self.codes = self.db.codes.clone();
        self.out = NewPages::new(self.db.next_page);
        self.spine = PageId(0)..PageId(0);
        let building = self.db.building.clone();
        self.first_page = building
            .as_ref()
            .map_or(self.db.next_page, |building| building.first_page);
        let tree = match (building, &self.db.complete) {
            (
                Some(Building {
                    state,
                    page: Some(page),
                    spine,
                    ..
                }),
                _,
            ) => {
                let bytes = self.db.page(page.id).unwrap();
                self.spine = spine.clone();
                Tree::resume(state.root(), &page, spine, bytes).unwrap()
            }
            (_, Some(complete)) => Tree::over_complete(
                target.root(),
                complete.page,
                &Scope::everything(),
                Scope::everything(),
            ),
            _ => Tree::new(target.root()),
        };
        self.build_on(tree);
        if self.rng.chance(50) {
            self.retarget(target.clone());
        }
        loop {
            let ids = self.tree.pages_to_inline();
            if ids.is_empty() {
                break;
            }
            for id in ids {
                self.inline_page(id);
            }
        }
        self.retarget(target);
    }

    pub(crate) fn build_on(&mut self, tree: Tree) {
        self.tree = tree
            .with_budget(self.budget)
            .with_first_page(self.first_page);
    }

    pub(crate) fn retarget(&mut self, target: Rc<State>) {
        let tree = std::mem::replace(&mut self.tree, Tree::new(Hash::EMPTY_ROOT));
        self.tree = tree.retarget(target.root());
        self.target = target;
    }

    pub(crate) fn inline_page(&mut self, id: PageId) {
        if self.missing == Some(id) {
            assert!(self.tree.drop_base_page(id));
            self.dropped += 1;
            return;
        }
        let bytes = self.out.get(id).or_else(|| self.db.page(id));
        let bytes = bytes.unwrap_or_else(|| panic!("base page {id:?} is not stored"));
        self.tree.inline_page(id, bytes).unwrap();
        self.pages_read += 1;
    }

    /// Reads the pages that have to be read before an entry is asked for.
    fn read_base(&mut self, at: &StatePath) {
        while let Some(id) = self.tree.base_page_needed(at) {
            self.inline_page(id);
        }
    }

    pub(crate) fn accounts(&mut self) {
        let Part { origin, limit, max } = Part::of_accounts(&mut self.rng, &self.tree);
        let answer = self.target.accounts.serve(&origin, &limit, max);
        self.join_accounts(&origin, &answer, self.target.clone());
    }

    pub(crate) fn join_accounts(&mut self, origin: &Hash, answer: &Answer, of: Rc<State>) {
        let last = answer.leaves.last().map_or(Hash::MAX, |(key, _)| *key);
        while self.careful {
            let ids = self.tree.base_pages_within(origin, &last, 4);
            if ids.is_empty() {
                break;
            }
            for id in ids {
                self.inline_page(id);
            }
        }
        let range = answer.accounts(&mut self.fold, &of.accounts.root, origin);
        let joined = self
            .tree
            .join_accounts(&range, &self.codes, &mut self.out)
            .unwrap();
        if of.root() == self.target.root() {
            let partial = self
                .tree
                .incomplete_accounts()
                .filter(|found| found.partial);
            let partial = partial.filter_map(|found| Some((found.account, found.storage?)));
            for (account, root) in joined.storage.into_iter().chain(partial) {
                assert_eq!(self.target.storage[&account].root, root);
            }
        }
    }

    pub(crate) fn storage(&mut self) {
        let Some((account, part)) = Part::of_storage(&mut self.rng, &self.tree) else {
            return;
        };
        let Part { origin, limit, max } = part;
        let state = self.target.clone();
        let answer = state.storage[&account].serve(&origin, &limit, max);
        self.join_storage(&account, &origin, &answer, &state);
    }

    pub(crate) fn join_storage(
        &mut self,
        account: &Hash,
        origin: &Hash,
        answer: &Answer,
        of: &State,
    ) {
        let range = answer.slots(&mut self.fold, &of.storage[account].root, origin);
        self.tree
            .join_storage(account, &range, &mut self.out)
            .unwrap();
    }

    pub(crate) fn code(&mut self) {
        let missing = missing_code(&mut self.rng, &self.tree);
        self.codes.extend(missing);
    }

    /// Reveals one node, in the form in which a peer answers `GetTrieNodes`.
    pub(crate) fn node(&mut self) {
        if let Some(at) = blinded_node(&mut self.rng, &self.tree) {
            self.node_at(at);
        }
    }

    pub(crate) fn node_at(&mut self, at: StatePath) {
        if self.careful {
            self.read_base(&at);
        }
        if !self.tree.blinded().iter().any(|(path, _)| *path == at) {
            // The node was held, or the storage has changed since the list was made.
            return;
        }
        let blob = self.target.trie(&at).unwrap().node(&at.path).unwrap();
        let old = self
            .db
            .complete
            .as_ref()
            .and_then(|complete| complete.state.trie(&at));
        let needless = old
            .and_then(|old| old.node(&at.path))
            .is_some_and(|old| old == blob);
        let mut wrong = blob.clone();
        wrong[0] ^= 1;
        let refused = self.tree.reveal(&at, &HashedNode::new(&wrong), &self.codes);
        assert_eq!(refused, Err(RevealFault::Hash));
        self.tree
            .reveal(&at, &HashedNode::new(&blob), &self.codes)
            .unwrap();
        self.received.nodes += 1;
        self.received.bytes += blob.len();
        let is_leaf = matches!(decode(&blob), Ok(Node::Leaf { .. }));
        self.received.leaves += usize::from(is_leaf);
        self.received.needless += usize::from(needless);
    }

    /// One transaction of the store. When nothing is missing, the complete state changes.
    pub(crate) fn batch(&mut self, unfinished: Unfinished) -> Option<PageRef> {
        self.tree.cut_complete(&self.codes, &mut self.out).unwrap();
        let start = self.out.next_id();
        let before = self.tree.entries().to_vec();
        let page = self.tree.snapshot(unfinished, &mut self.out).unwrap();
        assert_eq!(before, self.tree.entries());
        let freed = self.out.forget(self.tree.take_freed());
        for (id, bytes) in self.out.take() {
            let length = bytes.len();
            assert!(length <= self.budget + 200, "a page of {length} bytes");
            assert!(self.db.pages.insert(id, bytes).is_none());
        }
        self.db.pages.retain(|id, _| !self.spine.contains(id));
        for id in freed {
            assert!(id >= self.first_page);
            assert!(
                self.db.pages.remove(&id).is_some(),
                "{id:?} was freed twice"
            );
        }
        self.spine = start..self.out.next_id();
        self.db.next_page = self.out.next_id();
        self.db.codes = self.codes.clone();
        self.db.building = Some(Building {
            state: self.target.clone(),
            page,
            first_page: self.first_page,
            spine: self.spine.clone(),
        });
        page
    }

    /// Writes the last batch: the built state becomes the complete one. Returns the root page of
    /// the state before.
    pub(crate) fn switch(&mut self) -> Option<PageRef> {
        assert!(self.tree.is_complete());
        let page = self.batch(Unfinished::Write);
        assert!(page.is_none_or(|page| !page.open));
        let state = self.target.clone();
        let old = self.db.complete.replace(Complete { state, page });
        self.db.building = None;
        old.and_then(|old| old.page)
    }

    pub(crate) fn check_bytes(&self) {
        assert_eq!(self.tree.resident_bytes(), bytes_of(self.tree.entries()));
    }

    /// Heals by nodes alone, from the root down, and by whole storages where nothing is held.
    pub(crate) fn heal_by_nodes(&mut self) {
        loop {
            let blinded = self.tree.blinded();
            for (at, _) in &blinded {
                self.node_at(*at);
            }
            while self.tree.incomplete_accounts().any(|a| a.code.is_some()) {
                self.code();
                self.tree.cut_complete(&self.codes, &mut self.out).unwrap();
            }
            let whole: Vec<Hash> = self
                .tree
                .incomplete_accounts()
                .filter(|a| a.storage.is_some() && !a.partial)
                .map(|a| a.account)
                .collect();
            let state = self.target.clone();
            for account in &whole {
                let answer = state.storage[account].serve(&Hash::ZERO, &Hash::MAX, usize::MAX);
                self.join_storage(account, &Hash::ZERO, &answer, &state);
            }
            if blinded.is_empty() && whole.is_empty() {
                break;
            }
        }
    }

    /// Heals to the end by ranges and nodes in random order.
    pub(crate) fn finish(&mut self) {
        let mut steps = 0;
        while !self.tree.is_complete() {
            // Everything that is blinded or missing can be asked for.
            match self.rng.below(3) {
                0 => self.accounts(),
                _ => self.node(),
            }
            self.storage();
            self.code();
            self.tree.cut_complete(&self.codes, &mut self.out).unwrap();
            steps += 1;
            assert!(steps < 20_000, "not complete: {:?}", self.tree.entries());
        }
    }
}

fn bytes_of(entries: &[snaplight::state::Entry]) -> usize {
    use snaplight::state::{Item, Neighbour, Storage};
    let number = |mut n: u64| {
        let mut bytes = 1;
        while n > 0x7f {
            n >>= 7;
            bytes += 1;
        }
        bytes
    };
    let list = |list: &[_]| number(list.len() as u64) + bytes_of(list);
    let numbers = |page: &PageRef| number(page.id.0) + number(page.leaves) + number(page.slots);
    let size = |entry: &snaplight::state::Entry| {
        let path = 2 + usize::from(entry.path.len().div_ceil(2));
        match &entry.item {
            Item::Account(leaf) => {
                33 + leaf.slim.len()
                    + match &leaf.storage {
                        Storage::Empty | Storage::Blinded | Storage::Outside => 0,
                        Storage::Inline(slots) => list(slots),
                        Storage::Page(page) => 1 + numbers(page),
                    }
            }
            Item::Slot(value) => 33 + value.len(),
            Item::Blinded { base, .. } if base.is_empty() => path + 32,
            Item::Blinded { base, .. } => path + 32 + list(base),
            Item::Page(page) => path + 33 + numbers(page),
            Item::Outside(_) => path + 32,
            Item::Neighbour(Neighbour::Account(value) | Neighbour::Slot(value)) => 33 + value.len(),
        }
    };
    entries.iter().map(size).sum()
}
