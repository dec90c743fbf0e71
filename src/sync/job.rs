//! One sync towards one root: the tree being built and the queues of what it lacks.
//!
//! The queues are an index over the tree, not a second truth: [`Job::new`] fills them from whatever the tree holds,
//! and a crash has nothing else to remember.

use std::ops::Range;

use super::cursor::Cursor;
use super::eta::{self, Eta};
use super::headers::Pivot;
use super::heal::{Healing, NODES_PER_REQUEST};
use super::pace::Pace;
use super::round_trips::RoundTrips;
use super::want::{RequestKind, Want};
use super::{Counters, KEY_SPACE_CELLS, Millis};
use crate::flat_map::{ChunkedMap, ChunkedSet, FlatMap, FlatSet};
use crate::hash::Hash;
use crate::state::{
    CodesHeld, Counts, Entry, Incomplete, Item, Joined, NewPages, PageId, PageRef, StatePath,
    StorageJoined, Tree, TreeError, Unfinished,
};

mod memory;

/// Account ranges that are walked side by side, as in go-ethereum.
pub(super) const ACCOUNT_CURSORS: usize = 16;
/// Most chunks of one large storage, as in go-ethereum.
pub(super) const STORAGE_CHUNKS: u64 = 16;
/// Hashes in one request for bytecodes: half a megabyte of average contracts, as in go-ethereum.
const CODES_PER_REQUEST: usize = 84;

/// A sync under way.
pub(crate) struct Job {
    pub(crate) pivot: Pivot,
    pub(crate) tree: Tree,
    /// Pages cut and not yet in a batch.
    pub(crate) pages: NewPages,
    pub(crate) counters: Counters,
    /// Accounts and slots held of the target's state.
    held: Counts,
    /// The first page id of this build: older ones belong to the complete state.
    pub(crate) first_page: PageId,
    /// Codes verified and not yet in a batch. Bound: part of `Job::pending_bytes`.
    new_codes: Vec<(Hash, Vec<u8>)>,
    new_code_bytes: usize,
    /// What stayed in memory when it was last looked through, in bytes.
    settled_bytes: usize,
    /// Whether anything has come from a peer since it was last looked through. What was only read of a base is there to be asked
    /// about: to move it out before would be to read it again, for ever.
    is_fed: bool,
    /// Whether anything was joined since the last batch.
    dirty: bool,
    pub(super) cursors: Vec<Cursor>,
    /// Whole storages to ask for: account hash to storage root. Bound: the accounts waiting in the tree.
    pub(super) storages: ChunkedMap<Hash, Hash>,
    /// Storages too large for one answer. Bound: the accounts waiting in the tree.
    pub(super) large: FlatMap<Hash, Large>,
    /// Codes to ask for. Bound: the accounts waiting in the tree.
    pub(super) codes: ChunkedSet<Hash>,
    /// Codes asked for.
    codes_asked: ChunkedSet<Hash>,
    /// Nodes asked for. Bound: requests in flight times the paths in one.
    pub(super) nodes_asked: FlatSet<StatePath>,
    /// Whole storages asked for. Bound: requests in flight times the accounts in one.
    pub(super) storages_asked: ChunkedSet<Hash>,
    /// How often the target moved: what was asked before a move goes back to no queue.
    pub(crate) round: u32,
    /// While there is a base, what is missing is planned and not walked over.
    pub(super) healing: Option<Healing>,
    pub(crate) pace: Pace,
    pub(crate) round_trips: RoundTrips,
    eta: Eta,
    /// Whether it heals damage.
    pub(crate) is_repair: bool,
}

/// What a batch is made of.
#[derive(Debug)]
pub(crate) struct Built {
    pub(crate) pages: Vec<(PageId, Vec<u8>)>,
    pub(crate) codes: Vec<(Hash, Vec<u8>)>,
    /// Pages that nothing refers to any more.
    pub(crate) freed: Vec<PageId>,
    /// The page of the account trie's root; `None` for the empty trie.
    pub(crate) root_page: Option<PageRef>,
    /// The upper pages, which the next batch replaces.
    pub(crate) spine: Range<PageId>,
}

/// A storage fetched in chunks.
#[derive(Debug)]
pub(super) struct Large {
    pub(super) storage_root: Hash,
    pub(super) chunks: Vec<Cursor>,
}

impl Job {
    /// Starts from whatever `tree` holds; new pages get ids from `next_page` on.
    pub(crate) fn new(pivot: Pivot, tree: Tree, first_page: PageId, next_page: PageId) -> Job {
        let mut job = Job {
            pivot,
            cursors: Vec::new(),
            pages: NewPages::new(next_page),
            counters: Counters::default(),
            held: Counts::default(),
            first_page,
            new_codes: Vec::new(),
            new_code_bytes: 0,
            settled_bytes: 0,
            is_fed: false,
            dirty: false,
            storages: ChunkedMap::default(),
            large: FlatMap::default(),
            codes: ChunkedSet::default(),
            codes_asked: ChunkedSet::default(),
            nodes_asked: FlatSet::default(),
            storages_asked: ChunkedSet::default(),
            round: 0,
            healing: None,
            pace: Pace::default(),
            round_trips: RoundTrips::after(0),
            eta: Eta::default(),
            is_repair: false,
            tree,
        };
        job.queue();
        job
    }

    /// Cuts pages to so many bytes.
    pub(crate) fn cutting_to(self, page_bytes: usize) -> Job {
        Job {
            tree: self.tree.with_budget(page_bytes),
            ..self
        }
    }

    /// Turns towards another root; everything held becomes the base of the new tree.
    pub(crate) fn retarget(&mut self, now: Millis, pivot: Pivot) {
        if self.pivot.root != pivot.root {
            let known = self.key_space().map(u64::from).iter().sum();
            let healed = self.counters.nodes + self.counters.accounts + self.counters.slots;
            self.pace.moved(now, known, healed);
            let tree = std::mem::replace(&mut self.tree, Tree::new(Hash::EMPTY_ROOT));
            self.tree = tree.retarget(pivot.root);
            self.round += 1;
            self.round_trips = RoundTrips::after(self.counters.round_trips);
            self.counters.moves += 1;
            self.dirty = true;
            self.queue();
        }
        self.pivot = pivot;
    }

    /// Fills the queues from what the tree holds. What is in flight belongs to the round before.
    fn queue(&mut self) {
        let is_based = self.tree.entries().iter().any(Entry::has_base);
        let has_ranges = self.tree.blinded().next().is_some();
        self.healing = is_based.then(Healing::new);
        self.held = self.tree.held();
        self.cursors = match is_based || !has_ranges {
            true => Vec::new(),
            false => Cursor::slices(Hash::ZERO, ACCOUNT_CURSORS),
        };
        for cursor in &mut self.cursors {
            let span = self.tree.blinded_span(&cursor.first, &cursor.last);
            cursor.next = span.map(|(origin, _)| origin);
        }
        self.storages.clear();
        self.large.clear();
        self.codes.clear();
        self.codes_asked.clear();
        self.nodes_asked.clear();
        self.storages_asked.clear();
        let incomplete: Vec<Incomplete> = self.tree.incomplete_accounts().collect();
        for account in incomplete {
            match account.storage {
                // The plan's.
                Some(_) if account.based => {}
                Some(root) if account.partial => {
                    self.enlarge(account.account, root, Hash::ZERO, STORAGE_CHUNKS)
                }
                root => self
                    .storages
                    .extend(root.map(|root| (account.account, root))),
            }
            self.codes.insert_all(account.code);
        }
    }

    /// Accounts and slots held of the target's state.
    pub(crate) fn held(&self) -> Counts {
        match self.healing {
            // What is adopted is not counted one by one.
            Some(_) => self.tree.held(),
            None => self.held,
        }
    }

    /// Whether nothing is left to ask for.
    pub(crate) fn is_exhausted(&self) -> bool {
        !self.is_reading()
            && !self.awaits_ranges()
            && !RequestKind::ALL.into_iter().any(|kind| self.lacks(kind))
    }

    /// Bytes of pages and codes that the next batch will carry at least.
    pub(crate) fn pending_bytes(&self) -> usize {
        self.pages.bytes() + self.new_code_bytes
    }

    /// Whether a batch would carry anything new.
    pub(crate) fn is_dirty(&self) -> bool {
        self.dirty
    }

    /// Bytes that have come to wait in memory since it was last looked through, if anything came from a peer.
    pub(crate) fn grown_since_settled(&self) -> usize {
        match self.is_fed {
            true => self
                .tree
                .resident_bytes()
                .saturating_sub(self.settled_bytes),
            false => 0,
        }
    }

    /// Moves what has become complete out of memory, into pages.
    pub(crate) fn settle(&mut self, held: &dyn CodesHeld) -> Result<(), TreeError> {
        self.tree.cut_complete(held, &mut self.pages)?;
        self.settled_bytes = self.tree.resident_bytes();
        self.is_fed = false;
        Ok(())
    }

    /// Cuts what is complete, writes the upper pages, and empties the queues towards the store.
    pub(crate) fn build(
        &mut self,
        held: &dyn CodesHeld,
        unfinished: Unfinished,
    ) -> Result<Built, TreeError> {
        self.settle(held)?;
        let start = self.pages.next_id();
        let root_page = match self.tree.entries() {
            // Nothing of it was touched: it needs no new page above.
            [
                Entry {
                    path,
                    item: Item::Page(page),
                },
            ] if path.is_empty() && self.pages.get(page.id).is_none() => Some(*page),
            _ => self.tree.snapshot(unfinished, &mut self.pages)?,
        };
        let end = self.pages.next_id();
        self.dirty = false;
        self.new_code_bytes = 0;
        // What came and went between two batches is not written at all.
        let freed = self.pages.forget(self.tree.take_freed());
        let pages = self.pages.take();
        Ok(Built {
            pages,
            codes: std::mem::take(&mut self.new_codes),
            freed,
            root_page,
            spine: start..end,
        })
    }

    /// Enters what accounts lack that came from a peer.
    pub(crate) fn enqueue(&mut self, joined: &Joined) {
        if let Some(healing) = &mut self.healing {
            healing.received.leaves += joined.accounts;
        }
        self.enter(joined);
        self.touch();
    }

    /// Enters what new accounts lack.
    pub(super) fn enter(&mut self, joined: &Joined) {
        self.counters.accounts += joined.accounts;
        self.counters.slots += joined.slots;
        self.counters.reused += joined.reused;
        self.held.accounts += joined.accounts;
        self.held.slots += joined.slots;
        self.storages.extend(joined.storage.iter().copied());
        let asked = &self.codes_asked;
        let new = joined.codes.iter().filter(|hash| !asked.contains(hash));
        self.codes.insert_all(new.copied());
    }

    /// Enters what accounts lack that came node by node.
    pub(crate) fn enqueue_revealed(&mut self, joined: &Joined) {
        if let Some(healing) = &mut self.healing {
            healing.received.revealed += joined.accounts;
        }
        self.enqueue(joined);
    }

    /// Enters what a late answer brought. Part of it may only have become a base, which lacks nothing and does not count as
    /// received; so what is lacking is read off the tree.
    pub(crate) fn enqueue_stale(&mut self, joined: &Joined) {
        self.enter(&Joined {
            storage: Vec::new(),
            codes: Vec::new(),
            ..joined.clone()
        });
        self.touch();
        let incomplete: Vec<Incomplete> = self.tree.incomplete_accounts().collect();
        for account in incomplete {
            let is_known = self.storages.contains(&account.account)
                || self.storages_asked.contains(&account.account)
                || self.large.contains(&account.account);
            if !is_known && !account.partial {
                let root = account.storage.map(|root| (account.account, root));
                self.storages.extend(root);
            }
            let asked = &self.codes_asked;
            let code = account.code.filter(|hash| !asked.contains(hash));
            self.codes.insert_all(code);
        }
    }

    /// Counts what a storage answer brought.
    pub(crate) fn slots_joined(&mut self, joined: StorageJoined) {
        self.counters.slots += joined.slots;
        self.counters.reused += joined.reused;
        self.held.slots += joined.slots;
        self.touch();
    }

    /// Takes the next piece of work of this kind out of the queues, sized for about `bytes` bytes.
    pub(crate) fn take(&mut self, kind: RequestKind, bytes: u64) -> Option<Want> {
        match kind {
            RequestKind::Accounts => match &mut self.healing {
                Some(healing) => healing.take_span(),
                None => self.take_accounts(),
            },
            RequestKind::Storage => self.take_chunk().or_else(|| self.take_storages(bytes)),
            RequestKind::Codes => self.take_codes(),
            RequestKind::Nodes => match &mut self.healing {
                Some(healing) => healing.take_nodes(&mut self.nodes_asked),
                None => self.take_nodes(),
            },
            RequestKind::Headers => None,
        }
    }

    /// Returns work whose request ended without an answer, or what an answer left over.
    pub(crate) fn requeue(&mut self, want: Want) {
        match want {
            Want::Accounts {
                cursor,
                origin,
                limit,
            } => self.span_returned(cursor, &origin, &limit),
            Want::Storages(accounts) => {
                for (account, root) in accounts {
                    self.storages_asked.remove(&account);
                    self.storages.insert(account, root);
                }
            }
            Want::Chunk { account, chunk, .. } => {
                if let Some(cursor) = self.chunk_mut(&account, chunk) {
                    cursor.busy = false;
                }
            }
            Want::Codes(hashes) => {
                for hash in hashes {
                    self.codes_asked.remove(&hash);
                    self.codes.insert(hash, ());
                }
            }
            Want::Nodes(nodes) => {
                for (path, _) in nodes {
                    self.nodes_asked.remove(&path);
                }
                if let Some(healing) = &mut self.healing {
                    healing.plan.stale = true;
                }
            }
            // The engine's, not a job's.
            Want::Header(_) => {}
        }
    }

    /// Whether work of this kind waits in the queues.
    pub(crate) fn lacks(&self, kind: RequestKind) -> bool {
        match kind {
            RequestKind::Accounts => match &self.healing {
                Some(healing) => !healing.plan.spans.is_empty(),
                None => self.cursors.iter().any(|cursor| cursor.next.is_some()),
            },
            RequestKind::Storage => !self.storages.is_empty() || !self.large.is_empty(),
            RequestKind::Codes => !self.codes.is_empty(),
            RequestKind::Nodes => match &self.healing {
                Some(healing) => healing.plan.stale || !healing.plan.nodes.is_empty(),
                None => self.next_nodes(1).next().is_some(),
            },
            RequestKind::Headers => false,
        }
    }

    /// Whether ranges are done and only single nodes are missing.
    pub(crate) fn is_healing(&self) -> bool {
        if let Some(healing) = &self.healing {
            return healing.plan.spans.is_empty() && self.large.is_empty();
        }
        !self.lacks(RequestKind::Accounts)
            && !self.lacks(RequestKind::Storage)
            && self.tree.blinded().next().is_some()
    }

    /// Something else was joined that a batch should carry.
    pub(crate) fn touch(&mut self) {
        self.dirty = true;
        self.is_fed = true;
        if let Some(healing) = &mut self.healing {
            healing.plan.stale = true;
        }
    }

    /// Fetches codes that are held no more.
    pub(crate) fn fetch_codes(&mut self, hashes: Vec<Hash>) {
        self.codes.insert_all(hashes);
    }

    /// Keeps a verified code for the next batch.
    pub(crate) fn code_arrived(&mut self, hash: Hash, code: &[u8]) {
        self.codes_asked.remove(&hash);
        self.codes.remove(&hash);
        self.new_code_bytes += code.len();
        self.new_codes.push((hash, code.to_vec()));
        self.dirty = true;
    }

    /// Codes that are in no batch yet.
    pub(crate) fn uncommitted_codes(&self) -> impl Iterator<Item = &Hash> {
        self.new_codes.iter().map(|(hash, _)| hash)
    }

    /// What is known of each 1/256 of the account key space, 0 to 255.
    pub(crate) fn key_space(&self) -> [u8; KEY_SPACE_CELLS] {
        if self.healing.is_some() || self.cursors.is_empty() {
            return self.known_key_space();
        }
        let mut cells = [0; KEY_SPACE_CELLS];
        let per_cursor = KEY_SPACE_CELLS / ACCOUNT_CURSORS;
        for (cursor, cells) in self.cursors.iter().zip(cells.chunks_mut(per_cursor)) {
            let known = cursor.known(255) as usize * per_cursor;
            for (index, cell) in cells.iter_mut().enumerate() {
                *cell = known.saturating_sub(index * 255).min(255) as u8;
            }
        }
        cells
    }

    /// Time has passed: how far the cursors are now says how fast they go.
    pub(crate) fn note_pace(&mut self, now: Millis) {
        if !self.cursors.is_empty() {
            self.eta.note(now, eta::share(&self.cursors));
        }
    }

    /// Milliseconds until the account ranges are done, if there is a saying.
    pub(crate) fn eta(&self, now: Millis) -> Option<u64> {
        self.eta.left(now, eta::share(&self.cursors))
    }

    fn take_codes(&mut self) -> Option<Want> {
        let mut hashes = Vec::new();
        while hashes.len() < CODES_PER_REQUEST {
            let Some((hash, ())) = self.codes.pop_first() else {
                break;
            };
            self.codes_asked.insert(hash, ());
            hashes.push(hash);
        }
        (!hashes.is_empty()).then_some(Want::Codes(hashes))
    }

    fn take_nodes(&mut self) -> Option<Want> {
        let nodes: Vec<_> = self.next_nodes(NODES_PER_REQUEST).collect();
        for (path, _) in &nodes {
            self.nodes_asked.insert(*path, ());
        }
        (!nodes.is_empty()).then_some(Want::Nodes(nodes))
    }

    /// Blinded places that no range will cover any more.
    fn next_nodes(&self, most: usize) -> impl Iterator<Item = (StatePath, Hash)> + '_ {
        let ranges_done = self.cursors.iter().all(|cursor| cursor.next.is_none());
        let left = self
            .tree
            .blinded()
            .filter(move |(path, _)| match path.account {
                None => ranges_done,
                Some(account) => !self.large.contains(&account),
            });
        left.filter(|(path, _)| !self.nodes_asked.contains(path))
            .take(most)
    }
}
