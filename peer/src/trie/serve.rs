//! What is served of a trie besides its leaves: single nodes, and the paths that prove a range.

use super::{Target, Trie, node};
use crate::Hash;
use node::NodeRef;

/// What is found at a path of nibbles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodeAt {
    /// A node that has a hash of its own.
    Node(Vec<u8>),
    /// No node begins there (also: the path ends inside an extension or a leaf).
    Nothing,
    /// A node so short that it is part of its parent.
    Embedded,
}

/// A place on the way down.
#[derive(Debug, Clone, Copy)]
enum Place {
    Leaf { index: usize, depth: usize },
    Extension { branch: usize, depth: usize },
    Branch { branch: usize },
}

impl Trie {
    /// The nodes from the root towards `key`, as far as its path goes: they prove what is under it,
    /// or that nothing is. Nodes embedded in their parents are not listed. Nothing for an empty trie.
    #[must_use]
    pub fn path_to(&self, key: &Hash) -> Vec<Vec<u8>> {
        let nibbles = nibbles(key);
        let mut path = Vec::new();
        let mut next = self.start();
        while let Some(place) = next {
            let rlp = self.encode(place);
            if rlp.len() >= 32 || self.depth(place) == 0 {
                path.push(rlp);
            }
            next = self.step(place, &nibbles);
        }
        path
    }

    /// A range's proof: the path to `origin`, then what the path to `last` adds.
    #[must_use]
    pub fn prove(&self, origin: &Hash, last: Option<&Hash>) -> Vec<Vec<u8>> {
        let mut proof = self.path_to(origin);
        if let Some(last) = last {
            // Two paths are the same as far as they go together and never meet again.
            let tail = self.path_to(last);
            let shared = proof.iter().zip(&tail).take_while(|(a, b)| a == b).count();
            proof.extend(tail.into_iter().skip(shared));
        }
        proof
    }

    /// The node at a path, which is any number of nibbles. What is no nibble leads nowhere.
    #[must_use]
    pub fn node_at(&self, path: &[u8]) -> NodeAt {
        let mut next = self.start();
        while let Some(place) = next {
            if self.depth(place) == path.len() {
                let rlp = self.encode(place);
                return if rlp.len() >= 32 || path.is_empty() {
                    NodeAt::Node(rlp)
                } else {
                    NodeAt::Embedded
                };
            }
            next = self.step(place, path);
        }
        NodeAt::Nothing
    }

    /// The depths at which nodes with a hash of their own are on the way to a path, but for the root
    /// and the node at the path itself.
    #[must_use]
    pub fn hashed_above(&self, path: &[u8]) -> Vec<usize> {
        let mut depths = Vec::new();
        let mut next = self.start();
        while let Some(place) = next {
            let depth = self.depth(place);
            if depth == path.len() {
                break;
            }
            if depth > 0 && self.encode(place).len() >= 32 {
                depths.push(depth);
            }
            next = self.step(place, path);
        }
        depths
    }

    /// Every node with a hash of its own, in no particular order: a proof of far too much.
    #[must_use]
    pub fn all_nodes(&self) -> Vec<Vec<u8>> {
        let mut nodes = Vec::new();
        let mut waiting: Vec<Place> = self.start().into_iter().collect();
        while let Some(place) = waiting.pop() {
            let rlp = self.encode(place);
            if rlp.len() >= 32 || self.depth(place) == 0 {
                nodes.push(rlp);
            }
            match place {
                Place::Leaf { .. } => {}
                Place::Extension { branch, .. } => waiting.push(Place::Branch { branch }),
                Place::Branch { branch } => {
                    let depth = self.depth(place) + 1;
                    let children = self.branches[branch].children.iter().rev();
                    waiting
                        .extend(children.filter_map(|child| Some(self.place(child.get()?, depth))));
                }
            }
        }
        nodes
    }

    fn start(&self) -> Option<Place> {
        Some(self.place(self.top.get()?, 0))
    }

    /// A child under `depth` nibbles: an extension first, if the branch lies deeper.
    fn place(&self, target: Target, depth: usize) -> Place {
        match target {
            Target::Leaf(index) => Place::Leaf { index, depth },
            Target::Branch(branch) if usize::from(self.branches[branch].depth) > depth => {
                Place::Extension { branch, depth }
            }
            Target::Branch(branch) => Place::Branch { branch },
        }
    }

    fn depth(&self, place: Place) -> usize {
        match place {
            Place::Leaf { depth, .. } | Place::Extension { depth, .. } => depth,
            Place::Branch { branch } => usize::from(self.branches[branch].depth),
        }
    }

    /// The next node towards `path`, if there is one and the path is long enough to reach it.
    fn step(&self, place: Place, path: &[u8]) -> Option<Place> {
        match place {
            Place::Leaf { .. } => None,
            Place::Extension { branch, depth } => {
                let to = &self.branches[branch];
                let key = self.key(to.first as usize);
                let mut between = depth..usize::from(to.depth);
                between
                    .all(|index| path.get(index) == Some(&node::nibble(key, index)))
                    .then_some(Place::Branch { branch })
            }
            Place::Branch { branch } => {
                let branch = &self.branches[branch];
                let depth = usize::from(branch.depth);
                let child = branch.children.get(usize::from(*path.get(depth)?))?;
                Some(self.place(child.get()?, depth + 1))
            }
        }
    }

    fn encode(&self, place: Place) -> Vec<u8> {
        let mut out = Vec::with_capacity(532);
        match place {
            Place::Leaf { index, depth } => self.leaves.put_node(index, depth, &mut out),
            Place::Branch { branch } => self.put_branch(branch, &mut out),
            Place::Extension { branch, depth } => {
                // Branches remember only the reference of the extension above them. Extensions
                // are rare enough to hash the branch again.
                self.put_branch(branch, &mut out);
                let reference = NodeRef::of(&out);
                let to = &self.branches[branch];
                let key = self.key(to.first as usize);
                node::put_extension(key, depth, usize::from(to.depth), &reference, &mut out);
            }
        }
        out
    }

    fn put_branch(&self, branch: usize, out: &mut Vec<u8>) {
        let references = self.branches[branch].children.map(|child| {
            Some(match child.get()? {
                Target::Leaf(index) => self.leaf_refs[index],
                Target::Branch(index) => self.branches[index].reference,
            })
        });
        node::put_branch(&references, out);
    }
}

fn nibbles(key: &Hash) -> [u8; 64] {
    std::array::from_fn(|index| node::nibble(key, index))
}
