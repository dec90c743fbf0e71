//! What the tree's list is made of.

/// Name of a page in the store: fresh and ever-growing, never used twice in a database's life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PageId(pub u64);
