//! A panic is our defect and ends the module: `panic = "abort"` leaves its memory as it was, with work half done. What can
//! still be done is to say so, so that every promise is rejected and every later call refused.

use std::cell::{Cell, RefCell};

use js_sys::Function;
use wasm_bindgen::JsValue;

thread_local! {
    static LISTENER: RefCell<Option<Function>> = const { RefCell::new(None) };
    static CRASHED: Cell<bool> = const { Cell::new(false) };
}

/// Has `listener` called with the message of a panic, before the module stops. It must not call back into the module.
pub(super) fn report_to(listener: Function) {
    LISTENER.set(Some(listener));
    std::panic::set_hook(Box::new(|panic| {
        // A second panic, out of a half-done state, says nothing new.
        if CRASHED.replace(true) {
            return;
        }
        let listener = LISTENER.take();
        if let Some(listener) = listener {
            let _ = listener.call1(&JsValue::UNDEFINED, &panic.to_string().into());
        }
    }));
}

/// Whether the module has stopped. Events of sockets and timers may still arrive, and must find nothing to do.
pub(super) fn has_crashed() -> bool {
    CRASHED.get()
}
