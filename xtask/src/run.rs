//! Running other programs: with their output shown, or kept until it is wanted.

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

/// What a program that ran to its end left behind.
pub(crate) struct Finished {
    /// Whether it ended with exit status 0.
    pub(crate) success: bool,
    /// Both its streams, line by line in the order of arrival.
    pub(crate) output: String,
}

/// After this long a quiet step says what it is at, and again each time it has passed.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// Runs a program and keeps its output. A long one shows a sign of life with its latest line.
pub(crate) fn captured(label: &str, command: &mut Command) -> Outcome<Finished> {
    let started = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| cannot_start(command, &error))?;
    let (sender, lines) = mpsc::channel();
    // One thread per stream: a program that fills the pipe nobody reads would stop for ever.
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
            // A grandchild left behind may hold the pipe open: what the program itself had to say is in.
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

/// As [`captured`], for a program that must succeed: its output is shown only when it does not.
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

/// Runs a program on this terminal.
pub(crate) fn streamed(command: &mut Command) -> Outcome<bool> {
    let status = command
        .status()
        .map_err(|error| cannot_start(command, &error))?;
    Ok(status.success())
}

/// The first line a program prints, or nothing when it is not there or fails.
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

/// One line of progress.
pub(crate) fn say(line: &str) {
    if io::stdout().is_terminal() && line.starts_with("  …") {
        println!("\x1b[2m{line}\x1b[0m");
    } else {
        println!("{line}");
    }
}

/// A command line as one could type it.
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
