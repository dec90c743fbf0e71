//! GetTrieNodes.

use super::{GetTrieNodes, LOOKUPS_LIMIT, NO_STRINGS, RESPONSE_LIMIT, put_answer};
use crate::{
    EMPTY_ROOT, Hash,
    state::{State, States},
    trie::{NodeAt, Trie},
};
use std::collections::HashSet;

pub(super) fn serve(states: &States, request: &GetTrieNodes, out: &mut Vec<u8>) {
    let state = super::state(states, &request.root);
    // Everybody knows the empty state. A root of zeros means the same.
    if state.is_none() && request.root != EMPTY_ROOT && request.root != Hash::default() {
        return put_answer(request.id, None, NO_STRINGS, out);
    }
    let mut answer = Answer {
        nodes: Vec::new(),
        size: 0,
        lookups: 0,
        bytes: request.bytes.min(RESPONSE_LIMIT),
    };
    let mut opened = Opened::new(state.map(State::accounts));
    for set in &request.paths {
        answer.add_set(state, &mut opened, set);
        if answer.is_full() {
            break;
        }
    }
    put_answer(request.id, None, &answer.nodes, out);
}

/// The look-ups that an account in the empty state counts as: go-ethereum's estimate of a path
/// through a trie.
const LOOKUPS_WITHOUT_STATE: usize = 8;

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

    fn add_set(&mut self, state: Option<&State>, accounts: &mut Opened, set: &[Vec<u8>]) {
        match set {
            [] => {}
            [path] => {
                self.add(accounts, path);
            }
            [account, paths @ ..] => {
                self.lookups += if state.is_some() {
                    1
                } else {
                    LOOKUPS_WITHOUT_STATE
                };
                let account = fitted(account);
                let Some(state) = state.filter(|state| state.account(&account).is_some()) else {
                    // An unknown account gets nothing, not even empty items.
                    return;
                };
                self.lookups += 1;
                let mut storage = Opened::new(state.storage(&account));
                for path in paths {
                    // A place without a node of its own ends the set.
                    if !self.add(&mut storage, path) || self.is_full() {
                        break;
                    }
                }
            }
        }
    }

    /// False if something is at this path, but no node with a hash of its own.
    fn add(&mut self, opened: &mut Opened, compact: &[u8]) -> bool {
        let path = Path::decode(compact);
        let at = opened.trie.map(|trie| trie.node_at(&path.nibbles));
        // A whole key that is marked as a leaf's leads to a value, which is no node.
        let is_value = path.is_key
            && opened
                .trie
                .is_some_and(|trie| trie.get(&path.key()).is_some());
        let found = match at {
            Some(NodeAt::Node(node)) => Some(node),
            Some(NodeAt::Embedded) => None,
            _ if is_value => None,
            _ => Some(Vec::new()),
        };
        self.lookups += opened.lookups(&path.nibbles, found.as_deref());
        self.size += found.as_ref().map_or(0, |node| node.len() as u64);
        let is_item = found.is_some();
        self.nodes.extend(found);
        is_item
    }
}

/// Takes out of a request what a server that lacks some nodes passes over: the path of such a node,
/// what the request asks for below it, and what follows in its set. If it `ends` there, everything
/// that follows.
pub(crate) fn leave_out(
    states: &States,
    request: &mut GetTrieNodes,
    is_lacked: impl Fn(&[u8]) -> bool,
    ends: bool,
) {
    let Some(state) = super::state(states, &request.root) else {
        return;
    };
    let mut ended = false;
    // Places in the account trie that it lacks.
    let mut lacked_above: Vec<Vec<u8>> = Vec::new();
    request.paths.retain_mut(|set| {
        let (trie, first) = match set.as_slice() {
            [] => return true,
            [_] => (Some(state.accounts()), 0),
            [account, ..] => (state.storage(&fitted(account)), 1),
        };
        let lacked = set.iter().skip(first).position(|path| {
            let nibbles = Path::decode(path).nibbles;
            let at = trie.map(|trie| trie.node_at(&nibbles));
            let is_below = |above: &Vec<u8>| first == 0 && nibbles.starts_with(above);
            let is_it = matches!(at, Some(NodeAt::Node(node)) if is_lacked(&node));
            let is_passed_over = is_it || lacked_above.iter().any(is_below);
            if is_it && first == 0 {
                lacked_above.push(nibbles);
            }
            is_passed_over
        });
        let is_left = !ended;
        if let Some(at) = lacked {
            set.truncate(first + at);
            ended |= ends;
        }
        is_left && set.len() > first
    });
}

/// A trie and the nodes of it that this request has already met. As in go-ethereum, each node
/// counts as one look-up.
struct Opened<'a> {
    trie: Option<&'a Trie>,
    /// The paths of these nodes. Bound: one per look-up, and look-ups are limited.
    met: HashSet<Vec<u8>>,
}

impl Opened<'_> {
    fn new(trie: Option<&Trie>) -> Opened<'_> {
        Opened {
            trie,
            met: HashSet::new(),
        }
    }

    /// How many look-ups going to `path` takes: the new nodes on the way and the node at its end.
    fn lookups(&mut self, path: &[u8], found: Option<&[u8]>) -> usize {
        let depths = self
            .trie
            .map(|trie| trie.hashed_above(path))
            .unwrap_or_default();
        let new: Vec<_> = depths
            .into_iter()
            .filter_map(|depth| path.get(..depth))
            .filter(|prefix| !self.met.contains(*prefix))
            .map(<[u8]>::to_vec)
            .collect();
        let there = usize::from(found.is_some_and(|node| !node.is_empty()));
        let cost = new.len() + there;
        if found.is_some() {
            self.met.extend(new);
        }
        cost.max(1)
    }
}

/// The hash that go-ethereum makes of any bytes: the last 32, with zeros in front if there are
/// fewer.
fn fitted(bytes: &[u8]) -> Hash {
    let mut hash = Hash::default();
    for (to, from) in hash.iter_mut().rev().zip(bytes.iter().rev()) {
        *to = *from;
    }
    hash
}

/// Follows the nibbles of a whole key.
const LEAF_MARK: u8 = 16;

/// Decodes a hex-prefix path of a request. Wrong flags are accepted, and an empty path is the root.
struct Path {
    /// The nibbles, with [`LEAF_MARK`] at the end if the path is marked as a leaf's.
    nibbles: Vec<u8>,
    /// 64 nibbles and a leaf's mark.
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
        // A leaf's mark is a nibble that no child has.
        let end = (flags >> 4 >= 2).then_some(LEAF_MARK);
        let nibbles: Vec<u8> = odd
            .into_iter()
            .chain(rest.iter().flat_map(|byte| [byte >> 4, byte & 0x0f]))
            .chain(end)
            .collect();
        let is_key = end.is_some() && nibbles.len() == 65;
        Path { nibbles, is_key }
    }

    fn key(&self) -> Hash {
        std::array::from_fn(|index| match self.nibbles.get(index * 2..index * 2 + 2) {
            Some([high, low]) => high << 4 | low,
            _ => 0,
        })
    }
}
