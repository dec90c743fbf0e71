//! Reports a panic. A panic is our defect and ends the module: `panic = "abort"` leaves its memory
//! as it was, with work half done. JavaScript is told, so that it rejects every promise and refuses
//! every later call.

use std::cell::{Cell, RefCell};

use js_sys::Function;
use wasm_bindgen::JsValue;

thread_local! {
    static LISTENER: RefCell<Option<Function>> = const { RefCell::new(None) };
    static CRASHED: Cell<bool> = const { Cell::new(false) };
}

/// Calls `listener` with the message of a panic, before the module stops. It must not call back
/// into the module.
pub(super) fn report_to(listener: Function) {
    LISTENER.set(Some(listener));
    std::panic::set_hook(Box::new(|panic| {
        // A second panic comes from a half-done state and says nothing new.
        if CRASHED.replace(true) {
            return;
        }
        let listener = LISTENER.take();
        if let Some(listener) = listener {
            // The listener is ours; nobody is left to hear of its errors.
            let _ = listener.call1(&JsValue::UNDEFINED, &panic.to_string().into());
        }
    }));
}

/// Whether the module has stopped. Events of sockets and timers may still arrive, and must do
/// nothing.
pub(super) fn has_crashed() -> bool {
    CRASHED.get()
}
