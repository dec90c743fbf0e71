//! The end of a world: all faults end, and the newest state becomes complete.

use snaplight::hash::Hash;
use snaplight::sync::{Millis, PeerProgress, Phase, Progress};
use snaplight_peer::chain::Change;
use snaplight_peer::state;

use super::director::Director;
use super::vices::Guilt;
use crate::truth;

/// Time limit for recovery after the last fault, in virtual time. A silent peer may cost a minute
/// and a refusal ten seconds, and a world has only a few of them. What a slow line takes comes on
/// top.
const RECOVERY_MS: u64 = 30 * 60 * 1_000;
/// Time limit for recovery over a slow line, in times of what it takes to carry a whole state: a
/// heal, a further block and repairs follow, and peers that waste time share the line.
const RECOVERY_STATES: u64 = 30;
/// More events of the simulation than this mean a livelock.
const MAX_STEPS: u64 = 40_000;

impl Director {
    /// Ends all faults, and checks that the newest state becomes complete and that nothing else is
    /// left.
    pub(super) fn recover(&mut self) {
        self.log(|| "no more faults".to_owned());
        self.world.disk.fail_at = None;
        self.world.fail_load = None;
        self.end_misfortunes();
        if self.shape.moves {
            self.advance();
        }
        self.join_honest_at_the_end();
        // If the newest state was complete already, a build may be left. A further block ends it.
        let mut head = self.complete_head();
        while self.world.disk.record().building.is_some() {
            let insert = self.rng.within(1, 5);
            self.advance_by(&Change {
                insert,
                ..Change::default()
            });
            head = self.complete_head();
        }
        self.heal();
        if self.shape.store_errors || !self.is_undamaged() {
            // A garbage collection that met a store error or damage waits for the next target.
            self.set_target(head);
        }
        let is_collected = |director: &Director| director.world.disk.record().pending_gc.is_none();
        self.go_until(
            "the garbage of the last state is not collected",
            is_collected,
        );
        let is_quiet = |director: &Director| {
            let progress = director.progress();
            let is_free = |peer: &PeerProgress| {
                // A peer that never answers keeps the places of its requests.
                peer.in_flight == 0 || director.guilt[&peer.peer] != Guilt::Odd
            };
            let requests = director.world.engine.footprint().requests;
            requests == 0 && progress.peers.iter().all(is_free)
        };
        self.go_until("requests are left in flight", is_quiet);
        self.add_session();
        if self.sets.is_on() {
            return self.end_with_sets();
        }
        let truth = self.truths[&head].clone();
        if self.is_undamaged() {
            truth::assert_complete(&self.world.disk, &truth);
        } else {
            truth::assert_state(&self.world.disk, &truth);
        }
    }

    fn complete_head(&mut self) -> Hash {
        let head = Hash(self.chain.root());
        self.set_target(head);
        let is_over = |director: &Director| director.target().is_none();
        self.go_until("the newest state is not complete", is_over);
        if !self.is_held(head) {
            // The last store error came after the faults were ended.
            self.set_target(head);
            self.go_until("the newest state is not complete", is_over);
            assert!(self.is_held(head), "{head} is not complete");
        }
        head
    }

    /// Whether this state is complete for what is to be held.
    fn is_held(&self, root: Hash) -> bool {
        let complete = self.world.disk.record().complete;
        complete.is_some_and(|complete| {
            complete.top.root() == root && self.sets.may_be_complete(complete.scope)
        })
    }

    pub(super) fn go_until(&mut self, what: &str, is_over: impl Fn(&Director) -> bool) {
        let counts = self.chain.server().head().counts();
        let state = self.misfortunes.millis_for(counts);
        let by_hash = self.millis_by_hash(counts);
        let until = self.world.now + RECOVERY_MS + RECOVERY_STATES * state + by_hash;
        let mut steps = 0;
        while !is_over(self) {
            self.go(20);
            steps += 20;
            assert!(
                self.world.now < until && steps < MAX_STEPS,
                "{what}: {}",
                self.describe()
            );
        }
    }

    fn progress(&self) -> Progress {
        self.world.engine.progress(Millis(self.world.now))
    }

    /// What the engine is doing.
    pub(super) fn phase(&self) -> Phase {
        self.progress().phase
    }

    /// How long a state takes node by node if its requests wait for one another, in milliseconds.
    fn millis_by_hash(&self, state: state::Counts) -> u64 {
        // A trie has at most as many branches as leaves. A node counts 400 bytes.
        let nodes = 2 * (state.accounts + state.slots);
        let trips = nodes * 400 / self.shape.limits.asked_bytes;
        trips * self.shape.latency.1
    }

    /// Describes the state of the engine in one line.
    fn describe(&self) -> String {
        let progress = self.progress();
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
}
