//! `cargo xtask build`: the npm package. Its JavaScript, types and README are kept in `pkg/`; the module and its glue are
//! made here.

use std::fs;
use std::process::Command;

use crate::arguments::Arguments;
use crate::run::{Outcome, required, say, streamed};
use crate::sources;
use crate::tools;
use crate::workspace::Workspace;

const TARGET: &str = "wasm32-unknown-unknown";

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

/// The way the package is published: wasm-pack for the web target, then wasm-opt.
pub(crate) fn build(workspace: &Workspace) -> Outcome<()> {
    tools::wasm_target()?;
    let path = tools::wasm_pack(workspace)?;
    tools::npm_packages(workspace, &workspace.node)?;
    say("building the package with wasm-pack");
    let mut pack = Command::new("wasm-pack");
    // wasm-pack would fetch its own wasm-opt; the one from npm is pinned.
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
    say("optimizing the module with wasm-opt");
    required(
        "wasm-opt",
        &mut sources::script(workspace, "optimize.mjs", None),
    )
    .map(drop)
}

/// The same package without a command-line tool to compile first and without wasm-opt.
pub(crate) fn build_fast(workspace: &Workspace) -> Outcome<()> {
    tools::wasm_target()?;
    let (crates, glue) = (
        tools::locked_version(workspace, "wasm-bindgen")?,
        tools::locked_version(workspace, "wasm-bindgen-cli-support")?,
    );
    if crates != glue {
        return Err(format!(
            "Cargo.lock has wasm-bindgen {crates} but wasm-bindgen-cli-support {glue}, and they only understand their own \
             version; put ={crates} in xtask/Cargo.toml"
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
            TARGET,
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
    glue.arg(workspace.target.join(TARGET).join("release/snaplight.wasm"))
        .arg(output)
        .arg("snaplight");
    required("writing the JavaScript glue", &mut glue).map(drop)
}

fn sizes(workspace: &Workspace) -> Outcome<bool> {
    tools::node()?;
    streamed(&mut sources::script(workspace, "sizes.mjs", None))
}
