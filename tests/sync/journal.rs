//! The engine's journal: what a bug report shows of the last inputs and outputs.

use std::sync::Arc;

use snaplight::hash::Hash;
use snaplight::sync::{Input, JOURNAL_ENTRIES, JournalEntry, Millis};
use snaplight_peer::session::Server;
use snaplight_peer::state::Recipe;

use crate::world::{End, World};

/// A world that has synced so many accounts.
fn synced(accounts: u64) -> World {
    let state = Recipe {
        accounts,
        contracts_per_mille: 150,
        seed: 3,
        huge: vec![],
    }
    .build();
    let root = Hash(state.root());
    let mut world = World::new(Arc::new(Server::new(state)), 3);
    world.honest_peer();
    world.target(root);
    let end = world.run();
    assert!(matches!(end, End::Done(_)), "{end:?}");
    world
}

fn journal(world: &World) -> Vec<JournalEntry> {
    world.engine.journal().copied().collect()
}

#[test]
fn the_journal_tells_a_small_sync_from_its_first_input_to_its_end() {
    let entries = journal(&synced(10));
    let told: Vec<&str> = entries.iter().map(|entry| entry.what).collect();
    for what in [
        "joined",
        "send",
        "frame",
        "ready",
        "target",
        "commit",
        "committed",
        "done",
    ] {
        assert!(told.contains(&what), "no {what} in {told:?}");
    }
    assert!(entries.is_sorted_by_key(|entry| entry.at));
    let is_of_connection = |what| matches!(what, "joined" | "send" | "frame" | "ready");
    for entry in entries {
        assert_eq!(
            entry.peer.is_some(),
            is_of_connection(entry.what),
            "{entry:?}"
        );
        let is_sized = matches!(entry.what, "send" | "frame" | "commit" | "committed");
        assert_eq!(entry.amount > 0, is_sized, "{entry:?}");
    }
}

#[test]
fn the_journal_is_no_longer_than_its_bound_and_has_what_came_last() {
    let mut world = synced(10);
    let begun = world.now;
    let last = 2 * JOURNAL_ENTRIES as u64 + 7;
    for step in 0..=last {
        world.engine.handle(Millis(begun + step), Input::Tick);
    }
    let entries = journal(&world);
    assert_eq!(entries.len(), JOURNAL_ENTRIES);
    let times: Vec<u64> = entries.iter().map(|entry| entry.at.0 - begun).collect();
    let expected: Vec<u64> = (last + 1 - JOURNAL_ENTRIES as u64..=last).collect();
    assert_eq!(times, expected);
}
