//! The fold against alloy-trie's `HashBuilder`.

use alloy_trie::{HashBuilder, Nibbles};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

use super::*;

fn alloy_root(leaves: impl IntoIterator<Item = (Hash, Vec<u8>)>) -> Hash {
    let mut builder = HashBuilder::default();
    for (key, value) in leaves {
        builder.add_leaf(Nibbles::unpack(key.0), &value);
    }
    Hash(builder.root().0)
}

fn fold_of(leaves: &[(Hash, Vec<u8>)]) -> Fold {
    let mut fold = Fold::new();
    for (key, value) in leaves {
        fold.push_leaf(key, value).unwrap();
    }
    fold
}

/// Keys that share prefixes of all lengths: few distinct bytes, and long common beginnings.
fn keys() -> impl Strategy<Value = Hash> {
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
        (0u8..32).prop_map(|last| {
            let mut key = [0xbb; 32];
            key[31] = last;
            key
        }),
    ]
    .prop_map(Hash)
}

fn tries(max: usize) -> impl Strategy<Value = Vec<(Hash, Vec<u8>)>> {
    let value = prop_oneof![vec(any::<u8>(), 1..4), vec(any::<u8>(), 1..=MAX_VALUE)];
    btree_map(keys(), value, 0..max).prop_map(|map| map.into_iter().collect())
}

proptest! {
    #[test]
    fn the_root_is_that_of_an_independent_builder(leaves in tries(60)) {
        let root = fold_of(&leaves).run(Root::Trie).unwrap();
        prop_assert_eq!(root, alloy_root(leaves));
    }
}
