use super::*;
use crate::state::entry::PageId;
use crate::state::scope::Scope;
use crate::state::tree::origins::Origins;
use crate::state::tree::scoped::Older;

fn path(nibbles: &[u8]) -> Path {
    let child = |path: Path, nibble: &u8| path.child(*nibble).unwrap_or(path);
    nibbles.iter().fold(Path::ROOT, child)
}

fn blinded(nibbles: &[u8], hash: u8) -> Entry {
    let hash = Hash([hash; 32]);
    Entry {
        path: path(nibbles),
        item: Item::blinded(hash),
    }
}

fn page(nibbles: &[u8], hash: u8) -> Entry {
    let hash = Hash([hash; 32]);
    let reference = PageRef {
        hash,
        id: PageId(1),
        open: false,
        inner: false,
        leaves: 1,
        slots: 0,
        parent: 0,
    };
    Entry {
        path: path(nibbles),
        item: Item::Page(reference),
    }
}

fn slot(key: u8) -> Entry {
    Entry {
        path: Path::full(Hash([key; 32])),
        item: Item::Slot([1].into()),
    }
}

fn join(old: &[Entry], new: &[Entry]) -> Result<Vec<Entry>, TreeError> {
    let new = new.iter().map(|entry| (entry.path, &entry.item));
    let old = old.iter().cloned().map(|entry| (entry, 0));
    let mut adopter = Adopter {
        fold: &mut Fold::new(),
        joined: &mut Joined::default(),
        held: None,
        settler: Settler {
            scope: &Scope::everything(),
            older: &Older::default(),
            account: None,
        },
        origins: &Origins::default(),
    };
    merge(old, new, |item| Some(item.clone()), &mut adopter)
}

#[test]
fn of_two_lists_the_one_that_knows_more_wins_at_every_place() {
    // 1: both by hash; 2: a page against its hash; 3: a leaf under a hash, from either side; 5:
    // behind an extension.
    let old = [
        blinded(&[1], 1),
        page(&[2], 2),
        blinded(&[3], 3),
        slot(0x44),
        blinded(&[5], 5),
    ];
    let new = [
        blinded(&[1], 1),
        blinded(&[2], 2),
        slot(0x33),
        blinded(&[4], 4),
        blinded(&[5, 6, 7], 6),
    ];
    let both = [
        blinded(&[1], 1),
        page(&[2], 2),
        slot(0x33),
        slot(0x44),
        blinded(&[5, 6, 7], 6),
    ];
    assert_eq!(join(&old, &new), Ok(both.to_vec()));
    assert_eq!(join(&new, &old), Ok(both.to_vec()));
    assert_eq!(join(&both, &both), Ok(both.to_vec()));
}

#[test]
fn a_new_page_takes_the_place_of_what_was_blinded_below_it() {
    let old = [blinded(&[1, 2], 1), blinded(&[1, 3], 2), slot(0x22)];
    let new = [page(&[1], 9), slot(0x22)];
    assert_eq!(join(&old, &new), Ok(new.to_vec()));
}

#[test]
fn lists_that_contradict_each_other_are_an_error() {
    let disjoint = |old: &[Entry], new: &[Entry], at: Path| {
        assert_eq!(join(old, new), Err(TreeError::Disjoint(at)));
    };
    disjoint(&[slot(0x11)], &[slot(0x22)], Path::full(Hash([0x11; 32])));
    disjoint(&[slot(0x11)], &[], Path::full(Hash([0x11; 32])));
    disjoint(&[], &[slot(0x11)], Path::full(Hash([0x11; 32])));
    disjoint(&[blinded(&[1], 1)], &[blinded(&[1], 2)], path(&[1]));
    disjoint(&[blinded(&[1], 1)], &[blinded(&[2], 1)], path(&[1]));
    disjoint(
        &[slot(0x11)],
        &[page(&[1], 1)],
        Path::full(Hash([0x11; 32])),
    );
}
