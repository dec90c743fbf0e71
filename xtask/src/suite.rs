//! `cargo xtask test`: everything that must hold, one line per step, and one last line that counts it all.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::arguments::Arguments;
use crate::counts::{self, Counts};
use crate::go;
use crate::package;
use crate::run::{Finished, Outcome, captured, say};
use crate::sim;
use crate::sources;
use crate::tools::{self, Browser};
use crate::workspace::Workspace;

/// One node test may take this long before it counts as hanging (milliseconds).
const NODE_TEST_TIMEOUT: u32 = 180_000;

/// The one native test that needs a file made first.
const GENESIS_TEST: &str = "mainnets_genesis_state_has_its_root_and_8893_accounts";

pub(crate) fn command(workspace: &Workspace, arguments: &mut Arguments) -> Outcome<bool> {
    let only = arguments.value("--only")?;
    arguments.finish()?;
    let unattended = env::var("CI").is_ok_and(|value| !value.is_empty() && value != "false");
    if unattended && only.is_some() {
        return Err(String::from("--only leaves steps out, and with CI set none may be").into());
    }
    let mut suite = Suite {
        workspace,
        only,
        total: Counts::default(),
        ready: None,
    };
    let started = Instant::now();

    suite.step("formatting", |suite| suite.formatting());
    suite.step("lints", |suite| suite.lints());
    suite.step("lints-wasm", |suite| suite.lints_wasm());
    suite.step("docs", |suite| suite.docs());
    suite.step("native", |suite| suite.native());
    suite.step("worlds", |suite| suite.worlds());
    suite.step("genesis", |suite| suite.genesis());
    suite.step("browser", |suite| suite.browser());
    suite.step("package", |suite| suite.package());
    suite.step("types", |suite| suite.types());
    suite.step("gateway", |suite| go::test(suite.workspace, unattended));
    suite.step("e2e", |suite| suite.e2e());

    let Counts {
        passed,
        failed,
        skipped,
    } = suite.total;
    say(&format!("\nall steps took {}", seconds(started.elapsed())));
    say(&format!(
        "{passed} passed, {failed} failed, {skipped} skipped"
    ));
    Ok(failed == 0)
}

struct Suite<'a> {
    workspace: &'a Workspace,
    /// The one step wanted, if not all are.
    only: Option<String>,
    total: Counts,
    /// What a browser step needs, looked for once; the reason why not otherwise.
    ready: Option<Result<Ready, String>>,
}

/// What the steps in a browser share.
struct Ready {
    browser: Browser,
    /// The PATH with wasm-pack and its wasm-bindgen.
    path: OsString,
}

impl Suite<'_> {
    fn step(&mut self, name: &str, run: impl FnOnce(&mut Self) -> Outcome<(Counts, Finished)>) {
        let started = Instant::now();
        if self.only.as_deref().is_some_and(|only| only != name) {
            self.report("skip", name, Counts::SKIPPED, started.elapsed());
            return;
        }
        match run(self) {
            Ok((counts, finished)) => {
                let counts = counts.judged(finished.success);
                let verdict = if counts.failed == 0 { "ok" } else { "FAIL" };
                self.report(verdict, name, counts, started.elapsed());
                if counts.failed > 0 {
                    say(&format!(
                        "{}\n── end of what {name} printed",
                        finished.output.trim_end()
                    ));
                }
                for line in skipped_tests(&finished.output) {
                    say(&format!("        skipped: {line}"));
                }
            }
            Err(failure) => {
                self.report("FAIL", name, Counts::FAILED, started.elapsed());
                say(&format!("        {failure}"));
            }
        }
    }

    fn report(&mut self, verdict: &str, name: &str, counts: Counts, took: Duration) {
        self.total += counts;
        let Counts {
            passed,
            failed,
            skipped,
        } = counts;
        let mut words = format!("{passed} passed");
        for (count, word) in [(failed, "failed"), (skipped, "skipped")] {
            if count > 0 {
                words.push_str(&format!(", {count} {word}"));
            }
        }
        say(&format!(
            "  {verdict:<4}  {name:<12} {words:<32} {:>8}",
            seconds(took)
        ));
    }

    fn formatting(&mut self) -> Outcome<(Counts, Finished)> {
        tools::rust_component("fmt", "rustfmt")?;
        self.whole("formatting", self.cargo(&["fmt", "--all", "--check"]))
    }

    fn lints(&mut self) -> Outcome<(Counts, Finished)> {
        tools::rust_component("clippy", "clippy")?;
        let clippy = self.cargo(&[
            "clippy",
            "--workspace",
            "--all-targets",
            "--features",
            "xtask/bindgen",
            "--",
            "-D",
            "warnings",
        ]);
        self.whole("lints", clippy)
    }

    fn lints_wasm(&mut self) -> Outcome<(Counts, Finished)> {
        tools::rust_component("clippy", "clippy")?;
        tools::wasm_target()?;
        let mut clippy = self.cargo(&[
            "clippy",
            "--package",
            "snaplight",
            "--target",
            "wasm32-unknown-unknown",
            "--lib",
        ]);
        clippy
            .args(self.browser_tests()?)
            .args(["--", "-D", "warnings"]);
        self.whole("lints-wasm", clippy)
    }

    fn docs(&mut self) -> Outcome<(Counts, Finished)> {
        let mut doc = self.cargo(&["doc", "--workspace", "--no-deps"]);
        doc.env("RUSTDOCFLAGS", "-D warnings");
        self.whole("docs", doc)
    }

    fn native(&mut self) -> Outcome<(Counts, Finished)> {
        let finished = captured(
            "native",
            // What the next step runs is no test left out.
            self.cargo(&["test", "--workspace", "--no-fail-fast", "--"])
                .args(["--skip", GENESIS_TEST]),
        )?;
        Ok((counts::of_cargo(&finished.output), finished))
    }

    /// Simulated worlds, far more of them than the native tests run. They count as one test, and as worlds in the line that
    /// they print.
    fn worlds(&mut self) -> Outcome<(Counts, Finished)> {
        let finished = captured(
            "worlds",
            &mut sim::worlds_test(self.workspace, 0, sim::WORLDS),
        )?;
        let count = finished.output.lines().map(str::trim);
        for line in count.filter(|line| line.contains(" worlds from seed ")) {
            say(&format!("        {line}"));
        }
        Ok((counts::of_cargo(&finished.output), finished))
    }

    /// The tests that need mainnet's genesis state, which cargo alone would leave out.
    fn genesis(&mut self) -> Outcome<(Counts, Finished)> {
        let genesis = sources::mainnet_genesis(self.workspace)?;
        let mut test = self.cargo(&["test", "--package", "snaplight-peer", "--test", "genesis"]);
        test.args(["--", "--ignored", GENESIS_TEST])
            .env("SNAPLIGHT_MAINNET_GENESIS", genesis);
        let finished = captured("genesis", &mut test)?;
        Ok((counts::of_cargo(&finished.output), finished))
    }

    /// The tests of the root crate that need a browser, in one.
    fn browser(&mut self) -> Outcome<(Counts, Finished)> {
        tools::wasm_target()?;
        let tests = self.browser_tests()?;
        let mut pack = Command::new("wasm-pack");
        let ready = self.ready()?;
        pack.args([
            "test",
            "--headless",
            "--chrome",
            "--mode",
            "no-install",
            "--chromedriver",
        ])
        .arg(&ready.browser.driver)
        .arg("--")
        .args(tests)
        .env("PATH", &ready.path);
        pack.current_dir(&self.workspace.root);
        let finished = captured("browser", &mut pack)?;
        Ok((counts::of_cargo(&finished.output), finished))
    }

    /// `--test NAME` for every test program that is made for the browser. The others, and the unit tests, compare with
    /// crates that only exist natively, so cargo must not be asked to compile them for wasm.
    fn browser_tests(&self) -> Outcome<Vec<String>> {
        let mut options = Vec::new();
        for file in files_in(&self.workspace.root.join("tests"), ".rs")? {
            let text = fs::read_to_string(&file)
                .map_err(|error| format!("{} could not be read: {error}", file.display()))?;
            if let (true, Some(name)) = (text.contains("wasm_bindgen_test"), file.file_stem()) {
                options.extend([String::from("--test"), name.to_string_lossy().into_owned()]);
            }
        }
        match options.is_empty() {
            true => Err(String::from(
                "no file in tests/ uses wasm_bindgen_test, so nothing would run in the browser",
            )
            .into()),
            false => Ok(options),
        }
    }

    /// The package as it is published, and its own tests, in Node.
    fn package(&mut self) -> Outcome<(Counts, Finished)> {
        package::build(self.workspace)?;
        sources::mainnet_genesis(self.workspace)?;
        sources::peer(self.workspace)?;
        let mut node = Command::new("node");
        sources::environment(self.workspace, &mut node, None);
        let tests = files_in(&self.workspace.package.join("test"), ".test.mjs")?;
        self.node_tests("package", node, tests)
    }

    /// A program in strict TypeScript that uses the whole public surface.
    fn types(&mut self) -> Outcome<(Counts, Finished)> {
        tools::npm_packages(self.workspace, &self.workspace.node)?;
        let mut tsc = Command::new("node");
        tsc.arg(self.workspace.node.join("node_modules/typescript/bin/tsc"))
            .args(["--noEmit", "--project", "tests/e2e/types"])
            .current_dir(&self.workspace.root);
        self.whole("types", tsc)
    }

    /// The built package in a real page, with real peers.
    fn e2e(&mut self) -> Outcome<(Counts, Finished)> {
        let files = files_in(&self.workspace.root.join("tests/e2e"), ".test.mjs")?;
        if !self
            .workspace
            .package
            .join("wasm/snaplight_bg.wasm")
            .exists()
        {
            return Err(String::from(
                "the package was not built, so there is nothing to try in a page",
            )
            .into());
        }
        tools::npm_packages(self.workspace, &self.workspace.node)?;
        sources::mainnet_genesis(self.workspace)?;
        sources::peer(self.workspace)?;
        let mut node = Command::new("node");
        sources::environment(self.workspace, &mut node, Some(&self.ready()?.browser));
        match go::missing() {
            None => go::programs(self.workspace)?,
            // Those tests then skip themselves, with this reason.
            Some(why) => drop(node.env("SNAPLIGHT_WITHOUT_GO", why)),
        }
        self.node_tests("e2e", node, files)
    }

    /// Runs files of Node's tests, one after the other; `node` knows where everything is.
    fn node_tests(
        &self,
        name: &str,
        mut node: Command,
        files: Vec<PathBuf>,
    ) -> Outcome<(Counts, Finished)> {
        let tap = self.workspace.target.join(format!("{name}.tap"));
        node.args([
            "--test",
            "--test-concurrency=1",
            &format!("--test-timeout={NODE_TEST_TIMEOUT}"),
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

    fn cargo(&self, arguments: &[&str]) -> Command {
        let mut cargo = Command::new("cargo");
        cargo.args(arguments).current_dir(&self.workspace.root);
        cargo
    }

    /// A step that passes or fails as one.
    fn whole(&self, name: &str, mut command: Command) -> Outcome<(Counts, Finished)> {
        let finished = captured(name, &mut command)?;
        Ok((
            if finished.success {
                Counts::PASSED
            } else {
                Counts::FAILED
            },
            finished,
        ))
    }

    fn ready(&mut self) -> Result<&Ready, String> {
        if self.ready.is_none() {
            let found = tools::browser().and_then(|browser| {
                Ok(Ready {
                    browser,
                    path: tools::wasm_pack(self.workspace)?,
                })
            });
            self.ready = Some(found.map_err(|failure| failure.to_string()));
        }
        match &self.ready {
            Some(Ok(ready)) => Ok(ready),
            Some(Err(reason)) => Err(reason.clone()),
            None => Err(String::from("the browser's tools were not looked for")),
        }
    }
}

/// The files of a folder whose names end like this, in order.
fn files_in(folder: &Path, end: &str) -> Outcome<Vec<PathBuf>> {
    let entries = fs::read_dir(folder)
        .map_err(|error| format!("{} could not be read: {error}", folder.display()))?;
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    files.retain(|file| file.to_string_lossy().ends_with(end));
    files.sort();
    Ok(files)
}

/// Tests that a runner left out, by the line that says so.
fn skipped_tests(output: &str) -> impl Iterator<Item = &str> {
    output.lines().map(str::trim).filter(|line| {
        let of_cargo =
            line.starts_with("test ") && (line.ends_with("ignored") || line.contains("ignored, "));
        of_cargo || line.starts_with('﹣') || line.contains("# SKIP")
    })
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::skipped_tests;

    #[test]
    fn what_a_runner_left_out_is_named() {
        let output = "test a ... ok\n  test b ... ignored\ntest c ... ignored, needs a disk\n\
            test ignored_names_are_fine ... ok\n\u{fe63} d (0.1ms) # SKIP\ntest result: ok. 1 passed; 2 ignored; 0 measured\n";
        let named: Vec<_> = skipped_tests(output).collect();
        assert_eq!(
            named,
            [
                "test b ... ignored",
                "test c ... ignored, needs a disk",
                "\u{fe63} d (0.1ms) # SKIP"
            ]
        );
    }
}
