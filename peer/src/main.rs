//! `snaplight-peer`: serves a state over WebSocket. See `--help`.

mod args;

use args::{Args, Source};
use snaplight_peer::{
    Hash,
    block::{MAINNET_GENESIS, MAINNET_GENESIS_ROOT},
    net::{Listener, log},
    session::Server,
    state::State,
};
use std::{
    error::Error,
    io::{self, Read, Write},
    process::ExitCode,
    sync::Arc,
    time::Instant,
};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::oneshot,
};

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
    };
    let (root, counts) = (state.root(), state.counts());
    log(&format!(
        "{} accounts, {} slots, {} codes in {:.1?}",
        counts.accounts,
        counts.slots,
        counts.codes,
        started.elapsed()
    ));
    let mut server = Server::new(state);
    let (mut network_id, mut genesis) = server.network();
    if root == MAINNET_GENESIS_ROOT {
        (network_id, genesis) = (1, MAINNET_GENESIS);
    }
    network_id = args.network_id.unwrap_or(network_id);
    genesis = args.genesis_hash.unwrap_or(genesis);
    server = server.on_network(network_id, genesis);
    let head = Arc::clone(server.blocks().head());

    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        // Before anybody can know that we run.
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let stdin_closed = watch_stdin(args.exit_with_stdin);
        let listener = Listener::bind(args.listen, Arc::new(server), args.options).await?;
        let ready = serde_json::json!({
            "ready": true,
            "url": format!("ws://{}/", listener.local_addr()?),
            "root": hex(&root),
            "accounts": counts.accounts,
            "slots": counts.slots,
            "codes": counts.codes,
            "networkId": network_id,
            "genesisHash": hex(&genesis),
            "block": {
                "number": head.header.number,
                "hash": hex(&head.hash),
                "stateRoot": hex(&root),
            },
        });
        let mut stdout = io::stdout();
        writeln!(stdout, "{ready}")?;
        stdout.flush()?;
        let shutdown = async {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                Ok(()) = stdin_closed => {}
                () = elapsed(args.max_seconds) => {}
            }
        };
        listener.run(shutdown).await;
        Ok::<(), Box<dyn Error>>(())
    })?;
    // A thread may still wait for standard input; nothing waits for the thread.
    runtime.shutdown_background();
    Ok(())
}

/// Ready when standard input ends; an error, which is never awaited for, if nobody watches it.
fn watch_stdin(watch: bool) -> oneshot::Receiver<()> {
    let (closed, watching) = oneshot::channel();
    if watch {
        std::thread::spawn(move || {
            let mut stdin = io::stdin().lock();
            let mut scrap = [0; 1024];
            while stdin.read(&mut scrap).is_ok_and(|count| count > 0) {}
            let _ = closed.send(());
        });
    }
    watching
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
