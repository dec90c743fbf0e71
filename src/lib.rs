//! Snaplight: the part of Ethereum's state that a wallet cares about, proven, persistent and
//! readable offline, inside the browser.
//!
//! It asks strangers for the state under a root that you name (snap/1 and eth/69 over WebSockets),
//! proves every byte against that root, and keeps it in a database. When the root moves, it heals
//! what it has. Nothing that is not proven is ever stored or answered.
//!
//! JavaScript programs use it as the npm package `snaplight`, whose classes the `web` module
//! implements for wasm. Rust programs drive [`sync::Engine`] themselves, as below.
//!
//! # The map
//!
//! Modules name only those above them in this table.
//!
//! | module | what it is |
//! |---|---|
//! | [`trie`], [`hash`] | one Merkle-Patricia trie: paths, nodes, Keccak, the fold, range proofs |
//! | [`state`] | accounts and their storage as one key space, of which a part is known; pages; reads |
//! | [`wire`] | devp2p messages, the handshake, and what a peer can do wrong |
//! | [`sync`] | the engine: what to ask, of whom, what to persist. Pure: no clock, no I/O |
//! | [`store`] | where pages, codes and the one record live: IndexedDB, or memory |
//! | `web` | JavaScript's surface: the driver of the engine, sockets, tabs. On wasm only |
//!
//! `docs/architecture.md` in the repository has the picture, a glossary, and where to change what.
//!
//! # Driving the engine
//!
//! The engine is a state machine. Time is an argument of every call, in milliseconds of any
//! monotonic clock.
//!
//! 1. [`Engine::handle`](sync::Engine::handle) takes in what happened: a frame, a page that was
//!    read, a batch that was written, a new target. It is cheap.
//! 2. [`Engine::poll`](sync::Engine::poll) returns the next thing to do. Call it until it returns
//!    `None`, which means: nothing until the next input. Each call does at most one expensive step
//!    (some milliseconds); `Output::Yield` between two steps is the place to let others run.
//! 3. [`Engine::next_deadline`](sync::Engine::next_deadline) says when to call `handle` with
//!    `Input::Tick` if nothing else happens before.
//!
//! Each target ends exactly once, with `Event::Done`, `Event::Cancelled` or `Event::Failed`, unless
//! a newer one takes its place. Write batches one after another, each in one transaction. A process
//! may be killed at any moment, and the next one goes on from the record.
//!
//! This is a whole run loop: it syncs a small state from a peer in the same process.
//!
//! ```
//! use std::collections::VecDeque;
//! use std::sync::Arc;
//!
//! use futures::executor::block_on;
//! use snaplight::hash::Hash;
//! use snaplight::state::{Network, Record};
//! use snaplight::store::{MemoryDisk, Store};
//! use snaplight::sync::{Config, Engine, Event, Input, Millis, Output, PeerId, Target};
//! use snaplight::wire::By;
//! use snaplight_peer::session::{Outgoing, Server, Session};
//! use snaplight_peer::state::Recipe;
//!
//! // The peer: a server of a generated state of 500 accounts. A real one is behind a WebSocket.
//! let state = Recipe::plain(500, 1).build();
//! let root = Hash(state.root());
//! let server = Server::new(state);
//! let (id, genesis) = server.network();
//! let mut peer = Session::new(Arc::new(server), Vec::new());
//!
//! // The engine, over a database that is empty.
//! let network = Network { id, genesis: Hash(genesis) };
//! let store = MemoryDisk::default().writer()?;
//! let record = Record::fresh([7; 16], network); // drawn at random, in a real program
//! let client = "example/1.0".into();
//! let config = Config { network, chain_id: network.id, client, node_id: [1; 64] };
//! let mut engine = Engine::new(config, record, Vec::new());
//!
//! let frames = |outgoing: Vec<Outgoing>| {
//!     outgoing.into_iter().filter_map(|outgoing| match outgoing {
//!         Outgoing::Frame(frame) => Some(Input::Frame(PeerId(1), frame)),
//!         _ => None,
//!     })
//! };
//! let mut inputs = VecDeque::from([Input::PeerJoined(PeerId(1), By::Snap)]);
//! inputs.push_back(Input::Target(Target::Root(root)));
//! inputs.extend(frames(peer.open()));
//!
//! let mut now = Millis(0);
//! let report = 'sync: loop {
//!     now = now.after(1);
//!     engine.handle(now, inputs.pop_front().unwrap_or(Input::Tick));
//!     while let Some(output) = engine.poll(now) {
//!         match output {
//!             Output::Send(_, frame) => inputs.extend(frames(peer.on_frame(&frame))),
//!             // Only providers of JSON-RPC are called.
//!             Output::Call(..) => {}
//!             Output::Load(ticket, ids) => {
//!                 inputs.push_back(match block_on(store.pages(&ids)) {
//!                     Ok(pages) => Input::Loaded(ticket, pages),
//!                     Err(error) => Input::LoadFailed(ticket, error),
//!                 });
//!             }
//!             Output::Commit(batch) => {
//!                 let sequence = batch.sequence;
//!                 inputs.push_back(match block_on(store.commit(batch)) {
//!                     Ok(()) => Input::Committed(sequence),
//!                     Err(error) => Input::CommitFailed(sequence, error),
//!                 });
//!             }
//!             Output::Drop(_, fault) => return Err(fault.into()),
//!             Output::Yield => {} // let others run here
//!             Output::Event(Event::Done(report)) => break 'sync report,
//!             Output::Event(Event::Failed(failure)) => return Err(failure.into()),
//!             Output::Event(_) => {}
//!         }
//!     }
//! };
//!
//! assert_eq!(report.held.accounts, 500);
//! assert_eq!(engine.record().complete.map(|complete| complete.top.root()), Some(root));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![forbid(unsafe_code)]

mod flat_map;
mod heap;
pub mod state;
pub mod store;
pub mod sync;
#[cfg(target_arch = "wasm32")]
pub mod web;
pub mod wire;

pub use snaplight_trie as trie;
pub use snaplight_trie::hash;
