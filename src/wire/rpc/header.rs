//! A block's header as JSON (execution-apis), and its RLP (yellow paper, section 4.3; the fields of
//! later forks: EIP-1559, EIP-4895, EIP-4844, EIP-4788, EIP-7685, EIP-7928, EIP-7843).

use core::fmt;

use super::hex::{read_data, read_quantity};
use super::json::{JsonValue, field_text};
use crate::hash::Hash;
use crate::wire::rlp::RlpWriter;

/// The names of the fields in the order of RLP.
const NAMES: [&str; 23] = [
    "parentHash",
    "sha3Uncles",
    "miner",
    "stateRoot",
    "transactionsRoot",
    "receiptsRoot",
    "logsBloom",
    "difficulty",
    "number",
    "gasLimit",
    "gasUsed",
    "timestamp",
    "extraData",
    "mixHash",
    "nonce",
    "baseFeePerGas",
    "withdrawalsRoot",
    "blobGasUsed",
    "excessBlobGas",
    "parentBeaconBlockRoot",
    "requestsHash",
    "blockAccessListHash",
    "slotNumber",
];
/// How many of the fields every header has. Each later one is there only if all before it are.
const ALWAYS: usize = 15;
/// Characters of a field that are looked at. The bloom filter has 514, and extra data some dozens
/// (some private networks put their validators there).
const MAX_TEXT: usize = 16 * 1024;

/// The RLP of a header in JSON, as any client writes it. It proves nothing: what it is is shown by
/// its hash.
///
/// # Errors
/// [`HeaderError::Field`] names the field that is missing, or does not decode.
pub fn header_rlp(header: &impl JsonValue) -> Result<Vec<u8>, HeaderError> {
    let texts: Vec<Option<String>> = NAMES
        .iter()
        .map(|name| field_text(header, name, MAX_TEXT))
        .collect();
    let last = texts.iter().rposition(Option::is_some);
    let count = last.map_or(0, |last| last + 1).max(ALWAYS);
    let mut fault = None;
    let mut rlp = RlpWriter::new();
    rlp.list(|list| {
        for (name, text) in NAMES.iter().zip(&texts).take(count) {
            match text.as_deref().and_then(|text| encoded(name, text)) {
                Some(bytes) => {
                    list.bytes(&bytes);
                }
                None => fault = fault.or(Some(*name)),
            }
        }
    });
    match fault {
        Some(name) => Err(HeaderError::Field(name)),
        None => Ok(rlp.into_bytes()),
    }
}

/// Why a header is not one, or not the one that was looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HeaderError {
    /// It is another block's. Holds that block's hash.
    WrongHash(Hash),
    /// It is not the RLP list of a header.
    Malformed,
    /// This field of the JSON is missing, or is not what it should be.
    Field(&'static str),
}

impl fmt::Display for HeaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HeaderError::WrongHash(hash) => write!(f, "the header hashes to {hash}"),
            HeaderError::Malformed => f.write_str("the bytes are not the RLP of a block header"),
            HeaderError::Field(name) => {
                write!(
                    f,
                    "the header's field '{name}' is missing or does not decode"
                )
            }
        }
    }
}

impl core::error::Error for HeaderError {}

/// The bytes of a field's RLP string.
fn encoded(name: &str, text: &str) -> Option<Vec<u8>> {
    let length = match name {
        "difficulty" | "number" | "gasLimit" | "gasUsed" | "timestamp" | "baseFeePerGas"
        | "blobGasUsed" | "excessBlobGas" | "slotNumber" => {
            let number = read_quantity(text)?;
            let zeros = number.iter().take_while(|byte| **byte == 0).count();
            return number.get(zeros..).map(<[u8]>::to_vec);
        }
        "extraData" => return read_data(text),
        "miner" => 20,
        "logsBloom" => 256,
        "nonce" => 8,
        _ => 32,
    };
    read_data(text).filter(|bytes| bytes.len() == length)
}
