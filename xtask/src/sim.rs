//! `cargo xtask sim`: runs many simulated worlds, or large syncs over slow lines.
//! `tests/sync/worlds.rs` says what a world is.

use std::process::Command;

use crate::arguments::Arguments;
use crate::run::{Outcome, say, streamed};
use crate::workspace::Workspace;

/// How many worlds `cargo xtask test` runs, and `cargo xtask sim` by default.
pub(crate) const WORLDS: u64 = 2_500;
/// Part of the name of each test of lines that takes long.
pub(crate) const LARGE: &str = "in_a_large_sync";
const TEST: &str = "in_any_world_the_newest_state_becomes_complete_and_nothing_false_is_ever_read";

pub(crate) fn command(workspace: &Workspace, arguments: &mut Arguments) -> Outcome<bool> {
    let worlds = arguments.number("--seeds")?.unwrap_or(WORLDS);
    let from = arguments.number("--from")?.unwrap_or(0);
    let seed = arguments.number("--seed")?;
    let lines = arguments.flag("--lines");
    let sets = arguments.flag("--sets");
    arguments.finish()?;
    if lines {
        let mut test = sync_test(workspace);
        test.args(["--test-threads", "1", "--include-ignored", LARGE]);
        return streamed(&mut test);
    }
    let mut test = worlds_test(workspace, from, worlds);
    if let Some(seed) = seed {
        test.env("SNAPLIGHT_SEED", seed.to_string());
    }
    if sets {
        test.env("SNAPLIGHT_SETS", "all");
    }
    let is_well = streamed(&mut test)?;
    if !is_well {
        say("\nto print a failed world's log: cargo xtask sim [--sets] --seed SEED");
    }
    Ok(is_well)
}

/// The test that runs `worlds` worlds, the first one from the seed `from`, in optimised code on all
/// cores.
pub(crate) fn worlds_test(workspace: &Workspace, from: u64, worlds: u64) -> Command {
    let mut test = sync_test(workspace);
    test.args(["--exact", &format!("worlds::{TEST}")])
        .env("SNAPLIGHT_WORLDS", worlds.to_string())
        .env("SNAPLIGHT_FROM", from.to_string());
    test
}

/// The scenarios of `tests/sync` in optimised code. The names of tests follow.
fn sync_test(workspace: &Workspace) -> Command {
    let mut cargo = Command::new("cargo");
    cargo
        .args(["test", "--profile", "sim", "--package", "snaplight"])
        .args(["--test", "sync", "--", "--nocapture"])
        .env_remove("SNAPLIGHT_SEED")
        .env_remove("SNAPLIGHT_SETS")
        .current_dir(&workspace.root);
    cargo
}
