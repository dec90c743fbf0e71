//! Account ranges of slim bodies, compared with alloy's tries of full accounts.

use alloy_trie::TrieAccount;
use proptest::collection::btree_map;
use proptest::option;
use proptest::prelude::*;
use snaplight::hash::Hash;
use snaplight::trie::{EntryItem, Fold, RangeFault, verify_accounts};

use crate::support::{Trie, any_key};

#[derive(Clone, Debug)]
struct Account {
    nonce: u64,
    balance: [u8; 32],
    storage_root: Option<Hash>,
    code_hash: Option<Hash>,
}

impl Account {
    fn full(&self) -> Vec<u8> {
        alloy_rlp::encode(TrieAccount {
            nonce: self.nonce,
            balance: alloy_rlp::decode_exact(self.rlp_balance()).unwrap(),
            storage_root: self.storage_root.unwrap_or(Hash::EMPTY_ROOT).0.into(),
            code_hash: self.code_hash.unwrap_or(Hash::EMPTY_CODE).0.into(),
        })
    }

    fn rlp_balance(&self) -> Vec<u8> {
        let zeros = self.balance.iter().take_while(|byte| **byte == 0).count();
        alloy_rlp::encode(&self.balance[zeros..])
    }

    fn slim(&self) -> Vec<u8> {
        let mut payload = alloy_rlp::encode(self.nonce);
        payload.extend(self.rlp_balance());
        for hash in [self.storage_root, self.code_hash] {
            payload.extend(alloy_rlp::encode(
                hash.as_ref().map_or(&[][..], |hash| &hash.0),
            ));
        }
        let mut slim = Vec::new();
        alloy_rlp::Header {
            list: true,
            payload_length: payload.len(),
        }
        .encode(&mut slim);
        slim.extend(payload);
        slim
    }
}

fn any_account() -> impl Strategy<Value = Account> {
    let hash = || option::of(any::<[u8; 32]>().prop_map(Hash));
    (
        any::<u64>(),
        0u32..64,
        any::<[u8; 32]>(),
        0usize..=32,
        hash(),
        hash(),
    )
        .prop_map(
            |(nonce, shift, mut balance, zeros, storage_root, code_hash)| {
                balance[..zeros].fill(0);
                Account {
                    nonce: nonce >> shift,
                    balance,
                    storage_root,
                    code_hash,
                }
            },
        )
}

proptest! {
    #[test]
    fn slim_accounts_verify_against_a_trie_of_full_ones(
        accounts in btree_map(any_key(), any_account(), 1..40), start in any::<usize>(), len in any::<usize>(),
    ) {
        let trie = Trie::new(accounts.iter().map(|(key, account)| (*key, account.full())));
        let slim: Vec<_> = accounts.iter().map(|(key, account)| (*key, account.slim())).collect();
        let start = start % slim.len();
        let end = start + 1 + len % (slim.len() - start);

        let proof = trie.prove(&[trie.key(start), trie.key(end - 1)]);
        let proof: Vec<_> = proof.iter().map(|node| &node[..]).collect();
        let leaves: Vec<_> = slim[start..end].iter().map(|(key, slim)| (*key, &slim[..])).collect();
        let mut fold = Fold::new();
        let verified = verify_accounts(&mut fold, &trie.root(), &trie.key(start), &leaves, &proof).unwrap();
        prop_assert_eq!(verified.more(), end < slim.len());
        for (entry, (_, full)) in verified.delivered().zip(&trie.leaves[start..end]) {
            prop_assert_eq!(verified.fold().item(entry), Some(EntryItem::Leaf(full)));
        }

        // With one bit of a body changed, it is another account or none.
        let mut changed = leaves[0].1.to_vec();
        let at = len % changed.len();
        changed[at] ^= 1;
        let mut leaves = leaves.clone();
        leaves[0].1 = &changed;
        let fault = verify_accounts(&mut fold, &trie.root(), &trie.key(start), &leaves, &proof).unwrap_err();
        prop_assert!(matches!(fault, RangeFault::RootMismatch { .. } | RangeFault::BadValue(0)), "{}", fault);
    }
}
