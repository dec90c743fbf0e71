//! `--chain`: makes blocks on a timer and on demand and prints a line of JSON for each. Also
//! carries out the other orders on standard input.

use crate::{hex, sample::Sampler};
use serde_json::{Value, json};
use snaplight_peer::{
    block::Block,
    chain::{Chain, Change, NewBlock},
    net::log,
    session::Server,
    state::{State, States},
};
use std::{
    fs::File,
    io::{self, BufRead, BufWriter, Write},
    sync::Arc,
    time::Duration,
};
use tokio::{sync::mpsc, time};

/// Size of the write buffer of an export, in bytes. Chosen without a measurement.
const EXPORT_BUFFER: usize = 1 << 18;

/// How blocks are made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Blocks {
    /// Time between two blocks. `None` makes blocks on demand only.
    pub(crate) every: Option<Duration>,
    /// The share of the state that each block changes, 0 to 1.
    pub(crate) change: f64,
    /// How many state roots are served.
    pub(crate) keep: usize,
    pub(crate) seed: u64,
    /// Whether a share is meant as in [`Change::realistic`].
    pub(crate) is_realistic: bool,
}

/// What the orders are carried out on.
pub(crate) struct Source {
    pub(crate) server: Arc<Server>,
    /// `None` if the state does not change.
    pub(crate) chain: Option<Chain>,
    /// `None` if the accounts' addresses are not known.
    pub(crate) sampler: Option<Sampler>,
}

impl Default for Blocks {
    fn default() -> Blocks {
        Blocks {
            every: None,
            change: 0.001,
            keep: States::WINDOW,
            seed: 1,
            is_realistic: false,
        }
    }
}

/// The lines of standard input. The channel closes when standard input ends.
pub(crate) fn stdin_lines() -> mpsc::Receiver<String> {
    // Bounded: whoever writes faster than blocks are made has to wait.
    let (sender, lines) = mpsc::channel(16);
    std::thread::spawn(move || {
        for line in io::stdin().lock().split(b'\n') {
            let Ok(line) = line else { break };
            let line = String::from_utf8_lossy(&line).into_owned();
            if sender.blocking_send(line).is_err() {
                break;
            }
        }
    });
    lines
}

/// Makes blocks until standard input ends, or for ever if `ends` is false.
pub(crate) async fn run(
    source: Source,
    blocks: Blocks,
    mut lines: mpsc::Receiver<String>,
    ends: bool,
) {
    let Source {
        server,
        mut chain,
        sampler,
    } = source;
    let mut timer = blocks.every.map(|every| {
        let mut timer = time::interval_at(time::Instant::now() + every, every);
        timer.set_missed_tick_behavior(time::MissedTickBehavior::Delay);
        timer
    });
    let mut stdin_open = true;
    loop {
        let tick = async {
            match (&mut timer, &chain) {
                (Some(timer), Some(_)) => timer.tick().await,
                _ => std::future::pending().await,
            }
        };
        let changes = tokio::select! {
            _ = tick => Some(Changes::Share(blocks.change)),
            line = lines.recv(), if stdin_open => match line {
                Some(line) => match on_demand(&line, blocks.change) {
                    Some(Order::Block(changes)) => Some(changes),
                    Some(Order::Sample(count)) => {
                        sample(sampler.as_ref(), chain.as_ref(), count);
                        None
                    }
                    Some(Order::Export(file)) => {
                        let head = server.head();
                        // An export of a large state takes seconds.
                        let told = tokio::task::spawn_blocking(move || export(&head, &file)).await;
                        print(&told.unwrap_or_else(|error| json!({ "error": error.to_string() })));
                        None
                    }
                    Some(Order::Genesis(file)) => {
                        print(&genesis(sampler.as_ref(), &file));
                        None
                    }
                    None => None,
                },
                None if ends => return,
                None => {
                    stdin_open = false;
                    None
                }
            },
        };
        let Some(changes) = changes else { continue };
        let Some(mut growing) = chain.take() else {
            continue;
        };
        // Connections are served meanwhile, so this runs on a thread of its own.
        let made = tokio::task::spawn_blocking(move || {
            let new = match changes {
                Changes::Share(share) if blocks.is_realistic => {
                    let counts = growing.server().head().counts();
                    growing.advance(&Change::realistic(counts, share))
                }
                Changes::Share(share) => growing.advance_by(share),
                Changes::Exact(change) => growing.advance(&change),
            };
            (growing, new)
        });
        match made.await {
            Ok((grown, new)) => {
                print(&of_block(&new));
                chain = Some(grown);
            }
            Err(error) => log(&format!("no more blocks: {error}")),
        }
    }
}

/// An order on standard input.
enum Order {
    /// Make a block.
    Block(Changes),
    /// Print this many accounts as they are now.
    Sample(u64),
    /// Write the newest state to this file.
    Export(String),
    /// Write the first state to this file, with the names of accounts and slots.
    Genesis(String),
}

/// What a block changes.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Changes {
    /// This share of everything.
    Share(f64),
    /// Exactly these numbers of things.
    Exact(Change),
}

/// Reads `values=N insert=N delete=N slots=N contracts=N delegations=N`, or some of them.
fn change(words: &[&str]) -> Option<Change> {
    let mut change = Change::default();
    for word in words {
        let (name, count) = word.split_once('=')?;
        *match name {
            "values" => &mut change.values,
            "insert" => &mut change.insert,
            "delete" => &mut change.delete,
            "slots" => &mut change.slots,
            "contracts" => &mut change.contracts,
            "delegations" => &mut change.delegations,
            _ => return None,
        } = count.parse().ok()?;
    }
    Some(change)
}

/// Reads `block`, `block SHARE`, `block` with numbers as in [`change`], `sample N`, `export FILE`
/// or `genesis FILE`.
fn on_demand(line: &str, usual: f64) -> Option<Order> {
    if let Some(file) = line.trim().strip_prefix("genesis ") {
        return Some(Order::Genesis(file.trim().to_owned()));
    }
    if let Some(file) = line.trim().strip_prefix("export ") {
        return Some(Order::Export(file.trim().to_owned()));
    }
    let words: Vec<&str> = line.split_whitespace().collect();
    let order = match words.as_slice() {
        [] => return None,
        ["block"] => Some(Order::Block(Changes::Share(usual))),
        ["block", counts @ ..] if line.contains('=') => {
            change(counts).map(|change| Order::Block(Changes::Exact(change)))
        }
        ["block", share] => share
            .parse()
            .ok()
            .map(|share| Order::Block(Changes::Share(share))),
        ["sample", count] => count.parse().ok().map(Order::Sample),
        _ => None,
    };
    if order.is_none() {
        log(&format!(
            "{line:?} is no order; orders are: block [SHARE], block with values=N, insert=N, \
             delete=N, slots=N, contracts=N or delegations=N, sample N, export FILE, genesis FILE"
        ));
    }
    order
}

fn sample(sampler: Option<&Sampler>, chain: Option<&Chain>, count: u64) {
    let (Some(sampler), Some(chain)) = (sampler, chain) else {
        log("no sample: the addresses are only known in a chain of generated states");
        return;
    };
    let head = chain.head();
    if let Some(state) = chain.state(&head.header.state_root) {
        let counts = state.counts();
        print(&json!({
            "sample": sampler.take(&state, count),
            "block": fields(&head),
            "accounts": counts.accounts,
            "slots": counts.slots,
        }));
    }
}

/// Writes a state to a file. Returns the line to print about it.
fn export(state: &State, file: &str) -> Value {
    write(state, file, |out| state.export(out))
}

/// Writes the first state to a file with the names of accounts and slots. Returns the line to print
/// about it.
fn genesis(sampler: Option<&Sampler>, file: &str) -> Value {
    match sampler {
        Some(Sampler { recipe, start }) => {
            write(start, file, |out| start.write_genesis(recipe, out))
        }
        None => json!({ "error": "the addresses are only known of generated states" }),
    }
}

fn write(
    state: &State,
    file: &str,
    write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> Value {
    let written = File::create(file).and_then(|created| {
        let mut out = BufWriter::with_capacity(EXPORT_BUFFER, created);
        write(&mut out)?;
        out.flush()
    });
    let counts = state.counts();
    match written {
        Ok(()) => json!({
            "exported": file,
            "root": hex(&state.root()),
            "accounts": counts.accounts,
            "slots": counts.slots,
            "codes": counts.codes,
        }),
        Err(error) => json!({ "error": format!("{file}: {error}") }),
    }
}

/// A block's number, hash, state root and time.
pub(crate) fn fields(block: &Block) -> Value {
    json!({
        "number": block.header.number,
        "hash": hex(&block.hash),
        "stateRoot": hex(&block.header.state_root),
        "timestamp": block.header.timestamp,
    })
}

fn of_block(new: &NewBlock) -> Value {
    let mut line = fields(&new.block);
    let changed = &new.changed;
    for (name, count) in [
        ("changedAccounts", changed.accounts),
        ("changedSlots", changed.slots),
        ("changedNodes", changed.nodes),
        ("changedNodeBytes", changed.node_bytes),
        ("changedCodes", changed.codes),
        ("changedCodeBytes", changed.code_bytes),
    ] {
        line[name] = count.into();
    }
    line
}

/// Prints a line on standard output. If nobody reads it any more, the peer goes on serving.
pub(crate) fn print(line: &Value) {
    let mut stdout = io::stdout();
    if writeln!(stdout, "{line}")
        .and_then(|()| stdout.flush())
        .is_err()
    {
        log("nobody reads standard output");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_orders_a_block_by_share_or_by_counts() {
        let block = |line: &str| match on_demand(line, 0.5) {
            Some(Order::Block(changes)) => Some(changes),
            _ => None,
        };
        assert_eq!(block("block"), Some(Changes::Share(0.5)));
        assert_eq!(block("block 0.01"), Some(Changes::Share(0.01)));
        let change = Change {
            values: 3,
            delete: 2,
            ..Change::default()
        };
        assert_eq!(
            block("block values=3 delete=2"),
            Some(Changes::Exact(change))
        );
        assert_eq!(block("block other=3"), None);
        assert_eq!(block("block more"), None);
    }
}
