//! Runs the engine in a simulated world: virtual time, seeded latency and choices, peers of every
//! vice, and kills between any two events. The result of every sync is compared with the true
//! state, entry by entry.

#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::expect_used, clippy::panic)] // A test fails by panicking.

mod bounds;
mod disk;
#[path = "../json_value/mod.rs"]
mod json_value;
mod rng;
mod timing;
mod truth;
mod world;

mod bad_input;
mod by_hash;
mod codes;
mod counters;
mod damage;
mod floods;
mod geth_by_hash;
mod geth_heal;
mod geth_sync;
mod happy;
mod headers;
mod hostile;
mod journal;
mod kept;
mod kills;
mod lacking;
mod lines;
mod moving;
mod parity;
mod pauses;
mod providers;
mod refusals;
mod regressions;
mod sets;
mod strays;
mod transitions;
mod worlds;
