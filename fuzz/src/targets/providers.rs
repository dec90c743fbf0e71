//! Answers of JSON-RPC providers. Reading takes bounded memory. What the nodes of an answer prove is
//! what the trie holds, and alloy-trie proves the same; an honest answer always proves it.

use alloy_trie::Nibbles;
use serde_json::{Map, Value, json};
use snaplight::hash::Hash;
use snaplight::trie::verify_proof;
use snaplight::wire::rpc::{BlockRef, Call, Reply};

use crate::bytes::Bytes;
use crate::heap::within;
use crate::json_value::Json;
use crate::rlp::Item;
use crate::trie::{Trie, keccak};

/// Bytes that an answer may take for each byte of its text: a node of one byte is four characters
/// with its quotes and a comma, and takes a list of 24 with room for 8, in a list that grows.
const FOR_EACH_BYTE: usize = 40;
/// Bytes of a fault's text, and of lists that start with room for a few items.
const SMALL: usize = 8 * 1024;

pub(crate) fn run(input: &[u8]) {
    let mut bytes = Bytes::new(input);
    if bytes.byte() & 0x80 == 0 {
        let slots = vec![[1; 32]; bytes.below(4)];
        let which = bytes.byte() % 4;
        if let Ok(value) = serde_json::from_slice(bytes.rest()) {
            read(&call(which, slots), &value);
        }
        return;
    }
    proof(&mut bytes);
}

fn call(which: u8, slots: Vec<[u8; 32]>) -> Call {
    let (address, block) = ([1; 20], BlockRef::Latest);
    match which {
        0 => Call::ChainId,
        1 => Call::Proof {
            address,
            slots,
            block,
        },
        2 => Call::Code { address, block },
        _ => Call::Header(Hash::ZERO),
    }
}

fn read(call: &Call, value: &Value) -> Reply {
    let length = value.to_string().len();
    let reply = within(FOR_EACH_BYTE * length + SMALL, || {
        Reply::read(call, &Json(value))
    });
    match (&reply, call) {
        (Reply::Proof(proof), Call::Proof { slots, .. }) => {
            assert!(proof.nodes.len() <= 80 * (1 + slots.len()));
            assert!(proof.nodes.iter().all(|node| node.len() <= 532));
            assert!(proof.claimed.slots.len() <= slots.len());
        }
        (Reply::ChainId(_), Call::ChainId)
        | (Reply::Code(_), Call::Code { .. })
        | (Reply::Header(_), Call::Header(_))
        | (Reply::Failed(_) | Reply::Malformed(_), _) => {}
        _ => panic!("{reply:?} answers {call:?}"),
    }
    reply
}

/// An answer to `eth_getProof`, honest and then spoiled.
fn proof(bytes: &mut Bytes<'_>) {
    // The slots of an account, and the accounts around it.
    let mut storage = Trie::default();
    let numbers: Vec<[u8; 32]> = (0..bytes.below(6)).map(|at| [at as u8; 32]).collect();
    for number in &numbers {
        if bytes.bool() {
            let value = Item::number(bytes.u64() | 1).encode();
            storage.leaves.insert(keccak(number), value);
        }
    }
    let address = [7; 20];
    let key = keccak(&address);
    let mut state = Trie::default();
    for _ in 0..bytes.below(16) {
        let mut neighbour = key;
        neighbour.0[bytes.below(32)] ^= bytes.byte();
        state
            .leaves
            .insert(neighbour, account(bytes, Hash::EMPTY_ROOT));
    }
    match bytes.bool() {
        true => state.leaves.insert(key, account(bytes, storage.root())),
        false => state.leaves.remove(&key),
    };
    let is_there = state.leaves.contains_key(&key);
    let (root, nodes) = state.prove(&[key]);
    let slot_keys: Vec<Hash> = numbers.iter().map(|number| keccak(number)).collect();
    let proofs: Vec<_> = slot_keys
        .iter()
        .map(|key| storage.prove(&[*key]).1)
        .collect();

    let call = Call::Proof {
        address,
        slots: numbers.clone(),
        block: BlockRef::Latest,
    };
    let claimed = json!({ "balance": "0x1", "nonce": "0x1" });
    let honest = answer(&claimed, &nodes, &numbers, &proofs);
    let Reply::Proof(read_back) = read(&call, &honest) else {
        panic!("{honest} is no proof");
    };
    let value = check(&root, &key, &read_back.nodes, &state);
    assert!(value.is_some(), "an honest answer proves nothing");
    if is_there {
        for key in &slot_keys {
            let value = check(&storage.root(), key, &read_back.nodes, &storage);
            assert!(value.is_some(), "an honest answer proves nothing of a slot");
        }
    }

    let mut text = honest.to_string().into_bytes();
    bytes.spoil(&mut text);
    let Ok(spoiled) = serde_json::from_slice::<Value>(&text) else {
        return;
    };
    if let Reply::Proof(proof) = read(&call, &spoiled) {
        let mut nodes = proof.nodes;
        if let Some(index) = (!nodes.is_empty()).then(|| bytes.below(nodes.len())) {
            bytes.spoil(&mut nodes[index]);
        }
        check(&root, &key, &nodes, &state);
        for key in &slot_keys {
            check(&storage.root(), key, &nodes, &storage);
        }
    }
}

/// What the nodes prove to be under `key`; `None` if nothing. It is what the trie holds, and
/// alloy-trie takes the same nodes for a proof of it.
fn check(root: &Hash, key: &Hash, nodes: &[Vec<u8>], trie: &Trie) -> Option<Option<Vec<u8>>> {
    let nodes: Vec<&[u8]> = nodes.iter().map(|node| &node[..]).collect();
    let value = verify_proof(root, key, &nodes).ok()?.map(<[u8]>::to_vec);
    assert_eq!(
        value.as_ref(),
        trie.leaves.get(key),
        "something false is proven"
    );
    // Those of the path, in order: alloy-trie takes no others.
    let (_, path) = trie.prove(&[*key]);
    if !trie.leaves.is_empty() {
        let path: Vec<_> = path.into_iter().map(Into::into).collect();
        let proven = alloy_trie::proof::verify_proof(
            root.0.into(),
            Nibbles::unpack(key.0),
            value.clone(),
            &path,
        );
        assert!(proven.is_ok(), "{proven:?}");
    }
    Some(value)
}

fn hex(bytes: &[u8]) -> Value {
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    Value::from(format!("0x{digits}"))
}

fn answer(
    claimed: &Value,
    nodes: &[Vec<u8>],
    numbers: &[[u8; 32]],
    proofs: &[Vec<Vec<u8>>],
) -> Value {
    let list = |nodes: &[Vec<u8>]| nodes.iter().map(|node| hex(node)).collect::<Value>();
    let slots = numbers
        .iter()
        .zip(proofs)
        .map(|(number, proof)| json!({ "key": hex(number), "value": "0x1", "proof": list(proof) }));
    let mut answer = claimed.as_object().cloned().unwrap_or(Map::new());
    answer.insert(String::from("accountProof"), list(nodes));
    answer.insert(String::from("storageProof"), slots.collect());
    Value::Object(answer)
}

fn account(bytes: &mut Bytes<'_>, root: Hash) -> Vec<u8> {
    let fields = vec![
        Item::number(bytes.u64()),
        Item::number(bytes.u64()),
        Item::string(root.0),
        Item::string(Hash::EMPTY_CODE.0),
    ];
    Item::List(fields).encode()
}
