//! The entries of a partial trie: what is known at which path.

use core::fmt;
use std::collections::BinaryHeap;

use super::account::SlimAccount;
use crate::flat_map::ChunkedSet;
use crate::hash::Hash;
use crate::heap::{HeapBytes, flat};
use crate::trie::path::Path;

/// One thing that is known at one path. The entries of a list are sorted by path, and no path is a
/// prefix of another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// A whole key for [`Item::Account`] and [`Item::Slot`]. For the others the path of the named
    /// node, which is below its parent's child slot if an extension lies between them.
    pub path: Path,
    /// What is known there.
    pub item: Item,
}

/// What is known at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// An account. Only in the account trie.
    Account(Box<AccountLeaf>),
    /// A slot's value, RLP as in the trie (1 to 33 bytes). Only in a storage trie.
    Slot(Box<[u8]>),
    /// A subtrie of which only the hash of its top node is known.
    Blinded {
        /// Hash of the node at the path.
        hash: Hash,
        /// What is held below this path under *another* hash, as a list like any other. When the
        /// subtrie is revealed, what has not changed is adopted from it. Empty if nothing is held.
        /// Never consists only of blinded entries without a base. May also be one unloaded page
        /// whose path is above this one. Bound: what the complete state and the builds before it
        /// held there.
        base: Vec<Entry>,
    },
    /// A subtrie that is held in a page. Its top is a branch.
    Page(PageRef),
    /// A subtrie outside the scope ([`Scope`](super::Scope)): only the hash of its top node is known,
    /// and nothing of it is to be fetched.
    Outside(Hash),
    /// A leaf outside the scope. Without it, something would not be proven: that a key of the scope
    /// is absent, or what a node is in which it is embedded. It is not counted, and nothing of it is
    /// to be fetched.
    Neighbour(Neighbour),
}

/// The value of a leaf outside the scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Neighbour {
    /// An account's canonical slim body. Only in the account trie.
    Account(Box<[u8]>),
    /// A slot's value, RLP as in the trie. Only in a storage trie.
    Slot(Box<[u8]>),
}

/// Entries fill most of the memory, so `Item` must stay small.
const _: () = assert!(size_of::<Item>() <= 64);

/// An account, its storage and its code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountLeaf {
    /// The canonical slim body ([`super::SlimAccount`]).
    pub slim: Box<[u8]>,
    /// What is known of its storage trie.
    pub storage: Storage,
    /// What is known of its bytecode.
    pub code: Code,
}

/// What is known of an account's storage trie. The trie's root is in the account's body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Storage {
    /// The account has no storage.
    Empty,
    /// Nothing of it is known, and nothing is held of it under another root.
    Blinded,
    /// The storage trie's own list: slots, and the pages and blinded subtries of a large one. Never
    /// empty. If nothing is known but there is a base, one blinded entry at the root's path.
    Inline(Vec<Entry>),
    /// The whole storage trie is in a page, whose hash is the storage root.
    Page(PageRef),
    /// It is not empty, and outside the scope.
    Outside,
}

impl Storage {
    /// Takes out the list of a storage trie with this root; the caller puts it back once it has
    /// changed. `None` if there is no list, because the trie is empty or whole in a page.
    pub(crate) fn take_list(&mut self, root: Hash) -> Option<Vec<Entry>> {
        match core::mem::replace(self, Storage::Blinded) {
            Storage::Blinded => Some(vec![Entry {
                path: Path::ROOT,
                item: Item::blinded(root),
            }]),
            Storage::Inline(slots) => Some(slots),
            whole @ (Storage::Empty | Storage::Page(_) | Storage::Outside) => {
                *self = whole;
                None
            }
        }
    }
}

/// What is known of an account's bytecode. The code's hash is in the account's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// The account has no code.
    None,
    /// The code is stored.
    Held,
    /// The code is not stored yet.
    Missing,
    /// The account has code, which is outside the scope.
    Outside,
}

/// The name of a page. Ids only grow, and none is used twice in a database's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PageId(pub u64);

/// The reference to a subtrie that is held in a page. Several siblings may share a page, each with
/// its own `PageRef`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageRef {
    /// Hash of the subtrie's top node: a branch, or a trie's root.
    pub hash: Hash,
    /// The page that holds it.
    pub id: PageId,
    /// Whether something below is blinded, or an account's code is missing.
    pub open: bool,
    /// Whether other pages hang below.
    pub inner: bool,
    /// Leaves below in this trie: accounts (without their slots) for a part of the account trie,
    /// slots for a part of a storage trie.
    pub leaves: u64,
    /// Storage slots of the accounts below; 0 for a part of a storage trie, whose slots are its
    /// leaves.
    pub slots: u64,
    /// Depth of the branch whose children share the page; 0 for a whole trie. All subtries of one
    /// page have to stay children of one branch: otherwise a page could lose one of its parents and
    /// be deleted while the other still names it.
    pub parent: u8,
}

/// A place in the whole state: in the account trie, or in one account's storage trie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StatePath {
    /// Hash of the address of the account whose storage trie is meant; `None` for the account trie.
    pub account: Option<Hash>,
    /// The place in that trie.
    pub path: Path,
}

impl StatePath {
    /// A place in the account trie.
    pub fn account_trie(path: Path) -> StatePath {
        StatePath {
            account: None,
            path,
        }
    }

    /// A place in the storage trie of `account`.
    pub fn storage(account: Hash, path: Path) -> StatePath {
        StatePath {
            account: Some(account),
            path,
        }
    }
}

impl fmt::Display for StatePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.account {
            None => write!(f, "/{}", self.path),
            Some(account) => write!(f, "/{account}/{}", self.path),
        }
    }
}

impl Item {
    /// A subtrie known by its hash alone.
    pub fn blinded(hash: Hash) -> Item {
        Item::Blinded {
            hash,
            base: Vec::new(),
        }
    }
}

impl Entry {
    /// Whether something at or below it is still to be fetched: a blinded subtrie, or an account's
    /// storage or code.
    pub fn is_open(&self) -> bool {
        match &self.item {
            Item::Account(leaf) => leaf.is_open(),
            Item::Slot(_) | Item::Outside(_) | Item::Neighbour(_) => false,
            Item::Blinded { .. } => true,
            Item::Page(page) => page.open,
        }
    }

    /// The list inside it: an account's inline storage, or the base of a blinded entry.
    pub(crate) fn inside(&self) -> Option<&Vec<Entry>> {
        match &self.item {
            Item::Account(leaf) => match &leaf.storage {
                Storage::Inline(slots) => Some(slots),
                Storage::Empty | Storage::Blinded | Storage::Page(_) | Storage::Outside => None,
            },
            Item::Blinded { base, .. } => Some(base),
            Item::Slot(_) | Item::Page(_) | Item::Outside(_) | Item::Neighbour(_) => None,
        }
    }

    /// The page that this entry itself names, and the path of that page's subtrie in its own trie.
    /// The entry is a page, or an account whose storage is a page.
    fn page(&self) -> Option<(Path, &PageRef)> {
        match &self.item {
            Item::Page(page) => Some((self.path, page)),
            Item::Account(leaf) => match &leaf.storage {
                Storage::Page(page) => Some((Path::ROOT, page)),
                Storage::Empty | Storage::Blinded | Storage::Inline(_) | Storage::Outside => None,
            },
            Item::Slot(_) | Item::Blinded { .. } | Item::Outside(_) | Item::Neighbour(_) => None,
        }
    }

    /// Calls for every page that is named in this entry, with the path of the page's subtrie and
    /// whether it is named in a base. There is no counterpart that changes entries: each walk that
    /// replaces pages treats lists, bases and storages in its own way (`tree::inline_page`,
    /// `tree::base`).
    pub(crate) fn each_page(&self, call: &mut impl FnMut(Path, &PageRef, bool)) {
        self.each_page_inside(false, call);
    }

    fn each_page_inside(&self, in_base: bool, call: &mut impl FnMut(Path, &PageRef, bool)) {
        if let Some((path, page)) = self.page() {
            call(path, page, in_base);
        }
        let in_base = in_base || matches!(self.item, Item::Blinded { .. });
        for entry in self.inside().into_iter().flatten() {
            entry.each_page_inside(in_base, call);
        }
    }

    /// Whether it is a page or has pages below.
    pub fn has_pages(&self) -> bool {
        let mut inside = self.inside().into_iter().flatten();
        self.page().is_some() || inside.any(Entry::has_pages)
    }

    /// Whether there is a base in it. A base must survive a crash.
    pub fn has_base(&self) -> bool {
        match &self.item {
            Item::Account(leaf) => leaf.has_base(),
            Item::Blinded { base, .. } => !base.is_empty(),
            Item::Slot(_) | Item::Page(_) | Item::Outside(_) | Item::Neighbour(_) => false,
        }
    }

    /// The leaves of its own trie that it holds ([`PageRef::leaves`]).
    pub fn leaves(&self) -> u64 {
        match &self.item {
            Item::Account(_) | Item::Slot(_) => 1,
            Item::Blinded { .. } | Item::Outside(_) | Item::Neighbour(_) => 0,
            Item::Page(page) => page.leaves,
        }
    }

    /// The storage slots of the accounts that it holds ([`PageRef::slots`]).
    pub fn slots(&self) -> u64 {
        match &self.item {
            Item::Account(leaf) => match &leaf.storage {
                Storage::Empty | Storage::Blinded | Storage::Outside => 0,
                Storage::Inline(slots) => slots.iter().map(Entry::leaves).sum(),
                Storage::Page(page) => page.leaves,
            },
            Item::Slot(_) | Item::Blinded { .. } | Item::Outside(_) | Item::Neighbour(_) => 0,
            Item::Page(page) => page.slots,
        }
    }
}

impl AccountLeaf {
    /// Root of its storage trie.
    pub fn storage_root(&self) -> Hash {
        self.body()
            .map_or(Hash::EMPTY_ROOT, |body| body.storage_root())
    }

    /// Hash of its bytecode.
    pub fn code_hash(&self) -> Hash {
        self.body()
            .map_or(Hash::EMPTY_CODE, |body| body.code_hash())
    }

    /// Its body, which has been checked: it came out of a verified answer, or of a page's decoder.
    fn body(&self) -> Option<SlimAccount<'_>> {
        let body = SlimAccount::parse(&self.slim);
        debug_assert!(
            body.is_ok(),
            "an account's body is checked before it is held"
        );
        body.ok()
    }

    /// Whether something of its storage is held under another root.
    pub fn has_base(&self) -> bool {
        match &self.storage {
            Storage::Inline(slots) => slots.iter().any(Entry::has_base),
            Storage::Empty | Storage::Blinded | Storage::Page(_) | Storage::Outside => false,
        }
    }

    /// Whether its storage or its code is still to be fetched, wholly or in part.
    pub fn is_open(&self) -> bool {
        let storage_open = match &self.storage {
            Storage::Empty | Storage::Outside => false,
            Storage::Blinded => true,
            Storage::Inline(slots) => slots.iter().any(Entry::is_open),
            Storage::Page(page) => page.open,
        };
        storage_open || self.code == Code::Missing
    }
}

impl Code {
    /// What is known of the code with this hash (`None`: there is none).
    pub(crate) fn of(hash: Option<Hash>, held: &dyn CodesHeld) -> Code {
        match hash {
            None => Code::None,
            Some(hash) if held.holds(&hash) => Code::Held,
            Some(_) => Code::Missing,
        }
    }
}

impl PageId {
    /// The id after this one. Each page uses one up, so 64 bits are enough for ever.
    pub fn next(self) -> PageId {
        PageId(self.0.saturating_add(1))
    }

    /// These ids in ascending order, each once. A heap sorts them, because the library's sort would
    /// add four kilobytes to the module.
    pub(crate) fn in_order(ids: Vec<PageId>) -> Vec<PageId> {
        let mut ids = BinaryHeap::from(ids).into_sorted_vec();
        ids.dedup();
        ids
    }
}

/// Which bytecodes are stored, or are part of the batch being put together.
pub trait CodesHeld {
    /// Whether the code with this hash is stored.
    fn holds(&self, code_hash: &Hash) -> bool;
}

impl CodesHeld for std::collections::HashSet<Hash> {
    fn holds(&self, code_hash: &Hash) -> bool {
        self.contains(code_hash)
    }
}

impl CodesHeld for ChunkedSet<Hash> {
    fn holds(&self, code_hash: &Hash) -> bool {
        self.contains(code_hash)
    }
}

impl CodesHeld for std::collections::BTreeSet<Hash> {
    fn holds(&self, code_hash: &Hash) -> bool {
        self.contains(code_hash)
    }
}

flat!(PageId, PageRef, StatePath);

impl HeapBytes for Entry {
    fn heap_bytes(&self) -> usize {
        let own = match &self.item {
            Item::Account(leaf) => size_of::<AccountLeaf>() + leaf.slim.heap_bytes(),
            Item::Slot(value)
            | Item::Neighbour(Neighbour::Account(value) | Neighbour::Slot(value)) => {
                value.heap_bytes()
            }
            Item::Blinded { .. } | Item::Page(_) | Item::Outside(_) => 0,
        };
        own + self.inside().map_or(0, HeapBytes::heap_bytes)
    }
}
