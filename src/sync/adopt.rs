//! Another writer's record: taken over by an engine that stood still.

use super::engine::{Activity, Engine};
use crate::hash::Hash;
use crate::state::Record;

impl Engine {
    /// Goes on from another record and other stored codes, with the same peers; `false` and nothing changes while
    /// anything is under way.
    pub fn adopt(&mut self, record: Record, codes_held: Vec<Hash>) -> bool {
        let idle = matches!(self.activity, Activity::Idle)
            && self.commits.is_settled()
            && self.next.is_none()
            && self.sought.is_none();
        if idle {
            self.record = record;
            self.codes_held = codes_held.into_iter().collect();
        }
        idle
    }
}
