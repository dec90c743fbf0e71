//! Chooses the shape of a world: its state, its pace and its faults. Each world has only some
//! faults, so that a failure is easy to narrow down.

use snaplight::sync::Limits;
use snaplight_peer::chain::Change;
use snaplight_peer::state::{Counts, Recipe};

use crate::rng::Rng;

#[derive(Debug)]
pub(super) struct Shape {
    pub(super) recipe: Recipe,
    /// The number of states that peers keep.
    pub(super) keep: usize,
    pub(super) limits: Limits,
    /// The least and the greatest round-trip time, in milliseconds.
    pub(super) latency: (u64, u64),
    /// The number of events that the director applies.
    pub(super) events: u64,
    /// The most events of the simulation between two of them.
    pub(super) pause: u64,
    pub(super) peers: u64,
    pub(super) moves: bool,
    pub(super) kills: bool,
    pub(super) vices: bool,
    pub(super) losses: bool,
    pub(super) damage: bool,
    pub(super) store_errors: bool,
    pub(super) cancels: bool,
}

impl Shape {
    pub(super) fn new(rng: &mut Rng) -> Shape {
        let accounts = match rng.below(10) {
            0 => rng.below(3),
            1 => rng.within(3, 40),
            _ => rng.scale(2_500).max(100),
        };
        let huge = match rng.below(3) {
            0 if accounts > 3 && rng.percent(5) => vec![(1, rng.within(20_000, 60_000))],
            0 if accounts > 3 => vec![(rng.within(1, 2), rng.scale(6_000))],
            _ => Vec::new(),
        };
        let (mut faults, moves) = ([false; 6], rng.percent(75));
        faults.iter_mut().for_each(|has| *has = rng.percent(40));
        let [kills, vices, losses, damage, store_errors, cancels] = faults;
        Shape {
            recipe: Recipe {
                accounts,
                contracts_per_mille: rng.pick(&[0, 30, 150, 400, 1_000]),
                seed: rng.next(),
                huge,
            },
            keep: rng.pick(&[2, 4, 16, 128]),
            limits: limits(rng),
            latency: rng.pick(&[(1, 4), (5, 60), (50, 400), (1, 1_500)]),
            events: rng.scale(24),
            pause: rng.pick(&[3, 12, 40, 150]),
            peers: rng.within(1, 5),
            moves,
            kills,
            vices,
            losses,
            damage,
            store_errors,
            cancels,
        }
    }

    /// Whether what is downloaded twice can be counted: the only faults are kills and lost
    /// connections.
    pub(super) fn is_countable(&self) -> bool {
        !(self.moves || self.vices || self.damage || self.store_errors || self.cancels)
    }
}

/// Chooses limits that are mostly so small that the world's state reaches them.
fn limits(rng: &mut Rng) -> Limits {
    if rng.percent(20) {
        return Limits::default();
    }
    Limits {
        batch_bytes: rng.pick(&[4, 16, 64, 256]) * 1024,
        batch_ms: rng.pick(&[20, 100, 1_000]),
        asked_bytes: rng.pick(&[16, 64, 512]) * 1024,
        waiting_bytes: rng.pick(&[8, 32, 128, 1_024]) * 1024,
        cut_bytes: rng.pick(&[2, 8, 64]) * 1024,
        page_bytes: rng.pick(&[3, 4, 8, 16]) * 1024,
    }
}

/// Chooses what a block changes.
pub(super) fn change(rng: &mut Rng, counts: Counts) -> Change {
    let some = |rng: &mut Rng, of: u64| match of {
        0 => 0,
        of => rng.scale(of).min(of / 4 + 1),
    };
    match rng.below(20) {
        0 => Change::share(counts, 1.0),
        1 => Change {
            delete: counts.accounts,
            ..Change::default()
        },
        2 => Change {
            delete: counts.accounts - counts.accounts / 20,
            ..Change::default()
        },
        3 => Change {
            insert: counts.accounts / 4 + rng.within(1, 100),
            ..Change::default()
        },
        4 => Change {
            slots: counts.slots,
            ..Change::default()
        },
        _ => Change {
            values: some(rng, counts.accounts),
            insert: rng.scale(30) - 1,
            delete: some(rng, counts.accounts) / 3,
            slots: some(rng, counts.slots),
            ..Change::default()
        },
    }
}
