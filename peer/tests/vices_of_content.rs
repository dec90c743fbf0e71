//! Vices that only a proof or a hash can show, since the answers are well-formed; and the peer that
//! does not follow the chain.

#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use snaplight_peer::{
    Hash,
    chain::Chain,
    session::{Outgoing, Server},
    snap::{GetAccountRange, GetByteCodes, GetStorageRanges, GetTrieNodes, Request},
    state::{Recipe, State, code_hash},
    vice::{Fault, Field, Vice},
};
use std::sync::Arc;
use support::{Answer, ask, ready};

fn server() -> Arc<Server> {
    let recipe = Recipe {
        accounts: 60,
        contracts_per_mille: 500,
        seed: 4,
        huge: vec![(1, 300)],
    };
    Arc::new(Server::new(recipe.build()))
}

fn requests(state: &State) -> [Request; 4] {
    let root = state.root();
    let (contract, storage) = state.storages().max_by_key(|(_, trie)| trie.len()).unwrap();
    assert!(storage.len() >= 300);
    let body = state.account(contract).unwrap();
    [
        Request::Accounts(GetAccountRange {
            id: 1,
            root,
            origin: [0; 32],
            limit: [0xff; 32],
            bytes: 100_000,
        }),
        Request::Storage(GetStorageRanges {
            id: 2,
            root,
            accounts: vec![*contract],
            origin: Some(support::word(1)),
            limit: None,
            bytes: 5000,
        }),
        Request::Codes(GetByteCodes {
            id: 3,
            hashes: vec![code_hash(body)],
            bytes: 100_000,
        }),
        Request::Nodes(GetTrieNodes {
            id: 4,
            root,
            paths: vec![vec![vec![0]], vec![vec![0x11]]],
            bytes: 100_000,
        }),
    ]
}

fn answer(server: &Arc<Server>, vice: Option<Vice>, request: &Request) -> Answer {
    ask(&mut ready(server, vice.into_iter().collect()), request)
}

/// How many keys, values and strings of two answers differ. Their lists must have the same lengths.
fn differences(a: &Answer, b: &Answer) -> [usize; 3] {
    assert_eq!((a.id, a.code), (b.id, b.code));
    let items = |answer: &Answer| answer.sets.concat();
    let (left, right) = (items(a), items(b));
    assert_eq!((left.len(), a.proof.len()), (right.len(), b.proof.len()));
    let pairs = || left.iter().zip(&right);
    let strings = a.proof.iter().zip(&b.proof);
    [
        pairs().filter(|(x, y)| x.0 != y.0).count(),
        pairs().filter(|(x, y)| x.1 != y.1).count(),
        strings.filter(|(x, y)| x != y).count(),
    ]
}

#[test]
fn each_field_can_be_corrupted_alone_and_only_where_there_is_one() {
    let server = server();
    let state = server.head();
    let [key, value, string] = [[1, 0, 0], [0, 1, 0], [0, 0, 1]];
    let none = [0; 3];
    for (name, field) in Field::ALL {
        // Of accounts, slots, codes and nodes.
        let expected = match field {
            Field::Key => [key, key, none, none],
            Field::Nonce | Field::Balance | Field::StorageRoot | Field::CodeHash => {
                [value, none, none, none]
            }
            Field::Slot => [none, value, none, none],
            Field::Code => [none, none, string, none],
            Field::Node => [none, none, none, string],
            Field::Proof => [string, string, none, none],
        };
        let vice: Vice = format!("corrupt={name}").parse().unwrap();
        assert_eq!(vice.fault, Fault::Corrupt(field));
        for (request, expected) in requests(&state).iter().zip(expected) {
            let honest = answer(&server, None, request);
            let corrupt = answer(&server, Some(vice.clone()), request);
            assert_eq!(
                differences(&honest, &corrupt),
                expected,
                "{name} {request:?}"
            );
        }
    }
    assert!("corrupt=bogus".parse::<Vice>().is_err());
    assert!("corrupt".parse::<Vice>().is_err());
}

#[test]
fn corrupt_fields_are_the_ones_they_are_called() {
    use alloy_rlp::{Decodable, Header};
    fn fields(mut body: &[u8]) -> Vec<Vec<u8>> {
        let mut list = Header::decode_bytes(&mut body, true).unwrap();
        let mut fields = Vec::new();
        while !list.is_empty() {
            fields.push(Header::decode_bytes(&mut list, false).unwrap().to_vec());
        }
        fields
    }
    let server = server();
    let [accounts, storage, ..] = requests(&server.head());
    let honest = answer(&server, None, &accounts);
    for (place, name) in ["nonce", "balance", "storage-root", "code-hash"]
        .into_iter()
        .enumerate()
    {
        let vice = format!("corrupt={name}").parse().unwrap();
        let corrupt = answer(&server, Some(vice), &accounts);
        let pairs = honest.sets[0].iter().zip(&corrupt.sets[0]);
        let (a, b) = pairs.into_iter().find(|(a, b)| a != b).unwrap();
        let (a, b) = (fields(&a.1), fields(&b.1));
        assert!(
            (0..4).all(|other| (a[other] == b[other]) == (other != place)),
            "{name}"
        );
        assert!(b[place].len() == 32 || place < 2);
    }
    let corrupt = answer(
        &server,
        Some(Vice::from(Fault::Corrupt(Field::Slot))),
        &storage,
    );
    for (_, value) in corrupt.sets.concat() {
        let inner = Vec::<u8>::from(alloy_rlp::Bytes::decode(&mut value.as_slice()).unwrap());
        assert!(!inner.is_empty() && inner[0] != 0);
    }
}

#[test]
fn a_liar_lies_about_the_same_account_in_every_answer_that_holds_it() {
    let server = server();
    let state = server.head();
    let mut session = ready(&server, vec![Vice::from(Fault::Lie)]);
    let mut lies: Vec<Hash> = Vec::new();
    for start in 0..=255_u8 {
        let mut origin = [0; 32];
        origin[0] = start;
        let answer = ask(
            &mut session,
            &Request::Accounts(GetAccountRange {
                id: 1,
                root: state.root(),
                origin,
                limit: [0xff; 32],
                bytes: 500,
            }),
        );
        let untrue = answer.sets[0]
            .iter()
            .filter(|(key, body)| state.account(key) != Some(body));
        lies.extend(untrue.map(|(key, _)| *key));
    }
    assert!(lies.len() > 1);
    assert!(lies.iter().all(|lie| *lie == lies[0] && lie[0] >= 0x80));
    for request in &requests(&state)[1..] {
        assert_eq!(ask(&mut session, request), answer(&server, None, request));
    }
}

#[test]
fn short_leaves_half_out_under_the_same_proof() {
    let server = server();
    let [accounts, storage, _, nodes] = requests(&server.head());
    for request in [&accounts, &storage] {
        let honest = answer(&server, None, request);
        let short = answer(&server, Some(Vice::from(Fault::Short)), request);
        assert_eq!(short.proof, honest.proof);
        let half = honest.keys().len().div_ceil(2);
        assert_eq!(short.keys(), honest.keys()[..half]);
    }
    let honest = answer(&server, None, &nodes);
    let short = answer(&server, Some(Vice::from(Fault::Short)), &nodes);
    assert_eq!(short.proof, honest.proof[..1]);
}

#[test]
fn a_stuck_peer_keeps_to_the_root_it_began_with() {
    let mut chain = Chain::new(server().head().as_ref().clone(), 1);
    chain.advance_by(0.1);
    let (old, began) = (
        chain.server().blocks().first().header.state_root,
        chain.root(),
    );
    let mut stuck = ready(&chain.server(), vec!["stuck".parse().unwrap()]);
    let mut honest = ready(&chain.server(), Vec::new());
    chain.advance_by(0.1);
    assert_eq!(stuck.on_head(), []);
    assert!(matches!(honest.on_head()[..], [Outgoing::Frame(_)]));
    for root in [old, began, chain.root()] {
        let state = chain.state(&root).unwrap();
        let [accounts, storage, codes, nodes] = requests(&state);
        for request in [accounts, storage, nodes] {
            assert!(!ask(&mut honest, &request).is_nothing());
            assert_eq!(ask(&mut stuck, &request).is_nothing(), root != began);
        }
        assert_eq!(ask(&mut honest, &codes), ask(&mut stuck, &codes));
    }
    // A connection that begins later stays at a later root.
    let mut later = ready(&chain.server(), vec!["stuck".parse().unwrap()]);
    let [accounts, ..] = requests(&chain.state(&chain.root()).unwrap());
    assert!(!ask(&mut later, &accounts).is_nothing());
}

#[test]
fn a_peer_of_the_wrong_state_answers_from_the_state_before() {
    let mut chain = Chain::new(server().head().as_ref().clone(), 1);
    let before = chain.state(&chain.root()).unwrap();
    chain.advance_by(0.5);
    let after = chain.state(&chain.root()).unwrap();
    let mut wrong = ready(&chain.server(), vec!["wrong-state".parse().unwrap()]);
    let mut honest = ready(&chain.server(), Vec::new());
    for (asked, answered) in requests(&after).iter().zip(&requests(&before)) {
        let answer = ask(&mut wrong, asked);
        match asked {
            Request::Codes(_) => assert_eq!(answer, ask(&mut honest, asked)),
            _ => {
                assert_ne!(answer, ask(&mut honest, asked));
                assert_eq!(answer, ask(&mut honest, answered));
            }
        }
    }
}
