//! The web room: the only one that knows the browser. It runs the engine on the browser's event loop and gives JavaScript
//! a thin handle; what users see is written in `pkg/` on top of it.
//!
//! ```text
//! JavaScript ── Database (database.rs) ──► Driver (driver.rs) ──► Engine        one loop: handle, then poll
//!                    │                       │   ▲   │   │
//!                    └── Reader (reader.rs)  │   │   │   └── who writes (roles.rs), what is damaged (damage.rs)
//!                         └── Pages          ▼   │   └── Store    loads and commits, as tasks of their own
//!                            (pages.rs)   sockets (peers.rs), timer, turns of the event loop
//! ```
//!
//! What may not enter: any judgement about bytes (whether an answer is right, what to ask next, what a page means). That is
//! the core's. Two rules keep JavaScript from ever finding an object in use: every exported method takes `&self`, and no
//! borrow is held while JavaScript is called or a future awaited, since either may come back with another call.

mod backend;
mod connections;
mod crash;
mod damage;
mod database;
mod driver;
mod errors;
mod event_loop;
mod listener;
mod meter;
mod object;
mod page_cache;
mod peers;
mod reader;
mod roles;
mod socket;

pub use database::{Database, delete_database, on_crash};
