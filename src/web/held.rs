//! What can be read now, and what is to be held.

use crate::state::{Complete, Record, Scope, TrackedSet};

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
    /// `scope`: today's, if it is known.
    pub(super) fn new(record: &Record, scope: Option<Scope>) -> Held {
        Held {
            states: record.readable().copied().collect(),
            scope: scope.unwrap_or_else(|| Scope::set(record.scope, TrackedSet::default())),
            recorded: record.scope,
        }
    }
}
