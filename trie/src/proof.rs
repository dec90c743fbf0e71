//! Proofs of one key: the trie nodes along its path, as `eth_getProof` (EIP-1186) returns them.

use core::fmt;

use super::encode::NodeBuffer;
use super::fold::{ChildOf, Fold};
use super::keccak::keccak;
use super::node::{Child, EMBEDDED_LIMIT, Node, NodeError, decode};
use super::path::{Path, common_nibbles, nibble};
use super::shape::InnerNode;
use crate::hash::Hash;

/// Why a fold yields no proof of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProveError {
    /// The key's path leads into a blinded subtrie.
    Blinded {
        /// Index of the subtrie's entry in the fold.
        entry: usize,
        /// Path of the subtrie.
        path: Path,
    },
    /// The fold was not run since its last entry was pushed.
    NotRun,
}

impl fmt::Display for ProveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ProveError::Blinded { path, .. } => {
                write!(
                    f,
                    "the subtrie at '{path}' is blinded: only its hash is known"
                )
            }
            ProveError::NotRun => f.write_str("the fold was not run"),
        }
    }
}

impl core::error::Error for ProveError {}

/// Why a proof shows neither a key's value nor that there is none. The fault of the peer that made
/// it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProofFault {
    /// The proof lacks the node at this path.
    MissingNode(Path),
    /// The node at this path has the right hash but is not a trie node.
    BadNode(Path, NodeError),
    /// The node at this path leads further than the 64 nibbles of a key, or is a leaf with fewer.
    BadDepth(Path),
}

impl fmt::Display for ProofFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ProofFault::MissingNode(path) => write!(f, "the proof lacks the node at '{path}'"),
            ProofFault::BadNode(path, error) => write!(f, "the node at '{path}': {error}"),
            ProofFault::BadDepth(path) => write!(f, "the node at '{path}' ends at the wrong depth"),
        }
    }
}

impl core::error::Error for ProofFault {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            ProofFault::BadNode(_, error) => Some(error),
            _ => None,
        }
    }
}

/// Proves what is under `key` in a fold that was run as [`Root::Trie`](super::fold::Root::Trie).
///
/// Returns the RLP of the nodes along the key's path, from the root down; at most 65. The last one
/// is the leaf, or the node that shows that there is none. Embedded nodes stand inside their
/// parents and are not listed. The proof of the empty trie has no nodes.
///
/// # Errors
/// [`ProveError::Blinded`] if the path leads into a blinded subtrie; [`ProveError::NotRun`] if the
/// fold was not run.
pub fn prove(fold: &Fold, key: &Hash) -> Result<Vec<Vec<u8>>, ProveError> {
    let mut proof = Vec::new();
    prove_into(fold, key, &mut proof)?;
    Ok(proof)
}

/// As [`prove`], for a proof that begins in other folds: adds this fold's nodes to `proof`, and so
/// may be called for one fold after the other, from the root down. The fold of a subtrie is run as
/// [`Root::Child`](super::fold::Root::Child) at the depth of its top branch. If the path leads into
/// a blinded subtrie, the nodes above that are added before the error is returned.
///
/// # Errors
/// As [`prove`].
pub fn prove_into(fold: &Fold, key: &Hash, proof: &mut Vec<Vec<u8>>) -> Result<(), ProveError> {
    if let Some(last) = fold.len().checked_sub(1)
        && fold.leaf_ref(last).is_none()
    {
        return Err(ProveError::NotRun);
    }
    let mut nodes = Nodes {
        proof,
        buffer: NodeBuffer::new(),
    };
    let mut next = match fold.branches().len() {
        0 if fold.is_empty() => return Ok(()),
        0 => ChildOf::Entry(0),
        n => ChildOf::Branch(n as u32 - 1),
    };
    loop {
        match next {
            ChildOf::Entry(entry) => {
                let entry = entry as usize;
                let path = fold.path(entry);
                if fold.write_entry(entry, &mut nodes.buffer) {
                    nodes.keep();
                }
                if !fold.is_leaf(entry) && path.covers(key) {
                    return Err(ProveError::Blinded { entry, path });
                }
                break;
            }
            ChildOf::Branch(index) => {
                let branch = &fold.branches()[index as usize];
                if branch.has_link() {
                    fold.write_inner(InnerNode::link_above(index), &mut nodes.buffer);
                    nodes.keep();
                }
                let first = fold.path(branch.first as usize).key();
                if common_nibbles(&first, key) < branch.depth {
                    break;
                }
                fold.write_inner(InnerNode::of_branch(index), &mut nodes.buffer);
                nodes.keep();
                let wanted = nibble(key, branch.depth);
                let below = fold.children(index as usize).find(|child| {
                    let first = match *child {
                        ChildOf::Entry(i) => i,
                        ChildOf::Branch(i) => fold.branches()[i as usize].first,
                    };
                    fold.path(first as usize).nibble(branch.depth) == wanted
                });
                match below {
                    Some(child) => next = child,
                    None => break,
                }
            }
        }
    }
    Ok(())
}

/// The proof so far, and the node being written. A path has at most 65 nodes.
struct Nodes<'a> {
    proof: &'a mut Vec<Vec<u8>>,
    buffer: NodeBuffer,
}

impl Nodes<'_> {
    /// Adds the node that was just written, unless it is embedded in the one before.
    fn keep(&mut self) {
        let rlp = self.buffer.rlp();
        if self.proof.is_empty() || rlp.len() >= EMBEDDED_LIMIT {
            self.proof.push(rlp.to_vec());
        }
    }
}

/// Verifies a proof of what is under `key` in the trie with this root. Returns the value, or `None`
/// if the proof shows that there is none.
///
/// `proof` is the RLP of trie nodes, as a set: in any order, repeated, and more than needed. The
/// caller bounds their number; each of them is hashed.
///
/// # Errors
/// A [`ProofFault`] if the proof shows neither.
pub fn verify_proof<'a>(
    root: &Hash,
    key: &Hash,
    proof: &[&'a [u8]],
) -> Result<Option<&'a [u8]>, ProofFault> {
    let nodes: Vec<(Hash, &[u8])> = proof.iter().map(|rlp| (keccak(rlp), *rlp)).collect();
    find_proven(root, key, &|hash| {
        let mut nodes = nodes.iter();
        nodes.find(|(found, _)| found == hash).map(|(_, rlp)| *rlp)
    })
}

/// The same as [`verify_proof`] over nodes that have been hashed: `node` returns the RLP with this
/// Keccak-256 hash, if it is there. So one set of nodes proves many keys, and is hashed once.
///
/// # Errors
/// A [`ProofFault`] if the nodes show neither.
pub fn find_proven<'a>(
    root: &Hash,
    key: &Hash,
    node: &dyn Fn(&Hash) -> Option<&'a [u8]>,
) -> Result<Option<&'a [u8]>, ProofFault> {
    if *root == Hash::EMPTY_ROOT {
        return Ok(None);
    }
    let (mut path, mut child) = (Path::ROOT, Child::Hash(*root));
    loop {
        let rlp = match child {
            Child::Empty => return Ok(None),
            Child::Embedded(rlp) => rlp,
            Child::Hash(hash) => node(&hash).ok_or(ProofFault::MissingNode(path))?,
        };
        let too_deep = ProofFault::BadDepth(path);
        match decode(rlp).map_err(|error| ProofFault::BadNode(path, error))? {
            Node::Leaf { suffix, value } => {
                let leaf = path.join(suffix).filter(Path::is_full).ok_or(too_deep)?;
                return Ok((leaf.key() == *key).then_some(value));
            }
            Node::Extension {
                nibbles,
                child: below,
            } => {
                path = path.join(nibbles).ok_or(too_deep)?;
                if !path.covers(key) {
                    return Ok(None);
                }
                child = below;
            }
            Node::Branch(children) => {
                let taken = nibble(key, path.len());
                path = path.child(taken).ok_or(too_deep)?;
                child = children[usize::from(taken)];
            }
        }
    }
}
