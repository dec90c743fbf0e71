//! The fold: roots and branches compared with alloy-trie, and the entries it refuses.

use proptest::prelude::*;
use snaplight::hash::Hash;
use snaplight::trie::fold::MAX_VALUE;
use snaplight::trie::{ChildOf, EntryItem, Fold, FoldError, Path, Root};

use crate::support::{Random, Trie, any_trie};

fn folded(trie: &Trie) -> Fold {
    let mut fold = Fold::new();
    for (key, value) in &trie.leaves {
        fold.push_leaf(key, value).unwrap();
    }
    fold
}

fn root_of(trie: &Trie) -> Hash {
    folded(trie).run(Root::Trie).unwrap()
}

#[test]
fn no_entries_fold_to_the_empty_root() {
    assert_eq!(Fold::new().run(Root::Trie), Ok(Hash::EMPTY_ROOT));
}

#[test]
fn tries_of_every_small_and_some_large_sizes_have_the_right_root() {
    for size in (1..40).chain([100, 255, 256, 257, 1000, 5000]) {
        let trie = Trie::random(size, size as u64);
        assert_eq!(root_of(&trie), trie.root(), "{size} leaves");
    }
}

#[test]
fn values_around_the_lengths_where_rlp_changes_its_header_have_the_right_root() {
    // As in geth's TestValLength56: the header of a string or list has one byte up to a length of
    // 55 bytes, and two from 56 on.
    for len in 1..=MAX_VALUE {
        for first in [0x00, 0x7f, 0x80, 0xff] {
            let mut trie = Trie::random(3, len as u64);
            trie.leaves[1].1 = vec![first; len];
            assert_eq!(root_of(&trie), trie.root(), "{len} bytes of {first:#x}");
        }
    }
}

#[test]
fn a_top_under_32_bytes_has_a_hash_only_as_the_root_of_a_trie() {
    // A leaf with a path of 64 nibbles is longer. Only a subtrie at the very end of a key is that
    // short.
    let mut fold = Fold::new();
    let mut key = Hash([0x11; 32]);
    fold.push_leaf(&key, &[1]).unwrap();
    key.0[31] = 0x12;
    fold.push_leaf(&key, &[2]).unwrap();
    assert_eq!(fold.run(Root::Branch(63)), Err(FoldError::EmbeddedTop));
    assert!(fold.run(Root::Trie).is_ok());
    assert!(fold.branches()[0].reference.embedded().is_some());
}

#[test]
fn account_bodies_expand_to_the_full_form() {
    // [nonce 5, balance 0x0102, root, code] as a slim and as a full body, encoded by hand.
    let (root, code) = (Hash([7; 32]), Hash([8; 32]));
    for (slim_root, slim_code) in [
        (None, None),
        (Some(root), None),
        (None, Some(code)),
        (Some(root), Some(code)),
    ] {
        let mut slim = vec![5, 0x82, 1, 2];
        let mut full = slim.clone();
        for (given, absent) in [(slim_root, Hash::EMPTY_ROOT), (slim_code, Hash::EMPTY_CODE)] {
            match given {
                Some(hash) => slim.extend([&[0xa0], &hash.0[..]].concat()),
                None => slim.push(0x80),
            }
            full.extend([&[0xa0], &given.unwrap_or(absent).0[..]].concat());
        }
        let slim = match slim.len() {
            len @ 0..56 => [&[0xc0 + len as u8], &slim[..]].concat(),
            len => [&[0xf8, len as u8], &slim[..]].concat(),
        };
        let full = [&[0xf8, full.len() as u8], &full[..]].concat();
        let mut fold = Fold::new();
        fold.push_account(&Hash([1; 32]), &slim).unwrap();
        assert_eq!(fold.item(0), Some(EntryItem::Leaf(&full)));
        let trie = Trie::new([(Hash([1; 32]), full)]);
        assert_eq!(fold.run(Root::Trie), Ok(trie.root()));
    }
}

#[test]
fn malformed_account_bodies_are_refused() {
    let good = [0xc4, 5, 2, 0x80, 0x80];
    let mut fold = Fold::new();
    for bad in [
        &[][..],
        &[0x80],
        &good[..4],
        &[&good[..], &[0x80]].concat(),
        &[0xc3, 5, 2, 0x80],
        &[0xc5, 5, 2, 0x80, 0x80, 0x80],
        &[0xc5, 5, 2, 0x81, 0x80, 0x80],
        &[0xc4, 0xc0, 2, 0x80, 0x80],
        &[0xc4, 5, 2, 0x80, 0xc0],
        &[0xf8, 4, 5, 2, 0x80],
        &[0xf8],
        &[&[0xc0 + 14, 0x8a][..], &[1; 10], &[2, 0x80, 0x80]].concat(),
    ] {
        assert_eq!(
            fold.push_account(&Hash::ZERO, bad),
            Err(FoldError::BadAccount),
            "{bad:02x?}"
        );
    }
    assert!(fold.is_empty());
    assert_eq!(fold.push_account(&Hash::ZERO, &good), Ok(()));
}

#[test]
fn entries_out_of_order_or_that_cover_each_other_are_refused() {
    let mut fold = Fold::new();
    let key = Hash([0x22; 32]);
    fold.push_leaf(&key, &[1]).unwrap();
    assert_eq!(fold.push_leaf(&key, &[1]), Err(FoldError::Order));
    assert_eq!(
        fold.push_leaf(&Hash([0x21; 32]), &[1]),
        Err(FoldError::Order)
    );
    assert_eq!(fold.push_ref(&Path::ROOT, &key), Err(FoldError::Order));
    assert_eq!(
        fold.push_ref(&Path::new(key, 7), &key),
        Err(FoldError::Order)
    );
    fold.push_ref(&Path::new(Hash([0x33; 32]), 3), &key)
        .unwrap();
    assert_eq!(
        fold.push_leaf(&Hash([0x33; 32]), &[1]),
        Err(FoldError::Order)
    );
    assert_eq!(
        fold.push_ref(&Path::new(Hash([0x33; 32]), 3), &key),
        Err(FoldError::Order)
    );
    assert_eq!(
        fold.push_leaf(&Hash([0x44; 32]), &[]),
        Err(FoldError::EmptyValue)
    );
    assert_eq!(
        fold.push_leaf(&Hash([0x44; 32]), &[1; MAX_VALUE + 1]),
        Err(FoldError::ValueTooLong)
    );
    assert_eq!(fold.len(), 2);
}

#[test]
fn a_lone_reference_folds_to_itself_at_the_root_and_to_an_extension_below() {
    let trie = {
        let mut trie = Trie::random(20, 3);
        trie.leaves
            .iter_mut()
            .for_each(|(key, _)| key.0[..2].fill(0xcd));
        Trie::new(trie.leaves)
    };
    let mut fold = folded(&trie);
    let root = fold.run(Root::Trie).unwrap();
    let top = *fold.branches().last().unwrap();
    let at_top = Path::new(trie.key(0), top.depth);
    assert_eq!(top.depth, 4);

    let mut lone = Fold::new();
    lone.push_ref(&Path::ROOT, &root).unwrap();
    assert_eq!(lone.run(Root::Trie), Ok(root));
    lone.clear();
    lone.push_ref(&at_top, &top.reference.hash().unwrap())
        .unwrap();
    assert_eq!(lone.run(Root::Trie), Ok(root));
    assert_eq!(lone.run(Root::Branch(4)), Err(FoldError::Shape));
    assert_eq!(fold.run(Root::Branch(4)), Ok(top.reference.hash().unwrap()));
    assert_eq!(fold.run(Root::Branch(3)), Err(FoldError::Shape));
}

#[test]
fn a_fold_that_is_used_again_starts_empty() {
    let mut fold = Fold::new();
    let mut random = Random(9);
    for round in 0..50 {
        let trie = Trie::random(random.below(200), round);
        fold.clear();
        for (key, value) in &trie.leaves {
            fold.push_leaf(key, value).unwrap();
        }
        assert_eq!(fold.run(Root::Trie), Ok(trie.root()));
        assert_eq!(
            fold.run(Root::Trie),
            Ok(trie.root()),
            "a second run changes nothing"
        );
    }
}

proptest! {
    #[test]
    fn the_root_is_that_of_an_independent_builder(trie in any_trie(60)) {
        prop_assert_eq!(root_of(&trie), trie.root());
    }

    /// Any number of branches and leaves can be replaced by their hashes without a change above
    /// them.
    #[test]
    fn blinding_any_set_of_subtries_keeps_the_root(trie in any_trie(60), picks in any::<u64>()) {
        let mut whole = folded(&trie);
        let root = whole.run(Root::Trie).unwrap();
        let mut random = Random(picks);
        let mut blinded = Fold::new();
        let mut i = 0;
        while i < whole.len() {
            // Takes the highest branch that starts here and is picked, else the leaf, by its hash
            // if that is picked.
            let pick = whole.branches().iter().rev().find(|branch| {
                branch.first as usize == i && branch.reference.hash().is_some() && random.below(4) == 0
            });
            let path = whole.path(i);
            let parent = whole.branches().iter().rfind(|branch| {
                (branch.first as usize..=branch.last as usize).contains(&i)
            });
            let deepest = whole.branches().iter().find(|branch| {
                (branch.first as usize..=branch.last as usize).contains(&i)
            });
            if let Some(branch) = pick {
                blinded.push_ref(&path.prefix(branch.depth), &branch.reference.hash().unwrap()).unwrap();
                i = branch.last as usize;
            } else if let (Some(hash), Some(parent), Some(_), 0) =
                (whole.leaf_ref(i).unwrap().hash(), deepest, parent, random.below(3))
            {
                blinded.push_ref(&path.prefix(parent.depth + 1), &hash).unwrap();
            } else if let Some(EntryItem::Leaf(value)) = whole.item(i) {
                blinded.push_leaf(&path.key(), value).unwrap();
            }
            i += 1;
        }
        prop_assert_eq!(blinded.run(Root::Trie).unwrap(), root);
    }

    #[test]
    fn each_branch_folds_on_its_own_to_the_hash_that_its_parent_holds(trie in any_trie(60)) {
        let mut whole = folded(&trie);
        whole.run(Root::Trie).unwrap();
        for branch in whole.branches() {
            let entries = branch.first as usize..=branch.last as usize;
            let part = Trie { leaves: trie.leaves[entries].to_vec() };
            match (folded(&part).run(Root::Branch(branch.depth)), branch.reference.hash()) {
                (Ok(got), Some(hash)) => prop_assert_eq!(got, hash),
                (Err(error), None) => prop_assert_eq!(error, FoldError::EmbeddedTop),
                // A trie's root branch has a hash whatever its size. Folded as a branch, a short
                // one is embedded.
                (Err(FoldError::EmbeddedTop), Some(_)) => prop_assert_eq!(branch.depth, 0),
                other => prop_assert!(false, "{:?}", other),
            }
        }
    }

    #[test]
    fn branches_come_after_their_children_and_cover_them_exactly(trie in any_trie(60)) {
        let mut fold = folded(&trie);
        fold.run(Root::Trie).unwrap();
        for (i, branch) in fold.branches().iter().enumerate() {
            let mut next = branch.first;
            let mut nibbles = Vec::new();
            for child in fold.children(i) {
                let (first, last) = match child {
                    ChildOf::Entry(entry) => (entry, entry),
                    ChildOf::Branch(below) => {
                        prop_assert!((below as usize) < i);
                        let below = fold.branches()[below as usize];
                        prop_assert!(below.depth > branch.depth);
                        (below.first, below.last)
                    }
                };
                prop_assert_eq!(first, next);
                next = last + 1;
                nibbles.push(fold.path(first as usize).nibble(branch.depth));
            }
            prop_assert_eq!(next, branch.last + 1);
            prop_assert!(nibbles.len() >= 2 && nibbles.is_sorted_by(|a, b| a < b));
        }
    }
}
