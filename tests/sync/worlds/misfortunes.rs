//! Misfortunes of lines, clocks and pages, and peers that lack items or waste time. They are chosen
//! by a generator of their own, so that the rest of a world is what its seed has always made.

use std::sync::Arc;

use snaplight::sync::{Input, PeerId};
use snaplight::wire::By;
use snaplight_peer::session::Server;
use snaplight_peer::state::Counts;
use snaplight_peer::vice::Vice;

use super::director::Director;
use super::vices::{self, Guilt};
use crate::rng::Rng;
use crate::world::absence::Wakes;
use crate::world::{LineId, World};

/// Which misfortunes a world has.
#[derive(Debug, Default)]
pub(super) struct Misfortunes {
    /// Bytes per second of a line. Without it, frames take no time.
    rate: Option<u64>,
    /// Whether all peers share one line.
    is_shared: bool,
    /// The page is away now and then.
    sleeps: bool,
    /// The clock jumps.
    jumps: bool,
    /// The tab is hidden now and then, so that timers ring late.
    hides: bool,
    /// Syncs are cancelled and started anew while answers are on their way.
    restarts: bool,
    /// Some peers lack single codes and nodes.
    lacks: bool,
    /// Some peers send little, junk, or answers that nobody waits for.
    wastes: bool,
}

impl Misfortunes {
    /// Half of the worlds have none.
    pub(super) fn new(rng: &mut Rng) -> Misfortunes {
        if rng.percent(50) {
            return Misfortunes::default();
        }
        let mut has = [false; 6];
        has.iter_mut().for_each(|has| *has = rng.percent(40));
        let [sleeps, jumps, hides, restarts, lacks, wastes] = has;
        let rate = rng.pick(&[3_000, 10_000, 30_000, 200_000]);
        Misfortunes {
            rate: rng.percent(60).then_some(rate),
            is_shared: rng.percent(60),
            sleeps,
            jumps,
            hides,
            restarts,
            lacks,
            wastes,
        }
    }

    /// Whether the same item may honestly be received twice, because an answer was late.
    pub(super) fn are_slow(&self) -> bool {
        self.rate.is_some() || self.sleeps || self.jumps || self.hides
    }

    /// How long the slowest line takes for a state, in milliseconds.
    pub(super) fn millis_for(&self, state: Counts) -> u64 {
        // A generated code has 5.5 kB on average, and at most 22 kB.
        let bytes = 120 * state.accounts + 80 * state.slots + 12_000 * state.codes;
        self.rate.map_or(0, |rate| bytes * 1000 / rate)
    }
}

impl Director {
    /// Connects a peer by the line that this world has for it, by what this world speaks.
    pub(super) fn connect(&mut self, server: Arc<Server>, vices: Vec<Vice>) -> PeerId {
        let by = self.tongues.next();
        self.connect_by(server, by, vices)
    }

    pub(super) fn connect_by(&mut self, server: Arc<Server>, by: By, vices: Vec<Vice>) -> PeerId {
        let line = self.some_line();
        let peer = self.world.connect(server, by, vices, line);
        self.log(|| format!("{peer:?} speaks by {by:?}"));
        peer
    }

    /// Connects a peer with a vice. By hash it may have one that only such peers have.
    pub(super) fn connect_vicious(&mut self, vice: String, guilt: Guilt) {
        let by = self.tongues.next();
        let (vice, guilt) = match by {
            By::Snap | By::Rpc => (vice, guilt),
            By::Hash => self.tongues.vice_by_hash().unwrap_or((vice, guilt)),
        };
        let peer = self.connect_by(self.chain.server(), by, World::vice(&vice));
        self.log(|| format!("{peer:?} joins: {vice}"));
        self.guilt.insert(peer, guilt);
    }

    fn some_line(&mut self) -> Option<LineId> {
        let rate = self.misfortunes.rate?;
        if !self.misfortunes.is_shared {
            return Some(self.world.line(rate * self.extra.pick(&[1, 1, 3, 10])));
        }
        let line = self.shared_line.unwrap_or_else(|| self.world.line(rate));
        self.shared_line = Some(line);
        Some(line)
    }

    /// Connects a peer that lacks something or wastes time, if this world has such peers.
    pub(super) fn join_unusual(&mut self) -> bool {
        let (lacks, wastes) = (self.misfortunes.lacks, self.misfortunes.wastes);
        if !(lacks || wastes) || self.extra.percent(60) {
            return false;
        }
        let (vice, guilt) = match lacks && (!wastes || self.extra.percent(50)) {
            true => (vices::lack(&mut self.extra), Guilt::Odd),
            false => {
                let is_shared = self.misfortunes.rate.is_some() && self.misfortunes.is_shared;
                vices::waste(&mut self.extra, is_shared)
            }
        };
        self.connect_vicious(vice, guilt);
        true
    }

    /// Lets one of this world's misfortunes happen, or none.
    pub(super) fn apply_some_misfortune(&mut self) {
        if self.extra.percent(60) {
            return;
        }
        match self.extra.below(6) {
            0 | 1 if self.misfortunes.sleeps => self.sleep(),
            2 if self.misfortunes.jumps => {
                let millis = self.extra.pick(&[2_000, 60_000, 3_600_000]);
                self.log(|| format!("the clock jumps by {millis} ms"));
                self.world.jump_clock(millis);
            }
            3 if self.misfortunes.hides => {
                self.world.timers_ms = self.extra.pick(&[1, 1_000, 60_000]);
                let millis = self.world.timers_ms;
                self.log(|| format!("timers ring every {millis} ms"));
            }
            4 if self.misfortunes.restarts => self.restart(),
            5 if self.misfortunes.rate.is_some() => {
                // A ping has to be answered in 15 seconds.
                let millis = self.extra.scale(10_000);
                self.log(|| format!("all lines are down for {millis} ms"));
                self.world.break_lines(millis);
            }
            _ => {}
        }
    }

    fn sleep(&mut self) {
        let millis = match self.extra.below(4) {
            0 => self.extra.scale(24 * 3_600_000),
            _ => self.extra.within(3_000, 60_000),
        };
        let wakes = self.extra.pick(&[Wakes::ByTimer, Wakes::ByFrames]);
        self.log(|| format!("the page is away for {millis} ms and wakes {wakes:?}"));
        self.world.sleep(millis, wakes);
    }

    /// Cancels the sync, and starts another one at once or a little later.
    fn restart(&mut self) {
        if self.target().is_none() {
            return;
        }
        self.log(|| "cancelled, to start anew".to_owned());
        self.world.input(Input::Cancel);
        let steps = self.extra.below(4);
        self.go(steps);
        self.set_some_target();
    }

    /// The page is seen and awake from now on. Lines stay as slow as they are.
    pub(super) fn end_misfortunes(&mut self) {
        self.world.timers_ms = 1;
    }
}
