//! GetTrieNodes.

use super::{NOTHING, ZERO, suite};
use crate::support::{ask, request_frame, word};
use snaplight_peer::{
    Hash,
    keccak::keccak,
    session::Outgoing,
    snap::{GetTrieNodes, Request},
};

#[test]
fn trie_nodes_00_nothing_asked_nothing_answered() {
    assert!(suite().nodes(&[], 500).is_empty());
}

#[test]
fn trie_nodes_01_an_empty_path_set_ends_the_connection() {
    let mut suite = suite();
    let request = suite.nodes_request(&[&[], &[&[0]]], 5000);
    let outgoing = suite.session.on_frame(&request_frame(&request));
    assert!(matches!(
        outgoing.as_slice(),
        [Outgoing::Frame(_), Outgoing::Close(4002)]
    ));
}

#[test]
fn trie_nodes_02_an_unknown_account_contributes_nothing() {
    let mut suite = suite();
    let root = suite.state.accounts().path_to(&ZERO)[0].clone();
    assert_eq!(keccak(&root), suite.state.root());
    assert_eq!(
        suite.nodes(&[&[&[0]], &[&[1], &[0]]], 5000),
        std::slice::from_ref(&root)
    );
    assert_eq!(
        suite.nodes(&[&[&[0x77; 32], &[0]], &[&[0]]], 5000),
        std::slice::from_ref(&root)
    );
    // An empty path is the root's, too.
    assert_eq!(suite.nodes(&[&[&[]]], 5000), [root]);
}

#[test]
fn trie_nodes_03_a_path_without_a_node_is_an_empty_item() {
    assert_eq!(suite().nodes(&[&[&[0x2a; 54]]], 5000), [NOTHING]);
}

/// A path of this many nibbles towards a key.
fn compact(key: &Hash, len: usize) -> Vec<u8> {
    let nibbles: Vec<u8> = key.iter().flat_map(|byte| [byte >> 4, byte & 15]).collect();
    let mut flagged = vec![0x1; len % 2];
    if len.is_multiple_of(2) {
        flagged = vec![0, 0];
    }
    flagged.extend(&nibbles[..len]);
    flagged
        .chunks(2)
        .map(|pair| pair[0] << 4 | pair[1])
        .collect()
}

#[test]
fn trie_nodes_04_all_paths_towards_a_key_give_its_nodes_and_then_empty_items() {
    let mut suite = suite();
    let key = suite.keys[42];
    let path = suite.state.accounts().path_to(&key);
    let paths: Vec<_> = (0..=64).map(|len| compact(&key, len)).collect();
    let sets: Vec<[&[u8]; 1]> = paths.iter().map(|path| [path.as_slice()]).collect();
    let sets: Vec<&[&[u8]]> = sets.iter().map(AsRef::as_ref).collect();
    let nodes = suite.nodes(&sets, 5000);
    assert_eq!(nodes.len(), 65);
    assert_eq!(nodes[..path.len()], path);
    assert!(nodes[path.len()..].iter().all(Vec::is_empty));
}

#[test]
fn trie_nodes_05_the_order_is_that_of_the_request() {
    let mut suite = suite();
    let key = suite.keys[42];
    let path = suite.state.accounts().path_to(&key);
    let [ten, one, zero] = [10, 1, 0].map(|len| compact(&key, len));
    let nodes = suite.nodes(&[&[&ten], &[&one], &[&zero]], 5000);
    assert_eq!(nodes, [NOTHING, path[1].clone(), path[0].clone()]);
}

#[test]
fn trie_nodes_06_07_nodes_of_a_storage() {
    let mut suite = suite();
    let account = suite.storage_account();
    let storage = suite.state.storage(&account).unwrap();
    let (root, leaf) = {
        let path = storage.path_to(&keccak(&word(1)));
        (path[0].clone(), path[1].clone())
    };
    assert_eq!(keccak(&root), storage.root());
    assert_eq!(
        suite.nodes(&[&[&account, &[0]]], 5000),
        std::slice::from_ref(&root)
    );
    assert_eq!(
        suite.nodes(&[&[&account, &[0], &[0x1b]]], 5000),
        [root, leaf]
    );
    // An account without storage has no storage nodes, but it exists.
    let plain = suite.keys[0];
    assert_eq!(suite.nodes(&[&[&plain, &[0]]], 5000), [NOTHING]);
}

#[test]
fn trie_nodes_stop_at_the_bytes_and_at_the_lookups() {
    let mut suite = suite();
    let root: &[&[u8]] = &[&[0]];
    assert_eq!(suite.nodes(&[root; 10], 0).len(), 1);
    let len = suite.state.accounts().path_to(&ZERO)[0].len() as u64;
    assert_eq!(suite.nodes(&[root; 10], 3 * len).len(), 4);
    assert_eq!(suite.nodes(&[root; 10], 3 * len - 1).len(), 3);
    assert_eq!(suite.nodes(&[root; 1100], u64::MAX).len(), 1025);
}

#[test]
fn trie_nodes_of_an_unknown_state_are_an_empty_answer() {
    let mut suite = suite();
    let request = GetTrieNodes {
        id: 1,
        root: [0x13; 32],
        paths: vec![vec![vec![0]]],
        bytes: 500,
    };
    assert!(ask(&mut suite.session, &Request::Nodes(request)).is_nothing());
}
