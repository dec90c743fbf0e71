//! Behaviour that `docs/parity.md` names and that no other test shows.

use std::sync::Arc;

use snaplight::hash::Hash;
use snaplight::state::Counters;
use snaplight::sync::{Failure, Input, Limits, Millis, Phase};
use snaplight_peer::chain::{Chain, Change};
use snaplight_peer::keccak::keccak;
use snaplight_peer::session::Server;
use snaplight_peer::snap::{GetByteCodes, Request};
use snaplight_peer::state::{Account, Builder, Recipe, State};
use snaplight_peer::trie::NodeAt;

use crate::timing::{assert_nobody_is_blamed, contracts, finish, serve, sync, world_of};
use crate::world::{End, World};

/// go-ethereum's limits for one request: bytes, bytecodes, and storages of whole accounts. A request
/// for nodes asks for 256 of the 1,024 look-ups that servers make.
const MOST_BYTES: u64 = 512 * 1024;
const MOST_CODES: usize = 84;
const MOST_STORAGES: usize = 512;
const MOST_NODES: usize = 256;
const MOST_HASHES: usize = 384;
/// The message id of ByteCodes: behind the 16 ids of the base protocol and the 18 of eth/69.
const BYTE_CODES: u8 = 0x10 + 18 + 5;

/// A block that changes accounts, slots and codes.
const BLOCK: Change = Change {
    values: 30,
    insert: 200,
    delete: 10,
    slots: 40,
    contracts: 0,
    delegations: 0,
};

/// A world that holds the state before the chain's newest one, and has no peer.
fn one_block_behind(seed: u64) -> (World, Chain) {
    let mut chain = Chain::new(contracts(2_000, 200, seed), seed);
    let mut world = world_of(&chain.server(), seed);
    let peer = world.honest_peer();
    sync(&mut world);
    world.lose(peer);
    chain.advance(&BLOCK);
    world.asked.clear();
    (world, chain)
}

/// A world that holds nothing, and has no peer.
fn at_the_beginning(seed: u64) -> (World, Chain) {
    let chain = Chain::new(contracts(2_000, 200, seed), seed);
    (world_of(&chain.server(), seed), chain)
}

/// What a first sync asks for, and what a heal asks for.
const KINDS: [(Begin, &str); 5] = [
    (at_the_beginning, "accounts"),
    (at_the_beginning, "storage"),
    (at_the_beginning, "codes"),
    (one_block_behind, "nodes"),
    (one_block_behind, "codes"),
];

type Begin = fn(u64) -> (World, Chain);

#[test]
fn a_peer_that_leaves_gives_back_what_it_was_asked_for_of_each_kind() {
    for (begin, kind) in KINDS {
        let (mut world, chain) = begin(11);
        let peer = world.peer(World::vice(&format!("cut@{kind}")));
        world.target(Hash(chain.root()));
        world.run_until(|world| !world.connected().contains(&peer));
        world.honest_peer();
        finish(&mut world);
        assert_nobody_is_blamed(&world);
    }
}

#[test]
fn what_a_peer_does_not_answer_of_one_kind_is_done_by_another_peer() {
    for (begin, kind) in KINDS {
        let (mut world, chain) = begin(12);
        world.peer(World::vice(&format!("silent@{kind}")));
        world.target(Hash(chain.root()));
        assert!(matches!(world.run_ms(4_000), End::Paused), "{kind}");
        world.honest_peer();
        finish(&mut world);
        assert_nobody_is_blamed(&world);
    }
}

/// Heals from one peer of this vice, which is dropped for this fault.
fn is_dropped_in_a_heal(vice: &str, fault: &str) {
    let (mut world, chain) = one_block_behind(13);
    let peer = world.peer(World::vice(vice));
    world.target(Hash(chain.root()));
    world.run_until(|world| !world.dropped.is_empty());
    assert_eq!(world.dropped, [peer], "{vice}");
    let codes: Vec<_> = world.faults.iter().map(|(_, fault)| fault.code()).collect();
    assert_eq!(codes, [fault], "{vice}");
    world.honest_peer();
    finish(&mut world);
}

#[test]
fn a_trie_node_that_was_not_asked_for_is_its_peers_fault() {
    is_dropped_in_a_heal("corrupt=node", "unexpected-node");
    is_dropped_in_a_heal("modify-value@nodes", "unexpected-node");
    is_dropped_in_a_heal("more@nodes", "too-much");
    is_dropped_in_a_heal("modify-value@codes", "unexpected-code");
}

/// The first request for several bytecodes.
fn codes_asked(world: &World) -> Option<&GetByteCodes> {
    world.asked.iter().find_map(|request| match request {
        Request::Codes(request) if request.hashes.len() > 1 => Some(request),
        _ => None,
    })
}

/// An answer that has two of the codes, in this order.
fn byte_codes(request: &GetByteCodes, codes: [&[u8]; 2]) -> Vec<u8> {
    let (mut list, mut content) = (Vec::new(), Vec::new());
    alloy_rlp::encode_list::<_, [u8]>(&codes, &mut list);
    alloy_rlp::Encodable::encode(&request.id, &mut content);
    content.extend(list);
    let mut frame = vec![BYTE_CODES];
    let header = alloy_rlp::Header {
        list: true,
        payload_length: content.len(),
    };
    header.encode(&mut frame);
    frame.extend(content);
    frame
}

#[test]
fn bytecodes_may_be_left_out_but_not_come_in_another_order() {
    for is_reversed in [false, true] {
        let server = serve(contracts(1_000, 900, 14));
        let mut world = world_of(&server, 14);
        let peer = world.honest_peer();
        world.target(Hash(server.head().root()));
        world.run_until(|world| codes_asked(world).is_some());
        let request = codes_asked(&world).expect("it was waited for").clone();
        let state = server.head();
        let code = |hash: &[u8; 32]| state.code(hash).expect("a code of the state");
        let (first, last) = (
            &request.hashes[0],
            &request.hashes[request.hashes.len() - 1],
        );
        let codes = match is_reversed {
            true => [code(last), code(first)],
            false => [code(first), code(last)],
        };
        world.input(Input::Frame(peer, byte_codes(&request, codes)));
        assert!(matches!(world.run_some(0), End::Paused));
        let faults: Vec<_> = world.faults.iter().map(|(_, fault)| fault.code()).collect();
        match is_reversed {
            true => assert_eq!(faults, ["unexpected-code"]),
            false => assert!(faults.is_empty(), "{faults:?}"),
        }
    }
}

/// 400 accounts and one contract with this many slots; without the contract if that is `None`.
fn with_contract(slots: Option<u32>) -> State {
    let mut builder = Builder::new();
    for index in 0..400_u32 {
        let account = Account::new().balance(index.into());
        builder = builder.account_at(keccak(&index.to_be_bytes()), account);
    }
    if let Some(slots) = slots {
        let mut contract = Account::new().nonce(1).code([1]);
        for slot in 0..slots {
            contract = contract.slot_at(keccak(&slot.to_le_bytes()), [3; 32]);
        }
        builder = builder.account_at(CONTRACT, contract);
    }
    builder.build()
}

const CONTRACT: [u8; 32] = [0x77; 32];

#[test]
fn a_contract_of_which_a_part_is_held_may_be_gone_or_empty_in_the_next_state() {
    for slots in [None, Some(0), Some(3)] {
        let server = serve(with_contract(Some(60_000)));
        let mut world = world_of(&server, 15);
        let line = world.line(400_000);
        world.peer_on(line, Vec::new());
        world.target(Hash(server.head().root()));
        world.run_until(|world| world.received > 600_000);
        let before = |request: &Request| match request {
            Request::Storage(request) => request.accounts.contains(&CONTRACT),
            _ => false,
        };
        assert!(world.asked.iter().any(before), "its storage is under way");
        server.push(Arc::new(with_contract(slots)));
        world.announce();
        world.asked.clear();
        world.target(Hash(server.head().root()));
        finish(&mut world);
        assert_nobody_is_blamed(&world);
        let is_asked = world.asked.iter().any(before);
        assert!(!is_asked || slots == Some(3), "it has no storage any more");
    }
}

#[test]
fn a_code_that_is_held_and_the_empty_code_are_not_asked_for() {
    let state = |contracts: u8| {
        let mut builder = Builder::new();
        for index in 0..200_u8 {
            builder = builder.account([index; 20], Account::new().balance(index.into()));
        }
        for index in 0..contracts {
            let mut address = [0xee; 20];
            address[0] = index;
            builder = builder.account(address, Account::new().nonce(1).code([1, 2, 3]));
        }
        builder.build()
    };
    let server = serve(state(0));
    let mut world = world_of(&server, 16);
    world.honest_peer();
    let codes_asked = |world: &World| {
        let codes = world.asked.iter();
        codes
            .filter(|request| matches!(request, Request::Codes(_)))
            .count()
    };
    for (contracts, requests) in [(0, 0), (10, 1), (30, 1)] {
        server.push(Arc::new(state(contracts)));
        world.announce();
        sync(&mut world);
        assert_eq!(codes_asked(&world), requests, "{contracts} contracts");
    }
}

#[test]
fn a_heal_shows_no_time_left_and_a_first_sync_does() {
    let mut chain = Chain::new(Recipe::plain(20_000, 17).build(), 17);
    let mut world = world_of(&chain.server(), 17);
    let line = world.line(60_000);
    world.peer_on(line, Vec::new());
    let mut seen = |world: &mut World, phase: Phase| {
        world.target(Hash(chain.root()));
        let (mut with, mut without) = (0, 0);
        while matches!(world.run_some(1), End::Paused) {
            let progress = world.engine.progress(Millis(world.now));
            match progress.eta_ms {
                _ if progress.phase != phase => {}
                Some(_) => with += 1,
                None => without += 1,
            }
        }
        world.collect_garbage();
        chain.advance_by(0.01);
        (with, without)
    };
    let (with, _) = seen(&mut world, Phase::Ranges);
    assert!(with > 0);
    let (with, without) = seen(&mut world, Phase::Healing);
    assert!(with == 0 && without > 0, "{with} with, {without} without");
}

#[test]
fn a_root_that_commits_to_no_state_ends_the_heal_and_blames_nobody() {
    // An account whose body is no list of four fields.
    let bogus = |builder: Builder| {
        let body = Account::new().raw_body(vec![0xc4, 0x80, 0x81, 0x05, 0x80]);
        builder.account([0xbb; 20], body)
    };
    let plain = || {
        (0..200_u8).fold(Builder::new(), |builder, index| {
            builder.account([index; 20], Account::new().balance(u128::from(index) + 1))
        })
    };
    let server = serve(plain().build());
    let mut world = world_of(&server, 18);
    world.honest_peer();
    sync(&mut world);
    server.push(Arc::new(bogus(plain()).build()));
    world.announce();
    let root = Hash(server.head().root());
    world.target(root);
    let end = world.run();
    assert!(
        matches!(&end, End::Failed(Failure::BogusRoot(found)) if *found == root),
        "{end:?}"
    );
    assert_nobody_is_blamed(&world);
}

#[test]
fn no_request_asks_for_more_than_servers_answer_at_once() {
    let recipe = Recipe {
        contracts_per_mille: 300,
        huge: vec![(1, 60_000)],
        ..Recipe::plain(20_000, 19)
    };
    let mut chain = Chain::new(recipe.build(), 19);
    let mut world = world_of(&chain.server(), 19);
    world.honest_peer();
    sync(&mut world);
    chain.advance_by(0.02);
    sync(&mut world);
    let mut most = [0; 4];
    for request in &world.asked {
        let (kind, items, bytes) = match request {
            Request::Accounts(request) => (0, 0, request.bytes),
            Request::Storage(request) => (1, request.accounts.len(), request.bytes),
            Request::Codes(request) => (2, request.hashes.len(), request.bytes),
            Request::Nodes(request) => (3, request.paths.len(), request.bytes),
        };
        assert!((1..=MOST_BYTES).contains(&bytes), "{request:?}");
        most[kind] = most[kind].max(items);
    }
    let [_, storages, codes, nodes] = most;
    assert!(
        (2..=MOST_STORAGES).contains(&storages),
        "{storages} storages"
    );
    assert!((2..=MOST_CODES).contains(&codes), "{codes} codes");
    assert!((2..=MOST_NODES).contains(&nodes), "{nodes} nodes");
}

#[test]
fn a_large_storage_is_finished_before_more_storages_are_asked_for() {
    let recipe = Recipe {
        contracts_per_mille: 500,
        huge: vec![(1, 80_000)],
        ..Recipe::plain(6_000, 20)
    };
    let server = serve(recipe.build());
    let mut world = world_of(&server, 20);
    // Two requests at a time, so that one of the five chunks is free until the last ones.
    world.engine = world.engine.with_limits(Limits {
        asked_bytes: 32 * 1024,
        ..Limits::default()
    });
    world.honest_peer();
    sync(&mut world);
    let state = server.head();
    let largest = state.storages().max_by_key(|(_, storage)| storage.len());
    let (huge, _) = largest.expect("a contract");
    // Of each request for storage: whether it is for a chunk of the huge contract, or for whole
    // storages.
    let requests = world.asked.iter().filter_map(|request| match request {
        Request::Storage(request) => {
            let is_chunk = request.origin.is_some();
            Some((is_chunk && request.accounts[0] == *huge, !is_chunk))
        }
        _ => None,
    });
    let (is_chunk, is_whole): (Vec<bool>, Vec<bool>) = requests.unzip();
    let chunks = is_chunk.iter().filter(|is_chunk| **is_chunk).count();
    let first = is_chunk.iter().position(|is_chunk| *is_chunk);
    let first = first.expect("a chunk was asked for");
    let next = is_whole[first..].iter().position(|is_whole| *is_whole);
    let next = first + next.expect("there are storages behind it");
    let before = is_chunk[..next].iter().filter(|is_chunk| **is_chunk);
    let before = before.count();
    assert!(before * 10 >= chunks * 9, "{before} of {chunks} chunks");
}

/// Syncs by hash alone from one peer for each of these lists of vices.
fn by_hash(server: &Arc<Server>, seed: u64, peers: &[&str]) -> World {
    let mut world = world_of(server, seed);
    for vices in peers {
        world.peer_by_hash(World::vice(vices));
    }
    sync(&mut world);
    assert_eq!(world.asked, [], "nothing is asked for by path or range");
    assert_eq!(
        world.hashes.twice, 0,
        "no hash was asked for while in flight"
    );
    world
}

/// The counters of a sync until its last batch is on its way.
fn counters_by_hash(server: &Arc<Server>, seed: u64, vice: &str) -> Counters {
    let mut world = world_of(server, seed);
    world.peer_by_hash(World::vice(vice));
    world.target(Hash(server.head().root()));
    let End::Done(report) = world.run() else {
        panic!(
            "{vice}: not done, waited for {:?}, faults {:?}",
            world.waits, world.faults
        )
    };
    assert_nobody_is_blamed(&world);
    report.counters
}

#[test]
fn node_data_in_another_order_in_part_late_and_twice_is_used_and_counted() {
    let server = serve(contracts(1_500, 200, 21));
    for vice in ["reversed", "short", "capped=2000", "drip=0", "slow=300"] {
        let counters = counters_by_hash(&server, 21, vice);
        assert_eq!((counters.duplicate, counters.unexpected), (0, 0), "{vice}");
    }
    let counters = counters_by_hash(&server, 21, "late-item+3..5");
    assert!(counters.unexpected > 0, "{counters:?}");
    let counters = counters_by_hash(&server, 21, "repeat-item");
    assert!(counters.duplicate > 0, "{counters:?}");
    let counters = counters_by_hash(&server, 21, "twice+2..4");
    assert!(counters.duplicate > 0, "{counters:?}");
}

#[test]
fn node_data_that_nobody_wants_is_its_peers_fault() {
    let server = serve(contracts(1_500, 200, 22));
    for (vice, fault) in [
        ("stray-item", "unexpected-node-data"),
        ("modify-value", "unexpected-node-data"),
        ("more", "too-much"),
    ] {
        let mut world = world_of(&server, 22);
        let peer = world.peer_by_hash(World::vice(vice));
        world.target(Hash(server.head().root()));
        world.run_until(|world| !world.dropped.is_empty());
        assert_eq!(world.dropped, [peer], "{vice}");
        let codes: Vec<_> = world.faults.iter().map(|(_, fault)| fault.code()).collect();
        assert_eq!(codes, [fault], "{vice}");
        world.peer_by_hash(Vec::new());
        finish(&mut world);
    }
}

#[test]
fn a_hash_that_is_wanted_at_several_places_is_joined_at_all_of_them() {
    let mut builder = Builder::new();
    for index in 0..60_u8 {
        let mut account = Account::new().nonce(u64::from(index) + 1).code([index % 3]);
        for slot in 0..40_u32 {
            account = account.slot_at(keccak(&slot.to_le_bytes()), [1 + index % 2; 32]);
        }
        builder = builder.account([index; 20], account);
    }
    let server = serve(builder.build());
    let world = by_hash(&server, 23, &["slow=1", "slow=1"]);
    assert_nobody_is_blamed(&world);
    // An account that comes later has the same storage, which is not looked for elsewhere.
    let (asked, distinct) = (world.hashes.asked, world.hashes.distinct.len() as u64);
    assert!(
        asked <= 2 * distinct,
        "{asked} hashes asked for, {distinct} distinct ones"
    );
}

#[test]
fn bytes_that_are_a_code_and_a_trie_node_are_joined_as_both() {
    let contract = || {
        (0..40_u32).fold(Account::new().nonce(1), |account, slot| {
            account.slot_at(keccak(&slot.to_le_bytes()), [9; 32])
        })
    };
    let alone = Builder::new().account([1; 20], contract()).build();
    let (_, storage) = alone.storages().next().expect("a storage");
    let NodeAt::Node(root) = storage.node_at(&[]) else {
        panic!("a storage of 40 slots has a root node")
    };
    for other in [[0; 20], [2; 20], [7; 20]] {
        let builder = Builder::new().account([1; 20], contract());
        let code = Account::new().nonce(1).code(root.clone());
        let server = serve(builder.account(other, code).build());
        let world = by_hash(&server, 24, &["slow=1"]);
        assert_nobody_is_blamed(&world);
        assert_eq!(world.hashes.asked, world.hashes.distinct.len() as u64);
    }
}

#[test]
fn what_single_peers_by_hash_lack_comes_from_others() {
    let server = serve(contracts(1_500, 400, 25));
    let root = server.head().root();
    // All of them have the root.
    let lacks = |parity: u8| {
        let digits = (0..16_u8).filter(|digit| digit % 2 == parity && *digit != root[0] >> 4);
        let vices = digits.map(|digit| format!("lacks-nodes={digit:x} lacks-codes={digit:x}"));
        vices.collect::<Vec<_>>().join(" ")
    };
    let world = by_hash(&server, 25, &[&lacks(0), &lacks(1)]);
    assert_nobody_is_blamed(&world);
}

#[test]
fn what_a_peer_by_hash_leaves_or_does_not_answer_is_done_by_another_peer() {
    let server = serve(contracts(1_500, 200, 26));
    for vice in ["cut+2", "silent+2"] {
        let mut world = world_of(&server, 26);
        world.peer_by_hash(World::vice(vice));
        world.target(Hash(server.head().root()));
        let end = world.run_ms(4_000);
        assert!(matches!(end, End::Paused | End::Stuck), "{vice}: {end:?}");
        world.peer_by_hash(Vec::new());
        finish(&mut world);
        assert_nobody_is_blamed(&world);
        assert!(
            world.hashes.most <= MOST_HASHES,
            "{} hashes",
            world.hashes.most
        );
    }
}

#[test]
fn a_peer_by_hash_that_has_refused_a_root_is_asked_for_it_again() {
    for (is_announced, has_others) in [(false, false), (true, false), (false, true), (true, true)] {
        let server = serve(contracts(300, 200, 27));
        let mut world = world_of(&server, 27);
        world.peer_by_hash(Vec::new());
        if has_others {
            // By snap, and without any state.
            world.peer(World::vice("empty"));
        }
        let next = contracts(320, 200, 28);
        world.target(Hash(next.root()));
        assert!(matches!(world.run_ms(3_000), End::Paused));
        server.push(Arc::new(next));
        if is_announced {
            world.announce();
        }
        finish(&mut world);
        assert_nobody_is_blamed(&world);
    }
}
