//! One sync towards one root: the tree being built and the queues of what it lacks.
//!
//! The queues are an index over the tree, not a second truth: [`Job::new`] fills them from whatever the tree holds,
//! and a crash has nothing else to remember.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::cursor::{Cursor, leading};
use super::headers::Aim;
use super::want::{Kind, Want};
use super::{Counters, KEY_SPACE_CELLS};
use crate::hash::Hash;
use crate::state::{
    CodesHeld, Counts, Incomplete, Joined, PageId, PageRef, Pages, Spill, StatePath, StorageJoined,
    Tree, TreeError,
};

/// Account ranges that are walked side by side, as in go-ethereum.
const ACCOUNT_CURSORS: usize = 16;
/// Most chunks of one large storage, as in go-ethereum.
const STORAGE_CHUNKS: u64 = 16;
/// Slots that make a chunk of its own worth while: about two full answers.
const SLOTS_PER_CHUNK: u64 = 16_384;
/// Spans with fewer leaves than this are revealed node by node: below, a range's proof costs more than it brings.
const WORTH_A_RANGE: u64 = 30;
/// Hashes in one request for bytecodes: half a megabyte of average contracts, as in go-ethereum.
const CODES_PER_REQUEST: usize = 84;
/// Paths in one request for trie nodes; servers stop at 1,024 look-ups, and a storage node costs several.
const NODES_PER_REQUEST: usize = 256;
/// Bytes of an answer that one small storage takes on average, to size requests.
const BYTES_PER_STORAGE: u64 = 1024;

/// A sync under way.
pub(crate) struct Job {
    pub(crate) aim: Aim,
    pub(crate) tree: Tree,
    /// Pages cut and not yet in a batch.
    pub(crate) pages: Pages,
    pub(crate) counters: Counters,
    /// Accounts and slots held of the target's state.
    pub(crate) held: Counts,
    /// The first page id of this build: older ones belong to the complete state.
    pub(crate) first_page: PageId,
    /// Codes verified and not yet in a batch. Bound: part of `Job::pending_bytes`.
    new_codes: Vec<(Hash, Vec<u8>)>,
    new_code_bytes: usize,
    /// What stayed in memory when it was last looked through, in bytes.
    settled_bytes: usize,
    /// Whether anything was joined since the last batch.
    dirty: bool,
    /// Pages of a build that was given up.
    discarded: Option<Range<PageId>>,
    cursors: Vec<Cursor>,
    /// Whole storages to ask for: account hash to storage root. Bound: the accounts waiting in the tree.
    storages: BTreeMap<Hash, Hash>,
    /// Storages too large for one answer. Bound: the accounts waiting in the tree.
    large: BTreeMap<Hash, Large>,
    /// Codes to ask for. Bound: the accounts waiting in the tree.
    codes: BTreeSet<Hash>,
    /// Codes asked for.
    codes_asked: BTreeSet<Hash>,
    /// Nodes asked for. Bound: requests in flight x [`NODES_PER_REQUEST`].
    nodes_asked: BTreeSet<StatePath>,
}

/// What a batch is made of.
#[derive(Debug)]
pub(crate) struct Built {
    pub(crate) pages: Vec<(PageId, Vec<u8>)>,
    pub(crate) codes: Vec<(Hash, Vec<u8>)>,
    pub(crate) discarded: Option<Range<PageId>>,
    /// The page of the account trie's root; `None` for the empty trie.
    pub(crate) root_page: Option<PageRef>,
    /// The upper pages, which the next batch replaces.
    pub(crate) spine: Range<PageId>,
}

/// A storage fetched in chunks.
#[derive(Debug)]
struct Large {
    storage_root: Hash,
    chunks: Vec<Cursor>,
}

impl Job {
    /// Starts from whatever `tree` holds; new pages get ids from `next_page` on.
    pub(crate) fn new(aim: Aim, tree: Tree, first_page: PageId, next_page: PageId) -> Job {
        let mut job = Job {
            aim,
            cursors: Cursor::slices(Hash::ZERO, ACCOUNT_CURSORS),
            pages: Pages::new(next_page),
            counters: Counters::default(),
            held: tree.held(),
            first_page,
            new_codes: Vec::new(),
            new_code_bytes: 0,
            settled_bytes: 0,
            dirty: false,
            discarded: None,
            storages: BTreeMap::new(),
            large: BTreeMap::new(),
            codes: BTreeSet::new(),
            codes_asked: BTreeSet::new(),
            nodes_asked: BTreeSet::new(),
            tree,
        };
        for cursor in &mut job.cursors {
            cursor.next = job
                .tree
                .blinded_span(&cursor.first, &cursor.last)
                .map(|(origin, _)| origin);
        }
        let incomplete: Vec<Incomplete> = job.tree.incomplete_accounts().collect();
        for account in incomplete {
            match account.storage {
                Some(root) if account.partial => {
                    job.enlarge(account.account, root, Hash::ZERO, STORAGE_CHUNKS)
                }
                root => job
                    .storages
                    .extend(root.map(|root| (account.account, root))),
            }
            job.codes.extend(account.code);
        }
        job
    }

    /// Pages that the first batch is to delete.
    pub(crate) fn discard(&mut self, pages: Range<PageId>) {
        self.discarded = Some(pages);
    }

    /// Whether nothing is left to ask for.
    pub(crate) fn is_exhausted(&self) -> bool {
        !Kind::ALL.into_iter().any(|kind| self.lacks(kind))
    }

    /// Bytes of pages and codes that the next batch will carry at least.
    pub(crate) fn pending_bytes(&self) -> usize {
        self.pages.bytes() + self.new_code_bytes
    }

    /// Whether a batch would carry anything new.
    pub(crate) fn is_dirty(&self) -> bool {
        self.dirty
    }

    /// Bytes that have come to wait in memory since it was last looked through.
    pub(crate) fn grown_since_settled(&self) -> usize {
        self.tree
            .resident_bytes()
            .saturating_sub(self.settled_bytes)
    }

    /// Moves what has become complete out of memory, into pages.
    pub(crate) fn settle(&mut self, held: &dyn CodesHeld) -> Result<(), TreeError> {
        self.tree.settle(held, &mut self.pages)?;
        self.settled_bytes = self.tree.resident_bytes();
        Ok(())
    }

    /// Cuts what is complete, writes the upper pages, and empties the queues towards the store.
    pub(crate) fn build(&mut self, held: &dyn CodesHeld, spill: Spill) -> Result<Built, TreeError> {
        self.settle(held)?;
        let start = self.pages.next_id();
        let root_page = self.tree.snapshot(spill, &mut self.pages)?;
        let end = self.pages.next_id();
        self.dirty = false;
        self.new_code_bytes = 0;
        Ok(Built {
            pages: self.pages.take(),
            codes: std::mem::take(&mut self.new_codes),
            discarded: self.discarded.take(),
            root_page,
            spine: start..end,
        })
    }

    /// Enters what new accounts lack.
    pub(crate) fn enqueue(&mut self, joined: &Joined) {
        self.counters.accounts += joined.accounts;
        self.counters.slots += joined.slots;
        self.held.accounts += joined.accounts;
        self.held.slots += joined.slots;
        self.storages.extend(joined.storage.iter().copied());
        let asked = &self.codes_asked;
        self.codes
            .extend(joined.codes.iter().filter(|hash| !asked.contains(*hash)));
        self.dirty = true;
    }

    /// Counts what a storage answer brought.
    pub(crate) fn slots_joined(&mut self, joined: StorageJoined) {
        self.counters.slots += joined.slots;
        self.held.slots += joined.slots;
        self.dirty = true;
    }

    /// Takes the next piece of work of this kind out of the queues, sized for about `bytes` bytes.
    pub(crate) fn take(&mut self, kind: Kind, bytes: u64) -> Option<Want> {
        match kind {
            Kind::Accounts => self.take_accounts(),
            Kind::Storage => self.take_chunk().or_else(|| self.take_storages(bytes)),
            Kind::Codes => self.take_codes(),
            Kind::Nodes => self.take_nodes(),
            Kind::Headers => None,
        }
    }

    /// Returns work whose request ended without an answer, or what an answer left over.
    pub(crate) fn give_back(&mut self, want: Want) {
        match want {
            Want::Accounts { cursor, .. } => {
                if let Some(cursor) = self.cursors.get_mut(cursor) {
                    cursor.busy = false;
                }
            }
            Want::Storages(accounts) => self.storages.extend(accounts),
            Want::Chunk { account, chunk, .. } => {
                if let Some(cursor) = self.chunk_mut(&account, chunk) {
                    cursor.busy = false;
                }
            }
            Want::Codes(hashes) => {
                for hash in hashes {
                    self.codes_asked.remove(&hash);
                    self.codes.insert(hash);
                }
            }
            Want::Nodes(nodes) => {
                for (path, _) in nodes {
                    self.nodes_asked.remove(&path);
                }
            }
            // The engine's, not a job's.
            Want::Header(_) => {}
        }
    }

    /// Whether work of this kind waits in the queues.
    pub(crate) fn lacks(&self, kind: Kind) -> bool {
        match kind {
            Kind::Accounts => self.cursors.iter().any(|cursor| cursor.next.is_some()),
            Kind::Storage => !self.storages.is_empty() || !self.large.is_empty(),
            Kind::Codes => !self.codes.is_empty(),
            Kind::Nodes => self.next_nodes(1).next().is_some(),
            Kind::Headers => false,
        }
    }

    /// Whether ranges are done and only single nodes are missing.
    pub(crate) fn is_healing(&self) -> bool {
        !self.lacks(Kind::Accounts)
            && !self.lacks(Kind::Storage)
            && self.tree.blinded().next().is_some()
    }

    /// An account range was joined: the cursor looks on behind its last key, or is done if nothing lies to the right.
    pub(crate) fn accounts_joined(&mut self, cursor: usize, last: Option<Hash>, more: bool) {
        let Some(cursor) = self.cursors.get_mut(cursor) else {
            return;
        };
        cursor.busy = false;
        match last {
            Some(last) if more => cursor.advance(&last),
            _ => cursor.next = None,
        }
    }

    /// The first part of a storage was joined and more is to come: the rest is cut into chunks by its density.
    pub(crate) fn storage_cut(
        &mut self,
        account: Hash,
        storage_root: Hash,
        slots: u64,
        last: &Hash,
    ) {
        let Some(rest) = last.next() else { return };
        let known = u128::from(leading(last)).max(1);
        let estimate = (u128::from(slots) << 64) / known;
        let remaining = u64::try_from(estimate)
            .unwrap_or(u64::MAX)
            .saturating_sub(slots);
        let chunks = (remaining / SLOTS_PER_CHUNK + 1).min(STORAGE_CHUNKS);
        self.enlarge(account, storage_root, rest, chunks);
    }

    /// Something else was joined that a batch should carry.
    pub(crate) fn touch(&mut self) {
        self.dirty = true;
    }

    /// A chunk's part was joined.
    pub(crate) fn chunk_joined(
        &mut self,
        account: &Hash,
        chunk: usize,
        last: Option<Hash>,
        more: bool,
    ) {
        self.dirty = true;
        let Some(cursor) = self.chunk_mut(account, chunk) else {
            return;
        };
        cursor.busy = false;
        match last {
            Some(last) if more => cursor.advance(&last),
            _ => cursor.next = None,
        }
        if self
            .large
            .get(account)
            .is_some_and(|large| large.chunks.iter().all(|chunk| chunk.next.is_none()))
        {
            self.large.remove(account);
        }
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
        let mut cells = [0; KEY_SPACE_CELLS];
        let per_cursor = KEY_SPACE_CELLS / ACCOUNT_CURSORS;
        for (cursor, cells) in self.cursors.iter().zip(cells.chunks_mut(per_cursor)) {
            let known = usize::from(cursor.known()) * per_cursor;
            for (index, cell) in cells.iter_mut().enumerate() {
                *cell = known.saturating_sub(index * 255).min(255) as u8;
            }
        }
        cells
    }

    fn take_accounts(&mut self) -> Option<Want> {
        for index in 0..self.cursors.len() {
            let estimate = self.accounts_per_key();
            let Some(cursor) = self.cursors.get_mut(index) else {
                break;
            };
            while let (false, Some(next)) = (cursor.busy, cursor.next) {
                let Some((origin, limit)) = self.tree.blinded_span(&next, &cursor.last) else {
                    cursor.next = None;
                    break;
                };
                let width = leading(&limit).saturating_sub(leading(&origin)) as f64;
                if estimate.is_some_and(|per_key| per_key * width < WORTH_A_RANGE as f64) {
                    cursor.advance(&limit);
                    continue;
                }
                cursor.busy = true;
                return Some(Want::Accounts {
                    cursor: index,
                    origin,
                    limit,
                });
            }
        }
        None
    }

    /// Accounts per unit of the leading eight key bytes, once enough is known to say.
    fn accounts_per_key(&self) -> Option<f64> {
        let known: u64 = self
            .cursors
            .iter()
            .map(|cursor| u64::from(cursor.known()))
            .sum();
        let share = known as f64 / (255.0 * ACCOUNT_CURSORS as f64);
        let enough = share > 0.01 && self.held.accounts > 1_000;
        enough.then(|| self.held.accounts as f64 / share / u64::MAX as f64)
    }

    fn take_chunk(&mut self) -> Option<Want> {
        let mut done = Vec::new();
        let mut taken = None;
        'storages: for (account, large) in &mut self.large {
            for (chunk, cursor) in large.chunks.iter_mut().enumerate() {
                let (false, Some(next)) = (cursor.busy, cursor.next) else {
                    continue;
                };
                let Some((origin, limit)) = self.tree.storage_span(account, &next, &cursor.last)
                else {
                    cursor.next = None;
                    continue;
                };
                cursor.busy = true;
                let (account, storage_root) = (*account, large.storage_root);
                let origin = provable_origin(origin, &limit);
                taken = Some(Want::Chunk {
                    account,
                    storage_root,
                    chunk,
                    origin,
                    limit,
                });
                break 'storages;
            }
            if large.chunks.iter().all(|chunk| chunk.next.is_none()) {
                done.push(*account);
            }
        }
        self.large.retain(|account, _| !done.contains(account));
        taken
    }

    fn take_storages(&mut self, bytes: u64) -> Option<Want> {
        let most = (bytes / BYTES_PER_STORAGE).max(1) as usize;
        let mut accounts = Vec::new();
        while accounts.len() < most {
            let Some(next) = self.storages.pop_first() else {
                break;
            };
            accounts.push(next);
        }
        (!accounts.is_empty()).then_some(Want::Storages(accounts))
    }

    fn take_codes(&mut self) -> Option<Want> {
        let mut hashes = Vec::new();
        while hashes.len() < CODES_PER_REQUEST {
            let Some(hash) = self.codes.pop_first() else {
                break;
            };
            self.codes_asked.insert(hash);
            hashes.push(hash);
        }
        (!hashes.is_empty()).then_some(Want::Codes(hashes))
    }

    fn take_nodes(&mut self) -> Option<Want> {
        let nodes: Vec<_> = self.next_nodes(NODES_PER_REQUEST).collect();
        self.nodes_asked.extend(nodes.iter().map(|(path, _)| *path));
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
                Some(account) => !self.large.contains_key(&account),
            });
        left.filter(|(path, _)| !self.nodes_asked.contains(path))
            .take(most)
    }

    fn enlarge(&mut self, account: Hash, storage_root: Hash, first: Hash, chunks: u64) {
        let chunks = Cursor::slices(first, chunks as usize);
        self.large.insert(
            account,
            Large {
                storage_root,
                chunks,
            },
        );
    }

    fn chunk_mut(&mut self, account: &Hash, chunk: usize) -> Option<&mut Cursor> {
        self.large
            .get_mut(account)
            .and_then(|large| large.chunks.get_mut(chunk))
    }
}

/// Servers may cut a range that starts at 0 and ends early without a proof; from 1 on there always is one, and it
/// shows slot 0 too (design, section 6).
fn provable_origin(origin: Hash, limit: &Hash) -> Hash {
    match origin == Hash::ZERO && *limit != Hash::MAX {
        true => origin.next().unwrap_or(origin),
        false => origin,
    }
}
