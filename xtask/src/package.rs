//! `cargo xtask build`: builds the npm package. Its JavaScript, types and README are kept in
//! `pkg/`. The module and its glue are built here.

use std::fs;
use std::io;
use std::process::Command;

use crate::arguments::Arguments;
use crate::run::{Outcome, required, say, streamed};
use crate::sources;
use crate::tools::{self, WASM_TARGET};
use crate::workspace::Workspace;

pub(crate) fn command(workspace: &Workspace, arguments: &mut Arguments) -> Outcome<bool> {
    let fast = arguments.flag("--fast");
    arguments.finish()?;
    if fast {
        build_fast(workspace)?
    } else {
        build(workspace)?
    }
    sizes(workspace)
}

/// Builds the package as it is published: wasm-pack for the web target, then wasm-opt.
pub(crate) fn build(workspace: &Workspace) -> Outcome<()> {
    tools::wasm_target()?;
    let path = tools::wasm_pack(workspace)?;
    tools::npm_packages(workspace, &workspace.node)?;
    say("building the package with wasm-pack");
    let mut pack = Command::new("wasm-pack");
    // Without `--no-opt`, wasm-pack would download a wasm-opt of its own. The one from npm is
    // pinned.
    pack.args([
        "build",
        "--target",
        "web",
        "--no-pack",
        "--no-opt",
        "--release",
        "--mode",
        "no-install",
    ])
    .args(["--out-dir", "pkg/wasm", "--out-name", "snaplight"])
    .current_dir(&workspace.root)
    .env("PATH", path);
    required("wasm-pack build", &mut pack)?;
    // wasm-pack writes a .gitignore that ignores the module. npm would obey it and publish none.
    let ignore = workspace.package.join("wasm/.gitignore");
    fs::remove_file(&ignore).or_else(|error| match error.kind() {
        io::ErrorKind::NotFound => Ok(()),
        _ => Err(format!(
            "{} could not be removed: {error}",
            ignore.display()
        )),
    })?;
    say("optimizing the module with wasm-opt");
    required(
        "wasm-opt",
        &mut sources::script(workspace, "optimize.mjs", None),
    )
    .map(drop)
}

/// Builds the same package without wasm-opt and without tools that must be compiled first.
pub(crate) fn build_fast(workspace: &Workspace) -> Outcome<()> {
    tools::wasm_target()?;
    let (crates, glue) = (
        tools::locked_version(workspace, "wasm-bindgen")?,
        tools::locked_version(workspace, "wasm-bindgen-cli-support")?,
    );
    if crates != glue {
        return Err(format!(
            "Cargo.lock has wasm-bindgen {crates} but wasm-bindgen-cli-support {glue}; both must \
             be the same version, so write ={crates} in xtask/Cargo.toml"
        )
        .into());
    }
    let program = workspace
        .target
        .join("debug")
        .join(format!("xtask-bindgen{}", std::env::consts::EXE_SUFFIX));
    let fresh = if program.exists() {
        ""
    } else {
        " (a minute or two the first time)"
    };
    say(&format!("building the package{fresh}"));
    let mut module = Command::new("cargo");
    module
        .args([
            "build",
            "--release",
            "--package",
            "snaplight",
            "--lib",
            "--target",
            WASM_TARGET,
        ])
        .current_dir(&workspace.root);
    required("compiling the module", &mut module)?;
    let mut bindgen = Command::new("cargo");
    bindgen
        .args([
            "build",
            "--package",
            "xtask",
            "--features",
            "bindgen",
            "--bin",
            "xtask-bindgen",
        ])
        .current_dir(&workspace.root);
    required("compiling xtask-bindgen", &mut bindgen)?;
    let output = workspace.package.join("wasm");
    fs::create_dir_all(&output)
        .map_err(|error| format!("{} could not be created: {error}", output.display()))?;
    let mut glue = Command::new(program);
    glue.arg(
        workspace
            .target
            .join(WASM_TARGET)
            .join("release/snaplight.wasm"),
    )
    .arg(output)
    .arg("snaplight");
    required("writing the JavaScript glue", &mut glue).map(drop)
}

fn sizes(workspace: &Workspace) -> Outcome<bool> {
    tools::npm_packages(workspace, &workspace.node)?;
    streamed(&mut sources::script(workspace, "sizes.mjs", None))
}
