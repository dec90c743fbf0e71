//! What is missing, and how much that probably is.

use super::adopt::depth_above;
use super::{Incomplete, Tree};
use crate::hash::Hash;
use crate::state::counters::Counts;
use crate::state::entry::{AccountLeaf, Code, Entry, Item, StatePath, Storage};
use crate::state::key_space::{Density, width, width_below};
use crate::trie::path::Path;

/// Entries looked at on either side to judge how densely leaves lie: first few, and more if nothing
/// is held among those. Measured by `benches/heal_shares.rs`: a quarter and four times as many
/// change the nodes and requests of no heal.
const NEIGHBOURS: [usize; 2] = [256, 4096];

impl Tree {
    /// Every blinded entry of the account trie, and of storage tries that are known in part, in key
    /// order. A storage trie of which nothing is known is not among them
    /// ([`Tree::incomplete_accounts`]).
    pub fn blinded(&self) -> Vec<(StatePath, Hash)> {
        self.blinded_where(usize::MAX, &|_, _| true)
    }

    /// The first `most` of [`Tree::blinded`] that are wanted.
    pub(crate) fn blinded_where(
        &self,
        most: usize,
        is_wanted: &dyn Fn(&StatePath, &Hash) -> bool,
    ) -> Vec<(StatePath, Hash)> {
        self.places(most, false, is_wanted)
    }

    /// The places that are blinded under a hash which `is_there`, at most `most`. The root of a
    /// storage of which nothing is known is such a place.
    pub(crate) fn places_of(
        &self,
        most: usize,
        is_there: &dyn Fn(&Hash) -> bool,
    ) -> Vec<(StatePath, Hash)> {
        self.places(most, true, &|_, hash| is_there(hash))
    }

    /// `with_whole`: with the roots of storages of which nothing is known.
    fn places(
        &self,
        most: usize,
        with_whole: bool,
        is_wanted: &dyn Fn(&StatePath, &Hash) -> bool,
    ) -> Vec<(StatePath, Hash)> {
        let mut places = Vec::new();
        let mut look = |account: Option<Hash>, path: Path, hash: Hash| {
            let at = StatePath { account, path };
            if is_wanted(&at, &hash) {
                places.push((at, hash));
            }
            places.len() >= most
        };
        for entry in &self.entries {
            let is_enough = match &entry.item {
                Item::Blinded { hash, .. } => look(None, entry.path, *hash),
                Item::Account(leaf) => {
                    let account = Some(entry.path.key());
                    match &leaf.storage {
                        Storage::Blinded if with_whole => {
                            look(account, Path::ROOT, leaf.storage_root())
                        }
                        Storage::Inline(slots) => slots.iter().any(|slot| match slot.item {
                            Item::Blinded { hash, .. } => look(account, slot.path, hash),
                            _ => false,
                        }),
                        Storage::Blinded | Storage::Empty | Storage::Page(_) | Storage::Outside => {
                            false
                        }
                    }
                }
                Item::Slot(_) | Item::Page(_) | Item::Outside(_) | Item::Neighbour(_) => false,
            };
            if is_enough {
                break;
            }
        }
        places
    }

    /// Whether something is blinded at this place under this hash. The root of a storage of which
    /// nothing is known is such a place.
    pub(crate) fn is_blinded(&self, at: &StatePath, hash: &Hash) -> bool {
        let is_there = |list: &[Entry]| {
            let index = list.binary_search_by(|entry| entry.path.cmp(&at.path));
            let entry = index.ok().and_then(|index| list.get(index));
            matches!(entry, Some(Entry { item: Item::Blinded { hash: found, .. }, .. }) if found == hash)
        };
        let Some(account) = &at.account else {
            return is_there(&self.entries);
        };
        self.leaf(account).is_some_and(|leaf| match &leaf.storage {
            Storage::Inline(slots) => is_there(slots),
            Storage::Blinded => at.path.is_empty() && leaf.storage_root() == *hash,
            Storage::Empty | Storage::Page(_) | Storage::Outside => false,
        })
    }

    /// The hash that is blinded at this place. The root of a storage of which nothing is known is
    /// such a place.
    pub(crate) fn blinded_hash(&self, at: &StatePath) -> Option<Hash> {
        let at_path = |list: &[Entry]| match super::list::find(list, &at.path) {
            Some(Item::Blinded { hash, .. }) => Some(*hash),
            _ => None,
        };
        let Some(account) = &at.account else {
            return at_path(&self.entries);
        };
        let leaf = self.leaf(account)?;
        match &leaf.storage {
            Storage::Inline(slots) => at_path(slots),
            Storage::Blinded => at.path.is_empty().then(|| leaf.storage_root()),
            Storage::Empty | Storage::Page(_) | Storage::Outside => None,
        }
    }

    /// Whether nothing is known of an account's storage, and it is not empty.
    pub(crate) fn lacks_storage(&self, account: &Hash) -> bool {
        let leaf = self.leaf(account);
        leaf.is_some_and(|leaf| leaf.storage == Storage::Blinded)
    }

    /// The first run of adjacent blinded entries of the account trie that meets `from..=last`: the
    /// first and last key to request, within `from..=last`.
    pub fn blinded_span(&self, from: &Hash, last: &Hash) -> Option<(Hash, Hash)> {
        span(&self.entries, from, last)
    }

    /// As [`Tree::blinded_span`], in the storage trie of `account`; all of `from..=last` if nothing
    /// of the storage is known.
    pub fn storage_span(&self, account: &Hash, from: &Hash, last: &Hash) -> Option<(Hash, Hash)> {
        match &self.leaf(account)?.storage {
            Storage::Blinded => Some((*from, *last)),
            Storage::Inline(slots) => span(slots, from, last),
            Storage::Empty | Storage::Page(_) | Storage::Outside => None,
        }
    }

    /// The accounts that wait in memory for storage or code, in key order.
    pub fn incomplete_accounts(&self) -> impl Iterator<Item = Incomplete> + '_ {
        self.entries.iter().filter_map(|entry| {
            let Item::Account(leaf) = &entry.item else {
                return None;
            };
            if !leaf.is_open() {
                return None;
            }
            let (missing, partial) = match &leaf.storage {
                Storage::Empty | Storage::Outside => (false, false),
                Storage::Blinded => (true, false),
                Storage::Inline(slots) => (slots.iter().any(Entry::is_open), true),
                Storage::Page(page) => (page.open, true),
            };
            Some(Incomplete {
                account: entry.path.key(),
                storage: missing.then(|| leaf.storage_root()),
                partial,
                based: leaf.has_base(),
                code: (leaf.code == Code::Missing).then(|| leaf.code_hash()),
            })
        })
    }

    /// How many accounts and slots are held. Codes are not counted here.
    pub fn held(&self) -> Counts {
        Counts {
            accounts: self.entries.iter().map(Entry::leaves).sum(),
            slots: self.entries.iter().map(Entry::slots).sum(),
            codes: 0,
        }
    }

    /// Whether everything is held: there is no blinded entry, no missing storage, and no code that
    /// [`Tree::cut_complete`] has not seen.
    pub fn is_complete(&self) -> bool {
        !self.entries.iter().any(Entry::is_open)
    }

    /// Whether nothing of this account is missing: neither the account itself, or the proof that
    /// there is none, nor what the scope wants of its storage and code.
    pub fn is_complete_at(&self, account: &Hash) -> bool {
        at_or_above(&self.entries, account).is_none_or(|entry| match entry.item {
            Item::Outside(_) => false,
            _ => !entry.is_open(),
        })
    }

    /// The length of the path of the deepest node that is known on the way to a key, in the list or
    /// in its bases: the key's leaf, or where the way ends. `at` is a whole key. What is in a page
    /// that was not read is not known. `None` if nothing is.
    pub fn depth_of(&self, at: &StatePath) -> Option<u8> {
        let key = at.path.key();
        let Some(account) = &at.account else {
            return depth_in(&self.entries, &key);
        };
        let mut list = self.entries.as_slice();
        loop {
            match &at_or_above(list, account)?.item {
                Item::Account(leaf) => {
                    return match &leaf.storage {
                        Storage::Inline(slots) => depth_in(slots, &key),
                        Storage::Page(_) => Some(0),
                        Storage::Empty | Storage::Blinded | Storage::Outside => None,
                    };
                }
                Item::Blinded { base, .. } => list = base,
                _ => return None,
            }
        }
    }

    /// How many leaves are probably below `at`, judged by the density of what is held around it.
    /// `None` if nothing near is held.
    pub fn estimated_leaves_below(&self, at: &StatePath) -> Option<u64> {
        let list = match &at.account {
            None => self.entries.as_slice(),
            Some(account) => inline(self.account(account)?)?,
        };
        let place = list.partition_point(|entry| entry.path < at.path);
        let width = width_below(&at.path);
        NEIGHBOURS.into_iter().find_map(|most| {
            let near = list.get(place.saturating_sub(most)..(place + most).min(list.len()))?;
            Some((density(near)?.leaves_in(width) as u64).max(1))
        })
    }

    /// The leaf of an account; `None` if it is in a page or unknown.
    fn leaf(&self, account: &Hash) -> Option<&AccountLeaf> {
        match &self.account(account)?.item {
            Item::Account(leaf) => Some(leaf),
            _ => None,
        }
    }

    fn account(&self, account: &Hash) -> Option<&Entry> {
        let path = Path::full(*account);
        let index = self
            .entries
            .binary_search_by(|entry| entry.path.cmp(&path))
            .ok()?;
        self.entries.get(index)
    }
}

/// How densely leaves lie in a part of a list; `None` if nothing of it is held.
fn density(near: &[Entry]) -> Option<Density> {
    let (first, last) = (near.first()?, near.last()?);
    let span = width(&first.path.first_key(), &last.path.last_key());
    let blinded = near
        .iter()
        .filter(|entry| matches!(entry.item, Item::Blinded { .. } | Item::Outside(_)))
        .map(|entry| width_below(&entry.path))
        .sum();
    let known = span.saturating_sub(blinded);
    Density::new(near.iter().map(Entry::leaves).sum(), known as f64)
}

/// The entry of a list at or above a key.
fn at_or_above<'a>(list: &'a [Entry], key: &Hash) -> Option<&'a Entry> {
    let after = list.partition_point(|entry| entry.path.first_key() <= *key);
    let entry = list.get(after.checked_sub(1)?)?;
    entry.path.covers(key).then_some(entry)
}

/// [`Tree::depth_of`] in one list.
fn depth_in(list: &[Entry], key: &Hash) -> Option<u8> {
    let path = Path::full(*key);
    let at = list.partition_point(|entry| entry.path.first_key() <= *key);
    let above = at.checked_sub(1).and_then(|index| list.get(index));
    match above {
        Some(Entry { path, item }) if path.covers(key) => match item {
            Item::Blinded { base, .. } => {
                let below = depth_in(base, key);
                Some(below.map_or(path.len(), |below| below.max(path.len())))
            }
            _ if list.len() == 1 && path.is_full() => Some(0),
            // A leaf's node begins below the branch above it.
            _ if path.is_full() => Some((depth_above(list, at - 1) + 1).min(path.len())),
            _ => Some(path.len()),
        },
        _ => {
            let beside = [above, list.get(at)];
            let shared = beside.into_iter().flatten();
            shared.map(|entry| entry.path.common(&path)).max()
        }
    }
}

/// The storage list inside an account's entry.
fn inline(entry: &Entry) -> Option<&[Entry]> {
    match &entry.item {
        Item::Account(leaf) => match &leaf.storage {
            Storage::Inline(slots) => Some(slots),
            _ => None,
        },
        _ => None,
    }
}

fn span(list: &[Entry], from: &Hash, last: &Hash) -> Option<(Hash, Hash)> {
    let start = list.partition_point(|entry| entry.path.last_key() < *from);
    let blinded = |entry: &&Entry| matches!(entry.item, Item::Blinded { .. });
    let mut run = list
        .get(start..)?
        .iter()
        .take_while(|entry| entry.path.first_key() <= *last)
        .skip_while(|entry| !blinded(entry))
        .take_while(blinded);
    let first = run.next()?;
    let end = run.last().unwrap_or(first);
    Some((
        first.path.first_key().max(*from),
        end.path.last_key().min(*last),
    ))
}
