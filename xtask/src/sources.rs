//! The two things a browser run is made of besides the package: the native peer, and mainnet's genesis state.

use std::path::PathBuf;
use std::process::Command;

use crate::run::{Outcome, required, say};
use crate::tools::{self, Browser};
use crate::workspace::Workspace;

/// The native peer in release mode: a peer that generates a million accounts should not be what a sync waits for.
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

/// Mainnet's genesis state as `{address: {balance, nonce, code, storage}}`, from the npm package that carries it.
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

/// A Node script of this folder, told by its environment where everything is.
pub(crate) fn script(workspace: &Workspace, name: &str, browser: Option<&Browser>) -> Command {
    let mut node = Command::new("node");
    node.arg(workspace.node.join(name));
    environment(workspace, &mut node, browser);
    node
}

/// What the Node scripts and the end-to-end tests read from their environment.
pub(crate) fn environment(workspace: &Workspace, command: &mut Command, browser: Option<&Browser>) {
    command
        .current_dir(&workspace.root)
        .env("SNAPLIGHT_TARGET", &workspace.target)
        .env("SNAPLIGHT_PEER", workspace.release("snaplight-peer"))
        .env("SNAPLIGHT_TESTNODE", workspace.go_program("testnode"))
        .env("SNAPLIGHT_GATEWAY", workspace.go_program("gateway"))
        .env("SNAPLIGHT_GETHBENCH", workspace.go_program("gethbench"))
        .env(
            "SNAPLIGHT_GENESIS",
            workspace.target.join("genesis/mainnet.json"),
        );
    if let Some(browser) = browser {
        command.env("SNAPLIGHT_CHROMIUM", &browser.chromium);
    }
}
