//! Runs the histories, and checks what must hold in all of them.

use std::rc::Rc;

use snaplight::hash::Hash;
use snaplight::state::Unfinished;
use snaplight::state::page::MIN_BUDGET;

use crate::chain::{Chain, State};
use crate::database::Database;
use crate::healer::Healer;
use crate::state_world::Rng;

/// The history of one database.
struct History {
    chain: Chain,
    healer: Healer,
    /// States that peers still answer for.
    stale: Vec<Rc<State>>,
}

impl History {
    fn new(seed: u64) -> History {
        let mut rng = Rng(seed);
        let (accounts, slots) = match rng.below(6) {
            0 => (rng.below(4), 20),
            1 => (rng.below(30), 1_000),
            _ => (rng.below(400), 100),
        };
        let budget = [0, MIN_BUDGET, 4_000, 16_384][rng.below(4)].max(MIN_BUDGET);
        let contracts = [0, 0, 3, 30][rng.below(4)];
        let chain = Chain::new(&mut rng, accounts, slots, contracts);
        let mut healer = Healer::new(rng, Database::new(), chain.last(), budget);
        healer.careful = healer.rng.chance(70);
        History {
            chain,
            healer,
            stale: Vec::new(),
        }
    }

    fn random_step(&mut self) {
        let healer = &mut self.healer;
        match healer.rng.below(100) {
            0..25 => healer.accounts(),
            25..45 => healer.storage(),
            45..50 => healer.code(),
            50..80 => healer.node(),
            80..86 => {
                healer.batch(Unfinished::Write);
            }
            86..90 => {
                healer.batch(Unfinished::Blind);
            }
            90..93 => self.kill(),
            93..96 => self.late_answer(),
            _ => self.retarget(),
        }
        self.healer.check_bytes();
        if self.healer.rng.chance(5) {
            self.healer.db.check_reachable();
            let healer = &mut self.healer;
            healer.db.check_reads(&mut healer.rng, 20);
        }
        if self.healer.rng.chance(2) {
            self.healer.db.collect_garbage();
            self.healer.db.check_reachable();
        }
    }

    fn retarget(&mut self) {
        self.stale.push(self.healer.target.clone());
        let next = self.chain.advance(&mut self.healer.rng);
        self.healer.retarget(next);
    }

    /// Loses what is in memory, and starts again from what the last batch stored. The root may have
    /// moved meanwhile.
    fn kill(&mut self) {
        let mut target = self.healer.target.clone();
        if self.healer.rng.chance(50) {
            target = self.chain.advance(&mut self.healer.rng);
        }
        self.healer.open(target);
    }

    /// Joins an answer to a request for a root that is not the target any more.
    fn late_answer(&mut self) {
        if self.stale.is_empty() {
            return;
        }
        let healer = &mut self.healer;
        let state = self.stale[healer.rng.below(self.stale.len())].clone();
        let origin = if healer.rng.chance(30) {
            Hash::ZERO
        } else {
            healer.rng.hash()
        };
        let max = 1 + healer.rng.below(200);
        if healer.rng.chance(60) || state.storage.is_empty() {
            let answer = state.accounts.serve(&origin, &Hash::MAX, max);
            healer.join_accounts(&origin, &answer, state);
        } else {
            let index = healer.rng.below(state.storage.len());
            let account = *state.storage.keys().nth(index).unwrap();
            let answer = state.storage[&account].serve(&origin, &Hash::MAX, max);
            healer.join_storage(&account, &origin, &answer, &state);
        }
    }

    /// Heals to the end and switches to the new state.
    fn complete(&mut self) {
        self.healer.finish();
        let old = self.healer.switch();
        let healer = &mut self.healer;
        // A crash may come before anything is deleted.
        if healer.rng.chance(70) {
            healer.db.delete_superseded(old);
        }
        let reached = healer.db.check_reachable();
        healer.db.check_reads(&mut healer.rng, 3);
        healer.db.collect_garbage();
        assert_eq!(reached, healer.db.pages.keys().copied().collect());
        healer.db.check_reachable();
    }
}

fn history(seed: u64) {
    let mut history = History::new(seed);
    let sessions = 1 + history.healer.rng.below(4);
    for _ in 0..sessions {
        for _ in 0..history.healer.rng.below(120) {
            history.random_step();
        }
        history.complete();
        let next = history.chain.advance(&mut history.healer.rng);
        history.stale.push(next.clone());
        history.healer.open(next);
    }
    let healer = &mut history.healer;
    healer.db.check_reads(&mut healer.rng, 1);
}

/// The environment variables `SNAPLIGHT_HISTORIES` and `SNAPLIGHT_SEED` set the number of histories
/// and the first seed.
fn seeds_asked() -> std::ops::Range<u64> {
    let asked = |name| {
        std::env::var(name)
            .ok()
            .and_then(|number| number.parse().ok())
    };
    let first = asked("SNAPLIGHT_SEED").unwrap_or(0);
    first..first + asked("SNAPLIGHT_HISTORIES").unwrap_or(300)
}

#[test]
fn for_any_move_of_the_root_the_new_state_is_whole_and_the_old_one_readable_until_then() {
    for seed in seeds_asked() {
        let done = std::panic::catch_unwind(|| history(seed));
        assert!(done.is_ok(), "seed {seed}");
    }
}

/// Histories that failed in the past, named after the reason.
mod seeds {
    use super::history;

    #[test]
    fn pages_below_a_dead_subtrie_go_although_their_record_stays() {
        history(4304);
    }

    #[test]
    fn an_inherited_page_has_more_than_one_parent_while_it_is_a_base() {
        history(14);
    }

    #[test]
    fn a_page_may_be_dropped_while_it_is_read() {
        history(5335);
    }

    #[test]
    fn a_page_is_not_read_for_a_subtrie_that_has_none_below() {
        history(28);
    }
}
