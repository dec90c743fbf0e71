//! An artificial state, and a peer that serves any part of it with proofs. Its roots are computed
//! by alloy-trie.

pub(crate) mod asking;

use std::collections::{BTreeMap, BTreeSet, HashSet};

use alloy_trie::proof::ProofRetainer;
use alloy_trie::{HashBuilder, Nibbles};
use snaplight::hash::Hash;
use snaplight::state::{Account, NewPages, PageId, SlimAccount, StatePath, Tree};
use snaplight::trie::fold::{Fold, Root};
use snaplight::trie::node::{Child, Node, decode};
use snaplight::trie::path::Path;
use snaplight::trie::proof::prove;
use snaplight::trie::range::{verify_accounts, verify_slots};

/// SplitMix64 (Steele, Lea, Flood): good enough for tests, and the same on every machine.
#[derive(Clone)]
pub(crate) struct Rng(pub(crate) u64);

impl Rng {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }

    pub(crate) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub(crate) fn hash(&mut self) -> Hash {
        let mut bytes = [0; 32];
        for part in bytes.chunks_exact_mut(8) {
            part.copy_from_slice(&self.next().to_be_bytes());
        }
        Hash(bytes)
    }
}

/// One trie: its leaves in the form that peers send, and the nodes that prove them.
pub(crate) struct Trie {
    pub(crate) root: Hash,
    pub(crate) leaves: BTreeMap<Hash, Vec<u8>>,
    fold: Fold,
    is_storage: bool,
}

pub(crate) struct World {
    pub(crate) accounts: Trie,
    pub(crate) storage: BTreeMap<Hash, Trie>,
}

/// What a peer answers.
pub(crate) struct Answer {
    pub(crate) leaves: Vec<(Hash, Vec<u8>)>,
    pub(crate) proof: Vec<Vec<u8>>,
}

impl Trie {
    /// Returns its leaves in the form in which a verifier takes them.
    pub(crate) fn all_leaves(&self) -> Vec<(Hash, &[u8])> {
        let leaves = self.leaves.iter();
        leaves
            .map(|(key, value)| (*key, value.as_slice()))
            .collect()
    }

    pub(crate) fn of_slots(leaves: BTreeMap<Hash, Vec<u8>>) -> Trie {
        let root = alloy_root(leaves.iter().map(|(key, value)| (*key, value.clone())));
        let mut fold = Fold::new();
        for (key, value) in &leaves {
            fold.push_leaf(key, value).unwrap();
        }
        assert_eq!(fold.run(Root::Trie), Ok(root));
        Trie {
            root,
            leaves,
            fold,
            is_storage: true,
        }
    }

    pub(crate) fn of_accounts(accounts: BTreeMap<Hash, Account>) -> Trie {
        let root = alloy_root(
            accounts
                .iter()
                .map(|(key, account)| (*key, account.to_full())),
        );
        let leaves: BTreeMap<_, _> = accounts
            .iter()
            .map(|(key, account)| (*key, account.to_slim()))
            .collect();
        let mut fold = Fold::new();
        for (key, slim) in &leaves {
            fold.push_account(key, slim).unwrap();
        }
        assert_eq!(fold.run(Root::Trie), Ok(root));
        Trie {
            root,
            leaves,
            fold,
            is_storage: false,
        }
    }

    /// Returns the leaves from `origin` up to the first past `limit`, at most `max` (at least one).
    /// There is a proof unless they are the whole trie.
    pub(crate) fn serve(&self, origin: &Hash, limit: &Hash, max: usize) -> Answer {
        let mut leaves = Vec::new();
        for (key, value) in self.leaves.range(*origin..) {
            leaves.push((*key, value.clone()));
            if key >= limit || leaves.len() >= max.max(1) {
                break;
            }
        }
        if leaves.len() == self.leaves.len() && *origin == Hash::ZERO {
            return Answer {
                leaves,
                proof: Vec::new(),
            };
        }
        let mut proof = prove(&self.fold, origin).unwrap();
        if let Some((last, _)) = leaves.last() {
            proof.extend(prove(&self.fold, last).unwrap());
        }
        Answer { leaves, proof }
    }

    /// The proof of one key, as alloy-trie makes it, without the embedded nodes that alloy-trie
    /// lists and go-ethereum does not.
    /// An empty trie has no nodes for go-ethereum either.
    pub(crate) fn prove(&self, key: &Hash) -> Vec<Vec<u8>> {
        if self.leaves.is_empty() {
            return Vec::new();
        }
        let mut builder = HashBuilder::default()
            .with_proof_retainer(ProofRetainer::new(vec![Nibbles::unpack(key.0)]));
        for (leaf, value) in &self.leaves {
            let full = match SlimAccount::parse(value) {
                Ok(body) if !self.is_storage => body.account().to_full(),
                _ => value.clone(),
            };
            builder.add_leaf(Nibbles::unpack(leaf.0), &full);
        }
        assert_eq!(builder.root().0, self.root.0);
        let nodes = builder.take_proof_nodes().into_nodes_sorted();
        let nodes = nodes.into_iter().map(|(_, node)| node.to_vec());
        let is_listed = |(index, node): &(usize, Vec<u8>)| *index == 0 || node.len() >= 32;
        let nodes = nodes.enumerate().filter(is_listed);
        nodes.map(|(_, node)| node).collect()
    }

    /// Returns the hashes of all leaf and branch nodes that have one.
    pub(crate) fn hashes(&self) -> BTreeSet<Hash> {
        let leaves = (0..self.fold.len()).filter_map(|leaf| self.fold.leaf_ref(leaf)?.hash());
        let branches = self.fold.branches().iter();
        leaves
            .chain(branches.filter_map(|branch| branch.reference.hash()))
            .collect()
    }

    /// Returns the node at `path`, if there is one that is not embedded in another.
    pub(crate) fn node(&self, path: &Path) -> Option<Vec<u8>> {
        let mut depth = Path::ROOT;
        for blob in prove(&self.fold, &path.key()).unwrap() {
            if depth == *path {
                return Some(blob);
            }
            // Goes down through embedded nodes to the place of the proof's next node.
            let mut rlp = blob.as_slice();
            loop {
                let child = match decode(rlp).unwrap() {
                    Node::Leaf { .. } => return None,
                    Node::Extension { nibbles, child } => {
                        depth = depth.join(nibbles)?;
                        child
                    }
                    Node::Branch(children) => {
                        let nibble = path.nibble(depth.len());
                        depth = depth.child(nibble)?;
                        children[usize::from(nibble)]
                    }
                };
                match child {
                    Child::Embedded(node) => rlp = node,
                    _ => break,
                }
            }
        }
        None
    }
}

impl World {
    pub(crate) fn trie(&self, at: &StatePath) -> &Trie {
        at.account
            .map_or(&self.accounts, |account| &self.storage[&account])
    }

    /// Makes a state with long shared prefixes (extensions, deep branches, embedded nodes), storage
    /// of many sizes, and shared codes. Of a hundred accounts, `contracts` have code, and as many
    /// have storage.
    pub(crate) fn odd(rng: &mut Rng, accounts: usize, slots: usize, contracts: usize) -> World {
        let codes: Vec<Hash> = (0..accounts / 4 + 1).map(|_| rng.hash()).collect();
        let mut storage = BTreeMap::new();
        let mut bodies = BTreeMap::new();
        let mut keys = Vec::new();
        for _ in 0..accounts {
            let key = odd_key(rng, &mut keys);
            if bodies.contains_key(&key) {
                continue;
            }
            let (mut storage_root, mut code_hash) = (Hash::EMPTY_ROOT, Hash::EMPTY_CODE);
            if rng.chance(contracts) {
                code_hash = codes[rng.below(codes.len())];
            }
            if rng.chance(contracts) {
                let count = match rng.below(6) {
                    0 => slots,
                    1 => slots / 4,
                    _ => 8,
                };
                let mut slot_keys = Vec::new();
                let count = 1 + rng.below(count);
                let leaves = (0..count)
                    .map(|_| (odd_key(rng, &mut slot_keys), slot(rng)))
                    .collect();
                let trie = Trie::of_slots(leaves);
                storage_root = trie.root;
                storage.insert(key, trie);
            }
            bodies.insert(key, body(rng, storage_root, code_hash));
        }
        World {
            accounts: Trie::of_accounts(bodies),
            storage,
        }
    }
}

/// Makes an account whose slim body without storage and code has about 13 bytes, as on mainnet.
pub(crate) fn body(rng: &mut Rng, storage_root: Hash, code_hash: Hash) -> Account {
    let mut balance = [0; 32];
    balance[24..].copy_from_slice(&(rng.next() >> 8).to_be_bytes());
    Account {
        nonce: rng.next() % 200,
        balance,
        storage_root,
        code_hash,
    }
}

pub(crate) fn slot(rng: &mut Rng) -> Vec<u8> {
    let length = if rng.chance(50) { 1 } else { 1 + rng.below(32) };
    let mut value = rng.hash().0[..length].to_vec();
    value[0] |= 1;
    alloy_rlp::encode(value.as_slice())
}

pub(crate) fn odd_key(rng: &mut Rng, keys: &mut Vec<Hash>) -> Hash {
    let mut key = rng.hash();
    if !keys.is_empty() && rng.chance(40) {
        let near = keys[rng.below(keys.len())];
        let shared = rng.below(64);
        let odd = if shared % 2 == 1 {
            near.0[shared / 2] & 0xf0 | key.0[shared / 2] & 0xf
        } else {
            key.0[shared / 2]
        };
        key.0[..shared / 2].copy_from_slice(&near.0[..shared / 2]);
        key.0[shared / 2] = odd;
    }
    keys.push(key);
    key
}

fn alloy_root(leaves: impl Iterator<Item = (Hash, Vec<u8>)>) -> Hash {
    let mut builder = HashBuilder::default();
    for (key, value) in leaves {
        builder.add_leaf(Nibbles::unpack(key.0), &value);
    }
    Hash(builder.root().0)
}

/// Makes a tree of all of `world` and the pages that it has written so far. If `without` is `n`,
/// the storage of every n-th account with storage is missing.
pub(crate) fn fetched(world: &World, budget: usize, without: Option<usize>) -> (Tree, NewPages) {
    let mut fold = Fold::new();
    let mut out = NewPages::new(PageId(1));
    let mut tree = Tree::new(world.accounts.root).with_budget(budget);
    let codes: HashSet<Hash> = HashSet::new();
    let leaves = world.accounts.all_leaves();
    let range =
        verify_accounts(&mut fold, &world.accounts.root, &Hash::ZERO, &leaves, &[]).unwrap();
    let joined = tree.join_accounts(&range, &codes, &mut out).unwrap();
    for (index, (account, root)) in joined.storage.into_iter().enumerate() {
        if without.is_some_and(|n| index % n == 0) {
            continue;
        }
        let leaves = world.storage[&account].all_leaves();
        let range = verify_slots(&mut fold, &root, &Hash::ZERO, &leaves, &[]).unwrap();
        tree.join_storage(&account, &range, &mut out).unwrap();
    }
    let codes: HashSet<Hash> = joined.codes.into_iter().collect();
    tree.cut_complete(&codes, &mut out).unwrap();
    (tree, out)
}
