//! Writes trie nodes (yellow paper, appendix D) into the buffer that they are hashed from.

use super::copy::copy;
use super::keccak::{BLOCK, blocks_of};
use super::node::{EMBEDDED_LIMIT, MAX_NODE};
use super::path::{KEY_NIBBLES, nibble};
use crate::hash::Hash;

/// How a parent refers to a child: by its hash, or by the child's RLP if that is under 32 bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct NodeRef {
    /// The hash, or the embedded node's RLP followed by zeros.
    bytes: [u8; 32],
    /// Length of the embedded RLP in bytes; 32 means a hash.
    len: u8,
}

impl NodeRef {
    /// A reference by hash: to a node of 32 bytes or more, or to a trie's root.
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

    /// The embedded node's RLP, unless the reference is a hash.
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

/// Where the last part of a node starts in its buffer. The parts in front are written backwards,
/// once their length is known: a path of up to 33 bytes, its header (1) and the list's header (3).
/// That is 37 bytes at most. Chosen without a measurement: 48 is the next multiple of 16.
const HEAD: usize = 48;
/// Size of the buffer. Behind the node is space for the padding of its last block.
const BUFFER: usize = HEAD + MAX_NODE + BLOCK;

/// One node's RLP, which can be padded in place to whole Keccak blocks.
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

    /// The node's RLP.
    #[inline]
    pub(crate) fn rlp(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    /// The node as an embedded reference, if it is short enough to stand inside its parent.
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

    /// Writes a leaf: the nibbles of `key` from `from` on, and `item`, its value as an RLP string
    /// of at most [`MAX_NODE`] bytes.
    #[inline]
    pub(crate) fn leaf(&mut self, key: &Hash, from: u8, item: &[u8]) {
        self.end = HEAD + item.len();
        copy(&mut self.bytes[HEAD..self.end], item);
        // Writes the whole key right in front of the item, since a copy of known size is inline.
        // The flag and the headers then overwrite the part that does not belong to the path.
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

    /// Writes an extension: the nibbles of `key` in `from..to`, at least one, and the child.
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

    /// Starts a branch.
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
        // In pieces of 32 bytes, which the compiler writes inline. A longer one becomes a call.
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
        // Always copies 32 bytes, since a copy of known size is inline. The next child overwrites
        // the bytes that do not belong to this one.
        self.bytes[self.end..self.end + 32].copy_from_slice(&child.bytes);
        self.end += usize::from(child.len);
    }

    #[inline]
    fn prepend(&mut self, byte: u8) {
        self.start -= 1;
        self.bytes[self.start] = byte;
    }

    /// Puts the RLP header in front of a hex-prefix string of `len` bytes. A single byte is below
    /// 0x80 there, so it is its own encoding.
    #[inline]
    fn string_header(&mut self, len: usize) {
        if len > 1 {
            self.prepend(0x80 + len as u8);
        }
    }

    /// Puts the RLP header of the list in front of its payload.
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

/// A branch that is being written.
pub(crate) struct BranchWriter<'a> {
    buffer: &'a mut NodeBuffer,
    /// Nibble of the next child to be written.
    next: u8,
}

impl BranchWriter<'_> {
    /// Writes the child at `nibble`. Nibbles must be given in ascending order.
    #[inline]
    pub(crate) fn child(&mut self, nibble: u8, child: &NodeRef) {
        self.skip_to(nibble);
        self.buffer.child(child);
        self.next = nibble + 1;
    }

    /// Writes the empty children that are left, and the headers.
    pub(crate) fn finish(mut self) {
        // Sixteen children, and the branch's own value, which is always empty.
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
