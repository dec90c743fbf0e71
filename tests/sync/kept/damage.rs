//! Damage in the states of a set: an older one is dropped, the complete one is healed.

use std::collections::BTreeSet;

use snaplight::hash::Hash;
use snaplight::state::PageId;
use snaplight::sync::{Damage, Input};

use super::{Wallet, leave_a_build, readable};
use crate::truth::Walk;
use crate::world::End;

#[test]
fn damage_in_one_kept_state_drops_that_one_and_no_other() {
    let mut wallet = Wallet::new(7);
    let followed = wallet.follow(8);
    wallet.collect_garbage();
    let (page, at) = *wallet.own_pages(followed[4]).last().expect("a page");
    wallet.world.disk.pages.remove(&page);
    let damage = Damage::Page { page, at: Some(at) };
    let asked = wallet.asked();
    wallet.world.input(Input::Damaged(damage));
    wallet
        .world
        .run_until(|world| !world.dropped_states.is_empty());
    assert_eq!(wallet.world.dropped_states, [followed[4]]);
    let mut expected = followed;
    expected.remove(4);
    assert_eq!(wallet.readable_roots(), expected);
    wallet.collect_garbage();
    assert_eq!(wallet.asked(), asked, "something was asked for");
}

#[test]
fn a_page_that_several_states_share_is_healed_in_the_complete_one_and_drops_the_others() {
    let mut wallet = Wallet::new(8);
    // Only what is not tracked changes, so that pages are shared.
    wallet.sync();
    wallet.chain.advance_by(0.001);
    let first = wallet.sync();
    wallet.chain.advance_by(0.001);
    let last = wallet.sync();
    wallet.collect_garbage();
    let disk = &wallet.world.disk;
    let reached: Vec<BTreeSet<PageId>> = readable(disk)
        .iter()
        .map(|state| Walk::of(disk, state.top, true).reached)
        .collect();
    let top = Walk::of(disk, readable(disk)[0].top, true);
    let shared = top.places.iter();
    let mut shared = shared.filter(|(page, _)| reached.iter().all(|ids| ids.contains(page)));
    let (page, at) = *shared.next().expect("a shared page");
    assert_eq!(wallet.readable_roots()[..2], [last, first]);
    let bytes = wallet.world.disk.pages.get_mut(&page).expect("a page");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    let damage = Damage::Page { page, at: Some(at) };
    wallet.world.input(Input::Damaged(damage));
    wallet.world.run_until(|world| world.repairs > 0);
    wallet.collect_garbage();
    assert_eq!(wallet.readable_roots(), [last]);
    assert_eq!(wallet.world.dropped_states.len(), 2);
}

#[test]
fn damage_that_is_told_while_a_sync_runs_drops_the_state_that_becomes_an_older_one() {
    for events in (0..60).step_by(4) {
        let mut wallet = Wallet::new(9);
        let followed = wallet.follow(3);
        wallet.collect_garbage();
        let (page, at) = *wallet.own_pages(followed[0]).last().expect("a page");
        wallet.world.disk.pages.remove(&page);
        wallet.advance();
        let root = Hash(wallet.chain.root());
        wallet.world.target(root);
        let end = wallet.world.run_some(events);
        let damage = Damage::Page { page, at: Some(at) };
        wallet.world.input(Input::Damaged(damage));
        if matches!(end, End::Paused) {
            let end = wallet.world.run();
            assert!(matches!(end, End::Done(_)), "{end:?}");
        }
        wallet
            .world
            .run_until(|world| !world.dropped_states.is_empty());
        wallet.world.run_until(|world| world.repairs > 0);
        wallet.collect_garbage();
        assert_eq!(wallet.readable_roots(), [root, followed[1], followed[2]]);
    }
}

#[test]
fn a_build_whose_base_was_dropped_meanwhile_goes_on_and_leaves_nothing_behind() {
    let mut wallet = Wallet::new(6);
    let followed = wallet.follow(8);
    wallet.collect_garbage();
    leave_a_build(&mut wallet, 1);
    // What the build is over is an older state now, and is damaged.
    wallet.sync_to(followed[5]);
    let (page, at) = *wallet.own_pages(followed[0]).last().expect("a page");
    wallet.world.disk.pages.remove(&page);
    let damage = Damage::Page { page, at: Some(at) };
    wallet.world.input(Input::Damaged(damage));
    wallet
        .world
        .run_until(|world| !world.dropped_states.is_empty());
    assert!(wallet.world.disk.record().building.is_some());
    let root = wallet.sync();
    wallet.collect_garbage();
    assert_eq!(
        wallet.readable_roots()[..3],
        [root, followed[5], followed[1]]
    );
}

#[test]
fn a_build_that_was_left_is_garbage_once_damage_of_the_complete_state_is_healed() {
    for (holds_everything, accounts, size) in [(false, 2_000, 1), (true, 30_000, 20000)] {
        let mut wallet = Wallet::over(accounts, 6);
        if holds_everything {
            wallet.hold_everything();
        }
        let followed = wallet.follow(3);
        wallet.collect_garbage();
        leave_a_build(&mut wallet, size);
        let left = wallet.world.disk.record().building.expect("a build");
        let mut pages = wallet.world.disk.pages.keys();
        let is_below = |id: &PageId| *id >= left.first_page && !left.spine.contains(id);
        assert!(pages.any(is_below) || !holds_everything);
        let disk = &mut wallet.world.disk;
        let top = disk.record().complete.expect("a state").top;
        let places = Walk::of(disk, top, true).places;
        let (page, at) = *places.last().expect("a page");
        disk.pages.remove(&page);
        let damage = Damage::Page { page, at: Some(at) };
        wallet.world.input(Input::Damaged(damage));
        wallet.world.run_until(|world| world.repairs > 0);
        assert!(wallet.world.disk.record().building.is_none());
        wallet.collect_garbage();
        assert_eq!(wallet.readable_roots()[0], followed[0]);
    }
}
