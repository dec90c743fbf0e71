//! A connection's phases as in `docs/websocket-peers.md`, without a socket: order, breaches,
//! silence.

#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use snaplight_peer::{
    handshake::{self, Hello, Reason, Status, id},
    session::{Outgoing, Phase, Server, Session},
    snap::{GetAccountRange, GetByteCodes, GetStorageRanges, GetTrieNodes, Request},
    state::{Account, Builder, Recipe},
};
use std::sync::Arc;
use support::{Answer, ETH, SNAP, client_hello, frames, ready, request_frame, status_frame};

const EMPTY_LIST: &[u8] = &[0xc0];

fn server() -> Arc<Server> {
    let state = Builder::new()
        .account([1; 20], Account::new().balance(1))
        .build();
    Arc::new(Server::new(state))
}

fn opened() -> Session {
    let mut session = Session::new(server(), Vec::new());
    session.open();
    session
}

fn ended(reason: Reason) -> Vec<Outgoing> {
    vec![
        Outgoing::Frame(reason.frame()),
        Outgoing::Close(reason.close_code()),
    ]
}

fn codes_request() -> Request {
    Request::Codes(GetByteCodes {
        id: 1,
        hashes: Vec::new(),
        bytes: 0,
    })
}

#[test]
fn the_server_says_hello_at_once_and_status_once_it_has_the_clients_hello() {
    let server = server();
    let mut session = Session::new(Arc::clone(&server), Vec::new());
    let hello = frames(session.open()).remove(0);
    assert_eq!(hello[0], 0x80);
    let hello = Hello::decode(&hello[1..]).unwrap();
    assert_eq!(hello.version, 5);
    assert!(hello.capabilities.contains(&(b"snap".to_vec(), 1)));
    assert!(hello.capabilities.contains(&(b"eth".to_vec(), 69)));
    ready(&server, Vec::new());
}

#[test]
fn anything_else_than_hello_first_is_a_breach() {
    let status = status_frame(&server());
    let ping = handshake::frame(id::PING, EMPTY_LIST);
    for frame in [
        status,
        ping,
        request_frame(&codes_request()),
        Vec::new(),
        vec![0x80],
    ] {
        let mut session = opened();
        assert_eq!(
            session.on_frame(&frame),
            ended(Reason::Breach),
            "{frame:02x?}"
        );
        assert_eq!(session.phase(), Phase::Closed);
        assert_eq!(session.on_frame(&frame), [], "nothing more after the end");
    }
}

#[test]
fn without_eth_69_and_snap_in_common_the_peer_is_useless() {
    for capabilities in [
        &[("eth", 69)][..],
        &[("snap", 1)],
        &[("eth", 68), ("snap", 1)],
        &[],
    ] {
        let outgoing = opened().on_frame(&client_hello(capabilities));
        assert_eq!(outgoing, ended(Reason::Useless), "{capabilities:?}");
    }
}

#[test]
fn an_older_base_protocol_is_refused_a_newer_one_taken() {
    for (version, is_taken) in [(4, false), (5, true), (6, true)] {
        let hello = Hello {
            version,
            name: Vec::new(),
            capabilities: vec![(b"eth".to_vec(), 69), (b"snap".to_vec(), 1)],
            node_id: [0; 64],
        };
        let mut session = opened();
        let outgoing = session.on_frame(&handshake::frame(id::HELLO, &hello.encode()));
        if is_taken {
            assert_eq!(session.phase(), Phase::Status);
        } else {
            assert_eq!(outgoing, ended(Reason::Incompatible));
        }
    }
}

#[test]
fn a_status_of_another_network_version_or_genesis_is_useless_and_a_malformed_one_a_breach() {
    let server = server();
    let (network_id, genesis) = server.network();
    let honest = Status::without_chain(network_id, genesis);
    for (status, reason) in [
        (
            Status {
                network_id: 5,
                ..honest.clone()
            }
            .encode(),
            Reason::Useless,
        ),
        (
            Status {
                genesis: [1; 32],
                ..honest.clone()
            }
            .encode(),
            Reason::Useless,
        ),
        (
            Status {
                version: 70,
                ..honest.clone()
            }
            .encode(),
            Reason::Useless,
        ),
        (vec![0xc0], Reason::Breach),
    ] {
        let mut session = Session::new(Arc::clone(&server), Vec::new());
        session.open();
        session.on_frame(&client_hello(&[("eth", 69), ("snap", 1)]));
        assert_eq!(
            session.on_frame(&handshake::frame(ETH, &status)),
            ended(reason)
        );
    }
}

#[test]
fn requests_before_the_status_are_a_breach() {
    let mut session = opened();
    session.on_frame(&client_hello(&[("eth", 69), ("snap", 1)]));
    assert_eq!(
        session.on_frame(&request_frame(&codes_request())),
        ended(Reason::Breach)
    );
}

#[test]
fn every_other_breach_ends_a_ready_connection() {
    let server = server();
    let breaches = [
        ("a second hello", client_hello(&[("eth", 69), ("snap", 1)])),
        ("a second status", status_frame(&server)),
        (
            "an id behind the last capability",
            handshake::frame(SNAP + 8, EMPTY_LIST),
        ),
        ("an answer", handshake::frame(SNAP + 1, EMPTY_LIST)),
        ("a malformed request", handshake::frame(SNAP, EMPTY_LIST)),
        ("an empty frame", Vec::new()),
        ("an id that is no integer", vec![0xc0, 0xc0]),
        ("an id with a leading zero", vec![0x82, 0x00, 0x22, 0xc0]),
        ("an id without a payload", vec![0x02]),
        ("bytes behind the payload", vec![0x02, 0xc0, 0xc0]),
        ("a list longer than the frame", vec![0x22, 0xf9, 0xff, 0xff]),
        (
            "a large base message",
            handshake::frame(id::PING, &[&[0xf9, 8, 0][..], &[0; 2048]].concat()),
        ),
    ];
    for (name, frame) in breaches {
        let mut session = ready(&server, Vec::new());
        assert_eq!(session.on_frame(&frame), ended(Reason::Breach), "{name}");
    }
}

#[test]
fn a_damaged_request_has_one_answer_or_ends_the_connection_and_never_anything_else() {
    let recipe = Recipe {
        accounts: 200,
        contracts_per_mille: 300,
        seed: 1,
        huge: Vec::new(),
    };
    let server = Arc::new(Server::new(recipe.build()));
    let states = server.states();
    let state = states.head().unwrap();
    let root = state.root();
    let accounts: Vec<_> = state
        .storages()
        .map(|(account, _)| *account)
        .take(3)
        .collect();
    let (origin, limit, bytes) = ([0; 32], [0xff; 32], 3000);
    let paths = vec![
        vec![vec![0]],
        vec![accounts[0].to_vec(), vec![0], vec![0x1b]],
    ];
    let requests = [
        Request::Accounts(GetAccountRange {
            id: 1,
            root,
            origin,
            limit,
            bytes,
        }),
        Request::Storage(GetStorageRanges {
            id: 2,
            root,
            accounts,
            origin: Some(origin),
            limit: None,
            bytes,
        }),
        codes_request(),
        Request::Nodes(GetTrieNodes {
            id: 4,
            root,
            paths,
            bytes,
        }),
    ];
    for frame in requests.iter().map(request_frame) {
        for index in 0..frame.len() {
            for value in [0, 1, 0x7f, 0x80, 0xb7, 0xb8, 0xbf, 0xc0, 0xf7, 0xf8, 0xff] {
                let mut damaged = frame.clone();
                damaged[index] = value;
                assert_one_answer_or_the_end(&server, &damaged);
            }
            assert_one_answer_or_the_end(&server, &frame[..index]);
        }
    }
}

fn assert_one_answer_or_the_end(server: &Arc<Server>, frame: &[u8]) {
    let mut session = ready(server, Vec::new());
    match session.on_frame(frame).as_slice() {
        // This one is ignored: the damage made it a message that may come at any time.
        [] => assert!(frame[0] < 0x22),
        [Outgoing::Frame(answer)] => assert!(Answer::decode(answer).is_some() || frame[0] < 0x22),
        [Outgoing::Frame(_), Outgoing::Close(4002 | 4003)] | [Outgoing::Close(1000)] => {}
        other => panic!("{other:02x?}"),
    }
}

#[test]
fn text_and_oversized_frames_close_with_their_codes() {
    let server = server();
    assert_eq!(
        ready(&server, Vec::new()).on_text(),
        [Outgoing::Close(1003)]
    );
    assert_eq!(
        ready(&server, Vec::new()).on_oversized(),
        [Outgoing::Close(1009)]
    );
    let frame = vec![0; handshake::FRAME_LIMIT + 1];
    assert_eq!(
        ready(&server, Vec::new()).on_frame(&frame),
        [Outgoing::Close(1009)]
    );
}

#[test]
fn pings_are_answered_reserved_ids_and_unused_eth_messages_ignored() {
    let mut session = ready(&server(), Vec::new());
    let pong = Outgoing::Frame(handshake::frame(id::PONG, EMPTY_LIST));
    assert_eq!(
        session.on_frame(&handshake::frame(id::PING, EMPTY_LIST)),
        [pong]
    );
    for ignored in [id::PONG, 0x04, 0x0f, ETH + 2, ETH + 17] {
        assert_eq!(session.on_frame(&handshake::frame(ignored, EMPTY_LIST)), []);
    }
}

#[test]
fn silence_in_the_handshake_ends_it_and_later_is_asked_about_once() {
    assert_eq!(opened().on_silence(), ended(Reason::Timeout));
    let mut session = opened();
    session.on_frame(&client_hello(&[("eth", 69), ("snap", 1)]));
    assert_eq!(session.on_silence(), ended(Reason::Timeout));

    let mut session = ready(&server(), Vec::new());
    let ping = Outgoing::Frame(handshake::frame(id::PING, EMPTY_LIST));
    assert_eq!(session.on_silence(), std::slice::from_ref(&ping));
    assert_eq!(
        session.on_frame(&handshake::frame(id::PONG, EMPTY_LIST)),
        []
    );
    assert_eq!(session.on_silence(), [ping]);
    assert_eq!(session.on_silence(), ended(Reason::Timeout));
}

#[test]
fn a_disconnect_of_any_shape_is_answered_with_closing_only() {
    for payload in [&[0xc1, 0x80][..], &[0xc0], &[0x08], &[0xc2, 0x08, 0x01]] {
        let mut session = ready(&server(), Vec::new());
        let outgoing = session.on_frame(&handshake::frame(id::DISCONNECT, payload));
        assert_eq!(outgoing, [Outgoing::Close(1000)]);
    }
}
