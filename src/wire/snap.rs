//! The messages of snap/1 (devp2p `caps/snap.md`; `docs/websocket-peers.md`, section 6): writes
//! requests and reads answers.

use super::PeerFault;
use super::answer::Answer;
use super::capabilities::Offsets;
use super::message::Message;
use super::rlp::{RlpReader, frame};
use crate::hash::Hash;
use crate::state::{SlimAccount, check_slot_value};
use crate::trie::node::MAX_NODE;

/// Asks for a range of accounts. The ids are relative to the capability's offset.
const GET_ACCOUNT_RANGE: u64 = 0x00;
/// Answers [`GET_ACCOUNT_RANGE`].
const ACCOUNT_RANGE: u64 = 0x01;
/// Asks for slots of one or several accounts.
const GET_STORAGE_RANGES: u64 = 0x02;
/// Answers [`GET_STORAGE_RANGES`].
const STORAGE_RANGES: u64 = 0x03;
/// Asks for bytecodes by hash.
const GET_BYTE_CODES: u64 = 0x04;
/// Answers [`GET_BYTE_CODES`].
const BYTE_CODES: u64 = 0x05;
/// Asks for trie nodes by path.
const GET_TRIE_NODES: u64 = 0x06;
/// Answers [`GET_TRIE_NODES`].
const TRIE_NODES: u64 = 0x07;

/// Most proof nodes in one answer (`docs/websocket-peers.md`, section 7): two paths of 64 nibbles.
pub const MAX_PROOF_NODES: usize = 128;

/// The content of a request.
///
/// `bytes` is a soft limit of the answer's size in bytes: servers exceed it by up to one item, and
/// proofs come on top.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SnapRequest {
    /// GetAccountRange: the accounts from `origin` up to the first one at or after `limit`.
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
    /// GetStorageRanges: the whole storages of several accounts.
    Storages {
        /// State root.
        root: Hash,
        /// Account hashes, ascending. Never of an account without storage, because an answer skips
        /// those without a trace.
        accounts: Vec<Hash>,
        /// Soft limit of the answer, in bytes.
        bytes: u64,
    },
    /// GetStorageRanges: a part of one account's storage. Never ask with `origin` zero and a
    /// `limit` below [`Hash::MAX`]: servers may cut such an answer without a proof.
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
    /// GetByteCodes: bytecodes by hash.
    ByteCodes {
        /// Code hashes.
        hashes: Vec<Hash>,
        /// Soft limit of the answer, in bytes.
        bytes: u64,
    },
    /// GetTrieNodes: trie nodes by path.
    TrieNodes {
        /// State root.
        root: Hash,
        /// Path sets. Each is one path in the account trie, or an account hash (32 bytes) followed
        /// by paths in that account's storage trie. Paths are in hex-prefix encoding
        /// ([`Path::to_compact`](crate::trie::Path::to_compact)).
        paths: Vec<Vec<Vec<u8>>>,
        /// Soft limit of the answer, in bytes.
        bytes: u64,
    },
}

impl SnapRequest {
    /// The frame that asks this under the request id `id`.
    pub(super) fn frame(&self, offsets: Offsets, id: u64) -> Vec<u8> {
        match self {
            SnapRequest::AccountRange {
                root,
                origin,
                limit,
                bytes,
            } => frame(offsets.snap(GET_ACCOUNT_RANGE), |list| {
                list.u64(id)
                    .bytes(&root.0)
                    .bytes(&origin.0)
                    .bytes(&limit.0)
                    .u64(*bytes);
            }),
            SnapRequest::Storages {
                root,
                accounts,
                bytes,
            } => frame(offsets.snap(GET_STORAGE_RANGES), |list| {
                list.u64(id).bytes(&root.0);
                list.hashes(accounts);
                list.bytes(&[]).bytes(&[]).u64(*bytes);
            }),
            SnapRequest::StorageRange {
                root,
                account,
                origin,
                limit,
                bytes,
            } => frame(offsets.snap(GET_STORAGE_RANGES), |list| {
                list.u64(id).bytes(&root.0);
                list.hashes([account]);
                list.bytes(&origin.0).bytes(&limit.0).u64(*bytes);
            }),
            SnapRequest::ByteCodes { hashes, bytes } => {
                frame(offsets.snap(GET_BYTE_CODES), |list| {
                    list.u64(id);
                    list.hashes(hashes);
                    list.u64(*bytes);
                })
            }
            SnapRequest::TrieNodes { root, paths, bytes } => {
                frame(offsets.snap(GET_TRIE_NODES), |list| {
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
                })
            }
        }
    }
}

/// The answer that has this id, relative to the capability's offset. `None` if the id is that of a
/// request, which only a client sends.
pub(super) fn answer_with_id(id: u64) -> Option<Message> {
    match id {
        ACCOUNT_RANGE => Some(Message::AccountRange),
        STORAGE_RANGES => Some(Message::StorageRanges),
        BYTE_CODES => Some(Message::ByteCodes),
        TRIE_NODES => Some(Message::TrieNodes),
        _ => None,
    }
}

impl<'a> Answer<'a> {
    /// Reads an AccountRange: `[request id, [[hash, slim body], ...], [proof node, ...]]`.
    ///
    /// # Errors
    /// [`PeerFault::BadAccount`], [`PeerFault::TooManyProofNodes`],
    /// [`PeerFault::OversizedProofNode`] or [`PeerFault::Malformed`].
    pub fn account_range(self) -> Result<AccountRange<'a>, PeerFault> {
        let mut content = self.content();
        let mut list = content.list()?;
        let proof = proof_nodes(&mut content)?;
        content.finish()?;
        let mut accounts = Vec::with_capacity(list.len() / TYPICAL_ACCOUNT);
        while !list.is_empty() {
            let mut pair = list.list()?;
            let hash = pair.hash()?;
            let body = SlimAccount::parse(pair.rest()).map_err(|_| PeerFault::BadAccount)?;
            accounts.push((hash, body.raw()));
        }
        Ok(AccountRange { accounts, proof })
    }

    /// Reads a StorageRanges: `[request id, [[[hash, value], ...], ...], [proof node, ...]]`. A
    /// value is an RLP string around the RLP that the storage trie holds.
    ///
    /// # Errors
    /// [`PeerFault::TooMuch`] if there are more than `most` storages; [`PeerFault::BadSlot`],
    /// [`PeerFault::TooManyProofNodes`], [`PeerFault::OversizedProofNode`] or
    /// [`PeerFault::Malformed`].
    pub fn storage_ranges(self, most: usize) -> Result<StorageRanges<'a>, PeerFault> {
        let mut content = self.content();
        let mut list = content.list()?;
        // An empty storage takes one byte of the frame and 12 or more of memory.
        let count = list.count()?;
        if count > most {
            return Err(PeerFault::TooMuch);
        }
        let proof = proof_nodes(&mut content)?;
        content.finish()?;
        let mut storages = Vec::with_capacity(count);
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
        Ok(StorageRanges { storages, proof })
    }
}

/// Encoded bytes of a plain account: a list's header (1), the hash (33), and a body with a nonce of
/// one byte and a balance of nine (14). It only sizes the vector that accounts are read into:
/// longer accounts leave some of it unused, shorter ones make it grow once.
const TYPICAL_ACCOUNT: usize = 48;
/// Encoded bytes of a slot: a list's header (1), the hash (33), and a number of two bytes with two
/// headers (4). Used as [`TYPICAL_ACCOUNT`] is.
const TYPICAL_SLOT: usize = 38;

/// An account range as sent: not proven yet, but the bodies are canonical.
pub struct AccountRange<'a> {
    /// Account hash and slim body. Each takes at least 39 bytes of the frame.
    pub accounts: Vec<(Hash, &'a [u8])>,
    /// The RLP of trie nodes, at most [`MAX_PROOF_NODES`] of at most [`MAX_NODE`] bytes.
    pub proof: Vec<&'a [u8]>,
}

/// The slots of one or several accounts as sent: not proven yet, but the values are canonical.
pub struct StorageRanges<'a> {
    /// For each account, the hash of each slot and the RLP of its value. There are at most as many
    /// accounts as were asked for; each slot takes at least 35 bytes of the frame.
    pub storages: Vec<Vec<(Hash, &'a [u8])>>,
    /// The RLP of trie nodes, at most [`MAX_PROOF_NODES`] of at most [`MAX_NODE`] bytes. They
    /// belong to the last account.
    pub proof: Vec<&'a [u8]>,
}

/// Reads `[proof node, ...]`, which is counted before it is kept.
fn proof_nodes<'a>(content: &mut RlpReader<'a>) -> Result<Vec<&'a [u8]>, PeerFault> {
    let mut list = content.list()?;
    let count = list.count()?;
    if count > MAX_PROOF_NODES {
        return Err(PeerFault::TooManyProofNodes(count));
    }
    let mut nodes = Vec::with_capacity(count);
    while !list.is_empty() {
        let node = list.bytes()?;
        if node.len() > MAX_NODE {
            return Err(PeerFault::OversizedProofNode(node.len()));
        }
        nodes.push(node);
    }
    Ok(nodes)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::rlp::RlpWriter;
    use super::*;

    fn payload(fill: impl FnOnce(&mut RlpWriter)) -> Vec<u8> {
        let mut writer = RlpWriter::new();
        writer.list(|list| {
            list.u64(5);
            fill(list);
        });
        writer.into_bytes()
    }

    #[test]
    fn a_proof_node_above_the_size_of_a_full_branch_is_a_fault() {
        for (length, fault) in [
            (532, None),
            (533, Some(PeerFault::OversizedProofNode(533))),
            (1_000_000, Some(PeerFault::OversizedProofNode(1_000_000))),
        ] {
            let payload = payload(|list| {
                list.list(|_| {}).list(|proof| {
                    proof.bytes(&vec![1; length]);
                });
            });
            let answer = Answer::split(&payload).unwrap();
            assert_eq!(answer.account_range().err(), fault, "{length}");
            assert_eq!(answer.storage_ranges(1).err(), fault, "{length}");
        }
    }

    #[test]
    fn the_last_code_or_node_does_not_count_because_it_cannot_be_split() {
        let two = |last| {
            payload(|list| {
                list.list(|items| {
                    items.bytes(&[1; 1_000]).bytes(&vec![1; last]);
                });
            })
        };
        for message in [Message::ByteCodes, Message::TrieNodes] {
            for last in [2, 1_200_000] {
                let payload = two(last);
                let answer = Answer::split(&payload).unwrap();
                let bytes = answer.splittable_bytes(message).unwrap();
                assert!((1_003..1_010).contains(&bytes), "{bytes}");
            }
        }
        let payload = two(1_200_000);
        let whole = Answer::split(&payload).unwrap();
        let bytes = whole.splittable_bytes(Message::AccountRange).unwrap();
        assert!(bytes > 1_201_000);
        let none = self::payload(|list| {
            list.list(|_| {});
        });
        let none = Answer::split(&none).unwrap();
        assert_eq!(none.splittable_bytes(Message::ByteCodes), Ok(1));
    }
}
