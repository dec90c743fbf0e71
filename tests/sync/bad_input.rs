//! Every vice is reported as its own fault. The sync completes from an honest peer, and nothing
//! false is stored.

use std::sync::Arc;

use snaplight::hash::Hash;
use snaplight::state::StoreError;
use snaplight::sync::{Event, Failure, Input, Millis, Output, PeerId, WaitReason};
use snaplight::wire::{By, PeerFault, Session};
use snaplight_peer::session::Server;
use snaplight_peer::state::{Recipe, State};

use crate::truth::assert_complete;
use crate::world::{End, World};

fn state() -> State {
    Recipe {
        accounts: 3_000,
        contracts_per_mille: 150,
        seed: 77,
        huge: vec![(1, 20_000)],
    }
    .build()
}

/// Syncs from one honest and one vicious peer. Returns the world and the vicious peer.
fn against(vice: &str, seed: u64) -> (World, PeerId) {
    let state = state();
    let root = Hash(state.root());
    let mut world = World::new(Arc::new(Server::new(state)), seed);
    let vicious = world.peer(World::vice(vice));
    // The honest peer joins when the vicious one has begun to answer.
    world.target(root);
    world.run_some(20);
    world.honest_peer();
    match world.run() {
        End::Done(report) => assert_eq!(report.root, root),
        end => panic!(
            "{vice}: {end:?}, waited for {:?}, faults {:?}",
            world.waits, world.faults
        ),
    }
    assert_complete(&world.disk, world.server.states().head().expect("a state"));
    assert!(
        world.faults.iter().all(|(peer, _)| *peer == vicious),
        "{vice}: {:?}",
        world.faults
    );
    (world, vicious)
}

/// Checks that the vicious peer is dropped for a fault with one of these codes.
fn is_dropped_for(vice: &str, codes: &[&str]) {
    let (world, vicious) = against(vice, 100);
    let (_, fault) = world
        .faults
        .last()
        .unwrap_or_else(|| panic!("{vice}: no fault was reported"));
    assert!(
        codes.contains(&fault.code()),
        "{vice}: reported {fault:?}, expected one of {codes:?}"
    );
    assert_eq!(world.dropped, [vicious], "{vice}: {:?}", world.faults);
}

/// Checks that the peer is kept and that no fault is reported. It is unusual, but keeps the rules.
fn is_kept(vice: &str) {
    let (world, _) = against(vice, 200);
    assert_eq!(world.faults, [], "{vice}");
    assert_eq!(world.dropped, [], "{vice}");
}

#[test]
fn the_work_of_a_silent_peer_goes_to_others_and_silence_for_a_while_is_no_fault() {
    is_kept("silent");
}

#[test]
fn the_last_peer_is_waited_for_and_the_engine_says_that_it_does_not_answer() {
    let state = state();
    let root = Hash(state.root());
    let mut world = World::new(Arc::new(Server::new(state)), 301);
    world.peer(World::vice("silent"));
    world.target(root);
    world.run_some(2_000);
    assert_eq!(world.waits.last(), Some(&WaitReason::NoAnswer { peers: 1 }));
    assert_eq!(world.faults, []);
    world.honest_peer();
    assert!(
        matches!(world.run(), End::Done(_)),
        "a new peer lets the sync go on"
    );
    assert_complete(&world.disk, world.server.states().head().expect("a state"));
}

#[test]
fn wrong_ranges_are_not_proven() {
    is_dropped_for("drop-first-proof@accounts", &["bad-range"]);
    is_dropped_for("drop-last-proof@accounts", &["bad-range"]);
    is_dropped_for("drop-item@accounts", &["bad-range"]);
    is_dropped_for("drop-item@storage", &["bad-range"]);
    is_dropped_for("swap-values@accounts", &["bad-range"]);
    is_dropped_for("unsorted@accounts", &["bad-range"]);
    is_dropped_for("unsorted@storage", &["bad-range"]);
    is_dropped_for("no-proof@accounts", &["bad-range"]);
}

#[test]
fn modified_values_are_found() {
    is_dropped_for("modify-value@accounts", &["bad-range", "bad-account"]);
    is_dropped_for("modify-value@storage", &["bad-range", "bad-slot"]);
    is_dropped_for("modify-value@codes", &["unexpected-code"]);
    is_dropped_for("codes-as-hashes@codes", &["unexpected-code"]);
}

#[test]
fn answers_without_a_request_are_found() {
    is_dropped_for("twice", &["unrequested"]);
    is_dropped_for("unasked", &["unrequested"]);
    is_dropped_for("wrong-id", &["unrequested"]);
    is_dropped_for("wrong-code", &["wrong-kind", "unknown-message"]);
    is_dropped_for("replay", &["bad-range", "unexpected-code", "too-much"]);
    is_dropped_for("more@accounts", &["too-much"]);
    is_dropped_for("more@codes", &["too-much"]);
}

#[test]
fn bytes_that_are_no_message_are_found() {
    is_dropped_for("truncated", &["malformed"]);
    is_dropped_for("garbage", &["malformed", "unknown-message"]);
    is_dropped_for("oversized", &["oversized-frame"]);
    is_dropped_for("text", &["text-frame"]);
    is_dropped_for("many-proof-nodes@accounts", &["too-many-proof-nodes"]);
}

#[test]
fn a_proof_of_nodes_that_no_path_needs_is_found() {
    // Some hundred nodes: fewer than the most that an answer may have.
    let state = Recipe::plain(90, 312).build();
    let mut world = World::new(Arc::new(Server::new(state)), 312);
    let vicious = world.peer(World::vice("huge-proof"));
    world.target(Hash(world.server.states().head().expect("a state").root()));
    assert!(matches!(world.run_some(1_000), End::Stuck));
    let [(peer, PeerFault::SurplusProofNodes(nodes))] = world.faults[..] else {
        panic!("{:?}", world.faults);
    };
    assert_eq!(peer, vicious);
    assert!(nodes > 80, "{nodes}");
    assert_eq!(world.dropped, [vicious]);
}

#[test]
fn handshakes_that_go_wrong_are_found() {
    is_dropped_for("wrong-network", &["wrong-network"]);
    is_dropped_for("wrong-genesis", &["wrong-genesis"]);
    is_dropped_for("no-snap", &["no-shared-capability", "disconnected"]);
    is_dropped_for("too-many-peers", &["disconnected"]);
}

#[test]
fn a_handshake_that_never_ends_is_ended() {
    for vice in ["no-hello", "no-status"] {
        let mut world = World::new(Arc::new(Server::new(state())), 302);
        let vicious = world.peer(World::vice(vice));
        assert!(matches!(world.run_some(1_000), End::Stuck));
        assert_eq!(world.faults, [(vicious, PeerFault::HandshakeTimeout)]);
        assert_eq!(world.dropped, [vicious]);
    }
}

#[test]
fn odd_peers_are_kept() {
    for vice in [
        "slow=200",
        "capped=500@accounts",
        "capped=500@storage",
        "always-prove",
        "shuffled-proof",
        "one-code",
        "empty",
        "stale-root+5",
        "empty@codes",
        "empty@storage",
    ] {
        is_kept(vice);
    }
}

#[test]
fn a_peer_that_leaves_in_the_middle_of_an_answer_gives_its_work_back() {
    let (world, _) = against("cut@accounts+2", 303);
    assert_eq!(world.faults, []);
}

#[test]
fn peers_without_the_root_are_named_and_the_sync_goes_on_when_one_has_it() {
    let state = state();
    let root = Hash(state.root());
    let mut world = World::new(Arc::new(Server::new(state)), 304);
    world.peer(World::vice("empty"));
    world.peer(World::vice("empty"));
    world.target(root);
    world.run_some(300);
    assert_eq!(
        world.waits.last(),
        Some(&WaitReason::NeedNewRoot { root, peers: 2 })
    );
    assert_eq!(
        world.engine.progress(Millis(world.now)).waiting,
        world.waits.last().cloned()
    );
    world.honest_peer();
    assert!(matches!(world.run(), End::Done(_)));
    assert_eq!(world.engine.progress(Millis(world.now)).waiting, None);
}

#[test]
fn one_capped_peer_alone_finishes_a_large_contract() {
    let state = Recipe {
        accounts: 60,
        contracts_per_mille: 300,
        seed: 5,
        huge: vec![(1, 3_000)],
    }
    .build();
    let root = Hash(state.root());
    let mut world = World::new(Arc::new(Server::new(state)), 305);
    world.peer(World::vice("capped=500"));
    world.target(root);
    assert!(matches!(world.run(), End::Done(_)));
    assert_complete(&world.disk, world.server.states().head().expect("a state"));
}

#[test]
fn a_full_disk_is_a_typed_failure_and_nothing_committed_is_lost() {
    let state = Recipe::plain(60_000, 306).build();
    let root = Hash(state.root());
    let mut world = World::new(Arc::new(Server::new(state)), 306);
    world.honest_peer();
    world.disk.fail_at = Some((2, StoreError::Quota));
    world.target(root);
    assert!(matches!(
        world.run(),
        End::Failed(Failure::Store(StoreError::Quota))
    ));
    let received = world.received;
    let kept = world
        .disk
        .record()
        .building
        .expect("the first batch")
        .counts
        .accounts;
    assert!(kept > 0);
    // With space again, the same sync goes on from what was committed.
    world.target(root);
    assert!(matches!(world.run(), End::Done(_)));
    assert_complete(&world.disk, world.server.states().head().expect("a state"));
    assert!(world.received < received + (60_000 - kept) * 80 + 3_000_000);
}

#[test]
fn cancelling_commits_what_is_verified_and_a_new_sync_goes_on_from_there() {
    let state = Recipe::plain(60_000, 307).build();
    let root = Hash(state.root());
    let mut world = World::new(Arc::new(Server::new(state)), 307);
    world.honest_peer();
    world.target(root);
    assert!(matches!(world.run_some(24), End::Paused));
    world.input(Input::Cancel);
    assert!(matches!(world.run(), End::Cancelled));
    let kept = world
        .disk
        .record()
        .building
        .expect("a batch")
        .counts
        .accounts;
    assert!(kept > 1_000, "{kept}");
    world.target(root);
    assert!(matches!(world.run(), End::Done(_)));
    assert_complete(&world.disk, world.server.states().head().expect("a state"));
}

#[test]
fn one_peer_more_than_are_kept_is_turned_away() {
    let mut world = World::new(Arc::new(Server::new(state())), 308);
    for _ in 0..snaplight::sync::MAX_PEERS {
        world.honest_peer();
    }
    world.run_some(10_000);
    world.engine.handle(
        Millis(world.now),
        Input::PeerJoined(PeerId(9_999), By::Snap),
    );
    let dropped = std::iter::from_fn(|| world.engine.poll(Millis(world.now)))
        .any(|output| matches!(output, Output::Drop(PeerId(9_999), PeerFault::TooManyPeers)));
    assert!(dropped);
}

#[test]
fn nothing_is_answered_to_a_disconnect() {
    let mut world = World::new(Arc::new(Server::new(state())), 312);
    let peer = world.honest_peer();
    world.run_some(10_000);
    let frame = Session::disconnect(4);
    world
        .engine
        .handle(Millis(world.now), Input::Frame(peer, frame));
    let outputs: Vec<_> = std::iter::from_fn(|| world.engine.poll(Millis(world.now))).collect();
    let is_drop = |output: &Output| matches!(output, Output::Drop(_, PeerFault::Disconnected(4)));
    assert!(outputs.iter().any(is_drop), "{outputs:?}");
    let is_answer = |output: &Output| matches!(output, Output::Send(..));
    assert!(!outputs.iter().any(is_answer), "{outputs:?}");
}

#[test]
fn a_target_that_replaces_another_has_the_only_end() {
    let first = Recipe::plain(20_000, 309).build();
    let second = Recipe::plain(10_000, 310).build();
    let (first_root, second_root) = (Hash(first.root()), Hash(second.root()));
    let mut states = snaplight_peer::state::States::new(8);
    states.push(Arc::new(first));
    states.push(Arc::new(second));
    let mut world = World::new(Arc::new(Server::of_chain(states)), 311);
    world.honest_peer();
    world.target(first_root);
    world.run_some(30);
    world.target(second_root);
    match world.run() {
        End::Done(report) => assert_eq!(report.root, second_root),
        end => panic!("{end:?}"),
    }

    world.collect_garbage();
    assert_complete(&world.disk, world.server.states().head().expect("a state"));
    while let Some(output) = world.engine.poll(Millis(world.now)) {
        assert!(!matches!(
            output,
            Output::Event(Event::Done(_) | Event::Cancelled)
        ));
    }
    // The target goes back: the newer state is replaced, and its pages are deleted.
    world.target(first_root);
    assert!(matches!(world.run(), End::Done(_)));
    let states = world.server.states();
    world.collect_garbage();
    assert_complete(
        &world.disk,
        states.get(&first_root.0).expect("the first state"),
    );
}
