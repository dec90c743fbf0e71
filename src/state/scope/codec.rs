//! The bytes of a scope.
//!
//! Layout of [`Scope::encode`] (integers little-endian, numbers are lengths in bytes): format 1;
//! version 8; kind 1 (0: everything, 1: a set); of a set the number of accounts 4, and each: address
//! 20; flags 1 (1: code, 2: single slots, 4: all slots); with single slots their number 4, and each
//! slot's number 32; XXH64 of all before it, 8.

use xxhash_rust::xxh64::xxh64;

use super::{MAX_TRACKED_ACCOUNTS, Scope, ScopeError, TrackedAccount, TrackedSet, TrackedSlots};

/// The format that is written, and the only one that can be read.
const FORMAT: u8 = 1;
const CODE: u8 = 1;
pub(super) const SINGLE_SLOTS: u8 = 2;
const ALL_SLOTS: u8 = 4;

impl Scope {
    /// Its bytes, in the layout above.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![FORMAT];
        out.extend(self.version.to_le_bytes());
        out.push(self.set.is_some().into());
        if let Some(set) = &self.set {
            out.extend((set.accounts.len() as u32).to_le_bytes());
            for account in &set.accounts {
                account.encode(&mut out);
            }
        }
        out.extend(xxh64(&out, 0).to_le_bytes());
        out
    }

    /// Reads what [`Scope::encode`] wrote. The keys are derived again from addresses and numbers.
    pub fn decode(bytes: &[u8]) -> Result<Scope, ScopeError> {
        let (body, checksum) = bytes.split_last_chunk::<8>().ok_or(ScopeError::Damaged)?;
        if xxh64(body, 0).to_le_bytes() != *checksum {
            return Err(ScopeError::Damaged);
        }
        let mut fields = Fields(body);
        let scope = fields.scope().ok_or(ScopeError::Damaged)?;
        match fields.0.is_empty() {
            true => Ok(scope),
            false => Err(ScopeError::Damaged),
        }
    }
}

impl TrackedAccount {
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        out.extend(self.address);
        let code = if self.code { CODE } else { 0 };
        match &self.slots {
            TrackedSlots::All => out.push(code | ALL_SLOTS),
            TrackedSlots::Single(slots) => {
                out.push(code | SINGLE_SLOTS);
                out.extend((slots.len() as u32).to_le_bytes());
                slots.iter().for_each(|slot| out.extend(slot.number));
            }
        }
    }
}

/// The bytes of a scope that are still to be read.
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl Fields<'_> {
    fn scope(&mut self) -> Option<Scope> {
        if self.take()? != [FORMAT] {
            return None;
        }
        let version = u64::from_le_bytes(self.take()?);
        match self.take()? {
            [0] => Some(Scope::everything_as(version)),
            [1] => Some(Scope::set(version, self.set()?)),
            _ => None,
        }
    }

    fn set(&mut self) -> Option<TrackedSet> {
        let count = self.count(MAX_TRACKED_ACCOUNTS)?;
        let mut added = Vec::new();
        for _ in 0..count {
            added.push(self.account()?);
        }
        let set = TrackedSet::default().with(&added).ok()?;
        (set.accounts.len() == count).then_some(set)
    }

    pub(super) fn account(&mut self) -> Option<TrackedAccount> {
        let address = self.take()?;
        let [flags] = self.take()?;
        let code = flags & CODE != 0;
        match flags & !CODE {
            ALL_SLOTS => Some(TrackedAccount::whole(address, code)),
            SINGLE_SLOTS => {
                // Each takes 32 bytes of what is there, so the number needs no limit.
                let count = self.count(usize::MAX)?;
                let mut numbers = Vec::new();
                for _ in 0..count {
                    numbers.push(self.take()?);
                }
                Some(TrackedAccount::new(address, code, &numbers))
            }
            _ => None,
        }
    }

    fn count(&mut self, most: usize) -> Option<usize> {
        let count = usize::try_from(u32::from_le_bytes(self.take()?)).ok()?;
        (count <= most).then_some(count)
    }

    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*taken)
    }
}
