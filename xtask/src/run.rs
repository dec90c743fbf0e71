//! Runs other programs, with their output shown or kept.

use std::fmt;
use std::io::{self, BufRead, BufReader, IsTerminal, Read};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

/// Why a command could not do its work: what happened, to what, and what to do about it.
#[derive(Debug)]
pub(crate) struct Failure(String);

pub(crate) type Outcome<T> = Result<T, Failure>;

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<String> for Failure {
    fn from(text: String) -> Self {
        Failure(text)
    }
}

/// The result of a program that has ended.
pub(crate) struct Finished {
    /// Whether its exit status was 0.
    pub(crate) success: bool,
    /// The lines of standard output and standard error in the order of their arrival.
    pub(crate) output: String,
}

impl Finished {
    /// In place of a program that was not run.
    pub(crate) fn nothing() -> Self {
        Finished {
            success: true,
            output: String::new(),
        }
    }
}

/// A running program's latest line is shown this often, so that a slow step does not look dead.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// Runs a program and keeps its output. Shows its latest line every [`HEARTBEAT`].
pub(crate) fn captured(label: &str, command: &mut Command) -> Outcome<Finished> {
    let started = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| cannot_start(command, &error))?;
    let (sender, lines) = mpsc::channel();
    // One thread per stream: a program blocks for ever once it has filled a pipe that nobody reads.
    for stream in [
        child.stdout.take().map(boxed),
        child.stderr.take().map(boxed),
    ]
    .into_iter()
    .flatten()
    {
        let sender = sender.clone();
        thread::spawn(move || forward(stream, &sender));
    }
    drop(sender);

    let mut output = String::new();
    let mut latest = String::new();
    let mut spoke = started;
    loop {
        match lines.recv_timeout(HEARTBEAT.saturating_sub(spoke.elapsed())) {
            Ok(line) => {
                output.push_str(&line);
                output.push('\n');
                if !line.trim().is_empty() {
                    latest = line;
                }
            }
            // The program has ended, but a process that it left behind still holds the pipe open.
            Err(RecvTimeoutError::Timeout) if matches!(child.try_wait(), Ok(Some(_))) => break,
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        if spoke.elapsed() >= HEARTBEAT {
            say(&format!(
                "  …   {label}: {} s, {}",
                started.elapsed().as_secs(),
                shortened(latest.trim())
            ));
            spoke = Instant::now();
        }
    }
    let status = child
        .wait()
        .map_err(|error| Failure(format!("{label} was lost while it ran: {error}")))?;
    Ok(Finished {
        success: status.success(),
        output,
    })
}

/// As [`captured`], for a program that must succeed. If it fails, the error contains its output.
pub(crate) fn required(label: &str, command: &mut Command) -> Outcome<Finished> {
    let finished = captured(label, command)?;
    if finished.success {
        return Ok(finished);
    }
    Err(Failure(format!(
        "{label} failed. It ran `{}` and got:\n{}",
        shown(command),
        finished.output.trim_end()
    )))
}

/// Runs a program on this terminal. Returns whether it succeeded.
pub(crate) fn streamed(command: &mut Command) -> Outcome<bool> {
    let status = command
        .status()
        .map_err(|error| cannot_start(command, &error))?;
    Ok(status.success())
}

/// The first line that a program prints. `None` if the program is missing or fails.
pub(crate) fn first_line(program: impl AsRef<Path>, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program.as_ref())
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    output
        .status
        .success()
        .then(|| text.lines().next().unwrap_or_default().trim().to_owned())
}

/// Prints a line. Lines of progress are dimmed on a terminal.
pub(crate) fn say(line: &str) {
    if io::stdout().is_terminal() && line.starts_with("  …") {
        println!("\x1b[2m{line}\x1b[0m");
    } else {
        println!("{line}");
    }
}

/// A command as it could be typed.
pub(crate) fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words
        .map(|word| word.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ")
}

fn cannot_start(command: &Command, error: &io::Error) -> Failure {
    Failure(format!(
        "{} could not be started: {error}",
        command.get_program().to_string_lossy()
    ))
}

fn boxed<R: Read + Send + 'static>(stream: R) -> Box<dyn Read + Send> {
    Box::new(stream)
}

fn forward(stream: Box<dyn Read + Send>, sender: &mpsc::Sender<String>) {
    let mut reader = BufReader::new(stream);
    let mut line = Vec::new();
    while matches!(reader.read_until(b'\n', &mut line), Ok(read) if read > 0) {
        let text = String::from_utf8_lossy(&line).trim_end().to_owned();
        line.clear();
        if sender.send(text).is_err() {
            break;
        }
    }
}

fn shortened(line: &str) -> String {
    const WIDTH: usize = 90;
    match line.char_indices().nth(WIDTH) {
        Some((at, _)) => format!("{}…", &line[..at]),
        None => line.to_owned(),
    }
}
