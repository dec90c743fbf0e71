//! The fold: takes entries in key order, derives every branch and the hash of the root.
//!
//! Branches and extensions are never stored. They follow from how many nibbles neighbouring keys
//! share. All leaves are hashed first, since a leaf's depth follows from its two neighbours; then
//! the inner nodes, from the lowest level up. This order nearly always offers two nodes of one
//! size, which the Keccak kernel hashes together. The memory is kept for the next fold, so that an
//! entry needs no allocation of its own.

use core::cmp::Ordering;

use super::encode::NodeBuffer;
pub use super::encode::NodeRef;
use super::hash_batch::HashBatch;
use super::path::{KEY_NIBBLES, Path, nibble};
use super::scratch::ScratchBuf;
pub use super::shape::{Branch, ChildOf};
use super::shape::{InnerNode, LEVELS, Shape, Top};
use super::slim::{MAX_ITEM, expand};
use crate::hash::{Hash, compare_keys};

mod entry;
mod error;

use entry::{Entry, EntryKind, push_string, string_content};
pub use error::FoldError;

/// Longest value that a leaf may hold, in bytes. A full account has at most 110 (its RLP list), a
/// slot at most 33.
pub const MAX_VALUE: usize = 128;

/// Most entries of one fold. An answer has at most 10 MiB and each entry takes at least 33 bytes of
/// it, so this is far above any answer or page. It makes every index and offset fit 32 bits.
pub const MAX_ENTRIES: usize = 1 << 24;

/// Folds an ordered list of entries into the nodes and the hash that they determine.
///
/// Push entries in key order, call [`Fold::run`], then look at what it derived. [`Fold::clear`]
/// starts over and keeps the memory. That is some 250 bytes per entry of the largest fold so far,
/// which is one answer or one page.
pub struct Fold {
    /// At most [`MAX_ENTRIES`].
    entries: Vec<Entry>,
    /// By entry, in their order: a leaf's value as the RLP string in its node, or a reference's 32
    /// bytes. At most [`MAX_VALUE`] + 2 bytes each.
    items: ScratchBuf,
    /// How an entry's parent refers to it, by entry. Filled by a run.
    refs: Vec<NodeRef>,
    /// Depth at which the path of the top node starts.
    top_from: u8,
    shape: Shape,
    batch: HashBatch,
}

/// What all the entries together are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Root {
    /// A whole trie. Its root is hashed whatever its size. Without entries the hash is
    /// [`Hash::EMPTY_ROOT`]; a single reference at [`Path::ROOT`] gives its own hash.
    Trie,
    /// One subtrie whose top is the branch at this depth: all entries share exactly this many
    /// nibbles.
    Branch(u8),
    /// The content of one child slot of a branch: at least one entry, all of which share at least
    /// this many nibbles. The path of the top node, whatever its kind, starts at this depth.
    Child(u8),
}

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryItem<'a> {
    /// A leaf, with the value that the trie holds: a full account, or a slot's RLP.
    Leaf(&'a [u8]),
    /// A blinded subtrie: only its hash is known.
    Ref(Hash),
}

impl Fold {
    /// An empty fold.
    pub fn new() -> Fold {
        Fold {
            entries: Vec::new(),
            items: ScratchBuf::default(),
            refs: Vec::new(),
            top_from: 0,
            shape: Shape::default(),
            batch: HashBatch::new(),
        }
    }

    /// Bytes on the heap, including spare capacity.
    pub fn heap_bytes(&self) -> usize {
        self.entries.capacity() * size_of::<Entry>()
            + self.items.heap_bytes()
            + self.refs.capacity() * size_of::<NodeRef>()
            + self.shape.heap_bytes()
            + HashBatch::HEAP_BYTES
    }

    /// Removes all entries and keeps the memory.
    pub fn clear(&mut self) {
        self.entries.clear();
        self.items.clear();
        self.refs.clear();
        self.shape.clear();
    }

    /// Appends a leaf. `value` is what the trie holds: a full account, or a slot's RLP; 1 to
    /// [`MAX_VALUE`] bytes.
    ///
    /// # Errors
    /// [`FoldError::EmptyValue`], [`FoldError::ValueTooLong`], [`FoldError::Order`] or
    /// [`FoldError::TooMany`]. The fold is unchanged then.
    pub fn push_leaf(&mut self, key: &Hash, value: &[u8]) -> Result<(), FoldError> {
        if value.is_empty() {
            return Err(FoldError::EmptyValue);
        }
        if value.len() > MAX_VALUE {
            return Err(FoldError::ValueTooLong);
        }
        let shared = self.next_shared(key, KEY_NIBBLES)?;
        let at = self.items.len();
        push_string(&mut self.items, value);
        self.push_entry(key, shared, at);
        Ok(())
    }

    /// Appends an account leaf, given its slim body (see [`account`](crate::account)).
    ///
    /// # Errors
    /// [`FoldError::BadAccount`], [`FoldError::Order`] or [`FoldError::TooMany`]. The fold is
    /// unchanged then.
    pub fn push_account(&mut self, key: &Hash, slim: &[u8]) -> Result<(), FoldError> {
        let shared = self.next_shared(key, KEY_NIBBLES)?;
        let at = self.items.len();
        let len = expand(slim, self.items.room(MAX_ITEM)).ok_or(FoldError::BadAccount)?;
        self.items.grow(len);
        self.push_entry(key, shared, at);
        Ok(())
    }

    /// Appends a blinded subtrie. If its path ends one nibble below its parent, `hash` is the child
    /// reference itself, of whatever kind of node. If its path is longer, an extension leads to it,
    /// and `hash` is that of a branch.
    ///
    /// # Errors
    /// [`FoldError::Order`] or [`FoldError::TooMany`]. The fold is unchanged then.
    pub fn push_ref(&mut self, path: &Path, hash: &Hash) -> Result<(), FoldError> {
        let key = path.key();
        let shared = self.next_shared(&key, path.len())?;
        let at = self.items.len() as u32;
        self.items.append(&hash.0);
        self.entries.push(Entry {
            key,
            shared,
            kind: EntryKind::Ref {
                at,
                len: path.len(),
            },
        });
        Ok(())
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The path of an entry, which is a whole key for a leaf. [`Path::ROOT`] if there is no such
    /// entry.
    pub fn path(&self, entry: usize) -> Path {
        match self.entries.get(entry) {
            None => Path::ROOT,
            Some(Entry {
                key,
                kind: EntryKind::Leaf { .. },
                ..
            }) => Path::full(*key),
            Some(Entry {
                key,
                kind: EntryKind::Ref { len, .. },
                ..
            }) => Path::new(*key, *len),
        }
    }

    /// Whether there is such an entry and it is a leaf.
    pub fn is_leaf(&self, entry: usize) -> bool {
        let entry = self.entries.get(entry);
        entry.is_some_and(|entry| matches!(entry.kind, EntryKind::Leaf { .. }))
    }

    /// What an entry is, if there is such an entry.
    pub fn item(&self, entry: usize) -> Option<EntryItem<'_>> {
        match self.entries.get(entry)?.kind {
            EntryKind::Leaf { at, len } => {
                let item = self
                    .items
                    .written()
                    .get(at as usize..)?
                    .get(..usize::from(len))?;
                string_content(item).map(EntryItem::Leaf)
            }
            EntryKind::Ref { at, .. } => Some(EntryItem::Ref(hash_at(self.items.written(), at))),
        }
    }

    /// Derives and hashes all nodes, and returns the hash of the top one. [`Fold::branches`],
    /// [`Fold::children`] and [`Fold::leaf_ref`] tell about the rest afterwards.
    ///
    /// # Errors
    /// [`FoldError::Shape`] if the entries are not what `root` says; [`FoldError::EmbeddedTop`] if
    /// the top node is embedded, which cannot happen to a [`Root::Trie`].
    pub fn run(&mut self, root: Root) -> Result<Hash, FoldError> {
        self.top_from = match root {
            Root::Child(depth) => depth,
            Root::Trie | Root::Branch(_) => 0,
        };
        let shared = self.entries.iter().map(|entry| entry.shared);
        self.shape.build(shared, self.top_from);
        self.refs.clear();
        let top_depth = self.shape.branches.last().map(|top| top.depth);
        match root {
            Root::Trie if self.entries.is_empty() => return Ok(Hash::EMPTY_ROOT),
            Root::Branch(depth) if top_depth != Some(depth) => return Err(FoldError::Shape),
            Root::Child(from) => {
                let first = self.entries.first().ok_or(FoldError::Shape)?;
                if top_depth.unwrap_or(first.len()) < from {
                    return Err(FoldError::Shape);
                }
            }
            _ => {}
        }
        self.hash_entries(root);
        self.hash_inner(root);
        let top = match self.shape.branches.last() {
            None => self.refs.first(),
            Some(top) if matches!(root, Root::Branch(_)) => Some(&top.reference),
            Some(top) => Some(&top.link),
        };
        top.and_then(NodeRef::hash).ok_or(FoldError::EmbeddedTop)
    }

    /// The branches that the last run derived, children before parents. The last one is the top.
    pub fn branches(&self) -> &[Branch] {
        &self.shape.branches
    }

    /// The children of a branch, in nibble order. None if there is no such branch.
    pub fn children(&self, branch: usize) -> impl Iterator<Item = ChildOf> + '_ {
        self.shape.children(branch).iter().copied()
    }

    /// How an entry's parent refers to it, after a run: by the hash of the leaf, of the blinded
    /// subtrie or of the extension above that; or the embedded leaf itself. `None` if there is no
    /// such entry, or no run since it was pushed.
    pub fn leaf_ref(&self, entry: usize) -> Option<NodeRef> {
        self.refs.get(entry).copied()
    }

    /// Checks that the next entry may follow, and counts the nibbles it shares with the last one.
    #[inline]
    fn next_shared(&self, key: &Hash, len: u8) -> Result<u8, FoldError> {
        let Some(last) = self.entries.last() else {
            return Ok(0);
        };
        if self.entries.len() >= MAX_ENTRIES {
            return Err(FoldError::TooMany);
        }
        match compare_keys(&last.key, key) {
            (Ordering::Less, shared) if shared < last.len() && shared < len => Ok(shared),
            _ => Err(FoldError::Order),
        }
    }

    #[inline]
    fn push_entry(&mut self, key: &Hash, shared: u8, at: usize) {
        let len = (self.items.len() - at) as u8;
        self.entries.push(Entry {
            key: *key,
            shared,
            kind: EntryKind::Leaf { at: at as u32, len },
        });
    }

    /// Writes the node that an entry contributes: a leaf, or the extension above a blinded subtrie.
    /// Returns `false` if it contributes none.
    #[inline]
    #[must_use]
    pub(crate) fn write_entry(&self, entry: usize, buffer: &mut NodeBuffer) -> bool {
        entry < self.entries.len()
            && write_entry(
                &self.entries,
                self.items.written(),
                self.top_from,
                entry,
                buffer,
            )
    }

    /// Writes a branch, or the extension above it. Only after a run.
    pub(crate) fn write_inner(&self, node: InnerNode, buffer: &mut NodeBuffer) {
        write_inner(&self.entries, &self.refs, &self.shape, node, buffer);
    }

    /// Hashes level 0: the leaves, and the extensions above blinded subtries.
    fn hash_entries(&mut self, root: Root) {
        let refs = &mut self.refs;
        let is_root = self.entries.len() == 1 && root == Root::Trie;
        for (i, entry) in self.entries.iter().enumerate() {
            refs.push(match entry.kind {
                EntryKind::Leaf { .. } => NodeRef::from_hash(Hash::ZERO),
                EntryKind::Ref { at, .. } => NodeRef::from_hash(hash_at(self.items.written(), at)),
            });
            let buffer = self.batch.buffer();
            if !write_entry(
                &self.entries,
                self.items.written(),
                self.top_from,
                i,
                buffer,
            ) {
                continue;
            }
            match buffer.embedded() {
                Some(embedded) if !is_root => refs[i] = embedded,
                _ => self.batch.submit(i as u32, |i, hash| {
                    refs[i as usize] = NodeRef::from_hash(hash);
                }),
            }
        }
        self.batch
            .flush(|i, hash| refs[i as usize] = NodeRef::from_hash(hash));
    }

    /// Hashes the inner nodes from the lowest level up. An extension is one level above its branch.
    fn hash_inner(&mut self, root: Root) {
        let shape = &mut self.shape;
        for level in 0..LEVELS {
            let mut next = shape.first_at(level);
            while let Some(node) = next {
                next = shape.next_after(node);
                let top = shape.top_of(node);
                if top == Some(Top::Link) && matches!(root, Root::Branch(_)) {
                    // The extension above a subtrie does not belong to the subtrie.
                    continue;
                }
                let buffer = self.batch.buffer();
                write_inner(&self.entries, &self.refs, shape, node, buffer);
                // The root of a trie is hashed whatever its size.
                let is_root = root == Root::Trie && top.is_some();
                match buffer.embedded() {
                    Some(embedded) if !is_root => shape.set(node, embedded),
                    _ => self.batch.submit(node.0, |node, hash| {
                        shape.set(InnerNode(node), NodeRef::from_hash(hash));
                    }),
                }
            }
            self.batch
                .flush(|node, hash| shape.set(InnerNode(node), NodeRef::from_hash(hash)));
        }
    }
}

#[must_use]
fn write_entry(
    entries: &[Entry],
    items: &[u8],
    top_from: u8,
    i: usize,
    buffer: &mut NodeBuffer,
) -> bool {
    let entry = &entries[i];
    // Each neighbour leaves the path of this entry at some depth. The parent is the branch at the
    // deeper of the two.
    let from = match entries.get(i + 1) {
        Some(next) => entry.shared.max(next.shared) + 1,
        None if i == 0 => top_from,
        None => entry.shared + 1,
    };
    match entry.kind {
        EntryKind::Leaf { at, len } => {
            let at = at as usize;
            buffer.leaf(&entry.key, from, &items[at..at + usize::from(len)]);
            true
        }
        EntryKind::Ref { at, len } if len > from => {
            let child = NodeRef::from_hash(hash_at(items, at));
            buffer.extension(&entry.key, from, len, &child);
            true
        }
        EntryKind::Ref { .. } => false,
    }
}

fn write_inner(
    entries: &[Entry],
    refs: &[NodeRef],
    shape: &Shape,
    node: InnerNode,
    buffer: &mut NodeBuffer,
) {
    let branch = &shape.branches[node.branch()];
    let key = |entry: u32| &entries[entry as usize].key;
    if node.is_link() {
        buffer.extension(
            key(branch.first),
            branch.link_from,
            branch.depth,
            &branch.reference,
        );
        return;
    }
    let mut writer = buffer.branch();
    for child in shape.children(node.branch()) {
        let (first, reference) = match *child {
            ChildOf::Entry(i) => (i, &refs[i as usize]),
            ChildOf::Branch(i) => {
                let child = &shape.branches[i as usize];
                (child.first, &child.link)
            }
        };
        writer.child(nibble(key(first), branch.depth), reference);
    }
    writer.finish();
}

/// The hash of an [`EntryKind::Ref`], which is at `at` in `items`.
#[inline]
fn hash_at(items: &[u8], at: u32) -> Hash {
    let at = at as usize;
    let mut hash = Hash::ZERO;
    hash.0.copy_from_slice(&items[at..at + 32]);
    hash
}

impl Default for Fold {
    fn default() -> Fold {
        Fold::new()
    }
}
