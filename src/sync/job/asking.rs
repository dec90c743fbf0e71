//! What a job asks for next, and what comes back unanswered.

use super::first_sync::FirstSync;
use super::frontier::Frontier;
use super::healing::NODES_PER_REQUEST;
use super::plan::Ways;
use super::queues::Queues;
use super::{Job, JobPhase, KnownStorage, SetWays, known_storage};
use crate::flat_map::FlatSet;
use crate::hash::Hash;
use crate::state::{StatePath, Tree};
use crate::sync::lacking::Lacks;
use crate::sync::progress::Missing;
use crate::sync::requests::StateRequest;
use crate::sync::want::{BYTES_PER_CODE, BYTES_PER_NODE, MAX_HASHES, RequestKind, Want};

/// Bytes of the tree that a node may bring: sixteen places of a branch, 36 bytes each. So many nodes
/// may be in flight by hash as memory has room for, but one request always may.
const BYTES_PER_BRANCH: usize = 16 * 36;

/// What a peer is asked for.
#[derive(Clone, Copy)]
pub(crate) struct Terms<'a> {
    /// About as many bytes.
    pub(crate) bytes: u64,
    /// Nothing that the peer lacks.
    pub(crate) lacks: Lacks<'a>,
    /// Nothing that only brings more to wait in memory.
    pub(crate) is_full: bool,
    /// Bytes of the tree that may come to wait in memory.
    pub(crate) room: usize,
}

impl Job {
    /// Takes the next piece of work of this kind out of the queues.
    pub(crate) fn take(&mut self, kind: RequestKind, terms: Terms<'_>) -> Option<Want> {
        let Terms { bytes, lacks, .. } = terms;
        match (kind, &mut self.phase) {
            (RequestKind::Accounts, JobPhase::FirstSync(first)) => first.take_accounts(&self.tree),
            (RequestKind::Accounts, JobPhase::Healing(healing)) => healing.take_span(),
            (RequestKind::Accounts, JobPhase::Set(_)) => None,
            (RequestKind::Storage, _) => self
                .queues
                .take_chunk(&self.tree)
                .or_else(|| self.queues.take_storages(bytes, lacks)),
            (RequestKind::Codes, _) => {
                let codes = self.queues.take_codes(bytes, lacks);
                (!codes.is_empty()).then_some(Want::Codes(codes))
            }
            (RequestKind::Nodes, JobPhase::Set(set)) => {
                set.take_paths(&self.tree, &self.queues, bytes, lacks)
            }
            (RequestKind::Nodes, _) => {
                let most = (bytes / BYTES_PER_NODE + 1).min(NODES_PER_REQUEST) as usize;
                let may_ask = |node: &(StatePath, Hash)| lacks.has(&Missing::node(node));
                let nodes = self.take_nodes(most, false, &may_ask);
                self.queues.ask_nodes(nodes)
            }
            (RequestKind::NodeData, _) => self.take_node_data(terms),
            (RequestKind::Keys, JobPhase::Set(set)) => set.take_key(&self.tree, lacks),
            (RequestKind::Proofs, JobPhase::Set(set)) => {
                set.take_proof(&self.tree, &self.queues, lacks)
            }
            (RequestKind::CodesOf, JobPhase::Set(set)) => {
                set.take_code_of(&self.tree, &mut self.queues)
            }
            (
                RequestKind::Headers
                | RequestKind::Keys
                | RequestKind::Proofs
                | RequestKind::CodesOf,
                _,
            ) => None,
        }
    }

    /// The next nodes that `may_ask` accepts, at most this many. They are blinded, and not asked
    /// for. `is_full`: without those of the account trie, which are planned anew once there is room.
    fn take_nodes(
        &mut self,
        most: usize,
        is_full: bool,
        may_ask: &dyn Fn(&(StatePath, Hash)) -> bool,
    ) -> Vec<(StatePath, Hash)> {
        let planned = match &mut self.phase {
            JobPhase::Healing(healing) => Some(healing.nodes_mut()),
            JobPhase::FirstSync(first) => first.frontier_mut().map(Frontier::nodes_mut),
            JobPhase::Set(set) => {
                return set.take_places(&self.tree, &self.queues, most, may_ask);
            }
        };
        let Some(planned) = planned else {
            let JobPhase::FirstSync(first) = &self.phase else {
                return Vec::new();
            };
            return next_nodes(&self.tree, &self.queues, first, most, may_ask);
        };
        // Since they were planned, some may have come with others that have the same hash.
        let (tree, queues) = (&self.tree, &self.queues);
        let is_needless = |(path, hash): &(StatePath, Hash)| {
            queues.is_node_asked(path, hash) || !tree.is_blinded(path, hash)
        };
        let mut has_left_out = false;
        let mut taken = Vec::new();
        planned.retain(|node| {
            if taken.len() == most {
                return true;
            }
            let is_left_out = is_full && node.0.account.is_none();
            has_left_out |= is_left_out;
            if is_left_out || is_needless(node) {
                return false;
            }
            let is_taken = may_ask(node);
            if is_taken {
                taken.push(*node);
            }
            !is_taken
        });
        if has_left_out {
            self.plan_changed();
        }
        taken
    }

    /// Codes first, since they leave memory at once; then the roots of storages, without which
    /// accounts cannot leave it; then nodes.
    fn take_node_data(&mut self, terms: Terms<'_>) -> Option<Want> {
        let Terms {
            bytes,
            lacks,
            is_full,
            room,
        } = terms;
        let codes = match self.queues.lacks_codes() {
            true => self.queues.take_codes(bytes, lacks),
            false => Vec::new(),
        };
        let left = bytes.saturating_sub(codes.len() as u64 * BYTES_PER_CODE);
        let most = (left / BYTES_PER_NODE) as usize + usize::from(codes.is_empty());
        let most = most.min(MAX_HASHES - codes.len());
        // A whole request or none: many small ones would cost as many looks through the tree.
        let most_asked = MAX_HASHES.max(room / BYTES_PER_BRANCH);
        let most = match self.queues.hashes_asked() + most <= most_asked {
            true => most,
            false => 0,
        };
        let is_by_hash = self.ways.is_by_hash;
        // What peers by snap lack is asked for by hash, whatever else they are good for.
        let may_ask = |missing: &Missing| match is_by_hash {
            true => lacks.has(missing),
            false => lacks.has_instead(missing),
        };
        let (mut nodes, has_left) = self.queues.take_roots(&self.tree, most, &may_ask);
        if has_left {
            self.plan_changed();
        }
        let may_ask = |(path, hash): &(StatePath, Hash)| lacks.has(&Missing::at(*path, *hash));
        for (at, hash) in self.take_nodes(most - nodes.len(), is_full, &may_ask) {
            // The same hash at another place comes with this one.
            if self.queues.ask_hash(hash) {
                nodes.push((at, hash));
            }
        }
        let is_empty = nodes.is_empty() && codes.is_empty();
        (!is_empty).then_some(Want::NodeData { nodes, codes })
    }

    /// Sets aside the nodes that no peer has, so that the rest goes on.
    pub(crate) fn set_aside<'a>(&mut self, items: impl Iterator<Item = &'a Missing>) {
        let mut nodes = FlatSet::default();
        for path in items.filter_map(Missing::place) {
            nodes.insert(path, ());
        }
        if self.queues.set_nodes_aside(nodes) {
            self.plan_changed();
        }
    }

    /// A request of an earlier round is on its way. What it asks for is not asked for again; where
    /// it is the same under every root, the answer is this round's.
    pub(crate) fn expect(&mut self, request: &mut StateRequest) {
        if request.round == self.round {
            return;
        }
        let is_wanted = match &request.want {
            Want::Codes(hashes) => self.queues.await_codes(hashes),
            Want::Storages(accounts) => self.queues.await_storages(accounts),
            Want::Accounts { origin, limit, .. } => {
                self.await_span(*origin, *limit);
                false
            }
            Want::NodeData { nodes, codes } => {
                self.queues.await_node_data(nodes, codes);
                true
            }
            Want::Chunk { .. }
            | Want::Nodes(_)
            | Want::Paths { .. }
            | Want::Key { .. }
            | Want::Proof { .. }
            | Want::CodeOf { .. } => false,
        };
        if is_wanted {
            request.round = self.round;
        }
    }

    /// A request for this was sent. Returns its round trips, including those before it.
    pub(crate) fn asked(&mut self, want: &Want) -> u64 {
        self.counters.requests += 1;
        let known = match &self.phase {
            JobPhase::Set(set) => set.trip_of(want),
            JobPhase::FirstSync(_) | JobPhase::Healing(_) => None,
        };
        known.unwrap_or_else(|| self.round_trips.ask(want, self.counters.round_trips))
    }

    /// Returns work whose request ended without an answer, or what an answer left over.
    pub(crate) fn requeue(&mut self, want: Want) {
        if let JobPhase::Set(set) = &mut self.phase {
            set.ended(&want);
        }
        match want {
            Want::Accounts {
                cursor,
                origin,
                limit,
            } => match (cursor, &mut self.phase) {
                (Some(cursor), JobPhase::FirstSync(first)) => first.requeue(cursor),
                (None, JobPhase::Healing(healing)) => healing.span_ended(&origin, &limit),
                // Nothing is lost: a cursor or a plan finds what is blinded.
                (Some(_), JobPhase::Healing(_)) | (None, JobPhase::FirstSync(_)) => {
                    debug_assert!(false, "a range of another phase");
                }
                (_, JobPhase::Set(_)) => debug_assert!(false, "a range of accounts for a set"),
            },
            Want::Storages(accounts) => {
                // A request of an earlier round goes on if one of its storages is still wanted.
                // Others in it may have another root by now, and are planned anew.
                let tree = &self.tree;
                let is_wanted = |(account, root): &(Hash, Hash)| {
                    known_storage(tree, account) == KnownStorage::Root(*root)
                };
                let (wanted, others): (Vec<_>, Vec<_>) = accounts.into_iter().partition(is_wanted);
                self.queues.requeue_storages(wanted);
                if !others.is_empty() {
                    self.queues.storages_ended(others);
                    self.plan_changed();
                }
            }
            Want::Chunk { account, chunk, .. } => self.queues.requeue_chunk(&account, chunk),
            Want::Codes(hashes) => self.queues.requeue_codes(hashes),
            Want::Nodes(nodes) => {
                self.queues.nodes_ended(&nodes);
                self.plan_changed();
            }
            Want::CodeOf { hash, .. } => self.queues.requeue_codes(vec![hash]),
            Want::Paths { .. } | Want::Key { .. } | Want::Proof { .. } => {}
            Want::NodeData { nodes, codes } => {
                self.queues.requeue_codes(codes);
                self.queues.hashes_ended(&nodes, &self.tree);
                self.plan_changed();
            }
        }
    }

    /// Says how peers can be asked.
    pub(crate) fn ask_by(&mut self, ways: SetWays) {
        self.ways = ways;
    }

    /// Makes a new plan if one is due. `waiting_bytes`: bytes of the tree that may wait in memory.
    pub(crate) fn replan(&mut self, waiting_bytes: usize) {
        let (tree, queues) = (&self.tree, &mut self.queues);
        let is_full = tree.resident_bytes() >= waiting_bytes;
        let ways = match self.ways.is_by_hash {
            true => Ways::ByHash { is_full },
            false => Ways::All,
        };
        let pages = &mut self.base_pages;
        match &mut self.phase {
            JobPhase::FirstSync(first) => first.replan(tree, queues, ways),
            JobPhase::Healing(healing) => healing.replan(tree, queues, waiting_bytes, ways, pages),
            JobPhase::Set(set) => {
                set.replan(tree, queues, &self.changes, self.ways, waiting_bytes, pages)
            }
        }
    }

    /// What is missing, or asked for, has changed.
    pub(super) fn plan_changed(&mut self) {
        match &mut self.phase {
            JobPhase::FirstSync(first) => first.changed(),
            JobPhase::Healing(healing) => healing.changed(),
            JobPhase::Set(set) => set.changed(),
        }
    }

    /// Whether there is nothing to ask for until more was read.
    pub(crate) fn has_no_plan(&self) -> bool {
        let is_used_up = match &self.phase {
            JobPhase::FirstSync(_) => true,
            JobPhase::Healing(healing) => healing.is_plan_used_up(),
            JobPhase::Set(set) => set.is_used_up(),
        };
        is_used_up && self.lacks_only_accounts()
    }
}

/// The first `most` blinded places that no range will cover any more and that `may_ask` accepts, in a
/// first sync.
pub(super) fn next_nodes(
    tree: &Tree,
    queues: &Queues,
    first: &FirstSync,
    most: usize,
    may_ask: &dyn Fn(&(StatePath, Hash)) -> bool,
) -> Vec<(StatePath, Hash)> {
    let ranges_done = !first.lacks_accounts();
    tree.blinded_where(most, &|path, hash| {
        let is_left = match path.account {
            None => ranges_done,
            Some(account) => !queues.is_large(&account),
        };
        is_left && !queues.is_node_asked(path, hash) && may_ask(&(*path, *hash))
    })
}
