//! What a bug report needs of the engine (`Diagnostics` of `snaplight.d.ts`, before
//! `diagnostics.js` completes it). No key, hash or text of a peer's is in it.

use js_sys::Array;
use wasm_bindgen::JsValue;

use super::object::Fields;
use crate::sync::Engine;

/// `now`: milliseconds on the clock of the journal.
pub(super) fn diagnostics(engine: &Engine, now: f64) -> JsValue {
    let limits = engine.limits();
    let limits = Fields::new()
        .number("batchBytes", limits.batch_bytes as f64)
        .number("batchMs", limits.batch_ms as f64)
        .number("askedBytes", limits.asked_bytes as f64)
        .number("waitingBytes", limits.waiting_bytes as f64)
        .number("cutBytes", limits.cut_bytes as f64)
        .number("pageBytes", limits.page_bytes as f64);
    let journal = engine.journal().map(|entry| {
        JsValue::from(
            Fields::new()
                .number("at", entry.at.0 as f64)
                .text("what", entry.what)
                .or_null("connection", entry.peer.map(|peer| peer.0))
                .number("amount", entry.amount.into()),
        )
    });
    Fields::new()
        .number("now", now)
        .value("limits", limits)
        .value("journal", journal.collect::<Array>())
        .into()
}
