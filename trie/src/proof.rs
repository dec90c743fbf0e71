//! Proofs of one key: the nodes along its path, as EIP-1186 (`eth_getProof`) returns them.

use core::fmt;

use super::encode::NodeBuffer;
use super::fold::{ChildOf, EntryItem, Fold};
use super::keccak::keccak;
use super::node::{Child, EMBEDDED_LIMIT, Node, NodeError, decode};
use super::path::{Path, common_nibbles, nibble};
use super::shape::InnerNode;
use crate::hash::Hash;

/// The key's path leads into a subtrie that is known by its hash only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blinded {
    /// The entry.
    pub entry: usize,
    /// Its path.
    pub path: Path,
}

impl fmt::Display for Blinded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "nothing is known below '{}'", self.path)
    }
}

impl core::error::Error for Blinded {}

/// Why a proof shows neither a key's value nor its absence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProofFault {
    /// The node at this path is not in the proof.
    MissingNode(Path),
    /// The node at this path hashes right but is no trie node.
    BadNode(Path, NodeError),
    /// The node at this path leads past, or its leaf ends before, the 64 nibbles of a key.
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

impl core::error::Error for ProofFault {}

/// The nodes along the path of `key`, from the root on, out of a fold that was run as a whole trie. They end with the leaf,
/// or with the node that shows that there is none; embedded nodes stand inside their parents. The empty trie has none.
///
/// # Errors
/// [`Blinded`] if the path leads into an entry that is known by its hash only.
pub fn prove(fold: &Fold, key: &Hash) -> Result<Vec<Vec<u8>>, Blinded> {
    let mut nodes = Nodes {
        proof: Vec::new(),
        buffer: NodeBuffer::new(),
    };
    let mut next = match fold.branches().len() {
        0 if fold.is_empty() => return Ok(nodes.proof),
        0 => ChildOf::Entry(0),
        n => ChildOf::Branch(n as u32 - 1),
    };
    loop {
        match next {
            ChildOf::Entry(entry) => {
                let entry = entry as usize;
                let path = fold.path(entry);
                if matches!(fold.item(entry), Some(EntryItem::Ref(_))) && path.covers(key) {
                    return Err(Blinded { entry, path });
                }
                if fold.write_entry(entry, &mut nodes.buffer) {
                    nodes.keep();
                }
                break;
            }
            ChildOf::Branch(index) => {
                let Some(branch) = fold.branches().get(index as usize) else {
                    break;
                };
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
                        ChildOf::Branch(i) => {
                            fold.branches().get(i as usize).map_or(0, |b| b.first)
                        }
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
    Ok(nodes.proof)
}

struct Nodes {
    proof: Vec<Vec<u8>>,
    buffer: NodeBuffer,
}

impl Nodes {
    /// Adds the node just written, unless it stands inside the one before.
    fn keep(&mut self) {
        let rlp = self.buffer.rlp();
        if self.proof.is_empty() || rlp.len() >= EMBEDDED_LIMIT {
            self.proof.push(rlp.to_vec());
        }
    }
}

/// The value under `key` in the trie with this root, or `None` where the proof shows that there is none. `proof`: raw nodes, as
/// a set.
pub fn verify_proof<'a>(
    root: &Hash,
    key: &Hash,
    proof: &[&'a [u8]],
) -> Result<Option<&'a [u8]>, ProofFault> {
    if *root == Hash::EMPTY_ROOT {
        return Ok(None);
    }
    let nodes: Vec<(Hash, &[u8])> = proof.iter().map(|rlp| (keccak(rlp), *rlp)).collect();
    let (mut path, mut child) = (Path::ROOT, Child::Hash(*root));
    loop {
        let rlp = match child {
            Child::Empty => return Ok(None),
            Child::Embedded(rlp) => rlp,
            Child::Hash(hash) => nodes
                .iter()
                .find(|(found, _)| *found == hash)
                .map(|(_, rlp)| *rlp)
                .ok_or(ProofFault::MissingNode(path))?,
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
                child = children
                    .get(usize::from(taken))
                    .copied()
                    .unwrap_or(Child::Empty);
            }
        }
    }
}
