//! The sync engine: decides what to ask of whom, proves what comes back, and says what to persist.
//!
//! It is one state machine without I/O. Everything it wants from the world, reading its own pages included, is an
//! [`Output`]; everything that happens is an [`Input`]. After each [`Engine::handle`], call [`Engine::poll`] until it
//! returns `None`; wake up at [`Engine::next_deadline`] with [`Input::Tick`].
//!
//! May not enter: clocks, randomness, sockets, databases, JavaScript. Time is an argument of every call.

mod answers;
mod asking;
mod batching;
mod commits;
mod cursor;
mod engine;
mod eta;
mod gc;
mod goal;
mod headers;
mod heal;
mod io;
mod job;
mod limits;
mod pace;
mod peers;
mod plan;
mod progress;
mod ranges;
mod requests;
mod resume;
mod round_trips;
mod sessions;
mod targets;
mod upkeep;
mod want;

pub use crate::wire::{PeerFault, Severity};
pub use engine::{Config, Engine};
pub use io::*;
pub use limits::{Footprint, Limits};
pub use peers::MAX_PEERS;
pub use progress::{
    Counters, KEY_SPACE_CELLS, Outrun, PeerProgress, Phase, Progress, Report, Traffic,
};
pub use want::RequestKind;
