//! `snaplight-peer`: serves a state over WebSocket. See `--help`.

#![forbid(unsafe_code)]

mod args;
mod blocks;
mod sample;

use args::{Args, Source};
use snaplight_peer::{
    Hash,
    block::{MAINNET_GENESIS, MAINNET_GENESIS_ROOT},
    chain::Chain,
    net::{Listener, log},
    session::Server,
    state::{State, States},
};
use std::{
    error::Error,
    io::{self, Write},
    process::ExitCode,
    sync::Arc,
    time::Instant,
};
use tokio::signal::unix::{SignalKind, signal};

fn main() -> ExitCode {
    let args = match Args::parse() {
        Ok(Some(args)) => args,
        Ok(None) => {
            let _ = io::stdout().write_all(args::HELP.as_bytes());
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            log(&format!("snaplight-peer: {error}\nSee --help."));
            return ExitCode::from(2);
        }
    };
    match run(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log(&format!("snaplight-peer: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn run(args: Args) -> Result<(), Box<dyn Error>> {
    let started = Instant::now();
    let state = match &args.source {
        Source::Genesis(path) => {
            let json = std::fs::read_to_string(path)
                .map_err(|error| format!("{}: {error}", path.display()))?;
            State::from_genesis(&json).map_err(|error| format!("{}: {error}", path.display()))?
        }
        Source::Recipe(recipe) => recipe.build(),
        Source::Realistic(realistic) => realistic.build(),
    };
    let (root, counts) = (state.root(), state.counts());
    log(&format!(
        "{} accounts, {} slots, {} codes in {:.1?}",
        counts.accounts,
        counts.slots,
        counts.codes,
        started.elapsed()
    ));
    let mut states = States::new(args.blocks.map_or(States::WINDOW, |blocks| blocks.keep));
    let state = Arc::new(state);
    states.push(Arc::clone(&state));
    let mut server = Server::of_chain(states);
    let (mut network_id, mut genesis) = server.network();
    if root == MAINNET_GENESIS_ROOT {
        (network_id, genesis) = (1, MAINNET_GENESIS);
    }
    network_id = args.network_id.unwrap_or(network_id);
    genesis = args.genesis_hash.unwrap_or(genesis);
    server = server.on_network(network_id, genesis);
    let head = Arc::clone(server.blocks().head());
    let recipe = match args.source {
        Source::Genesis(_) => None,
        Source::Recipe(recipe) => Some(recipe),
        Source::Realistic(realistic) => Some(realistic.names().clone()),
    };
    let sampler = recipe.map(|recipe| sample::Sampler {
        recipe,
        start: state,
    });
    let (server, chain) = match args.blocks {
        None => (Arc::new(server), None),
        Some(blocks) => {
            let chain = Chain::of(server, blocks.seed);
            (chain.server(), Some(chain))
        }
    };

    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        // Signals are handled from before the program says that it is ready.
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let listener = Listener::bind(args.listen, Arc::clone(&server), args.options).await?;
        let ready = serde_json::json!({
            "ready": true,
            "url": format!("ws://{}/", listener.local_addr()?),
            "root": hex(&root),
            "accounts": counts.accounts,
            "slots": counts.slots,
            "codes": counts.codes,
            "networkId": network_id,
            "genesisHash": hex(&genesis),
            "block": blocks::fields(&head),
        });
        blocks::print(&ready);
        let (ends, settings) = (args.exit_with_stdin, args.blocks.unwrap_or_default());
        let stdin_ended = async {
            if chain.is_some() || ends {
                let source = blocks::Source {
                    server,
                    chain,
                    sampler,
                };
                blocks::run(source, settings, blocks::stdin_lines(), ends).await;
            } else {
                std::future::pending().await
            }
        };
        let shutdown = async {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                () = stdin_ended => {}
                () = elapsed(args.max_seconds) => {}
            }
        };
        listener.run(shutdown).await;
        Ok::<(), Box<dyn Error>>(())
    })?;
    // A thread may still wait for standard input. The program does not wait for this thread.
    runtime.shutdown_background();
    Ok(())
}

async fn elapsed(seconds: Option<u64>) {
    match seconds {
        Some(seconds) => tokio::time::sleep(std::time::Duration::from_secs(seconds)).await,
        None => std::future::pending().await,
    }
}

fn hex(hash: &Hash) -> String {
    hash.iter()
        .fold("0x".to_owned(), |text, byte| text + &format!("{byte:02x}"))
}
