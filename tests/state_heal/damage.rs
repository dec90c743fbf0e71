//! Removes pages below the complete root and pages of a base.

use snaplight::state::{Scope, Tree};

use crate::chain::{Chain, Kind};
use crate::database::Database;
use crate::healer::{Healer, Received};
use crate::state_world::Rng;

fn complete(seed: u64, accounts: usize) -> (Chain, Healer) {
    let mut rng = Rng(seed);
    let chain = Chain::even(&mut rng, accounts, 10);
    let mut healer = Healer::new(rng, Database::new(), chain.last(), 4_000);
    healer.finish();
    healer.switch();
    healer.db.collect_garbage();
    (chain, healer)
}

#[test]
fn of_any_page_that_is_missing_only_what_is_below_it_is_fetched_again() {
    let (_, mut healer) = complete(3, 600);
    let sound = healer.db.clone();
    let state = healer.target.clone();
    let root = sound
        .complete
        .as_ref()
        .and_then(|complete| complete.page)
        .unwrap();
    let places = healer.db.places();
    assert!(places.len() > 20);
    let mut fetched = Vec::new();
    for (id, at) in places {
        healer.db = sound.clone();
        healer.db.pages.remove(&id);
        healer.open(state.clone());
        healer.build_on(Tree::over_complete(
            root.hash,
            Some(root),
            &Scope::everything(),
            Scope::everything(),
        ));
        while let Some(above) = healer.tree.blind_page(id, &at).unwrap() {
            healer.inline_page(above);
        }
        healer.received = Received::default();
        healer.heal_by_nodes();
        fetched.push(healer.received.nodes);
        healer.switch();
        healer.db.collect_garbage();
        healer.db.check_reachable();
        healer.db.check_reads(&mut healer.rng, 5);
    }
    fetched.sort_unstable();
    let total = state.accounts.hashes().len();
    assert!(fetched[fetched.len() / 2] < total / 10, "{fetched:?}");
}

#[test]
fn a_base_does_without_a_page_that_is_missing() {
    let (chain, mut healer) = complete(4, 600);
    let new = chain.change_by(&mut healer.rng, Kind::Value, 60);
    let sound = healer.db.clone();
    let mut met = 0;
    for (id, _) in healer.db.places() {
        healer.db = sound.clone();
        healer.db.pages.remove(&id);
        healer.missing = Some(id);
        healer.dropped = 0;
        healer.open(new.clone());
        healer.heal_by_nodes();
        // A page that was adopted unread turns out to be missing when it is read.
        if healer.dropped > 0 {
            healer.switch();
            healer.db.collect_garbage();
            healer.db.check_reachable();
            healer.db.check_reads(&mut healer.rng, 5);
            met += 1;
        }
    }
    assert!(met > 5);
}
