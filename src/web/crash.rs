//! Reports a panic. A panic is our defect and ends the module: `panic = "abort"` leaves its memory
//! as it was, with work half done. JavaScript is told, so that it rejects every promise and refuses
//! every later call. A trap has no words, and is noticed where it leaves the module
//! (`pkg/lib/crash.js`). Nothing enters the module after either.

use std::cell::RefCell;

use js_sys::Function;
use wasm_bindgen::JsValue;

thread_local! {
    static LISTENER: RefCell<Option<Function>> = const { RefCell::new(None) };
}

/// Calls `listener` with the message of a panic, before the module stops. It must not call back
/// into the module.
pub(super) fn report_to(listener: Function) {
    LISTENER.set(Some(listener));
    std::panic::set_hook(Box::new(|panic| {
        // Taken, since a second panic comes from a half-done state and says nothing new.
        if let Some(listener) = LISTENER.take() {
            // The listener is ours; nobody is left to hear of its errors.
            let _ = listener.call1(&JsValue::UNDEFINED, &panic.to_string().into());
        }
    }));
}
