//! Damages a world's disk, and checks that readers find all damage and that it is healed.

use snaplight::hash::Hash;
use snaplight::state::{PageId, StatePath};
use snaplight::sync::{Damage, Input};

use super::director::Director;

impl Director {
    /// Whether this world has not damaged its disk.
    pub(super) fn is_undamaged(&self) -> bool {
        self.damaged_pages.is_empty() && self.damaged_codes.is_empty()
    }

    /// Damages a code.
    fn damage_code(&mut self) {
        let codes: Vec<Hash> = self.world.disk.codes.keys().copied().collect();
        if codes.is_empty() {
            return;
        }
        let code = self.rng.pick(&codes);
        self.damaged_codes.insert(code);
        self.totals.damaged += 1;
        self.log(|| format!("the code {code} is damaged"));
        match self.world.disk.codes.get_mut(&code) {
            Some(bytes) if self.rng.percent(50) => bytes.push(0),
            _ => drop(self.world.disk.codes.remove(&code)),
        }
    }

    /// Damages one page, a few pages or all of them, or else a code.
    pub(super) fn damage(&mut self) {
        if self.rng.percent(20) {
            return self.damage_code();
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
            self.damaged_pages.insert(page);
            self.totals.damaged += 1;
            let way = self.rng.below(3);
            self.log(|| format!("{page:?} is damaged in way {way}"));
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
        self.log(|| format!("{page:?} at {at:?} was found by a reader"));
        let at = Some(at);
        self.world.input(Input::Damaged(Damage::Page { page, at }));
    }

    pub(super) fn report_code(&mut self, code: Hash) {
        assert!(
            self.damaged_codes.contains(&code),
            "the code {code} is missing or wrong, but this world did not damage it"
        );
        self.log(|| format!("the code {code} was found by a reader"));
        self.world.input(Input::Damaged(Damage::Code(code)));
    }

    /// Lets readers find the damage that is left, until there is none.
    pub(super) fn heal(&mut self) {
        for _ in 0..200 {
            let damaged = self.damaged_now();
            for (page, _) in &damaged {
                assert!(
                    self.damaged_pages.contains(page),
                    "{page:?} is damaged, but this world did not damage it"
                );
            }
            let Some((page, at)) = damaged.first().copied() else {
                return self.heal_codes();
            };
            self.report_damage(page, at);
            let is_whole = move |director: &Director| {
                let left = director.damaged_now();
                !left.contains(&(page, at))
            };
            self.go_until("damage is not healed", is_whole);
        }
        panic!("damage is left after 200 repairs");
    }

    fn heal_codes(&mut self) {
        for code in self.damaged_codes.clone() {
            let is_whole = move |director: &Director| {
                let needed = director.needed_code(&code);
                let held = director.world.disk.codes.get(&code);
                needed.is_none() || held == needed.as_ref()
            };
            if !is_whole(self) {
                self.report_code(code);
                self.go_until("a damaged code is not healed", is_whole);
            }
        }
    }
}
