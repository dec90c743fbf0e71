//! `cargo xtask demo`: the page, two peers and all their set-up.

use std::time::Instant;

use crate::arguments::Arguments;
use crate::package;
use crate::run::{Outcome, say, streamed};
use crate::sources;
use crate::tools;
use crate::workspace::Workspace;

pub(crate) fn command(workspace: &Workspace, arguments: &mut Arguments) -> Outcome<bool> {
    let started = Instant::now();
    let headless = arguments.flag("--headless");
    let state = arguments
        .value("--state")?
        .unwrap_or_else(|| String::from("genesis"));
    let port = arguments.number("--port")?;
    arguments.finish()?;

    tools::node()?;
    let browser = if headless {
        Some(tools::browser()?)
    } else {
        None
    };
    // Before the long compilation, so that a machine without network fails early.
    let genesis = sources::mainnet_genesis(workspace)?;
    package::build_fast(workspace)?;
    sources::peer(workspace)?;
    say(&format!(
        "everything is ready after {:.0} s\n",
        started.elapsed().as_secs_f64()
    ));

    let mut demo = sources::script(workspace, "demo.mjs", browser.as_ref());
    match state.strip_prefix("generated:") {
        Some(accounts) => demo.arg(format!("--accounts={}", accounts.replace(['_', ','], ""))),
        None if state == "genesis" => demo.arg(format!("--genesis={}", genesis.display())),
        None => {
            return Err(
                format!("--state is \"genesis\" or \"generated:N\", not \"{state}\"").into(),
            );
        }
    };
    if headless {
        demo.arg("--headless");
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
