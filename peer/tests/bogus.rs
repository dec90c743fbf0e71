//! States whose roots commit to bytes without a meaning: the proofs are right, and what they prove
//! does not decode.

#![allow(clippy::unwrap_used)]

mod support;

use snaplight_peer::{
    keccak::keccak,
    session::Server,
    snap::{GetAccountRange, GetStorageRanges, Request},
    state::{Account, Builder},
};
use std::sync::Arc;
use support::{frames, ready, request_frame, word};

#[test]
fn bogus_states_prove_what_does_not_decode() {
    let slot = keccak(&word(1));
    let body = vec![0xc4, 0x80, 0x81, 0x05, 0x80];
    let state = Builder::new()
        .account([1; 20], Account::new().raw_slot_at(slot, vec![0x00, 0x01]))
        .account([2; 20], Account::new().raw_body(body.clone()))
        .build();
    let server = Arc::new(Server::new(state));
    let root = server.states().head().unwrap().root();
    let everything = GetAccountRange {
        id: 1,
        root,
        origin: [0; 32],
        limit: [0xff; 32],
        bytes: 1000,
    };
    let mut session = ready(&server, Vec::new());
    let outgoing = session.on_frame(&request_frame(&Request::Accounts(everything)));
    let frame = frames(outgoing).remove(0);
    assert!(frame.windows(body.len()).any(|window| window == body));

    let states = server.states();
    let (account, trie) = states.head().unwrap().storages().next().unwrap();
    assert_eq!(trie.get(&slot), Some(&[0x00, 0x01][..]));
    let accounts = vec![*account];
    let (origin, limit) = (None, None);
    let request = GetStorageRanges {
        id: 1,
        root,
        accounts,
        origin,
        limit,
        bytes: 1000,
    };
    let answer = support::ask(&mut session, &Request::Storage(request));
    assert_eq!(answer.sets, [[(slot, vec![0x00, 0x01])]]);
}
