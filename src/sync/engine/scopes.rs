//! What is to be held: how it changes, and which scopes the record names.

use super::{Activity, Engine, Rescoping};
use crate::state::Scope;
use crate::sync::ids::Millis;
use crate::sync::resume::{Scopes, Start};
use crate::sync::target::Pivot;

/// Scopes that are remembered between that of the complete state and today's. If there were more
/// changes, a state is built even if all of them were removals. Chosen without a measurement.
const MAX_BETWEEN: usize = 64;

impl Engine {
    /// The same engine over a database that has these scopes, before anything has happened to it.
    pub fn with_scopes(mut self, scopes: Vec<Scope>) -> Engine {
        self.scopes = scopes;
        self
    }

    /// The scope with this version, if it is known. Version 0 is always everything.
    pub fn scope(&self, version: u64) -> Option<Scope> {
        Scope::find(&self.scopes, version)
    }

    /// What is to be held from the next state on: the scope with the highest version.
    pub fn today(&self) -> Scope {
        let newest = self.scopes.iter().max_by_key(|scope| scope.version());
        newest.cloned().unwrap_or_else(Scope::everything)
    }

    /// The caller wants this held from now on. What is under way goes on for it. Over a complete
    /// state a build begins by itself, unless there were only removals.
    pub(super) fn set_scope(&mut self, now: Millis, scope: Scope) {
        if scope.version() <= self.version_today() {
            debug_assert!(false, "a later scope has a higher version");
            return;
        }
        self.scopes.push(scope.clone());
        self.forget_scopes();
        self.rescoping = self.rescoping.resumed();
        if self.is_idle() {
            self.started = now;
        }
        if let Activity::Syncing(job) = &mut self.activity {
            let is_anew = job.rescope(scope, &self.codes_held);
            self.waiting = None;
            // What is removed may have brought codes.
            self.upkeep.build_moved();
            if is_anew {
                self.job_moved();
            }
        }
    }

    /// Whether the complete state was built for today's scope.
    pub(super) fn is_of_today(&self) -> bool {
        let complete = self.record.complete;
        complete.is_some_and(|complete| complete.scope == self.version_today())
    }

    /// Whether no batch has named today's scope yet.
    pub(super) fn is_scope_unwritten(&self) -> bool {
        let last = self.commits.last_record().unwrap_or(&self.record);
        last.scope != self.version_today()
    }

    /// Whether the complete state was built for another scope than today's, and not only more than
    /// today's.
    fn lacks_scope(&self) -> bool {
        let Some(complete) = self.record.complete else {
            return false;
        };
        let Some(mut last) = self.scope(complete.scope) else {
            return true;
        };
        loop {
            let later = self.scopes.iter();
            let later = later.filter(|scope| scope.version() > last.version());
            let Some(next) = later.min_by_key(|scope| scope.version()) else {
                return false;
            };
            if !last.covers(next) {
                return true;
            }
            last = next.clone();
        }
    }

    /// Builds the complete state for today's scope if it lacks something of it, and notes today's
    /// scope in the record. A build may be put off; what is to be held is noted all the same.
    pub(super) fn start_rescoping(&mut self, now: Millis) {
        if !self.is_idle() {
            return;
        }
        let is_due = self.rescoping != Rescoping::PutOff && self.lacks_scope();
        let complete = self.record.complete.filter(|_| is_due);
        let Some(complete) = complete else {
            // If the store could not write, the next batch brings it.
            if self.is_scope_unwritten() && !self.upkeep.is_gc_put_off() {
                self.commit_record(now, self.following(), Vec::new());
            }
            return;
        };
        self.rescoping = Rescoping::UnderWay;
        self.last_commit = now;
        self.waiting = None;
        self.peers.clear_refusals();
        let pivot = Pivot::of_complete(&complete);
        self.begin(Start::rescope(
            pivot,
            &self.record,
            &self.scopes_of_record(),
        ));
    }

    /// What is to be held, and what the states in the record were built for.
    pub(super) fn scopes_of_record(&self) -> Scopes {
        let complete = self.record.complete;
        let building = self.record.building.as_ref();
        Scopes {
            today: self.today(),
            complete: complete.and_then(|complete| self.scope(complete.scope)),
            build: building.and_then(|building| self.scope(building.scope)),
        }
    }

    /// Forgets the scopes that nothing needs any more.
    pub(super) fn forget_scopes(&mut self) {
        let last = self.commits.last_record().unwrap_or(&self.record);
        let records = [&self.record, last];
        let versions = records.iter().flat_map(|record| record.scopes());
        let mut needed: Vec<u64> = versions.collect();
        needed.push(self.version_today());
        let since = self.record.complete.map(|complete| complete.scope);
        let is_between = |version: u64| since.is_some_and(|since| version > since);
        let all = self.scopes.iter().map(Scope::version);
        let keeps_between = all.filter(|version| is_between(*version)).count() <= MAX_BETWEEN;
        self.scopes.retain(|scope| {
            let version = scope.version();
            needed.contains(&version) || keeps_between && is_between(version)
        });
    }
}

impl Rescoping {
    /// A target or a scope has come.
    pub(super) fn resumed(self) -> Rescoping {
        match self {
            Rescoping::PutOff => Rescoping::Idle,
            rescoping => rescoping,
        }
    }
}
