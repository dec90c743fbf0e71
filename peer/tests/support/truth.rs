//! What states contain, counted again leaf by leaf, with roots by alloy-trie alone.

use alloy_trie::{HashBuilder, Nibbles, TrieAccount};
use snaplight_peer::{
    EMPTY_CODE, EMPTY_ROOT, Hash,
    keccak::keccak,
    state::{Builder, State, code_hash},
    trie::Trie,
};
use std::collections::{BTreeMap, BTreeSet};

fn root_of<'a>(leaves: impl Iterator<Item = (&'a Hash, Vec<u8>)>) -> Hash {
    let mut builder = HashBuilder::default();
    leaves.for_each(|(key, value)| builder.add_leaf(Nibbles::unpack(key), &value));
    builder.root().0
}

fn slots_root(trie: Option<&Trie>) -> Hash {
    let slots = trie.iter().flat_map(|trie| trie.iter());
    root_of(slots.map(|(key, value)| (key, value.to_vec())))
}

/// The account trie's value, made by alloy from the slim body's fields.
pub(crate) fn full_body(slim: &[u8], storage_root: Hash) -> Vec<u8> {
    use alloy_rlp::{Decodable, Header};
    let mut fields = Header::decode_bytes(&mut &*slim, true).unwrap();
    let account = TrieAccount {
        nonce: u64::decode(&mut fields).unwrap(),
        balance: Decodable::decode(&mut fields).unwrap(),
        storage_root: storage_root.into(),
        code_hash: code_hash(slim).into(),
    };
    alloy_rlp::encode(account)
}

/// Computes the root from the leaves alone, and checks that the codes are those that accounts name.
pub(crate) fn assert_whole(state: &State) {
    let bodies: BTreeMap<Hash, Vec<u8>> = state
        .accounts()
        .iter()
        .map(|(account, slim)| {
            let root = slots_root(state.storage(account));
            assert_eq!(state.storage(account).map_or(EMPTY_ROOT, Trie::root), root);
            (*account, full_body(slim, root))
        })
        .collect();
    let leaves = bodies.iter().map(|(key, body)| (key, body.clone()));
    assert_eq!(state.root(), root_of(leaves));

    let mut named: Vec<Hash> = state
        .accounts()
        .iter()
        .map(|(_, slim)| code_hash(slim))
        .filter(|code| *code != EMPTY_CODE)
        .collect();
    named.sort();
    named.dedup();
    let mut held: Vec<Hash> = state.codes().map(|(hash, _)| *hash).collect();
    held.sort();
    assert_eq!(named, held);
    assert!(state.codes().all(|(hash, code)| keccak(code) == *hash));
    let counts = state.counts();
    assert_eq!(counts.accounts, bodies.len() as u64);
    let slots = state.storages().map(|(_, trie)| trie.len() as u64);
    assert_eq!(counts.slots, slots.sum::<u64>());
}

/// The counts, leaf by leaf.
pub(crate) fn leaves_changed(before: &State, after: &State) -> (u64, u64) {
    fn differences(before: &Trie, after: &Trie) -> u64 {
        let (a, b): (BTreeMap<_, _>, BTreeMap<_, _>) =
            (before.iter().collect(), after.iter().collect());
        let gone = a.keys().filter(|key| !b.contains_key(*key)).count();
        let new = b.iter().filter(|(key, value)| a.get(*key) != Some(value));
        (gone + new.count()) as u64
    }
    let none = Builder::new().build();
    let storages = |state: &State| -> BTreeMap<Hash, Trie> {
        let owned = |(account, trie): (&Hash, &Trie)| (*account, trie.clone());
        state.storages().map(owned).collect()
    };
    let (a, b) = (storages(before), storages(after));
    let accounts: BTreeSet<_> = a.keys().chain(b.keys()).collect();
    let storage = |of: &BTreeMap<Hash, Trie>, account: &Hash| {
        of.get(account).cloned().unwrap_or(none.accounts().clone())
    };
    let slots = accounts
        .into_iter()
        .map(|account| differences(&storage(&a, account), &storage(&b, account)));
    (
        differences(before.accounts(), after.accounts()),
        slots.sum(),
    )
}
