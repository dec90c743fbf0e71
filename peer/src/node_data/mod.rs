//! GetNodeData of eth/66: trie nodes and bytecodes by their hash alone. See
//! `docs/websocket-peers.md`, §6.7.

mod index;

pub(crate) use index::Index;

use crate::{Hash, rlp, state::States};

/// The most hashes that are looked at for one request, as in go-ethereum 1.10.
pub const HASHES_LIMIT: usize = 1024;
/// An answer ends once its items have this many bytes, as in go-ethereum.
pub const NODE_DATA_LIMIT: usize = 2 * 1024 * 1024;

/// Asks for trie nodes and codes: `[reqId P, [hash B_32, ...]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GetNodeData {
    /// The request id, which the answer repeats.
    pub id: u64,
    /// The hashes. A decoded request has at most as many as are looked at.
    pub hashes: Vec<Hash>,
}

impl GetNodeData {
    /// `None` if the payload is malformed.
    #[must_use]
    pub fn decode(mut payload: &[u8]) -> Option<GetNodeData> {
        let mut fields = rlp::list(&mut payload).ok()?;
        rlp::end(payload).ok()?;
        let id = rlp::uint(&mut fields).ok()?;
        let hashes = rlp::list(&mut fields).ok()?;
        rlp::end(fields).ok()?;
        let hashes = rlp::first(HASHES_LIMIT, hashes, rlp::hash).ok()?;
        Some(GetNodeData { id, hashes })
    }

    /// The request's payload.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        put(self.id, &self.hashes)
    }
}

/// The payload of NodeData: `[reqId P, [item B, ...]]`.
pub(crate) fn put_items(id: u64, items: &[Vec<u8>]) -> Vec<u8> {
    put(id, items)
}

/// `[id, [string, ...]]`
fn put<S: AsRef<[u8]>>(id: u64, strings: &[S]) -> Vec<u8> {
    let strings_len =
        |strings: &[S]| -> usize { strings.iter().map(|s| rlp::string_len(s.as_ref())).sum() };
    let mut list = Vec::with_capacity(strings_len(strings));
    strings
        .iter()
        .for_each(|string| rlp::put_string(string.as_ref(), &mut list));
    let mut fields = Vec::with_capacity(list.len() + 20);
    rlp::put_uint(id, &mut fields);
    rlp::put_list_header(list.len(), &mut fields);
    fields.extend(list);
    rlp::wrap(&fields)
}

/// What is served by hash at one moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Held<'a> {
    index: &'a Index,
    states: &'a States,
}

impl<'a> Held<'a> {
    /// `index` must be that of `states`.
    pub(crate) fn new(index: &'a Index, states: &'a States) -> Held<'a> {
        Held { index, states }
    }

    pub(crate) fn states(&self) -> &'a States {
        self.states
    }

    pub(crate) fn has_node(&self, hash: &Hash) -> bool {
        self.index.contains(hash)
    }

    /// The node or the code with this hash. Neither is ever empty.
    fn item(&self, hash: &Hash) -> Option<Vec<u8>> {
        let code = || self.states.code(hash).map(<[u8]>::to_vec);
        let item = self.index.node(hash).or_else(code)?;
        (!item.is_empty()).then_some(item)
    }

    /// The items of an answer, which ends after the item with which it has `limit` bytes.
    pub(crate) fn items(&self, hashes: &[Hash], limit: usize) -> Vec<Vec<u8>> {
        let mut items = Vec::new();
        let mut size = 0;
        for hash in hashes.iter().take(HASHES_LIMIT) {
            // What is not held is left out, without a placeholder.
            let Some(item) = self.item(hash) else {
                continue;
            };
            size += item.len();
            items.push(item);
            if size >= limit {
                break;
            }
        }
        items
    }
}
