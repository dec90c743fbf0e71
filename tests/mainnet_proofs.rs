//! Recorded answers of mainnet's nodes to `eth_getProof`, each of which opens a set: the engine syncs
//! from a provider that replays it, and what it holds then is what was recorded. Skipped where
//! `../shared/data` is not there.

#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)] // A test fails by panicking.

mod json_value;

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;

use json_value::Json;
use serde_json::{Value, json};
use snaplight::hash::Hash;
use snaplight::state::page::{Folds, Page, VerifiedPage};
use snaplight::state::{
    Account, AccountProof, Lookup, NeededPage, Network, PageId, ProofStep, Prover, Record, Scope,
    Step, TrackedAccount, TrackedSet, TrackedSlot,
};
use snaplight::sync::{
    Config, Engine, Event, Failure, Input, LieField, Millis, Output, PeerId, Target,
};
use snaplight::wire::By;
use snaplight::wire::rpc::{Call, Proof, Reply};

/// A recorded answer.
struct Recorded {
    root: Hash,
    address: [u8; 20],
    /// The numbers of the slots, in the order of the answer.
    slots: Vec<[u8; 32]>,
    answer: Value,
}

/// The recorded answers; none if the folder is not there.
fn recorded() -> Vec<Recorded> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"));
    let path = path.join("../shared/data/mainnet-proofs/proofs.json");
    let Ok(text) = std::fs::read_to_string(path) else {
        println!("skipped: ../shared/data/mainnet-proofs is not there");
        return Vec::new();
    };
    let all: Vec<Value> = serde_json::from_str(&text).expect("JSON");
    assert_eq!(all.len(), 14);
    let all = all.into_iter().map(|record| {
        let answer = record["answer"].clone();
        let slots = answer["storageProof"].as_array().expect("slots").iter();
        Recorded {
            root: Hash(bytes(&record["stateRoot"])),
            address: bytes(&answer["address"]),
            slots: slots.map(|slot| bytes(&slot["key"])).collect(),
            answer,
        }
    });
    all.collect()
}

/// Bytes in hex, padded in front.
fn bytes<const N: usize>(value: &Value) -> [u8; N] {
    let text = value.as_str().expect("a text").trim_start_matches("0x");
    let text = format!("{text:0>width$}", width = 2 * N);
    let mut bytes = [0; N];
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * index..2 * index + 2], 16).expect("hex");
    }
    bytes
}

fn nodes(value: &Value) -> Vec<Vec<u8>> {
    let items = value.as_array().expect("a list").iter();
    let texts = items.map(|item| item.as_str().expect("a text").trim_start_matches("0x"));
    let byte = |text: &str| u8::from_str_radix(text, 16).expect("hex");
    texts
        .map(|text| {
            (0..text.len())
                .step_by(2)
                .map(|at| byte(&text[at..at + 2]))
                .collect()
        })
        .collect()
}

/// An engine, its pages, and what it has said.
struct Wallet {
    engine: Engine,
    pages: BTreeMap<PageId, Vec<u8>>,
    record: Record,
    inputs: VecDeque<Input>,
    /// Calls that were made and not replied to.
    calls: Vec<(u64, Call)>,
    events: Vec<Event>,
    now: u64,
}

const PROVIDER: PeerId = PeerId(1);

impl Wallet {
    /// A wallet that holds one account, and asks its provider for it.
    fn of(recorded: &Recorded) -> Wallet {
        let network = Network {
            id: 1,
            genesis: Hash([0xd4; 32]),
        };
        let config = Config {
            network,
            chain_id: 1,
            client: "wallet".to_owned(),
            node_id: [1; 64],
        };
        let record = Record::fresh([7; 16], network);
        let account = TrackedAccount::new(recorded.address, false, &recorded.slots);
        let set = TrackedSet::default().with(&[account]).expect("a small set");
        let mut wallet = Wallet {
            engine: Engine::new(config, record.clone(), Vec::new()),
            pages: BTreeMap::new(),
            record,
            inputs: VecDeque::new(),
            calls: Vec::new(),
            events: Vec::new(),
            now: 1_000,
        };
        wallet.input(Input::Scope(Scope::set(1, set)));
        wallet.input(Input::PeerJoined(PROVIDER, By::Rpc));
        wallet.reply(Reply::ChainId(1));
        wallet.input(Input::Target(Target::Root(recorded.root)));
        wallet
    }

    fn reply(&mut self, reply: Reply) {
        let (id, _) = self.calls.pop().expect("a call");
        self.input(Input::Replied(PROVIDER, id, reply));
    }

    fn input(&mut self, input: Input) {
        self.inputs.push_back(input);
        while let Some(input) = self.inputs.pop_front() {
            self.now += 1;
            self.engine.handle(Millis(self.now), input);
            while let Some(output) = self.engine.poll(Millis(self.now)) {
                self.carry_out(output);
            }
        }
    }

    fn carry_out(&mut self, output: Output) {
        match output {
            Output::Call(_, id, call) => self.calls.push((id, call)),
            Output::Load(ticket, ids) => {
                let pages = ids.iter().map(|id| self.pages.get(id).cloned()).collect();
                self.inputs.push_back(Input::Loaded(ticket, pages));
            }
            Output::Commit(batch) => {
                for range in &batch.delete {
                    self.pages.retain(|id, _| !range.contains(id));
                }
                self.pages.extend(batch.pages);
                self.record = Record::decode(&batch.record).expect("a record");
                self.inputs.push_back(Input::Committed(batch.sequence));
            }
            Output::Event(event) => self.events.push(event),
            Output::Yield => {}
            output => panic!("{output:?}"),
        }
    }

    fn is_done(&self) -> bool {
        let is_done = |event: &Event| matches!(event, Event::Done(_));
        assert_eq!(
            self.events.iter().any(is_done),
            self.record.complete.is_some()
        );
        self.record.complete.is_some()
    }

    fn page(&self, needed: &NeededPage, folds: &mut Folds) -> VerifiedPage {
        let bytes = self.pages.get(&needed.page.id).expect("a page");
        let mut page = Page::decode(bytes).expect("a page");
        page.verify(&needed.page, &needed.at, folds)
            .expect("a whole page")
    }

    fn read(&self, lookup: impl FnOnce(Option<snaplight::state::PageRef>) -> Lookup) -> Step {
        let mut lookup = lookup(self.record.complete.expect("a state").top.page());
        let mut folds = Folds::new();
        while let Step::Need(needed) = lookup.step().clone() {
            lookup.feed_verified(&self.page(&needed, &mut folds));
        }
        lookup.step().clone()
    }

    fn prove(&self, account: Hash, slots: Vec<Hash>) -> AccountProof {
        let page = self.record.complete.expect("a state").top.page();
        let mut prover = Prover::new(page, account, slots);
        let mut folds = Folds::new();
        while let ProofStep::Need(needed) = prover.step() {
            prover.feed_verified(&self.page(&needed, &mut folds));
        }
        prover.into_proof().expect("a proof")
    }
}

/// The call's answer as it was recorded.
fn replay(wallet: &Wallet, recorded: &Recorded) -> Reply {
    let (_, call) = wallet.calls.last().expect("a call");
    let Call::Proof { address, slots, .. } = call else {
        panic!("{call:?}")
    };
    assert_eq!(*address, recorded.address);
    assert_eq!(slots.len(), recorded.slots.len());
    Reply::read(call, &Json(&recorded.answer))
}

fn proof_of(reply: Reply) -> Proof {
    match reply {
        Reply::Proof(proof) => *proof,
        reply => panic!("{reply:?}"),
    }
}

#[test]
fn each_recorded_answer_opens_a_set_that_reads_and_proves_what_was_recorded() {
    for recorded in recorded() {
        let mut wallet = Wallet::of(&recorded);
        let reply = replay(&wallet, &recorded);
        wallet.reply(reply);
        assert!(wallet.is_done(), "{:?}", wallet.events);
        let lies = |event: &Event| matches!(event, Event::Lie(..));
        assert!(!wallet.events.iter().any(lies), "{:?}", wallet.events);

        let answer = &recorded.answer;
        let account = TrackedAccount::new(recorded.address, false, &[]).key();
        let is_absent = bytes::<32>(&answer["codeHash"]) == [0; 32];
        let expected = (!is_absent).then(|| Account {
            nonce: u64::from_be_bytes(bytes(&answer["nonce"])),
            balance: bytes(&answer["balance"]),
            storage_root: Hash(bytes(&answer["storageHash"])),
            code_hash: Hash(bytes(&answer["codeHash"])),
        });
        let Step::Account(found) = wallet.read(|root| Lookup::account(root, account)) else {
            panic!("not held")
        };
        assert_eq!(found.map(|found| found.account), expected);

        let slots = recorded
            .slots
            .iter()
            .map(|number| TrackedSlot::new(*number).key());
        let slots: Vec<Hash> = slots.collect();
        let proof = wallet.prove(account, slots.clone());
        assert_eq!(proof.account, expected);
        assert_eq!(proof.nodes, nodes(&answer["accountProof"]));
        for (index, slot) in slots.into_iter().enumerate() {
            let recorded = &answer["storageProof"][index];
            let value = bytes(&recorded["value"]);
            let found = wallet.read(|root| Lookup::slot(root, account, slot));
            assert_eq!(found, Step::Slot(value));
            assert_eq!(proof.slots[index].value, value);
            assert_eq!(proof.slots[index].nodes, nodes(&recorded["proof"]));
        }
        // What nobody tracks cannot be read.
        let other = TrackedSlot::new([0x77; 32]).key();
        if expected.is_some_and(|account| account.storage_root != Hash::EMPTY_ROOT) {
            let found = wallet.read(|root| Lookup::slot(root, account, other));
            assert_eq!(found, Step::NotTracked);
        }
    }
}

/// Asserts that this change of a proof is found out: nothing of it is believed, and it is asked for
/// again.
#[track_caller]
fn assert_caught(recorded: &Recorded, proof: Proof) {
    let mut wallet = Wallet::of(recorded);
    wallet.reply(Reply::Proof(Box::new(proof)));
    assert!(!wallet.is_done());
    // A root that is not what was asked for is not asked for again at once: its newest block may be
    // another one.
    let waits = |event: &Event| matches!(event, Event::Waiting(_));
    let is_asked = wallet.calls.len() == 1;
    assert!(
        is_asked || wallet.events.iter().any(waits),
        "{:?}",
        wallet.events
    );
}

fn changed(proof: &Proof, node: usize, nibble: usize, to: u8) -> Proof {
    let mut proof = proof.clone();
    let shift = if nibble.is_multiple_of(2) { 4 } else { 0 };
    proof.nodes[node][nibble / 2] ^= to << shift;
    proof
}

#[test]
fn every_change_of_a_nibble_in_any_node_of_usdc_with_three_slots_is_caught() {
    let all = recorded();
    let Some(recorded) = all.iter().find(|recorded| recorded.slots.len() == 3) else {
        assert!(all.is_empty());
        return;
    };
    let proof = proof_of(replay(&Wallet::of(recorded), recorded));
    // The three proofs of slots begin with the same node, which one change leaves two of.
    let mut unique: Vec<&[u8]> = proof.nodes.iter().map(Vec::as_slice).collect();
    unique.sort_unstable();
    unique.dedup();
    let unique = Proof {
        nodes: unique.into_iter().map(<[u8]>::to_vec).collect(),
        ..proof.clone()
    };
    let mut wallet = Wallet::of(recorded);
    wallet.reply(Reply::Proof(Box::new(unique.clone())));
    assert!(wallet.is_done(), "nodes are a set");
    for (index, node) in unique.nodes.iter().enumerate() {
        for nibble in 0..2 * node.len() {
            let to = 1 + ((index + nibble) % 15) as u8;
            assert_caught(recorded, changed(&unique, index, nibble, to));
        }
    }
}

#[test]
fn changes_of_nibbles_in_the_other_answers_are_caught_too() {
    for recorded in recorded() {
        let proof = proof_of(replay(&Wallet::of(&recorded), &recorded));
        for (index, node) in proof.nodes.iter().enumerate() {
            let is_once = proof.nodes.iter().filter(|other| *other == node).count() == 1;
            for nibble in (index..2 * node.len()).step_by(97).filter(|_| is_once) {
                assert_caught(&recorded, changed(&proof, index, nibble, 1));
            }
        }
        // A node that is left out.
        for index in 0..proof.nodes.len() {
            let mut less = proof.clone();
            let node = less.nodes.remove(index);
            if !less.nodes.contains(&node) {
                assert_caught(&recorded, less);
            }
        }
    }
}

#[test]
fn a_claim_that_differs_from_a_recorded_proof_is_told_by_field_and_both_values() {
    let all = recorded();
    let Some(recorded) = all.iter().find(|recorded| recorded.slots.len() == 3) else {
        assert!(all.is_empty());
        return;
    };
    let mut one = [0; 32];
    one[31] = 1;
    let slot = recorded.slots[1];
    for (pointer, field, proven) in [
        ("/balance", LieField::Balance, "/balance"),
        ("/nonce", LieField::Nonce, "/nonce"),
        ("/codeHash", LieField::CodeHash, "/codeHash"),
        ("/storageHash", LieField::StorageHash, "/storageHash"),
        (
            "/storageProof/1/value",
            LieField::Slot(slot),
            "/storageProof/1/value",
        ),
    ] {
        let proven: [u8; 32] = bytes(recorded.answer.pointer(proven).expect("a field"));
        let mut answer = recorded.answer.clone();
        // USDC's nonce is 1.
        let claimed = if proven == one { [0; 32] } else { one };
        let text = if claimed == one { "0x1" } else { "0x" };
        *answer.pointer_mut(pointer).expect("a field") = json!(text);
        let mut wallet = Wallet::of(recorded);
        let (_, call) = wallet.calls.last().expect("a call");
        let reply = Reply::read(call, &Json(&answer));
        wallet.reply(reply);
        assert!(wallet.is_done(), "{pointer}: the proven value is used");
        let mut lies = wallet.events.iter().filter_map(|event| match event {
            Event::Lie(peer, lie) => Some((*peer, lie)),
            _ => None,
        });
        let (peer, lie) = lies.next().expect("a lie");
        assert!(lies.next().is_none(), "{pointer}");
        assert_eq!(
            (peer, lie.address, lie.field),
            (PROVIDER, recorded.address, field)
        );
        assert_eq!((lie.claimed, lie.proven), (claimed, proven), "{pointer}");
    }
}

#[test]
fn what_hashes_right_and_is_no_state_is_a_bogus_root_and_no_fault() {
    let node = vec![0xc2, 0x80, 0x80];
    let recorded = Recorded {
        root: snaplight::trie::keccak(&node),
        address: [1; 20],
        slots: Vec::new(),
        answer: Value::Null,
    };
    let mut wallet = Wallet::of(&recorded);
    let reply = Proof {
        nodes: vec![node],
        ..Proof::default()
    };
    wallet.reply(Reply::Proof(Box::new(reply)));
    let bogus = Failure::BogusRoot(recorded.root);
    let is_bogus = |event: &Event| matches!(event, Event::Failed(why) if *why == bogus);
    assert!(wallet.events.iter().any(is_bogus), "{:?}", wallet.events);
}
