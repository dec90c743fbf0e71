//! Seeded histories of a state that moves while it is fetched: values change, accounts and storages come and go and come
//! back, the root moves at any moment, batches and crashes fall anywhere. Whatever happened, the complete state stays readable
//! all the time, the end is the whole new state, and nothing else is left in the database.

#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod chain;
mod damage;
mod database;
mod economy;
mod healer;
mod histories;
#[path = "../state_world/mod.rs"]
#[allow(dead_code, reason = "the other tests use the rest")]
mod state_world;
