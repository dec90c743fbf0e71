use super::*;
use crate::trie::path::Path;

/// Places of the account trie in key order, at two depths by turns.
fn places(count: usize) -> Vec<(StatePath, Hash)> {
    let places = (0..count).map(|index| {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&((index as u64) << 40).to_be_bytes());
        let depth = if index % 2 == 0 { 7 } else { 6 };
        let at = StatePath::account_trie(Path::new(Hash(key), depth));
        (at, Hash([7; 32]))
    });
    places.collect()
}

/// What a plan asks for if these places are blinded.
fn ordered(places: Vec<(StatePath, Hash)>) -> Vec<(StatePath, Hash)> {
    let tree = Tree::new(Hash([1; 32]));
    let asked = Asked {
        node: &|_, _| false,
        spans: &[],
        storage: &|_| false,
    };
    let mut planner = Planner {
        tree: &tree,
        asked: &asked,
        change_rate: ChangeRate::default(),
        waiting_bytes: usize::MAX,
        ways: Ways::All,
        plan: Plan {
            nodes: places,
            ..Plan::default()
        },
        span: None,
    };
    planner.order();
    planner.plan.nodes
}

#[test]
fn few_places_are_asked_for_level_by_level_and_many_in_key_order_and_only_some_at_a_time() {
    let few = ordered(places(BREADTH));
    assert_eq!(few.len(), BREADTH);
    assert!(few.is_sorted_by_key(|(at, _)| (at.path.len(), at.path.first_key())));

    let many = places(BREADTH + 1);
    assert_eq!(ordered(many.clone()), many[..DEPTH_AHEAD]);
}
