//! A connection by hash as in `docs/websocket-peers.md`, without a socket: which offers give one,
//! its handshake, its messages and its breaches. And once over a real WebSocket.

#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use futures_util::{SinkExt, StreamExt};
use snaplight_peer::{
    block::{GetBlockHeaders, Start},
    chain::Chain,
    eth66::{Status, code},
    handshake::{self, Hello, Offer, Reason, id},
    keccak::keccak,
    net::{Listener, Options},
    session::{Outgoing, Phase, Server, Session},
    state::{Account, Builder, Recipe, State},
};
use std::{net::SocketAddr, sync::Arc};
use support::by_hash::{self, ETH, ask, hello, ready, request_frame, status_frame};
use support::{client_hello, frame_id, frames};
use tokio::{net::TcpStream, sync::oneshot};
use tokio_tungstenite::{
    client_async,
    tungstenite::{
        Message,
        client::IntoClientRequest,
        http::{HeaderValue, header::SEC_WEBSOCKET_PROTOCOL},
    },
};

const EMPTY_LIST: &[u8] = &[0xc0];

fn state() -> State {
    Builder::new()
        .account([1; 20], Account::new().balance(1))
        .build()
}

fn server() -> Arc<Server> {
    Arc::new(Server::new(state()))
}

fn ended(reason: Reason) -> Vec<Outgoing> {
    vec![
        Outgoing::Frame(reason.frame()),
        Outgoing::Close(reason.close_code()),
    ]
}

#[test]
fn what_both_sides_offer_decides_how_they_speak_and_whether_they_do() {
    type Capability = (&'static str, u64);
    const E66: Capability = ("eth", 66);
    const E69: Capability = ("eth", 69);
    const S1: Capability = ("snap", 1);
    // The client's offer, and the version of eth that is spoken with a server that offers
    // connections by snap, by hash, and both. 0 is none.
    let table: [(&[Capability], [u64; 3]); 10] = [
        (&[E66], [0, 66, 66]),
        (&[E69, S1], [69, 0, 69]),
        (&[E69], [0, 0, 0]),
        (&[S1], [0, 0, 0]),
        (&[E66, S1], [0, 66, 0]),
        (&[E66, E69], [0, 66, 0]),
        (&[E66, E69, S1], [69, 66, 69]),
        (&[("eth", 65), ("eth", 67), ("les", 4)], [0, 0, 0]),
        (&[("les", 4), E66, E66, ("eth", 65)], [0, 66, 66]),
        (&[], [0, 0, 0]),
    ];
    for (client, versions) in table {
        for (offer, version) in [Offer::Snap, Offer::Hash, Offer::Both]
            .into_iter()
            .zip(versions)
        {
            let server = server();
            let mut session = Session::new(Arc::clone(&server), Vec::new()).offering(offer);
            session.open();
            let answer = session.on_frame(&client_hello(client));
            let expected = match version {
                66 => vec![Outgoing::Frame(status_frame(&server))],
                69 => vec![Outgoing::Frame(support::status_frame(&server))],
                _ => ended(Reason::Useless),
            };
            assert_eq!(answer, expected, "{client:?} {offer:?}");
        }
    }
}

#[test]
fn a_server_says_in_its_hello_what_it_offers() {
    for (offer, capabilities) in [
        (Offer::Snap, &[("eth", 69), ("snap", 1)][..]),
        (Offer::Hash, &[("eth", 66)]),
        (Offer::Both, &[("eth", 66), ("eth", 69), ("snap", 1)]),
    ] {
        let mut session = Session::new(server(), Vec::new()).offering(offer);
        let hello = frames(session.open()).remove(0);
        let hello = Hello::decode(&hello[1..]).unwrap();
        let names = hello.capabilities.iter();
        let names: Vec<_> = names
            .map(|(name, version)| (str::from_utf8(name).unwrap(), *version))
            .collect();
        assert_eq!(names, capabilities);
    }
}

#[test]
fn the_status_names_the_newest_block_and_no_difficulty() {
    let mut chain = Chain::new(state(), 1);
    let head = chain.advance_by(0.0).block;
    let server = chain.server();
    let status = server.status_by_hash();
    assert_eq!(status.version, 66);
    assert_eq!((status.network_id, status.genesis), server.network());
    assert_eq!(status.head, head.hash);
    assert!(status.total_difficulty.is_empty());
    assert_eq!(status.fork, server.status().fork);
    ready(&server, Vec::new());
}

#[test]
fn a_status_of_another_network_version_or_genesis_is_useless_and_a_malformed_one_a_breach() {
    let server = server();
    let honest = server.status_by_hash();
    let changed = |change: fn(&mut Status)| {
        let mut status = honest.clone();
        change(&mut status);
        status.encode()
    };
    let mut trailing = status_frame(&server)[1..].to_vec();
    trailing.push(0);
    for (status, reason) in [
        (changed(|status| status.network_id += 1), Reason::Useless),
        (changed(|status| status.genesis[0] ^= 1), Reason::Useless),
        (changed(|status| status.version = 65), Reason::Useless),
        (changed(|status| status.version = 69), Reason::Useless),
        (server.status().encode(), Reason::Breach),
        (trailing, Reason::Breach),
        (vec![0xc0], Reason::Breach),
    ] {
        let mut session = Session::new(Arc::clone(&server), Vec::new());
        session.open();
        session.on_frame(&hello());
        let answer = session.on_frame(&handshake::frame(ETH, &status));
        assert_eq!(answer, ended(reason), "{status:02x?}");
    }
    // The client's own chain does not matter.
    let mut session = Session::new(Arc::clone(&server), Vec::new());
    session.open();
    session.on_frame(&hello());
    let other = changed(|status| {
        status.head = [9; 32];
        status.total_difficulty = vec![0xff; 32];
        status.fork.1 = 77;
    });
    session.on_frame(&handshake::frame(ETH, &other));
    assert_eq!(session.phase(), Phase::Ready);
}

#[test]
fn breaches_end_the_connection_and_unused_messages_are_ignored() {
    let server = server();
    let frame = handshake::frame;
    let request = request_frame(1, &[[1; 32]]);
    let long = [&request[..], &[0]].concat();
    // `[1, [a hash of 31 bytes]]`, `[1, [a list]]`, `[1, [], 0]` and `[[]]`.
    let short = [&[0xe2, 0x01, 0xe0, 0x9f][..], &[1; 31]].concat();
    let breaches = [
        ("a second hello", hello()),
        ("a second status", status_frame(&server)),
        ("an id behind eth/66", frame(ETH + 17, EMPTY_LIST)),
        (
            "the first id of snap/1 behind eth/69",
            frame(0x22, EMPTY_LIST),
        ),
        (
            "block headers",
            frame(ETH + code::BLOCK_HEADERS, EMPTY_LIST),
        ),
        ("node data", frame(ETH + code::NODE_DATA, &[0xc2, 1, 0xc0])),
        ("a request without fields", frame(0x1d, EMPTY_LIST)),
        ("bytes behind a request", long),
        ("a hash of 31 bytes", frame(0x1d, &short)),
        ("a list for a hash", frame(0x1d, &[0xc3, 1, 0xc1, 0xc0])),
        ("a further element", frame(0x1d, &[0xc3, 1, 0xc0, 0])),
        ("a request without an id", frame(0x1d, &[0xc1, 0xc0])),
    ];
    for (name, frame) in breaches {
        let mut session = ready(&server, Vec::new());
        assert_eq!(session.on_frame(&frame), ended(Reason::Breach), "{name}");
    }
    let mut session = ready(&server, Vec::new());
    let used = [
        code::STATUS,
        code::GET_BLOCK_HEADERS,
        code::BLOCK_HEADERS,
        code::GET_NODE_DATA,
        code::NODE_DATA,
    ];
    for code in (0..17).filter(|code| !used.contains(code)) {
        let ignored = session.on_frame(&frame(ETH + code, EMPTY_LIST));
        assert_eq!(ignored, [], "{code}");
    }
    // Before the handshake has ended, a request is a breach too.
    let mut session = Session::new(server, Vec::new());
    session.open();
    session.on_frame(&hello());
    assert_eq!(session.on_frame(&request), ended(Reason::Breach));
}

#[test]
fn node_data_and_its_answer_are_breaches_nowhere_but_by_hash() {
    // eth/69 has these codes no more, so they are ignored as every unused one.
    let mut session = support::ready(&server(), Vec::new());
    for code in [code::GET_NODE_DATA, code::NODE_DATA] {
        assert_eq!(
            session.on_frame(&handshake::frame(ETH + code, EMPTY_LIST)),
            []
        );
    }
}

#[test]
fn headers_are_answered_as_by_snap() {
    let mut chain = Chain::new(state(), 1);
    chain.advance_by(0.0);
    let server = chain.server();
    for start in [
        Start::Hash(server.status().latest_hash),
        Start::Number(0),
        Start::Hash([7; 32]),
    ] {
        let request = GetBlockHeaders {
            id: 5,
            start,
            amount: 2,
            skip: 0,
            reverse: true,
        };
        let frame = handshake::frame(ETH + code::GET_BLOCK_HEADERS, &request.encode());
        let by_hash = ready(&server, Vec::new()).on_frame(&frame);
        assert_eq!(by_hash.len(), 1);
        assert_eq!(
            by_hash,
            support::ready(&server, Vec::new()).on_frame(&frame)
        );
    }
}

#[test]
fn a_new_head_is_announced_by_its_hash_and_number() {
    let mut chain = Chain::new(state(), 1);
    let server = chain.server();
    let mut session = ready(&server, Vec::new());
    let mut late = Session::new(Arc::clone(&server), Vec::new());
    late.open();
    let status = frames(late.on_frame(&hello())).remove(0);
    let head = chain.advance_by(0.0).block;
    // `[[hash, 1]]`
    let announced = [
        &[0x11, 0xe3, 0xe2, 0xa0][..],
        &head.hash,
        &[head.header.number as u8],
    ]
    .concat();
    assert_eq!(session.on_head(), [Outgoing::Frame(announced.clone())]);
    // A block that comes during the handshake is announced after it.
    assert_eq!(late.on_head(), []);
    assert_eq!(late.on_frame(&status), [Outgoing::Frame(announced)]);
}

#[tokio::test]
async fn a_state_root_and_a_code_are_served_over_a_real_websocket() {
    let recipe = Recipe {
        accounts: 300,
        contracts_per_mille: 300,
        seed: 1,
        huge: Vec::new(),
    };
    let server = Arc::new(Server::new(recipe.build()));
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let options = Options {
        offer: Offer::Hash,
        vices: vec!["reversed+1".parse().unwrap()],
        ..Options::default()
    };
    let listener = Listener::bind(any, Arc::clone(&server), options)
        .await
        .unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let running = tokio::spawn(listener.run(async { drop(stopped.await) }));

    let mut request = format!("ws://{address}/").into_client_request().unwrap();
    let protocol = HeaderValue::from_static("devp2p.1");
    request
        .headers_mut()
        .insert(SEC_WEBSOCKET_PROTOCOL, protocol);
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut socket, _) = client_async(request, stream).await.unwrap();
    let state = server.head();
    let wanted = [state.root(), [5; 32], *state.codes().next().unwrap().0];
    for frame in [
        hello(),
        status_frame(&server),
        request_frame(1, &wanted),
        request_frame(2, &wanted),
    ] {
        socket.send(Message::Binary(frame.into())).await.unwrap();
    }
    let mut answers = Vec::new();
    while answers.len() < 4 {
        match socket.next().await.unwrap().unwrap() {
            Message::Binary(frame) => answers.push(frame.to_vec()),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(frame_id(&answers[0]), id::HELLO);
    assert_eq!(answers[1], status_frame(&server));
    let (id, items) = by_hash::decode(&answers[2]).unwrap();
    let found: Vec<_> = items.iter().map(|item| keccak(item)).collect();
    assert_eq!((id, found), (1, vec![wanted[0], wanted[2]]));
    // The vice shows in the second answer.
    let (id, items) = by_hash::decode(&answers[3]).unwrap();
    let found: Vec<_> = items.iter().map(|item| keccak(item)).collect();
    assert_eq!((id, found), (2, vec![wanted[2], wanted[0]]));
    stop.send(()).unwrap();
    drop(socket);
    running.await.unwrap();
}

#[test]
fn a_connection_by_snap_and_one_by_hash_are_served_side_by_side() {
    let server = server();
    let root = server.head().root();
    let mut by_hash = ready(&server, Vec::new());
    let mut by_snap = support::ready(&server, Vec::new());
    assert_eq!(ask(&mut by_hash, 1, &[root]).len(), 1);
    let frame = handshake::frame(id::PING, EMPTY_LIST);
    assert_eq!(by_snap.on_frame(&frame), by_hash.on_frame(&frame));
}
