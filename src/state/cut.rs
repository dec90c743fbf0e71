//! Cuts a list into pages along the branches that its fold has derived, children before parents.
//!
//! A branch that is too large for a page moves out its fullest run of adjacent child subtries until
//! it fits, as a B-tree would. What is left stays inline, and its parent decides about it. Cutting
//! by nibble alone would leave pages a sixteenth full at unlucky sizes. An account leaf cannot be
//! moved out, but its inline storage can.

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

/// The least bytes that a snapshot leaves out as blinded, to be fetched again after a crash. Below
/// that, writing a few leaves again costs less than requesting them. Chosen without a measurement.
const COLLAPSE_FROM: usize = 256;

/// The entries that a fold was run over.
pub(crate) trait Source {
    /// What an entry adds to the sum of its branch.
    fn sum(&self, entry: usize) -> Sum;
    /// Writes an entry into a page.
    fn write(&self, entry: usize, page: &mut PageWriter);
    /// Bytes that hang on an entry and can move into pages of their own: an account's inline
    /// storage, or a base. 0 if there are none.
    fn movable(&self, _entry: usize) -> usize {
        0
    }
    /// Moves what [`Source::movable`] counts into pages of its own.
    fn evict(&mut self, _entry: usize, _out: &mut NewPages) -> Result<(), TreeError> {
        Ok(())
    }
    /// Replaces an account's entry by a blinded entry.
    fn blind(&mut self, _entry: usize, _at: Path, _hash: Hash) {}
}

/// What a part of a list holds, added up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sum {
    /// Upper bound of the encoded size, in bytes.
    pub(crate) size: usize,
    pub(crate) leaves: u64,
    /// Storage slots of the accounts in it.
    pub(crate) slots: u64,
    /// Whether something below is still to be fetched.
    pub(crate) open: bool,
    /// Whether there are pages below.
    pub(crate) pages: bool,
    /// Whether there are bases below. A base may exist only here, so it is always written.
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

    /// The reference to the page that holds all of it now. `parent` is the depth of the branch
    /// whose children share the page.
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
pub(crate) enum CutMode {
    /// More leaves are to come. Only complete subtries move out, and out of an open branch only
    /// runs that cannot grow any more.
    Growing,
    /// Nothing more comes before this is written. Everything is cut until it fits, open or not.
    Closing,
    /// As `Closing`, but what has no page below is written as blinded only.
    Collapsing,
}

/// Which trie is cut, and to which size.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    /// The account whose storage trie is cut; `None` for the account trie.
    pub(crate) account: Option<Hash>,
    /// Most bytes of a page.
    pub(crate) budget: usize,
}

/// Cuts the list that `fold` was run over. New pages go to `out`.
pub(crate) fn cut(
    fold: &Fold,
    source: &mut (impl Source + ?Sized),
    place: Place,
    mode: CutMode,
    out: &mut NewPages,
) -> Result<Kept, TreeError> {
    let mut cut = Cut {
        fold,
        source,
        place,
        mode,
        nodes: Vec::new(),
        replacements: Vec::new(),
        out,
    };
    cut.nodes.reserve(fold.branches().len());
    for branch in 0..fold.branches().len() {
        cut.branch(branch)?;
    }
    cut.top()
}

/// As [`cut`], compiled once for all lists in memory. Answers have their own compiled copy, because
/// every account goes through it.
pub(crate) fn cut_list(
    fold: &Fold,
    source: &mut dyn Source,
    place: Place,
    mode: CutMode,
    out: &mut NewPages,
) -> Result<Kept, TreeError> {
    cut(fold, source, place, mode, out)
}

/// A cut in progress.
struct Cut<'a, S: ?Sized> {
    fold: &'a Fold,
    source: &'a mut S,
    place: Place,
    mode: CutMode,
    /// By branch, as far as they have been cut. Bound: the fold's branches.
    nodes: Vec<Node>,
    /// What takes the place of branches that have moved out. Bound: the fold's branches.
    replacements: Vec<Replacement>,
    out: &'a mut NewPages,
}

/// A branch that has been cut.
#[derive(Clone, Copy)]
struct Node {
    /// What it adds to its parent's sum.
    sum: Sum,
    /// Whether some branch below is replaced.
    changed: bool,
    /// Index into [`Cut::replacements`] if the branch itself is replaced.
    replacement: Option<u32>,
}

/// What takes the place of a branch.
#[derive(Clone, Copy)]
enum Replacement {
    Page(PageRef),
    Blinded(Hash),
}

impl<S: Source + ?Sized> Cut<'_, S> {
    fn branch(&mut self, branch: usize) -> Result<(), TreeError> {
        let node = self.total(branch)?;
        self.nodes.push(node);
        let too_large = node.sum.size > self.place.budget;
        match self.mode {
            CutMode::Growing if node.sum.open && too_large => self.move_full_runs(branch)?,
            CutMode::Growing | CutMode::Closing if too_large => self.shrink(branch)?,
            CutMode::Collapsing if node.sum.pages || node.sum.bases => {
                self.collapse_children(branch);
                if self.update(branch)?.size > self.place.budget {
                    self.shrink(branch)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Adds up what the children of a branch hold now.
    fn total(&self, branch: usize) -> Result<Node, TreeError> {
        let mut node = Node {
            sum: Sum::default(),
            changed: false,
            replacement: None,
        };
        for child in self.fold.children(branch) {
            match child {
                ChildOf::Entry(entry) => node.sum.add(self.source.sum(entry as usize)),
                ChildOf::Branch(child) => {
                    let child = self.node(child as usize)?;
                    node.sum.add(child.sum);
                    node.changed |= child.changed || child.replacement.is_some();
                }
            }
        }
        Ok(node)
    }

    /// A branch that has been cut.
    fn node(&self, branch: usize) -> Result<&Node, TreeError> {
        let node = self.nodes.get(branch);
        node.ok_or_else(|| TreeError::defect("children are cut before their parents"))
    }

    /// What has taken the place of a branch, if anything has.
    fn replacement(&self, node: &Node) -> Option<&Replacement> {
        let index = node.replacement;
        let replacement = index.and_then(|index| self.replacements.get(index as usize));
        debug_assert_eq!(
            replacement.is_some(),
            index.is_some(),
            "every replacement is noted"
        );
        replacement
    }

    /// Adds up again after something has moved out.
    fn update(&mut self, branch: usize) -> Result<Sum, TreeError> {
        let node = self.total(branch)?;
        if let Some(slot) = self.nodes.get_mut(branch) {
            *slot = node;
        }
        Ok(node.sum)
    }

    /// Moves some children of a branch into one page.
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
            self.write(*child, &mut page)?;
        }
        let id = self.out.push(page.finish())?;
        for child in run {
            let hash = self.hash(*child);
            let hash = hash.ok_or_else(|| TreeError::defect("what moves out has a hash"))?;
            let node = self.node(*child)?;
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
                Replacement::Page(reference),
            );
        }
        Ok(())
    }

    /// Blinds what waits in memory below a branch that has pages: children without pages become
    /// blinded entries.
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
        let hash = self.hash(branch);
        let waiting = self.nodes.get(branch).filter(|node| {
            !node.sum.pages
                && !node.sum.bases
                && node.sum.size >= COLLAPSE_FROM
                && node.replacement.is_none()
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
            self.replace(branch, sum, Replacement::Blinded(hash));
        }
    }

    fn replace(&mut self, branch: usize, sum: Sum, replacement: Replacement) {
        if let Some(node) = self.nodes.get_mut(branch) {
            *node = Node {
                sum,
                changed: true,
                replacement: Some(self.replacements.len() as u32),
            };
            self.replacements.push(replacement);
        }
    }

    /// The list that is left of the top.
    fn top(mut self) -> Result<Kept, TreeError> {
        let mut kept = Kept {
            items: Vec::new(),
            sum: Sum::default(),
        };
        match self.fold.branches().len().checked_sub(1) {
            Some(top) => {
                if self.mode == CutMode::Collapsing {
                    self.collapse(top);
                }
                self.keep(top, &mut kept.items)?;
                kept.sum = self.node(top)?.sum;
            }
            None if !self.fold.is_empty() => {
                let too_large = self.source.sum(0).size > self.place.budget;
                if self.mode != CutMode::Growing && too_large && self.source.movable(0) > 0 {
                    self.source.evict(0, self.out)?;
                }
                kept.items.push(KeptItem::Entry(0));
                kept.sum = self.source.sum(0);
            }
            None => {}
        }
        Ok(kept)
    }

    fn keep(&self, branch: usize, items: &mut Vec<KeptItem>) -> Result<(), TreeError> {
        let node = self.node(branch)?;
        match self.replacement(node) {
            Some(Replacement::Page(page)) => items.push(KeptItem::Page(self.path(branch), *page)),
            Some(Replacement::Blinded(hash)) => {
                items.push(KeptItem::Blinded(self.path(branch), *hash))
            }
            None if node.changed => {
                for child in self.fold.children(branch) {
                    match child {
                        ChildOf::Entry(entry) => items.push(KeptItem::Entry(entry as usize)),
                        ChildOf::Branch(child) => self.keep(child as usize, items)?,
                    }
                }
            }
            None => items.extend(self.entries(branch).map(KeptItem::Entry)),
        }
        Ok(())
    }

    fn write(&self, branch: usize, page: &mut PageWriter) -> Result<(), TreeError> {
        let node = self.node(branch)?;
        match self.replacement(node) {
            Some(Replacement::Page(reference)) => page.page(&self.path(branch), reference),
            Some(Replacement::Blinded(hash)) => page.blinded(&self.path(branch), hash),
            None if node.changed => {
                for child in self.fold.children(branch) {
                    match child {
                        ChildOf::Entry(entry) => self.source.write(entry as usize, page),
                        ChildOf::Branch(child) => self.write(child as usize, page)?,
                    }
                }
            }
            None => self
                .entries(branch)
                .for_each(|entry| self.source.write(entry, page)),
        }
        Ok(())
    }

    /// The hash of a branch; `None` if its node is shorter than a hash, and so embedded above.
    fn hash(&self, branch: usize) -> Option<Hash> {
        self.fold.branches().get(branch)?.reference.hash()
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
