//! The root record: the only record of a database that is overwritten, and the one from which
//! everything else is reached. Its bytes are in `codec`.
//!
//! The checksum finds accidents. Against a record that somebody else wrote, each root is compared
//! with its page ([`RootPage`]).

mod codec;

use core::fmt;
use core::ops::Range;

use super::counters::{Counters, Counts};
use super::entry::{PageId, PageRef};
use super::scope::Scope;
use crate::hash::Hash;
use crate::heap::flat;

/// Most complete states of a set that stay readable, the newest included: wallets pin their reads to
/// the block that they just got, and eight blocks are a minute and a half.
pub const MAX_KEPT: usize = 8;

/// The roots of a database, and the counters that must change together with them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Drawn at random when the database is made. Caches of pages hold for one incarnation only.
    pub incarnation: [u8; 16],
    /// The number of batches that have landed.
    pub sequence: u64,
    /// The id that the next page gets.
    pub next_page: PageId,
    /// The network this state belongs to.
    pub network: Network,
    /// The state that every read uses, unless it asks for an older one.
    pub complete: Option<Complete>,
    /// The state that is being built.
    pub building: Option<Building>,
    /// What the last switch to a new complete state left behind, until it has been collected.
    pub pending_gc: Option<PendingGc>,
    /// The version of the scope: what is to be held from the next state on.
    pub scope: u64,
    /// Complete states before `complete` that can still be read: the one that was complete last
    /// comes first. Only of sets, and only beside a set. No two of the readable states have the same
    /// root. Bound: [`MAX_KEPT`] less one.
    pub kept: Vec<Complete>,
}

/// What a switch from one complete state to the next leaves behind for garbage collection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingGc {
    /// The root page of the state that can be read no more; `None` if there is none. Pages that the
    /// readable states share with it stay.
    pub old: Option<PageRef>,
    /// The ids given out while the new state was built. Those that no readable state reaches are
    /// garbage. From 0 on: all ids are searched.
    pub build: Range<PageId>,
    /// Whether codes may be held that neither the readable states nor `old` name: the build has
    /// moved from another root, or an earlier collection was left.
    pub stray_codes: bool,
}

impl PendingGc {
    /// When only codes are left to be collected: all that this complete state does not name.
    pub(crate) fn of_codes(complete: &Complete, next_page: PageId) -> PendingGc {
        PendingGc {
            old: complete.top.page(),
            build: next_page..next_page,
            stray_codes: true,
        }
    }

    /// When anything may be garbage: all ids below `next_page` are searched, and all codes.
    pub(crate) fn of_everything(next_page: PageId) -> PendingGc {
        PendingGc {
            old: None,
            build: PageId(0)..next_page,
            stray_codes: true,
        }
    }

    /// Whether all ids are searched.
    pub(crate) fn is_wide(&self) -> bool {
        self.build.start == PageId(0)
    }
}

/// An Ethereum network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    /// Its network id (1: mainnet).
    pub id: u64,
    /// Hash of its genesis block.
    pub genesis: Hash,
}

impl Network {
    /// The id, little-endian, and the hash: 40 bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        [&self.id.to_le_bytes()[..], &self.genesis.0].concat()
    }

    /// The network with these bytes; `None` if they are no 40.
    pub fn from_bytes(bytes: &[u8]) -> Option<Network> {
        let (id, genesis) = bytes.split_first_chunk()?;
        Some(Network {
            id: u64::from_le_bytes(*id),
            genesis: Hash::from_slice(genesis)?,
        })
    }
}

/// The block that a state root was taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// Its hash.
    pub hash: Hash,
    /// Its number.
    pub number: u64,
    /// Seconds since 1970.
    pub timestamp: u64,
}

/// A state root together with the page that holds the top of its account trie. The two always
/// belong together, because the page's hash *is* the root. So what the page proves is proven by the
/// root, even if somebody else wrote the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RootPage(Option<PageRef>);

impl RootPage {
    /// Takes `page` as the root page of the state with this root; `None` if it has another hash. No
    /// page stands for the empty trie.
    pub fn new(root: Hash, page: Option<PageRef>) -> Option<RootPage> {
        let root_page = RootPage(page);
        (root_page.root() == root).then_some(root_page)
    }

    /// The state root.
    pub fn root(&self) -> Hash {
        self.0.map_or(Hash::EMPTY_ROOT, |page| page.hash)
    }

    /// The page of the account trie's root; `None` for the empty trie.
    pub fn page(&self) -> Option<PageRef> {
        self.0
    }
}

/// A state that is held completely.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Complete {
    /// Its root, and the page that proves it.
    pub top: RootPage,
    /// What it holds.
    pub counts: Counts,
    /// The block after which the state has this root, if one was ever the target: the one asked
    /// for last.
    pub block: Option<Block>,
    /// The version of the scope that it was built for.
    pub scope: u64,
}

/// A state that is being fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Building {
    /// Its root, and the page that proves it.
    pub top: RootPage,
    /// Pages with ids from this one on belong to this state, older ones to the complete state.
    pub first_page: PageId,
    /// The ids of the last batch's upper pages. The next batch writes these pages again and deletes
    /// the old ones.
    pub spine: Range<PageId>,
    /// What its pages hold so far.
    pub counts: Counts,
    /// The block after which the state has this root, if one was ever the target: the one asked
    /// for last.
    pub block: Option<Block>,
    /// What was counted of it when its last batch was made.
    pub counters: Counters,
    /// The version of the scope that it is built for.
    pub scope: u64,
}

/// Why a stored record cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecordError {
    /// A newer version of Snaplight has written it.
    NewerFormat {
        /// The record's format.
        found: u8,
        /// The newest that this version reads.
        supported: u8,
    },
    /// The bytes are not what was written: the checksum does not fit, or a root is not that of its
    /// page.
    Damaged,
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RecordError::NewerFormat { found, supported } => {
                let read = "this version reads up to";
                write!(f, "record format {found}, {read} {supported}")
            }
            RecordError::Damaged => f.write_str("the root record is damaged"),
        }
    }
}

impl core::error::Error for RecordError {}

impl Record {
    /// The record of a new database. `incarnation` has to be drawn at random.
    pub fn fresh(incarnation: [u8; 16], network: Network) -> Record {
        Record {
            incarnation,
            sequence: 0,
            next_page: PageId(1),
            network,
            complete: None,
            building: None,
            pending_gc: None,
            scope: 0,
            kept: Vec::new(),
        }
    }

    /// The states that can be read: the complete one, then those that are kept, of which the one
    /// that was complete last comes first.
    pub fn readable(&self) -> impl Iterator<Item = &Complete> {
        self.complete.iter().chain(&self.kept)
    }

    /// The readable state with this root.
    pub fn state_with_root(&self, root: &Hash) -> Option<&Complete> {
        self.readable().find(|state| state.top.root() == *root)
    }

    /// The readable state that is the one after the block with this hash. Each state has one block,
    /// the one asked for last: never that of a neighbour with the same root.
    pub fn state_of_block(&self, block: &Hash) -> Option<&Complete> {
        let is_it = |named: Block| named.hash == *block;
        self.readable().find(|state| state.block.is_some_and(is_it))
    }

    /// The readable state after the block with this number. If a reorganisation left two, the one
    /// that was complete last.
    pub fn state_of_number(&self, number: u64) -> Option<&Complete> {
        let is_it = |named: Block| named.number == number;
        self.readable().find(|state| state.block.is_some_and(is_it))
    }

    /// The kept state with this root that was built for this version of the scope.
    pub(crate) fn kept_with(&self, root: &Hash, scope: u64) -> Option<&Complete> {
        let is_it = |state: &&Complete| state.top.root() == *root && state.scope == scope;
        self.kept.iter().find(is_it)
    }

    /// The versions of the scopes that it names, each once. Version 0 is never stored and is not
    /// among them.
    pub fn scopes(&self) -> Vec<u64> {
        let mut versions = Vec::new();
        let mut name = |version: u64| {
            if version != 0 && !versions.contains(&version) {
                versions.push(version);
            }
        };
        name(self.scope);
        self.readable().for_each(|state| name(state.scope));
        self.building.iter().for_each(|state| name(state.scope));
        versions
    }

    /// The scopes that it names, each once, out of those that are stored by their versions. `None` if
    /// one is missing or damaged: nothing is known then of what the database holds.
    pub fn scopes_of(&self, stored: &[(u64, Vec<u8>)]) -> Option<Vec<Scope>> {
        let mut scopes = Vec::new();
        for version in self.scopes() {
            let (_, bytes) = stored.iter().find(|(stored, _)| *stored == version)?;
            let scope = Scope::decode(bytes).ok()?;
            if scope.version() != version {
                return None;
            }
            scopes.push(scope);
        }
        Some(scopes)
    }

    /// Makes `next` the complete state. The one before is kept if `keeps` says so, that is if both
    /// are of sets. Returns the states that can be read no more.
    pub(crate) fn switch(&mut self, next: Complete, keeps: bool) -> Vec<Complete> {
        let before = self.complete.replace(next);
        let mut kept = Vec::new();
        let mut gone = Vec::new();
        for state in before.into_iter().chain(core::mem::take(&mut self.kept)) {
            let stays = keeps && kept.len() + 1 < MAX_KEPT && state.top.root() != next.top.root();
            let list = if stays { &mut kept } else { &mut gone };
            list.push(state);
        }
        self.kept = kept;
        gone
    }

    /// Makes the kept state `elected` the complete one again, as the one after `block`. The one
    /// before is kept in its place. `None`, and nothing changes, if it is not kept.
    pub(crate) fn elect(&mut self, elected: &Hash, block: Option<Block>) -> Option<Complete> {
        let is_it = |state: &Complete| state.top.root() == *elected;
        let index = self.kept.iter().position(is_it)?;
        let state = Complete {
            block,
            ..self.kept.remove(index)
        };
        if let Some(before) = self.complete.replace(state) {
            self.kept.insert(0, before);
        }
        Some(state)
    }
}

flat!(Complete);

#[cfg(test)]
mod tests;
