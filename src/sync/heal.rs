//! A job over a base: what is held under another root is compared from the top down, and only what differs is fetched.

use super::job::Job;
use super::plan::{Asked, Plan};
use super::want::Want;
use super::{KEY_SPACE_CELLS, Ticket};
use crate::flat_map::FlatSet;
use crate::hash::Hash;
use crate::heap::owns;
use crate::state::{Item, PageId, Received, StatePath};

/// Paths in one request for trie nodes; servers stop at 1,024 look-ups, and a storage node costs several.
pub(super) const NODES_PER_REQUEST: usize = 256;
/// Pages read at a time, so that an answer stays below a mebibyte.
const PAGES_PER_LOAD: usize = 64;
/// Pages taken in by one step: each is proven, which takes as long as a few hundred hashes.
const PAGES_PER_STEP: usize = 4;

/// What a job over a base has beside the tree.
#[derive(Debug, Default)]
pub(super) struct Healing {
    pub(super) plan: Plan,
    /// Accounts that came since the root is this.
    pub(super) received: Received,
    /// Account ranges asked for. Bound: requests in flight.
    spans_asked: Vec<(Hash, Hash)>,
    /// The load under way. Bound: [`PAGES_PER_LOAD`].
    loading: Option<(Ticket, Vec<PageId>)>,
    /// Pages that were read and are not taken in yet. Bound: [`PAGES_PER_LOAD`], or what no batch carries yet.
    read: Vec<(PageId, Option<Vec<u8>>)>,
}

impl Healing {
    /// Nothing is planned yet.
    pub(super) fn new() -> Healing {
        let mut healing = Healing::default();
        healing.plan.stale = true;
        healing
    }

    pub(super) fn take_span(&mut self) -> Option<Want> {
        if self.plan.spans.is_empty() {
            return None;
        }
        let (origin, limit) = self.plan.spans.remove(0);
        self.spans_asked.push((origin, limit));
        Some(Want::Accounts {
            cursor: None,
            origin,
            limit,
        })
    }

    pub(super) fn take_nodes(&mut self, asked: &mut FlatSet<StatePath>) -> Option<Want> {
        let most = self.plan.nodes.len().min(NODES_PER_REQUEST);
        let nodes: Vec<_> = self.plan.nodes.drain(..most).collect();
        for (at, _) in &nodes {
            asked.insert(*at, ());
        }
        (!nodes.is_empty()).then_some(Want::Nodes(nodes))
    }

    /// The request for this range ended.
    pub(super) fn span_ended(&mut self, origin: &Hash, limit: &Hash) {
        self.spans_asked
            .retain(|(from, to)| (from, to) != (origin, limit));
        self.plan.stale = true;
    }
}

impl Job {
    /// Account ranges that are on their way since before the target moved: what they bring becomes base, so they are not asked
    /// for again meanwhile.
    pub(crate) fn await_stale(&mut self, spans: Vec<(Hash, Hash)>) {
        if let Some(healing) = &mut self.healing {
            healing.spans_asked.extend(spans);
        }
    }

    /// A request of before the target moved has ended.
    pub(crate) fn stale_ended(&mut self, want: &Want) {
        if let (Want::Accounts { origin, limit, .. }, Some(healing)) = (want, &mut self.healing) {
            healing.span_ended(origin, limit);
        }
    }

    /// Makes a new plan if the last one is used up and something has changed since. `room`: bytes of the tree that may wait
    /// in memory.
    pub(crate) fn replan(&mut self, room: usize) {
        let Some(healing) = &mut self.healing else {
            return;
        };
        if !healing.plan.stale || !healing.plan.is_used_up() || !healing.read.is_empty() {
            return;
        }
        let (storages, asked, large) = (&self.storages, &self.storages_asked, &self.large);
        let asked = Asked {
            nodes: &self.nodes_asked,
            spans: &healing.spans_asked,
            storage: &|account| {
                storages.contains(account) || asked.contains(account) || large.contains(account)
            },
        };
        let mut plan = Plan::make(&self.tree, &asked, healing.received, room);
        for (account, root, slots) in std::mem::take(&mut plan.large) {
            self.enlarge_for(account, root, Hash::ZERO, slots);
        }
        self.storages.extend(std::mem::take(&mut plan.storages));
        if let Some(healing) = &mut self.healing {
            healing.plan = plan;
        }
    }

    /// Whether there is nothing to ask for until more was read.
    pub(crate) fn has_no_plan(&self) -> bool {
        let healing = self.healing.as_ref();
        healing.is_none_or(|healing| healing.plan.is_used_up()) && self.lacks_only_accounts()
    }

    /// Whether something is held under another root.
    pub(crate) fn is_over_base(&self) -> bool {
        self.healing.is_some()
    }

    /// Whether only accounts and nodes can go on: no storage or code is missing that would let accounts leave memory.
    pub(crate) fn lacks_only_accounts(&self) -> bool {
        self.storages.is_empty() && self.large.is_empty() && self.codes.is_empty()
    }

    /// The pages to read now; those that no batch carries yet are there. `stored`: pages below it are durable. None to read is
    /// not `None` if some are there.
    pub(crate) fn next_load(&mut self, ticket: Ticket, stored: PageId) -> Option<Vec<PageId>> {
        let healing = self
            .healing
            .as_mut()
            .filter(|healing| healing.loading.is_none() && healing.read.is_empty())?;
        let wanted = std::mem::take(&mut healing.plan.pages);
        let (mut durable, recent): (Vec<_>, Vec<_>) =
            wanted.into_iter().partition(|id| *id < stored);
        for id in recent {
            // Either not handed to the store yet, or on its way there: then a later plan wants it again.
            match self.pages.get(id).map(<[u8]>::to_vec) {
                Some(bytes) => healing.read.push((id, Some(bytes))),
                None => healing.plan.stale = true,
            }
        }
        healing.plan.pages = durable.split_off(durable.len().min(PAGES_PER_LOAD));
        if durable.is_empty() {
            return (!healing.read.is_empty()).then_some(durable);
        }
        healing.loading = Some((ticket, durable.clone()));
        Some(durable)
    }

    /// The pages of a load are here. `false`: not this job's load.
    pub(crate) fn loaded(&mut self, ticket: Ticket, pages: Vec<Option<Vec<u8>>>) -> bool {
        let Some(healing) = &mut self.healing else {
            return false;
        };
        let Some((_, ids)) = healing.loading.take_if(|(asked, _)| *asked == ticket) else {
            return false;
        };
        let mut pages = pages.into_iter();
        for id in ids {
            healing.read.push((id, pages.next().flatten()));
        }
        true
    }

    /// Takes in some of the pages that were read; the ids of those that are missing or damaged. `None` if there are none left.
    pub(crate) fn take_read(&mut self) -> Option<Vec<PageId>> {
        if self.healing.as_ref()?.read.is_empty() {
            return None;
        }
        let mut damaged = Vec::new();
        for _ in 0..PAGES_PER_STEP {
            // In whatever order: each knows its place.
            let Some((id, bytes)) = self.healing.as_mut()?.read.pop() else {
                break;
            };
            if !self.take_page(id, bytes.as_deref()) {
                damaged.push(id);
            }
        }
        Some(damaged)
    }

    /// Whether this ticket is of a load of this job.
    pub(crate) fn awaits_load(&self, ticket: Ticket) -> bool {
        let loading = self
            .healing
            .as_ref()
            .and_then(|healing| healing.loading.as_ref());
        loading.is_some_and(|(asked, _)| *asked == ticket)
    }

    /// Whether pages are being read or have to be.
    pub(crate) fn is_reading(&self) -> bool {
        let healing = self.healing.as_ref();
        healing.is_some_and(|healing| {
            healing.loading.is_some() || !healing.read.is_empty() || !healing.plan.pages.is_empty()
        })
    }

    /// Whether account ranges are on their way, of this round or of one before: what they cover is planned when they are here.
    pub(crate) fn awaits_ranges(&self) -> bool {
        let healing = self.healing.as_ref();
        healing.is_some_and(|healing| !healing.spans_asked.is_empty())
    }

    /// Takes a page of the base in; `false` if it is missing or damaged, and the tree does without it.
    fn take_page(&mut self, id: PageId, bytes: Option<&[u8]>) -> bool {
        if let Some(healing) = &mut self.healing {
            healing.plan.stale = true;
        }
        match bytes.map(|bytes| self.tree.inline_page(id, bytes)) {
            Some(Ok(joined)) => {
                self.enter(&joined);
                true
            }
            // It went while it was being read.
            _ if !self.tree.drop_base_page(id) => true,
            _ => false,
        }
    }

    /// What is known of each 1/256 of the account key space, 0 to 255, judged by what is blinded.
    pub(super) fn known_key_space(&self) -> [u8; KEY_SPACE_CELLS] {
        let mut unknown = [0u64; KEY_SPACE_CELLS];
        // In 65,536ths of the key space, of which a cell has 256.
        let place = |key: &Hash| u64::from(u16::from_be_bytes([key.0[0], key.0[1]]));
        for entry in self.tree.entries() {
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
}

owns! {
    Healing: plan, spans_asked, loading, read;
}
