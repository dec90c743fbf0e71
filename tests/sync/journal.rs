//! The engine's journal: what a bug report shows of the last inputs and outputs.

use std::sync::Arc;

use snaplight::hash::Hash;
use snaplight::sync::{JOURNAL_ENTRIES, JournalEntry};
use snaplight_peer::session::Server;
use snaplight_peer::state::Recipe;

use crate::world::{End, World};

/// Syncs so many accounts, and returns the journal.
fn journal(accounts: u64) -> Vec<JournalEntry> {
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
    world.engine.journal().copied().collect()
}

#[test]
fn the_journal_tells_a_small_sync_from_its_first_input_to_its_end() {
    let entries = journal(10);
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
fn the_journal_of_a_long_sync_is_its_end_and_no_longer_than_its_bound() {
    let entries = journal(60_000);
    assert_eq!(entries.len(), JOURNAL_ENTRIES);
    assert!(entries.is_sorted_by_key(|entry| entry.at));
    assert!(entries.iter().all(|entry| entry.what != "joined"));
    assert_eq!(entries.last().map(|entry| entry.what), Some("done"));
}
