//! What a database is to hold of each state: everything, or the accounts and slots of a set.
//!
//! A scope never changes. Each change makes one with the next version, and the root record names the
//! versions that its states were built for. How one is stored is in `codec`.

mod changes;
mod codec;

use core::fmt;
use std::rc::Rc;

use super::entry::StatePath;
use crate::hash::Hash;
use crate::heap::{HeapBytes, flat, owns};
use crate::trie::keccak;
use crate::trie::path::Path;

/// Most accounts of a set. A set is loaded whole and looked up in memory; larger ones are better
/// served by holding everything.
pub const MAX_TRACKED_ACCOUNTS: usize = 10_000;
/// Most single slots of a set, over all its accounts: 6.4 MB in memory.
pub const MAX_TRACKED_SLOTS: usize = 100_000;

/// What is to be held. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    version: u64,
    /// `None`: everything.
    set: Option<Rc<TrackedSet>>,
}

/// The accounts of a set, by the hashes of their addresses, ascending. Bounds:
/// [`MAX_TRACKED_ACCOUNTS`], [`MAX_TRACKED_SLOTS`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrackedSet {
    accounts: Vec<TrackedAccount>,
}

/// An account of a set. The account itself (nonce, balance, storage root, code hash) is always
/// tracked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrackedAccount {
    key: Hash,
    address: [u8; 20],
    code: bool,
    slots: TrackedSlots,
}

/// Which slots of an account are tracked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TrackedSlots {
    /// These, by the hashes of their numbers, ascending, each once. May be empty.
    Single(Vec<TrackedSlot>),
    /// All of them.
    All,
}

/// A slot of a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TrackedSlot {
    /// Keccak-256 of the number: its key in the storage trie.
    key: Hash,
    /// The slot's number, 32 bytes big-endian.
    number: [u8; 32],
}

/// Why a set cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ScopeError {
    /// It would have more accounts than [`MAX_TRACKED_ACCOUNTS`].
    TooManyAccounts(usize),
    /// It would have more single slots than [`MAX_TRACKED_SLOTS`].
    TooManySlots(usize),
    /// Single slots cannot be taken out of an account of which all slots are tracked.
    AllSlots,
    /// The bytes are not what [`Scope::encode`] wrote, or no list of accounts.
    Damaged,
}

impl fmt::Display for ScopeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ScopeError::TooManyAccounts(count) => {
                write!(
                    f,
                    "{count} accounts, at most {MAX_TRACKED_ACCOUNTS} can be tracked"
                )
            }
            ScopeError::TooManySlots(count) => {
                write!(
                    f,
                    "{count} single slots, at most {MAX_TRACKED_SLOTS} can be tracked"
                )
            }
            ScopeError::AllSlots => f.write_str(
                "all slots of an account are tracked, so single ones cannot be left out",
            ),
            ScopeError::Damaged => f.write_str("the stored set is damaged"),
        }
    }
}

impl core::error::Error for ScopeError {}

impl Scope {
    /// Everything, as version 0: what a database holds of which no scope was ever written.
    pub fn everything() -> Scope {
        Scope::everything_as(0)
    }

    /// Everything, as this version.
    pub fn everything_as(version: u64) -> Scope {
        Scope { version, set: None }
    }

    /// A set, as this version.
    pub fn set(version: u64, set: TrackedSet) -> Scope {
        Scope {
            version,
            set: Some(Rc::new(set)),
        }
    }

    /// The one of these with this version, if it is known. Version 0 is always everything.
    pub fn find(scopes: &[Scope], version: u64) -> Option<Scope> {
        let found = scopes.iter().find(|scope| scope.version == version);
        let found = found.cloned();
        found.or_else(|| (version == 0).then(Scope::everything))
    }

    /// Its version: each scope of a database has its own, and later ones have higher ones.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The set; `None` if it is everything.
    pub fn tracked(&self) -> Option<&TrackedSet> {
        self.set.as_deref()
    }

    /// Whether it is everything.
    pub fn is_everything(&self) -> bool {
        self.set.is_none()
    }

    /// Whether a key of it lies at or below this place. The root's path of a storage trie is below
    /// an account of which at least one slot is tracked.
    pub fn touches(&self, at: &StatePath) -> bool {
        let Some(set) = &self.set else {
            return true;
        };
        match &at.account {
            None => set.touches(&at.path),
            Some(account) => set
                .get(account)
                .is_some_and(|account| account.touches(&at.path)),
        }
    }

    /// Whether everything at and below this place belongs to it.
    pub fn includes(&self, at: &StatePath) -> bool {
        let Some(set) = &self.set else {
            return true;
        };
        let account = at.account.as_ref().and_then(|account| set.get(account));
        account.is_some_and(|account| account.slots == TrackedSlots::All)
    }

    /// Whether this account belongs to it.
    pub fn has_account(&self, account: &Hash) -> bool {
        self.set
            .as_ref()
            .is_none_or(|set| set.get(account).is_some())
    }

    /// Whether the code of this account belongs to it.
    pub fn has_code(&self, account: &Hash) -> bool {
        self.set
            .as_ref()
            .is_none_or(|set| set.get(account).is_some_and(|account| account.code))
    }

    /// Whether this slot of this account belongs to it, by the hashes of both.
    pub fn has_slot(&self, account: &Hash, slot: &Hash) -> bool {
        self.touches(&StatePath::storage(*account, Path::full(*slot)))
    }

    /// Whether the two want something different at or below this place.
    pub fn differs_at(&self, other: &Scope, at: &StatePath) -> bool {
        let (mine, theirs) = match (&self.set, &other.set) {
            (None, None) => return false,
            (Some(mine), Some(theirs)) => (mine, theirs),
            // What everything has and a set has not is everywhere, but below what the set has whole.
            _ => return !(self.includes(at) && other.includes(at)),
        };
        match &at.account {
            None => mine.differs(theirs, &at.path),
            Some(account) => slots_differ(mine.get(account), theirs.get(account), &at.path),
        }
    }

    /// Whether what the other wants is all in this one, and both are everything or both a set.
    pub(crate) fn covers(&self, other: &Scope) -> bool {
        match (&self.set, &other.set) {
            (None, None) => true,
            (Some(mine), Some(theirs)) => theirs.accounts.iter().all(|account| {
                let mine = mine.get(&account.key);
                mine.is_some_and(|mine| mine.covers(account))
            }),
            _ => false,
        }
    }
}

impl TrackedSet {
    /// The accounts, by the hashes of their addresses, ascending.
    pub fn accounts(&self) -> &[TrackedAccount] {
        &self.accounts
    }

    /// The account with this hash of its address.
    pub fn get(&self, account: &Hash) -> Option<&TrackedAccount> {
        let index = self
            .accounts
            .binary_search_by(|tracked| tracked.key.cmp(account));
        self.accounts.get(index.ok()?)
    }

    /// The set with these accounts added: of an account that it has already, both are tracked
    /// together.
    ///
    /// # Errors
    /// [`ScopeError::TooManyAccounts`], [`ScopeError::TooManySlots`].
    pub fn with(&self, added: &[TrackedAccount]) -> Result<TrackedSet, ScopeError> {
        let mut set = self.clone();
        for account in added {
            let place = set
                .accounts
                .binary_search_by(|tracked| tracked.key.cmp(&account.key));
            match place {
                Ok(index) => {
                    if let Some(known) = set.accounts.get_mut(index) {
                        known.add(account);
                    }
                }
                Err(index) => set.accounts.insert(index, account.clone()),
            }
        }
        let slots = set.accounts.iter().map(TrackedAccount::single_slots).sum();
        match (set.accounts.len(), slots) {
            (count, _) if count > MAX_TRACKED_ACCOUNTS => Err(ScopeError::TooManyAccounts(count)),
            (_, count) if count > MAX_TRACKED_SLOTS => Err(ScopeError::TooManySlots(count)),
            _ => Ok(set),
        }
    }

    /// The set without these accounts and all of theirs.
    pub fn without(&self, removed: &[Hash]) -> TrackedSet {
        let stays = |account: &&TrackedAccount| !removed.contains(&account.key);
        TrackedSet {
            accounts: self.accounts.iter().filter(stays).cloned().collect(),
        }
    }

    /// The accounts below a path of the account trie.
    pub(crate) fn below(&self, path: &Path) -> &[TrackedAccount] {
        let (first, last) = (path.first_key(), path.last_key());
        let start = self.accounts.partition_point(|account| account.key < first);
        let end = self.accounts.partition_point(|account| account.key <= last);
        self.accounts.get(start..end).unwrap_or_default()
    }

    fn touches(&self, path: &Path) -> bool {
        !self.below(path).is_empty()
    }

    fn differs(&self, other: &TrackedSet, path: &Path) -> bool {
        self.below(path) != other.below(path)
    }
}

impl TrackedAccount {
    /// An account with these of its slots, given by their numbers (32 bytes big-endian, in any
    /// order).
    pub fn new(address: [u8; 20], code: bool, slots: &[[u8; 32]]) -> TrackedAccount {
        let slots = slots.iter().map(|number| TrackedSlot::new(*number));
        let mut account = TrackedAccount::whole(address, code);
        account.slots = TrackedSlots::Single(in_order(slots.collect()));
        account
    }

    /// An account with all its slots.
    pub fn whole(address: [u8; 20], code: bool) -> TrackedAccount {
        TrackedAccount {
            key: keccak(&address),
            address,
            code,
            slots: TrackedSlots::All,
        }
    }

    /// An account with these keys, whatever their addresses and numbers are; `None`: all its slots.
    /// For tests of the trie: nobody knows an address for each key.
    #[doc(hidden)]
    pub fn of_keys(key: Hash, code: bool, slots: Option<Vec<Hash>>) -> TrackedAccount {
        let slot = |key: Hash| TrackedSlot { key, number: key.0 };
        let slots = slots.map(|slots| in_order(slots.into_iter().map(slot).collect()));
        let mut account = TrackedAccount::whole([0; 20], code);
        account.key = key;
        account.slots = slots.map_or(TrackedSlots::All, TrackedSlots::Single);
        account
    }

    /// Keccak-256 of its address: its key in the account trie.
    pub fn key(&self) -> Hash {
        self.key
    }

    /// Its address.
    pub fn address(&self) -> [u8; 20] {
        self.address
    }

    /// Whether its code is tracked.
    pub fn code(&self) -> bool {
        self.code
    }

    /// Which of its slots are tracked.
    pub fn slots(&self) -> &TrackedSlots {
        &self.slots
    }

    /// The single slots below a path of its storage trie; none if all slots are tracked.
    pub(crate) fn slots_below(&self, path: &Path) -> &[TrackedSlot] {
        match &self.slots {
            TrackedSlots::Single(slots) => below(slots, path),
            TrackedSlots::All => &[],
        }
    }

    fn covers(&self, other: &TrackedAccount) -> bool {
        let has_slots = match (&self.slots, &other.slots) {
            (TrackedSlots::All, _) => true,
            (TrackedSlots::Single(_), TrackedSlots::All) => false,
            (TrackedSlots::Single(mine), TrackedSlots::Single(theirs)) => {
                theirs.iter().all(|slot| mine.binary_search(slot).is_ok())
            }
        };
        has_slots && (self.code || !other.code)
    }

    fn single_slots(&self) -> usize {
        match &self.slots {
            TrackedSlots::Single(slots) => slots.len(),
            TrackedSlots::All => 0,
        }
    }

    fn add(&mut self, other: &TrackedAccount) {
        self.code |= other.code;
        match (&mut self.slots, &other.slots) {
            (TrackedSlots::All, _) => {}
            (slots, TrackedSlots::All) => *slots = TrackedSlots::All,
            (TrackedSlots::Single(slots), TrackedSlots::Single(added)) => {
                slots.extend(added);
                *slots = in_order(core::mem::take(slots));
            }
        }
    }

    /// Whether a tracked slot lies at or below this path of its storage trie.
    fn touches(&self, path: &Path) -> bool {
        match &self.slots {
            TrackedSlots::All => true,
            TrackedSlots::Single(slots) => !below(slots, path).is_empty(),
        }
    }
}

impl TrackedSlot {
    /// The slot with this number, 32 bytes big-endian.
    pub fn new(number: [u8; 32]) -> TrackedSlot {
        TrackedSlot {
            key: keccak(&number),
            number,
        }
    }

    /// Its key in the storage trie.
    pub fn key(&self) -> Hash {
        self.key
    }

    /// Its number.
    pub fn number(&self) -> [u8; 32] {
        self.number
    }
}

/// The slots of an ascending list below a path.
fn below<'a>(slots: &'a [TrackedSlot], path: &Path) -> &'a [TrackedSlot] {
    let (first, last) = (path.first_key(), path.last_key());
    let start = slots.partition_point(|slot| slot.key < first);
    let end = slots.partition_point(|slot| slot.key <= last);
    slots.get(start..end).unwrap_or_default()
}

/// Whether two forms of one account want different slots at or below a path.
fn slots_differ(
    mine: Option<&TrackedAccount>,
    theirs: Option<&TrackedAccount>,
    path: &Path,
) -> bool {
    let wanted = |account: Option<&TrackedAccount>| match account.map(|account| &account.slots) {
        None => Some(Vec::new()),
        Some(TrackedSlots::Single(slots)) => Some(below(slots, path).to_vec()),
        Some(TrackedSlots::All) => None,
    };
    wanted(mine) != wanted(theirs)
}

/// Ascending, each once.
fn in_order(slots: Vec<TrackedSlot>) -> Vec<TrackedSlot> {
    // A heap sorts them, because the library's sort would add four kilobytes to the module.
    let mut slots = std::collections::BinaryHeap::from(slots).into_sorted_vec();
    slots.dedup();
    slots
}

flat!(TrackedSlot);

impl HeapBytes for TrackedAccount {
    fn heap_bytes(&self) -> usize {
        match &self.slots {
            TrackedSlots::Single(slots) => slots.heap_bytes(),
            TrackedSlots::All => 0,
        }
    }
}

/// A set is shared, and counted where it is held for good: in the engine.
impl HeapBytes for Scope {
    fn heap_bytes(&self) -> usize {
        let set = self.set.as_deref();
        set.map_or(0, |set| size_of::<TrackedSet>() + set.heap_bytes())
    }
}

owns! {
    TrackedSet: accounts;
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests;
