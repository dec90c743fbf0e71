//! What readers find damaged: withheld, told once, and healed from peers by whoever writes.

use std::rc::Rc;

use super::driver::Driver;
use super::errors::Trouble;
use crate::hash::Hash;
use crate::state::page::PageError;
use crate::state::{PageId, Wanted};
use crate::sync::{self, Input};

/// Something stored that is not what its hash says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hurt {
    Page(PageId),
    Code(Hash),
}

impl From<sync::Damage> for Hurt {
    fn from(damage: sync::Damage) -> Hurt {
        match damage {
            sync::Damage::Page { page, .. } => Hurt::Page(page),
            sync::Damage::Code(hash) => Hurt::Code(hash),
        }
    }
}

/// What was found and is not healed yet. Bound: what is stored, a few bytes for each piece.
#[derive(Debug, Default)]
pub(super) struct Damage(Vec<Hurt>);

impl Damage {
    pub(super) fn count(&self) -> usize {
        self.0.len()
    }
}

impl Driver {
    /// A reader met a page that is missing or not what its parent names. Answers what to tell whoever reads.
    pub(super) fn damaged_page(self: &Rc<Self>, wanted: &Wanted, error: &PageError) -> Trouble {
        let page = wanted.page.id;
        let input = Input::Damaged(sync::Damage::Page {
            page,
            at: Some(wanted.at),
        });
        let what = format!("page {}: {error}", page.0);
        self.hurt(Hurt::Page(page), input, &what)
    }

    /// A reader met a code that is missing or has another hash.
    pub(super) fn damaged_code(self: &Rc<Self>, hash: Hash) -> Trouble {
        let what = format!("the code {hash} is missing or has another hash");
        let input = Input::Damaged(sync::Damage::Code(hash));
        self.hurt(Hurt::Code(hash), input, &what)
    }

    fn hurt(self: &Rc<Self>, hurt: Hurt, input: Input, what: &str) -> Trouble {
        if !self.is_writer() {
            return Trouble::damaged(what, "The tab that writes to it is asked to heal it");
        }
        self.note_damage(hurt, what);
        self.input(input);
        Trouble::damaged(what, "It is being healed from the peers")
    }

    /// Tells of it, the first time.
    pub(super) fn note_damage(&self, hurt: Hurt, what: &str) {
        let is_new = {
            let known = &mut self.damage.borrow_mut().0;
            let is_new = !known.contains(&hurt);
            if is_new {
                known.push(hurt);
            }
            is_new
        };
        if is_new {
            let kind = match hurt {
                Hurt::Page(_) => "page",
                Hurt::Code(_) => "code",
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
