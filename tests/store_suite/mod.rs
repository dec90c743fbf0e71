//! Tests what every store promises. The cases are written once and run on each store, natively and
//! in browsers.
//!
//! Each case gets a fresh [`Place`], so no case depends on another. `every_case!` makes a test of
//! each.
#![allow(dead_code, reason = "each test binary uses its part")]

mod labels;
mod scopes;

pub(crate) use labels::*;
pub(crate) use scopes::*;

use futures::future::{join, join_all};
use snaplight::{
    hash::Hash,
    state::{Batch, PageId},
    store::{MemoryDisk, MemoryStore, Store, StoreError},
};

/// Calls the macro `$test` with the names of all cases.
macro_rules! every_case {
    ($test:ident) => {
        $test! {
            a_new_store_is_empty
            a_batch_is_read_back_by_writer_and_reader
            a_failed_batch_leaves_nothing
            a_batch_is_written_only_after_its_predecessor
            of_two_in_flight_the_second_fails_with_the_first
            a_call_takes_its_place_when_it_is_made
            a_commit_that_is_not_awaited_is_still_checked
            ranges_of_pages_are_deleted
            a_page_is_never_overwritten
            many_pages_are_written_in_batches_two_in_flight
            reads_overlap
            codes_held_are_ascending_and_at_most_the_limit
            codes_are_deleted_before_new_ones_are_stored
            a_code_may_be_stored_again
            scopes_come_and_go_with_their_batches
            scopes_are_ascending_by_version_and_at_most_the_limit
            a_label_is_there_before_the_first_batch_and_no_batch_changes_it
            no_bytes_and_sixty_thousand_come_back_as_they_were
            clear_starts_over
            everything_is_there_after_reopening
            a_batch_queued_before_the_close_is_still_written
            a_closed_store_says_so
            there_is_one_writer_at_a_time
            a_reader_reads_beside_the_writer_and_cannot_write
            without_its_record_a_store_is_empty
        }
    };
}

/// What [`Store::contents`] has, part by part. It is asked for when these are called.
pub(crate) trait Parts: Store {
    fn codes_held(&self, limit: usize) -> impl Future<Output = Result<Vec<Hash>, StoreError>> {
        let contents = self.contents(limit);
        async move { Ok(contents.await?.codes) }
    }

    fn label_held(&self) -> impl Future<Output = Result<Option<Vec<u8>>, StoreError>> {
        let contents = self.contents(0);
        async move { Ok(contents.await?.label) }
    }

    fn scopes(&self) -> impl Future<Output = Result<Vec<(u64, Vec<u8>)>, StoreError>> {
        let contents = self.contents(0);
        async move { Ok(contents.await?.scopes) }
    }
}

impl<S: Store> Parts for S {}

/// A place that holds a database. Connections to it are opened and closed.
pub(crate) trait Place {
    type Store: Store;
    async fn writer(&self) -> Result<Self::Store, StoreError>;
    async fn reader(&self) -> Result<Self::Store, StoreError>;
    /// Deletes the record and keeps pages, codes and scopes.
    async fn lose_record(&self);
}

impl Place for MemoryDisk {
    type Store = MemoryStore;

    async fn writer(&self) -> Result<MemoryStore, StoreError> {
        MemoryDisk::writer(self)
    }

    async fn reader(&self) -> Result<MemoryStore, StoreError> {
        Ok(MemoryDisk::reader(self))
    }

    async fn lose_record(&self) {
        MemoryDisk::lose_record(self);
    }
}

/// Bytes of a page, a size that suits IndexedDB.
const PAGE: usize = 16 * 1024;
/// The number of pages in a batch.
const PAGES_IN_BATCH: u64 = 256;

pub(crate) async fn a_new_store_is_empty(place: &impl Place) {
    let store = place.writer().await.unwrap();
    assert_eq!(store.record().await, Ok(None));
    assert_eq!(store.pages(&ids(1..3)).await, Ok(vec![None, None]));
    assert_eq!(store.pages(&[]).await, Ok(vec![]));
    assert_eq!(store.code(&hash(1)).await, Ok(None));
    assert_eq!(store.codes_held(10).await, Ok(vec![]));
    assert_eq!(store.scopes().await, Ok(vec![]));
}

pub(crate) async fn a_batch_is_read_back_by_writer_and_reader(place: &impl Place) {
    let store = place.writer().await.unwrap();
    let reader = place.reader().await.unwrap();
    let batch = Batch {
        codes: vec![(hash(7), vec![0x60, 0x00])],
        scopes: vec![(5, vec![1, 2])],
        ..batch(1, [(3, page(3)), (1, page(1))])
    };
    store.commit(batch).await.unwrap();
    for store in [store, reader] {
        assert_eq!(store.record().await, Ok(Some(record(1))));
        // Pages come in the order of the request, not in the order in which they were stored.
        let found = store.pages(&ids([1, 2, 3, 1])).await.unwrap();
        assert_eq!(found, [Some(page(1)), None, Some(page(3)), Some(page(1))]);
        assert_eq!(store.code(&hash(7)).await, Ok(Some(vec![0x60, 0x00])));
        assert_eq!(store.code(&hash(8)).await, Ok(None));
        assert_eq!(store.codes_held(10).await, Ok(vec![hash(7)]));
        assert_eq!(store.scopes().await, Ok(vec![(5, vec![1, 2])]));
    }
}

pub(crate) async fn a_failed_batch_leaves_nothing(place: &impl Place) {
    let store = place.writer().await.unwrap();
    store
        .commit(batch(1, [(1, page(1)), (2, page(2))]))
        .await
        .unwrap();
    let failing = Batch {
        codes: vec![(hash(7), vec![1])],
        delete: vec![PageId(1)..PageId(2)],
        // The id that is taken comes last, when all other writes have been requested.
        ..batch(2, [(3, page(3)), (4, page(4)), (2, page(9))])
    };
    assert_eq!(store.commit(failing).await, Err(StoreError::Exists));
    assert_eq!(store.record().await, Ok(Some(record(1))));
    let found = store.pages(&ids(1..5)).await.unwrap();
    assert_eq!(found, [Some(page(1)), Some(page(2)), None, None]);
    assert_eq!(store.code(&hash(7)).await, Ok(None));
    // The store still works.
    assert_eq!(store.commit(batch(2, [(3, page(3))])).await, Ok(()));
}

pub(crate) async fn a_batch_is_written_only_after_its_predecessor(place: &impl Place) {
    let store = place.writer().await.unwrap();
    for (stored, wrong) in [(0, vec![0, 2]), (1, vec![0, 1, 3])] {
        for sequence in wrong {
            let refused = store.commit(batch(sequence, [(9, page(9))])).await;
            assert_eq!(refused, Err(StoreError::Superseded { sequence, stored }));
        }
        assert_eq!(store.pages(&ids([9])).await, Ok(vec![None]));
        store
            .commit(batch(stored + 1, [(stored, page(stored))]))
            .await
            .unwrap();
    }
    assert_eq!(store.record().await, Ok(Some(record(2))));
    assert_eq!(
        store.pages(&ids(0..2)).await,
        Ok(vec![Some(page(0)), Some(page(1))])
    );
}

pub(crate) async fn of_two_in_flight_the_second_fails_with_the_first(place: &impl Place) {
    let store = place.writer().await.unwrap();
    store.commit(batch(1, [(1, page(1))])).await.unwrap();
    let first = store.commit(batch(2, [(2, page(2)), (1, page(9))]));
    let second = store.commit(batch(3, [(3, page(3))]));
    let refused = Err(StoreError::Superseded {
        sequence: 3,
        stored: 1,
    });
    assert_eq!(
        join(first, second).await,
        (Err(StoreError::Exists), refused)
    );
    assert_eq!(store.record().await, Ok(Some(record(1))));
    assert_eq!(
        store.pages(&ids(1..4)).await,
        Ok(vec![Some(page(1)), None, None])
    );
}

pub(crate) async fn a_call_takes_its_place_when_it_is_made(place: &impl Place) {
    let store = place.writer().await.unwrap();
    let before = store.record();
    let first = store.commit(batch(1, [(1, page(1))]));
    let between = store.record();
    let second = store.commit(batch(2, [(2, page(2))]));
    // The calls are awaited in the opposite order.
    assert_eq!(second.await, Ok(()));
    assert_eq!(between.await, Ok(Some(record(1))));
    assert_eq!(first.await, Ok(()));
    assert_eq!(before.await, Ok(None));
}

pub(crate) async fn a_commit_that_is_not_awaited_is_still_checked(place: &impl Place) {
    let store = place.writer().await.unwrap();
    drop(store.commit(batch(1, [(1, page(1))])));
    drop(store.commit(batch(5, [(5, page(5))])));
    drop(store.commit(batch(2, [(2, page(2))])));
    assert_eq!(store.record().await, Ok(Some(record(2))));
    let found = store.pages(&ids([1, 2, 5])).await.unwrap();
    assert_eq!(found, [Some(page(1)), Some(page(2)), None]);
}

pub(crate) async fn ranges_of_pages_are_deleted(place: &impl Place) {
    let store = place.writer().await.unwrap();
    store
        .commit(batch(1, (0..10).map(|id| (id, page(id)))))
        .await
        .unwrap();
    let (low, high) = (PageId(2)..PageId(4), PageId(8)..PageId(u64::MAX));
    let (empty, beyond) = (PageId(5)..PageId(5), PageId(u64::MAX - 1)..PageId(u64::MAX));
    let backwards = PageId(7)..PageId(6);
    let deleting = Batch {
        delete: vec![low, empty, backwards, high, beyond],
        // Deletions come first, so the same batch can use an id that they free.
        ..batch(2, [(3, page(33)), (12, page(12))])
    };
    store.commit(deleting).await.unwrap();
    let found = store.pages(&ids(0..13)).await.unwrap();
    let left = found
        .iter()
        .enumerate()
        .filter(|(_, page)| page.is_some())
        .map(|(id, _)| id);
    assert_eq!(left.collect::<Vec<_>>(), [0, 1, 3, 4, 5, 6, 7, 12]);
    assert_eq!(found[3], Some(page(33)));
}

pub(crate) async fn a_page_is_never_overwritten(place: &impl Place) {
    let store = place.writer().await.unwrap();
    store.commit(batch(1, [(1, page(1))])).await.unwrap();
    let again = store.commit(batch(2, [(1, page(2))])).await;
    assert_eq!(again, Err(StoreError::Exists));
    let twice = store.commit(batch(2, [(2, page(2)), (2, page(3))])).await;
    assert_eq!(twice, Err(StoreError::Exists));
    assert_eq!(
        store.pages(&ids([1, 2])).await,
        Ok(vec![Some(page(1)), None])
    );
}

pub(crate) async fn many_pages_are_written_in_batches_two_in_flight(place: &impl Place) {
    let store = place.writer().await.unwrap();
    let count = 2_000;
    let mut in_flight = None;
    let mut sequence = 0;
    for first in (0..count).step_by(PAGES_IN_BATCH as usize) {
        sequence += 1;
        let pages = (first..count.min(first + PAGES_IN_BATCH)).map(|id| (id, page(id)));
        let commit = Box::pin(store.commit(batch(sequence, pages)));
        if let Some(before) = in_flight.replace(commit) {
            assert_eq!(before.await, Ok(()));
        }
    }
    assert_eq!(in_flight.unwrap().await, Ok(()));
    assert_eq!(store.record().await, Ok(Some(record(sequence))));
    for first in (0..count).step_by(100) {
        let found = store.pages(&ids(first..first + 100)).await.unwrap();
        let expected = (first..first + 100).map(|id| Some(page(id)));
        assert!(found.into_iter().eq(expected), "pages from {first}");
    }
}

pub(crate) async fn reads_overlap(place: &impl Place) {
    let store = place.writer().await.unwrap();
    store
        .commit(batch(1, (0..32).map(|id| (id, page(id)))))
        .await
        .unwrap();
    let ids = ids(0..32);
    let found = join_all(ids.chunks(1).map(|id| store.pages(id))).await;
    for (id, found) in found.into_iter().enumerate() {
        assert_eq!(found, Ok(vec![Some(page(id as u64))]));
    }
}

pub(crate) async fn codes_held_are_ascending_and_at_most_the_limit(place: &impl Place) {
    let store = place.writer().await.unwrap();
    let codes = [200, 3, 90].map(|n| (hash(n), vec![n]));
    let with_codes = coded(batch(1, []), codes.into());
    store.commit(with_codes).await.unwrap();
    assert_eq!(store.codes_held(0).await, Ok(vec![]));
    assert_eq!(store.codes_held(2).await, Ok(vec![hash(3), hash(90)]));
    assert_eq!(
        store.codes_held(usize::MAX).await,
        Ok(vec![hash(3), hash(90), hash(200)])
    );
}

pub(crate) async fn codes_are_deleted_before_new_ones_are_stored(place: &impl Place) {
    let store = place.writer().await.unwrap();
    let codes = [1, 2, 3].map(|n| (hash(n), vec![n]));
    store
        .commit(coded(batch(1, []), codes.into()))
        .await
        .unwrap();
    let deleting = Batch {
        // One of them is not stored, and one is stored again.
        delete_codes: vec![hash(1), hash(2), hash(9)],
        ..coded(batch(2, []), vec![(hash(2), vec![22])])
    };
    store.commit(deleting).await.unwrap();
    assert_eq!(store.code(&hash(1)).await, Ok(None));
    assert_eq!(store.code(&hash(2)).await, Ok(Some(vec![22])));
    assert_eq!(store.codes_held(9).await, Ok(vec![hash(2), hash(3)]));
    // A batch that fails deletes none.
    let failing = Batch {
        delete_codes: vec![hash(3)],
        ..batch(3, [(1, page(1)), (1, page(1))])
    };
    assert_eq!(store.commit(failing).await, Err(StoreError::Exists));
    assert_eq!(store.code(&hash(3)).await, Ok(Some(vec![3])));
}

pub(crate) async fn a_code_may_be_stored_again(place: &impl Place) {
    let store = place.writer().await.unwrap();
    for sequence in 1..3 {
        let with_code = coded(batch(sequence, []), vec![(hash(1), vec![1, 2, 3])]);
        store.commit(with_code).await.unwrap();
    }
    assert_eq!(store.code(&hash(1)).await, Ok(Some(vec![1, 2, 3])));
}

pub(crate) async fn no_bytes_and_sixty_thousand_come_back_as_they_were(place: &impl Place) {
    let store = place.writer().await.unwrap();
    let (none, large) = (
        Vec::new(),
        (0..60_000u32).map(|n| n as u8).collect::<Vec<_>>(),
    );
    let batch = Batch {
        sequence: 1,
        pages: vec![(PageId(0), none.clone()), (PageId(1), large.clone())],
        codes: vec![(hash(0), none.clone()), (hash(1), large.clone())],
        delete: Vec::new(),
        delete_codes: Vec::new(),
        scopes: Vec::new(),
        delete_scopes: Vec::new(),
        record: none.clone(),
    };
    store.commit(batch).await.unwrap();
    assert_eq!(
        store.pages(&ids(0..2)).await,
        Ok(vec![Some(none.clone()), Some(large.clone())])
    );
    assert_eq!(store.code(&hash(0)).await, Ok(Some(none.clone())));
    assert_eq!(store.code(&hash(1)).await, Ok(Some(large)));
    assert_eq!(store.record().await, Ok(Some(none)));
}

pub(crate) async fn clear_starts_over(place: &impl Place) {
    let store = place.writer().await.unwrap();
    let with_code = coded(batch(1, [(1, page(1))]), vec![(hash(1), vec![1])]);
    let with_all = scoped(with_code, [(1, vec![1])], []);
    store.commit(with_all).await.unwrap();
    store.clear().await.unwrap();
    assert_eq!(store.record().await, Ok(None));
    assert_eq!(store.pages(&ids([1])).await, Ok(vec![None]));
    assert_eq!(store.code(&hash(1)).await, Ok(None));
    assert_eq!(store.codes_held(1).await, Ok(vec![]));
    assert_eq!(store.commit(batch(1, [(1, page(2))])).await, Ok(()));
    assert_eq!(store.scopes().await, Ok(vec![]));
}

pub(crate) async fn everything_is_there_after_reopening(place: &impl Place) {
    let store = place.writer().await.unwrap();
    let with_code = coded(batch(1, [(1, page(1))]), vec![(hash(1), vec![1])]);
    let with_all = scoped(with_code, [(1, vec![1])], []);
    store.commit(with_all).await.unwrap();
    store.close().await;
    let store = place.writer().await.unwrap();
    assert_eq!(store.scopes().await, Ok(vec![(1, vec![1])]));
    assert_eq!(store.record().await, Ok(Some(record(1))));
    assert_eq!(store.pages(&ids([1])).await, Ok(vec![Some(page(1))]));
    assert_eq!(store.codes_held(9).await, Ok(vec![hash(1)]));
    assert_eq!(store.commit(batch(2, [(2, page(2))])).await, Ok(()));
}

pub(crate) async fn a_batch_queued_before_the_close_is_still_written(place: &impl Place) {
    let store = place.writer().await.unwrap();
    let commit = store.commit(batch(1, [(1, page(1))]));
    store.close().await;
    assert_eq!(commit.await, Ok(()));
    let store = place.writer().await.unwrap();
    assert_eq!(store.record().await, Ok(Some(record(1))));
}

pub(crate) async fn a_closed_store_says_so(place: &impl Place) {
    let store = place.writer().await.unwrap();
    store.close().await;
    store.close().await;
    let closed = StoreError::Closed;
    assert_eq!(store.record().await, Err(closed.clone()));
    assert_eq!(store.pages(&ids([1])).await, Err(closed.clone()));
    assert_eq!(store.code(&hash(1)).await, Err(closed.clone()));
    assert_eq!(store.codes_held(1).await, Err(closed.clone()));
    assert_eq!(store.scopes().await, Err(closed.clone()));
    assert_eq!(store.commit(batch(1, [])).await, Err(closed.clone()));
    assert_eq!(store.clear().await, Err(closed));
}

pub(crate) async fn there_is_one_writer_at_a_time(place: &impl Place) {
    let writer = place.writer().await.unwrap();
    assert_eq!(place.writer().await.err(), Some(StoreError::Locked));
    // A refused writer does not affect the one that has the lock.
    assert_eq!(place.writer().await.err(), Some(StoreError::Locked));
    writer.commit(batch(1, [])).await.unwrap();
    writer.close().await;
    let second = place.writer().await.unwrap();
    // The first writer has ended already, so dropping it does not affect the second.
    drop(writer);
    assert_eq!(place.writer().await.err(), Some(StoreError::Locked));
    second.close().await;
    place.writer().await.unwrap();
}

pub(crate) async fn a_reader_reads_beside_the_writer_and_cannot_write(place: &impl Place) {
    let reader = place.reader().await.unwrap();
    let writer = place.writer().await.unwrap();
    assert_eq!(reader.record().await, Ok(None));
    writer.commit(batch(1, [(1, page(1))])).await.unwrap();
    assert_eq!(reader.record().await, Ok(Some(record(1))));
    assert_eq!(reader.commit(batch(2, [])).await, Err(StoreError::ReadOnly));
    assert_eq!(reader.clear().await, Err(StoreError::ReadOnly));
    assert_eq!(reader.record().await, Ok(Some(record(1))));
}

pub(crate) async fn without_its_record_a_store_is_empty(place: &impl Place) {
    let store = place.writer().await.unwrap();
    let with_code = coded(
        batch(1, [(1, page(1)), (2, page(2))]),
        vec![(hash(1), vec![1])],
    );
    let with_all = scoped(with_code, [(1, vec![1]), (2, vec![2])], []);
    store.commit(with_all).await.unwrap();
    store.close().await;
    place.lose_record().await;

    let store = place.writer().await.unwrap();
    assert_eq!(store.record().await, Ok(None));
    assert_eq!(store.codes_held(9).await, Ok(vec![]));
    assert_eq!(store.scopes().await, Ok(vec![]));
    // The emptied store uses the same ids again, and has nothing of the earlier one.
    let first = scoped(batch(1, [(1, page(11))]), [(3, vec![3])], []);
    store.commit(first).await.unwrap();
    assert_eq!(store.scopes().await, Ok(vec![(3, vec![3])]));
    assert_eq!(
        store.pages(&ids(1..3)).await,
        Ok(vec![Some(page(11)), None])
    );
    assert_eq!(store.code(&hash(1)).await, Ok(None));
    assert_eq!(store.codes_held(9).await, Ok(vec![]));
}

pub(crate) fn batch(sequence: u64, pages: impl IntoIterator<Item = (u64, Vec<u8>)>) -> Batch {
    let pages = pages
        .into_iter()
        .map(|(id, bytes)| (PageId(id), bytes))
        .collect();
    Batch {
        sequence,
        pages,
        codes: vec![],
        delete: vec![],
        delete_codes: vec![],
        scopes: vec![],
        delete_scopes: vec![],
        record: record(sequence),
    }
}

pub(crate) fn coded(batch: Batch, codes: Vec<(Hash, Vec<u8>)>) -> Batch {
    Batch { codes, ..batch }
}

pub(crate) fn scoped(
    batch: Batch,
    scopes: impl IntoIterator<Item = (u64, Vec<u8>)>,
    deleted: impl IntoIterator<Item = u64>,
) -> Batch {
    Batch {
        scopes: scopes.into_iter().collect(),
        delete_scopes: deleted.into_iter().collect(),
        ..batch
    }
}

/// A page's bytes, different from every other page's.
pub(crate) fn page(seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let words = (0..PAGE / 8).flat_map(|_| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        state.to_be_bytes()
    });
    words.collect()
}

pub(crate) fn record(sequence: u64) -> Vec<u8> {
    format!("record {sequence}").into_bytes()
}

pub(crate) fn hash(n: u8) -> Hash {
    Hash([n; 32])
}

pub(crate) fn ids(ids: impl IntoIterator<Item = u64>) -> Vec<PageId> {
    ids.into_iter().map(PageId).collect()
}
