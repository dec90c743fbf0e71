//! Tries as alloy-trie makes them: the truth about roots and proofs.

use std::collections::BTreeMap;

use alloy_trie::proof::ProofRetainer;
use alloy_trie::{HashBuilder, Nibbles};
use sha3::{Digest, Keccak256};
use snaplight::hash::Hash;

/// A whole trie, known leaf by leaf.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trie {
    pub(crate) leaves: BTreeMap<Hash, Vec<u8>>,
}

impl Trie {
    pub(crate) fn root(&self) -> Hash {
        self.prove(&[]).0
    }

    /// The root, and the nodes along the paths of `keys`, each once.
    pub(crate) fn prove(&self, keys: &[Hash]) -> (Hash, Vec<Vec<u8>>) {
        let targets = keys.iter().map(|key| Nibbles::unpack(key.0)).collect();
        let mut builder = HashBuilder::default().with_proof_retainer(ProofRetainer::new(targets));
        for (key, value) in &self.leaves {
            builder.add_leaf(Nibbles::unpack(key.0), value);
        }
        let root = Hash(builder.root().0);
        let nodes = builder.take_proof_nodes().into_nodes_sorted();
        let nodes = nodes.into_iter().map(|(_, node)| node.to_vec());
        // An empty trie is proven by no nodes.
        (root, nodes.filter(|node| node != &[0x80]).collect())
    }
}

/// Keccak-256, as the crate sha3 has it.
pub(crate) fn keccak(bytes: &[u8]) -> Hash {
    Hash(Keccak256::digest(bytes).into())
}
