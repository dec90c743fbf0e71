//! Loading pages back into memory: a page's content takes the place of every reference to it, in
//! lists and in bases.

use super::adopt::{Adopter, Base};
use super::list::{self, over};
use super::scoped::Settler;
use super::{Joined, Tree};
use crate::hash::Hash;
use crate::state::entry::{Entry, Item, PageId, PageRef, StatePath, Storage};
use crate::state::page::{Page, PageError, entry_size};
use crate::trie::path::Path;

impl Tree {
    /// Pages that have to be read before a resumed tree can go on, each once: open pages in the
    /// list, and all pages that the next batch deletes, wherever they are named.
    pub fn pages_to_inline(&self) -> Vec<PageId> {
        let mut ids = Vec::new();
        for entry in &self.entries {
            entry.each_page(&mut |_, page, in_base| {
                if self.spine.contains(&page.id) || (page.open && !in_base) {
                    ids.push(page.id);
                }
            });
        }
        PageId::in_order(ids)
    }

    /// Replaces every reference to a page by the page's content, once the content is proven to be
    /// what they name. A blinded entry that waited for it may be adopted. A page that nothing
    /// refers to any more is no error. After an error nothing has changed.
    pub fn inline_page(&mut self, id: PageId, bytes: &[u8]) -> Result<Joined, PageError> {
        let mut page = Page::decode(bytes)?;
        // Bound: a page's subtries, sixteen.
        let mut named: Vec<(Path, PageRef)> = Vec::new();
        let at = page.parent;
        let mut is_shared = false;
        name(&self.entries, id, &at, None, &mut |path, page, place| {
            // Entries blinded below a page that had not been read have inherited it. Entries that
            // are not in this list may have inherited it as well.
            is_shared |= place.is_some_and(|place| place.len() > path.len());
            if !named.iter().any(|(known, _)| *known == path) {
                named.push((path, *page));
            }
        });
        if named.is_empty() {
            // The page may have been dropped while it was read. If it is still named, it is at
            // another place than its bytes say.
            return match self.names(id) {
                true => Err(PageError::Misplaced),
                false => Ok(Joined::default()),
            };
        }
        let mut content = Vec::with_capacity(named.len());
        // Bound: as for `named`.
        let mut read: Vec<(StatePath, PageRef)> = Vec::new();
        for (path, reference) in named {
            let at = StatePath { path, ..at };
            let entries = page
                .verify(&reference, &at, &mut self.folds)?
                .into_entries();
            read.push((at, reference));
            content.push((path, Base::new(entries)));
        }
        // A page that has not been read may still name a subtrie that nothing here names.
        let is_free = page.entries.is_empty() && !is_shared && id >= self.first_page;
        if is_free && !self.spine.contains(&id) {
            self.freed.push(id);
        }

        // A page of this build goes away with the batch that no longer names it.
        if id < self.first_page && !self.spine.contains(&id) && !self.scope.is_everything() {
            for (at, page) in read {
                self.origins.add(at, page);
            }
        }

        let mut joined = Joined::default();
        let mut opened = Opened {
            id,
            at,
            content,
            adopter: Adopter {
                fold: &mut self.folds.list,
                joined: &mut joined,
                held: None,
                settler: Settler {
                    scope: &self.scope,
                    older: &self.older,
                    account: at.account,
                },
                origins: &self.origins,
            },
        };
        let range = related(&self.entries, &at);
        let part = list::take(&mut self.entries, range.clone());
        let removed: usize = part.iter().map(entry_size).sum();
        let part = opened.open(part, None);
        let added: usize = part.iter().map(entry_size).sum();
        self.bytes = (self.bytes + added).saturating_sub(removed);
        list::put(&mut self.entries, range, part);
        Ok(joined)
    }
}

impl Tree {
    fn names(&self, id: PageId) -> bool {
        let mut found = false;
        for entry in &self.entries {
            entry.each_page(&mut |_, page, _| found |= page.id == id);
        }
        found
    }
}

/// A page whose content replaces its references.
struct Opened<'a> {
    id: PageId,
    /// The place of the common parent of its subtries.
    at: StatePath,
    /// The entries of each subtrie, by the subtrie's path. Bound: sixteen.
    content: Vec<(Path, Base)>,
    adopter: Adopter<'a>,
}

impl Opened<'_> {
    /// Replaces the references in a list. If the list is a base, `place` is the path of its blinded
    /// entry.
    fn open(&mut self, list: Vec<Entry>, place: Option<&Path>) -> Vec<Entry> {
        let mut opened = Vec::with_capacity(list.len());
        for Entry { path, mut item } in list {
            match &mut item {
                Item::Page(page) if page.id == self.id => {
                    opened.extend(self.take(&path, place.unwrap_or(&path)));
                    continue;
                }
                Item::Blinded { hash, base } if !base.is_empty() => {
                    let waits = match place {
                        None => self.waits(&path, hash, base),
                        Some(_) => Waits::No,
                    };
                    let base = self.open(core::mem::take(base), Some(&path));
                    match waits {
                        Waits::ToBeAdopted => {
                            self.adopter.adopt(&path, base, UNKNOWN, &mut opened);
                        }
                        Waits::ToBeCompared => {
                            let adopter = &mut self.adopter;
                            adopter.compare(path, *hash, base, UNKNOWN, &mut opened);
                        }
                        Waits::No => opened.push(over(path, *hash, base)),
                    }
                    continue;
                }
                Item::Account(leaf) if self.at.account == Some(path.key()) => {
                    self.storage(&mut leaf.storage);
                }
                _ => {}
            }
            opened.push(Entry { path, item });
        }
        opened
    }

    fn storage(&mut self, storage: &mut Storage) {
        match storage {
            Storage::Page(page) if page.id == self.id => {
                let mut slots = self.take(&Path::ROOT, &Path::ROOT);
                list::trim(&mut slots);
                *storage = Storage::Inline(slots);
            }
            Storage::Inline(slots) => {
                *slots = self.open(core::mem::take(slots), None);
                list::trim(slots);
            }
            _ => {}
        }
    }

    /// Takes the content of the subtrie at `path`, as far as it lies below `place`.
    fn take(&mut self, path: &Path, place: &Path) -> Vec<Entry> {
        let place = if path.is_prefix_of(place) {
            place
        } else {
            path
        };
        let content = self.content.iter_mut().find(|(top, _)| top == path);
        content.map_or_else(Vec::new, |(_, content)| content.take(place))
    }

    fn waits(&self, path: &Path, hash: &Hash, base: &[Entry]) -> Waits {
        match base {
            [
                Entry {
                    path: at,
                    item: Item::Page(page),
                },
            ] if page.id == self.id => match at == path {
                true if page.hash == *hash => Waits::ToBeAdopted,
                false if at.is_prefix_of(path) => Waits::ToBeCompared,
                _ => Waits::No,
            },
            _ => Waits::No,
        }
    }
}

/// What a blinded entry needs the page for.
enum Waits {
    /// As a base only: the hashes differ.
    No,
    /// It is the page's own subtrie, blinded only because the page had to be read first.
    ToBeAdopted,
    /// It lies inside the page's subtrie.
    ToBeCompared,
}

/// The depth of the branch above is not looked up. A page that would need it is blinded over
/// itself.
const UNKNOWN: u8 = u8::MAX;

/// The entries of an account trie's list that a page at this place can be below, above or among.
fn related(list: &[Entry], at: &StatePath) -> core::ops::Range<usize> {
    let target = at.account.map_or(at.path, Path::full);
    let (from, to) = (target.first_key(), target.last_key());
    let start = list.partition_point(|entry| entry.path.last_key() < from);
    let end = list.partition_point(|entry| entry.path.first_key() <= to);
    start..end.max(start)
}

/// Calls for each of the page's subtries that a list names, with the path of the blinded entry in
/// whose base it is named.
fn name(
    list: &[Entry],
    id: PageId,
    at: &StatePath,
    place: Option<&Path>,
    call: &mut impl FnMut(Path, &PageRef, Option<&Path>),
) {
    for entry in list.get(related(list, at)).unwrap_or_default() {
        match &entry.item {
            Item::Page(page) if page.id == id => call(entry.path, page, place),
            Item::Blinded { base, .. } => name(base, id, at, Some(&entry.path), call),
            Item::Account(leaf) if at.account == Some(entry.path.key()) => match &leaf.storage {
                Storage::Page(page) if page.id == id => call(Path::ROOT, page, None),
                Storage::Inline(slots) => {
                    let trie = StatePath::account_trie(at.path);
                    name(slots, id, &trie, None, call);
                }
                _ => {}
            },
            _ => {}
        }
    }
}
