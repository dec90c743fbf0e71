//! What a job asks for next, and what comes back unanswered.

use super::first_sync::FirstSync;
use super::healing::NODES_PER_REQUEST;
use super::queues::{Lacks, Queues};
use super::{Job, JobPhase};
use crate::flat_map::FlatSet;
use crate::hash::Hash;
use crate::state::{StatePath, Tree};
use crate::sync::progress::Missing;
use crate::sync::requests::StateRequest;
use crate::sync::want::{BYTES_PER_NODE, RequestKind, Want};

impl Job {
    /// Takes the next piece of work of this kind out of the queues, sized for about `bytes` bytes
    /// and without what the peer lacks.
    pub(crate) fn take(&mut self, kind: RequestKind, bytes: u64, lacks: Lacks<'_>) -> Option<Want> {
        match (kind, &mut self.phase) {
            (RequestKind::Accounts, JobPhase::FirstSync(first)) => first.take_accounts(&self.tree),
            (RequestKind::Accounts, JobPhase::Healing(healing)) => healing.take_span(),
            (RequestKind::Storage, _) => self
                .queues
                .take_chunk(&self.tree)
                .or_else(|| self.queues.take_storages(bytes, lacks)),
            (RequestKind::Codes, _) => self.queues.take_codes(bytes, lacks),
            (RequestKind::Nodes, _) => self.take_nodes(bytes, lacks),
            (RequestKind::Headers, _) => None,
        }
    }

    fn take_nodes(&mut self, bytes: u64, lacks: Lacks<'_>) -> Option<Want> {
        let most = (bytes / BYTES_PER_NODE + 1).min(NODES_PER_REQUEST) as usize;
        let may_ask = |(path, hash): &(StatePath, Hash)| {
            let (path, hash) = (*path, *hash);
            !lacks(&Missing::Node { path, hash })
        };
        let nodes = match &mut self.phase {
            JobPhase::Healing(healing) => healing.take_nodes(most, may_ask),
            JobPhase::FirstSync(first) => next_nodes(&self.tree, &self.queues, first)
                .filter(may_ask)
                .take(most)
                .collect(),
        };
        self.queues.ask_nodes(nodes)
    }

    /// Sets aside the nodes that no peer has, so that the rest goes on.
    pub(crate) fn set_aside<'a>(&mut self, items: impl Iterator<Item = &'a Missing>) {
        let mut nodes = FlatSet::default();
        for item in items {
            if let Missing::Node { path, .. } = item {
                nodes.insert(*path, ());
            }
        }
        if self.queues.set_nodes_aside(nodes)
            && let JobPhase::Healing(healing) = &mut self.phase
        {
            healing.changed();
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
            Want::Chunk { .. } | Want::Nodes(_) => false,
        };
        if is_wanted {
            request.round = self.round;
        }
    }

    /// A request for this was sent. Returns its round trips, including those before it.
    pub(crate) fn asked(&mut self, want: &Want) -> u64 {
        self.counters.requests += 1;
        self.round_trips.ask(want, self.counters.round_trips)
    }

    /// Returns work whose request ended without an answer, or what an answer left over.
    pub(crate) fn requeue(&mut self, want: Want) {
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
            },
            Want::Storages(accounts) => self.queues.requeue_storages(accounts),
            Want::Chunk { account, chunk, .. } => self.queues.requeue_chunk(&account, chunk),
            Want::Codes(hashes) => self.queues.requeue_codes(hashes),
            Want::Nodes(nodes) => {
                self.queues.nodes_ended(&nodes);
                if let JobPhase::Healing(healing) = &mut self.phase {
                    healing.changed();
                }
            }
        }
    }

    /// Makes a new plan if one is due. `waiting_bytes`: bytes of the tree that may wait in memory.
    pub(crate) fn replan(&mut self, waiting_bytes: usize) {
        if let JobPhase::Healing(healing) = &mut self.phase {
            healing.replan(&self.tree, &mut self.queues, waiting_bytes);
        }
    }

    /// Whether there is nothing to ask for until more was read.
    pub(crate) fn has_no_plan(&self) -> bool {
        let is_used_up = match &self.phase {
            JobPhase::FirstSync(_) => true,
            JobPhase::Healing(healing) => healing.is_plan_used_up(),
        };
        is_used_up && self.lacks_only_accounts()
    }
}

/// Blinded places that no range will cover any more, in a first sync.
pub(super) fn next_nodes<'a>(
    tree: &'a Tree,
    queues: &'a Queues,
    first: &'a FirstSync,
) -> impl Iterator<Item = (StatePath, Hash)> + 'a {
    let ranges_done = !first.lacks_accounts();
    tree.blinded().filter(move |(path, _)| {
        let is_left = match path.account {
            None => ranges_done,
            Some(account) => !queues.is_large(&account),
        };
        is_left && !queues.is_node_asked(path)
    })
}
