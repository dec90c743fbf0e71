//! The one left-to-right fold: entries in key order in, every branch and the root's hash out.
//!
//! Branches and extensions are never stored, they follow from the entries: how many nibbles neighbouring keys share gives
//! the shape. First all leaves are hashed, whose depth is known from their two neighbours, then the inner nodes from the
//! lowest level up, so that there are always two nodes of a size to hash together. All memory is scratch that is kept for
//! the next fold; entries cost no allocation of their own.

use core::cmp::Ordering;
use core::fmt;

use super::encode::NodeBuffer;
pub use super::encode::NodeRef;
use super::hash_batch::HashBatch;
use super::path::{KEY_NIBBLES, Path, nibble};
use super::scratch::ScratchBuf;
pub use super::shape::{Branch, ChildOf};
use super::shape::{InnerNode, LEVELS, Shape, Top};
use super::slim::{MAX_ITEM, expand};
use crate::hash::{Hash, compare_keys};

/// Longest value a leaf may hold. An account's is at most 110 bytes, a slot's 33.
pub const MAX_VALUE: usize = 128;

/// Most entries of one fold; far above any answer or page, and small enough for every index and offset to fit 32 bits.
pub const MAX_ENTRIES: usize = 1 << 24;

/// Folds an ordered list of entries into the nodes and the hash that they determine.
///
/// Push entries in key order, [`Fold::run`], then look at what it derived; [`Fold::clear`] and start over. All its memory
/// grows with the entries, some 250 bytes each, and stays at the size of the largest fold there was: one answer, or one page.
pub struct Fold {
    /// At most [`MAX_ENTRIES`].
    entries: Vec<Entry>,
    /// Leaf values, each as it stands in its node: an RLP string.
    items: ScratchBuf,
    /// By entry: how its parent names it.
    refs: Vec<NodeRef>,
    /// Depth at which the top node's own path starts.
    top_from: u8,
    shape: Shape,
    batch: HashBatch,
}

/// What the entries are taken to be, as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Root {
    /// A whole trie. Its root is hashed whatever its size; no entries give [`Hash::EMPTY_ROOT`], a single
    /// reference at [`Path::ROOT`] gives its own hash.
    Trie,
    /// One subtrie, whose top is the branch at this depth: all entries share that many nibbles, and no more.
    Branch(u8),
    /// What hangs in one child slot of a branch: all entries share at least this many nibbles, and the top node, whatever it
    /// is, starts there. At least one entry.
    Child(u8),
}

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryItem<'a> {
    /// A leaf, with the value that the trie holds (a full account, or a slot's RLP).
    Leaf(&'a [u8]),
    /// A subtrie known by its hash only.
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

    /// Bytes on the heap, used or not.
    pub fn heap_bytes(&self) -> usize {
        self.entries.capacity() * size_of::<Entry>()
            + self.items.heap_bytes()
            + self.refs.capacity() * size_of::<NodeRef>()
            + self.shape.heap_bytes()
            + HashBatch::HEAP_BYTES
    }

    /// Forgets all entries; the memory stays.
    pub fn clear(&mut self) {
        self.entries.clear();
        self.items.clear();
        self.refs.clear();
        self.shape.clear();
    }

    /// Appends a leaf. `value` is the trie's: a full account, or a slot's RLP; 1 to [`MAX_VALUE`] bytes.
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

    /// Appends an account leaf, given its slim form (devp2p, snap/1: an empty root or code hash left out).
    pub fn push_account(&mut self, key: &Hash, slim: &[u8]) -> Result<(), FoldError> {
        let shared = self.next_shared(key, KEY_NIBBLES)?;
        let at = self.items.len();
        let len = expand(slim, self.items.room(MAX_ITEM)).ok_or(FoldError::BadAccount)?;
        self.items.grow(len);
        self.push_entry(key, shared, at);
        Ok(())
    }

    /// Appends a subtrie known by its hash only. One nibble below its parent it is the child reference itself, whatever
    /// node that is; further down it hangs below an extension, so it has to be a branch then.
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

    /// The path of an entry: a whole key for a leaf. [`Path::ROOT`] if there is no such entry.
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

    /// Whether an entry is a leaf.
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

    /// Hashes everything and returns the hash of the top: a trie's root, or the top branch. The branches below it can be
    /// looked at afterwards.
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

    /// The branches that the last run derived, children before parents; the top is the last.
    pub fn branches(&self) -> &[Branch] {
        &self.shape.branches
    }

    /// The children of a branch, in nibble order.
    pub fn children(&self, branch: usize) -> impl Iterator<Item = ChildOf> + '_ {
        self.shape.children(branch).iter().copied()
    }

    /// How an entry's parent names it, after a run: by the leaf's hash, the hash of a reference or of the extension above
    /// it, or the embedded leaf. `None` if there is no such entry.
    pub fn leaf_ref(&self, entry: usize) -> Option<NodeRef> {
        self.refs.get(entry).copied()
    }

    /// Room for the next entry, and the nibbles it shares with the one before.
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

    /// Writes the node that the entry contributes: a leaf, or the extension above a reference. A reference without one
    /// contributes nothing, which is `false`.
    #[inline]
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

    /// Writes a branch, or the extension above it.
    pub(crate) fn write_inner(&self, node: InnerNode, buffer: &mut NodeBuffer) {
        write_inner(&self.entries, &self.refs, &self.shape, node, buffer);
    }

    /// Level 0: the leaves, and the extensions above references.
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

    /// The inner nodes, from the lowest level up: an extension is one level above its branch.
    fn hash_inner(&mut self, root: Root) {
        let shape = &mut self.shape;
        for level in 0..LEVELS {
            let mut next = shape.first_at(level);
            while let Some(node) = next {
                next = shape.next_after(node);
                let top = shape.top_of(node);
                if top == Some(Top::Link) && matches!(root, Root::Branch(_)) {
                    // The extension above a subtrie is the business of whoever holds it.
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

fn write_entry(
    entries: &[Entry],
    items: &[u8],
    top_from: u8,
    i: usize,
    buffer: &mut NodeBuffer,
) -> bool {
    let entry = &entries[i];
    // The parent is the branch at the deeper of the two places where the neighbours turn off.
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

/// The hash that an entry of [`EntryKind::Ref`] has put there.
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

/// Why entries cannot be folded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FoldError {
    /// An entry does not come after the one before, or covers it, or is covered by it.
    Order,
    /// A leaf without a value, which no trie holds.
    EmptyValue,
    /// A value of more than [`MAX_VALUE`] bytes.
    ValueTooLong,
    /// Not an account in its slim form.
    BadAccount,
    /// More than [`MAX_ENTRIES`].
    TooMany,
    /// The entries are not what [`Root::Branch`] or [`Root::Child`] says.
    Shape,
    /// The top branch is under 32 bytes: no parent names it by its hash.
    EmbeddedTop,
}

impl fmt::Display for FoldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            FoldError::Order => "an entry does not come after the one before",
            FoldError::EmptyValue => "a leaf has no value",
            FoldError::ValueTooLong => "a value is longer than any of the state",
            FoldError::BadAccount => "not an account in its slim form",
            FoldError::TooMany => "too many entries",
            FoldError::Shape => "the entries do not meet in a branch at the depth given",
            FoldError::EmbeddedTop => "the top node is embedded in its parent",
        })
    }
}

impl core::error::Error for FoldError {}

#[derive(Clone, Copy)]
struct Entry {
    key: Hash,
    /// Nibbles shared with the entry before; 0 for the first.
    shared: u8,
    kind: EntryKind,
}

#[derive(Clone, Copy)]
enum EntryKind {
    /// Its item, in `items`.
    Leaf { at: u32, len: u8 },
    /// Length of its path. Its hash is in `items` too.
    Ref { at: u32, len: u8 },
}

impl Entry {
    fn len(&self) -> u8 {
        match self.kind {
            EntryKind::Leaf { .. } => KEY_NIBBLES,
            EntryKind::Ref { len, .. } => len,
        }
    }
}

/// Appends a value of 1 to [`MAX_VALUE`] bytes as an RLP string.
fn push_string(out: &mut ScratchBuf, value: &[u8]) {
    match *value {
        [byte] if byte < 0x80 => {}
        _ if value.len() < 56 => out.push(0x80 + value.len() as u8),
        _ => out.append(&[0xb8, value.len() as u8]),
    }
    out.append(value);
}

/// What [`push_string`] took.
fn string_content(item: &[u8]) -> Option<&[u8]> {
    match *item.first()? {
        0..0x80 => Some(item),
        0xb8 => item.get(2..),
        _ => item.get(1..),
    }
}
