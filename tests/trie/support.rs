//! Tries made by alloy-trie, and their proofs.

use std::collections::BTreeMap;
use std::ops::Range;

use alloy_trie::proof::ProofRetainer;
use alloy_trie::{HashBuilder, Nibbles};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use snaplight::hash::Hash;
use snaplight::trie::{Fold, RangeFault, VerifiedRange, verify_slots};

pub(crate) type Leaf = (Hash, Vec<u8>);

/// A whole trie, known leaf by leaf, sorted by key.
#[derive(Clone, Debug)]
pub(crate) struct Trie {
    pub(crate) leaves: Vec<Leaf>,
}

impl Trie {
    pub(crate) fn new(leaves: impl IntoIterator<Item = Leaf>) -> Trie {
        Trie {
            leaves: leaves
                .into_iter()
                .collect::<BTreeMap<_, _>>()
                .into_iter()
                .collect(),
        }
    }

    /// `size` leaves of 20 random bytes each under random keys.
    pub(crate) fn random(size: usize, seed: u64) -> Trie {
        let mut random = Random(seed);
        Trie::new((0..size).map(|_| (random.hash(), random.hash().0[..20].to_vec())))
    }

    pub(crate) fn key(&self, i: usize) -> Hash {
        self.leaves[i].0
    }

    pub(crate) fn root(&self) -> Hash {
        self.build(&[]).0
    }

    /// The nodes along the paths of `keys`, each once.
    pub(crate) fn prove(&self, keys: &[Hash]) -> Vec<Vec<u8>> {
        self.build(keys).1
    }

    /// Every node of 32 bytes or more.
    pub(crate) fn prove_all(&self) -> Vec<Vec<u8>> {
        self.prove(&self.leaves.iter().map(|(key, _)| *key).collect::<Vec<_>>())
    }

    /// The leaves in `range`, with the proof that an honest peer adds.
    pub(crate) fn answer(&self, origin: Hash, range: std::ops::Range<usize>) -> Answer {
        let leaves = self.leaves[range].to_vec();
        let last = leaves.last().map_or(origin, |(key, _)| *key);
        Answer {
            root: self.root(),
            origin,
            proof: self.prove(&[origin, last]),
            leaves,
        }
    }

    fn build(&self, targets: &[Hash]) -> (Hash, Vec<Vec<u8>>) {
        let targets = targets.iter().map(|key| Nibbles::unpack(key.0)).collect();
        let mut builder = HashBuilder::default().with_proof_retainer(ProofRetainer::new(targets));
        for (key, value) in &self.leaves {
            builder.add_leaf(Nibbles::unpack(key.0), value);
        }
        let root = Hash(builder.root().0);
        let nodes = builder.take_proof_nodes().into_nodes_sorted();
        (
            root,
            nodes.into_iter().map(|(_, node)| node.to_vec()).collect(),
        )
    }
}

/// What a peer answers to a request for storage from `origin` on.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) root: Hash,
    pub(crate) origin: Hash,
    pub(crate) leaves: Vec<Leaf>,
    pub(crate) proof: Vec<Vec<u8>>,
}

/// What an answer has proven, without its fold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Verified {
    root: Hash,
    delivered: Range<usize>,
    more: bool,
}

impl Verified {
    pub(crate) fn root(&self) -> Hash {
        self.root
    }

    pub(crate) fn delivered(&self) -> Range<usize> {
        self.delivered.clone()
    }

    pub(crate) fn more(&self) -> bool {
        self.more
    }
}

impl Answer {
    pub(crate) fn verify(&self) -> Result<Verified, RangeFault> {
        let mut fold = Fold::new();
        let range = self.verify_with(&mut fold)?;
        Ok(Verified {
            root: range.root(),
            delivered: range.delivered(),
            more: range.more(),
        })
    }

    pub(crate) fn verify_with<'f>(
        &self,
        fold: &'f mut Fold,
    ) -> Result<VerifiedRange<'f>, RangeFault> {
        let leaves: Vec<_> = self
            .leaves
            .iter()
            .map(|(key, value)| (*key, &value[..]))
            .collect();
        let proof: Vec<_> = self.proof.iter().map(|node| &node[..]).collect();
        verify_slots(fold, &self.root, &self.origin, &leaves, &proof)
    }
}

/// SplitMix64 (Steele, Lea, Flood): a seed gives the same numbers on every machine.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e3779b97f4a7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58476d1ce4e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d049bb133111eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    pub(crate) fn hash(&mut self) -> Hash {
        let mut hash = [0; 32];
        hash.chunks_mut(8)
            .for_each(|chunk| chunk.copy_from_slice(&self.next().to_be_bytes()));
        Hash(hash)
    }
}

/// Keys that share prefixes of all lengths, down to siblings in the last nibble.
pub(crate) fn any_key() -> impl Strategy<Value = Hash> {
    prop_oneof![
        any::<[u8; 32]>(),
        (0usize..=32, any::<[u8; 32]>()).prop_map(|(zeros, mut key)| {
            key[..zeros].fill(0);
            key
        }),
        (0usize..32, 0u8..4).prop_map(|(at, bits)| {
            let mut key = [0xaa; 32];
            key[at] ^= bits * 0x11;
            key
        }),
        any::<u8>().prop_map(|last| {
            let mut key = [0xbb; 32];
            key[31] = last;
            key
        }),
    ]
    .prop_map(Hash)
}

/// Tries of fewer than `max` leaves. Some values are short enough for embedded nodes, others as
/// long as the fold takes.
pub(crate) fn any_trie(max: usize) -> impl Strategy<Value = Trie> {
    let value = prop_oneof![
        vec(any::<u8>(), 1..4),
        vec(any::<u8>(), 1..=snaplight::trie::fold::MAX_VALUE)
    ];
    (btree_map(any_key(), value, 0..max), 0usize..=32).prop_map(|(leaves, shared)| {
        // In some tries all keys start alike, so that there is an extension at the root.
        Trie::new(leaves.into_iter().map(|(mut key, value)| {
            if shared < 8 {
                key.0[..shared].fill(0x12);
            }
            (key, value)
        }))
    })
}
