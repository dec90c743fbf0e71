//! `cargo xtask demo`: the page, its peers and all their set-up.

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
    let what = What::from(arguments)?;
    let port = arguments.number("--port")?;
    let mut plan = Vec::new();
    for name in ["--blocks", "--kills", "--keys"] {
        if let Some(number) = arguments.number(name)? {
            plan.push(format!("{name}={number}"));
        }
    }
    arguments.finish()?;
    let is_counted = headless && matches!(what, What::Chain | What::Geth);
    if !plan.is_empty() && !is_counted {
        return Err(String::from(
            "--blocks, --kills and --keys go with --headless and one of --chain and --geth",
        )
        .into());
    }

    tools::node()?;
    let browser = if headless {
        Some(tools::browser()?)
    } else {
        None
    };
    // What needs a network comes before the long compilation, so that a machine without one fails early.
    tools::npm_packages(workspace, &workspace.node)?;
    let source = match &what {
        What::Genesis => format!(
            "--genesis={}",
            sources::mainnet_genesis(workspace)?.display()
        ),
        What::Generated(accounts) => format!("--state-of={accounts}"),
        What::Chain => String::from("--chain"),
        What::Geth => String::from("--geth"),
    };
    match what {
        What::Geth => go::programs(workspace)?,
        _ => drop(sources::peer(workspace)?),
    }
    package::build_fast(workspace)?;
    say(&format!(
        "everything is ready after {:.0} s\n",
        started.elapsed().as_secs_f64()
    ));

    let mut demo = sources::script(workspace, "demo.mjs", browser.as_ref());
    demo.arg(source);
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

/// What the page is shown with.
enum What {
    /// Mainnet's genesis state.
    Genesis,
    /// So many made-up accounts.
    Generated(String),
    /// Native peers whose chain grows.
    Chain,
    /// go-ethereum behind the gateway.
    Geth,
}

impl What {
    fn from(arguments: &mut Arguments) -> Outcome<What> {
        let (chain, geth) = (arguments.flag("--chain"), arguments.flag("--geth"));
        let state = arguments.value("--state")?;
        match (chain, geth, state.as_deref()) {
            (true, false, None) => Ok(What::Chain),
            (false, true, None) => Ok(What::Geth),
            (false, false, None | Some("genesis")) => Ok(What::Genesis),
            (false, false, Some(state)) => match state.strip_prefix("generated:") {
                Some(accounts) => Ok(What::Generated(accounts.replace(['_', ','], ""))),
                None => Err(
                    format!("--state is \"genesis\" or \"generated:N\", not \"{state}\"").into(),
                ),
            },
            _ => Err(String::from("--chain, --geth and --state exclude each other").into()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::What;
    use crate::arguments::Arguments;

    fn what(line: &str) -> Option<What> {
        What::from(&mut Arguments::new(
            line.split_whitespace().map(str::to_owned),
        ))
        .ok()
    }

    #[test]
    fn one_thing_is_shown_and_the_genesis_state_unless_told() {
        assert!(matches!(what(""), Some(What::Genesis)));
        assert!(matches!(what("--state genesis"), Some(What::Genesis)));
        assert!(
            matches!(what("--state=generated:1_000"), Some(What::Generated(accounts)) if accounts == "1000")
        );
        assert!(matches!(what("--chain"), Some(What::Chain)));
        assert!(matches!(what("--geth"), Some(What::Geth)));
        assert!(what("--chain --geth").is_none());
        assert!(what("--chain --state genesis").is_none());
        assert!(what("--state other").is_none());
    }
}
