//! Taking in what was proven: answers of peers, and pages of a base that were read.

use super::queues::is_whole;
use super::{HeldSlot, Job, JobPhase, KnownStorage, known_storage};
use crate::hash::Hash;
use crate::state::{CodesHeld, Joined, PageId, Revealing, StatePath, StorageJoined, TreeError};
use crate::sync::loads::LoadedPage;
use crate::sync::want::RequestKind;
use crate::trie::VerifiedRange;

/// Pages taken in by one step. Each is proven, which takes as long as a few hundred hashes; so a
/// step takes about as long as verifying an answer (one to four milliseconds). Chosen without a
/// measurement of its own.
const PAGES_PER_STEP: usize = 4;

/// Answers of peers.
impl Job {
    /// Joins a range of accounts. `is_stale`: it was asked under an earlier root.
    pub(crate) fn join_accounts(
        &mut self,
        range: &VerifiedRange<'_>,
        held: &dyn CodesHeld,
        is_stale: bool,
    ) -> Result<Joined, TreeError> {
        let joined = self
            .tree
            .join_accounts(range, held, self.staged.pages_mut())?;
        match is_stale {
            true => self.enter_stale(&joined),
            false => self.enter_received(&joined),
        }
        Ok(joined)
    }

    /// The answer to a range of accounts was joined. `last`: its last key if more lies to the
    /// right.
    pub(crate) fn accounts_joined(
        &mut self,
        cursor: Option<usize>,
        origin: &Hash,
        limit: &Hash,
        last: Option<Hash>,
    ) {
        match (cursor, &mut self.phase) {
            (Some(cursor), JobPhase::FirstSync(first)) => first.accounts_joined(cursor, last),
            (_, JobPhase::Healing(healing)) => healing.span_ended(origin, limit),
            (None, JobPhase::FirstSync(_)) => {
                debug_assert!(false, "a range of a healing in a first sync");
            }
            (_, JobPhase::Set(_)) => debug_assert!(false, "a range of accounts for a set"),
        }
    }

    /// Joins a range of one account's storage.
    pub(crate) fn join_storage(
        &mut self,
        account: &Hash,
        range: &VerifiedRange<'_>,
    ) -> Result<StorageJoined, TreeError> {
        let pages = self.staged.pages_mut();
        let joined = self.tree.join_storage(account, range, pages)?;
        self.counters.slots += joined.slots;
        self.counters.slot_bytes += joined.slot_bytes;
        self.touch();
        Ok(joined)
    }

    /// The first range of a whole storage was joined. `more`: if more is to come, how many slots it
    /// held and the last of them.
    pub(crate) fn storage_joined(
        &mut self,
        account: Hash,
        storage_root: Hash,
        more: Option<(u64, Hash)>,
    ) {
        // A request of an earlier round goes on if one of its storages is still wanted. Of another
        // one in it, the rest is planned under the root that it has now.
        let is_same = known_storage(&self.tree, &account) == KnownStorage::Root(storage_root);
        let more = more.filter(|_| is_same);
        self.queues.storage_joined(account, storage_root, more);
        if !is_same {
            self.plan_changed();
        }
    }

    /// A whole storage came by an answer that nobody waited for any more.
    pub(crate) fn storage_came(&mut self, account: &Hash, storage_root: &Hash) {
        self.queues.storage_came(account, storage_root);
    }

    /// A chunk's range was joined. `last`: its last key if more lies to the right.
    pub(crate) fn chunk_joined(&mut self, account: &Hash, chunk: usize, last: Option<Hash>) {
        self.queues.chunk_joined(account, chunk, last);
    }

    /// Lets `reveal` reveal nodes, and enters what they bring.
    pub(crate) fn reveal<T>(
        &mut self,
        held: &dyn CodesHeld,
        reveal: impl FnOnce(&mut Revealing<'_>) -> T,
    ) -> (T, Joined) {
        let mut revealing = self.tree.revealing(held);
        let result = reveal(&mut revealing);
        let joined = revealing.finish();
        match &mut self.phase {
            JobPhase::FirstSync(first) => first.revealed(),
            JobPhase::Healing(healing) => healing.received_revealed(joined.accounts),
            JobPhase::Set(_) => {}
        }
        self.enter_received(&joined);
        (result, joined)
    }

    /// These nodes were revealed in this round trip, and led to these codes.
    pub(crate) fn note_trip(&mut self, nodes: &[(StatePath, Hash)], codes: &[Hash], trip: u64) {
        if let JobPhase::Set(set) = &mut self.phase {
            set.revealed(nodes, trip, &mut self.changes);
            set.named(codes, trip);
        }
    }

    /// Keeps an answer for a slot until its account is known; `false` if there are enough.
    #[must_use]
    pub(crate) fn hold(&mut self, held: HeldSlot) -> bool {
        match &mut self.phase {
            JobPhase::Set(set) => set.hold(held),
            JobPhase::FirstSync(_) | JobPhase::Healing(_) => false,
        }
    }

    /// The next answer for a slot whose account is known by now.
    pub(crate) fn take_held(&mut self) -> Option<HeldSlot> {
        match &mut self.phase {
            JobPhase::Set(set) => set.take_held(&self.tree),
            JobPhase::FirstSync(_) | JobPhase::Healing(_) => None,
        }
    }

    /// The root of this storage is known now.
    pub(crate) fn storage_root_came(&mut self, account: &Hash) {
        self.queues.root_came(account);
    }

    /// Whether node data with this hash was asked for lately.
    pub(crate) fn was_asked(&self, hash: &Hash) -> bool {
        self.queues.was_asked(hash)
    }

    /// Whether this code is missing.
    pub(crate) fn wants_code(&self, hash: &Hash) -> bool {
        self.queues.wants_code(hash)
    }

    /// Keeps a verified code for the next batch.
    pub(crate) fn code_arrived(&mut self, hash: Hash, code: &[u8]) {
        self.queues.code_arrived(&hash);
        self.staged.push_code(hash, code);
        let bytes = code.len() as u64;
        self.counters.codes += 1;
        self.counters.code_bytes += bytes;
        if self.is_over_base() {
            self.counters.healed_codes += 1;
            self.counters.healed_code_bytes += bytes;
        }
    }

    /// A code that was asked for is held already: nobody is asked for it again.
    pub(crate) fn code_is_held(&mut self, hash: &Hash) {
        self.queues.code_arrived(hash);
        self.touch();
    }

    /// Whether the next batch carries this code.
    pub(crate) fn has_code(&self, hash: &Hash) -> bool {
        self.staged.codes().any(|code| code == hash)
    }

    /// A code is not held any more. It is fetched again if an account waits for it.
    pub(crate) fn code_lost(&mut self, hash: Hash) {
        let mut accounts = self.tree.incomplete_accounts();
        if accounts.any(|account| account.code == Some(hash)) {
            self.queues.add_codes([hash]);
        }
    }

    /// An answer was proven: its kind, its bytes, and its request's round trips.
    pub(crate) fn proved(&mut self, kind: RequestKind, bytes: usize, trip: u64) {
        let traffic = match kind {
            RequestKind::Nodes | RequestKind::NodeData => Some(&mut self.counters.healing),
            RequestKind::Accounts | RequestKind::Storage => Some(&mut self.counters.ranges),
            RequestKind::Keys | RequestKind::Proofs => Some(&mut self.counters.ranges),
            RequestKind::Codes | RequestKind::CodesOf | RequestKind::Headers => None,
        };
        if let Some(traffic) = traffic {
            traffic.answers += 1;
            traffic.bytes += bytes as u64;
        }
        self.counters.round_trips = self.counters.round_trips.max(trip);
    }

    /// Counts a request that is not the job's own.
    pub(crate) fn count_request(&mut self) {
        self.counters.requests += 1;
    }

    /// Counts bytes that were received, of whatever kind.
    pub(crate) fn count_received(&mut self, bytes: usize) {
        self.counters.bytes_received += bytes as u64;
    }

    /// Enters what a peer brought under the target's root.
    fn enter_received(&mut self, joined: &Joined) {
        if let JobPhase::Healing(healing) = &mut self.phase {
            healing.received_leaves(joined.accounts);
        }
        self.enter(joined);
        self.touch();
    }

    /// Enters what an answer brought that was asked under an earlier root. Part of it may only
    /// have become a base, which lacks nothing. So what is lacking is read off the tree.
    fn enter_stale(&mut self, joined: &Joined) {
        self.count(joined);
        self.queues.add_missing(&self.tree);
        self.touch();
    }

    /// Counts what came, and queues what it lacks.
    fn enter(&mut self, joined: &Joined) {
        self.count(joined);
        if let JobPhase::FirstSync(first) = &mut self.phase {
            first.joined(joined.accounts);
        }
        let (tree, storages) = (&self.tree, joined.storage.iter().copied());
        let whole = storages.filter(|(account, _)| is_whole(tree, account));
        self.queues.add_storages(whole);
        self.queues.add_codes(joined.codes.iter().copied());
    }

    fn count(&mut self, joined: &Joined) {
        self.counters.accounts += joined.accounts;
        self.counters.account_bytes += joined.account_bytes;
        self.counters.slots += joined.slots;
        self.counters.slot_bytes += joined.slot_bytes;
    }

    /// The tree has changed by what a peer sent.
    fn touch(&mut self) {
        self.staged.touch();
        self.staged.note_received();
        self.plan_changed();
    }
}

/// Pages of a base.
impl Job {
    /// The pages to read now. Pages that no batch carries yet are taken from memory instead.
    /// `stored`: pages below it are durable. `is_settled`: no batch is in flight.
    pub(crate) fn next_pages(&mut self, stored: PageId, is_settled: bool) -> Vec<PageId> {
        let staged = &self.staged;
        let recent = |id| staged.page(id).map(<[u8]>::to_vec);
        let (pages, is_in_flight) = self.base_pages.take_wanted(stored, is_settled, recent);
        if is_in_flight {
            self.plan_changed();
        }
        pages
    }

    /// Whether the next plan has to say where a page is.
    pub(crate) fn looks_again(&self) -> bool {
        self.base_pages.looks_again()
    }

    /// Keeps pages that were read. They are taken in one by one, as steps of their own.
    pub(crate) fn loaded(&mut self, pages: Vec<LoadedPage>) {
        self.base_pages.loaded(pages);
    }

    /// Whether pages have to be read or taken in.
    pub(crate) fn is_reading(&self) -> bool {
        self.base_pages.is_reading()
    }

    /// Whether pages that were read wait to be taken in.
    pub(crate) fn has_read(&self) -> bool {
        self.base_pages.has_read()
    }

    /// Takes in some of the pages that were read. Returns the ids of those that are missing or
    /// damaged; the tree does without them.
    pub(crate) fn take_read(&mut self) -> Vec<PageId> {
        let mut damaged = Vec::new();
        for _ in 0..PAGES_PER_STEP {
            let Some((id, bytes)) = self.base_pages.take_read() else {
                break;
            };
            self.plan_changed();
            if !self.take_page(id, bytes.as_deref()) {
                damaged.push(id);
            }
        }
        damaged
    }

    /// Takes a page of the base in; `false` if it is missing or damaged.
    #[must_use]
    fn take_page(&mut self, id: PageId, bytes: Option<&[u8]>) -> bool {
        match bytes.map(|bytes| self.tree.inline_page(id, bytes)) {
            Some(Ok(joined)) => {
                self.enter(&joined);
                true
            }
            // Nothing is lost if the tree went past it while it was being read.
            Some(Err(_)) | None => !self.tree.drop_base_page(id),
        }
    }
}
