//! A trie that shares nodes with the tries it was made from. After a change of a few leaves, only
//! the nodes above them are new.

use super::{
    Kind, Range, Take, Trie,
    flat::Flat,
    leaf::Leaf,
    node::{self, NodeRef},
    serve::{Nodes, Target},
};
use crate::{EMPTY_ROOT, Hash};
use std::sync::Arc;

mod handle;
mod tally;
#[cfg(test)]
mod tests;
pub(super) use handle::Handle;
pub(crate) use tally::Tally;

/// A trie with keys of 32 bytes. Clones share its nodes.
#[derive(Debug, Clone)]
pub(super) struct Live {
    top: Option<Arc<Node>>,
}

/// A node, together with the extension above it if there is one.
#[derive(Debug)]
struct Node {
    /// How many nibbles are above it: where its parent ends.
    at: u8,
    /// How its parent refers to it.
    reference: NodeRef,
    body: Body,
}

#[derive(Debug)]
enum Body {
    Leaf(Leaf),
    Branch(Box<Branch>),
}

#[derive(Debug)]
pub(super) struct Branch {
    /// How many nibbles are above it. More than `at` of its node if an extension is between them.
    depth: u8,
    /// Any key that begins with these nibbles.
    key: Hash,
    /// How many leaves are below it.
    leaves: usize,
    /// How many slots belong to those leaves.
    slots: u64,
    /// At least two.
    children: Children,
}

type Children = [Option<Arc<Node>>; 16];

/// A change of one leaf.
#[derive(Debug)]
pub(crate) struct Edit {
    /// The leaf's key.
    pub(crate) key: Hash,
    /// The new leaf, which has this key. `None` removes the leaf.
    pub(crate) leaf: Option<Leaf>,
}

impl Live {
    /// Makes the same trie from a flat one, without hashing anything again.
    pub(super) fn of(flat: &Flat, storage: &dyn Fn(&Hash) -> Option<Trie>) -> Live {
        let top = flat.top().map(|top| thaw(&flat, storage, top, 0));
        Live { top }
    }

    /// The trie after some edits. They are sorted by key, and each key occurs once.
    pub(super) fn edited(&self, edits: &[Edit]) -> Live {
        let top = edit(self.top.as_ref(), 0, edits, &mut Vec::new());
        Live { top }
    }

    pub(super) fn root(&self) -> Hash {
        self.top
            .as_ref()
            .map_or(EMPTY_ROOT, |top| top.reference.root())
    }

    pub(super) fn len(&self) -> usize {
        self.top.as_ref().map_or(0, |top| top.leaves())
    }

    pub(super) fn slots(&self) -> u64 {
        self.top.as_ref().map_or(0, |top| top.slots())
    }

    pub(super) fn get(&self, key: &Hash) -> Option<&Leaf> {
        find(self.top.as_ref(), key)
    }

    pub(super) fn nth(&self, index: usize) -> Option<&Hash> {
        self.leaf_at(index as u64, |node| node.leaves() as u64)
    }

    pub(super) fn with_slot(&self, index: u64) -> Option<&Hash> {
        self.leaf_at(index, Node::slots)
    }

    /// The leaf that the thing with this index belongs to. `count` says how many belong to a node.
    fn leaf_at(&self, mut index: u64, count: impl Fn(&Node) -> u64) -> Option<&Hash> {
        let mut node = self.top.as_ref()?;
        'down: loop {
            let branch = match &node.body {
                Body::Leaf(leaf) => return (index < count(node)).then(|| leaf.key()),
                Body::Branch(branch) => branch,
            };
            for child in branch.children.iter().flatten() {
                let below = count(child);
                if index < below {
                    node = child;
                    continue 'down;
                }
                index -= below;
            }
            return None;
        }
    }

    pub(super) fn iter_from(&self, origin: &Hash) -> Iter<'_> {
        Iter::from(self.top.as_deref(), origin)
    }

    pub(super) fn range(
        &self,
        origin: &Hash,
        mut take: impl FnMut(&Hash, &[u8]) -> Take,
    ) -> Range<'_> {
        let mut range = Range::default();
        for leaf in self.iter_from(origin) {
            let take = take(leaf.key(), leaf.value());
            if !matches!(take, Take::No) {
                range.items.push(leaf.item());
                range.last = Some(leaf.key());
            }
            if !matches!(take, Take::Yes) {
                break;
            }
        }
        range
    }
}

/// The leaf with this key below a node.
fn find<'a>(mut node: Option<&'a Arc<Node>>, key: &Hash) -> Option<&'a Leaf> {
    loop {
        match &node?.body {
            Body::Leaf(leaf) => return (leaf.key() == key).then_some(leaf),
            Body::Branch(branch) => {
                let nibble = node::nibble(key, usize::from(branch.depth));
                node = branch.children[usize::from(nibble)].as_ref();
            }
        }
    }
}

fn thaw(
    flat: &&Flat,
    storage: &dyn Fn(&Hash) -> Option<Trie>,
    target: Target<usize, usize>,
    at: usize,
) -> Arc<Node> {
    let body = match target {
        Target::Leaf(index) => {
            let leaf = Leaf::of_item(flat.kind(), flat.item(index));
            let storage = match flat.kind() {
                Kind::Accounts => storage(leaf.key()).map(Arc::new),
                Kind::Slots => None,
            };
            Body::Leaf(leaf.with_storage(storage))
        }
        Target::Branch(index) => {
            let depth = flat.branch_depth(index);
            let children = std::array::from_fn(|nibble| {
                let child = flat.child(index, nibble as u8)?;
                Some(thaw(flat, storage, child, depth + 1))
            });
            Body::Branch(Box::new(Branch::new(
                depth,
                *flat.branch_key(index),
                children,
            )))
        }
    };
    Arc::new(Node {
        at: at as u8,
        reference: flat.reference(target),
        body,
    })
}

/// The subtrie after some edits. Its keys and those of all edits share `at` nibbles.
fn edit(
    node: Option<&Arc<Node>>,
    at: usize,
    edits: &[Edit],
    scratch: &mut Vec<u8>,
) -> Option<Arc<Node>> {
    let Some(node) = node else {
        return grow(&put(edits), at, scratch);
    };
    let (Some(first), Some(last)) = (edits.first(), edits.last()) else {
        return Some(moved(node, at, scratch));
    };
    match &node.body {
        Body::Leaf(leaf) => {
            let mut leaves = put(edits);
            match edits.binary_search_by(|edit| edit.key.cmp(leaf.key())) {
                Ok(_) if matches!(leaves[..], [new] if new.item() == leaf.item()) => {
                    return Some(moved(node, at, scratch));
                }
                Ok(_) => {}
                Err(_) => {
                    let place = leaves.partition_point(|other| other.key() < leaf.key());
                    leaves.insert(place, leaf);
                }
            }
            grow(&leaves, at, scratch)
        }
        Body::Branch(branch) => {
            let depth = usize::from(branch.depth);
            let together = |key| node::common_nibbles(&branch.key, key);
            let split = together(&first.key).min(together(&last.key)).min(depth);
            let mut children: Children = if split == depth {
                branch.children.clone()
            } else {
                // Some edits' keys do not have the nibbles above the branch.
                let mut children = Children::default();
                children[usize::from(node::nibble(&branch.key, split))] = Some(Arc::clone(node));
                children
            };
            let mut changed = false;
            for (nibble, group) in groups(edits, |edit| &edit.key, split) {
                let child = &mut children[usize::from(nibble)];
                let new = edit(child.as_ref(), split + 1, group, scratch);
                changed |= match (&child, &new) {
                    (Some(old), Some(new)) => !Arc::ptr_eq(old, new),
                    (None, None) => false,
                    _ => true,
                };
                *child = new;
            }
            if changed {
                join(children, at, split, scratch)
            } else {
                Some(moved(node, at, scratch))
            }
        }
    }
}

/// The leaves that edits set.
fn put(edits: &[Edit]) -> Vec<&Leaf> {
    edits.iter().filter_map(|edit| edit.leaf.as_ref()).collect()
}

/// The subtrie of some leaves, whose keys share `at` nibbles.
fn grow(leaves: &[&Leaf], at: usize, scratch: &mut Vec<u8>) -> Option<Arc<Node>> {
    let ([first, ..], [.., last]) = (leaves, leaves) else {
        return None;
    };
    if leaves.len() == 1 {
        return Some(leaf_node(first, at, scratch));
    }
    let split = node::common_nibbles(first.key(), last.key());
    let mut children = Children::default();
    for (nibble, group) in groups(leaves, |leaf| leaf.key(), split) {
        children[usize::from(nibble)] = grow(group, split + 1, scratch);
    }
    join(children, at, split, scratch)
}

/// A branch at `split` nibbles. With fewer than two children it is the only child, or nothing.
fn join(
    mut children: Children,
    at: usize,
    split: usize,
    scratch: &mut Vec<u8>,
) -> Option<Arc<Node>> {
    let count = children.iter().flatten().count();
    if count < 2 {
        let child = children.into_iter().flatten().next()?;
        return Some(moved(&child, at, scratch));
    }
    for child in children.iter_mut().flatten() {
        *child = moved(child, split + 1, scratch);
    }
    let key = *children.iter().flatten().next()?.key();
    let branch = Branch::new(split, key, children);
    Some(branch_node(branch, at, scratch))
}

/// The same subtrie below another number of nibbles.
fn moved(node: &Arc<Node>, at: usize, scratch: &mut Vec<u8>) -> Arc<Node> {
    match &node.body {
        _ if usize::from(node.at) == at => Arc::clone(node),
        Body::Leaf(leaf) => leaf_node(leaf, at, scratch),
        Body::Branch(branch) => {
            let (depth, children) = (usize::from(branch.depth), branch.children.clone());
            branch_node(Branch::new(depth, branch.key, children), at, scratch)
        }
    }
}

fn leaf_node(leaf: &Leaf, at: usize, scratch: &mut Vec<u8>) -> Arc<Node> {
    leaf.put_node(at, scratch);
    Arc::new(Node {
        at: at as u8,
        reference: NodeRef::of(scratch),
        body: Body::Leaf(leaf.clone()),
    })
}

fn branch_node(branch: Branch, at: usize, scratch: &mut Vec<u8>) -> Arc<Node> {
    branch.put_node(scratch);
    let mut reference = NodeRef::of(scratch);
    if usize::from(branch.depth) > at {
        branch.put_extension(at, &reference, scratch);
        reference = NodeRef::of(scratch);
    }
    Arc::new(Node {
        at: at as u8,
        reference,
        body: Body::Branch(Box::new(branch)),
    })
}

/// Groups sorted things by their keys' nibble at `depth`.
fn groups<T>(
    mut rest: &[T],
    key: impl Fn(&T) -> &Hash,
    depth: usize,
) -> impl Iterator<Item = (u8, &[T])> {
    std::iter::from_fn(move || {
        let nibble = node::nibble(key(rest.first()?), depth);
        let len = rest.partition_point(|item| node::nibble(key(item), depth) == nibble);
        let (group, others) = rest.split_at(len);
        rest = others;
        Some((nibble, group))
    })
}

impl Node {
    /// Any key below it.
    fn key(&self) -> &Hash {
        match &self.body {
            Body::Leaf(leaf) => leaf.key(),
            Body::Branch(branch) => &branch.key,
        }
    }

    fn leaves(&self) -> usize {
        match &self.body {
            Body::Leaf(_) => 1,
            Body::Branch(branch) => branch.leaves,
        }
    }

    fn slots(&self) -> u64 {
        match &self.body {
            Body::Leaf(leaf) => leaf.slots(),
            Body::Branch(branch) => branch.slots,
        }
    }
}

impl Branch {
    fn new(depth: usize, key: Hash, children: Children) -> Branch {
        let below = || children.iter().flatten();
        Branch {
            depth: depth as u8,
            key,
            leaves: below().map(|child| child.leaves()).sum(),
            slots: below().map(|child| child.slots()).sum(),
            children,
        }
    }

    fn put_node(&self, out: &mut Vec<u8>) {
        let references = std::array::from_fn(|nibble| {
            let child = self.children[nibble].as_ref()?;
            Some(child.reference)
        });
        node::put_branch(&references, out);
    }

    /// The extension above it, whose parent ends at `at` nibbles.
    fn put_extension(&self, at: usize, reference: &NodeRef, out: &mut Vec<u8>) {
        node::put_extension(&self.key, at, usize::from(self.depth), reference, out);
    }
}

impl<'a> Nodes for &'a Live {
    type Leaf = &'a Leaf;
    type Branch = &'a Branch;

    fn top(&self) -> Option<Target<&'a Leaf, &'a Branch>> {
        self.top.as_deref().map(target)
    }

    fn child(&self, branch: &'a Branch, nibble: u8) -> Option<Target<&'a Leaf, &'a Branch>> {
        branch.children[usize::from(nibble)].as_deref().map(target)
    }

    fn branch_depth(&self, branch: &'a Branch) -> usize {
        usize::from(branch.depth)
    }

    fn branch_key(&self, branch: &'a Branch) -> &Hash {
        &branch.key
    }

    fn put_leaf(&self, leaf: &'a Leaf, depth: usize, out: &mut Vec<u8>) {
        leaf.put_node(depth, out);
    }

    fn put_branch(&self, branch: &'a Branch, out: &mut Vec<u8>) {
        branch.put_node(out);
    }
}

fn target(node: &Node) -> Target<&Leaf, &Branch> {
    match &node.body {
        Body::Leaf(leaf) => Target::Leaf(leaf),
        Body::Branch(branch) => Target::Branch(branch),
    }
}

/// An iterator over the leaves in order.
pub(super) struct Iter<'a> {
    /// The branches above the next leaf, each with its next child.
    above: Vec<(&'a Branch, u8)>,
    next: Option<&'a Leaf>,
}

impl<'a> Iter<'a> {
    fn from(mut node: Option<&'a Node>, origin: &Hash) -> Iter<'a> {
        let mut iter = Iter {
            above: Vec::new(),
            next: None,
        };
        while let Some(Node { body, .. }) = node {
            match body {
                Body::Leaf(leaf) => {
                    iter.next = (leaf.key() >= origin).then_some(leaf);
                    break;
                }
                Body::Branch(branch) => {
                    let depth = usize::from(branch.depth);
                    if node::common_nibbles(&branch.key, origin) < depth {
                        // All of it is on one side of the origin.
                        if branch.key > *origin {
                            iter.above.push((branch, 0));
                        }
                        break;
                    }
                    let nibble = node::nibble(origin, depth);
                    iter.above.push((branch, nibble + 1));
                    node = branch.children[usize::from(nibble)].as_deref();
                }
            }
        }
        iter
    }
}

impl<'a> Iterator for Iter<'a> {
    type Item = &'a Leaf;

    fn next(&mut self) -> Option<&'a Leaf> {
        if let Some(leaf) = self.next.take() {
            return Some(leaf);
        }
        while let Some((branch, nibble)) = self.above.last_mut() {
            let Some(child) = branch.children.get(usize::from(*nibble)) else {
                self.above.pop();
                continue;
            };
            *nibble += 1;
            match child.as_deref().map(|node| &node.body) {
                None => {}
                Some(Body::Leaf(leaf)) => return Some(leaf),
                Some(Body::Branch(branch)) => self.above.push((branch, 0)),
            }
        }
        None
    }
}
