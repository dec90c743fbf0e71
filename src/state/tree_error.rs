//! What can go wrong while a tree is built, cut or written.

use core::fmt;

use crate::hash::Hash;
use crate::trie::fold::FoldError;
use crate::trie::path::Path;

/// Why a tree cannot do what it is asked. All of these are our own failures: peers' faults were found before. A tree that
/// has failed is of no further use; the database still has the state it was resumed from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TreeError {
    /// The list and a verified answer contradict each other at this path, although both fold to the same root.
    Disjoint(Path),
    /// The list does not fold to its root.
    Root(Hash),
    /// The list is no trie.
    Fold(FoldError),
    /// A page came out longer than any may be.
    PageTooLong(usize),
}

impl fmt::Display for TreeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TreeError::Disjoint(path) => {
                write!(f, "list and answer contradict each other at '{path}'")
            }
            TreeError::Root(found) => write!(f, "the list folds to {found} instead of its root"),
            TreeError::Fold(fault) => write!(f, "the list is no trie: {fault}"),
            TreeError::PageTooLong(length) => write!(f, "a page of {length} bytes"),
        }
    }
}

impl core::error::Error for TreeError {}

impl From<FoldError> for TreeError {
    fn from(fault: FoldError) -> TreeError {
        TreeError::Fold(fault)
    }
}
