//! What the Node scripts need besides the package: the native peer, mainnet's genesis state, and an
//! environment that says where everything is.

use std::path::PathBuf;
use std::process::Command;

use crate::run::{Outcome, required, say};
use crate::tools::{self, Browser};
use crate::workspace::Workspace;

/// Builds the native peer in release mode, so that a measured sync does not wait for its peer.
pub(crate) fn peer(workspace: &Workspace) -> Outcome<PathBuf> {
    let program = workspace.release("snaplight-peer");
    let fresh = if program.exists() {
        ""
    } else {
        " (a minute or two the first time)"
    };
    say(&format!("building the native peer{fresh}"));
    let mut cargo = Command::new("cargo");
    cargo
        .args([
            "build",
            "--release",
            "--package",
            "snaplight-peer",
            "--bin",
            "snaplight-peer",
        ])
        .current_dir(&workspace.root);
    required("building the native peer", &mut cargo)?;
    Ok(program)
}

/// Writes mainnet's genesis state as `{address: {balance, nonce, code, storage}}` and returns the
/// file. An npm package contains it.
pub(crate) fn mainnet_genesis(workspace: &Workspace) -> Outcome<PathBuf> {
    tools::npm_packages(workspace, &workspace.node)?;
    let file = workspace.target.join("genesis/mainnet.json");
    if !file.exists() {
        say("writing mainnet's genesis state");
        let mut node = Command::new("node");
        node.arg(workspace.node.join("genesis.mjs")).arg(&file);
        required("writing mainnet's genesis state", &mut node)?;
    }
    Ok(file)
}

/// A command that runs a script of `xtask/node/` with the environment it needs.
pub(crate) fn script(workspace: &Workspace, name: &str, browser: Option<&Browser>) -> Command {
    let mut node = Command::new("node");
    node.arg(workspace.node.join(name));
    environment(workspace, &mut node, browser);
    node
}

/// Sets the environment variables that the Node scripts and the end-to-end tests read.
pub(crate) fn environment(workspace: &Workspace, command: &mut Command, browser: Option<&Browser>) {
    command
        .current_dir(&workspace.root)
        .env("SNAPLIGHT_TARGET", &workspace.target)
        .env("SNAPLIGHT_PEER", workspace.release("snaplight-peer"))
        .env("SNAPLIGHT_TESTNODE", workspace.go_program("testnode"))
        .env("SNAPLIGHT_GATEWAY", workspace.go_program("gateway"))
        .env("SNAPLIGHT_GETHBENCH", workspace.go_program("gethbench"))
        .env("SNAPLIGHT_OLD_GETH", workspace.old_geth())
        .env(
            "SNAPLIGHT_GENESIS",
            workspace.target.join("genesis/mainnet.json"),
        );
    if let Some(browser) = browser {
        command.env("SNAPLIGHT_CHROMIUM", &browser.chromium);
    }
}
