//! A JSON-RPC provider, as `pkg/lib/provider.js` gives it: an object of the caller's, HTTP or a
//! WebSocket, which look the same from here.

use js_sys::{Promise, Reflect};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

use crate::wire::rpc::CallError;

#[wasm_bindgen]
extern "C" {
    /// The package's own object. It throws at nothing; `catch` keeps a defect of it from leaving
    /// borrows open here.
    pub type Provider;

    /// Begins the call `{ method, params }`. The promise resolves, once and in any case, to
    /// `{ result }` with plain JSON, or to `{ error }`.
    #[wasm_bindgen(method, catch, js_name = call)]
    fn begin(this: &Provider, call: &JsValue) -> Result<Promise, JsValue>;

    /// Ends all calls, and the line if there is one.
    #[wasm_bindgen(method, catch, js_name = close)]
    fn end(this: &Provider) -> Result<(), JsValue>;
}

impl Provider {
    /// Makes a call at once, so that the calls of one turn reach the provider together. Resolves to
    /// what JSON-RPC calls the result.
    pub(super) fn call(
        &self,
        call: &JsValue,
    ) -> impl Future<Output = Result<JsValue, CallError>> + use<> {
        let begun = self.begin(call);
        async {
            let outcome = match begun {
                Ok(promise) => JsFuture::from(promise).await,
                Err(thrown) => Err(thrown),
            };
            let outcome = outcome.unwrap_or(JsValue::UNDEFINED);
            let error = get(&outcome, "error");
            if error.is_object() || !outcome.is_object() {
                Err(call_error(&error))
            } else {
                Ok(get(&outcome, "result"))
            }
        }
    }

    /// May be called again.
    pub(super) fn close(&self) {
        let _ = self.end();
    }
}

/// Read by hand: a derived deserializer of five fields is larger.
fn call_error(error: &JsValue) -> CallError {
    let number = |name| get(error, name).as_f64();
    let text = |name| get(error, name).as_string().unwrap_or_default();
    CallError {
        code: number("code").unwrap_or_default() as i64,
        message: text("message"),
        data: text("data"),
        status: number("status").unwrap_or_default() as u16,
        retry_after_ms: number("retryAfterMs").map(|ms| ms as u64),
    }
}

fn get(object: &JsValue, property: &str) -> JsValue {
    Reflect::get(object, &property.into()).unwrap_or(JsValue::UNDEFINED)
}
