//! The older states of a set: which stay readable, what of them is on the disk, and how a root
//! returns.

mod damage;

use std::collections::BTreeSet;

use snaplight::hash::Hash;
use snaplight::state::{
    Complete, MAX_KEPT, PageId, Scope, SlimAccount, StatePath, TrackedAccount, TrackedSet,
};
use snaplight::sync::{Damage, Input, Millis, Target};
use snaplight_peer::chain::Chain;
use snaplight_peer::state::{Recipe, State};

use crate::disk::Disk;
use crate::rng::Rng;
use crate::truth::Walk;
use crate::world::{End, World};

/// A chain whose accounts all change in each block, and a set of some of them.
struct Wallet {
    chain: Chain,
    recipe: Recipe,
    world: World,
    version: u64,
}

impl Wallet {
    fn new(seed: u64) -> Wallet {
        Wallet::over(2_000, seed)
    }

    fn over(accounts: u64, seed: u64) -> Wallet {
        let recipe = Recipe {
            accounts,
            contracts_per_mille: 300,
            seed,
            huge: vec![(1, 600)],
        };
        let chain = Chain::keeping(200, recipe.build(), seed);
        let world = World::new(chain.server(), seed);
        let mut wallet = Wallet {
            chain,
            recipe,
            world,
            version: 0,
        };
        wallet.world.honest_peer();
        wallet.track(0..40);
        wallet
    }

    /// Tracks these accounts with their codes, and all slots of the largest storage.
    fn track(&mut self, accounts: std::ops::Range<u64>) {
        self.version += 1;
        let accounts = accounts.map(|index| match index {
            1 => TrackedAccount::whole(self.recipe.address(index), true),
            _ => TrackedAccount::new(self.recipe.address(index), true, &[]),
        });
        let accounts: Vec<TrackedAccount> = accounts.collect();
        let set = TrackedSet::default().with(&accounts).expect("a small set");
        let scope = Scope::set(self.version, set);
        self.world.input(Input::Scope(scope));
    }

    fn hold_everything(&mut self) {
        self.version += 1;
        let scope = Scope::everything_as(self.version);
        self.world.input(Input::Scope(scope));
    }

    fn advance(&mut self) -> Hash {
        self.chain.advance_by(0.3);
        Hash(self.chain.root())
    }

    fn sync(&mut self) -> Hash {
        let root = Hash(self.chain.root());
        self.sync_to(root);
        root
    }

    fn sync_to(&mut self, root: Hash) {
        self.world.target(root);
        let end = self.world.run();
        assert!(matches!(end, End::Done(_)), "{end:?}");
        let complete = self.world.disk.record().complete.expect("a state");
        assert_eq!(complete.top.root(), root);
    }

    /// Follows the chain for this many blocks. Returns the roots, the newest first.
    fn follow(&mut self, blocks: usize) -> Vec<Hash> {
        let mut roots = Vec::new();
        for _ in 0..blocks {
            self.advance();
            roots.insert(0, self.sync());
        }
        roots
    }

    /// Loses what is in memory.
    fn kill(&mut self, seed: u64) {
        let disk = self.world.kill_after(0);
        self.world = World::on_disk(self.chain.server(), seed, disk);
        self.world.honest_peer();
    }

    fn collect_garbage(&mut self) {
        self.world.collect_garbage();
        self.assert_exact();
    }

    /// Asserts that each readable state is whole and true, and that nothing else is on the disk.
    fn assert_exact(&self) {
        let disk = &self.world.disk;
        let (mut pages, mut codes) = (BTreeSet::new(), BTreeSet::new());
        for complete in readable(disk) {
            let scope = scope_of(disk, &complete);
            let walk = Walk::of(disk, complete.top, !scope.is_everything());
            assert_eq!(walk.damaged, []);
            let state = self.chain.state(&complete.top.root().0);
            let state = state.expect("a state of the chain");
            for (key, slim) in &walk.accounts {
                assert_eq!(state.account(&key.0), Some(slim.as_slice()));
            }
            codes.extend(codes_of(&state, &scope));
            pages.extend(walk.reached);
        }
        let stored: BTreeSet<PageId> = disk.pages.keys().copied().collect();
        assert_eq!(pages, stored, "pages that no readable state reaches");
        let stored: BTreeSet<Hash> = disk.codes.keys().copied().collect();
        assert_eq!(codes, stored, "codes that no readable state names");
        let record = disk.record();
        let named: BTreeSet<u64> = record.scopes().into_iter().collect();
        let stored: BTreeSet<u64> = disk.scopes.keys().copied().collect();
        assert_eq!(named, stored, "scopes that the record does not name");
    }

    /// Pages that only this readable state reaches, and their places.
    fn own_pages(&self, root: Hash) -> Vec<(PageId, StatePath)> {
        let disk = &self.world.disk;
        let mut others = BTreeSet::new();
        let mut own = None;
        for complete in readable(disk) {
            let walk = Walk::of(disk, complete.top, true);
            match complete.top.root() == root {
                true => own = Some(walk),
                false => others.extend(walk.reached),
            }
        }
        let mut places = own.expect("a readable state").places;
        places.retain(|(page, _)| !others.contains(page));
        places
    }

    fn readable_roots(&self) -> Vec<Hash> {
        roots(&readable(&self.world.disk))
    }

    /// Requests so far.
    fn asked(&self) -> usize {
        self.world.asked.len()
    }
}

fn readable(disk: &Disk) -> Vec<Complete> {
    disk.record().readable().copied().collect()
}

fn roots(states: &[Complete]) -> Vec<Hash> {
    states.iter().map(|state| state.top.root()).collect()
}

fn scope_of(disk: &Disk, state: &Complete) -> Scope {
    let mut scopes = disk.scopes().into_iter();
    let scope = scopes.find(|scope| scope.version() == state.scope);
    scope.unwrap_or_else(Scope::everything)
}

/// Whether no page of a readable state is missing.
fn is_whole(disk: &Disk) -> bool {
    readable(disk).iter().all(|complete| {
        let scope = scope_of(disk, complete);
        let walk = Walk::of(disk, complete.top, !scope.is_everything());
        walk.damaged.is_empty()
    })
}

fn codes_of(state: &State, scope: &Scope) -> BTreeSet<Hash> {
    let mut codes = BTreeSet::new();
    for (key, slim) in state.accounts().iter() {
        let body = SlimAccount::parse(slim).expect("an account");
        if body.has_code() && scope.has_code(&Hash(*key)) {
            codes.insert(body.code_hash());
        }
    }
    codes
}

#[test]
fn after_nine_moves_of_a_set_eight_states_are_readable_and_the_disk_holds_exactly_these() {
    let mut wallet = Wallet::new(1);
    let first = wallet.sync();
    let followed = wallet.follow(9);
    assert_eq!(wallet.readable_roots(), followed[..MAX_KEPT]);
    assert!(!wallet.readable_roots().contains(&first));
    wallet.collect_garbage();
    // Blocks later still.
    let followed = wallet.follow(12);
    assert_eq!(wallet.readable_roots(), followed[..MAX_KEPT]);
    wallet.collect_garbage();
}

#[test]
fn a_root_that_returns_is_complete_again_without_a_request_and_the_one_before_stays_readable() {
    let mut wallet = Wallet::new(2);
    let followed = wallet.follow(8);
    wallet.collect_garbage();
    let (asked, pages) = (wallet.asked(), wallet.world.disk.pages.clone());
    wallet.sync_to(followed[3]);
    let mut expected = followed.clone();
    expected.remove(3);
    expected.insert(0, followed[3]);
    assert_eq!(wallet.readable_roots(), expected);
    wallet.sync_to(followed[0]);
    assert_eq!(wallet.readable_roots()[..2], [followed[0], followed[3]]);
    assert_eq!(wallet.asked(), asked, "something was asked for");
    assert_eq!(wallet.world.disk.pages, pages, "a page was written");
    wallet.assert_exact();
    // The next state is built over the one that returned.
    wallet.sync_to(followed[7]);
    let next = wallet.follow(1);
    assert_eq!(wallet.readable_roots()[..2], [next[0], followed[7]]);
    wallet.collect_garbage();
}

#[test]
fn a_root_of_another_set_is_not_elected_and_not_kept_twice() {
    let mut wallet = Wallet::new(3);
    let followed = wallet.follow(3);
    wallet.track(20..60);
    wallet.sync_to(followed[0]);
    assert_eq!(wallet.readable_roots(), followed);
    let asked = wallet.asked();
    wallet.sync_to(followed[1]);
    assert!(wallet.asked() > asked, "nothing was asked for");
    let expected = [followed[1], followed[0], followed[2]];
    assert_eq!(wallet.readable_roots(), expected);
    let versions: Vec<u64> = readable(&wallet.world.disk)
        .iter()
        .map(|state| state.scope)
        .collect();
    assert_eq!(versions, [2, 2, 1]);
    wallet.collect_garbage();
}

#[test]
fn everything_keeps_no_older_state() {
    let mut wallet = Wallet::new(4);
    let followed = wallet.follow(4);
    wallet.hold_everything();
    wallet.sync_to(followed[0]);
    assert_eq!(wallet.readable_roots(), followed[..1]);
    wallet.collect_garbage();
    let followed = wallet.follow(2);
    assert_eq!(wallet.readable_roots(), followed[..1]);
    // And back to a set.
    wallet.track(0..10);
    wallet.sync_to(followed[0]);
    assert_eq!(wallet.readable_roots(), followed[..1]);
    wallet.collect_garbage();
    let next = wallet.follow(1);
    assert_eq!(wallet.readable_roots(), [next[0], followed[0]]);
    wallet.collect_garbage();
}

#[test]
fn a_kill_at_any_moment_after_a_switch_leaves_nothing_behind() {
    let mut wallet = Wallet::new(5);
    wallet.follow(9);
    for round in 0..40 {
        wallet.advance();
        let root = wallet.sync();
        wallet.world.run_some(round);
        wallet.kill(round);
        assert_eq!(wallet.readable_roots()[0], root);
        if round % 4 == 3 {
            // The next session may begin with a collection, or with a sync to a root that is held.
            let kept = wallet.readable_roots()[2];
            wallet.sync_to(kept);
            wallet.collect_garbage();
        }
    }
    wallet.sync();
    wallet.collect_garbage();
    assert_eq!(wallet.readable_roots().len(), MAX_KEPT);
}

/// Begins to sync to the next block, and leaves the build when this many nodes and accounts have
/// come.
fn leave_a_build(wallet: &mut Wallet, size: u64) {
    wallet.advance();
    let root = Hash(wallet.chain.root());
    wallet.world.target(root);
    let pages = wallet.world.disk.pages_written;
    for _ in 0..1_000 {
        let end = wallet.world.run_some(1);
        assert!(matches!(end, End::Paused), "{end:?}");
        let now = Millis(wallet.world.now);
        let progress = wallet.world.engine.progress(now);
        if progress.counters.nodes + progress.counters.accounts >= size {
            break;
        }
    }
    wallet.world.input(Input::Cancel);
    let end = wallet.world.run();
    assert!(matches!(end, End::Cancelled), "{end:?}");
    assert!(wallet.world.disk.record().building.is_some());
    assert!(wallet.world.disk.pages_written > pages);
}

#[test]
fn a_build_that_was_left_goes_on_over_a_state_that_is_kept_meanwhile() {
    let mut wallet = Wallet::new(6);
    let followed = wallet.follow(8);
    wallet.collect_garbage();
    leave_a_build(&mut wallet, 1);
    wallet.sync_to(followed[5]);
    assert!(wallet.world.disk.record().building.is_some());
    let root = wallet.sync();
    wallet.collect_garbage();
    assert_eq!(
        wallet.readable_roots()[..3],
        [root, followed[5], followed[0]]
    );
}

/// A block whose header was proven is known while its state is kept.
#[test]
fn a_block_of_a_kept_state_is_a_target_without_a_request() {
    let mut wallet = Wallet::new(10);
    let mut blocks = Vec::new();
    for _ in 0..3 {
        wallet.advance();
        let block = Hash(wallet.chain.head().hash);
        wallet.world.announce();
        wallet.world.input(Input::Target(Target::Block(block)));
        let end = wallet.world.run();
        assert!(matches!(end, End::Done(_)), "{end:?}");
        blocks.push(block);
    }
    let record = wallet.world.disk.record();
    for block in &blocks {
        let state = record.state_of_block(block).expect("a readable state");
        let number = state.block.expect("a block").number;
        assert_eq!(record.state_of_number(number), Some(state));
    }
    wallet.collect_garbage();
    // The next session has no peer.
    let mut world = World::on_disk(wallet.chain.server(), 2, wallet.world.kill());
    world.input(Input::Target(Target::Block(blocks[0])));
    let End::Done(report) = world.run() else {
        panic!("not done")
    };
    assert!(report.already_complete);
    let complete = world.disk.record().complete.expect("a state");
    assert_eq!(complete.block.map(|block| block.hash), Some(blocks[0]));
    assert_eq!(report.block, complete.block);
}

/// Any order of moves, returns, changes of the set, kills and damage.
#[test]
fn whatever_happens_the_disk_holds_the_readable_states_and_nothing_else() {
    for seed in 0..12 {
        let mut rng = Rng::new(seed);
        let mut wallet = Wallet::new(100 + seed);
        wallet.sync();
        for _ in 0..25 {
            match rng.below(10) {
                0..4 => {
                    wallet.advance();
                    wallet.sync();
                }
                4 | 5 => {
                    let root = rng.pick(&wallet.readable_roots());
                    wallet.sync_to(root);
                }
                6 => {
                    let from = rng.below(30);
                    wallet.track(from..from + 1 + rng.below(30));
                    wallet.sync();
                }
                7 => {
                    wallet.world.run_some(rng.below(40));
                    wallet.kill(rng.next());
                }
                8 => {
                    wallet.advance();
                    let root = Hash(wallet.chain.root());
                    wallet.world.target(root);
                    wallet.world.run_some(rng.below(30));
                }
                _ => {
                    wallet.sync();
                    wallet.collect_garbage();
                    let root = rng.pick(&wallet.readable_roots());
                    let pages = wallet.own_pages(root);
                    if let Some((page, at)) = pages.last() {
                        wallet.world.disk.pages.remove(page);
                        let damage = Damage::Page {
                            page: *page,
                            at: Some(*at),
                        };
                        wallet.world.input(Input::Damaged(damage));
                        // A kill before its state is healed or dropped would leave it there.
                        wallet.world.run_until(|world| is_whole(&world.disk));
                    }
                }
            }
            assert!(wallet.readable_roots().len() <= MAX_KEPT);
        }
        wallet.advance();
        wallet.sync();
        wallet.collect_garbage();
    }
}
