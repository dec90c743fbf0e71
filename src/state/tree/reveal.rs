//! Revealing one node at a time.

use super::adopt::{Adopter, depth_above};
use super::{Joined, RevealFault, Tree};
use crate::state::account::{SlimAccount, check_slot_value};
use crate::state::entry::{AccountLeaf, Code, CodesHeld, Entry, Item, StatePath, Storage};
use crate::state::page::{entry_size, storage_size};
use crate::trie::keccak::keccak;
use crate::trie::node::{Child, Node, decode};
use crate::trie::path::Path;

impl Tree {
    /// Replaces the blinded entry at `at` by the node `blob`, if it hashes to it. A storage trie of which nothing is known is
    /// revealed from its root's path on.
    pub fn reveal(
        &mut self,
        at: &StatePath,
        blob: &[u8],
        held: &dyn CodesHeld,
    ) -> Result<Joined, RevealFault> {
        let mut joined = Joined::default();
        let mut revealed = Vec::new();
        let mut adopted = Joined::default();
        let adopter = &mut Adopter {
            fold: &mut self.folds.list,
            joined: &mut adopted,
            held: Some(held),
        };
        let (removed, added) = match &at.account {
            None => {
                let index = blinded_at(&self.entries, &at.path, blob)?;
                let mut leaf = |path: &Path, value: &[u8]| account(path, value, held, &mut joined);
                expand(at.path, blob, &mut leaf, &mut revealed)?;
                replace(&mut self.entries, index, revealed, adopter)
            }
            Some(account) => {
                let leaf = super::join::find_account(&mut self.entries, account)
                    .ok_or(RevealFault::NotBlinded)?;
                let removed = storage_size(&leaf.storage);
                let mut whole = vec![Entry {
                    path: Path::ROOT,
                    item: Item::blinded(leaf.storage_root()),
                }];
                let slots = match &mut leaf.storage {
                    Storage::Inline(slots) => slots,
                    Storage::Blinded => &mut whole,
                    Storage::Empty | Storage::Page(_) => return Err(RevealFault::NotBlinded),
                };
                let index = blinded_at(slots, &at.path, blob)?;
                let mut slot = |_: &Path, value: &[u8]| {
                    check_slot_value(value).map_err(|_| RevealFault::Content)?;
                    joined.slots += 1;
                    Ok(Item::Slot(value.into()))
                };
                expand(at.path, blob, &mut slot, &mut revealed)?;
                replace(slots, index, revealed, adopter);
                if leaf.storage == Storage::Blinded {
                    leaf.storage = Storage::Inline(whole);
                }
                (removed, storage_size(&leaf.storage))
            }
        };
        self.bytes = (self.bytes + added).saturating_sub(removed);
        Ok(Joined {
            accounts: joined.accounts,
            slots: joined.slots,
            ..adopted
        })
    }
}

/// Index of the blinded entry at `path`, if `blob` hashes to it.
fn blinded_at(list: &[Entry], path: &Path, blob: &[u8]) -> Result<usize, RevealFault> {
    let index = list
        .binary_search_by(|entry| entry.path.cmp(path))
        .map_err(|_| RevealFault::NotBlinded)?;
    match list.get(index).map(|entry| &entry.item) {
        Some(Item::Blinded { hash, .. }) if keccak(blob) == *hash => Ok(index),
        Some(Item::Blinded { .. }) => Err(RevealFault::Hash),
        _ => Err(RevealFault::NotBlinded),
    }
}

/// Puts what was revealed in the place of a blinded entry, merged with its base. Returns the bytes that went and came.
fn replace(
    list: &mut Vec<Entry>,
    index: usize,
    revealed: Vec<Entry>,
    adopter: &mut Adopter<'_>,
) -> (usize, usize) {
    let removed = list.get(index).map_or(0, entry_size);
    let outer = depth_above(list, index);
    let base = match list.get_mut(index).map(|entry| &mut entry.item) {
        Some(Item::Blinded { base, .. }) => core::mem::take(base),
        _ => Vec::new(),
    };
    let merged = adopter.merge(revealed, base, outer);
    let added = merged.iter().map(entry_size).sum();
    list.splice(index..index + 1, merged);
    (removed, added)
}

/// What a node says is below `path`, in key order. Nodes embedded in it, which nothing names by a hash, are expanded at once;
/// they are shorter than what holds them, so this ends soon.
fn expand(
    path: Path,
    blob: &[u8],
    leaf: &mut impl FnMut(&Path, &[u8]) -> Result<Item, RevealFault>,
    entries: &mut Vec<Entry>,
) -> Result<(), RevealFault> {
    let mut below = |path: Option<Path>, child: Child<'_>| {
        let path = path.ok_or(RevealFault::Content)?;
        match child {
            Child::Empty => {}
            Child::Hash(hash) => entries.push(Entry {
                path,
                item: Item::blinded(hash),
            }),
            Child::Embedded(node) => expand(path, node, leaf, entries)?,
        }
        Ok(())
    };
    match decode(blob).map_err(RevealFault::Node)? {
        Node::Leaf { suffix, value } => {
            let path = path
                .join(suffix)
                .filter(Path::is_full)
                .ok_or(RevealFault::Content)?;
            let item = leaf(&path, value)?;
            entries.push(Entry { path, item });
            Ok(())
        }
        Node::Extension { nibbles, child } => {
            // There is a branch below an extension: no place for one at a whole key.
            below(path.join(nibbles).filter(|path| !path.is_full()), child)
        }
        Node::Branch(children) => children
            .into_iter()
            .enumerate()
            .filter(|(_, child)| *child != Child::Empty)
            .try_for_each(|(nibble, child)| below(path.child(nibble as u8), child)),
    }
}

fn account(
    _: &Path,
    full: &[u8],
    held: &dyn CodesHeld,
    joined: &mut Joined,
) -> Result<Item, RevealFault> {
    let slim = SlimAccount::from_full(full).map_err(|_| RevealFault::Content)?;
    let body = SlimAccount::parse(&slim).map_err(|_| RevealFault::Content)?;
    joined.accounts += 1;
    let storage = match body.has_storage() {
        true => Storage::Blinded,
        false => Storage::Empty,
    };
    let code = Code::of(body.has_code().then(|| body.code_hash()), held);
    Ok(Item::Account(Box::new(AccountLeaf {
        slim: slim.into(),
        storage,
        code,
    })))
}
