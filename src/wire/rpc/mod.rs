//! JSON-RPC providers: what is asked of one, and what comes back.
//!
//! A provider knows accounts by address and blocks by hash, and answers `eth_getProof`,
//! `eth_getCode` and `eth_getBlockByHash` (execution-apis). What it says of itself is believed in
//! nothing: a proof is a bag of trie nodes by their Keccak hashes, from which every field is
//! derived, and a header is what its hash says.
//!
//! May not enter: JavaScript, URLs, sockets, batches on the line. The driver carries calls and
//! replies.

mod call;
mod header;
mod hex;
mod json;
mod trouble;

pub use header::{HeaderError, header_rlp};
pub use json::JsonValue;
pub use trouble::Trouble;

use crate::hash::Hash;
use crate::heap::HeapBytes;

/// One call. Serialized, it is `{ method, params }`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Call {
    /// `eth_chainId`.
    ChainId,
    /// `eth_getProof` of an account and of some of its slots (EIP-1186).
    Proof {
        /// The account's address.
        address: [u8; 20],
        /// Numbers of slots, 32 bytes big-endian each.
        slots: Vec<[u8; 32]>,
        /// The state.
        block: BlockRef,
    },
    /// `eth_getCode`.
    Code {
        /// The account's address.
        address: [u8; 20],
        /// The state.
        block: BlockRef,
    },
    /// `eth_getBlockByHash`, without transactions.
    Header(Hash),
}

impl Call {
    /// The same call about the state after this block, if it is about a state.
    pub(crate) fn at(mut self, at: BlockRef) -> Call {
        match &mut self {
            Call::Proof { block, .. } | Call::Code { block, .. } => *block = at,
            Call::ChainId | Call::Header(_) => {}
        }
        self
    }
}

/// The block whose state is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockRef {
    /// The block with this hash (EIP-1898).
    Hash(Hash),
    /// The newest one that the provider has: only the answer shows whether it is the right state.
    Latest,
}

/// What a call came to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reply {
    /// Of [`Call::ChainId`].
    ChainId(u64),
    /// Of [`Call::Proof`].
    Proof(Box<Proof>),
    /// Of [`Call::Code`].
    Code(Vec<u8>),
    /// Of [`Call::Header`]: the header's RLP, made of the answer's fields. It proves itself by its
    /// hash.
    Header(Vec<u8>),
    /// The provider, or the line to it, gave no answer.
    Failed(CallError),
    /// An answer that is none to this call. Says what was found.
    Malformed(String),
}

impl Reply {
    /// Reads what `call` was answered with: the JSON-RPC `result`, which may be null. Every way in
    /// which a client may write it is taken.
    pub fn read(call: &Call, result: &impl JsonValue) -> Reply {
        let reply = match call {
            Call::ChainId => Ok(json::read_number(result).map(Reply::ChainId)),
            Call::Proof { slots, .. } => json::read_proof(result, slots.len())
                .map(|proof| proof.map(|proof| Reply::Proof(Box::new(proof)))),
            Call::Code { .. } => json::read_code(result).map(|code| code.map(Reply::Code)),
            Call::Header(_) if result.is_null() => Ok(None),
            Call::Header(_) => match header_rlp(result) {
                Ok(rlp) => Ok(Some(Reply::Header(rlp))),
                Err(error) => return Reply::Malformed(error.to_string()),
            },
        };
        match reply {
            Ok(Some(reply)) => reply,
            Ok(None) => Reply::Failed(CallError::null()),
            Err(fault) => Reply::Malformed(fault.to_owned()),
        }
    }

    /// About how many bytes it has: those of its nodes, its code or its header.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Reply::ChainId(_) | Reply::Failed(_) | Reply::Malformed(_) => 0,
            Reply::Proof(proof) => proof.nodes.iter().map(Vec::len).sum(),
            Reply::Code(bytes) | Reply::Header(bytes) => bytes.len(),
        }
    }
}

impl HeapBytes for Reply {
    fn heap_bytes(&self) -> usize {
        match self {
            Reply::Proof(proof) => size_of::<Proof>() + proof.nodes.heap_bytes(),
            Reply::Code(bytes) | Reply::Header(bytes) => bytes.heap_bytes(),
            // A few words.
            Reply::ChainId(_) | Reply::Failed(_) | Reply::Malformed(_) => 0,
        }
    }
}

/// An answer to `eth_getProof`: nothing of it is believed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proof {
    /// RLP of trie nodes: of the account's proof and of those of all slots, in any order. Bound: 80
    /// of 532 bytes for the account and for each slot that was asked for.
    pub nodes: Vec<Vec<u8>>,
    /// What the provider says the account is; `None` for a field that it leaves out.
    pub claimed: Claimed,
}

/// What a provider says beside the proof. It is compared only to report a lie.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claimed {
    /// `balance`, 32 bytes big-endian.
    pub balance: Option<[u8; 32]>,
    /// `nonce`.
    pub nonce: Option<u64>,
    /// `codeHash`.
    pub code_hash: Option<Hash>,
    /// `storageHash`.
    pub storage_hash: Option<Hash>,
    /// The values of `storageProof`, by the number of the slot, 32 bytes big-endian each. Bound: the
    /// slots that were asked for.
    pub slots: Vec<([u8; 32], [u8; 32])>,
}

/// Why a call has no answer, as the provider or the transport says it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallError {
    /// The JSON-RPC error code (EIP-1474, EIP-1193); 0 if there is none.
    pub code: i64,
    /// In words.
    pub message: String,
    /// The error's `data`, as text; empty if there is none.
    pub data: String,
    /// The HTTP status; 0 if there is none.
    pub status: u16,
    /// Milliseconds after which it wants to be asked again (`Retry-After`); `None` if it does not
    /// say.
    pub retry_after_ms: Option<u64>,
}
