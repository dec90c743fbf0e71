//! Cuts a list into pages, along the branches that its fold has derived, children before parents.
//!
//! A branch that is too large gives away the fullest run of adjacent child subtries until it fits, as a B-tree would; what is
//! left stays inline, and its parent decides about it. Splitting by nibble alone would make pages of a sixteenth at unlucky
//! sizes. An account leaf cannot be moved out, but its inline storage can.

use super::entry::{PageId, PageRef, StatePath};
use super::new_pages::NewPages;
use super::page::{PageWriter, blinded_size, page_size};
use super::tree_error::TreeError;
use crate::hash::Hash;
use crate::trie::fold::{ChildOf, Fold};
use crate::trie::path::Path;

mod kept;
mod runs;
#[cfg(test)]
mod tests;

pub(crate) use kept::{Kept, KeptItem, write_top, write_whole};

/// What a snapshot leaves out as blinded, to be fetched again after a crash, is at least this long: a request costs more
/// than writing a few leaves once more.
const COLLAPSE_FROM: usize = 256;

/// The entries a fold was made of.
pub(crate) trait Source {
    /// What an entry counts for.
    fn sum(&self, entry: usize) -> Sum;
    /// Writes an entry.
    fn write(&self, entry: usize, page: &mut PageWriter);
    /// Bytes that hang on an entry and can move into pages of their own: an account's inline storage, a base. 0 if there are
    /// none.
    fn movable(&self, _entry: usize) -> usize {
        0
    }
    /// Moves them.
    fn evict(&mut self, _entry: usize, _out: &mut NewPages) -> Result<(), TreeError> {
        Ok(())
    }
    /// Makes a blinded entry of an account.
    fn blind(&mut self, _entry: usize, _at: Path, _hash: Hash) {}
}

/// What stands in a list, added up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sum {
    /// Encoded size in bytes, at most.
    pub(crate) size: usize,
    pub(crate) leaves: u64,
    /// Of the accounts in it.
    pub(crate) slots: u64,
    /// Something below is still to be fetched.
    pub(crate) open: bool,
    /// There are pages below.
    pub(crate) pages: bool,
    /// There are bases below, which may stand nowhere else.
    pub(crate) bases: bool,
}

impl Sum {
    fn add(&mut self, other: Sum) {
        self.size += other.size;
        self.leaves += other.leaves;
        self.slots += other.slots;
        self.open |= other.open;
        self.pages |= other.pages;
        self.bases |= other.bases;
    }

    /// The page with this hash in which all of it stands now, its path counted from a branch at depth `parent`.
    fn page(self, hash: Hash, id: PageId, parent: u8) -> PageRef {
        PageRef {
            hash,
            id,
            open: self.open,
            inner: self.pages,
            leaves: self.leaves,
            slots: self.slots,
            parent,
        }
    }
}

/// How to cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// More is to come: only complete subtries move out, and out of an open branch only runs that cannot grow any more.
    Growing,
    /// Nothing more is to come before this is written: everything is cut until it fits, open or not.
    Closing,
    /// As `Closing`, but what has no page below is not written at all, it becomes blinded.
    Collapsing,
}

/// Which trie is cut, and to what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    /// The account whose storage trie this is.
    pub(crate) account: Option<Hash>,
    /// Bytes per page.
    pub(crate) budget: usize,
}

/// Cuts the list that `fold` was run over. New pages go to `out`.
pub(crate) fn cut(
    fold: &Fold,
    source: &mut (impl Source + ?Sized),
    place: Place,
    mode: Mode,
    out: &mut NewPages,
) -> Result<Kept, TreeError> {
    let mut cut = Cut {
        fold,
        source,
        place,
        mode,
        nodes: Vec::new(),
        gone: Vec::new(),
        out,
    };
    cut.nodes.reserve(fold.branches().len());
    for branch in 0..fold.branches().len() {
        cut.branch(branch)?;
    }
    cut.top()
}

/// As [`cut`], compiled once for all lists in memory. An answer has a cut of its own, because every account goes through it.
pub(crate) fn cut_list(
    fold: &Fold,
    source: &mut dyn Source,
    place: Place,
    mode: Mode,
    out: &mut NewPages,
) -> Result<Kept, TreeError> {
    cut(fold, source, place, mode, out)
}

/// A cut in progress.
struct Cut<'a, S: ?Sized> {
    fold: &'a Fold,
    source: &'a mut S,
    place: Place,
    mode: Mode,
    /// By branch, as far as they have been cut.
    nodes: Vec<Node>,
    /// What stands for the branches that are gone.
    gone: Vec<Gone>,
    out: &'a mut NewPages,
}

/// A branch that has been cut.
#[derive(Clone, Copy)]
struct Node {
    /// What its parent counts for it.
    sum: Sum,
    /// Some branch below is gone.
    changed: bool,
    /// It is gone itself: index into [`Cut::gone`].
    gone: Option<u32>,
}

#[derive(Clone, Copy)]
enum Gone {
    Page(PageRef),
    Blinded(Hash),
}

impl<S: Source + ?Sized> Cut<'_, S> {
    fn branch(&mut self, branch: usize) -> Result<(), TreeError> {
        let node = self.total(branch);
        self.nodes.push(node);
        let too_large = node.sum.size > self.place.budget;
        match self.mode {
            Mode::Growing if node.sum.open && too_large => self.move_full_runs(branch)?,
            Mode::Growing | Mode::Closing if too_large => self.shrink(branch)?,
            Mode::Collapsing if node.sum.pages || node.sum.bases => {
                self.collapse_children(branch);
                if self.update(branch).size > self.place.budget {
                    self.shrink(branch)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// What the children of a branch count for now.
    fn total(&self, branch: usize) -> Node {
        let mut node = Node {
            sum: Sum::default(),
            changed: false,
            gone: None,
        };
        for child in self.fold.children(branch) {
            match child {
                ChildOf::Entry(entry) => node.sum.add(self.source.sum(entry as usize)),
                ChildOf::Branch(child) => {
                    let Some(child) = self.nodes.get(child as usize) else {
                        continue;
                    };
                    node.sum.add(child.sum);
                    node.changed |= child.changed || child.gone.is_some();
                }
            }
        }
        node
    }

    /// Counts again after something has moved.
    fn update(&mut self, branch: usize) -> Sum {
        let node = self.total(branch);
        if let Some(slot) = self.nodes.get_mut(branch) {
            *slot = node;
        }
        node.sum
    }

    /// Puts some children of a branch into one page.
    fn move_out(&mut self, parent: usize, run: &[usize]) -> Result<(), TreeError> {
        let at = StatePath {
            account: self.place.account,
            path: self.path(parent),
        };
        let size = run
            .iter()
            .filter_map(|child| self.nodes.get(*child))
            .map(|node| node.sum.size);
        let mut page = PageWriter::new(&at, false, size.sum());
        for child in run {
            self.write(*child, &mut page);
        }
        let id = self.out.push(page.finish())?;
        for child in run {
            let hash = self
                .fold
                .branches()
                .get(*child)
                .and_then(|branch| branch.reference.hash());
            let (Some(hash), Some(node)) = (hash, self.nodes.get(*child)) else {
                continue;
            };
            let Sum {
                leaves,
                slots,
                open,
                ..
            } = node.sum;
            let reference = node.sum.page(hash, id, at.path.len());
            let size = page_size(&self.path(*child), &reference);
            self.replace(
                *child,
                Sum {
                    size,
                    leaves,
                    slots,
                    open,
                    pages: true,
                    bases: false,
                },
                Gone::Page(reference),
            );
        }
        Ok(())
    }

    /// Leaves out what waits in memory below a branch that has pages: children without pages become blinded.
    fn collapse_children(&mut self, branch: usize) {
        for child in self.fold.children(branch) {
            match child {
                ChildOf::Entry(entry) if self.is_leaf(entry) => {
                    let entry = entry as usize;
                    let sum = self.source.sum(entry);
                    let waits = sum.size >= COLLAPSE_FROM && !sum.pages && !sum.bases;
                    let hash = self.fold.leaf_ref(entry).and_then(|leaf| leaf.hash());
                    if let Some(hash) = hash.filter(|_| waits) {
                        let depth = self.path(branch).len() + 1;
                        self.source
                            .blind(entry, self.fold.path(entry).prefix(depth), hash);
                    }
                }
                ChildOf::Entry(_) => {}
                ChildOf::Branch(child) => self.collapse(child as usize),
            }
        }
    }

    fn collapse(&mut self, branch: usize) {
        let hash = self
            .fold
            .branches()
            .get(branch)
            .and_then(|branch| branch.reference.hash());
        let waiting = self.nodes.get(branch).filter(|node| {
            !node.sum.pages
                && !node.sum.bases
                && node.sum.size >= COLLAPSE_FROM
                && node.gone.is_none()
        });
        if let (Some(hash), Some(_)) = (hash, waiting) {
            let size = blinded_size(&self.path(branch));
            let sum = Sum {
                size,
                leaves: 0,
                slots: 0,
                open: true,
                pages: false,
                bases: false,
            };
            self.replace(branch, sum, Gone::Blinded(hash));
        }
    }

    fn replace(&mut self, branch: usize, sum: Sum, gone: Gone) {
        if let Some(node) = self.nodes.get_mut(branch) {
            *node = Node {
                sum,
                changed: true,
                gone: Some(self.gone.len() as u32),
            };
            self.gone.push(gone);
        }
    }

    /// The list that is left.
    fn top(mut self) -> Result<Kept, TreeError> {
        let mut kept = Kept {
            items: Vec::new(),
            sum: Sum::default(),
        };
        match self.fold.branches().len().checked_sub(1) {
            Some(top) => {
                if self.mode == Mode::Collapsing {
                    self.collapse(top);
                }
                self.keep(top, &mut kept.items);
                kept.sum = self.nodes.get(top).map(|node| node.sum).unwrap_or_default();
            }
            None if !self.fold.is_empty() => {
                let too_large = self.source.sum(0).size > self.place.budget;
                if self.mode != Mode::Growing && too_large && self.source.movable(0) > 0 {
                    self.source.evict(0, self.out)?;
                }
                kept.items.push(KeptItem::Entry(0));
                kept.sum = self.source.sum(0);
            }
            None => {}
        }
        Ok(kept)
    }

    fn keep(&self, branch: usize, items: &mut Vec<KeptItem>) {
        let Some(node) = self.nodes.get(branch) else {
            return;
        };
        match node.gone.and_then(|gone| self.gone.get(gone as usize)) {
            Some(Gone::Page(page)) => items.push(KeptItem::Page(self.path(branch), *page)),
            Some(Gone::Blinded(hash)) => items.push(KeptItem::Blinded(self.path(branch), *hash)),
            None if node.changed => {
                for child in self.fold.children(branch) {
                    match child {
                        ChildOf::Entry(entry) => items.push(KeptItem::Entry(entry as usize)),
                        ChildOf::Branch(child) => self.keep(child as usize, items),
                    }
                }
            }
            None => items.extend(self.entries(branch).map(KeptItem::Entry)),
        }
    }

    fn write(&self, branch: usize, page: &mut PageWriter) {
        let Some(node) = self.nodes.get(branch) else {
            return;
        };
        match node.gone.and_then(|gone| self.gone.get(gone as usize)) {
            Some(Gone::Page(reference)) => page.page(&self.path(branch), reference),
            Some(Gone::Blinded(hash)) => page.blinded(&self.path(branch), hash),
            None if node.changed => {
                for child in self.fold.children(branch) {
                    match child {
                        ChildOf::Entry(entry) => self.source.write(entry as usize, page),
                        ChildOf::Branch(child) => self.write(child as usize, page),
                    }
                }
            }
            None => self
                .entries(branch)
                .for_each(|entry| self.source.write(entry, page)),
        }
    }

    fn entries(&self, branch: usize) -> core::ops::Range<usize> {
        let branch = self.fold.branches().get(branch);
        branch.map_or(0..0, |branch| {
            branch.first as usize..branch.last as usize + 1
        })
    }

    fn path(&self, branch: usize) -> Path {
        let branch = self.fold.branches().get(branch);
        branch.map_or(Path::ROOT, |branch| {
            self.fold.path(branch.first as usize).prefix(branch.depth)
        })
    }
}
