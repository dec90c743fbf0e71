//! Damage: what a world does to its disk, and that all of it is met and healed.

use snaplight::hash::Hash;
use snaplight::state::{PageId, StatePath};
use snaplight::sync::{Damage, Input};

use super::director::Director;
use crate::truth;

impl Director {
    pub(super) fn is_unspoilt(&self) -> bool {
        self.spoilt.is_empty() && self.spoilt_codes.is_empty()
    }

    /// Damages a code.
    fn spoil_code(&mut self) {
        let codes: Vec<Hash> = self.world.disk.codes.keys().copied().collect();
        if codes.is_empty() {
            return;
        }
        let code = self.rng.pick(&codes);
        self.spoilt_codes.insert(code);
        self.story.spoilt += 1;
        self.tell(|| format!("the code {code} is damaged"));
        match self.world.disk.codes.get_mut(&code) {
            Some(bytes) if self.rng.percent(50) => bytes.push(0),
            _ => drop(self.world.disk.codes.remove(&code)),
        }
    }

    /// Damages a page, or a few, or all.
    pub(super) fn spoil(&mut self) {
        if self.rng.percent(20) {
            return self.spoil_code();
        }
        let pages: Vec<PageId> = self.world.disk.pages.keys().copied().collect();
        if pages.is_empty() {
            return;
        }
        let some = match self.rng.below(10) {
            0 => pages,
            _ => (0..self.rng.within(1, 3))
                .map(|_| self.rng.pick(&pages))
                .collect(),
        };
        for page in some {
            self.spoilt.insert(page);
            self.story.spoilt += 1;
            let way = self.rng.below(3);
            self.tell(|| format!("{page:?} is damaged in way {way}"));
            let Some(bytes) = self.world.disk.pages.get_mut(&page) else {
                continue;
            };
            let at = self.rng.below(bytes.len().max(1) as u64) as usize;
            match way {
                0 => drop(self.world.disk.pages.remove(&page)),
                1 => bytes.truncate(at),
                _ if bytes.is_empty() => {}
                _ => bytes[at] ^= 1 << self.rng.below(8),
            }
        }
    }

    pub(super) fn report_damage(&mut self, page: PageId, at: StatePath) {
        self.tell(|| format!("{page:?} at {at:?} was met by a reader"));
        let at = Some(at);
        self.world.input(Input::Damaged(Damage::Page { page, at }));
    }

    pub(super) fn report_code(&mut self, code: Hash) {
        assert!(
            self.spoilt_codes.contains(&code),
            "the code {code} is missing or wrong, and nobody damaged it"
        );
        self.tell(|| format!("the code {code} was met by a reader"));
        self.world.input(Input::Damaged(Damage::Code(code)));
    }

    /// Lets readers meet all damage that is left, until there is none.
    pub(super) fn heal(&mut self) {
        for _ in 0..200 {
            let walk = truth::walk(&self.world.disk);
            let damaged = walk.damaged;
            for (page, _) in &damaged {
                assert!(self.spoilt.contains(page), "{page:?} is damaged by us");
            }
            let Some((page, at)) = damaged.first().copied() else {
                return self.heal_codes();
            };
            self.report_damage(page, at);
            let is_whole = move |director: &Director| {
                let left = truth::walk(&director.world.disk).damaged;
                !left.contains(&(page, at))
            };
            self.go_until("damage is not healed", is_whole);
        }
        panic!("there is no end to the damage");
    }

    fn heal_codes(&mut self) {
        for code in self.spoilt_codes.clone() {
            let is_whole = move |director: &Director| {
                let root = Hash(director.chain.root());
                let needed = director.truths[&root].code(&code.0);
                let held = director.world.disk.codes.get(&code);
                needed.is_none() || held.map(Vec::as_slice) == needed
            };
            if !is_whole(self) {
                self.report_code(code);
                self.go_until("a damaged code is not healed", is_whole);
            }
        }
    }
}
