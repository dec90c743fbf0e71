//! Tests the Keccak kernel with 128-bit registers, which only wasm has. With it, a range is
//! verified, cut into pages and read back.

#![cfg(target_arch = "wasm32")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::{BTreeMap, HashSet};

use sha3::{Digest, Keccak256};
use snaplight::hash::Hash;
use snaplight::state::page::{Folds, Page};
use snaplight::state::{Account, Lookup, NewPages, PageId, Step, Tree, Unfinished};
use snaplight::trie::{Fold, Root, keccak, keccak_pair, prove, verify_accounts};
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_dedicated_worker);

/// The longest message in bytes, more than four blocks.
const LONGEST: usize = 600;

fn reference(data: &[u8]) -> Hash {
    Hash(Keccak256::digest(data).into())
}

#[wasm_bindgen_test]
fn every_length_hashes_as_sha3_does_in_either_lane() {
    let data: Vec<u8> = (0..LONGEST).map(|i| (i * 31) as u8).collect();
    for len in 0..=LONGEST {
        // Near the middle both messages have the same number of blocks, elsewhere they do not.
        let (a, b) = data.split_at(len);
        assert_eq!(keccak(a), reference(a), "{len} bytes");
        assert_eq!(
            keccak_pair(a, b),
            (reference(a), reference(b)),
            "{len} bytes"
        );
        assert_eq!(
            keccak_pair(b, a),
            (reference(b), reference(a)),
            "{len} bytes"
        );
    }
}

fn account(nonce: u64) -> (Hash, Account) {
    let account = Account {
        nonce,
        balance: [7; 32],
        storage_root: Hash::EMPTY_ROOT,
        code_hash: Hash::EMPTY_CODE,
    };
    (keccak(&nonce.to_be_bytes()), account)
}

#[wasm_bindgen_test]
fn verified_ranges_are_cut_into_pages_that_can_be_read() {
    let mut accounts: Vec<_> = (0..2_000).map(account).collect();
    accounts.sort_unstable_by_key(|(key, _)| *key);
    let slim: Vec<_> = accounts.iter().map(|(_, body)| body.to_slim()).collect();
    let leaves: Vec<(Hash, &[u8])> = accounts
        .iter()
        .zip(&slim)
        .map(|((key, _), slim)| (*key, &slim[..]))
        .collect();
    let mut whole = Fold::new();
    for (key, slim) in &leaves {
        whole.push_account(key, slim).unwrap();
    }
    let root = whole.run(Root::Trie).unwrap();

    let (mut tree, mut pages) = (Tree::new(root), NewPages::new(PageId(1)));
    let mut fold = Fold::new();
    for part in leaves.chunks(1_000) {
        let (first, last) = (part[0].0, part[part.len() - 1].0);
        let proof = [
            prove(&whole, &first).unwrap(),
            prove(&whole, &last).unwrap(),
        ]
        .concat();
        let proof: Vec<_> = proof.iter().map(Vec::as_slice).collect();
        let range = verify_accounts(&mut fold, &root, &first, part, &proof).unwrap();
        tree.join_accounts(&range, &HashSet::new(), &mut pages)
            .unwrap();
    }
    assert!(tree.is_complete());
    let top = tree.snapshot(Unfinished::Write, &mut pages).unwrap();
    let stored: BTreeMap<_, _> = pages.take().into_iter().collect();

    let mut folds = Folds::new();
    let mut look_up = |key| {
        let mut lookup = Lookup::account(top, key);
        while let Step::Need(wanted) = *lookup.step() {
            let mut page = Page::decode(&stored[&wanted.page.id]).unwrap();
            let verified = page.verify(&wanted.page, &wanted.at, &mut folds);
            lookup.feed_verified(&verified.unwrap());
        }
        match *lookup.step() {
            Step::Account(found) => found.map(|found| found.account),
            ref step => panic!("{step:?}"),
        }
    };
    for (key, account) in accounts.iter().step_by(97) {
        assert_eq!(look_up(*key), Some(*account));
    }
    assert_eq!(look_up(Hash::ZERO), None);
}
