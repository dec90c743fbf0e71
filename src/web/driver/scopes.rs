//! What the database is to hold: today's scope, how callers change it, and what each state that can
//! be read was built for.

use std::rc::Rc;

use super::Driver;
use crate::state::{Complete, Record, Scope, ScopeError, TrackedAccount, TrackedSet};
use crate::sync::Input;
use crate::web::errors::JsError;
use crate::web::held::Held;

/// What a caller wants to be held from now on.
pub(in crate::web) enum ScopeChange {
    /// Everything.
    HoldEverything,
    /// A set: the one that is held, or an empty one, with these added.
    HoldSet(Vec<TrackedAccount>),
    /// These besides. Of a set only.
    Track(Vec<TrackedAccount>),
    /// These no more. Of a set only.
    Untrack(Vec<TrackedAccount>),
}

/// A record that another tab wrote, with the scopes that it names.
pub(super) struct Followed {
    pub(super) record: Record,
    pub(super) scopes: Vec<Scope>,
}

impl From<(Record, Vec<Scope>)> for Followed {
    fn from((record, scopes): (Record, Vec<Scope>)) -> Followed {
        Followed { record, scopes }
    }
}

impl Driver {
    pub(in crate::web) fn held(&self) -> Held {
        match &*self.followed.borrow() {
            Some(followed) => Held::new(&followed.record, self.scope()),
            None => Held::new(self.engine.borrow().record(), self.scope()),
        }
    }

    /// What every new state is to hold. Nothing, if a follower does not know it.
    pub(in crate::web) fn scope(&self) -> Scope {
        match &*self.followed.borrow() {
            Some(Followed { record, scopes }) => {
                let found = Scope::find(scopes, record.scope);
                found.unwrap_or_else(|| Scope::set(record.scope, TrackedSet::default()))
            }
            None => self.engine.borrow().today(),
        }
    }

    /// What this state was built for; `None` if that is not known.
    pub(in crate::web) fn scope_of(&self, state: &Complete) -> Option<Scope> {
        match &*self.followed.borrow() {
            Some(followed) => Scope::find(&followed.scopes, state.scope),
            None => self.engine.borrow().scope(state.scope),
        }
    }

    /// Changes what is to be held. Returns the version of a scope: what the caller wants is proven
    /// as soon as the complete state was built for this one or a later one. Writers only.
    pub(in crate::web) fn change_scope(
        self: &Rc<Self>,
        change: ScopeChange,
    ) -> Result<u64, JsError> {
        let today = self.scope();
        // What is proven already need not wait for what other callers have added since.
        if let ScopeChange::Track(added) | ScopeChange::HoldSet(added) = &change
            && let Some(complete) = self.complete()
            && let (Some(now), Some(then)) = (today.tracked(), self.scope_of(&complete))
            && let Some(proven) = then.tracked()
            && [now, proven].iter().all(|set| has(set, added))
        {
            return Ok(complete.scope);
        }
        let wanted = match (change, today.tracked()) {
            (ScopeChange::HoldEverything, _) => None,
            (ScopeChange::HoldSet(added), None) => Some(TrackedSet::default().with(&added)?),
            (ScopeChange::HoldSet(added) | ScopeChange::Track(added), Some(set)) => {
                Some(set.with(&added)?)
            }
            (ScopeChange::Untrack(removal), Some(set)) => Some(set.less(&removal)?),
            (ScopeChange::Track(_) | ScopeChange::Untrack(_), None) => return Err(not_a_set()),
        };
        if wanted.as_ref() == today.tracked() {
            return Ok(today.version());
        }
        let version = today.version() + 1;
        let scope = match wanted {
            Some(set) => Scope::set(version, set),
            None => Scope::everything_as(version),
        };
        self.set_scope(scope);
        Ok(version)
    }

    /// What a new database of a set begins with: an empty set.
    pub(super) fn begin_set(self: &Rc<Self>) {
        if self.scope().is_everything() {
            self.set_scope(Scope::set(1, TrackedSet::default()));
        }
    }

    /// Tells which states can be read and what is to be held.
    pub(in crate::web) fn tell_held(&self) {
        self.listener.states(&self.held());
    }

    fn set_scope(self: &Rc<Self>, scope: Scope) {
        let before = self.held();
        self.inbox.borrow_mut().push_back(Input::Scope(scope));
        // Taken in at once: the next read and the next change go by it.
        self.take_in();
        self.tell_if_held_changed(&before);
        self.run();
    }

    /// Tells which states can be read and what is to be held, unless it is as `before`. Counts may
    /// have changed: then `pkg/lib/database.js` takes them and sends no event.
    pub(super) fn tell_if_held_changed(&self, before: &Held) {
        let after = self.held();
        if after != *before {
            self.listener.states(&after);
        }
    }
}

impl From<ScopeError> for JsError {
    fn from(error: ScopeError) -> JsError {
        let code = match error {
            ScopeError::TooManyAccounts(_) | ScopeError::TooManySlots(_) => "SET_TOO_LARGE",
            ScopeError::AllSlots | ScopeError::Damaged => "BAD_ARGUMENT",
        };
        JsError::new(code, format!("The set cannot be changed: {error}."))
    }
}

pub(in crate::web) fn not_a_set() -> JsError {
    JsError::new(
        "NOT_A_SET",
        "This database holds everything, so there is no set to change: open it with hold: 'set', or \
         call hold('set').",
    )
}

/// Whether all of these are in the set.
fn has(set: &TrackedSet, accounts: &[TrackedAccount]) -> bool {
    set.with(accounts).as_ref() == Ok(set)
}
