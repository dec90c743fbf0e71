//! The developer's commands: `cargo xtask help` lists them.
//!
//! This program prepares the tools, the package and the native peer, and judges the results. The
//! Node scripts in `xtask/node/` run what happens in a browser; the end-to-end tests use them too.
//! Each command installs what is missing and says so.

#![forbid(unsafe_code)]

mod arguments;
mod bench;
mod by_hash;
mod counts;
mod demo;
mod fuzz;
mod go;
mod kills;
mod package;
mod release;
mod run;
mod sim;
mod sources;
mod suite;
mod toolchains;
mod tools;
mod workspace;

use std::env;
use std::process::ExitCode;

use arguments::Arguments;
use run::Outcome;
use workspace::Workspace;

const HELP: &str = "\
Snaplight's commands. Each one installs what is missing. The second run is quick.

  cargo xtask demo    Shows it at work. Starts two native peers with Ethereum mainnet's genesis
                      state and a page that syncs this state into IndexedDB, and opens the page.
      --headless              run the page in headless Chromium, print progress and the result, and
                              save target/demo.png
      --state genesis         mainnet's genesis state, 8,893 accounts (the default)
      --state generated:N     a generated state of N accounts, some of them contracts
      --by-hash               the peers answer by hash only, as old nodes do: every trie node and
                              code comes from GetNodeData. Headless: says how many came, and saves
                              target/demo-by-hash.png
      --chain                 follow a chain instead: two native peers, 100,000 accounts, a block
                              every two seconds. Headless: ten blocks, a kill, a second tab, 300
                              accounts compared, target/demo-chain.png
      --geth                  follow a real go-ethereum node behind the gateway instead, a block a
                              second (needs Go 1.25). Headless: compared with the node's own
                              eth_getProof, target/demo-geth.png
      --wallet                a watch list over a provider instead, kept proven while the chain moves:
                              a real go-ethereum node, a block a second (without Go, a chain of the
                              command's own). The page has switches that pull the plug and that make
                              the provider lie. Headless: both of them, reloads, values compared with
                              the node's own, target/demo-wallet.png
      --provider URL          with --wallet: your own provider instead of a node (http, https, ws or
                              wss). It learns the addresses that are watched
      --blocks N --kills N --keys N
                              headless, with --chain or --geth: how many blocks, kills and compared
                              keys. docs/testing.md uses 100, 2 and 1000. Every second kill ends the
                              whole browser
      --port PORT             serve the page on this port instead of any free one

  cargo xtask test    Runs all checks: formatting, lints, which file may import which,
                      documentation, licences, native tests, tests in headless Chromium, the
                      package's types, and the built package in Node and in a real page. Where Go
                      1.25 is installed, also the gateway, and pages on a real go-ethereum node. The
                      last line adds everything up.
      --only STEP             run one step. The steps are formatting, imports, lints, lints-wasm,
                              docs, docs-wasm, deny, native, worlds, fuzz, genesis, browser,
                              browser-firefox, package, types, gateway, e2e, firefox and toolchains.
                              Those in Firefox are skipped where it, or its WebDriver for the first
                              of them, is not installed. The step deny checks licences and
                              dependencies against deny.toml; it is skipped where cargo-deny is not
                              installed (`cargo install cargo-deny --locked`)

  cargo xtask toolchains
                      Installs the package in a project of each toolchain that docs/toolchains.md
                      names, builds it, and opens it in headless Chromium. SvelteKit and Nuxt need
                      Node 22: SNAPLIGHT_NODE may say where it is. Takes some minutes.
      --only WORDS            only what has these words in its name, such as Vite

  cargo xtask sim     Runs simulated worlds in optimised code on all cores: moving roots, faulty
                      peers, slow lines, kills, damage. A world is made from its seed. The seeds of failed
                      worlds are printed.
      --seeds N               how many worlds to run (default 2,500)
      --from S                the first world's seed (default 0)
      --seed S                run one world and print its log
      --sets                  all worlds hold sets, instead of a third of them
      --lines                 instead, run the large syncs of tests/sync/lines.rs and hostile.rs, and
                              print their virtual times against what the lines could carry

  cargo xtask fuzz    Looks for inputs that break something: libFuzzer, guided by which branches an
                      input takes. Each target compares what Snaplight takes for true with an
                      independent implementation. An input that fails is made shorter and printed.
                      What is found is kept in target/fuzz. Needs a C++ compiler.
      --minutes N             how long, for all targets together (default 1)
      --target T              one target. The targets are wire, handshake, headers, records, pages,
                              range_proofs, providers, databases and engine
      --runs N                so many inputs for each target, instead of a time
      --seed S                the seed of libFuzzer's choices (default 1)
      --input FILE            run one input of a target and print what it does
      --merge                 put what was found into the corpus of the repository, fuzz/corpus

  cargo xtask kills   Kills headless Chromium (SIGKILL to every process) at random moments of one
                      throttled sync while the root moves. Prints what each kill cost, and compares
                      the end with the true state. Takes some minutes.
      --backend NAME          Chromium's IndexedDB: leveldb, sqlite, or both one after the other
                              (the default); or firefox, to kill Firefox instead
      --kills N               how many kills (default 20)
      --accounts N            accounts of the state (default 200,000)
      --seed S                the seed of the moments (default 1)
      --full-speed            no throttle; when a sync completes, another one follows
      --json FILE             write all figures to this file

  cargo xtask by-hash Syncs a tab by hash from a real go-ethereum 1.10.26 behind the gateway: alone,
                      beside a peer by snap, and after that peer has left. Compares accounts, slots
                      and codes with the node's own eth_getProof and eth_getCode. Then measures syncs
                      by hash against go-ethereum's own scheduler and against syncs by snap, what
                      they receive, and what their time is spent on (needs Go 1.25; some minutes).
      --accounts N            accounts of the state that is compared, a quarter of them contracts
                              (default 10,000)
      --keys N                how many accounts and slots are compared after each sync (default
                              1,000)
      --measured N            accounts of the states that are measured (default 20,000)
      --only PART             one part: proof or figures
      --json FILE             write all figures, also those of each run, to this file

  cargo xtask bench   Measures speed, records, bytes, memory, processor time and size, on a
                      realistic state and on plain accounts. Where Go 1.25 is installed, also
                      go-ethereum on the same states, with one core and with two.
      --json FILE             write all figures to this file, one entry for each run
      --realistic N           accounts of the realistic state (default 100,000)
      --accounts N            plain accounts (default 1,000,000; fewer are quicker and say less)
      --runs N                how many runs the medians are taken of (default 3)
      --only GROUP            one group: kernel, sync, records, memory, heal, geth or size. The
                              group geth needs Go: it is kernel and sync, in turns with go-ethereum,
                              and the gateway

  cargo xtask build   Builds the npm package in pkg/ as it is published (wasm-bindgen, wasm-opt),
                      and prints its sizes.
      --fast                  without command-line tools and without wasm-opt, as the demo does

  cargo xtask release Says how a version is published: by a tag, not from here.
      --dry-run               checks what has to hold before: version, changelog, git, sizes, types and
                              licence texts. Builds and packs the package, installs the tarball in a
                              project of its own, and syncs by it in Node and in headless Chromium

  cargo xtask help    Prints this text.
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

/// Runs a command. `Ok` says whether it reached its goal; an error says why it could not be tried.
fn dispatch(command: Option<&str>, arguments: &mut Arguments) -> Outcome<bool> {
    match command {
        None | Some("help" | "--help" | "-h") => {
            print!("{HELP}");
            Ok(true)
        }
        Some("build") => package::command(&Workspace::find()?, arguments),
        Some("release") => release::command(&Workspace::find()?, arguments),
        Some("demo") => demo::command(&Workspace::find()?, arguments),
        Some("test") => suite::command(&Workspace::find()?, arguments),
        Some("kills") => kills::command(&Workspace::find()?, arguments),
        Some("fuzz") => fuzz::command(&Workspace::find()?, arguments),
        Some("sim") => sim::command(&Workspace::find()?, arguments),
        Some("by-hash") => by_hash::command(&Workspace::find()?, arguments),
        Some("toolchains") => toolchains::command(&Workspace::find()?, arguments),
        Some("bench") => bench::command(&Workspace::find()?, arguments),
        Some(other) => {
            eprint!("{HELP}");
            Err(format!("there is no command \"{other}\"; the list is above").into())
        }
    }
}
