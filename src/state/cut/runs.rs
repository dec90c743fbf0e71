//! Which children of a branch move out together.

use super::{Cut, CutMode, Source};
use crate::state::page::MIN_BUDGET;
use crate::state::tree_error::TreeError;
use crate::trie::fold::ChildOf;

impl<S: Source + ?Sized> Cut<'_, S> {
    /// Moves out the runs of complete children that cannot grow into a fuller page, because the
    /// next sibling would not fit any more.
    pub(super) fn move_full_runs(&mut self, branch: usize) -> Result<(), TreeError> {
        let mut run: Vec<usize> = Vec::new();
        let mut size = 0;
        for child in self.fold.children(branch) {
            let (next, movable) = match child {
                ChildOf::Entry(entry) if self.is_leaf(entry) => continue,
                ChildOf::Entry(_) => (None, false),
                ChildOf::Branch(child) => {
                    let child = child as usize;
                    let node = self
                        .nodes
                        .get(child)
                        .filter(|node| node.replacement.is_none());
                    (
                        node.map(|node| (child, node.sum.size)),
                        self.is_movable(child),
                    )
                }
            };
            let full = next.is_some_and(|(_, next)| size + next > self.place.budget);
            if full && !run.is_empty() {
                self.move_out(branch, &run)?;
            }
            if full || !movable {
                run.clear();
                size = 0;
            }
            if let Some((child, next)) = next.filter(|_| movable) {
                run.push(child);
                size += next;
            }
        }
        self.update(branch)?;
        Ok(())
    }

    /// Moves out the fullest runs until what is left fits, and then the runs that fill at least
    /// half a page. What is left is mostly references, which matters because upper pages are
    /// walked, cached and written more often.
    pub(super) fn shrink(&mut self, branch: usize) -> Result<(), TreeError> {
        let budget = self.place.budget;
        while self.update(branch)?.size > budget {
            if let Some(entry) = self.most_movable(branch, budget / 2) {
                self.source.evict(entry, self.out)?;
            } else if let Some((run, _)) = self.fullest_run(branch) {
                self.move_out(branch, &run)?;
            } else if let Some(entry) = self.most_movable(branch, 0) {
                self.source.evict(entry, self.out)?;
            } else {
                break;
            }
        }
        while let Some((run, _)) = self
            .fullest_run(branch)
            .filter(|(_, size)| *size >= budget / 2)
        {
            self.move_out(branch, &run)?;
        }
        self.update(branch)?;
        Ok(())
    }

    /// The child entry with the largest inline storage or base, if that is longer than `from`.
    fn most_movable(&self, branch: usize, from: usize) -> Option<usize> {
        self.fold
            .children(branch)
            .filter_map(|child| match child {
                ChildOf::Entry(entry) => Some(entry as usize),
                ChildOf::Branch(_) => None,
            })
            .map(|entry| (self.source.movable(entry), entry))
            .filter(|(size, _)| *size > from)
            .max()
            .map(|(_, entry)| entry)
    }

    /// The run of adjacent movable children that fits a page and has the most bytes, and these
    /// bytes. A child that is larger makes a run of its own.
    fn fullest_run(&self, branch: usize) -> Option<(Vec<usize>, usize)> {
        let mut best = (0, 0..0);
        // At most 16 children. `None` where a run ends.
        let mut children: Vec<Option<(usize, usize)>> = Vec::new();
        for child in self.fold.children(branch) {
            match child {
                ChildOf::Entry(entry) if self.is_leaf(entry) => {}
                ChildOf::Branch(child) if self.is_movable(child as usize) => {
                    let node = self.nodes.get(child as usize);
                    children.push(node.map(|node| (child as usize, node.sum.size)));
                }
                _ => children.push(None),
            }
        }
        for start in 0..children.len() {
            let mut size = 0;
            for (end, child) in children.iter().enumerate().skip(start) {
                match child {
                    Some((_, next)) if size == 0 || size + next <= self.place.budget => {
                        size += next
                    }
                    _ => break,
                }
                if size > best.0 {
                    best = (size, start..end + 1);
                }
            }
        }
        let run = children
            .get(best.1)?
            .iter()
            .flatten()
            .map(|(child, _)| *child)
            .collect();
        (best.0 > 0).then_some((run, best.0))
    }

    /// Leaves do not end a run: they stay with the parent, wherever their siblings go.
    pub(super) fn is_leaf(&self, entry: u32) -> bool {
        self.fold.is_leaf(entry as usize)
    }

    /// What has at most [`MIN_BUDGET`] bytes may move even if pages are cut to less: the leaves of
    /// one branch cannot be split.
    fn is_movable(&self, branch: usize) -> bool {
        let most = self.place.budget.max(MIN_BUDGET);
        let node = self.nodes.get(branch).filter(|node| {
            node.replacement.is_none()
                && node.sum.size <= most
                && !(self.mode == CutMode::Growing && node.sum.open)
        });
        node.is_some() && self.hash(branch).is_some()
    }
}
