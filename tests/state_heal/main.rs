//! Seeded histories of a state that changes while it is fetched: values change, accounts and
//! storages appear, disappear and reappear, the root moves at any moment, and batches and crashes
//! happen at any moment. The complete state stays readable all the time, the whole new state is
//! there in the end, and the database holds nothing else.

#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod chain;
mod damage;
mod database;
mod economy;
mod healer;
mod histories;
mod kept;
#[path = "../state_world/mod.rs"]
#[allow(dead_code, reason = "the other tests use the rest")]
mod state_world;
