//! `cargo xtask kills`: kills a browser again and again in the middle of one sync. The script is in
//! `xtask/node/kills/`.

use std::time::Instant;

use crate::arguments::Arguments;
use crate::package;
use crate::run::{Outcome, say, streamed};
use crate::sources;
use crate::tools;
use crate::workspace::Workspace;

pub(crate) fn command(workspace: &Workspace, arguments: &mut Arguments) -> Outcome<bool> {
    let started = Instant::now();
    let full_speed = arguments.flag("--full-speed");
    let backend = arguments
        .value("--backend")?
        .unwrap_or_else(|| String::from("both"));
    let kills = arguments.number("--kills")?.unwrap_or(20);
    let accounts = arguments.number("--accounts")?.unwrap_or(200_000);
    let seed = arguments.number("--seed")?.unwrap_or(1);
    let json = arguments.value("--json")?;
    arguments.finish()?;
    if !["leveldb", "sqlite", "both", "firefox"].contains(&backend.as_str()) {
        return Err(
            format!("--backend is leveldb, sqlite, both or firefox, not \"{backend}\"").into(),
        );
    }

    tools::node()?;
    let browser = tools::browser()?;
    tools::npm_packages(workspace, &workspace.node)?;
    sources::peer(workspace)?;
    package::build_fast(workspace)?;
    say(&format!(
        "everything is ready after {:.0} s",
        started.elapsed().as_secs_f64()
    ));

    let firefox =
        match backend.as_str() {
            "firefox" => Some(tools::firefox()?.ok_or_else(|| {
                String::from("Firefox was not found; name it in SNAPLIGHT_FIREFOX")
            })?),
            _ => None,
        };
    let mut campaign = sources::script(workspace, "kills.mjs", Some(&browser));
    campaign
        .arg(format!("--backend={backend}"))
        .arg(format!("--kills={kills}"))
        .arg(format!("--accounts={accounts}"))
        .arg(format!("--seed={seed}"));
    if let Some(firefox) = firefox {
        campaign.env("SNAPLIGHT_FIREFOX", firefox);
    }
    if full_speed {
        campaign.arg("--full-speed");
    }
    if let Some(json) = json {
        campaign.arg(format!("--json={json}"));
    }
    streamed(&mut campaign)
}
