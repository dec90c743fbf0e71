//! Range verification over arbitrary tries, including embedded nodes and shared prefixes.

use proptest::prelude::*;
use snaplight::hash::Hash;
use snaplight::trie::{Fold, Path};

use crate::support::{Random, Trie, any_key, any_trie};

/// The leaves of an answer to `origin`: where it starts, and an end chosen by `pick`.
fn cut(trie: &Trie, origin: &Hash, pick: usize) -> std::ops::Range<usize> {
    let start = trie.leaves.partition_point(|(key, _)| key < origin);
    let rest = trie.leaves.len() - start;
    let len = if rest == 0 { 0 } else { 1 + pick % rest };
    start..start + len
}

/// An origin near a leaf, or anywhere.
fn near(trie: &Trie, anywhere: Hash, pick: usize) -> Hash {
    let Some((key, _)) = (!trie.leaves.is_empty()).then(|| &trie.leaves[pick % trie.leaves.len()])
    else {
        return anywhere;
    };
    match pick / 7 % 4 {
        0 => *key,
        1 => key.next().unwrap_or(*key),
        2 => key.previous().unwrap_or(*key),
        _ => anywhere,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn every_honest_answer_verifies(trie in any_trie(50), anywhere in any_key(), pick in any::<usize>()) {
        let origin = near(&trie, anywhere, pick);
        let range = cut(&trie, &origin, pick / 3);
        let mut fold = Fold::new();
        let verified = trie.answer(origin, range.clone()).verify_with(&mut fold).unwrap();
        prop_assert_eq!(verified.delivered().len(), range.len());
        prop_assert_eq!(verified.more(), range.end < trie.leaves.len());
        for (entry, (key, _)) in verified.delivered().zip(&trie.leaves[range]) {
            prop_assert_eq!(verified.fold().path(entry), Path::full(*key));
        }
    }

    #[test]
    fn no_answer_with_a_changed_set_of_leaves_verifies(
        trie in any_trie(50), anywhere in any_key(), pick in any::<usize>(), seed in any::<u64>(),
    ) {
        let origin = near(&trie, anywhere, pick);
        let range = cut(&trie, &origin, pick / 3);
        let honest = trie.answer(origin, range);
        let mut answer = honest.clone();
        let mut random = Random(seed);
        // The proof holds every node, so that the fault cannot be a missing one.
        answer.proof = trie.prove_all();
        for _ in 0..1 + random.below(3) {
            let at = random.below(answer.leaves.len() + 1);
            match random.below(3) {
                0 if at + 1 < answer.leaves.len() => {
                    answer.leaves.remove(at);
                }
                1 if at < answer.leaves.len() => answer.leaves[at].1 = vec![random.next() as u8; 3],
                _ => {
                    let value = vec![random.next() as u8 | 1];
                    answer.leaves.push((if seed % 2 == 0 { random.hash() } else { anywhere }, value));
                    answer.leaves.sort();
                    answer.leaves.dedup_by_key(|(key, _)| *key);
                }
            }
        }
        let expected = cut(&trie, &origin, 0).start;
        let is_true = trie.leaves[expected..].starts_with(&answer.leaves)
            && (!answer.leaves.is_empty() || expected == trie.leaves.len());
        prop_assert_eq!(answer.verify().is_ok(), is_true);
    }

    /// As geth's fuzzer `rangeproof`: no change to an answer causes a panic, and an answer that
    /// verifies is true.
    #[test]
    fn random_damage_never_panics_and_never_proves_a_falsehood(
        trie in any_trie(30), anywhere in any_key(), pick in any::<usize>(), seed in any::<u64>(),
    ) {
        let origin = near(&trie, anywhere, pick);
        let mut answer = trie.answer(origin, cut(&trie, &origin, pick / 3));
        let mut random = Random(seed);
        for _ in 0..1 + random.below(4) {
            let (leaf, node) = (random.below(answer.leaves.len() + 1), random.below(answer.proof.len() + 1));
            match random.below(7) {
                0 => answer.origin = random.hash(),
                1 if leaf < answer.leaves.len() => answer.leaves[leaf].0.0[random.below(32)] ^= 1 << random.below(8),
                2 if leaf < answer.leaves.len() => answer.leaves[leaf].1.push(random.next() as u8),
                3 if leaf < answer.leaves.len() => { answer.leaves.remove(leaf); }
                4 if node < answer.proof.len() => { answer.proof.remove(node); }
                5 if node < answer.proof.len() => {
                    let at = random.below(answer.proof[node].len());
                    answer.proof[node][at] ^= 1 << random.below(8);
                }
                6 => answer.leaves.reverse(),
                _ => {}
            }
        }
        if let Ok(verified) = answer.verify() {
            let start = cut(&trie, &answer.origin, 0).start;
            prop_assert!(trie.leaves[start..].starts_with(&answer.leaves));
            prop_assert_eq!(verified.more(), start + answer.leaves.len() < trie.leaves.len());
        }
    }
}
