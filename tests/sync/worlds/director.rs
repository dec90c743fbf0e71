//! Chooses and applies the events of a world.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use snaplight::hash::Hash;
use snaplight::state::StoreError;
use snaplight::state::{Counters, Counts, PageId};
use snaplight::sync::{Failure, Input, PeerId, Report, Target};
use snaplight_peer::chain::{Chain, Change};
use snaplight_peer::state::{Builder, State};

use super::misfortunes::Misfortunes;
use super::providers::Providers;
use super::sets::{Holds, Sets};
use super::shape::{self, Shape};
use super::tongues::Tongues;
use super::vices::{self, Guilt};
use crate::disk::Disk;
use crate::rng::Rng;
use crate::truth;
use crate::world::{End, LineId, World};

/// The most connections at a time.
const MAX_PEERS: usize = 6;

/// The numbers of what happened in a world.
#[derive(Debug, Default)]
pub(super) struct Totals {
    pub(super) sessions: u64,
    pub(super) completed: u64,
    pub(super) moves: u64,
    pub(super) batches: u64,
    pub(super) faults: u64,
    pub(super) reads: u64,
    pub(super) damaged: u64,
    pub(super) repairs: u64,
    pub(super) failures: u64,
}

impl Totals {
    pub(super) fn add(&mut self, other: &Totals) {
        self.sessions += other.sessions;
        self.completed += other.completed;
        self.moves += other.moves;
        self.batches += other.batches;
        self.faults += other.faults;
        self.reads += other.reads;
        self.damaged += other.damaged;
        self.repairs += other.repairs;
        self.failures += other.failures;
    }
}

/// What a session found of the state that is being built.
#[derive(Debug, Default)]
struct Inherited {
    counts: Counts,
    counters: Counters,
}

pub(super) struct Director {
    pub(super) rng: Rng,
    pub(super) shape: Shape,
    pub(super) world: World,
    pub(super) guilt: BTreeMap<PeerId, Guilt>,
    /// Every state that the chain has had, by its root.
    pub(super) truths: BTreeMap<Hash, Arc<State>>,
    /// Pages that this world has damaged.
    pub(super) damaged_pages: BTreeSet<PageId>,
    /// Codes that this world has damaged.
    pub(super) damaged_codes: BTreeSet<Hash>,
    pub(super) totals: Totals,
    pub(super) chain: Chain,
    /// The root that the running sync must end with. `None` if no sync runs.
    target: Option<Hash>,
    /// What was committed and counted when this session began.
    inherited: Inherited,
    /// Chooses misfortunes.
    pub(super) extra: Rng,
    pub(super) misfortunes: Misfortunes,
    /// Chooses which peers answer by hash.
    pub(super) tongues: Tongues,
    /// What is to be held.
    pub(super) sets: Sets,
    /// Chooses which peers are providers.
    pub(super) providers: Providers,
    /// The line that all peers of this session share.
    pub(super) shared_line: Option<LineId>,
    prints: bool,
}

impl Director {
    pub(super) fn new(seed: u64, holds: Holds, prints: bool) -> Director {
        let mut extra = Rng::new(!seed);
        let misfortunes = Misfortunes::new(&mut extra);
        let tongues = Tongues::new(seed);
        let sets = Sets::new(seed, holds);
        Director::with(seed, extra, misfortunes, tongues, sets, prints)
    }

    /// The world as [`Director::new`] makes it, without misfortunes and sets and with peers by snap
    /// alone.
    pub(super) fn without_misfortunes(seed: u64) -> Director {
        let misfortunes = Misfortunes::default();
        let sets = Sets::new(seed, Holds::Everything);
        let extra = Rng::new(!seed);
        Director::with(seed, extra, misfortunes, Tongues::snap(), sets, false)
    }

    fn with(
        seed: u64,
        extra: Rng,
        misfortunes: Misfortunes,
        tongues: Tongues,
        sets: Sets,
        prints: bool,
    ) -> Director {
        let mut rng = Rng::new(seed);
        let shape = Shape::new(&mut rng);
        if prints {
            println!("{shape:#?} {misfortunes:#?} {tongues:#?}");
        }
        let chain = Chain::keeping(shape.keep, shape.recipe.build(), rng.next());
        let world = World::new(chain.server(), rng.next());
        let mut director = Director {
            rng,
            shape,
            world,
            guilt: BTreeMap::new(),
            truths: BTreeMap::new(),
            damaged_pages: BTreeSet::new(),
            damaged_codes: BTreeSet::new(),
            totals: Totals::default(),
            chain,
            target: None,
            inherited: Inherited::default(),
            extra,
            misfortunes,
            tongues,
            sets,
            providers: Providers::new(seed),
            shared_line: None,
            prints,
        };
        director.remember(Arc::new(Builder::new().build()));
        director.remember_head();
        let first = director.chain.server().head();
        director.sets.name(&director.shape.recipe, &first);
        director
    }

    pub(super) fn run(mut self) -> Totals {
        let mut disk = self.world.disk.clone();
        disk.prints = self.prints;
        self.open(disk);
        for _ in 0..self.shape.events {
            let steps = self.rng.scale(self.shape.pause);
            self.go(steps);
            self.apply_some_misfortune();
            self.apply_some_change_of_scope();
            self.apply_some_event();
        }
        self.recover();
        self.totals
    }

    /// Starts a new session on the disk of the last one.
    fn open(&mut self, disk: Disk) {
        self.totals.sessions += 1;
        self.sets.open(&disk);
        let building = disk.record().building;
        self.inherited = building.map_or(Inherited::default(), |building| Inherited {
            counts: building.counts,
            counters: building.counters,
        });
        let now = self.world.now;
        let mut world = World::on_disk(self.chain.server(), self.rng.next(), disk);
        world.engine = world.engine.with_limits(self.shape.limits);
        world.latency = self.shape.latency;
        world.now = now;
        self.world = world;
        self.guilt.clear();
        self.shared_line = None;
        self.tongues.new_session();
        self.target = None;
        for _ in 0..self.shape.peers {
            self.join();
        }
        self.hold_a_set_at_first();
        self.set_some_target();
    }

    pub(super) fn target(&self) -> Option<Hash> {
        self.target
    }

    /// Runs `steps` events of the simulation, such as a frame that arrives.
    pub(super) fn go(&mut self, steps: u64) {
        match self.world.run_some(steps) {
            End::Done(report) => self.done(&report),
            End::Cancelled => {
                assert!(self.target.is_some(), "a sync was cancelled, but none ran");
                self.target = None;
            }
            End::Failed(failure) => self.failed(&failure),
            End::Stuck | End::Paused => {}
        }
        self.check();
    }

    fn done(&mut self, report: &Report) {
        self.log(|| format!("done {}", report.root));
        self.totals.completed += 1;
        let is_target = self.target == Some(report.root);
        assert!(
            is_target,
            "{} is complete, not {:?}",
            report.root, self.target
        );
        self.target = None;
        let record = self.world.disk.record();
        let complete = record.complete.expect("a state has become complete");
        assert_eq!(complete.top.root(), report.root);
        if self.sets.is_on() {
            return self.check_set_done(&complete);
        }
        let truth = self.truths[&report.root].clone();
        if self.is_undamaged() {
            truth::assert_state(&self.world.disk, &truth);
            let held = (report.held.accounts, report.held.slots);
            assert_eq!(held, (truth.counts().accounts, truth.counts().slots));
        }
        if self.shape.is_countable() && !self.misfortunes.are_slow() && !report.already_complete {
            // The counters go on through kills.
            let (got, all) = (report.counters, truth.counts());
            let before = self.inherited.counters;
            let accounts = got.accounts - before.accounts + self.inherited.counts.accounts;
            let slots = got.slots - before.slots + self.inherited.counts.slots;
            assert!(
                accounts <= all.accounts && slots <= all.slots,
                "downloaded again: {got:?} on top of {:?}, of {all:?}",
                self.inherited
            );
        }
    }

    fn failed(&mut self, failure: &Failure) {
        self.log(|| format!("failed: {failure}"));
        self.totals.failures += 1;
        self.target = None;
        let is_expected = matches!(failure, Failure::Store(_)) && self.shape.store_errors;
        assert!(is_expected, "{failure}");
    }

    fn apply_some_event(&mut self) {
        if self.target.is_none() && self.rng.percent(60) {
            return self.set_some_target();
        }
        match self.rng.below(12) {
            0..=3 if self.shape.moves => self.set_some_target(),
            4 if self.shape.moves => self.advance(),
            5 | 6 if self.shape.kills => self.kill(),
            7 if self.shape.losses => self.lose(),
            8 if self.shape.damage => self.damage(),
            9 if self.shape.store_errors => self.fail_the_store(),
            10 if self.shape.cancels => self.world.input(Input::Cancel),
            11 if self.rng.percent(30) => self.stall(),
            11 => self.join(),
            _ => {}
        }
    }

    /// Sets a target: mostly a new head, sometimes an earlier root.
    pub(super) fn set_some_target(&mut self) {
        if !self.shape.moves {
            return self.set_target(Hash(self.chain.root()));
        }
        if self.rng.percent(50) {
            self.advance();
        }
        let states = self.chain.server().states();
        let complete = self.world.disk.record().complete;
        if self.set_a_kept_target() {
            return;
        }
        match self.rng.below(12) {
            0 => {
                let back = self.rng.below(states.roots().len() as u64) as usize;
                let root = states.roots().nth(back).expect("a root that is kept");
                self.set_target(Hash(*root));
            }
            1 => self.set_target(
                complete.map_or(Hash(self.chain.root()), |complete| complete.top.root()),
            ),
            2 => self.set_target(Hash::EMPTY_ROOT),
            // No peer has this root, so the sync waits for the next target.
            3 => self.set_target(Hash([0x5a; 32])),
            4 => {
                let head = self.chain.head();
                self.log(|| format!("target block {}", Hash(head.hash)));
                self.totals.moves += 1;
                self.target = Some(Hash(head.header.state_root));
                self.sets.targeted();
                self.world
                    .input(Input::Target(Target::Block(Hash(head.hash))));
            }
            _ => self.set_target(Hash(self.chain.root())),
        }
    }

    pub(super) fn set_target(&mut self, root: Hash) {
        self.log(|| format!("target {root}"));
        self.totals.moves += 1;
        self.target = Some(root);
        self.sets.targeted();
        self.world.target(root);
        self.go(0);
    }

    pub(super) fn advance(&mut self) {
        let counts = self.chain.server().head().counts();
        let change = shape::change(&mut self.rng, counts);
        self.advance_by(&change);
    }

    pub(super) fn advance_by(&mut self, change: &Change) {
        let block = self.chain.advance(change);
        self.log(|| {
            let root = Hash(block.block.header.state_root);
            format!("block {} {root}: {change:?}", block.block.header.number)
        });
        self.remember_head();
        self.world.announce();
    }

    fn remember_head(&mut self) {
        self.remember(self.chain.server().head());
    }

    fn remember(&mut self, state: Arc<State>) {
        self.truths.insert(Hash(state.root()), state);
    }

    fn join(&mut self) {
        if self.world.connected().len() >= MAX_PEERS {
            return;
        }
        if self.join_a_provider() || self.join_unusual() || self.join_with_a_vice_of_sets() {
            return;
        }
        if self.shape.vices && self.rng.percent(60) {
            let (vice, guilt) = vices::any(&mut self.rng);
            self.connect_vicious(vice, guilt);
        } else if self.shape.moves && self.rng.percent(15) {
            let behind = Arc::new(self.chain.server().behind(self.rng.within(1, 3) as usize));
            let peer = self.connect(behind, Vec::new());
            self.log(|| format!("{peer:?} joins: behind"));
            self.guilt.insert(peer, Guilt::Odd);
        } else {
            self.join_honest();
        }
    }

    pub(super) fn join_honest(&mut self) {
        let peer = self.connect(self.chain.server(), Vec::new());
        self.log(|| format!("{peer:?} joins"));
        self.guilt.insert(peer, Guilt::Odd);
    }

    fn lose(&mut self) {
        self.lose_a_provider();
        let connected = self.world.connected();
        if !connected.is_empty() {
            let peer = self.rng.pick(&connected);
            self.log(|| format!("{peer:?} is lost"));
            self.world.lose(peer);
        }
    }

    fn stall(&mut self) {
        let connected = self.world.connected();
        if !connected.is_empty() {
            let peer = self.rng.pick(&connected);
            let millis = self.rng.scale(3_000);
            self.log(|| format!("{peer:?} stalls for {millis} ms"));
            self.world.stall(peer, millis);
        }
    }

    fn kill(&mut self) {
        let in_flight = self.world.batches_in_flight() as u64;
        let written = self.rng.within(0, in_flight) as usize;
        self.log(|| format!("killed, {written} of {in_flight} batches are written"));
        let disk = self.world.kill_after(written);
        self.add_session();
        self.open(disk);
    }

    pub(super) fn add_session(&mut self) {
        self.totals.batches += self.world.batches;
        self.totals.repairs += self.world.repairs;
    }

    fn fail_the_store(&mut self) {
        let error = match self.rng.below(2) {
            0 => StoreError::Quota,
            _ => StoreError::Aborted {
                name: "AbortError".to_owned(),
                message: "aborted".to_owned(),
            },
        };
        self.log(|| format!("the store will fail: {error}"));
        if self.rng.percent(30) {
            self.world.fail_load = Some(error);
        } else {
            let sequence = self.world.disk.record().sequence + self.rng.within(1, 3);
            self.world.disk.fail_at = Some((sequence, error));
        }
    }

    pub(super) fn log(&self, what: impl FnOnce() -> String) {
        if self.prints {
            println!("{:>9} ms  {}", self.world.now, what());
        }
    }
}
