//! Looking up one account or slot in the pages of a state, from its root page down. The caller
//! loads the pages, and may keep verified ones. Nothing of a page is believed before it has been
//! folded to the hash that its parent holds.

use super::account::{Account, SlimAccount, slot_value};
use super::entry::{Code, Entry, Item, PageId, PageRef, StatePath, Storage};
use super::page::VerifiedPage;
use crate::hash::Hash;
use crate::trie::path::{KEY_NIBBLES, Path};

/// Most pages that a look-up takes: one for each nibble of the two keys of a slot, and the roots of
/// the two tries. The pages of a state lead to its end long before; this ends a look-up whatever it
/// is fed.
pub const MAX_STEPS: usize = 2 * (KEY_NIBBLES as usize + 1);

/// A look-up in progress. [`Lookup::step`] says how it stands. While that is [`Step::Need`], load
/// and verify the page ([`Page::verify`](super::page::Page::verify)) and feed it.
#[derive(Clone, Debug)]
pub struct Lookup {
    account: Hash,
    slot: Option<Hash>,
    step: Step,
    /// The pages that it was fed.
    steps: usize,
}

/// How a look-up stands.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// This page is needed next.
    Need(NeededPage),
    /// The account, or `None` if it is proven not to exist.
    Account(Option<FoundAccount>),
    /// The slot's value, 32 bytes big-endian; zero if the slot is proven not to be set.
    Slot([u8; 32]),
    /// That part of the state is not held, so nothing can be said about it.
    NotTracked,
}

/// An account that exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FoundAccount {
    /// Its nonce, balance, storage root and code hash.
    pub account: Account,
    /// Whether its code is stored.
    pub code: Code,
}

/// A page that is needed, and where. A cache of verified pages can use [`NeededPage::key`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NeededPage {
    /// The page, and the hash of the subtrie in it that is needed.
    pub page: PageRef,
    /// The place of that subtrie's top node.
    pub at: StatePath,
}

impl Lookup {
    /// Looks up an account by the Keccak-256 hash of its address. `root` is the root page; `None`
    /// for the empty state.
    pub fn account(root: Option<PageRef>, account: Hash) -> Lookup {
        Lookup::new(root, account, None)
    }

    /// Looks up a storage slot by the Keccak-256 hashes of the account's address and of the slot's
    /// 32-byte number.
    pub fn slot(root: Option<PageRef>, account: Hash, slot: Hash) -> Lookup {
        Lookup::new(root, account, Some(slot))
    }

    fn new(root: Option<PageRef>, account: Hash, slot: Option<Hash>) -> Lookup {
        let mut lookup = Lookup {
            account,
            slot,
            step: Step::NotTracked,
            steps: 0,
        };
        lookup.step = match root {
            Some(page) => Step::Need(NeededPage {
                page,
                at: StatePath::account_trie(Path::ROOT),
            }),
            None => lookup.absent(),
        };
        lookup
    }

    /// The hash of the account's address.
    pub(crate) fn key(&self) -> Hash {
        self.account
    }

    /// How it stands.
    pub fn step(&self) -> &Step {
        &self.step
    }

    /// Goes on with the page that is needed. Any other page is not looked at, but counted: after
    /// [`MAX_STEPS`] pages the look-up is at its end.
    pub fn feed_verified(&mut self, page: &VerifiedPage) -> &Step {
        if let Step::Need(wanted) = self.step {
            self.steps += 1;
            self.step = match (wanted.at.account, self.slot) {
                _ if !wanted.is(page) => Step::Need(wanted),
                (Some(_), Some(slot)) => self.find_slot(page.entries(), &slot),
                _ => self.find_account(page.entries()),
            };
            if self.steps >= MAX_STEPS && matches!(self.step, Step::Need(_)) {
                self.step = Step::NotTracked;
            }
        }
        &self.step
    }

    fn find_account(&self, entries: &[Entry]) -> Step {
        let Some(Entry { path, item }) = find(entries, &self.account) else {
            return self.absent();
        };
        let leaf = match item {
            Item::Account(leaf) => leaf,
            Item::Page(page) => return need(*page, StatePath::account_trie(*path)),
            Item::Blinded { .. } | Item::Slot(_) | Item::Outside(_) | Item::Neighbour(_) => {
                return Step::NotTracked;
            }
        };
        let Some(slot) = self.slot else {
            let body = SlimAccount::parse(&leaf.slim).map(|body| body.account());
            return body.map_or(Step::NotTracked, |account| {
                Step::Account(Some(FoundAccount {
                    account,
                    code: leaf.code,
                }))
            });
        };
        match &leaf.storage {
            Storage::Empty => self.absent(),
            Storage::Blinded | Storage::Outside => Step::NotTracked,
            Storage::Inline(slots) => self.find_slot(slots, &slot),
            Storage::Page(page) => need(*page, StatePath::storage(self.account, Path::ROOT)),
        }
    }

    fn find_slot(&self, entries: &[Entry], slot: &Hash) -> Step {
        match find(entries, slot) {
            None => self.absent(),
            Some(Entry {
                item: Item::Slot(rlp),
                ..
            }) => {
                // The page's decoder has checked that it has at most 32 bytes.
                let value = slot_value(rlp).ok().and_then(Account::pad);
                value.map_or(Step::NotTracked, Step::Slot)
            }
            Some(Entry {
                path,
                item: Item::Page(page),
            }) => need(*page, StatePath::storage(self.account, *path)),
            Some(_) => Step::NotTracked,
        }
    }

    /// The list folds to its hash and has nothing there, so the key does not exist.
    fn absent(&self) -> Step {
        match self.slot {
            None => Step::Account(None),
            Some(_) => Step::Slot([0; 32]),
        }
    }
}

impl NeededPage {
    /// Names a verified page uniquely within one incarnation of a database. Its place belongs to
    /// that: a damaged database may name one page at two places, and it is right at one of them at
    /// most.
    pub fn key(&self) -> (PageId, Hash, StatePath) {
        (self.page.id, self.page.hash, self.at)
    }

    pub(super) fn is(&self, page: &VerifiedPage) -> bool {
        page.hash() == self.page.hash && *page.at() == self.at
    }
}

fn need(page: PageRef, at: StatePath) -> Step {
    Step::Need(NeededPage { page, at })
}

/// The entry at or above `key`.
fn find<'a>(entries: &'a [Entry], key: &Hash) -> Option<&'a Entry> {
    let after = entries.partition_point(|entry| entry.path.first_key() <= *key);
    entries
        .get(after.checked_sub(1)?)
        .filter(|entry| entry.path.covers(key))
}

#[cfg(test)]
mod tests;
