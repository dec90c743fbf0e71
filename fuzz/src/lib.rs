//! Fuzz targets: everything that a stranger or a disk can hand to Snaplight.
//!
//! A target takes any bytes and panics if something is wrong. Most of them make something true out
//! of the first bytes, spoil it as the others say, and compare what Snaplight takes for true with
//! what an independent implementation says (alloy-trie, alloy-rlp, the native peer). Bytes that are
//! only read by a decoder come as they are. `cargo xtask fuzz` lets libFuzzer look for inputs, and
//! `docs/testing.md` says how that is done.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)] // A target fails by panicking.

use std::env;
use std::sync::OnceLock;

mod bytes;
mod chains;
mod heap;
mod reading;
mod rlp;
mod targets;
mod trie;

/// The world of the crate's own tests of syncs, of which not everything is needed here.
#[allow(dead_code)]
#[path = "../../tests/sync/disk.rs"]
mod disk;
#[path = "../../tests/json_value/mod.rs"]
mod json_value;
#[allow(dead_code)]
#[path = "../../tests/sync/rng.rs"]
mod rng;
#[allow(dead_code)]
#[path = "../../tests/sync/truth.rs"]
mod truth;
#[allow(dead_code)]
#[path = "../../tests/sync/world/mod.rs"]
mod world;

/// What is fuzzed.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name on the command line, and that of its folder in `fuzz/corpus`.
    pub name: &'static str,
    run: fn(&[u8]),
}

impl Target {
    /// Runs one input. Panics if it shows a fault.
    pub fn run(&self, input: &[u8]) {
        (self.run)(input);
    }
}

/// All targets, those that take the least time for an input first. `xtask/src/fuzz.rs` has their
/// names too.
pub const TARGETS: [Target; 9] = [
    Target {
        name: "wire",
        run: targets::wire::run,
    },
    Target {
        name: "handshake",
        run: targets::handshake::run,
    },
    Target {
        name: "headers",
        run: targets::headers::run,
    },
    Target {
        name: "records",
        run: targets::records::run,
    },
    Target {
        name: "pages",
        run: targets::pages::run,
    },
    Target {
        name: "range_proofs",
        run: targets::range_proofs::run,
    },
    Target {
        name: "providers",
        run: targets::providers::run,
    },
    Target {
        name: "databases",
        run: targets::databases::run,
    },
    Target {
        name: "engine",
        run: targets::engine::run,
    },
];

/// The variable that names the target of a process.
pub const TARGET_VARIABLE: &str = "SNAPLIGHT_FUZZ_TARGET";

/// Runs one input of the target that the environment names.
pub fn run(input: &[u8]) {
    static CHOSEN: OnceLock<Target> = OnceLock::new();
    let chosen = CHOSEN.get_or_init(|| {
        let name = env::var(TARGET_VARIABLE).unwrap_or_default();
        let mut targets = TARGETS.iter();
        *targets
            .find(|target| target.name == name)
            .unwrap_or_else(|| {
                let names: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
                panic!("{TARGET_VARIABLE} is \"{name}\" and has to be one of {names:?}")
            })
    });
    chosen.run(input);
}

#[cfg(test)]
mod tests;
