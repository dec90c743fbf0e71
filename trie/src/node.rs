//! One trie node's RLP, read strictly: what a peer sends has exactly one spelling.

use alloy_rlp::{Header, PayloadView};

use super::path::{KEY_NIBBLES, Nibbles};
use crate::hash::Hash;

/// Nodes shorter than this stand inside their parent instead of being named by their hash (yellow paper, appendix D).
pub const EMBEDDED_LIMIT: usize = 32;

/// The longest node there is: a branch of sixteen hashes. A leaf of the state stays far below.
pub const MAX_NODE: usize = 3 + 16 * 33 + 1;

/// A decoded node (yellow paper, appendix D). Borrows from its RLP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Node<'a> {
    /// The end of a path.
    Leaf {
        /// What is left of the key.
        suffix: Nibbles<'a>,
        /// Never empty.
        value: &'a [u8],
    },
    /// A stretch of path without a choice; at least one nibble.
    Extension {
        /// The stretch.
        nibbles: Nibbles<'a>,
        /// Never [`Child::Empty`].
        child: Child<'a>,
    },
    /// A choice of sixteen, at least two of them taken. It has no value of its own: all keys are of one length.
    Branch(Box<[Child<'a>; 16]>),
}

/// What a node holds of the node below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Child<'a> {
    /// Nothing there.
    Empty,
    /// A node of 32 bytes or more, by its hash.
    Hash(Hash),
    /// A node of fewer than 32 bytes: its RLP, not decoded yet.
    Embedded(&'a [u8]),
}

/// Why some bytes are not a trie node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeError {
    /// Longer than [`MAX_NODE`].
    TooLong,
    /// Not canonical RLP, or bytes behind its end.
    Rlp,
    /// A list of neither 2 nor 17 items.
    ItemCount,
    /// The hex-prefix encoding has an unknown flag or a non-zero filler, is empty where it may not be, or is longer than
    /// a key.
    HexPrefix,
    /// A child that is neither empty, nor a hash, nor an embedded node of fewer than 32 bytes.
    Child,
    /// A leaf's value is empty, or a branch has one.
    Value,
    /// A branch of fewer than two children.
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

/// Decodes one node. An embedded child is only checked for its size: decode it in its turn.
///
/// The caller, who knows where the node stands, checks that the path does not exceed (or, at a leaf, fall short of) a key.
pub fn decode(rlp: &[u8]) -> Result<Node<'_>, NodeError> {
    // Before the list is opened: each of its items costs memory.
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
