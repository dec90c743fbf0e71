//! Where things are.

use std::env;
use std::path::{Path, PathBuf};

use crate::run::Outcome;

/// The folders every command needs.
pub(crate) struct Workspace {
    /// The repository's root.
    pub(crate) root: PathBuf,
    /// Cargo's target folder, whatever CARGO_TARGET_DIR or a configuration file made of it.
    pub(crate) target: PathBuf,
    /// The npm package: types and README are kept there, the built module lands in `wasm/`.
    pub(crate) package: PathBuf,
    /// The Node scripts and what they need from npm.
    pub(crate) node: PathBuf,
}

impl Workspace {
    pub(crate) fn find() -> Outcome<Self> {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = manifest
            .parent()
            .filter(|root| root.join("Cargo.toml").exists())
            .ok_or_else(|| {
                format!(
                    "{} has moved since this program was compiled; run it by `cargo xtask`",
                    manifest.display()
                )
            })?
            .to_path_buf();
        Ok(Workspace {
            target: target_directory(&root),
            package: root.join("pkg"),
            node: manifest.join("node"),
            root,
        })
    }

    /// A native program of the workspace, built in release mode.
    pub(crate) fn release(&self, program: &str) -> PathBuf {
        self.target
            .join("release")
            .join(format!("{program}{}", env::consts::EXE_SUFFIX))
    }

    /// The folder of the programs that are written in Go.
    pub(crate) fn go_programs(&self) -> PathBuf {
        self.target.join("go")
    }

    /// A program that is written in Go, whether it is built or not.
    pub(crate) fn go_program(&self, program: &str) -> PathBuf {
        self.go_programs()
            .join(format!("{program}{}", env::consts::EXE_SUFFIX))
    }

    /// A path as the developer would write it: below the root where possible.
    pub(crate) fn shown(&self, path: &Path) -> String {
        path.strip_prefix(&self.root)
            .unwrap_or(path)
            .display()
            .to_string()
    }
}

/// This program lies in `<target>/<profile>/`, which is cheaper to know than asking `cargo metadata`.
fn target_directory(root: &Path) -> PathBuf {
    env::current_exe()
        .ok()
        .and_then(|program| Some(program.parent()?.parent()?.to_path_buf()))
        .filter(|folder| folder.join("CACHEDIR.TAG").exists())
        .unwrap_or_else(|| root.join("target"))
}
