//! Why a sync with peers by hash waits.

use std::sync::Arc;

use snaplight::hash::Hash;
use snaplight::sync::{Input, Millis, Missing, WaitReason};
use snaplight::wire::By;
use snaplight_peer::chain::Chain;
use snaplight_peer::keccak::keccak;
use snaplight_peer::session::Server;
use snaplight_peer::trie::Trie;

use super::{finish, sync_alone};
use crate::timing::{assert_nobody_is_blamed, contracts, serve};
use crate::world::{End, World};

fn server() -> Arc<Server> {
    serve(contracts(800, 150, 51))
}

fn root(server: &Server) -> Hash {
    Hash(server.head().root())
}

/// A world whose peers by hash and by snap have these vices.
fn world_of(server: &Arc<Server>, peers: &[(By, &str)]) -> World {
    let mut world = World::new(server.clone(), 51);
    for (by, vice) in peers {
        let vices = match *vice {
            "" => Vec::new(),
            vice => World::vice(vice),
        };
        world.connect(server.clone(), *by, vices, None);
    }
    world.target(root(server));
    world
}

/// Lets a minute pass, in which the sync must not end. Returns why it waits at last.
fn waits_for(world: &mut World) -> Option<WaitReason> {
    let end = world.run_ms(60_000);
    assert!(matches!(end, End::Paused | End::Stuck), "{end:?}");
    world.engine.progress(Millis(world.now)).waiting
}

/// An honest peer comes, and the sync ends.
fn ends_with_another(mut world: World, by: By) {
    let server = world.server.clone();
    world.connect(server, by, Vec::new(), None);
    finish(&mut world);
    assert_nobody_is_blamed(&world);
}

/// A leaf of the account trie, a node of a storage, and a code, by their hashes.
fn items(server: &Server) -> [Hash; 3] {
    let state = server.head();
    let hash = |item: &[u8]| Hash(keccak(item));
    let leaf = |trie: &Trie| {
        let key = trie.nth(trie.len() / 2).expect("a leaf");
        trie.path_to(key).last().map(|node| hash(node))
    };
    let storages = state.storages().map(|(_, storage)| storage);
    let large = storages.max_by_key(|storage| storage.len());
    let code = state.codes().next().map(|(hash, _)| Hash(*hash));
    let items = [leaf(state.accounts()), large.and_then(leaf), code];
    items.map(|item| item.expect("contracts have all of them"))
}

fn named(item: &Missing) -> Hash {
    match item {
        Missing::Code(hash) | Missing::Node { hash, .. } => *hash,
        Missing::Storage { root, .. } => *root,
        item => panic!("{item:?}"),
    }
}

#[test]
fn without_any_peer_the_sync_waits_for_peers() {
    let server = server();
    let mut world = world_of(&server, &[]);
    assert_eq!(waits_for(&mut world), Some(WaitReason::NoPeers));
    ends_with_another(world, By::Hash);
}

#[test]
fn when_the_only_peer_by_hash_leaves_the_sync_waits_for_peers() {
    let server = server();
    let mut world = world_of(&server, &[(By::Hash, "slow=300")]);
    world.run_until(|world| world.hashes.requests > 3);
    let peers = world.connected();
    for peer in peers {
        world.lose(peer);
    }
    assert_eq!(waits_for(&mut world), Some(WaitReason::NoPeers));
    ends_with_another(world, By::Hash);
}

#[test]
fn a_root_that_no_peer_has_needs_a_new_one_whatever_the_kinds_of_peers() {
    use By::{Hash as H, Snap as S};
    for kinds in [&[H][..], &[H, H], &[H, S], &[S, H, S]] {
        let server = server();
        let mut world = World::new(server.clone(), 52);
        for by in kinds {
            world.connect(server.clone(), *by, Vec::new(), None);
        }
        let unknown = Hash([0x5a; 32]);
        world.target(unknown);
        let why = WaitReason::NeedNewRoot {
            root: unknown,
            peers: kinds.len(),
        };
        assert_eq!(waits_for(&mut world), Some(why.clone()), "{kinds:?}");
        let said = world.waits.iter().filter(|said| **said == why);
        assert_eq!(said.count(), 1, "{kinds:?}: {:?}", world.waits);
        world.target(root(&server));
        finish(&mut world);
        assert_nobody_is_blamed(&world);
    }
}

#[test]
fn peers_that_answer_nothing_but_empty_lists_have_no_state() {
    use By::{Hash as H, Snap as S};
    for kinds in [&[H][..], &[H, H], &[H, S]] {
        let server = server();
        let peers: Vec<_> = kinds.iter().map(|by| (*by, "empty")).collect();
        let mut world = world_of(&server, &peers);
        let why = WaitReason::NeedNewRoot {
            root: root(&server),
            peers: kinds.len(),
        };
        assert_eq!(waits_for(&mut world), Some(why), "{kinds:?}");
        ends_with_another(world, H);
    }
}

#[test]
fn an_item_that_the_only_peer_lacks_is_named_and_everything_else_is_fetched() {
    let server = server();
    let all = sync_alone(&server, 1, 53).0.hashes.distinct.len();
    for (index, item) in items(&server).into_iter().enumerate() {
        let kind = ["nodes", "nodes", "codes"][index];
        for by in [By::Hash, By::Snap] {
            let vice = format!("lacks-{kind}={}", hex(&item));
            let mut world = world_of(&server, &[(By::Hash, &vice)]);
            let why = waits_for(&mut world);
            let Some(WaitReason::Unavailable {
                item: missing,
                peers: 1,
            }) = why
            else {
                panic!("{vice}: {why:?}");
            };
            assert_eq!(named(&missing), item, "{vice}");
            let asked = world.hashes.distinct.len();
            assert!(asked > all - all / 10, "{asked} of {all} asked for");
            ends_with_another(world, by);
        }
    }
}

/// The pause of what a peer lacks was over for ever, and the engine wanted to be called at once
/// again and again.
#[test]
fn what_a_peer_lacks_wants_no_time_once_the_sync_is_cancelled() {
    let server = server();
    let [node, ..] = items(&server);
    let vice = format!("lacks-nodes={}", hex(&node));
    let mut world = world_of(&server, &[(By::Hash, &vice)]);
    let why = waits_for(&mut world);
    assert!(matches!(why, Some(WaitReason::Unavailable { .. })));
    world.input(Input::Cancel);
    assert!(matches!(world.run(), End::Cancelled));
    world.now += 60_000;
    world.input(Input::Tick);
    while world.engine.poll(Millis(world.now)).is_some() {}
    let deadline = world.engine.next_deadline();
    assert!(deadline.is_none_or(|deadline| deadline.0 > world.now));
}

#[test]
fn an_item_that_one_peer_lacks_comes_from_another_without_a_wait() {
    let server = server();
    for (index, item) in items(&server).into_iter().enumerate() {
        let kind = ["nodes", "nodes", "codes"][index];
        let vice = format!("lacks-{kind}={}", hex(&item));
        for by in [By::Hash, By::Snap] {
            let mut world = world_of(&server, &[(By::Hash, &vice), (by, "")]);
            finish(&mut world);
            assert_nobody_is_blamed(&world);
            assert_eq!(world.waits, [WaitReason::NoPeers], "{vice} {by:?}");
        }
    }
}

/// The peer may be slow or not have it: only its silence is seen.
#[test]
fn silence_about_one_node_keeps_only_that_node_from_a_lone_peer() {
    let server = server();
    for item in items(&server) {
        let vice = format!("silent-about={}", hex(&item));
        let mut world = world_of(&server, &[(By::Hash, &vice)]);
        let why = waits_for(&mut world);
        assert_eq!(why, Some(WaitReason::NoAnswer { peers: 1 }), "{vice}");
        for by in [By::Hash, By::Snap] {
            let mut world = world_of(&server, &[(By::Hash, &vice), (by, "")]);
            finish(&mut world);
            assert_eq!(world.dropped, [], "{vice} {by:?}");
        }
    }
}

#[test]
fn a_root_that_the_snap_peer_refuses_and_a_node_that_the_hash_peer_lacks_are_that_node() {
    let server = server();
    let [leaf, ..] = items(&server);
    let vice = format!("lacks-nodes={}", hex(&leaf));
    let mut world = world_of(&server, &[(By::Snap, "empty"), (By::Hash, &vice)]);
    let why = waits_for(&mut world);
    let Some(WaitReason::Unavailable { item, .. }) = why else {
        panic!("{why:?}");
    };
    assert_eq!(named(&item), leaf);
    ends_with_another(world, By::Snap);
}

#[test]
fn a_state_that_only_the_peer_by_hash_has_any_more_is_finished_without_a_new_root() {
    let mut chain = Chain::keeping(2, contracts(800, 150, 54), 54);
    let old = Arc::new(Server::new(contracts(800, 150, 54)));
    for _ in 0..3 {
        chain.advance_by(0.01);
    }
    let mut world = World::new(old.clone(), 54);
    world.connect(chain.server(), By::Snap, Vec::new(), None);
    world.target(root(&old));
    let why = WaitReason::NeedNewRoot {
        root: root(&old),
        peers: 1,
    };
    assert_eq!(waits_for(&mut world), Some(why));
    world.peer_by_hash(Vec::new());
    finish(&mut world);
    assert_nobody_is_blamed(&world);
}

/// A light client names a block a little before its node has the state.
#[test]
fn a_root_that_the_peers_by_hash_get_a_little_later_is_asked_for_again_soon() {
    for is_first in [true, false] {
        let make = || Chain::new(contracts(800, 150, 55), 55);
        // The same seed makes the same chain.
        let (mut chain, mut ahead) = (make(), make());
        let mut world = World::new(chain.server(), 55);
        world.latency = (20, 21);
        world.peer_by_hash(Vec::new());
        world.run_ms(1_000);
        if !is_first {
            world.target(Hash(chain.root()));
            finish(&mut world);
        }
        ahead.advance_by(0.01);
        world.target(Hash(ahead.root()));
        let end = world.run_ms(300);
        assert!(matches!(end, End::Paused), "{end:?}");
        chain.advance_by(0.01);
        let start = world.now;
        let end = world.run_ms(10_000);
        assert!(matches!(end, End::Done(_)), "{end:?}");
        let took = world.now - start;
        assert!(took < 1_500, "{took} ms after the peer has the state");
        assert_nobody_is_blamed(&world);
    }
}

fn hex(hash: &Hash) -> String {
    hash.0.iter().map(|byte| format!("{byte:02x}")).collect()
}
