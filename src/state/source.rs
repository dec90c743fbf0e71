//! What is cut into pages: the arena of a verified answer, straight from the wire's bytes, or a list in memory.

use std::collections::BTreeMap;

use super::account::VerifiedFull;
use super::cut::{Kept, KeptItem, Mode, Place, Source, Sum, cut, write_whole};
use super::entry::{AccountLeaf, Code, Entry, Item, Storage};
use super::page::{PageWriter, blinded_size, entry_size, fold_list, leaf_size, storage_size};
use super::pages::Pages;
use super::tree::TreeError;
use crate::hash::Hash;
use crate::trie::fold::{EntryItem, Fold, Root};
use crate::trie::path::Path;

/// A verified answer. No entry is made of what goes into a page from here.
pub(crate) struct Arena<'a> {
    pub(crate) fold: &'a Fold,
    /// By entry of the fold.
    pub(crate) marks: &'a [Mark],
}

/// What there is to know about an entry of an answer before it is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    /// Not new: a subtrie known by its hash, or a leaf that is held already.
    Known,
    /// A new slot, of so many bytes.
    Slot(u32),
    /// A new account.
    Account {
        /// Length of its slim body.
        slim: u32,
        /// Its storage is to be fetched.
        storage: bool,
        code: Code,
    },
}

impl Source for Arena<'_> {
    fn sum(&self, entry: usize) -> Sum {
        let (body, open) = match self.marks.get(entry) {
            Some(Mark::Slot(value)) => (*value, false),
            Some(Mark::Account {
                slim,
                storage,
                code,
            }) => (*slim, *storage || *code == Code::Missing),
            Some(Mark::Known) | None => {
                return Sum {
                    open: true,
                    ..Sum::default()
                };
            }
        };
        Sum {
            size: leaf_size(body as usize),
            leaves: 1,
            slots: 0,
            open,
            pages: false,
        }
    }

    fn write(&self, entry: usize, page: &mut PageWriter) {
        let Some(EntryItem::Leaf(value)) = self.fold.item(entry) else {
            return;
        };
        let key = self.fold.path(entry).key();
        match self.marks.get(entry) {
            Some(Mark::Slot(_)) => page.slot(&key, value),
            Some(Mark::Account { code, .. }) => {
                if let Some(body) = VerifiedFull::split(value) {
                    page.plain(&key, &body, *code);
                }
            }
            Some(Mark::Known) | None => {}
        }
    }
}

impl Arena<'_> {
    /// What an entry is in a list; `None` for a leaf that is known already.
    pub(crate) fn item(&self, entry: usize) -> Option<Item> {
        let (slim, storage, code) = match (self.fold.item(entry)?, self.marks.get(entry)?) {
            (EntryItem::Ref(hash), _) => return Some(Item::blinded(hash)),
            (EntryItem::Leaf(full), Mark::Account { storage, code, .. }) => {
                let mut slim = Vec::new();
                VerifiedFull::split(full)?.write_slim(&mut slim);
                (slim.into(), *storage, *code)
            }
            (EntryItem::Leaf(_), Mark::Known) => return None,
            (EntryItem::Leaf(value), Mark::Slot(_)) => return Some(Item::Slot(value.into())),
        };
        let storage = if storage {
            Storage::Blinded
        } else {
            Storage::Empty
        };
        Some(Item::Account(Box::new(AccountLeaf {
            slim,
            storage,
            code,
        })))
    }
}

/// The list of a storage trie.
pub(crate) struct SlotList<'a>(pub(crate) &'a [Entry]);

impl Source for SlotList<'_> {
    fn sum(&self, entry: usize) -> Sum {
        self.0.get(entry).map(sum_of).unwrap_or_default()
    }

    fn write(&self, entry: usize, page: &mut PageWriter) {
        if let Some(Entry { path, item }) = self.0.get(entry) {
            page.entry(path, item);
        }
    }
}

/// The list of the account trie, and what becomes of some of its accounts.
pub(crate) struct AccountList<'a> {
    entries: &'a [Entry],
    /// By entry.
    sums: Vec<Sum>,
    /// What is written instead of an entry.
    pub(crate) replaced: BTreeMap<usize, Entry>,
    /// Folds the storage that moves out.
    fold: &'a mut Fold,
    budget: usize,
    mode: Mode,
}

impl<'a> AccountList<'a> {
    pub(crate) fn new(
        entries: &'a [Entry],
        fold: &'a mut Fold,
        budget: usize,
        mode: Mode,
    ) -> AccountList<'a> {
        let sums = entries.iter().map(sum_of).collect();
        AccountList {
            entries,
            sums,
            replaced: BTreeMap::new(),
            fold,
            budget,
            mode,
        }
    }

    /// Cuts inline storage that is too large for its account's page, or has pages of its own already, before the accounts are
    /// cut.
    pub(crate) fn cut_large_storage(&mut self, out: &mut Pages) -> Result<(), TreeError> {
        let small = self.budget / 2;
        for index in 0..self.entries.len() {
            let inline = self.inline_storage(index);
            let Sum { open, pages, .. } = self.sum(index);
            match self.mode {
                // It goes on growing in memory, without the runs that are full.
                Mode::Growing if open && inline > small => {
                    self.replace_storage(index, Mode::Growing, usize::MAX, out)?;
                }
                Mode::Growing if inline > small => {
                    self.replace_storage(index, Mode::Closing, small, out)?;
                }
                Mode::Closing if inline > small || pages && inline > 0 => {
                    self.replace_storage(index, Mode::Closing, small, out)?;
                }
                Mode::Collapsing if pages && inline > 0 => {
                    self.replace_storage(index, Mode::Collapsing, small, out)?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// An entry as it is to be written.
    pub(crate) fn get(&self, entry: usize) -> Option<&Entry> {
        self.replaced
            .get(&entry)
            .or_else(|| self.entries.get(entry))
    }

    /// Cuts an account's inline storage; what is left stays inline up to so many bytes, else goes into a page of its own.
    fn replace_storage(
        &mut self,
        index: usize,
        mode: Mode,
        inline: usize,
        out: &mut Pages,
    ) -> Result<(), TreeError> {
        // Not `get`: the fold is used meanwhile.
        let entry = self
            .replaced
            .get(&index)
            .or_else(|| self.entries.get(index));
        let Some(Entry {
            path,
            item: Item::Account(leaf),
        }) = entry
        else {
            return Ok(());
        };
        let path = *path;
        let Storage::Inline(slots) = &leaf.storage else {
            return Ok(());
        };
        let place = Place {
            account: Some(path.key()),
            budget: self.budget,
        };
        let root = leaf.storage_root();
        let found = fold_list(self.fold, slots, Root::Trie)?;
        if found != root {
            return Err(TreeError::Root(found));
        }
        let mut source = SlotList(slots);
        let kept = cut(self.fold, &mut source, place, mode, out)?;
        let storage = match kept.sum.size > inline {
            true => Storage::Page(write_whole(&kept, &source, place, root, out)?),
            false => Storage::Inline(keep_clones(&kept, |entry| slots.get(entry))),
        };
        let leaf = AccountLeaf {
            slim: leaf.slim.clone(),
            storage,
            code: leaf.code,
        };
        self.replace(
            index,
            Entry {
                path,
                item: Item::Account(Box::new(leaf)),
            },
        );
        Ok(())
    }

    fn replace(&mut self, index: usize, entry: Entry) {
        if let Some(sum) = self.sums.get_mut(index) {
            *sum = sum_of(&entry);
        }
        self.replaced.insert(index, entry);
    }
}

impl Source for AccountList<'_> {
    fn sum(&self, entry: usize) -> Sum {
        self.sums.get(entry).copied().unwrap_or_default()
    }

    fn write(&self, entry: usize, page: &mut PageWriter) {
        if let Some(Entry { path, item }) = self.get(entry) {
            page.entry(path, item);
        }
    }

    fn inline_storage(&self, entry: usize) -> usize {
        match self.get(entry).map(|entry| &entry.item) {
            Some(Item::Account(leaf)) => match &leaf.storage {
                Storage::Inline(_) => storage_size(&leaf.storage),
                _ => 0,
            },
            _ => 0,
        }
    }

    fn evict(&mut self, entry: usize, out: &mut Pages) -> Result<(), TreeError> {
        let mode = match self.mode {
            // Out of a growing list only storage that is complete moves.
            Mode::Growing => Mode::Closing,
            mode => mode,
        };
        self.replace_storage(entry, mode, 0, out)
    }

    fn blind(&mut self, entry: usize, at: Path, hash: Hash) {
        if let Some(sum) = self.sums.get_mut(entry) {
            *sum = Sum {
                size: blinded_size(&at),
                leaves: 0,
                slots: 0,
                open: true,
                pages: false,
            };
        }
        self.replaced.insert(
            entry,
            Entry {
                path: at,
                item: Item::blinded(hash),
            },
        );
    }
}

/// What was kept, as a list of its own.
fn keep_clones<'a>(kept: &Kept, entry: impl Fn(usize) -> Option<&'a Entry>) -> Vec<Entry> {
    let keep = |item: &KeptItem| match item {
        KeptItem::Entry(index) => entry(*index).cloned(),
        KeptItem::Page(path, page) => Some(Entry {
            path: *path,
            item: Item::Page(*page),
        }),
        KeptItem::Blinded(path, hash) => Some(Entry {
            path: *path,
            item: Item::blinded(*hash),
        }),
    };
    kept.items.iter().filter_map(keep).collect()
}

fn sum_of(entry: &Entry) -> Sum {
    Sum {
        size: entry_size(entry),
        leaves: entry.leaves(),
        slots: entry.slots(),
        open: entry.is_open(),
        pages: entry.has_pages(),
    }
}
