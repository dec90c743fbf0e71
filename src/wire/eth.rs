//! The messages of eth that are used (devp2p `caps/eth.md`): one header by its hash, the head that
//! a peer announces (eth/69: EIP-7642), and trie nodes and bytecodes by hash (eth/66: EIP-2481).

use super::capabilities::Offsets;
use super::rlp::{RlpReader, frame};
use super::rpc::{HeaderError, JsonValue, header_rlp};
use super::{Answer, PeerFault};
use crate::hash::Hash;
use crate::state::Block;
use crate::trie::keccak;

/// Says who a peer is. The ids are relative to the capability's offset.
pub(super) const STATUS: u64 = 0x00;
/// Announces new blocks, in eth/66.
pub(super) const NEW_BLOCK_HASHES: u64 = 0x01;
/// Asks for headers.
const GET_BLOCK_HEADERS: u64 = 0x03;
/// Answers [`GET_BLOCK_HEADERS`].
pub(super) const BLOCK_HEADERS: u64 = 0x04;
/// Asks for trie nodes and bytecodes, in eth/66.
const GET_NODE_DATA: u64 = 0x0d;
/// Answers [`GET_NODE_DATA`].
pub(super) const NODE_DATA: u64 = 0x0e;
/// Announces which blocks a peer has, in eth/69.
pub(super) const BLOCK_RANGE_UPDATE: u64 = 0x11;

/// How many bytes a request for one header is taken to ask for. A header of the current fork has
/// some 600 (`docs/websocket-peers.md`, section 12, shows one of 624), and later forks append
/// fields.
pub const HEADER_BYTES: u64 = 4096;

/// Fields of a header (yellow paper, section 4.3) in front of the state root: parent, uncles,
/// beneficiary.
const BEFORE_STATE_ROOT: usize = 3;
/// Fields between state root and number: transactions root, receipts root, bloom, difficulty.
const BEFORE_NUMBER: usize = 4;
/// Fields between number and timestamp: gas limit, gas used.
const BEFORE_TIMESTAMP: usize = 2;

/// A block and its state root, read from a header that hashes to the block's hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VerifiedHeader {
    block: Block,
    state_root: Hash,
}

impl VerifiedHeader {
    /// The block.
    pub fn block(&self) -> Block {
        self.block
    }

    /// Root of the state after the block. This is the one place that says which block's post-state
    /// the root in a header is. Today it is the header's own block. EIP-7862 (delayed state root)
    /// would put the root of the parent's post-state into a header, and change only this.
    pub fn state_root(&self) -> Hash {
        self.state_root
    }

    /// Reads a BlockHeaders, `[request id, [header, ...]]`, that answers a request for the one
    /// header with this hash. A header is an RLP list. `None` if the peer does not have it.
    ///
    /// # Errors
    /// [`PeerFault::TooMuch`], [`PeerFault::WrongHeader`] or [`PeerFault::Malformed`].
    pub fn read(answer: Answer<'_>, hash: &Hash) -> Result<Option<VerifiedHeader>, PeerFault> {
        let mut headers = answer.only_list()?;
        let Some(rlp) = headers.next_item()? else {
            return Ok(None);
        };
        if !headers.is_empty() {
            return Err(PeerFault::TooMuch);
        }
        match VerifiedHeader::of_rlp(rlp, Some(hash)) {
            Ok(header) => Ok(Some(header)),
            Err(HeaderError::WrongHash(_)) => Err(PeerFault::WrongHeader),
            Err(_) => Err(PeerFault::Malformed("an RLP list is no block header")),
        }
    }

    /// Reads a header's RLP. Its Keccak-256 is the hash of the block, and has to be `expected`,
    /// where the caller knows that.
    ///
    /// # Errors
    /// [`HeaderError::WrongHash`], [`HeaderError::Malformed`].
    pub fn of_rlp(rlp: &[u8], expected: Option<&Hash>) -> Result<VerifiedHeader, HeaderError> {
        let hash = keccak(rlp);
        if expected.is_some_and(|expected| *expected != hash) {
            return Err(HeaderError::WrongHash(hash));
        }
        VerifiedHeader::fields(rlp, hash).map_err(|_| HeaderError::Malformed)
    }

    /// The same for a header in JSON, as any client writes it.
    ///
    /// # Errors
    /// [`HeaderError`].
    pub fn of_json(
        header: &impl JsonValue,
        expected: Option<&Hash>,
    ) -> Result<VerifiedHeader, HeaderError> {
        VerifiedHeader::of_rlp(&header_rlp(header)?, expected)
    }

    fn fields(rlp: &[u8], hash: Hash) -> Result<VerifiedHeader, PeerFault> {
        let mut fields = RlpReader::list_of(rlp)?;
        skip(&mut fields, BEFORE_STATE_ROOT)?;
        let state_root = fields.hash()?;
        skip(&mut fields, BEFORE_NUMBER)?;
        let number = fields.u64()?;
        skip(&mut fields, BEFORE_TIMESTAMP)?;
        let timestamp = fields.u64()?;
        let block = Block {
            hash,
            number,
            timestamp,
        };
        Ok(VerifiedHeader { block, state_root })
    }
}

/// The newest block that a peer says it has. Nothing proves it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Number of the block. The Status of eth/66 does not name it.
    pub number: Option<u64>,
    /// Hash of the block.
    pub hash: Hash,
}

impl Head {
    /// Reads `earliest block, latest block, latest block's hash`: the fields of a BlockRangeUpdate,
    /// and the last fields of a Status.
    pub(super) fn read(fields: &mut RlpReader<'_>) -> Result<Head, PeerFault> {
        let (earliest, number) = (fields.u64()?, fields.u64()?);
        // go-ethereum takes this for a breach too.
        if earliest > number {
            return Err(PeerFault::Malformed(
                "the earliest block is after the latest",
            ));
        }
        Ok(Head {
            number: Some(number),
            hash: fields.hash()?,
        })
    }

    /// Reads a NewBlockHashes, `[[hash, number], ...]`: the block with the highest number. `None`
    /// if there is none.
    pub(super) fn announced(blocks: &mut RlpReader<'_>) -> Result<Option<Head>, PeerFault> {
        let mut head: Option<Head> = None;
        while !blocks.is_empty() {
            let mut block = blocks.list()?;
            let (hash, number) = (block.hash()?, Some(block.u64()?));
            if head.is_none_or(|head| head.number < number) {
                head = Some(Head { number, hash });
            }
        }
        Ok(head)
    }
}

/// The frame that asks for the header of one block: GetBlockHeaders,
/// `[request id, [start hash, amount, skip, reverse]]`.
pub(super) fn get_header(offsets: Offsets, id: u64, hash: &Hash) -> Vec<u8> {
    frame(offsets.eth(GET_BLOCK_HEADERS), |list| {
        list.u64(id).list(|query| {
            // One header. Skip and direction mean nothing then.
            query.bytes(&hash.0).u64(1).u64(0).u64(0);
        });
    })
}

/// The frame that asks for node data: GetNodeData, `[request id, [hash, ...]]`.
pub(super) fn get_node_data(offsets: Offsets, id: u64, hashes: &[Hash]) -> Vec<u8> {
    frame(offsets.eth(GET_NODE_DATA), |list| {
        list.u64(id).hashes(hashes);
    })
}

fn skip(fields: &mut RlpReader<'_>, count: usize) -> Result<(), PeerFault> {
    (0..count).try_for_each(|_| fields.bytes().map(|_| ()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::rlp::RlpWriter;
    use super::*;

    fn header(number: u64) -> Vec<u8> {
        let mut writer = RlpWriter::new();
        writer.list(|fields| {
            for _ in 0..3 {
                fields.bytes(&[1; 32]);
            }
            fields.bytes(&[7; 32]).bytes(&[2; 32]).bytes(&[2; 32]);
            fields.bytes(&[0; 256]).u64(0).u64(number).u64(30_000_000);
            fields.u64(21_000).u64(1_700_000_000).bytes(b"extra");
        });
        writer.into_bytes()
    }

    fn payload(headers: &[&[u8]]) -> Vec<u8> {
        let mut all: Vec<u8> = Vec::new();
        headers
            .iter()
            .for_each(|header| all.extend_from_slice(header));
        let mut message = vec![5];
        let mut list = Vec::new();
        alloy_rlp::Header {
            list: true,
            payload_length: all.len(),
        }
        .encode(&mut list);
        message.extend(list);
        message.extend(all);
        let mut out = Vec::new();
        alloy_rlp::Header {
            list: true,
            payload_length: message.len(),
        }
        .encode(&mut out);
        out.extend(message);
        out
    }

    fn read(payload: &[u8], hash: &Hash) -> Result<Option<VerifiedHeader>, PeerFault> {
        VerifiedHeader::read(Answer::split(payload).unwrap(), hash)
    }

    #[test]
    fn a_header_with_the_right_hash_yields_root_number_and_time() {
        let rlp = header(20);
        let found = read(&payload(&[&rlp]), &keccak(&rlp)).unwrap().unwrap();
        assert_eq!(found.state_root(), Hash([7; 32]));
        assert_eq!(found.block().hash, keccak(&rlp));
        assert_eq!(found.block().number, 20);
        assert_eq!(found.block().timestamp, 1_700_000_000);
    }

    #[test]
    fn another_header_is_the_peers_fault() {
        let (asked, other) = (header(20), header(21));
        let fault = read(&payload(&[&other]), &keccak(&asked)).unwrap_err();
        assert_eq!(fault, PeerFault::WrongHeader);
    }

    #[test]
    fn no_header_means_the_peer_has_none_and_two_are_too_many() {
        let rlp = header(20);
        assert_eq!(read(&payload(&[]), &keccak(&rlp)), Ok(None));
        let two = read(&payload(&[&rlp, &rlp]), &keccak(&rlp));
        assert_eq!(two, Err(PeerFault::TooMuch));
    }

    #[test]
    fn a_list_with_the_right_hash_that_is_not_a_header_is_malformed() {
        let mut writer = RlpWriter::new();
        writer.list(|fields| {
            fields.u64(1);
        });
        let rlp = writer.into_bytes();
        let fault = read(&payload(&[&rlp]), &keccak(&rlp)).unwrap_err();
        assert!(matches!(fault, PeerFault::Malformed(_)), "{fault:?}");
    }
}
