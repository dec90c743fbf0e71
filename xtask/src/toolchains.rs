//! `cargo xtask toolchains`: the package in all toolchains that docs/toolchains.md names. The step
//! `toolchains` of `cargo xtask test` tries some of them.

use std::path::PathBuf;
use std::process::Command;

use crate::arguments::Arguments;
use crate::package;
use crate::run::{Outcome, say, streamed};
use crate::sources;
use crate::tools::{self, Browser};
use crate::workspace::Workspace;

/// Milliseconds for a file of tests, with everything from npm. Chosen without a measurement: on a
/// busy machine, the few took two minutes.
pub(crate) const TIMEOUT: u32 = 900_000;

/// The same for those by hand, which are some twenty.
const BY_HAND_TIMEOUT: u32 = 3_600_000;

pub(crate) fn command(workspace: &Workspace, arguments: &mut Arguments) -> Outcome<bool> {
    let only = arguments.value("--only")?;
    arguments.finish()?;
    package::build(workspace)?;
    let mut node = node(workspace, &tools::browser()?)?;
    node.args(["--test", "--test-concurrency=1", "--test-reporter=spec"])
        .arg(format!("--test-timeout={BY_HAND_TIMEOUT}"));
    if let Some(only) = only {
        node.arg(format!("--test-name-pattern={only}"));
    }
    node.args([every_time(workspace), by_hand(workspace)]);
    say("trying the package in all toolchains; the first time, npm downloads them (minutes)\n");
    streamed(&mut node)
}

/// Node with the environment of the tests.
pub(crate) fn node(workspace: &Workspace, browser: &Browser) -> Outcome<Command> {
    package::must_be_built(workspace)?;
    sources::mainnet_genesis(workspace)?;
    sources::peer(workspace)?;
    let mut node = Command::new("node");
    sources::environment(workspace, &mut node, Some(browser));
    Ok(node)
}

/// The tests that `cargo xtask test` runs.
pub(crate) fn every_time(workspace: &Workspace) -> PathBuf {
    workspace.root.join("tests/toolchains/toolchains.test.mjs")
}

fn by_hand(workspace: &Workspace) -> PathBuf {
    workspace.root.join("tests/toolchains/by-hand.test.mjs")
}
