//! Damaged pages: a repair is a build towards the same root in which the damaged page is blinded.

use super::Tree;
use super::list::find_account;
use crate::state::entry::{Entry, Item, PageId, StatePath, Storage};
use crate::state::page::PageError;
use crate::trie::path::Path;

impl Tree {
    /// Blinds every subtrie of a damaged page. A look-up met one of them at `at`. If it returns a
    /// page, read and inline that page first, then call again; if that page is damaged too, blind
    /// it.
    ///
    /// # Errors
    ///
    /// [`PageError::Misplaced`] if the page does not stand there (any more).
    pub fn blind_page(&mut self, id: PageId, at: &StatePath) -> Result<Option<PageId>, PageError> {
        let mut found = page_above(&self.entries, &at.account.map_or(at.path, Path::full));
        if let (Some(account), None) = (&at.account, found) {
            let leaf = find_account(&mut self.entries, account);
            found = match leaf.map(|leaf| &leaf.storage) {
                Some(Storage::Page(page)) => Some(page.id),
                Some(Storage::Inline(slots)) => page_above(slots, &at.path),
                _ => None,
            };
        }
        match found {
            Some(found) if found == id => {
                let was_there = self.drop_base_page(id);
                debug_assert!(was_there, "the page was found in the list");
                Ok(None)
            }
            Some(above) => Ok(Some(above)),
            None => Err(PageError::Misplaced),
        }
    }
}

/// The page of a list at or above a path.
fn page_above(list: &[Entry], path: &Path) -> Option<PageId> {
    let after = list.partition_point(|entry| entry.path <= *path);
    let entry = list.get(after.checked_sub(1)?)?;
    match &entry.item {
        Item::Page(page) if entry.path.is_prefix_of(path) => Some(page.id),
        _ => None,
    }
}
