//! How values cross to JavaScript.
//!
//! Objects are structs declared in [`object!`]. `serde` and `serde-wasm-bindgen` did the same, and
//! made the module some 2.5 kB larger as brotli sends it.

use js_sys::{Array, Object, Reflect, Uint8Array};
use wasm_bindgen::JsValue;

/// What crosses to JavaScript as a value of its own.
pub(super) trait ToJs {
    fn to_js(&self) -> JsValue;
}

/// Declares a struct that crosses as an object. Its fields get their names in camel case.
macro_rules! object {
    (
        $(#[$meta:meta])*
        $visible:vis struct $name:ident $(<$life:lifetime>)? {
            $($(#[$field_meta:meta])* $field:ident: $type:ty,)*
        }
    ) => {
        $(#[$meta])*
        $visible struct $name $(<$life>)? {
            $($(#[$field_meta])* $field: $type,)*
        }

        impl $(<$life>)? $crate::web::crossing::ToJs for $name $(<$life>)? {
            fn to_js(&self) -> wasm_bindgen::JsValue {
                let object = js_sys::Object::new();
                $($crate::web::crossing::set(&object, stringify!($field), &self.$field);)*
                object.into()
            }
        }
    };
}
pub(super) use object;

/// Sets a field. `name` is in snake case, and the field's name in camel case.
pub(super) fn set(object: &Object, name: &str, value: &dyn ToJs) {
    let mut camel_case = String::with_capacity(name.len());
    let mut is_start = false;
    for letter in name.chars() {
        match letter {
            '_' => is_start = true,
            _ if is_start => {
                camel_case.push(letter.to_ascii_uppercase());
                is_start = false;
            }
            _ => camel_case.push(letter),
        }
    }
    // A new object takes every field.
    let is_set = Reflect::set(object, &camel_case.into(), &value.to_js());
    debug_assert!(is_set.is_ok());
}

impl ToJs for bool {
    fn to_js(&self) -> JsValue {
        (*self).into()
    }
}

impl ToJs for u16 {
    fn to_js(&self) -> JsValue {
        (*self).into()
    }
}

impl ToJs for u32 {
    fn to_js(&self) -> JsValue {
        (*self).into()
    }
}

impl ToJs for f64 {
    fn to_js(&self) -> JsValue {
        (*self).into()
    }
}

impl ToJs for &str {
    fn to_js(&self) -> JsValue {
        (*self).into()
    }
}

impl ToJs for String {
    fn to_js(&self) -> JsValue {
        self.as_str().into()
    }
}

/// Bytes cross as a `Uint8Array`.
impl<const N: usize> ToJs for [u8; N] {
    fn to_js(&self) -> JsValue {
        Uint8Array::from(&self[..]).into()
    }
}

/// What is absent is `null`, as the types promise.
impl<T: ToJs> ToJs for Option<T> {
    fn to_js(&self) -> JsValue {
        self.as_ref().map_or(JsValue::NULL, T::to_js)
    }
}

impl<T: ToJs> ToJs for Vec<T> {
    fn to_js(&self) -> JsValue {
        let list = Array::new();
        for item in self {
            list.push(&item.to_js());
        }
        list.into()
    }
}
