//! Block headers: their encoding, and a chain of them that answers requests.
//!
//! Only states are behind these headers. Transactions, receipts and withdrawals are those of
//! empty blocks: a client only checks that a header hashes to the hash that it asked for.

use crate::{EMPTY_ROOT, Hash, handshake::eth, keccak::keccak, rlp};
use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

/// The state root of mainnet's first block. A server with this state serves mainnet.
pub const MAINNET_GENESIS_ROOT: Hash = [
    0xd7, 0xf8, 0x97, 0x4f, 0xb5, 0xac, 0x78, 0xd9, 0xac, 0x09, 0x9b, 0x9a, 0xd5, 0x01, 0x8b, 0xed,
    0xc2, 0xce, 0x0a, 0x72, 0xda, 0xd1, 0x82, 0x7a, 0x17, 0x09, 0xda, 0x30, 0x58, 0x0f, 0x05, 0x44,
];
/// The hash of mainnet's first block.
pub const MAINNET_GENESIS: Hash = [
    0xd4, 0xe5, 0x67, 0x40, 0xf8, 0x76, 0xae, 0xf8, 0xc0, 0x10, 0xb8, 0x6a, 0x40, 0xd5, 0xf5, 0x67,
    0x45, 0xa1, 0x18, 0xd0, 0x90, 0x6a, 0x34, 0xe6, 0x9a, 0xec, 0x8c, 0x0d, 0xb1, 0xcb, 0x8f, 0xa3,
];

/// A header. Its RLP, which is hashed and sent, is a list.
///
/// In Frontier, mainnet's first fork, the list is `[parentHash, ommersHash, coinbase B_20,
/// stateRoot, transactionsRoot, receiptsRoot, logsBloom B_256, difficulty P, number P, gasLimit P,
/// gasUsed P, timestamp P, extraData B, mixHash, nonce B_8]`. Since Prague, `baseFeePerGas P,
/// withdrawalsRoot, blobGasUsed P, excessBlobGas P, parentBeaconBlockRoot, requestsHash` follow.
/// Hashes are B_32.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Hash of the parent block. Zero for block 0.
    pub parent: Hash,
    /// Root of the state after the block.
    pub state_root: Hash,
    /// The block's number: how many blocks are before it.
    pub number: u64,
    /// Unix time in seconds.
    pub timestamp: u64,
    /// At most 32 bytes that the block's maker chose.
    pub extra_data: Vec<u8>,
    fork: Fork,
}

/// Which fields the header has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fork {
    /// Mainnet's genesis block only.
    Frontier,
    /// Prague and Osaka, which have the same fields.
    Prague,
}

impl Header {
    /// Time of block 0. It is fixed, so that the same states always give the same hashes.
    pub const GENESIS_TIME: u64 = 1_750_000_000;
    /// Seconds between blocks.
    pub const SECONDS_PER_BLOCK: u64 = 12;

    /// A header of the current fork.
    #[must_use]
    pub fn new(number: u64, parent: Hash, state_root: Hash) -> Header {
        let age = number.saturating_mul(Header::SECONDS_PER_BLOCK);
        Header {
            parent,
            state_root,
            number,
            timestamp: Header::GENESIS_TIME.saturating_add(age),
            extra_data: b"snaplight-peer".to_vec(),
            fork: Fork::Prague,
        }
    }

    /// Mainnet's block 0, whose hash is well known.
    #[must_use]
    pub fn mainnet_genesis() -> Header {
        Header {
            parent: [0; 32],
            state_root: MAINNET_GENESIS_ROOT,
            number: 0,
            timestamp: 0,
            extra_data: vec![
                0x11, 0xbb, 0xe8, 0xdb, 0x4e, 0x34, 0x7b, 0x4e, 0x8c, 0x93, 0x7c, 0x1c, 0x83, 0x70,
                0xe4, 0xb5, 0xed, 0x33, 0xad, 0xb3, 0xdb, 0x69, 0xcb, 0xdb, 0x7a, 0x38, 0xe1, 0xe5,
                0x0b, 0x1b, 0x82, 0xfa,
            ],
            fork: Fork::Frontier,
        }
    }

    /// The header's RLP.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let is_frontier = self.fork == Fork::Frontier;
        let (difficulty, gas_limit) = if is_frontier {
            (0x4_0000_0000, 5000)
        } else {
            (0, 45_000_000)
        };
        // Proof of stake puts its random number here (EIP-4399).
        let mix = if is_frontier {
            [0; 32]
        } else {
            keccak(&self.parent)
        };
        let nonce: u64 = if is_frontier { 0x42 } else { 0 };
        let mut fields = Vec::with_capacity(640);
        rlp::put_string(&self.parent, &mut fields);
        rlp::put_string(&EMPTY_OMMERS, &mut fields);
        rlp::put_string(&[0; 20], &mut fields);
        rlp::put_string(&self.state_root, &mut fields);
        rlp::put_string(&EMPTY_ROOT, &mut fields);
        rlp::put_string(&EMPTY_ROOT, &mut fields);
        rlp::put_string(&[0; 256], &mut fields);
        rlp::put_uint(difficulty, &mut fields);
        rlp::put_uint(self.number, &mut fields);
        rlp::put_uint(gas_limit, &mut fields);
        rlp::put_uint(0, &mut fields);
        rlp::put_uint(self.timestamp, &mut fields);
        rlp::put_string(&self.extra_data, &mut fields);
        rlp::put_string(&mix, &mut fields);
        rlp::put_string(&nonce.to_be_bytes(), &mut fields);
        if !is_frontier {
            rlp::put_uint(1_000_000_000, &mut fields);
            rlp::put_string(&EMPTY_ROOT, &mut fields);
            rlp::put_uint(0, &mut fields);
            rlp::put_uint(0, &mut fields);
            rlp::put_string(&keccak(&mix), &mut fields);
            rlp::put_string(&EMPTY_REQUESTS, &mut fields);
        }
        rlp::wrap(&fields)
    }

    /// The block's hash.
    #[must_use]
    pub fn hash(&self) -> Hash {
        keccak(&self.encode())
    }
}

/// Keccak-256 of an empty RLP list.
const EMPTY_OMMERS: Hash = [
    0x1d, 0xcc, 0x4d, 0xe8, 0xde, 0xc7, 0x5d, 0x7a, 0xab, 0x85, 0xb5, 0x67, 0xb6, 0xcc, 0xd4, 0x1a,
    0xd3, 0x12, 0x45, 0x1b, 0x94, 0x8a, 0x74, 0x13, 0xf0, 0xa1, 0x42, 0xfd, 0x40, 0xd4, 0x93, 0x47,
];
/// EIP-7685's hash of no requests: SHA-256 of nothing.
const EMPTY_REQUESTS: Hash = [
    0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24,
    0x27, 0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
];

/// A block of the served chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// The header's hash.
    pub hash: Hash,
    /// The header that `hash` is the hash of.
    pub header: Header,
    /// The header's RLP.
    pub encoded: Arc<[u8]>,
}

impl From<Header> for Block {
    fn from(header: Header) -> Block {
        let encoded = header.encode();
        Block {
            hash: keccak(&encoded),
            header,
            encoded: encoded.into(),
        }
    }
}

/// The newest blocks of a chain without forks. There is always at least one.
#[derive(Debug, Clone)]
pub struct Blocks {
    /// In the order of their numbers, without gaps. Bound: `Blocks::KEPT`.
    blocks: VecDeque<Arc<Block>>,
    numbers: HashMap<Hash, u64>,
}

impl Blocks {
    /// How many blocks are held. Real nodes hold all headers; tests need fewer. Chosen without a
    /// measurement.
    pub const KEPT: usize = 8192;
    /// The most headers in an answer, as in go-ethereum.
    pub const ANSWER_LIMIT: u64 = 1024;
    /// An answer ends once it has this many bytes, as in go-ethereum.
    const ANSWER_BYTES: usize = 2 * 1024 * 1024;

    /// A chain that begins with this block. Its number need not be 0.
    #[must_use]
    pub fn new(first: Header) -> Blocks {
        let mut blocks = Blocks {
            blocks: VecDeque::new(),
            numbers: HashMap::new(),
        };
        blocks.append(first);
        blocks
    }

    /// Adds a block with this state root, and returns it.
    pub fn push(&mut self, state_root: Hash) -> Arc<Block> {
        let head = self.head();
        self.append(Header::new(head.header.number + 1, head.hash, state_root))
    }

    fn append(&mut self, header: Header) -> Arc<Block> {
        let block = Arc::new(Block::from(header));
        self.numbers.insert(block.hash, block.header.number);
        self.blocks.push_back(Arc::clone(&block));
        if self.blocks.len() > Blocks::KEPT
            && let Some(oldest) = self.blocks.pop_front()
        {
            self.numbers.remove(&oldest.hash);
        }
        block
    }

    /// The same chain without its newest `count` blocks. The oldest block always stays.
    #[must_use]
    pub fn without_newest(&self, count: usize) -> Blocks {
        let mut older = self.clone();
        for _ in 0..count.min(self.blocks.len() - 1) {
            if let Some(block) = older.blocks.pop_back() {
                older.numbers.remove(&block.hash);
            }
        }
        older
    }

    /// The newest block.
    #[must_use]
    pub fn head(&self) -> &Arc<Block> {
        &self.blocks[self.blocks.len() - 1]
    }

    /// The oldest block that is held.
    #[must_use]
    pub fn first(&self) -> &Arc<Block> {
        &self.blocks[0]
    }

    /// The block with this number.
    #[must_use]
    pub fn at(&self, number: u64) -> Option<&Arc<Block>> {
        let index = number.checked_sub(self.first().header.number)?;
        self.blocks.get(usize::try_from(index).ok()?)
    }

    /// The block with this hash.
    #[must_use]
    pub fn get(&self, hash: &Hash) -> Option<&Arc<Block>> {
        self.at(*self.numbers.get(hash)?)
    }

    /// The answer to a request for headers, by go-ethereum's rules: the headers up to the first
    /// missing one. It is empty if the first header is missing.
    #[must_use]
    pub fn answer(&self, request: &GetBlockHeaders) -> Vec<Arc<Block>> {
        let count = request.amount.min(Blocks::ANSWER_LIMIT);
        let (mut number, mut count) = match request.start {
            Start::Number(number) => (number, count),
            Start::Hash(hash) => match self.numbers.get(&hash) {
                Some(number) => (*number, count),
                None => return Vec::new(),
            },
        };
        let head = self.head().header.number;
        if request.reverse && request.skip == 0 && number > head {
            // With a number, in reverse and without skips, go-ethereum counts the headers beyond
            // the head as
            // left out of the answer.
            count = count.saturating_sub(number - head);
            number = head;
        }
        let step = request.skip.saturating_add(1);
        let mut headers = Vec::new();
        let mut size = 0;
        while (headers.len() as u64) < count && size < Blocks::ANSWER_BYTES {
            let Some(block) = self.at(number) else { break };
            size += block.encoded.len();
            headers.push(Arc::clone(block));
            let next = if request.reverse {
                number.checked_sub(step)
            } else {
                number.checked_add(step)
            };
            let Some(next) = next else { break };
            number = next;
        }
        headers
    }
}

/// A request for headers: `[reqId P, [start P or B_32, amount P, skip P, reverse P]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GetBlockHeaders {
    /// The request id, which the answer repeats.
    pub id: u64,
    /// The first header that is wanted.
    pub start: Start,
    /// How many headers are wanted.
    pub amount: u64,
    /// How many blocks are skipped between two headers.
    pub skip: u64,
    /// Whether the numbers descend.
    pub reverse: bool,
}

/// Where a request for headers begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// At the block with this number.
    Number(u64),
    /// At the block with this hash.
    Hash(Hash),
}

impl GetBlockHeaders {
    /// The message's code, relative to eth's first id.
    pub const CODE: u64 = eth::GET_BLOCK_HEADERS;

    /// `None` if the payload is malformed.
    #[must_use]
    pub fn decode(mut payload: &[u8]) -> Option<GetBlockHeaders> {
        let mut fields = rlp::list(&mut payload).ok()?;
        rlp::end(payload).ok()?;
        let id = rlp::uint(&mut fields).ok()?;
        let mut query = rlp::list(&mut fields).ok()?;
        rlp::end(fields).ok()?;
        // A hash with its RLP header has 33 bytes. go-ethereum takes a hash of zeros for number 0.
        let start = match rlp::hash(&mut query.get(..33).unwrap_or_default()) {
            Ok(hash) => {
                rlp::string(&mut query).ok()?;
                if hash == [0; 32] {
                    Start::Number(0)
                } else {
                    Start::Hash(hash)
                }
            }
            Err(_) => Start::Number(rlp::uint(&mut query).ok()?),
        };
        let amount = rlp::uint(&mut query).ok()?;
        let skip = rlp::uint(&mut query).ok()?;
        let reverse = match rlp::uint(&mut query).ok()? {
            0 => false,
            1 => true,
            _ => return None,
        };
        rlp::end(query).ok()?;
        Some(GetBlockHeaders {
            id,
            start,
            amount,
            skip,
            reverse,
        })
    }

    /// The request's payload.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut query = Vec::new();
        match &self.start {
            Start::Number(number) => rlp::put_uint(*number, &mut query),
            Start::Hash(hash) => rlp::put_string(hash, &mut query),
        }
        rlp::put_uint(self.amount, &mut query);
        rlp::put_uint(self.skip, &mut query);
        rlp::put_uint(u64::from(self.reverse), &mut query);
        let mut fields = Vec::new();
        rlp::put_uint(self.id, &mut fields);
        fields.extend(rlp::wrap(&query));
        rlp::wrap(&fields)
    }
}

/// The payload of BlockHeaders: `[reqId P, [header, ...]]`.
#[must_use]
pub fn put_headers<H: AsRef<[u8]>>(id: u64, headers: &[H]) -> Vec<u8> {
    let list: Vec<u8> = headers
        .iter()
        .flat_map(|header| header.as_ref().iter().copied())
        .collect();
    let mut fields = Vec::new();
    rlp::put_uint(id, &mut fields);
    fields.extend(rlp::wrap(&list));
    rlp::wrap(&fields)
}
