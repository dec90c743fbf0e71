//! Carries the engine's calls to the providers that JavaScript supplies, and their replies back.

use std::rc::Rc;

use serde::Serialize;
use serde_wasm_bindgen::Serializer;
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::spawn_local;

use super::Driver;
use crate::sync::{Input, PeerId};
use crate::web::connections::Line;
use crate::web::provider::Provider;
use crate::wire::By;
use crate::wire::rpc::{Call, Reply};

impl Driver {
    /// Takes a provider. It can be asked at once: what still connects keeps the calls for so long.
    pub(in crate::web) fn add_provider(self: &Rc<Self>, peer: PeerId, provider: Provider) {
        let line = Line::Provider(Rc::new(provider));
        self.connections.add(peer, line, By::Rpc);
        self.opened(peer);
    }

    /// Makes a call of a provider.
    pub(super) fn call(self: &Rc<Self>, peer: PeerId, id: u64, call: Call) {
        let Some(Line::Provider(provider)) = self.connections.line(peer) else {
            return;
        };
        let result = provider.call(&to_js(&call));
        // Weakly: a call may outlive the database by a minute.
        let driver = Rc::downgrade(self);
        spawn_local(async move {
            let reply = match result.await {
                Ok(result) => Reply::read(&call, &result),
                Err(error) => Reply::Failed(error),
            };
            // A provider that has left meanwhile is not known any more.
            if let Some(driver) = driver.upgrade()
                && driver.connections.has_joined(peer)
            {
                driver.input(Input::Replied(peer, id, reply));
            }
        });
    }
}

/// A call as a plain object.
fn to_js(call: &Call) -> JsValue {
    let serializer = Serializer::new().serialize_maps_as_objects(true);
    call.serialize(&serializer).unwrap_or_else(|error| {
        // Only large integers and keys that are no text can fail, and there are none here.
        debug_assert!(false, "{error}");
        error.into()
    })
}
