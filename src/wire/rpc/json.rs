//! What providers answer, read leniently from JSON: JavaScript values in the browser, and recorded
//! text in tests.
//!
//! Every field may be missing, null, of another type, or written in another way than the
//! specification says (`docs/providers.md` lists what clients do). That is no fault: nothing of it
//! is believed. What is counted is counted before it is collected.

use super::hex::{as_u64, data, read_data, read_quantity};
use super::{CallError, Claimed, Proof};
use crate::hash::Hash;
use crate::trie::node::MAX_NODE;

/// Most nodes of one proof: a path of 64 nibbles, and some empty items that clients add.
const MAX_PATH_NODES: usize = 80;
/// Characters of a node in hex: `0x`, and two for each byte.
const MAX_NODE_TEXT: usize = 2 + 2 * MAX_NODE;
/// Characters of any other field of a proof that are looked at: a number of 256 bits in hex, with
/// room for leading zeros.
const MAX_NUMBER_TEXT: usize = 256;
/// Bytes of a code: what EIP-170 and EIP-7907 allow is far below it, and a code is proven by its
/// hash.
const MAX_CODE: usize = 1024 * 1024;

/// A value of JSON. Answers are read by these few questions and not by serde: its deserializers and
/// the words of their errors made the module 18 kB larger as brotli sends it.
pub trait JsonValue: Sized {
    /// Whether it is null, or nothing at all.
    fn is_null(&self) -> bool;

    /// Whether it is an object, which has fields.
    fn is_object(&self) -> bool;

    /// The field of this name; `None` if there is none, or if it can't be read.
    fn field(&self, name: &str) -> Option<Self>;

    /// How many items it has; `None` if it is no list.
    fn length(&self) -> Option<usize>;

    /// The item at this place; `None` if there is none.
    fn item(&self, index: usize) -> Option<Self>;

    /// The text, if it is one of at most so many characters. A longer one is not copied.
    fn as_text(&self, most: usize) -> Option<String>;

    /// The number, if it is a whole one from 0.
    fn as_number(&self) -> Option<u64>;
}

/// What is wrong with an answer, in words.
pub(super) type Fault = &'static str;

/// The text of a value of at most so many characters. A number is written as hex.
pub(super) fn text_of(value: &impl JsonValue, most: usize) -> Option<String> {
    let number = || value.as_number().map(|number| data(&number.to_be_bytes()));
    let text = value.as_text(most).or_else(number);
    text.filter(|text| text.len() <= most)
}

/// The text of a field, as [`text_of`] has it.
pub(super) fn field_text(object: &impl JsonValue, name: &str, most: usize) -> Option<String> {
    text_of(&object.field(name)?, most)
}

/// A field that is a number, 32 bytes big-endian.
fn quantity(object: &impl JsonValue, name: &str) -> Option<[u8; 32]> {
    read_quantity(&field_text(object, name, MAX_NUMBER_TEXT)?)
}

/// Calls `each` with the items of a field that is a list. One that is missing or null is an empty
/// list. More than `most` items are a fault, found before they are collected.
fn each_item<V: JsonValue>(
    object: &V,
    name: &str,
    most: usize,
    each: &mut dyn FnMut(V) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let Some(list) = object.field(name).filter(|list| !list.is_null()) else {
        return Ok(());
    };
    let length = list.length().ok_or("something else stands for a list")?;
    if length > most {
        return Err("more items than asked for");
    }
    (0..length)
        .filter_map(|index| list.item(index))
        .try_for_each(each)
}

/// Reads the nodes of one proof into `nodes`. An empty item, which some clients add, is left out.
fn read_nodes(object: &impl JsonValue, name: &str, nodes: &mut Vec<Vec<u8>>) -> Result<(), Fault> {
    each_item(object, name, MAX_PATH_NODES, &mut |item| {
        let node = text_of(&item, MAX_NODE_TEXT).and_then(|text| read_data(&text));
        let node = node.ok_or("a proof has an item that is no trie node")?;
        if !node.is_empty() {
            nodes.push(node);
        }
        Ok(())
    })
}

/// Reads the answer to `eth_getProof` of so many slots; `None` if it is null.
pub(super) fn read_proof(answer: &impl JsonValue, slots: usize) -> Result<Option<Proof>, Fault> {
    if answer.is_null() {
        return Ok(None);
    }
    let no_proof = "something else stands for a proof";
    if !answer.is_object() {
        return Err(no_proof);
    }
    let mut proof = Proof {
        nodes: Vec::new(),
        claimed: Claimed {
            balance: quantity(answer, "balance"),
            nonce: quantity(answer, "nonce").as_ref().and_then(as_u64),
            code_hash: quantity(answer, "codeHash").map(Hash),
            storage_hash: quantity(answer, "storageHash").map(Hash),
            slots: Vec::new(),
        },
    };
    read_nodes(answer, "accountProof", &mut proof.nodes)?;
    each_item(answer, "storageProof", slots, &mut |slot| {
        if !slot.is_object() {
            return Err(no_proof);
        }
        let claimed = (quantity(&slot, "key"), quantity(&slot, "value"));
        if let (Some(key), Some(value)) = claimed {
            proof.claimed.slots.push((key, value));
        }
        read_nodes(&slot, "proof", &mut proof.nodes)
    })?;
    Ok(Some(proof))
}

/// Reads an answer that is bytes in hex; `None` if it is null.
pub(super) fn read_code(answer: &impl JsonValue) -> Result<Option<Vec<u8>>, Fault> {
    if answer.is_null() {
        return Ok(None);
    }
    let code = text_of(answer, 2 + 2 * MAX_CODE).and_then(|text| read_data(&text));
    code.map(Some).ok_or("a code that is no hex")
}

/// Reads an answer that is a number; `None` if it is null.
pub(super) fn read_number(answer: &impl JsonValue) -> Option<u64> {
    as_u64(&read_quantity(&text_of(answer, MAX_NUMBER_TEXT)?)?)
}

impl CallError {
    /// What an answer of null stands for: the provider does not have what was asked for.
    pub(super) fn null() -> CallError {
        CallError {
            message: NULL_RESULT.to_owned(),
            ..CallError::default()
        }
    }
}

/// The message of [`CallError::null`].
pub(super) const NULL_RESULT: &str = "null result";

impl Claimed {
    /// The value that is claimed for this slot.
    pub(crate) fn slot(&self, number: &[u8; 32]) -> Option<[u8; 32]> {
        let mut slots = self.slots.iter();
        slots
            .find(|(claimed, _)| claimed == number)
            .map(|(_, value)| *value)
    }
}
