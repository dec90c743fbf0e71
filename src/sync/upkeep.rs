//! What the readable states need besides syncs: the damage to be repaired, the kept states that are
//! damaged, and the garbage that the last switch left.

use super::code_search::{CodeSearch, Found};
use super::gc::{CodeGarbage, CodeGc, Garbage, Gc, MAX_DAMAGE};
use super::io::Damage;
use super::kept::KeptSearch;
use super::loads::LoadedPage;
use super::stray_codes::StrayCodes;
use crate::flat_map::ChunkedSet;
use crate::hash::Hash;
use crate::heap::owns;
use crate::state::{Complete, PageId, PageRef, PendingGc, Record, TrackedSet};

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
    /// Pages that a sync or a collection could not read. They may be in states that are kept.
    /// Bound: [`MAX_DAMAGE`].
    unreadable: Vec<PageId>,
    /// The search for damage in the kept states that is under way.
    search: Option<KeptSearch>,
    /// The search for the accounts that name damaged codes.
    code_search: Option<CodeSearch>,
    /// The kept states that are damaged, by the ids of their root pages. Bound: the states kept.
    spoilt: Vec<PageId>,
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

    /// The codes that are known to be damaged.
    pub(crate) fn damaged_codes(&self) -> Vec<Hash> {
        let codes = self.damage.iter().filter_map(|damage| match damage {
            Damage::Code(hash) => Some(*hash),
            Damage::Page { .. } => None,
        });
        codes.collect()
    }

    /// Searches the readable states of this record for the accounts of the set that name these codes,
    /// unless that is under way.
    pub(crate) fn search_codes(&mut self, codes: Vec<Hash>, record: &Record, set: &TrackedSet) {
        let search = self.code_search.as_ref();
        if !search.is_some_and(|search| search.is_for(&codes, record)) {
            self.code_search = Some(CodeSearch::new(codes, record, set));
        }
    }

    /// The pages that the search for codes reads next: none if it is over, or if there is none.
    pub(crate) fn next_of_code_search(&self) -> Vec<PageId> {
        let search = self.code_search.as_ref();
        search.map_or(Vec::new(), CodeSearch::next_pages)
    }

    /// Takes in pages that were read for the search for codes.
    pub(crate) fn take_code_pages(&mut self, pages: Vec<LoadedPage>) {
        if let Some(search) = &mut self.code_search {
            search.take(pages);
        }
    }

    /// Ends the search for codes: what it found.
    pub(crate) fn end_code_search(&mut self) -> Found {
        let search = self.code_search.take();
        search.map(CodeSearch::finish).unwrap_or_default()
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
        self.code_search = None;
    }

    /// These pages could not be read. They are remembered for the next search.
    pub(crate) fn unreadable(&mut self, pages: &[PageId]) {
        let room = MAX_DAMAGE.saturating_sub(self.unreadable.len());
        self.unreadable.extend(pages.iter().take(room));
    }

    /// Searches the kept states for all pages that are known to be damaged. It is called when one
    /// is found, and when another state is kept.
    pub(crate) fn search_kept(&mut self, kept: &[Complete]) {
        let mut damaged = std::mem::take(&mut self.unreadable);
        for damage in &self.damage {
            if let Damage::Page { page, .. } = damage {
                damaged.push(*page);
            }
        }
        if let Some(before) = &self.search {
            damaged.extend(before.damaged());
        }
        damaged = PageId::in_order(damaged);
        damaged.truncate(MAX_DAMAGE);
        self.search = match damaged.is_empty() || kept.is_empty() {
            true => None,
            false => Some(KeptSearch::new(damaged, kept)),
        };
    }

    /// The pages that the search reads next: none if it is over, or if there is none.
    pub(crate) fn next_of_search(&self) -> Vec<PageId> {
        let search = self.search.as_ref();
        search.map_or(Vec::new(), KeptSearch::next_pages)
    }

    /// Takes in pages that were read for the search.
    pub(crate) fn take_searched(&mut self, pages: &[LoadedPage]) {
        if let Some(search) = &mut self.search {
            search.take(pages);
        }
    }

    /// Ends the search if it is over: what it found is damaged.
    pub(crate) fn end_search_if_over(&mut self) {
        let is_over = |search: &mut KeptSearch| search.next_pages().is_empty();
        if let Some(search) = self.search.take_if(is_over) {
            self.spoilt.extend(search.finish());
        }
    }

    /// Gives up the search: the store could not read for it.
    pub(crate) fn give_up_search(&mut self) {
        self.search = None;
    }

    /// Whether this state is damaged, as far as that is known of a kept one.
    pub(crate) fn is_spoilt(&self, state: &Complete) -> bool {
        let page = state.top.page();
        page.is_some_and(|page| self.spoilt.contains(&page.id))
    }

    /// These kept states may lack something, and nothing heals them. States without accounts lack
    /// nothing.
    pub(crate) fn spoil(&mut self, kept: &[Complete]) {
        let roots = kept.iter().filter_map(|state| state.top.page());
        self.spoil_roots(roots.map(|root| root.id));
    }

    /// The same of the kept states with these root pages.
    pub(crate) fn spoil_roots(&mut self, roots: impl IntoIterator<Item = PageId>) {
        self.spoilt.extend(roots);
    }

    /// What was known of damaged kept states is in the record now, or cannot be written.
    pub(crate) fn forget_spoilt(&mut self) {
        self.spoilt.clear();
    }

    /// Whether a collection may begin.
    pub(crate) fn may_collect(&self) -> bool {
        self.gc.is_none() && !self.is_gc_put_off
    }

    /// Begins to collect what a switch left. `roots`: the root pages of the readable states; `held`:
    /// the codes that are held; `with_codes`: whether these are collected, too.
    pub(crate) fn collect(
        &mut self,
        pending: &PendingGc,
        roots: Vec<PageRef>,
        held: &ChunkedSet<Hash>,
        with_codes: bool,
    ) {
        let codes = match with_codes {
            true => CodeGc::Next(self.strays.candidates(pending)),
            false => CodeGc::Left,
        };
        let mut gc = Gc::new(pending, roots, codes);
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

    /// The collection has looked at everything: what it found is garbage now. If a page of a
    /// readable state is damaged, nothing is known, and another collection follows the next switch.
    pub(crate) fn end_collection(&mut self) {
        let Some(mut gc) = self.gc.take() else {
            return;
        };
        self.unreadable(&gc.take_unreadable());
        self.garbage = gc.finish();
        self.is_gc_put_off |= self.garbage.is_none();
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

    /// Forgets the collection and what it found: the record asks for another one.
    pub(crate) fn restart_gc(&mut self) {
        self.gc = None;
        self.garbage = None;
        self.strays = StrayCodes::unknown();
        self.is_gc_put_off = false;
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
    Upkeep: gc, garbage, strays, damage, unreadable, search, code_search, spoilt;
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
