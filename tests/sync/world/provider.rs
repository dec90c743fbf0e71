//! A simulated JSON-RPC provider. It answers in JSON, as a real one does, from the states of a
//! server, and has the limits and the oddities of real ones (`docs/providers.md`).

use std::sync::Arc;

use serde_json::{Value, json};
use snaplight::state::SlimAccount;
use snaplight::wire::rpc::{BlockRef, Call, CallError, Reply};
use snaplight_peer::keccak::keccak;
use snaplight_peer::session::Server;
use snaplight_peer::state::State;
use snaplight_peer::trie::Trie;

use crate::json_value::Json;

/// How a provider differs from a go-ethereum node of one's own. The default does not.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ways {
    /// Milliseconds from a call to its reply.
    pub(crate) latency_ms: u64,
    /// These calls, counted from 1, take so many milliseconds more: number and time.
    pub(crate) slow: Vec<(u64, u64)>,
    /// Every call from this one on is never replied to.
    pub(crate) silent_from: Option<u64>,
    /// Calls in a second above which it says 429.
    pub(crate) per_second: Option<u64>,
    /// What it says then as Retry-After, in milliseconds.
    pub(crate) retry_after_ms: Option<u64>,
    /// Most slots in a call.
    pub(crate) most_keys: Option<usize>,
    /// How many of the newest states it has; `None`: all that the server has.
    pub(crate) window: Option<usize>,
    /// The id that it names, if that is not the network's.
    pub(crate) chain_id: Option<u64>,
    /// Its quota is spent after so many calls.
    pub(crate) spent_after: Option<u64>,
    /// A method that it does not have.
    pub(crate) lacks: Option<&'static str>,
    /// Answers from the state before for so many calls, whatever block is named.
    pub(crate) elsewhere: u64,
    /// A field of which it says something else than its proof shows.
    pub(crate) lies_of: Option<&'static str>,
    /// So many proofs lack a node of the account's path.
    pub(crate) incomplete: u64,
    /// The last node of this many proofs has another byte.
    pub(crate) corrupt: u64,
    /// Adds nodes that belong to nothing.
    pub(crate) junk: bool,
    /// Writes as clients other than go-ethereum do: hashes of what is empty for an absent account,
    /// null for an empty proof, items of `0x`, leading zeros, keys without `0x`.
    pub(crate) odd: bool,
    /// So many calls for state fail with an error of this code and message.
    pub(crate) fails: Option<(u64, i64, &'static str)>,
}

/// One provider.
#[derive(Debug)]
pub(crate) struct Provider {
    server: Arc<Server>,
    pub(crate) ways: Ways,
    /// Calls so far.
    pub(crate) calls: u64,
    /// When each of them came.
    pub(crate) times: Vec<u64>,
    /// Calls for proofs, codes and headers that it has answered.
    pub(crate) answered: u64,
    /// Calls that it refused because of its rate.
    pub(crate) limited: u64,
    /// The second that is counted, and the calls in it.
    second: (u64, u64),
    /// The most slots that it was asked for in one call.
    pub(crate) most_asked: usize,
}

impl Provider {
    pub(crate) fn new(server: Arc<Server>, ways: Ways) -> Provider {
        Provider {
            server,
            ways,
            calls: 0,
            times: Vec::new(),
            answered: 0,
            limited: 0,
            second: (0, 0),
            most_asked: 0,
        }
    }

    /// The reply to a call that arrives now, and the milliseconds after which it is sent; `None` if
    /// there is never one.
    pub(crate) fn reply(&mut self, now: u64, call: &Call) -> Option<(Reply, u64)> {
        self.calls += 1;
        self.times.push(now);
        let number = self.calls;
        if self.ways.silent_from.is_some_and(|from| number >= from) {
            return None;
        }
        let slow = self.ways.slow.iter().find(|(slow, _)| *slow == number);
        let extra = slow.map_or(0, |(_, millis)| *millis);
        let reply = match self.answer(now, call) {
            Ok(result) => Reply::read(call, &Json(&result)),
            Err(error) => Reply::Failed(error),
        };
        Some((reply, extra))
    }

    fn answer(&mut self, now: u64, call: &Call) -> Result<Value, CallError> {
        if self
            .ways
            .spent_after
            .is_some_and(|after| self.calls > after)
        {
            return Err(failed(402, 402, "daily request count exceeded"));
        }
        self.limit_rate(now)?;
        if self.ways.lacks == Some(call.method()) {
            return Err(failed(
                200,
                -32601,
                "the method does not exist/is not available",
            ));
        }
        if let Call::ChainId = call {
            let (network, _) = self.server.network();
            return Ok(json!(format!(
                "{:#x}",
                self.ways.chain_id.unwrap_or(network)
            )));
        }
        if let Some((left, code, message)) = &mut self.ways.fails
            && *left > 0
            && !matches!(call, Call::Header(_))
        {
            *left -= 1;
            return Err(failed(200, *code, message));
        }
        let result = match call {
            Call::Proof {
                address,
                slots,
                block,
            } => {
                self.most_asked = self.most_asked.max(slots.len());
                if self.ways.most_keys.is_some_and(|most| slots.len() > most) {
                    return Err(failed(200, -32602, "too many storage keys requested"));
                }
                let state = self.state(block)?;
                self.proof(&state, address, slots)
            }
            Call::Code { address, block } => {
                let state = self.state(block)?;
                let body = state.account(&keccak(address));
                let code = body
                    .and_then(|body| SlimAccount::parse(body).ok())
                    .and_then(|body| state.code(&body.code_hash().0));
                json!(hex(code.unwrap_or_default()))
            }
            Call::Header(hash) => match self.server.blocks().get(&hash.0) {
                Some(block) => header(&block.encoded),
                None => Value::Null,
            },
            call => panic!("a call that this provider does not know: {call:?}"),
        };
        self.answered += 1;
        Ok(result)
    }

    fn limit_rate(&mut self, now: u64) -> Result<(), CallError> {
        let Some(most) = self.ways.per_second else {
            return Ok(());
        };
        let (second, count) = &mut self.second;
        if *second != now / 1_000 {
            (*second, *count) = (now / 1_000, 0);
        }
        *count += 1;
        if *count <= most {
            return Ok(());
        }
        self.limited += 1;
        Err(CallError {
            retry_after_ms: self.ways.retry_after_ms,
            ..failed(429, 429, "too many requests")
        })
    }

    /// The state of a block, if it is in the window.
    fn state(&mut self, block: &BlockRef) -> Result<Arc<State>, CallError> {
        let (blocks, states) = (self.server.blocks(), self.server.states());
        let header = match block {
            BlockRef::Latest => Some(blocks.head()),
            BlockRef::Hash(hash) => blocks.get(&hash.0),
        };
        let header = &header
            .ok_or_else(|| failed(200, -32000, "header for hash not found"))?
            .header;
        let mut root = header.state_root;
        let age = blocks.head().header.number - header.number;
        let is_old = self.ways.window.is_some_and(|window| age >= window as u64);
        if self.ways.elsewhere > 0 {
            self.ways.elsewhere -= 1;
            let before = header.number.checked_sub(1).and_then(|at| blocks.at(at));
            root = before.map_or(root, |before| before.header.state_root);
        }
        match states.get(&root).filter(|_| !is_old) {
            Some(state) => Ok(state.clone()),
            None => Err(failed(
                200,
                -32000,
                "missing trie node: state is not available",
            )),
        }
    }

    fn proof(&mut self, state: &State, address: &[u8; 20], slots: &[[u8; 32]]) -> Value {
        let key = keccak(address);
        let account = state.account(&key).map(|body| {
            let body = SlimAccount::parse(body).expect("a slim account");
            body.account()
        });
        let odd = self.ways.odd;
        let mut nodes = state.accounts().path_to(&key);
        if self.ways.incomplete > 0 {
            self.ways.incomplete -= 1;
            nodes.pop();
        }
        if self.ways.corrupt > 0
            && let Some(byte) = nodes.last_mut().and_then(|node| node.last_mut())
        {
            self.ways.corrupt -= 1;
            *byte ^= 1;
        }
        if self.ways.junk {
            nodes.push(vec![0xc0; 40]);
            nodes.insert(0, vec![0xf8, 0x01, 0x80]);
        }
        let lies = |field| self.ways.lies_of == Some(field);
        let storage = state.storage(&key);
        let storage_proof = slots.iter().map(|slot| {
            let value = storage.and_then(|trie| trie.get(&keccak(slot)));
            let value = value.map_or([0; 32], number);
            let nodes = storage.map_or_else(Vec::new, |trie| path(trie, slot));
            json!({
                "key": match odd {
                    true => hex(slot)[2..].to_owned(),
                    false => hex(slot),
                },
                "value": quantity(&lied(value, lies("storageProof")), odd),
                "proof": list(&nodes, odd),
            })
        });
        let storage_proof: Vec<Value> = storage_proof.collect();
        let (mut balance, mut nonce) = ([0; 32], 0);
        let empty = |hash: [u8; 32]| if odd { hash } else { [0; 32] };
        let mut code_hash = empty(snaplight_peer::EMPTY_CODE);
        let mut storage_hash = empty(snaplight_peer::EMPTY_ROOT);
        if let Some(account) = account {
            (balance, nonce) = (account.balance, account.nonce);
            (code_hash, storage_hash) = (account.code_hash.0, account.storage_root.0);
        }
        let mut nonce_be = [0; 32];
        nonce_be[24..].copy_from_slice(&nonce.to_be_bytes());
        json!({
            "address": hex(address),
            "accountProof": list(&nodes, odd),
            "balance": quantity(&lied(balance, lies("balance")), odd),
            "nonce": quantity(&lied(nonce_be, lies("nonce")), odd),
            "codeHash": hex(&lied(code_hash, lies("codeHash"))),
            "storageHash": hex(&lied(storage_hash, lies("storageHash"))),
            "storageProof": storage_proof,
        })
    }
}

fn path(trie: &Trie, slot: &[u8; 32]) -> Vec<Vec<u8>> {
    trie.path_to(&keccak(slot))
}

/// The number in a slot's leaf.
fn number(rlp: &[u8]) -> [u8; 32] {
    let digits = match rlp {
        [byte] if *byte < 0x80 => rlp,
        [_, digits @ ..] => digits,
        [] => rlp,
    };
    let mut number = [0; 32];
    number[32 - digits.len()..].copy_from_slice(digits);
    number
}

fn lied(mut value: [u8; 32], lies: bool) -> [u8; 32] {
    if lies {
        value[31] ^= 1;
    }
    value
}

fn list(nodes: &[Vec<u8>], odd: bool) -> Value {
    let mut items: Vec<Value> = nodes.iter().map(|node| json!(hex(node))).collect();
    if odd {
        items.push(json!("0x"));
    }
    match odd && nodes.is_empty() {
        true => Value::Null,
        false => Value::Array(items),
    }
}

/// A number as a QUANTITY; `odd`: with leading zeros.
fn quantity(number: &[u8; 32], odd: bool) -> String {
    let digits = &hex(number)[2..];
    let digits = match odd {
        true => digits,
        false => digits.trim_start_matches('0'),
    };
    format!("0x{}", if digits.is_empty() { "0" } else { digits })
}

fn hex(bytes: &[u8]) -> String {
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("0x{digits}")
}

fn failed(status: u16, code: i64, message: &str) -> CallError {
    CallError {
        status,
        code,
        message: message.to_owned(),
        ..CallError::default()
    }
}

/// The names of a header's fields, and whether each is a number.
const FIELDS: [(&str, bool); 21] = [
    ("parentHash", false),
    ("sha3Uncles", false),
    ("miner", false),
    ("stateRoot", false),
    ("transactionsRoot", false),
    ("receiptsRoot", false),
    ("logsBloom", false),
    ("difficulty", true),
    ("number", true),
    ("gasLimit", true),
    ("gasUsed", true),
    ("timestamp", true),
    ("extraData", false),
    ("mixHash", false),
    ("nonce", false),
    ("baseFeePerGas", true),
    ("withdrawalsRoot", false),
    ("blobGasUsed", true),
    ("excessBlobGas", true),
    ("parentBeaconBlockRoot", false),
    ("requestsHash", false),
];

/// A header's RLP as the JSON of `eth_getBlockByHash`.
fn header(rlp: &[u8]) -> Value {
    let mut items = rlp;
    let mut items = alloy_rlp::Header::decode_bytes(&mut items, true).expect("a list");
    let mut block = serde_json::Map::new();
    for (name, is_number) in FIELDS {
        if items.is_empty() {
            break;
        }
        let bytes = alloy_rlp::Header::decode_bytes(&mut items, false).expect("a string");
        let text = match (is_number, hex(bytes)) {
            (true, text) if text == "0x" => "0x0".to_owned(),
            (true, text) => format!("0x{}", text[2..].trim_start_matches('0')),
            (false, text) => text,
        };
        block.insert(name.to_owned(), json!(text));
    }
    block.insert("size".to_owned(), json!("0x200"));
    block.insert("transactions".to_owned(), json!([]));
    Value::Object(block)
}
