#![allow(clippy::unwrap_used)]

use super::*;
use crate::hash::Hash;

const NETWORK: Network = Network {
    id: 1,
    genesis: Hash([7; 32]),
};

/// Version of eth beside snap.
const ETH_VERSION: u64 = 69;

fn ready() -> Session {
    let mut session = Session::new(By::Snap);
    let hello = Session::hello(By::Snap, "a peer", &[0; 64]);
    let event = session.receive(&hello, &NETWORK);
    assert_eq!(event, Ok(SessionEvent::None), "Hello");
    let status = frame(0x10, |status| {
        status.u64(ETH_VERSION).u64(NETWORK.id);
        status.bytes(&NETWORK.genesis.0);
        status.list(|fork| {
            fork.bytes(&[0; 4]).u64(0);
        });
        status.u64(0).u64(9).bytes(&[9; 32]);
    });
    let event = session.receive(&status, &NETWORK);
    assert_eq!(event, Ok(SessionEvent::Ready(status.clone())), "Status");
    assert_eq!(session.head().unwrap().number, Some(9));
    session
}

#[test]
fn each_answer_is_recognised_by_its_id() {
    let mut session = ready();
    for (id, message) in [
        (0x14, Message::BlockHeaders),
        (0x23, Message::AccountRange),
        (0x25, Message::StorageRanges),
        (0x27, Message::ByteCodes),
        (0x29, Message::TrieNodes),
    ] {
        let answer = frame(id, |list| {
            list.u64(5);
        });
        let event = session.receive(&answer, &NETWORK);
        assert_eq!(event, Ok(SessionEvent::Answer(message, &[0xc1, 5])));
    }
}

fn ready_by_hash() -> (Session, Vec<u8>) {
    let mut session = Session::new(By::Hash);
    let hello = Session::hello(By::Hash, "a peer", &[0; 64]);
    let event = session.receive(&hello, &NETWORK);
    assert_eq!(event, Ok(SessionEvent::None), "Hello");
    let status = frame(0x10, |status| {
        status.u64(66).u64(NETWORK.id);
        status.bytes(&[0xc7; 10]);
        status.bytes(&[9; 32]).bytes(&NETWORK.genesis.0);
        status.list(|fork| {
            fork.bytes(&[0; 4]).u64(0);
        });
    });
    let event = session.receive(&status, &NETWORK);
    assert_eq!(event, Ok(SessionEvent::Ready(status.clone())), "Status");
    (session, status)
}

#[test]
fn by_hash_the_head_has_no_number_until_the_peer_announces_blocks() {
    let (mut session, status) = ready_by_hash();
    let head = Head {
        number: None,
        hash: Hash([9; 32]),
    };
    assert_eq!(session.head(), Some(head));
    let announcement = frame(0x11, |blocks| {
        for number in [4, 7, 6] {
            blocks.list(|block| {
                block.bytes(&[number as u8; 32]).u64(number);
            });
        }
    });
    let event = session.receive(&announcement, &NETWORK);
    assert_eq!(event, Ok(SessionEvent::None));
    let head = Head {
        number: Some(7),
        hash: Hash([7; 32]),
    };
    assert_eq!(session.head(), Some(head));
    let none = frame(0x11, |_| {});
    assert_eq!(session.receive(&none, &NETWORK), Ok(SessionEvent::None));
    assert_eq!(session.head(), Some(head));
    let again = session.receive(&status, &NETWORK);
    assert_eq!(again, Err(PeerFault::UnknownMessage(0x10)));
}

#[test]
fn by_hash_node_data_and_headers_are_answers_and_there_is_nothing_beyond_eth_66() {
    let (mut session, _) = ready_by_hash();
    for (id, message) in [(0x14, Message::BlockHeaders), (0x1e, Message::NodeData)] {
        let answer = frame(id, |list| {
            list.u64(5);
        });
        let event = session.receive(&answer, &NETWORK);
        assert_eq!(event, Ok(SessionEvent::Answer(message, &[0xc1, 5])));
    }
    for id in (0x12..0x21).filter(|id| ![0x14, 0x1e].contains(id)) {
        let message = frame(id, |_| {});
        let event = session.receive(&message, &NETWORK);
        assert_eq!(event, Ok(SessionEvent::None), "{id:#x}");
    }
    let message = frame(0x21, |_| {});
    let beyond = session.receive(&message, &NETWORK);
    assert_eq!(beyond, Err(PeerFault::UnknownMessage(0x21)));
}

#[test]
fn by_hash_a_status_of_another_chain_or_version_is_refused() {
    let status = |version: u64, id: u64, genesis: u8| {
        frame(0x10, |status| {
            status.u64(version).u64(id).u64(0);
            status.bytes(&[9; 32]).bytes(&[genesis; 32]).list(|_| {});
        })
    };
    for (status, fault) in [
        (status(69, 1, 7), PeerFault::WrongVersion(69)),
        (status(66, 2, 7), PeerFault::WrongNetwork(2)),
        (status(66, 1, 8), PeerFault::WrongGenesis(Hash([8; 32]))),
    ] {
        let mut session = Session::new(By::Hash);
        let hello = Session::hello(By::Hash, "a peer", &[0; 64]);
        assert_eq!(session.receive(&hello, &NETWORK), Ok(SessionEvent::None));
        assert_eq!(session.receive(&status, &NETWORK), Err(fault));
    }
}

#[test]
fn a_second_status_and_an_id_beyond_the_capabilities_are_unknown_messages() {
    let mut session = ready();
    for id in [0x10, 0x2a] {
        let message = frame(id, |_| {});
        let fault = session.receive(&message, &NETWORK);
        assert_eq!(fault, Err(PeerFault::UnknownMessage(id)));
    }
}

#[test]
fn a_request_of_snap_to_the_client_is_called_a_request_and_other_messages_of_eth_are_ignored() {
    let mut session = ready();
    for id in [0x22, 0x24, 0x26, 0x28] {
        let request = frame(id, |list| {
            list.u64(1);
        });
        let fault = session.receive(&request, &NETWORK).unwrap_err();
        assert_eq!(fault, PeerFault::RequestToClient(id));
        let words = "sent a request, which only a client may send";
        assert_eq!(fault.to_string(), words);
    }
    for id in (0x11..0x21).filter(|id| *id != 0x14) {
        let message = frame(id, |_| {});
        let event = session.receive(&message, &NETWORK);
        assert_eq!(event, Ok(SessionEvent::None), "{id:#x}");
    }
}

#[test]
fn a_hello_is_not_judged_by_what_is_not_used_of_it() {
    let mut session = Session::new(By::Snap);
    let hello = frame(HELLO, |hello| {
        hello.u64(6).bytes(&[b'x'; 300]);
        hello.list(|capabilities| {
            for name in ["a-name-of-more-than-eight-bytes", "", "eth", "snap"] {
                for version in [1, ETH_VERSION, u64::MAX] {
                    capabilities.list(|pair| {
                        pair.bytes(name.as_bytes()).u64(version);
                    });
                }
            }
            for version in 0..60 {
                capabilities.list(|pair| {
                    pair.bytes(b"les").u64(version);
                });
            }
        });
        hello.bytes(b"no port").bytes(&[1; 3]).list(|_| {});
    });
    assert_eq!(session.receive(&hello, &NETWORK), Ok(SessionEvent::None));
    assert_eq!(session.client().len(), MAX_CLIENT_NAME);
}

#[test]
fn a_status_of_another_version_is_that_of_a_useless_peer() {
    let mut session = Session::new(By::Snap);
    let hello = Session::hello(By::Snap, "a peer", &[0; 64]);
    assert_eq!(session.receive(&hello, &NETWORK), Ok(SessionEvent::None));
    let status = frame(0x10, |status| {
        status.u64(70);
    });
    let fault = session.receive(&status, &NETWORK).unwrap_err();
    assert_eq!(fault, PeerFault::WrongVersion(70));
    assert_eq!(fault.close_code(), 4003);
}

#[test]
fn a_block_range_whose_first_block_is_after_its_last_is_malformed() {
    let mut session = ready();
    let update = |earliest, latest| {
        frame(0x21, |range| {
            range.u64(earliest).u64(latest).bytes(&[9; 32]);
        })
    };
    let good = update(12, 12);
    assert_eq!(session.receive(&good, &NETWORK), Ok(SessionEvent::None));
    let fault = session.receive(&update(13, 12), &NETWORK).unwrap_err();
    assert_eq!(fault.code(), "malformed");
    assert_eq!(session.head().unwrap().number, Some(12));
}

#[test]
fn a_large_message_of_the_base_protocol_is_an_oversized_frame() {
    let large = frame(PING, |list| {
        list.bytes(&[0; MAX_BASE_FRAME]);
    });
    let fault = ready().receive(&large, &NETWORK).unwrap_err();
    let bytes = large.len();
    assert_eq!(fault, PeerFault::OversizedFrame { bytes });
}
