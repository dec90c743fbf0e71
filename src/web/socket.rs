//! Anything that behaves like a WebSocket.

use std::cell::Cell;
use std::rc::Rc;

use js_sys::{Function, Reflect, Uint8Array};
use wasm_bindgen::prelude::*;

use super::event_loop::callback;
use super::peer_closed::{CLOSE_ABNORMAL, CLOSE_BREACH, CLOSE_DONE};
use crate::wire::HEAD;

/// Most bytes that may wait in a socket's own buffer. We send requests of a few kilobytes, and few
/// at a time. A peer with more waiting does not read, and waiting for it would cost memory without
/// bound.
const MAX_BUFFERED: f64 = (1024 * 1024) as f64;

/// `readyState` of a WebSocket that connects; data channels use words.
const CONNECTING: f64 = 0.0;

/// Most bytes of UTF-8 in a close reason (RFC 6455, 5.5: control frames).
const MAX_REASON: usize = 123;

#[wasm_bindgen]
extern "C" {
    /// An object with `send`, `close`, and the events of a WebSocket. It may be a test's double or
    /// a wrapper of the caller's own, so its methods are looked up at each call, and every call may
    /// throw. `pkg/lib/socket.js` listens to its `error` events: they tell nothing, and a close
    /// event follows.
    pub type WebSocketLike;

    #[wasm_bindgen(method, catch)]
    fn send(this: &WebSocketLike, data: &Uint8Array) -> Result<(), JsValue>;

    #[wasm_bindgen(method, catch)]
    fn close(this: &WebSocketLike, code: u16, reason: &str) -> Result<(), JsValue>;

    #[wasm_bindgen(method, catch, js_name = addEventListener)]
    fn add_event_listener(
        this: &WebSocketLike,
        kind: &str,
        listener: &Function,
    ) -> Result<(), JsValue>;

    #[wasm_bindgen(method, catch, js_name = removeEventListener)]
    fn remove_event_listener(
        this: &WebSocketLike,
        kind: &str,
        listener: &Function,
    ) -> Result<(), JsValue>;
}

/// What happens to a socket.
#[derive(Debug)]
pub(super) enum SocketEvent {
    Open,
    Frame(Frame),
    /// A text frame.
    Text,
    /// Neither text nor bytes, most likely a Blob.
    Unreadable,
    /// The socket was closed, with this code and reason.
    Closed(u16, String),
}

/// A binary frame that is still in JavaScript's memory. Wasm memory never shrinks, so only what is
/// read is copied into it.
#[derive(Debug)]
pub(super) struct Frame(Uint8Array);

impl Frame {
    /// Its length in bytes.
    pub(super) fn len(&self) -> usize {
        self.0.length() as usize
    }

    /// A copy of its first [`HEAD`] bytes.
    pub(super) fn head(&self) -> Vec<u8> {
        self.0.subarray(0, HEAD as u32).to_vec()
    }

    /// A copy of it.
    pub(super) fn bytes(&self) -> Vec<u8> {
        self.0.to_vec()
    }
}

/// An event's name and its listener.
type Listening = (&'static str, Function);
/// Translates a browser's event.
type Translate = fn(&JsValue) -> SocketEvent;

/// The error that an object threw when we wanted to listen to it, in words.
#[derive(Debug)]
pub(super) struct ListenError(pub(super) String);

impl From<JsValue> for ListenError {
    fn from(thrown: JsValue) -> ListenError {
        ListenError(words(&thrown))
    }
}

/// A socket we listen to. Dropping it stops the listening and leaves the socket open.
pub(super) struct Socket {
    raw: WebSocketLike,
    /// The subprotocol that must have been selected when it opens.
    protocol: Option<&'static str>,
    listeners: Vec<Listening>,
    /// Whether events are passed on. Shared with the listeners, because an object may keep them
    /// after they were removed.
    attached: Rc<Cell<bool>>,
}

impl Socket {
    /// Listens to `raw`. Events come through `on_event`, never from inside this call.
    ///
    /// `protocol` is the subprotocol that the server must select; `None` if the caller made the
    /// socket. `on_event` holds its owner weakly: see [`callback`].
    pub(super) fn listen(
        raw: WebSocketLike,
        protocol: Option<&'static str>,
        on_event: impl Fn(SocketEvent) + Clone + 'static,
    ) -> Result<Socket, ListenError> {
        if !get(&raw, "binaryType").is_undefined() {
            set(&raw, "binaryType", &"arraybuffer".into())?;
        }
        let translate: [(&'static str, Translate); 3] = [
            ("open", |_| SocketEvent::Open),
            ("message", |event| message(&get(event, "data"))),
            ("close", closed),
        ];
        let attached = Rc::new(Cell::new(true));
        let listeners = translate.map(|(kind, translate)| {
            let (attached, on_event) = (attached.clone(), on_event.clone());
            let listener = callback(move |event| {
                if attached.get() {
                    on_event(translate(&event));
                }
            });
            (kind, listener)
        });
        let socket = Socket {
            raw,
            protocol,
            listeners: listeners.into(),
            attached,
        };
        socket.attach()?;
        Ok(socket)
    }

    /// Whether frames can be sent. An object without `readyState` counts as open.
    pub(super) fn is_open(&self) -> bool {
        let state = get(&self.raw, "readyState");
        state.as_f64() != Some(CONNECTING) && state.as_string().as_deref() != Some("connecting")
    }

    /// Whether the server selected the subprotocol it had to.
    pub(super) fn speaks_protocol(&self) -> bool {
        self.protocol.is_none_or(|protocol| {
            get(&self.raw, "protocol").as_string().as_deref() == Some(protocol)
        })
    }

    /// Sends one binary frame. The error says in words why the socket did not take it.
    pub(super) fn send(&self, frame: &[u8]) -> Result<(), String> {
        if get(&self.raw, "bufferedAmount")
            .as_f64()
            .is_some_and(|bytes| bytes > MAX_BUFFERED)
        {
            return Err("the peer does not read what is sent to it".to_owned());
        }
        // A copy and not a view: the socket may keep it, and wasm memory moves when it grows.
        let copy = Uint8Array::new_from_slice(frame);
        self.raw
            .send(&copy)
            .map_err(|thrown| format!("the socket refused to send: {}", words(&thrown)))
    }

    /// Stops listening, then closes, so that the close event is not taken for the peer's. May be
    /// called again.
    pub(super) fn close(&self, code: u16, reason: &str) {
        // Pages may pass 1000, or 3000 to 4999. Anything else throws.
        let code = if code == CLOSE_DONE || (3000..5000).contains(&code) {
            code
        } else {
            CLOSE_BREACH
        };
        self.detach();
        // It throws if the socket is closed or broken, and then nothing is left to do.
        let _ = self.raw.close(code, shorten(reason, MAX_REASON));
    }

    fn attach(&self) -> Result<(), ListenError> {
        for (kind, listener) in &self.listeners {
            if self.has_listeners() {
                self.raw.add_event_listener(kind, listener)?;
            } else {
                set(&self.raw, &format!("on{kind}"), listener)?;
            }
        }
        Ok(())
    }

    fn detach(&self) {
        if !self.attached.replace(false) {
            return;
        }
        for (kind, listener) in &self.listeners {
            // If it fails, the listeners stay, but do nothing: see `attached`.
            if self.has_listeners() {
                let _ = self.raw.remove_event_listener(kind, listener);
            } else if get(&self.raw, &format!("on{kind}")) == ***listener {
                let _ = set(&self.raw, &format!("on{kind}"), &JsValue::NULL);
            }
        }
    }

    fn has_listeners(&self) -> bool {
        get(&self.raw, "addEventListener").is_function()
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.detach();
    }
}

/// Reads a message event's data. Objects are told apart by their properties and not by
/// `instanceof`, which fails for arrays made in another frame or worker.
fn message(data: &JsValue) -> SocketEvent {
    if data.is_string() {
        return SocketEvent::Text;
    }
    let Some(length) = get(data, "byteLength").as_f64() else {
        return SocketEvent::Unreadable;
    };
    let buffer = get(data, "buffer");
    let bytes = if buffer.is_undefined() {
        Uint8Array::new(data)
    } else {
        let offset = get(data, "byteOffset").as_f64().unwrap_or(0.0) as u32;
        Uint8Array::new_with_byte_offset_and_length(&buffer, offset, length as u32)
    };
    SocketEvent::Frame(Frame(bytes))
}

fn closed(event: &JsValue) -> SocketEvent {
    let code = get(event, "code")
        .as_f64()
        .map_or(CLOSE_ABNORMAL, |code| code as u16);
    SocketEvent::Closed(code, get(event, "reason").as_string().unwrap_or_default())
}

/// A property; `undefined` if there is none or its getter throws.
fn get(object: &JsValue, property: &str) -> JsValue {
    Reflect::get(object, &property.into()).unwrap_or(JsValue::UNDEFINED)
}

/// Assigns a property. A frozen object is an error, as for a script in strict mode.
fn set(object: &JsValue, property: &str, value: &JsValue) -> Result<(), ListenError> {
    match Reflect::set(object, &property.into(), value)? {
        true => Ok(()),
        false => Err(ListenError(format!("its {property} cannot be set"))),
    }
}

fn words(thrown: &JsValue) -> String {
    get(thrown, "message")
        .as_string()
        .unwrap_or_else(|| "an unknown error".to_owned())
}

/// The longest beginning of `text` that has at most `limit` bytes.
fn shorten(text: &str, limit: usize) -> &str {
    let ends = text
        .char_indices()
        .map(|(start, char)| start + char.len_utf8());
    let end = ends.take_while(|end| *end <= limit).last().unwrap_or(0);
    text.get(..end).unwrap_or_default()
}
