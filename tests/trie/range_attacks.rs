//! Attacks of a dishonest peer. The first part are those that ethrex's tests of `verify_range`
//! know, the second aims at this crate's own way of verifying.

use std::error::Error;

use snaplight::hash::Hash;
use snaplight::trie::{Fold, NodeError, Path, RangeFault, keccak, verify_accounts};

use crate::support::{Answer, Trie};

fn fault(answer: &Answer) -> RangeFault {
    answer.verify().expect_err("must not verify")
}

fn is_mismatch(answer: &Answer) -> bool {
    matches!(fault(answer), RangeFault::RootMismatch { .. })
}

#[test]
fn a_proof_of_only_one_edge_is_a_missing_node() {
    let trie = Trie::random(1000, 1);
    let honest = trie.answer(trie.key(300), 300..700);
    honest.verify().unwrap();
    for edge in [300, 699] {
        let answer = Answer {
            proof: trie.prove(&[trie.key(edge)]),
            ..honest.clone()
        };
        assert!(matches!(fault(&answer), RangeFault::MissingNode(_)));
    }
}

#[test]
fn a_gap_in_the_proof_is_a_missing_node() {
    let trie = Trie::random(1000, 2);
    let honest = trie.answer(trie.key(300), 300..700);
    for missing in 0..honest.proof.len() {
        let mut answer = honest.clone();
        let node = answer.proof.remove(missing);
        // The leaves at both ends are delivered, so their nodes are not needed.
        let needed = node.len() > 100;
        match answer.verify() {
            Ok(_) => assert!(!needed),
            Err(fault) => assert!(matches!(fault, RangeFault::MissingNode(_)), "{fault:?}"),
        }
    }
}

#[test]
fn a_gap_in_the_middle_is_a_root_mismatch() {
    let trie = Trie::random(1000, 3);
    for size in [1, 2, 50] {
        let mut answer = trie.answer(trie.key(300), 300..700);
        answer.leaves.drain(150..150 + size);
        assert!(is_mismatch(&answer));
    }
}

#[test]
fn a_part_without_a_proof_is_a_root_mismatch() {
    let trie = Trie::random(1000, 4);
    for range in [0..999, 1..1000, 300..700] {
        let mut answer = trie.answer(Hash::ZERO, range);
        answer.proof.clear();
        assert!(is_mismatch(&answer));
    }
}

#[test]
fn nothing_at_all_is_only_right_for_the_empty_trie() {
    let trie = Trie::random(10, 5);
    let nothing = Answer {
        root: trie.root(),
        origin: Hash::ZERO,
        leaves: vec![],
        proof: vec![],
    };
    assert_eq!(
        fault(&nothing),
        RangeFault::RootMismatch {
            got: Hash::EMPTY_ROOT
        }
    );
    for proof in [vec![], vec![vec![0x80]], trie.prove_all()] {
        let empty = Answer {
            root: Hash::EMPTY_ROOT,
            proof,
            ..nothing.clone()
        };
        assert!(!empty.verify().unwrap().more());
    }
    let made_up = Answer {
        root: Hash::EMPTY_ROOT,
        leaves: trie.leaves.clone(),
        ..nothing
    };
    assert!(is_mismatch(&made_up));
}

#[test]
fn an_existence_proof_for_an_empty_range_is_refused() {
    let trie = Trie::random(1000, 6);
    for at in [0, 500, 999] {
        let answer = Answer {
            proof: trie.prove(&[trie.key(at)]),
            ..trie.answer(trie.key(at), 0..0)
        };
        assert!(matches!(fault(&answer), RangeFault::NotEmpty(_)));
    }
}

#[test]
fn a_dropped_account_whose_hash_stands_in_the_proof_is_a_root_mismatch() {
    // The peer leaves an account out and shows its node instead. Its hash would complete the branch
    // above it.
    let trie = Trie::random(1000, 7);
    for dropped in (301..699).step_by(9) {
        let mut answer = trie.answer(trie.key(300), 300..700);
        let (key, _) = answer.leaves.remove(dropped - 300);
        answer.proof.extend(trie.prove(&[key]));
        assert!(is_mismatch(&answer));
    }
}

#[test]
fn a_dropped_first_or_last_account_is_found_at_the_edge() {
    let trie = Trie::random(1000, 8);
    let mut answer = trie.answer(trie.key(300), 300..700);
    answer.leaves.remove(0);
    answer.proof.extend(trie.prove(&[trie.key(301)]));
    assert!(is_mismatch(&answer));
    // Without its last leaf it is a shorter answer, which is honest if the proof shows the new
    // edge.
    let mut answer = trie.answer(trie.key(300), 300..700);
    answer.leaves.pop();
    answer.proof.extend(trie.prove(&[trie.key(698)]));
    assert!(answer.verify().unwrap().more());
}

#[test]
fn an_added_account_is_a_root_mismatch() {
    let trie = Trie::random(1000, 9);
    let mut answer = trie.answer(trie.key(300), 300..700);
    answer
        .leaves
        .insert(10, (trie.key(309).next().unwrap(), vec![1; 20]));
    assert!(is_mismatch(&answer));
    let mut answer = trie.answer(trie.key(300), 300..700);
    answer
        .leaves
        .push((trie.key(699).next().unwrap(), vec![1; 20]));
    assert!(answer.verify().is_err());
}

#[test]
fn an_answer_to_another_root_is_refused() {
    let (trie, other) = (Trie::random(1000, 10), Trie::random(1000, 11));
    let answer = Answer {
        root: other.root(),
        ..trie.answer(trie.key(300), 300..700)
    };
    assert_eq!(fault(&answer), RangeFault::MissingNode(Path::ROOT));
}

#[test]
fn a_changed_byte_in_any_proof_node_is_found() {
    let trie = Trie::random(800, 12);
    let honest = trie.answer(trie.key(300).previous().unwrap(), 300..310);
    for i in 0..honest.proof.len() {
        let mut answer = honest.clone();
        let at = i % answer.proof[i].len();
        answer.proof[i][at] ^= 1;
        // The leaves at both ends are delivered, so their nodes are ignored.
        if honest.proof[i].len() > 100 {
            assert!(matches!(fault(&answer), RangeFault::MissingNode(_)));
        }
    }
}

#[test]
fn order_repetition_and_surplus_of_proof_nodes_do_not_matter() {
    let trie = Trie::random(1000, 13);
    let honest = trie.answer(trie.key(300), 300..700);
    let mut answer = honest.clone();
    answer.proof.reverse();
    answer.proof.extend(honest.proof.clone());
    answer.proof.push(vec![]);
    answer.proof.push(b"surplus".to_vec());
    answer.proof.extend(Trie::random(10, 14).prove_all());
    assert_eq!(answer.verify(), honest.verify());
}

#[test]
fn bytes_with_the_right_hash_that_are_not_a_node_are_a_bad_node() {
    let no_node = vec![0xc3, 1, 2, 3];
    let answer = Answer {
        root: keccak(&no_node),
        origin: Hash::ZERO,
        leaves: vec![(Hash([1; 32]), vec![1])],
        proof: vec![no_node],
    };
    let fault = fault(&answer);
    assert_eq!(fault, RangeFault::BadNode(Path::ROOT, NodeError::ItemCount));
    let source = fault.source().unwrap();
    assert_eq!(source.to_string(), NodeError::ItemCount.to_string());
}

#[test]
fn a_path_of_the_wrong_length_is_a_bad_depth() {
    // Root leaves of 62 and 63 nibbles, and an extension of 64 nibbles with a branch below it.
    let short = [&[0xe2, 0xa0, 0x20][..], &[0x11; 31], &[7]].concat();
    let odd = [&[0xe2, 0xa0, 0x31][..], &[0x11; 31], &[7]].concat();
    let branch = [&[0xd5, 0xc2, 0x20, 1, 0xc2, 0x20, 2][..], &[0x80; 15]].concat();
    let deep = [&[0xf8, 56, 0xa1, 0x00][..], &[0x11; 32], &branch].concat();
    for node in [short, odd, deep] {
        let answer = Answer {
            root: keccak(&node),
            origin: Hash([0x12; 32]),
            leaves: vec![(Hash([0x12; 32]), vec![1])],
            proof: vec![node],
        };
        assert!(
            matches!(fault(&answer), RangeFault::BadDepth(_)),
            "{:?}",
            fault(&answer)
        );
    }
}

#[test]
fn embedded_nodes_outside_the_range_become_leaves() {
    // 16 leaves of three bytes each, all embedded in one branch at the very end of a key.
    let trie = Trie::new((0..16).map(|i| {
        let mut key = [0x77; 32];
        key[31] = 0x70 | i;
        (Hash(key), vec![i + 1])
    }));
    let mut fold = Fold::new();
    let range = trie
        .answer(trie.key(5), 5..9)
        .verify_with(&mut fold)
        .unwrap();
    assert_eq!(range.delivered(), 5..9);
    assert!(range.more());
    assert_eq!(range.fold().len(), 16);
    assert!((0..16).all(|i| range.fold().path(i).is_full()));
}

#[test]
fn bodies_that_are_not_slim_accounts_are_bad_values() {
    let key = Hash([1; 32]);
    let verify = |body: &[u8]| {
        verify_accounts(
            &mut Fold::new(),
            &Hash::EMPTY_ROOT,
            &Hash::ZERO,
            &[(key, body)],
            &[],
        )
        .map(|range| range.more())
    };
    assert_eq!(verify(&[]), Err(RangeFault::EmptyValue(0)));
    assert_eq!(verify(&[0xc0]), Err(RangeFault::BadValue(0)));
    assert_eq!(
        verify(&[0xc4, 0xc0, 1, 0x80, 0x80]),
        Err(RangeFault::BadValue(0))
    );
    assert!(matches!(
        verify(&[0xc4, 1, 1, 0x80, 0x80]),
        Err(RangeFault::RootMismatch { .. })
    ));
}
