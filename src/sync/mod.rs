//! The sync engine: decides what to ask of whom, proves what comes back, and says what to persist.
//!
//! It is one state machine without I/O. Everything it wants from the world, reading its own pages
//! included, is an [`Output`]; everything that happens is an [`Input`]. After each
//! [`Engine::handle`], call [`Engine::poll`] until it returns `None`; wake up at
//! [`Engine::next_deadline`] with [`Input::Tick`].
//!
//! May not enter: clocks, randomness, sockets, databases, JavaScript. Time is an argument of every
//! call.

mod clock;
mod code_search;
mod commits;
mod engine;
mod gc;
mod ids;
mod io;
mod job;
mod journal;
mod kept;
mod lacking;
mod limits;
mod loads;
mod peer;
mod peers;
mod progress;
mod requests;
mod resume;
mod stray_codes;
mod target;
mod throughput;
mod upkeep;
mod want;

pub use crate::wire::PeerFault;
pub use engine::{Config, Engine};
pub use ids::{Millis, PeerId, Ticket};
pub use io::{Damage, Event, Failure, Input, Lie, LieField, Output};
pub use journal::{JOURNAL_ENTRIES, JournalEntry};
pub use limits::{Footprint, Limits};
pub use peers::MAX_PEERS;
pub use progress::{
    Counters, KEY_SPACE_CELLS, Missing, Outrun, PeerProgress, Phase, Progress, Queued, Report,
    Traffic, WaitReason,
};
pub use target::Target;
pub use want::RequestKind;
