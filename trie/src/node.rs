//! Decodes the RLP of one trie node, and accepts its canonical encoding only.

use alloy_rlp::{Header, PayloadView};

use super::path::{KEY_NIBBLES, Nibbles};
use crate::hash::Hash;

/// Nodes of fewer bytes than this stand inside their parent, which holds the hash of longer ones
/// (yellow paper, appendix D).
pub const EMBEDDED_LIMIT: usize = 32;

/// Length of the longest node in bytes: a branch of sixteen hashes. A leaf of the state is shorter.
pub const MAX_NODE: usize = 3 + 16 * 33 + 1;

/// A decoded node (yellow paper, appendix D). Borrows from its RLP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Node<'a> {
    /// The end of a path.
    Leaf {
        /// The nibbles of the key below the parent.
        suffix: Nibbles<'a>,
        /// The value: an account's full body or a slot's RLP. Never empty.
        value: &'a [u8],
    },
    /// A piece of path without a branch.
    Extension {
        /// The piece; at least one nibble.
        nibbles: Nibbles<'a>,
        /// The node below. Never [`Child::Empty`].
        child: Child<'a>,
    },
    /// Sixteen children, by their nibble; at least two are not empty. A branch of the state has no
    /// value of its own, because all keys have the same length.
    Branch(Box<[Child<'a>; 16]>),
}

/// How a node refers to the node below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Child<'a> {
    /// There is no node.
    Empty,
    /// The hash of a node of 32 bytes or more.
    Hash(Hash),
    /// The RLP of a node of fewer than 32 bytes, not decoded yet.
    Embedded(&'a [u8]),
}

/// Why some bytes are not a trie node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NodeError {
    /// It is longer than [`MAX_NODE`].
    TooLong,
    /// It is not canonical RLP, or bytes follow its end.
    Rlp,
    /// It is a list of neither 2 nor 17 items.
    ItemCount,
    /// A path in hex-prefix encoding has an unknown flag or a non-zero filler, is longer than a
    /// key, or is empty in an extension.
    HexPrefix,
    /// A child is neither empty, nor a hash, nor an embedded node of fewer than 32 bytes.
    Child,
    /// A leaf has no value, or a branch has one.
    Value,
    /// A branch has fewer than two children.
    LonelyChild,
}

impl core::fmt::Display for NodeError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            NodeError::TooLong => "longer than any node of the state",
            NodeError::Rlp => "not canonical RLP",
            NodeError::ItemCount => "a list of neither 2 nor 17 items",
            NodeError::HexPrefix => "not a canonical hex-prefix path",
            NodeError::Child => "a child that is neither empty, nor a hash, nor an embedded node",
            NodeError::Value => "a leaf without or a branch with a value",
            NodeError::LonelyChild => "a branch of fewer than two children",
        })
    }
}

impl core::error::Error for NodeError {}

/// Decodes one node.
///
/// Of an embedded child only the size is checked; decode it separately. The caller knows where the
/// node is in the trie, so it has to check that no path is longer than a key and that each leaf's
/// path is a whole key.
pub fn decode(rlp: &[u8]) -> Result<Node<'_>, NodeError> {
    // Checked before the list is opened, because each of its items takes memory.
    if rlp.len() > MAX_NODE {
        return Err(NodeError::TooLong);
    }
    let mut rest = rlp;
    let PayloadView::List(items) = Header::decode_raw(&mut rest).map_err(|_| NodeError::Rlp)?
    else {
        return Err(NodeError::Rlp);
    };
    if !rest.is_empty() {
        return Err(NodeError::Rlp);
    }
    match items.as_slice() {
        [path, item] => decode_short(path, item),
        [children @ .., value] if children.len() == 16 => decode_branch(children, value),
        _ => Err(NodeError::ItemCount),
    }
}

fn decode_short<'a>(path: &'a [u8], item: &'a [u8]) -> Result<Node<'a>, NodeError> {
    let (nibbles, leaf) = Nibbles::from_compact(string(path)?).ok_or(NodeError::HexPrefix)?;
    if nibbles.len() > usize::from(KEY_NIBBLES) {
        return Err(NodeError::HexPrefix);
    }
    if leaf {
        let value = string(item)?;
        if value.is_empty() {
            return Err(NodeError::Value);
        }
        return Ok(Node::Leaf {
            suffix: nibbles,
            value,
        });
    }
    if nibbles.is_empty() {
        return Err(NodeError::HexPrefix);
    }
    match decode_child(item)? {
        Child::Empty => Err(NodeError::Child),
        child => Ok(Node::Extension { nibbles, child }),
    }
}

fn decode_branch<'a>(items: &[&'a [u8]], value: &[u8]) -> Result<Node<'a>, NodeError> {
    if !string(value)?.is_empty() {
        return Err(NodeError::Value);
    }
    let mut children = Box::new([Child::Empty; 16]);
    let mut taken = 0;
    for (child, item) in children.iter_mut().zip(items) {
        *child = decode_child(item)?;
        taken += usize::from(*child != Child::Empty);
    }
    if taken < 2 {
        return Err(NodeError::LonelyChild);
    }
    Ok(Node::Branch(children))
}

fn decode_child(item: &[u8]) -> Result<Child<'_>, NodeError> {
    if item.first().is_some_and(|&byte| byte >= 0xc0) {
        return if item.len() < EMBEDDED_LIMIT {
            Ok(Child::Embedded(item))
        } else {
            Err(NodeError::Child)
        };
    }
    match string(item)? {
        [] => Ok(Child::Empty),
        bytes => Hash::from_slice(bytes)
            .map(Child::Hash)
            .ok_or(NodeError::Child),
    }
}

/// The content of an item that has to be a string.
fn string(mut item: &[u8]) -> Result<&[u8], NodeError> {
    Header::decode_bytes(&mut item, false).map_err(|_| NodeError::Rlp)
}
