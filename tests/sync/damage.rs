//! Damage is found when it is read, is healed from peers, and never becomes an answer.

use snaplight::hash::Hash;
use snaplight::state::page::Folds;
use snaplight::state::{Lookup, PageId, Step};
use snaplight::sync::{Damage, Input, Target, WaitReason};
use snaplight_peer::chain::Chain;
use snaplight_peer::state::Recipe;
use xxhash_rust::xxh64::xxh64;

use crate::disk::Disk;
use crate::truth::assert_complete;
use crate::world::{End, World};

fn chain() -> Chain {
    let recipe = Recipe {
        accounts: 3_000,
        contracts_per_mille: 100,
        seed: 5,
        huge: vec![(1, 3_000)],
    };
    Chain::new(recipe.build(), 7)
}

fn synced(chain: &Chain) -> World {
    let mut world = World::new(chain.server(), 3);
    world.honest_peer();
    world.input(Input::Target(Target::Root(Hash(chain.root()))));
    assert!(matches!(world.run(), End::Done(_)));
    world.collect_garbage();
    world
}

/// Returns the damage that a reader of all accounts finds.
fn find_damage(disk: &Disk, chain: &Chain) -> Vec<Damage> {
    let root = disk.record().complete.expect("a complete state").top.page();
    let state = chain.state(&chain.root()).expect("the head");
    let mut found = Vec::new();
    let mut folds = Folds::new();
    for (account, _) in state.accounts().iter() {
        let mut lookup = Lookup::account(root, Hash(*account));
        while let Step::Need(wanted) = *lookup.step() {
            let Some(page) = disk.verified(&wanted, &mut folds) else {
                found.push(Damage::Page {
                    page: wanted.page.id,
                    at: Some(wanted.at),
                });
                break;
            };
            lookup.feed_verified(&page);
        }
    }
    found.dedup();
    found
}

/// Removes a page whose loss a reader of accounts notices, and returns what the reader finds.
pub(crate) fn lose_page(disk: &mut Disk, chain: &Chain) -> Vec<Damage> {
    // The root page is the newest. Some pages are of storage, which readers of accounts do not
    // read.
    let ids: Vec<PageId> = disk.pages.keys().rev().skip(1).copied().collect();
    for id in ids {
        let page = disk.pages.remove(&id).expect("a page");
        let damage = find_damage(disk, chain);
        if !damage.is_empty() {
            return damage;
        }
        disk.pages.insert(id, page);
    }
    panic!("no reader would notice the loss of any page");
}

fn heal(mut world: World, chain: &Chain) -> u64 {
    let damage = find_damage(&world.disk, chain);
    assert!(!damage.is_empty(), "no reader found the damage");
    let before = world.received;
    for damage in damage {
        world.input(Input::Damaged(damage));
    }
    world.run_until(|world| world.repairs > 0);
    world.collect_garbage();
    assert!(find_damage(&world.disk, chain).is_empty());
    assert_complete(&world.disk, &chain.state(&chain.root()).expect("the head"));
    assert!(world.faults.is_empty());
    world.received - before
}

#[test]
fn every_page_that_is_missing_or_changed_is_healed_and_nothing_else_is_fetched() {
    let chain = chain();
    let pages: Vec<PageId> = synced(&chain).disk.pages.keys().copied().collect();
    for (index, id) in pages.into_iter().enumerate().skip(1).step_by(5) {
        let mut world = synced(&chain);
        match index % 2 {
            0 => {
                world.disk.pages.remove(&id);
            }
            _ => {
                let page = world.disk.pages.get_mut(&id).expect("a page");
                let middle = page.len() / 2;
                page[middle] ^= 0x40;
            }
        }
        if find_damage(&world.disk, &chain).is_empty() {
            // This is a page of storage, which readers of accounts do not read.
            continue;
        }
        let total = world.received;
        let received = heal(world, &chain);
        assert!(
            received < total,
            "{received} of {total} bytes fetched again"
        );
    }
}

#[test]
fn a_damaged_code_is_fetched_by_its_hash() {
    let chain = chain();
    let mut world = synced(&chain);
    let hash = *world.disk.codes.keys().next().expect("a code");
    world.disk.codes.insert(hash, b"not it".to_vec());
    let pages = world.disk.pages.clone();
    world.input(Input::Damaged(Damage::Code(hash)));
    world.run_until(|world| world.repairs > 0);
    world.collect_garbage();
    assert_eq!(world.disk.pages, pages, "no page had to be written");
    assert_complete(&world.disk, &chain.state(&chain.root()).expect("the head"));
}

#[test]
fn damage_under_a_root_that_no_peer_serves_reports_the_wait_and_is_healed_with_the_next_root() {
    let mut chain = chain();
    let mut world = synced(&chain);
    let damage = lose_page(&mut world.disk, &chain);
    let old = Hash(chain.root());
    world.waits.clear();
    for _ in 0..130 {
        chain.advance_by(0.001);
    }
    for damage in damage {
        world.input(Input::Damaged(damage));
    }
    world.run_until(|world| !world.waits.is_empty());
    let why = WaitReason::NeedNewRoot {
        root: old,
        peers: 1,
    };
    assert_eq!(world.waits.last(), Some(&why));
    world.input(Input::Target(Target::Root(Hash(chain.root()))));
    assert!(matches!(world.run(), End::Done(_)));
    world.collect_garbage();
    assert!(find_damage(&world.disk, &chain).is_empty());
    assert_complete(&world.disk, &chain.state(&chain.root()).expect("the head"));
}

#[test]
fn codes_that_are_reported_as_damaged_at_any_moment_of_a_sync_do_not_keep_it_from_its_end() {
    let recipe = Recipe {
        accounts: 400,
        contracts_per_mille: 300,
        seed: 8,
        huge: Vec::new(),
    };
    let chain = Chain::new(recipe.build(), 8);
    let state = chain.state(&chain.root()).expect("the head");
    let mut moments = 0;
    for events in (0..).step_by(3) {
        let mut world = World::new(chain.server(), 8);
        world.honest_peer();
        world.target(Hash(chain.root()));
        if !matches!(world.run_some(events), End::Paused) {
            break;
        }
        for (hash, _) in state.codes() {
            world.input(Input::Damaged(Damage::Code(Hash(*hash))));
        }
        let end = world.run();
        assert!(matches!(end, End::Done(_)), "after {events} events");
        world.run_until(|world| world.repairs > 0);
        world.collect_garbage();
        assert_complete(&world.disk, &state);
        moments += 1;
    }
    assert!(moments > 3, "the sync was over after {moments} moments");
}

/// A page with a right checksum: 1,700 blinded entries at the root's path, each the base of the one
/// before.
fn nested_page() -> Vec<u8> {
    let mut page = vec![1, 2, 0];
    for _ in 0..1_700 {
        page.extend([4, 0]);
        page.extend([7; 32]);
        page.push(1);
    }
    page.extend([2, 0]);
    page.extend([7; 32]);
    let checksum = xxh64(&page, 0);
    page.extend(checksum.to_le_bytes());
    page
}

/// Reading it overflowed the stack, so a database with such a page never opened again.
#[test]
fn a_page_of_seventeen_hundred_nested_bases_is_damage_and_is_healed() {
    let chain = chain();
    let mut world = synced(&chain);
    let top = world.disk.record().complete.expect("a state").top.page();
    let id = top.expect("a root page").id;
    world.disk.pages.insert(id, nested_page());
    heal(world, &chain);
}

#[test]
fn a_build_whose_root_page_nests_seventeen_hundred_bases_is_left_and_the_sync_completes() {
    let chain = Chain::new(Recipe::plain(60_000, 8).build(), 8);
    let mut world = World::new(chain.server(), 3);
    world.honest_peer();
    world.input(Input::Target(Target::Root(Hash(chain.root()))));
    world.run_until(|world| world.disk.record().building.is_some());
    let mut disk = world.kill();
    let building = disk.record().building.expect("a build");
    let id = building.top.page().expect("a root page").id;
    disk.pages.insert(id, nested_page());
    let mut world = World::on_disk(chain.server(), 4, disk);
    world.honest_peer();
    world.input(Input::Target(Target::Root(Hash(chain.root()))));
    assert!(matches!(world.run(), End::Done(_)));
    world.collect_garbage();
    assert_complete(&world.disk, &chain.state(&chain.root()).expect("the head"));
}
