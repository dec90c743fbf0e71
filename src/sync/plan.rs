//! The plan of a healing: for every blinded place, whether to ask for its node, for the range below it, or for a page of the
//! base first.
//!
//! A plan is made by one pass over the tree and used up; then the next is made. So there is no second list of what is missing
//! that could disagree with the tree.

use std::collections::VecDeque;

use crate::hash::Hash;
use crate::sorted::SortedSet;
use crate::state::{Entry, Estimate, Item, PageId, StatePath, Storage, Tree};
use crate::trie::path::KEY_NIBBLES;

/// Below so many leaves a range's proof costs more than it brings.
pub(super) const WORTH_A_RANGE: u64 = 30;
/// A storage of so many slots is asked for whole, without a proof and in one round trip: its nodes would not be smaller.
const WHOLE_STORAGE: u64 = 8;
/// Leaves asked for by one range: what half a megabyte holds. More would make the bases behind it wait in memory.
const LEAVES_PER_RANGE: u64 = 8_192;
/// Blinded places up to which a healing goes breadth first, so that round trips follow the depth of the trie and not its
/// width. Above it goes depth first, so that subtries are finished and leave memory.
const BREADTH: usize = 8_192;
/// Places that one pass in depth plans ahead.
const DEPTH_AHEAD: usize = 1_024;
/// Pages of bases that one pass wants read: at 16 KiB each, some megabytes.
const PAGES_AHEAD: usize = 256;

/// What to do next. Bound: [`BREADTH`] places, and as many spans and pages.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// Nodes to ask for, the first ones first.
    pub(super) nodes: VecDeque<(StatePath, Hash)>,
    /// First and last keys of account ranges to ask for.
    pub(super) spans: VecDeque<(Hash, Hash)>,
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
    pub(super) nodes: &'a SortedSet<StatePath>,
    /// First and last keys.
    pub(super) spans: &'a [(Hash, Hash)],
    /// Storages that are queued or asked for, whole or in chunks.
    pub(super) storage: &'a dyn Fn(&Hash) -> bool,
}

/// How to get what is below a blinded place.
enum Way {
    Node,
    Range(u64),
}

impl Plan {
    /// Looks through the tree for what is neither held nor asked for.
    pub(super) fn make(tree: &Tree, asked: &Asked<'_>) -> Plan {
        let mut plan = Plan {
            pages: tree
                .pages_to_dissolve()
                .into_iter()
                .take(PAGES_AHEAD)
                .collect(),
            ..Plan::default()
        };
        // The span that is growing, and the leaves expected in it.
        let mut span: Option<(Hash, Hash, u64)> = None;
        for entry in tree.entries() {
            let range = match &entry.item {
                Item::Blinded { .. } => plan.place(tree, asked, entry),
                Item::Account(leaf) => {
                    if let Storage::Inline(slots) = &leaf.storage
                        && !(asked.storage)(&entry.path.key())
                    {
                        let root = leaf.storage_root();
                        plan.storage(tree, asked, &entry.path.key(), &root, slots);
                    }
                    None
                }
                Item::Slot(_) | Item::Page(_) => None,
            };
            span = match (span, range) {
                (Some((first, _, leaves)), Some(more)) if leaves + more <= LEAVES_PER_RANGE => {
                    Some((first, entry.path.last_key(), leaves + more))
                }
                (finished, range) => {
                    plan.spans
                        .extend(finished.map(|(first, last, _)| (first, last)));
                    range.map(|leaves| (entry.path.first_key(), entry.path.last_key(), leaves))
                }
            };
        }
        plan.spans
            .extend(span.map(|(first, last, _)| (first, last)));
        plan.order();
        plan
    }

    pub(super) fn is_used_up(&self) -> bool {
        self.nodes.is_empty() && self.spans.is_empty()
    }

    /// Plans one blinded place of the account trie; the leaves expected below if a range is the way.
    fn place(&mut self, tree: &Tree, asked: &Asked<'_>, entry: &Entry) -> Option<u64> {
        let Item::Blinded { hash, .. } = entry.item else {
            return None;
        };
        let at = StatePath::account_trie(entry.path);
        let (first, last) = (entry.path.first_key(), entry.path.last_key());
        let overlaps = |(from, to): &(Hash, Hash)| *from <= last && first <= *to;
        if asked.nodes.contains(&at) || asked.spans.iter().any(overlaps) {
            return None;
        }
        match way(&tree.estimate(&at)) {
            Way::Node => {
                self.node(tree, at, hash);
                None
            }
            Way::Range(leaves) => match self.pages_behind(tree, &first, &last) {
                true => None,
                false => Some(leaves),
            },
        }
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
        account: &Hash,
        root: &Hash,
        slots: &[Entry],
    ) {
        for entry in slots {
            let Item::Blinded { hash, .. } = entry.item else {
                continue;
            };
            let at = StatePath::storage(*account, entry.path);
            if asked.nodes.contains(&at) {
                continue;
            }
            let estimate = tree.estimate(&at);
            let is_small = estimate
                .leaves
                .is_some_and(|leaves| leaves <= WHOLE_STORAGE);
            match way(&estimate) {
                _ if slots.len() == 1 && entry.path.is_empty() && is_small => {
                    return self.storages.push((*account, *root));
                }
                Way::Node => self.node(tree, at, hash),
                Way::Range(leaves) => return self.large.push((*account, *root, leaves)),
            }
        }
    }

    /// Plans to ask for a node, or to read the page that its children are to be compared with.
    fn node(&mut self, tree: &Tree, at: StatePath, hash: Hash) {
        match tree.base_page_needed(&at) {
            Some(page) => self.page(page),
            None => self.nodes.push_back((at, hash)),
        }
    }

    fn order(&mut self) {
        if self.nodes.len() > BREADTH {
            // Key order is depth first.
            return self.nodes.truncate(DEPTH_AHEAD);
        }
        let (accounts, slots): (Vec<_>, Vec<_>) = std::mem::take(&mut self.nodes)
            .into_iter()
            .partition(|(at, _)| at.account.is_none());
        for nodes in [accounts, slots] {
            let mut levels = vec![Vec::new(); usize::from(KEY_NIBBLES) + 1];
            for node in nodes {
                levels[usize::from(node.0.path.len())].push(node);
            }
            self.nodes.extend(levels.into_iter().flatten());
        }
    }
}

/// Node or range, by what each is likely to receive.
fn way(estimate: &Estimate) -> Way {
    let Some(leaves) = estimate.leaves else {
        return Way::Node;
    };
    if leaves < WORTH_A_RANGE {
        return Way::Node;
    }
    match (estimate.node_bytes(), estimate.range_bytes()) {
        (Some(nodes), Some(range)) if nodes <= range => Way::Node,
        (None, _) if estimate.based => Way::Node,
        _ => Way::Range(leaves),
    }
}
