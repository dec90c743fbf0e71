//! What can be read now, and what is to be held.

use crate::state::{Complete, Record, Scope};

/// What can be read now, and what is to be held.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Held {
    /// The complete state and those kept before it, the newest first. Bound:
    /// [`MAX_KEPT`](crate::state::MAX_KEPT).
    pub(super) states: Vec<Complete>,
    /// Today's scope.
    pub(super) scope: Scope,
    /// The version of the scope that the record names: what a follower goes by.
    recorded: u64,
}

impl Held {
    /// `scope`: today's.
    pub(super) fn new(record: &Record, scope: Scope) -> Held {
        Held {
            states: record.readable().copied().collect(),
            scope,
            recorded: record.scope,
        }
    }
}
