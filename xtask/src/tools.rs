//! Installs what the commands need beyond Rust itself.
//!
//! Everything comes from rustup, crates.io, npm or Debian, which a developer trusts already. No
//! prebuilt binary is fetched from anywhere else.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::run::{Outcome, first_line, required, say};
use crate::workspace::Workspace;

/// The browser's compilation target.
pub(crate) const WASM_TARGET: &str = "wasm32-unknown-unknown";
/// The wasm-pack that is installed. Any release with the same first two numbers is accepted.
const WASM_PACK: &str = "0.15.0";
/// The geckodriver that is installed for who asks for its step.
const GECKODRIVER: &str = "0.37.1";
/// The oldest Node with the test runner and the `fetch` that the scripts use.
const NODE_MAJOR: u32 = 20;

/// Installs Rust's standard library for WebAssembly.
pub(crate) fn wasm_target() -> Outcome<()> {
    let sysroot = first_line("rustc", &["--print", "sysroot"]).unwrap_or_default();
    if Path::new(&sysroot)
        .join("lib/rustlib")
        .join(WASM_TARGET)
        .exists()
    {
        return Ok(());
    }
    say(&format!("installing Rust's {WASM_TARGET} target"));
    required(
        "rustup target add",
        Command::new("rustup").args(["target", "add", WASM_TARGET]),
    )
    .map(drop)
}

/// Installs rustfmt or clippy, which a minimal Rust does not contain.
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

/// Fails without Node and npm, which only the developer can install.
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

/// Installs the npm packages that a folder's package-lock.json lists, in exactly these versions.
pub(crate) fn npm_packages(workspace: &Workspace, folder: &Path) -> Outcome<()> {
    node()?;
    let lock = fs::read_to_string(folder.join("package-lock.json")).map_err(|error| {
        format!(
            "{}/package-lock.json could not be read: {error}",
            workspace.shown(folder)
        )
    })?;
    // A copy of the lock file that the installed packages came from.
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

/// Installs wasm-pack, and the tools of [`wasm_bindgen`]. Returns a PATH that has all of them.
pub(crate) fn wasm_pack(workspace: &Workspace) -> Outcome<OsString> {
    let path = path_of(workspace)?;
    let (series, _) = WASM_PACK.rsplit_once('.').unwrap_or((WASM_PACK, ""));
    if !is_ready(&path, "wasm-pack", series) {
        cargo_install(workspace, "wasm-pack", WASM_PACK, true)?;
    }
    wasm_bindgen(workspace)
}

/// Installs wasm-bindgen and its test runner in exactly the version of Cargo.lock. Returns a PATH
/// that has them.
pub(crate) fn wasm_bindgen(workspace: &Workspace) -> Outcome<OsString> {
    let path = path_of(workspace)?;
    let version = locked_version(workspace, "wasm-bindgen")?;
    let programs = ["wasm-bindgen", "wasm-bindgen-test-runner"];
    // Without --locked: its lock file contains crates that some versions of Rust do not compile.
    if !programs
        .iter()
        .all(|program| is_ready(&path, program, &version))
    {
        cargo_install(workspace, "wasm-bindgen-cli", &version, false)?;
    }
    Ok(path)
}

/// Where programs are installed. A developer's own version in ~/.cargo/bin is not touched.
fn folder(workspace: &Workspace) -> PathBuf {
    workspace.target.join("tools")
}

/// The PATH, with what is installed there first.
fn path_of(workspace: &Workspace) -> Outcome<OsString> {
    let mut folders = vec![folder(workspace).join("bin")];
    folders.extend(env::split_paths(&env::var_os("PATH").unwrap_or_default()));
    env::join_paths(&folders).map_err(|error| format!("PATH cannot be extended: {error}").into())
}

/// Whether the first such program on this PATH has this version, or one of this series.
fn is_ready(path: &OsString, program: &str, version: &str) -> bool {
    let mut programs = env::split_paths(path).map(|folder| folder.join(program));
    let line = programs
        .find(|program| program.exists())
        .and_then(|program| first_line(program, &["--version"]));
    line.is_some_and(|line| {
        line.split_whitespace()
            .nth(1)
            .is_some_and(|found| found == version || found.starts_with(&format!("{version}.")))
    })
}

/// Installs a program into [`folder`].
fn cargo_install(workspace: &Workspace, name: &str, version: &str, locked: bool) -> Outcome<()> {
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
        .arg(folder(workspace));
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
    version_in(&lock, name).ok_or_else(|| {
        format!("Cargo.lock has no crate {name}; something in the workspace should depend on it")
            .into()
    })
}

fn version_in(lock: &str, name: &str) -> Option<String> {
    let (_, rest) = lock.split_once(&format!("name = \"{name}\"\nversion = \""))?;
    rest.split_once('"').map(|(version, _)| version.to_owned())
}

/// Chromium and its WebDriver.
pub(crate) struct Browser {
    pub(crate) chromium: PathBuf,
    pub(crate) driver: PathBuf,
}

/// Finds Chromium, or installs Debian's if this runs as root.
pub(crate) fn browser() -> Outcome<Browser> {
    if let Some(browser) = installed_browser() {
        return Ok(browser);
    }
    let by_hand = "install them (on Debian: `apt-get update && apt-get install chromium \
                   chromium-driver`), or set SNAPLIGHT_CHROMIUM and SNAPLIGHT_CHROMEDRIVER";
    if !apt_installs(&["chromium", "chromium-driver", "fonts-liberation"])? {
        return Err(format!("Chromium and its WebDriver were not found; {by_hand}").into());
    }
    installed_browser().ok_or_else(|| {
        format!("Chromium was not found after apt-get installed it; {by_hand}").into()
    })
}

/// Finds Firefox, or installs Debian's if this runs as root. `None` if it is not there.
pub(crate) fn firefox() -> Outcome<Option<PathBuf>> {
    let find = || named_or_found("SNAPLIGHT_FIREFOX", &["firefox-esr", "firefox"]);
    match find() {
        None if apt_installs(&["firefox-esr"])? => Ok(find()),
        found => Ok(found),
    }
}

/// Firefox's WebDriver. `None` if it is not there. It is compiled only with `install`, because that
/// takes minutes.
pub(crate) fn geckodriver(workspace: &Workspace, install: bool) -> Outcome<Option<PathBuf>> {
    let path = path_of(workspace)?;
    let find = || {
        let named = env::var_os("SNAPLIGHT_GECKODRIVER").map(PathBuf::from);
        let mut found = env::split_paths(&path).map(|folder| folder.join("geckodriver"));
        named.or_else(|| found.find(|program| program.exists()))
    };
    if find().is_none() && install {
        cargo_install(workspace, "geckodriver", GECKODRIVER, true)?;
    }
    Ok(find())
}

/// Installs Debian's packages. `false` without root, and where there is no apt.
fn apt_installs(packages: &[&str]) -> Outcome<bool> {
    let root = first_line("id", &["-u"]).is_some_and(|id| id == "0");
    if !root || first_line("apt-get", &["--version"]).is_none() {
        return Ok(false);
    }
    say(&format!("installing Debian's {}", packages.join(", ")));
    let apt = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        command
            .env("DEBIAN_FRONTEND", "noninteractive")
            .args(arguments);
        command
    };
    required("apt-get update", &mut apt(&["update"]))?;
    let mut install = apt(&["install", "--yes", "--no-install-recommends"]);
    required("apt-get install", install.args(packages))?;
    Ok(true)
}

/// Finds a C++ compiler, which libFuzzer is built with, or installs Debian's if this runs as root.
pub(crate) fn cpp_compiler() -> Outcome<()> {
    let named = env::var("CXX").unwrap_or_else(|_| String::from("c++"));
    let is_there = || first_line(&named, &["--version"]).is_some();
    if is_there() || (apt_installs(&["g++"])? && is_there()) {
        return Ok(());
    }
    let advice = "install one (on Debian: `apt-get install g++`; on macOS: `xcode-select \
                  --install`), or name it in CXX";
    Err(format!("libFuzzer needs a C++ compiler, and none was found; {advice}").into())
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

#[cfg(test)]
mod tests {
    use super::version_in;

    #[test]
    fn a_crate_is_found_only_by_its_whole_name() {
        let lock = "[[package]]\nname = \"wasm-bindgen-shared\"\nversion = \"0.1.0\"\n\n\
            [[package]]\nname = \"wasm-bindgen\"\nversion = \"0.2.130\"\nsource = \"x\"\n";
        assert_eq!(version_in(lock, "wasm-bindgen").as_deref(), Some("0.2.130"));
        assert_eq!(version_in(lock, "bindgen"), None);
    }
}
