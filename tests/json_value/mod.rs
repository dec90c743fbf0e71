//! JSON of `serde_json` as the crate reads it: in a browser the same answers are JavaScript values.

use serde_json::Value;
use snaplight::wire::rpc::JsonValue;

/// A value as the crate reads it.
#[derive(Clone, Copy)]
pub(crate) struct Json<'a>(pub &'a Value);

impl JsonValue for Json<'_> {
    fn is_null(&self) -> bool {
        self.0.is_null()
    }

    fn is_object(&self) -> bool {
        self.0.is_object()
    }

    fn field(&self, name: &str) -> Option<Self> {
        self.0.get(name).map(Json)
    }

    fn length(&self) -> Option<usize> {
        self.0.as_array().map(Vec::len)
    }

    fn item(&self, index: usize) -> Option<Self> {
        self.0.get(index).map(Json)
    }

    fn as_text(&self, most: usize) -> Option<String> {
        let text = self.0.as_str().filter(|text| text.len() <= most);
        text.map(str::to_owned)
    }

    fn as_number(&self) -> Option<u64> {
        self.0.as_u64()
    }
}
