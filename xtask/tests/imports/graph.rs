//! Which file of a crate depends on which: every path is followed to the file that defines its
//! item.

use std::collections::{BTreeSet, HashSet};
use std::path::PathBuf;

use crate::source::{Module, Named};

/// A file names an item that another file defines.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Edge {
    /// The file that names it.
    pub(crate) from: PathBuf,
    /// The line in that file.
    pub(crate) line: usize,
    /// The path as it is written there.
    pub(crate) written: String,
    /// The file that defines the item.
    pub(crate) to: PathBuf,
    /// Top-level modules of the two files; empty for the crate's root.
    pub(crate) floors: (String, String),
    /// One of the two modules is an ancestor of the other.
    pub(crate) is_within_family: bool,
}

/// Where a path leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Target {
    /// To the module itself.
    Module(usize),
    /// To an item that this module defines.
    Item(usize),
    /// Out of the crate by a `use` of another crate: the module, and which of its `use`s.
    Outside(usize, usize),
}

/// All dependencies between the files of a crate. Another crate that its root imports counts as a
/// floor (`crate::trie`); the edge's `to` is then the root's file.
///
/// Fails on a path that begins in the crate and ends nowhere: a dependency would be overlooked.
pub(crate) fn edges(modules: &[Module]) -> Result<Vec<Edge>, String> {
    let mut edges = BTreeSet::new();
    for (id, module) in modules.iter().enumerate() {
        let imports = module.uses.iter().map(|import| &import.named);
        // Where the `use`s lead: words in the code that they introduced are not listed again.
        let mut imported = BTreeSet::new();
        for (named, is_import) in imports
            .map(|named| (named, true))
            .chain(module.paths.iter().map(|named| (named, false)))
        {
            let targets = Resolver::new(modules).path(id, named);
            if targets.is_empty() && named.starts_here() {
                return Err(format!(
                    "{}:{}: `{}` leads to no item that this check knows",
                    module.file.display(),
                    named.line,
                    named.segments.join("::"),
                ));
            }
            for target in targets {
                // A word alone in the code is a variable, not the module of that name.
                let is_word = !is_import && named.segments.len() == 1;
                if is_word && matches!(target, Target::Module(_)) {
                    continue;
                }
                let Some(edge) = edge(modules, id, named, target) else {
                    continue;
                };
                let place = (edge.to.clone(), edge.floors.1.clone());
                if is_import {
                    imported.insert(place);
                } else if !named.starts_here() && imported.contains(&place) {
                    continue;
                }
                edges.insert(edge);
            }
        }
    }
    Ok(edges.into_iter().collect())
}

fn edge(modules: &[Module], from: usize, named: &Named, target: Target) -> Option<Edge> {
    let (to, floor) = match target {
        Target::Module(to) | Target::Item(to) => (to, modules[to].floor()),
        Target::Outside(to, import) => {
            let is_root = modules[to].parent.is_none();
            let alias = modules[to].uses[import].alias.clone();
            (to, alias.filter(|_| is_root && from != to)?)
        }
    };
    let (from, to) = (&modules[from], &modules[to]);
    (from.file != to.file).then(|| Edge {
        from: from.file.clone(),
        line: named.line,
        written: named.segments.join("::"),
        to: to.file.clone(),
        floors: (from.floor(), floor),
        is_within_family: from.path.starts_with(&to.path) || to.path.starts_with(&from.path),
    })
}

impl Module {
    /// The top-level module that this one belongs to; empty for the crate's root.
    fn floor(&self) -> String {
        self.path.first().cloned().unwrap_or_default()
    }
}

impl Named {
    /// Whether the first word says that the path begins in this crate.
    fn starts_here(&self) -> bool {
        self.segments.len() > 1 && is_keyword(&self.segments[0])
    }
}

fn is_keyword(segment: &str) -> bool {
    matches!(segment, "crate" | "self" | "super")
}

/// Follows one path. It remembers where it has been, since re-exports may go round.
struct Resolver<'a> {
    modules: &'a [Module],
    seen: HashSet<(usize, String)>,
}

impl<'a> Resolver<'a> {
    fn new(modules: &'a [Module]) -> Self {
        Resolver {
            modules,
            seen: HashSet::new(),
        }
    }

    /// Where a path leads that is written in the module `from`. Nowhere if it names another crate.
    fn path(&mut self, from: usize, named: &Named) -> BTreeSet<Target> {
        if named.is_external {
            return BTreeSet::new();
        }
        let mut segments = named.segments.as_slice();
        let mut base = from;
        let mut is_absolute = false;
        while let [first, rest @ ..] = segments {
            base = match first.as_str() {
                "crate" => 0,
                "self" => base,
                "super" => match self.modules[base].parent {
                    Some(parent) => parent,
                    None => return BTreeSet::new(),
                },
                _ => break,
            };
            is_absolute = true;
            segments = rest;
        }
        match segments {
            [] if is_absolute => BTreeSet::from([Target::Module(base)]),
            [] => BTreeSet::new(),
            [first, rest @ ..] => {
                let mut found = self.name(base, first);
                for segment in rest {
                    found = found
                        .into_iter()
                        .flat_map(|target| match target {
                            Target::Module(module) => self.name(module, segment),
                            // A variant, a constant or a function of the item.
                            other => BTreeSet::from([other]),
                        })
                        .collect();
                }
                found
            }
        }
    }

    /// What a name means in a module: what is defined there, imported there, or imported by a glob.
    fn name(&mut self, module: usize, name: &str) -> BTreeSet<Target> {
        if !self.seen.insert((module, name.to_owned())) {
            return BTreeSet::new();
        }
        let scope = &self.modules[module];
        let children = scope.children.get(name).into_iter().flatten();
        let mut found: BTreeSet<Target> = children.map(|child| Target::Module(*child)).collect();
        if scope.items.contains(name) {
            found.insert(Target::Item(module));
        }
        for (index, import) in scope.uses.iter().enumerate() {
            if import.alias.as_deref() == Some(name) {
                let targets = self.path(module, &import.named);
                if targets.is_empty() {
                    found.insert(Target::Outside(module, index));
                }
                found.extend(targets);
            }
        }
        if found.is_empty() {
            for import in &scope.uses {
                if import.alias.is_none() {
                    for target in self.path(module, &import.named) {
                        if let Target::Module(globbed) = target {
                            found.extend(self.name(globbed, name));
                        }
                    }
                }
            }
        }
        // The same name may be looked up again on another way.
        self.seen.remove(&(module, name.to_owned()));
        found
    }
}
