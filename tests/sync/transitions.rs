//! Every pair of calls in every phase of every kind of sync, against a model of three lines: one target
//! is waited for at a time, a newer one takes its place, and each that is not overtaken ends once.
//! What the engine does in each case is the table in `src/sync/goal.rs`.

use std::collections::BTreeSet;

use snaplight::hash::Hash;
use snaplight::state::StoreError;
use snaplight::sync::{Damage, Input, Limits, Millis, Phase, Target};
use snaplight_peer::chain::{Chain, Change};
use snaplight_peer::state::Recipe;

use crate::disk::Disk;
use crate::truth::{assert_complete, walk};
use crate::world::{End, World};

/// Nobody has a state with this root, or a block with this hash.
const NOWHERE: Hash = Hash([0x5a; 32]);
/// The sync that the calls fall into is looked at for so many events at most.
const MOMENTS: u64 = 400;
/// Events between two calls: none, and enough for an answer.
const GAPS: [u64; 2] = [0, 3];
/// Events in which whatever can end has ended.
const ENOUGH: u64 = 400;

/// What is under way when the calls come.
#[derive(Clone, Copy, Debug)]
enum Setting {
    Nothing,
    FirstSync,
    Resumed,
    Heal,
    Repair,
    FromBlock,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    /// A root: the newest, the one before, the empty trie's, or nobody's.
    Root(Hash),
    Block(Hash),
    Cancel,
    /// The next batch is not written.
    Trouble,
}

/// Two states, and disks that hold the first of them: nothing, part, all, and with damage.
struct Stage {
    chain: Chain,
    old: Hash,
    new: Hash,
    new_block: Hash,
    empty: Disk,
    partial: Disk,
    whole: Disk,
    damaged: Disk,
}

/// The engine, and what the model says about it.
struct Actor<'a> {
    world: World,
    stage: &'a Stage,
    waiting: Option<Target>,
    is_cancelled: bool,
    has_trouble: bool,
    story: String,
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
        whole.sweep();
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
        chain.advance(&Change {
            values: 20,
            insert: 5,
            delete: 5,
            slots: 20,
            ..Change::default()
        });
        Stage {
            old,
            new: Hash(chain.root()),
            new_block: Hash(chain.head().hash),
            chain,
            empty,
            partial,
            whole,
            damaged,
        }
    }

    fn calls(&self) -> [Call; 8] {
        [
            Call::Root(self.old),
            Call::Root(self.new),
            Call::Root(Hash::EMPTY_ROOT),
            Call::Root(NOWHERE),
            Call::Block(self.new_block),
            Call::Block(NOWHERE),
            Call::Cancel,
            Call::Trouble,
        ]
    }

    /// What was under way, after so many events; `None` if it had ended before.
    fn actor(&self, setting: Setting, moment: u64) -> Option<Actor<'_>> {
        let disk = match setting {
            Setting::FirstSync | Setting::FromBlock => &self.empty,
            Setting::Resumed => &self.partial,
            Setting::Nothing | Setting::Heal => &self.whole,
            Setting::Repair => &self.damaged,
        };
        let mut actor = Actor {
            world: session(&self.chain, disk.clone()),
            stage: self,
            waiting: None,
            is_cancelled: false,
            has_trouble: false,
            story: format!("{setting:?} + {moment}"),
        };
        match setting {
            Setting::Nothing => {}
            Setting::FirstSync | Setting::Resumed => actor.call(Call::Root(self.old)),
            Setting::Heal => actor.call(Call::Root(self.new)),
            Setting::FromBlock => actor.call(Call::Block(self.new_block)),
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
        self.story += &format!(", {call:?} in {:?}", self.phase());
        let target = match call {
            Call::Root(root) => Target::Root(root),
            Call::Block(block) => Target::Block(block),
            Call::Cancel => {
                self.is_cancelled = self.waiting.is_some();
                return self.world.input(Input::Cancel);
            }
            Call::Trouble => {
                self.has_trouble = true;
                let next = self.world.disk.record().sequence + 1;
                self.world.disk.fail_at = Some((next, StoreError::Quota));
                return;
            }
        };
        (self.waiting, self.is_cancelled) = (Some(target), false);
        self.world.input(Input::Target(target));
    }

    /// Lets so many events happen, and holds each end against the model.
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
        let story = &self.story;
        let Some(target) = self.waiting.take() else {
            panic!("{story}: nobody waits for {end:?}");
        };
        match end {
            End::Done(report) => {
                let is_it = match target {
                    Target::Root(root) => report.root == root,
                    Target::Block(block) => report.block.is_some_and(|named| named.hash == block),
                };
                assert!(is_it, "{story}: {target:?} ended with {report:?}");
                let complete = self.world.disk.record().complete;
                let root = complete.map(|complete| complete.top.root());
                assert_eq!(root, Some(report.root), "{story}");
            }
            End::Cancelled => assert!(self.is_cancelled, "{story}: nobody cancelled"),
            End::Failed(failure) => assert!(self.has_trouble, "{story}: {failure}"),
            end => panic!("{story}: {end:?}"),
        }
        self.is_cancelled = false;
    }

    /// Whatever can end ends; what cannot is cancelled, and that ends it.
    fn finish(&mut self) {
        self.go(ENOUGH);
        let can_end = match self.waiting {
            None => true,
            Some(Target::Root(root)) => root != NOWHERE,
            Some(Target::Block(block)) => block != NOWHERE,
        };
        assert!(
            self.waiting.is_none() || !can_end,
            "{}: {:?} never ends",
            self.story,
            self.waiting
        );
        // As `close()` does, also if something was cancelled before.
        self.call(Call::Cancel);
        self.go(ENOUGH);
        assert_eq!(self.waiting, None, "{}: never cancelled", self.story);
        let footprint = self.world.engine.footprint();
        assert_eq!(footprint.batches, 0, "{}", self.story);
        // Nothing of it is in the way of the next one.
        self.world.disk.fail_at = None;
        self.has_trouble = false;
        self.call(Call::Root(self.stage.new));
        self.go(ENOUGH);
        assert_eq!(
            self.waiting, None,
            "{}: the next one never ends",
            self.story
        );
        self.world.sweep();
    }

    /// Whether nothing but pings will happen any more.
    fn is_over(&self) -> bool {
        let footprint = self.world.engine.footprint();
        let is_idle = footprint.batches == 0 && footprint.requests == 0;
        self.waiting.is_none() && is_idle && self.phase() == Phase::Idle
    }

    /// What of the engine's state shows: calls are tried once in each that is met.
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
    let mut met = BTreeSet::new();
    for moment in 0..MOMENTS {
        let Some(actor) = stage.actor(setting, moment) else {
            break;
        };
        if !met.insert(actor.signature()) {
            continue;
        }
        for first in stage.calls() {
            for second in stage.calls() {
                for gap in GAPS {
                    let mut actor = stage.actor(setting, moment).expect("as before");
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
        let is_met = met.iter().any(|(met, ..)| *met == phase);
        assert!(is_met, "{phase} was never met, only {met:?}");
    }
}

#[test]
fn every_pair_of_calls_while_nothing_is_under_way() {
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
fn every_pair_of_calls_while_a_blocks_header_is_looked_for_and_after() {
    every_pair_in(Setting::FromBlock, &[Phase::Locating, Phase::Ranges]);
}

#[test]
fn what_a_failed_pair_leaves_is_the_whole_newest_state() {
    let stage = Stage::new();
    let mut actor = stage.actor(Setting::Heal, 6).expect("a heal");
    actor.call(Call::Trouble);
    actor.call(Call::Root(stage.old));
    actor.finish();
    assert_complete(&actor.world.disk, &stage.chain.server().head());
}

/// `db.sync(a); db.sync(b).cancel(); db.close()`: the second cancel made the engine forget the first.
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
        assert_eq!(actor.waiting, None, "{}", actor.story);
    }
    assert!(ending > 0, "no call fell into the last batch");
}
