//! Several states of one chain are kept in one database. What is deleted when one of them falls out
//! is compared with a search through everything.

use std::collections::BTreeSet;
use std::rc::Rc;

use snaplight::state::page::MIN_BUDGET;
use snaplight::state::{DiffWalk, MarkWalk, PageId, PageRef};

use crate::chain::{Chain, State};
use crate::database::{Complete, Database};
use crate::healer::Healer;
use crate::state_world::Rng;

/// States kept besides the complete one.
const KEPT: usize = 4;

/// The pages that these roots reach, by a search that knows nothing of the others.
fn reached(db: &Database, roots: &[PageRef]) -> BTreeSet<PageId> {
    let mut reached = BTreeSet::new();
    for root in roots {
        db.check_tree(*root, &mut reached);
    }
    reached
}

/// Deletes what only `gone` reaches, and what the last build dropped: the pages from `first` on that
/// no root reaches. Both walks read the pages in any order.
fn sweep(
    db: &mut Database,
    rng: &mut Rng,
    gone: Option<PageRef>,
    first: PageId,
    roots: &[PageRef],
) {
    let mut diff = DiffWalk::new(gone, roots.iter().copied());
    let mut mark = MarkWalk::since(first, roots.iter().copied());
    loop {
        let limit = 1 + rng.below(5);
        let (some, more) = (diff.wanted(limit), mark.wanted(limit));
        if some.is_empty() && more.is_empty() {
            break;
        }
        for id in some {
            diff.feed(id, db.page(id));
        }
        for id in more {
            mark.feed(id, db.page(id));
        }
    }
    let next = db.next_page;
    let built = (first.0..next.0).map(PageId);
    let mut garbage = diff.finish().unwrap();
    garbage.extend(mark.orphans(built, next).unwrap());
    for id in garbage {
        db.pages.remove(&id);
    }
}

/// Deletes everything that no root reaches.
fn sweep_all(db: &mut Database, roots: &[PageRef]) {
    let mut mark = MarkWalk::new(roots.iter().copied());
    while let Some(id) = mark.wanted(1).pop() {
        mark.feed(id, db.page(id));
    }
    let stored: Vec<PageId> = db.pages.keys().copied().collect();
    for id in mark.orphans(stored, db.next_page).unwrap() {
        db.pages.remove(&id);
    }
}

fn history(seed: u64) {
    let mut rng = Rng(seed);
    let accounts = rng.below(300);
    let budget = [MIN_BUDGET, 2_000, 16_384][rng.below(3)].max(MIN_BUDGET);
    let mut chain = Chain::new(&mut rng, accounts, 200, 20);
    let mut healer = Healer::new(Rng(seed + 1), Database::new(), chain.last(), budget);
    let mut kept: Vec<(Rc<State>, Option<PageRef>)> = Vec::new();
    for _ in 0..14 {
        let first = healer.db.next_page;
        healer.finish();
        let before = healer.db.complete.clone();
        healer.switch();
        let complete = healer.db.complete.clone().unwrap();
        let mut gone = Vec::new();
        if let Some(Complete { state, page }) = before {
            // A root that is built once more takes the place of the one before.
            kept.insert(0, (state, page));
            gone.extend(take(&mut kept, |(state, _)| {
                state.root() == complete.state.root()
            }));
        }
        while kept.len() > KEPT {
            gone.extend(kept.pop());
        }
        let roots = |kept: &[(Rc<State>, Option<PageRef>)]| -> Vec<PageRef> {
            let kept = kept.iter().filter_map(|(_, page)| *page);
            complete.page.into_iter().chain(kept).collect()
        };
        let all = roots(&kept);
        let gone: Vec<PageRef> = gone.into_iter().filter_map(|(_, page)| page).collect();
        match gone.len() {
            0 | 1 => sweep(&mut healer.db, &mut rng, gone.first().copied(), first, &all),
            _ => sweep_all(&mut healer.db, &all),
        }
        let stored: BTreeSet<PageId> = healer.db.pages.keys().copied().collect();
        assert_eq!(reached(&healer.db, &all), stored);
        // An older state may be elected, and the next one is built over it.
        if !kept.is_empty() && rng.chance(40) {
            let nth = rng.below(kept.len());
            let (state, page) = kept.remove(nth);
            let elected = Complete { state, page };
            let before = healer.db.complete.replace(elected).unwrap();
            kept.insert(0, (before.state, before.page));
        }
        // A damaged one is dropped, and with it what only it reached.
        if !kept.is_empty() && rng.chance(15) {
            kept.remove(rng.below(kept.len()));
            let complete = healer.db.complete.as_ref().unwrap().page;
            let kept = kept.iter().filter_map(|(_, page)| *page);
            let left: Vec<PageRef> = complete.into_iter().chain(kept).collect();
            sweep_all(&mut healer.db, &left);
            let stored: BTreeSet<PageId> = healer.db.pages.keys().copied().collect();
            assert_eq!(reached(&healer.db, &left), stored);
        }
        let next = chain.advance(&mut rng);
        healer.open(next);
    }
}

fn take<T>(list: &mut Vec<T>, is_it: impl Fn(&T) -> bool) -> Vec<T> {
    let (taken, left) = std::mem::take(list).into_iter().partition(is_it);
    *list = left;
    taken
}

#[test]
fn what_is_left_is_what_the_kept_states_reach_whichever_of_them_the_next_one_is_built_over() {
    for seed in 0..30 {
        let done = std::panic::catch_unwind(|| history(seed));
        assert!(done.is_ok(), "seed {seed}");
    }
}
