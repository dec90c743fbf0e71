//! Circles among files, and floors that name a floor above.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::graph::Edge;

/// The circles in a crate's dependencies, one text each: its files, and every line that is part of
/// it.
///
/// Files that reach each other belong to one circle. A module and its own descendants may name each
/// other both ways.
pub(crate) fn circles(edges: &[Edge]) -> Vec<String> {
    let edges: Vec<&Edge> = edges.iter().filter(|edge| !edge.is_within_family).collect();
    let mut next: BTreeMap<&Path, BTreeSet<&Path>> = BTreeMap::new();
    for edge in &edges {
        next.entry(&edge.from).or_default().insert(&edge.to);
    }
    let reach: BTreeMap<&Path, BTreeSet<&Path>> = next
        .keys()
        .map(|file| (*file, reachable(&next, file)))
        .collect();
    let is_mutual = |one: &Path, other: &Path| {
        let reaches = |from, to| reach.get(from).is_some_and(|files| files.contains(to));
        reaches(one, other) && reaches(other, one)
    };
    let mut circles = Vec::new();
    let mut done = BTreeSet::new();
    for file in reach.keys() {
        if !is_mutual(file, file) || done.contains(file) {
            continue;
        }
        let others = reach.keys().filter(|other| is_mutual(file, other));
        let members: BTreeSet<&Path> = others.copied().collect();
        let within = edges
            .iter()
            .filter(|edge| members.contains(&*edge.from) && members.contains(&*edge.to));
        circles.push(described(&members, within.copied()));
        done.extend(members);
    }
    circles
}

fn reachable<'a>(next: &BTreeMap<&'a Path, BTreeSet<&'a Path>>, file: &Path) -> BTreeSet<&'a Path> {
    let mut reached = BTreeSet::new();
    let mut open: Vec<&Path> = next.get(file).into_iter().flatten().copied().collect();
    while let Some(file) = open.pop() {
        if reached.insert(file) {
            open.extend(next.get(file).into_iter().flatten());
        }
    }
    reached
}

fn described<'a>(members: &BTreeSet<&Path>, edges: impl Iterator<Item = &'a Edge>) -> String {
    let mut text = format!("a circle of {} files", members.len());
    for edge in edges {
        text.push_str(&format!(
            "\n  {}:{} names `{}` of {}",
            edge.from.display(),
            edge.line,
            edge.written,
            edge.to.display()
        ));
    }
    text
}

/// The lines that name a floor which `allowed` does not list for the floor that they stand on.
///
/// `allowed` lists for each top-level module the others that it may name. The crate's root stands
/// outside: it may name all, and its own items may be named by all.
pub(crate) fn misplaced(edges: &[Edge], allowed: &[(&str, &[&str])]) -> Vec<String> {
    let mut faults = Vec::new();
    for edge in edges {
        let (from, to) = (edge.floors.0.as_str(), edge.floors.1.as_str());
        if from.is_empty() || to.is_empty() || from == to {
            continue;
        }
        let floors = allowed.iter().find(|(floor, _)| *floor == from);
        if !floors.is_some_and(|(_, below)| below.contains(&to)) {
            faults.push(format!(
                "{}:{} names `{}`: `{from}` may not depend on `{to}`",
                edge.from.display(),
                edge.line,
                edge.written
            ));
        }
    }
    faults
}
