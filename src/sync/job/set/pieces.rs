//! What a set lacks, piece by piece, read off the tree.
//!
//! Where something is held under another root, the nodes towards a key are asked for by their paths,
//! unseen. The top levels come first: they show what differs. Then everything that is left of what
//! differs is asked for at once. So two round trips are enough, however deep the tries are. Where
//! nothing is held, a range of one key brings all that is on its way.

use super::Asked;
use super::changes::Changes;
use super::trips::Trips;
use crate::hash::Hash;
use crate::heap::flat;
use crate::state::{
    AccountLeaf, Entry, Item, PageId, StatePath, Storage, TrackedAccount, TrackedSet, TrackedSlots,
    Tree,
};
use crate::sync::job::plan::{self, Plan, Ways};
use crate::sync::job::queues::Queues;
use crate::trie::path::{KEY_NIBBLES, Path};

/// Pieces that one pass plans ahead: three requests of many paths each and more. They take half a
/// mebibyte. Chosen without a measurement.
pub(super) const AHEAD: usize = 2_048;
/// Pages of bases that one pass wants read: four loads, so that reading goes on without a new plan.
const PAGES_AHEAD: usize = 256;
/// Levels that are asked for of a storage that was empty before. It is likely to have few slots.
const LEVELS_OF_NEW: u8 = 2;

/// Something that one request may ask for, alone or with others.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece {
    /// The blinded place at or above which everything is known.
    pub(super) at: StatePath,
    /// The hash that is blinded there.
    pub(super) hash: Hash,
    /// The account that it is, or belongs to.
    pub(super) account: Hash,
    pub(super) what: What,
    /// Round trips until it is here.
    pub(super) trip: u64,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum What {
    /// The nodes on the way to a key, by their paths.
    Nodes {
        way: Way,
        /// What stands above it and is not known yet: the way to the account's leaf.
        above: Option<Way>,
    },
    /// A range of one key: the account, or this slot.
    Key { slot: Option<Hash> },
}

/// A part of the way from a trie's root to a key: the places at depths `from` to `to`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Way {
    pub(super) account: Option<Hash>,
    pub(super) key: Hash,
    pub(super) from: u8,
    pub(super) to: u8,
}

impl Way {
    pub(super) fn places(&self) -> impl Iterator<Item = StatePath> + '_ {
        (self.from..=self.to).map(|depth| StatePath {
            account: self.account,
            path: Path::new(self.key, depth),
        })
    }
}

impl Piece {
    /// The slot that it is about, if it is one.
    pub(super) fn slot(&self) -> Option<Hash> {
        match self.what {
            What::Key { slot } => slot,
            What::Nodes { way, .. } => way.account.is_some().then_some(way.key),
        }
    }
}

/// Looks through the tree for what is neither held nor asked for.
pub(super) struct Planner<'a> {
    pub(super) tree: &'a Tree,
    pub(super) set: &'a TrackedSet,
    pub(super) queues: &'a Queues,
    pub(super) asked: &'a Asked,
    pub(super) changes: &'a Changes,
    pub(super) trips: &'a Trips,
    /// Nodes cannot be had by their paths, and ranges can.
    pub(super) is_by_key: bool,
    /// Only peers that answer by hash can be relied on.
    pub(super) is_by_hash: bool,
    /// Whether memory has room for more of the bases.
    pub(super) has_room: bool,
    pub(super) found: Found,
}

/// What a plan consists of.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Bound: [`AHEAD`], and the slots of one account.
    pub(super) pieces: Vec<Piece>,
    /// Storages to ask for whole: account hash and storage root. Bound: the accounts of the set.
    pub(super) storages: Vec<(Hash, Hash)>,
    /// Storages to ask for by ranges: account hash, storage root and slots expected. Bound: the
    /// same.
    pub(super) large: Vec<(Hash, Hash, u64)>,
    /// Bound: [`PAGES_AHEAD`], and the pages that the tree itself wants read.
    pub(super) pages: Vec<PageId>,
}

impl Planner<'_> {
    /// Plans, in the order of keys.
    pub(super) fn plan(mut self) -> Found {
        self.found.pages = self.tree.pages_to_inline();
        for entry in self.tree.entries() {
            match &entry.item {
                Item::Blinded { hash, base } => self.accounts_at(entry.path, *hash, base),
                Item::Account(leaf) if leaf.is_open() => self.storage(entry.path.key(), leaf),
                _ => {}
            }
            if self.is_full() {
                break;
            }
        }
        self.found
    }

    fn is_full(&self) -> bool {
        self.found.pieces.len() >= AHEAD || self.found.pages.len() >= PAGES_AHEAD
    }

    /// A blinded place of the account trie.
    fn accounts_at(&mut self, path: Path, hash: Hash, base: &[Entry]) {
        let at = StatePath::account_trie(path);
        if self.is_busy(&at, &hash) {
            return;
        }
        let trip = self.trips.at(&at);
        let set = self.set;
        let begun = self.begun();
        for tracked in set.below(&path) {
            if self.is_full() {
                break;
            }
            let account = tracked.key();
            if self.asked.is_proof_asked(&account, None) {
                continue;
            }
            let piece = Piece {
                at,
                hash,
                account,
                what: What::Key { slot: None },
                trip,
            };
            match locate(base, &account) {
                Located::InPage(page) => self.read(page),
                Located::At { depth, leaf } if !self.is_by_key => {
                    self.ways(piece, tracked, depth, leaf);
                }
                Located::Unknown | Located::At { .. } => self.keys(piece, tracked),
            }
        }
        self.finish(begun);
    }

    /// How much is planned before a place.
    fn begun(&self) -> (usize, usize) {
        (self.found.pieces.len(), self.found.pages.len())
    }

    /// A place is looked through. While memory has room for more of its base, that is read first, so
    /// that what is asked for is asked for together. Above, what is known goes first.
    fn finish(&mut self, (pieces, pages): (usize, usize)) {
        if self.found.pages.len() == pages {
            return;
        }
        if self.has_room {
            self.found.pieces.truncate(pieces);
        } else if self.found.pieces.len() > pieces {
            self.found.pages.truncate(pages);
        }
    }

    /// The nodes on the way to an account that is held under another root, and to its slots.
    fn ways(
        &mut self,
        piece: Piece,
        tracked: &TrackedAccount,
        depth: u8,
        leaf: Option<&AccountLeaf>,
    ) {
        let depth = depth.max(piece.at.path.len());
        let account = piece.account;
        let slots = tracked.slots_below(&Path::ROOT);
        let top = self.changes.account_levels(depth);
        // What is behind the leaf is asked for in the second round trip, and only if the leaf says
        // that it has changed. So slots need it by then, and so does the code of an account that
        // may have come. That another code comes to an account is rare, and takes a third one.
        let to_leaf = !slots.is_empty() || leaf.is_none() && tracked.code();
        // The first time, only what is likely to have changed is asked for: it shows what differs.
        let is_first = !self.asked.before.contains(&account);
        let is_top = is_first && (to_leaf || piece.at.path.len() <= top);
        let piece = Piece {
            // It waits for room in a request, and for no answer.
            trip: if is_top {
                self.trips.first()
            } else {
                piece.trip
            },
            ..piece
        };
        let to = match is_top && !to_leaf {
            true => top.min(depth + 1),
            false => depth + 1,
        };
        let above = Way {
            account: None,
            key: account,
            from: piece.at.path.len(),
            to: to.min(KEY_NIBBLES),
        };
        let start = self.found.pieces.len();
        let nodes = |way, above| Piece {
            what: What::Nodes { way, above },
            ..piece
        };
        self.found.pieces.push(nodes(above, None));
        // At first only what is likely to have changed of a storage.
        if is_top && !self.changes.has_changed(&account) {
            return;
        }
        for slot in slots {
            let key = slot.key();
            if self.asked.is_key_asked(&account, Some(&key)) {
                continue;
            }
            let storage = leaf.map_or(&Storage::Empty, |leaf| &leaf.storage);
            let depth = match storage {
                Storage::Empty => Located::At {
                    depth: LEVELS_OF_NEW - 1,
                    leaf: None,
                },
                Storage::Page(page) => Located::InPage(page.id),
                Storage::Inline(list) => locate(list, &key),
                Storage::Blinded | Storage::Outside => Located::Unknown,
            };
            let what = match depth {
                Located::InPage(page) => {
                    // Once it is read, all of the account is asked for together.
                    self.found.pieces.truncate(start);
                    return self.read(page);
                }
                Located::Unknown => What::Key { slot: Some(key) },
                Located::At { depth, .. } => What::Nodes {
                    way: Way {
                        account: Some(account),
                        key,
                        from: 0,
                        to: match is_top {
                            true => self.changes.slot_levels(&account, depth).min(depth + 1),
                            false => depth + 1,
                        },
                    },
                    above: Some(above),
                },
            };
            self.found.pieces.push(Piece { what, ..piece });
        }
    }

    /// An account of which nothing is known, and its slots, at once.
    fn keys(&mut self, piece: Piece, tracked: &TrackedAccount) {
        let slots = tracked.slots_below(&Path::ROOT).iter();
        let slots = slots.map(|slot| Some(slot.key()));
        for slot in [None].into_iter().chain(slots) {
            self.key(piece, slot);
        }
    }

    fn key(&mut self, piece: Piece, slot: Option<Hash>) {
        if !self.asked.is_key_asked(&piece.account, slot.as_ref()) {
            self.found.pieces.push(Piece {
                what: What::Key { slot },
                trip: self.trips.first(),
                ..piece
            });
        }
    }

    /// An account whose leaf is known.
    fn storage(&mut self, account: Hash, leaf: &AccountLeaf) {
        let Some(tracked) = self.set.get(&account) else {
            return;
        };
        if *tracked.slots() == TrackedSlots::All {
            return self.whole(account, leaf);
        }
        match &leaf.storage {
            Storage::Blinded => self.slots_at(tracked, Path::ROOT, leaf.storage_root(), &[]),
            Storage::Inline(slots) => {
                for slot in slots {
                    if let Item::Blinded { hash, base } = &slot.item {
                        self.slots_at(tracked, slot.path, *hash, base);
                    }
                }
            }
            Storage::Empty | Storage::Page(_) | Storage::Outside => {}
        }
    }

    /// A blinded place of a storage trie.
    fn slots_at(&mut self, tracked: &TrackedAccount, path: Path, hash: Hash, base: &[Entry]) {
        let account = tracked.key();
        let at = StatePath::storage(account, path);
        if self.is_busy(&at, &hash) {
            return;
        }
        let piece = Piece {
            at,
            hash,
            account,
            what: What::Key { slot: None },
            trip: self.trips.at(&at),
        };
        let begun = self.begun();
        for slot in tracked.slots_below(&path) {
            let key = slot.key();
            if self.asked.is_key_asked(&account, Some(&key)) {
                continue;
            }
            match locate(base, &key) {
                Located::InPage(page) => self.read(page),
                Located::At { depth, .. } if !self.is_by_key => {
                    let way = Way {
                        account: Some(account),
                        key,
                        from: path.len(),
                        // A leaf that is alone in a base hangs at this place.
                        to: (depth.max(path.len()) + 1).min(KEY_NIBBLES),
                    };
                    self.found.pieces.push(Piece {
                        what: What::Nodes { way, above: None },
                        ..piece
                    });
                }
                Located::Unknown | Located::At { .. } => self.key(piece, Some(key)),
            }
        }
        self.finish(begun);
    }

    /// A storage that is wanted whole: by ranges or node by node, as in any healing.
    fn whole(&mut self, account: Hash, leaf: &AccountLeaf) {
        let root = leaf.storage_root();
        let ways = match self.is_by_hash {
            true => Ways::ByHash { is_full: false },
            false => Ways::All,
        };
        let is_asked = match self.is_by_hash {
            true => self.queues.is_storage_asked(&account),
            // What is queued for ranges is asked for by them.
            false => self.queues.knows_storage(&account),
        };
        match &leaf.storage {
            _ if is_asked => {}
            Storage::Blinded => self.found.storages.push((account, root)),
            Storage::Inline(slots) => {
                let asked = plan::Asked {
                    node: &|at, hash| self.is_busy(at, hash),
                    spans: &[],
                    storage: &|_| false,
                };
                let mut plan = Plan::of_storage(self.tree, &asked, (&account, &root), slots, ways);
                plan.take_pages()
                    .into_iter()
                    .for_each(|page| self.read(page));
                let (storages, large) = plan.take_storages();
                self.found.storages.extend(storages);
                self.found.large.extend(large);
                for (at, hash) in plan.nodes_mut().drain(..).take(AHEAD) {
                    let depth = at.path.len();
                    let way = Way {
                        account: at.account,
                        key: at.path.first_key(),
                        from: depth,
                        to: depth,
                    };
                    self.found.pieces.push(Piece {
                        at,
                        hash,
                        account,
                        what: What::Nodes { way, above: None },
                        trip: self.trips.at(&at),
                    });
                }
            }
            Storage::Empty | Storage::Page(_) | Storage::Outside => {}
        }
    }

    /// Whether this node is on its way, or cannot be had.
    fn is_busy(&self, at: &StatePath, hash: &Hash) -> bool {
        self.asked.is_path_asked(at) || self.queues.is_node_asked(at, hash)
    }

    fn read(&mut self, page: PageId) {
        if !self.found.pages.contains(&page) {
            self.found.pages.push(page);
        }
    }
}

/// What a list says of a key.
enum Located<'a> {
    /// A page has to be read first.
    InPage(PageId),
    /// Nothing is known there.
    Unknown,
    /// The key's leaf is at this depth, or would be.
    At {
        depth: u8,
        leaf: Option<&'a AccountLeaf>,
    },
}

/// Looks for a key in a list, and in the bases inside it.
fn locate<'a>(list: &'a [Entry], key: &Hash) -> Located<'a> {
    let path = Path::full(*key);
    let place = list.partition_point(|entry| entry.path <= path);
    let above = place.checked_sub(1).and_then(|above| list.get(above));
    let covering = above.filter(|entry| entry.path.is_prefix_of(&path));
    let leaf = match covering.map(|entry| &entry.item) {
        Some(Item::Page(page)) => return Located::InPage(page.id),
        Some(Item::Blinded { base, .. }) => return locate(base, key),
        Some(Item::Outside(_)) => return Located::Unknown,
        Some(Item::Account(leaf)) => Some(&**leaf),
        Some(Item::Slot(_) | Item::Neighbour(_)) | None => None,
    };
    let before = match covering.is_some() {
        true => place.checked_sub(2),
        false => place.checked_sub(1),
    };
    let neighbours = [before.and_then(|before| list.get(before)), list.get(place)];
    let shared = neighbours.into_iter().flatten();
    match shared.map(|entry| entry.path.common(&path)).max() {
        Some(shared) => Located::At {
            depth: (shared + 1).min(KEY_NIBBLES),
            leaf,
        },
        None if covering.is_some() => Located::At { depth: 0, leaf },
        None => Located::Unknown,
    }
}

flat!(Piece);
