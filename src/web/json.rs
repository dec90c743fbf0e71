//! JSON of JavaScript's: what `JSON.parse` makes. `pkg/lib` passes copies, whose getters cannot call
//! back.

use js_sys::{Array, JsString, Reflect};
use wasm_bindgen::{JsCast, JsValue};

use crate::wire::rpc::JsonValue;

/// The largest whole number that JavaScript's numbers have exactly.
const MAX_SAFE_INTEGER: f64 = 9_007_199_254_740_991.0;

impl JsonValue for JsValue {
    fn is_null(&self) -> bool {
        self.is_null() || self.is_undefined()
    }

    fn is_object(&self) -> bool {
        self.is_object()
    }

    fn field(&self, name: &str) -> Option<JsValue> {
        Reflect::get(self, &name.into()).ok()
    }

    fn length(&self) -> Option<usize> {
        Some(self.dyn_ref::<Array>()?.length() as usize)
    }

    fn item(&self, index: usize) -> Option<JsValue> {
        let index = u32::try_from(index).ok()?;
        Some(self.dyn_ref::<Array>()?.get(index))
    }

    fn as_text(&self, most: usize) -> Option<String> {
        let text = self.dyn_ref::<JsString>()?;
        (text.length() as usize <= most).then(|| text.into())
    }

    fn as_number(&self) -> Option<u64> {
        let number = self.as_f64()?;
        let is_whole = number.trunc() == number && (0.0..=MAX_SAFE_INTEGER).contains(&number);
        is_whole.then_some(number as u64)
    }
}
