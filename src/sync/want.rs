//! What is asked of a peer: a piece of the state that the tree lacks.

use crate::hash::Hash;
use crate::heap::HeapBytes;
use crate::state::StatePath;
use crate::wire::{Request, snap};

/// The kinds of request, each with its own place in a peer's schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
}

impl RequestKind {
    /// How many kinds there are.
    pub const COUNT: usize = 5;
    /// All of them, in the order in which they are served: what lets accounts leave memory comes first.
    pub const ALL: [RequestKind; RequestKind::COUNT] = [
        RequestKind::Headers,
        RequestKind::Codes,
        RequestKind::Storage,
        RequestKind::Accounts,
        RequestKind::Nodes,
    ];

    /// This kind's place in a table of all kinds.
    pub(crate) fn index(self) -> usize {
        self as usize
    }
}

/// A piece of work that one request carries. It goes back to where it came from unless it is answered.
#[derive(Clone, Debug)]
pub(crate) enum Want {
    /// A span of one account cursor.
    Accounts {
        /// The cursor whose slice it is; none for a range that a healing asks for.
        cursor: Option<usize>,
        origin: Hash,
        limit: Hash,
    },
    /// Whole storages: account hash and storage root, ascending.
    Storages(Vec<(Hash, Hash)>),
    /// A span of one chunk of a large storage.
    Chunk {
        account: Hash,
        storage_root: Hash,
        chunk: usize,
        origin: Hash,
        limit: Hash,
    },
    /// Bytecodes by hash.
    Codes(Vec<Hash>),
    /// Trie nodes by path, with the hash each must have.
    Nodes(Vec<(StatePath, Hash)>),
    /// The header of the block with this hash.
    Header(Hash),
}

impl Want {
    /// First and last key, if it is a range of accounts.
    pub(crate) fn span(&self) -> Option<(Hash, Hash)> {
        match self {
            Want::Accounts { origin, limit, .. } => Some((*origin, *limit)),
            _ => None,
        }
    }

    pub(crate) fn kind(&self) -> RequestKind {
        match self {
            Want::Accounts { .. } => RequestKind::Accounts,
            Want::Storages(_) | Want::Chunk { .. } => RequestKind::Storage,
            Want::Codes(_) => RequestKind::Codes,
            Want::Nodes(_) => RequestKind::Nodes,
            Want::Header(_) => RequestKind::Headers,
        }
    }

    /// The request that asks for this under `root`, for about `bytes` bytes.
    pub(crate) fn request(&self, root: Hash, bytes: u64) -> Request {
        let request = match self {
            Want::Header(hash) => return Request::Header(*hash),
            Want::Accounts { origin, limit, .. } => snap::Request::AccountRange {
                root,
                origin: *origin,
                limit: *limit,
                bytes,
            },
            Want::Storages(accounts) => {
                let accounts = accounts.iter().map(|(account, _)| *account).collect();
                snap::Request::Storages {
                    root,
                    accounts,
                    bytes,
                }
            }
            Want::Chunk {
                account,
                origin,
                limit,
                ..
            } => snap::Request::StorageRange {
                root,
                account: *account,
                origin: *origin,
                limit: *limit,
                bytes,
            },
            Want::Codes(hashes) => snap::Request::ByteCodes {
                hashes: hashes.clone(),
                bytes,
            },
            Want::Nodes(nodes) => {
                let paths = nodes.iter().map(|(path, _)| path_set(path)).collect();
                snap::Request::TrieNodes { root, paths, bytes }
            }
        };
        Request::Snap(request)
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

impl HeapBytes for Want {
    fn heap_bytes(&self) -> usize {
        match self {
            Want::Storages(accounts) => accounts.heap_bytes(),
            Want::Codes(hashes) => hashes.heap_bytes(),
            Want::Nodes(nodes) => nodes.heap_bytes(),
            Want::Accounts { .. } | Want::Chunk { .. } | Want::Header(_) => 0,
        }
    }
}
