//! `cargo xtask bench`: prints measurements as tables and writes them as JSON. It is no test, since
//! machines differ: compare the ratios within one run.

use crate::arguments::Arguments;
use crate::go;
use crate::package;
use crate::run::{Outcome, say, streamed};
use crate::sources;
use crate::tools;
use crate::workspace::Workspace;

pub(crate) fn command(workspace: &Workspace, arguments: &mut Arguments) -> Outcome<bool> {
    let json = arguments.value("--json")?;
    let realistic = arguments.number("--realistic")?.unwrap_or(100_000);
    let accounts = arguments.number("--accounts")?.unwrap_or(1_000_000);
    let runs = arguments.number("--runs")?.unwrap_or(3);
    let only = arguments.value("--only")?;
    arguments.finish()?;

    let without_go = go::missing();
    match (&without_go, only.as_deref()) {
        (Some(why), Some("geth")) => {
            return Err(format!("go-ethereum cannot be measured: {why}").into());
        }
        (Some(why), None | Some("sync" | "heal")) => {
            say(&format!("go-ethereum is not measured beside us: {why}"))
        }
        _ => {}
    }
    let browser = tools::browser()?;
    package::build(workspace)?;
    tools::npm_packages(workspace, &workspace.node)?;
    let kernel = workspace.root.join("benches");
    if kernel.join("package-lock.json").exists() {
        tools::npm_packages(workspace, &kernel)?;
    }
    sources::peer(workspace)?;
    let beside = matches!(only.as_deref(), None | Some("sync" | "heal" | "geth"));
    if without_go.is_none() && beside {
        go::programs(workspace)?;
    }
    say("measuring; other work on this machine makes the figures worse\n");

    let mut bench = sources::script(workspace, "bench.mjs", Some(&browser));
    bench
        .arg(format!("--realistic={realistic}"))
        .arg(format!("--accounts={accounts}"))
        .arg(format!("--runs={runs}"));
    if let Some(why) = without_go {
        bench.env("SNAPLIGHT_WITHOUT_GO", why);
    }
    if let Some(only) = only {
        bench.arg(format!("--only={only}"));
    }
    if let Some(json) = json {
        bench.arg(format!("--json={json}"));
    }
    streamed(&mut bench)
}
