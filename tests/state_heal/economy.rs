//! Checks that a heal receives what has changed, and hardly anything else.

use std::rc::Rc;

use crate::chain::{Chain, Kind, State};
use crate::database::Database;
use crate::healer::{Healer, Received};
use crate::state_world::{Rng, Trie};

/// The cost of a heal over a complete state.
#[derive(Debug)]
struct Cost {
    received: Received,
    /// Leaves and branches of the new state that the old one does not have.
    changed: usize,
    /// Pages read for the heal, of about 65, and pages read to find what only the old state has.
    pages_read: usize,
    pages_walked: usize,
}

/// Heals by nodes from one state to another.
fn heal(rng: Rng, old: &Rc<State>, new: &Rc<State>) -> Cost {
    let mut healer = Healer::new(rng, Database::new(), old.clone(), 16_384);
    healer.heal_by_nodes();
    healer.switch();
    (healer.received, healer.pages_read) = (Received::default(), 0);
    healer.open(new.clone());
    healer.heal_by_nodes();
    let before = healer.switch();
    let pages_walked = healer.db.delete_superseded(before);
    let reached = healer.db.check_reachable();
    assert_eq!(reached, healer.db.pages.keys().copied().collect());
    healer.db.check_reads(&mut healer.rng, 50);
    let mut changed = new_nodes(Some(&old.accounts), &new.accounts);
    for (account, trie) in &new.storage {
        // A new storage is asked for whole.
        if let Some(before) = old.storage.get(account) {
            changed += new_nodes(Some(before), trie);
        }
    }
    Cost {
        received: healer.received,
        changed,
        pages_read: healer.pages_read,
        pages_walked,
    }
}

fn new_nodes(old: Option<&Trie>, new: &Trie) -> usize {
    let old = old.map(Trie::hashes).unwrap_or_default();
    new.hashes().difference(&old).count()
}

/// Heals over a block that changes one in a thousand of twenty thousand accounts, in one way.
fn cost_of(kind: Kind, contracts: usize) -> Cost {
    let mut rng = Rng(kind as u64);
    let chain = Chain::even(&mut rng, 20_000, contracts);
    let new = chain.change_by(&mut rng, kind, 20);
    heal(rng, &chain.last(), &new)
}

#[test]
fn changed_values_cost_the_nodes_that_differ_and_no_other() {
    let cost = cost_of(Kind::Value, 0);
    assert_eq!(cost.received.nodes, cost.changed, "{cost:?}");
    assert_eq!(cost.received.needless, 0);
    // Some twenty pages have a changed leaf; the others are above those.
    assert!(cost.pages_read <= 30, "{cost:?}");
    assert!(cost.pages_walked <= 20, "{cost:?}");
}

#[test]
fn insertions_cost_the_nodes_that_differ_and_no_other() {
    let cost = cost_of(Kind::Insertion, 0);
    // A leaf that moves down because of a new one beside it is held, and is adopted at its new
    // place.
    assert!(cost.received.nodes <= cost.changed, "{cost:?}");
    assert_eq!(cost.received.needless, 0);
}

#[test]
fn of_deletions_no_leaf_that_is_held_is_fetched_again() {
    let cost = cost_of(Kind::Deletion, 0);
    assert!(cost.received.nodes < cost.changed, "{cost:?}");
    assert_eq!(
        (cost.received.needless, cost.received.leaves),
        (0, 0),
        "{cost:?}"
    );
}

#[test]
fn changed_slots_cost_the_nodes_that_differ_and_no_other() {
    let cost = cost_of(Kind::Slots, 5);
    assert!(cost.received.nodes <= cost.changed, "{cost:?}");
    assert_eq!(cost.received.needless, 0);
}
