//! A block's header as JSON (execution-apis), and its RLP (yellow paper, section 4.3; the fields of
//! later forks: EIP-1559, EIP-4895, EIP-4844, EIP-4788, EIP-7685, EIP-7928, EIP-7843).

use core::fmt;

use serde::Deserializer;
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, Visitor};

use super::hex::{read_data, read_quantity};
use super::json::{Text, TextSeed};
use crate::hash::Hash;
use crate::wire::rlp::RlpWriter;

/// How a field is written in RLP.
#[derive(Clone, Copy)]
enum Form {
    /// So many bytes.
    Bytes(usize),
    /// Bytes of any number.
    Data,
    /// A number without leading zeros.
    Number,
}

/// How many fields a header has at most.
const FIELDS: usize = NAMES.len();
/// The names of the fields in the order of RLP.
const NAMES: &[&str; 23] = &[
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

fn form(name: &str) -> Form {
    match name {
        "miner" => Form::Bytes(20),
        "logsBloom" => Form::Bytes(256),
        "nonce" => Form::Bytes(8),
        "extraData" => Form::Data,
        "difficulty" | "number" | "gasLimit" | "gasUsed" | "timestamp" | "baseFeePerGas"
        | "blobGasUsed" | "excessBlobGas" | "slotNumber" => Form::Number,
        _ => Form::Bytes(32),
    }
}

/// A header's fields as some client wrote them. They prove nothing: what they are is shown by the
/// hash of their RLP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderJson([Text; FIELDS]);

impl HeaderJson {
    /// The header's RLP.
    ///
    /// # Errors
    /// [`HeaderError::Field`] names the field that is missing, or does not decode.
    pub fn to_rlp(&self) -> Result<Vec<u8>, HeaderError> {
        let is_there = |index: usize| self.0[index].within(usize::MAX).is_some();
        let later = (ALWAYS..FIELDS).filter(|index| is_there(*index));
        let count = later.last().map_or(ALWAYS, |last| last + 1);
        let mut fault = None;
        let mut rlp = RlpWriter::new();
        rlp.list(|list| {
            for (name, text) in NAMES.iter().zip(&self.0).take(count) {
                match text
                    .within(MAX_TEXT)
                    .and_then(|text| encoded(form(name), text))
                {
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
fn encoded(form: Form, text: &str) -> Option<Vec<u8>> {
    match form {
        Form::Bytes(length) => read_data(text).filter(|bytes| bytes.len() == length),
        Form::Data => read_data(text),
        Form::Number => {
            let number = read_quantity(text)?;
            let zeros = number.iter().take_while(|byte| **byte == 0).count();
            number.get(zeros..).map(<[u8]>::to_vec)
        }
    }
}

/// Reads a header; `None` if it is null.
pub(super) struct HeaderSeed;

impl<'de> DeserializeSeed<'de> for HeaderSeed {
    type Value = Option<HeaderJson>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_option(self)
    }
}

impl<'de> Visitor<'de> for HeaderSeed {
    type Value = Option<HeaderJson>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a block's header")
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_none<E: serde::de::Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_some<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_struct("Header", NAMES, self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        let mut fields: [Text; FIELDS] = Default::default();
        while let Some(key) = entries.next_key::<String>()? {
            let place = NAMES.iter().position(|name| *name == key);
            match place.and_then(|index| fields.get_mut(index)) {
                Some(field) => *field = entries.next_value_seed(TextSeed)?,
                None => {
                    entries.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(Some(HeaderJson(fields)))
    }
}

impl<'de> serde::Deserialize<'de> for HeaderJson {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<HeaderJson, D::Error> {
        let header = HeaderSeed.deserialize(from)?;
        header.ok_or_else(|| serde::de::Error::custom("null stands where a header is due"))
    }
}
