//! Which file may depend on which. `cargo xtask test --only imports` runs this check alone.
//!
//! A file depends on another if a `use` or a path in it names an item that the other one defines.
//! Re-exports are followed to the definition. Tests are left out.

mod circles;
mod graph;
mod source;

use std::fs;
use std::path::Path;

use graph::Edge;

/// The roots of the crates that are checked.
const CRATES: [&str; 6] = [
    "src/lib.rs",
    "trie/src/lib.rs",
    "peer/src/lib.rs",
    "peer/src/main.rs",
    "xtask/src/main.rs",
    "xtask/src/bin/bindgen.rs",
];

/// For each top-level module of `src`, the others that it may name. `trie` and `hash` are the crate
/// in `trie/`.
const FLOORS: &[(&str, &[&str])] = &[
    ("heap", &["trie", "hash"]),
    ("flat_map", &["trie", "hash", "heap"]),
    ("state", &["trie", "hash", "heap", "flat_map"]),
    ("wire", &["trie", "hash", "heap", "flat_map", "state"]),
    (
        "sync",
        &["trie", "hash", "heap", "flat_map", "state", "wire"],
    ),
    ("store", &["hash", "flat_map", "state"]),
    ("web", &["trie", "hash", "state", "wire", "sync", "store"]),
];

#[test]
fn files_import_in_no_circle_and_no_floor_imports_from_above() -> Result<(), String> {
    let workspace = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let mut faults = Vec::new();
    for root in CRATES {
        let edges = dependencies(workspace, root)?;
        faults.extend(circles::circles(&edges));
        if root == "src/lib.rs" {
            faults.extend(circles::misplaced(&edges, FLOORS));
        }
    }
    assert!(faults.is_empty(), "\n\n{}\n", faults.join("\n\n"));
    Ok(())
}

#[test]
fn a_circle_is_found_through_re_exports_and_named_line_by_line() -> Result<(), String> {
    let edges = edges_of(
        "circle",
        &[
            ("lib.rs", "mod low;\nmod high;\npub use low::Low;"),
            ("low/mod.rs", "mod inner;\npub use inner::Low;"),
            (
                "low/inner.rs",
                "use crate::high::High;\n\npub struct Low(High);",
            ),
            ("high.rs", "\nuse super::Low;\npub struct High(Low);"),
        ],
    )?;
    let expected = "a circle of 2 files\n  high.rs:2 names `super::Low` of low/inner.rs\n  \
        low/inner.rs:1 names `crate::high::High` of high.rs";
    assert_eq!(circles::circles(&edges), [expected]);
    Ok(())
}

#[test]
fn a_circle_of_paths_in_the_code_in_macros_and_by_a_glob_is_found() -> Result<(), String> {
    let edges = edges_of(
        "inline",
        &[
            ("lib.rs", "mod a;\nmod b;\nmod c;\nmod macros;\nuse c::*;"),
            ("a.rs", "pub fn a() { crate::b::b() }"),
            ("b.rs", "use super::*;\npub fn b() { assert!(C::new(1)) }"),
            ("c.rs", "use crate::macros::made;\npub struct C;\nmade!(C);"),
            (
                "macros.rs",
                "macro_rules! made { ($name:ty) => { $crate::a::a() } }\npub(crate) use made;",
            ),
        ],
    )?;
    let found = circles::circles(&edges).concat();
    for line in [
        "a circle of 4 files",
        "a.rs:1 names `crate::b::b` of b.rs",
        "b.rs:2 names `C::new` of c.rs",
        "c.rs:1 names `crate::macros::made` of macros.rs",
        "macros.rs:1 names `crate::a::a` of a.rs",
    ] {
        assert!(found.contains(line), "no {line} in {found}");
    }
    Ok(())
}

#[test]
fn a_parent_and_its_child_and_a_test_make_no_circle() -> Result<(), String> {
    let edges = edges_of(
        "family",
        &[
            ("lib.rs", "mod parent;\nmod other;\npub struct Root;"),
            (
                "parent.rs",
                "mod child;\nuse child::Child;\npub struct Parent(Child);",
            ),
            (
                "parent/child.rs",
                "use super::Parent;\nuse crate::{Root, other::Other};\npub struct Child;",
            ),
            (
                "other.rs",
                "pub struct Other;\n#[cfg(test)]\nuse crate::parent::Parent;\n\
                 #[cfg(all(test, unix))]\nmod tests { use crate::parent::Parent; }",
            ),
        ],
    )?;
    assert_eq!(circles::circles(&edges), [""; 0]);
    Ok(())
}

#[test]
fn a_floor_may_name_only_what_the_table_lists_for_it() -> Result<(), String> {
    let edges = edges_of(
        "floors",
        &[
            (
                "lib.rs",
                "mod low;\nmod high;\npub use low::Low;\npub use other as below;",
            ),
            (
                "low.rs",
                "use crate::below::Thing;\nuse crate::high::High;\npub struct Low;",
            ),
            ("high.rs", "use crate::{Low, below};\npub struct High;"),
        ],
    )?;
    let allowed: &[(&str, &[&str])] = &[("low", &["below"]), ("high", &["low"])];
    assert_eq!(
        circles::misplaced(&edges, allowed),
        [
            "high.rs:1 names `crate::below`: `high` may not depend on `below`",
            "low.rs:2 names `crate::high::High`: `low` may not depend on `high`",
        ]
    );
    Ok(())
}

#[test]
fn a_path_that_leads_nowhere_is_an_error_and_not_overlooked() {
    let failure = edges_of(
        "nowhere",
        &[("lib.rs", "mod a;"), ("a.rs", "use crate::b::B;")],
    );
    assert_eq!(
        failure,
        Err(String::from(
            "a.rs:1: `crate::b::B` leads to no item that this check knows"
        ))
    );
}

/// The dependencies of a crate made of these files.
fn edges_of(name: &str, files: &[(&str, &str)]) -> Result<Vec<Edge>, String> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("imports")
        .join(name);
    for (file, text) in files {
        let file = folder.join(file);
        file.parent()
            .map_or(Ok(()), fs::create_dir_all)
            .and_then(|()| fs::write(&file, text))
            .map_err(|error| format!("{} could not be written: {error}", file.display()))?;
    }
    dependencies(&folder, "lib.rs")
}

/// The dependencies among the files of the crate with this root, by their paths below `folder`.
fn dependencies(folder: &Path, root: &str) -> Result<Vec<Edge>, String> {
    graph::edges(&source::read(folder, Path::new(root))?)
}
