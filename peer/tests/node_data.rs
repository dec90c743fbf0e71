//! What GetNodeData is answered with, by the rules of `docs/websocket-peers.md` §6.7.

#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use alloy_rlp::Header;
use snaplight_peer::{
    EMPTY_CODE, EMPTY_ROOT, Hash,
    chain::{Chain, Change},
    keccak::keccak,
    session::{Server, Session},
    state::{Account, Builder, Realistic, Recipe, State, code_hash},
    trie::Trie,
};
use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};
use support::by_hash::{ask, ready};
use support::word;

/// The most hashes that a server looks at.
const HASHES: usize = 1024;
/// The size at which an answer ends, in bytes.
const SIZE: usize = 2 * 1024 * 1024;

fn recipe() -> State {
    let recipe = Recipe {
        accounts: 600,
        contracts_per_mille: 300,
        seed: 7,
        huge: vec![(2, 400)],
    };
    recipe.build()
}

/// The nodes of all tries of a state.
fn nodes(state: &State) -> HashSet<Vec<u8>> {
    let storages = state.storages().map(|(_, storage)| storage);
    let tries = std::iter::once(state.accounts()).chain(storages);
    tries.flat_map(Trie::all_nodes).collect()
}

fn hashes(items: &[Vec<u8>]) -> Vec<Hash> {
    items.iter().map(|item| keccak(item)).collect()
}

/// Asks for all of these in requests of 384, as a client does.
fn ask_all(session: &mut Session, hashes: &[Hash]) -> Vec<Vec<u8>> {
    let parts = hashes.chunks(384);
    parts.flat_map(|part| ask(session, 1, part)).collect()
}

#[test]
fn items_come_in_the_order_of_the_hashes_and_unknown_ones_are_left_out() {
    let state = recipe();
    let code = state.codes().next().unwrap().1.to_vec();
    let mut items: Vec<_> = nodes(&state).into_iter().take(20).collect();
    items.insert(7, code);
    let mut wanted = hashes(&items);
    for (at, unknown) in [(21, [1; 32]), (11, [2; 32]), (0, [0; 32])] {
        wanted.insert(at, unknown);
    }
    let mut session = ready(&Arc::new(Server::new(state)), Vec::new());
    assert_eq!(ask(&mut session, 1, &wanted), items);
    wanted.reverse();
    items.reverse();
    assert_eq!(ask(&mut session, u64::MAX, &wanted), items);
    assert_eq!(ask(&mut session, 0, &[]), [[0; 0]; 0]);
    assert_eq!(ask(&mut session, 0, &[[1; 32]]), [[0; 0]; 0]);
    // A hash that is asked for twice is answered twice.
    let twice = [wanted[3], wanted[3]];
    assert_eq!(ask(&mut session, 2, &twice).len(), 2);
}

#[test]
fn every_node_and_every_code_of_a_state_has_its_hash() {
    let realistic = Realistic::new(2000, 3).build();
    let live = Chain::new(recipe(), 1);
    let live = live.state(&live.root()).unwrap().as_ref().clone();
    for state in [recipe(), live, realistic] {
        let nodes: Vec<_> = nodes(&state).into_iter().collect();
        let codes: Vec<_> = state.codes().map(|(_, code)| code.to_vec()).collect();
        let mut session = ready(&Arc::new(Server::new(state)), Vec::new());
        for items in [nodes, codes] {
            assert!(ask_all(&mut session, &hashes(&items)) == items);
        }
    }
}

#[test]
fn what_is_empty_is_never_an_item() {
    let server = Arc::new(Server::new(Builder::new().build()));
    let mut session = ready(&server, Vec::new());
    assert!(ask(&mut session, 1, &[EMPTY_ROOT, EMPTY_CODE, keccak(&[])]).is_empty());
    let server = Arc::new(Server::new(recipe()));
    let mut session = ready(&server, Vec::new());
    assert!(ask(&mut session, 1, &[EMPTY_ROOT, EMPTY_CODE]).is_empty());
}

#[test]
fn a_short_root_has_a_hash_and_a_short_node_inside_its_parent_has_none() {
    // The keys share 62 nibbles, so the leaves of small values are short. So is the branch.
    let slot = |last| {
        let mut key = [0x44; 32];
        key[31] = last;
        key
    };
    let close = Account::new()
        .slot_at(slot(1), word(1))
        .slot_at(slot(2), word(2));
    let state = Builder::new().account([1; 20], close).build();
    let storage = state.storages().next().unwrap().1.clone();
    let [root] = &storage.all_nodes()[..] else {
        panic!("the branch is embedded in the extension")
    };
    let embedded = items(root)[1];
    assert!(embedded.len() < 32 && items(embedded).len() == 17);
    let mut session = ready(&Arc::new(Server::new(state)), Vec::new());
    let asked = ask(&mut session, 1, &[storage.root()]);
    assert_eq!(asked, std::slice::from_ref(root));
    assert!(ask(&mut session, 1, &[keccak(embedded)]).is_empty());
}

#[test]
fn a_node_goes_before_a_code_of_the_same_hash() {
    // The code is the account trie's root node of another state, so both have one hash. They are
    // the same bytes, and there is one item.
    let first = Builder::new()
        .account([1; 20], Account::new().balance(1))
        .build();
    let root = first.accounts().all_nodes().remove(0);
    let mut chain = Chain::new(first, 1);
    let second = Builder::new().account([2; 20], Account::new().code(root.clone()));
    chain.server().push(Arc::new(second.build()));
    let mut session = ready(&chain.server(), Vec::new());
    let asked = ask(&mut session, 1, &[keccak(&root)]);
    assert_eq!(asked, std::slice::from_ref(&root));
    // Without the first state, the code is left.
    for _ in 0..128 {
        chain.advance(&Change {
            insert: 1,
            ..Change::default()
        });
    }
    assert_eq!(ask(&mut session, 2, &[keccak(&root)]), [root]);
}

#[test]
fn only_the_first_1024_hashes_are_looked_at() {
    let state = recipe();
    let items: Vec<_> = nodes(&state).into_iter().take(2).collect();
    let mut session = ready(&Arc::new(Server::new(state)), Vec::new());
    let [first, second] = hashes(&items)[..] else {
        panic!("two nodes")
    };
    let mut wanted = vec![[9; 32]; HASHES + 1];
    (wanted[HASHES - 1], wanted[HASHES]) = (first, second);
    assert_eq!(ask(&mut session, 1, &wanted), items[..1]);
    assert_eq!(ask(&mut session, 1, &vec![first; 3000]).len(), HASHES);
}

#[test]
fn an_answer_ends_after_the_item_with_which_it_has_2_mib() {
    let account = |size| Account::new().code(vec![size as u8 | 1; size]);
    let (full, part) = (SIZE / 4, SIZE / 4 - 1);
    let state = Builder::new()
        .account([1; 20], account(full))
        .account([2; 20], account(part))
        .account([3; 20], account(3 * SIZE))
        .build();
    let by_size = |size: usize| {
        let mut codes = state.codes();
        *codes.find(|(_, code)| code.len() == size).unwrap().0
    };
    let (full, part, large) = (by_size(full), by_size(part), by_size(3 * SIZE));
    let root = state.root();
    let mut session = ready(&Arc::new(Server::new(state)), Vec::new());
    let mut count = |hashes: &[Hash]| ask(&mut session, 1, hashes).len();
    assert_eq!(count(&[full, full, full, full, root]), 4);
    assert_eq!(count(&[full, full, full, part, root]), 5);
    assert_eq!(count(&[full, full, full, part, large, root]), 5);
    assert_eq!(count(&[large, root]), 1);
    assert_eq!(count(&[root, large, root]), 2);
}

#[test]
fn every_state_of_the_window_is_served_and_no_other() {
    let mut chain = Chain::keeping(4, recipe(), 5);
    let mut session = ready(&chain.server(), Vec::new());
    let mut states = vec![chain.state(&chain.root()).unwrap()];
    // Before, between and after requests.
    for block in 0..12 {
        chain.advance_by([0.02, 0.3, 0.0][block % 3]);
        states.push(chain.state(&chain.root()).unwrap());
        if block % 5 == 4 {
            continue;
        }
        let served = &states[states.len().saturating_sub(4)..];
        let held: HashSet<_> = served.iter().flat_map(|state| nodes(state)).collect();
        let ever: HashSet<_> = states.iter().flat_map(|state| nodes(state)).collect();
        let (held, gone): (Vec<_>, Vec<_>) = ever.into_iter().partition(|n| held.contains(n));
        assert!(ask_all(&mut session, &hashes(&held)) == held);
        assert!(ask_all(&mut session, &hashes(&gone)).is_empty());
        assert!(block < 6 || !gone.is_empty());
    }
}

#[test]
fn a_peer_behind_serves_the_older_states_only() {
    let mut chain = Chain::new(recipe(), 5);
    let old = chain.root();
    chain.advance_by(0.1);
    let server = chain.server();
    let behind = Arc::new(server.behind(1));
    let roots = [old, chain.root()];
    assert_eq!(ask(&mut ready(&server, Vec::new()), 1, &roots).len(), 2);
    assert_eq!(ask(&mut ready(&behind, Vec::new()), 1, &roots).len(), 1);
}

/// The list of an encoded node's items, each with its header.
fn items(mut rlp: &[u8]) -> Vec<&[u8]> {
    let mut list = Header::decode_bytes(&mut rlp, true).unwrap();
    let mut items = Vec::new();
    while !list.is_empty() {
        let before = list;
        let header = Header::decode(&mut list).unwrap();
        list = &list[header.payload_length..];
        items.push(&before[..before.len() - list.len()]);
    }
    items
}

fn string(mut rlp: &[u8]) -> &[u8] {
    Header::decode_bytes(&mut rlp, false).unwrap()
}

/// Reads a whole trie from its root by asking for one level after the other. Knows nothing of the
/// server but what it sends.
fn read_trie(session: &mut Session, root: Hash) -> BTreeMap<Hash, Vec<u8>> {
    let mut leaves = BTreeMap::new();
    if root == EMPTY_ROOT {
        return leaves;
    }
    let mut level: Vec<(Hash, Vec<u8>)> = vec![(root, Vec::new())];
    while !level.is_empty() {
        let wanted: Vec<_> = level.iter().map(|(hash, _)| *hash).collect();
        let nodes = ask_all(session, &wanted);
        assert_eq!(nodes.len(), level.len());
        let mut next = Vec::new();
        for ((hash, path), node) in level.into_iter().zip(nodes) {
            assert_eq!(keccak(&node), hash);
            read_node(&node, path, &mut next, &mut leaves);
        }
        level = next;
    }
    leaves
}

fn read_node(
    node: &[u8],
    path: Vec<u8>,
    next: &mut Vec<(Hash, Vec<u8>)>,
    leaves: &mut BTreeMap<Hash, Vec<u8>>,
) {
    let mut below = |child: &[u8], path: Vec<u8>| match child {
        [0x80] => {}
        [0xa0, hash @ ..] => next.push((hash.try_into().unwrap(), path)),
        // A node of fewer than 32 bytes.
        embedded => read_node(embedded, path, &mut Vec::new(), leaves),
    };
    match items(node)[..] {
        [prefix, value] => {
            let prefix = string(prefix);
            let odd = (prefix[0] & 0x10 != 0).then_some(prefix[0] & 0x0f);
            let rest = prefix[1..].iter().flat_map(|byte| [byte >> 4, byte & 0x0f]);
            let path: Vec<u8> = path.into_iter().chain(odd).chain(rest).collect();
            if prefix[0] & 0x20 == 0 {
                return below(value, path);
            }
            let key: Vec<u8> = path.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect();
            leaves.insert(key.try_into().unwrap(), string(value).to_vec());
        }
        ref branch => {
            assert_eq!(branch.len(), 17);
            for (nibble, child) in branch[..16].iter().enumerate() {
                below(child, [&path[..], &[nibble as u8]].concat());
            }
        }
    }
}

/// Reads a whole state by hash, and compares it.
fn assert_walks(session: &mut Session, state: &State) {
    let accounts = read_trie(session, state.root());
    assert_eq!(accounts.len() as u64, state.counts().accounts);
    let (mut slots, mut codes) = (0, HashSet::new());
    for (account, body) in &accounts {
        let fields: Vec<_> = items(body).into_iter().map(string).collect();
        let [nonce, balance, storage_root, hash] = fields[..] else {
            panic!("four fields")
        };
        let slim = state.account(account).unwrap();
        let slim_fields: Vec<_> = items(slim).into_iter().map(string).collect();
        assert_eq!([nonce, balance], slim_fields[..2]);
        let storage = read_trie(session, storage_root.try_into().unwrap());
        let expected = state.storage(account);
        let expected = expected.into_iter().flat_map(Trie::iter);
        let expected: BTreeMap<_, _> = expected.map(|(k, v)| (*k, v.to_vec())).collect();
        assert_eq!(storage, expected);
        slots += storage.len() as u64;
        let hash: Hash = hash.try_into().unwrap();
        assert_eq!(hash, code_hash(slim));
        if hash != EMPTY_CODE && codes.insert(hash) {
            let code = ask(session, 1, &[hash]).remove(0);
            assert_eq!(keccak(&code), hash);
        }
    }
    let counts = state.counts();
    assert_eq!((slots, codes.len() as u64), (counts.slots, counts.codes));
}

#[test]
fn a_whole_state_is_read_from_its_root_by_hash_alone() {
    for state in [recipe(), Realistic::new(500, 2).build()] {
        let server = Arc::new(Server::new(state));
        assert_walks(&mut ready(&server, Vec::new()), &server.head());
    }
}

#[test]
fn the_oldest_and_the_newest_state_of_a_chain_are_read_by_hash_alone() {
    let mut chain = Chain::keeping(3, recipe(), 9);
    let mut session = ready(&chain.server(), Vec::new());
    for _ in 0..5 {
        chain.advance_by(0.05);
        // Some of the blocks are entered one by one.
        ask(&mut session, 1, &[chain.root()]);
    }
    let states = chain.server().states();
    for root in [states.roots().next(), states.roots().last()] {
        assert_walks(&mut session, states.get(root.unwrap()).unwrap());
    }
}
