//! The plan of a healing: for every blinded place, whether to ask for its node, for the range below
//! it, or for a page of the base first.
//!
//! A plan is made by one pass over the tree and used up; then the next is made. So there is no
//! second list of what is missing that could disagree with the tree.

use super::gaps::gaps;
use super::price::{LEAVES_PER_RANGE, NODE_BYTES, RANGE_PROOF, Way};
use crate::hash::Hash;
use crate::heap::owns;
use crate::state::{
    ChangeRate, Entry, Item, PageId, Received, StatePath, Storage, Tree, range_bytes,
};
use crate::trie::path::KEY_NIBBLES;

/// A storage of up to this many slots is asked for whole, without a proof and in one round trip.
/// Measured (`heal_shares`): with 0 or 32 the bytes are the same to 0.2 %.
const WHOLE_STORAGE: u64 = 8;
/// A storage of up to this many slots is asked for whole if most of it is likely to have changed,
/// since several go into one answer. Measured (`heal_shares`): with 8 a heal takes half as many
/// requests again, with 8,192 as many as now.
const WHOLE_IF_CHANGED: u64 = 1_024;
/// Blinded places up to which a healing goes breadth first, so that round trips follow the depth of
/// the trie and not its width. Above, it goes depth first, so that subtries are finished and leave
/// memory: so many places take about half a mebibyte.
const BREADTH: usize = 8_192;
/// Places that one pass in depth plans ahead: four requests for nodes, so that two peers are busy
/// until the next plan.
const DEPTH_AHEAD: usize = 1_024;
/// Where all that was compared has changed, ranges may be cheaper. If one level of nodes would cost
/// more than this part of ranges over everything, only [`PROBE`] nodes are asked for first: their
/// children show what has changed. Measured (`heal_shares`): a quarter instead of a sixteenth costs
/// 1.26 of a fresh sync's bytes at worst instead of 1.09; a 64th is the same.
const PROBED_SHARE: u64 = 16;
/// Nodes that are asked for to see what is below. Measured (`heal_shares`): with 4 the bytes are
/// the same, with 64 they are 1.13 of a fresh sync's at worst.
const PROBE: usize = 16;
/// Pages of bases that one pass wants read: four loads, so that reading goes on without a new plan.
const PAGES_AHEAD: usize = 256;

/// What to do next. Bound: [`BREADTH`] places, and as many spans and pages.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// Nodes to ask for, the first ones first.
    nodes: Vec<(StatePath, Hash)>,
    /// First and last keys of account ranges to ask for.
    spans: Vec<(Hash, Hash)>,
    /// Small storages to ask for whole: account hash and storage root.
    storages: Vec<(Hash, Hash)>,
    /// Large storages to ask for by ranges: account hash, storage root and slots expected.
    large: Vec<(Hash, Hash, u64)>,
    /// Pages of bases to read before more can be planned.
    pages: Vec<PageId>,
}

/// How peers can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ways {
    /// Ranges are answered.
    All,
    /// Only peers that answer by hash can be relied on, so everything is asked for node by node.
    /// `is_full`: accounts have to leave memory before others come.
    ByHash { is_full: bool },
}

impl Ways {
    pub(super) fn is_by_hash(self) -> bool {
        matches!(self, Ways::ByHash { .. })
    }
}

/// What is being asked for already.
pub(super) struct Asked<'a> {
    /// Whether a node with this hash is asked for, or cannot be had.
    pub(super) node: &'a dyn Fn(&StatePath, &Hash) -> bool,
    /// First and last keys of account ranges.
    pub(super) spans: &'a [(Hash, Hash)],
    /// Whether a storage is queued or asked for, whole or in chunks.
    pub(super) storage: &'a dyn Fn(&Hash) -> bool,
}

impl Asked<'_> {
    /// Whether a part of these keys is asked for.
    fn overlaps(&self, first: &Hash, last: &Hash) -> bool {
        let mut spans = self.spans.iter();
        spans.any(|(from, to)| from <= last && first <= to)
    }
}

impl Plan {
    /// Looks through the tree for what is neither held nor asked for.
    ///
    /// While a part of the account trie has never been held under any root, that part is fetched
    /// first, by ranges. The rest waits: it would have to be healed again if the root moved before
    /// everything is there.
    ///
    /// `received`: accounts that came since the tree has this root. `waiting_bytes`: bytes of the
    /// tree that may wait in memory. If the bases behind one range took more, they would be moved
    /// out again before it is asked for. `ways`: how peers can be asked.
    pub(super) fn make(
        tree: &Tree,
        asked: &Asked<'_>,
        received: Received,
        waiting_bytes: usize,
        ways: Ways,
    ) -> Plan {
        let pages = tree.pages_to_inline().into_iter().take(PAGES_AHEAD);
        let mut planner = Planner {
            tree,
            asked,
            change_rate: ChangeRate::of(tree.entries(), received),
            waiting_bytes,
            ways,
            plan: Plan {
                pages: pages.collect(),
                ..Plan::default()
            },
            span: None,
        };
        let gaps = match ways {
            Ways::All => gaps(tree.entries()),
            Ways::ByHash { .. } => Vec::new(),
        };
        planner.fill(&gaps);
        planner.compare(gaps.is_empty());
        planner.order();
        planner.plan
    }

    /// Plans what is blinded in one storage that a set wants whole.
    pub(super) fn of_storage(
        tree: &Tree,
        asked: &Asked<'_>,
        (account, root): (&Hash, &Hash),
        slots: &[Entry],
        ways: Ways,
    ) -> Plan {
        let mut planner = Planner {
            tree,
            asked,
            change_rate: ChangeRate::default(),
            waiting_bytes: 0,
            ways,
            plan: Plan::default(),
            span: None,
        };
        planner.compare_storage(account, root, slots);
        planner.plan
    }

    pub(super) fn is_used_up(&self) -> bool {
        self.nodes.is_empty() && self.spans.is_empty()
    }

    pub(super) fn has_spans(&self) -> bool {
        !self.spans.is_empty()
    }

    pub(super) fn has_nodes(&self) -> bool {
        !self.nodes.is_empty()
    }

    pub(super) fn nodes(&self) -> usize {
        self.nodes.len()
    }

    /// The first and last key of the next account range.
    pub(super) fn take_span(&mut self) -> Option<(Hash, Hash)> {
        (!self.spans.is_empty()).then(|| self.spans.remove(0))
    }

    /// Where nodes are taken from.
    pub(super) fn nodes_mut(&mut self) -> &mut Vec<(StatePath, Hash)> {
        &mut self.nodes
    }

    /// The pages to read.
    pub(super) fn take_pages(&mut self) -> Vec<PageId> {
        std::mem::take(&mut self.pages)
    }

    /// The storages to ask for: whole, and by ranges.
    #[expect(clippy::type_complexity, reason = "both lists are described at `Plan`")]
    pub(super) fn take_storages(&mut self) -> (Vec<(Hash, Hash)>, Vec<(Hash, Hash, u64)>) {
        (
            std::mem::take(&mut self.storages),
            std::mem::take(&mut self.large),
        )
    }
}

/// Makes a plan.
struct Planner<'a> {
    tree: &'a Tree,
    asked: &'a Asked<'a>,
    /// What share of the account trie's leaves is likely to have changed.
    change_rate: ChangeRate,
    waiting_bytes: usize,
    ways: Ways,
    plan: Plan,
    /// The range that grows while neighbouring places are better asked for by it.
    span: Option<Span>,
}

/// What a blinded place of the account trie comes to.
enum Piece {
    Node(StatePath, Hash),
    Span(Span),
}

/// Neighbouring places that are better asked for by one range.
struct Span {
    first: Hash,
    last: Hash,
    /// Leaves expected in it.
    leaves: u64,
    /// What the nodes of its places would cost, in bytes.
    nodes: u64,
    /// What the range costs, in bytes, without its proof.
    range: u64,
    /// Leaves behind its last place that are held. Receiving them again costs less than the proof
    /// of another range.
    held: u64,
    /// Bytes of bases that have to be in memory with it.
    behind: usize,
    /// The places, in case the range is not worth its proof. Bound: [`LEAVES_PER_RANGE`].
    places: Vec<(StatePath, Hash)>,
}

impl Planner<'_> {
    /// Plans ranges for what has never been held.
    fn fill(&mut self, gaps: &[(Hash, Hash)]) {
        for (first, last) in gaps {
            if !self.asked.overlaps(first, last) {
                self.ask_span(*first, *last);
            }
        }
    }

    /// Plans what differs from the base, in key order: places of the account trie if `accounts`,
    /// and of storages that are held in part.
    fn compare(&mut self, accounts: bool) {
        for entry in self.tree.entries() {
            let piece = match &entry.item {
                Item::Blinded { hash, .. } if accounts => self.piece(entry, *hash),
                Item::Account(leaf) => {
                    let account = entry.path.key();
                    if let Storage::Inline(slots) = &leaf.storage
                        && !(self.asked.storage)(&account)
                    {
                        self.compare_storage(&account, &leaf.storage_root(), slots);
                    }
                    None
                }
                Item::Blinded { .. }
                | Item::Slot(_)
                | Item::Page(_)
                | Item::Outside(_)
                | Item::Neighbour(_) => None,
            };
            match piece {
                Some(Piece::Span(more)) => self.coalesce(more),
                Some(Piece::Node(at, hash)) => {
                    self.finish_span();
                    self.ask_node(at, hash);
                }
                None if self.span.as_mut().is_some_and(|span| span.passes(entry)) => {}
                None => self.finish_span(),
            }
        }
        self.finish_span();
    }

    /// How to get one blinded place of the account trie; `None` if it is being asked for.
    fn piece(&self, entry: &Entry, hash: Hash) -> Option<Piece> {
        let at = StatePath::account_trie(entry.path);
        let (first, last) = (entry.path.first_key(), entry.path.last_key());
        if (self.asked.node)(&at, &hash) || self.asked.overlaps(&first, &last) {
            return None;
        }
        if self.ways.is_by_hash() {
            return Some(Piece::Node(at, hash));
        }
        let estimate = self.tree.estimate(&at, &self.change_rate);
        Some(match Way::cheapest(&estimate) {
            Way::Node => Piece::Node(at, hash),
            Way::Range {
                leaves,
                nodes,
                range,
            } => Piece::Span(Span {
                first,
                last,
                leaves,
                nodes,
                range,
                held: 0,
                behind: estimate.bytes,
                places: vec![(at, hash)],
            }),
        })
    }

    /// Goes on with the range that grows, or begins another one.
    fn coalesce(&mut self, more: Span) {
        // The bases of two ranges may wait at a time.
        let most_behind = self.waiting_bytes / 2;
        if let Some(span) = &mut self.span
            && span.leaves + more.leaves <= LEAVES_PER_RANGE
            && span.behind + more.behind <= most_behind
        {
            return span.append(more);
        }
        self.finish_span();
        self.span = Some(more);
    }

    /// The range does not grow any more: it is asked for if it is worth its proof, else its nodes
    /// are.
    fn finish_span(&mut self) {
        let Some(span) = self.span.take() else {
            return;
        };
        if span.range + RANGE_PROOF < span.nodes {
            return self.ask_span(span.first, span.last);
        }
        for (at, hash) in span.places {
            self.ask_node(at, hash);
        }
    }

    /// Plans what is blinded in one storage that is held in part.
    fn compare_storage(&mut self, account: &Hash, root: &Hash, slots: &[Entry]) {
        let change_rate = ChangeRate::of(slots, Received::default()).or(self.change_rate);
        for entry in slots {
            let Item::Blinded { hash, .. } = entry.item else {
                continue;
            };
            let at = StatePath::storage(*account, entry.path);
            if (self.asked.node)(&at, &hash) {
                continue;
            }
            if self.ways.is_by_hash() {
                self.ask_node(at, hash);
                continue;
            }
            let estimate = self.tree.estimate(&at, &change_rate);
            let is_all = slots.len() == 1 && entry.path.is_empty();
            let whole = estimate.leaves.filter(|_| is_all);
            let plan = &mut self.plan;
            match Way::cheapest(&estimate) {
                Way::Node if whole.is_some_and(|leaves| leaves <= WHOLE_STORAGE) => {
                    return plan.storages.push((*account, *root));
                }
                Way::Range { .. } if whole.is_some_and(|leaves| leaves <= WHOLE_IF_CHANGED) => {
                    return plan.storages.push((*account, *root));
                }
                Way::Range {
                    leaves,
                    nodes,
                    range,
                } if range + RANGE_PROOF < nodes => {
                    return plan.large.push((*account, *root, leaves));
                }
                Way::Node | Way::Range { .. } => self.ask_node(at, hash),
            }
        }
    }

    /// Plans to ask for a range of accounts. Pages that hold storages of the base's accounts in it
    /// are read before: without them, what is held of those storages would be lost.
    fn ask_span(&mut self, first: Hash, last: Hash) {
        let pages = self.tree.base_pages_within(&first, &last, PAGES_AHEAD);
        if pages.is_empty() {
            return self.plan.spans.push((first, last));
        }
        for page in pages {
            self.read_page(page);
        }
    }

    /// Plans to ask for a node. The page that its children are to be compared with is read before.
    fn ask_node(&mut self, at: StatePath, hash: Hash) {
        match self.tree.base_page_needed(&at) {
            Some(page) => self.read_page(page),
            None => self.plan.nodes.push((at, hash)),
        }
    }

    fn read_page(&mut self, page: PageId) {
        let pages = &mut self.plan.pages;
        if pages.len() < PAGES_AHEAD && !pages.contains(&page) {
            pages.push(page);
        }
    }

    /// Brings the nodes into the order in which they are asked for.
    fn order(&mut self) {
        let plan = &mut self.plan;
        let is_full = self.ways == Ways::ByHash { is_full: true };
        if !is_full && plan.nodes.len() > BREADTH {
            // Key order is depth first.
            return plan.nodes.truncate(DEPTH_AHEAD);
        }
        let (mut accounts, slots): (Vec<_>, Vec<_>) = std::mem::take(&mut plan.nodes)
            .into_iter()
            .partition(|(at, _)| at.account.is_none());
        if is_full {
            // What is missing of storages keeps accounts in memory.
            plan.nodes = match slots.is_empty() {
                true => accounts,
                false => slots,
            };
            return plan.nodes.truncate(DEPTH_AHEAD);
        }
        let bytes = accounts.len() as u64 * NODE_BYTES;
        let all_changed = self.change_rate.all;
        let is_much =
            |leaves| !self.ways.is_by_hash() && bytes > range_bytes(leaves) / PROBED_SHARE;
        if all_changed.is_some_and(is_much) {
            accounts.truncate(PROBE);
        }
        for mut nodes in [accounts, slots] {
            by_level(&mut nodes);
            plan.nodes.extend(nodes);
        }
    }
}

/// Sorts places by the length of their paths, and keeps the order of those of one length.
pub(super) fn by_level(nodes: &mut Vec<(StatePath, Hash)>) {
    let mut levels = vec![Vec::new(); usize::from(KEY_NIBBLES) + 1];
    for node in nodes.drain(..) {
        levels[usize::from(node.0.path.len())].push(node);
    }
    nodes.extend(levels.into_iter().flatten());
}

impl Span {
    /// Whether the range goes on behind an entry that is held, because that costs less than the
    /// proof of another range.
    fn passes(&mut self, entry: &Entry) -> bool {
        self.held += entry.leaves();
        !matches!(entry.item, Item::Blinded { .. }) && range_bytes(self.held) < RANGE_PROOF
    }

    fn append(&mut self, more: Span) {
        self.last = more.last;
        self.leaves += self.held + more.leaves;
        self.nodes += more.nodes;
        self.range += range_bytes(self.held) + more.range;
        self.held = 0;
        self.behind += more.behind;
        self.places.extend(more.places);
    }
}

owns! {
    Plan: nodes, spans, storages, large, pages;
}

#[cfg(test)]
mod tests;
