//! The parts of the account trie of which nothing has ever been held under any root.

use super::price::{LEAVES_PER_RANGE, WORTH_A_RANGE};
use crate::hash::Hash;
use crate::state::key_space::{Density, leading, width, width_below};
use crate::state::{Entry, Item};

/// Gaps that one plan asks for: what 32 peers have in flight. Chosen without a measurement: more
/// only costs memory for the plan.
const GAPS_AHEAD: usize = 64;

/// First and last keys of the gaps, cut to what one range brings, at most [`GAPS_AHEAD`] of them.
/// Empty if all gaps left are as narrow as those between any two accounts.
pub(super) fn gaps(list: &[Entry]) -> Vec<(Hash, Hash)> {
    let Some(density) = density(list) else {
        return Vec::new();
    };
    let mut finder = Finder {
        density,
        next: None,
        gaps: Vec::new(),
    };
    // What is not blinded is held, or known to be empty.
    for entry in list {
        if let Item::Blinded { base, .. } = &entry.item {
            finder.next = Some(entry.path.first_key());
            finder.walk(base);
            finder.finish(entry.path.last_key());
        }
    }
    finder.gaps.truncate(GAPS_AHEAD);
    finder.gaps
}

struct Finder {
    density: Density,
    /// The first key that has not been looked at, or `None` behind the last.
    next: Option<Hash>,
    /// Bound: twice [`GAPS_AHEAD`].
    gaps: Vec<(Hash, Hash)>,
}

impl Finder {
    /// Enters what lies between the entries of a base.
    fn walk(&mut self, base: &[Entry]) {
        for entry in base {
            if let Item::Blinded { base, .. } = &entry.item {
                self.walk(base);
                continue;
            }
            let first = entry.path.first_key();
            if let (Some(from), Some(before)) = (self.next, first.previous())
                && from < first
            {
                self.enter(from, before);
            }
            self.next = entry.path.last_key().next();
        }
    }

    /// Enters what lies behind the last entry of a base, up to `last`.
    fn finish(&mut self, last: Hash) {
        if let Some(first) = self.next.filter(|first| *first <= last) {
            self.enter(first, last);
        }
    }

    /// Enters a gap if it is likely to hold more than a few accounts, in parts of what one range
    /// brings.
    fn enter(&mut self, first: Hash, last: Hash) {
        let width = width(&first, &last);
        let leaves = self.density.leaves_in(width);
        if leaves < WORTH_A_RANGE || self.gaps.len() >= GAPS_AHEAD {
            return;
        }
        let parts = (leaves / LEAVES_PER_RANGE as f64)
            .ceil()
            .clamp(1.0, GAPS_AHEAD as f64) as u64;
        let mut start = first;
        for part in 1..=parts {
            let mut end = last;
            if part < parts {
                let place = leading(&first) + (width / parts) * part;
                end.0 = [0xff; 32];
                end.0[..8].copy_from_slice(&place.to_be_bytes());
            }
            self.gaps.push((start, end));
            match end.next() {
                Some(next) => start = next,
                None => return,
            }
        }
    }
}

/// How densely accounts lie, judged by the pages that are held or stand in bases: a page holds all
/// there is below its path.
fn density(list: &[Entry]) -> Option<Density> {
    let (leaves, width) = pages_in(list);
    Density::new(leaves, width)
}

/// The leaves in pages, and the width of the key space that these pages cover.
fn pages_in(list: &[Entry]) -> (u64, f64) {
    list.iter().fold((0, 0.0), |(leaves, width), entry| {
        let (more, wider) = match &entry.item {
            Item::Blinded { base, .. } => pages_in(base),
            Item::Page(page) => (page.leaves, width_below(&entry.path) as f64),
            Item::Account(_) | Item::Slot(_) | Item::Outside(_) | Item::Neighbour(_) => (0, 0.0),
        };
        (leaves + more, width + wider)
    })
}
