//! What of a job is fetched by ranges: the account cursors, whole storages, and the chunks of large ones.

use super::cursor::{Cursor, leading};
use super::job::{ACCOUNT_CURSORS, Job, Large, STORAGE_CHUNKS};
use super::plan::WORTH_A_RANGE;
use super::want::Want;
use crate::hash::Hash;

/// Slots that make a chunk of its own worth while: about two full answers.
const SLOTS_PER_CHUNK: u64 = 16_384;
/// Bytes of an answer that one small storage takes on average, to size requests.
const BYTES_PER_STORAGE: u64 = 1024;

impl Job {
    /// The request for this range of accounts ended; the cursor, if it was one's, is free.
    pub(super) fn span_returned(&mut self, cursor: Option<usize>, origin: &Hash, limit: &Hash) {
        if let Some(cursor) = cursor.and_then(|cursor| self.cursors.get_mut(cursor)) {
            cursor.busy = false;
        }
        if let Some(healing) = &mut self.healing {
            healing.span_ended(origin, limit);
        }
    }

    /// An account range was joined: the cursor looks on behind its last key, or is done if nothing lies to the right.
    pub(crate) fn accounts_joined(&mut self, cursor: usize, last: Option<Hash>, more: bool) {
        let Some(cursor) = self.cursors.get_mut(cursor) else {
            return;
        };
        cursor.busy = false;
        match last {
            Some(last) if more => cursor.advance(&last),
            _ => cursor.next = None,
        }
    }

    /// The first part of a storage was joined and more is to come: the rest is cut into chunks by its density.
    pub(crate) fn storage_cut(
        &mut self,
        account: Hash,
        storage_root: Hash,
        slots: u64,
        last: &Hash,
    ) {
        let Some(rest) = last.next() else { return };
        self.enlarge_for(account, storage_root, rest, slots_left(slots, last));
    }

    /// Walks a storage from `first` on in as many chunks as the slots expected there are worth.
    pub(super) fn enlarge_for(&mut self, account: Hash, root: Hash, first: Hash, slots: u64) {
        let chunks = (slots / SLOTS_PER_CHUNK + 1).min(STORAGE_CHUNKS);
        self.enlarge(account, root, first, chunks);
    }

    /// A chunk's part was joined.
    pub(crate) fn chunk_joined(
        &mut self,
        account: &Hash,
        chunk: usize,
        last: Option<Hash>,
        more: bool,
    ) {
        self.touch();
        let Some(cursor) = self.chunk_mut(account, chunk) else {
            return;
        };
        cursor.busy = false;
        match last {
            Some(last) if more => cursor.advance(&last),
            _ => cursor.next = None,
        }
        if self
            .large
            .get(account)
            .is_some_and(|large| large.chunks.iter().all(|chunk| chunk.next.is_none()))
        {
            self.large.remove(account);
        }
    }

    pub(super) fn take_accounts(&mut self) -> Option<Want> {
        for index in 0..self.cursors.len() {
            let estimate = self.accounts_per_key();
            let Some(cursor) = self.cursors.get_mut(index) else {
                break;
            };
            while let (false, Some(next)) = (cursor.busy, cursor.next) {
                let Some((origin, limit)) = self.tree.blinded_span(&next, &cursor.last) else {
                    cursor.next = None;
                    break;
                };
                let width = leading(&limit).saturating_sub(leading(&origin)) as f64;
                if estimate.is_some_and(|per_key| per_key * width < WORTH_A_RANGE as f64) {
                    cursor.advance(&limit);
                    continue;
                }
                cursor.busy = true;
                return Some(Want::Accounts {
                    cursor: Some(index),
                    origin,
                    limit,
                });
            }
        }
        None
    }

    /// Accounts per unit of the leading eight key bytes, once enough is known to say.
    fn accounts_per_key(&self) -> Option<f64> {
        let known: u64 = self.cursors.iter().map(|cursor| cursor.known(255)).sum();
        let share = known as f64 / (255.0 * ACCOUNT_CURSORS as f64);
        let enough = share > 0.01 && self.held().accounts > 1_000;
        enough.then(|| self.held().accounts as f64 / share / u64::MAX as f64)
    }

    pub(super) fn take_chunk(&mut self) -> Option<Want> {
        let mut done = Vec::new();
        let mut taken = None;
        'storages: for (account, large) in self.large.iter_mut() {
            for (chunk, cursor) in large.chunks.iter_mut().enumerate() {
                let (false, Some(next)) = (cursor.busy, cursor.next) else {
                    continue;
                };
                let Some((origin, limit)) = self.tree.storage_span(account, &next, &cursor.last)
                else {
                    cursor.next = None;
                    continue;
                };
                cursor.busy = true;
                let (account, storage_root) = (*account, large.storage_root);
                let origin = provable_origin(origin, &limit);
                taken = Some(Want::Chunk {
                    account,
                    storage_root,
                    chunk,
                    origin,
                    limit,
                });
                break 'storages;
            }
            if large.chunks.iter().all(|chunk| chunk.next.is_none()) {
                done.push(*account);
            }
        }
        self.large.retain(|account| !done.contains(account));
        taken
    }

    pub(super) fn take_storages(&mut self, bytes: u64) -> Option<Want> {
        let most = (bytes / BYTES_PER_STORAGE).max(1) as usize;
        let mut accounts = Vec::new();
        while accounts.len() < most {
            let Some(next) = self.storages.pop_first() else {
                break;
            };
            self.storages_asked.insert(next.0, ());
            accounts.push(next);
        }
        (!accounts.is_empty()).then_some(Want::Storages(accounts))
    }

    pub(super) fn enlarge(&mut self, account: Hash, storage_root: Hash, first: Hash, chunks: u64) {
        let chunks = Cursor::slices(first, chunks as usize);
        self.large.insert(
            account,
            Large {
                storage_root,
                chunks,
            },
        );
    }

    pub(super) fn chunk_mut(&mut self, account: &Hash, chunk: usize) -> Option<&mut Cursor> {
        self.large
            .get_mut(account)
            .and_then(|large| large.chunks.get_mut(chunk))
    }
}

/// The slots behind `last`, if they are as dense as the `slots` up to it.
fn slots_left(slots: u64, last: &Hash) -> u64 {
    let known = leading(last).max(1) as f64 / u64::MAX as f64;
    ((slots as f64 / known) as u64).saturating_sub(slots)
}

/// Servers may cut a range that starts at 0 and ends early without a proof; from 1 on there always is one, and it
/// shows slot 0 too (design, section 6).
fn provable_origin(origin: Hash, limit: &Hash) -> Hash {
    match origin == Hash::ZERO && *limit != Hash::MAX {
        true => origin.next().unwrap_or(origin),
        false => origin,
    }
}

#[cfg(test)]
mod tests {
    use super::slots_left;
    use crate::hash::Hash;

    #[test]
    fn the_slots_left_are_estimated_from_the_share_that_was_covered() {
        let key = |first: u8| {
            let mut key = [0; 32];
            key[0] = first;
            Hash(key)
        };
        // go-ethereum's cases: half of the space, a sixteenth, nearly all of it, nothing.
        assert_eq!(slots_left(100, &key(0x80)), 100);
        assert_eq!(slots_left(100, &key(0x10)), 1_500);
        assert_eq!(slots_left(100, &key(0xf0)), 6);
        assert_eq!(slots_left(100, &Hash::MAX), 0);
        assert!(slots_left(100, &Hash::ZERO) > u64::MAX / 2);
    }
}
