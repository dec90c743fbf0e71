//! The entries of a partial trie: what is known at which path.

/// Names a page. Ids grow for ever: none is used twice in a database's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PageId(pub u64);
