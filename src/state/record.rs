//! The root record: the only record of a database that is overwritten, and the one from which
//! everything else is reached.
//!
//! Layout (integers little-endian, numbers are lengths in bytes): version 3; incarnation 16;
//! sequence 8; next page id 8; network id 8; genesis 32; version of the scope 8; the complete state;
//! the state being built; what waits for garbage collection; number of older complete states that
//! are kept 1, and these; XXH64 of all before it, 8. Each of the three parts stands behind a byte
//! that says whether it is there (0 or 1).
//!
//! A state is: state root 32; root page (behind such a byte: hash 32, id 8, flags 1, leaves 8,
//! slots 8); version of its scope 8; only for the one being built its first page's id and the first and end id of its upper
//! pages, 3 × 8; counts 3 × 8; block (behind such a byte: hash 32, number 8, timestamp 8); only for
//! the one being built its counters, 24 × 8, in the order of [`Counters`]. What waits for garbage
//! collection is: the old root page (behind such a byte, as above), first and end id of the build's
//! pages, 2 × 8; flags 1 (1: stray codes).
//!
//! Version 1 lacks the counters and these flags. Its counters are read as 0. It knew no collection
//! of codes, so all codes of its databases are still to be collected. Versions 1 and 2 lack scopes
//! and older states: they hold everything, and one state.
//!
//! The checksum finds accidents. Against a record that somebody else wrote, each root is compared
//! with its page ([`RootPage`]).

use core::fmt;
use core::ops::Range;

use xxhash_rust::xxh64::xxh64;

use super::counters::{Counters, Counts};
use super::entry::{PageId, PageRef};
use crate::hash::Hash;

/// The format that is written, and the newest one that can be read.
const VERSION: u8 = 3;
/// The oldest format that can be read.
const OLDEST: u8 = 1;
/// Most complete states of a set that stay readable, the newest included: wallets pin their reads to
/// the block that they just got, and eight blocks are a minute and a half.
pub const MAX_KEPT: usize = 8;
const OPEN: u8 = 1;
const INNER: u8 = 2;

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
    /// The state that every read uses.
    pub complete: Option<Complete>,
    /// The state that is being built.
    pub building: Option<Building>,
    /// What the last switch to a new complete state left behind, until it has been collected.
    pub pending_gc: Option<PendingGc>,
    /// The version of the scope: what is to be held from the next state on.
    pub scope: u64,
    /// Complete states before `complete` that can still be read, the newest first. Only of sets.
    /// Bound: [`MAX_KEPT`] less one.
    pub kept: Vec<Complete>,
}

/// What a switch from one complete state to the next leaves behind for garbage collection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingGc {
    /// The root page of the state before; `None` if there was none. Pages that the new state shares
    /// with it stay.
    pub old: Option<PageRef>,
    /// The ids given out while the new state was built. Those that it does not reach are garbage.
    pub build: Range<PageId>,
    /// Whether codes may be held that neither of the two states names: the build has moved from
    /// another root, or an earlier collection was left.
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
}

/// An Ethereum network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    /// Its network id (1: mainnet).
    pub id: u64,
    /// Hash of its genesis block.
    pub genesis: Hash,
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

    /// The record's bytes, in the layout above.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        out.extend(self.incarnation);
        out.extend(self.sequence.to_le_bytes());
        out.extend(self.next_page.0.to_le_bytes());
        out.extend(self.network.id.to_le_bytes());
        out.extend(self.network.genesis.0);
        out.extend(self.scope.to_le_bytes());
        out.push(self.complete.is_some().into());
        if let Some(complete) = &self.complete {
            put_complete(complete, &mut out);
        }
        out.push(self.building.is_some().into());
        if let Some(building) = &self.building {
            put_root_page(&building.top, &mut out);
            out.extend(building.scope.to_le_bytes());
            out.extend(building.first_page.0.to_le_bytes());
            out.extend(building.spine.start.0.to_le_bytes());
            out.extend(building.spine.end.0.to_le_bytes());
            put_counts(&building.counts, &mut out);
            put_block(&building.block, &mut out);
            let mut counters = building.counters;
            for counter in counters.each() {
                out.extend(counter.to_le_bytes());
            }
        }
        out.push(self.pending_gc.is_some().into());
        if let Some(pending_gc) = &self.pending_gc {
            put_page(&pending_gc.old, &mut out);
            out.extend(pending_gc.build.start.0.to_le_bytes());
            out.extend(pending_gc.build.end.0.to_le_bytes());
            out.push(pending_gc.stray_codes.into());
        }
        out.push(self.kept.len() as u8);
        for kept in &self.kept {
            put_complete(kept, &mut out);
        }
        out.extend(xxh64(&out, 0).to_le_bytes());
        out
    }

    /// Reads what [`Record::encode`] wrote.
    pub fn decode(bytes: &[u8]) -> Result<Record, RecordError> {
        let version = match bytes.first() {
            // Before the checksum, because a newer format may have another one.
            Some(&found) if found > VERSION => {
                return Err(RecordError::NewerFormat {
                    found,
                    supported: VERSION,
                });
            }
            Some(&found) if found >= OLDEST => found,
            _ => return Err(RecordError::Damaged),
        };
        let (body, checksum) = bytes.split_last_chunk::<8>().ok_or(RecordError::Damaged)?;
        if xxh64(body, 0).to_le_bytes() != *checksum {
            return Err(RecordError::Damaged);
        }
        let rest = body.get(1..).unwrap_or_default();
        let mut fields = Fields { rest, version };
        let record = fields.record().ok_or(RecordError::Damaged)?;
        if fields.rest.is_empty() {
            Ok(record)
        } else {
            Err(RecordError::Damaged)
        }
    }
}

fn put_complete(complete: &Complete, out: &mut Vec<u8>) {
    put_root_page(&complete.top, out);
    out.extend(complete.scope.to_le_bytes());
    put_counts(&complete.counts, out);
    put_block(&complete.block, out);
}

fn put_root_page(top: &RootPage, out: &mut Vec<u8>) {
    out.extend(top.root().0);
    put_page(&top.0, out);
}

fn put_page(page: &Option<PageRef>, out: &mut Vec<u8>) {
    out.push(page.is_some().into());
    if let Some(page) = page {
        out.extend(page.hash.0);
        out.extend(page.id.0.to_le_bytes());
        out.push(if page.open { OPEN } else { 0 } | if page.inner { INNER } else { 0 });
        out.extend(page.leaves.to_le_bytes());
        out.extend(page.slots.to_le_bytes());
    }
}

fn put_counts(counts: &Counts, out: &mut Vec<u8>) {
    out.extend(counts.accounts.to_le_bytes());
    out.extend(counts.slots.to_le_bytes());
    out.extend(counts.codes.to_le_bytes());
}

fn put_block(block: &Option<Block>, out: &mut Vec<u8>) {
    out.push(block.is_some().into());
    if let Some(block) = block {
        out.extend(block.hash.0);
        out.extend(block.number.to_le_bytes());
        out.extend(block.timestamp.to_le_bytes());
    }
}

/// The fields of a record.
struct Fields<'a> {
    /// The bytes that are still to be read.
    rest: &'a [u8],
    /// The format that they are in.
    version: u8,
}

impl Fields<'_> {
    fn record(&mut self) -> Option<Record> {
        let mut record = Record {
            incarnation: self.take()?,
            sequence: self.number()?,
            next_page: PageId(self.number()?),
            network: Network {
                id: self.number()?,
                genesis: self.hash()?,
            },
            scope: self.scope()?,
            complete: if self.flag()? {
                Some(self.complete()?)
            } else {
                None
            },
            building: if self.flag()? {
                Some(self.building()?)
            } else {
                None
            },
            pending_gc: if self.flag()? {
                Some(PendingGc {
                    old: self.page()?,
                    build: PageId(self.number()?)..PageId(self.number()?),
                    stray_codes: self.version == 1 || self.flag()?,
                })
            } else {
                None
            },
            kept: self.kept()?,
        };
        if let (1, None, Some(complete)) = (self.version, &record.pending_gc, record.complete) {
            record.pending_gc = Some(PendingGc::of_codes(&complete, record.next_page));
        }
        Some(record)
    }

    fn complete(&mut self) -> Option<Complete> {
        Some(Complete {
            top: self.root_page()?,
            scope: self.scope()?,
            counts: self.counts()?,
            block: self.block()?,
        })
    }

    fn kept(&mut self) -> Option<Vec<Complete>> {
        let mut kept = Vec::new();
        if self.version > 2 {
            let [count] = self.take()?;
            if usize::from(count) >= MAX_KEPT {
                return None;
            }
            for _ in 0..count {
                kept.push(self.complete()?);
            }
        }
        Some(kept)
    }

    fn scope(&mut self) -> Option<u64> {
        match self.version {
            1 | 2 => Some(0),
            _ => self.number(),
        }
    }

    fn building(&mut self) -> Option<Building> {
        Some(Building {
            top: self.root_page()?,
            scope: self.scope()?,
            first_page: PageId(self.number()?),
            spine: PageId(self.number()?)..PageId(self.number()?),
            counts: self.counts()?,
            block: self.block()?,
            counters: self.counters()?,
        })
    }

    fn counters(&mut self) -> Option<Counters> {
        let mut counters = Counters::default();
        if self.version > 1 {
            for counter in counters.each() {
                *counter = self.number()?;
            }
        }
        Some(counters)
    }

    /// `None` also for a root and a page that do not belong together.
    fn root_page(&mut self) -> Option<RootPage> {
        RootPage::new(self.hash()?, self.page()?)
    }

    fn block(&mut self) -> Option<Option<Block>> {
        if !self.flag()? {
            return Some(None);
        }
        Some(Some(Block {
            hash: self.hash()?,
            number: self.number()?,
            timestamp: self.number()?,
        }))
    }

    fn page(&mut self) -> Option<Option<PageRef>> {
        if !self.flag()? {
            return Some(None);
        }
        let (hash, id) = (self.hash()?, PageId(self.number()?));
        let [flags] = self.take()?;
        let (open, inner) = (flags & OPEN != 0, flags & INNER != 0);
        let (leaves, slots) = (self.number()?, self.number()?);
        (flags <= OPEN | INNER).then_some(Some(PageRef {
            hash,
            id,
            open,
            inner,
            leaves,
            slots,
            parent: 0,
        }))
    }

    fn counts(&mut self) -> Option<Counts> {
        Some(Counts {
            accounts: self.number()?,
            slots: self.number()?,
            codes: self.number()?,
        })
    }

    fn flag(&mut self) -> Option<bool> {
        match self.take()? {
            [0] => Some(false),
            [1] => Some(true),
            _ => None,
        }
    }

    fn hash(&mut self) -> Option<Hash> {
        self.take().map(Hash)
    }

    fn number(&mut self) -> Option<u64> {
        self.take().map(u64::from_le_bytes)
    }

    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.rest.split_first_chunk::<N>()?;
        self.rest = rest;
        Some(*taken)
    }
}

#[cfg(test)]
mod tests;
