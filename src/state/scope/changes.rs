//! How a set changes: the list that a caller hands over, and what it removes.
//!
//! A list has the accounts one after the other, each in the layout of [`super::Scope::encode`].

use super::codec::Fields;
use super::{MAX_TRACKED_ACCOUNTS, ScopeError, TrackedAccount, TrackedSet, TrackedSlots};

impl TrackedAccount {
    /// Reads a list.
    ///
    /// # Errors
    /// [`ScopeError::Damaged`] if it is none, [`ScopeError::TooManyAccounts`].
    pub fn read_list(bytes: &[u8]) -> Result<Vec<TrackedAccount>, ScopeError> {
        let mut fields = Fields(bytes);
        let mut list = Vec::new();
        while !fields.0.is_empty() {
            list.push(fields.account().ok_or(ScopeError::Damaged)?);
            if list.len() > MAX_TRACKED_ACCOUNTS {
                return Err(ScopeError::TooManyAccounts(list.len()));
            }
        }
        Ok(list)
    }

    /// Whether neither its code nor any slot is named.
    fn is_bare(&self) -> bool {
        !self.code && matches!(&self.slots, TrackedSlots::Single(slots) if slots.is_empty())
    }

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

impl TrackedSet {
    /// Its accounts as a list.
    pub fn list(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for account in &self.accounts {
            account.encode(&mut out);
        }
        out
    }

    /// The set without these: of an account that names its code or slots only those, else the whole
    /// account. What the set has not is nothing to be removed.
    ///
    /// # Errors
    /// [`ScopeError::AllSlots`]: single slots are to be removed of an account of which all are
    /// tracked.
    pub fn less(&self, removed: &[TrackedAccount]) -> Result<TrackedSet, ScopeError> {
        let mut set = self.clone();
        for part in removed {
            let place = set
                .accounts
                .binary_search_by(|known| known.key.cmp(&part.key));
            match place {
                Ok(index) if part.is_bare() => {
                    set.accounts.remove(index);
                }
                Ok(index) => {
                    if let Some(known) = set.accounts.get_mut(index) {
                        known.remove(part)?;
                    }
                }
                Err(_) => {}
            }
        }
        Ok(set)
    }
}

#[cfg(test)]
mod tests;
