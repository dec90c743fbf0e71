//! `cargo xtask fuzz`: looks for inputs that break something. `fuzz/src/lib.rs` has the targets, and
//! `docs/testing.md` says what each of them compares with what.

use std::collections::BTreeMap;
use std::env;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::arguments::Arguments;
use crate::counts::Counts;
use crate::run::{Finished, Outcome, captured, first_line, required, say};
use crate::tools;
use crate::workspace::Workspace;

/// One target of `fuzz/src/lib.rs`.
struct Target {
    name: &'static str,
    /// How many inputs `cargo xtask test` runs: some seconds of one core. A number and not a time, so
    /// that a slow machine runs the same inputs, and none fails by its speed.
    runs: u64,
    /// The longest input that is made, in bytes. What is made of longer ones is not deeper.
    longest: u32,
}

const TARGETS: [Target; 9] = [
    Target {
        name: "wire",
        runs: 200_000,
        longest: 2_048,
    },
    Target {
        name: "handshake",
        runs: 200_000,
        longest: 2_048,
    },
    Target {
        name: "headers",
        runs: 40_000,
        longest: 2_048,
    },
    Target {
        name: "records",
        runs: 300_000,
        longest: 2_048,
    },
    Target {
        name: "pages",
        runs: 80_000,
        longest: 4_096,
    },
    Target {
        name: "range_proofs",
        runs: 30_000,
        longest: 2_048,
    },
    Target {
        name: "providers",
        runs: 8_000,
        longest: 2_048,
    },
    Target {
        name: "databases",
        runs: 600,
        longest: 1_024,
    },
    Target {
        name: "engine",
        runs: 800,
        longest: 1_024,
    },
];

/// What LLVM adds to the code, so that libFuzzer sees which branches an input takes and what it is
/// compared with. These are the options that `cargo fuzz --sanitizer none` uses; stable Rust has
/// them.
const COVERAGE: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1";
/// Seconds after which an input counts as endless. Chosen without a measurement: the slowest takes
/// some milliseconds.
const ENDLESS_SECONDS: u32 = 300;
/// Memory above which an input counts as greedy, in MiB. The targets compare what decoders take with
/// the length of their input, which is far stricter.
const MOST_MEMORY: u32 = 2_048;
/// The seed, unless another is given.
const SEED: u64 = 1;
/// Minutes for all targets together, unless others are given.
const MINUTES: u64 = 1;
/// How many changes of a failing input are tried in turn for each that makes it shorter.
const MINIMISING_RUNS: u64 = 20_000;
/// Bytes that the repository keeps of each target's corpus.
const MOST_CORPUS: u64 = 100 * 1024;
/// Bytes of a failing input that are printed.
const MOST_PRINTED: usize = 2_048;

/// When a target's run ends, if it finds nothing.
#[derive(Clone, Copy)]
enum End {
    Runs(u64),
    Seconds(u64),
}

pub(crate) fn command(workspace: &Workspace, arguments: &mut Arguments) -> Outcome<bool> {
    let minutes = arguments.number("--minutes")?.unwrap_or(MINUTES);
    let runs = arguments.number("--runs")?;
    let seed = arguments.number("--seed")?.unwrap_or(SEED);
    let name = arguments.value("--target")?;
    let input = arguments.value("--input")?;
    let merge = arguments.flag("--merge");
    arguments.finish()?;
    let targets = chosen(name.as_deref())?;
    let fuzzer = Fuzzer::build(workspace)?;
    if let Some(input) = input {
        let [target] = targets[..] else {
            return Err(String::from("--input needs --target, whose input it is").into());
        };
        let finished = fuzzer.run_alone(target, Path::new(&input))?;
        say(finished.output.trim_end());
        return Ok(finished.success);
    }
    if merge {
        for target in targets {
            fuzzer.merge(target)?;
        }
        return Ok(true);
    }
    let seconds = (minutes * 60 / targets.len() as u64).max(1);
    let end = runs.map_or(End::Seconds(seconds), End::Runs);
    let (mut is_well, mut total) = (true, 0);
    for target in targets {
        let found = fuzzer.folder("found", target)?;
        let run = fuzzer.fuzz(target, &found, end, seed)?;
        total += run.inputs;
        is_well &= run.failure.is_none();
        say(&run.line(target));
        if let Some(failure) = run.failure {
            say(&failure);
        }
    }
    say(&format!("\n{} inputs in all", grouped(total)));
    Ok(is_well)
}

/// The step of `cargo xtask test`: the corpus, and the same inputs each time. Each target counts as
/// one test.
pub(crate) fn step(workspace: &Workspace) -> Outcome<(Counts, Finished)> {
    let fuzzer = Fuzzer::build(workspace)?;
    let mut counts = Counts::default();
    let mut output = String::new();
    for target in &TARGETS {
        let found = fuzzer.folder("step", target)?;
        // What an earlier run found would make this one another.
        clear(&found)?;
        let run = fuzzer.fuzz(target, &found, End::Runs(target.runs), SEED)?;
        say(&format!("        {}", run.line(target)));
        counts += match &run.failure {
            None => Counts::PASSED,
            Some(_) => Counts::FAILED,
        };
        output.extend(run.failure);
    }
    let success = counts.failed == 0;
    Ok((counts, Finished { success, output }))
}

fn chosen(name: Option<&str>) -> Outcome<Vec<&'static Target>> {
    let Some(name) = name else {
        return Ok(TARGETS.iter().collect());
    };
    let target = TARGETS.iter().find(|target| target.name == name);
    target.map(|target| vec![target]).ok_or_else(|| {
        let names: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
        format!(
            "there is no target \"{name}\"; the targets are {}",
            names.join(", ")
        )
        .into()
    })
}

/// What became of a target.
struct Run {
    inputs: u64,
    per_second: u64,
    /// What failed and how to see it again.
    failure: Option<String>,
}

impl Run {
    fn line(&self, target: &Target) -> String {
        let verdict = if self.failure.is_none() {
            "well"
        } else {
            "FAILED"
        };
        format!(
            "{:<13} {:>13} inputs, {:>7} a second: {verdict}",
            target.name,
            grouped(self.inputs),
            grouped(self.per_second)
        )
    }
}

struct Fuzzer<'a> {
    workspace: &'a Workspace,
    program: PathBuf,
    /// Where everything that is found is kept: `target/fuzz`.
    home: PathBuf,
}

impl Fuzzer<'_> {
    fn build(workspace: &Workspace) -> Outcome<Fuzzer<'_>> {
        tools::cpp_compiler()?;
        let home = workspace.target.join("fuzz");
        let host = host()?;
        let mut cargo = Command::new("cargo");
        // A target folder of its own, because the flags are those of everything in it. A target that
        // is named, because the flags are not for what runs during the build.
        cargo
            .args(["build", "--package", "snaplight-fuzz", "--bin", "fuzz"])
            .args(["--features", "linked", "--profile", "fuzz", "--target"])
            .args([&host])
            .env("RUSTFLAGS", COVERAGE)
            .env("CARGO_TARGET_DIR", &home)
            .env_remove("CARGO_ENCODED_RUSTFLAGS")
            .current_dir(&workspace.root);
        required("the fuzzer's build", &mut cargo)?;
        let program = format!("fuzz{}", env::consts::EXE_SUFFIX);
        Ok(Fuzzer {
            workspace,
            program: home.join(host).join("fuzz").join(program),
            home,
        })
    }

    /// The target's folder of this kind, made if it is not there.
    fn folder(&self, kind: &str, target: &Target) -> Outcome<PathBuf> {
        let folder = self.home.join(kind).join(target.name);
        make(&folder)?;
        Ok(folder)
    }

    /// The target's corpus in the repository.
    fn corpus(&self, target: &Target) -> Outcome<PathBuf> {
        let folder = self.workspace.root.join("fuzz/corpus").join(target.name);
        make(&folder)?;
        Ok(folder)
    }

    /// libFuzzer on one target.
    fn program(&self, target: &Target) -> Command {
        let mut program = Command::new(&self.program);
        program
            .env("SNAPLIGHT_FUZZ_TARGET", target.name)
            // The message says enough, and a stack trace hides it.
            .env("RUST_BACKTRACE", "0")
            .arg(format!("-max_len={}", target.longest))
            .arg(format!("-timeout={ENDLESS_SECONDS}"))
            .arg(format!("-rss_limit_mb={MOST_MEMORY}"))
            .arg("-print_final_stats=1")
            .current_dir(&self.home);
        program
    }

    /// Fuzzes one target from its corpus and what is in `found`, where it puts what it finds.
    fn fuzz(&self, target: &Target, found: &Path, end: End, seed: u64) -> Outcome<Run> {
        let mut program = self.program(target);
        let faults = self.folder("faults", target)?;
        program
            .arg(format!("-artifact_prefix={}/", faults.display()))
            .arg(format!("-seed={seed}"))
            .arg(match end {
                End::Runs(runs) => format!("-runs={runs}"),
                End::Seconds(seconds) => format!("-max_total_time={seconds}"),
            })
            .args([found, &self.corpus(target)?]);
        let finished = captured(target.name, &mut program)?;
        let stats = stats(&finished.output);
        let stat = |name: &str| stats.get(name).copied().unwrap_or(0);
        let failure = match finished.success {
            true => None,
            false => Some(self.explained(target, &finished.output)?),
        };
        Ok(Run {
            inputs: stat("number_of_executed_units"),
            per_second: stat("average_exec_per_sec"),
            failure,
        })
    }

    /// Makes the input that failed shorter, and says what it is, what it does and how to run it.
    fn explained(&self, target: &Target, output: &str) -> Outcome<String> {
        let Some(input) = written(output) else {
            return Ok(format!("{} ended without an input:\n{output}", target.name));
        };
        say(&format!(
            "  …   {}: making the input that failed shorter",
            target.name
        ));
        let shorter = input.with_extension("minimised");
        let mut minimise = self.program(target);
        minimise
            .arg("-minimize_crash=1")
            .arg(format!("-runs={MINIMISING_RUNS}"))
            .arg(format!("-exact_artifact_path={}", shorter.display()))
            .arg(&input);
        // Its own success says nothing: it ends when it finds nothing shorter.
        captured("minimising", &mut minimise)?;
        // It may be cut off while it writes, and then leaves a file that shows nothing.
        let (shortest, alone) = match self.failing_alone(target, &shorter)? {
            Some(alone) => (shorter, alone),
            None => (input.clone(), self.run_alone(target, &input)?),
        };
        let bytes = fs::read(&shortest)
            .map_err(|error| format!("{} could not be read: {error}", shortest.display()))?;
        Ok(format!(
            "{}: an input of {} bytes fails\n{}\n  in hex: {}\n  in the file: {}\n  \
             run it alone: cargo xtask fuzz --target {} --input {}",
            target.name,
            bytes.len(),
            message(&alone.output),
            hex(&bytes),
            shortest.display(),
            target.name,
            shortest.display(),
        ))
    }

    /// Runs one input, or all of a folder, once.
    fn run_alone(&self, target: &Target, input: &Path) -> Outcome<Finished> {
        let input = fs::canonicalize(input)
            .map_err(|error| format!("{} could not be found: {error}", input.display()))?;
        captured(target.name, self.program(target).arg(input))
    }

    /// Runs one input, if it is there, and returns what it printed if it fails.
    fn failing_alone(&self, target: &Target, input: &Path) -> Outcome<Option<Finished>> {
        if !input.exists() {
            return Ok(None);
        }
        let alone = self.run_alone(target, input)?;
        Ok((!alone.success).then_some(alone))
    }

    /// Puts what was found into the repository's corpus, as few inputs as reach the same, the
    /// shortest ones first.
    fn merge(&self, target: &Target) -> Outcome<()> {
        let (found, corpus) = (self.folder("found", target)?, self.corpus(target)?);
        let merged = self.folder("merged", target)?;
        clear(&merged)?;
        let mut program = self.program(target);
        program
            .arg("-set_cover_merge=1")
            .args([&merged, &corpus, &found]);
        required("the merge", &mut program)?;
        let mut files: Vec<(u64, PathBuf)> = fs::read_dir(&merged)
            .map_err(|error| format!("{} could not be read: {error}", merged.display()))?
            .filter_map(|entry| {
                let path = entry.ok()?.path();
                Some((fs::metadata(&path).ok()?.len(), path))
            })
            .collect();
        files.sort();
        clear(&corpus)?;
        let (mut count, mut bytes) = (0, 0);
        for (length, file) in &files {
            if bytes + length > MOST_CORPUS {
                break;
            }
            let name = file.file_name().unwrap_or_default();
            fs::copy(file, corpus.join(name))
                .map_err(|error| format!("{} could not be copied: {error}", file.display()))?;
            (count, bytes) = (count + 1, bytes + length);
        }
        say(&format!(
            "{:<13} {count} of {} inputs, {} bytes",
            target.name,
            files.len(),
            grouped(bytes)
        ));
        Ok(())
    }
}

/// The machine's own target, as rustc names it.
fn host() -> Outcome<String> {
    let output = Command::new("rustc").arg("-vV").output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let text = text.map_err(|error| format!("rustc could not be started: {error}"))?;
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned)
        .or_else(|| first_line("rustc", &["--print", "host-tuple"]))
        .ok_or_else(|| String::from("`rustc -vV` names no host").into())
}

fn make(folder: &Path) -> Outcome<()> {
    fs::create_dir_all(folder)
        .map_err(|error| format!("{} could not be made: {error}", folder.display()).into())
}

fn clear(folder: &Path) -> Outcome<()> {
    fs::remove_dir_all(folder)
        .map_err(|error| format!("{} could not be removed: {error}", folder.display()))?;
    make(folder)
}

/// The numbers that libFuzzer prints at its end: `stat::NAME: NUMBER`.
fn stats(output: &str) -> BTreeMap<&str, u64> {
    let stats = output
        .lines()
        .filter_map(|line| line.strip_prefix("stat::"));
    let stats = stats.filter_map(|line| line.split_once(':'));
    stats
        .filter_map(|(name, number)| Some((name, number.trim().parse().ok()?)))
        .collect()
}

/// The file that libFuzzer has written a failing input to.
fn written(output: &str) -> Option<PathBuf> {
    let mut lines = output.lines();
    lines
        .find_map(|line| line.split_once("Test unit written to "))
        .map(|(_, path)| PathBuf::from(path.trim()))
}

/// What a panic said, or why libFuzzer itself ended the run.
fn message(output: &str) -> String {
    let told = |line: &&str| {
        !line.starts_with("note:") && !line.starts_with("NOTE:") && !line.trim().is_empty()
    };
    let from = |start: &'static str| {
        let mut lines = output.lines().skip_while(move |line| !line.contains(start));
        lines.next().map(|first| (first, lines))
    };
    let Some((first, rest)) = from("panicked at").or_else(|| from("ERROR: libFuzzer")) else {
        return String::from("  (it did not fail when it ran alone)");
    };
    let rest = rest.take_while(|line| !line.starts_with("==")).filter(told);
    let mut message = format!("  {first}");
    for line in rest.take(12) {
        message.push_str("\n  ");
        message.push_str(line);
    }
    message
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in bytes.iter().take(MOST_PRINTED) {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    if bytes.len() > MOST_PRINTED {
        text.push('…');
    }
    text
}

/// A number with commas between its thousands.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::fs;
    use std::path::{Path, PathBuf};

    use super::{TARGETS, grouped, message, stats, written};

    /// What libFuzzer printed about a target that panics.
    const OUTPUT: &str = "#2\tINITED cov: 10 ft: 10\n\nthread '<unnamed>' (15909) panicked at \
        fuzz/src/lib.rs:4:82:\nassertion failed\n  left: 1\n right: 2\nnote: run with \
        `RUST_BACKTRACE=1` environment variable to display a backtrace\n==15909== ERROR: \
        libFuzzer: deadly signal\nSUMMARY: libFuzzer: deadly signal\nartifact_prefix='./'; Test \
        unit written to ./crash-c1\nBase64: ZnV6Cg==\nstat::number_of_executed_units: 4843\n\
        stat::average_exec_per_sec:     12\nstat::peak_rss_mb:              27\n";

    #[test]
    fn what_libfuzzer_prints_is_read() {
        assert_eq!(stats(OUTPUT)["number_of_executed_units"], 4843);
        assert_eq!(stats(OUTPUT)["average_exec_per_sec"], 12);
        assert_eq!(written(OUTPUT), Some(PathBuf::from("./crash-c1")));
        let message = message(OUTPUT);
        let lines: Vec<_> = message.lines().map(str::trim).collect();
        assert!(lines[0].ends_with("panicked at fuzz/src/lib.rs:4:82:"));
        assert_eq!(lines[1..], ["assertion failed", "left: 1", "right: 2"]);
    }

    #[test]
    fn numbers_are_grouped_by_thousands() {
        let texts = [7, 999, 1_000, 1_234_567].map(grouped);
        assert_eq!(texts, ["7", "999", "1,000", "1,234,567"]);
    }

    #[test]
    fn the_targets_are_those_of_the_fuzzer_and_each_has_a_corpus() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let source = fs::read_to_string(root.join("fuzz/src/lib.rs")).unwrap();
        let named = source.lines().filter_map(|line| {
            let rest = line.trim().strip_prefix("name: \"")?;
            rest.strip_suffix("\",")
        });
        let ours = TARGETS.iter().map(|target| target.name);
        assert!(named.eq(ours));
        for target in &TARGETS {
            let corpus = root.join("fuzz/corpus").join(target.name);
            assert!(
                fs::read_dir(&corpus).unwrap().count() > 0,
                "{}",
                target.name
            );
        }
    }
}
