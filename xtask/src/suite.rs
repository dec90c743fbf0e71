//! `cargo xtask test`: runs all checks, prints one line per step, and adds everything up in the
//! last.

mod built;
mod firefox;

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::arguments::Arguments;
use crate::counts::{self, Counts};
use crate::fuzz;
use crate::go;
use crate::run::{Finished, Outcome, captured, first_line, say};
use crate::sim;
use crate::sources;
use crate::tools::{self, Browser, WASM_TARGET};
use crate::workspace::Workspace;

/// Seconds after which a program of browser tests counts as hanging. The runner's own 20 are too
/// short for Firefox beside other work: its longest took 38.
const BROWSER_TEST_TIMEOUT: &str = "180";

/// The native test that needs a file to be made first.
const GENESIS_TEST: &str = "mainnets_genesis_state_has_its_root_and_8893_accounts";

/// The native test that the step `imports` runs alone.
const IMPORTS_TEST: &str = "files_import_in_no_circle_and_no_floor_imports_from_above";

/// Runs one step. An error says why the step could not be tried.
type Step = fn(&mut Suite) -> Outcome<(Counts, Finished)>;

/// All steps in the order in which they run: quick ones first, and `package` before what uses it.
const STEPS: [(&str, Step); 19] = [
    ("formatting", |suite| suite.formatting()),
    ("imports", |suite| suite.imports()),
    ("lints", |suite| suite.lints()),
    ("lints-wasm", |suite| suite.lints_wasm()),
    ("docs", |suite| suite.docs()),
    ("docs-wasm", |suite| suite.docs_wasm()),
    ("deny", |suite| suite.deny()),
    ("native", |suite| suite.native()),
    ("worlds", |suite| suite.worlds()),
    ("fuzz", |suite| fuzz::step(suite.workspace)),
    ("genesis", |suite| suite.genesis()),
    ("browser", |suite| suite.browser()),
    ("browser-firefox", |suite| suite.browser_firefox()),
    ("package", |suite| suite.package()),
    ("types", |suite| suite.types()),
    ("gateway", |suite| {
        go::test(suite.workspace, suite.unattended)
    }),
    ("e2e", |suite| suite.e2e()),
    ("firefox", |suite| suite.firefox()),
    ("toolchains", |suite| suite.toolchains()),
];

pub(crate) fn command(workspace: &Workspace, arguments: &mut Arguments) -> Outcome<bool> {
    let only = arguments.value("--only")?;
    arguments.finish()?;
    let unattended = env::var("CI").is_ok_and(|value| !value.is_empty() && value != "false");
    if unattended && only.is_some() {
        return Err(String::from("--only leaves steps out, which CI must not do").into());
    }
    if let Some(only) = &only
        && !STEPS.iter().any(|(name, _)| name == only)
    {
        let names = STEPS.map(|(name, _)| name).join(", ");
        return Err(format!("there is no step \"{only}\"; the steps are {names}").into());
    }
    let mut suite = Suite {
        workspace,
        unattended,
        only,
        total: Counts::default(),
        browser_tools: None,
    };
    let started = Instant::now();
    for (name, run) in STEPS {
        suite.step(name, run);
    }

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

/// Runs one step and prints its line. Returns whether it passed.
pub(crate) fn alone(workspace: &Workspace, step: &str) -> Outcome<bool> {
    let found = STEPS.iter().find(|(name, _)| *name == step);
    let (name, run) = found.ok_or_else(|| format!("there is no step \"{step}\""))?;
    let mut suite = Suite {
        workspace,
        unattended: false,
        only: None,
        total: Counts::default(),
        browser_tools: None,
    };
    suite.step(name, *run);
    Ok(suite.total.failed == 0)
}

struct Suite<'a> {
    workspace: &'a Workspace,
    /// CI is set: without Go, the step `gateway` then fails instead of being skipped.
    unattended: bool,
    /// The only step to run. `None` runs all.
    only: Option<String>,
    total: Counts,
    /// What the browser steps need, or why it is not there. `None` until a step asks for it.
    browser_tools: Option<Result<BrowserTools, String>>,
}

/// What the steps in a browser share.
struct BrowserTools {
    browser: Browser,
    /// The PATH with wasm-pack and its wasm-bindgen.
    path: OsString,
}

impl Suite<'_> {
    fn step(&mut self, name: &str, run: Step) {
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
            "  {verdict:<4}  {name:<15} {words:<32} {:>8}",
            seconds(took)
        ));
    }

    fn formatting(&mut self) -> Outcome<(Counts, Finished)> {
        tools::rust_component("fmt", "rustfmt")?;
        self.whole("formatting", self.cargo(&["fmt", "--all", "--check"]))
    }

    /// Checks which file imports which. The rules are in `xtask/tests/imports/main.rs`.
    fn imports(&mut self) -> Outcome<(Counts, Finished)> {
        let mut test = self.cargo(&["test", "--package", "xtask", "--test", "imports"]);
        test.args(["--", "--exact", IMPORTS_TEST])
            // A stack trace would only hide the list of imports.
            .env("RUST_BACKTRACE", "0");
        let finished = captured("imports", &mut test)?;
        Ok((counts::of_cargo(&finished.output), finished))
    }

    fn lints(&mut self) -> Outcome<(Counts, Finished)> {
        tools::rust_component("clippy", "clippy")?;
        let clippy = self.cargo(&[
            "clippy",
            "--workspace",
            "--all-targets",
            "--features",
            "xtask/bindgen,snaplight-fuzz/libfuzzer",
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
            WASM_TARGET,
            "--lib",
        ]);
        clippy
            .args(self.browser_tests()?)
            .args(["--", "-D", "warnings"]);
        self.whole("lints-wasm", clippy)
    }

    fn docs(&mut self) -> Outcome<(Counts, Finished)> {
        self.documented("docs", &["--workspace"])
    }

    /// The modules that only the browser's target compiles.
    fn docs_wasm(&mut self) -> Outcome<(Counts, Finished)> {
        tools::wasm_target()?;
        let options = ["--package", "snaplight", "--target", WASM_TARGET];
        self.documented("docs-wasm", &options)
    }

    /// Fails on every warning of rustdoc, also about links in the docs of private items.
    fn documented(&self, step: &str, options: &[&str]) -> Outcome<(Counts, Finished)> {
        let mut doc = self.cargo(&["doc", "--no-deps", "--document-private-items"]);
        doc.args(options).env("RUSTDOCFLAGS", "-D warnings");
        self.whole(step, doc)
    }

    /// Checks licences, versions and sources of all dependencies against `deny.toml`. Compiling
    /// cargo-deny takes minutes, so it is not installed here: without it, this step is skipped.
    fn deny(&mut self) -> Outcome<(Counts, Finished)> {
        if first_line("cargo", &["deny", "--version"]).is_none() {
            say(
                "        licences are not checked here: cargo-deny is not installed \
                 (`cargo install cargo-deny --locked`)",
            );
            return Ok((Counts::SKIPPED, Finished::nothing()));
        }
        let arguments = ["deny", "--offline", "check", "licenses", "bans", "sources"];
        self.whole("deny", self.cargo(&arguments))
    }

    fn native(&mut self) -> Outcome<(Counts, Finished)> {
        let finished = captured(
            "native",
            // Other steps and commands run these tests, so they are filtered out and do not count
            // as skipped.
            self.cargo(&["test", "--workspace", "--no-fail-fast", "--"])
                .args(["--skip", GENESIS_TEST, "--skip", IMPORTS_TEST])
                .args(["--skip", sim::LARGE]),
        )?;
        Ok((counts::of_cargo(&finished.output), finished))
    }

    /// Runs far more simulated worlds than the native tests do. They count as one test; the line
    /// that they print says how many worlds ran.
    fn worlds(&mut self) -> Outcome<(Counts, Finished)> {
        let finished = captured(
            "worlds",
            &mut sim::worlds_test(self.workspace, 0, sim::WORLDS),
        )?;
        let lines = finished.output.lines().map(str::trim);
        for line in lines.filter(|line| line.contains(" worlds from seed ")) {
            say(&format!("        {line}"));
        }
        Ok((counts::of_cargo(&finished.output), finished))
    }

    /// Runs the tests that need mainnet's genesis state. `cargo test` alone ignores them.
    fn genesis(&mut self) -> Outcome<(Counts, Finished)> {
        let genesis = sources::mainnet_genesis(self.workspace)?;
        let mut test = self.cargo(&["test", "--package", "snaplight-peer", "--test", "genesis"]);
        test.args(["--", "--ignored", GENESIS_TEST])
            .env("SNAPLIGHT_MAINNET_GENESIS", genesis);
        let finished = captured("genesis", &mut test)?;
        Ok((counts::of_cargo(&finished.output), finished))
    }

    /// Runs the root crate's browser tests in Chromium.
    fn browser(&mut self) -> Outcome<(Counts, Finished)> {
        let driver = self.browser_tools()?.browser.driver.clone();
        self.browser_tests_in("browser", &["--chrome", "--chromedriver"], &driver, None)
    }

    fn browser_tests_in(
        &mut self,
        name: &str,
        options: &[&str],
        driver: &Path,
        capabilities: Option<&Path>,
    ) -> Outcome<(Counts, Finished)> {
        tools::wasm_target()?;
        let tests = self.browser_tests()?;
        let mut pack = Command::new("wasm-pack");
        pack.args(["test", "--headless", "--mode", "no-install"])
            .args(options)
            .arg(driver)
            .arg("--")
            .args(tests)
            .env("PATH", &self.browser_tools()?.path)
            .env("WASM_BINDGEN_TEST_TIMEOUT", BROWSER_TEST_TIMEOUT)
            .current_dir(&self.workspace.root);
        if let Some(capabilities) = capabilities {
            pack.env("WASM_BINDGEN_TEST_WEBDRIVER_JSON", capabilities);
        }
        let finished = captured(name, &mut pack)?;
        Ok((counts::of_cargo(&finished.output), finished))
    }

    /// `--test NAME` for every test program that is made for the browser. The other test programs
    /// and the unit tests use crates that only compile natively, so cargo must not compile them for
    /// wasm.
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

    fn cargo(&self, arguments: &[&str]) -> Command {
        let mut cargo = Command::new("cargo");
        cargo.args(arguments).current_dir(&self.workspace.root);
        cargo
    }

    /// Runs a step that counts as one test.
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

    /// Looks for the browser and its tools once, and remembers the outcome.
    fn browser_tools(&mut self) -> Result<&BrowserTools, String> {
        if self.browser_tools.is_none() {
            let found = tools::browser().and_then(|browser| {
                Ok(BrowserTools {
                    browser,
                    path: tools::wasm_pack(self.workspace)?,
                })
            });
            self.browser_tools = Some(found.map_err(|failure| failure.to_string()));
        }
        match &self.browser_tools {
            Some(Ok(tools)) => Ok(tools),
            Some(Err(reason)) => Err(reason.clone()),
            None => Err(String::from("the browser's tools were not looked for")),
        }
    }
}

/// The files of a folder whose names end with `end`, sorted by name.
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

/// The lines of a runner's output that name a test it skipped.
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
    fn the_tests_that_a_runner_skipped_are_found_in_its_output() {
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
