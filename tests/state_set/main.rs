//! Sets: of a state only some accounts and slots are held. Whatever happens on the way there, a
//! complete state of a set has exactly the entries that its scope wants and that prove them.

#![cfg(not(target_arch = "wasm32"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod changes;
mod histories;
mod holder;
#[allow(dead_code, reason = "the other tests use the rest")]
#[path = "../state_world/mod.rs"]
mod state_world;
mod truth;
