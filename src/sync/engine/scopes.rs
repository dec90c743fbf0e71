//! What is to be held: how it changes, and which scopes the record names.

use super::Engine;
use crate::state::Scope;
use crate::sync::ids::Millis;

impl Engine {
    /// The same engine over a database that has these scopes, before anything has happened to it.
    pub fn with_scopes(mut self, scopes: Vec<Scope>) -> Engine {
        self.scopes = scopes;
        self
    }

    /// The scope with this version, if it is known. Version 0 is always everything.
    pub fn scope(&self, version: u64) -> Option<Scope> {
        let mut scopes = self.scopes.iter();
        let found = scopes.find(|scope| scope.version() == version).cloned();
        found.or_else(|| (version == 0).then(Scope::everything))
    }

    /// What is to be held from the next state on: the scope with the highest version.
    pub fn today(&self) -> Scope {
        let newest = self.scopes.iter().max_by_key(|scope| scope.version());
        newest.cloned().unwrap_or_else(Scope::everything)
    }

    /// The caller wants this held from now on.
    pub(super) fn set_scope(&mut self, _now: Millis, scope: Scope) {
        self.scopes.push(scope);
    }
}
