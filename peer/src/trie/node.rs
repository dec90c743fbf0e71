//! Writes nodes: hex prefix, leaf, extension, branch, and how parents refer to their children.

use crate::{Hash, keccak::keccak, rlp};

/// The nibble at `index` < 64. The high nibble of the first byte is the first.
pub(super) fn nibble(key: &Hash, index: usize) -> u8 {
    let byte = key[index / 2];
    if index.is_multiple_of(2) {
        byte >> 4
    } else {
        byte & 0x0f
    }
}

/// How many first nibbles two keys have in common, 0 to 64.
pub(super) fn common_nibbles(a: &Hash, b: &Hash) -> usize {
    match a.iter().zip(b).position(|(x, y)| x != y) {
        None => 64,
        Some(byte) => byte * 2 + usize::from((a[byte] ^ b[byte]) >> 4 == 0),
    }
}

/// How a parent refers to a node: by its hash, or by the node itself if it is shorter than 32
/// bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NodeRef {
    /// 32 for a hash. Less is the length of the embedded node.
    len: u8,
    bytes: [u8; 32],
}

impl NodeRef {
    pub(super) fn of(rlp: &[u8]) -> NodeRef {
        if rlp.len() >= 32 {
            return NodeRef {
                len: 32,
                bytes: keccak(rlp),
            };
        }
        let mut bytes = [0; 32];
        bytes[..rlp.len()].copy_from_slice(rlp);
        NodeRef {
            len: rlp.len() as u8,
            bytes,
        }
    }

    pub(super) fn is_hash(&self) -> bool {
        self.len == 32
    }

    /// A root is always referred to by its hash, even if the node is short.
    pub(super) fn root(&self) -> Hash {
        if self.is_hash() {
            self.bytes
        } else {
            keccak(&self.bytes[..self.len as usize])
        }
    }

    /// How many bytes it takes inside its parent.
    pub(super) fn encoded_len(&self) -> usize {
        if self.is_hash() {
            33
        } else {
            self.len as usize
        }
    }

    pub(super) fn put(&self, out: &mut Vec<u8>) {
        if self.is_hash() {
            out.push(0xa0);
        }
        out.extend_from_slice(&self.bytes[..self.len as usize]);
    }
}

/// Writes `[hex prefix of key[from..], value]` into `out`, which is emptied first.
pub(super) fn put_leaf(key: &Hash, from: usize, value: &[u8], out: &mut Vec<u8>) {
    let (path, path_len) = hex_prefix(key, from, 64, true);
    let path = &path[..path_len];
    out.clear();
    rlp::put_list_header(rlp::string_len(path) + rlp::string_len(value), out);
    rlp::put_string(path, out);
    rlp::put_string(value, out);
}

/// Writes `[hex prefix of key[from..to], child]` into `out`, which is emptied first.
pub(super) fn put_extension(
    key: &Hash,
    from: usize,
    to: usize,
    child: &NodeRef,
    out: &mut Vec<u8>,
) {
    let (path, path_len) = hex_prefix(key, from, to, false);
    let path = &path[..path_len];
    out.clear();
    rlp::put_list_header(rlp::string_len(path) + child.encoded_len(), out);
    rlp::put_string(path, out);
    child.put(out);
}

/// Writes sixteen children and the value, which is always empty because all keys have one length.
pub(super) fn put_branch(children: &[Option<NodeRef>; 16], out: &mut Vec<u8>) {
    let payload: usize = children
        .iter()
        .map(|child| child.as_ref().map_or(1, NodeRef::encoded_len))
        .sum();
    out.clear();
    rlp::put_list_header(payload + 1, out);
    for child in children {
        match child {
            Some(child) => child.put(out),
            None => out.push(0x80),
        }
    }
    out.push(0x80);
}

/// The hex prefix of the nibbles `from..to` of a key: a flag nibble (2 for a leaf, plus 1 for an
/// odd count) before them.
fn hex_prefix(key: &Hash, from: usize, to: usize, leaf: bool) -> ([u8; 33], usize) {
    let odd = (to - from) % 2;
    let mut path = [0; 33];
    path[0] = u8::from(leaf) << 5 | (odd as u8) << 4;
    let mut at = from;
    if odd == 1 {
        path[0] |= nibble(key, at);
        at += 1;
    }
    let mut len = 1;
    while at < to {
        path[len] = nibble(key, at) << 4 | nibble(key, at + 1);
        at += 2;
        len += 1;
    }
    (path, len)
}
