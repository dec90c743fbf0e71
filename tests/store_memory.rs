//! The store in memory keeps every promise of the suite, and its bad days are as bad as they claim.
#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used)]

mod store_suite;

use futures::FutureExt;
use futures::executor::block_on;
use snaplight::store::{MemoryDisk, Mishap, Store, StoreError};
use store_suite::{batch, ids, page, record};

#[test]
fn a_failure_told_in_advance_leaves_nothing_and_fails_the_one_behind() {
    let disk = MemoryDisk::default();
    let store = disk.writer().unwrap();
    block_on(store.commit(batch(1, [(1, page(1))]))).unwrap();
    disk.next_commit(Mishap::Fail(StoreError::Quota));
    assert_eq!(
        block_on(store.commit(batch(2, [(2, page(2))]))),
        Err(StoreError::Quota)
    );
    let superseded = StoreError::Superseded {
        sequence: 3,
        stored: 1,
    };
    assert_eq!(
        block_on(store.commit(batch(3, [(3, page(3))]))),
        Err(superseded)
    );
    assert_eq!(
        block_on(store.pages(&ids(1..4))),
        Ok(vec![Some(page(1)), None, None])
    );
    // Once there is room, the same batch goes in.
    assert_eq!(block_on(store.commit(batch(2, [(2, page(2))]))), Ok(()));
}

#[test]
fn a_crash_before_landing_loses_the_batch_and_a_crash_after_keeps_it() {
    for (mishap, kept) in [
        (Mishap::CrashBefore, None),
        (Mishap::CrashAfter, Some(record(1))),
    ] {
        let disk = MemoryDisk::default();
        let store = disk.writer().unwrap();
        disk.next_commit(mishap);
        assert_eq!(store.commit(batch(1, [])).now_or_never(), None);
        drop(store);
        assert_eq!(block_on(disk.writer().unwrap().record()), Ok(kept));
    }
}

#[test]
fn a_copy_is_what_a_machine_that_died_then_would_find() {
    let disk = MemoryDisk::default();
    let store = disk.writer().unwrap();
    block_on(store.commit(batch(1, [(1, page(1))]))).unwrap();
    let copy = disk.copy();
    block_on(store.commit(batch(2, [(2, page(2))]))).unwrap();
    let survivor = copy.writer().unwrap();
    assert_eq!(block_on(survivor.record()), Ok(Some(record(1))));
    assert_eq!(
        block_on(survivor.pages(&ids(1..3))),
        Ok(vec![Some(page(1)), None])
    );
}

#[test]
fn a_new_store_is_empty() {
    block_on(store_suite::a_new_store_is_empty(&MemoryDisk::default()));
}

#[test]
fn a_batch_is_read_back_by_writer_and_reader() {
    block_on(store_suite::a_batch_is_read_back_by_writer_and_reader(
        &MemoryDisk::default(),
    ));
}

#[test]
fn a_failed_batch_leaves_nothing() {
    block_on(store_suite::a_failed_batch_leaves_nothing(
        &MemoryDisk::default(),
    ));
}

#[test]
fn a_batch_lands_only_on_its_predecessor() {
    block_on(store_suite::a_batch_lands_only_on_its_predecessor(
        &MemoryDisk::default(),
    ));
}

#[test]
fn of_two_in_flight_the_second_fails_with_the_first() {
    block_on(store_suite::of_two_in_flight_the_second_fails_with_the_first(&MemoryDisk::default()));
}

#[test]
fn a_call_takes_its_place_when_it_is_made() {
    block_on(store_suite::a_call_takes_its_place_when_it_is_made(
        &MemoryDisk::default(),
    ));
}

#[test]
fn a_commit_nobody_waits_for_is_still_checked() {
    block_on(store_suite::a_commit_nobody_waits_for_is_still_checked(
        &MemoryDisk::default(),
    ));
}

#[test]
fn ranges_of_pages_are_deleted() {
    block_on(store_suite::ranges_of_pages_are_deleted(
        &MemoryDisk::default(),
    ));
}

#[test]
fn a_page_is_never_overwritten() {
    block_on(store_suite::a_page_is_never_overwritten(
        &MemoryDisk::default(),
    ));
}

#[test]
fn many_pages_land_in_batches_two_in_flight() {
    block_on(store_suite::many_pages_land_in_batches_two_in_flight(
        &MemoryDisk::default(),
    ));
}

#[test]
fn reads_overlap() {
    block_on(store_suite::reads_overlap(&MemoryDisk::default()));
}

#[test]
fn codes_held_are_ascending_and_at_most_the_limit() {
    block_on(store_suite::codes_held_are_ascending_and_at_most_the_limit(
        &MemoryDisk::default(),
    ));
}

#[test]
fn a_code_may_be_stored_again() {
    block_on(store_suite::a_code_may_be_stored_again(
        &MemoryDisk::default(),
    ));
}

#[test]
fn no_bytes_and_sixty_thousand_come_back_as_they_were() {
    block_on(
        store_suite::no_bytes_and_sixty_thousand_come_back_as_they_were(&MemoryDisk::default()),
    );
}

#[test]
fn clear_starts_over() {
    block_on(store_suite::clear_starts_over(&MemoryDisk::default()));
}

#[test]
fn everything_is_there_after_reopening() {
    block_on(store_suite::everything_is_there_after_reopening(
        &MemoryDisk::default(),
    ));
}

#[test]
fn a_batch_queued_before_the_close_still_lands() {
    block_on(store_suite::a_batch_queued_before_the_close_still_lands(
        &MemoryDisk::default(),
    ));
}

#[test]
fn a_closed_store_says_so() {
    block_on(store_suite::a_closed_store_says_so(&MemoryDisk::default()));
}

#[test]
fn there_is_one_writer_at_a_time() {
    block_on(store_suite::there_is_one_writer_at_a_time(
        &MemoryDisk::default(),
    ));
}

#[test]
fn a_reader_reads_beside_the_writer_and_cannot_write() {
    block_on(
        store_suite::a_reader_reads_beside_the_writer_and_cannot_write(&MemoryDisk::default()),
    );
}

#[test]
fn without_its_record_a_store_is_empty() {
    block_on(store_suite::without_its_record_a_store_is_empty(
        &MemoryDisk::default(),
    ));
}
