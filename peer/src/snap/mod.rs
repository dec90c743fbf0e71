//! The serving side of snap/1: a request's payload in, the answer's payload out.
//!
//! Answers are pure functions of the held states. The rules and limits are those of
//! `docs/websocket-peers.md` §6, which are go-ethereum's.

mod accounts;
mod codes;
pub(crate) mod nodes;
mod storage;

use crate::{
    Hash,
    rlp::{self, Malformed},
    state::States,
};
use std::{fmt, sync::Arc};

/// The codes of the messages, relative to the capability's first id.
pub mod code {
    /// `[reqId, root, origin, limit, bytes]`
    pub const GET_ACCOUNT_RANGE: u64 = 0;
    /// `[reqId, [[hash, body], ...], [node, ...]]`
    pub const ACCOUNT_RANGE: u64 = 1;
    /// `[reqId, root, [account, ...], origin, limit, bytes]`
    pub const GET_STORAGE_RANGES: u64 = 2;
    /// `[reqId, [[[hash, value], ...], ...], [node, ...]]`
    pub const STORAGE_RANGES: u64 = 3;
    /// `[reqId, [hash, ...], bytes]`
    pub const GET_BYTE_CODES: u64 = 4;
    /// `[reqId, [code, ...]]`
    pub const BYTE_CODES: u64 = 5;
    /// `[reqId, root, [[path, ...], ...], bytes]`
    pub const GET_TRIE_NODES: u64 = 6;
    /// `[reqId, [node, ...]]`
    pub const TRIE_NODES: u64 = 7;
}

/// An answer ends at this size in bytes, even if more is asked for.
pub const RESPONSE_LIMIT: u64 = 2 * 1024 * 1024;
/// The most codes that are looked up for one request.
pub const CODES_LIMIT: usize = 1024;
/// The most nodes, accounts and storage tries that are looked up for one request of trie nodes.
pub const LOOKUPS_LIMIT: usize = 1024;

/// How the client broke the protocol. The connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Breach(pub &'static str);

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Breach {}

/// Appends the answer to the request `payload` with code `code` to `out`. The answer's code is
/// `code + 1`. If the state is missing, the answer is empty; this is no error.
///
/// # Errors
/// If the payload is malformed, or `code` is not that of a request. Nothing is appended then.
pub fn serve(states: &States, code: u64, payload: &[u8], out: &mut Vec<u8>) -> Result<(), Breach> {
    answer(states, &Request::decode(code, payload)?, out);
    Ok(())
}

/// Appends the answer to a decoded request to `out`.
pub fn answer(states: &States, request: &Request, out: &mut Vec<u8>) {
    match request {
        Request::Accounts(request) => accounts::serve(states, request, out),
        Request::Storage(request) => storage::serve(states, request, out),
        Request::Codes(request) => codes::serve(states, request, out),
        Request::Nodes(request) => nodes::serve(states, request, out),
    }
}

/// A decoded request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// GetAccountRange
    Accounts(GetAccountRange),
    /// GetStorageRanges
    Storage(GetStorageRanges),
    /// GetByteCodes
    Codes(GetByteCodes),
    /// GetTrieNodes
    Nodes(GetTrieNodes),
}

/// Asks for the accounts of a state from `origin` on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GetAccountRange {
    /// The request id, which the answer repeats.
    pub id: u64,
    /// The state root.
    pub root: Hash,
    /// The first key that is wanted.
    pub origin: Hash,
    /// The first account at or behind this key is the last one that is wanted.
    pub limit: Hash,
    /// The answer's size in bytes at which it should end.
    pub bytes: u64,
}

/// Asks for slots of accounts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GetStorageRanges {
    /// The request id, which the answer repeats.
    pub id: u64,
    /// The state root.
    pub root: Hash,
    /// The hashes of the accounts' addresses.
    pub accounts: Vec<Hash>,
    /// The first slot that is wanted of the first account. `None` is zero.
    pub origin: Option<Hash>,
    /// The last slot that is wanted of the first account. `None` is the highest key.
    pub limit: Option<Hash>,
    /// The answer's size in bytes at which it should end.
    pub bytes: u64,
}

/// Asks for codes by hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GetByteCodes {
    /// The request id, which the answer repeats.
    pub id: u64,
    /// The hashes of the codes. A decoded request has at most as many as are looked up.
    pub hashes: Vec<Hash>,
    /// The answer's size in bytes at which it should end.
    pub bytes: u64,
}

/// Asks for trie nodes by path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GetTrieNodes {
    /// The request id, which the answer repeats.
    pub id: u64,
    /// The state root.
    pub root: Hash,
    /// Path sets, none of them empty. A decoded request has at most as many as are looked up.
    pub paths: Vec<Vec<Vec<u8>>>,
    /// The answer's size in bytes at which it should end.
    pub bytes: u64,
}

impl Request {
    /// Reads a request with this code.
    ///
    /// # Errors
    /// If the code is not that of a request, or the payload is not exactly of its form.
    pub fn decode(code: u64, payload: &[u8]) -> Result<Request, Breach> {
        let decoded = match code {
            code::GET_ACCOUNT_RANGE => accounts(payload).map(Request::Accounts),
            code::GET_STORAGE_RANGES => storage(payload).map(Request::Storage),
            code::GET_BYTE_CODES => codes(payload).map(Request::Codes),
            code::GET_TRIE_NODES => nodes(payload).map(Request::Nodes),
            code::ACCOUNT_RANGE | code::STORAGE_RANGES | code::BYTE_CODES | code::TRIE_NODES => {
                return Err(Breach("an answer to a server that asks nothing"));
            }
            _ => return Err(Breach("there is no such snap message")),
        };
        decoded.map_err(|Malformed| Breach("malformed request"))
    }

    /// The request id, which the answer repeats.
    #[must_use]
    pub fn id(&self) -> u64 {
        match self {
            Request::Accounts(request) => request.id,
            Request::Storage(request) => request.id,
            Request::Codes(request) => request.id,
            Request::Nodes(request) => request.id,
        }
    }

    /// The request's payload.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut fields = Vec::new();
        rlp::put_uint(self.id(), &mut fields);
        let bytes = match self {
            Request::Accounts(request) => {
                rlp::put_string(&request.root, &mut fields);
                rlp::put_string(&request.origin, &mut fields);
                rlp::put_string(&request.limit, &mut fields);
                request.bytes
            }
            Request::Storage(request) => {
                rlp::put_string(&request.root, &mut fields);
                put_strings(&request.accounts, &mut fields);
                rlp::put_string(request.origin.as_ref().map_or(&[], |key| key), &mut fields);
                rlp::put_string(request.limit.as_ref().map_or(&[], |key| key), &mut fields);
                request.bytes
            }
            Request::Codes(request) => {
                put_strings(&request.hashes, &mut fields);
                request.bytes
            }
            Request::Nodes(request) => {
                rlp::put_string(&request.root, &mut fields);
                let mut sets = Vec::new();
                request
                    .paths
                    .iter()
                    .for_each(|set| put_strings(set, &mut sets));
                rlp::put_list_header(sets.len(), &mut fields);
                fields.extend_from_slice(&sets);
                request.bytes
            }
        };
        rlp::put_uint(bytes, &mut fields);
        rlp::wrap(&fields)
    }
}

fn accounts(mut payload: &[u8]) -> Result<GetAccountRange, Malformed> {
    let mut fields = rlp::list(&mut payload)?;
    rlp::end(payload)?;
    let fields = &mut fields;
    let request = GetAccountRange {
        id: rlp::uint(fields)?,
        root: rlp::hash(fields)?,
        origin: rlp::hash(fields)?,
        limit: rlp::hash(fields)?,
        bytes: rlp::uint(fields)?,
    };
    rlp::end(fields)?;
    Ok(request)
}

fn storage(mut payload: &[u8]) -> Result<GetStorageRanges, Malformed> {
    let mut fields = rlp::list(&mut payload)?;
    rlp::end(payload)?;
    let fields = &mut fields;
    let request = GetStorageRanges {
        id: rlp::uint(fields)?,
        root: rlp::hash(fields)?,
        accounts: rlp::each(rlp::list(fields)?, rlp::hash)?,
        origin: optional_hash(fields)?,
        limit: optional_hash(fields)?,
        bytes: rlp::uint(fields)?,
    };
    rlp::end(fields)?;
    Ok(request)
}

fn codes(mut payload: &[u8]) -> Result<GetByteCodes, Malformed> {
    let mut fields = rlp::list(&mut payload)?;
    rlp::end(payload)?;
    let fields = &mut fields;
    let request = GetByteCodes {
        id: rlp::uint(fields)?,
        hashes: rlp::first(CODES_LIMIT, rlp::list(fields)?, rlp::hash)?,
        bytes: rlp::uint(fields)?,
    };
    rlp::end(fields)?;
    Ok(request)
}

fn nodes(mut payload: &[u8]) -> Result<GetTrieNodes, Malformed> {
    let mut fields = rlp::list(&mut payload)?;
    rlp::end(payload)?;
    let fields = &mut fields;
    // Each path takes a look-up, so path sets behind these are never looked at.
    const KEPT: usize = LOOKUPS_LIMIT + 2;
    let path = |buf: &mut &[u8]| rlp::string(buf).map(<[u8]>::to_vec);
    let set = |buf: &mut &[u8]| match rlp::list(buf)? {
        [] => Err(Malformed),
        set => rlp::first(KEPT, set, path),
    };
    let request = GetTrieNodes {
        id: rlp::uint(fields)?,
        root: rlp::hash(fields)?,
        paths: rlp::first(KEPT, rlp::list(fields)?, set)?,
        bytes: rlp::uint(fields)?,
    };
    rlp::end(fields)?;
    Ok(request)
}

fn optional_hash(buf: &mut &[u8]) -> Result<Option<Hash>, Malformed> {
    match rlp::string(buf)? {
        [] => Ok(None),
        hash => hash.try_into().map(Some).map_err(|_| Malformed),
    }
}

/// A list of strings.
fn put_strings<S: AsRef<[u8]>>(strings: &[S], out: &mut Vec<u8>) {
    rlp::put_list_header(
        strings.iter().map(|s| rlp::string_len(s.as_ref())).sum(),
        out,
    );
    strings
        .iter()
        .for_each(|string| rlp::put_string(string.as_ref(), out));
}

/// `[id, first, [string, ...]]`, where `first` is a list. Its payload is given in pieces.
fn put_answer<S: AsRef<[u8]>>(id: u64, first: Option<&[&[u8]]>, strings: &[S], out: &mut Vec<u8>) {
    let first_len = first.map(|pieces| pieces.iter().map(|piece| piece.len()).sum::<usize>());
    let strings_len: usize = strings.iter().map(|s| rlp::string_len(s.as_ref())).sum();
    let list_len = |payload: usize| rlp::header_len(payload) + payload;
    let payload = rlp::uint_len(id) + first_len.map_or(0, list_len) + list_len(strings_len);
    out.reserve(list_len(payload));
    rlp::put_list_header(payload, out);
    rlp::put_uint(id, out);
    if let (Some(pieces), Some(len)) = (first, first_len) {
        rlp::put_list_header(len, out);
        pieces.iter().for_each(|piece| out.extend_from_slice(piece));
    }
    put_strings(strings, out);
}

/// What a range's leaf counts against the answer's limits, in bytes.
fn weight(value: &[u8]) -> u64 {
    32 + value.len() as u64
}

fn state<'a>(states: &'a States, root: &Hash) -> Option<&'a crate::state::State> {
    states.get(root).map(Arc::as_ref)
}

const NO_STRINGS: &[&[u8]] = &[];
