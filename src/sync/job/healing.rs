//! The phase of a job over a base: what is held under another root is compared from the top down,
//! and only what differs is fetched.

use super::base_pages::BasePages;
use super::plan::{Asked, Plan, Ways};
use super::queues::Queues;
use crate::hash::Hash;
use crate::heap::owns;
use crate::state::{Item, Received, StatePath, Tree};
use crate::sync::progress::KEY_SPACE_CELLS;
use crate::sync::want::Want;

/// Paths in one request for trie nodes. Servers stop at 1,024 look-ups (`docs/websocket-peers.md`,
/// GetTrieNodes), and a storage node costs several, so a request of 256 is answered whole.
pub(super) const NODES_PER_REQUEST: u64 = 256;

/// What a job over a base has beside the tree.
#[derive(Debug)]
pub(super) struct Healing {
    plan: Plan,
    /// How peers could be asked when it was made.
    ways: Ways,
    /// The tree has changed since the plan was made.
    is_plan_stale: bool,
    /// Accounts that came since the tree has this root.
    received: Received,
    /// Account ranges asked for. Bound: requests in flight.
    spans_asked: Vec<(Hash, Hash)>,
}

impl Healing {
    /// Nothing is planned yet.
    pub(super) fn new() -> Healing {
        Healing {
            plan: Plan::default(),
            ways: Ways::All,
            is_plan_stale: true,
            received: Received::default(),
            spans_asked: Vec::new(),
        }
    }

    /// The tree has changed.
    pub(super) fn changed(&mut self) {
        self.is_plan_stale = true;
    }

    /// Counts accounts that came from peers, by ranges or node by node.
    pub(super) fn received_leaves(&mut self, accounts: u64) {
        self.received.leaves += accounts;
    }

    /// Counts accounts that came node by node.
    pub(super) fn received_revealed(&mut self, accounts: u64) {
        self.received.revealed += accounts;
    }

    pub(super) fn take_span(&mut self) -> Option<Want> {
        let (origin, limit) = self.plan.take_span()?;
        self.spans_asked.push((origin, limit));
        Some(Want::Accounts {
            cursor: None,
            origin,
            limit,
        })
    }

    /// Where nodes are taken from.
    pub(super) fn nodes_mut(&mut self) -> &mut Vec<(StatePath, Hash)> {
        self.plan.nodes_mut()
    }

    /// The request for this range ended.
    pub(super) fn span_ended(&mut self, origin: &Hash, limit: &Hash) {
        self.spans_asked
            .retain(|(from, to)| (from, to) != (origin, limit));
        self.is_plan_stale = true;
    }

    /// This range has been on its way since before the target moved. Its answer becomes a base, so
    /// it is not asked for again meanwhile.
    pub(super) fn await_span(&mut self, origin: Hash, limit: Hash) {
        self.spans_asked.push((origin, limit));
    }

    pub(super) fn lacks_spans(&self) -> bool {
        self.plan.has_spans()
    }

    /// How many nodes are planned.
    pub(super) fn nodes(&self) -> usize {
        self.plan.nodes()
    }

    pub(super) fn lacks_nodes(&self) -> bool {
        self.is_plan_stale || self.plan.has_nodes()
    }

    /// Whether the plan is used up.
    pub(super) fn is_plan_used_up(&self) -> bool {
        self.plan.is_used_up()
    }

    /// Makes a new plan if the last one is used up and something has changed since.
    /// `waiting_bytes`: bytes of the tree that may wait in memory. `ways`: how peers can be asked.
    pub(super) fn replan(
        &mut self,
        tree: &Tree,
        queues: &mut Queues,
        waiting_bytes: usize,
        ways: Ways,
        pages: &mut BasePages,
    ) {
        if self.ways != ways {
            self.ways = ways;
            self.plan = Plan::default();
            pages.want(Vec::new());
            self.is_plan_stale = true;
        }
        if self.is_plan_stale {
            queues.sweep(tree);
        }
        if !self.is_plan_stale || !self.plan.is_used_up() || pages.has_read() {
            return;
        }
        let asked = Asked {
            node: &|path, hash| queues.is_node_asked(path, hash),
            spans: &self.spans_asked,
            storage: &|account| match ways {
                Ways::All => queues.knows_storage(account),
                // What is queued for ranges waits for peers that are not there.
                Ways::ByHash { .. } => queues.is_storage_asked(account),
            },
        };
        let mut plan = Plan::make(tree, &asked, self.received, waiting_bytes, ways);
        let (storages, large) = plan.take_storages();
        queues.add_storages(storages);
        for (account, root, slots) in large {
            queues.enlarge_for(account, root, Hash::ZERO, slots);
        }
        pages.want(plan.take_pages());
        self.plan = plan;
        self.is_plan_stale = false;
    }

    /// Whether account ranges are on their way, of this round or of one before. What they cover is
    /// planned when they are here.
    pub(super) fn awaits_ranges(&self) -> bool {
        !self.spans_asked.is_empty()
    }
}

/// What is known of each 1/256 of the account key space, 0 to 255, judged by what is blinded.
pub(super) fn key_space(tree: &Tree) -> [u8; KEY_SPACE_CELLS] {
    let mut unknown = [0u64; KEY_SPACE_CELLS];
    // In 65,536ths of the key space, of which a cell has 256.
    let place = |key: &Hash| u64::from(u16::from_be_bytes([key.0[0], key.0[1]]));
    for entry in tree.entries() {
        if !matches!(entry.item, Item::Blinded { .. }) {
            continue;
        }
        let (first, last) = (
            place(&entry.path.first_key()),
            place(&entry.path.last_key()),
        );
        for cell in first / 256..=last / 256 {
            let (from, to) = (first.max(cell * 256), last.min(cell * 256 + 255));
            if let Some(unknown) = unknown.get_mut(cell as usize) {
                *unknown += to - from + 1;
            }
        }
    }
    unknown.map(|share| 255 - share.min(255) as u8)
}

owns! {
    Healing: plan, spans_asked;
}
