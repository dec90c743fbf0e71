//! Measures what a page's size costs. `cargo bench --profile sim --bench page_budgets` prints a
//! line of JSON for each size.
//!
//! The engine syncs and heals in the tests' world, in virtual time and with a disk in memory. So
//! the counts are those of what would be written to IndexedDB, and the time is the processor's
//! alone. `cargo xtask bench --only heal` prints it as a table.

// Most of the tests' world is not used here.
#![allow(clippy::expect_used, clippy::panic, dead_code, missing_docs)]

#[path = "../tests/sync/disk.rs"]
mod disk;
#[path = "../tests/json_value/mod.rs"]
mod json_value;
#[path = "../tests/sync/rng.rs"]
mod rng;
#[path = "../tests/sync/world/mod.rs"]
mod world;

use std::time::Instant;

use snaplight::hash::Hash;
use snaplight::state::Network;
use snaplight::sync::{Config, Engine, Limits, Report};
use snaplight_peer::chain::{Chain, Change};
use snaplight_peer::state::Recipe;

use world::{End, World};

const ACCOUNTS: u64 = 100_000;
const BUDGETS: [usize; 5] = [8 * 1024, 16 * 1024, 24 * 1024, 32 * 1024, 56 * 1024];
/// How many events the engine handles between two looks at its memory.
const EVENTS: u64 = 20;

fn main() {
    let thousandth = ACCOUNTS / 1000;
    let of_values = |values| Change {
        values,
        ..Change::default()
    };
    let insertions = Change {
        insert: thousandth,
        ..Change::default()
    };
    let deletions = Change {
        delete: thousandth,
        ..Change::default()
    };
    for budget in BUDGETS {
        let mut chain = Chain::new(Recipe::plain(ACCOUNTS, 1).build(), 7);
        let mut world = World::new(chain.server(), 3);
        let (id, genesis) = world.server.network();
        let config = Config {
            network: Network {
                id,
                genesis: Hash(genesis),
            },
            client: "snaplight/bench".to_owned(),
            chain_id: id,
            node_id: [1; 64],
        };
        let limits = Limits {
            page_bytes: budget,
            ..Limits::default()
        };
        world.engine = Engine::new(config, world.disk.record(), Vec::new()).with_limits(limits);
        world.honest_peer();
        world.honest_peer();
        let first = measure(&mut world, &chain);
        println!("{}", line(budget, "first sync", ACCOUNTS, &first));
        for (name, change) in [
            ("0.1 % values", of_values(thousandth)),
            ("0.1 % insertions", insertions),
            ("0.1 % deletions", deletions),
            ("1 % values", of_values(10 * thousandth)),
        ] {
            let changed = chain.advance(&change).changed.accounts;
            let figures = measure(&mut world, &chain);
            println!("{}", line(budget, name, changed, &figures));
        }
    }
}

struct Figures {
    report: Report,
    pages: u64,
    bytes: u64,
    /// The most bytes of the tree that were in memory.
    held: usize,
    left: usize,
    millis: f64,
}

fn measure(world: &mut World, chain: &Chain) -> Figures {
    let (pages, bytes) = (world.disk.pages_written, world.disk.bytes_written);
    let started = Instant::now();
    world.target(Hash(chain.root()));
    let mut held = 0;
    let report = loop {
        match world.run_some(EVENTS) {
            End::Done(report) => break *report,
            End::Paused => held = held.max(world.engine.footprint().tree),
            end => panic!("{end:?}"),
        }
    };
    let millis = started.elapsed().as_secs_f64() * 1000.0;
    world.collect_garbage();
    Figures {
        report,
        pages: world.disk.pages_written - pages,
        bytes: world.disk.bytes_written - bytes,
        held,
        left: world.disk.pages.len(),
        millis,
    }
}

fn line(budget: usize, name: &str, changed: u64, figures: &Figures) -> String {
    let counters = figures.report.counters;
    format!(
        "{{\"pageBytes\": {budget}, \"what\": \"{name}\", \"changed\": {changed}, \
         \"pagesWritten\": {}, \"bytesWritten\": {}, \"pagesLeft\": {}, \"bytesReceived\": {}, \
         \"requests\": {}, \"roundTrips\": {}, \"bytesInMemory\": {}, \"milliseconds\": {:.1}}}",
        figures.pages,
        figures.bytes,
        figures.left,
        counters.bytes_received,
        counters.requests,
        counters.round_trips,
        figures.held,
        figures.millis
    )
}
