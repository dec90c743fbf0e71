//! Checks that every vice does what its name says and nothing else: compares its answer with the
//! honest one.

#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use snaplight_peer::{
    Hash, handshake,
    keccak::keccak,
    session::{Outgoing, Server, Session},
    snap::{GetAccountRange, GetByteCodes, GetStorageRanges, GetTrieNodes, Request},
    state::{Account, Builder, State, code_hash},
    vice::Vice,
};
use std::{sync::Arc, time::Duration};
use support::{Answer, SNAP, client_hello, frames, ready, request_frame, status_frame, word};

/// 200 accounts. The first ones have code and 30 slots.
fn server() -> Arc<Server> {
    let mut builder = Builder::new();
    for number in 0..200_u8 {
        let mut account = Account::new().nonce(1).balance(1000 + u128::from(number));
        if number < 5 {
            account = (0..30).fold(account.code(vec![number; 50]), |account, slot| {
                account.slot(word(slot), word(slot + 1 + u64::from(number)))
            });
        }
        builder = builder.account([number; 20], account);
    }
    Arc::new(Server::new(builder.build()))
}

fn state(server: &Server) -> Arc<State> {
    Arc::clone(server.states().head().unwrap())
}

fn contracts(server: &Server) -> Vec<Hash> {
    state(server)
        .storages()
        .map(|(account, _)| *account)
        .collect()
}

fn accounts(server: &Server, id: u64) -> Request {
    let root = state(server).root();
    let mut origin = [0; 32];
    origin[0] = 0x30;
    let mut limit = [0; 32];
    limit[0] = 0x90;
    Request::Accounts(GetAccountRange {
        id,
        root,
        origin,
        limit,
        bytes: 100_000,
    })
}

fn storage(server: &Server, id: u64) -> Request {
    let (root, accounts) = (state(server).root(), contracts(server)[..2].to_vec());
    Request::Storage(GetStorageRanges {
        id,
        root,
        accounts,
        origin: None,
        limit: None,
        bytes: 1500,
    })
}

fn codes(server: &Server, id: u64) -> Request {
    let state = state(server);
    let hashes = contracts(server)
        .iter()
        .map(|a| code_hash(state.account(a).unwrap()))
        .collect();
    Request::Codes(GetByteCodes {
        id,
        hashes,
        bytes: 100_000,
    })
}

fn nodes(server: &Server, id: u64) -> Request {
    let paths = vec![vec![vec![0]], vec![vec![0x11]]];
    let root = state(server).root();
    Request::Nodes(GetTrieNodes {
        id,
        root,
        paths,
        bytes: 100_000,
    })
}

fn all_kinds(server: &Server) -> [Request; 4] {
    [
        accounts(server, 1),
        storage(server, 2),
        codes(server, 3),
        nodes(server, 4),
    ]
}

fn vicious(server: &Arc<Server>, vice: &str) -> Session {
    ready(server, vec![vice.parse().unwrap()])
}

/// What a peer with this vice sends for a request.
fn outgoing(server: &Arc<Server>, vice: &str, request: &Request) -> Vec<Outgoing> {
    vicious(server, vice).on_frame(&request_frame(request))
}

fn honest(server: &Arc<Server>, request: &Request) -> Answer {
    support::ask(&mut ready(server, Vec::new()), request)
}

fn spoilt(server: &Arc<Server>, vice: &str, request: &Request) -> Answer {
    support::ask(&mut vicious(server, vice), request)
}

/// Checks that the answer of a vice is the honest one with this change.
#[track_caller]
fn expect(vice: &str, request: fn(&Server, u64) -> Request, change: impl FnOnce(&mut Answer)) {
    let server = server();
    let request = request(&server, 77);
    let mut expected = honest(&server, &request);
    let untouched = expected.clone();
    change(&mut expected);
    assert_ne!(expected, untouched, "the vice must show");
    assert_eq!(spoilt(&server, vice, &request), expected, "{vice}");
}

/// The number of frames that each of four requests for accounts is answered with.
fn answers_to_four(session: &mut Session, server: &Server) -> [usize; 4] {
    let request = |id| request_frame(&accounts(server, id));
    [0, 1, 2, 3].map(|id| session.on_frame(&request(id)).len())
}

#[test]
fn a_vice_for_one_kind_leaves_the_others_honest() {
    let server = server();
    for request in all_kinds(&server) {
        let honest = outgoing(&server, "slow=0@nodes+99", &request);
        let kept = outgoing(&server, "garbage@accounts", &request);
        assert_eq!(honest == kept, !matches!(request, Request::Accounts(_)));
    }
}

#[test]
fn a_vice_shows_after_its_honest_answers() {
    let server = server();
    let mut session = vicious(&server, "silent@accounts+2");
    assert_eq!(answers_to_four(&mut session, &server), [1, 1, 0, 0]);
    assert_eq!(
        session.on_frame(&request_frame(&codes(&server, 9))).len(),
        1
    );
}

#[test]
fn a_vice_ends_where_its_range_of_answers_ends() {
    let server = server();
    let mut session = vicious(&server, "silent@accounts+1..3");
    assert_eq!(answers_to_four(&mut session, &server), [1, 0, 0, 1]);
}

#[test]
fn a_drip_has_one_item_and_a_proof_node_of_junk() {
    let server = server();
    for request in all_kinds(&server) {
        let (junk, bare) = (
            spoilt(&server, "drip=5000", &request),
            spoilt(&server, "drip=0", &request),
        );
        let is_range = matches!(request, Request::Accounts(_) | Request::Storage(_));
        let items = if is_range {
            bare.keys().len()
        } else {
            bare.proof.len()
        };
        assert_eq!(items, 1);
        let mut proof = bare.proof.clone();
        proof.extend(is_range.then(|| vec![0x55; 5000]));
        assert_eq!(junk, Answer { proof, ..bare });
    }
}

#[test]
fn padding_adds_different_small_proof_nodes() {
    for request in [accounts, storage] {
        let server = server();
        let request = request(&server, 1);
        let (honest, mut padded) = (
            honest(&server, &request),
            spoilt(&server, "padded=20", &request),
        );
        let mut added = padded.proof.split_off(honest.proof.len());
        assert_eq!(padded, honest);
        assert!(added.iter().all(|node| (32..=532).contains(&node.len())));
        added.sort_unstable();
        added.dedup();
        assert_eq!(added.len(), 20);
    }
}

fn hex(hash: Hash) -> String {
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_lacked_code_is_left_out() {
    let server = server();
    let request = codes(&server, 1);
    let mut honest = honest(&server, &request);
    let lacked = hex(keccak(&honest.proof.remove(2)));
    let vice = format!("lacks-codes={lacked}");
    assert_eq!(spoilt(&server, &vice, &request), honest);
    let nothing = spoilt(&server, "lacks-codes=", &request);
    assert!(nothing.is_nothing());
}

#[test]
fn a_lacked_node_is_left_out_or_ends_the_answer() {
    let server = server();
    let request = nodes(&server, 1);
    let honest = honest(&server, &request);
    let left =
        |vice: &str, lacked: &str| spoilt(&server, &format!("{vice}={lacked}"), &request).proof;
    // Of what is asked for, nothing is below the second node.
    let lacked = hex(keccak(&honest.proof[1]));
    let without: Vec<_> = [&honest.proof[..1], &honest.proof[2..]].concat();
    assert_eq!(left("lacks-nodes", &lacked), without);
    assert_eq!(left("ends-at-nodes", &lacked), honest.proof[..1]);
    // The first is the state's root: everything is below it, and every proof needs it.
    let lacked = hex(keccak(&honest.proof[0]));
    assert!(left("lacks-nodes", &lacked).is_empty());
    let vice = format!("lacks-nodes={lacked}");
    assert!(spoilt(&server, &vice, &accounts(&server, 1)).is_nothing());
}

#[test]
fn a_storage_whose_root_is_lacked_ends_the_answer() {
    let server = server();
    let request = storage(&server, 1);
    let roots: Vec<_> = state(&server)
        .storages()
        .map(|(_, trie)| trie.root())
        .collect();
    let sets = |lacked: Hash| {
        let vice = format!("lacks-nodes={}", hex(lacked));
        spoilt(&server, &vice, &request).sets.len()
    };
    assert_eq!(honest(&server, &request).sets.len(), 2);
    assert_eq!([sets(roots[0]), sets(roots[1])], [0, 1]);
}

#[test]
fn silent_and_slow() {
    let server = server();
    for request in all_kinds(&server) {
        assert_eq!(outgoing(&server, "silent", &request), []);
        let [Outgoing::Wait(time), Outgoing::Frame(_)] =
            &outgoing(&server, "slow=30", &request)[..]
        else {
            panic!("not late")
        };
        assert_eq!(*time, Duration::from_millis(30));
        let [
            Outgoing::Frame(first),
            Outgoing::Wait(time),
            Outgoing::Frame(second),
        ] = &outgoing(&server, "again=30", &request)[..]
        else {
            panic!("not sent again")
        };
        assert_eq!((first, *time), (second, Duration::from_millis(30)));
    }
}

#[test]
fn empty_has_nothing_and_stale_root_still_has_codes() {
    let server = server();
    for request in all_kinds(&server) {
        assert!(spoilt(&server, "empty", &request).is_nothing());
        let is_codes = matches!(request, Request::Codes(_));
        assert_eq!(
            spoilt(&server, "stale-root", &request).is_nothing(),
            !is_codes
        );
    }
}

#[test]
fn capped_answers_a_smaller_request() {
    let server = server();
    let capped = spoilt(&server, "capped=200", &accounts(&server, 1));
    let Request::Accounts(request) = accounts(&server, 1) else {
        unreachable!()
    };
    let smaller = Request::Accounts(GetAccountRange {
        bytes: 200,
        ..request
    });
    assert_eq!(capped, honest(&server, &smaller));
    assert!(capped.keys().len() < 10);
    assert_eq!(
        spoilt(&server, "one-code", &codes(&server, 1)).proof.len(),
        1
    );
}

#[test]
fn proofs_without_their_first_or_last_node_or_any() {
    for request in [accounts, storage] {
        expect("drop-first-proof", request, |answer| {
            drop(answer.proof.remove(0))
        });
        expect("drop-last-proof", request, |answer| {
            drop(answer.proof.pop())
        });
        expect("no-proof", request, |answer| answer.proof.clear());
    }
}

#[test]
fn drop_item_leaves_one_out_and_proves_its_hash() {
    let server = server();
    for request in [accounts(&server, 1), storage(&server, 1)] {
        let honest = honest(&server, &request);
        let spoilt = spoilt(&server, "drop-item", &request);
        let missing: Vec<_> = honest
            .keys()
            .into_iter()
            .filter(|key| !spoilt.keys().contains(key))
            .collect();
        let (sets, kept) = (honest.sets.last().unwrap(), spoilt.sets.last().unwrap());
        assert_eq!(sets.len(), kept.len() + 1);
        let state = state(&server);
        let trie = match request {
            Request::Accounts(_) => state.accounts(),
            _ => state.storage(&contracts(&server)[1]).unwrap(),
        };
        let dropped = missing.first().copied().unwrap_or_else(|| {
            // The first account's list may have a slot with the same key.
            sets.iter()
                .map(|(key, _)| *key)
                .find(|key| !kept.iter().any(|(k, _)| k == key))
                .unwrap()
        });
        assert!(dropped != sets[0].0 && dropped != sets[sets.len() - 1].0);
        assert!(
            trie.path_to(&dropped)
                .iter()
                .all(|node| spoilt.proof.contains(node))
        );
    }
}

#[test]
fn values_swapped_keys_unsorted_a_value_modified() {
    for request in [accounts, storage] {
        expect("swap-values", request, |answer| {
            let set = answer.sets.last_mut().unwrap();
            let middle = set.len() / 2;
            let value = set[middle].1.clone();
            set[middle].1 = std::mem::replace(&mut set[middle - 1].1, value);
        });
        expect("unsorted", request, |answer| {
            let set = answer.sets.last_mut().unwrap();
            let middle = set.len() / 2;
            set.swap(middle - 1, middle);
        });
    }
    for request in [accounts, storage, codes, nodes] {
        let server = server();
        let request = request(&server, 1);
        let (honest, spoilt) = (
            honest(&server, &request),
            spoilt(&server, "modify-value", &request),
        );
        assert_eq!(honest.keys(), spoilt.keys());
        let bits = |answer: &Answer| -> Vec<u8> {
            let values = answer.sets.iter().flatten().map(|(_, value)| value);
            values.chain(&answer.proof).flatten().copied().collect()
        };
        let changed: u32 = bits(&honest)
            .iter()
            .zip(bits(&spoilt))
            .map(|(a, b)| (a ^ b).count_ones())
            .sum();
        assert_eq!(changed, 1);
    }
}

#[test]
fn replay_gives_the_first_answer_under_the_new_id() {
    let server = server();
    let mut session = vicious(&server, "replay");
    let first = support::ask(&mut session, &accounts(&server, 1));
    assert_eq!(first, honest(&server, &accounts(&server, 1)));
    let Request::Accounts(request) = accounts(&server, 2) else {
        unreachable!()
    };
    let other = Request::Accounts(GetAccountRange {
        origin: [0x50; 32],
        ..request
    });
    let replayed = support::ask(&mut session, &other);
    assert_eq!(replayed, Answer { id: 2, ..first });
}

#[test]
fn answers_twice_unasked_under_another_id_or_code() {
    let server = server();
    for request in all_kinds(&server) {
        let honest = honest(&server, &request);
        let decode = |vice| -> Vec<_> {
            let frames = frames(outgoing(&server, vice, &request));
            frames.iter().map(|frame| Answer::decode(frame)).collect()
        };
        assert_eq!(
            decode("twice"),
            [Some(honest.clone()), Some(honest.clone())]
        );
        let unasked = decode("unasked");
        assert_eq!(unasked[0], Some(honest.clone()));
        assert_ne!(unasked[1].as_ref().unwrap().id, honest.id);
        let other = decode("wrong-id").remove(0).unwrap();
        assert_ne!(other.id, honest.id);
        assert_eq!(
            Answer {
                id: honest.id,
                ..other
            },
            honest
        );
        let wrong_code = frames(outgoing(&server, "wrong-code", &request)).remove(0);
        let code = support::frame_id(&wrong_code) - SNAP;
        assert!(code != honest.code && code % 2 == 1 && code < 8);
    }
}

#[test]
fn more_than_was_asked_for() {
    let server = server();
    for request in all_kinds(&server) {
        let (honest, more) = (honest(&server, &request), spoilt(&server, "more", &request));
        assert!(more.sets.len() > honest.sets.len() || !matches!(request, Request::Storage(_)));
        let size = |answer: &Answer| answer.keys().len() + answer.proof.len();
        assert!(size(&more) > size(&honest), "{request:?}");
    }
}

#[test]
fn frames_truncated_garbage_oversized_text_cut() {
    let server = server();
    for request in all_kinds(&server) {
        for vice in ["truncated", "garbage", "oversized"] {
            let frames = frames(outgoing(&server, vice, &request));
            assert_eq!(frames.len(), 1);
            assert!(Answer::decode(&frames[0]).is_none(), "{vice}");
            assert_eq!(
                frames[0].len() > handshake::FRAME_LIMIT,
                vice == "oversized"
            );
        }
        assert!(matches!(
            outgoing(&server, "text", &request)[..],
            [Outgoing::Text(_)]
        ));
        let cut = outgoing(&server, "cut", &request);
        assert!(matches!(cut[..], [Outgoing::Fragment(_), Outgoing::Cut]));
    }
}

#[test]
fn odd_proofs_that_still_prove() {
    let server = server();
    let request = storage(&server, 1);
    let Request::Storage(inner) = request else {
        unreachable!()
    };
    let whole = Request::Storage(GetStorageRanges {
        bytes: 100_000,
        ..inner
    });
    assert!(honest(&server, &whole).proof.is_empty());
    let proven = spoilt(&server, "always-prove", &whole);
    let state = state(&server);
    let trie = state.storage(&contracts(&server)[1]).unwrap();
    let (key, value) = proven.sets[1].last().unwrap();
    support::assert_proves(trie, &proven.proof, key, Some(value.clone()));

    let request = accounts(&server, 1);
    let honest = honest(&server, &request);
    let shuffled = spoilt(&server, "shuffled-proof", &request);
    assert!(shuffled.proof.len() > honest.proof.len());
    assert_ne!(shuffled.proof[0], honest.proof[0]);
    assert!(
        honest
            .proof
            .iter()
            .all(|node| shuffled.proof.contains(node))
    );
}

#[test]
fn huge_proofs() {
    let server = server();
    let request = accounts(&server, 1);
    let huge = spoilt(&server, "huge-proof", &request);
    let all = state(&server).accounts().all_nodes();
    assert!(all.len() > 128);
    assert_eq!(huge.proof, all);
    let many = spoilt(&server, "many-proof-nodes", &request);
    assert_eq!(many.proof.len(), 129);
}

#[test]
fn codes_as_hashes() {
    expect("codes-as-hashes", codes, |answer| {
        answer.proof = answer
            .proof
            .iter()
            .map(|code| keccak(code).to_vec())
            .collect();
    });
}

#[test]
fn several_vices_add_up() {
    let server = server();
    let vices: Vec<Vice> = ["unsorted", "no-proof"]
        .map(|vice| vice.parse().unwrap())
        .into();
    let request = accounts(&server, 1);
    let answer = support::ask(&mut ready(&server, vices), &request);
    assert!(answer.proof.is_empty() && !answer.keys().is_sorted());
}

#[test]
fn vices_of_the_handshake() {
    let server = server();
    let open = |vice: &str| {
        let vices = vec![vice.parse().unwrap()];
        let mut session = Session::new(Arc::clone(&server), vices);
        let mut out = session.open();
        out.extend(session.on_frame(&client_hello(&[("eth", 69), ("snap", 1)])));
        out
    };
    let honest = open("no-pong");
    assert_eq!(honest[1], Outgoing::Frame(status_frame(&server)));
    for vice in ["wrong-network", "wrong-genesis"] {
        let spoilt = open(vice);
        assert_eq!(spoilt[0], honest[0]);
        assert_ne!(spoilt[1], honest[1]);
    }
    assert_eq!(open("no-hello"), []);
    assert_eq!(open("no-status"), honest[..1]);
    for vice in ["no-hello", "no-status"] {
        let mut session = Session::new(Arc::clone(&server), vec![vice.parse().unwrap()]);
        session.open();
        session.on_frame(&client_hello(&[("eth", 69), ("snap", 1)]));
        assert_eq!(session.on_silence(), [], "{vice}");
        assert_eq!(session.on_frame(&status_frame(&server)), [], "{vice}");
    }
    assert!(matches!(open("no-snap")[..], [_, _, Outgoing::Close(4003)]));
    assert!(matches!(
        open("too-many-peers")[..],
        [_, Outgoing::Close(4004)]
    ));

    let ping = handshake::frame(handshake::id::PING, &[0xc0]);
    assert_eq!(vicious(&server, "no-pong").on_frame(&ping), []);
}
