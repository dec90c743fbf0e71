//! Keys and values as the browser keeps them. What comes back is checked for its type and its
//! length.

use super::{Stored, errors, global, turns};
use crate::{hash::Hash, state::PageId, store::StoreError};
use core::ops::Range;
use idb::KeyRange;
use js_sys::{Object, Uint8Array};
use wasm_bindgen::{JsCast, JsValue};

/// The largest integer that JavaScript counts exactly (`Number.MAX_SAFE_INTEGER`): page ids and
/// sequence numbers end here.
const MAX_NUMBER: u64 = (1 << 53) - 1;

/// Most bytes of a value. No value of ours comes near: pages stay under 64 KiB, and a block's gas
/// does not pay for so long a code. A longer one is not ours and counts as missing, so that a
/// forged database cannot exhaust the memory.
const MAX_VALUE: u32 = 4 * 1024 * 1024;

/// What stands before a scope's version in its key.
const SCOPE_PREFIX: &str = "scope:";

/// The record in `meta`: `{ sequence: number, record: Uint8Array, turns: number }`, readable in the
/// browser's inspector. `turns` is [`turns::KEYS`]; an older Snaplight leaves it out, and adds
/// `clean: true` when it is closed.
pub(super) struct Meta {
    pub(super) stored: Stored,
    pub(super) record: JsValue,
    pub(super) clean: bool,
}

impl Meta {
    pub(super) fn encode(sequence: u64, record: &[u8]) -> Result<JsValue, StoreError> {
        let value = Object::new();
        global::set(&value, "sequence", &number(sequence)?)?;
        global::set(&value, "record", &copied(record))?;
        global::set(&value, "turns", &number(turns::KEYS)?)?;
        Ok(value.into())
    }

    /// `None` if any part is not as we write it. Then there is no record, and the store counts as
    /// empty.
    pub(super) fn parse(value: &JsValue) -> Option<Meta> {
        if !value.is_object() {
            return None;
        }
        let sequence = global::get(value, "sequence").ok()?.as_f64()?;
        let whole = sequence.fract() == 0.0 && (1.0..=MAX_NUMBER as f64).contains(&sequence);
        let record = global::get(value, "record").ok()?;
        let fits = record.dyn_ref::<Uint8Array>()?.length() <= MAX_VALUE;
        let clean = global::get(value, "clean").ok()?.is_truthy();
        let turns = global::get(value, "turns").ok()?.as_f64();
        (whole && fits).then_some(Meta {
            stored: Stored {
                sequence: sequence as u64,
                has_turns: turns == Some(turns::KEYS as f64),
            },
            record,
            clean,
        })
    }
}

/// A range of page ids for the browser; `None` if it is empty, which the browser would refuse.
pub(super) fn key_range(range: &Range<PageId>) -> Result<Option<KeyRange>, StoreError> {
    // There are no pages beyond the highest number, so a range may end there.
    let end = range.end.0.min(MAX_NUMBER + 1);
    if range.start.0 >= end {
        return Ok(None);
    }
    let (lower, upper) = (number(range.start.0)?, JsValue::from_f64(end as f64));
    KeyRange::bound(&lower, &upper, Some(false), Some(true))
        .map(Some)
        .map_err(errors::idb)
}

pub(super) fn code_key(hash: &Hash) -> JsValue {
    copied(&hash.0)
}

/// A key of `codes`, which the browser hands back as an `ArrayBuffer`.
pub(super) fn hash_of(key: &JsValue) -> Option<Hash> {
    let bytes = Uint8Array::new(key);
    (bytes.length() == 32)
        .then(|| bytes.to_vec())
        .and_then(|bytes| Hash::from_slice(&bytes))
}

/// The key of a scope in `meta`. All have the same length, so that they are ordered by version.
pub(super) fn scope_key(version: u64) -> JsValue {
    JsValue::from_str(&format!("{SCOPE_PREFIX}{version:020}"))
}

/// The version of the scope with this key.
pub(super) fn scope_version(key: &JsValue) -> Option<u64> {
    key.as_string()?.strip_prefix(SCOPE_PREFIX)?.parse().ok()
}

/// The keys of all scopes.
pub(super) fn all_scopes() -> Result<KeyRange, StoreError> {
    let (lower, upper) = (scope_key(0), scope_key(u64::MAX));
    KeyRange::bound(&lower, &upper, Some(false), Some(false)).map_err(errors::idb)
}

/// A copy in JavaScript's memory.
pub(super) fn copied(bytes: &[u8]) -> JsValue {
    Uint8Array::new_from_slice(bytes).into()
}

/// A copy in our memory; `None` if `value` is nothing we could have stored.
pub(super) fn bytes(value: &JsValue) -> Option<Vec<u8>> {
    let value = value.dyn_ref::<Uint8Array>()?;
    (value.length() <= MAX_VALUE).then(|| value.to_vec())
}

/// A number for JavaScript. One that JavaScript would round is refused, because two pages must
/// never share a key.
pub(super) fn number(value: u64) -> Result<JsValue, StoreError> {
    if value > MAX_NUMBER {
        return Err(StoreError::Other {
            name: "RangeError".to_owned(),
            message: format!("{value} is beyond what JavaScript counts exactly"),
        });
    }
    Ok(JsValue::from_f64(value as f64))
}
