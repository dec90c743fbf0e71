//! What can be wrong with entries.

use core::fmt;

/// Why entries cannot be folded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FoldError {
    /// An entry does not come after the one before, or one of the two covers the other.
    Order,
    /// A leaf has no value, which no leaf of a trie lacks.
    EmptyValue,
    /// A value has more than [`MAX_VALUE`](super::MAX_VALUE) bytes.
    ValueTooLong,
    /// An account is not in its slim encoding.
    BadAccount,
    /// There are more than [`MAX_ENTRIES`](super::MAX_ENTRIES) entries.
    TooMany,
    /// The entries are not what [`Root::Branch`](super::Root::Branch) or
    /// [`Root::Child`](super::Root::Child) says.
    Shape,
    /// The top node is under 32 bytes, so it stands inside its parent and has no hash.
    EmbeddedTop,
}

impl fmt::Display for FoldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            FoldError::Order => "an entry does not come after the one before",
            FoldError::EmptyValue => "a leaf has no value",
            FoldError::ValueTooLong => "a leaf's value is longer than any value of the state",
            FoldError::BadAccount => "an account is not in its slim encoding",
            FoldError::TooMany => "there are more entries than a fold takes",
            FoldError::Shape => "the entries do not meet in a branch at the depth given",
            FoldError::EmbeddedTop => "the top node is embedded in its parent",
        })
    }
}

impl core::error::Error for FoldError {}
