//! GetTrieNodes.

use super::{GetTrieNodes, LOOKUPS_LIMIT, NO_STRINGS, RESPONSE_LIMIT, put_answer};
use crate::{
    Hash,
    state::{State, States},
    trie::{NodeAt, Trie},
};

pub(super) fn serve(states: &States, request: &GetTrieNodes, out: &mut Vec<u8>) {
    let Some(state) = super::state(states, &request.root) else {
        return put_answer(request.id, None, NO_STRINGS, out);
    };
    let mut answer = Answer {
        nodes: Vec::new(),
        size: 0,
        lookups: 0,
        bytes: request.bytes.min(RESPONSE_LIMIT),
    };
    for set in &request.paths {
        answer.add_set(state, set);
        if answer.is_full() {
            break;
        }
    }
    put_answer(request.id, None, &answer.nodes, out);
}

struct Answer {
    nodes: Vec<Vec<u8>>,
    size: u64,
    lookups: usize,
    bytes: u64,
}

impl Answer {
    fn is_full(&self) -> bool {
        self.size > self.bytes || self.lookups > LOOKUPS_LIMIT
    }

    fn add_set(&mut self, state: &State, set: &[Vec<u8>]) {
        match set {
            [] => {}
            [path] => self.add(state.accounts(), path),
            [account, paths @ ..] => {
                // The account and its storage trie, whether they are there or not.
                self.lookups += 2;
                let account = Hash::try_from(account.as_slice()).ok();
                let Some(account) = account.filter(|hash| state.account(hash).is_some()) else {
                    // Nothing for an unknown account, not even empty items.
                    return;
                };
                for path in paths {
                    match state.storage(&account) {
                        Some(storage) => self.add(storage, path),
                        None => self.nodes.push(Vec::new()),
                    }
                    if self.is_full() {
                        break;
                    }
                }
            }
        }
    }

    fn add(&mut self, trie: &Trie, compact: &[u8]) {
        self.lookups += 1;
        let path = Path::decode(compact);
        match trie.node_at(&path.nibbles) {
            NodeAt::Node(node) => {
                self.size += node.len() as u64;
                self.nodes.push(node);
            }
            // A whole key, marked as such, leads to a value: there, but no node.
            NodeAt::Nothing if path.is_key && trie.get(&path.key()).is_some() => {}
            NodeAt::Nothing => self.nodes.push(Vec::new()),
            NodeAt::Embedded => {}
        }
    }
}

/// A path as it comes: hex prefix, where no flags are wrong and nothing at all is the root.
struct Path {
    nibbles: Vec<u8>,
    /// 64 nibbles with the mark of a leaf's path.
    is_key: bool,
}

impl Path {
    fn decode(compact: &[u8]) -> Path {
        let Some((flags, rest)) = compact.split_first() else {
            return Path {
                nibbles: Vec::new(),
                is_key: false,
            };
        };
        let odd = (flags & 0x10 != 0).then_some(flags & 0x0f);
        let nibbles: Vec<u8> = odd
            .into_iter()
            .chain(rest.iter().flat_map(|byte| [byte >> 4, byte & 0x0f]))
            .collect();
        let is_key = flags >> 4 >= 2 && nibbles.len() == 64;
        Path { nibbles, is_key }
    }

    fn key(&self) -> Hash {
        std::array::from_fn(|index| match self.nibbles.get(index * 2..index * 2 + 2) {
            Some([high, low]) => high << 4 | low,
            _ => 0,
        })
    }
}
