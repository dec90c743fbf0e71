//! Reads keys of a database as a reader in a web page does, and compares them with the truth.

use snaplight::hash::Hash;
use snaplight::state::page::Folds;
use snaplight::state::{Account, Lookup, PageId, PageRef, SlimAccount, StatePath, Step};
use snaplight::trie::account::slot_value;
use snaplight_peer::state::State;

use crate::disk::Disk;

/// Most pages of one look-up: one for each nibble of the account's and of the slot's key, and the
/// two roots.
const MOST_PAGES: usize = 2 * 64 + 2;

/// The outcome of a read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Read {
    True,
    NotTracked,
    Damaged(PageId, StatePath),
}

/// Looks one key up. Panics if the answer is not the true one, and if there is none.
pub(crate) fn read(
    disk: &Disk,
    root: Option<PageRef>,
    truth: &State,
    account: Hash,
    slot: Option<Hash>,
) -> Read {
    let mut lookup = match slot {
        None => Lookup::account(root, account),
        Some(slot) => Lookup::slot(root, account, slot),
    };
    let mut folds = Folds::new();
    for _ in 0..=MOST_PAGES {
        match lookup.step().clone() {
            Step::Need(wanted) => {
                let Some(page) = disk.verified(&wanted, &mut folds) else {
                    return Read::Damaged(wanted.page.id, wanted.at);
                };
                lookup.feed_verified(&page);
            }
            Step::Account(found) => {
                let body = truth.account(&account.0);
                let body =
                    body.map(|body| SlimAccount::parse(body).expect("a true body").account());
                assert_eq!(found.map(|found| found.account), body, "account {account}");
                return Read::True;
            }
            Step::Slot(value) => {
                let slot = slot.expect("a slot was asked for");
                let stored = truth
                    .storage(&account.0)
                    .and_then(|storage| storage.get(&slot.0));
                let number = stored.map(|rlp| slot_value(rlp).expect("a true value"));
                let expected = number.and_then(Account::pad).unwrap_or([0; 32]);
                assert_eq!(value, expected, "slot {slot} of {account}");
                return Read::True;
            }
            _ => return Read::NotTracked,
        }
    }
    panic!("looking up {account} {slot:?} reads more than {MOST_PAGES} pages");
}
