//! What happens in a world, deed by deed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use snaplight::hash::Hash;
use snaplight::state::StoreError;
use snaplight::state::{Counts, PageId};
use snaplight::sync::{Failure, Input, Millis, PeerId, Report, Target};
use snaplight_peer::chain::{Chain, Change};
use snaplight_peer::state::{Builder, State};

use super::shape::{self, Shape};
use super::vices::{self, Guilt};
use crate::disk::Disk;
use crate::rng::Rng;
use crate::truth;
use crate::world::{End, World};

/// Virtual time in which everything must be well again once the bad days are over: a silent peer may cost a minute, a
/// refusal ten seconds, and there are never more than a few of them.
const PATIENCE_MS: u64 = 30 * 60 * 1_000;
/// Events in which it must be; whoever takes more of them goes round in circles.
const MAX_EVENTS: u64 = 40_000;
/// Most connections at a time.
const MAX_PEERS: usize = 6;

/// What happened, in numbers.
#[derive(Debug, Default)]
pub(super) struct Story {
    pub(super) lives: u64,
    pub(super) completed: u64,
    pub(super) moves: u64,
    pub(super) batches: u64,
    pub(super) faults: u64,
    pub(super) reads: u64,
    pub(super) spoilt: u64,
    pub(super) repairs: u64,
    pub(super) failures: u64,
}

impl Story {
    pub(super) fn add(&mut self, other: &Story) {
        self.lives += other.lives;
        self.completed += other.completed;
        self.moves += other.moves;
        self.batches += other.batches;
        self.faults += other.faults;
        self.reads += other.reads;
        self.spoilt += other.spoilt;
        self.repairs += other.repairs;
        self.failures += other.failures;
    }
}

pub(super) struct Director {
    pub(super) rng: Rng,
    pub(super) shape: Shape,
    pub(super) world: World,
    pub(super) guilt: BTreeMap<PeerId, Guilt>,
    /// Every state that there ever was.
    pub(super) truths: BTreeMap<Hash, Arc<State>>,
    /// Pages that were damaged.
    pub(super) spoilt: BTreeSet<PageId>,
    /// Codes that were.
    pub(super) spoilt_codes: BTreeSet<Hash>,
    pub(super) story: Story,
    pub(super) chain: Chain,
    /// The root that the sync under way must end with. None: nobody waits for any.
    target: Option<Hash>,
    /// What was committed when this life began.
    inherited: Counts,
    tells: bool,
}

impl Director {
    pub(super) fn new(seed: u64, tells: bool) -> Director {
        let mut rng = Rng::new(seed);
        let shape = Shape::new(&mut rng);
        if tells {
            println!("{shape:#?}");
        }
        let chain = Chain::keeping(shape.keep, shape.recipe.build(), rng.next());
        let world = World::new(chain.server(), rng.next());
        let mut director = Director {
            rng,
            shape,
            world,
            guilt: BTreeMap::new(),
            truths: BTreeMap::new(),
            spoilt: BTreeSet::new(),
            spoilt_codes: BTreeSet::new(),
            story: Story::default(),
            chain,
            target: None,
            inherited: Counts::default(),
            tells,
        };
        director.remember(Arc::new(Builder::new().build()));
        director.remember_head();
        director
    }

    pub(super) fn run(mut self) -> Story {
        let mut disk = self.world.disk.clone();
        disk.tells = self.tells;
        self.open(disk);
        for _ in 0..self.shape.deeds {
            let events = self.rng.scale(self.shape.pause);
            self.go(events);
            self.deed();
        }
        self.finale();
        self.story
    }

    /// A new life over what the last one left.
    fn open(&mut self, disk: Disk) {
        self.story.lives += 1;
        let building = disk.record().building;
        self.inherited = building.map_or(Counts::default(), |building| building.counts);
        let now = self.world.now;
        let mut world = World::on_disk(self.chain.server(), self.rng.next(), disk);
        world.engine = world.engine.with_limits(self.shape.limits);
        world.latency = self.shape.latency;
        world.now = now;
        self.world = world;
        self.guilt.clear();
        self.target = None;
        for _ in 0..self.shape.peers {
            self.join();
        }
        self.aim_at_something();
    }

    /// Lets so many events happen.
    fn go(&mut self, events: u64) {
        match self.world.run_some(events) {
            End::Done(report) => self.done(&report),
            End::Cancelled => {
                assert!(self.target.is_some(), "nobody waits for a cancelled sync");
                self.target = None;
            }
            End::Failed(failure) => self.failed(&failure),
            End::Stuck | End::Paused => {}
        }
        self.check();
    }

    fn done(&mut self, report: &Report) {
        self.tell(|| format!("done {}", report.root));
        self.story.completed += 1;
        let is_aimed_at = self.target == Some(report.root);
        assert!(
            is_aimed_at,
            "{} is complete, not {:?}",
            report.root, self.target
        );
        self.target = None;
        let record = self.world.disk.record();
        let complete = record.complete.expect("a state has become complete");
        assert_eq!(complete.top.root(), report.root);
        let truth = self.truths[&report.root].clone();
        if self.is_unspoilt() {
            truth::assert_state(&self.world.disk, &truth);
            let held = (report.held.accounts, report.held.slots);
            assert_eq!(held, (truth.counts().accounts, truth.counts().slots));
        }
        if self.shape.is_countable() && !report.already_complete {
            let (got, had, all) = (report.counters, self.inherited, truth.counts());
            assert!(
                got.accounts + had.accounts <= all.accounts && got.slots + had.slots <= all.slots,
                "downloaded again: {got:?} on top of {had:?}, of {all:?}"
            );
        }
    }

    fn failed(&mut self, failure: &Failure) {
        self.tell(|| format!("failed: {failure}"));
        self.story.failures += 1;
        self.target = None;
        let is_expected = matches!(failure, Failure::Store(_)) && self.shape.store_trouble;
        assert!(is_expected, "{failure}");
    }

    fn deed(&mut self) {
        if self.target.is_none() && self.rng.percent(60) {
            return self.aim_at_something();
        }
        match self.rng.below(12) {
            0..=3 if self.shape.moves => self.aim_at_something(),
            4 if self.shape.moves => self.advance(),
            5 | 6 if self.shape.kills => self.kill(),
            7 if self.shape.losses => self.lose(),
            8 if self.shape.damage => self.spoil(),
            9 if self.shape.store_trouble => self.trouble(),
            10 if self.shape.cancels => self.world.input(Input::Cancel),
            11 if self.rng.percent(30) => self.stall(),
            11 => self.join(),
            _ => {}
        }
    }

    /// Goes for a root: mostly a new head, else one of the ways back.
    fn aim_at_something(&mut self) {
        if !self.shape.moves {
            return self.aim(Hash(self.chain.root()));
        }
        if self.rng.percent(50) {
            self.advance();
        }
        let states = self.chain.server().states();
        let complete = self.world.disk.record().complete;
        match self.rng.below(12) {
            0 => {
                let back = self.rng.below(states.roots().len() as u64) as usize;
                let root = states.roots().nth(back).expect("a root that is kept");
                self.aim(Hash(*root));
            }
            1 => self.aim(complete.map_or(Hash(self.chain.root()), |complete| complete.top.root())),
            2 => self.aim(Hash::EMPTY_ROOT),
            // A root that nobody has: the sync waits until it moves on.
            3 => self.aim(Hash([0x5a; 32])),
            4 => {
                let head = self.chain.head();
                self.tell(|| format!("target block {}", Hash(head.hash)));
                self.story.moves += 1;
                self.target = Some(Hash(head.header.state_root));
                self.world
                    .input(Input::Target(Target::Block(Hash(head.hash))));
            }
            _ => self.aim(Hash(self.chain.root())),
        }
    }

    fn aim(&mut self, root: Hash) {
        self.tell(|| format!("target {root}"));
        self.story.moves += 1;
        self.target = Some(root);
        self.world.target(root);
        self.go(0);
    }

    fn advance(&mut self) {
        let counts = self.chain.server().head().counts();
        let change = shape::change(&mut self.rng, counts);
        self.advance_by(&change);
    }

    fn advance_by(&mut self, change: &Change) {
        let block = self.chain.advance(change);
        self.tell(|| {
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
        if self.shape.vices && self.rng.percent(60) {
            let (vice, guilt) = vices::any(&mut self.rng);
            let peer = self.world.peer(World::vice(&vice));
            self.tell(|| format!("{peer:?} joins: {vice}"));
            self.guilt.insert(peer, guilt);
        } else if self.shape.moves && self.rng.percent(15) {
            let behind = Arc::new(self.chain.server().behind(self.rng.within(1, 3) as usize));
            let peer = self.world.peer_of(behind, Vec::new());
            self.tell(|| format!("{peer:?} joins: behind"));
            self.guilt.insert(peer, Guilt::Odd);
        } else {
            self.join_honest();
        }
    }

    fn join_honest(&mut self) {
        let peer = self.world.honest_peer();
        self.tell(|| format!("{peer:?} joins"));
        self.guilt.insert(peer, Guilt::Odd);
    }

    fn lose(&mut self) {
        let connected = self.world.connected();
        if !connected.is_empty() {
            let peer = self.rng.pick(&connected);
            self.tell(|| format!("{peer:?} is lost"));
            self.world.lose(peer);
        }
    }

    fn stall(&mut self) {
        let connected = self.world.connected();
        if !connected.is_empty() {
            let peer = self.rng.pick(&connected);
            let millis = self.rng.scale(3_000);
            self.tell(|| format!("{peer:?} stalls for {millis} ms"));
            self.world.stall(peer, millis);
        }
    }

    fn kill(&mut self) {
        let under_way = self.world.batches_under_way() as u64;
        let landing = self.rng.within(0, under_way) as usize;
        self.tell(|| format!("killed, {landing} of {under_way} batches land"));
        let disk = self.world.kill_after(landing);
        self.account_for_life();
        self.open(disk);
    }

    fn account_for_life(&mut self) {
        self.story.batches += self.world.batches;
        self.story.repairs += self.world.repairs;
    }

    fn trouble(&mut self) {
        let trouble = match self.rng.below(2) {
            0 => StoreError::Quota,
            _ => StoreError::Aborted {
                name: "AbortError".to_owned(),
                message: "aborted".to_owned(),
            },
        };
        self.tell(|| format!("trouble ahead: {trouble}"));
        if self.rng.percent(30) {
            self.world.fail_load = Some(trouble);
        } else {
            let sequence = self.world.disk.record().sequence + self.rng.within(1, 3);
            self.world.disk.fail_at = Some((sequence, trouble));
        }
    }

    /// The bad days are over: the newest state becomes complete, and nothing else is left.
    fn finale(&mut self) {
        self.tell(|| "the bad days are over".to_owned());
        self.world.disk.fail_at = None;
        self.world.fail_load = None;
        if self.shape.moves {
            self.advance();
        }
        self.join_honest();
        // A state that was complete already ends no build, so the chain goes on by a block then.
        let mut head = self.complete_head();
        while self.world.disk.record().building.is_some() {
            let insert = self.rng.within(1, 5);
            self.advance_by(&Change {
                insert,
                ..Change::default()
            });
            head = self.complete_head();
        }
        if self.shape.store_trouble {
            // A sweep that met it waits for the next target.
            self.aim(head);
        }
        let is_swept = |director: &Director| director.world.disk.record().pending_gc.is_none();
        self.go_until("the last state is not swept away", is_swept);
        self.heal();
        let is_quiet = |director: &Director| {
            let progress = director.world.engine.progress(Millis(director.world.now));
            progress.peers.iter().all(|peer| peer.in_flight == 0)
        };
        self.go_until("requests are never ended", is_quiet);
        assert_eq!(self.world.engine.footprint().requests, 0);
        self.account_for_life();
        let truth = self.truths[&head].clone();
        if self.is_unspoilt() {
            truth::assert_complete(&self.world.disk, &truth);
        } else {
            truth::assert_state(&self.world.disk, &truth);
        }
    }

    fn complete_head(&mut self) -> Hash {
        let head = Hash(self.chain.root());
        self.aim(head);
        let is_over = |director: &Director| director.target.is_none();
        self.go_until("the newest state is not complete", is_over);
        let complete = self.world.disk.record().complete;
        if complete.is_none_or(|complete| complete.top.root() != head) {
            // The last of the bad days was still to come.
            self.aim(head);
            self.go_until("the newest state is not complete", is_over);
        }
        head
    }

    pub(super) fn go_until(&mut self, what: &str, is_over: impl Fn(&Director) -> bool) {
        let until = self.world.now + PATIENCE_MS;
        let mut events = 0;
        while !is_over(self) {
            self.go(20);
            events += 20;
            assert!(
                self.world.now < until && events < MAX_EVENTS,
                "{what}: {}",
                self.standing()
            );
        }
    }

    /// Where the engine stands, in one line.
    fn standing(&self) -> String {
        let progress = self.world.engine.progress(Millis(self.world.now));
        let ready = progress.peers.iter().filter(|peer| peer.ready).count();
        format!(
            "{:?} {:?}, {ready} peers ready, waiting for {:?}, {:?}, {:?}",
            progress.phase,
            progress.target,
            progress.waiting,
            self.world.engine.footprint(),
            progress.held
        )
    }

    pub(super) fn tell(&self, what: impl FnOnce() -> String) {
        if self.tells {
            println!("{:>9} ms  {}", self.world.now, what());
        }
    }
}
