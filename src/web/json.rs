//! Plain JSON of JavaScript's, read by `serde`.
//!
//! `serde-wasm-bindgen` writes JavaScript values (`object.rs`) and could read them too. But its
//! errors say in words which value was found, which brings the formatting of floating-point numbers
//! into the module. The errors here say nothing of the value.

use std::fmt;

use js_sys::{Array, Reflect};
use serde::de::value::BorrowedStrDeserializer;
use serde::de::{DeserializeSeed, Deserializer, Error, Expected, MapAccess, SeqAccess};
use serde::de::{Unexpected, Visitor};
use serde::forward_to_deserialize_any;
use wasm_bindgen::JsValue;

/// The largest whole number that JavaScript's numbers have exactly.
const MAX_SAFE_INTEGER: f64 = 9_007_199_254_740_991.0;

/// A value as `JSON.parse` makes it. `pkg/lib` passes copies, whose getters cannot call back.
pub(super) struct Json(pub(super) JsValue);

/// The value is not what was expected.
#[derive(Debug)]
pub(super) struct Unreadable(String);

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unreadable {}

impl Unreadable {
    fn unexpected() -> Unreadable {
        Unreadable("a value of another type than expected".to_owned())
    }
}

/// What is expected is not named: see the module.
impl Error for Unreadable {
    fn custom<T: fmt::Display>(message: T) -> Unreadable {
        Unreadable(message.to_string())
    }

    fn invalid_type(_: Unexpected<'_>, _: &dyn Expected) -> Unreadable {
        Unreadable::unexpected()
    }

    fn invalid_value(_: Unexpected<'_>, _: &dyn Expected) -> Unreadable {
        Unreadable::unexpected()
    }

    fn invalid_length(_: usize, _: &dyn Expected) -> Unreadable {
        Unreadable::unexpected()
    }

    fn unknown_variant(_: &str, _: &'static [&'static str]) -> Unreadable {
        Unreadable::unexpected()
    }

    fn unknown_field(_: &str, _: &'static [&'static str]) -> Unreadable {
        Unreadable::unexpected()
    }

    fn missing_field(_: &'static str) -> Unreadable {
        Unreadable::unexpected()
    }

    fn duplicate_field(_: &'static str) -> Unreadable {
        Unreadable::unexpected()
    }
}

impl<'de> Deserializer<'de> for Json {
    type Error = Unreadable;

    /// An object is read by the names of a struct's fields only: any other is taken for nothing.
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        if let Some(text) = self.0.as_string() {
            visitor.visit_string(text)
        } else if let Some(number) = self.0.as_f64() {
            match number.trunc() == number && (0.0..=MAX_SAFE_INTEGER).contains(&number) {
                true => visitor.visit_u64(number as u64),
                false => visitor.visit_f64(number),
            }
        } else if let Some(is) = self.0.as_bool() {
            visitor.visit_bool(is)
        } else if Array::is_array(&self.0) {
            visitor.visit_seq(Items {
                list: Array::from(&self.0),
                next: 0,
            })
        } else {
            visitor.visit_unit()
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        match self.0.is_null() || self.0.is_undefined() {
            true => visitor.visit_none(),
            false => visitor.visit_some(self),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        names: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unreadable> {
        if !self.0.is_object() {
            return Err(Unreadable::unexpected());
        }
        visitor.visit_map(Fields {
            object: self.0,
            names,
            value: JsValue::UNDEFINED,
        })
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier
    }
}

/// The items of an array that are still to be read.
struct Items {
    list: Array,
    next: u32,
}

impl<'de> SeqAccess<'de> for Items {
    type Error = Unreadable;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Unreadable> {
        if self.next >= self.list.length() {
            return Ok(None);
        }
        let item = self.list.get(self.next);
        self.next += 1;
        seed.deserialize(Json(item)).map(Some)
    }
}

/// The fields of a struct that are still to be read: those that the object has.
struct Fields {
    object: JsValue,
    names: &'static [&'static str],
    /// Of the field that was named last.
    value: JsValue,
}

impl<'de> MapAccess<'de> for Fields {
    type Error = Unreadable;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Unreadable> {
        while let Some((name, rest)) = self.names.split_first() {
            self.names = rest;
            self.value = Reflect::get(&self.object, &(*name).into()).unwrap_or_default();
            if !self.value.is_undefined() {
                return seed
                    .deserialize(BorrowedStrDeserializer::new(name))
                    .map(Some);
            }
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(
        &mut self,
        seed: V,
    ) -> Result<V::Value, Unreadable> {
        seed.deserialize(Json(std::mem::take(&mut self.value)))
    }
}
