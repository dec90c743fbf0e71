//! Ranges of a small trie with proofs made by alloy-trie. An honest answer is always taken. Of a
//! spoiled one, what is taken is true: the next leaves from the origin on, and whether there are
//! more.

use snaplight::hash::Hash;
use snaplight::state::SlimAccount;
use snaplight::trie::{Fold, Path, VerifiedRange, verify_accounts, verify_slots};

use crate::bytes::Bytes;
use crate::rlp::Item;
use crate::trie::Trie;

type Verify = for<'f> fn(
    &'f mut Fold,
    &Hash,
    &Hash,
    &[(Hash, &[u8])],
    &[&[u8]],
) -> Result<VerifiedRange<'f>, snaplight::trie::RangeFault>;

/// What a peer answers to a request from `origin` on.
#[derive(Clone)]
struct Answer {
    root: Hash,
    origin: Hash,
    /// As they are sent: accounts have slim bodies.
    leaves: Vec<(Hash, Vec<u8>)>,
    proof: Vec<Vec<u8>>,
}

impl Answer {
    fn verify<'f>(
        &self,
        verify: Verify,
        fold: &'f mut Fold,
    ) -> Result<VerifiedRange<'f>, snaplight::trie::RangeFault> {
        let leaves: Vec<_> = self
            .leaves
            .iter()
            .map(|(key, value)| (*key, &value[..]))
            .collect();
        let proof: Vec<_> = self.proof.iter().map(|node| &node[..]).collect();
        verify(fold, &self.root, &self.origin, &leaves, &proof)
    }
}

pub(crate) fn run(input: &[u8]) {
    let mut bytes = Bytes::new(input);
    let of_accounts = bytes.bool();
    let mut trie = Trie::default();
    for _ in 0..bytes.below(24) {
        let key = bytes.key();
        let value = match of_accounts {
            true => account(&mut bytes),
            false => slot(&mut bytes),
        };
        trie.leaves.insert(key, value);
    }
    let sent: Vec<(Hash, Vec<u8>)> = trie
        .leaves
        .iter()
        .map(|(key, value)| match of_accounts {
            true => (*key, SlimAccount::from_full(value).expect("an account")),
            false => (*key, value.clone()),
        })
        .collect();
    let verify: Verify = if of_accounts {
        verify_accounts
    } else {
        verify_slots
    };

    let origin = near(&mut bytes, &sent);
    let start = sent.partition_point(|(key, _)| *key < origin);
    let rest = sent.len() - start;
    let length = if rest == 0 { 0 } else { 1 + bytes.below(rest) };
    let leaves = sent[start..start + length].to_vec();
    let last = leaves.last().map_or(origin, |(key, _)| *key);
    let (root, proof) = trie.prove(&[origin, last]);
    let mut answer = Answer {
        root,
        origin,
        leaves,
        proof,
    };
    let mut fold = Fold::new();
    {
        let verified = answer.verify(verify, &mut fold);
        let verified = verified.unwrap_or_else(|fault| panic!("an honest answer: {fault}"));
        check(&verified, &answer, &sent);
    }
    let whole = Answer {
        origin: Hash::ZERO,
        leaves: sent.clone(),
        proof: Vec::new(),
        ..answer.clone()
    };
    assert!(
        whole.verify(verify, &mut fold).is_ok(),
        "a whole trie without a proof"
    );

    if bytes.bool() {
        // The proof holds every node, so that the fault cannot be a missing one.
        let keys: Vec<Hash> = trie.leaves.keys().copied().collect();
        answer.proof = trie.prove(&keys).1;
    }
    for _ in 0..1 + bytes.below(4) {
        spoil(&mut bytes, &mut answer, &sent);
    }
    if let Ok(verified) = answer.verify(verify, &mut fold) {
        check(&verified, &answer, &sent);
    }
}

/// What is taken is what the trie has next from the origin on, if it is this trie.
fn check(verified: &VerifiedRange<'_>, answer: &Answer, sent: &[(Hash, Vec<u8>)]) {
    let start = match answer.proof.is_empty() {
        // Then the leaves are the whole trie.
        true => 0,
        false => sent.partition_point(|(key, _)| *key < answer.origin),
    };
    assert!(
        sent[start..].starts_with(&answer.leaves),
        "what is taken is not there"
    );
    let more = start + answer.leaves.len() < sent.len();
    assert_eq!(verified.more(), more, "whether there are more");
    assert!(
        !(answer.leaves.is_empty() && more),
        "nothing, where there is something"
    );
    assert_eq!(verified.root(), answer.root);
    let delivered = verified.delivered();
    assert_eq!(delivered.len(), answer.leaves.len());
    for (entry, (key, _)) in delivered.zip(&answer.leaves) {
        assert_eq!(verified.fold().path(entry), Path::full(*key));
    }
}

fn near(bytes: &mut Bytes<'_>, sent: &[(Hash, Vec<u8>)]) -> Hash {
    let how = bytes.byte() % 5;
    if sent.is_empty() || how == 4 {
        return bytes.key();
    }
    let key = sent[bytes.below(sent.len())].0;
    match how {
        0 => key,
        1 => key.next().unwrap_or(key),
        2 => key.previous().unwrap_or(key),
        _ => Hash::ZERO,
    }
}

fn spoil(bytes: &mut Bytes<'_>, answer: &mut Answer, sent: &[(Hash, Vec<u8>)]) {
    let how = bytes.byte() % 11;
    let leaf = bytes.below(answer.leaves.len() + 1);
    let node = bytes.below(answer.proof.len() + 1);
    match how {
        0 => answer.origin = near(bytes, sent),
        1 if leaf < answer.leaves.len() => answer.leaves[leaf].0 = bytes.key(),
        2 if leaf < answer.leaves.len() => bytes.spoil(&mut answer.leaves[leaf].1),
        3 if leaf < answer.leaves.len() => drop(answer.leaves.remove(leaf)),
        4 if node < answer.proof.len() => drop(answer.proof.remove(node)),
        5 if node < answer.proof.len() => bytes.spoil(&mut answer.proof[node]),
        6 if node < answer.proof.len() => answer.proof.push(answer.proof[node].clone()),
        7 => answer.proof.push(bytes.some(80).to_vec()),
        8 => answer.leaves.reverse(),
        9 => answer.leaves.truncate(leaf),
        // One that is there, or not.
        _ => {
            let value = match sent.len() {
                0 => slot(bytes),
                many => sent[bytes.below(many)].1.clone(),
            };
            let key = near(bytes, sent);
            answer.leaves.push((key, value));
            answer.leaves.sort();
            answer.leaves.dedup_by_key(|(key, _)| *key);
        }
    }
}

/// A value as a storage trie holds it, or anything else that fits into a leaf.
fn slot(bytes: &mut Bytes<'_>) -> Vec<u8> {
    match bytes.some(40) {
        [] => vec![7],
        value => value.to_vec(),
    }
}

fn account(bytes: &mut Bytes<'_>) -> Vec<u8> {
    let hash = |bytes: &mut Bytes<'_>, nothing: Hash| match bytes.bool() {
        true => Item::string(bytes.hash().0),
        false => Item::string(nothing.0),
    };
    let fields = vec![
        Item::number(bytes.u64()),
        Item::number(bytes.u64()),
        hash(bytes, Hash::EMPTY_ROOT),
        hash(bytes, Hash::EMPTY_CODE),
    ];
    Item::List(fields).encode()
}
