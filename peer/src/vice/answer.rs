//! A decoded answer, so that single parts of it can be changed.

use crate::{
    Hash,
    block::Block,
    rlp,
    snap::{Request, code},
};
use std::sync::Arc;

/// An answer.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) id: u64,
    pub(super) content: Content,
}

#[derive(Debug, Clone)]
pub(super) enum Content {
    /// One list of accounts, and its proof.
    Accounts {
        items: Vec<Item>,
        proof: Vec<Vec<u8>>,
    },
    /// One list of slots for each account, and the last list's proof.
    Storage {
        sets: Vec<Vec<Item>>,
        proof: Vec<Vec<u8>>,
    },
    Codes(Vec<Vec<u8>>),
    /// Of TrieNodes, or of NodeData, which has codes too.
    Nodes(Vec<Vec<u8>>),
    /// Encoded headers.
    Headers(Vec<Vec<u8>>),
}

/// A key, and the RLP of its value.
pub(super) type Item = (Hash, Vec<u8>);

/// The message code of a request.
pub(super) fn code(request: &Request) -> u64 {
    match request {
        Request::Accounts(_) => code::GET_ACCOUNT_RANGE,
        Request::Storage(_) => code::GET_STORAGE_RANGES,
        Request::Codes(_) => code::GET_BYTE_CODES,
        Request::Nodes(_) => code::GET_TRIE_NODES,
    }
}

impl Answer {
    pub(super) fn decode(request: &Request, mut payload: &[u8]) -> Option<Answer> {
        let mut fields = rlp::list(&mut payload).ok()?;
        let id = rlp::uint(&mut fields).ok()?;
        let mut list = || rlp::list(&mut fields).ok();
        let content = match request {
            Request::Accounts(_) => Content::Accounts {
                items: items(list()?)?,
                proof: strings(list()?)?,
            },
            Request::Storage(_) => Content::Storage {
                sets: rlp::each(list()?, |set| rlp::list(set))
                    .ok()?
                    .into_iter()
                    .map(items)
                    .collect::<Option<_>>()?,
                proof: strings(list()?)?,
            },
            Request::Codes(_) => Content::Codes(strings(list()?)?),
            Request::Nodes(_) => Content::Nodes(strings(list()?)?),
        };
        Some(Answer { id, content })
    }

    pub(super) fn of_headers(id: u64, headers: &[Arc<Block>]) -> Answer {
        let headers = headers.iter().map(|block| block.encoded.to_vec());
        Answer {
            id,
            content: Content::Headers(headers.collect()),
        }
    }

    pub(super) fn of_node_data(id: u64, items: Vec<Vec<u8>>) -> Answer {
        Answer {
            id,
            content: Content::Nodes(items),
        }
    }

    /// The same answer with another request id.
    pub(super) fn with_id(&self, id: u64) -> Answer {
        Answer {
            id,
            content: self.content.clone(),
        }
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut fields = Vec::new();
        rlp::put_uint(self.id, &mut fields);
        match &self.content {
            Content::Accounts { items, proof } => {
                fields.extend(encode_items(items));
                fields.extend(encode_strings(proof));
            }
            Content::Storage { sets, proof } => {
                let sets: Vec<u8> = sets.iter().flat_map(|set| encode_items(set)).collect();
                fields.extend(rlp::wrap(&sets));
                fields.extend(encode_strings(proof));
            }
            Content::Codes(strings) | Content::Nodes(strings) => {
                fields.extend(encode_strings(strings))
            }
            Content::Headers(headers) => fields.extend(rlp::wrap(&headers.concat())),
        }
        rlp::wrap(&fields)
    }
}

fn items(payload: &[u8]) -> Option<Vec<Item>> {
    rlp::each(payload, |buf| {
        let mut item = rlp::list(buf)?;
        let key = rlp::hash(&mut item)?;
        Ok((key, item.to_vec()))
    })
    .ok()
}

fn strings(payload: &[u8]) -> Option<Vec<Vec<u8>>> {
    rlp::each(payload, |buf| rlp::string(buf).map(<[u8]>::to_vec)).ok()
}

fn encode_items(items: &[Item]) -> Vec<u8> {
    let mut list = Vec::new();
    for (key, value) in items {
        rlp::put_list_header(33 + value.len(), &mut list);
        rlp::put_string(key, &mut list);
        list.extend_from_slice(value);
    }
    rlp::wrap(&list)
}

fn encode_strings(strings: &[Vec<u8>]) -> Vec<u8> {
    let mut list = Vec::new();
    strings
        .iter()
        .for_each(|string| rlp::put_string(string, &mut list));
    rlp::wrap(&list)
}
