//! The JavaScript object that hears what happens (the `listener` of `pkg/lib/local.js`).

use wasm_bindgen::prelude::*;

use super::errors::JsError;
use super::held::Held;
use super::object;
use super::peer_closed::PeerClosed;
use crate::sync::Lie;

#[wasm_bindgen]
extern "C" {
    /// Its methods may call back into the database at once, so no borrow is held when one is
    /// called.
    pub type Listener;

    #[wasm_bindgen(method, catch, js_name = onStates)]
    fn on_states(this: &Listener, held: &JsValue) -> Result<(), JsValue>;

    #[wasm_bindgen(method, catch, js_name = onSynced)]
    fn on_synced(this: &Listener, report: &JsValue) -> Result<(), JsValue>;

    #[wasm_bindgen(method, catch, js_name = onFailed)]
    fn on_failed(this: &Listener, error: &JsValue) -> Result<(), JsValue>;

    #[wasm_bindgen(method, catch, js_name = onLie)]
    fn on_lie(this: &Listener, id: u32, lie: &JsValue) -> Result<(), JsValue>;

    #[wasm_bindgen(method, catch, js_name = onEvent)]
    fn on_event(this: &Listener, kind: &str, what: &str, words: &str) -> Result<(), JsValue>;

    #[wasm_bindgen(method, catch, js_name = onPeer)]
    fn on_peer(this: &Listener, id: u32, state: &str) -> Result<(), JsValue>;

    #[wasm_bindgen(method, catch, js_name = onPeerClosed)]
    fn on_peer_closed(
        this: &Listener,
        id: u32,
        closed: &JsValue,
        row: &JsValue,
    ) -> Result<(), JsValue>;
}

/// The listener is ours and does not throw; if it does all the same, the sync goes on.
impl Listener {
    /// Which states can be read, and what is to be held.
    pub(super) fn states(&self, held: &Held) {
        let _ = self.on_states(&object::held(held));
    }

    /// `report`: an [`object::report`].
    pub(super) fn synced(&self, report: &JsValue) {
        let _ = self.on_synced(report);
    }

    pub(super) fn failed(&self, error: JsError) {
        let _ = self.on_failed(&error.into());
    }

    /// Anything else that happens:
    /// - `waiting` for something;
    /// - `damaged`: `what` is `page`, `code` or `record`, and `words` says why;
    /// - `repaired`: all of it;
    /// - `recovered` from an unclean end;
    /// - `ended`: the connection to the database, from outside.
    pub(super) fn event(&self, kind: &str, what: &str, words: &str) {
        let _ = self.on_event(kind, what, words);
    }

    /// A provider claimed something else than it proved.
    pub(super) fn lie(&self, id: u32, lie: &Lie) {
        let _ = self.on_lie(id, &object::lie(lie));
    }

    pub(super) fn peer(&self, id: u32, state: &str) {
        let _ = self.on_peer(id, state);
    }

    /// `row`: an [`object::peer_row`].
    pub(super) fn peer_closed(&self, id: u32, closed: &PeerClosed<'_>, row: &JsValue) {
        let _ = self.on_peer_closed(id, &closed.to_js(), row);
    }
}
