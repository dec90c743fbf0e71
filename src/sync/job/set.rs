//! The phase of a job that holds a set: what is asked for follows the tracked keys, and nothing
//! beside them is fetched.
//!
//! A plan is made by one pass over the tree and used up; then the next is made. So there is no
//! second list of what is missing that could disagree with the tree.

mod changes;
mod pieces;
mod trips;

pub(crate) use changes::Changes;

use pieces::{AHEAD, Found, Piece, Planner, What};
use trips::Trips;

use super::base_pages::BasePages;
use super::queues::Queues;
use crate::flat_map::FlatSet;
use crate::hash::Hash;
use crate::heap::{HeapBytes, owns};
use crate::state::{Entry, Item, StatePath, Storage, TrackedSlot, TrackedSlots, Tree};
use crate::sync::ids::PeerId;
use crate::sync::lacking::Lacks;
use crate::sync::progress::Missing;
use crate::sync::want::{BYTES_PER_NODE, Want};
use crate::trie::path::Path;

/// Paths in one request. Servers stop at 1,024 look-ups (`docs/websocket-peers.md`, GetTrieNodes);
/// a path costs one, and a storage two and those of its nodes that are not asked for.
const PATHS_PER_REQUEST: usize = 600;
/// Answers for slots that wait for their accounts. Others are asked for again. Chosen without a
/// measurement: of one peer all come behind their accounts, and each has some eight nodes.
const MAX_HELD: usize = 64;

/// What a job for a set has beside the tree.
#[derive(Debug)]
pub(super) struct SetPlan {
    /// What to ask for, the first first. Bound: see [`Planner`].
    pieces: Vec<Piece>,
    asked: Asked,
    /// Bound: [`MAX_HELD`].
    held: Vec<HeldSlot>,
    trips: Trips,
    /// The tree has changed since the plan was made.
    is_stale: bool,
    /// Whether it began over another state.
    has_base: bool,
    /// How peers could be asked when it was made.
    ways: SetWays,
}

/// How peers can be asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SetWays {
    /// Only peers that answer by hash can be relied on.
    pub(crate) is_by_hash: bool,
    /// Nodes cannot be had by their paths, and ranges can.
    pub(crate) is_by_key: bool,
}

/// What is on its way.
#[derive(Debug, Default)]
pub(super) struct Asked {
    /// Nodes by path: the paths of each request, ascending, and the round trips until it is
    /// answered. Bound: requests in flight times [`PATHS_PER_REQUEST`].
    paths: Vec<(Vec<StatePath>, u64)>,
    /// Ranges of one key: an account, or a slot of it. Bound: requests in flight, and
    /// [`MAX_HELD`].
    keys: FlatSet<(Hash, Option<Hash>)>,
    /// Proofs: an account, and slots of it. Bound: calls in flight times the slots of one.
    proofs: Vec<(Hash, Vec<TrackedSlot>)>,
    /// Accounts that were asked for by paths under this root. Bound: the accounts of the set.
    before: FlatSet<Hash>,
}

/// An answer to a range of one slot that came before its account's: nothing says yet what the
/// storage's root is.
#[derive(Debug)]
pub(crate) struct HeldSlot {
    pub(crate) peer: PeerId,
    pub(crate) account: Hash,
    pub(crate) slot: Hash,
    /// RLP of trie nodes. Bound: those of one answer.
    pub(crate) proof: Vec<Vec<u8>>,
}

impl Asked {
    fn is_path_asked(&self, at: &StatePath) -> bool {
        let mut requests = self.paths.iter();
        requests.any(|(paths, _)| paths.binary_search(at).is_ok())
    }

    /// Whether this account or slot is asked for by a range of one key, or in a proof.
    fn is_key_asked(&self, account: &Hash, slot: Option<&Hash>) -> bool {
        self.keys.contains(&(*account, slot.copied())) || self.is_proof_asked(account, slot)
    }

    fn is_proof_asked(&self, account: &Hash, slot: Option<&Hash>) -> bool {
        let has = |slots: &[TrackedSlot]| {
            slot.is_none_or(|slot| slots.iter().any(|asked| asked.key() == *slot))
        };
        let mut proofs = self.proofs.iter();
        proofs.any(|(asked, slots)| asked == account && has(slots))
    }
}

/// Planning.
impl SetPlan {
    /// Nothing is planned yet. `before`: the round trips before the target moved.
    pub(super) fn of(tree: &Tree, before: u64) -> SetPlan {
        SetPlan {
            pieces: Vec::new(),
            asked: Asked::default(),
            held: Vec::new(),
            trips: Trips::after(before),
            is_stale: true,
            has_base: tree.entries().iter().any(Entry::has_base),
            ways: SetWays::default(),
        }
    }

    /// The tree has changed, or what is asked for.
    pub(super) fn changed(&mut self) {
        self.is_stale = true;
    }

    /// Whether something is held under another root.
    pub(super) fn has_base(&self) -> bool {
        self.has_base
    }

    /// How many pieces are planned.
    pub(super) fn len(&self) -> usize {
        self.pieces.len()
    }

    /// Whether something may be left to ask for.
    pub(super) fn lacks_any(&self) -> bool {
        self.is_stale || !self.pieces.is_empty() || !self.held.is_empty()
    }

    /// Whether there is nothing to ask for until more was read.
    pub(super) fn is_used_up(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Makes a new plan if the last one is used up and something has changed since.
    /// `waiting_bytes`: bytes of the tree that may wait in memory.
    pub(super) fn replan(
        &mut self,
        tree: &Tree,
        queues: &mut Queues,
        changes: &Changes,
        ways: SetWays,
        waiting_bytes: usize,
        pages: &mut BasePages,
    ) {
        if self.ways != ways {
            self.ways = ways;
            self.pieces.clear();
            self.is_stale = true;
        }
        if !self.is_stale || pages.has_read() {
            return;
        }
        // What has come in another way is in nobody's way.
        self.pieces.retain(|piece| piece.is_missing(tree));
        if self.pieces.len() > AHEAD / 8 {
            return;
        }
        queues.sweep(tree);
        self.is_stale = false;
        self.pieces.clear();
        pages.want(Vec::new());
        let Some(set) = tree.scope().tracked() else {
            debug_assert!(false, "a set is planned for");
            return;
        };
        let planner = Planner {
            tree,
            set,
            queues,
            asked: &self.asked,
            changes,
            trips: &self.trips,
            is_by_key: ways.is_by_key,
            is_by_hash: ways.is_by_hash,
            // The other half is for what comes.
            has_room: tree.resident_bytes() < waiting_bytes / 2,
            found: Found::default(),
        };
        let found = planner.plan();
        self.pieces = found.pieces;
        pages.want(found.pages);
        queues.add_storages(found.storages);
        for (account, root, slots) in found.large {
            queues.enlarge_for(account, root, Hash::ZERO, slots);
        }
    }
}

/// What is asked for.
impl SetPlan {
    /// Nodes by their paths, as many as an answer of `bytes` bytes is likely to hold.
    pub(super) fn take_paths(
        &mut self,
        tree: &Tree,
        queues: &Queues,
        bytes: u64,
        lacks: Lacks<'_>,
    ) -> Option<Want> {
        let most = usize::try_from(bytes / BYTES_PER_NODE + 1).unwrap_or(usize::MAX);
        let most = most.min(PATHS_PER_REQUEST);
        let mut paths: FlatSet<StatePath> = FlatSet::default();
        let mut tops: FlatSet<Hash> = FlatSet::default();
        let mut trip = 0;
        let mut has_dropped = false;
        let before = &mut self.asked.before;
        self.pieces.retain(|piece| {
            let What::Nodes { way, above } = piece.what else {
                return true;
            };
            if paths.len() >= most {
                return true;
            }
            // Since it was planned, it may have come in another way.
            if !piece.is_missing(tree) || queues.is_node_asked(&piece.at, &piece.hash) {
                has_dropped = true;
                return false;
            }
            if !lacks.has(&Missing::at(piece.at, piece.hash)) {
                return true;
            }
            for at in above.iter().chain([&way]).flat_map(|way| way.places()) {
                paths.insert(at, ());
            }
            tops.insert(piece.hash, ());
            before.insert(piece.account, ());
            trip = trip.max(piece.trip);
            false
        });
        self.is_stale |= has_dropped;
        if paths.is_empty() {
            return None;
        }
        let paths: Vec<StatePath> = paths.keys().copied().collect();
        let tops = tops.keys().copied().collect();
        self.asked.paths.push((paths.clone(), trip));
        Some(Want::Paths { paths, tops })
    }

    /// The next range of one key.
    pub(super) fn take_key(&mut self, tree: &Tree, lacks: Lacks<'_>) -> Option<Want> {
        loop {
            let index = self.pieces.iter().position(|piece| {
                matches!(piece.what, What::Key { .. })
                    && lacks.has(&Missing::at(piece.at, piece.hash))
            })?;
            let piece = self.pieces.remove(index);
            let What::Key { slot } = piece.what else {
                continue;
            };
            let account = piece.account;
            if !lacks_key(tree, &account, slot.as_ref()) {
                self.is_stale = true;
                continue;
            }
            self.asked.keys.insert((account, slot), ());
            return Some(Want::Key { account, slot });
        }
    }

    /// The proof of the next account, with all of its slots that are missing.
    pub(super) fn take_proof(
        &mut self,
        tree: &Tree,
        queues: &Queues,
        lacks: Lacks<'_>,
    ) -> Option<Want> {
        let set = tree.scope().tracked()?;
        // A provider cannot list the slots of a storage that is wanted whole.
        let is_of_whole = |piece: &Piece| {
            let tracked = set.get(&piece.account);
            piece.slot().is_some()
                && tracked.is_some_and(|tracked| *tracked.slots() == TrackedSlots::All)
        };
        let is_free = |piece: &Piece| {
            lacks.has(&Missing::at(piece.at, piece.hash))
                && !is_of_whole(piece)
                && !queues.is_node_asked(&piece.at, &piece.hash)
                && lacks_key(tree, &piece.account, piece.slot().as_ref())
        };
        let account = self.pieces.iter().find(|piece| is_free(piece))?.account;
        let tracked = set.get(&account)?;
        let single = tracked.slots_below(&Path::ROOT);
        let mut slots = Vec::new();
        self.pieces.retain(|piece| {
            if piece.account != account || is_of_whole(piece) {
                return true;
            }
            let Some(slot) = piece.slot() else {
                return false;
            };
            slots.extend(single.iter().find(|single| single.key() == slot));
            false
        });
        self.asked.proofs.push((account, slots.clone()));
        Some(Want::Proof {
            account,
            address: tracked.address(),
            slots,
        })
    }

    /// The places that are planned and that `may_ask` accepts, at most this many: nodes by hash.
    pub(super) fn take_places(
        &mut self,
        tree: &Tree,
        queues: &Queues,
        most: usize,
        may_ask: &dyn Fn(&(StatePath, Hash)) -> bool,
    ) -> Vec<(StatePath, Hash)> {
        let mut taken: Vec<(StatePath, Hash)> = Vec::new();
        let planned = self.pieces.len();
        self.pieces.retain(|piece| {
            let node = (piece.at, piece.hash);
            // Since it was planned, it may have come in another way.
            if taken.last() == Some(&node)
                || queues.is_node_asked(&node.0, &node.1)
                || !tree.is_blinded(&node.0, &node.1)
            {
                return false;
            }
            let is_taken = taken.len() < most && may_ask(&node);
            if is_taken {
                taken.push(node);
            }
            !is_taken
        });
        self.is_stale |= self.pieces.len() < planned;
        taken
    }

    /// The codes of an account that a provider is asked for by its address.
    pub(super) fn take_code_of(&mut self, tree: &Tree, queues: &mut Queues) -> Option<Want> {
        let set = tree.scope().tracked()?;
        let is_waiting = |(account, hash): (Hash, Hash)| {
            let tracked = set.get(&account)?;
            let is_queued = queues.has_code_queued(&hash);
            is_queued.then_some((tracked.address(), hash))
        };
        let mut lacking = tree.incomplete_accounts();
        let lacking = lacking.find_map(|account| is_waiting((account.account, account.code?)));
        let (address, hash) = lacking.or_else(|| queues.owners().find_map(is_waiting))?;
        queues.ask_code(hash);
        Some(Want::CodeOf { address, hash })
    }

    /// The round trips until this is answered; `None` if something else counts them.
    pub(super) fn trip_of(&self, want: &Want) -> Option<u64> {
        match want {
            Want::Paths { paths, .. } => {
                let mut asked = self.asked.paths.iter();
                asked
                    .find(|(asked, _)| asked == paths)
                    .map(|(_, trip)| *trip)
            }
            Want::Key { .. } | Want::Proof { .. } => Some(self.trips.first()),
            Want::Codes(codes) => Some(self.trips.of_codes(codes)),
            Want::CodeOf { hash, .. } => Some(self.trips.of_codes(&[*hash])),
            Want::Nodes(nodes) => nodes.iter().map(|(at, _)| self.trips.at(at)).max(),
            Want::NodeData { nodes, codes } => {
                let nodes = nodes.iter().map(|(at, _)| self.trips.at(at));
                let codes = (!codes.is_empty()).then(|| self.trips.of_codes(codes));
                nodes.chain(codes).max()
            }
            Want::Storages(accounts) => {
                let roots = accounts
                    .iter()
                    .map(|(account, _)| StatePath::storage(*account, Path::ROOT));
                roots.map(|at| self.trips.at(&at)).max()
            }
            Want::Accounts { .. } | Want::Chunk { .. } => None,
        }
    }

    /// A request for this has ended.
    pub(super) fn ended(&mut self, want: &Want) {
        self.is_stale = true;
        match want {
            Want::Paths { paths, .. } => {
                let mut asked = self.asked.paths.iter();
                if let Some(index) = asked.position(|(asked, _)| asked == paths) {
                    self.asked.paths.swap_remove(index);
                }
            }
            Want::Key { account, slot } => self.asked.keys.remove(&(*account, *slot)),
            // It may be a part of what was taken.
            Want::Proof { account, slots, .. } => self.asked.proofs.retain_mut(|(of, asked)| {
                asked.retain(|slot| of != account || !slots.contains(slot));
                of != account || !asked.is_empty()
            }),
            _ => {}
        }
    }
}

/// What has come.
impl SetPlan {
    /// These nodes came in this round trip.
    pub(super) fn revealed(
        &mut self,
        nodes: &[(StatePath, Hash)],
        trip: u64,
        changes: &mut Changes,
    ) {
        self.is_stale = true;
        for (at, _) in nodes {
            self.trips.revealed(*at, trip);
            if self.has_base {
                changes.revealed(at);
            }
        }
    }

    /// These codes turned out to be missing in this round trip.
    pub(super) fn named(&mut self, codes: &[Hash], trip: u64) {
        for code in codes {
            self.trips.named(*code, trip);
        }
    }

    /// Keeps an answer until its account is known; `false` if there are enough.
    #[must_use]
    pub(super) fn hold(&mut self, held: HeldSlot) -> bool {
        let has_room = self.held.len() < MAX_HELD;
        if has_room {
            self.held.push(held);
        }
        has_room
    }

    /// The next answer whose account is known by now.
    pub(super) fn take_held(&mut self, tree: &Tree) -> Option<HeldSlot> {
        let mut held = self.held.iter();
        let is_known =
            |held: &HeldSlot| known_storage(tree, &held.account) != KnownStorage::Unknown;
        let index = held.position(is_known)?;
        Some(self.held.remove(index))
    }
}

/// What is known of an account's storage.
pub(crate) fn known_storage(tree: &Tree, account: &Hash) -> KnownStorage {
    match covering(tree.entries(), account) {
        Some(Item::Blinded { .. }) => KnownStorage::Unknown,
        Some(Item::Account(leaf)) => KnownStorage::Root(leaf.storage_root()),
        Some(Item::Page(_) | Item::Outside(_) | Item::Neighbour(_) | Item::Slot(_)) => {
            KnownStorage::Unwanted
        }
        None => KnownStorage::Root(Hash::EMPTY_ROOT),
    }
}

/// What the tree in memory says of an account's storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KnownStorage {
    /// Nothing yet.
    Unknown,
    /// Its root: that of the empty trie if there is no such account.
    Root(Hash),
    /// It is complete in a page, or outside the scope.
    Unwanted,
}

impl Piece {
    /// Whether the tree still lacks it.
    fn is_missing(&self, tree: &Tree) -> bool {
        match self.what {
            What::Nodes { .. } => tree.is_blinded(&self.at, &self.hash),
            What::Key { slot } => lacks_key(tree, &self.account, slot.as_ref()),
        }
    }
}

/// Whether this account, or this slot of it, is blinded.
fn lacks_key(tree: &Tree, account: &Hash, slot: Option<&Hash>) -> bool {
    let leaf = match covering(tree.entries(), account) {
        Some(Item::Blinded { .. }) => return true,
        Some(Item::Account(leaf)) => leaf,
        _ => return false,
    };
    match (&leaf.storage, slot) {
        (Storage::Blinded, Some(_)) => true,
        (Storage::Inline(slots), Some(slot)) => {
            matches!(covering(slots, slot), Some(Item::Blinded { .. }))
        }
        _ => false,
    }
}

/// The item of a list at or above a key.
fn covering<'a>(list: &'a [Entry], key: &Hash) -> Option<&'a Item> {
    let path = Path::full(*key);
    let place = list.partition_point(|entry| entry.path <= path);
    let entry = list.get(place.checked_sub(1)?)?;
    entry.path.is_prefix_of(&path).then_some(&entry.item)
}

impl HeapBytes for HeldSlot {
    fn heap_bytes(&self) -> usize {
        self.proof.heap_bytes()
    }
}

owns! {
    Asked: paths, keys, proofs;
    SetPlan: pieces, asked, held, trips;
}
