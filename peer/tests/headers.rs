//! Headers over the wire, decoded with alloy-rlp alone. They hash to what was asked for, and they
//! contain the served state root.

#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use alloy_rlp::{Decodable, Header as RlpHeader};
use snaplight_peer::{
    Hash,
    block::{Blocks, GetBlockHeaders, Header, MAINNET_GENESIS, MAINNET_GENESIS_ROOT, Start},
    handshake::{self, Status},
    keccak::keccak,
    session::{Outgoing, Server, Session},
    state::{Account, Builder, State, States},
};
use std::sync::Arc;
use support::{ETH, frame_id, frames, ready};

const GET: u64 = ETH + 3;
const HEADERS: u64 = ETH + 4;

fn state(balance: u128) -> State {
    Builder::new()
        .account([1; 20], Account::new().balance(balance))
        .build()
}

/// Blocks 0 to 9.
fn server() -> Arc<Server> {
    let mut states = States::new(States::WINDOW);
    (1..=10).for_each(|balance| states.push(Arc::new(state(balance))));
    Arc::new(Server::of_chain(states))
}

fn request(start: Start, amount: u64, skip: u64, reverse: bool) -> GetBlockHeaders {
    GetBlockHeaders {
        id: 7,
        start,
        amount,
        skip,
        reverse,
    }
}

fn by_hash(hash: Hash) -> GetBlockHeaders {
    request(Start::Hash(hash), 1, 0, false)
}

fn ask(session: &mut Session, request: &GetBlockHeaders) -> Vec<Vec<u8>> {
    let frames = frames(session.on_frame(&handshake::frame(GET, &request.encode())));
    assert_eq!(frames.len(), 1);
    decode(&frames[0], request.id)
}

fn decode(mut frame: &[u8], id: u64) -> Vec<Vec<u8>> {
    assert_eq!(u64::decode(&mut frame).unwrap(), HEADERS);
    let mut fields = RlpHeader::decode_bytes(&mut frame, true).unwrap();
    assert!(frame.is_empty());
    assert_eq!(u64::decode(&mut fields).unwrap(), id);
    let mut list = RlpHeader::decode_bytes(&mut fields, true).unwrap();
    assert!(fields.is_empty());
    let mut headers = Vec::new();
    while !list.is_empty() {
        let whole = list;
        RlpHeader::decode_bytes(&mut list, true).unwrap();
        headers.push(whole[..whole.len() - list.len()].to_vec());
    }
    headers
}

fn fields(mut header: &[u8]) -> Vec<Vec<u8>> {
    let mut list = RlpHeader::decode_bytes(&mut header, true).unwrap();
    let mut fields = Vec::new();
    while !list.is_empty() {
        fields.push(RlpHeader::decode_bytes(&mut list, false).unwrap().to_vec());
    }
    fields
}

fn numbers(headers: &[Vec<u8>]) -> Vec<u8> {
    let number = |header: &Vec<u8>| fields(header)[8].last().copied().unwrap_or(0);
    headers.iter().map(number).collect()
}

#[test]
fn a_header_by_hash_hashes_to_it_and_names_the_served_root_number_and_parent() {
    let server = server();
    let mut session = ready(&server, Vec::new());
    let roots: Vec<Hash> = server.states().roots().copied().collect();
    let mut parent = [0; 32];
    for (number, root) in roots.iter().enumerate() {
        let hash = server.blocks().at(number as u64).unwrap().hash;
        let headers = ask(&mut session, &by_hash(hash));
        assert_eq!(headers.len(), 1);
        assert_eq!(keccak(&headers[0]), hash);
        let fields = fields(&headers[0]);
        assert_eq!(fields.len(), 21, "those of Prague");
        assert_eq!(fields[0], parent);
        assert_eq!(fields[3], root);
        assert_eq!(numbers(&headers), [number as u8]);
        let lengths: Vec<_> = [1, 2, 4, 5, 6, 13, 14, 16, 19, 20]
            .map(|field| fields[field].len())
            .into();
        assert_eq!(lengths, [32, 20, 32, 32, 256, 32, 8, 32, 32, 32]);
        parent = hash;
    }
    assert_eq!(server.network().1, server.blocks().first().hash);
}

#[test]
fn headers_by_number_with_gaps_and_backwards_are_those_of_go_ethereums_rules() {
    let server = server();
    let mut session = ready(&server, Vec::new());
    let third = server.blocks().at(3).unwrap().hash;
    use Start::{Hash as H, Number as N};
    for ((start, amount, skip, reverse), expected) in [
        ((N(2), 3, 0, false), vec![2, 3, 4]),
        ((N(2), 3, 1, false), vec![2, 4, 6]),
        ((N(8), 5, 0, false), vec![8, 9]),
        ((N(4), 3, 0, true), vec![4, 3, 2]),
        ((N(4), 9, 2, true), vec![4, 1]),
        ((N(2), 9, 0, true), vec![2, 1, 0]),
        ((H(third), 2, 0, false), vec![3, 4]),
        ((H(third), 4, 2, false), vec![3, 6, 9]),
        ((H(third), 9, 0, true), vec![3, 2, 1, 0]),
        ((H(third), 9, 1, true), vec![3, 1]),
        ((H(third), 0, 0, false), vec![]),
        ((H([9; 32]), 5, 0, false), vec![]),
        ((H([0; 32]), 2, 0, false), vec![0, 1]),
        ((N(10), 1, 0, false), vec![]),
        // Backwards from beyond the head: the headers beyond it count as left out.
        ((N(11), 5, 0, true), vec![9, 8, 7]),
        ((N(11), 5, 1, true), vec![]),
        ((N(5), 2, u64::MAX, false), vec![5]),
        ((N(u64::MAX), 2, 0, false), vec![]),
    ] {
        let request = request(start, amount, skip, reverse);
        let headers = ask(&mut session, &request);
        assert_eq!(numbers(&headers), expected, "{request:?}");
    }
}

#[test]
fn an_answer_ends_at_its_limit_and_old_headers_are_forgotten() {
    let mut blocks = Blocks::new(Header::new(0, [0; 32], [1; 32]));
    (0..Blocks::KEPT).for_each(|_| drop(blocks.push([2; 32])));
    assert_eq!(blocks.first().header.number, 1);
    assert_eq!(blocks.head().header.number, Blocks::KEPT as u64);
    let headers = blocks.answer(&request(Start::Number(1), u64::MAX, 0, false));
    assert_eq!(headers.len(), 1024);
    assert!(
        blocks
            .get(&Header::new(0, [0; 32], [1; 32]).hash())
            .is_none()
    );
}

#[test]
fn a_malformed_request_for_headers_is_a_breach_and_any_other_is_answered() {
    for payload in [
        &[0xc0][..],
        &[0xc2, 0x07, 0xc0],
        &[0xc6, 0x07, 0xc4, 0x01, 0x01, 0x80, 0x02],
        &[0xc7, 0x07, 0xc4, 0x01, 0x01, 0x80, 0x80, 0x05],
        &[0xc7, 0x07, 0xc5, 0x01, 0x01, 0x80, 0x80, 0x05],
        &[0xc7, 0x07, 0xc5, 0x82, 0x00, 0x01, 0x01, 0x80],
    ] {
        let mut session = ready(&server(), Vec::new());
        let outgoing = session.on_frame(&handshake::frame(GET, payload));
        assert!(
            matches!(outgoing[..], [_, Outgoing::Close(4002)]),
            "{payload:02x?}"
        );
    }
}

#[test]
fn mainnets_genesis_header_has_its_well_known_hash() {
    assert_eq!(Header::mainnet_genesis().hash(), MAINNET_GENESIS);
    assert_eq!(Header::mainnet_genesis().state_root, MAINNET_GENESIS_ROOT);
}

#[test]
fn a_state_on_a_foreign_genesis_block_is_block_1() {
    let server = Arc::new(Server::new(state(1)).on_network(5, [0xab; 32]));
    let status = server.status();
    assert_eq!((status.network_id, status.genesis), (5, [0xab; 32]));
    assert_eq!((status.earliest, status.latest), (1, 1));
    let headers = ask(
        &mut ready(&server, Vec::new()),
        &by_hash(status.latest_hash),
    );
    let fields = fields(&headers[0]);
    assert_eq!(fields[0], [0xab; 32]);
    assert_eq!(fields[3], state(1).root());
}

#[test]
fn a_new_head_is_announced_to_ready_sessions_and_served_at_once() {
    let server = server();
    let mut session = ready(&server, Vec::new());
    let mut opening = Session::new(Arc::clone(&server), Vec::new());
    opening.open();
    let block = server.push(Arc::new(state(99)));
    assert_eq!(block.header.number, 10);
    assert_eq!(opening.on_head(), []);
    let frames = frames(session.on_head());
    assert_eq!(frame_id(&frames[0]), ETH + 0x11);
    let mut payload = &frames[0][1..];
    let mut fields = RlpHeader::decode_bytes(&mut payload, true).unwrap();
    assert_eq!(u64::decode(&mut fields).unwrap(), 0);
    assert_eq!(u64::decode(&mut fields).unwrap(), 10);
    assert_eq!(
        RlpHeader::decode_bytes(&mut fields, false).unwrap(),
        block.hash
    );
    assert!(fields.is_empty());
    let headers = ask(&mut session, &by_hash(block.hash));
    assert_eq!(keccak(&headers[0]), block.hash);
    let status = Status::decode(&server.status().encode()).unwrap();
    assert_eq!((status.latest, status.latest_hash), (10, block.hash));
}

#[test]
fn vices_about_headers() {
    let server = server();
    let hash = server.blocks().at(3).unwrap().hash;
    let spoilt = |vice: &str| {
        let mut session = ready(&server, vec![vice.parse().unwrap()]);
        session.on_frame(&handshake::frame(GET, &by_hash(hash).encode()))
    };
    let headers = |vice: &str| decode(&frames(spoilt(vice))[0], 7);
    let honest = headers("slow=0@nodes");
    assert_eq!(keccak(&honest[0]), hash);
    assert_eq!(keccak(&headers("silent@accounts")[0]), hash);

    let before = server.blocks().at(2).unwrap().hash;
    assert_eq!(keccak(&headers("wrong-header")[0]), before);
    let corrupt = headers("corrupt-header").remove(0);
    let (mut expected, spoilt_fields) = (fields(&honest[0]), fields(&corrupt));
    expected[3][0] ^= 1;
    assert_eq!(spoilt_fields, expected);
    assert_eq!(headers("corrupt-header@headers").remove(0), corrupt);

    assert_eq!(headers("empty").len(), 0);
    assert_eq!(headers("more").len(), 2);
    assert_eq!(spoilt("silent"), []);
    assert_eq!(spoilt("twice@headers").len(), 2);
    assert!(matches!(
        spoilt("cut")[..],
        [Outgoing::Fragment(_), Outgoing::Cut]
    ));
    assert_eq!(frame_id(&frames(spoilt("wrong-code"))[0]), ETH + 6);

    // There is only one block, so a wrong header must be made up.
    let server = Arc::new(Server::new(state(1)));
    let hash = server.blocks().head().hash;
    let mut session = ready(&server, vec!["wrong-header".parse().unwrap()]);
    let other = ask(&mut session, &by_hash(hash));
    assert_ne!(keccak(&other[0]), hash);
    assert_eq!(fields(&other[0])[0], hash);
}
