//! Storages that are too large for one answer, and are fetched in chunks.

use super::super::cursor::Cursor;
use crate::flat_map::FlatMap;
use crate::hash::Hash;
use crate::heap::owns;
use crate::state::Tree;
use crate::state::key_space::{Density, leading};
use crate::sync::want::Want;

/// Most chunks of one large storage, as in go-ethereum.
const STORAGE_CHUNKS: u64 = 16;
/// Slots that make a chunk of its own worth while: about two full answers, as in go-ethereum.
const SLOTS_PER_CHUNK: u64 = 16_384;

/// Large storages by their accounts.
#[derive(Debug, Default)]
pub(super) struct LargeStorages {
    /// Bound: the accounts waiting in the tree.
    storages: FlatMap<Hash, LargeStorage>,
}

/// A storage that is fetched in chunks.
#[derive(Debug)]
struct LargeStorage {
    storage_root: Hash,
    /// Bound: [`STORAGE_CHUNKS`].
    chunks: Vec<Cursor>,
}

impl LargeStorage {
    fn is_done(&self) -> bool {
        self.chunks.iter().all(Cursor::is_done)
    }
}

impl LargeStorages {
    pub(super) fn contains(&self, account: &Hash) -> bool {
        self.storages.contains(account)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.storages.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.storages.len()
    }

    pub(super) fn retain(&mut self, is_kept: impl Fn(&Hash) -> bool) {
        self.storages.retain(&is_kept);
    }

    /// Walks a storage of which nothing is known, in all chunks.
    pub(super) fn begin(&mut self, account: Hash, root: Hash) {
        self.insert(account, root, Hash::ZERO, STORAGE_CHUNKS);
    }

    /// Walks a storage from `first` on in as many chunks as the slots expected there are worth.
    pub(super) fn add(&mut self, account: Hash, root: Hash, first: Hash, slots: u64) {
        let chunks = (slots / SLOTS_PER_CHUNK + 1).min(STORAGE_CHUNKS);
        self.insert(account, root, first, chunks);
    }

    /// Walks what lies behind `last`, in chunks by the density of the `slots` up to it.
    pub(super) fn add_rest(&mut self, account: Hash, root: Hash, slots: u64, last: &Hash) {
        if let Some(rest) = last.next() {
            self.add(account, root, rest, slots_left(slots, last));
        }
    }

    fn insert(&mut self, account: Hash, storage_root: Hash, first: Hash, chunks: u64) {
        let chunks = Cursor::slices(first, chunks as usize);
        self.storages.insert(
            account,
            LargeStorage {
                storage_root,
                chunks,
            },
        );
    }

    /// The next range of a large storage. Storages that turn out to be there are done.
    pub(super) fn take_chunk(&mut self, tree: &Tree) -> Option<Want> {
        let mut done = Vec::new();
        let mut taken = None;
        for (account, large) in self.storages.iter_mut() {
            taken = next_chunk(tree, account, large);
            if taken.is_some() {
                break;
            }
            if large.is_done() {
                done.push(*account);
            }
        }
        self.storages.retain(&|account| !done.contains(account));
        taken
    }

    /// A chunk's range was joined. `last`: its last key if more lies to the right.
    pub(super) fn chunk_joined(&mut self, account: &Hash, chunk: usize, last: Option<Hash>) {
        let Some(cursor) = self.chunk_mut(account, chunk) else {
            return;
        };
        cursor.joined(last);
        if self
            .storages
            .get(account)
            .is_some_and(LargeStorage::is_done)
        {
            self.storages.remove(account);
        }
    }

    pub(super) fn requeue_chunk(&mut self, account: &Hash, chunk: usize) {
        if let Some(cursor) = self.chunk_mut(account, chunk) {
            cursor.requeue();
        }
    }

    fn chunk_mut(&mut self, account: &Hash, chunk: usize) -> Option<&mut Cursor> {
        let large = self.storages.get_mut(account)?;
        large.chunks.get_mut(chunk)
    }
}

/// The next range of this storage that is blinded and not in flight.
fn next_chunk(tree: &Tree, account: &Hash, large: &mut LargeStorage) -> Option<Want> {
    let storage_root = large.storage_root;
    for (chunk, cursor) in large.chunks.iter_mut().enumerate() {
        let Some((from, last)) = cursor.waiting() else {
            continue;
        };
        let Some((origin, limit)) = tree.storage_span(account, &from, &last) else {
            cursor.finish();
            continue;
        };
        cursor.asked();
        return Some(Want::Chunk {
            account: *account,
            storage_root,
            chunk,
            origin: provable_origin(origin, &limit),
            limit,
        });
    }
    None
}

/// The slots behind `last`, if they are as dense as the `slots` up to it.
fn slots_left(slots: u64, last: &Hash) -> u64 {
    let density = Density::new(slots, leading(last).max(1) as f64);
    let all = density.map_or(0.0, |density| density.leaves_in(u64::MAX));
    (all as u64).saturating_sub(slots)
}

/// Servers may cut a range that starts at 0 and ends early without a proof. From 1 on there always
/// is one, and it shows slot 0 too.
fn provable_origin(origin: Hash, limit: &Hash) -> Hash {
    match origin == Hash::ZERO && *limit != Hash::MAX {
        true => origin.next().unwrap_or(origin),
        false => origin,
    }
}

owns! {
    LargeStorage: chunks;
    LargeStorages: storages;
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
