//! `cargo xtask release --dry-run`: everything that has to hold before a version is published, one
//! line a check. It publishes nothing: that is done by `.github/workflows/publish.yml`.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::arguments::Arguments;
use crate::package;
use crate::run::{Outcome, first_line, required, say, streamed};
use crate::sources;
use crate::suite;
use crate::tools;
use crate::workspace::Workspace;

const HOW: &str = "\
Nothing is published from here. A tag does it:

  1. Write the version into Cargo.toml, pkg/package.json and pkg/lib/version.js, and a dated section
     for it into CHANGELOG.md. Commit that.
  2. cargo xtask test, and cargo xtask release --dry-run
  3. git tag vVERSION && git push origin vVERSION

.github/workflows/publish.yml then runs both again for the tag, and publishes the package to npm with
a statement of where it was built (provenance). CONTRIBUTING.md says what it needs.";

/// What a check found, in words for its line.
type Check = fn(&Workspace) -> Outcome<String>;

/// In this order: quick ones first, and `build` before what looks at the built package.
const CHECKS: [(&str, Check); 9] = [
    ("version", version),
    ("changelog", changelog),
    ("tree", clean_tree),
    ("tag", tag),
    ("build", build),
    ("licences", licences),
    ("sizes", sizes),
    ("types", types),
    ("package", package),
];

pub(crate) fn command(workspace: &Workspace, arguments: &mut Arguments) -> Outcome<bool> {
    let is_dry = arguments.flag("--dry-run");
    arguments.finish()?;
    if !is_dry {
        say(HOW);
        return Ok(true);
    }
    let mut failed = 0;
    for (name, check) in CHECKS {
        match check(workspace) {
            Ok(found) => say(&format!("  ok    {name:<10} {found}")),
            Err(failure) => {
                failed += 1;
                say(&format!("  FAIL  {name:<10} {failure}"));
            }
        }
    }
    say(&match failed {
        0 => String::from("\nall checks passed; nothing was published"),
        1 => String::from("\n1 check failed"),
        _ => format!("\n{failed} checks failed"),
    });
    Ok(failed == 0)
}

/// The files that say the version, and what stands before and after it there.
const VERSIONS: [(&str, &str, char); 3] = [
    ("Cargo.toml", "[workspace.package]\nversion = \"", '"'),
    ("pkg/package.json", "\"version\": \"", '"'),
    ("pkg/lib/version.js", "export const version = '", '\''),
];

/// Our crates that are compiled into the module.
const CRATES: [&str; 2] = ["snaplight", "snaplight-trie"];

fn version(workspace: &Workspace) -> Outcome<String> {
    let version = wanted_version(workspace)?;
    for (file, before, end) in VERSIONS {
        let found = version_in(workspace, file, before, end)?;
        if found != version {
            return Err(
                format!("{file} says {found} where {} says {version}", VERSIONS[0].0).into(),
            );
        }
    }
    for name in CRATES {
        let found = tools::locked_version(workspace, name)?;
        if found != version {
            return Err(format!("Cargo.lock has {name} {found}, which should be {version}").into());
        }
    }
    Ok(format!(
        "{version} in Cargo.toml, Cargo.lock, package.json and version.js"
    ))
}

fn wanted_version(workspace: &Workspace) -> Outcome<String> {
    let (file, before, end) = VERSIONS[0];
    version_in(workspace, file, before, end)
}

fn version_in(workspace: &Workspace, file: &str, before: &str, end: char) -> Outcome<String> {
    let text = read(&workspace.root.join(file))?;
    between(&text, before, end)
        .map(str::to_owned)
        .ok_or_else(|| format!("{file} names no version").into())
}

fn between<'a>(text: &'a str, before: &str, end: char) -> Option<&'a str> {
    let (_, rest) = text.split_once(before)?;
    rest.split_once(end).map(|(found, _)| found)
}

fn changelog(workspace: &Workspace) -> Outcome<String> {
    let version = wanted_version(workspace)?;
    let text = read(&workspace.root.join("CHANGELOG.md"))?;
    dated_section(&text, &version).map(|date| format!("{version}, of {date}"))
}

/// The date of the newest section, which has to be that of `version`.
fn dated_section<'a>(changelog: &'a str, version: &str) -> Outcome<&'a str> {
    let newest = changelog
        .lines()
        .find_map(|line| line.strip_prefix("## "))
        .unwrap_or_default();
    let date = newest
        .strip_prefix(version)
        .and_then(|rest| rest.strip_prefix(" (")?.strip_suffix(')'));
    match date {
        Some(date) if is_date(date) => Ok(date),
        _ => Err(format!(
            "CHANGELOG.md begins with \"## {newest}\", where \"## {version} (YYYY-MM-DD)\" has to be"
        )
        .into()),
    }
}

fn is_date(text: &str) -> bool {
    let form = text.bytes().map(|byte| match byte {
        b'0'..=b'9' => '0',
        other => char::from(other),
    });
    form.eq("0000-00-00".chars())
}

fn clean_tree(workspace: &Workspace) -> Outcome<String> {
    let changed = git(workspace, &["status", "--porcelain"])?;
    match changed.lines().count() {
        0 => Ok(String::from("everything is committed")),
        count => Err(format!(
            "{count} files are not committed, the first one is{}",
            changed.lines().next().unwrap_or_default()
        )
        .into()),
    }
}

/// In the workflow that publishes, the tag is there and names the commit that is checked.
fn tag(workspace: &Workspace) -> Outcome<String> {
    let tag = format!("v{}", wanted_version(workspace)?);
    let tags = git(workspace, &["tag", "--list", &tag])?;
    if tags.trim().is_empty() {
        return Ok(format!("{tag} is free"));
    }
    let tagged = git(workspace, &["rev-list", "-n", "1", &tag])?;
    if tagged == git(workspace, &["rev-parse", "HEAD"])? {
        return Ok(format!("{tag} is this commit"));
    }
    Err(format!("{tag} exists and is another commit: choose the next version").into())
}

/// Builds the package as it is published, and looks for its version in the module.
fn build(workspace: &Workspace) -> Outcome<String> {
    let version = wanted_version(workspace)?;
    package::build(workspace)?;
    let path = workspace.package.join("wasm/snaplight_bg.wasm");
    let module = fs::read(&path)
        .map_err(|error| format!("{} could not be read: {error}", path.display()))?;
    // Its name in Hello.
    let client = format!("snaplight/{version}");
    match module
        .windows(client.len())
        .any(|bytes| bytes == client.as_bytes())
    {
        true => Ok(format!("the module says {client}")),
        false => Err(format!("the module does not say {client}").into()),
    }
}

/// The build has written them anew, so what is committed is right if nothing has changed.
fn licences(workspace: &Workspace) -> Outcome<String> {
    let file = "pkg/THIRD-PARTY-LICENSES";
    match git(workspace, &["status", "--porcelain", "--", file])?.is_empty() {
        true => Ok(format!("{file} has the texts of all that is compiled in")),
        false => Err(format!("the build has changed {file}: commit it").into()),
    }
}

fn sizes(workspace: &Workspace) -> Outcome<String> {
    let mut script = sources::script(workspace, "sizes.mjs", None);
    required("measuring the package", script.arg("--check"))
        .map(|_| String::from("the module and the bundles are within their limits"))
}

fn types(workspace: &Workspace) -> Outcome<String> {
    match suite::alone(workspace, "types")? {
        true => Ok(String::from("the step `types` passes")),
        false => Err(String::from("the step `types` fails").into()),
    }
}

/// Packs, installs the tarball in a project of its own, and syncs by what was installed.
fn package(workspace: &Workspace) -> Outcome<String> {
    tools::npm_packages(workspace, &workspace.node)?;
    let browser = tools::browser()?;
    sources::peer(workspace)?;
    let mut script = sources::script(workspace, "release.mjs", Some(&browser));
    match streamed(&mut script)? {
        true => Ok(String::from("the tarball installs and syncs")),
        false => Err(String::from("see above").into()),
    }
}

/// What git prints.
fn git(workspace: &Workspace, arguments: &[&str]) -> Outcome<String> {
    if first_line("git", &["--version"]).is_none() {
        return Err(String::from("the program `git` was not found").into());
    }
    let mut git = Command::new("git");
    git.args(arguments).current_dir(&workspace.root);
    required("git", &mut git).map(|finished| finished.output)
}

fn read(path: &Path) -> Outcome<String> {
    fs::read_to_string(path)
        .map_err(|error| format!("{} could not be read: {error}", path.display()).into())
}

#[cfg(test)]
mod tests {
    use super::{between, dated_section};

    #[test]
    fn the_newest_section_of_the_changelog_has_to_be_the_versions_with_a_date() {
        let released = "# Changes\n\n## 1.2.3 (2026-11-28)\n\nText.\n\n## 1.2.2 (2026-01-01)\n";
        assert_eq!(dated_section(released, "1.2.3").ok(), Some("2026-11-28"));
        for (changelog, version) in [
            (released, "1.2.4"),
            (released, "1.2.2"),
            (released, "1.2"),
            ("## Unreleased\n\n## 1.2.3 (2026-11-28)\n", "1.2.3"),
            ("## 1.2.3\n", "1.2.3"),
            ("## 1.2.3 (soon)\n", "1.2.3"),
            ("", "1.2.3"),
        ] {
            let refused = dated_section(changelog, version).is_err();
            assert!(refused, "{version} was found in {changelog:?}");
        }
    }

    #[test]
    fn a_version_is_what_stands_between_the_marks() {
        let text = "{ \"name\": \"x\", \"version\": \"1.2.3\", \"a\": \"b\" }";
        assert_eq!(between(text, "\"version\": \"", '"'), Some("1.2.3"));
        assert_eq!(between(text, "\"revision\": \"", '"'), None);
    }
}
