//! A list in memory as something to cut, together with what hangs on its entries: storage and
//! bases.

use super::{SlotList, sum_of};
use crate::hash::Hash;
use crate::state::cut::{
    CutMode, Kept, KeptItem, Place, Source, Sum, cut_list, write_top, write_whole,
};
use crate::state::entry::{AccountLeaf, Entry, Item, Storage};
use crate::state::new_pages::NewPages;
use crate::state::page::{PageWriter, base_size, fold_list, storage_size};
use crate::state::tree_error::TreeError;
use crate::trie::fold::{Fold, Root};
use crate::trie::path::Path;

/// Any list, and the new form of those entries whose storage or base has moved into pages of its
/// own.
pub(crate) struct EntryList<'a> {
    entries: &'a [Entry],
    /// By entry. Bound: the list's entries.
    sums: Vec<Sum>,
    /// By entry: what replaces it. Bound: the list's entries.
    pub(crate) replaced: Vec<Option<Box<Entry>>>,
    /// The account whose storage trie the list belongs to; `None` for the account trie.
    account: Option<Hash>,
    /// Scratch memory to fold the storage that moves out.
    fold: &'a mut Fold,
    budget: usize,
    mode: CutMode,
}

impl<'a> EntryList<'a> {
    pub(crate) fn new(
        entries: &'a [Entry],
        account: Option<Hash>,
        fold: &'a mut Fold,
        budget: usize,
        mode: CutMode,
    ) -> EntryList<'a> {
        let sums = entries.iter().map(sum_of).collect();
        EntryList {
            entries,
            sums,
            replaced: entries.iter().map(|_| None).collect(),
            account,
            fold,
            budget,
            mode,
        }
    }

    /// Cuts inline storage that is too large for its account's page, or that has pages of its own
    /// already. Comes before the accounts are cut.
    pub(crate) fn cut_large_storage(&mut self, out: &mut NewPages) -> Result<(), TreeError> {
        let small = self.budget / 2;
        for index in 0..self.entries.len() {
            let inline = match self.get(index).map(|entry| &entry.item) {
                Some(Item::Account(_)) => self.movable(index),
                _ => 0,
            };
            let Sum { open, pages, .. } = self.sum(index);
            match self.mode {
                // The storage goes on growing in memory, without the runs that are full.
                CutMode::Growing if open && inline > small => {
                    self.replace_storage(index, CutMode::Growing, usize::MAX, out)?;
                }
                CutMode::Growing if inline > small => {
                    self.replace_storage(index, CutMode::Closing, small, out)?;
                }
                CutMode::Closing if inline > small || pages && inline > 0 => {
                    self.replace_storage(index, CutMode::Closing, small, out)?;
                }
                CutMode::Collapsing if pages && inline > 0 => {
                    self.replace_storage(index, CutMode::Collapsing, small, out)?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// An entry in the form that is written.
    pub(crate) fn get(&self, entry: usize) -> Option<&Entry> {
        debug_assert!(entry < self.entries.len(), "entries are those of the list");
        let replaced = self.replaced.get(entry).and_then(Option::as_deref);
        replaced.or_else(|| self.entries.get(entry))
    }

    /// Cuts an account's inline storage. What is left stays inline if it has at most `inline`
    /// bytes; otherwise it goes into a page of its own.
    fn replace_storage(
        &mut self,
        index: usize,
        mode: CutMode,
        inline: usize,
        out: &mut NewPages,
    ) -> Result<(), TreeError> {
        // `get` would borrow all of `self`, and the fold is used meanwhile.
        let replaced = self.replaced.get(index).and_then(Option::as_deref);
        let entry = replaced.or_else(|| self.entries.get(index));
        let Some(Entry {
            path,
            item: Item::Account(leaf),
        }) = entry
        else {
            return Err(TreeError::defect("only accounts have storage"));
        };
        let path = *path;
        let Storage::Inline(slots) = &leaf.storage else {
            return Err(TreeError::defect("only inline storage moves"));
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
        let storage = if slots.iter().any(Entry::has_base) {
            let mut fold = Fold::new();
            let mut source = EntryList::new(slots, place.account, &mut fold, self.budget, mode);
            let kept = cut_list(self.fold, &mut source, place, mode, out)?;
            match kept.sum.size > inline {
                true => Storage::Page(write_whole(&kept, &source, place, root, out)?),
                false => Storage::Inline(keep_clones(&kept, |entry| source.get(entry))),
            }
        } else {
            let mut source = SlotList(slots);
            let kept = cut_list(self.fold, &mut source, place, mode, out)?;
            match kept.sum.size > inline {
                true => Storage::Page(write_whole(&kept, &source, place, root, out)?),
                false => Storage::Inline(keep_clones(&kept, |entry| slots.get(entry))),
            }
        };
        let leaf = AccountLeaf {
            slim: leaf.slim.clone(),
            storage,
            code: leaf.code,
        };
        let item = Item::Account(Box::new(leaf));
        self.replace(index, Entry { path, item });
        Ok(())
    }

    fn replace(&mut self, index: usize, entry: Entry) {
        let slots = (self.sums.get_mut(index), self.replaced.get_mut(index));
        debug_assert!(slots.0.is_some(), "an entry of the list is replaced");
        if let (Some(sum), Some(replaced)) = slots {
            *sum = sum_of(&entry);
            *replaced = Some(Box::new(entry));
        }
    }
}

impl Source for EntryList<'_> {
    fn sum(&self, entry: usize) -> Sum {
        debug_assert!(entry < self.sums.len(), "entries are those of the list");
        self.sums.get(entry).copied().unwrap_or_default()
    }

    fn write(&self, entry: usize, page: &mut PageWriter) {
        if let Some(Entry { path, item }) = self.get(entry) {
            page.entry(path, item);
        }
    }

    fn movable(&self, entry: usize) -> usize {
        self.get(entry).map_or(0, |entry| movable(&entry.item))
    }

    fn evict(&mut self, entry: usize, out: &mut NewPages) -> Result<(), TreeError> {
        if let Some(Entry {
            path,
            item: Item::Blinded { hash, base },
        }) = self.get(entry)
        {
            let (path, hash) = (*path, *hash);
            let base = move_base(base, self.account, self.budget, 0, out)?;
            let item = Item::Blinded { hash, base };
            self.replace(entry, Entry { path, item });
            return Ok(());
        }
        let mode = match self.mode {
            // Out of a growing list only complete storage moves.
            CutMode::Growing => CutMode::Closing,
            mode => mode,
        };
        self.replace_storage(entry, mode, 0, out)
    }

    fn blind(&mut self, entry: usize, at: Path, hash: Hash) {
        let blinded = Entry {
            path: at,
            item: Item::blinded(hash),
        };
        self.replace(entry, blinded);
    }
}

/// What was kept, as a list of its own.
fn keep_clones<'a>(kept: &Kept, entry: impl Fn(usize) -> Option<&'a Entry>) -> Vec<Entry> {
    let keep = |item: &KeptItem| item.entry(|index| entry(index).cloned());
    let entries: Vec<Entry> = kept.items.iter().filter_map(keep).collect();
    debug_assert_eq!(
        entries.len(),
        kept.items.len(),
        "what is kept is in the list"
    );
    entries
}

/// The least bytes of a base that moves into a page of its own: a shorter one would save next to
/// nothing. Chosen without a measurement.
const SMALL_BASE: usize = 256;

/// The bytes that [`Source::evict`] would move.
fn movable(item: &Item) -> usize {
    match item {
        Item::Account(leaf) => match &leaf.storage {
            Storage::Inline(_) => storage_size(&leaf.storage),
            _ => 0,
        },
        Item::Blinded { base, .. } => match base.as_slice() {
            [only] => movable(&only.item),
            _ => Some(base_size(base))
                .filter(|size| *size >= SMALL_BASE)
                .unwrap_or(0),
        },
        Item::Slot(_) | Item::Page(_) | Item::Outside(_) | Item::Neighbour(_) => 0,
    }
}

/// Moves a base into pages, except for at most `inline` bytes that are left at its top. `account`
/// is that of the storage trie in which the base is; `None` for the account trie.
pub(crate) fn move_base(
    base: &[Entry],
    account: Option<Hash>,
    budget: usize,
    inline: usize,
    out: &mut NewPages,
) -> Result<Vec<Entry>, TreeError> {
    let place = Place { account, budget };
    let (mut fold, mut spare) = (Fold::new(), Fold::new());
    let mut source = EntryList::new(base, account, &mut spare, budget, CutMode::Closing);
    if base.len() == 1 {
        source.evict(0, out)?;
        return Ok(source.get(0).cloned().into_iter().collect());
    }
    let root = fold_list(&mut fold, base, Root::Trie)?;
    source.cut_large_storage(out)?;
    let kept = cut_list(&fold, &mut source, place, CutMode::Closing, out)?;
    if kept.sum.size > inline
        && let Some(top) = write_top(&fold, &kept, &source, place, root, out)?
    {
        return Ok(vec![top]);
    }
    Ok(keep_clones(&kept, |entry| source.get(entry)))
}
