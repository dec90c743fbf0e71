//! Headers and proofs as the Ethereum project records them (execution-apis, `tests/`). Skipped where
//! `../shared/data` is not there.

#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)] // A test fails by panicking.

mod json_value;

use std::path::{Path, PathBuf};

use json_value::Json;
use serde_json::{Value, json};
use snaplight::hash::Hash;
use snaplight::trie::keccak;
use snaplight::wire::VerifiedHeader;
use snaplight::wire::rpc::{BlockRef, Call, HeaderError, Reply, header_rlp};

/// The recorded data, if it is there.
fn data() -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/execution-apis");
    let found = path.is_dir().then_some(path);
    if found.is_none() {
        println!("skipped: ../shared/data/execution-apis is not there");
    }
    found
}

/// Questions and answers of all files in a folder.
fn recorded(folder: &Path) -> Vec<(Value, Value)> {
    let mut pairs = Vec::new();
    for file in std::fs::read_dir(folder).expect("a folder") {
        let text = std::fs::read_to_string(file.expect("a file").path()).expect("a text");
        let lines = |mark: &str| {
            let lines = text.lines().filter_map(|line| line.strip_prefix(mark));
            let lines = lines.map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
            lines.collect::<Vec<Value>>()
        };
        pairs.extend(lines(">> ").into_iter().zip(lines("<< ")));
    }
    assert!(!pairs.is_empty(), "{folder:?} has no recorded answers");
    pairs
}

fn hash(value: &Value) -> Hash {
    let text = value.as_str().expect("a text");
    Hash::from_hex(text).expect("a hash")
}

/// The RLP lists of `chain.rlp`, each a block of which the first item is the header.
fn headers_of(mut chain: &[u8]) -> Vec<&[u8]> {
    let mut headers = Vec::new();
    while !chain.is_empty() {
        let mut block = alloy_rlp::Header::decode_bytes(&mut chain, true).expect("a block");
        let start = block;
        alloy_rlp::Header::decode_bytes(&mut block, true).expect("a header");
        headers.push(&start[..start.len() - block.len()]);
    }
    headers
}

/// A header's RLP as JSON.
fn as_json(rlp: &[u8]) -> Value {
    const NAMES: [&str; 23] = [
        "parentHash",
        "sha3Uncles",
        "miner",
        "stateRoot",
        "transactionsRoot",
        "receiptsRoot",
        "logsBloom",
        "difficulty",
        "number",
        "gasLimit",
        "gasUsed",
        "timestamp",
        "extraData",
        "mixHash",
        "nonce",
        "baseFeePerGas",
        "withdrawalsRoot",
        "blobGasUsed",
        "excessBlobGas",
        "parentBeaconBlockRoot",
        "requestsHash",
        "blockAccessListHash",
        "slotNumber",
    ];
    let mut rest = rlp;
    let mut items = alloy_rlp::Header::decode_bytes(&mut rest, true).expect("a list");
    let mut header = serde_json::Map::new();
    for name in NAMES {
        if items.is_empty() {
            break;
        }
        let bytes = alloy_rlp::Header::decode_bytes(&mut items, false).expect("a string");
        let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        header.insert(name.to_owned(), json!(format!("0x{digits}")));
    }
    Value::Object(header)
}

#[test]
fn every_header_of_a_chain_through_all_forks_hashes_to_its_block_from_rlp_and_from_json() {
    let Some(data) = data() else { return };
    let chain = std::fs::read(data.join("chain.rlp")).expect("a chain");
    let headers = headers_of(&chain);
    assert_eq!(headers.len(), 54);
    let mut parent = None;
    for rlp in headers {
        let header = VerifiedHeader::of_rlp(rlp, None).expect("a header");
        let block = header.block();
        assert_eq!(block.hash, keccak(rlp));
        let json = as_json(rlp);
        assert_eq!(header_rlp(&Json(&json)).as_deref(), Ok(rlp));
        let again = VerifiedHeader::of_json(&Json(&json), Some(&block.hash));
        assert_eq!(again.expect("the same header"), header);
        let wrong = VerifiedHeader::of_json(&Json(&json), Some(&Hash::ZERO));
        assert_eq!(wrong, Err(HeaderError::WrongHash(block.hash)));
        if let Some(parent) = parent {
            assert_eq!(hash(&as_json(rlp)["parentHash"]), parent);
        }
        parent = Some(block.hash);
    }
    let head: Value =
        serde_json::from_slice(&std::fs::read(data.join("headfcu.json")).unwrap()).unwrap();
    let head = &head["params"][0]["headBlockHash"];
    assert_eq!(parent, Some(hash(head)));
}

#[test]
fn recorded_headers_of_every_fork_hash_to_their_hash() {
    let Some(data) = data() else { return };
    let mut found = 0;
    for folder in ["eth_getBlockByHash", "eth_getBlockByNumber"] {
        for (_, answer) in recorded(&data.join(folder)) {
            let result = &answer["result"];
            let call = Call::Header(Hash::ZERO);
            match Reply::read(&call, &Json(result)) {
                Reply::Header(rlp) => {
                    assert_eq!(keccak(&rlp), hash(&result["hash"]));
                    let header = VerifiedHeader::of_rlp(&rlp, None).expect("a header");
                    assert_eq!(header.state_root(), hash(&result["stateRoot"]));
                    found += 1;
                }
                Reply::Failed(error) => {
                    assert!(result.is_null(), "{error:?}");
                    assert_eq!(error.trouble(), snaplight::wire::rpc::Trouble::NotHere);
                }
                reply => panic!("{reply:?}"),
            }
        }
    }
    assert!(found >= 9, "{found} headers");
}

#[test]
fn a_header_with_the_fields_of_amsterdam_has_them_in_their_places() {
    let Some(data) = data() else { return };
    let chain = std::fs::read(data.join("chain.rlp")).expect("a chain");
    let last = *headers_of(&chain).last().expect("a header");
    let mut json = as_json(last);
    json["blockAccessListHash"] = json!(format!("0x{}", "11".repeat(32)));
    json["slotNumber"] = json!("0x7b");
    let rlp = header_rlp(&Json(&json)).expect("a header");
    let (mut old, mut new) = (last, &rlp[..]);
    let old = alloy_rlp::Header::decode_bytes(&mut old, true).unwrap();
    let new = alloy_rlp::Header::decode_bytes(&mut new, true).unwrap();
    let added: Vec<u8> = [&[0xa0][..], &[0x11; 32], &[0x7b]].concat();
    assert_eq!(new, [old, &added].concat());

    // A field is missing before another one that is there: no header has that form.
    json["requestsHash"] = Value::Null;
    let missing = HeaderError::Field("requestsHash");
    assert_eq!(header_rlp(&Json(&json)), Err(missing));
}

#[test]
fn recorded_proofs_are_read_as_they_are() {
    let Some(data) = data() else { return };
    for (question, answer) in recorded(&data.join("eth_getProof")) {
        let slots = question["params"][1].as_array().expect("slots").len();
        let call = Call::Proof {
            address: [0; 20],
            slots: vec![[0; 32]; slots],
            block: BlockRef::Latest,
        };
        let result = &answer["result"];
        let Reply::Proof(proof) = Reply::read(&call, &Json(result)) else {
            panic!("{result}")
        };
        let items = |value: &Value| value.as_array().map_or(0, Vec::len);
        let of_slots = result["storageProof"].as_array().expect("slots");
        let of_slots: usize = of_slots.iter().map(|slot| items(&slot["proof"])).sum();
        assert_eq!(proof.nodes.len(), items(&result["accountProof"]) + of_slots);
        assert_eq!(
            proof.claimed.storage_hash,
            Some(hash(&result["storageHash"]))
        );
        assert_eq!(proof.claimed.code_hash, Some(hash(&result["codeHash"])));
        assert_eq!(proof.claimed.slots.len(), slots);
    }
    for (_, answer) in recorded(&data.join("eth_chainId")) {
        let reply = Reply::read(&Call::ChainId, &Json(&answer["result"]));
        assert_eq!(reply, Reply::ChainId(3_503_995_874_084_926));
    }
    for (_, answer) in recorded(&data.join("eth_getCode")) {
        let call = Call::Code {
            address: [0; 20],
            block: BlockRef::Latest,
        };
        let reply = Reply::read(&call, &Json(&answer["result"]));
        assert!(matches!(reply, Reply::Code(_)), "{reply:?}");
    }
}

#[test]
fn calls_are_written_as_the_specification_has_them() {
    let address = [0x11; 20];
    let text = format!("0x{}", "11".repeat(20));
    let slot = format!("0x{}2", "0".repeat(63));
    let block = Hash([0xab; 32]);
    let hash = format!("0x{}", "ab".repeat(32));
    let mut number = [0; 32];
    number[31] = 2;
    for (call, json) in [
        (
            Call::ChainId,
            json!({ "method": "eth_chainId", "params": [] }),
        ),
        (
            Call::Proof {
                address,
                slots: vec![number],
                block: BlockRef::Hash(block),
            },
            json!({ "method": "eth_getProof", "params": [text, [slot], { "blockHash": hash }] }),
        ),
        (
            Call::Code {
                address,
                block: BlockRef::Latest,
            },
            json!({ "method": "eth_getCode", "params": [text, "latest"] }),
        ),
        (
            Call::Header(block),
            json!({ "method": "eth_getBlockByHash", "params": [hash, false] }),
        ),
    ] {
        assert_eq!(serde_json::to_value(&call).expect("JSON"), json);
    }
}

#[test]
fn an_answer_may_be_odd_in_every_way_that_is_known_of_clients() {
    let call = Call::Proof {
        address: [0; 20],
        slots: vec![[0; 32]; 2],
        block: BlockRef::Latest,
    };
    let Reply::Proof(proof) = Reply::read(
        &call,
        &Json(&json!({
            "accountProof": ["0xc0", "0x", "C1"],
            "balance": "0x0012",
            "nonce": 7,
            "codeHash": "0x0",
            "storageProof": [
                { "key": "2", "value": "0x00ff", "proof": null },
                { "key": "0x02", "value": null, "proof": ["0x80"] },
            ],
            "unknown": { "a": [1, 2.5, true, null] },
        })),
    ) else {
        panic!("no proof")
    };
    assert_eq!(proof.nodes, [vec![0xc0], vec![0xc1], vec![0x80]]);
    let number = |value: u8| {
        let mut number = [0; 32];
        number[31] = value;
        number
    };
    let claimed = &proof.claimed;
    assert_eq!(claimed.balance, Some(number(0x12)));
    assert_eq!(claimed.nonce, Some(7));
    assert_eq!(claimed.code_hash, Some(Hash::ZERO));
    assert_eq!(claimed.storage_hash, None);
    assert_eq!(claimed.slots, [(number(2), number(0xff))]);

    // Nothing but an empty proof is null.
    let Reply::Proof(proof) = Reply::read(&call, &Json(&json!({ "accountProof": null }))) else {
        panic!("no proof")
    };
    assert!(proof.nodes.is_empty());
    for bad in [
        json!({ "accountProof": ["0xzz"] }),
        json!({ "accountProof": vec!["0x80"; 81] }),
        json!({ "accountProof": [format!("0x{}", "00".repeat(533))] }),
        json!({ "storageProof": [{}, {}, {}] }),
        json!([1]),
        json!("0x"),
    ] {
        let reply = Reply::read(&call, &Json(&bad));
        assert!(matches!(reply, Reply::Malformed(_)), "{bad}: {reply:?}");
    }
    let null = Reply::read(&call, &Json(&Value::Null));
    assert!(matches!(null, Reply::Failed(_)));
}
