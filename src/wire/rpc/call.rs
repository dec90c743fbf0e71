//! A call as JSON: `{ method, params }` (EIP-1193; the methods: execution-apis).

use super::hex::data;
use super::{BlockRef, Call};

/// A parameter of a call, as JSON has it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Param {
    /// A string.
    Text(String),
    /// A list of strings. Bound: the slots that are asked for.
    Texts(Vec<String>),
    /// A boolean.
    Flag(bool),
    /// An object with one field, a string: its name and the string.
    Object(&'static str, String),
}

impl Call {
    /// The name of the method.
    pub fn method(&self) -> &'static str {
        match self {
            Call::ChainId => "eth_chainId",
            Call::Proof { .. } => "eth_getProof",
            Call::Code { .. } => "eth_getCode",
            Call::Header(_) => "eth_getBlockByHash",
        }
    }

    /// The parameters.
    pub fn params(&self) -> Vec<Param> {
        match self {
            Call::ChainId => Vec::new(),
            Call::Proof {
                address,
                slots,
                block,
            } => {
                // Numbers of 32 bytes: go-ethereum gives such a key back as it came.
                let slots = slots.iter().map(|slot| data(slot)).collect();
                vec![text(address), Param::Texts(slots), param(block)]
            }
            Call::Code { address, block } => vec![text(address), param(block)],
            // The hashes of transactions, and not the transactions.
            Call::Header(hash) => vec![text(&hash.0), Param::Flag(false)],
        }
    }
}

fn text(bytes: &[u8]) -> Param {
    Param::Text(data(bytes))
}

fn param(block: &BlockRef) -> Param {
    match block {
        BlockRef::Hash(hash) => Param::Object("blockHash", data(&hash.0)),
        BlockRef::Latest => Param::Text("latest".to_owned()),
    }
}
