//! Revealing nodes by their hashes.

use core::fmt;

use super::adopt::{Adopter, depth_above};
use super::list::{self, find_account};
use super::scoped::{Settler, settle};
use super::{Joined, Tree};
use crate::hash::Hash;
use crate::state::account::{SlimAccount, check_slot_value};
use crate::state::entry::{AccountLeaf, Code, CodesHeld, Entry, Item, StatePath, Storage};
use crate::state::page::{count_size, entry_size};
use crate::trie::keccak::{keccak, keccak_pair};
use crate::trie::node::{Child, Node, NodeError, decode};
use crate::trie::path::Path;

/// A node's RLP together with its hash. It can only be made by hashing, so the two belong together.
#[derive(Clone, Copy, Debug)]
pub struct HashedNode<'a> {
    rlp: &'a [u8],
    hash: Hash,
}

impl<'a> HashedNode<'a> {
    /// Hashes a node's RLP. The RLP is not checked otherwise.
    pub fn new(rlp: &'a [u8]) -> HashedNode<'a> {
        let hash = keccak(rlp);
        HashedNode { rlp, hash }
    }

    /// Hashes two nodes, which takes little longer than one if they are about as long.
    pub fn pair(first: &'a [u8], second: &'a [u8]) -> [HashedNode<'a>; 2] {
        let (first_hash, second_hash) = keccak_pair(first, second);
        [(first, first_hash), (second, second_hash)].map(|(rlp, hash)| HashedNode { rlp, hash })
    }

    /// The RLP.
    pub fn rlp(&self) -> &'a [u8] {
        self.rlp
    }

    /// Keccak-256 of the RLP.
    pub fn hash(&self) -> Hash {
        self.hash
    }
}

/// Nodes that are being revealed, one after the other. What they lead to is put into the list of the
/// account trie, and into that of each storage, together: a list may have tens of thousands of
/// entries, and each node put in alone would move those behind it.
pub struct Revealing<'a> {
    tree: &'a mut Tree,
    held: &'a dyn CodesHeld,
    joined: Joined,
    accounts: Replaced,
    /// The account whose storage is revealed now, and what is put into its list.
    storage: Option<(Hash, Replaced)>,
}

/// What is put into a list: the index of the blinded entry that it replaces, in order, and the
/// entries. Bound: the nodes revealed.
type Replaced = Vec<(usize, Vec<Entry>)>;

/// Why a node cannot be revealed. If it answers a request for the entry's hash, the peer is at
/// fault.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RevealFault {
    /// Nothing is blinded at that place (any more).
    NotBlinded,
    /// The node does not have the blinded entry's hash.
    Hash,
    /// Not a trie node.
    Node(NodeError),
    /// A leaf ends above a key's length, or a node leads past it, or a value is no account or slot.
    Content,
}

impl fmt::Display for RevealFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RevealFault::NotBlinded => f.write_str("nothing is blinded at that place"),
            RevealFault::Hash => f.write_str("the node does not have the blinded entry's hash"),
            RevealFault::Node(error) => write!(f, "not a trie node: {error}"),
            RevealFault::Content => f.write_str("the node does not lead to accounts or slots"),
        }
    }
}

impl core::error::Error for RevealFault {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            RevealFault::Node(error) => Some(error),
            RevealFault::NotBlinded | RevealFault::Hash | RevealFault::Content => None,
        }
    }
}

impl Tree {
    /// Reveals one node, as [`Revealing::node`] does.
    pub fn reveal(
        &mut self,
        at: &StatePath,
        node: &HashedNode<'_>,
        held: &dyn CodesHeld,
    ) -> Result<Joined, RevealFault> {
        let mut revealing = self.revealing(held);
        revealing.node(at, node)?;
        Ok(revealing.finish())
    }

    /// Starts to reveal nodes.
    pub fn revealing<'a>(&'a mut self, held: &'a dyn CodesHeld) -> Revealing<'a> {
        Revealing {
            tree: self,
            held,
            joined: Joined::default(),
            accounts: Vec::new(),
            storage: None,
        }
    }
}

impl Revealing<'_> {
    /// Replaces the blinded entry at `at` by this node, if it has the entry's hash. A storage trie
    /// of which nothing is known is revealed from its root's path on. What lies below a node that
    /// is revealed here can be revealed after [`Revealing::finish`].
    pub fn node(&mut self, at: &StatePath, node: &HashedNode<'_>) -> Result<(), RevealFault> {
        match &at.account {
            None => self.account_node(&at.path, node),
            Some(account) => self.storage_node(account, &at.path, node),
        }
    }

    /// Ends revealing, and returns what all the nodes added to the tree.
    pub fn finish(mut self) -> Joined {
        core::mem::take(&mut self.joined)
    }

    /// Puts what was revealed of a storage into its list.
    fn end_storage(&mut self) {
        let Some((account, replaced)) = self.storage.take() else {
            return;
        };
        let leaf = find_account(&mut self.tree.entries, &account);
        if let Some(Storage::Inline(slots)) = leaf.map(|leaf| &mut leaf.storage) {
            let before = count_size(slots);
            put_all(slots, replaced);
            self.tree.bytes = (self.tree.bytes + count_size(slots)).saturating_sub(before);
        }
    }

    fn account_node(&mut self, path: &Path, node: &HashedNode<'_>) -> Result<(), RevealFault> {
        let tree = &mut *self.tree;
        let index = blinded_at(&tree.entries, path, node)?;
        let place = free_place(&self.accounts, index)?;
        let mut revealed = Vec::new();
        let mut leaf = |value: &[u8]| {
            let leaf = account(value, self.held)?;
            Ok(Item::Account(Box::new(leaf)))
        };
        expand(*path, node.rlp, &mut leaf, &mut revealed)?;
        settle(&tree.scope, None, &mut revealed);
        for entry in &revealed {
            if let Item::Account(leaf) = &entry.item {
                self.joined.accounts += 1;
                self.joined.account_bytes += 32 + leaf.slim.len() as u64;
            }
        }
        let adopter = &mut Adopter {
            fold: &mut tree.folds.list,
            joined: &mut self.joined,
            held: Some(self.held),
            settler: Settler {
                scope: &tree.scope,
                older: &tree.older,
                account: None,
            },
            origins: &tree.origins,
        };
        let (merged, removed, added) = merge(&mut tree.entries, index, revealed, adopter)?;
        self.accounts.insert(place, (index, merged));
        tree.bytes = (tree.bytes + added).saturating_sub(removed);
        Ok(())
    }

    fn storage_node(
        &mut self,
        account: &Hash,
        path: &Path,
        node: &HashedNode<'_>,
    ) -> Result<(), RevealFault> {
        if self.storage.as_ref().is_none_or(|(of, _)| of != account) {
            self.end_storage();
        }
        let tree = &mut *self.tree;
        let leaf = find_account(&mut tree.entries, account).ok_or(RevealFault::NotBlinded)?;
        let mut whole = vec![Entry {
            path: Path::ROOT,
            item: Item::blinded(leaf.storage_root()),
        }];
        let slots = match &mut leaf.storage {
            Storage::Inline(slots) => slots,
            Storage::Blinded => &mut whole,
            Storage::Empty | Storage::Page(_) | Storage::Outside => {
                return Err(RevealFault::NotBlinded);
            }
        };
        let index = blinded_at(slots, path, node)?;
        let replaced = self.storage.as_ref().map(|(_, replaced)| replaced);
        let place = replaced.map_or(Ok(0), |replaced| free_place(replaced, index))?;
        let mut revealed = Vec::new();
        let mut slot = |value: &[u8]| {
            check_slot_value(value).map_err(|_| RevealFault::Content)?;
            Ok(Item::Slot(value.into()))
        };
        expand(*path, node.rlp, &mut slot, &mut revealed)?;
        settle(&tree.scope, Some(*account), &mut revealed);
        for entry in &revealed {
            if let Item::Slot(value) = &entry.item {
                self.joined.slots += 1;
                self.joined.slot_bytes += 32 + value.len() as u64;
            }
        }
        let adopter = &mut Adopter {
            fold: &mut tree.folds.list,
            joined: &mut self.joined,
            held: Some(self.held),
            settler: Settler {
                scope: &tree.scope,
                older: &tree.older,
                account: Some(*account),
            },
            origins: &tree.origins,
        };
        let (merged, mut removed, added) = merge(slots, index, revealed, adopter)?;
        if leaf.storage == Storage::Blinded {
            tree.bytes += count_size(&whole);
            removed = 0;
            leaf.storage = Storage::Inline(whole);
        }
        tree.bytes = (tree.bytes + added).saturating_sub(removed);
        let (_, replaced) = self.storage.get_or_insert((*account, Vec::new()));
        replaced.insert(place, (index, merged));
        Ok(())
    }
}

/// However it ends, what was revealed gets into the lists.
impl Drop for Revealing<'_> {
    fn drop(&mut self) {
        self.end_storage();
        put_all(&mut self.tree.entries, core::mem::take(&mut self.accounts));
    }
}

/// Where the entries that replace this one are kept. Nothing is revealed twice.
fn free_place(replaced: &Replaced, index: usize) -> Result<usize, RevealFault> {
    match replaced.binary_search_by_key(&index, |(at, _)| *at) {
        Ok(_) => Err(RevealFault::NotBlinded),
        Err(place) => Ok(place),
    }
}

/// Puts what was revealed into a list.
fn put_all(entries: &mut Vec<Entry>, replaced: Replaced) {
    let Some((first, _)) = replaced.first() else {
        return;
    };
    let added: usize = replaced.iter().map(|(_, merged)| merged.len()).sum();
    list::make_room(entries, entries.len() + added - replaced.len());
    let behind = entries.split_off(*first);
    let mut replaced = replaced.into_iter().peekable();
    for (index, entry) in (entries.len()..).zip(behind) {
        match replaced.next_if(|(at, _)| *at == index) {
            Some((_, merged)) => entries.extend(merged),
            None => entries.push(entry),
        }
    }
}

/// Index of the blinded entry at `path`, if it has the node's hash.
fn blinded_at(list: &[Entry], path: &Path, node: &HashedNode<'_>) -> Result<usize, RevealFault> {
    let index = list
        .binary_search_by(|entry| entry.path.cmp(path))
        .map_err(|_| RevealFault::NotBlinded)?;
    match list.get(index).map(|entry| &entry.item) {
        Some(Item::Blinded { hash, .. }) if *hash == node.hash => Ok(index),
        Some(Item::Blinded { .. }) => Err(RevealFault::Hash),
        _ => Err(RevealFault::NotBlinded),
    }
}

/// Merges what was revealed in the place of a blinded entry with the entry's base. Returns the
/// merged entries, and the bytes that go and that come. After an error nothing has changed.
fn merge(
    list: &mut [Entry],
    index: usize,
    revealed: Vec<Entry>,
    adopter: &mut Adopter<'_>,
) -> Result<(Vec<Entry>, usize, usize), RevealFault> {
    let removed = list.get(index).map_or(0, entry_size);
    let outer = depth_above(list, index);
    let Some(Item::Blinded { base, .. }) = list.get_mut(index).map(|entry| &mut entry.item) else {
        debug_assert!(false, "what is revealed was blinded");
        return Err(RevealFault::NotBlinded);
    };
    let merged = adopter.merge(revealed, core::mem::take(base), outer);
    let added = merged.iter().map(entry_size).sum();
    Ok((merged, removed, added))
}

/// Adds what a node says is below `path`, in key order. Nodes embedded in it, which have no hash,
/// are expanded at once. An embedded node is shorter than the node that holds it, so the recursion
/// is shallow.
fn expand(
    path: Path,
    blob: &[u8],
    leaf: &mut dyn FnMut(&[u8]) -> Result<Item, RevealFault>,
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
            let item = leaf(value)?;
            entries.push(Entry { path, item });
            Ok(())
        }
        Node::Extension { nibbles, child } => {
            // Below an extension there is a branch, which cannot be at a whole key.
            below(path.join(nibbles).filter(|path| !path.is_full()), child)
        }
        Node::Branch(children) => children
            .into_iter()
            .enumerate()
            .filter(|(_, child)| *child != Child::Empty)
            .try_for_each(|(nibble, child)| below(path.child(nibble as u8), child)),
    }
}

fn account(full: &[u8], held: &dyn CodesHeld) -> Result<AccountLeaf, RevealFault> {
    let slim = SlimAccount::from_full(full).map_err(|_| RevealFault::Content)?;
    let body = SlimAccount::parse(&slim).map_err(|_| RevealFault::Content)?;
    let storage = match body.has_storage() {
        true => Storage::Blinded,
        false => Storage::Empty,
    };
    let code = Code::of(body.has_code().then(|| body.code_hash()), held);
    Ok(AccountLeaf {
        slim: slim.into(),
        storage,
        code,
    })
}
