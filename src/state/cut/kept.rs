//! What a cut leaves of a list, and how that is written.

use super::{Place, Source, Sum};
use crate::hash::Hash;
use crate::state::entry::{Entry, Item, PageRef, StatePath};
use crate::state::new_pages::NewPages;
use crate::state::page::PageWriter;
use crate::state::tree_error::TreeError;
use crate::trie::fold::Fold;
use crate::trie::path::Path;

/// What takes the place of a list once it has been cut.
pub(crate) struct Kept {
    /// In the order of paths.
    pub(crate) items: Vec<KeptItem>,
    pub(crate) sum: Sum,
}

pub(crate) enum KeptItem {
    /// An entry of the source, as the source has it now.
    Entry(usize),
    /// A subtrie that has moved out.
    Page(Path, PageRef),
    /// A subtrie that is left out.
    Blinded(Path, Hash),
}

impl KeptItem {
    /// The entry that this comes to; `entry` has the source's, by index.
    pub(crate) fn entry(&self, entry: impl FnOnce(usize) -> Option<Entry>) -> Option<Entry> {
        let (path, item) = match self {
            KeptItem::Entry(index) => return entry(*index),
            KeptItem::Page(path, page) => (*path, Item::Page(*page)),
            KeptItem::Blinded(path, hash) => (*path, Item::blinded(*hash)),
        };
        Some(Entry { path, item })
    }
}

/// Writes what was kept of a whole trie as one page.
pub(crate) fn write_whole(
    kept: &Kept,
    source: &dyn Source,
    place: Place,
    root: Hash,
    out: &mut NewPages,
) -> Result<PageRef, TreeError> {
    let at = StatePath {
        account: place.account,
        path: Path::ROOT,
    };
    let page = PageWriter::new(&at, true, kept.sum.size);
    Ok(PageRef {
        hash: root,
        ..write_kept(kept, source, page, out)?
    })
}

/// Writes what was kept, and names it by no hash yet.
fn write_kept(
    kept: &Kept,
    source: &dyn Source,
    mut page: PageWriter,
    out: &mut NewPages,
) -> Result<PageRef, TreeError> {
    for item in &kept.items {
        match item {
            KeptItem::Entry(entry) => source.write(*entry, &mut page),
            KeptItem::Page(path, reference) => page.page(path, reference),
            KeptItem::Blinded(path, hash) => page.blinded(path, hash),
        }
    }
    Ok(kept.sum.page(Hash::ZERO, out.push(page.finish())?, 0))
}

/// Writes what was kept of a list into one page, and returns the entry that names it. The list may be a part of a trie; a
/// whole one's root need not be a branch. `None` if the top has no hash, because it is too small.
pub(crate) fn write_top(
    fold: &Fold,
    kept: &Kept,
    source: &dyn Source,
    place: Place,
    root: Hash,
    out: &mut NewPages,
) -> Result<Option<Entry>, TreeError> {
    let Some(top) = fold.branches().last() else {
        return Ok(None);
    };
    let path = fold.path(top.first as usize).prefix(top.depth);
    if path.is_empty() {
        let page = write_whole(kept, source, place, root, out)?;
        let item = Item::Page(page);
        return Ok(Some(Entry { path, item }));
    }
    let Some(hash) = top.reference.hash() else {
        return Ok(None);
    };
    let parent = path.len() - 1;
    let at = StatePath {
        account: place.account,
        path: path.prefix(parent),
    };
    let page = PageWriter::new(&at, false, kept.sum.size);
    let page = PageRef {
        hash,
        parent,
        ..write_kept(kept, source, page, out)?
    };
    let item = Item::Page(page);
    Ok(Some(Entry { path, item }))
}
