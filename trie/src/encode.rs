//! Nodes on their way into the hash: written once, right where they are hashed from.

use super::copy::copy;
use super::keccak::{BLOCK, blocks_of};
use super::node::{EMBEDDED_LIMIT, MAX_NODE};
use super::path::{KEY_NIBBLES, nibble};
use crate::hash::Hash;

/// How a parent names a child: its hash, or, of a node under 32 bytes, the node itself.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct NodeRef {
    /// The hash, or the embedded node's RLP followed by zeros.
    bytes: [u8; 32],
    /// Length of the embedded RLP; 32 means that it is a hash.
    len: u8,
}

impl NodeRef {
    /// A node of 32 bytes or more, or a trie's root.
    pub const fn from_hash(hash: Hash) -> NodeRef {
        NodeRef {
            bytes: hash.0,
            len: 32,
        }
    }

    /// The hash, unless the node is embedded.
    pub fn hash(&self) -> Option<Hash> {
        (self.len == 32).then_some(Hash(self.bytes))
    }

    /// The RLP of a node of fewer than 32 bytes, unless it is named by its hash.
    pub fn embedded(&self) -> Option<&[u8]> {
        if self.len == 32 {
            return None;
        }
        self.bytes.get(..usize::from(self.len))
    }
}

impl core::fmt::Debug for NodeRef {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self.hash() {
            Some(hash) => write!(f, "NodeRef({hash})"),
            None => write!(f, "NodeRef(embedded {:02x?})", self.embedded()),
        }
    }
}

/// RLP of the empty string: an absent child, or a branch's absent value.
pub(crate) const EMPTY: u8 = 0x80;
/// RLP header of a 32-byte string.
pub(crate) const HASH_HEADER: u8 = 0xa0;

/// Where a node's last part starts in its buffer. In front of it stands what is only written once its length is known: a
/// leaf's path (33 bytes) and its header, the list's header (3).
const HEAD: usize = 48;
/// Behind a node: the padding of its last block, cleared as a whole.
const BUFFER: usize = HEAD + MAX_NODE + BLOCK;

/// One node's RLP, padded to whole Keccak blocks where it stands.
#[derive(Clone)]
pub(crate) struct NodeBuffer {
    bytes: [u8; BUFFER],
    start: usize,
    end: usize,
}

impl NodeBuffer {
    pub(crate) const fn new() -> NodeBuffer {
        NodeBuffer {
            bytes: [0; BUFFER],
            start: HEAD,
            end: HEAD,
        }
    }

    /// The node.
    #[inline]
    pub(crate) fn rlp(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    /// How a parent names the node, if it may stand inside it.
    pub(crate) fn embedded(&self) -> Option<NodeRef> {
        let rlp = self.rlp();
        if rlp.len() >= EMBEDDED_LIMIT {
            return None;
        }
        let mut bytes = [0; 32];
        bytes[..rlp.len()].copy_from_slice(rlp);
        Some(NodeRef {
            bytes,
            len: rlp.len() as u8,
        })
    }

    /// Writes a leaf: the nibbles of `key` from `from` on, and `item`, its value as an RLP string.
    #[inline]
    pub(crate) fn leaf(&mut self, key: &Hash, from: u8, item: &[u8]) {
        self.end = HEAD + item.len();
        copy(&mut self.bytes[HEAD..self.end], item);
        // The whole key is laid down so that it ends where the item starts; the flag then overwrites what is too much.
        self.bytes[HEAD - 32..HEAD].copy_from_slice(&key.0);
        let whole_bytes = usize::from((KEY_NIBBLES - from) / 2);
        let flag = if from % 2 == 1 {
            0x30 | nibble(key, from)
        } else {
            0x20
        };
        self.start = HEAD - whole_bytes;
        self.prepend(flag);
        self.string_header(whole_bytes + 1);
        self.list_header();
    }

    /// Writes an extension: the nibbles of `key` from `from` to before `to`, at least one, and the child.
    pub(crate) fn extension(&mut self, key: &Hash, from: u8, to: u8, child: &NodeRef) {
        self.end = HEAD;
        self.child(child);
        self.start = HEAD;
        let mut end = to;
        while end >= from + 2 {
            self.prepend(nibble(key, end - 2) << 4 | nibble(key, end - 1));
            end -= 2;
        }
        self.prepend(if end > from {
            0x10 | nibble(key, from)
        } else {
            0
        });
        self.string_header(HEAD - self.start);
        self.list_header();
    }

    /// Begins a branch.
    pub(crate) fn branch(&mut self) -> BranchWriter<'_> {
        self.start = HEAD;
        self.end = HEAD;
        BranchWriter {
            buffer: self,
            next: 0,
        }
    }

    /// Pads the node to whole blocks and returns their number.
    #[inline]
    pub(crate) fn pad(&mut self) -> usize {
        // In pieces, each short enough to be written out instead of becoming a call.
        let (pieces, rest) = self.bytes[self.end..self.end + BLOCK].as_chunks_mut::<32>();
        if let [a, b, c, d] = pieces {
            (*a, *b, *c, *d) = ([0; 32], [0; 32], [0; 32], [0; 32]);
        }
        rest.fill(0);
        let blocks = blocks_of(self.end - self.start);
        self.bytes[self.end] = 0x01;
        self.bytes[self.start + blocks * BLOCK - 1] |= 0x80;
        blocks
    }

    /// The blocks of a padded node.
    #[inline]
    pub(crate) fn padded(&self, blocks: usize) -> &[u8] {
        &self.bytes[self.start..self.start + blocks * BLOCK]
    }

    #[inline]
    fn child(&mut self, child: &NodeRef) {
        if child.len == 32 {
            self.bytes[self.end] = HASH_HEADER;
            self.end += 1;
        }
        // Always 32 bytes, a copy of known size: what is too much gets overwritten.
        self.bytes[self.end..self.end + 32].copy_from_slice(&child.bytes);
        self.end += usize::from(child.len);
    }

    #[inline]
    fn prepend(&mut self, byte: u8) {
        self.start -= 1;
        self.bytes[self.start] = byte;
    }

    /// Puts the header in front of a hex-prefix string of `len` bytes. A single such byte is below 0x80: its own header.
    #[inline]
    fn string_header(&mut self, len: usize) {
        if len > 1 {
            self.prepend(0x80 + len as u8);
        }
    }

    /// Puts the header of the list in front of its payload.
    #[inline]
    fn list_header(&mut self) {
        let payload = self.end - self.start;
        if payload < 56 {
            self.prepend(0xc0 + payload as u8);
        } else {
            self.prepend(payload as u8);
            if payload > 0xff {
                self.prepend((payload >> 8) as u8);
                self.prepend(0xf9);
            } else {
                self.prepend(0xf8);
            }
        }
    }
}

/// A branch half written.
pub(crate) struct BranchWriter<'a> {
    buffer: &'a mut NodeBuffer,
    next: u8,
}

impl BranchWriter<'_> {
    /// Writes the child at `nibble`, which is past the one before.
    #[inline]
    pub(crate) fn child(&mut self, nibble: u8, child: &NodeRef) {
        self.skip_to(nibble);
        self.buffer.child(child);
        self.next = nibble + 1;
    }

    pub(crate) fn finish(mut self) {
        // Sixteen children and the value, which is absent too.
        self.skip_to(17);
        self.buffer.list_header();
    }

    #[inline]
    fn skip_to(&mut self, slot: u8) {
        while self.next < slot {
            self.buffer.bytes[self.buffer.end] = EMPTY;
            self.buffer.end += 1;
            self.next += 1;
        }
    }
}
