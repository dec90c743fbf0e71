//! Compares tries that change with tries built anew and with alloy-trie.

#![allow(clippy::unwrap_used, clippy::panic)]

use super::{Body, Edit, Live, Node};
use crate::{
    EMPTY_ROOT, Hash,
    keccak::keccak,
    trie::{Kind, Leaf, Leaves, NodeAt, Tally, Trie},
};
use alloy_trie::{HashBuilder, Nibbles, proof::verify_proof};
use std::collections::{BTreeMap, BTreeSet};

type Map = BTreeMap<Hash, Vec<u8>>;

fn flat(map: &Map) -> Trie {
    let mut leaves = Leaves::with_capacity(Kind::Slots, map.len());
    map.iter().for_each(|(key, value)| leaves.push(*key, value));
    Trie::build(leaves)
}

fn reference_root(map: &Map) -> Hash {
    let mut builder = HashBuilder::default();
    map.iter()
        .for_each(|(key, value)| builder.add_leaf(Nibbles::unpack(key), value));
    builder.root().0
}

/// Numbers that look random.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 += 1;
        u64::from_be_bytes(*keccak(&self.0.to_be_bytes()).first_chunk().unwrap()) % limit
    }
}

/// So few keys that the same ones are chosen again. In some worlds they have many first nibbles in
/// common.
fn key(dice: &mut Dice, crowded: bool) -> Hash {
    let mut key = keccak(&dice.below(300).to_be_bytes());
    if crowded {
        key[..20].fill(0x11);
        key[20] &= 0x13;
        key[21..30].fill(0x22);
        key[31] &= 0x3f;
    }
    key
}

fn edits(map: &mut Map, dice: &mut Dice, crowded: bool) -> Vec<Edit> {
    let mut edits = BTreeMap::new();
    for _ in 0..dice.below(60) {
        let key = key(dice, crowded);
        let len = [1, 3, 33][dice.below(3) as usize];
        let value = vec![dice.below(3) as u8 + 1; len];
        let put = dice.below(3) > 0;
        edits.insert(key, put.then_some(value));
    }
    if dice.below(12) == 0 {
        edits.extend(map.keys().map(|key| (*key, None)));
    }
    for (key, value) in &edits {
        match value {
            Some(value) => map.insert(*key, value.clone()),
            None => map.remove(key),
        };
    }
    let edit = |(key, value): (Hash, Option<Vec<u8>>)| Edit {
        leaf: value.map(|value| Leaf::new(Kind::Slots, &key, &value)),
        key,
    };
    edits.into_iter().map(edit).collect()
}

/// Every node with a hash of its own, by path.
fn nodes(trie: &Trie, map: &Map) -> BTreeSet<(Vec<u8>, Vec<u8>)> {
    let mut nodes = BTreeSet::new();
    for key in map.keys() {
        let path: Vec<u8> = key.iter().flat_map(|b| [b >> 4, b & 15]).collect();
        for len in 0..=64 {
            if let NodeAt::Node(node) = trie.node_at(&path[..len]) {
                nodes.insert((path[..len].to_vec(), node));
            }
        }
    }
    nodes
}

#[test]
fn after_any_edits_the_trie_equals_one_that_is_built_anew() {
    for world in 0..24 {
        let (mut map, mut dice, crowded) = (Map::new(), Dice(world << 32), world % 2 == 1);
        let mut trie = flat(&map);
        for _ in 0..20 {
            let (old, before) = (trie.clone(), map.clone());
            trie = trie.edited(&edits(&mut map, &mut dice, crowded));
            let anew = flat(&map);
            assert_eq!(trie.root(), reference_root(&map));
            assert_eq!(trie.len(), map.len());
            let expected = || map.iter().map(|(key, value)| (key, value.as_slice()));
            assert!(trie.iter().eq(expected()));
            assert!(
                (0..map.len())
                    .map(|index| trie.nth(index).unwrap())
                    .eq(map.keys())
            );
            assert_eq!(trie.nth(map.len()), None);
            let origin = key(&mut dice, crowded);
            assert!(trie.iter_from(&origin).eq(anew.iter_from(&origin)));
            assert_eq!(trie.path_to(&origin), anew.path_to(&origin));
            assert_eq!(trie.get(&origin), anew.get(&origin));
            let proof: Vec<_> = trie.path_to(&origin).into_iter().map(Into::into).collect();
            let value = map.get(&origin).cloned();
            if !map.is_empty() {
                let root = trie.root().into();
                verify_proof(root, Nibbles::unpack(origin), value, &proof).unwrap();
            }
            let (mut all, mut all_anew) = (trie.all_nodes(), anew.all_nodes());
            all.sort();
            all_anew.sort();
            assert_eq!(all, all_anew);

            // The old trie is unchanged, and what is new is counted exactly.
            assert_eq!(old.root(), flat(&before).root());
            let (was, is) = (nodes(&old, &before), nodes(&trie, &map));
            let new: Vec<_> = is.difference(&was).collect();
            let tally = Tally::of(&trie, &old);
            assert_eq!(tally.nodes, new.len() as u64);
            assert_eq!(
                tally.bytes,
                new.iter().map(|(_, node)| node.len() as u64).sum::<u64>()
            );
            let keys: BTreeSet<_> = map.keys().chain(before.keys()).collect();
            let changed = keys
                .iter()
                .filter(|key| map.get(**key) != before.get(**key));
            assert_eq!(tally.leaves, changed.count() as u64);
            assert_eq!(Tally::of(&anew, &flat(&before)), tally, "flat or not");
        }
    }
}

#[test]
fn a_flat_trie_becomes_an_equal_live_one_and_an_edit_without_effect_shares_all_nodes() {
    let map: Map = (0..3000_u64)
        .map(|i| (keccak(&i.to_be_bytes()), vec![i as u8 | 0x80; 20]))
        .collect();
    let trie = flat(&map).live(|_| None);
    assert_eq!(trie.root(), reference_root(&map));
    assert!(trie.iter().eq(map.iter().map(|(k, v)| (k, v.as_slice()))));
    let same: Vec<Edit> = map
        .iter()
        .map(|(key, value)| Edit {
            key: *key,
            leaf: Some(Leaf::new(Kind::Slots, key, value)),
        })
        .collect();
    let (before, after) = (trie.to_live(), trie.edited(&same).to_live());
    let (Some(before), Some(after)) = (&before.top, &after.top) else {
        panic!("no nodes")
    };
    assert!(std::sync::Arc::ptr_eq(before, after));
    assert_eq!(trie.edited(&[]).root(), trie.root());

    let all: Vec<Edit> = map
        .keys()
        .map(|key| Edit {
            key: *key,
            leaf: None,
        })
        .collect();
    let none = trie.edited(&all);
    assert_eq!((none.root(), none.len()), (EMPTY_ROOT, 0));
    assert_eq!(none.path_to(&[0; 32]), Vec::<Vec<u8>>::new());
    assert_eq!(none.iter().count(), 0);
}

#[test]
fn an_edit_makes_only_the_nodes_above_its_leaf() {
    fn count(node: &Node, other: &Node) -> usize {
        let (Body::Branch(a), Body::Branch(b)) = (&node.body, &other.body) else {
            return 1;
        };
        let pairs = a.children.iter().flatten().zip(b.children.iter().flatten());
        1 + pairs
            .filter(|(a, b)| !std::sync::Arc::ptr_eq(a, b))
            .map(|(a, b)| count(a, b))
            .sum::<usize>()
    }
    let map: Map = (0..5000_u64)
        .map(|i| (keccak(&i.to_be_bytes()), vec![0x81; 20]))
        .collect();
    let trie = flat(&map).live(|_| None);
    let key = *map.keys().nth(1234).unwrap();
    let edit = Edit {
        key,
        leaf: Some(Leaf::new(Kind::Slots, &key, &[7; 20])),
    };
    let (before, after): (Live, Live) = (trie.to_live(), trie.edited(&[edit]).to_live());
    let new = count(&after.top.unwrap(), &before.top.unwrap());
    assert_eq!(new, trie.path_to(&key).len());
}
