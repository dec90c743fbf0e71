//! The scenarios of go-ethereum's `trie/proof_test.go`, with the same names. Here a range ends at
//! its last leaf.

use snaplight::hash::Hash;
use snaplight::trie::RangeFault;

use crate::support::{Answer, Random, Trie, Verified};

/// A key that starts with zeros, so that there are keys before it.
fn key(last: u8) -> Hash {
    let mut key = Hash::ZERO;
    key.0[31] = last;
    key
}

fn is_mismatch(fault: Result<Verified, RangeFault>) -> bool {
    matches!(fault, Err(RangeFault::RootMismatch { .. }))
}

#[test]
fn range_proof() {
    let trie = Trie::random(4096, 1);
    let mut random = Random(1);
    for _ in 0..60 {
        let start = random.below(4096);
        let end = start + 1 + random.below(4096 - start);
        let answer = trie.answer(trie.key(start), start..end);
        let range = answer.verify().unwrap();
        assert_eq!(range.delivered().len(), end - start);
        assert_eq!(range.more(), end < 4096);
        assert_eq!(range.root(), trie.root());
    }
}

#[test]
fn range_proof_with_non_existent_proof() {
    let trie = Trie::random(4096, 2);
    let mut random = Random(2);
    for _ in 0..60 {
        let start = random.below(4096);
        let end = start + 1 + random.below(4096 - start);
        let origin = trie.key(start).previous().unwrap();
        assert!(start == 0 || trie.key(start - 1) != origin);
        trie.answer(origin, start..end).verify().unwrap();
    }
}

#[test]
fn range_proof_with_invalid_non_existent_proof() {
    // A gap between the absent origin and the first leaf delivered.
    let trie = Trie::random(4096, 3);
    let origin = trie.key(100).previous().unwrap();
    let answer = trie.answer(origin, 105..200);
    assert!(is_mismatch(answer.verify()));
}

#[test]
fn one_element_range_proof() {
    let trie = Trie::random(4096, 4);
    let at = trie.key(1000);
    for origin in [at, at.previous().unwrap(), trie.key(999).next().unwrap()] {
        let range = trie.answer(origin, 1000..1001).verify().unwrap();
        assert_eq!(range.delivered().len(), 1);
        assert!(range.more());
    }
    // A trie of one leaf, asked for from the very beginning.
    let trie = Trie::random(1, 5);
    let range = trie.answer(Hash::ZERO, 0..1).verify().unwrap();
    assert!(!range.more());
}

#[test]
fn all_elements_proof() {
    let trie = Trie::random(4096, 6);
    let mut answer = trie.answer(Hash::ZERO, 0..4096);
    answer.proof.clear();
    assert!(!answer.verify().unwrap().more());
    assert!(!trie.answer(trie.key(0), 0..4096).verify().unwrap().more());
    assert!(!trie.answer(Hash::ZERO, 0..4096).verify().unwrap().more());
}

#[test]
fn single_side_range_proof() {
    for seed in 0..16 {
        let trie = Trie::random(1000, 100 + seed);
        for end in [0, 1, 50, 100, 500, 999] {
            let range = trie.answer(Hash::ZERO, 0..end + 1).verify().unwrap();
            assert_eq!(range.more(), end < 999);
        }
    }
}

#[test]
fn bad_range_proof() {
    let trie = Trie::random(4096, 7);
    let mut random = Random(7);
    for case in 0..120 {
        let start = random.below(4000);
        let end = start + 3 + random.below(90);
        let mut answer = trie.answer(trie.key(start), start..end);
        let at = random.below(end - start);
        match case % 6 {
            0 => answer.leaves[at].0 = random.hash(),
            1 => answer.leaves[at].1 = random.hash().0.to_vec(),
            2 => {
                // Never the last one: without it, the answer is only shorter.
                answer.leaves.remove(at.clamp(1, end - start - 2));
            }
            3 => answer.leaves.swap(at, (at + 1) % (end - start)),
            4 => answer.leaves[at].0 = Hash::ZERO,
            _ => answer.leaves[at].1.clear(),
        }
        let fault = answer.verify().unwrap_err();
        match case % 6 {
            1 | 2 => assert!(
                matches!(fault, RangeFault::RootMismatch { .. }),
                "{fault:?}"
            ),
            3 => assert!(
                matches!(fault, RangeFault::Unsorted(_) | RangeFault::BeforeOrigin),
                "{fault:?}"
            ),
            5 => assert_eq!(fault, RangeFault::EmptyValue(at)),
            _ => {}
        }
    }
}

#[test]
fn gapped_range_proof() {
    // The values are small, so the leaves are embedded in their branch, which is part of the proof.
    // Leaf 5 is left out.
    let trie = Trie::new((0..10).map(|i| (key(i << 4 | 1), vec![i + 1])));
    let mut answer = trie.answer(key(0x21), 2..8);
    answer.verify().unwrap();
    answer.leaves.remove(3);
    assert!(is_mismatch(answer.verify()));
}

#[test]
fn same_side_proofs() {
    let trie = Trie::random(4096, 8);
    let key = trie.key(2000);
    // Both edges of the proof are left of the only leaf.
    let origin = trie.key(1600).previous().unwrap();
    let mut answer = trie.answer(origin, 2000..2001);
    answer.proof = trie.prove(&[origin, origin.previous().unwrap()]);
    assert!(matches!(answer.verify(), Err(RangeFault::MissingNode(_))));
    // Both edges are right of it.
    let origin = key.next().unwrap();
    let mut answer = trie.answer(origin, 2000..2001);
    answer.proof = trie.prove(&[origin, origin.next().unwrap()]);
    assert_eq!(answer.verify(), Err(RangeFault::BeforeOrigin));
}

#[test]
fn has_right_element() {
    let trie = Trie::random(4096, 9);
    for (start, end, more) in [
        (None, 1, true),
        (None, 10, true),
        (Some(50), 51, true),
        (Some(50), 100, true),
        (Some(4095), 4096, false),
        (Some(4000), 4096, false),
        (None, 4096, false),
        (Some(4096), 4096, false),
    ] {
        let origin = match start {
            None => Hash::ZERO,
            Some(4096) => trie.key(4095).next().unwrap(),
            Some(start) => trie.key(start),
        };
        let range = trie
            .answer(origin, start.unwrap_or(0)..end)
            .verify()
            .unwrap();
        assert_eq!(range.more(), more, "{start:?}..{end}");
    }
}

#[test]
fn empty_range_proof() {
    let trie = Trie::random(4096, 10);
    let last = trie.key(4095);
    let range = trie
        .answer(last.next().unwrap(), 4096..4096)
        .verify()
        .unwrap();
    assert_eq!((range.delivered().len(), range.more()), (0, false));
    for origin in [
        Hash::ZERO,
        trie.key(500).previous().unwrap(),
        last.previous().unwrap(),
        last,
    ] {
        let fault = trie.answer(origin, 0..0).verify().unwrap_err();
        assert!(matches!(fault, RangeFault::NotEmpty(_)), "{fault:?}");
    }
}

#[test]
fn bloated_proof() {
    // The proof of one leaf is the whole trie. geth accepts it, so servers may send it.
    let trie = Trie::new((0..100).map(|i| (key(i), vec![i; 20])));
    let mut answer = trie.answer(key(50), 50..51);
    answer.proof = trie.prove_all();
    assert!(answer.verify().unwrap().more());
}

#[test]
fn empty_value_range_proof() {
    // geth once took an empty value for a deletion, so a peer could remove leaves from the proof
    // (743769f48e).
    let trie = Trie::random(512, 11);
    let middle = trie.key(256).next().unwrap();
    let mut answer = trie.answer(trie.key(200), 200..300);
    answer.leaves.insert(57, (middle, vec![]));
    assert_eq!(answer.verify(), Err(RangeFault::EmptyValue(57)));
}

#[test]
fn all_elements_empty_value_range_proof() {
    let trie = Trie::random(512, 12);
    let mut answer = trie.answer(Hash::ZERO, 0..512);
    answer.proof.clear();
    answer
        .leaves
        .insert(257, (trie.key(256).next().unwrap(), vec![]));
    assert_eq!(answer.verify(), Err(RangeFault::EmptyValue(257)));
}

#[test]
fn range_proof_keys_with_shared_prefix() {
    let (mut a, mut b) = (Hash::ZERO, Hash::ZERO);
    a.0[..2].copy_from_slice(&[0xaa, 0x10]);
    b.0[..2].copy_from_slice(&[0xaa, 0x20]);
    let trie = Trie::new([(a, vec![2]), (b, vec![3])]);
    let range = trie.answer(Hash::ZERO, 0..2).verify().unwrap();
    assert!(!range.more());
    let range = trie.answer(Hash::ZERO, 0..1).verify().unwrap();
    assert!(range.more());
}

#[test]
fn range_proof_errors() {
    let trie = Trie::random(64, 13);
    let answer = trie.answer(trie.key(10), 10..20);
    let broken = |change: &dyn Fn(&mut Answer)| {
        let mut answer = answer.clone();
        change(&mut answer);
        answer.verify().unwrap_err()
    };
    assert_eq!(
        broken(&|answer| answer.leaves[5] = answer.leaves[4].clone()),
        RangeFault::Unsorted(5)
    );
    assert_eq!(
        broken(&|answer| answer.leaves.swap(2, 3)),
        RangeFault::Unsorted(3)
    );
    assert_eq!(
        broken(&|answer| answer.leaves[3].1.clear()),
        RangeFault::EmptyValue(3)
    );
    assert_eq!(
        broken(&|answer| answer.leaves[3].1.resize(129, 1)),
        RangeFault::BadValue(3)
    );
    assert_eq!(
        broken(&|answer| answer.origin = trie.key(11)),
        RangeFault::BeforeOrigin
    );
}
