//! Which nodes of a proof no path needs.

use proptest::prelude::*;
use snaplight::hash::Hash;
use snaplight::trie::node::EMBEDDED_LIMIT;
use snaplight::trie::{Fold, MAX_SURPLUS_NODES, keccak};

use crate::support::{Answer, Trie, any_key, any_trie};

/// Surplus nodes of an answer that must verify.
fn surplus(answer: &Answer) -> usize {
    let mut fold = Fold::new();
    let range = answer.verify_with(&mut fold).expect("the answer is true");
    range.surplus_nodes()
}

/// A trie in which the path to key 0 has a node at each of its 64 nibbles.
fn deep_trie() -> Trie {
    let below = (0..64).map(|depth: usize| {
        let mut key = [0; 32];
        key[depth / 2] = if depth.is_multiple_of(2) { 0x10 } else { 0x01 };
        (Hash(key), vec![7; 32])
    });
    Trie::new(below.chain([(Hash::ZERO, vec![7; 32])]))
}

#[test]
fn the_path_to_the_first_key_is_needed_although_the_verification_does_not_look_at_it() {
    let trie = deep_trie();
    let whole = trie.answer(Hash::ZERO, 0..trie.leaves.len());
    assert!(whole.proof.len() > 60);
    assert_eq!(surplus(&whole), 0);
}

#[test]
fn each_node_may_come_twice_and_a_third_time_is_surplus() {
    let trie = deep_trie();
    let mut answer = trie.answer(Hash::ZERO, 0..trie.leaves.len());
    let once = answer.proof.clone();
    answer.proof.extend(once.clone());
    assert_eq!(surplus(&answer), 0);
    answer.proof.extend(once.clone());
    assert_eq!(surplus(&answer), once.len());
}

#[test]
fn junk_and_nodes_of_other_paths_are_surplus() {
    let trie = Trie::random(1000, 11);
    let honest = trie.answer(trie.key(300), 300..700);
    let mut junk = honest.clone();
    junk.proof.extend((0..9).map(|at| vec![at; 532]));
    assert_eq!(surplus(&junk), 9);
    let all = Answer {
        proof: trie.prove_all(),
        ..honest.clone()
    };
    assert_eq!(surplus(&all), all.proof.len() - honest.proof.len());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn nothing_that_an_honest_server_sends_is_surplus(
        trie in any_trie(80), from in any_key(), count in 0usize..80, at in any::<prop::sample::Index>(),
        origin_is_key: bool, proves_first_key: bool, twice: bool, junk in 0usize..20,
    ) {
        prop_assume!(!trie.leaves.is_empty());
        let origin = if origin_is_key { trie.key(at.index(trie.leaves.len())) } else { from };
        let start = trie.leaves.partition_point(|(key, _)| *key < origin);
        let end = (start + count).min(trie.leaves.len()).max((start + 1).min(trie.leaves.len()));
        let mut answer = trie.answer(origin, start..end);
        if proves_first_key && start < end {
            // Some servers may prove the first key that they send in place of the origin too.
            answer.proof = trie.prove(&[origin, trie.key(start), trie.key(end - 1)]);
        }
        // alloy-trie lists embedded nodes too, which have no hash of their own.
        let has_hash = |node: &Vec<u8>| node.len() >= EMBEDDED_LIMIT || keccak(node) == answer.root;
        answer.proof.retain(has_hash);
        if twice {
            answer.proof.extend(answer.proof.clone());
        }
        answer.proof.extend((0..junk).map(|at| vec![at as u8; 40]));
        match surplus(&answer) {
            few if junk <= MAX_SURPLUS_NODES => prop_assert!(few <= MAX_SURPLUS_NODES),
            many => prop_assert_eq!(many, junk),
        }
    }
}
