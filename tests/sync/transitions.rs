//! Makes every pair of calls in every phase of every kind of sync, and compares the ends with a
//! small model. One target is waited for at a time, a newer target replaces it, and each target
//! that is not replaced ends once. The table in `src/sync/target.rs` says what the engine does in
//! each case.

use std::collections::BTreeSet;

use snaplight::hash::Hash;
use snaplight::state::{Scope, StoreError, TrackedAccount, TrackedSet};
use snaplight::sync::{Damage, Input, Limits, Millis, Phase, Target};
use snaplight_peer::chain::{Chain, Change};
use snaplight_peer::state::Recipe;

use crate::disk::Disk;
use crate::truth::{assert_complete, walk};
use crate::world::{End, World};

/// No peer has a state with this root, or a block with this hash.
const NOWHERE: Hash = Hash([0x5a; 32]);
/// The calls are tried after each of this many events of a sync, or until it ends.
const MOMENTS: u64 = 400;
/// The events between two calls: none, and enough for an answer.
const GAPS: [u64; 2] = [0, 3];
/// A sync that can end has ended after this many events.
const ENOUGH: u64 = 400;

/// What runs when the calls are made.
#[derive(Clone, Copy, Debug)]
enum Setting {
    Nothing,
    FirstSync,
    Resumed,
    Heal,
    Repair,
    FromBlock,
    /// A set gets more accounts, and nobody waits for a target.
    Addition,
    /// A set becomes everything, likewise.
    ToEverything,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    /// A root: the newest, the one before, the empty trie's, or one that no peer has.
    Root(Hash),
    Block(Hash),
    Cancel,
    /// The next commit fails.
    CommitFails,
}

/// Two states, and disks that hold nothing of the first state, a part of it, all of it, and all of
/// it with damage.
struct Stage {
    chain: Chain,
    old: Hash,
    new: Hash,
    new_block: Hash,
    /// Later blocks with these roots.
    old_twin: Hash,
    new_twin: Hash,
    empty: Disk,
    partial: Disk,
    whole: Disk,
    damaged: Disk,
    /// A part of the old state is held as a set.
    set: Disk,
    /// What is added to it.
    added: Vec<TrackedAccount>,
}

/// The engine, and the state of the model.
struct Actor<'a> {
    world: World,
    stage: &'a Stage,
    waiting: Option<Target>,
    is_cancelled: bool,
    commit_fails: bool,
    /// Whether a build may be under way that nobody waits for and whose failure is told.
    is_rescoping: bool,
    /// The setting and the calls so far.
    log: String,
}

impl Stage {
    fn new() -> Stage {
        let recipe = Recipe {
            accounts: 60,
            contracts_per_mille: 300,
            seed: 12,
            huge: vec![(1, 60)],
        };
        let mut chain = Chain::new(recipe.build(), 12);
        let empty = World::new(chain.server(), 1).kill();
        let old = Hash(chain.root());
        let mut whole = session(&chain, empty.clone());
        whole.target(old);
        assert!(matches!(whole.run(), End::Done(_)));
        whole.collect_garbage();
        let whole = whole.kill();
        let mut partial = session(&chain, empty.clone());
        partial.target(old);
        while partial.disk.record().building.is_none() {
            assert!(matches!(partial.run_some(1), End::Paused));
        }
        let partial = partial.kill();
        let mut damaged = whole.clone();
        let last = *damaged.pages.keys().next().expect("a page");
        damaged.pages.remove(&last);
        let accounts: Vec<TrackedAccount> = (0..recipe.accounts)
            .map(|index| TrackedAccount::whole(recipe.address(index), true))
            .collect();
        let (some, added) = accounts.split_at(20);
        let mut set = session(&chain, empty.clone());
        set.input(Input::Scope(scope_of(1, some)));
        set.target(old);
        assert!(matches!(set.run(), End::Done(_)));
        set.collect_garbage();
        let set = set.kill();
        chain.advance(&Change::default());
        let old_twin = Hash(chain.head().hash);
        assert_eq!(Hash(chain.root()), old);
        chain.advance(&Change {
            values: 20,
            insert: 5,
            delete: 5,
            slots: 20,
            ..Change::default()
        });
        let (new, new_block) = (Hash(chain.root()), Hash(chain.head().hash));
        chain.advance(&Change::default());
        Stage {
            old,
            new,
            new_block,
            old_twin,
            new_twin: Hash(chain.head().hash),
            chain,
            empty,
            partial,
            whole,
            damaged,
            set,
            added: added.to_vec(),
        }
    }

    fn calls(&self) -> [Call; 9] {
        [
            Call::Root(self.old),
            Call::Root(self.new),
            Call::Root(Hash::EMPTY_ROOT),
            Call::Root(NOWHERE),
            Call::Block(self.new_block),
            Call::Block(self.old_twin),
            Call::Block(NOWHERE),
            Call::Cancel,
            Call::CommitFails,
        ]
    }

    /// Starts a setting and runs it for `moment` events. Returns `None` if its sync has ended by
    /// then.
    fn actor(&self, setting: Setting, moment: u64) -> Option<Actor<'_>> {
        let disk = match setting {
            Setting::FirstSync | Setting::FromBlock => &self.empty,
            Setting::Resumed => &self.partial,
            Setting::Nothing | Setting::Heal => &self.whole,
            Setting::Repair => &self.damaged,
            Setting::Addition | Setting::ToEverything => &self.set,
        };
        let mut actor = Actor {
            world: session(&self.chain, disk.clone()),
            stage: self,
            waiting: None,
            is_cancelled: false,
            commit_fails: false,
            is_rescoping: matches!(setting, Setting::Addition | Setting::ToEverything),
            log: format!("{setting:?} + {moment}"),
        };
        match setting {
            Setting::Nothing => {}
            Setting::FirstSync | Setting::Resumed => actor.call(Call::Root(self.old)),
            Setting::Heal => actor.call(Call::Root(self.new)),
            Setting::FromBlock => actor.call(Call::Block(self.new_block)),
            Setting::Addition => actor.world.input(Input::Scope(scope_of(2, &self.added))),
            Setting::ToEverything => {
                let everything = Scope::everything_as(2);
                actor.world.input(Input::Scope(everything));
            }
            Setting::Repair => {
                for (page, at) in walk(&actor.world.disk).damaged {
                    let at = Some(at);
                    actor.world.input(Input::Damaged(Damage::Page { page, at }));
                }
            }
        }
        let was_waiting = actor.waiting.is_some();
        actor.go(moment);
        (!was_waiting || actor.waiting.is_some()).then_some(actor)
    }
}

fn scope_of(version: u64, accounts: &[TrackedAccount]) -> Scope {
    let set = TrackedSet::default().with(accounts);
    Scope::set(version, set.expect("a small set"))
}

fn session(chain: &Chain, disk: Disk) -> World {
    let mut world = World::on_disk(chain.server(), 5, disk);
    world.engine = world.engine.with_limits(Limits {
        batch_bytes: 4 * 1024,
        batch_ms: 20,
        asked_bytes: 64 * 1024,
        page_bytes: 1024,
        ..Limits::default()
    });
    world.honest_peer();
    world
}

impl Actor<'_> {
    fn call(&mut self, call: Call) {
        self.log += &format!(", {call:?} in {:?}", self.phase());
        let target = match call {
            Call::Root(root) => Target::Root(root),
            Call::Block(block) => Target::Block(block),
            Call::Cancel => {
                self.is_cancelled = self.waiting.is_some();
                return self.world.input(Input::Cancel);
            }
            Call::CommitFails => {
                self.commit_fails = true;
                let next = self.world.disk.record().sequence + 1;
                self.world.disk.fail_at = Some((next, StoreError::Quota));
                return;
            }
        };
        (self.waiting, self.is_cancelled) = (Some(target), false);
        self.world.input(Input::Target(target));
    }

    /// Runs `events` events, and compares each end with the model.
    fn go(&mut self, events: u64) {
        let mut left = events;
        loop {
            let end = self.world.run_some(left.min(1));
            match end {
                End::Paused if left > 0 && self.is_over() => return,
                End::Paused if left > 0 => left -= 1,
                End::Paused | End::Stuck => return,
                end => self.ended(end),
            }
        }
    }

    fn ended(&mut self, end: End) {
        let log = &self.log;
        let is_told = matches!(end, End::Failed(_)) && self.is_rescoping && self.commit_fails;
        let Some(target) = self.waiting.take() else {
            if is_told {
                return;
            }
            panic!("{log}: no target is waited for, but {end:?}");
        };
        match end {
            End::Done(report) => {
                let is_it = match target {
                    Target::Root(root) => report.root == root,
                    Target::Block(block) => report.block.is_some_and(|named| named.hash == block),
                    Target::Header(header) => report.block == Some(header.block()),
                };
                assert!(is_it, "{log}: {target:?} ended with {report:?}");
                let complete = self.world.disk.record().complete.expect("it is done");
                let named = (complete.top.root(), complete.block);
                assert_eq!(named, (report.root, report.block), "{log}");
            }
            End::Cancelled => assert!(self.is_cancelled, "{log}: no call cancelled it"),
            End::Failed(failure) => assert!(self.commit_fails, "{log}: {failure}"),
            end => panic!("{log}: {end:?}"),
        }
        self.is_cancelled = false;
    }

    /// Checks that a target that can end does, and that cancelling ends any other target.
    fn finish(&mut self) {
        self.go(ENOUGH);
        let can_end = match self.waiting {
            None => true,
            Some(Target::Root(root)) => root != NOWHERE,
            Some(Target::Block(block)) => block != NOWHERE,
            Some(Target::Header(_)) => true,
        };
        assert!(
            self.waiting.is_none() || !can_end,
            "{}: {:?} never ends",
            self.log,
            self.waiting
        );
        // `close()` does the same, even if a sync was cancelled before.
        self.call(Call::Cancel);
        self.go(ENOUGH);
        assert_eq!(self.waiting, None, "{}: never cancelled", self.log);
        let footprint = self.world.engine.footprint();
        assert_eq!(footprint.batches, 0, "{}", self.log);
        // The next sync is not affected.
        self.world.disk.fail_at = None;
        self.commit_fails = false;
        self.call(Call::Root(self.stage.new));
        self.go(ENOUGH);
        assert_eq!(self.waiting, None, "{}: the next sync never ends", self.log);
        self.world.collect_garbage();
    }

    /// Whether only pings are left to come.
    fn is_over(&self) -> bool {
        let footprint = self.world.engine.footprint();
        let is_idle = footprint.batches == 0 && footprint.requests == 0;
        self.waiting.is_none() && is_idle && self.phase() == Phase::Idle
    }

    /// The visible part of the engine's state. The calls are tried once in each state that occurs.
    fn signature(&self) -> (String, usize, bool, bool) {
        let footprint = self.world.engine.footprint();
        (
            format!("{:?}", self.phase()),
            footprint.batches,
            footprint.requests > 0,
            footprint.pending > 0,
        )
    }

    fn phase(&self) -> Phase {
        self.world.engine.progress(Millis(self.world.now)).phase
    }
}

fn every_pair_in(setting: Setting, expected: &[Phase]) {
    let stage = Stage::new();
    let mut seen = BTreeSet::new();
    for moment in 0..MOMENTS {
        let Some(actor) = stage.actor(setting, moment) else {
            break;
        };
        if !seen.insert(actor.signature()) {
            continue;
        }
        for first in stage.calls() {
            for second in stage.calls() {
                for gap in GAPS {
                    let mut actor = stage
                        .actor(setting, moment)
                        .expect("a setting that runs, as before");
                    actor.call(first);
                    actor.go(gap);
                    actor.call(second);
                    actor.finish();
                }
            }
        }
    }
    for phase in expected {
        let phase = format!("{phase:?}");
        let is_seen = seen.iter().any(|(seen, ..)| *seen == phase);
        assert!(is_seen, "{phase} never occurred, only {seen:?}");
    }
}

#[test]
fn every_pair_of_calls_while_no_sync_runs() {
    every_pair_in(Setting::Nothing, &[Phase::Idle]);
}

#[test]
fn every_pair_of_calls_in_every_phase_of_a_first_sync() {
    every_pair_in(Setting::FirstSync, &[Phase::Ranges, Phase::Finishing]);
}

#[test]
fn every_pair_of_calls_in_every_phase_of_a_resumed_sync() {
    every_pair_in(Setting::Resumed, &[Phase::Resuming, Phase::Finishing]);
}

#[test]
fn every_pair_of_calls_in_every_phase_of_a_heal() {
    every_pair_in(Setting::Heal, &[Phase::Healing, Phase::Finishing]);
}

#[test]
fn every_pair_of_calls_in_every_phase_of_a_repair() {
    let phases = [
        Phase::Resuming,
        Phase::Ranges,
        Phase::Finishing,
        Phase::Idle,
    ];
    every_pair_in(Setting::Repair, &phases);
}

#[test]
fn every_pair_of_calls_while_a_set_gets_more_accounts() {
    every_pair_in(Setting::Addition, &[Phase::Finishing, Phase::Idle]);
}

#[test]
fn every_pair_of_calls_while_a_set_becomes_everything() {
    let phases = [Phase::Ranges, Phase::Finishing, Phase::Idle];
    every_pair_in(Setting::ToEverything, &phases);
}

#[test]
fn every_pair_of_calls_while_a_blocks_header_is_looked_for_and_after() {
    every_pair_in(Setting::FromBlock, &[Phase::Locating, Phase::Ranges]);
}

/// Two blocks may have one root. The complete state is that of the block asked for last, in
/// whatever phase it is asked for, and a root alone leaves the block that is known.
#[test]
fn the_complete_state_is_that_of_the_block_asked_for_last_in_every_phase() {
    let stage = Stage::new();
    let (old, new) = ((stage.old, stage.old_twin), (stage.new, stage.new_twin));
    let settings = [
        (Setting::Nothing, old),
        (Setting::FirstSync, old),
        (Setting::Resumed, old),
        (Setting::Heal, new),
        (Setting::Repair, old),
        (Setting::FromBlock, new),
    ];
    let mut phases = BTreeSet::new();
    for (setting, (root, twin)) in settings {
        for moment in 0..MOMENTS {
            let Some(mut actor) = stage.actor(setting, moment) else {
                break;
            };
            phases.insert(format!("{:?}", actor.phase()));
            for call in [Call::Block(twin), Call::Root(root)] {
                actor.call(call);
                actor.go(ENOUGH);
                assert_eq!(actor.waiting, None, "{}", actor.log);
                let named = |disk: &Disk| {
                    let complete = disk.record().complete.expect("a complete state");
                    (complete.top.root(), complete.block.map(|block| block.hash))
                };
                assert_eq!(
                    named(&actor.world.disk),
                    (root, Some(twin)),
                    "{}",
                    actor.log
                );
            }
            if matches!(setting, Setting::Nothing) {
                break;
            }
        }
    }
    for phase in ["Idle", "Ranges", "Finishing", "Resuming", "Healing"] {
        assert!(phases.contains(phase), "only {phases:?}");
    }
}

/// A block that is known stays, also if its root is asked for while its sync is under way.
#[test]
fn a_root_asked_for_during_the_sync_of_its_block_leaves_the_block_known() {
    let stage = Stage::new();
    for moment in 0..MOMENTS {
        let Some(mut actor) = stage.actor(Setting::FromBlock, moment) else {
            break;
        };
        let is_known = actor.phase() != Phase::Locating;
        actor.call(Call::Root(stage.new));
        actor.go(ENOUGH);
        let complete = actor.world.disk.record().complete;
        let block = complete.expect("a complete state").block;
        let expected = is_known.then_some(stage.new_block);
        assert_eq!(block.map(|block| block.hash), expected, "{}", actor.log);
    }
}

/// The batch that only names the block fails: so does the sync, and the next one names it.
#[test]
fn a_block_that_could_not_be_recorded_is_asked_for_again() {
    let stage = Stage::new();
    let mut actor = stage.actor(Setting::Nothing, 0).expect("an idle engine");
    let before = actor.world.disk.record();
    actor.call(Call::CommitFails);
    actor.call(Call::Block(stage.old_twin));
    actor.go(ENOUGH);
    assert_eq!(actor.waiting, None);
    assert_eq!(actor.world.disk.record(), before);
    actor.call(Call::Block(stage.old_twin));
    actor.go(ENOUGH);
    let after = actor.world.disk.record();
    let block = after.complete.expect("a complete state").block;
    assert_eq!(block.map(|block| block.hash), Some(stage.old_twin));
    assert_eq!(after.sequence, before.sequence + 1);
    assert_eq!(after.next_page, before.next_page);
}

#[test]
fn what_a_failed_pair_leaves_is_the_whole_newest_state() {
    let stage = Stage::new();
    let mut actor = stage.actor(Setting::Heal, 6).expect("a heal");
    actor.call(Call::CommitFails);
    actor.call(Call::Root(stage.old));
    actor.finish();
    assert_complete(&actor.world.disk, &stage.chain.server().head());
}

/// `db.sync(a); db.sync(b).cancel(); db.close()`: the second cancel made the engine forget the
/// first.
#[test]
fn a_sync_that_overtook_one_at_its_end_ends_when_it_is_cancelled_twice() {
    let stage = Stage::new();
    let mut ending = 0;
    for moment in 0..MOMENTS {
        let Some(mut actor) = stage.actor(Setting::FirstSync, moment) else {
            break;
        };
        ending += usize::from(actor.phase() == Phase::Finishing);
        actor.call(Call::Root(stage.new));
        actor.call(Call::Cancel);
        actor.call(Call::Cancel);
        actor.go(ENOUGH);
        assert_eq!(actor.waiting, None, "{}", actor.log);
    }
    assert!(ending > 0, "no call was made during the last batch");
}
