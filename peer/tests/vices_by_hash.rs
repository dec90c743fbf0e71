//! Checks that every vice that shows in node data does what its name says and nothing else:
//! compares its answers with the honest ones.

#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use snaplight_peer::{
    Hash,
    chain::Chain,
    eth66::code,
    handshake::{self, Reason},
    keccak::keccak,
    session::{Outgoing, Phase, Server, Session},
    state::{Recipe, State},
};
use std::{sync::Arc, time::Duration};
use support::by_hash::{ETH, ask, decode, hello, ready, request_frame, status_frame, vicious};
use support::{frame_id, frames, hex};

fn server() -> Arc<Server> {
    let recipe = Recipe {
        accounts: 300,
        contracts_per_mille: 300,
        seed: 3,
        huge: Vec::new(),
    };
    Arc::new(Server::new(recipe.build()))
}

/// Six nodes, and two codes between them.
fn items(state: &State) -> Vec<Vec<u8>> {
    let mut items = state.accounts().all_nodes();
    items.truncate(6);
    let mut codes: Vec<_> = state.codes().map(|(_, code)| code.to_vec()).collect();
    codes.sort();
    items.insert(4, codes.remove(0));
    items.insert(2, codes.remove(0));
    items
}

const CODES: [usize; 2] = [2, 5];

fn hashes(items: &[Vec<u8>]) -> Vec<Hash> {
    items.iter().map(|item| keccak(item)).collect()
}

/// What a peer with this vice sends for a request of eight items.
fn outgoing(server: &Arc<Server>, vice: &str) -> Vec<Outgoing> {
    let wanted = hashes(&items(&server.head()));
    vicious(server, vice).on_frame(&request_frame(77, &wanted))
}

/// Checks that the items are the honest ones with this change.
#[track_caller]
fn expect(vice: &str, change: impl FnOnce(&mut Vec<Vec<u8>>)) {
    let server = server();
    let mut expected = items(&server.head());
    let wanted = hashes(&expected);
    change(&mut expected);
    assert_ne!(hashes(&expected), wanted, "the vice must show");
    let got = ask(&mut vicious(&server, vice), 77, &wanted);
    assert_eq!(got, expected, "{vice}");
}

/// How many frames each of four requests is answered with.
fn answers_to_four(session: &mut Session, wanted: &[Hash]) -> [usize; 4] {
    [0, 1, 2, 3].map(|id| session.on_frame(&request_frame(id, wanted)).len())
}

#[test]
fn items_are_changed_left_out_exchanged_or_added() {
    let flip = |item: &mut Vec<u8>| *item.last_mut().unwrap() ^= 1;
    expect("modify-value", |items| flip(&mut items[0]));
    expect("corrupt=node", |items| flip(&mut items[4]));
    expect("short", |items| items.truncate(4));
    expect("empty", Vec::clear);
    expect("drip=0", |items| items.truncate(1));
    expect("reversed", |items| items.reverse());
    expect("repeat-item", |items| items[7] = items[0].clone());
    let root = server().head().accounts().all_nodes().remove(0);
    expect("more", |items| items.push(root));
    for vice in [
        "codes-as-hashes",
        "stale-root",
        "lie",
        "no-proof",
        "one-code",
    ] {
        let server = server();
        assert_eq!(outgoing(&server, vice), outgoing(&server, "slow=0@headers"));
    }
}

#[test]
fn capped_ends_an_answer_after_so_many_bytes() {
    let sizes: Vec<_> = items(&server().head()).iter().map(Vec::len).collect();
    let three = sizes[..3].iter().sum::<usize>();
    expect(&format!("capped={three}"), |items| items.truncate(3));
    expect(&format!("capped={}", three + 1), |items| items.truncate(4));
    expect("capped=0", |items| items.truncate(1));
}

#[test]
fn a_stray_item_is_a_node_that_no_state_has() {
    let server = server();
    let honest = items(&server.head());
    let wanted = hashes(&honest);
    let got = ask(&mut vicious(&server, "stray-item"), 1, &wanted);
    assert_eq!((got.len(), &got[..7]), (8, &honest[..7]));
    let stray = keccak(&got[7]);
    assert!(!wanted.contains(&stray));
    assert!(ask(&mut ready(&server, Vec::new()), 1, &[stray]).is_empty());
}

#[test]
fn a_late_item_comes_with_the_next_answer() {
    let server = server();
    let items = items(&server.head());
    let wanted = hashes(&items);
    let mut session = vicious(&server, "late-item");
    assert_eq!(ask(&mut session, 1, &wanted[..4]), items[..3]);
    let with_the_late_one = [&items[4..7], &items[3..4]].concat();
    assert_eq!(ask(&mut session, 2, &wanted[4..]), with_the_late_one);
    // Whoever asks again for the last one gets it.
    assert_eq!(ask(&mut session, 3, &wanted[7..]), items[7..]);
}

#[test]
fn a_lacked_node_or_code_never_comes_and_others_do() {
    let wanted = hashes(&items(&server().head()));
    let (node, code) = (hex(&wanted[3]), hex(&wanted[CODES[0]]));
    expect(&format!("lacks-nodes={node}"), |items| {
        drop(items.remove(3))
    });
    expect(&format!("lacks-codes={code}"), |items| {
        items.remove(CODES[0]);
    });
    expect(&format!("ends-at-nodes={node}"), |items| items.truncate(3));
    expect("lacks-codes=", |items| {
        CODES.iter().rev().for_each(|at| drop(items.remove(*at)));
    });
    expect("lacks-nodes=", |items| {
        *items = CODES.map(|at| items[at].clone()).to_vec();
    });
    let server = server();
    for vice in [format!("lacks-nodes={code}"), format!("lacks-codes={node}")] {
        let honest = outgoing(&server, "slow=0@headers");
        assert_eq!(outgoing(&server, &vice), honest, "{vice}");
    }
    let mut session = vicious(&server, &format!("lacks-nodes={node}"));
    for id in 0..20 {
        assert!(ask(&mut session, id, &wanted[3..4]).is_empty());
    }
}

#[test]
fn a_peer_is_silent_about_one_hash_for_ever() {
    let server = server();
    let wanted = hashes(&items(&server.head()));
    let mut session = vicious(&server, &format!("silent-about={}", hex(&wanted[3])));
    assert_eq!(answers_to_four(&mut session, &wanted), [0; 4]);
    assert_eq!(answers_to_four(&mut session, &wanted[..3]), [1; 4]);
    assert_eq!(answers_to_four(&mut session, &wanted[3..4]), [0; 4]);
}

#[test]
fn vices_of_frames_show_as_in_every_answer() {
    let server = server();
    let wait = |millis| Outgoing::Wait(Duration::from_millis(millis));
    let honest = outgoing(&server, "slow=0@headers").remove(0);
    let Outgoing::Frame(frame) = &honest else {
        panic!("a frame")
    };
    let half = frame[..frame.len().div_ceil(2)].to_vec();
    let text = Outgoing::Text("binary is due here".to_owned());
    let twice = vec![honest.clone(), honest.clone()];
    for (vice, expected) in [
        ("silent", vec![]),
        ("slow=40", vec![wait(40), honest.clone()]),
        ("twice", twice.clone()),
        ("again=50", vec![honest.clone(), wait(50), honest.clone()]),
        ("truncated", vec![Outgoing::Frame(half.clone())]),
        ("text", vec![text]),
        ("cut", vec![Outgoing::Fragment(half), Outgoing::Cut]),
    ] {
        assert_eq!(outgoing(&server, vice), expected, "{vice}");
    }
    let sent = |vice: &str| frames(outgoing(&server, vice));
    assert_eq!(sent("oversized")[0].len(), handshake::FRAME_LIMIT + 1);
    assert_eq!(decode(&sent("garbage")[0]), None);
    assert_eq!(frame_id(&sent("wrong-code")[0]), ETH + code::BLOCK_HEADERS);
    let (id, items) = decode(frame).unwrap();
    assert_eq!(decode(&sent("wrong-id")[0]), Some((!id, items.clone())));
    let unasked = sent("unasked");
    assert_eq!(&unasked[0], frame);
    assert_eq!(decode(&unasked[1]), Some((!id, items)));
}

#[test]
fn replay_repeats_the_first_answer_under_the_new_id() {
    let server = server();
    let items = items(&server.head());
    let wanted = hashes(&items);
    let mut session = vicious(&server, "replay");
    for (id, asked) in [(1, &wanted[..3]), (2, &wanted[3..]), (3, &wanted[..1])] {
        assert_eq!(ask(&mut session, id, asked), items[..3]);
    }
}

#[test]
fn a_vice_of_node_data_has_its_own_kind_and_count() {
    let server = server();
    let wanted = hashes(&items(&server.head()));
    let mut session = vicious(&server, "silent@node-data+1..3");
    assert_eq!(answers_to_four(&mut session, &wanted), [1, 0, 0, 1]);
    let mut session = vicious(&server, "silent@nodes");
    assert_eq!(answers_to_four(&mut session, &wanted), [1; 4]);
}

#[test]
fn a_stuck_peer_has_the_nodes_of_the_state_that_it_began_with() {
    let mut chain = Chain::keeping(3, server().head().as_ref().clone(), 1);
    let old = chain.root();
    chain.advance_by(0.1);
    let began = chain.root();
    let mut stuck = vicious(&chain.server(), "stuck");
    chain.advance_by(0.1);
    assert_eq!(stuck.on_head(), []);
    assert_eq!(ask(&mut stuck, 1, &[old, chain.root()]), [[0; 0]; 0]);
    assert_eq!(hashes(&ask(&mut stuck, 2, &[began])), [began]);
    // Once the others have forgotten it too, there is nothing left.
    for _ in 0..3 {
        chain.advance_by(0.1);
    }
    assert!(ask(&mut stuck, 3, &[began]).is_empty());
}

#[test]
fn vices_of_the_handshake_show_by_hash() {
    let server = server();
    let after_hello = |vice: &str| {
        let vices = vec![vice.parse().unwrap()];
        let mut session = Session::new(Arc::clone(&server), vices);
        session.open();
        let sent = session.on_frame(&hello());
        (session, sent)
    };
    let mut wrong = server.status_by_hash();
    wrong.network_id += 1;
    let expected = handshake::frame(ETH, &wrong.encode());
    assert_eq!(after_hello("wrong-network").1, [Outgoing::Frame(expected)]);
    let mut wrong = server.status_by_hash();
    wrong.genesis[0] ^= 1;
    let expected = handshake::frame(ETH, &wrong.encode());
    assert_eq!(after_hello("wrong-genesis").1, [Outgoing::Frame(expected)]);
    assert_eq!(after_hello("no-status").1, []);
    // What has no snap still serves by hash.
    let (mut session, sent) = after_hello("no-snap");
    assert_eq!(sent, [Outgoing::Frame(status_frame(&server))]);
    session.on_frame(&status_frame(&server));
    assert_eq!(session.phase(), Phase::Ready);
    let vices = vec!["too-many-peers".parse().unwrap()];
    let refused = Session::new(server, vices).open();
    assert_eq!(refused[0], Outgoing::Frame(Reason::TooManyPeers.frame()));
}
