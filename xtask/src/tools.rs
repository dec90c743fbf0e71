//! What the commands need beyond Rust itself, installed when it is missing. Everything comes from the four places a
//! developer already trusts: rustup, crates.io, npm and Debian; no prebuilt binary is fetched from anywhere else.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::run::{Outcome, first_line, required, say};
use crate::workspace::Workspace;

/// The line of wasm-pack releases the package is built with.
const WASM_PACK: &str = "0.15.0";
/// The oldest Node whose test runner and fetch the scripts rely on.
const NODE_MAJOR: u32 = 20;

/// The compiler for WebAssembly's standard library.
pub(crate) fn wasm_target() -> Outcome<()> {
    const TARGET: &str = "wasm32-unknown-unknown";
    let sysroot = first_line("rustc", &["--print", "sysroot"]).unwrap_or_default();
    if Path::new(&sysroot)
        .join("lib/rustlib")
        .join(TARGET)
        .exists()
    {
        return Ok(());
    }
    say(&format!("installing Rust's {TARGET} target"));
    required(
        "rustup target add",
        Command::new("rustup").args(["target", "add", TARGET]),
    )
    .map(drop)
}

/// rustfmt or clippy, which a minimal Rust comes without.
pub(crate) fn rust_component(command: &str, component: &str) -> Outcome<()> {
    if first_line("cargo", &[command, "--version"]).is_some() {
        return Ok(());
    }
    say(&format!("installing Rust's {component}"));
    required(
        "rustup component add",
        Command::new("rustup").args(["component", "add", component]),
    )
    .map(drop)
}

/// Node and npm, which only the developer can install.
pub(crate) fn node() -> Outcome<()> {
    let advice = format!(
        "install Node {NODE_MAJOR} or newer with npm (https://nodejs.org, or `apt-get install nodejs npm`)"
    );
    let Some(version) = first_line("node", &["--version"]) else {
        return Err(format!("the program `node` was not found; {advice}").into());
    };
    let major = version
        .trim_start_matches('v')
        .split('.')
        .next()
        .and_then(|major| major.parse::<u32>().ok());
    if major.is_none_or(|major| major < NODE_MAJOR) {
        return Err(format!("Node {version} is too old; {advice}").into());
    }
    match first_line("npm", &["--version"]) {
        Some(_) => Ok(()),
        None => Err(format!("`node` is there but `npm` is not; {advice}").into()),
    }
}

/// The npm packages a folder's package-lock.json names, as it names them.
pub(crate) fn npm_packages(workspace: &Workspace, folder: &Path) -> Outcome<()> {
    node()?;
    let lock = fs::read_to_string(folder.join("package-lock.json")).map_err(|error| {
        format!(
            "{}/package-lock.json could not be read: {error}",
            workspace.shown(folder)
        )
    })?;
    // The lock file as it was at the last installation, kept next to what it installed.
    let stamp = folder.join("node_modules/.installed-from");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == lock) {
        return Ok(());
    }
    say(&format!(
        "installing npm packages in {}",
        workspace.shown(folder)
    ));
    let mut npm = Command::new("npm");
    npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
        .current_dir(folder);
    required("npm ci", &mut npm)?;
    fs::write(&stamp, lock)
        .map_err(|error| format!("{} could not be written: {error}", stamp.display()))?;
    Ok(())
}

/// wasm-pack and the wasm-bindgen of exactly the version in Cargo.lock. Returns the PATH under which both are found.
pub(crate) fn wasm_pack(workspace: &Workspace) -> Outcome<OsString> {
    let tools = workspace.target.join("tools");
    let mut folders = vec![tools.join("bin")];
    folders.extend(env::split_paths(&env::var_os("PATH").unwrap_or_default()));
    let path =
        env::join_paths(&folders).map_err(|error| format!("PATH cannot be extended: {error}"))?;

    let bindgen = locked_version(workspace, "wasm-bindgen")?;
    let (series, _) = WASM_PACK.rsplit_once('.').unwrap_or((WASM_PACK, ""));
    let ready = |program: &str, version: &str| {
        let found = folders
            .iter()
            .map(|folder| folder.join(program))
            .find(|program| program.exists());
        found
            .and_then(|program| first_line(program, &["--version"]))
            .is_some_and(|line| {
                line.split_whitespace().nth(1).is_some_and(|found| {
                    found == version || found.starts_with(&format!("{version}."))
                })
            })
    };
    if !ready("wasm-pack", series) {
        cargo_install(&tools, "wasm-pack", WASM_PACK, true)?;
    }
    // Without --locked: its lock file names crates that are no longer compiled by every Rust.
    if !ready("wasm-bindgen", &bindgen) || !ready("wasm-bindgen-test-runner", &bindgen) {
        cargo_install(&tools, "wasm-bindgen-cli", &bindgen, false)?;
    }
    Ok(path)
}

/// Into the target folder: a developer's own version in ~/.cargo/bin stays what it is.
fn cargo_install(root: &Path, name: &str, version: &str, locked: bool) -> Outcome<()> {
    say(&format!(
        "compiling {name} {version} once (4 to 6 minutes on two cores)"
    ));
    let mut cargo = Command::new("cargo");
    cargo
        .args([
            "install",
            name,
            "--version",
            &format!("={version}"),
            "--root",
        ])
        .arg(root);
    if locked {
        cargo.arg("--locked");
    }
    required(&format!("cargo install {name}"), &mut cargo).map(drop)
}

/// The version of a crate in Cargo.lock.
pub(crate) fn locked_version(workspace: &Workspace, name: &str) -> Outcome<String> {
    let file = workspace.root.join("Cargo.lock");
    let lock = fs::read_to_string(&file)
        .map_err(|error| format!("{} could not be read: {error}", file.display()))?;
    let entry = format!("name = \"{name}\"\nversion = \"");
    lock.split_once(&entry)
        .and_then(|(_, rest)| rest.split_once('"'))
        .map(|(version, _)| version.to_owned())
        .ok_or_else(|| {
            format!("Cargo.lock names no crate {name}; the root crate should depend on it").into()
        })
}

/// A Chromium and the WebDriver that belongs to it.
pub(crate) struct Browser {
    pub(crate) chromium: PathBuf,
    pub(crate) driver: PathBuf,
}

/// Finds Chromium, or installs Debian's when this runs as root.
pub(crate) fn browser() -> Outcome<Browser> {
    if let Some(browser) = installed_browser() {
        return Ok(browser);
    }
    let by_hand = "install them (on Debian: `apt-get update && apt-get install chromium chromium-driver`), \
                   or name others in SNAPLIGHT_CHROMIUM and SNAPLIGHT_CHROMEDRIVER";
    let root = first_line("id", &["-u"]).is_some_and(|id| id == "0");
    if !root || first_line("apt-get", &["--version"]).is_none() {
        return Err(format!("Chromium and its WebDriver were not found; {by_hand}").into());
    }
    say("installing Debian's chromium and chromium-driver");
    let apt = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        command
            .env("DEBIAN_FRONTEND", "noninteractive")
            .args(arguments);
        command
    };
    required("apt-get update", &mut apt(&["update"]))?;
    let packages = [
        "install",
        "--yes",
        "--no-install-recommends",
        "chromium",
        "chromium-driver",
        "fonts-liberation",
    ];
    required("apt-get install", &mut apt(&packages))?;
    installed_browser().ok_or_else(|| {
        format!("apt-get installed no Chromium that could be found; {by_hand}").into()
    })
}

fn installed_browser() -> Option<Browser> {
    let chromium = named_or_found(
        "SNAPLIGHT_CHROMIUM",
        &["chromium", "chromium-browser", "google-chrome"],
    )?;
    let driver = named_or_found("SNAPLIGHT_CHROMEDRIVER", &["chromedriver"])?;
    Some(Browser { chromium, driver })
}

fn named_or_found(variable: &str, names: &[&str]) -> Option<PathBuf> {
    if let Some(named) = env::var_os(variable) {
        return Some(PathBuf::from(named)).filter(|program| program.exists());
    }
    let path = env::var_os("PATH")?;
    let folders: Vec<PathBuf> = env::split_paths(&path).collect();
    names.iter().find_map(|name| {
        folders
            .iter()
            .map(|folder| folder.join(name))
            .find(|program| program.exists())
    })
}
