//! The label: what a database is for.

use super::{Parts, Place, batch, page};
use snaplight::store::{Contents, Store, StoreError};

pub(crate) async fn a_label_is_there_before_the_first_batch_and_no_batch_changes_it(
    place: &impl Place,
) {
    let store = place.writer().await.unwrap();
    let reader = place.reader().await.unwrap();
    assert_eq!(store.contents(1).await, Ok(Contents::default()));
    assert_eq!(reader.label(&[9]).await, Err(StoreError::ReadOnly));
    store.label(&[1]).await.unwrap();
    // Not awaited: it takes its place all the same.
    drop(store.label(&[1, 2]));
    assert_eq!(reader.label_held().await, Ok(Some(vec![1, 2])));
    assert_eq!(store.record().await, Ok(None));
    store.commit(batch(1, [(1, page(1))])).await.unwrap();
    assert_eq!(store.label_held().await, Ok(Some(vec![1, 2])));
    place.lose_record().await;
    assert_eq!(store.label_held().await, Ok(Some(vec![1, 2])));
    store.clear().await.unwrap();
    assert_eq!(store.label_held().await, Ok(None));
    // Clearing leaves the writer the only one.
    assert_eq!(place.writer().await.err(), Some(StoreError::Locked));
}
