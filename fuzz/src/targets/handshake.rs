//! One connection's frames in any order: those of the native peer, spoiled or not, and anything. A
//! model of the handshake says what must follow from each.

use std::cell::RefCell;
use std::sync::Arc;

use snaplight::hash::Hash;
use snaplight::state::Network;
use snaplight::wire::{By, MAX_FRAME, PeerFault, Session, SessionEvent};
use snaplight_peer::session::{Outgoing, Server, Session as Peer};
use snaplight_peer::state::Recipe;

use crate::bytes::Bytes;
use crate::heap::within;
use crate::rlp::{self, Item};

/// Bytes that a session may take beside what it replies with: a client's name, three times as long
/// if none of it is UTF-8, and what the capabilities of a Hello are collected in.
const MOST_HELD: usize = 128 * 1024;

/// What the native peer greets with.
struct Greeting {
    network: Network,
    hello: Vec<u8>,
    status: Vec<u8>,
}

thread_local! {
    static GREETING: RefCell<Option<Arc<Greeting>>> = const { RefCell::new(None) };
}

fn greeting() -> Arc<Greeting> {
    GREETING.with_borrow_mut(|greeting| {
        let made = greeting.get_or_insert_with(|| {
            let server = Server::new(Recipe::plain(3, 1).build());
            let (id, genesis) = server.network();
            let mut peer = Peer::new(Arc::new(server), Vec::new());
            let frames = |outgoing: Vec<Outgoing>| {
                let mut frames = outgoing.into_iter().filter_map(|outgoing| match outgoing {
                    Outgoing::Frame(frame) => Some(frame),
                    _ => None,
                });
                frames.next().expect("the peer greets")
            };
            let hello = frames(peer.open());
            let ours = Session::hello(By::Snap, "fuzz", &[1; 64]);
            let status = frames(peer.on_frame(&ours));
            let genesis = Hash(genesis);
            Arc::new(Greeting {
                network: Network { id, genesis },
                hello,
                status,
            })
        });
        Arc::clone(made)
    })
}

pub(crate) fn run(input: &[u8]) {
    let greeting = greeting();
    let mut bytes = Bytes::new(input);
    let by = [By::Snap, By::Hash][bytes.below(2)];
    let mut session = Session::new(by);
    // How far the handshake is: nothing, Hello, Status.
    let mut stage = 0;
    while !bytes.is_empty() {
        let kind = bytes.byte();
        let is_as_sent = kind & 0x80 == 0;
        let mut frame = match kind & 7 {
            0 => greeting.hello.clone(),
            1 => greeting.status.clone(),
            2 => Session::ping(),
            3 => Session::disconnect(bytes.u64()),
            4 => hello(&mut bytes, by),
            5 => status(&mut bytes, by, &greeting.network),
            6 => [
                Item::number(bytes.u64() % 0x40).encode(),
                bytes.some(200).to_vec(),
            ]
            .concat(),
            _ => bytes.some(300).to_vec(),
        };
        if !is_as_sent {
            bytes.spoil(&mut frame);
        }
        let limit = MOST_HELD + 2 * frame.len();
        let before = (session.head(), session.client().to_owned());
        let event = within(limit, || session.receive(&frame, &greeting.network));
        let id = rlp_id(&frame);
        match event {
            Ok(SessionEvent::Ready(reply)) => {
                assert_eq!((stage, id), (1, Some(0x10)), "ready out of turn");
                assert_eq!(reply, frame);
                assert!(
                    is_status(&frame, by, &greeting.network),
                    "another network's Status"
                );
                stage = 2;
            }
            Ok(SessionEvent::Reply(reply)) => {
                assert!(
                    stage > 0 && id == Some(2),
                    "a reply to something else than a Ping"
                );
                assert_eq!(reply, [3, 0xc0]);
            }
            Ok(SessionEvent::Answer(_, payload)) => {
                assert_eq!(stage, 2, "an answer before the handshake's end");
                assert!(frame.ends_with(payload));
            }
            Ok(SessionEvent::None) if stage == 0 => {
                assert_eq!(id, Some(0), "something else was taken for a Hello");
                stage = 1;
            }
            Ok(_) => {}
            Err(fault) => {
                assert!(frame.len() <= MAX_FRAME);
                assert_eq!(
                    before,
                    (session.head(), session.client().to_owned()),
                    "{fault}"
                );
                // Honest frames in the right order are no fault. Those of the native peer offer
                // both kinds of connection, and its Status is that of the first.
                let turn = (stage, kind & 7);
                assert!(
                    !(is_as_sent && by == By::Snap && matches!(turn, (0, 0) | (1, 1))),
                    "{fault}"
                );
                if let PeerFault::Disconnected(_) = fault {
                    assert_eq!(id, Some(1));
                }
            }
        }
        assert_eq!(session.is_ready(), stage == 2);
        assert_eq!(session.offsets().is_some(), stage == 2);
        assert_eq!(session.head().is_some(), stage == 2);
        assert!(session.client().len() <= 3 * 128);
    }
}

/// The number that a frame starts with.
fn rlp_id(frame: &[u8]) -> Option<u64> {
    match frame.first()? {
        byte @ 1..0x80 => Some(u64::from(*byte)),
        0x80 => Some(0),
        byte @ 0x81..=0x88 => rlp::decode(frame.get(..1 + usize::from(byte - 0x80))?)?.as_u64(),
        _ => None,
    }
}

/// Whether it is a Status that names this network.
fn is_status(frame: &[u8], by: By, network: &Network) -> bool {
    // What the fork's list holds, and what comes after the fields, is not looked at.
    let fields = rlp::fields(&frame[1..]);
    let (version, genesis) = match by {
        By::Hash => (66, 4),
        _ => (69, 2),
    };
    fields[0] == Item::number(version).encode()
        && fields[1] == Item::number(network.id).encode()
        && fields[genesis] == Item::string(network.genesis.0).encode()
}

fn hello(bytes: &mut Bytes<'_>, by: By) -> Vec<u8> {
    let mut capabilities = Vec::new();
    for _ in 0..bytes.below(8) {
        let name = [&b"eth"[..], b"snap", b"les", bytes.some(8)][bytes.below(4)];
        let version = [66, 69, 1, bytes.u64()][bytes.below(4)];
        capabilities.push(Item::List(vec![Item::string(name), Item::number(version)]));
    }
    if bytes.bool() {
        capabilities.push(Item::List(vec![
            Item::string("eth"),
            Item::number(match by {
                By::Hash => 66,
                _ => 69,
            }),
        ]));
        capabilities.push(Item::List(vec![Item::string("snap"), Item::number(1)]));
    }
    let fields = vec![
        Item::number(5),
        Item::string(bytes.some(400)),
        Item::List(capabilities),
        Item::number(0),
        Item::string([1; 64]),
    ];
    [vec![0x80], Item::List(fields).encode()].concat()
}

fn status(bytes: &mut Bytes<'_>, by: By, network: &Network) -> Vec<u8> {
    let head = Item::string(bytes.hash().0);
    let genesis = match bytes.byte() {
        0 => bytes.hash(),
        _ => network.genesis,
    };
    let id = Item::number(match bytes.byte() {
        0 => bytes.u64(),
        _ => network.id,
    });
    let fork = Item::List(vec![Item::string([1; 4]), Item::number(0)]);
    let genesis = Item::string(genesis.0);
    let fields = match by {
        By::Hash => vec![
            Item::number(66),
            id,
            Item::string(bytes.some(40)),
            head,
            genesis,
            fork,
        ],
        _ => {
            let (earliest, latest) = (Item::number(bytes.u64()), Item::number(bytes.u64()));
            vec![Item::number(69), id, genesis, fork, earliest, latest, head]
        }
    };
    [vec![0x10], Item::List(fields).encode()].concat()
}
