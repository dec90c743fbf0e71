//! The steps about the package as it is published: its own tests in Node, its types, pages, and the
//! toolchains that wallets use.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Suite, files_in, firefox};
use crate::counts::{self, Counts};
use crate::go;
use crate::package;
use crate::run::{Finished, Outcome, captured};
use crate::sources;
use crate::toolchains;
use crate::tools;

/// Milliseconds after which a file of Node tests counts as hanging. Chosen without a measurement: it
/// only has to be longer than any file takes on a slow machine.
const NODE_TEST_TIMEOUT: u32 = 180_000;

impl Suite<'_> {
    /// Builds the package as it is published, and runs its own tests in Node.
    pub(super) fn package(&mut self) -> Outcome<(Counts, Finished)> {
        package::build(self.workspace)?;
        sources::mainnet_genesis(self.workspace)?;
        sources::peer(self.workspace)?;
        let mut node = Command::new("node");
        sources::environment(self.workspace, &mut node, None);
        let tests = files_in(&self.workspace.package.join("test"), ".test.mjs")?;
        self.node_tests("package", node, NODE_TEST_TIMEOUT, tests)
    }

    /// Checks a program in strict TypeScript that uses the whole public interface. Then small ones
    /// with other versions of TypeScript, as `types.mjs` says.
    pub(super) fn types(&mut self) -> Outcome<(Counts, Finished)> {
        tools::npm_packages(self.workspace, &self.workspace.node)?;
        let mut tsc = Command::new("node");
        tsc.arg(self.workspace.node.join("node_modules/typescript/bin/tsc"))
            .args(["--noEmit", "--project", "tests/e2e/types"])
            .current_dir(&self.workspace.root);
        let (counts, finished) = self.whole("types", tsc)?;
        if !finished.success {
            return Ok((counts, finished));
        }
        self.whole("types", sources::script(self.workspace, "types.mjs", None))
    }

    /// Tests the built package in a real page with real peers.
    pub(super) fn e2e(&mut self) -> Outcome<(Counts, Finished)> {
        let mut files = files_in(&self.workspace.root.join("tests/e2e"), ".test.mjs")?;
        files.retain(|file| !file.ends_with(firefox::TESTS));
        self.end_to_end("e2e", files, None)
    }

    /// Runs these files in Chromium, or in this Firefox.
    pub(super) fn end_to_end(
        &mut self,
        name: &str,
        files: Vec<PathBuf>,
        firefox: Option<&Path>,
    ) -> Outcome<(Counts, Finished)> {
        package::must_be_built(self.workspace)?;
        tools::npm_packages(self.workspace, &self.workspace.node)?;
        sources::mainnet_genesis(self.workspace)?;
        sources::peer(self.workspace)?;
        let mut node = Command::new("node");
        let workspace = self.workspace;
        let browser = match firefox {
            Some(_) => None,
            None => Some(&self.browser_tools()?.browser),
        };
        sources::environment(workspace, &mut node, browser);
        if let Some(firefox) = firefox {
            node.env("SNAPLIGHT_BROWSER", "firefox")
                .env("SNAPLIGHT_FIREFOX", firefox);
            return self.node_tests(name, node, NODE_TEST_TIMEOUT, files);
        }
        match go::missing() {
            None => {
                go::programs(self.workspace)?;
                go::old_geth(self.workspace)?;
            }
            // The tests that need Go then skip themselves with this reason.
            Some(why) => drop(node.env("SNAPLIGHT_WITHOUT_GO", why)),
        }
        self.node_tests(name, node, NODE_TEST_TIMEOUT, files)
    }

    /// Tries the package in small projects of the toolchains that wallets use.
    pub(super) fn toolchains(&mut self) -> Outcome<(Counts, Finished)> {
        let workspace = self.workspace;
        let node = toolchains::node(workspace, &self.browser_tools()?.browser)?;
        self.node_tests(
            "toolchains",
            node,
            toolchains::TIMEOUT,
            vec![toolchains::every_time(workspace)],
        )
    }

    /// Runs files of Node tests one after the other. `node` has the environment that they read.
    pub(super) fn node_tests(
        &self,
        name: &str,
        mut node: Command,
        timeout: u32,
        files: Vec<PathBuf>,
    ) -> Outcome<(Counts, Finished)> {
        let tap = self.workspace.target.join(format!("{name}.tap"));
        node.args([
            "--test",
            "--test-concurrency=1",
            &format!("--test-timeout={timeout}"),
        ])
        .args([
            "--test-reporter=spec",
            "--test-reporter-destination=stdout",
            "--test-reporter=tap",
        ])
        .arg(format!("--test-reporter-destination={}", tap.display()))
        .args(files);
        let finished = captured(name, &mut node)?;
        let counts = fs::read_to_string(&tap)
            .map(|tap| counts::of_node(&tap))
            .unwrap_or_default();
        Ok((counts, finished))
    }
}
