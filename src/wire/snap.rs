//! snap/1 messages (devp2p `caps/snap.md`): requests are written, answers are read.
//!
//! An answer is read in two steps: [`Answer::split`] finds the request id without decoding anything else, so that an
//! answer nobody asked for costs nothing; then the kind's own function reads the content, borrowing from the frame.

use super::PeerFault;
use super::rlp::{RlpReader, frame};
use crate::hash::Hash;
use crate::state::{SlimAccount, check_slot_value};

/// Message ids of snap/1, relative to the capability's offset.
pub const GET_ACCOUNT_RANGE: u64 = 0x00;
/// Answer to [`GET_ACCOUNT_RANGE`].
pub const ACCOUNT_RANGE: u64 = 0x01;
/// Asks for slots of one or several accounts.
pub const GET_STORAGE_RANGES: u64 = 0x02;
/// Answer to [`GET_STORAGE_RANGES`].
pub const STORAGE_RANGES: u64 = 0x03;
/// Asks for bytecodes by hash.
pub const GET_BYTE_CODES: u64 = 0x04;
/// Answer to [`GET_BYTE_CODES`].
pub const BYTE_CODES: u64 = 0x05;
/// Asks for trie nodes by path.
pub const GET_TRIE_NODES: u64 = 0x06;
/// Answer to [`GET_TRIE_NODES`].
pub const TRIE_NODES: u64 = 0x07;

/// Most proof nodes in one answer: two paths of at most 64 nodes each.
pub const MAX_PROOF_NODES: usize = 128;

/// A request's content. Byte limits are soft: servers may exceed them by one item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Accounts of `root` with hashes from `origin` to the first at or after `limit`.
    AccountRange {
        /// State root.
        root: Hash,
        /// First account hash.
        origin: Hash,
        /// Last account hash.
        limit: Hash,
        /// Soft limit of the answer, in bytes.
        bytes: u64,
    },
    /// Whole storages of several accounts.
    Storages {
        /// State root.
        root: Hash,
        /// Account hashes, ascending; accounts without storage must not be asked for (they leave no trace in an answer).
        accounts: Vec<Hash>,
        /// Soft limit of the answer, in bytes.
        bytes: u64,
    },
    /// A part of one account's storage. `origin` 0 with a limit below the highest key is never to be sent: servers
    /// may cut such an answer without a proof.
    StorageRange {
        /// State root.
        root: Hash,
        /// Account hash.
        account: Hash,
        /// First slot hash.
        origin: Hash,
        /// Last slot hash.
        limit: Hash,
        /// Soft limit of the answer, in bytes.
        bytes: u64,
    },
    /// Bytecodes by hash.
    ByteCodes {
        /// Code hashes.
        hashes: Vec<Hash>,
        /// Soft limit of the answer, in bytes.
        bytes: u64,
    },
    /// Trie nodes by path.
    TrieNodes {
        /// State root.
        root: Hash,
        /// Path sets: one compact path of the account trie, or an account hash and compact paths of its storage trie.
        paths: Vec<Vec<Vec<u8>>>,
        /// Soft limit of the answer, in bytes.
        bytes: u64,
    },
}

impl Request {
    /// The frame that asks this, on a connection where snap's messages start at `offset`.
    pub fn frame(&self, offset: u64, id: u64) -> Vec<u8> {
        match self {
            Request::AccountRange {
                root,
                origin,
                limit,
                bytes,
            } => frame(offset + GET_ACCOUNT_RANGE, |list| {
                list.u64(id)
                    .bytes(&root.0)
                    .bytes(&origin.0)
                    .bytes(&limit.0)
                    .u64(*bytes);
            }),
            Request::Storages {
                root,
                accounts,
                bytes,
            } => frame(offset + GET_STORAGE_RANGES, |list| {
                list.u64(id).bytes(&root.0);
                list.hashes(accounts);
                list.bytes(&[]).bytes(&[]).u64(*bytes);
            }),
            Request::StorageRange {
                root,
                account,
                origin,
                limit,
                bytes,
            } => frame(offset + GET_STORAGE_RANGES, |list| {
                list.u64(id).bytes(&root.0);
                list.hashes([account]);
                list.bytes(&origin.0).bytes(&limit.0).u64(*bytes);
            }),
            Request::ByteCodes { hashes, bytes } => frame(offset + GET_BYTE_CODES, |list| {
                list.u64(id);
                list.hashes(hashes);
                list.u64(*bytes);
            }),
            Request::TrieNodes { root, paths, bytes } => frame(offset + GET_TRIE_NODES, |list| {
                list.u64(id).bytes(&root.0);
                list.list(|sets| {
                    for set in paths {
                        sets.list(|elements| {
                            for path in set {
                                elements.bytes(path);
                            }
                        });
                    }
                });
                list.u64(*bytes);
            }),
        }
    }

    /// The relative message id of the answer.
    pub fn answer_id(&self) -> u64 {
        match self {
            Request::AccountRange { .. } => ACCOUNT_RANGE,
            Request::Storages { .. } | Request::StorageRange { .. } => STORAGE_RANGES,
            Request::ByteCodes { .. } => BYTE_CODES,
            Request::TrieNodes { .. } => TRIE_NODES,
        }
    }
}

/// An answer whose id is known and whose content is not read yet.
#[derive(Clone, Copy)]
pub struct Answer<'a> {
    /// The request it answers.
    pub id: u64,
    content: RlpReader<'a>,
}

impl<'a> Answer<'a> {
    /// Reads the request id and nothing else.
    pub fn split(payload: &'a [u8]) -> Result<Answer<'a>, PeerFault> {
        let mut content = RlpReader::list_of(payload)?;
        Ok(Answer {
            id: content.u64()?,
            content,
        })
    }

    /// Bytes of undecoded content, to be held against what was asked for.
    pub fn len(&self) -> usize {
        self.content.len()
    }

    /// Whether nothing follows the request id.
    pub fn is_empty(&self) -> bool {
        self.content.is_empty()
    }

    /// Reads an AccountRange: `[[hash, slim body], ...], [proof node, ...]`.
    pub fn account_range(mut self) -> Result<AccountRange<'a>, PeerFault> {
        let mut list = self.content.list()?;
        let mut accounts = Vec::with_capacity(list.len() / TYPICAL_ACCOUNT);
        while !list.is_empty() {
            let mut pair = list.list()?;
            let hash = pair.hash()?;
            let body = SlimAccount::parse(pair.rest()).map_err(|_| PeerFault::BadAccount)?;
            accounts.push((hash, body.raw()));
        }
        let proof = proof_nodes(&mut self.content)?;
        self.content.finish()?;
        Ok(AccountRange { accounts, proof })
    }

    /// Reads a StorageRanges: `[[[hash, value], ...], ...], [proof node, ...]`.
    pub fn storage_ranges(mut self) -> Result<StorageRanges<'a>, PeerFault> {
        let mut list = self.content.list()?;
        let mut storages = Vec::new();
        while !list.is_empty() {
            let mut slots = list.list()?;
            let mut storage = Vec::with_capacity(slots.len() / TYPICAL_SLOT);
            while !slots.is_empty() {
                let mut pair = slots.list()?;
                let hash = pair.hash()?;
                let value = pair.bytes()?;
                pair.finish()?;
                check_slot_value(value).map_err(|_| PeerFault::BadSlot)?;
                storage.push((hash, value));
            }
            storages.push(storage);
        }
        let proof = proof_nodes(&mut self.content)?;
        self.content.finish()?;
        Ok(StorageRanges { storages, proof })
    }

    /// Reads the outer list of an answer that is a list of lists, and nothing in it.
    pub(super) fn lists(mut self) -> Result<RlpReader<'a>, PeerFault> {
        let list = self.content.list()?;
        self.content.finish()?;
        Ok(list)
    }

    /// Reads a ByteCodes or TrieNodes: `[item, ...]`, at most `most` of them.
    pub fn items(mut self, most: usize) -> Result<Vec<&'a [u8]>, PeerFault> {
        let mut list = self.content.list()?;
        let mut items = Vec::new();
        while !list.is_empty() {
            if items.len() == most {
                return Err(PeerFault::TooMuch);
            }
            items.push(list.bytes()?);
        }
        self.content.finish()?;
        Ok(items)
    }
}

/// Encoded bytes of a plain account and of a slot, to size the vectors they are read into.
const TYPICAL_ACCOUNT: usize = 48;
const TYPICAL_SLOT: usize = 38;

/// Accounts with their hashes as sent, unproven; the bodies are canonical.
pub struct AccountRange<'a> {
    /// Account hash and slim body.
    pub accounts: Vec<(Hash, &'a [u8])>,
    /// Trie nodes as sent.
    pub proof: Vec<&'a [u8]>,
}

/// Slots of one or several accounts as sent, unproven; the values are canonical.
pub struct StorageRanges<'a> {
    /// For each account its slots' hashes and RLP values.
    pub storages: Vec<Vec<(Hash, &'a [u8])>>,
    /// Trie nodes as sent; they belong to the last account.
    pub proof: Vec<&'a [u8]>,
}

fn proof_nodes<'a>(content: &mut RlpReader<'a>) -> Result<Vec<&'a [u8]>, PeerFault> {
    let mut list = content.list()?;
    let mut nodes = Vec::new();
    while !list.is_empty() {
        nodes.push(list.bytes()?);
    }
    match nodes.len() > MAX_PROOF_NODES {
        true => Err(PeerFault::TooManyProofNodes(nodes.len())),
        false => Ok(nodes),
    }
}
