//! Range verification: checks that a peer's leaves, with the proof of their edges, fold to the
//! root.
//!
//! The proof is read from the root down. What it shows left of the origin and right of the last
//! leaf becomes blinded entries. **Inside the range only delivered leaves count.** So the fold
//! shows whether leaves are missing, and a peer cannot hide a dropped leaf behind its hash. Proof
//! nodes that are not reached this way are ignored, and those that no path needs are counted.

use core::cmp::Ordering;
use core::fmt;
use core::ops::Range;

use super::fold::{Fold, FoldError, Root};
use super::keccak::keccak_pair;
use super::node::{Child, Node, NodeError, decode};
use super::path::Path;
use crate::hash::{Hash, compare_keys};

/// A proven range. Only [`verify_accounts`] and [`verify_slots`] make one.
///
/// It borrows the fold that they were given, so the fold cannot change while the range is in use.
#[derive(Clone)]
pub struct VerifiedRange<'f> {
    fold: &'f Fold,
    root: Hash,
    delivered: Range<usize>,
    more: bool,
    surplus_nodes: usize,
}

impl<'f> VerifiedRange<'f> {
    /// What has been proven, in key order: what the proof shows left of the origin, the delivered
    /// leaves, and what the proof shows right of the last one.
    pub fn fold(&self) -> &'f Fold {
        self.fold
    }

    /// The root that the range is proven against.
    pub fn root(&self) -> Hash {
        self.root
    }

    /// The indexes of the delivered leaves among the fold's entries.
    pub fn delivered(&self) -> Range<usize> {
        self.delivered.clone()
    }

    /// Whether the trie has anything right of the last delivered leaf.
    pub fn more(&self) -> bool {
        self.more
    }

    /// How many nodes of the proof no path needs. The paths are those to the origin, to the first
    /// delivered key and to the last one. Each of their nodes may come twice: some servers send two
    /// proofs one after the other.
    ///
    /// A number of up to [`MAX_SURPLUS_NODES`] is an upper bound.
    pub fn surplus_nodes(&self) -> usize {
        self.surplus_nodes
    }
}

impl fmt::Debug for VerifiedRange<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifiedRange")
            .field("root", &self.root)
            .field("delivered", &self.delivered)
            .field("more", &self.more)
            .finish_non_exhaustive()
    }
}

/// Which rule an answer breaks. All of them are the peer's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RangeFault {
    /// The key at this index does not come after the one before.
    Unsorted(usize),
    /// The first key is before the origin that was asked for.
    BeforeOrigin,
    /// The leaf at this index has no value, which no leaf of a trie lacks.
    EmptyValue(usize),
    /// The value at this index is longer than any value of the state, or not a slim account.
    BadValue(usize),
    /// The proof lacks the node at this path, which lies on the edge of the range.
    MissingNode(Path),
    /// The node at this path has the right hash but is not a trie node.
    BadNode(Path, NodeError),
    /// The node at this path leads further than the 64 nibbles of a key, or is a leaf with fewer.
    BadDepth(Path),
    /// No leaves were delivered, but the proof shows something at or after the origin, at this
    /// path.
    NotEmpty(Path),
    /// Leaves and proof do not fold to the root: leaves are missing, added or changed.
    RootMismatch {
        /// The hash that they fold to.
        got: Hash,
    },
    /// The answer has more entries than a fold takes.
    TooMany,
}

impl fmt::Display for RangeFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RangeFault::Unsorted(i) => write!(f, "key {i} does not come after the one before"),
            RangeFault::BeforeOrigin => f.write_str("the first key is before the origin"),
            RangeFault::EmptyValue(i) => write!(f, "leaf {i} has no value"),
            RangeFault::BadValue(i) => write!(f, "leaf {i} holds no value of the state"),
            RangeFault::MissingNode(path) => write!(f, "the proof lacks the node at '{path}'"),
            RangeFault::BadNode(path, error) => write!(f, "the node at '{path}': {error}"),
            RangeFault::BadDepth(path) => write!(f, "the node at '{path}' ends at the wrong depth"),
            RangeFault::NotEmpty(path) => {
                write!(
                    f,
                    "nothing was delivered, but there is something at '{path}'"
                )
            }
            RangeFault::RootMismatch { got } => write!(f, "the range folds to {got}"),
            RangeFault::TooMany => f.write_str("too many leaves"),
        }
    }
}

impl core::error::Error for RangeFault {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            RangeFault::BadNode(_, error) => Some(error),
            _ => None,
        }
    }
}

/// Verifies a range of accounts against a state root.
///
/// - `origin`: the first key that was asked for.
/// - `leaves`: hashed address and slim body of each account, in key order. The decoder of the
///   answer checks that the bodies are canonical.
/// - `proof`: the RLP of trie nodes, as a set: in any order, repeated, and more than needed. If it
///   is empty, the leaves must be the whole trie. A proof without leaves must show that nothing is
///   at or after the origin.
///
/// On success the range holds `fold`, with the entries and everything derived from them. On a fault
/// the content of `fold` means nothing.
pub fn verify_accounts<'f>(
    fold: &'f mut Fold,
    root: &Hash,
    origin: &Hash,
    leaves: &[(Hash, &[u8])],
    proof: &[&[u8]],
) -> Result<VerifiedRange<'f>, RangeFault> {
    verify(fold, root, origin, leaves, proof, Fold::push_account)
}

/// Verifies a range of one account's storage against its storage root. `leaves` are the hash of
/// each slot and the RLP of its value. Everything else is as in [`verify_accounts`].
pub fn verify_slots<'f>(
    fold: &'f mut Fold,
    root: &Hash,
    origin: &Hash,
    leaves: &[(Hash, &[u8])],
    proof: &[&[u8]],
) -> Result<VerifiedRange<'f>, RangeFault> {
    verify(fold, root, origin, leaves, proof, Fold::push_leaf)
}

fn verify<'f>(
    fold: &'f mut Fold,
    root: &Hash,
    origin: &Hash,
    leaves: &[(Hash, &[u8])],
    proof: &[&[u8]],
    push: fn(&mut Fold, &Hash, &[u8]) -> Result<(), FoldError>,
) -> Result<VerifiedRange<'f>, RangeFault> {
    fold.clear();
    if leaves.first().is_some_and(|(key, _)| key < origin) {
        return Err(RangeFault::BeforeOrigin);
    }
    for (i, pair) in leaves.windows(2).enumerate() {
        // The fold checks this too, but the walk below relies on the last key being the highest.
        if let [(before, _), (key, _)] = pair
            && compare_keys(before, key).0 != Ordering::Less
        {
            return Err(RangeFault::Unsorted(i + 1));
        }
    }
    let (outside, surplus_nodes) = if proof.is_empty() {
        Default::default()
    } else {
        Walk::new(origin, leaves, proof).down_from(root)?
    };

    for part in &outside.left {
        part.push(fold)?;
    }
    let start = fold.len();
    for (i, (key, value)) in leaves.iter().enumerate() {
        if value.is_empty() {
            return Err(RangeFault::EmptyValue(i));
        }
        push(fold, key, value).map_err(|error| match error {
            FoldError::TooMany => RangeFault::TooMany,
            _ => RangeFault::BadValue(i),
        })?;
    }
    let delivered = start..fold.len();
    for part in &outside.right {
        part.push(fold)?;
    }

    match fold.run(Root::Trie) {
        Ok(got) if got == *root => Ok(VerifiedRange {
            fold,
            root: *root,
            delivered,
            more: !outside.right.is_empty(),
            surplus_nodes,
        }),
        Ok(got) => Err(RangeFault::RootMismatch { got }),
        Err(error) => {
            debug_assert!(false, "the fold of a whole trie failed: {error}");
            Err(RangeFault::TooMany)
        }
    }
}

/// What a proof shows outside the range, in key order. At most sixteen parts per proof node.
#[derive(Default)]
struct Outside<'a> {
    left: Vec<Part<'a>>,
    right: Vec<Part<'a>>,
}

/// A subtrie outside the range: blinded, or a leaf with its value.
enum Part<'a> {
    Ref(Path, Hash),
    Leaf(Path, &'a [u8]),
}

impl Part<'_> {
    fn push(&self, fold: &mut Fold) -> Result<(), RangeFault> {
        let (path, pushed) = match self {
            Part::Ref(path, hash) => (path, fold.push_ref(path, hash)),
            Part::Leaf(path, value) => (path, fold.push_leaf(&path.key(), value)),
        };
        pushed.map_err(|error| match error {
            FoldError::TooMany => RangeFault::TooMany,
            // The walk goes in key order, so only the value can be at fault.
            _ => RangeFault::BadNode(*path, NodeError::Value),
        })
    }
}

/// A walk over the proof's nodes, in key order.
struct Walk<'a> {
    /// The range in which only delivered leaves count. Both ends belong to it.
    first: Hash,
    last: Hash,
    /// The first delivered key; `None` if there are no leaves, so nothing may be in the range.
    first_leaf: Option<Hash>,
    nodes: ProofNodes<'a>,
    /// The range is verified: what is left to do is to mark the nodes on the path to this key.
    marks: Option<Hash>,
    outside: Outside<'a>,
}

/// The proof's nodes. `wire` limits their number (to 128), and they are looked up once per level of
/// each edge. That is too few for an index; sorting them would add ten kilobytes to the module.
struct ProofNodes<'a>(Vec<ProofNode<'a>>);

struct ProofNode<'a> {
    hash: Hash,
    rlp: &'a [u8],
    /// A path needs it.
    is_needed: bool,
}

impl<'a> ProofNodes<'a> {
    /// Finds a node, and marks it and its second copy as needed.
    fn take(&mut self, hash: &Hash) -> Option<&'a [u8]> {
        let copies = self.0.iter_mut().filter(|node| node.hash == *hash);
        let mut found = None;
        for node in copies.take(MOST_COPIES) {
            node.is_needed = true;
            found = Some(node.rlp);
        }
        found
    }

    fn surplus(&self) -> usize {
        self.0.iter().filter(|node| !node.is_needed).count()
    }
}

/// How often a proof may have the same node: once in the proof of the origin, and once in that of
/// the last key.
const MOST_COPIES: usize = 2;

/// Most proof nodes of an answer that no path needs (`docs/websocket-peers.md`, section 7). Up to
/// so many without a use are not looked into, so that an ordinary answer costs no second walk: a
/// range from a trie's first key comes with the path to that key, of which the verification needs
/// only the root.
pub const MAX_SURPLUS_NODES: usize = 8;

impl<'a> Walk<'a> {
    fn new(origin: &Hash, leaves: &[(Hash, &[u8])], proof: &[&'a [u8]]) -> Walk<'a> {
        let mut nodes = Vec::with_capacity(proof.len());
        for pair in proof.chunks(2) {
            if let [a, rest @ ..] = pair {
                let b = rest.first().copied().unwrap_or(&[]);
                let (a_hash, b_hash) = keccak_pair(a, b);
                let node = |hash, rlp| ProofNode {
                    hash,
                    rlp,
                    is_needed: false,
                };
                nodes.push(node(a_hash, *a));
                nodes.extend(rest.first().map(|b| node(b_hash, *b)));
            }
        }
        Walk {
            first: *origin,
            // An answer without leaves is about everything from the origin on.
            last: leaves.last().map_or(Hash::MAX, |(key, _)| *key),
            first_leaf: leaves.first().map(|(key, _)| *key),
            nodes: ProofNodes(nodes),
            marks: None,
            outside: Outside::default(),
        }
    }

    /// What is outside the range, and the number of nodes that no path needs.
    fn down_from(mut self, root: &Hash) -> Result<(Outside<'a>, usize), RangeFault> {
        if *root != Hash::EMPTY_ROOT {
            self.subtrie(Path::ROOT, Child::Hash(*root))?;
        }
        if self.nodes.surplus() > MAX_SURPLUS_NODES {
            // The walk stops where a subtrie is inside the range as a whole. A proof does not. What
            // these paths show does not matter, nor whether they are complete.
            for key in [Some(self.first), self.first_leaf, Some(self.last)] {
                self.marks = key;
                let _ = key.map(|_| self.subtrie(Path::ROOT, Child::Hash(*root)));
            }
        }
        Ok((self.outside, self.nodes.surplus()))
    }

    /// Visits the subtrie at `path`. Each nested call is at least one nibble further down, so at
    /// most 65 calls are nested.
    fn subtrie(&mut self, path: Path, child: Child<'a>) -> Result<(), RangeFault> {
        let side = match &self.marks {
            Some(key) if path.covers(key) => Side::Edge,
            Some(_) => return Ok(()),
            None => self.side(&path),
        };
        match (child, side) {
            (Child::Empty, _) => Ok(()),
            (_, Side::Inside) if self.first_leaf.is_none() => Err(RangeFault::NotEmpty(path)),
            (_, Side::Inside) => Ok(()),
            // An embedded node has no hash to stay blinded by, so it is opened on any side.
            (Child::Embedded(rlp), _) => self.node(path, rlp),
            (Child::Hash(hash), Side::Edge) => {
                let rlp = self
                    .nodes
                    .take(&hash)
                    .ok_or(RangeFault::MissingNode(path))?;
                self.node(path, rlp)
            }
            (Child::Hash(hash), Side::Left) => {
                self.outside.left.push(Part::Ref(path, hash));
                Ok(())
            }
            (Child::Hash(hash), Side::Right) => {
                self.outside.right.push(Part::Ref(path, hash));
                Ok(())
            }
        }
    }

    /// Visits what is below the node at `path`.
    fn node(&mut self, path: Path, rlp: &'a [u8]) -> Result<(), RangeFault> {
        let too_deep = RangeFault::BadDepth(path);
        match decode(rlp).map_err(|error| RangeFault::BadNode(path, error))? {
            Node::Leaf { suffix, value } => {
                let path = path.join(suffix).filter(Path::is_full).ok_or(too_deep)?;
                self.leaf(path, value)
            }
            Node::Extension { nibbles, child } => {
                self.subtrie(path.join(nibbles).ok_or(too_deep)?, child)
            }
            Node::Branch(children) => (0..).zip(*children).try_for_each(|(nibble, child)| {
                self.subtrie(path.child(nibble).ok_or(too_deep)?, child)
            }),
        }
    }

    fn leaf(&mut self, path: Path, value: &'a [u8]) -> Result<(), RangeFault> {
        if self.marks.is_some() {
            return Ok(());
        }
        match self.side(&path) {
            Side::Left => self.outside.left.push(Part::Leaf(path, value)),
            Side::Right => self.outside.right.push(Part::Leaf(path, value)),
            _ if self.first_leaf.is_none() => return Err(RangeFault::NotEmpty(path)),
            _ => {}
        }
        Ok(())
    }

    fn side(&self, path: &Path) -> Side {
        let before = |a: &Hash, b: &Hash| compare_keys(a, b).0 == Ordering::Less;
        let (first, last) = (path.first_key(), path.last_key());
        if before(&last, &self.first) {
            Side::Left
        } else if before(&self.last, &first) {
            Side::Right
        } else if before(&first, &self.first) || before(&self.last, &last) {
            Side::Edge
        } else {
            Side::Inside
        }
    }
}

/// Where a subtrie is, relative to the range.
enum Side {
    Left,
    Inside,
    Right,
    /// Partly inside, or around the whole range.
    Edge,
}
