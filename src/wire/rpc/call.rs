//! A call as JSON: `{ method, params }` (EIP-1193; the methods: execution-apis).

use serde::ser::{Serialize, SerializeSeq, SerializeStruct, Serializer};

use super::hex::data;
use super::{BlockRef, Call};

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
}

impl Serialize for Call {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut call = to.serialize_struct("Call", 2)?;
        call.serialize_field("method", self.method())?;
        call.serialize_field("params", &Params(self))?;
        call.end()
    }
}

/// The parameters of a call, a list.
struct Params<'a>(&'a Call);

impl Serialize for Params<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut params = to.serialize_seq(None)?;
        match self.0 {
            Call::ChainId => {}
            Call::Proof {
                address,
                slots,
                block,
            } => {
                params.serialize_element(&data(address))?;
                params.serialize_element(&Slots(slots))?;
                params.serialize_element(block)?;
            }
            Call::Code { address, block } => {
                params.serialize_element(&data(address))?;
                params.serialize_element(block)?;
            }
            Call::Header(hash) => {
                params.serialize_element(&data(&hash.0))?;
                // The hashes of transactions, and not the transactions.
                params.serialize_element(&false)?;
            }
        }
        params.end()
    }
}

/// Numbers of slots, 32 bytes each: go-ethereum gives such a key back as it came.
struct Slots<'a>(&'a [[u8; 32]]);

impl Serialize for Slots<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut slots = to.serialize_seq(Some(self.0.len()))?;
        for slot in self.0 {
            slots.serialize_element(&data(slot))?;
        }
        slots.end()
    }
}

impl Serialize for BlockRef {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            BlockRef::Hash(hash) => {
                // `serde-wasm-bindgen` makes a plain object of a struct, and a Map of a map.
                let mut block = to.serialize_struct("Block", 1)?;
                block.serialize_field("blockHash", &data(&hash.0))?;
                block.end()
            }
            BlockRef::Latest => to.serialize_str("latest"),
        }
    }
}
