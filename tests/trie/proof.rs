//! Proofs of single keys, exchanged with alloy-trie in both directions. Scenarios of go-ethereum's
//! `trie/proof_test.go` have its names.

use alloy_trie::Nibbles;
use alloy_trie::proof::verify_proof as alloy_verify;
use proptest::prelude::*;
use snaplight::hash::Hash;
use snaplight::trie::{Fold, Path, ProofFault, ProveError, Root, prove, verify_proof};

use crate::support::{Random, Trie, any_key, any_trie};

fn folded(trie: &Trie) -> Fold {
    let mut fold = Fold::new();
    for (key, value) in &trie.leaves {
        fold.push_leaf(key, value).unwrap();
    }
    fold.run(Root::Trie).unwrap();
    fold
}

fn check<'a>(
    root: &Hash,
    key: &Hash,
    proof: &'a [Vec<u8>],
) -> Result<Option<&'a [u8]>, ProofFault> {
    verify_proof(
        root,
        key,
        &proof.iter().map(|node| &node[..]).collect::<Vec<_>>(),
    )
}

fn alloy_accepts(root: Hash, key: Hash, value: Option<Vec<u8>>, proof: &[Vec<u8>]) -> bool {
    let nodes: Vec<_> = proof.iter().map(|node| node.clone().into()).collect();
    alloy_verify(root.0.into(), Nibbles::unpack(key.0), value, &nodes).is_ok()
}

#[test]
fn proof() {
    let trie = Trie::random(500, 1);
    let fold = folded(&trie);
    for (key, value) in &trie.leaves {
        let ours = prove(&fold, key).unwrap();
        assert_eq!(ours, trie.prove(&[*key]));
        assert_eq!(check(&trie.root(), key, &ours), Ok(Some(&value[..])));
    }
}

#[test]
fn one_element_proof() {
    let trie = Trie::random(1, 2);
    let ours = prove(&folded(&trie), &trie.key(0)).unwrap();
    assert_eq!(ours.len(), 1);
    assert_eq!(
        check(&trie.root(), &trie.key(0), &ours),
        Ok(Some(&trie.leaves[0].1[..]))
    );
}

#[test]
fn bad_proof() {
    let trie = Trie::random(800, 3);
    let fold = folded(&trie);
    let mut random = Random(3);
    for i in 0..200 {
        let mut ours = prove(&fold, &trie.key(i)).unwrap();
        let node = random.below(ours.len());
        let at = random.below(ours[node].len());
        ours[node][at] ^= 1 << random.below(8);
        assert!(matches!(
            check(&trie.root(), &trie.key(i), &ours),
            Err(ProofFault::MissingNode(_))
        ));
    }
}

#[test]
fn missing_key_proof() {
    let trie = Trie::random(1, 4);
    let fold = folded(&trie);
    for key in [
        trie.key(0).previous().unwrap(),
        trie.key(0).next().unwrap(),
        Hash::ZERO,
        Hash::MAX,
    ] {
        let ours = prove(&fold, &key).unwrap();
        assert_eq!(ours.len(), 1);
        assert_eq!(check(&trie.root(), &key, &ours), Ok(None));
    }
}

#[test]
fn the_proof_of_the_empty_trie_has_no_nodes() {
    assert_eq!(prove(&Fold::new(), &Hash::MAX), Ok(vec![]));
    assert_eq!(verify_proof(&Hash::EMPTY_ROOT, &Hash::MAX, &[]), Ok(None));
}

#[test]
fn a_fold_that_was_not_run_proves_nothing() {
    let mut fold = Fold::new();
    fold.push_leaf(&Hash([0x11; 32]), &[1]).unwrap();
    let missing = prove(&fold, &Hash([0x11; 32]));
    assert_eq!(missing, Err(ProveError::NotRun));
    fold.run(Root::Trie).unwrap();
    fold.push_leaf(&Hash([0x22; 32]), &[1]).unwrap();
    let missing = prove(&fold, &Hash([0x11; 32]));
    assert_eq!(missing, Err(ProveError::NotRun));
}

#[test]
fn a_key_below_a_blinded_subtrie_cannot_be_proven_but_its_neighbours_can() {
    let mut fold = Fold::new();
    fold.push_leaf(&Hash([0x11; 32]), &[1; 40]).unwrap();
    let path = Path::new(Hash([0x22; 32]), 3);
    fold.push_ref(&path, &Hash([7; 32])).unwrap();
    let root = fold.run(Root::Trie).unwrap();
    assert_eq!(
        prove(&fold, &Hash([0x22; 32])),
        Err(ProveError::Blinded { entry: 1, path })
    );
    let ours = prove(&fold, &Hash([0x11; 32])).unwrap();
    assert_eq!(
        check(&root, &Hash([0x11; 32]), &ours),
        Ok(Some(&[1; 40][..]))
    );
    // The extension above the blinded branch shows that all keys with the first nibble 2 are below
    // it.
    let ours = prove(&fold, &Hash([0x23; 32])).unwrap();
    assert_eq!(ours.len(), 2);
    assert_eq!(check(&root, &Hash([0x23; 32]), &ours), Ok(None));
}

proptest! {
    #[test]
    fn alloy_accepts_our_proofs_and_we_accept_alloys(
        trie in any_trie(50), anywhere in any_key(), pick in any::<usize>(),
    ) {
        let near = trie.leaves.get(pick % (trie.leaves.len() + 1)).map_or(anywhere, |(key, _)| *key);
        let root = trie.root();
        let fold = folded(&trie);
        for key in [near, anywhere, near.next().unwrap_or(near)] {
            let value = trie.leaves.iter().find(|(k, _)| *k == key).map(|(_, value)| value.clone());
            let ours = prove(&fold, &key).unwrap();
            prop_assert_eq!(check(&root, &key, &ours), Ok(value.as_deref()));
            let theirs = trie.prove(&[key]);
            prop_assert_eq!(check(&root, &key, &theirs), Ok(value.as_deref()));
            prop_assert!(alloy_accepts(root, key, value, &ours));
        }
    }
}
