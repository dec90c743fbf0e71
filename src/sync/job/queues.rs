//! What both phases of a job ask for: storages, bytecodes and trie nodes, queued or in flight.
//!
//! The queues are an index over the tree, not a second truth: they are filled from whatever the
//! tree holds, and a crash has nothing else to remember.

mod large;

use large::LargeStorages;

use crate::flat_map::{ChunkedMap, ChunkedSet, FlatSet};
use crate::hash::Hash;
use crate::heap::owns;
use crate::state::{Incomplete, StatePath, Tree};
use crate::sync::lacking::Lacks;
use crate::sync::progress::{Missing, Queued};
use crate::sync::want::{BYTES_PER_CODE, MAX_HASHES, Want};
use crate::trie::path::Path;

/// Bytes of an answer that one small storage takes on average, to size requests: go-ethereum's
/// estimate.
const BYTES_PER_STORAGE: u64 = 1024;
/// Hashes in one request for bytecodes: half a megabyte of average contracts, as in go-ethereum.
const CODES_PER_REQUEST: u64 = 84;

/// Hashes that are remembered once their request has ended, so that a node that comes again is told
/// from one that nobody asked for: those of ten requests.
const MAX_ENDED: usize = 10 * MAX_HASHES;

/// The queues of a job.
#[derive(Debug, Default)]
pub(super) struct Queues {
    /// Whole storages to ask for: account hash to storage root. Bound: the accounts waiting in the
    /// tree.
    storages: ChunkedMap<Hash, Hash>,
    /// Whole storages asked for. Bound: requests in flight times the accounts in one.
    storages_asked: ChunkedSet<Hash>,
    large: LargeStorages,
    /// Codes to ask for. Bound: the accounts waiting in the tree.
    codes: ChunkedSet<Hash>,
    /// Codes asked for. Bound: requests in flight times [`CODES_PER_REQUEST`].
    codes_asked: ChunkedSet<Hash>,
    /// Damaged codes and the hashes of accounts that name them, though the tree does not lack them.
    /// Bound: [`MAX_DAMAGE`](crate::sync::gc::MAX_DAMAGE).
    owners: Vec<(Hash, Hash)>,
    /// Nodes asked for by path. Bound: requests in flight times the paths in one.
    nodes_asked: ChunkedSet<StatePath>,
    /// Hashes of nodes asked for by hash. Bound: requests in flight times the hashes in one.
    hashes_asked: ChunkedSet<Hash>,
    /// Those that were asked for last, and are not any more. Bound: [`MAX_ENDED`].
    ended: Vec<Hash>,
    /// Nodes that no peer has. Bound: what is remembered of what peers lack.
    nodes_aside: FlatSet<StatePath>,
}

impl Queues {
    /// Queues what the accounts in the tree lack. What a base holds is left to a plan.
    pub(super) fn of(tree: &Tree) -> Queues {
        let mut queues = Queues::default();
        for account in tree.incomplete_accounts() {
            match account.storage {
                Some(_) if account.based || !is_whole(tree, &account.account) => {}
                Some(root) if account.partial => {
                    queues.large.begin(account.account, root);
                }
                root => queues.add_storage(&account, root),
            }
            queues.add_codes(account.code);
        }
        queues
    }

    /// Queues what the accounts in the tree lack and is neither queued nor in flight yet.
    pub(super) fn add_missing(&mut self, tree: &Tree) {
        for account in tree.incomplete_accounts() {
            if !account.partial
                && !self.knows_storage(&account.account)
                && is_whole(tree, &account.account)
            {
                self.add_storage(&account, account.storage);
            }
            self.add_codes(account.code);
        }
    }

    /// Drops what the set does not want any more. Peers that could bring it need not be there.
    pub(super) fn drop_unwanted(&mut self, tree: &Tree) {
        self.large.retain(|account| is_whole(tree, account));
        self.storages
            .take_first(usize::MAX, &|account, _| !is_whole(tree, account));
        self.storages_asked
            .take_first(usize::MAX, &|account, ()| !is_whole(tree, account));
        let mut wanted: FlatSet<Hash> = FlatSet::default();
        for code in tree
            .incomplete_accounts()
            .filter_map(|account| account.code)
        {
            wanted.insert(code, ());
        }
        self.owners
            .retain(|(_, account)| tree.scope().has_code(account));
        for (code, _) in &self.owners {
            wanted.insert(*code, ());
        }
        let is_unwanted = |code: &Hash, (): &()| !wanted.contains(code);
        self.codes.take_first(usize::MAX, &is_unwanted);
        self.codes_asked.take_first(usize::MAX, &is_unwanted);
    }

    fn add_storage(&mut self, account: &Incomplete, root: Option<Hash>) {
        self.storages
            .extend(root.map(|root| (account.account, root)));
    }

    /// Queues whole storages: account hash and storage root.
    pub(super) fn add_storages(&mut self, storages: impl IntoIterator<Item = (Hash, Hash)>) {
        self.storages.extend(storages);
    }

    /// Queues codes, unless they are in flight.
    pub(super) fn add_codes(&mut self, hashes: impl IntoIterator<Item = Hash>) {
        let asked = &self.codes_asked;
        let new = hashes.into_iter().filter(|hash| !asked.contains(hash));
        self.codes.insert_all(new);
    }

    /// These codes are named by these accounts: the code's hash, and the account's.
    pub(super) fn owned_by(&mut self, owners: Vec<(Hash, Hash)>) {
        self.owners = owners;
    }

    /// The accounts that name damaged codes: the account's hash, and the code's.
    pub(super) fn owners(&self) -> impl Iterator<Item = (Hash, Hash)> + '_ {
        self.owners.iter().map(|(code, account)| (*account, *code))
    }

    /// A code is here.
    pub(super) fn code_arrived(&mut self, hash: &Hash) {
        self.codes_asked.remove(hash);
        self.codes.remove(hash);
    }

    /// Whether this storage is queued or in flight, whole or in chunks.
    pub(super) fn knows_storage(&self, account: &Hash) -> bool {
        self.storages.contains(account)
            || self.storages_asked.contains(account)
            || self.large.contains(account)
    }

    /// Whether this storage is fetched in chunks.
    pub(super) fn is_large(&self, account: &Hash) -> bool {
        self.large.contains(account)
    }

    pub(super) fn has_large(&self) -> bool {
        !self.large.is_empty()
    }

    pub(super) fn lacks_storage(&self) -> bool {
        !self.storages.is_empty() || !self.large.is_empty()
    }

    pub(super) fn lacks_codes(&self) -> bool {
        !self.codes.is_empty()
    }

    /// How many codes, storages and nodes that no peer has wait here.
    pub(super) fn queued(&self) -> Queued {
        Queued {
            codes: self.codes.len() as u64,
            storages: (self.storages.len() + self.large.len()) as u64,
            nodes: self.nodes_aside.len() as u64,
        }
    }

    /// Codes that the peer does not lack, as many as an answer of `bytes` bytes is likely to hold.
    pub(super) fn take_codes(&mut self, bytes: u64, lacks: Lacks<'_>) -> Vec<Hash> {
        let most = (bytes / BYTES_PER_CODE + 1).min(CODES_PER_REQUEST) as usize;
        // What is asked for as a node, by hash, is taken for a code too when it comes.
        let may_ask = |hash: &Hash, (): &()| {
            lacks.has(&Missing::Code(*hash)) && !self.hashes_asked.contains(hash)
        };
        let taken = self.codes.take_first(most, &may_ask);
        let hashes: Vec<Hash> = taken.into_iter().map(|(hash, ())| hash).collect();
        self.codes_asked.insert_all(hashes.iter().copied());
        hashes
    }

    /// Whether this code waits to be asked for.
    pub(super) fn has_code_queued(&self, hash: &Hash) -> bool {
        self.codes.contains(hash)
    }

    /// This code is asked for.
    pub(super) fn ask_code(&mut self, hash: Hash) {
        self.codes.remove(&hash);
        self.codes_asked.insert(hash, ());
    }

    /// Whether this code is queued or in flight.
    pub(super) fn wants_code(&self, hash: &Hash) -> bool {
        self.codes.contains(hash) || self.codes_asked.contains(hash)
    }

    /// Returns codes that were asked for and have not come. What came otherwise is not wanted any
    /// more.
    pub(super) fn requeue_codes(&mut self, hashes: Vec<Hash>) {
        for hash in hashes {
            if self.codes_asked.contains(&hash) {
                self.codes_asked.remove(&hash);
                self.codes.insert(hash, ());
            }
        }
    }

    /// These codes were asked for by an earlier sync, and are on their way. `true` if one of them is
    /// wanted.
    pub(super) fn await_codes(&mut self, hashes: &[Hash]) -> bool {
        let wanted = |hash: &&Hash| self.codes.contains(hash);
        let wanted: Vec<Hash> = hashes.iter().filter(wanted).copied().collect();
        for hash in &wanted {
            self.codes.remove(hash);
            self.codes_asked.insert(*hash, ());
        }
        !wanted.is_empty()
    }

    /// Whole storages, as many as an answer of `bytes` bytes is likely to hold.
    pub(super) fn take_storages(&mut self, bytes: u64, lacks: Lacks<'_>) -> Option<Want> {
        let most = (bytes / BYTES_PER_STORAGE).max(1) as usize;
        let may_ask = |account: &Hash, root: &Hash| {
            let (account, root) = (*account, *root);
            lacks.has(&Missing::Storage { account, root })
        };
        let accounts = self.storages.take_first(most, &may_ask);
        self.storages_asked
            .insert_all(accounts.iter().map(|(account, _)| *account));
        (!accounts.is_empty()).then_some(Want::Storages(accounts))
    }

    /// Returns storages that were asked for and have not come. What came otherwise is not wanted
    /// any more.
    pub(super) fn requeue_storages(&mut self, accounts: Vec<(Hash, Hash)>) {
        for (account, root) in accounts {
            if self.storages_asked.contains(&account) {
                self.storages_asked.remove(&account);
                self.storages.insert(account, root);
            }
        }
    }

    /// These storages are not asked for any more, and do not come back into the queue.
    pub(super) fn storages_ended(&mut self, accounts: Vec<(Hash, Hash)>) {
        for (account, _) in accounts {
            self.storages_asked.remove(&account);
        }
    }

    /// These storages were asked for by an earlier sync, and are on their way. `true` if one of them
    /// is wanted.
    pub(super) fn await_storages(&mut self, accounts: &[(Hash, Hash)]) -> bool {
        let wanted = |(account, root): &&(Hash, Hash)| self.storages.get(account) == Some(root);
        let wanted: Vec<_> = accounts.iter().filter(wanted).copied().collect();
        for (account, _) in &wanted {
            self.storages.remove(account);
            self.storages_asked.insert(*account, ());
        }
        !wanted.is_empty()
    }

    /// A whole storage came by a late answer, and is not asked for again.
    pub(super) fn storage_came(&mut self, account: &Hash, root: &Hash) {
        if self.storages.get(account) == Some(root) {
            self.storages.remove(account);
        }
    }

    /// The first part of a storage was joined. If more is to come, the rest is cut into chunks by
    /// its density: `more` is the number of slots received, and the last of them.
    pub(super) fn storage_joined(
        &mut self,
        account: Hash,
        storage_root: Hash,
        more: Option<(u64, Hash)>,
    ) {
        self.storages_asked.remove(&account);
        if let Some((slots, last)) = more {
            self.large.add_rest(account, storage_root, slots, &last);
        }
    }

    /// Walks a storage from `first` on in as many chunks as the slots expected there are worth.
    pub(super) fn enlarge_for(&mut self, account: Hash, root: Hash, first: Hash, slots: u64) {
        self.large.add(account, root, first, slots);
    }

    /// The next range of a large storage. Storages that turn out to be there are done.
    pub(super) fn take_chunk(&mut self, tree: &Tree) -> Option<Want> {
        self.large.take_chunk(tree)
    }

    /// A chunk's range was joined. `last`: its last key if more lies to the right.
    pub(super) fn chunk_joined(&mut self, account: &Hash, chunk: usize, last: Option<Hash>) {
        self.large.chunk_joined(account, chunk, last);
    }

    pub(super) fn requeue_chunk(&mut self, account: &Hash, chunk: usize) {
        self.large.requeue_chunk(account, chunk);
    }

    /// The roots of whole storages that `may_ask` accepts, at most this many. They leave the queue.
    /// `true` if a storage whose root is known left it, too: what is blinded of that one is found in
    /// the tree, by a new plan.
    pub(super) fn take_roots(
        &mut self,
        tree: &Tree,
        most: usize,
        may_ask: &dyn Fn(&Missing) -> bool,
    ) -> (Vec<(StatePath, Hash)>, bool) {
        // Storages with one root come together, so the root is asked for once.
        let (hashes, codes) = (&self.hashes_asked, &self.codes_asked);
        let is_free = |account: &Hash, root: &Hash| {
            let (account, root) = (*account, *root);
            let is_asked = hashes.contains(&root) || codes.contains(&root);
            !is_asked && may_ask(&Missing::Storage { account, root })
        };
        let taken = self.storages.take_first(most, &is_free);
        let (mut roots, mut has_left) = (Vec::new(), false);
        for (account, root) in taken {
            let at = StatePath::storage(account, Path::ROOT);
            if !tree.is_blinded(&at, &root) {
                has_left = true;
                continue;
            }
            match self.ask_hash(root) {
                true => roots.push((at, root)),
                false => drop(self.storages.insert(account, root)),
            }
        }
        (roots, has_left)
    }

    /// The root of this storage is known now, or the storage is gone.
    pub(super) fn root_came(&mut self, account: &Hash) {
        self.storages.remove(account);
    }

    /// Whether a node is asked for, or cannot be had from any peer.
    pub(super) fn is_node_asked(&self, path: &StatePath, hash: &Hash) -> bool {
        self.nodes_asked.contains(path)
            || self.hashes_asked.contains(hash)
            || self.nodes_aside.contains(path)
    }

    /// How many nodes are asked for by hash.
    pub(super) fn hashes_asked(&self) -> usize {
        self.hashes_asked.len()
    }

    /// Whether this hash was asked for lately.
    pub(super) fn was_asked(&self, hash: &Hash) -> bool {
        self.hashes_asked.contains(hash) || self.ended.contains(hash)
    }

    /// Notes that this hash is asked for; `false` if it was before.
    pub(super) fn ask_hash(&mut self, hash: Hash) -> bool {
        !self.codes_asked.contains(&hash) && self.hashes_asked.insert(hash, ())
    }

    /// These hashes were asked for before the target moved, and are on their way. So are these
    /// codes.
    pub(super) fn await_node_data(&mut self, nodes: &[(StatePath, Hash)], codes: &[Hash]) {
        self.hashes_asked
            .insert_all(nodes.iter().map(|(_, hash)| *hash));
        self.await_codes(codes);
    }

    /// These nodes are not asked for by hash any more. Those that are still blinded are found in
    /// the tree, or in the queue of storages.
    pub(super) fn hashes_ended(&mut self, nodes: &[(StatePath, Hash)], tree: &Tree) {
        let kept = MAX_ENDED.saturating_sub(nodes.len());
        let over = self.ended.len().saturating_sub(kept);
        self.ended.drain(..over);
        for (at, hash) in nodes {
            self.ended.push(*hash);
            self.hashes_asked.remove(hash);
            // The target may have moved since, so that it is another storage's root, or only some
            // slots may be wanted now.
            if let Some(account) = at.account
                && at.path.is_empty()
                && tree.lacks_storage(&account)
                && tree.is_blinded(at, hash)
                && is_whole(tree, &account)
            {
                self.storages.insert(account, *hash);
            }
        }
    }

    /// Whether this storage is asked for whole.
    pub(super) fn is_storage_asked(&self, account: &Hash) -> bool {
        self.storages_asked.contains(account)
    }

    /// Forgets the large storages that came node by node.
    pub(super) fn sweep(&mut self, tree: &Tree) {
        let lacks = |account: &Hash| {
            tree.storage_span(account, &Hash::ZERO, &Hash::MAX)
                .is_some()
        };
        self.large.retain(lacks);
    }

    /// Sets aside the nodes that no peer has; nothing that was set aside before stays so. `true` if
    /// that changes anything.
    pub(super) fn set_nodes_aside(&mut self, nodes: FlatSet<StatePath>) -> bool {
        let is_same = self.nodes_aside.keys().eq(nodes.keys());
        self.nodes_aside = nodes;
        !is_same
    }

    /// Whether a node is missing that no peer has.
    pub(super) fn has_nodes_aside(&self) -> bool {
        !self.nodes_aside.is_empty()
    }

    /// Notes that these nodes are asked for; `None` if there are none.
    pub(super) fn ask_nodes(&mut self, nodes: Vec<(StatePath, Hash)>) -> Option<Want> {
        for (path, _) in &nodes {
            self.nodes_asked.insert(*path, ());
        }
        (!nodes.is_empty()).then_some(Want::Nodes(nodes))
    }

    /// These nodes are not asked for any more. Those that are still blinded are found in the tree.
    pub(super) fn nodes_ended(&mut self, nodes: &[(StatePath, Hash)]) {
        for (path, _) in nodes {
            self.nodes_asked.remove(path);
        }
    }
}

/// Whether an account's storage is wanted whole.
pub(super) fn is_whole(tree: &Tree, account: &Hash) -> bool {
    let storage = StatePath::storage(*account, Path::ROOT);
    tree.scope().includes(&storage)
}

owns! {
    Queues: storages, storages_asked, large, codes, codes_asked, owners, nodes_asked, hashes_asked,
        ended, nodes_aside;
}

#[cfg(test)]
mod tests {
    use super::Queues;
    use crate::hash::Hash;
    use crate::state::Tree;

    /// Otherwise what is left of it would be in no queue and no plan.
    #[test]
    fn a_storage_whose_root_is_known_leaves_the_queue_of_roots_with_a_word() {
        let tree = Tree::new(Hash::EMPTY_ROOT);
        let mut queues = Queues::of(&tree);
        let take = |queues: &mut Queues| queues.take_roots(&tree, 8, &|_| true);
        assert_eq!(take(&mut queues), (Vec::new(), false));
        queues.add_storages(vec![(Hash([1; 32]), Hash([2; 32]))]);
        assert_eq!(take(&mut queues), (Vec::new(), true));
        assert!(!queues.lacks_storage());
        assert_eq!(take(&mut queues), (Vec::new(), false));
    }
}
