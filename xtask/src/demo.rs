//! `cargo xtask demo`: sets up the demo's page and its peers, and runs them.

use std::time::Instant;

use crate::arguments::Arguments;
use crate::go;
use crate::package;
use crate::run::{Outcome, say, streamed};
use crate::sources;
use crate::tools;
use crate::workspace::Workspace;

pub(crate) fn command(workspace: &Workspace, arguments: &mut Arguments) -> Outcome<bool> {
    let started = Instant::now();
    let headless = arguments.flag("--headless");
    let shown = Shown::from(arguments)?;
    let by_hash = by_hash(arguments, &shown)?;
    let port = arguments.number("--port")?;
    let mut plan = Vec::new();
    for name in ["--blocks", "--kills", "--keys"] {
        if let Some(number) = arguments.number(name)? {
            plan.push(format!("{name}={number}"));
        }
    }
    arguments.finish()?;
    let follows_chain = headless && matches!(shown, Shown::Chain | Shown::Geth);
    if !plan.is_empty() && !follows_chain {
        return Err(String::from(
            "--blocks, --kills and --keys need --headless and one of --chain and --geth",
        )
        .into());
    }

    tools::node()?;
    let browser = if headless {
        Some(tools::browser()?)
    } else {
        None
    };
    // Downloads come before the long compilation, so that a machine without a network fails early.
    tools::npm_packages(workspace, &workspace.node)?;
    let source = match &shown {
        Shown::Genesis => format!(
            "--genesis={}",
            sources::mainnet_genesis(workspace)?.display()
        ),
        Shown::Generated(accounts) => format!("--state-of={accounts}"),
        Shown::Chain => String::from("--chain"),
        Shown::Geth => String::from("--geth"),
        Shown::Wallet(_) => String::from("--wallet"),
    };
    match &shown {
        Shown::Geth => go::programs(workspace)?,
        Shown::Wallet(None) => match go::missing() {
            // The test provider's chain takes the node's place.
            Some(why) => say(&format!("go-ethereum cannot be built here: {why}")),
            None => go::programs(workspace)?,
        },
        Shown::Wallet(Some(_)) => {}
        _ => drop(sources::peer(workspace)?),
    }
    package::build_fast(workspace)?;
    say(&format!(
        "everything is ready after {:.0} s\n",
        started.elapsed().as_secs_f64()
    ));

    let mut demo = sources::script(workspace, "demo.mjs", browser.as_ref());
    demo.arg(source);
    if let Shown::Wallet(Some(provider)) = &shown {
        demo.arg(format!("--provider={provider}"));
    }
    if by_hash {
        demo.arg("--by-hash");
    }
    if headless {
        demo.arg("--headless").args(plan);
    }
    if let Some(port) = port {
        demo.arg(format!("--port={port}"));
    }
    let reached = streamed(&mut demo)?;
    if headless {
        say(&format!(
            "cargo xtask demo took {:.0} s in all",
            started.elapsed().as_secs_f64()
        ));
    }
    Ok(reached)
}

/// Whether the peers answer by hash only.
fn by_hash(arguments: &mut Arguments, shown: &Shown) -> Outcome<bool> {
    match (arguments.flag("--by-hash"), shown) {
        (true, Shown::Chain | Shown::Geth | Shown::Wallet(_)) => {
            let words = "--by-hash goes with --state, not with --chain, --geth or --wallet";
            Err(String::from(words).into())
        }
        (by_hash, _) => Ok(by_hash),
    }
}

/// What the page syncs.
enum Shown {
    /// Mainnet's genesis state.
    Genesis,
    /// A generated state with this number of accounts.
    Generated(String),
    /// The growing chain of native peers.
    Chain,
    /// The chain of go-ethereum behind the gateway.
    Geth,
    /// A watch list over a provider: this URL's, or a local node's.
    Wallet(Option<String>),
}

impl Shown {
    fn from(arguments: &mut Arguments) -> Outcome<Shown> {
        let (chain, geth) = (arguments.flag("--chain"), arguments.flag("--geth"));
        let wallet = arguments.flag("--wallet");
        let state = arguments.value("--state")?;
        let provider = arguments.value("--provider")?;
        if wallet {
            return match (chain, geth, state) {
                (false, false, None) => provider.map(checked).transpose().map(Shown::Wallet),
                _ => Err(String::from("--wallet excludes --chain, --geth and --state").into()),
            };
        }
        if provider.is_some() {
            return Err(String::from("--provider goes with --wallet").into());
        }
        match (chain, geth, state.as_deref()) {
            (true, false, None) => Ok(Shown::Chain),
            (false, true, None) => Ok(Shown::Geth),
            (false, false, None | Some("genesis")) => Ok(Shown::Genesis),
            (false, false, Some(state)) => match state.strip_prefix("generated:") {
                Some(accounts) => Ok(Shown::Generated(accounts.replace(['_', ','], ""))),
                None => Err(
                    format!("--state is \"genesis\" or \"generated:N\", not \"{state}\"").into(),
                ),
            },
            _ => Err(String::from("--chain, --geth and --state exclude each other").into()),
        }
    }
}

/// A provider's URL, if it begins like one.
fn checked(provider: String) -> Outcome<String> {
    let schemes = ["http://", "https://", "ws://", "wss://"];
    match schemes.iter().any(|scheme| provider.starts_with(scheme)) {
        true => Ok(provider),
        false => Err(format!(
            "--provider needs a URL with http://, https://, ws:// or wss://, not \"{provider}\""
        )
        .into()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::{Shown, by_hash};
    use crate::arguments::Arguments;

    fn shown(line: &str) -> Option<Shown> {
        Shown::from(&mut Arguments::new(
            line.split_whitespace().map(str::to_owned),
        ))
        .ok()
    }

    #[test]
    fn one_chain_or_state_is_shown_and_mainnets_genesis_state_by_default() {
        assert!(matches!(shown(""), Some(Shown::Genesis)));
        assert!(matches!(shown("--state genesis"), Some(Shown::Genesis)));
        assert!(
            matches!(shown("--state=generated:1_000"), Some(Shown::Generated(accounts)) if accounts == "1000")
        );
        assert!(matches!(shown("--chain"), Some(Shown::Chain)));
        assert!(matches!(shown("--geth"), Some(Shown::Geth)));
        assert!(shown("--chain --geth").is_none());
        assert!(shown("--chain --state genesis").is_none());
        assert!(shown("--state other").is_none());
    }

    #[test]
    fn a_wallets_watch_list_needs_no_provider_and_takes_the_url_of_one() {
        assert!(matches!(shown("--wallet"), Some(Shown::Wallet(None))));
        assert!(
            matches!(shown("--wallet --provider https://rpc.example/key"), Some(Shown::Wallet(Some(url))) if url == "https://rpc.example/key")
        );
        assert!(shown("--wallet --provider rpc.example").is_none());
        assert!(shown("--provider https://rpc.example").is_none());
        for other in ["--chain", "--geth", "--state genesis"] {
            assert!(shown(&format!("--wallet {other}")).is_none());
        }
    }

    #[test]
    fn a_state_can_come_by_hash_and_a_chain_cannot() {
        let words = || std::iter::once(String::from("--by-hash"));
        let asked = |shown| by_hash(&mut Arguments::new(words()), &shown);
        assert!(asked(Shown::Genesis).unwrap());
        assert!(asked(Shown::Generated(String::from("5"))).unwrap());
        assert!(asked(Shown::Chain).is_err());
        assert!(asked(Shown::Geth).is_err());
        assert!(asked(Shown::Wallet(None)).is_err());
        assert!(!by_hash(&mut Arguments::new(std::iter::empty()), &Shown::Chain).unwrap());
    }
}
