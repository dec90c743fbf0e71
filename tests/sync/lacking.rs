//! Items that a peer lacks although it has everything else: single codes, trie nodes and storages.
//! If no peer has one, the sync fetches the rest, names the item, and waits for a peer that has it.

use std::collections::BTreeMap;
use std::sync::Arc;

use snaplight::hash::Hash;
use snaplight::sync::{Millis, Missing, PeerId, WaitReason};
use snaplight_peer::chain::{Chain, Change};
use snaplight_peer::keccak::keccak;
use snaplight_peer::session::Server;
use snaplight_peer::snap::Request;
use snaplight_peer::state::{Recipe, State, code_hash};
use snaplight_peer::trie::NodeAt;

use crate::timing::{assert_nobody_is_blamed, contracts, finish, serve, sync, world_of};
use crate::world::{End, World};

/// What arrives after a peer has joined that has the item: handshakes, the item, and what is below
/// it. The largest item is a storage of a thousand slots.
const REST: u64 = 80_000;
/// Everything else has been fetched by then, and each peer has been asked again and again.
const PATIENCE_MS: u64 = 120_000;
const LACKING: usize = 3;

fn hex(hash: &[u8; 32]) -> String {
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Runs a sync of which no peer has one item, checks that it names the item once and goes on with
/// everything else, and ends it by a peer that has the item.
fn wait_for(mut world: World, is_item: impl Fn(&Missing) -> bool) {
    let end = world.run_ms(PATIENCE_MS);
    assert!(matches!(end, End::Paused), "{end:?}");
    let is_named = |why: &WaitReason| match why {
        WaitReason::Unavailable { item, peers } => is_item(item) && *peers == LACKING,
        _ => false,
    };
    let waits: Vec<&WaitReason> = world
        .waits
        .iter()
        .filter(|why| **why != WaitReason::NoPeers)
        .collect();
    assert!(waits.len() == 1 && is_named(waits[0]), "{waits:?}");
    let progress = world.engine.progress(Millis(world.now));
    assert!(progress.waiting.as_ref().is_some_and(is_named));
    assert!(progress.peers.iter().all(|peer| !peer.refused));
    assert_nobody_is_blamed(&world);

    // It is asked for again, but seldom.
    let (asked, waits) = (world.asked.len(), world.waits.len());
    assert!(matches!(world.run_ms(60_000), End::Paused));
    assert_eq!(world.waits.len(), waits, "nothing new is said");
    let asked = world.asked.len() - asked;
    assert!((1..=12 * LACKING).contains(&asked), "{asked} in a minute");

    let received = world.received;
    world.honest_peer();
    finish(&mut world);
    assert_nobody_is_blamed(&world);
    let rest = world.received - received;
    assert!(rest <= REST, "{rest} bytes were left to fetch");
    let progress = world.engine.progress(Millis(world.now));
    assert_eq!(progress.waiting, None);
}

fn lacking(world: &mut World, vices: &str) {
    for _ in 0..LACKING {
        world.peer(World::vice(vices));
    }
}

/// The first code in the order of accounts.
fn some_code(state: &State) -> [u8; 32] {
    let mut codes = state.accounts().iter().map(|(_, body)| code_hash(body));
    let has_code = |hash: &[u8; 32]| state.code(hash).is_some();
    codes.find(has_code).expect("a contract with code")
}

#[test]
fn a_code_that_no_peer_has_is_named_and_waited_for() {
    let server = serve(contracts(3_000, 500, 90));
    let code = some_code(&server.head());
    for vice in ["", "one-code "] {
        let mut world = world_of(&server, 90);
        lacking(&mut world, &format!("{vice}lacks-codes={}", hex(&code)));
        world.target(Hash(server.head().root()));
        wait_for(world, |item| *item == Missing::Code(Hash(code)));
    }
}

/// A quarter of all codes is with each peer only.
#[test]
fn codes_of_which_each_peer_has_a_part_are_fetched_without_a_pause() {
    let server = serve(contracts(4_000, 900, 91));
    let mut world = world_of(&server, 91);
    for peer in 0..4 {
        let part = server.head().without_codes(|hash| hash[0] % 4 != peer);
        world.peer_of(Arc::new(Server::new(part)), Vec::new());
    }
    let millis = sync(&mut world);
    assert!(millis <= 2_000, "{millis} ms");
    assert_nobody_is_blamed(&world);
    let unavailable = |why: &WaitReason| matches!(why, WaitReason::Unavailable { .. });
    assert!(!world.waits.iter().any(unavailable), "{:?}", world.waits);
}

/// One of the storages, by its account and root: the smallest or the largest.
fn some_storage(state: &State, large: bool) -> (Hash, Hash) {
    let mut roots = BTreeMap::new();
    for (_, storage) in state.storages() {
        *roots.entry(storage.root()).or_insert(0) += 1;
    }
    let unique = state
        .storages()
        .filter(|(_, trie)| roots[&trie.root()] == 1);
    let (account, storage) = match large {
        true => unique.max_by_key(|(_, trie)| trie.len()),
        false => unique.min_by_key(|(_, trie)| trie.len()),
    }
    .expect("a storage of which there is one");
    (Hash(*account), Hash(storage.root()))
}

#[test]
fn a_storage_that_no_peer_has_is_named_and_waited_for() {
    let server = serve(
        Recipe {
            contracts_per_mille: 200,
            huge: vec![(1, 300)],
            ..Recipe::plain(3_000, 92)
        }
        .build(),
    );
    for large in [false, true] {
        let (account, root) = some_storage(&server.head(), large);
        let mut world = world_of(&server, 92);
        lacking(&mut world, &format!("lacks-nodes={}", hex(&root.0)));
        world.target(Hash(server.head().root()));
        wait_for(world, |item| *item == Missing::Storage { account, root });
    }
}

/// The nibbles of a path in a request, which is no leaf's.
fn nibbles(compact: &[u8]) -> Vec<u8> {
    let odd = (compact[0] & 0x10 != 0).then_some(compact[0] & 0x0f);
    let rest = compact[1..]
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 0x0f]);
    odd.into_iter().chain(rest).collect()
}

/// The last node that was asked for of the account trie, or of a storage.
fn last_node(world: &World, of_storage: bool) -> [u8; 32] {
    let state = world.server.head();
    let mut sets = world
        .asked
        .iter()
        .rev()
        .filter_map(|request| match request {
            Request::Nodes(request) => Some(request.paths.iter().rev()),
            _ => None,
        });
    let node = sets.by_ref().flatten().find_map(|set| {
        let (trie, path) = match set.as_slice() {
            [path] if !of_storage => (state.accounts(), path),
            [account, path] if of_storage => {
                let account: &[u8; 32] = account.as_slice().try_into().ok()?;
                (state.storage(account)?, path)
            }
            _ => return None,
        };
        match trie.node_at(&nibbles(path)) {
            NodeAt::Node(node) => Some(node),
            NodeAt::Nothing | NodeAt::Embedded => None,
        }
    });
    keccak(&node.expect("a node was asked for"))
}

/// Replaces all peers of a world by peers with these vices.
fn replace_peers(world: &mut World, vices: &str) {
    for peer in world.connected() {
        world.lose(peer);
    }
    lacking(world, vices);
}

/// Makes a sync twice. The first time the peers have everything, and it shows which node the sync
/// asks for last. The second time no peer has that node.
fn without_last_node(make: impl Fn() -> (World, Chain), of_storage: bool, vice: &str) {
    let begin = |vices: &str| {
        let (mut world, chain) = make();
        replace_peers(&mut world, vices);
        world.asked.clear();
        world.waits.clear();
        world.target(Hash(chain.root()));
        (world, chain)
    };
    let (mut rehearsal, _chain) = begin("slow=0");
    finish(&mut rehearsal);
    let node = last_node(&rehearsal, of_storage);
    let (world, _chain) = begin(&format!("{vice}={}", hex(&node)));
    wait_for(world, |item| match item {
        Missing::Node { path, hash } => *hash == Hash(node) && path.account.is_some() == of_storage,
        _ => false,
    });
}

/// A world that holds the state before the chain's newest one. Single slots of a large storage have
/// changed since, and single accounts.
fn one_block_behind() -> (World, Chain) {
    let recipe = Recipe {
        contracts_per_mille: 300,
        huge: vec![(1, 3_000)],
        ..Recipe::plain(3_000, 93)
    };
    let mut chain = Chain::new(recipe.build(), 93);
    let mut world = world_of(&chain.server(), 93);
    world.honest_peer();
    sync(&mut world);
    chain.advance(&Change {
        values: 30,
        slots: 40,
        contracts: 2,
        ..Change::default()
    });
    (world, chain)
}

/// A world that holds a part of the state before the chain's newest one.
fn in_the_first_sync() -> (World, Chain) {
    let mut chain = Chain::new(contracts(6_000, 300, 94), 94);
    let mut world = world_of(&chain.server(), 94);
    let peer = world.honest_peer();
    world.target(Hash(chain.root()));
    world.run_until(|world| world.received > 300_000 && world.unanswered.of(peer) > 0);
    chain.advance_by(0.005);
    (world, chain)
}

#[test]
fn a_node_that_no_peer_has_is_named_and_waited_for_in_a_heal() {
    for vice in ["lacks-nodes", "ends-at-nodes"] {
        for of_storage in [false, true] {
            without_last_node(one_block_behind, of_storage, vice);
        }
    }
}

#[test]
fn a_node_that_no_peer_has_is_named_and_waited_for_in_a_first_sync_that_has_moved() {
    for vice in ["lacks-nodes", "ends-at-nodes"] {
        without_last_node(in_the_first_sync, false, vice);
    }
}

/// Each peer lacks other nodes, and together they have all.
#[test]
fn nodes_of_which_each_peer_lacks_some_are_fetched_without_a_pause() {
    for vice in ["lacks-nodes", "ends-at-nodes"] {
        let (mut world, chain) = one_block_behind();
        world.lose(PeerId(1));
        let root = hex(&chain.root());
        for peer in 0..4_u32 {
            // All of them have the root.
            let digits = (0..16)
                .filter(|digit| digit % 4 == peer && !root.starts_with(&format!("{digit:x}")));
            let vices: Vec<String> = digits.map(|digit| format!("{vice}={digit:x}")).collect();
            world.peer(World::vice(&vices.join(" ")));
        }
        world.waits.clear();
        let millis = sync(&mut world);
        assert!(millis <= 4_000, "{vice}: {millis} ms");
        assert_nobody_is_blamed(&world);
        let is_pause = |why: &WaitReason| *why != WaitReason::NoPeers;
        assert!(!world.waits.iter().any(is_pause), "{:?}", world.waits);
    }
}

/// The sync has two gaps, and a peer for each of them joins later.
#[test]
fn two_items_that_no_peer_has_come_from_two_peers() {
    let server: Arc<Server> = serve(contracts(3_000, 500, 95));
    let state = server.head();
    let code = hex(&some_code(&state));
    let storage = hex(&some_storage(&state, false).1.0);
    let (no_code, no_storage) = (
        format!("lacks-codes={code}"),
        format!("lacks-nodes={storage}"),
    );
    let mut world = world_of(&server, 95);
    lacking(&mut world, &format!("{no_code} {no_storage}"));
    world.target(Hash(state.root()));
    assert!(matches!(world.run_ms(PATIENCE_MS), End::Paused));
    world.peer(World::vice(&no_code));
    assert!(matches!(world.run_ms(PATIENCE_MS), End::Paused));
    let is_code = |why: Option<WaitReason>| {
        let Some(WaitReason::Unavailable { item, peers }) = why else {
            return false;
        };
        (item, peers) == (Missing::Code(Hash(some_code(&state))), LACKING + 1)
    };
    let progress = world.engine.progress(Millis(world.now));
    assert!(is_code(progress.waiting.clone()), "{:?}", progress.waiting);
    world.peer(World::vice(&no_storage));
    finish(&mut world);
    assert_nobody_is_blamed(&world);
}
