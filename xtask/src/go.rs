//! What is written in Go: the gateway, and go-ethereum, new and old, which the tests and the bench
//! run.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::counts::Counts;
use crate::run::{Finished, Outcome, captured, first_line, required, say};
use crate::sources;
use crate::workspace::Workspace;

/// The Go that go-ethereum's go.mod requires.
const GO: (u32, u32) = (1, 25);
/// A go-ethereum that answers GetNodeData over eth/66. It still runs chains without a consensus
/// client.
const OLD_GETH: &str = "github.com/ethereum/go-ethereum/cmd/geth@v1.10.26";
/// After this time one package's tests count as hanging. It is Go's own default, written down.
const TIMEOUT: &str = "10m";

/// Why Go programs cannot be built here. `None` if they can.
pub(crate) fn missing() -> Option<String> {
    let wanted = format!(
        "Go {}.{} or newer (https://go.dev/dl, or `apt-get install golang`)",
        GO.0, GO.1
    );
    let Some(words) = first_line("go", &["version"]) else {
        return Some(format!("the program `go` was not found; install {wanted}"));
    };
    // "go version go1.26.0 linux/amd64"
    let found = words.split_whitespace().find_map(|word| {
        let mut numbers = word.strip_prefix("go")?.split('.');
        let number = |text: Option<&str>| text?.parse::<u32>().ok();
        Some((number(numbers.next())?, number(numbers.next())?))
    });
    match found {
        Some(found) if found >= GO => None,
        _ => Some(format!("{words:?} is too old; install {wanted}")),
    }
}

/// Runs gofmt, vet and the tests of the gateway's module. Without Go this fails if `unattended`,
/// and is skipped otherwise.
pub(crate) fn test(workspace: &Workspace, unattended: bool) -> Outcome<(Counts, Finished)> {
    if let Some(why) = missing() {
        if unattended {
            return Err(format!("the gateway was not tested: {why}").into());
        }
        say(&format!("        the gateway is not tested here: {why}"));
        return Ok((Counts::SKIPPED, Finished::nothing()));
    }
    let peer = sources::peer(workspace)?;
    let mut total = Counts::default();
    let mut format = go(workspace, "gofmt", &["-l", "."]);
    let unformatted = captured("gofmt", &mut format)?;
    if !unformatted.output.trim().is_empty() {
        let finished = Finished {
            success: false,
            output: format!("gofmt would change:\n{}", unformatted.output),
        };
        return Ok((Counts::FAILED, finished));
    }
    total += Counts::PASSED;
    let vetted = captured("go vet", &mut go(workspace, "go", &["vet", "./..."]))?;
    if !vetted.success {
        return Ok((Counts::FAILED, vetted));
    }
    total += Counts::PASSED;
    let mut test = go(
        workspace,
        "go",
        &["test", "-v", "-timeout", TIMEOUT, "./..."],
    );
    test.env("SNAPLIGHT_PEER", peer);
    test.env("SNAPLIGHT_OLD_GETH", old_geth(workspace)?);
    let finished = captured("gateway", &mut test)?;
    total += of_go(&finished.output);
    Ok((total, finished))
}

/// Builds the gateway, the go-ethereum node, and the program that measures go-ethereum.
pub(crate) fn programs(workspace: &Workspace) -> Outcome<()> {
    if let Some(why) = missing() {
        return Err(format!("go-ethereum and the gateway cannot be built: {why}").into());
    }
    let output = workspace.go_programs();
    let fresh = if output.exists() {
        ""
    } else {
        " (a few minutes and a download the first time)"
    };
    say(&format!("building go-ethereum and the gateway{fresh}"));
    fs::create_dir_all(&output)
        .map_err(|error| format!("{} could not be created: {error}", output.display()))?;
    let mut build = go(workspace, "go", &["build", "-o"]);
    build.arg(output).arg("./cmd/...");
    required("go build", &mut build).map(drop)
}

/// Builds go-ethereum 1.10.26 if it is not there, and returns where it is. The module proxy's
/// checksums say that it is the released source.
pub(crate) fn old_geth(workspace: &Workspace) -> Outcome<PathBuf> {
    let program = workspace.old_geth();
    if program.exists() {
        return Ok(program);
    }
    if let Some(why) = missing() {
        return Err(format!("go-ethereum 1.10.26 cannot be built: {why}").into());
    }
    say("building go-ethereum 1.10.26 once (a minute and a download)");
    let folder = program.parent().unwrap_or(&workspace.target);
    // Without the flag, a current Go does not link what this version links.
    let mut install = go(
        workspace,
        "go",
        &["install", "-ldflags=-checklinkname=0", OLD_GETH],
    );
    install.env("GOBIN", folder);
    required("go install geth", &mut install)?;
    Ok(program)
}

fn go(workspace: &Workspace, program: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .current_dir(workspace.root.join("gateway"));
    command
}

/// Counts lines such as `--- PASS: Name (0.1s)`. There is one for each test and each subtest.
fn of_go(output: &str) -> Counts {
    let ended = |word: &str| {
        let mark = format!("--- {word}:");
        let lines = output
            .lines()
            .filter(|line| line.trim_start().starts_with(&mark));
        lines.count() as u64
    };
    Counts {
        passed: ended("PASS"),
        failed: ended("FAIL"),
        skipped: ended("SKIP"),
    }
}

#[cfg(test)]
mod tests {
    use super::of_go;
    use crate::counts::Counts;

    #[test]
    fn tests_and_subtests_are_counted_by_how_they_ended() {
        let output = "=== RUN   TestA\n    --- PASS: TestA/one (0.00s)\n--- PASS: TestA (0.01s)\n\
            --- FAIL: TestB (0.00s)\n--- SKIP: TestC (0.00s)\nPASS\nok  \tx\t0.1s\n";
        let expected = Counts {
            passed: 2,
            failed: 1,
            skipped: 1,
        };
        assert_eq!(of_go(output), expected);
    }
}
