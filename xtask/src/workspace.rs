//! Where the files and folders of the workspace are.

use std::env;
use std::path::{Path, PathBuf};

use crate::run::Outcome;

/// The folders that every command needs.
pub(crate) struct Workspace {
    /// The repository's root.
    pub(crate) root: PathBuf,
    /// Cargo's target folder, as CARGO_TARGET_DIR or a configuration file sets it.
    pub(crate) target: PathBuf,
    /// The npm package. Its types and README are kept there; the module is built into `wasm/`.
    pub(crate) package: PathBuf,
    /// The Node scripts and their npm packages.
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

    /// Where a native program of the workspace is when it is built in release mode.
    pub(crate) fn release(&self, program: &str) -> PathBuf {
        self.target
            .join("release")
            .join(format!("{program}{}", env::consts::EXE_SUFFIX))
    }

    /// The folder for the programs that are written in Go.
    pub(crate) fn go_programs(&self) -> PathBuf {
        self.target.join("go")
    }

    /// Where a program that is written in Go is when it is built.
    pub(crate) fn go_program(&self, program: &str) -> PathBuf {
        self.go_programs()
            .join(format!("{program}{}", env::consts::EXE_SUFFIX))
    }

    /// Where go-ethereum 1.10.26 is when it is built.
    pub(crate) fn old_geth(&self) -> PathBuf {
        let program = format!("geth{}", env::consts::EXE_SUFFIX);
        self.target.join("tools/geth-1.10.26").join(program)
    }

    /// A path for messages: relative to the root if it is below it.
    pub(crate) fn shown(&self, path: &Path) -> String {
        path.strip_prefix(&self.root)
            .unwrap_or(path)
            .display()
            .to_string()
    }
}

/// This program is in `<target>/<profile>/`, so the folder is known without running `cargo
/// metadata`.
fn target_directory(root: &Path) -> PathBuf {
    env::current_exe()
        .ok()
        .and_then(|program| Some(program.parent()?.parent()?.to_path_buf()))
        .filter(|folder| folder.join("CACHEDIR.TAG").exists())
        .unwrap_or_else(|| root.join("target"))
}
