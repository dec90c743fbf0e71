//! An answer taken apart, so that single pieces of it can be spoilt.

use super::{Fault, corrupt};
use crate::{
    Hash,
    block::{Block, Blocks, Header},
    rlp,
    snap::{Request, code},
    state::States,
    trie::Trie,
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
    /// One list of accounts.
    Accounts {
        items: Vec<Item>,
        proof: Vec<Vec<u8>>,
    },
    /// A list of slots per account.
    Storage {
        sets: Vec<Vec<Item>>,
        proof: Vec<Vec<u8>>,
    },
    Codes(Vec<Vec<u8>>),
    Nodes(Vec<Vec<u8>>),
    /// Headers, encoded.
    Headers(Vec<Vec<u8>>),
}

/// A key and its value's RLP.
pub(super) type Item = (Hash, Vec<u8>);

/// The code of a request.
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

    /// The same under another id.
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

    /// The same as `spoil`, for headers; `asked` are those that were asked for.
    pub(super) fn spoil_headers(&mut self, fault: &Fault, blocks: &Blocks, asked: &[Arc<Block>]) {
        let Content::Headers(headers) = &mut self.content else {
            return;
        };
        match fault {
            Fault::WrongId => self.id = !self.id,
            Fault::Empty => headers.clear(),
            Fault::WrongHeader => {
                let others = asked.iter().map(|block| other_header(blocks, block));
                *headers = others.collect();
            }
            Fault::CorruptHeader | Fault::ModifyValue => {
                for header in headers {
                    // A list's header of 3 bytes, two hashes and an address before the state root.
                    if let Some(byte) = header.get_mut(3 + 33 + 33 + 21 + 1) {
                        *byte ^= 1;
                    }
                }
            }
            Fault::More => headers.extend(headers.last().cloned()),
            _ => {}
        }
    }

    /// Does to the answer's content what the fault says, if it says anything about that.
    pub(super) fn spoil(&mut self, fault: &Fault, states: &States, request: &Request) {
        match fault {
            Fault::WrongId => self.id = !self.id,
            Fault::Empty => self.empty(),
            Fault::StaleRoot if !matches!(request, Request::Codes(_)) => self.empty(),
            Fault::DropItem => self.drop_item(states, request),
            Fault::SwapValues => self.with_neighbours(|a, b| std::mem::swap(&mut a.1, &mut b.1)),
            Fault::Unsorted => self.with_neighbours(std::mem::swap),
            Fault::ModifyValue => self.modify_value(),
            Fault::More => self.add_more(states),
            Fault::Corrupt(field) => corrupt::corrupt(self, *field),
            Fault::Lie => {
                if let Request::Accounts(request) = request
                    && let Some(state) = states.get(&request.root)
                    && let Some(victim) = corrupt::victim(state)
                {
                    corrupt::lie(self, &victim);
                }
            }
            Fault::Short => self.shorten(),
            Fault::OneCode if matches!(request, Request::Codes(_)) => self.truncate(1),
            Fault::CodesAsHashes => {
                if let (Content::Codes(codes), Request::Codes(request)) =
                    (&mut self.content, request)
                {
                    *codes = request.hashes.iter().map(|hash| hash.to_vec()).collect();
                }
            }
            Fault::AlwaysProve => self.prove_whole(states, request),
            Fault::HugeProof => {
                if let Some(trie) = self.last_trie(states, request) {
                    self.with_proof(|proof| *proof = trie.all_nodes());
                }
            }
            _ => self.with_proof(|proof| spoil_proof(fault, proof)),
        }
    }

    fn empty(&mut self) {
        match &mut self.content {
            Content::Accounts { items, proof } => {
                items.clear();
                proof.clear();
            }
            Content::Storage { sets, proof } => {
                sets.clear();
                proof.clear();
            }
            Content::Codes(list) | Content::Nodes(list) | Content::Headers(list) => list.clear(),
        }
    }

    pub(super) fn empty_unless(&mut self, is_held: bool) {
        if !is_held {
            self.empty();
        }
    }

    fn shorten(&mut self) {
        if let Content::Codes(list) | Content::Nodes(list) = &mut self.content {
            list.truncate(list.len().div_ceil(2));
        } else if let Some(items) = self.last_items() {
            items.truncate(items.len().div_ceil(2));
        }
    }

    fn truncate(&mut self, len: usize) {
        if let Content::Codes(strings) | Content::Nodes(strings) = &mut self.content {
            strings.truncate(len);
        }
    }

    fn with_proof(&mut self, change: impl FnOnce(&mut Vec<Vec<u8>>)) {
        match &mut self.content {
            Content::Accounts { proof, .. } | Content::Storage { proof, .. } => change(proof),
            Content::Codes(_) | Content::Nodes(_) | Content::Headers(_) => {}
        }
    }

    /// The list of leaves that the proof is for.
    fn last_items(&mut self) -> Option<&mut Vec<Item>> {
        match &mut self.content {
            Content::Accounts { items, .. } => Some(items),
            Content::Storage { sets, .. } => sets.last_mut(),
            Content::Codes(_) | Content::Nodes(_) | Content::Headers(_) => None,
        }
    }

    /// The trie that list is from.
    fn last_trie<'a>(&self, states: &'a States, request: &Request) -> Option<&'a Trie> {
        match (&self.content, request) {
            (Content::Accounts { .. }, Request::Accounts(request)) => {
                Some(states.get(&request.root)?.accounts())
            }
            (Content::Storage { sets, .. }, Request::Storage(request)) => {
                let account = request.accounts.get(sets.len().saturating_sub(1))?;
                states.get(&request.root)?.storage(account)
            }
            _ => None,
        }
    }

    fn with_neighbours(&mut self, change: impl FnOnce(&mut Item, &mut Item)) {
        if let Some(items) = self.last_items() {
            let middle = items.len() / 2;
            if let Some([a, b]) = middle
                .checked_sub(1)
                .and_then(|at| items.get_mut(at..=middle))
            {
                change(a, b);
            }
        }
    }

    fn drop_item(&mut self, states: &States, request: &Request) {
        let trie = self.last_trie(states, request);
        let Some(items) = self.last_items().filter(|items| items.len() > 2) else {
            return;
        };
        let (key, _) = items.remove(items.len() / 2);
        let Some(trie) = trie else { return };
        self.with_proof(|proof| {
            for node in trie.path_to(&key) {
                if !proof.contains(&node) {
                    proof.push(node);
                }
            }
        });
    }

    fn modify_value(&mut self) {
        if let Content::Codes(strings) | Content::Nodes(strings) = &mut self.content {
            if let Some(byte) = strings.first_mut().and_then(|string| string.last_mut()) {
                *byte ^= 1;
            }
            return;
        }
        let Some(items) = self.last_items() else {
            return;
        };
        let middle = items.len() / 2;
        // The last byte is of a balance's or hash's or slot's content, or says "empty" (0x80): then
        // the one before it, or the item would not be RLP any more.
        if let Some((_, value)) = items.get_mut(middle)
            && let Some(byte) = value
                .iter_mut()
                .rev()
                .find(|byte| !(0x80..=0x81).contains(*byte))
        {
            *byte ^= 1;
        }
    }

    fn add_more(&mut self, states: &States) {
        match &mut self.content {
            // The request was changed to give more.
            Content::Accounts { .. } | Content::Headers(_) => {}
            Content::Storage { sets, .. } => sets.extend(sets.last().cloned()),
            Content::Codes(strings) | Content::Nodes(strings) => {
                let root = states
                    .head()
                    .map(|state| state.accounts().path_to(&[0; 32]));
                strings.push(
                    root.and_then(|path| path.first().cloned())
                        .unwrap_or_default(),
                );
            }
        }
    }

    fn prove_whole(&mut self, states: &States, request: &Request) {
        let Some(trie) = self.last_trie(states, request) else {
            return;
        };
        if let Content::Storage { sets, proof } = &mut self.content
            && proof.is_empty()
        {
            let last = sets.last().and_then(|set| set.last());
            *proof = trie.prove(&[0; 32], last.map(|(key, _)| key));
        }
    }
}

/// A header that is in order by itself, but of another block: the one before, or one that never was.
fn other_header(blocks: &Blocks, block: &Block) -> Vec<u8> {
    let before = block.header.number.checked_sub(1);
    match before.and_then(|number| blocks.at(number)) {
        Some(before) => before.encoded.to_vec(),
        None => Header::new(block.header.number + 1, block.hash, block.header.state_root).encode(),
    }
}

fn spoil_proof(fault: &Fault, proof: &mut Vec<Vec<u8>>) {
    match fault {
        Fault::DropFirstProof if !proof.is_empty() => {
            proof.remove(0);
        }
        Fault::DropLastProof => {
            proof.pop();
        }
        Fault::NoProof => proof.clear(),
        Fault::ShuffledProof => {
            proof.reverse();
            proof.extend_from_within(..proof.len() / 2);
        }
        Fault::ManyProofNodes if !proof.is_empty() => {
            *proof = proof.iter().cycle().take(129).cloned().collect();
        }
        _ => {}
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
