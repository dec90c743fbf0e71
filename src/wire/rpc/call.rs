//! A call as JSON: `{ method, params }` (EIP-1193; the methods: execution-apis).

use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

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
        // A map and not a struct: `serde-wasm-bindgen` keeps the names of structs' fields in a hash
        // map, which is much code.
        let mut call = to.serialize_map(Some(2))?;
        call.serialize_entry("method", self.method())?;
        call.serialize_entry("params", &Params(self))?;
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
                let mut block = to.serialize_map(Some(1))?;
                block.serialize_entry("blockHash", &data(&hash.0))?;
                block.end()
            }
            BlockRef::Latest => to.serialize_str("latest"),
        }
    }
}
