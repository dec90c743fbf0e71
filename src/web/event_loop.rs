//! What the realm offers: the event loop with its clock, one timer and turns; and random bytes.

use std::cell::Cell;
use std::rc::Rc;

use js_sys::{Function, Reflect, Uint8Array};
use wasm_bindgen::prelude::*;

use super::errors::JsError;
use crate::sync::Millis;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = performance, js_name = now)]
    fn performance_now() -> f64;

    #[wasm_bindgen(js_name = setTimeout)]
    fn set_timeout(callback: &Function, millis: f64) -> JsValue;

    #[wasm_bindgen(js_name = clearTimeout)]
    fn clear_timeout(timer: &JsValue);

    #[wasm_bindgen(js_namespace = crypto, js_name = getRandomValues, catch)]
    fn get_random_values(array: &Uint8Array) -> Result<(), JsValue>;

    type MessageChannel;

    #[wasm_bindgen(constructor)]
    fn new() -> MessageChannel;

    #[wasm_bindgen(method, getter)]
    fn port1(this: &MessageChannel) -> MessagePort;

    #[wasm_bindgen(method, getter)]
    fn port2(this: &MessageChannel) -> MessagePort;

    type MessagePort;

    #[wasm_bindgen(method, setter)]
    fn set_onmessage(this: &MessagePort, callback: &Function);

    #[wasm_bindgen(method, js_name = postMessage)]
    fn post_message(this: &MessagePort, message: &JsValue);

    #[wasm_bindgen(method)]
    fn close(this: &MessagePort);
}

/// Milliseconds on the realm's monotonic clock, with fractions.
pub(super) fn precise_now() -> f64 {
    performance_now()
}

/// The same clock in the engine's unit.
pub(super) fn now() -> Millis {
    // `as` saturates, and the clock starts at 0.
    Millis(performance_now() as u64)
}

/// Random bytes. They name a database's incarnation or a connection and are no secrets.
pub(super) fn random<const N: usize>() -> Result<[u8; N], JsError> {
    let array = Uint8Array::new_with_length(N as u32);
    let mut bytes = [0; N];
    match get_random_values(&array) {
        Ok(()) => array.copy_to(&mut bytes),
        Err(_) => {
            return Err(JsError::new(
                "UNSUPPORTED",
                "This realm has no crypto.getRandomValues. Use a current browser.",
            ));
        }
    }
    Ok(bytes)
}

/// A function that JavaScript may call at any time. It belongs to JavaScript, whose collector frees
/// it, so a call that is still queued when its owner goes is no error. `work` must hold its owner
/// weakly, or it would keep the owner alive until then.
pub(super) fn callback(work: impl Fn(JsValue) + 'static) -> Function {
    Closure::<dyn Fn(JsValue)>::new(work)
        .into_js_value()
        .unchecked_into()
}

/// Calls back once per [`Turns::request`], in a later turn of the event loop, after everything that
/// already waits there. `setTimeout(0)` would wait 4 ms each time, and a promise would let nothing
/// else run.
pub(super) struct Turns {
    mechanism: Mechanism,
    requested: Rc<Cell<bool>>,
    callback: Function,
}

enum Mechanism {
    /// For Node: unlike a listening port, an idle `setImmediate` does not keep the process alive.
    Immediate(Function),
    Channel {
        inner: MessagePort,
        outer: MessagePort,
    },
}

impl Turns {
    /// `work` holds its owner weakly: see [`callback`].
    pub(super) fn new(work: impl Fn() + 'static) -> Turns {
        let requested = Rc::new(Cell::new(false));
        let callback = {
            let requested = requested.clone();
            callback(move |_| {
                requested.set(false);
                work();
            })
        };
        let immediate = Reflect::get(&js_sys::global(), &JsValue::from_str("setImmediate"))
            .ok()
            .and_then(|function| function.dyn_into::<Function>().ok());
        let mechanism = match immediate {
            Some(set_immediate) => Mechanism::Immediate(set_immediate),
            None => {
                let channel = MessageChannel::new();
                channel.port1().set_onmessage(&callback);
                Mechanism::Channel {
                    inner: channel.port1(),
                    outer: channel.port2(),
                }
            }
        };
        Turns {
            mechanism,
            requested,
            callback,
        }
    }

    /// Asks for a turn. Asking again before it has come changes nothing.
    pub(super) fn request(&self) {
        if self.requested.replace(true) {
            return;
        }
        match &self.mechanism {
            // `setImmediate` does not throw if it is given a function.
            Mechanism::Immediate(set_immediate) => {
                let _ = set_immediate.call1(&JsValue::UNDEFINED, &self.callback);
            }
            Mechanism::Channel { outer, .. } => outer.post_message(&JsValue::UNDEFINED),
        }
    }

    /// Whether a turn is on its way.
    pub(super) fn is_requested(&self) -> bool {
        self.requested.get()
    }

    /// Ends the turns. One that is on its way still comes, because not every `setImmediate` can be
    /// taken back; it must find nothing to do. The port is closed, because a listening port would
    /// keep the callback alive.
    pub(super) fn stop(&self) {
        self.requested.set(true);
        if let Mechanism::Channel { inner, .. } = &self.mechanism {
            inner.close();
        }
    }
}

/// One alarm at a time. It may ring early, and late only if the browser's own timer is late.
pub(super) struct Timer {
    armed: Rc<Cell<Option<Millis>>>,
    handle: Cell<JsValue>,
    callback: Function,
}

impl Timer {
    /// `work` holds its owner weakly: see [`callback`].
    pub(super) fn new(work: impl Fn() + 'static) -> Timer {
        let armed = Rc::new(Cell::new(None));
        let callback = {
            let armed = armed.clone();
            callback(move |_| {
                armed.set(None);
                work();
            })
        };
        Timer {
            armed,
            handle: Cell::new(JsValue::UNDEFINED),
            callback,
        }
    }

    /// Rings at `deadline`. An alarm set for an earlier moment stays: to clear it and set another
    /// costs more than a needless ring, and most deadlines move to later.
    pub(super) fn ring_at(&self, deadline: Option<Millis>) {
        let Some(deadline) = deadline else { return };
        if self.armed.get().is_some_and(|armed| armed <= deadline) {
            return;
        }
        self.stop();
        self.armed.set(Some(deadline));
        // One more millisecond, because `now` rounds down. Without it the alarm would ring just
        // before the deadline and then again.
        let wait = deadline.since(now()) as f64 + 1.0;
        self.handle.set(set_timeout(&self.callback, wait));
    }

    pub(super) fn stop(&self) {
        if self.armed.take().is_some() {
            clear_timeout(&self.handle.take());
        }
    }
}
