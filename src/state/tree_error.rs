//! What can go wrong while a tree is built, cut or written.

use core::fmt;

use crate::hash::Hash;
use crate::trie::fold::FoldError;
use crate::trie::path::Path;

/// Why a tree cannot do what it is asked. All of these are our own failures: faults of peers were
/// found before. A tree that has failed is of no further use; the database still has the state that
/// it was resumed from.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TreeError {
    /// The list and a verified answer contradict each other at this path, although both fold to the
    /// same root.
    Disjoint(Path),
    /// The list does not fold to its root, but to this hash.
    Root(Hash),
    /// The list does not make a trie.
    Fold(FoldError),
    /// A page came out longer than any may be: its length in bytes.
    PageTooLong(usize),
    /// A rule of the tree's own code is broken: which one.
    Defect(&'static str),
}

impl fmt::Display for TreeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TreeError::Disjoint(path) => {
                write!(f, "list and answer contradict each other at '{path}'")
            }
            TreeError::Root(found) => write!(f, "the list folds to {found} instead of its root"),
            TreeError::Fold(error) => write!(f, "the list is no trie: {error}"),
            TreeError::PageTooLong(length) => write!(f, "a page came out {length} bytes long"),
            TreeError::Defect(what) => write!(f, "a defect in the tree: {what}"),
        }
    }
}

impl core::error::Error for TreeError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            TreeError::Fold(error) => Some(error),
            TreeError::Disjoint(_)
            | TreeError::Root(_)
            | TreeError::PageTooLong(_)
            | TreeError::Defect(_) => None,
        }
    }
}

impl From<FoldError> for TreeError {
    fn from(error: FoldError) -> TreeError {
        TreeError::Fold(error)
    }
}

impl TreeError {
    /// A broken rule of our own: panics in a debug build.
    pub(crate) fn defect(what: &'static str) -> TreeError {
        debug_assert!(false, "{what}");
        TreeError::Defect(what)
    }
}
