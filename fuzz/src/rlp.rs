//! RLP as alloy-rlp reads and writes it: the truth about what the crate's own reader takes.

use alloy_rlp::{Encodable, Header};

/// An RLP item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Item {
    String(Vec<u8>),
    List(Vec<Item>),
}

impl Item {
    pub(crate) fn string(bytes: impl AsRef<[u8]>) -> Item {
        Item::String(bytes.as_ref().to_vec())
    }

    pub(crate) fn number(number: u64) -> Item {
        let bytes = number.to_be_bytes();
        Item::string(&bytes[number.leading_zeros() as usize / 8..])
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        match self {
            Item::String(bytes) => bytes.as_slice().encode(&mut out),
            Item::List(items) => {
                let payload: Vec<u8> = items.iter().flat_map(Item::encode).collect();
                let header = Header {
                    list: true,
                    payload_length: payload.len(),
                };
                header.encode(&mut out);
                out.extend(payload);
            }
        }
        out
    }

    pub(crate) fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            Item::String(bytes) => Some(bytes),
            Item::List(_) => None,
        }
    }

    pub(crate) fn as_list(&self) -> Option<&[Item]> {
        match self {
            Item::String(_) => None,
            Item::List(items) => Some(items),
        }
    }

    /// A canonical number of at most 64 bits.
    pub(crate) fn as_u64(&self) -> Option<u64> {
        let bytes = self.as_bytes()?;
        let is_canonical = bytes.len() <= 8 && bytes.first() != Some(&0);
        is_canonical.then(|| {
            bytes
                .iter()
                .fold(0, |number, byte| number << 8 | u64::from(*byte))
        })
    }
}

/// How deep lists may be nested here.
const MOST_NESTED: usize = 64;

/// The one item that the bytes are, with everything in it; `None` if they are none.
pub(crate) fn decode(bytes: &[u8]) -> Option<Item> {
    let mut rest = bytes;
    let item = next(&mut rest, MOST_NESTED)?;
    rest.is_empty().then_some(item)
}

fn next(rest: &mut &[u8], nested: usize) -> Option<Item> {
    let mut after = *rest;
    let header = Header::decode(&mut after).ok()?;
    let (mut payload, after) = after.split_at_checked(header.payload_length)?;
    *rest = after;
    if !header.list {
        return Some(Item::string(payload));
    }
    let nested = nested.checked_sub(1)?;
    let mut items = Vec::new();
    while !payload.is_empty() {
        items.push(next(&mut payload, nested)?);
    }
    Some(Item::List(items))
}

/// The encoded items of the list that `bytes` start with, as far as they are items. What is inside
/// them is not looked at.
pub(crate) fn fields(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut fields = Vec::new();
    let mut rest = bytes;
    let Ok(mut payload) = Header::decode_bytes(&mut rest, true) else {
        return fields;
    };
    loop {
        let mut after = payload;
        let Ok(header) = Header::decode(&mut after) else {
            return fields;
        };
        let length = payload.len() - after.len() + header.payload_length;
        let Some((field, rest)) = payload.split_at_checked(length) else {
            return fields;
        };
        fields.push(field.to_vec());
        payload = rest;
    }
}
