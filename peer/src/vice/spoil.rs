//! Puts faults into an answer's content: items and proofs that are left out, exchanged or added.

use super::Fault;
use super::answer::{Answer, Content, Item};
use super::corrupt;
use crate::{
    block::{Block, Blocks, Header},
    rlp,
    snap::Request,
    state::States,
    trie::Trie,
};
use std::sync::Arc;

impl Answer {
    /// As `spoil`, for headers. `asked` are the headers that were asked for.
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
                    // Before the state root are a list header of 3 bytes, two hashes and an
                    // address.
                    if let Some(byte) = header.get_mut(3 + 33 + 33 + 21 + 1) {
                        *byte ^= 1;
                    }
                }
            }
            Fault::More => headers.extend(headers.last().cloned()),
            _ => {}
        }
    }

    /// Changes the answer's content as the fault says. Faults that do not concern the content
    /// change nothing.
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
            Fault::LacksNodes(lacked) | Fault::EndsAtNodes(lacked) => {
                self.lack_nodes(lacked, states, request);
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

    pub(super) fn empty(&mut self) {
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

    pub(super) fn shorten(&mut self) {
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

    /// The trie that this list is from.
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

    pub(super) fn modify_value(&mut self) {
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
        // The last byte belongs to a balance, a hash or a slot's content, or it means "empty"
        // (0x80). In that case the byte before it is changed, or the item would no longer be RLP.
        if let Some((_, value)) = items.get_mut(middle)
            && let Some(byte) = value
                .iter_mut()
                .rev()
                .find(|byte| !(0x80..=0x81).contains(*byte))
        {
            *byte ^= 1;
        }
    }

    pub(super) fn add_more(&mut self, states: &States) {
        match &mut self.content {
            // The request has been changed, so there is more already.
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

/// A well-formed header of another block: the block before, or one that never existed.
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
        Fault::Drip(bytes) if *bytes > 0 && !proof.is_empty() => {
            proof.push(vec![0x55; *bytes as usize])
        }
        Fault::Padded(nodes) if !proof.is_empty() => proof.extend((0..*nodes).map(surplus_node)),
        Fault::ManyProofNodes if !proof.is_empty() => {
            *proof = proof.iter().cycle().take(129).cloned().collect();
        }
        _ => {}
    }
}

/// A well-formed leaf that belongs to no trie, another one for each number.
pub(super) fn surplus_node(number: u64) -> Vec<u8> {
    let mut fields = Vec::new();
    rlp::put_string(&[0x20, 0x12, 0x34], &mut fields);
    let mut value = [0x55; 32];
    value[24..].copy_from_slice(&number.to_be_bytes());
    rlp::put_string(&value, &mut fields);
    rlp::wrap(&fields)
}
