//! Scopes, which are stored beside the record.

use super::{Parts, Place, batch, page, scoped};
use snaplight::store::{MAX_SCOPES, Store, StoreError};

pub(crate) async fn scopes_come_and_go_with_their_batches(place: &impl Place) {
    let store = place.writer().await.unwrap();
    let scopes = [(1, vec![1]), (2, vec![2; 100_000])];
    let first = scoped(batch(1, []), scopes.clone(), []);
    store.commit(first).await.unwrap();
    assert_eq!(store.scopes().await, Ok(scopes.into()));
    // One of the deleted is not stored, and one is stored again.
    let second = scoped(batch(2, []), [(2, vec![22]), (3, vec![3])], [1, 2, 9]);
    store.commit(second).await.unwrap();
    let both = vec![(2, vec![22]), (3, vec![3])];
    assert_eq!(store.scopes().await, Ok(both.clone()));
    // A batch that fails changes none.
    let failing = batch(3, [(1, page(1)), (1, page(1))]);
    let failing = scoped(failing, [(4, vec![4])], [2]);
    assert_eq!(store.commit(failing).await, Err(StoreError::Exists));
    assert_eq!(store.scopes().await, Ok(both));
    // One without scopes leaves them as they are.
    store.commit(scoped(batch(3, []), [], [2])).await.unwrap();
    store.commit(batch(4, [])).await.unwrap();
    assert_eq!(store.scopes().await, Ok(vec![(3, vec![3])]));
}

pub(crate) async fn scopes_are_ascending_by_version_and_at_most_the_limit(place: &impl Place) {
    let store = place.writer().await.unwrap();
    let versions = [u64::MAX, 10, 9, 1 << 60, 100];
    let scopes = versions.map(|version| (version, vec![version as u8]));
    store
        .commit(scoped(batch(1, []), scopes, []))
        .await
        .unwrap();
    let found = store.scopes().await.unwrap();
    let found: Vec<u64> = found.into_iter().map(|(version, _)| version).collect();
    assert_eq!(found, [9, 10, 100, 1 << 60, u64::MAX]);
    let many = (0..100).map(|version| (version, vec![0]));
    store.commit(scoped(batch(2, []), many, [])).await.unwrap();
    assert_eq!(store.scopes().await.unwrap().len(), MAX_SCOPES);
}
