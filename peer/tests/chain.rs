//! Compares a chain's state roots with alloy-trie's, and answers at old roots with their proofs.

#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use snaplight_peer::{
    EMPTY_ROOT, Hash,
    chain::{Chain, Change, Changed},
    keccak::keccak,
    session::Server,
    snap::{GetAccountRange, GetByteCodes, GetStorageRanges, GetTrieNodes, Request},
    state::{Builder, Recipe, State},
    trie::Trie,
};
use std::sync::Arc;
use support::{
    Answer, ask, assert_proves, ready,
    truth::{assert_whole, full_body, leaves_changed},
};

fn recipe(accounts: u64, seed: u64) -> State {
    Recipe {
        accounts,
        contracts_per_mille: 200,
        seed,
        huge: vec![(1, 500)],
    }
    .build()
}

#[test]
fn every_root_of_a_chain_is_the_one_alloy_trie_computes() {
    for seed in 0..4 {
        let mut chain = Chain::new(recipe(300, seed), seed);
        for (number, share) in [0.01, 0.1, 0.5, 0.02, 1.0, 0.1, 0.3]
            .into_iter()
            .enumerate()
        {
            let before = chain.state(&chain.root()).unwrap();
            let new = chain.advance_by(share);
            let after = chain.state(&chain.root()).unwrap();
            assert_whole(&after);
            assert_eq!(new.block.header.number, number as u64 + 1);
            assert_eq!(new.block.header.state_root, after.root());
            let (accounts, slots) = leaves_changed(&before, &after);
            assert_eq!((new.changed.accounts, new.changed.slots), (accounts, slots));
            assert!(new.changed.accounts as f64 >= share * 250.0, "{new:?}");
            assert!(slots > 0 && new.changed.nodes > 0);
            assert_eq!(new.changed, Changed::between(&before, &after));
        }
    }
}

#[test]
fn the_same_seed_makes_the_same_chain_and_another_seed_another_chain() {
    let run = |seed| {
        let mut chain = Chain::new(recipe(200, 1), seed);
        (0..5).for_each(|_| drop(chain.advance_by(0.1)));
        chain.head().hash
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}

#[test]
fn a_chain_does_not_change() {
    // Simulated worlds and measurements of different days are comparable only if this root stays.
    let mut chain = Chain::new(recipe(1000, 1), 1);
    for share in [0.01, 0.1, 0.5, 0.02, 1.0, 0.1] {
        chain.advance_by(share);
    }
    assert_eq!(
        support::hex(&chain.root()),
        "311b29db621e7127c25a4fccf12c13f599c3d271e7bbaf0c13f19940dbca5d5d"
    );
}

#[test]
fn a_change_of_one_kind_changes_exactly_as_much_of_it_as_asked() {
    let start = || Chain::new(recipe(1000, 3), 3);
    let advance = |change: Change| {
        let mut chain = start();
        let before = chain.state(&chain.root()).unwrap();
        let changed = chain.advance(&change).changed;
        (before, chain.state(&chain.root()).unwrap(), changed)
    };
    let (before, after, changed) = advance(Change {
        values: 50,
        ..Change::default()
    });
    assert_eq!((changed.accounts, changed.slots, changed.codes), (50, 0, 0));
    assert_eq!(before.counts(), after.counts());

    let (before, after, changed) = advance(Change {
        insert: 40,
        ..Change::default()
    });
    assert_eq!(changed.accounts, 40);
    assert_eq!(after.counts().accounts, before.counts().accounts + 40);
    assert!(changed.codes > 0 && after.counts().slots > before.counts().slots);

    let (before, after, changed) = advance(Change {
        delete: 400,
        ..Change::default()
    });
    assert_eq!(changed.accounts, 400);
    assert_eq!(after.counts().accounts, before.counts().accounts - 400);
    assert!(after.counts().slots < before.counts().slots);

    let (_, after, changed) = advance(Change {
        slots: 100,
        ..Change::default()
    });
    assert!((80..=100).contains(&changed.slots), "{changed:?}");
    assert!(changed.accounts > 0 && changed.codes == 0);
    assert_whole(&after);

    let (_, after, _) = advance(Change {
        delete: 1_000_000,
        ..Change::default()
    });
    assert_eq!(after.root(), EMPTY_ROOT);
    let (before, after, changed) = advance(Change::default());
    assert_eq!(before.root(), after.root());
    assert_eq!(changed, Changed::default());
}

#[test]
fn replaced_values_accounts_and_slots_come_back() {
    let mut chain = Chain::new(recipe(400, 5), 5);
    let mut states = vec![chain.state(&chain.root()).unwrap()];
    for _ in 0..6 {
        chain.advance_by(0.3);
        states.push(chain.state(&chain.root()).unwrap());
    }
    let (mut accounts, mut resurrected, mut slots) = (0, 0, 0);
    for [a, b, c] in states.windows(3).map(|w| [&w[0], &w[1], &w[2]]) {
        for (key, body) in a.accounts().iter() {
            match b.account(key) {
                Some(other) => accounts += i32::from(other != body && c.account(key) == Some(body)),
                None => resurrected += i32::from(c.account(key) == Some(body)),
            }
        }
        for (account, storage) in a.storages() {
            let (Some(b), Some(c)) = (b.storage(account), c.storage(account)) else {
                continue;
            };
            slots += storage
                .iter()
                .filter(|(key, value)| b.get(key) != Some(value) && c.get(key) == Some(value))
                .count();
        }
    }
    assert!(
        accounts > 0 && resurrected > 0 && slots > 0,
        "{accounts} {resurrected} {slots}"
    );
}

#[test]
fn a_chain_from_nothing_grows_and_one_of_plain_accounts_has_no_slots_to_write() {
    let mut chain = Chain::new(Builder::new().build(), 1);
    let change = Change {
        values: 5,
        insert: 10,
        delete: 5,
        slots: 5,
        ..Change::default()
    };
    for _ in 0..5 {
        chain.advance(&change);
        assert_whole(&chain.state(&chain.root()).unwrap());
    }
    assert!(chain.state(&chain.root()).unwrap().counts().accounts > 20);

    let mut chain = Chain::new(Recipe::plain(10, 1).build(), 1);
    let slots = Change {
        slots: 9,
        ..Change::default()
    };
    assert_eq!(chain.advance(&slots).changed, Changed::default());
}

#[test]
fn a_kept_root_is_served_whole_and_one_beyond_the_window_with_nothing() {
    let mut chain = Chain::keeping(4, recipe(300, 7), 7);
    let mut roots = vec![chain.root()];
    for _ in 0..6 {
        roots.push(chain.advance_by(0.2).block.header.state_root);
    }
    let mut session = ready(&chain.server(), Vec::new());
    for (number, root) in roots.iter().enumerate() {
        let accounts = |origin| {
            Request::Accounts(GetAccountRange {
                id: 1,
                root: *root,
                origin,
                limit: [0xff; 32],
                bytes: 4000,
            })
        };
        if number < 3 {
            assert!(chain.state(root).is_none());
            assert!(ask(&mut session, &accounts([0; 32])).is_nothing());
            continue;
        }
        let state = chain.state(root).unwrap();
        let (mut origin, mut got) = ([0; 32], Vec::new());
        while let answer = ask(&mut session, &accounts(origin))
            && !answer.keys().is_empty()
        {
            let (last, body) = answer.sets[0].last().unwrap();
            let storage = state.storage(last).map_or(EMPTY_ROOT, Trie::root);
            let full = full_body(body, storage);
            assert_proves(state.accounts(), &answer.proof, last, Some(full));
            origin = support::plus(last, 1);
            got.extend(answer.sets.into_iter().flatten());
        }
        let expected = state.accounts().iter();
        assert!(got.iter().map(|(k, v)| (k, v.as_slice())).eq(expected));
        assert_storages(&mut session, &state);
        assert_codes_and_nodes(&mut session, &state);
    }
    assert_eq!(chain.server().states().roots().len(), 4);
}

fn assert_storages(session: &mut snaplight_peer::session::Session, state: &State) {
    for (account, storage) in state.storages() {
        let mut request = GetStorageRanges {
            id: 2,
            root: state.root(),
            accounts: vec![*account],
            origin: Some(support::word(1)),
            limit: None,
            bytes: 3000,
        };
        let mut got = Vec::new();
        while got.len() < storage.len() {
            let answer = ask(session, &Request::Storage(request.clone()));
            let (last, value) = answer.sets[0].last().unwrap();
            assert_proves(storage, &answer.proof, last, Some(value.clone()));
            request.origin = Some(support::plus(last, 1));
            got.extend(answer.sets.into_iter().flatten());
        }
        assert!(
            got.iter()
                .map(|(k, v)| (k, v.as_slice()))
                .eq(storage.iter())
        );
    }
}

fn assert_codes_and_nodes(session: &mut snaplight_peer::session::Session, state: &State) {
    let (hashes, codes): (Vec<Hash>, Vec<&[u8]>) = state.codes().unzip();
    let request = Request::Codes(GetByteCodes {
        id: 3,
        hashes,
        bytes: 2_000_000,
    });
    assert_eq!(ask(session, &request).proof, codes);
    let (account, storage) = state.storages().next().unwrap();
    let paths = vec![vec![vec![0]], vec![account.to_vec(), vec![0]]];
    let request = Request::Nodes(GetTrieNodes {
        id: 4,
        root: state.root(),
        paths,
        bytes: 100_000,
    });
    let nodes = ask(session, &request).proof;
    assert_eq!(keccak(&nodes[0]), state.root());
    assert_eq!(keccak(&nodes[1]), storage.root());
}

/// No request shows whether a state comes from a chain or was made in one go.
#[test]
fn answers_do_not_depend_on_how_a_state_came_to_be() {
    let mut chain = Chain::new(recipe(500, 9), 9);
    (0..3).for_each(|_| drop(chain.advance_by(0.3)));
    // A chain without blocks is its first state in the chain's form.
    let server = Arc::new(Server::new(recipe(500, 9)));
    let first = Chain::new(recipe(500, 9), 9);
    let state = Arc::clone(server.states().head().unwrap());
    let mut sessions = [
        ready(&server, Vec::new()),
        ready(&first.server(), Vec::new()),
    ];
    let accounts: Vec<Hash> = state.accounts().iter().map(|(key, _)| *key).collect();
    let contracts: Vec<Hash> = state.storages().map(|(key, _)| *key).collect();
    let mut requests = Vec::new();
    for index in 0..40_u8 {
        let origin = keccak(&[index]);
        let limit = keccak(&[index, 1]);
        let bytes = 100 << (index % 12);
        let root = state.root();
        requests.push(Request::Accounts(GetAccountRange {
            id: 1,
            root,
            origin,
            limit,
            bytes,
        }));
        requests.push(Request::Storage(GetStorageRanges {
            id: 2,
            root,
            accounts: contracts[usize::from(index) % contracts.len()..].to_vec(),
            origin: (index % 3 > 0).then_some(origin),
            limit: (index % 3 > 1).then_some(limit),
            bytes,
        }));
        let mut odd = vec![0x10 | (index & 15)];
        odd.extend(&accounts[usize::from(index)][..usize::from(index % 4)]);
        requests.push(Request::Nodes(GetTrieNodes {
            id: 3,
            root,
            paths: vec![
                vec![odd.clone()],
                vec![
                    contracts[usize::from(index) % contracts.len()].to_vec(),
                    odd,
                ],
            ],
            bytes: 100_000,
        }));
    }
    for request in &requests {
        let [flat, live]: [Answer; 2] = sessions.each_mut().map(|session| ask(session, request));
        assert_eq!(flat, live, "{request:?}");
    }
}

#[test]
fn a_server_behind_knows_only_the_older_blocks_and_stays_there() {
    let mut chain = Chain::keeping(10, recipe(100, 11), 11);
    let blocks: Vec<_> = (0..5).map(|_| chain.advance_by(0.1).block).collect();
    let behind = chain.server().behind(2);
    assert_eq!(behind.status().latest_hash, blocks[2].hash);
    chain.advance_by(0.1);
    assert_eq!(behind.blocks().head().hash, blocks[2].hash);
    assert!(behind.states().get(&blocks[3].header.state_root).is_none());
    assert!(behind.states().get(&blocks[1].header.state_root).is_some());
    assert_eq!(behind.network(), chain.server().network());
    assert_eq!(chain.server().behind(99).blocks().head().header.number, 0);
}
