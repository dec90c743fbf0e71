//! What of a state is to be held. A list obeys the scope at any moment: what the scope does not
//! touch is known by its hash alone, and only what is still to be fetched is blinded.
//!
//! What is revealed is settled as it comes ([`settle`]). What was held for another scope is settled
//! when it is adopted, and when the scope changes ([`Settler`]). So after a change a list has the
//! entries that it would have if it had been revealed under the new scope.

use super::list::restored;
use super::{Joined, Tree};
use crate::hash::Hash;
use crate::heap::HeapBytes;
use crate::state::account::SlimAccount;
use crate::state::entry::{
    AccountLeaf, Code, CodesHeld, Entry, Item, Neighbour, PageRef, StatePath, Storage,
};
use crate::state::page::fold_list;
use crate::state::scope::Scope;
use crate::trie::fold::{ChildOf, EntryItem, Fold, Root};
use crate::trie::path::Path;

/// Most scopes that a tree remembers. Beyond, every page of a base is read before it is adopted:
/// that is always right. Chosen without a measurement: a set changes a few times in a session, and
/// each build forgets them.
const MAX_OLDER: usize = 8;

/// The scopes other than today's for which something in a tree was settled.
#[derive(Default)]
pub(super) struct Older {
    /// Bound: [`MAX_OLDER`].
    scopes: Vec<Scope>,
    /// Whether there may be others.
    unknown: bool,
}

impl Older {
    fn add(&mut self, scope: Scope) {
        let is_known = self
            .scopes
            .iter()
            .any(|known| known.version() == scope.version());
        match self.scopes.len() < MAX_OLDER {
            _ if is_known => {}
            true => self.scopes.push(scope),
            false => self.unknown = true,
        }
    }
}

impl Tree {
    /// A state of which nothing is known but the root, for this scope.
    pub fn with_scope(mut self, scope: Scope) -> Tree {
        let root = StatePath::account_trie(Path::ROOT);
        if !scope.touches(&root) {
            for entry in &mut self.entries {
                entry.item = Item::Outside(self.root);
            }
        }
        Tree { scope, ..self }
    }

    /// The same tree with these entries, which come from a state that was built for another scope.
    pub(super) fn over_entries(mut self, entries: Vec<Entry>, built_for: &Scope) -> Tree {
        self.entries = entries;
        self.count_bytes();
        if built_for.version() != self.scope.version() {
            self.older.add(built_for.clone());
        }
        self
    }

    /// Says for which scopes a tree that was resumed was built. `build` is the scope that the
    /// record names for the build, `complete` that of the complete state, from which the build may
    /// have bases. For another scope than `build`, call [`Tree::rescope`] then.
    pub fn built_for(self, build: Scope, complete: Option<&Scope>) -> Tree {
        // The scope may have changed more than once since the build began, and the record does not
        // name those between.
        let unknown = complete.is_none_or(|complete| complete.version() != build.version());
        Tree {
            scope: build,
            older: Older {
                scopes: Vec::new(),
                unknown,
            },
            ..self
        }
    }

    /// What is to be held.
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// What is to be held from now on. What the new scope does not want leaves the list, and what
    /// it wants in addition is blinded. A page whose content differs is blinded over itself, so
    /// that it is read. From a set to everything nothing is kept: a first sync fetches ranges.
    /// Returns what accounts in memory lack now: all of them, not only the new ones.
    pub fn rescope(&mut self, scope: Scope, held: &dyn CodesHeld) -> Joined {
        let mut joined = Joined::default();
        if scope.version() == self.scope.version() {
            return joined;
        }
        let before = core::mem::replace(&mut self.scope, scope);
        if self.scope.is_everything() {
            if !before.is_everything() {
                self.entries = Tree::new(self.root).entries;
                self.older = Older::default();
                // The pages that were read hold only what the set wanted.
                self.origins = Default::default();
                self.count_bytes();
            }
            return joined;
        }
        // The list itself was settled for the scope before this one.
        let mut older = Older::default();
        older.add(before.clone());
        let entries = core::mem::take(&mut self.entries);
        let settler = Settler {
            scope: &self.scope,
            older: &older,
            account: None,
        };
        let fold = &mut self.folds.list;
        self.entries = settler.settle(fold, &Path::ROOT, entries, Some(held));
        self.older.add(before);
        for entry in &mut self.entries {
            if let Item::Account(leaf) = &mut entry.item {
                want(&entry.path, leaf, Some(held), &mut joined);
            }
        }
        self.count_bytes();
        joined
    }
}

/// The sets themselves are shared with the engine, which counts them.
impl HeapBytes for Older {
    fn heap_bytes(&self) -> usize {
        self.scopes.capacity() * size_of::<Scope>()
    }
}

/// Leaves of what was revealed in the trie of `account` (`None`: the account trie) only what the
/// scope wants, and the hashes and neighbours around it.
pub(super) fn settle(scope: &Scope, account: Option<Hash>, revealed: &mut [Entry]) {
    if scope.is_everything() {
        return;
    }
    for Entry { path, item } in revealed {
        let at = StatePath {
            account,
            path: *path,
        };
        let is_wanted = scope.touches(&at);
        match item {
            Item::Blinded { hash, .. } if !is_wanted => *item = Item::Outside(*hash),
            Item::Slot(_) | Item::Account(_) if !is_wanted => make_neighbour(item),
            Item::Account(leaf) => {
                let key = path.key();
                if leaf.code != Code::None && !scope.has_code(&key) {
                    leaf.code = Code::Outside;
                }
                let storage = StatePath::storage(key, Path::ROOT);
                if leaf.storage == Storage::Blinded && !scope.touches(&storage) {
                    leaf.storage = Storage::Outside;
                }
            }
            _ => {}
        }
    }
}

fn make_neighbour(item: &mut Item) {
    let neighbour = match item {
        Item::Slot(value) => Neighbour::Slot(core::mem::take(value)),
        Item::Account(leaf) => Neighbour::Account(core::mem::take(&mut leaf.slim)),
        _ => return,
    };
    *item = Item::Neighbour(neighbour);
}

/// Makes entries that were settled for another scope obey today's.
#[derive(Clone, Copy)]
pub(super) struct Settler<'a> {
    pub(super) scope: &'a Scope,
    pub(super) older: &'a Older,
    /// The account in whose storage trie the entries are; `None` for the account trie.
    pub(super) account: Option<Hash>,
}

/// What is left of a part of a list.
enum Left {
    /// The entry at this index, which may need settling of its own.
    Entry(usize),
    /// A subtrie that the scope does not touch.
    Outside(Path, Hash),
}

impl Settler<'_> {
    /// Settles a list that makes up the node at `place`, of which the scope touches something.
    /// `held` says which codes are stored; without it, codes that are wanted in addition are
    /// missing.
    pub(super) fn settle(
        &self,
        fold: &mut Fold,
        place: &Path,
        entries: Vec<Entry>,
        held: Option<&dyn CodesHeld>,
    ) -> Vec<Entry> {
        let is_settled = self.older.scopes.is_empty() && !self.older.unknown;
        if is_settled || self.scope.is_everything() || entries.is_empty() {
            return entries;
        }
        let mut settled = self.without_outside(fold, place, entries);
        for Entry { path, item } in &mut settled {
            self.settle_item(path, item, held);
        }
        for Entry { path, item } in &mut settled {
            if let Item::Account(leaf) = item {
                self.settle_storage(fold, path.key(), leaf);
            }
        }
        settled
    }

    /// Settles the storage of a wanted account.
    pub(super) fn settle_storage(&self, fold: &mut Fold, account: Hash, leaf: &mut AccountLeaf) {
        let at = StatePath::storage(account, Path::ROOT);
        if self.scope.is_everything() || leaf.storage == Storage::Empty {
            return;
        }
        if !self.scope.touches(&at) {
            leaf.storage = Storage::Outside;
            return;
        }
        let storage = core::mem::replace(&mut leaf.storage, Storage::Blinded);
        leaf.storage = match storage {
            Storage::Page(page) if self.differs(&at) => Storage::Inline(vec![Entry {
                path: Path::ROOT,
                item: blinded_page(Path::ROOT, page),
            }]),
            Storage::Inline(slots) if self.differs(&at) => {
                let settler = Settler {
                    account: Some(account),
                    ..*self
                };
                restored(settler.settle(fold, &Path::ROOT, slots, None))
            }
            Storage::Outside => Storage::Blinded,
            storage => storage,
        };
    }

    /// Whether something below this place may have been settled for a scope that wants something
    /// else there than today's.
    pub(super) fn differs(&self, at: &StatePath) -> bool {
        let mut older = self.older.scopes.iter();
        self.older.unknown || older.any(|older| self.scope.differs_at(older, at))
    }

    fn touches(&self, path: &Path) -> bool {
        self.scope.touches(&StatePath {
            account: self.account,
            path: *path,
        })
    }

    /// The list in which every subtrie that the scope does not touch is one entry, with its hash.
    fn without_outside(&self, fold: &mut Fold, place: &Path, entries: Vec<Entry>) -> Vec<Entry> {
        let root = match place.is_empty() {
            true => Root::Trie,
            false => Root::Child(place.len()),
        };
        let folded = fold_list(fold, &entries, root);
        debug_assert!(folded.is_ok(), "what is held folds to a hash");
        if folded.is_err() {
            return entries;
        }
        let mut left = Vec::new();
        match fold.branches().len().checked_sub(1) {
            Some(top) => self.leave(fold, place, ChildOf::Branch(top as u32), &mut left),
            None => self.leave(fold, place, ChildOf::Entry(0), &mut left),
        }
        let mut entries = entries.into_iter().enumerate();
        let entry = |left| match left {
            Left::Entry(at) => entries
                .find(|(index, _)| *index == at)
                .map(|(_, entry)| entry),
            Left::Outside(path, hash) => Some(Entry {
                path,
                item: Item::Outside(hash),
            }),
        };
        left.into_iter().filter_map(entry).collect()
    }

    /// Notes what is left of the node in a child slot. What is embedded has no hash of its own, so
    /// its leaves stay.
    fn leave(&self, fold: &Fold, slot: &Path, child: ChildOf, left: &mut Vec<Left>) {
        match child {
            ChildOf::Entry(index) => {
                let index = index as usize;
                let path = fold.path(index);
                let outside = match fold.item(index) {
                    _ if !self.touches(slot) => {
                        let node = fold.leaf_ref(index);
                        node.and_then(|node| node.hash()).map(|hash| (*slot, hash))
                    }
                    // Below an extension that leads away from what is wanted.
                    Some(EntryItem::Ref(hash)) if !self.touches(&path) => Some((path, hash)),
                    _ => None,
                };
                left.push(match outside {
                    Some((at, hash)) => Left::Outside(at, hash),
                    None => Left::Entry(index),
                });
            }
            ChildOf::Branch(index) => {
                let Some(branch) = fold.branches().get(index as usize) else {
                    return;
                };
                let path = fold.path(branch.first as usize).prefix(branch.depth);
                let outside = match (self.touches(slot), self.touches(&path)) {
                    (false, _) => branch.link().hash().map(|hash| (*slot, hash)),
                    (true, false) => branch.reference.hash().map(|hash| (path, hash)),
                    (true, true) => None,
                };
                if let Some((at, hash)) = outside {
                    return left.push(Left::Outside(at, hash));
                }
                for child in fold.children(index as usize) {
                    let first = match child {
                        ChildOf::Entry(entry) => Some(entry),
                        ChildOf::Branch(below) => {
                            fold.branches().get(below as usize).map(|below| below.first)
                        }
                    };
                    let slot = first.map(|first| fold.path(first as usize).prefix(path.len() + 1));
                    if let Some(slot) = slot {
                        self.leave(fold, &slot, child, left);
                    }
                }
            }
        }
    }

    /// Settles what is left, but for the storage of an account.
    fn settle_item(&self, path: &Path, item: &mut Item, held: Option<&dyn CodesHeld>) {
        let at = StatePath {
            account: self.account,
            path: *path,
        };
        let is_wanted = self.scope.touches(&at);
        match item {
            Item::Slot(_) | Item::Account(_) if !is_wanted => make_neighbour(item),
            Item::Outside(hash) if is_wanted => *item = Item::blinded(*hash),
            Item::Page(page) if self.differs(&at) => *item = blinded_page(*path, *page),
            Item::Neighbour(Neighbour::Slot(value)) if is_wanted => {
                *item = Item::Slot(core::mem::take(value));
            }
            Item::Neighbour(Neighbour::Account(slim)) if is_wanted => {
                *item = account(core::mem::take(slim));
            }
            _ => {}
        }
        if let Item::Account(leaf) = item {
            leaf.code = match (leaf.code, self.scope.has_code(&path.key())) {
                (Code::None, _) => Code::None,
                (_, false) => Code::Outside,
                (Code::Outside, true) => match held {
                    Some(held) => Code::of(Some(leaf.code_hash()), held),
                    None => Code::Missing,
                },
                (code, true) => code,
            };
        }
    }
}

/// Notes what an account lacks.
pub(super) fn want(
    path: &Path,
    leaf: &mut AccountLeaf,
    held: Option<&dyn CodesHeld>,
    joined: &mut Joined,
) {
    if !leaf.is_open() {
        return;
    }
    if leaf.code == Code::Missing {
        let code = leaf.code_hash();
        match held.is_some_and(|held| held.holds(&code)) {
            true => leaf.code = Code::Held,
            false => joined.codes.push(code),
        }
    }
    if leaf.storage == Storage::Blinded {
        joined.storage.push((path.key(), leaf.storage_root()));
    }
}

/// An account of which nothing but its body is known.
fn account(slim: Box<[u8]>) -> Item {
    let body = SlimAccount::parse(&slim);
    let storage = match body.as_ref().is_ok_and(SlimAccount::has_storage) {
        true => Storage::Blinded,
        false => Storage::Empty,
    };
    let code = match body.as_ref().is_ok_and(SlimAccount::has_code) {
        true => Code::Outside,
        false => Code::None,
    };
    Item::Account(Box::new(AccountLeaf {
        slim,
        storage,
        code,
    }))
}

/// A page that is blinded over itself, so that it will be read.
pub(super) fn blinded_page(path: Path, page: PageRef) -> Item {
    Item::Blinded {
        hash: page.hash,
        base: vec![Entry {
            path,
            item: Item::Page(page),
        }],
    }
}
