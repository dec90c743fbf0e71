//! What pages are cut from: a verified answer, straight from the wire's bytes, or a list in memory.

use super::account::VerifiedFull;
use super::cut::{Source, Sum};
use super::entry::{AccountLeaf, Code, CodesHeld, Entry, Item, Storage};
use super::page::{PageWriter, entry_size, leaf_size};
use crate::trie::fold::{EntryItem, Fold};
use crate::trie::scratch::ScratchBuf;

mod list;

pub(crate) use list::{EntryList, move_base};

/// A verified answer. Leaves that go from here into a page never become entries.
pub(crate) struct Arena<'a> {
    pub(crate) fold: &'a Fold,
    /// One mark per entry of the fold.
    pub(crate) marks: &'a [Mark],
}

/// What has to be known about an entry of an answer before the answer is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    /// Not new: a subtrie known by its hash, or a leaf that is held already.
    Known,
    /// A new slot, and the length of its value in bytes.
    Slot(u32),
    /// A new account.
    Account {
        /// Length of its slim body in bytes.
        slim: u32,
        /// Whether its storage is still to be fetched.
        storage: bool,
        code: Code,
    },
}

impl Mark {
    /// The mark of a new account, from its full body.
    pub(crate) fn account(full: &[u8], held: &dyn CodesHeld) -> Option<Mark> {
        let body = VerifiedFull::split(full)?;
        Some(Mark::Account {
            slim: body.slim_len() as u32,
            storage: body.storage_root().is_some(),
            code: Code::of(body.code_hash(), held),
        })
    }
}

/// How many new leaves are marked, and their bytes: keys, and slim bodies or values.
pub(crate) fn tally(marks: &[Mark]) -> (u64, u64) {
    let bodies = marks.iter().filter_map(|mark| match mark {
        Mark::Known => None,
        Mark::Slot(body) | Mark::Account { slim: body, .. } => Some(*body),
    });
    bodies.fold((0, 0), |(leaves, bytes), body| {
        (leaves + 1, bytes + 32 + u64::from(body))
    })
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
            bases: false,
        }
    }

    fn write(&self, entry: usize, page: &mut PageWriter) {
        let Some(EntryItem::Leaf(value)) = self.fold.item(entry) else {
            return debug_assert!(false, "a subtrie known by its hash is open and stays");
        };
        let key = self.fold.path(entry).key();
        match self.marks.get(entry) {
            Some(Mark::Slot(_)) => page.slot(&key, value),
            Some(Mark::Account { code, .. }) => {
                if let Some(body) = VerifiedFull::split(value) {
                    page.plain(&key, &body, *code);
                }
            }
            Some(Mark::Known) | None => debug_assert!(false, "what is known is open and stays"),
        }
    }
}

impl Arena<'_> {
    /// The item that an entry becomes in a list; `None` for a leaf that is held already.
    pub(crate) fn item(&self, entry: usize) -> Option<Item> {
        let (slim, storage, code) = match (self.fold.item(entry)?, self.marks.get(entry)?) {
            (EntryItem::Ref(hash), _) => return Some(Item::blinded(hash)),
            (EntryItem::Leaf(full), Mark::Account { storage, code, .. }) => {
                let body = VerifiedFull::split(full)?;
                let mut slim = ScratchBuf::new(body.slim_len());
                body.write_slim(&mut slim);
                (slim.finish().into(), *storage, *code)
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

/// The list of a storage trie, without bases.
pub(crate) struct SlotList<'a>(pub(crate) &'a [Entry]);

impl Source for SlotList<'_> {
    fn sum(&self, entry: usize) -> Sum {
        debug_assert!(entry < self.0.len(), "entries are those of the list");
        self.0.get(entry).map(sum_of).unwrap_or_default()
    }

    fn write(&self, entry: usize, page: &mut PageWriter) {
        if let Some(Entry { path, item }) = self.0.get(entry) {
            page.entry(path, item);
        }
    }
}

fn sum_of(entry: &Entry) -> Sum {
    Sum {
        size: entry_size(entry),
        leaves: entry.leaves(),
        slots: entry.slots(),
        open: entry.is_open(),
        pages: entry.has_pages(),
        bases: entry.has_base(),
    }
}
