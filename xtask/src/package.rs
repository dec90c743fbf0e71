//! `cargo xtask build`: builds the npm package. Its JavaScript, types and README are kept in
//! `pkg/`. The module and its glue are built here.

use std::fs;
use std::path::PathBuf;
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

/// LLVM inlines whatever is called once. That makes few large functions, and brotli compresses many
/// small ones better, so a function that keeps more bytes than this on the stack is left alone. Only
/// for the last crate and the optimization of all of them together: what `trie` inlines for speed
/// stays inlined. Of 0, 16, 64 and 128, the best.
const INLINING: &str = "llvm-args=-inline-max-stacksize=64";

/// Builds the package as it is published: rustc, wasm-bindgen for the web target, then wasm-opt.
pub(crate) fn build(workspace: &Workspace) -> Outcome<()> {
    tools::wasm_target()?;
    let path = tools::wasm_bindgen(workspace)?;
    tools::npm_packages(workspace, &workspace.node)?;
    say("building the package");
    let module = compiled(workspace, &["-C", INLINING])?;
    let mut glue = Command::new("wasm-bindgen");
    glue.arg(module)
        .args(["--target", "web", "--out-name", "snaplight", "--out-dir"])
        .arg(workspace.package.join("wasm"))
        .env("PATH", path);
    required("writing the JavaScript glue", &mut glue)?;
    edit_glue(workspace)?;
    say("optimizing the module with wasm-opt");
    required(
        "wasm-opt",
        &mut sources::script(workspace, "optimize.mjs", None),
    )?;
    required(
        "collecting the licence texts",
        &mut sources::script(workspace, "licences.mjs", None),
    )?;
    bundle(workspace)
}

/// Writes the bundles for pages that have no bundler.
fn bundle(workspace: &Workspace) -> Outcome<()> {
    tools::npm_packages(workspace, &workspace.node)?;
    required(
        "bundling the package",
        &mut sources::script(workspace, "dist.mjs", None),
    )
    .map(drop)
}

/// An error unless the package was built before.
pub(crate) fn must_be_built(workspace: &Workspace) -> Outcome<()> {
    match workspace.package.join("wasm/snaplight_bg.wasm").exists() {
        true => Ok(()),
        false => Err(String::from(
            "the package is not built, so there is nothing to test in a page; \
             the step `package` builds it",
        )
        .into()),
    }
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
    let module = compiled(workspace, &[])?;
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
    glue.arg(module).arg(output).arg("snaplight");
    required("writing the JavaScript glue", &mut glue)?;
    edit_glue(workspace)?;
    bundle(workspace)
}

/// What is changed in the glue, and into what.
const GLUE_EDITS: [(&str, &str); 4] = [
    // The glue calls the exports from then on. `guarded` of `pkg/lib/crash.js` notices a trap whoever
    // has called.
    (
        "wasm = instance.exports;",
        "wasm = guarded(instance.exports);",
    ),
    // Made at the first use. Importing the package needs no globals then: Jest's jsdom has neither
    // of these, and a page may bring its own after the import.
    (
        "let cachedTextDecoder = new TextDecoder('utf-8', { ignoreBOM: true });\n\
         cachedTextDecoder.decode();\n",
        "let cachedTextDecoder;\n",
    ),
    (
        "if (numBytesDecoded >= MAX_SAFARI_DECODE_BYTES) {",
        "if (!cachedTextDecoder || numBytesDecoded >= MAX_SAFARI_DECODE_BYTES) {",
    ),
    (
        ENCODER,
        "const cachedTextEncoder = {\n    \
         encode: (text) => new TextEncoder().encode(text),\n    \
         encodeInto: (text, view) => new TextEncoder().encodeInto(text, view),\n\
         };\n",
    ),
];

/// The glue's encoder, with a substitute for browsers that are older than the oldest we need.
const ENCODER: &str = "const cachedTextEncoder = new TextEncoder();

if (!('encodeInto' in cachedTextEncoder)) {
    cachedTextEncoder.encodeInto = function (arg, view) {
        const buf = cachedTextEncoder.encode(arg);
        view.set(buf);
        return {
            read: arg.length,
            written: buf.length
        };
    };
}
";

/// Has the glue call the module through `pkg/lib/crash.js`, and need nothing when it is imported.
fn edit_glue(workspace: &Workspace) -> Outcome<()> {
    let path = workspace.package.join("wasm/snaplight.js");
    let mut glue = fs::read_to_string(&path)
        .map_err(|error| format!("{} could not be read: {error}", path.display()))?;
    for (before, after) in GLUE_EDITS {
        if glue.matches(before).count() != 1 {
            return Err(format!(
                "the glue does not say `{before}` once, so it cannot be changed as the package \
                 needs it; look how wasm-bindgen writes it now, and change package.rs"
            )
            .into());
        }
        glue = glue.replace(before, after);
    }
    fs::write(
        &path,
        format!("import {{ guarded }} from '../lib/crash.js';\n{glue}"),
    )
    .map_err(|error| format!("{} could not be written: {error}", path.display()).into())
}

/// Compiles the module. Returns where it is. `flags`: of rustc, for the last crate.
fn compiled(workspace: &Workspace, flags: &[&str]) -> Outcome<PathBuf> {
    let mut cargo = Command::new("cargo");
    cargo
        .args(["rustc", "--release", "--package", "snaplight", "--lib"])
        .args(["--target", WASM_TARGET, "--target-dir"])
        .arg(&workspace.target)
        .arg("--")
        .args(flags)
        .current_dir(&workspace.root);
    required("compiling the module", &mut cargo)?;
    let folder = workspace.target.join(WASM_TARGET);
    Ok(folder.join("release/snaplight.wasm"))
}

fn sizes(workspace: &Workspace) -> Outcome<bool> {
    tools::npm_packages(workspace, &workspace.node)?;
    streamed(&mut sources::script(workspace, "sizes.mjs", None))
}
