//! A whole engine, the native peer, and somebody between the two who drops, repeats, delays,
//! reorders, changes, cuts and replaces frames, while the root moves, the set changes and the tab is
//! killed. What is complete is true at every moment, a peer that nobody meddles with is never
//! blamed, and beside one every sync comes to its end.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use snaplight::state::Scope;
use snaplight::sync::{Input, PeerId};
use snaplight_peer::session::Outgoing;

use crate::bytes::Bytes;
use crate::chains::{LIMITS, STATES, Truth, truth};
use crate::disk::Disk;
use crate::reading::{Read, read};
use crate::truth::assert_state;
use crate::world::provider::Ways;
use crate::world::{End, World};

/// Most things that happen before the last sync.
const MOST_ACTS: usize = 12;
/// Most events in which a sync beside an honest peer ends. Chosen without a measurement of the
/// worst: such a sync takes some hundreds, and endless ones never end.
const MOST_EVENTS: u64 = 50_000;
/// Frames that the one in the middle remembers.
const MOST_KEPT: usize = 8;

/// Who stands between the engine and some of its peers.
struct Middleman {
    input: Vec<u8>,
    at: usize,
    /// The peers whose frames pass here.
    victims: BTreeSet<PeerId>,
    /// Earlier frames.
    kept: Vec<Vec<u8>>,
}

impl Middleman {
    fn pass(&mut self, peer: PeerId, outgoing: Outgoing) -> Vec<(u64, Outgoing)> {
        let Outgoing::Frame(frame) = &outgoing else {
            return vec![(0, outgoing)];
        };
        if !self.victims.contains(&peer) {
            return vec![(0, outgoing)];
        }
        let mut bytes = Bytes::new(self.input.get(self.at..).unwrap_or_default());
        let before = bytes.len();
        let mut frame = frame.clone();
        let as_frame = |frame: &[u8]| Outgoing::Frame(frame.to_vec());
        let passed = match bytes.byte() % 12 {
            // What is past the input's end passes.
            0..3 => vec![(0, as_frame(&frame))],
            3 => Vec::new(),
            4 => vec![(0, as_frame(&frame)), (1, as_frame(&frame))],
            5 => vec![(1 << bytes.below(16), as_frame(&frame))],
            6 => {
                let at = bytes.below(frame.len().max(1));
                if let Some(byte) = frame.get_mut(at) {
                    *byte ^= bytes.byte();
                }
                vec![(0, as_frame(&frame))]
            }
            7 => {
                frame.truncate(bytes.below(frame.len() + 1));
                vec![(0, as_frame(&frame))]
            }
            8 => {
                bytes.spoil(&mut frame);
                vec![(0, as_frame(&frame))]
            }
            9 => match self.kept.get(bytes.below(MOST_KEPT)) {
                Some(kept) => vec![(0, as_frame(kept))],
                None => Vec::new(),
            },
            10 => vec![(0, as_frame(bytes.some(64)))],
            _ => vec![(0, Outgoing::Cut)],
        };
        self.at += before - bytes.len();
        if self.kept.len() < MOST_KEPT {
            self.kept.push(frame);
        }
        passed
    }
}

pub(crate) fn run(input: &[u8]) {
    let truth = truth();
    let mut bytes = Bytes::new(input);
    let length = bytes.below(80);
    let mut acts = Bytes::new(bytes.take(length));
    let middleman = Rc::new(RefCell::new(Middleman {
        input: bytes.rest().to_vec(),
        at: 0,
        victims: BTreeSet::new(),
        kept: Vec::new(),
    }));
    Play {
        world: None,
        disk: Disk::new(World::network_of(&truth.server)),
        middleman,
        guilty: BTreeSet::new(),
        joined: 0,
        scope: Scope::everything(),
        newest_scope: 0,
        truth: &truth,
    }
    .run(&mut acts);
}

struct Play<'a> {
    /// The session; `None` after a kill.
    world: Option<World>,
    /// What the last session has left.
    disk: Disk,
    middleman: Rc<RefCell<Middleman>>,
    /// Peers that may be blamed.
    guilty: BTreeSet<PeerId>,
    /// How many peers have come in this session.
    joined: u32,
    /// What is to be held.
    scope: Scope,
    /// The newest version of a scope that was ever used.
    newest_scope: u64,
    truth: &'a Truth,
}

impl Play<'_> {
    fn run(mut self, acts: &mut Bytes<'_>) {
        let mut target = 0;
        for _ in 0..MOST_ACTS {
            if acts.is_empty() {
                break;
            }
            self.act(acts, &mut target);
            self.check(acts);
        }
        // The end: an honest peer comes, and the newest of the states is the target.
        let root = self.truth.root(target);
        let world = self.session();
        world.honest_peer();
        world.target(root);
        let end = world.run_some(MOST_EVENTS);
        assert!(
            matches!(end, End::Done(_)),
            "beside an honest peer: {end:?}"
        );
        let complete = self
            .session()
            .disk
            .record()
            .complete
            .expect("a complete state");
        assert_eq!(complete.top.root(), root);
        self.check(acts);
        self.check_whole();
    }

    /// The session. A new one starts over what the last one left.
    fn session(&mut self) -> &mut World {
        let (disk, middleman, truth) = (&self.disk, &self.middleman, self.truth);
        self.world.get_or_insert_with(|| {
            let mut world = World::on_disk(truth.server.clone(), 1, disk.clone());
            world.engine = world.engine.with_limits(LIMITS);
            let middleman = Rc::clone(middleman);
            world.middle = Some(Box::new(move |peer, outgoing| {
                middleman.borrow_mut().pass(peer, outgoing)
            }));
            world
        })
    }

    fn act(&mut self, acts: &mut Bytes<'_>, target: &mut usize) {
        match acts.byte() % 8 {
            0 => self.join(acts),
            1 => {
                *target = acts.below(STATES);
                let root = self.truth.root(*target);
                self.session().target(root);
            }
            2 => {
                let events = 1 + acts.below(64) as u64;
                self.run_some(events);
            }
            3 => self.run_some(2_000),
            4 => {
                let batches = acts.below(3);
                self.kill(batches);
            }
            5 => {
                self.newest_scope += 1;
                self.scope = match acts.byte() % 8 {
                    0 => Scope::everything_as(self.newest_scope),
                    _ => self.truth.set(self.newest_scope, acts),
                };
                let scope = self.scope.clone();
                self.session().input(Input::Scope(scope));
            }
            6 => {
                let connected = self.session().connected();
                if !connected.is_empty() {
                    let peer = connected[acts.below(connected.len())];
                    self.session().lose(peer);
                }
            }
            _ => self.session().input(Input::Cancel),
        }
    }

    /// A peer comes.
    fn join(&mut self, acts: &mut Bytes<'_>) {
        let how = acts.byte() % 8;
        // The name that the world will give it: its greeting passes before it is told.
        self.joined += 1;
        let name = PeerId(self.joined);
        if how < 5 {
            self.middleman.borrow_mut().victims.insert(name);
            self.guilty.insert(name);
        }
        let world = self.session();
        let given = match how {
            0..3 | 5 => world.honest_peer(),
            3 => world.peer_by_hash(Vec::new()),
            4 | 6 => {
                let ways = Ways {
                    latency_ms: acts.below(2_000) as u64,
                    most_keys: (how == 6).then(|| 1 + acts.below(4)),
                    incomplete: if how == 4 { acts.below(3) as u64 } else { 0 },
                    corrupt: if how == 4 { acts.below(3) as u64 } else { 0 },
                    elsewhere: if how == 4 { acts.below(3) as u64 } else { 0 },
                    odd: acts.bool(),
                    ..Ways::default()
                };
                world.provider(ways)
            }
            _ => world.peer_by_hash(Vec::new()),
        };
        assert_eq!(given, name);
    }

    fn run_some(&mut self, events: u64) {
        let end = self.session().run_some(events);
        assert!(!matches!(end, End::Failed(_)), "{end:?}");
    }

    fn kill(&mut self, batches: usize) {
        let Some(mut world) = self.world.take() else {
            return;
        };
        self.check_faults(&mut world);
        self.disk = world.kill_after(batches);
        // Another session has other peers.
        self.joined = 0;
        self.guilty.clear();
        self.middleman.borrow_mut().victims.clear();
        // What was not committed is not to be held any more.
        let record = self.disk.record();
        let stored = Scope::find(&self.disk.scopes(), record.scope);
        self.scope = stored.unwrap_or_else(Scope::everything);
        self.newest_scope = self.newest_scope.max(record.scope);
    }

    fn check_faults(&self, world: &mut World) {
        for (peer, fault) in world.faults.drain(..) {
            assert!(
                self.guilty.contains(&peer),
                "{peer:?} is honest and blamed: {fault}"
            );
        }
        assert!(world.lies.is_empty(), "a lie where there was none");
        assert!(world.damaged.is_empty(), "damage where there was none");
    }

    /// Some reads of each state that is complete or kept.
    fn check(&mut self, acts: &mut Bytes<'_>) {
        let Some(mut world) = self.world.take() else {
            return;
        };
        self.check_faults(&mut world);
        let record = world.disk.record();
        for state in record.readable() {
            let scopes = world.disk.scopes();
            let scope = Scope::find(&scopes, state.scope).unwrap_or_else(Scope::everything);
            let Some(truth) = self.truth.state(&state.top.root()) else {
                let is_nothing = scope.tracked().is_some_and(|set| set.accounts().is_empty());
                assert!(is_nothing, "{} is no state of the chain", state.top.root());
                continue;
            };
            for _ in 0..4 {
                let (account, slot) = self.truth.key(acts);
                let has = |scope: &Scope| match &slot {
                    None => scope.has_account(&account),
                    Some(slot) => scope.has_slot(&account, slot),
                };
                // What was taken out of the set is given up in older states, too.
                let is_held = has(&scope) && has(&self.scope);
                let found = read(&world.disk, state.top.page(), truth, account, slot);
                match is_held {
                    true => assert_eq!(found, Read::True, "{account} {slot:?} is held"),
                    false => assert!(!matches!(found, Read::Damaged(..)), "{found:?}"),
                }
            }
        }
        self.world = Some(world);
    }

    /// All of the complete state, and all of a set.
    fn check_whole(&mut self) {
        let truth = self.truth;
        let world = self.session();
        let complete = world.disk.record().complete.expect("a complete state");
        let scopes = world.disk.scopes();
        let scope = Scope::find(&scopes, complete.scope).unwrap_or_else(Scope::everything);
        let state = truth
            .state(&complete.top.root())
            .expect("a state of the chain");
        let Some(set) = scope.tracked() else {
            assert_state(&world.disk, state);
            return;
        };
        for account in set.accounts() {
            let page = complete.top.page();
            assert_eq!(
                read(&world.disk, page, state, account.key(), None),
                Read::True
            );
        }
    }
}
