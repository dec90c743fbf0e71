//! What providers answer, read leniently with `serde`: from JavaScript values in the browser, and
//! from JSON in tests.
//!
//! Every field may be missing, null, of another type, or written in another way than the
//! specification says (`docs/providers.md` lists what clients do). That is no fault: nothing of it
//! is believed. What is counted is counted before it is collected.

use core::fmt;

use serde::Deserializer;
use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::hex::{as_u64, read_data, read_quantity};
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

/// A field that may be anything: its text, if it is one. A number is written as hex.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Text(Option<String>);

impl Text {
    /// The text, if there is one of at most so many characters.
    pub(super) fn within(&self, most: usize) -> Option<&str> {
        self.0.as_deref().filter(|text| text.len() <= most)
    }

    fn number(&self) -> Option<[u8; 32]> {
        read_quantity(self.within(MAX_NUMBER_TEXT)?)
    }

    fn hash(&self) -> Option<Hash> {
        self.number().map(Hash)
    }
}

/// Reads a [`Text`].
pub(super) struct TextSeed;

impl<'de> DeserializeSeed<'de> for TextSeed {
    type Value = Text;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Text, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for TextSeed {
    type Value = Text;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text or a number")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Text, E> {
        Ok(Text(Some(text.to_owned())))
    }

    fn visit_string<E: Error>(self, text: String) -> Result<Text, E> {
        Ok(Text(Some(text)))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Text, E> {
        Ok(Text(Some(super::hex::data(&number.to_be_bytes()))))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Text, E> {
        match u64::try_from(number) {
            Ok(number) => self.visit_u64(number),
            Err(_) => Ok(Text(None)),
        }
    }

    fn visit_u128<E: Error>(self, number: u128) -> Result<Text, E> {
        Ok(Text(Some(super::hex::data(&number.to_be_bytes()))))
    }

    fn visit_f64<E: Error>(self, _number: f64) -> Result<Text, E> {
        Ok(Text(None))
    }

    fn visit_bool<E: Error>(self, _is: bool) -> Result<Text, E> {
        Ok(Text(None))
    }

    fn visit_unit<E: Error>(self) -> Result<Text, E> {
        Ok(Text(None))
    }

    fn visit_none<E: Error>(self) -> Result<Text, E> {
        Ok(Text(None))
    }

    fn visit_some<D: Deserializer<'de>>(self, from: D) -> Result<Text, D::Error> {
        self.deserialize(from)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Text, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Text(None))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Text, A::Error> {
        while entries.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Text(None))
    }
}

/// Reads a list of which the items are read by `item`. Null is an empty list. More than `most` items
/// are an error, found before they are collected.
struct ListSeed<'a> {
    most: usize,
    item: &'a mut dyn FnMut(Text),
}

impl<'de> DeserializeSeed<'de> for ListSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ListSeed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let mut count = 0;
        while let Some(item) = items.next_element_seed(TextSeed)? {
            if count == self.most {
                return Err(A::Error::custom("more items than asked for"));
            }
            count += 1;
            (self.item)(item);
        }
        Ok(())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_none<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_some<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        self.deserialize(from)
    }
}

/// Reads the nodes of one proof into `nodes`. An empty item, which some clients add, is left out.
fn nodes<'de, A: MapAccess<'de>>(
    entries: &mut A,
    nodes: &mut Vec<Vec<u8>>,
) -> Result<(), A::Error> {
    let mut is_bad = false;
    entries.next_value_seed(ListSeed {
        most: MAX_PATH_NODES,
        item: &mut |text| match text.within(MAX_NODE_TEXT).and_then(read_data) {
            Some(node) if node.is_empty() => {}
            Some(node) => nodes.push(node),
            None => is_bad = true,
        },
    })?;
    match is_bad {
        true => Err(A::Error::custom("a proof has an item that is no trie node")),
        false => Ok(()),
    }
}

/// Reads the answer to `eth_getProof`; `None` if it is null.
pub(super) struct ProofSeed {
    /// How many slots were asked for.
    pub(super) slots: usize,
}

const PROOF_FIELDS: &[&str] = &[
    "accountProof",
    "balance",
    "nonce",
    "codeHash",
    "storageHash",
    "storageProof",
];

impl<'de> DeserializeSeed<'de> for ProofSeed {
    type Value = Option<Proof>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Option<Proof>, D::Error> {
        from.deserialize_option(self)
    }
}

impl<'de> Visitor<'de> for ProofSeed {
    type Value = Option<Proof>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an answer to eth_getProof")
    }

    fn visit_unit<E: Error>(self) -> Result<Option<Proof>, E> {
        Ok(None)
    }

    fn visit_none<E: Error>(self) -> Result<Option<Proof>, E> {
        Ok(None)
    }

    fn visit_some<D: Deserializer<'de>>(self, from: D) -> Result<Option<Proof>, D::Error> {
        from.deserialize_struct("Proof", PROOF_FIELDS, self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Option<Proof>, A::Error> {
        let mut proof = Proof::default();
        while let Some(key) = entries.next_key::<String>()? {
            let claimed = &mut proof.claimed;
            match key.as_str() {
                "accountProof" => nodes(&mut entries, &mut proof.nodes)?,
                "balance" => claimed.balance = entries.next_value_seed(TextSeed)?.number(),
                "nonce" => {
                    let number = entries.next_value_seed(TextSeed)?.number();
                    claimed.nonce = number.as_ref().and_then(as_u64);
                }
                "codeHash" => claimed.code_hash = entries.next_value_seed(TextSeed)?.hash(),
                "storageHash" => claimed.storage_hash = entries.next_value_seed(TextSeed)?.hash(),
                "storageProof" => entries.next_value_seed(SlotsSeed {
                    most: self.slots,
                    proof: &mut proof,
                })?,
                _ => {
                    entries.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(Some(proof))
    }
}

/// Reads `storageProof`: a list of slots. Null is an empty list.
struct SlotsSeed<'a> {
    most: usize,
    proof: &'a mut Proof,
}

impl<'de> DeserializeSeed<'de> for SlotsSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_option(self)
    }
}

impl<'de> Visitor<'de> for SlotsSeed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of slots")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_none<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_some<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_seq(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let mut count = 0;
        while items.next_element_seed(SlotSeed(self.proof))?.is_some() {
            count += 1;
            if count > self.most {
                return Err(A::Error::custom("more slots than asked for"));
            }
        }
        Ok(())
    }
}

/// Reads one item of `storageProof`.
struct SlotSeed<'a>(&'a mut Proof);

const SLOT_FIELDS: &[&str] = &["key", "value", "proof"];

impl<'de> DeserializeSeed<'de> for SlotSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_struct("Slot", SLOT_FIELDS, self)
    }
}

impl<'de> Visitor<'de> for SlotSeed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a slot and its proof")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let (mut key, mut value) = (Text::default(), Text::default());
        while let Some(name) = entries.next_key::<String>()? {
            match name.as_str() {
                "key" => key = entries.next_value_seed(TextSeed)?,
                "value" => value = entries.next_value_seed(TextSeed)?,
                "proof" => nodes(&mut entries, &mut self.0.nodes)?,
                _ => {
                    entries.next_value::<IgnoredAny>()?;
                }
            }
        }
        if let (Some(key), Some(value)) = (key.number(), value.number()) {
            self.0.claimed.slots.push((key, value));
        }
        Ok(())
    }
}

/// Reads an answer that is bytes in hex; `None` if it is null.
pub(super) fn read_code<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Vec<u8>>, D::Error> {
    let text = TextSeed.deserialize(from)?;
    if text.0.is_none() {
        return Ok(None);
    }
    let code = text.within(2 + 2 * MAX_CODE).and_then(read_data);
    match code {
        Some(code) => Ok(Some(code)),
        None => Err(D::Error::custom("a code that is no hex")),
    }
}

/// Reads an answer that is a number; `None` if it is null.
pub(super) fn read_number<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    let text = TextSeed.deserialize(from)?;
    Ok(text.number().as_ref().and_then(as_u64))
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
