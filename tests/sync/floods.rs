//! Peers that send what nobody asked for: what a node sends is taken, also after a pause, and what
//! is beyond costs the connection.

use std::sync::Arc;

use snaplight::hash::Hash;
use snaplight::state::{Network, Record};
use snaplight::sync::{Config, Engine, Event, Input, Millis, Output, PeerId, Target};
use snaplight::wire::{By, PeerFault};
use snaplight_peer::session::{Outgoing, Server, Session};
use snaplight_peer::state::{Account, Builder, Recipe};

use crate::world::{End, World};

const PING: [u8; 2] = [0x02, 0xc0];
/// Ids that the protocol reserves, and two messages of eth that are not used.
const RESERVED: [u8; 2] = [0x07, 0xc0];
const TRANSACTIONS: [u8; 2] = [0x12, 0xc0];
const NEW_POOLED: [u8; 2] = [0x18, 0xc0];

/// A BlockRangeUpdate.
fn new_head(number: u8) -> Vec<u8> {
    let mut frame = vec![0x21, 0xe3, 0x80, number.max(1), 0xa0];
    frame.extend([number; 32]);
    frame
}

fn make_ready(world: &mut World, peer: PeerId) {
    let is_ready = |world: &World| {
        world
            .engine
            .peer_progress(peer)
            .is_some_and(|row| row.ready)
    };
    world.run_until(is_ready);
}

/// A world with a ready peer.
fn ready() -> (World, PeerId) {
    let state = Recipe::plain(200, 41).build();
    let mut world = World::new(Arc::new(Server::new(state)), 41);
    let peer = world.honest_peer();
    make_ready(&mut world, peer);
    (world, peer)
}

/// Hands a frame over so often, so many milliseconds apart. Returns how many were taken before the
/// peer was dropped, if it was.
fn sends(world: &mut World, peer: PeerId, frame: &[u8], times: usize, apart_ms: u64) -> usize {
    for taken in 0..times {
        world.now += apart_ms;
        let now = Millis(world.now);
        world.engine.handle(now, Input::Frame(peer, frame.to_vec()));
        while let Some(output) = world.engine.poll(now) {
            match output {
                Output::Drop(_, fault) => {
                    assert_eq!(fault, PeerFault::Flood);
                    return taken;
                }
                Output::Send(..) | Output::Event(_) | Output::Yield => {}
                output => panic!("{output:?}"),
            }
        }
    }
    times
}

/// Each was answered, and none was counted.
#[test]
fn three_hundred_thousand_messages_that_nobody_asked_for_cost_the_connection() {
    for frame in [&PING[..], &RESERVED, &new_head(9)] {
        let (mut world, peer) = ready();
        assert_eq!(sends(&mut world, peer, frame, 300_000, 0), 600);
    }
    for frame in [TRANSACTIONS, NEW_POOLED] {
        let (mut world, peer) = ready();
        assert_eq!(sends(&mut world, peer, &frame, 300_000, 0), 60 * 256);
    }
}

#[test]
fn what_the_busiest_node_sends_is_taken_for_ever() {
    let (mut world, peer) = ready();
    // Ten small messages in a second, for a quarter of an hour.
    assert_eq!(sends(&mut world, peer, &new_head(3), 9_000, 100), 9_000);
    // And two hundred that are ignored.
    assert_eq!(sends(&mut world, peer, &TRANSACTIONS, 50_000, 5), 50_000);
}

#[test]
fn a_page_that_slept_takes_what_gathered_and_blames_nobody() {
    for (away_ms, gathered) in [(60_000, 600), (3_600_000, 3_600)] {
        let (mut world, peer) = ready();
        world.now += away_ms;
        for frame in [&new_head(4)[..], &PING] {
            let gathered = gathered / 2;
            assert_eq!(sends(&mut world, peer, frame, gathered, 0), gathered);
        }
        assert_eq!(sends(&mut world, peer, &TRANSACTIONS, 10_000, 0), 10_000);
    }
}

#[test]
fn a_node_that_stood_still_sends_a_minutes_worth_and_the_sync_goes_on() {
    let state = Recipe::plain(3_000, 42).build();
    let root = Hash(state.root());
    let mut world = World::new(Arc::new(Server::new(state)), 42);
    let peer = world.honest_peer();
    make_ready(&mut world, peer);
    world.target(root);
    for number in 0..290 {
        world.input(Input::Frame(peer, new_head((number % 100) as u8)));
        world.input(Input::Frame(peer, PING.to_vec()));
    }
    assert!(matches!(world.run(), End::Done(_)));
    assert_eq!(world.faults, []);
}

/// What a driver does not copy is judged as what it copies.
#[test]
fn a_frame_that_is_not_copied_is_blamed_for_the_same() {
    let large = |id: u8, payload: &[u8]| {
        let mut head = vec![id, 0xfb, 0x00, 0x99, 0x00, 0x00];
        head.extend_from_slice(payload);
        head.resize(32, 0x80);
        head
    };
    let (length, unknown) = (0x99_0000 + 6, [0x84, 1, 2, 3, 4]);
    for (head, length, fault) in [
        (
            large(0x02, &[]),
            length,
            PeerFault::OversizedFrame { bytes: length },
        ),
        (
            large(0x21, &[]),
            length,
            PeerFault::OversizedFrame { bytes: length },
        ),
        (
            large(0x80, &[]),
            length,
            PeerFault::OversizedFrame { bytes: length },
        ),
        (large(0x10, &[]), length, PeerFault::UnknownMessage(0x10)),
        (large(0x22, &[1]), length, PeerFault::RequestToClient(0x22)),
        (
            large(0x23, &unknown),
            length,
            PeerFault::Unrequested(0x0102_0304),
        ),
        (
            large(0x12, &[]),
            10 << 21,
            PeerFault::OversizedFrame { bytes: 10 << 21 },
        ),
    ] {
        let (mut world, peer) = ready();
        assert!(!world.engine.wants_frame(peer, length, &head), "{fault:?}");
        world.input(Input::Unread(peer, length, head));
        world.run_some(10);
        assert_eq!(world.faults, [(peer, fault)]);
        assert_eq!(world.dropped, [peer]);
    }
}

/// Some codes of five megabytes arrive before any of them is verified. What finds no room is left,
/// and asked for again.
#[test]
fn large_codes_that_come_all_at_once_wait_within_their_bound_and_nobody_is_blamed() {
    let mut state = Builder::new();
    for number in 1..=8 {
        let account = Account::new().nonce(1).code(vec![number; 5_000_000]);
        state = state.account([number; 20], account);
    }
    let state = state.build();
    let root = Hash(state.root());
    let server = Arc::new(Server::new(state));
    let (id, genesis) = server.network();
    let network = Network {
        id,
        genesis: Hash(genesis),
    };
    let config = Config {
        network,
        chain_id: id,
        client: "snaplight/test".to_owned(),
        node_id: [1; 64],
    };
    let mut engine = Engine::new(config, Record::fresh([7; 16], network), Vec::new());
    let mut peers: Vec<Session> = Vec::new();
    let mut inputs = vec![Input::Target(Target::Root(root))];
    let frames = |peer, outgoing: Vec<Outgoing>| {
        outgoing
            .into_iter()
            .filter_map(move |outgoing| match outgoing {
                Outgoing::Frame(frame) => Some(Input::Frame(peer, frame)),
                _ => None,
            })
    };
    for number in 0..4 {
        let mut session = Session::new(Arc::clone(&server), Vec::new());
        inputs.push(Input::PeerJoined(PeerId(number), By::Snap));
        inputs.extend(frames(PeerId(number), session.open()));
        peers.push(session);
    }
    let mut most = 0;
    for now in 1..1_000 {
        let now = Millis(10 * now);
        inputs.push(Input::Tick);
        for input in inputs.drain(..) {
            engine.handle(now, input);
            most = most.max(engine.footprint().arrived);
        }
        while let Some(output) = engine.poll(now) {
            match output {
                Output::Send(peer, frame) => {
                    let answers = peers[peer.0 as usize].on_frame(&frame);
                    inputs.extend(frames(peer, answers));
                }
                Output::Commit(batch) => inputs.push(Input::Committed(batch.sequence)),
                Output::Event(Event::Done(report)) => {
                    assert_eq!(report.held.codes, 8);
                    assert!((10_000_000..=12 << 20).contains(&most), "{most}");
                    return;
                }
                Output::Yield | Output::Event(Event::PeerReady(_) | Event::Waiting(_)) => {}
                output => panic!("{output:?}"),
            }
        }
    }
    panic!("the codes did not come");
}
