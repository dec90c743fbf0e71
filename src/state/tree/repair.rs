//! Damage: a build towards the same root in which the damaged page is blinded.

use super::Tree;
use crate::hash::Hash;
use crate::state::entry::{PageId, PageRef, StatePath};
use crate::state::page::PageError;

impl Tree {
    /// A build towards the root that is complete, to blind damaged pages in ([`Tree::blind_page`]).
    pub fn repair(root: Hash, page: PageRef) -> Tree {
        Tree::over_complete(root, Some(page))
    }

    /// Blinds every subtrie of a damaged page, of which a look-up met one at `at`. `Some`: read and dissolve this page
    /// first, then call again.
    ///
    /// # Errors
    /// [`PageError::Misplaced`] if the page does not stand there (any more).
    pub fn blind_page(
        &mut self,
        _id: PageId,
        _at: &StatePath,
    ) -> Result<Option<PageId>, PageError> {
        Err(PageError::Misplaced)
    }
}
