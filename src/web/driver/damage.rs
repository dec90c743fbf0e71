//! Damage found by reads: the read rejects, one event is sent, and the writer heals it.

use std::rc::Rc;

use super::Driver;
use crate::hash::Hash;
use crate::state::NeededPage;
use crate::state::page::PageError;
use crate::sync::{Damage, Input};
use crate::web::errors::JsError;

impl Driver {
    /// Has a page healed that is missing or not what its parent names. Returns the error for the
    /// reader.
    pub(in crate::web) fn damaged_page(
        self: &Rc<Self>,
        wanted: &NeededPage,
        error: &PageError,
    ) -> JsError {
        let page = wanted.page.id;
        let what = format!("page {}: {error}", page.0);
        let at = Some(wanted.at);
        self.report_damage(Damage::Page { page, at }, &what)
    }

    /// The same for a code that is missing or has another hash.
    pub(in crate::web) fn damaged_code(self: &Rc<Self>, hash: Hash) -> JsError {
        let what = format!("the code {hash} is missing or has another hash");
        self.report_damage(Damage::Code(hash), &what)
    }

    fn report_damage(self: &Rc<Self>, damage: Damage, what: &str) -> JsError {
        if !self.is_writer() {
            return JsError::damaged(what, "The tab that writes to it is asked to heal it");
        }
        self.note_damage(damage, what);
        self.input(Input::Damaged(damage));
        JsError::damaged(what, "It is being healed from the peers")
    }

    /// Tells of it, the first time.
    pub(super) fn note_damage(&self, damage: Damage, what: &str) {
        // The borrow ends with the statement: the listener may come back with a call.
        let is_new = self.damage.borrow_mut().note(damage);
        if is_new {
            let kind = match damage {
                Damage::Page { .. } => "page",
                Damage::Code(_) => "code",
            };
            self.listener.event("damaged", kind, what);
        }
    }

    /// All of it is whole again.
    pub(super) fn note_repair(&self) {
        self.damage.borrow_mut().clear();
        self.listener.event("repaired", "", "");
    }
}
