//! What the complete state needs besides syncs: the damage to be repaired, and the garbage that the
//! last switch left.

use super::gc::{CodeGarbage, CodeGc, Garbage, Gc};
use super::io::Damage;
use super::loads::LoadedPage;
use super::stray_codes::StrayCodes;
use crate::flat_map::ChunkedSet;
use crate::hash::Hash;
use crate::heap::owns;
use crate::state::{PageId, PageRef, PendingGc, Record};

/// Damage remembered at a time. Chosen without a measurement: more is found again when it is read
/// again.
const MAX_DAMAGE: usize = 64;

/// What is to be repaired and what is to be deleted.
#[derive(Default)]
pub(crate) struct Upkeep {
    /// The collection under way.
    gc: Option<Gc>,
    /// What a collection found, until a batch deletes it.
    garbage: Option<Garbage>,
    strays: StrayCodes,
    /// The store could not do what a collection takes: it waits for the next target.
    is_gc_put_off: bool,
    /// What is damaged in the complete state, until it is repaired. Bound: [`MAX_DAMAGE`].
    damage: Vec<Damage>,
    /// The repair under way is about this many of them, the first ones.
    repairing: usize,
}

impl Upkeep {
    /// Begins over a database with this record.
    pub(crate) fn over(record: &Record) -> Upkeep {
        Upkeep {
            strays: StrayCodes::of(record),
            ..Upkeep::default()
        }
    }

    /// Enters damage. `false` if it was known, or if no more can be remembered.
    #[must_use]
    pub(crate) fn damaged(&mut self, damage: Damage) -> bool {
        let is_new = !self.damage.contains(&damage) && self.damage.len() < MAX_DAMAGE;
        if is_new {
            self.damage.push(damage);
        }
        is_new
    }

    /// What the repair that begins now is about; `None` if nothing is damaged.
    pub(crate) fn begin_repair(&mut self) -> Option<Vec<Damage>> {
        self.repairing = self.damage.len();
        (!self.damage.is_empty()).then(|| self.damage.clone())
    }

    /// What was known to be damaged when the repair began is whole, or no longer part of the state.
    /// What was found since is next.
    pub(crate) fn repaired(&mut self) {
        let healed = std::mem::take(&mut self.repairing).min(self.damage.len());
        self.damage.drain(..healed);
    }

    /// Forgets all damage: the repair has ended without success. What is still damaged is found
    /// again when it is read again.
    pub(crate) fn forget_damage(&mut self) {
        self.repairing = 0;
        self.damage.clear();
    }

    /// Whether a collection may begin.
    pub(crate) fn may_collect(&self) -> bool {
        self.gc.is_none() && !self.is_gc_put_off
    }

    /// Begins to collect what the switch to this complete state left. `held`: the codes that are
    /// held; `with_codes`: whether these are collected, too.
    pub(crate) fn collect(
        &mut self,
        pending: &PendingGc,
        complete: Option<PageRef>,
        held: &ChunkedSet<Hash>,
        with_codes: bool,
    ) {
        let codes = match with_codes {
            true => CodeGc::Next(self.strays.candidates(pending)),
            false => CodeGc::Left,
        };
        let mut gc = Gc::new(pending, complete, codes);
        gc.proceed(held);
        self.gc = Some(gc);
    }

    /// Whether a collection is under way.
    pub(crate) fn is_collecting(&self) -> bool {
        self.gc.is_some()
    }

    /// The pages that the collection reads next: none if it is over, or if there is none.
    pub(crate) fn next_pages(&self) -> Vec<PageId> {
        self.gc.as_ref().map_or(Vec::new(), Gc::next_pages)
    }

    /// Takes in pages that were read for the collection. `held`: the codes that are held.
    pub(crate) fn take(&mut self, pages: &[LoadedPage], held: &ChunkedSet<Hash>) {
        if let Some(gc) = &mut self.gc {
            gc.take(pages, held);
        }
    }

    /// The collection has looked at everything: what it found is garbage now.
    pub(crate) fn end_collection(&mut self) {
        if let Some(gc) = self.gc.take() {
            self.garbage = Some(gc.finish());
        }
    }

    /// No collection begins until [`Upkeep::resume_gc`].
    pub(crate) fn put_off_gc(&mut self) {
        self.strays = StrayCodes::unknown();
        self.is_gc_put_off = true;
    }

    /// Gives up the collection under way: the store could not read for it.
    pub(crate) fn give_up_gc(&mut self) {
        self.gc = None;
        self.is_gc_put_off = true;
    }

    /// Collections may begin again.
    pub(crate) fn resume_gc(&mut self) {
        self.is_gc_put_off = false;
    }

    pub(crate) fn is_gc_put_off(&self) -> bool {
        self.is_gc_put_off
    }

    pub(crate) fn has_garbage(&self) -> bool {
        self.garbage.is_some()
    }

    /// What the next batch deletes, if a collection has ended.
    pub(crate) fn take_garbage(&mut self) -> Option<Garbage> {
        let garbage = self.garbage.take()?;
        self.strays = match garbage.codes {
            CodeGarbage::Unnamed(_) => StrayCodes::none(),
            CodeGarbage::Unknown | CodeGarbage::Left => StrayCodes::unknown(),
        };
        Some(garbage)
    }

    /// A build begins over a database with this record. What it needs is not known yet, so codes
    /// are collected after it.
    pub(crate) fn build_begins(&mut self, record: &Record) {
        if record.building.is_some() {
            self.strays.moved();
        }
        if record.pending_gc.is_some() {
            self.leave_codes();
        }
    }

    /// Gives up to collect codes, until the next switch.
    pub(crate) fn leave_codes(&mut self) {
        self.strays = StrayCodes::unknown();
        if let Some(gc) = &mut self.gc {
            gc.leave_codes();
        }
        if let Some(garbage) = &mut self.garbage {
            garbage.codes = CodeGarbage::Left;
        }
    }

    /// The build goes for another root.
    pub(crate) fn build_moved(&mut self) {
        self.strays.moved();
    }

    /// A batch brings these codes.
    pub(crate) fn fetched_codes<'a>(&mut self, codes: impl Iterator<Item = &'a Hash>) {
        self.strays.fetched(codes);
    }

    /// Whether codes may be held that neither the complete state nor the build names.
    pub(crate) fn may_have_strays(&self) -> bool {
        self.strays.may_be()
    }
}

owns! {
    Upkeep: gc, garbage, strays, damage;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damage_found_during_a_repair_is_left_for_the_next_one() {
        let mut upkeep = Upkeep::default();
        let code = |byte| Damage::Code(Hash([byte; 32]));
        assert_eq!(upkeep.begin_repair(), None);
        assert!(upkeep.damaged(code(1)));
        assert!(!upkeep.damaged(code(1)));
        assert_eq!(upkeep.begin_repair(), Some(vec![code(1)]));
        assert!(upkeep.damaged(code(2)));
        upkeep.repaired();
        assert_eq!(upkeep.begin_repair(), Some(vec![code(2)]));
    }

    #[test]
    fn no_more_damage_is_remembered_than_the_bound() {
        let mut upkeep = Upkeep::default();
        for byte in 0..=255 {
            let is_new = upkeep.damaged(Damage::Code(Hash([byte; 32])));
            assert_eq!(is_new, usize::from(byte) < MAX_DAMAGE);
        }
    }
}
