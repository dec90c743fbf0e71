//! What readers find damaged: withheld, told once, and healed from peers by whoever writes.

use std::rc::Rc;

use super::driver::Driver;
use super::errors::JsError;
use crate::hash::Hash;
use crate::state::NeededPage;
use crate::state::page::PageError;
use crate::sync::{Damage, Input};

/// What was found and is not healed yet. Bound: what is stored, a few bytes for each piece.
#[derive(Debug, Default)]
pub(super) struct KnownDamage(Vec<Damage>);

impl KnownDamage {
    pub(super) fn count(&self) -> usize {
        self.0.len()
    }
}

impl Driver {
    /// A reader met a page that is missing or not what its parent names. Answers what to tell whoever reads.
    pub(super) fn damaged_page(self: &Rc<Self>, wanted: &NeededPage, error: &PageError) -> JsError {
        let page = wanted.page.id;
        let what = format!("page {}: {error}", page.0);
        let at = Some(wanted.at);
        self.report_damage(Damage::Page { page, at }, &what)
    }

    /// A reader met a code that is missing or has another hash.
    pub(super) fn damaged_code(self: &Rc<Self>, hash: Hash) -> JsError {
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
        let is_new = {
            let known = &mut self.damage.borrow_mut().0;
            let is_new = !known.iter().any(|known| is_same(known, &damage));
            if is_new {
                known.push(damage);
            }
            is_new
        };
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
        self.damage.take();
        self.listener.event("repaired", "", "");
    }
}

/// A page is damaged as a whole, wherever in it somebody looked.
fn is_same(one: &Damage, other: &Damage) -> bool {
    match (one, other) {
        (Damage::Page { page, .. }, Damage::Page { page: other, .. }) => page == other,
        (one, other) => one == other,
    }
}
