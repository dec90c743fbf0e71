//! What is asked of a peer: the kinds of request, and a piece of the state that the tree lacks.

use crate::hash::Hash;
use crate::heap::HeapBytes;
use crate::state::{StatePath, TrackedSlot};
use crate::wire::rpc::{BlockRef, Call};
use crate::wire::{By, Message, Request, snap};

/// Bytes of a bytecode on average, to size requests: go-ethereum's estimate (84 in half a megabyte).
pub(super) const BYTES_PER_CODE: u64 = 6 * 1024;
/// Bytes of a trie node on average, to size requests: a full branch has 532, and a leaf of an
/// account about 110.
pub(super) const BYTES_PER_NODE: u64 = 400;
/// Bytes of the nodes on the way to one key, to size calls: 3.7 kB in a state of 350 million
/// accounts.
const BYTES_PER_PATH: u64 = 4 * 1024;

/// Most hashes in one request by hash: what go-ethereum's own sync asked for, and what its servers
/// answered at most until version 1.9 (`MaxStateFetch`).
pub(super) const MAX_HASHES: usize = 384;

/// The kinds of request, each with its own place in a peer's schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RequestKind {
    /// Ranges of accounts.
    Accounts,
    /// Storages, whole or in part.
    Storage,
    /// Bytecodes.
    Codes,
    /// Single trie nodes.
    Nodes,
    /// Block headers, from which a target's root is read.
    Headers,
    /// Trie nodes and bytecodes by hash.
    NodeData,
    /// Ranges of one key each: an account, or a slot.
    Keys,
    /// Proofs of an account and of some of its slots, from a provider.
    Proofs,
    /// Bytecodes by address, from a provider.
    CodesOf,
}

impl RequestKind {
    /// How many kinds there are.
    pub const COUNT: usize = 9;
    /// Those that ask for a piece of a state, in the order in which they are served: what lets
    /// accounts leave memory comes first.
    pub(crate) const STATE: [RequestKind; 8] = [
        RequestKind::Codes,
        RequestKind::Storage,
        RequestKind::Accounts,
        RequestKind::Nodes,
        RequestKind::NodeData,
        RequestKind::Keys,
        RequestKind::Proofs,
        RequestKind::CodesOf,
    ];

    /// The message that may answer a request of this kind.
    pub(crate) fn is_answered_by(self, message: Message) -> bool {
        match self {
            RequestKind::Accounts => message == Message::AccountRange,
            RequestKind::Storage => message == Message::StorageRanges,
            RequestKind::Codes => message == Message::ByteCodes,
            RequestKind::Nodes => message == Message::TrieNodes,
            RequestKind::Headers => message == Message::BlockHeaders,
            RequestKind::NodeData => message == Message::NodeData,
            RequestKind::Keys => {
                matches!(message, Message::AccountRange | Message::StorageRanges)
            }
            // They are answered by replies.
            RequestKind::Proofs | RequestKind::CodesOf => false,
        }
    }

    /// Whether peers on such a connection answer requests of this kind.
    pub(crate) fn is_asked(self, by: By) -> bool {
        match self {
            RequestKind::Headers => true,
            RequestKind::NodeData => by == By::Hash,
            RequestKind::Proofs | RequestKind::CodesOf => by == By::Rpc,
            RequestKind::Keys
            | RequestKind::Accounts
            | RequestKind::Storage
            | RequestKind::Codes
            | RequestKind::Nodes => by == By::Snap,
        }
    }

    /// This kind's place in a table of all kinds.
    pub(crate) fn index(self) -> usize {
        self as usize
    }
}

/// A piece of the state that one request asks for. It goes back to where it came from unless it is
/// answered.
#[derive(Clone, Debug)]
pub(crate) enum Want {
    /// A range of accounts.
    Accounts {
        /// The cursor whose slice it is; `None` for a range that a healing asks for.
        cursor: Option<usize>,
        origin: Hash,
        limit: Hash,
    },
    /// Whole storages: account hash and storage root, ascending.
    Storages(Vec<(Hash, Hash)>),
    /// A range of one chunk of a large storage.
    Chunk {
        account: Hash,
        storage_root: Hash,
        chunk: usize,
        origin: Hash,
        limit: Hash,
    },
    /// Bytecodes by hash.
    Codes(Vec<Hash>),
    /// Trie nodes by path, with the hash that each must have.
    Nodes(Vec<(StatePath, Hash)>),
    /// Trie nodes and bytecodes by hash.
    NodeData {
        /// One place of each node, and its hash. A hash stands here once.
        nodes: Vec<(StatePath, Hash)>,
        codes: Vec<Hash>,
    },
    /// Trie nodes by path, whose hashes are not known yet: whatever of them is there.
    Paths {
        /// The places, ascending: so each comes behind those above it, and storages come behind
        /// their accounts.
        paths: Vec<StatePath>,
        /// The hashes that were blinded where the paths begin.
        tops: Vec<Hash>,
    },
    /// A range of one key: an account, or a slot of it.
    Key { account: Hash, slot: Option<Hash> },
    /// The proof of an account and of some of its slots.
    Proof {
        account: Hash,
        address: [u8; 20],
        slots: Vec<TrackedSlot>,
    },
    /// The code of an account.
    CodeOf { address: [u8; 20], hash: Hash },
}

impl Want {
    /// The bytes that an answer is likely to have if `bytes` are asked for. `span`: what ranges of a
    /// healing had so far, 0 if there were none.
    pub(crate) fn expected(&self, bytes: u64, span: u64) -> u64 {
        let likely = match self {
            Want::Accounts { cursor: None, .. } if span > 0 => span,
            Want::Codes(hashes) => hashes.len() as u64 * BYTES_PER_CODE,
            Want::Nodes(nodes) => nodes.len() as u64 * BYTES_PER_NODE,
            Want::NodeData { nodes, codes } => {
                nodes.len() as u64 * BYTES_PER_NODE + codes.len() as u64 * BYTES_PER_CODE
            }
            Want::Paths { paths, .. } => paths.len() as u64 * BYTES_PER_NODE,
            Want::CodeOf { .. } => BYTES_PER_CODE,
            Want::Proof { slots, .. } => (1 + slots.len() as u64) * BYTES_PER_PATH,
            Want::Accounts { .. } | Want::Storages(_) | Want::Chunk { .. } | Want::Key { .. } => {
                bytes
            }
        };
        likely.min(bytes)
    }

    /// The part of it that one call may ask for, with so many slots at most, and the rest.
    pub(crate) fn split(mut self, keys: usize) -> (Want, Option<Want>) {
        let rest = match &mut self {
            Want::Proof {
                account,
                address,
                slots,
            } if slots.len() > keys => Some(Want::Proof {
                account: *account,
                address: *address,
                slots: slots.split_off(keys),
            }),
            _ => None,
        };
        (self, rest)
    }

    pub(crate) fn kind(&self) -> RequestKind {
        match self {
            Want::Accounts { .. } => RequestKind::Accounts,
            Want::Storages(_) | Want::Chunk { .. } => RequestKind::Storage,
            Want::Codes(_) => RequestKind::Codes,
            Want::Nodes(_) | Want::Paths { .. } => RequestKind::Nodes,
            Want::Key { .. } => RequestKind::Keys,
            Want::Proof { .. } => RequestKind::Proofs,
            Want::CodeOf { .. } => RequestKind::CodesOf,
            Want::NodeData { .. } => RequestKind::NodeData,
        }
    }

    /// The request that asks for this under `root`, for about `bytes` bytes.
    pub(crate) fn request(&self, root: Hash, bytes: u64) -> Request {
        Request::Snap(match self {
            Want::NodeData { nodes, codes } => {
                let mut hashes = codes.clone();
                hashes.extend(nodes.iter().map(|(_, hash)| *hash));
                return Request::NodeData(hashes);
            }
            // The job knows the block of the root, if there is one; `Engine::send` names it.
            Want::Proof { address, slots, .. } => {
                return Request::Call(Call::Proof {
                    address: *address,
                    slots: slots.iter().map(TrackedSlot::number).collect(),
                    block: BlockRef::Latest,
                });
            }
            Want::CodeOf { address, .. } => {
                return Request::Call(Call::Code {
                    address: *address,
                    block: BlockRef::Latest,
                });
            }
            Want::Key {
                account,
                slot: None,
            } => snap::SnapRequest::AccountRange {
                root,
                origin: *account,
                limit: *account,
                bytes,
            },
            Want::Key {
                account,
                slot: Some(slot),
            } => snap::SnapRequest::StorageRange {
                root,
                account: *account,
                origin: *slot,
                limit: *slot,
                bytes,
            },
            Want::Paths { paths, .. } => snap::SnapRequest::TrieNodes {
                root,
                paths: path_sets(paths),
                bytes,
            },
            Want::Accounts { origin, limit, .. } => snap::SnapRequest::AccountRange {
                root,
                origin: *origin,
                limit: *limit,
                bytes,
            },
            Want::Storages(accounts) => snap::SnapRequest::Storages {
                root,
                accounts: accounts.iter().map(|(account, _)| *account).collect(),
                bytes,
            },
            Want::Chunk {
                account,
                origin,
                limit,
                ..
            } => snap::SnapRequest::StorageRange {
                root,
                account: *account,
                origin: *origin,
                limit: *limit,
                bytes,
            },
            Want::Codes(hashes) => snap::SnapRequest::ByteCodes {
                hashes: hashes.clone(),
                bytes,
            },
            Want::Nodes(nodes) => snap::SnapRequest::TrieNodes {
                root,
                paths: nodes.iter().map(|(path, _)| path_set(path)).collect(),
                bytes,
            },
        })
    }
}

/// A path as GetTrieNodes takes it: the compact path alone, or behind its account's hash.
fn path_set(path: &StatePath) -> Vec<Vec<u8>> {
    let account = path.account.map(|account| account.0.to_vec());
    account
        .into_iter()
        .chain([path.path.to_compact()])
        .collect()
}

/// Paths as GetTrieNodes takes them, those of one storage behind its account's hash together: so a
/// server opens each storage trie once.
fn path_sets(paths: &[StatePath]) -> Vec<Vec<Vec<u8>>> {
    let mut sets: Vec<Vec<Vec<u8>>> = Vec::new();
    let mut last = None;
    for path in paths {
        match sets.last_mut() {
            Some(set) if path.account.is_some() && path.account == last => {
                set.push(path.path.to_compact());
            }
            _ => sets.push(path_set(path)),
        }
        last = path.account;
    }
    sets
}

impl HeapBytes for Want {
    fn heap_bytes(&self) -> usize {
        match self {
            Want::Storages(accounts) => accounts.heap_bytes(),
            Want::Codes(hashes) => hashes.heap_bytes(),
            Want::Nodes(nodes) => nodes.heap_bytes(),
            Want::NodeData { nodes, codes } => nodes.heap_bytes() + codes.heap_bytes(),
            Want::Paths { paths, tops } => paths.heap_bytes() + tops.heap_bytes(),
            Want::Proof { slots, .. } => slots.heap_bytes(),
            Want::Accounts { .. } | Want::Chunk { .. } | Want::Key { .. } | Want::CodeOf { .. } => {
                0
            }
        }
    }
}
