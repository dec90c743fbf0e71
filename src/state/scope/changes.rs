//! How a set changes: the list that a caller hands over, and what it removes.
//!
//! Layout of a list, one account after the other (integers little-endian, numbers are lengths in
//! bytes): address 20; flags 1 (1: code, 2: single slots, 4: all slots); with single slots their
//! number 4, and each slot's number 32. Neither of the slots' flags means no slots.

use super::{ALL_SLOTS, CODE, Fields, SINGLE_SLOTS, ScopeError, TrackedAccount, TrackedSet};
use super::{MAX_TRACKED_ACCOUNTS, MAX_TRACKED_SLOTS, TrackedSlots};
use crate::hash::Hash;

/// What a set is to hold less.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Removal {
    /// Accounts with all of theirs, by the hashes of their addresses. Bound:
    /// [`MAX_TRACKED_ACCOUNTS`].
    accounts: Vec<Hash>,
    /// Parts of accounts that stay: these slots, and the code if it is tracked here. Bounds: those
    /// of a set.
    parts: Vec<TrackedAccount>,
}

impl TrackedAccount {
    /// Reads a list in the layout above.
    ///
    /// # Errors
    /// [`ScopeError::Damaged`] if it is no such list; the limits of a set.
    pub fn read_list(bytes: &[u8]) -> Result<Vec<TrackedAccount>, ScopeError> {
        Ok(read_list(bytes)?.collect_all())
    }
}

impl Removal {
    /// Reads a list in the layout above. An account with flags 0 is removed with all of its slots
    /// and its code; of any other only what the flags say: its code, these slots, or all slots.
    ///
    /// # Errors
    /// As [`TrackedAccount::read_list`].
    pub fn read_list(bytes: &[u8]) -> Result<Removal, ScopeError> {
        let list = read_list(bytes)?;
        Ok(Removal {
            accounts: list.bare.iter().map(TrackedAccount::key).collect(),
            parts: list.others,
        })
    }
}

impl TrackedSet {
    /// Its accounts as a list in the layout above.
    pub fn list(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for account in &self.accounts {
            account.encode(&mut out);
        }
        out
    }

    /// The set without these. What it has not is nothing to be removed.
    ///
    /// # Errors
    /// [`ScopeError::AllSlots`]: single slots are to be removed of an account of which all are
    /// tracked.
    pub fn less(&self, removal: &Removal) -> Result<TrackedSet, ScopeError> {
        let mut set = self.without(&removal.accounts);
        for part in &removal.parts {
            let place = set
                .accounts
                .binary_search_by(|known| known.key.cmp(&part.key));
            if let Some(known) = place.ok().and_then(|index| set.accounts.get_mut(index)) {
                known.remove(part)?;
            }
        }
        Ok(set)
    }
}

impl TrackedAccount {
    fn remove(&mut self, part: &TrackedAccount) -> Result<(), ScopeError> {
        self.code &= !part.code;
        match (&mut self.slots, &part.slots) {
            (slots, TrackedSlots::All) => *slots = TrackedSlots::Single(Vec::new()),
            (TrackedSlots::All, TrackedSlots::Single(gone)) if gone.is_empty() => {}
            (TrackedSlots::All, TrackedSlots::Single(_)) => return Err(ScopeError::AllSlots),
            (TrackedSlots::Single(slots), TrackedSlots::Single(gone)) => {
                slots.retain(|slot| gone.binary_search(slot).is_err());
            }
        }
        Ok(())
    }
}

/// The accounts of a list: those with no flags, and the others.
#[derive(Default)]
struct List {
    bare: Vec<TrackedAccount>,
    others: Vec<TrackedAccount>,
}

impl List {
    fn collect_all(self) -> Vec<TrackedAccount> {
        let mut all = self.others;
        all.extend(self.bare);
        all
    }
}

fn read_list(bytes: &[u8]) -> Result<List, ScopeError> {
    let mut fields = Fields(bytes);
    let (mut list, mut slots) = (List::default(), 0);
    while !fields.0.is_empty() {
        let count = list.bare.len() + list.others.len() + 1;
        if count > MAX_TRACKED_ACCOUNTS {
            return Err(ScopeError::TooManyAccounts(count));
        }
        let address = fields.take().ok_or(ScopeError::Damaged)?;
        let [flags] = fields.take().ok_or(ScopeError::Damaged)?;
        let code = flags & CODE != 0;
        match flags & !CODE {
            0 if code => list.others.push(TrackedAccount::new(address, true, &[])),
            0 => list.bare.push(TrackedAccount::new(address, false, &[])),
            ALL_SLOTS => list.others.push(TrackedAccount::whole(address, code)),
            SINGLE_SLOTS => {
                let count = fields.take().map(u32::from_le_bytes);
                slots += count.ok_or(ScopeError::Damaged)? as usize;
                if slots > MAX_TRACKED_SLOTS {
                    return Err(ScopeError::TooManySlots(slots));
                }
                let numbers = (0..count.unwrap_or(0)).map(|_| fields.take());
                let numbers = numbers.collect::<Option<Vec<_>>>();
                let numbers = numbers.ok_or(ScopeError::Damaged)?;
                list.others
                    .push(TrackedAccount::new(address, code, &numbers));
            }
            _ => return Err(ScopeError::Damaged),
        }
    }
    Ok(list)
}

#[cfg(test)]
mod tests;
