//! The steps that run in Firefox.

use super::Suite;
use crate::counts::Counts;
use crate::run::{Finished, Outcome, say};
use crate::tools;

/// What to do without Firefox.
const NO_FIREFOX: &str =
    "install it (on Debian: `apt-get install firefox-esr`), or name it in SNAPLIGHT_FIREFOX";

/// End-to-end tests of Firefox alone.
pub(super) const TESTS: &str = "firefox.test.mjs";
/// Other end-to-end tests that run in Firefox too.
const ALSO_IN_FIREFOX: [&str; 4] = [
    "sessions.test.mjs",
    "sync.test.mjs",
    "tabs.test.mjs",
    "worker.test.mjs",
];

impl Suite<'_> {
    /// Runs the browser tests in Firefox. Its WebDriver takes minutes to compile, so it is installed
    /// only for who asks for this step by its name.
    pub(super) fn browser_firefox(&mut self) -> Outcome<(Counts, Finished)> {
        if tools::firefox()?.is_none() {
            return self.without("Firefox", NO_FIREFOX);
        }
        let Some(driver) = tools::geckodriver(self.workspace, self.only.is_some())? else {
            say("        skipped: Firefox's WebDriver is not there; \
                 `cargo xtask test --only browser-firefox` installs it (some minutes)");
            return Ok((Counts::SKIPPED, Finished::nothing()));
        };
        let capabilities = self.workspace.root.join("webdriver-firefox.json");
        let options = ["--firefox", "--geckodriver"];
        self.browser_tests_in("browser-firefox", &options, &driver, Some(&capabilities))
    }

    /// Tests the built package in Firefox.
    pub(super) fn firefox(&mut self) -> Outcome<(Counts, Finished)> {
        let Some(firefox) = tools::firefox()? else {
            return self.without("Firefox", NO_FIREFOX);
        };
        let folder = self.workspace.root.join("tests/e2e");
        let names = [TESTS].into_iter().chain(ALSO_IN_FIREFOX);
        let files = names.map(|name| folder.join(name)).collect();
        self.end_to_end("firefox", files, Some(&firefox))
    }

    /// A step whose program is not there: skipped, or failed where nothing may be left out.
    fn without(&self, what: &str, advice: &str) -> Outcome<(Counts, Finished)> {
        let message = format!("{what} was not found; {advice}");
        if self.unattended {
            return Err(message.into());
        }
        say(&format!("        skipped: {message}"));
        Ok((Counts::SKIPPED, Finished::nothing()))
    }
}
