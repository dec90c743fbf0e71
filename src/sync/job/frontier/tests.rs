use super::*;
use crate::trie::path::Path;

/// Places in key order: in the account trie, and every fourth one in a storage.
fn places(count: usize) -> Vec<(StatePath, Hash)> {
    let places = (0..count).map(|index| {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&((index as u64) << 40).to_be_bytes());
        let key = Hash(key);
        let at = match index % 4 {
            0 => StatePath::storage(key, Path::new(Hash([3; 32]), 2)),
            odd => StatePath::account_trie(Path::new(key, 5 + odd as u8)),
        };
        (at, Hash([7; 32]))
    });
    places.collect()
}

fn filled(places: &[(StatePath, Hash)], is_full: bool) -> Frontier {
    let mut frontier = Frontier::default();
    assert!(frontier.is_due(is_full));
    frontier.fill(|| places.iter().copied());
    frontier
}

#[test]
fn few_places_go_level_by_level_and_many_in_key_order() {
    let few = places(BREADTH);
    let frontier = filled(&few, false);
    assert_eq!(frontier.len(), few.len());
    assert!(frontier.nodes.iter().any(|(at, _)| at.account.is_some()));
    let accounts = frontier.nodes.iter().filter(|(at, _)| at.account.is_none());
    assert!(accounts.is_sorted_by_key(|(at, _)| at.path.len()));

    let many = places(BREADTH + 1);
    assert_eq!(filled(&many, false).nodes, many[..DEPTH_AHEAD]);
}

#[test]
fn while_memory_is_full_only_storages_are_asked_for_until_there_are_none() {
    let all = places(400);
    let frontier = filled(&all, true);
    assert_eq!(frontier.len(), 100);
    assert!(frontier.nodes.iter().all(|(at, _)| at.account.is_some()));
    let accounts: Vec<_> = all
        .into_iter()
        .filter(|(at, _)| at.account.is_none())
        .collect();
    assert_eq!(filled(&accounts, true).nodes, accounts);
}
