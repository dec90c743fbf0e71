//! What the complete state needs besides syncs: the damage to be repaired, and the garbage that the
//! last switch left.

use std::ops::Range;

use super::gc::Gc;
use super::io::Damage;
use super::loads::LoadedPage;
use crate::heap::owns;
use crate::state::PageId;

/// Damage remembered at a time. Chosen without a measurement: more is found again when it is read
/// again.
const MAX_DAMAGE: usize = 64;

/// What is to be repaired and what is to be deleted.
#[derive(Default)]
pub(crate) struct Upkeep {
    /// The collection under way.
    gc: Option<Gc>,
    /// What a collection found, until a batch deletes it. Bound: the pages of the state before and
    /// those that the last build wrote; after damage or a failed collection, all pages stored.
    garbage: Option<Vec<Range<PageId>>>,
    /// The store could not do what a collection takes: it waits for the next target.
    is_gc_put_off: bool,
    /// What is damaged in the complete state, until it is repaired. Bound: [`MAX_DAMAGE`].
    damage: Vec<Damage>,
    /// The repair under way is about this many of them, the first ones.
    repairing: usize,
}

impl Upkeep {
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

    pub(crate) fn collect(&mut self, gc: Gc) {
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

    /// Takes in pages that were read for the collection.
    pub(crate) fn take(&mut self, pages: &[LoadedPage]) {
        if let Some(gc) = &mut self.gc {
            gc.take(pages);
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
    pub(crate) fn take_garbage(&mut self) -> Option<Vec<Range<PageId>>> {
        self.garbage.take()
    }
}

owns! {
    Upkeep: gc, garbage, damage;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::Hash;

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
