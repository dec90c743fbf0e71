//! Syncs of sets from JSON-RPC providers: alone, together, beside peers by snap, and with every
//! limit and vice that real ones have.

use std::sync::Arc;

use snaplight::hash::Hash;
use snaplight::state::page::Folds;
use snaplight::state::{
    Lookup, Scope, SlimAccount, Step, TrackedAccount, TrackedSet, TrackedSlots,
};
use snaplight::sync::{Damage, Input, LieField, Millis, PeerId, Report, Target, WaitReason};
use snaplight::wire::PeerFault;
use snaplight_peer::chain::Chain;
use snaplight_peer::keccak::keccak;
use snaplight_peer::session::Server;
use snaplight_peer::state::{Recipe, State};

use crate::truth::assert_complete;
use crate::world::provider::Ways;
use crate::world::{End, World};

/// Contracts of the state, which are its first accounts. Each has so many slots.
const CONTRACTS: u64 = 5;
const SLOTS: u64 = 40;

fn recipe() -> Recipe {
    Recipe {
        accounts: 400,
        contracts_per_mille: 0,
        seed: 11,
        huge: vec![(CONTRACTS, SLOTS)],
    }
}

/// A set of so many plain accounts, one that does not exist, and all contracts with their code and
/// some slots, one of which is not set.
fn set_of(plain: u64) -> Scope {
    let recipe = recipe();
    let mut accounts: Vec<TrackedAccount> = Vec::new();
    for contract in 0..CONTRACTS {
        let slots = [0, 1, 2, 7, 12].map(|slot| recipe.slot_key(contract, slot));
        let slots = [slots.as_slice(), &[[0xee; 32]]].concat();
        accounts.push(TrackedAccount::new(recipe.address(contract), true, &slots));
    }
    for account in CONTRACTS..CONTRACTS + plain {
        accounts.push(TrackedAccount::new(recipe.address(account), false, &[]));
    }
    accounts.push(TrackedAccount::new([0x33; 20], true, &[[0; 32]]));
    let set = TrackedSet::default().with(&accounts).expect("a small set");
    Scope::set(1, set)
}

/// A chain, and a world that holds a set.
struct Setting {
    chain: Chain,
    world: World,
    scope: Scope,
}

impl Setting {
    fn new(plain: u64) -> Setting {
        let mut chain = Chain::new(recipe().build(), 7);
        chain.advance_by(0.05);
        let mut world = World::new(chain.server(), 1);
        let scope = set_of(plain);
        world.input(Input::Scope(scope.clone()));
        Setting {
            chain,
            world,
            scope,
        }
    }

    /// Wants the state after the chain's head, by its block.
    fn target(&mut self) {
        let block = Hash(self.chain.head().hash);
        self.world.input(Input::Target(Target::Block(block)));
    }

    /// Syncs to the chain's head and compares all of the set with the truth. Returns the report and
    /// the milliseconds that it took.
    #[track_caller]
    fn sync(&mut self) -> (Box<Report>, u64) {
        self.target();
        self.finish()
    }

    #[track_caller]
    fn finish(&mut self) -> (Box<Report>, u64) {
        let started = self.world.now;
        let end = self.world.run();
        let End::Done(report) = end else {
            panic!("not done: {end:?}, waits: {:?}", self.world.waits)
        };
        assert_eq!(report.root, Hash(self.chain.root()));
        self.assert_true();
        (report, self.world.now - started)
    }

    /// Reads every key of the set from the disk.
    #[track_caller]
    fn assert_true(&self) {
        let complete = self.world.disk.record().complete.expect("a complete state");
        let root = complete.top.root();
        let truth = self.chain.state(&root.0).expect("a state of the chain");
        for tracked in self.scope.tracked().expect("a set").accounts() {
            let (address, key) = (tracked.address(), tracked.key());
            let found = self.read(Lookup::account(complete.top.page(), key));
            let body = truth.account(&key.0);
            let body = body.map(|body| SlimAccount::parse(body).expect("a body").account());
            let Step::Account(account) = found else {
                panic!("{address:x?}: {found:?}")
            };
            assert_eq!(account.map(|found| found.account), body, "{address:x?}");
            let code = body.filter(|_| tracked.code()).map(|body| body.code_hash);
            if let Some(code) = code.filter(|code| *code != Hash::EMPTY_CODE) {
                let held = self.world.disk.codes.get(&code).map(Vec::as_slice);
                assert_eq!(held, truth.code(&code.0), "the code of {address:x?}");
            }
            let TrackedSlots::Single(slots) = tracked.slots() else {
                panic!("single slots")
            };
            for slot in slots {
                let found = self.read(Lookup::slot(complete.top.page(), key, slot.key()));
                let expected = value(&truth, &key, &slot.number());
                assert_eq!(found, Step::Slot(expected), "a slot of {address:x?}");
            }
        }
    }

    fn read(&self, mut lookup: Lookup) -> Step {
        let mut folds = Folds::new();
        while let Step::Need(needed) = lookup.step().clone() {
            let page = self.world.disk.verified(&needed, &mut folds);
            lookup.feed_verified(&page.expect("an undamaged page"));
        }
        lookup.step().clone()
    }

    /// Whether this provider was dropped, and why.
    fn fault_of(&self, peer: PeerId) -> Option<&PeerFault> {
        let mut faults = self.world.faults.iter();
        faults.find(|(id, _)| *id == peer).map(|(_, fault)| fault)
    }

    fn strikes(&self, peer: PeerId) -> u32 {
        let progress = self.world.engine.peer_progress(peer);
        progress.expect("a peer that is there").strikes
    }

    fn calls(&self, peer: PeerId) -> u64 {
        let left = self.world.left.get(&peer);
        let there = self.world.providers.get(&peer);
        left.or(there).expect("a provider").calls
    }
}

fn value(truth: &State, account: &Hash, number: &[u8; 32]) -> [u8; 32] {
    let storage = truth.storage(&account.0);
    let rlp = storage.and_then(|storage| storage.get(&keccak(number)));
    let rlp = rlp.unwrap_or_default();
    let digits = if rlp.len() > 1 { &rlp[1..] } else { rlp };
    let mut value = [0; 32];
    value[32 - digits.len()..].copy_from_slice(digits);
    value
}

fn after(latency_ms: u64) -> Ways {
    Ways {
        latency_ms,
        ..Ways::default()
    }
}

#[test]
fn a_set_comes_from_one_provider_and_follows_the_chain() {
    let mut setting = Setting::new(20);
    let provider = setting.world.provider(after(20));
    setting.sync();
    // Its chain, the header, one proof for each account, and one code that all contracts share or
    // one for each.
    let accounts = 20 + 1 + CONTRACTS;
    let most = 2 + accounts + CONTRACTS;
    assert!(setting.calls(provider) <= most);
    for _ in 0..5 {
        setting.chain.advance_by(0.2);
        setting.sync();
    }
    assert_eq!(
        (setting.world.faults.len(), setting.strikes(provider)),
        (0, 0)
    );
    assert!(setting.world.lies.is_empty());
    assert!(setting.world.asked.is_empty(), "somebody was asked by snap");
}

#[test]
fn a_provider_is_asked_at_its_newest_block_if_only_the_root_is_known() {
    let mut setting = Setting::new(10);
    setting.world.provider(after(20));
    let root = Hash(setting.chain.root());
    setting.world.target(root);
    setting.finish();
    // It has moved on: its newest block has another root, and it is asked again and again.
    setting.chain.advance_by(0.2);
    let old = Hash(setting.chain.root());
    setting.chain.advance_by(0.2);
    setting.world.target(old);
    setting.world.run_ms(5_000);
    let why = WaitReason::NeedNewRoot {
        root: old,
        peers: 1,
    };
    assert_eq!(setting.world.waits.last(), Some(&why));
    let root = Hash(setting.chain.root());
    setting.world.target(root);
    setting.finish();
    assert!(setting.world.faults.is_empty());
}

#[test]
fn the_oddities_of_clients_are_no_lies() {
    let mut setting = Setting::new(20);
    let provider = setting.world.provider(Ways {
        odd: true,
        ..after(20)
    });
    setting.sync();
    assert!(setting.world.lies.is_empty(), "{:?}", setting.world.lies);
    assert_eq!(setting.strikes(provider), 0);
}

#[test]
fn several_providers_share_the_work() {
    let mut setting = Setting::new(80);
    let providers = [20, 25, 30].map(|latency| setting.world.provider(after(latency)));
    setting.sync();
    for provider in providers {
        assert!(setting.calls(provider) > 8, "{}", setting.calls(provider));
    }
    let calls: u64 = providers.iter().map(|id| setting.calls(*id)).sum();
    assert!(calls <= 3 + 1 + 81 + 2 * CONTRACTS, "{calls} calls");
}

#[test]
fn a_set_comes_from_a_provider_and_a_peer_by_snap_in_one_sync() {
    let mut setting = Setting::new(60);
    let provider = setting.world.provider(after(60));
    setting.world.honest_peer();
    setting.sync();
    setting.chain.advance_by(0.3);
    setting.sync();
    assert!(setting.world.faults.is_empty());
    assert!(setting.calls(provider) > 2);
    assert!(!setting.world.asked.is_empty(), "nobody was asked by snap");
}

#[test]
fn what_a_provider_does_not_have_comes_from_a_peer_by_snap_and_the_other_way_round() {
    for (window, vice) in [(Some(0), ""), (None, "lagging=1")] {
        let mut setting = Setting::new(20);
        setting.world.provider(Ways {
            window,
            ..after(20)
        });
        match vice {
            "" => setting.world.honest_peer(),
            // A peer that is a block behind.
            _ => {
                let behind = Arc::new(setting.chain.server().behind(1));
                setting.world.peer_of(behind, Vec::new())
            }
        };
        setting.sync();
        assert!(setting.world.faults.is_empty());
    }
}

#[test]
fn for_everything_a_provider_is_asked_for_headers_only() {
    let mut chain = Chain::new(recipe().build(), 7);
    chain.advance_by(0.05);
    let mut world = World::new(chain.server(), 1);
    let provider = world.provider(after(5));
    let block = Hash(chain.head().hash);
    world.input(Input::Target(Target::Block(block)));
    world.run_ms(5_000);
    // The header has come, and nobody has the state.
    assert_eq!(world.waits.last(), Some(&WaitReason::NoPeers));
    world.honest_peer();
    let End::Done(report) = world.run() else {
        panic!("not done")
    };
    assert_eq!(report.block.map(|block| block.hash), Some(block));
    assert_complete(&world.disk, &chain.state(&chain.root()).expect("the head"));
    assert_eq!(
        world.providers[&provider].calls, 2,
        "its chain, and a header"
    );
}

#[test]
fn a_provider_on_another_chain_is_dropped() {
    let mut setting = Setting::new(5);
    let wrong = setting.world.provider(Ways {
        chain_id: Some(5),
        ..after(20)
    });
    setting.world.provider(after(20));
    setting.sync();
    assert_eq!(setting.fault_of(wrong), Some(&PeerFault::WrongChain(5)));
    assert_eq!(setting.calls(wrong), 1);
}

#[test]
fn one_slow_provider_does_not_hold_a_sync() {
    let mut setting = Setting::new(20);
    let slow = setting.world.provider(Ways {
        slow: (2..100).map(|call| (call, 20_000)).collect(),
        ..after(20)
    });
    setting.world.provider(after(25));
    let (_, took) = setting.sync();
    assert!(took < 1_500, "{took} ms");
    assert_eq!(setting.fault_of(slow), None);
    // Its answers come late, and are of no harm.
    setting.world.run_ms(30_000);
    setting.chain.advance_by(0.2);
    let (_, took) = setting.sync();
    assert!(took < 1_500, "{took} ms");
}

#[test]
fn a_late_answer_of_a_slow_provider_is_used_if_the_other_one_is_slower() {
    let mut setting = Setting::new(2);
    let first = setting.world.provider(Ways {
        slow: (2..50).map(|call| (call, 1_000)).collect(),
        ..after(20)
    });
    let second = setting.world.provider(Ways {
        slow: (2..50).map(|call| (call, 9_000)).collect(),
        ..after(30)
    });
    let (_, took) = setting.sync();
    assert!(took < 5_000, "{took} ms");
    assert!(setting.calls(first) > 1 && setting.calls(second) > 1);
}

#[test]
fn a_provider_that_never_replies_is_replaced_and_one_alone_is_asked_again() {
    let mut setting = Setting::new(10);
    setting.world.provider(Ways {
        silent_from: Some(3),
        ..after(20)
    });
    setting.world.provider(after(30));
    let (_, took) = setting.sync();
    assert!(took < 1_500, "{took} ms");

    let mut setting = Setting::new(1);
    let provider = setting.world.provider(Ways {
        silent_from: Some(3),
        ..after(20)
    });
    setting.target();
    setting.world.run_ms(20_000);
    assert_eq!(
        setting.world.waits.last(),
        Some(&WaitReason::NoAnswer { peers: 1 })
    );
    let known = setting.world.providers.get_mut(&provider).expect("there");
    known.ways.silent_from = None;
    setting.finish();
}

#[test]
fn a_provider_that_says_when_to_come_again_is_left_alone_for_so_long() {
    let mut setting = Setting::new(40);
    let provider = setting.world.provider(Ways {
        per_second: Some(6),
        retry_after_ms: Some(3_000),
        ..after(20)
    });
    let (_, took) = setting.sync();
    assert!(took >= 3_000, "{took} ms");
    assert_eq!(setting.world.faults, []);
    let known = &setting.world.providers[&provider];
    // Of a burst all are refused, and then the window is smaller.
    assert!(
        known.limited * 3 < known.calls,
        "{} of {}",
        known.limited,
        known.calls
    );
}

#[test]
fn a_provider_that_allows_ten_calls_a_second_neither_bans_nor_starves_us() {
    let mut setting = Setting::new(100);
    let provider = setting.world.provider(Ways {
        per_second: Some(10),
        ..after(100)
    });
    let (_, took) = setting.sync();
    let known = &setting.world.providers[&provider];
    // The least time for so many answers, and twice as much.
    let least = known.answered * 100;
    assert!(
        took <= 2 * least + 2_000,
        "{took} ms for {} answers",
        known.answered
    );
    assert!(
        known.limited * 3 < known.calls,
        "{} of {}",
        known.limited,
        known.calls
    );
    assert_eq!(setting.world.faults, []);
}

#[test]
fn the_next_root_takes_two_round_trips_of_a_provider_that_is_100_ms_away() {
    let mut setting = Setting::new(10);
    setting.world.provider(after(100));
    setting.sync();
    for _ in 0..3 {
        setting.chain.advance_by(0.1);
        let root = Hash(setting.chain.root());
        let block = setting.chain.head().hash;
        setting
            .world
            .input(Input::Target(Target::Block(Hash(block))));
        let (report, took) = setting.finish();
        assert_eq!(report.root, root);
        // The header, then the proofs, then codes if there are new ones.
        assert!(took <= 350, "{took} ms");
    }
}

#[test]
fn a_limit_of_keys_is_learned() {
    let mut setting = Setting::new(2);
    let provider = setting.world.provider(Ways {
        most_keys: Some(2),
        ..after(20)
    });
    setting.sync();
    let refused =
        setting.world.providers[&provider].calls - setting.world.providers[&provider].answered;
    // Of six slots first three are asked for, then one: all calls in flight may be refused twice.
    assert!(refused <= 2 * CONTRACTS + 1, "{refused} refused");
    let before = setting.calls(provider);
    setting.chain.advance_by(0.5);
    setting
        .world
        .providers
        .get_mut(&provider)
        .expect("there")
        .most_asked = 0;
    setting.sync();
    assert!(setting.world.providers[&provider].most_asked <= 2);
    assert!(setting.calls(provider) > before);
    assert_eq!(setting.strikes(provider), 0);
}

#[test]
fn answers_of_another_block_are_asked_for_again_and_count_if_there_are_three_in_a_row() {
    let mut setting = Setting::new(1);
    let provider = setting.world.provider(Ways {
        elsewhere: 2,
        ..after(20)
    });
    setting.sync();
    assert_eq!(setting.strikes(provider), 0);

    let mut setting = Setting::new(1);
    let wrong = setting.world.provider(Ways {
        elsewhere: 1_000,
        ..after(20)
    });
    setting.target();
    setting.world.run_ms(3_000);
    assert!(setting.strikes(wrong) > 0);
    assert!(matches!(
        setting.world.waits.last(),
        Some(WaitReason::NeedNewRoot { peers: 1, .. })
    ));
    setting.world.provider(after(20));
    let (_, took) = setting.finish();
    assert!(took < 2_000, "{took} ms");
    assert_eq!(setting.world.faults, []);
}

#[test]
fn a_state_out_of_the_window_is_not_asked_for_again_for_ten_seconds() {
    let mut setting = Setting::new(1);
    let provider = setting.world.provider(Ways {
        window: Some(1),
        ..after(20)
    });
    setting.chain.advance_by(0.1);
    let old = setting.chain.head().hash;
    setting.chain.advance_by(0.1);
    setting.world.input(Input::Target(Target::Block(Hash(old))));
    setting.world.run_ms(25_000);
    let times = &setting.world.providers[&provider].times;
    let gaps: Vec<u64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let long = gaps.iter().filter(|gap| **gap > 100);
    assert!(long.clone().count() >= 2, "{gaps:?}");
    assert!(long.clone().all(|gap| *gap >= 10_000), "{gaps:?}");
    let why = setting.world.waits.last();
    assert!(
        matches!(why, Some(WaitReason::NeedNewRoot { peers: 1, .. })),
        "{why:?}"
    );
    // Another root is asked for at once.
    let (_, took) = setting.sync();
    assert!(took < 500, "{took} ms");
    assert_eq!(setting.strikes(provider), 0);
}

#[test]
fn a_provider_that_is_spent_is_set_aside_and_another_goes_on() {
    let mut setting = Setting::new(40);
    let spent = setting.world.provider(Ways {
        spent_after: Some(10),
        ..after(20)
    });
    setting.world.provider(after(60));
    setting.sync();
    assert_eq!(setting.fault_of(spent), Some(&PeerFault::Spent));
    let calls = setting.calls(spent);
    setting.chain.advance_by(0.1);
    setting.sync();
    assert_eq!(setting.calls(spent), calls);
}

#[test]
fn a_claim_that_its_own_proof_refutes_is_told_and_the_proven_value_is_used() {
    for (field, name) in [
        ("balance", "balance"),
        ("nonce", "nonce"),
        ("codeHash", "codeHash"),
        ("storageHash", "storageHash"),
        ("storageProof", "storageProof"),
    ] {
        let mut setting = Setting::new(2);
        let liar = setting.world.provider(Ways {
            lies_of: Some(field),
            ..after(20)
        });
        setting.sync();
        assert!(setting.strikes(liar) > 0, "{field}");
        assert!(!setting.world.lies.is_empty(), "{field}");
        let truth = setting
            .chain
            .state(&setting.chain.root())
            .expect("the head");
        for (peer, lie) in &setting.world.lies {
            assert_eq!((*peer, lie.field.name()), (liar, name));
            assert_ne!(lie.claimed, lie.proven);
            let key = keccak(&lie.address);
            let body = truth.account(&key);
            let body = body.map(|body| SlimAccount::parse(body).expect("a body").account());
            let proven = match (lie.field, body) {
                (LieField::Balance, Some(body)) => body.balance,
                (LieField::CodeHash, Some(body)) => body.code_hash.0,
                (LieField::StorageHash, Some(body)) => body.storage_root.0,
                (LieField::Slot(number), _) => value(&truth, &Hash(key), &number),
                (LieField::CodeHash, None) => Hash::EMPTY_CODE.0,
                (LieField::StorageHash, None) => Hash::EMPTY_ROOT.0,
                (LieField::Balance | LieField::Nonce, None) => [0; 32],
                (LieField::Nonce, Some(body)) => {
                    let mut nonce = [0; 32];
                    nonce[24..].copy_from_slice(&body.nonce.to_be_bytes());
                    nonce
                }
                (field, _) => panic!("{field:?}"),
            };
            assert_eq!(lie.proven, proven, "{field}");
        }
        assert_eq!(setting.world.faults, []);
    }
}

#[test]
fn nodes_that_belong_to_nothing_do_no_harm() {
    let mut setting = Setting::new(10);
    let provider = setting.world.provider(Ways {
        junk: true,
        ..after(20)
    });
    setting.sync();
    assert_eq!(setting.strikes(provider), 0);
}

#[test]
fn a_proof_that_lacks_a_node_is_asked_for_again_and_then_counts() {
    for corrupt in [false, true] {
        let ways = |times| Ways {
            incomplete: if corrupt { 0 } else { times },
            corrupt: if corrupt { times } else { 0 },
            ..after(20)
        };
        let mut setting = Setting::new(1);
        let provider = setting.world.provider(ways(1));
        setting.sync();
        assert_eq!(setting.strikes(provider), 0);

        let mut setting = Setting::new(1);
        let bad = setting.world.provider(ways(10_000));
        setting.target();
        setting.world.run_ms(3_000);
        assert!(setting.strikes(bad) > 0);
        setting.world.provider(after(20));
        let (_, took) = setting.finish();
        assert!(took < 2_000, "{took} ms");
    }
}

#[test]
fn a_provider_with_too_many_wrong_answers_is_dropped() {
    let mut setting = Setting::new(40);
    let liar = setting.world.provider(Ways {
        lies_of: Some("balance"),
        ..after(20)
    });
    for _ in 0..10 {
        setting.chain.advance_by(0.5);
        setting.target();
        setting.world.run_ms(3_000);
    }
    assert_eq!(setting.fault_of(liar), Some(&PeerFault::Misleading));
}

#[test]
fn a_provider_without_a_method_is_not_asked_for_it_again() {
    for method in ["eth_getProof", "eth_getCode", "eth_getBlockByHash"] {
        let mut setting = Setting::new(4);
        let lacking = setting.world.provider(Ways {
            lacks: Some(method),
            ..after(20)
        });
        setting.world.provider(after(200));
        setting.sync();
        let known = &setting.world.providers[&lacking];
        let before = known.calls - known.answered;
        setting.chain.advance_by(0.5);
        setting.sync();
        let known = &setting.world.providers[&lacking];
        // Beside the chain, only what was in flight at the first error.
        assert!(before <= 1 + 20, "{method}: {before}");
        assert_eq!(known.calls - known.answered, before, "{method}");
        assert_eq!(setting.world.faults, []);
    }
}

#[test]
fn an_error_that_means_nothing_goes_to_another_provider_and_is_tried_again_alone() {
    for others in [0, 1] {
        let mut setting = Setting::new(4);
        setting.world.provider(Ways {
            fails: Some((12, -32000, "hash sort failed")),
            ..after(20)
        });
        for _ in 0..others {
            setting.world.provider(after(40));
        }
        let (_, took) = setting.sync();
        let most = if others > 0 { 1_500 } else { 20_000 };
        assert!(took < most, "{took} ms");
        assert_eq!(setting.world.faults, []);
    }
}

#[test]
fn answers_that_are_too_large_are_asked_for_in_smaller_parts() {
    let mut setting = Setting::new(4);
    let provider = setting.world.provider(Ways {
        fails: Some((3, -32003, "response too large")),
        ..after(20)
    });
    setting.sync();
    assert_eq!(setting.strikes(provider), 0);
}

#[test]
fn all_slots_of_an_account_are_waited_for_until_a_peer_by_snap_comes() {
    let mut setting = Setting::new(2);
    let whole = TrackedAccount::whole(recipe().address(0), true);
    let single = TrackedAccount::new(recipe().address(1), true, &[]);
    let set = TrackedSet::default().with(&[whole, single]);
    let scope = Scope::set(2, set.expect("a small set"));
    setting.world.input(Input::Scope(scope));
    let provider = setting.world.provider(after(20));
    setting.target();
    setting.world.run_ms(3_000);
    assert_eq!(setting.world.waits.last(), Some(&WaitReason::NoPeers));
    assert!(setting.calls(provider) < 10);
    setting.world.honest_peer();
    let end = setting.world.run();
    assert!(matches!(end, End::Done(_)), "{end:?}");
}

#[test]
fn a_provider_that_leaves_gives_its_work_back() {
    let mut setting = Setting::new(20);
    let first = setting.world.provider(after(500));
    setting.target();
    setting.world.run_ms(1_200);
    setting.world.provider(after(30));
    assert!(setting.world.lose(first));
    let (_, took) = setting.finish();
    assert!(took < 1_000, "{took} ms");
}

#[test]
fn a_target_that_moves_while_calls_are_open_is_reached() {
    let mut setting = Setting::new(30);
    setting.world.provider(after(80));
    setting.target();
    for _ in 0..4 {
        setting.world.run_ms(130);
        setting.chain.advance_by(0.1);
        setting.target();
    }
    setting.finish();
    assert_eq!(setting.world.faults, []);
    assert_eq!(
        setting
            .world
            .engine
            .progress(Millis(setting.world.now))
            .waiting,
        None
    );
}

/// A server of one state, for a world without a chain.
#[test]
fn an_empty_state_is_proven_by_nothing() {
    let server = Arc::new(Server::new(Recipe::plain(0, 1).build()));
    let mut world = World::new(server.clone(), 1);
    world.input(Input::Scope(set_of(3)));
    world.provider(after(20));
    world.target(Hash(server.head().root()));
    let End::Done(report) = world.run() else {
        panic!("not done")
    };
    assert_eq!(report.root, Hash::EMPTY_ROOT);
}

#[test]
fn a_damaged_code_comes_from_a_provider_by_the_address_of_an_account_that_names_it() {
    for events in 0..8 {
        let mut setting = Setting::new(10);
        let provider = setting.world.provider(after(20));
        setting.sync();
        setting.world.collect_garbage();
        let calls = setting.calls(provider);
        let code = *setting.world.disk.codes.keys().next().expect("a code");
        match events % 2 {
            0 => drop(setting.world.disk.codes.remove(&code)),
            _ => drop(setting.world.disk.codes.insert(code, b"not it".to_vec())),
        }
        let pages = setting.world.disk.pages.clone();
        setting.world.input(Input::Damaged(Damage::Code(code)));
        let _ = setting.world.run_some(events);
        // A sync to the same root is not held up.
        setting.target();
        let end = setting.world.run();
        assert!(matches!(end, End::Done(_)), "after {events}: {end:?}");
        setting.world.run_until(|world| world.repairs > 0);
        setting.world.collect_garbage();
        setting.assert_true();
        assert_eq!(setting.world.disk.pages, pages, "a page was written");
        assert_eq!(setting.calls(provider), calls + 1);
    }
}

#[test]
fn a_damaged_code_that_no_tracked_account_names_holds_up_nothing() {
    let mut setting = Setting::new(10);
    let provider = setting.world.provider(after(20));
    setting.sync();
    let calls = setting.calls(provider);
    let code = Damage::Code(Hash([0xcc; 32]));
    setting.world.input(Input::Damaged(code));
    setting.world.run_until(|world| world.repairs > 0);
    assert_eq!(setting.calls(provider), calls);
    setting.chain.advance_by(0.2);
    setting.sync();
}
