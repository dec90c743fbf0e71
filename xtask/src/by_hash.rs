//! `cargo xtask by-hash`: a tab syncs by hash from go-ethereum 1.10.26, is compared with it, and is
//! measured. The script is in `xtask/node/by-hash/`.

use crate::arguments::Arguments;
use crate::go;
use crate::package;
use crate::run::{Outcome, say, streamed};
use crate::sources;
use crate::tools;
use crate::workspace::Workspace;

pub(crate) fn command(workspace: &Workspace, arguments: &mut Arguments) -> Outcome<bool> {
    let accounts = arguments.number("--accounts")?.unwrap_or(10_000);
    let keys = arguments.number("--keys")?.unwrap_or(1_000);
    let measured = arguments.number("--measured")?.unwrap_or(20_000);
    let only = arguments.value("--only")?;
    let json = arguments.value("--json")?;
    arguments.finish()?;
    if let Some(only) = only.as_deref()
        && !["proof", "figures"].contains(&only)
    {
        return Err(format!("--only is proof or figures, not \"{only}\"").into());
    }
    if let Some(why) = go::missing() {
        return Err(format!("go-ethereum cannot be run: {why}").into());
    }

    tools::node()?;
    let browser = tools::browser()?;
    package::build(workspace)?;
    sources::peer(workspace)?;
    go::programs(workspace)?;
    go::old_geth(workspace)?;
    say("everything is ready; other work on this machine makes the figures worse\n");

    let mut script = sources::script(workspace, "by-hash.mjs", Some(&browser));
    script
        .arg(format!("--accounts={accounts}"))
        .arg(format!("--keys={keys}"))
        .arg(format!("--measured={measured}"));
    if let Some(only) = only {
        script.arg(format!("--only={only}"));
    }
    if let Some(json) = json {
        script.arg(format!("--json={json}"));
    }
    streamed(&mut script)
}
