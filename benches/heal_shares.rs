//! Measures what a heal receives, depending on how much has changed, compared with a fresh sync of
//! the same root. `cargo bench --profile sim --bench heal_shares [-- SEED]` prints a line for each
//! share and each number of accounts.
//!
//! The engine runs in the tests' world, in virtual time and with a disk in memory, so only bytes
//! and requests are meaningful.

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

use snaplight::hash::Hash;
use snaplight::sync::Report;
use snaplight_peer::chain::{Chain, Change};
use snaplight_peer::state::Recipe;

use world::{End, World};

const ACCOUNTS: [u64; 2] = [20_000, 100_000];
const SHARES: [f64; 9] = [0.001, 0.01, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0];

fn main() {
    let seed = std::env::args().find_map(|argument| argument.parse().ok());
    let seed: u64 = seed.unwrap_or(7);
    for accounts in ACCOUNTS {
        for plain in [true, false] {
            for share in SHARES {
                let recipe = match plain {
                    true => Recipe::plain(accounts, seed),
                    false => Recipe {
                        contracts_per_mille: 150,
                        ..Recipe::plain(accounts, seed)
                    },
                };
                line(recipe, share, plain, seed);
            }
        }
    }
}

fn line(recipe: Recipe, share: f64, plain: bool, seed: u64) {
    let accounts = recipe.accounts;
    let mut chain = Chain::new(recipe.build(), seed);
    let mut world = World::new(chain.server(), seed);
    sync(&mut world, &chain);
    let change = match plain {
        true => Change {
            values: (accounts as f64 * share) as u64,
            ..Change::default()
        },
        false => Change::share(world.server.head().counts(), share),
    };
    chain.advance(&change);
    let healed = sync(&mut world, &chain).counters;
    let fresh = sync(&mut World::new(chain.server(), seed), &chain).counters;
    let ratio = healed.bytes_received as f64 / fresh.bytes_received as f64;
    println!(
        "{accounts} accounts, {}, {:>5.1} % changed: {ratio:.2} of a fresh sync's bytes; {} nodes, \
         {} requests ({} fresh)",
        if plain {
            "plain, values"
        } else {
            "15 % contracts, everything"
        },
        share * 100.0,
        healed.nodes,
        healed.requests,
        fresh.requests,
    );
}

fn sync(world: &mut World, chain: &Chain) -> Report {
    world.honest_peer();
    world.honest_peer();
    world.target(Hash(chain.root()));
    match world.run() {
        End::Done(report) => *report,
        end => panic!("{end:?}"),
    }
}
