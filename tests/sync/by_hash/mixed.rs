//! Peers by snap and by hash side by side: each is used for what it is good at.

use std::sync::Arc;

use snaplight::hash::Hash;
use snaplight::sync::{Millis, PeerId};
use snaplight::wire::By;
use snaplight_peer::chain::Chain;
use snaplight_peer::session::Server;
use snaplight_peer::state::Recipe;

use super::vices::many_codes;
use super::{assert_honest, sync};
use crate::timing::{assert_at_most, contracts, serve};
use crate::world::World;

/// Syncs from honest peers of these kinds, each on a line of this rate of its own. Returns the
/// world, the peers, and how many milliseconds it took.
fn synced(server: &Arc<Server>, peers: &[(By, u64)]) -> (World, Vec<PeerId>, u64) {
    let mut world = World::new(server.clone(), 71);
    let mut joined = Vec::new();
    for (by, rate) in peers {
        let line = world.line(*rate);
        joined.push(world.connect(server.clone(), *by, Vec::new(), Some(line)));
    }
    let start = world.now;
    sync(&mut world);
    assert_honest(&world);
    let millis = world.now - start;
    (world, joined, millis)
}

fn bytes_of(world: &World, peer: PeerId) -> u64 {
    let peers = world.engine.progress(Millis(world.now)).peers;
    let peer = peers.iter().find(|progress| progress.peer == peer);
    peer.expect("a peer that is connected").bytes
}

#[test]
fn beside_a_quick_snap_peer_a_peer_by_hash_adds_hardly_a_byte() {
    for (server, limit) in [
        (serve(Recipe::plain(20_000, 71).build()), 1.01),
        (serve(contracts(8_000, 150, 71)), 1.05),
    ] {
        let snap = (By::Snap, 400_000);
        let (alone, _, took) = synced(&server, &[snap]);
        let (both, peers, millis) = synced(&server, &[snap, (By::Hash, 400_000)]);
        let ratio = both.received as f64 / alone.received as f64;
        assert!(ratio <= limit, "{ratio}");
        let [by_snap, by_hash] = [0, 1].map(|index| bytes_of(&both, peers[index]));
        assert!(by_snap > by_hash, "{by_snap} by snap, {by_hash} by hash");
        assert_at_most(millis, 1.05, took);
    }
}

#[test]
fn codes_come_from_peers_of_both_kinds() {
    let server = many_codes();
    let peers = [(By::Snap, 200_000), (By::Hash, 200_000)];
    let (world, peers, _) = synced(&server, &peers);
    let progress = world.engine.progress(Millis(world.now)).peers;
    for peer in peers {
        let found = progress.iter().find(|progress| progress.peer == peer);
        let codes = found.expect("a peer that is connected").codes;
        assert!(codes > 0, "{peer:?} brought no code");
    }
}

#[test]
fn nodes_of_a_healing_come_from_peers_of_both_kinds() {
    let recipe = Recipe {
        accounts: 20_000,
        contracts_per_mille: 50,
        seed: 73,
        huge: Vec::new(),
    };
    let mut chain = Chain::new(recipe.build(), 73);
    let mut world = World::new(chain.server(), 73);
    let mut peers = Vec::new();
    for by in [By::Snap, By::Hash] {
        let line = world.line(100_000);
        peers.push(world.connect(chain.server(), by, Vec::new(), Some(line)));
    }
    sync(&mut world);
    let before = peers.clone().into_iter().map(|peer| bytes_of(&world, peer));
    let before: Vec<u64> = before.collect();
    let changed = chain.advance_by(0.03).changed;
    sync(&mut world);
    assert_honest(&world);
    for (peer, before) in peers.iter().zip(before) {
        let bytes = bytes_of(&world, *peer) - before;
        assert!(bytes > changed.node_bytes / 10, "{peer:?} brought {bytes}");
    }
}

#[test]
fn a_peer_by_hash_does_not_slow_a_snap_peer_down_however_slow_it_is() {
    let server = serve(contracts(8_000, 150, 74));
    let snap = (By::Snap, 200_000);
    let (_, _, alone) = synced(&server, &[snap]);
    for rate in [5_000, 50_000, 200_000] {
        let (_, _, millis) = synced(&server, &[(By::Hash, rate), snap]);
        assert_at_most(millis, 1.2, alone);
    }
}

#[test]
fn a_slow_snap_peer_beside_a_quick_peer_by_hash_is_no_slower_than_alone() {
    let server = serve(contracts(3_000, 150, 75));
    let (_, _, alone) = synced(&server, &[(By::Snap, 30_000)]);
    let peers = [(By::Snap, 30_000), (By::Hash, 1_000_000)];
    let (_, _, millis) = synced(&server, &peers);
    assert_at_most(millis, 1.05, alone);
}

#[test]
fn many_peers_of_both_kinds_share_the_work() {
    let server = serve(contracts(8_000, 150, 76));
    let mut peers = Vec::new();
    for _ in 0..4 {
        peers.extend([(By::Snap, 100_000), (By::Hash, 100_000)]);
    }
    let (one, _, alone) = synced(&server, &peers[..1]);
    let (world, _, millis) = synced(&server, &peers);
    assert_at_most(millis, 0.5, alone);
    let ratio = world.received as f64 / one.received as f64;
    assert!(ratio <= 1.1, "{ratio}");
    let root = Hash(server.head().root());
    assert_eq!(
        world.engine.progress(Millis(world.now)).target,
        None,
        "{root}"
    );
}
