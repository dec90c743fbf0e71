//! What the engine and the world name things by: moments, connections, loads.

use crate::heap::flat;

/// Milliseconds on the driver's monotonic clock. Only differences mean anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Millis(pub u64);

impl Millis {
    /// This moment plus `millis`, saturating.
    pub fn after(self, millis: u64) -> Millis {
        Millis(self.0.saturating_add(millis))
    }

    /// Milliseconds since `earlier`, 0 if it is later.
    pub fn since(self, earlier: Millis) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// One connection. The driver gives each connection a fresh number, also when the same peer comes
/// back. So a new session never inherits the requests of an old one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId(pub u32);

/// Names one [`Output::Load`](super::Output::Load), so that its answer can be matched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket(pub u64);

flat!(Millis, PeerId, Ticket);
