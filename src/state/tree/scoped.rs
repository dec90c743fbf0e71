//! What of a state is to be held: what is revealed outside the scope stays known by its hash alone.

use super::Tree;
use crate::hash::Hash;
use crate::state::entry::{Code, Entry, Item, Neighbour, StatePath, Storage};
use crate::state::scope::Scope;
use crate::trie::path::Path;

impl Tree {
    /// The same tree for this scope. Nothing is revealed of it yet.
    pub fn with_scope(self, scope: Scope) -> Tree {
        Tree { scope, ..self }
    }

    /// What is to be held.
    pub fn scope(&self) -> &Scope {
        &self.scope
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
            Item::Slot(value) if !is_wanted => {
                *item = Item::Neighbour(Neighbour::Slot(core::mem::take(value)));
            }
            Item::Account(leaf) if !is_wanted => {
                let slim = core::mem::take(&mut leaf.slim);
                *item = Item::Neighbour(Neighbour::Account(slim));
            }
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
