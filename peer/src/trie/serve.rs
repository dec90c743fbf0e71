//! What a trie serves besides its leaves: single nodes, and the paths that prove a range. It is the
//! same for both forms of a trie.

use super::node::{self, NodeRef};
use crate::Hash;

/// What is at a path of nibbles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodeAt {
    /// A node with a hash of its own.
    Node(Vec<u8>),
    /// No node begins there, for example because the path ends inside an extension or a leaf.
    Nothing,
    /// A node so short that it is embedded in its parent.
    Embedded,
}

/// A child of a branch: a leaf or another branch.
#[derive(Debug, Clone, Copy)]
pub(super) enum Target<L, B> {
    Leaf(L),
    Branch(B),
}

/// A trie's leaves and branches. There is an extension where a branch is not directly below its
/// parent.
pub(super) trait Nodes {
    type Leaf: Copy;
    type Branch: Copy;
    /// `None` for an empty trie.
    fn top(&self) -> Option<Target<Self::Leaf, Self::Branch>>;
    /// `nibble` < 16.
    fn child(&self, branch: Self::Branch, nibble: u8) -> Option<Target<Self::Leaf, Self::Branch>>;
    /// How many nibbles are above it.
    fn branch_depth(&self, branch: Self::Branch) -> usize;
    /// Any key that begins with these nibbles.
    fn branch_key(&self, branch: Self::Branch) -> &Hash;
    /// Writes the RLP of a leaf below `depth` nibbles into `out`, which is emptied first.
    fn put_leaf(&self, leaf: Self::Leaf, depth: usize, out: &mut Vec<u8>);
    /// Writes the RLP of a branch into `out`, which is emptied first.
    fn put_branch(&self, branch: Self::Branch, out: &mut Vec<u8>);
}

/// A place on the way from the root down.
#[derive(Debug, Clone, Copy)]
enum Place<L, B> {
    Leaf { leaf: L, depth: usize },
    Extension { branch: B, depth: usize },
    Branch { branch: B },
}

type PlaceIn<N> = Place<<N as Nodes>::Leaf, <N as Nodes>::Branch>;

/// See [`super::Trie::path_to`].
pub(super) fn path_to<N: Nodes>(trie: &N, key: &Hash) -> Vec<Vec<u8>> {
    let nibbles: [u8; 64] = std::array::from_fn(|index| node::nibble(key, index));
    let mut path = Vec::new();
    let mut next = start(trie);
    while let Some(place) = next {
        let rlp = encode(trie, place);
        if rlp.len() >= 32 || depth(trie, place) == 0 {
            path.push(rlp);
        }
        next = step(trie, place, &nibbles);
    }
    path
}

/// See [`super::Trie::node_at`].
pub(super) fn node_at<N: Nodes>(trie: &N, path: &[u8]) -> NodeAt {
    let mut next = start(trie);
    while let Some(place) = next {
        if depth(trie, place) == path.len() {
            let rlp = encode(trie, place);
            return if rlp.len() >= 32 || path.is_empty() {
                NodeAt::Node(rlp)
            } else {
                NodeAt::Embedded
            };
        }
        next = step(trie, place, path);
    }
    NodeAt::Nothing
}

/// See [`super::Trie::hashed_above`].
pub(super) fn hashed_above<N: Nodes>(trie: &N, path: &[u8]) -> Vec<usize> {
    let mut depths = Vec::new();
    let mut next = start(trie);
    while let Some(place) = next {
        let at = depth(trie, place);
        if at == path.len() {
            break;
        }
        if at > 0 && encode(trie, place).len() >= 32 {
            depths.push(at);
        }
        next = step(trie, place, path);
    }
    depths
}

/// See [`super::Trie::all_nodes`].
pub(super) fn all_nodes<N: Nodes>(trie: &N) -> Vec<Vec<u8>> {
    let mut nodes = Vec::new();
    let mut waiting: Vec<PlaceIn<N>> = start(trie).into_iter().collect();
    while let Some(place) = waiting.pop() {
        let rlp = encode(trie, place);
        if rlp.len() >= 32 || depth(trie, place) == 0 {
            nodes.push(rlp);
        }
        match place {
            Place::Leaf { .. } => {}
            Place::Extension { branch, .. } => waiting.push(Place::Branch { branch }),
            Place::Branch { branch } => {
                let depth = depth(trie, place) + 1;
                let children = (0..16)
                    .rev()
                    .filter_map(|nibble| trie.child(branch, nibble));
                waiting.extend(children.map(|child| place_of(trie, child, depth)));
            }
        }
    }
    nodes
}

fn start<N: Nodes>(trie: &N) -> Option<PlaceIn<N>> {
    Some(place_of(trie, trie.top()?, 0))
}

/// A child below `depth` nibbles. It is an extension if the branch is deeper.
fn place_of<N: Nodes>(trie: &N, target: Target<N::Leaf, N::Branch>, depth: usize) -> PlaceIn<N> {
    match target {
        Target::Leaf(leaf) => Place::Leaf { leaf, depth },
        Target::Branch(branch) if trie.branch_depth(branch) > depth => {
            Place::Extension { branch, depth }
        }
        Target::Branch(branch) => Place::Branch { branch },
    }
}

fn depth<N: Nodes>(trie: &N, place: PlaceIn<N>) -> usize {
    match place {
        Place::Leaf { depth, .. } | Place::Extension { depth, .. } => depth,
        Place::Branch { branch } => trie.branch_depth(branch),
    }
}

/// The next node towards `path`, if there is one and the path reaches it.
fn step<N: Nodes>(trie: &N, place: PlaceIn<N>, path: &[u8]) -> Option<PlaceIn<N>> {
    match place {
        Place::Leaf { .. } => None,
        Place::Extension { branch, depth } => {
            let key = trie.branch_key(branch);
            let mut between = depth..trie.branch_depth(branch);
            between
                .all(|index| path.get(index) == Some(&node::nibble(key, index)))
                .then_some(Place::Branch { branch })
        }
        Place::Branch { branch } => {
            let depth = trie.branch_depth(branch);
            let nibble = path.get(depth).filter(|nibble| **nibble < 16)?;
            Some(place_of(trie, trie.child(branch, *nibble)?, depth + 1))
        }
    }
}

fn encode<N: Nodes>(trie: &N, place: PlaceIn<N>) -> Vec<u8> {
    let mut out = Vec::with_capacity(532);
    match place {
        Place::Leaf { leaf, depth } => trie.put_leaf(leaf, depth, &mut out),
        Place::Branch { branch } => trie.put_branch(branch, &mut out),
        Place::Extension { branch, depth } => {
            // A branch only remembers the reference of the extension above it. Extensions are rare,
            // so the branch is hashed again.
            trie.put_branch(branch, &mut out);
            let reference = NodeRef::of(&out);
            let (key, to) = (trie.branch_key(branch), trie.branch_depth(branch));
            node::put_extension(key, depth, to, &reference, &mut out);
        }
    }
    out
}
