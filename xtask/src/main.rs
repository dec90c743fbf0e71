//! The developer's commands: `cargo xtask help` lists them.
//!
//! Rust prepares (tools, the package, the native peer) and judges; what happens in a browser is run by the Node scripts in
//! `xtask/node/`, which the end-to-end tests share. Every command installs what it lacks and says so.

#![forbid(unsafe_code)]

mod arguments;
mod bench;
mod counts;
mod demo;
mod go;
mod kills;
mod package;
mod run;
mod sim;
mod sources;
mod suite;
mod tools;
mod workspace;

use std::env;
use std::process::ExitCode;

use arguments::Arguments;
use run::Outcome;
use workspace::Workspace;

const HELP: &str = "\
Snaplight's commands. Each installs what it lacks, and is quick the second time.

  cargo xtask demo    See it work: starts two native peers with Ethereum mainnet's genesis state and a page that
                      syncs it into IndexedDB, and opens the page.
      --headless              run the page in headless Chromium, print progress and result, save target/demo.png
      --state genesis         the mainnet genesis state, 8,893 accounts (the default)
      --state generated:N     a generated state of N accounts, some of them contracts
      --chain                 follow a chain instead: two native peers, 100,000 accounts, a block each two seconds;
                              headless: ten blocks, a kill, a second tab, 300 accounts compared; target/demo-chain.png
      --geth                  the same with a real go-ethereum node behind the gateway, a block a second (needs Go
                              1.25); headless: compared with the node's own eth_getProof; target/demo-geth.png
      --blocks N --kills N --keys N   headless, of a chain: 100, 2 and 1000 are what docs/testing.md runs; every second kill is
                              of the whole browser
      --port PORT             serve the page there instead of on any free port

  cargo xtask test    Everything that must hold: formatting, lints, native tests, tests in headless Chromium, the
                      package's types, and the built package in Node and in a real page; where Go 1.25 is, also the gateway, and
                      pages on a real go-ethereum node. The last line counts it all.

  cargo xtask sim     Simulated worlds, in optimised code on all cores: moving roots, vicious peers, kills, damage. Each is
                      made from its seed; the seeds of those that fail are printed.
      --seeds N               worlds to run (2,500 unless told)
      --from S                the first one's seed (0 unless told)
      --seed S                run one world alone, and tell its story

  cargo xtask kills   Headless Chromium, killed (SIGKILL, every process) at random moments in one throttled sync while the root
                      moves. What each kill cost is printed; the end is compared with the true state. Some minutes.
      --backend NAME          Chromium's IndexedDB: leveldb, sqlite, or both one after the other (the default)
      --kills N               how often (20 unless told)
      --accounts N            of the state (200,000 unless told)
      --seed S                other moments (1 unless told)
      --full-speed            no throttle; a sync that comes to its end is followed by another one
      --json FILE             write all figures there

  cargo xtask bench   The figures: speed, records, bytes, memory, processor time and size. First of a realistic state, with plain
                      accounts beside it; where Go 1.25 is, also go-ethereum's on the same states, with one and two cores.
      --json FILE             write all of them there, each run by itself
      --realistic N           accounts of the realistic state (100,000 unless told)
      --accounts N            plain accounts (1,000,000 unless told; smaller is quicker and says less)
      --runs N                runs whose medians are printed (3 unless told)
      --only GROUP            one group: kernel, sync, records, memory, heal, geth or size; geth needs Go and is kernel and
                              sync, in turns with go-ethereum, and the gateway

  cargo xtask build   The npm package in pkg/, as it is published (wasm-pack, then wasm-opt), with its sizes.
      --fast                  without command-line tools and without wasm-opt; this is what the demo uses

  cargo xtask help    This text.
";

fn main() -> ExitCode {
    let mut words = env::args().skip(1);
    let command = words.next();
    let mut arguments = Arguments::new(words);
    match dispatch(command.as_deref(), &mut arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(failure) => {
            eprintln!("\ncargo xtask: {failure}");
            ExitCode::FAILURE
        }
    }
}

/// Whether the command reached its goal; an error is a reason why it could not be tried.
fn dispatch(command: Option<&str>, arguments: &mut Arguments) -> Outcome<bool> {
    match command {
        None | Some("help" | "--help" | "-h") => {
            print!("{HELP}");
            Ok(true)
        }
        Some("build") => package::command(&Workspace::find()?, arguments),
        Some("demo") => demo::command(&Workspace::find()?, arguments),
        Some("test") => suite::command(&Workspace::find()?, arguments),
        Some("kills") => kills::command(&Workspace::find()?, arguments),
        Some("sim") => sim::command(&Workspace::find()?, arguments),
        Some("bench") => bench::command(&Workspace::find()?, arguments),
        Some(other) => {
            eprint!("{HELP}");
            Err(format!("there is no command \"{other}\"; the list is above").into())
        }
    }
}
