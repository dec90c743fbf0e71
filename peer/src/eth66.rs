//! What eth/66 has and eth/69 has not: its Status, and how it announces blocks. A connection by
//! hash speaks it. See `docs/websocket-peers.md`, §5.3. GetBlockHeaders is the same in both, and
//! [`crate::node_data`] has GetNodeData.

use crate::{
    Hash,
    handshake::{self, Fork},
    rlp,
};

/// The codes of eth/66 that are used here, relative to its first id.
pub mod code {
    /// See [`super::Status`].
    pub const STATUS: u64 = 0x00;
    /// `[[hash, number], ...]`
    pub const NEW_BLOCK_HASHES: u64 = 0x01;
    /// `[reqId, [start, amount, skip, reverse]]`
    pub const GET_BLOCK_HEADERS: u64 = 0x03;
    /// `[reqId, [header, ...]]`
    pub const BLOCK_HEADERS: u64 = 0x04;
    /// `[reqId, [hash, ...]]`
    pub const GET_NODE_DATA: u64 = 0x0d;
    /// `[reqId, [item, ...]]`
    pub const NODE_DATA: u64 = 0x0e;
}

/// The Status message of eth/66: `[version P, networkId P, totalDifficulty P, headHash B_32,
/// genesisHash B_32, [forkHash B_4, forkNext P]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// The version: 66.
    pub version: u64,
    /// The network id.
    pub network_id: u64,
    /// The sum of the difficulties of all blocks, big-endian. At most 32 bytes without leading
    /// zeros: none of them for zero.
    pub total_difficulty: Vec<u8>,
    /// The hash of the head.
    pub head: Hash,
    /// The hash of the chain's first block.
    pub genesis: Hash,
    /// The fork id of EIP-2124.
    pub fork: Fork,
}

impl Status {
    /// The Status of a server with this head. Its blocks have no difficulty, so the total is zero.
    #[must_use]
    pub fn new(network_id: u64, genesis: Hash, head: Hash) -> Status {
        Status {
            version: 66,
            network_id,
            total_difficulty: Vec::new(),
            head,
            genesis,
            fork: handshake::fork_of(&genesis),
        }
    }

    /// The payload.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut fields = Vec::new();
        rlp::put_uint(self.version, &mut fields);
        rlp::put_uint(self.network_id, &mut fields);
        rlp::put_string(&self.total_difficulty, &mut fields);
        rlp::put_string(&self.head, &mut fields);
        rlp::put_string(&self.genesis, &mut fields);
        handshake::put_fork(&self.fork, &mut fields);
        rlp::wrap(&fields)
    }

    /// `None` if the payload is malformed.
    #[must_use]
    pub fn decode(mut payload: &[u8]) -> Option<Status> {
        let mut fields = rlp::list(&mut payload).ok()?;
        rlp::end(payload).ok()?;
        let version = rlp::uint(&mut fields).ok()?;
        let network_id = rlp::uint(&mut fields).ok()?;
        let total_difficulty = rlp::string(&mut fields).ok()?;
        if total_difficulty.len() > 32 || total_difficulty.first() == Some(&0) {
            return None;
        }
        let head = rlp::hash(&mut fields).ok()?;
        let genesis = rlp::hash(&mut fields).ok()?;
        let fork = handshake::fork(&mut fields)?;
        rlp::end(fields).ok()?;
        Some(Status {
            version,
            network_id,
            total_difficulty: total_difficulty.to_vec(),
            head,
            genesis,
            fork,
        })
    }
}

/// The payload of NewBlockHashes for one block.
#[must_use]
pub fn put_new_block(hash: &Hash, number: u64) -> Vec<u8> {
    let mut block = Vec::new();
    rlp::put_string(hash, &mut block);
    rlp::put_uint(number, &mut block);
    rlp::wrap(&rlp::wrap(&block))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_reads_back_and_a_total_difficulty_has_at_most_32_bytes_without_leading_zeros() {
        let status = |total_difficulty: &[u8]| Status {
            total_difficulty: total_difficulty.to_vec(),
            ..Status::new(1, [1; 32], [2; 32])
        };
        for total_difficulty in [&[][..], &[1], &[0x80], &[0xff; 32]] {
            let status = status(total_difficulty);
            assert_eq!(Status::decode(&status.encode()), Some(status));
        }
        for total_difficulty in [&[0][..], &[0, 1], &[0xff; 33]] {
            assert_eq!(Status::decode(&status(total_difficulty).encode()), None);
        }
    }
}
