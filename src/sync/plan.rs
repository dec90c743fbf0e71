//! The plan of a healing: for every blinded place, whether to ask for its node, for the range below it, or for a page of the
//! base first.
//!
//! A plan is made by one pass over the tree and used up; then the next is made. So there is no second list of what is missing
//! that could disagree with the tree.

use super::cursor::leading;
use crate::flat_map::FlatSet;
use crate::hash::Hash;
use crate::heap::owns;
use crate::state::{
    ChangeRate, Entry, Estimate, Item, PageId, Received, StatePath, Storage, Tree, range_bytes,
};
use crate::trie::path::KEY_NIBBLES;

/// Below so many leaves a range's proof costs more than it brings.
pub(super) const WORTH_A_RANGE: u64 = 30;
/// A storage of so many slots is asked for whole, without a proof and in one round trip: its nodes would not be smaller.
const WHOLE_STORAGE: u64 = 8;
/// A storage of up to so many slots is asked for whole if most of it is likely to have changed: several go into an answer.
const WHOLE_IF_CHANGED: u64 = 1_024;
/// Leaves asked for by one range: what half a megabyte holds. More would make the bases behind it wait in memory.
const LEAVES_PER_RANGE: u64 = 8_192;
/// Blinded places up to which a healing goes breadth first, so that round trips follow the depth of the trie and not its
/// width. Above it goes depth first, so that subtries are finished and leave memory.
const BREADTH: usize = 8_192;
/// Places that one pass in depth plans ahead.
const DEPTH_AHEAD: usize = 1_024;
/// Spans that one pass plans ahead, of parts that have never been held: more than peers take at a time.
const SPANS_AHEAD: usize = 64;
/// Bytes of the proof of a range's two edges.
const RANGE_PROOF: u64 = 4_000;
/// Where all that was compared has changed, ranges of everything may be cheaper. If asking for a whole level of nodes would
/// cost more than this part of them, only a few are asked for, to see what is below: their children tell.
const PROBED_SHARE: u64 = 16;
const PROBE: usize = 16;
/// Bytes of a branch whose children are all there.
const NODE_BYTES: u64 = 532;
/// Pages of bases that one pass wants read: at 24 KiB each, some megabytes.
const PAGES_AHEAD: usize = 256;

/// What to do next. Bound: [`BREADTH`] places, and as many spans and pages.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// Nodes to ask for, the first ones first.
    pub(super) nodes: Vec<(StatePath, Hash)>,
    /// First and last keys of account ranges to ask for.
    pub(super) spans: Vec<(Hash, Hash)>,
    /// Small storages to ask for whole: account hash and storage root.
    pub(super) storages: Vec<(Hash, Hash)>,
    /// Large storages to ask for by ranges: account hash, storage root and slots expected.
    pub(super) large: Vec<(Hash, Hash, u64)>,
    /// Pages of bases to read before more can be planned.
    pub(super) pages: Vec<PageId>,
    /// The tree has changed since the plan was made.
    pub(super) stale: bool,
}

/// What is being asked for already.
pub(super) struct Asked<'a> {
    pub(super) nodes: &'a FlatSet<StatePath>,
    /// First and last keys.
    pub(super) spans: &'a [(Hash, Hash)],
    /// Storages that are queued or asked for, whole or in chunks.
    pub(super) storage: &'a dyn Fn(&Hash) -> bool,
}

/// How to get what is below a blinded place.
enum Way {
    Node,
    /// Leaves expected in the range, and what the other way would cost, both in bytes.
    Range {
        leaves: u64,
        nodes: u64,
        range: u64,
    },
}

/// What a blinded place of the account trie comes to. Nodes are entered in the order of their keys.
enum Piece {
    Node(StatePath, Hash),
    Span(Span),
}

/// Neighbouring places that are better asked for by one range.
struct Span {
    first: Hash,
    last: Hash,
    leaves: u64,
    nodes: u64,
    range: u64,
    /// Leaves behind its last place that are held. What a range brings of them again costs less than the proof of another.
    held: u64,
    /// Bytes of bases that have to be in memory with it.
    behind: usize,
    /// The places, should the range not be worth its proof after all. Bound: [`LEAVES_PER_RANGE`].
    places: Vec<(StatePath, Hash)>,
}

impl Plan {
    /// Looks through the tree for what is neither held nor asked for.
    ///
    /// While a part of the account trie has never been held under any root, that part is fetched first, by ranges, and the rest
    /// waits: it would only have to be healed again when the root moves before everything is there.
    ///
    /// `received`: accounts that came since the tree has this root. `room`: bytes of the tree that may wait in memory; of
    /// more than that the bases behind one range would be moved out again before it is asked for.
    pub(super) fn make(tree: &Tree, asked: &Asked<'_>, received: Received, room: usize) -> Plan {
        let change_rate = ChangeRate::of(tree.entries(), received);
        let mut plan = Plan {
            pages: tree
                .pages_to_inline()
                .into_iter()
                .take(PAGES_AHEAD)
                .collect(),
            ..Plan::default()
        };
        let gaps = gaps(tree.entries());
        let is_first_sync = !gaps.is_empty();
        for (first, last) in gaps {
            let overlaps = |(from, to): &(Hash, Hash)| *from <= last && first <= *to;
            if !asked.spans.iter().any(overlaps) && !plan.pages_behind(tree, &first, &last) {
                plan.spans.push((first, last));
            }
        }
        let mut span: Option<Span> = None;
        for entry in tree.entries() {
            let found = match &entry.item {
                Item::Blinded { .. } if !is_first_sync => {
                    Plan::place(tree, asked, &change_rate, entry)
                }
                Item::Account(leaf) => {
                    if let Storage::Inline(slots) = &leaf.storage
                        && !(asked.storage)(&entry.path.key())
                    {
                        let root = leaf.storage_root();
                        plan.storage(tree, asked, &change_rate, &entry.path.key(), &root, slots);
                    }
                    None
                }
                Item::Blinded { .. } | Item::Slot(_) | Item::Page(_) => None,
            };
            if found.is_none() && span.as_mut().is_some_and(|span| span.passes(entry)) {
                continue;
            }
            span = match (span, found) {
                (Some(span), Some(Piece::Span(more)))
                    if span.leaves + more.leaves <= LEAVES_PER_RANGE
                        && span.behind + more.behind <= room / 2 =>
                {
                    Some(span.and(more))
                }
                (finished, found) => {
                    plan.finish(tree, finished);
                    match found {
                        Some(Piece::Span(span)) => Some(span),
                        Some(Piece::Node(at, hash)) => {
                            plan.node(tree, at, hash);
                            None
                        }
                        None => None,
                    }
                }
            };
        }
        plan.finish(tree, span);
        plan.order(&change_rate);
        plan
    }

    /// A span that does not grow any more: one range, if that is worth its proof, or its nodes.
    fn finish(&mut self, tree: &Tree, span: Option<Span>) {
        let Some(span) = span else { return };
        if span.range + RANGE_PROOF >= span.nodes {
            let nodes = span.places.into_iter();
            return nodes.for_each(|(at, hash)| self.node(tree, at, hash));
        }
        if !self.pages_behind(tree, &span.first, &span.last) {
            self.spans.push((span.first, span.last));
        }
    }

    pub(super) fn is_used_up(&self) -> bool {
        self.nodes.is_empty() && self.spans.is_empty()
    }

    /// How to get one blinded place of the account trie, unless it is being asked for.
    fn place(
        tree: &Tree,
        asked: &Asked<'_>,
        change_rate: &ChangeRate,
        entry: &Entry,
    ) -> Option<Piece> {
        let Item::Blinded { hash, .. } = entry.item else {
            return None;
        };
        let at = StatePath::account_trie(entry.path);
        let (first, last) = (entry.path.first_key(), entry.path.last_key());
        let overlaps = |(from, to): &(Hash, Hash)| *from <= last && first <= *to;
        if asked.nodes.contains(&at) || asked.spans.iter().any(overlaps) {
            return None;
        }
        let estimate = tree.estimate(&at, change_rate);
        Some(match way(&estimate) {
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

    /// Wants the pages read that hold storages of a base's accounts; without them, what is held of those storages is lost.
    fn pages_behind(&mut self, tree: &Tree, first: &Hash, last: &Hash) -> bool {
        let pages = tree.base_pages_within(first, last, PAGES_AHEAD);
        let wanted = !pages.is_empty();
        pages.into_iter().for_each(|page| self.page(page));
        wanted
    }

    fn page(&mut self, page: PageId) {
        if self.pages.len() < PAGES_AHEAD && !self.pages.contains(&page) {
            self.pages.push(page);
        }
    }

    /// Plans what is blinded in one storage that is held in part.
    fn storage(
        &mut self,
        tree: &Tree,
        asked: &Asked<'_>,
        change_rate: &ChangeRate,
        account: &Hash,
        root: &Hash,
        slots: &[Entry],
    ) {
        let change_rate = ChangeRate::of(slots, Received::default()).or(*change_rate);
        for entry in slots {
            let Item::Blinded { hash, .. } = entry.item else {
                continue;
            };
            let at = StatePath::storage(*account, entry.path);
            if asked.nodes.contains(&at) {
                continue;
            }
            let estimate = tree.estimate(&at, &change_rate);
            let is_all = slots.len() == 1 && entry.path.is_empty();
            let leaves = estimate.leaves.filter(|_| is_all);
            match way(&estimate) {
                Way::Node if leaves.is_some_and(|leaves| leaves <= WHOLE_STORAGE) => {
                    return self.storages.push((*account, *root));
                }
                Way::Range { .. } if leaves.is_some_and(|leaves| leaves <= WHOLE_IF_CHANGED) => {
                    return self.storages.push((*account, *root));
                }
                Way::Node => self.node(tree, at, hash),
                Way::Range {
                    leaves,
                    nodes,
                    range,
                } if range + RANGE_PROOF < nodes => {
                    return self.large.push((*account, *root, leaves));
                }
                Way::Range { .. } => self.node(tree, at, hash),
            }
        }
    }

    /// Plans to ask for a node, or to read the page that its children are to be compared with.
    fn node(&mut self, tree: &Tree, at: StatePath, hash: Hash) {
        match tree.base_page_needed(&at) {
            Some(page) => self.page(page),
            None => self.nodes.push((at, hash)),
        }
    }

    fn order(&mut self, change_rate: &ChangeRate) {
        if self.nodes.len() > BREADTH {
            // Key order is depth first.
            return self.nodes.truncate(DEPTH_AHEAD);
        }
        let (mut accounts, slots): (Vec<_>, Vec<_>) = std::mem::take(&mut self.nodes)
            .into_iter()
            .partition(|(at, _)| at.account.is_none());
        let bytes = accounts.len() as u64 * NODE_BYTES;
        if change_rate
            .all
            .is_some_and(|leaves| bytes > range_bytes(leaves) / PROBED_SHARE)
        {
            accounts.truncate(PROBE);
        }
        for nodes in [accounts, slots] {
            let mut levels = vec![Vec::new(); usize::from(KEY_NIBBLES) + 1];
            for node in nodes {
                levels[usize::from(node.0.path.len())].push(node);
            }
            self.nodes.extend(levels.into_iter().flatten());
        }
    }
}

impl Span {
    /// Goes on behind an entry that is held, if that is worth it.
    fn passes(&mut self, entry: &Entry) -> bool {
        self.held += entry.leaves();
        !matches!(entry.item, Item::Blinded { .. }) && range_bytes(self.held) < RANGE_PROOF
    }

    fn and(mut self, more: Span) -> Span {
        self.last = more.last;
        self.leaves += self.held + more.leaves;
        self.nodes += more.nodes;
        self.range += range_bytes(self.held) + more.range;
        self.held = 0;
        self.behind += more.behind;
        self.places.extend(more.places);
        self
    }
}

/// Node or range, by what each is likely to receive; the proof of a range is shared by its neighbours.
fn way(estimate: &Estimate) -> Way {
    match (
        estimate.leaves,
        estimate.node_bytes(),
        estimate.range_bytes(),
    ) {
        (Some(leaves), Some(nodes), Some(range)) if range < nodes => Way::Range {
            leaves,
            nodes,
            range,
        },
        _ => Way::Node,
    }
}

/// The parts of the account trie of which nothing is held under any root, cut to what one range brings, at most
/// [`SPANS_AHEAD`] of them. None if only gaps are left that are as wide as between any two accounts.
fn gaps(list: &[Entry]) -> Vec<(Hash, Hash)> {
    let density = density(list);
    let mut gaps = Vec::new();
    let blinded = list.iter().filter_map(|entry| match &entry.item {
        Item::Blinded { base, .. } if density > 0.0 => Some((entry.path, base)),
        _ => None,
    });
    // What is not blinded is held, or known to be empty.
    for (path, base) in blinded {
        let (mut next, last) = (Some(path.first_key()), path.last_key());
        gaps_in(base, density, &mut next, &mut gaps);
        if let Some(first) = next.filter(|first| *first <= last) {
            gap(&first, &last, density, &mut gaps);
        }
    }
    gaps.truncate(SPANS_AHEAD);
    gaps
}

fn gaps_in(list: &[Entry], density: f64, next: &mut Option<Hash>, gaps: &mut Vec<(Hash, Hash)>) {
    for entry in list {
        match &entry.item {
            Item::Blinded { base, .. } => gaps_in(base, density, next, gaps),
            _ => {
                let first = entry.path.first_key();
                if let (Some(from), Some(before)) = (*next, first.previous())
                    && from < first
                {
                    gap(&from, &before, density, gaps);
                }
                *next = entry.path.last_key().next();
            }
        }
    }
}

/// Enters a gap if it is likely to hold more than a few accounts.
fn gap(first: &Hash, last: &Hash, density: f64, gaps: &mut Vec<(Hash, Hash)>) {
    let (from, to) = (leading(first), leading(last));
    let width = to.saturating_sub(from);
    let leaves = width as f64 * density;
    if leaves < WORTH_A_RANGE as f64 {
        return;
    }
    let parts = (leaves / LEAVES_PER_RANGE as f64)
        .ceil()
        .clamp(1.0, SPANS_AHEAD as f64) as u64;
    let mut start = *first;
    for part in 1..=parts {
        let mut end = *last;
        if part < parts {
            let place = from + (width / parts) * part;
            end.0 = [0xff; 32];
            end.0[..8].copy_from_slice(&place.to_be_bytes());
        }
        gaps.push((start, end));
        match end.next() {
            Some(next) => start = next,
            None => return,
        }
    }
}

/// Accounts per unit of the leading eight key bytes, judged by the pages that are held or stand in bases: a page holds all
/// there is below its path.
fn density(list: &[Entry]) -> f64 {
    let (leaves, width) = pages_in(list);
    if width > 0.0 { leaves / width } else { 0.0 }
}

fn pages_in(list: &[Entry]) -> (f64, f64) {
    list.iter().fold((0.0, 0.0), |(leaves, width), entry| {
        let (more, wider) = match &entry.item {
            Item::Blinded { base, .. } => pages_in(base),
            Item::Page(page) => {
                let (first, last) = (entry.path.first_key(), entry.path.last_key());
                (
                    page.leaves as f64,
                    (leading(&last) - leading(&first)) as f64,
                )
            }
            Item::Account(_) | Item::Slot(_) => (0.0, 0.0),
        };
        (leaves + more, width + wider)
    })
}

owns! {
    Plan: nodes, spans, storages, large, pages;
}
