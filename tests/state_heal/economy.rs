//! What a heal receives: what has changed, and next to nothing else.

use std::rc::Rc;

use crate::chain::{Chain, Kind, State};
use crate::database::Database;
use crate::healer::{Healer, Received};
use crate::state_world::{Rng, Trie};

/// What a heal over a complete state has cost.
#[derive(Debug)]
struct Cost {
    received: Received,
    /// Leaves and branches that the new state has and the old one does not.
    changed: usize,
    /// Pages read for the heal, of about 65; and for deleting what the old state has alone.
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

/// Twenty thousand accounts, of which one in a thousand changes in one way.
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
    // Some twenty pages with a changed leaf, and those above.
    assert!(cost.pages_read <= 30, "{cost:?}");
    assert!(cost.pages_walked <= 20, "{cost:?}");
}

#[test]
fn insertions_cost_the_nodes_that_differ_and_no_other() {
    let cost = cost_of(Kind::Insertion, 0);
    // A leaf that makes room for another is held, at its new place.
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

/// Prints what heals of twenty thousand accounts hold in memory, read and write.
#[test]
#[ignore = "figures, not a test"]
fn figures_of_memory_and_pages() {
    for (percent, frontier) in [(0.1, 256), (0.1, 8), (1.0, 256), (1.0, 8)] {
        for contracts in [0, 10] {
            let mut rng = Rng(1);
            let chain = Chain::even(&mut rng, 20_000, contracts);
            let changes = (20_000.0 * percent / 100.0) as usize;
            let new = chain.change_by(&mut rng, Kind::Value, changes);
            let mut healer = Healer::new(rng, Database::new(), chain.last(), 16_384);
            healer.heal_by_nodes();
            healer.switch();
            (healer.received, healer.pages_read) = (Received::default(), 0);
            healer.written = 0;
            let stored = healer.db.pages.len();
            healer.open(new);
            let start = std::time::Instant::now();
            let mut most = 0;
            loop {
                let wanted: Vec<_> = healer
                    .tree
                    .blinded()
                    .take(frontier)
                    .map(|(at, _)| at)
                    .collect();
                if wanted.is_empty() {
                    break;
                }
                for at in wanted {
                    healer.node_at(at);
                }
                most = most.max(healer.tree.resident_bytes());
                healer.settle();
            }
            let (before, written) = (healer.switch(), healer.written);
            let took = start.elapsed();
            healer.db.delete_superseded(before);
            println!(
                "{frontier} at a time: {percent} % of 20000, {contracts} % contracts: {:?}, {} of {stored} pages read, {} bytes in memory at most, {written} bytes written, {took:?}",
                healer.received, healer.pages_read, most,
            );
        }
    }
}
