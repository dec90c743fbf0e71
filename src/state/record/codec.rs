//! The root record's bytes.
//!
//! Layout (integers little-endian, numbers are lengths in bytes): format 1; incarnation 16;
//! sequence 8; next page id 8; network id 8; genesis 32; version of the scope 8; the complete
//! state; the state being built; what waits for garbage collection; number of older complete states
//! that are kept 1, and these; XXH64 of all before it, 8. Each of the three parts stands behind a
//! byte that says whether it is there (0 or 1).
//!
//! A state is: state root 32; root page (behind such a byte: hash 32, id 8, flags 1, leaves 8,
//! slots 8); version of its scope 8; only for the one being built its first page's id and the first
//! and end id of its upper pages, 3 × 8; counts 3 × 8; block (behind such a byte: hash 32, number 8,
//! timestamp 8); only for the one being built its counters, 24 × 8, in the order of [`Counters`].
//! What waits for garbage collection is: the old root page (behind such a byte, as above), first
//! and end id of the build's pages, 2 × 8; flags 1 (1: stray codes).
//!
//! The format that is written is 3. Format 1 lacks the counters and these flags. Its counters are
//! read as 0. It knew no collection of codes, so all codes of its databases are still to be
//! collected. Formats 1 and 2 lack scopes and older states: they hold everything, of one state.

use xxhash_rust::xxh64::xxh64;

use super::{
    Block, Building, Complete, MAX_KEPT, Network, PendingGc, Record, RecordError, RootPage,
};
use crate::hash::Hash;
use crate::state::counters::{Counters, Counts};
use crate::state::entry::{PageId, PageRef};

/// The format that is written, and the newest one that can be read.
pub(super) const VERSION: u8 = 3;
/// The oldest format that can be read.
const OLDEST: u8 = 1;
const OPEN: u8 = 1;
const INNER: u8 = 2;

impl Record {
    /// The record's bytes, in the layout above.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        out.extend(self.incarnation);
        out.extend(self.sequence.to_le_bytes());
        out.extend(self.next_page.0.to_le_bytes());
        out.extend(self.network.to_bytes());
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

pub(super) fn put_page(page: &Option<PageRef>, out: &mut Vec<u8>) {
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
    /// `None` also for a record that nobody has written: only a switch leaves garbage or a kept
    /// state, and after it there is a complete one.
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
        // A collection starts from the complete state, and a sync waits for it.
        let needs_complete = record.pending_gc.is_some() || !record.kept.is_empty();
        (record.complete.is_some() || !needs_complete).then_some(record)
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
