//! Compares roots, nodes and proofs with alloy-trie, which shares no code with this crate.

#![allow(clippy::unwrap_used)]

use super::{Kind, Leaves, NodeAt, Trie, node::nibble};
use crate::{EMPTY_ROOT, Hash, keccak::keccak};
use alloy_trie::{HashBuilder, Nibbles, proof::verify_proof};
use std::collections::BTreeMap;

fn trie(leaves: &BTreeMap<Hash, Vec<u8>>) -> Trie {
    let mut sorted = Leaves::with_capacity(Kind::Slots, leaves.len());
    leaves
        .iter()
        .for_each(|(key, value)| sorted.push(*key, value));
    Trie::build(sorted)
}

fn reference_root(leaves: &BTreeMap<Hash, Vec<u8>>) -> Hash {
    let mut builder = HashBuilder::default();
    leaves
        .iter()
        .for_each(|(key, value)| builder.add_leaf(Nibbles::unpack(key), value));
    builder.root().0
}

fn scattered(count: u64, value_len: usize) -> BTreeMap<Hash, Vec<u8>> {
    (0..count)
        .map(|i| (keccak(&i.to_be_bytes()), vec![i as u8 | 0x80; value_len]))
        .collect()
}

/// Keys that have almost all nibbles in common and short values: extensions and embedded nodes.
fn crowded(count: u64) -> BTreeMap<Hash, Vec<u8>> {
    (0..count)
        .map(|i| {
            let mut key = [0x11; 32];
            key[20] = (i / 7) as u8;
            key[31] = (i * 37) as u8;
            key[30] = (i / 100) as u8;
            (key, vec![i as u8 & 0x7f])
        })
        .collect()
}

fn shapes() -> Vec<BTreeMap<Hash, Vec<u8>>> {
    let mut shapes: Vec<_> = [1, 2, 3, 17, 200, 3000].map(|n| scattered(n, 33)).into();
    // Enough leaves for several threads.
    shapes.push(scattered(20_000, 5));
    shapes.extend([1, 2, 5, 300].map(crowded));
    shapes.extend([scattered(40, 1), scattered(2, 60)]);
    // All leaves are below one extension, and there are enough for several threads.
    shapes.push(
        scattered(6000, 8)
            .into_iter()
            .map(|(mut key, value)| {
                key[..3].fill(0xab);
                (key, value)
            })
            .collect(),
    );
    shapes
}

#[test]
fn roots_are_those_of_alloy_trie() {
    assert_eq!(trie(&BTreeMap::new()).root(), EMPTY_ROOT);
    for leaves in shapes() {
        assert_eq!(
            trie(&leaves).root(),
            reference_root(&leaves),
            "{} leaves",
            leaves.len()
        );
    }
}

#[test]
fn alloy_trie_accepts_the_proof_of_every_key_and_of_absent_ones() {
    for leaves in shapes() {
        let trie = trie(&leaves);
        for (key, value) in leaves.iter().step_by(leaves.len() / 50 + 1) {
            let proof = trie.path_to(key);
            let nodes: Vec<_> = proof.iter().map(|node| node.clone().into()).collect();
            let root = trie.root().into();
            verify_proof(root, Nibbles::unpack(key), Some(value.clone()), &nodes).unwrap();

            let mut absent = *key;
            absent[31] ^= 0x55;
            let value = leaves.get(&absent).cloned();
            let proof = trie.path_to(&absent);
            let nodes: Vec<_> = proof.iter().map(|node| node.clone().into()).collect();
            verify_proof(root, Nibbles::unpack(absent), value, &nodes).unwrap();
        }
    }
}

#[test]
fn a_range_proof_holds_both_paths_and_no_node_twice() {
    let leaves = scattered(500, 33);
    let trie = trie(&leaves);
    let keys: Vec<_> = leaves.keys().collect();
    for (origin, last) in [(3, 400), (7, 7), (0, 499), (100, 101)] {
        let proof = trie.prove(keys[origin], Some(keys[last]));
        let unique: std::collections::HashSet<_> = proof.iter().collect();
        assert_eq!(unique.len(), proof.len());
        for key in [keys[origin], keys[last]] {
            assert!(trie.path_to(key).iter().all(|node| proof.contains(node)));
        }
    }
}

#[test]
fn every_node_of_a_path_is_found_at_its_place_and_hashes_to_what_its_parent_says() {
    for leaves in shapes() {
        let trie = trie(&leaves);
        let key = leaves.keys().nth(leaves.len() / 2).unwrap();
        let nibbles: Vec<u8> = (0..64).map(|index| nibble(key, index)).collect();
        let found: Vec<_> = (0..=64).map(|len| trie.node_at(&nibbles[..len])).collect();
        let nodes: Vec<_> = found
            .iter()
            .filter_map(|at| match at {
                NodeAt::Node(node) => Some(node.clone()),
                _ => None,
            })
            .collect();
        assert_eq!(nodes, trie.path_to(key));
        assert_eq!(keccak(&nodes[0]), trie.root());
        for pair in nodes.windows(2) {
            let hash = keccak(&pair[1]);
            assert!(pair[0].windows(32).any(|window| window == hash));
        }
    }
}

#[test]
fn a_path_into_an_extension_or_beyond_a_leaf_finds_nothing_and_a_short_node_is_embedded() {
    let mut leaves = BTreeMap::new();
    for last in [0x10, 0x20] {
        let mut key = [0x33; 32];
        key[31] = last;
        leaves.insert(key, vec![1]);
    }
    let trie = trie(&leaves);
    assert!(matches!(trie.node_at(&[]), NodeAt::Node(_)));
    assert_eq!(trie.node_at(&[3; 10]), NodeAt::Nothing);
    assert_eq!(trie.node_at(&[4]), NodeAt::Nothing);
    // A branch of two embedded leaves is short itself: 2 * 4 + 15 bytes.
    assert_eq!(trie.node_at(&[3; 62]), NodeAt::Embedded);
    let mut path = [3; 63];
    path[62] = 1;
    assert_eq!(trie.node_at(&path), NodeAt::Embedded);
    assert_eq!(trie.node_at(&[3; 200]), NodeAt::Nothing);
    assert_eq!(trie.all_nodes().len(), 1);
}

#[test]
fn all_nodes_are_the_union_of_all_paths() {
    let leaves = scattered(300, 20);
    let trie = trie(&leaves);
    let mut all = trie.all_nodes();
    let mut union: Vec<_> = leaves.keys().flat_map(|key| trie.path_to(key)).collect();
    all.sort();
    union.sort();
    union.dedup();
    assert_eq!(all, union);
}

#[test]
fn leaves_are_searched_and_listed_in_order() {
    let leaves = scattered(100, 40);
    let trie = trie(&leaves);
    assert_eq!(trie.len(), 100);
    assert!(
        trie.iter()
            .eq(leaves.iter().map(|(key, value)| (key, value.as_slice())))
    );
    let (key, value) = leaves.iter().nth(50).unwrap();
    assert_eq!(trie.get(key), Some(value.as_slice()));
    assert_eq!(trie.get(&[0xff; 32]), None);
    assert_eq!(trie.nth(50), Some(key));
    assert_eq!(trie.nth(100), None);
    assert_eq!(trie.iter_from(key).count(), 50);
    assert_eq!(trie.iter_from(&[0; 32]).count(), 100);
    assert_eq!(trie.iter_from(&[0xff; 32]).count(), 0);
}
