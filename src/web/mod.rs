//! The browser's module, the only one that knows JavaScript beside the browser's store
//! (`store::indexed_db`). It runs the engine on the browser's event loop and gives JavaScript a
//! thin handle. What users see is written in `pkg/` on top of it.
//!
//! ```text
//! JavaScript ── Database (database.rs) ──► Driver (driver/) ──► Engine     handle, then poll
//!                  │                         │  │  │
//!                  │                         │  │  └── Backend (backend.rs): loads and commits
//!                  │                         │  └── Connections: the sockets (driver/peers.rs) and
//!                  │                         │       the providers (driver/calls.rs)
//!                  │                         └── timer and turns of the event loop (event_loop.rs)
//!                  └── StateReader (reader.rs) ──► PageCache ──► Backend
//! ```
//!
//! No judgement about bytes is made here: whether an answer is right, what to ask next and what a
//! page means are the core's business. Two rules keep JavaScript from ever finding an object in
//! use: every exported method takes `&self`, and no borrow is held while JavaScript is called or a
//! future is awaited, since either may come back with another call.

mod backend;
mod connections;
mod crash;
mod database;
mod diagnostics;
mod driver;
mod errors;
mod event_loop;
mod held;
mod json;
mod known_damage;
mod lifecycle;
mod listener;
mod meter;
mod object;
mod page_cache;
mod peer_closed;
mod provider;
mod read_priority;
mod reader;
mod socket;
mod stored_state;

pub use database::{Database, delete_database, on_crash};
