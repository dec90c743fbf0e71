//! What a session does with its socket.

use std::time::Duration;

/// One step, to be carried out in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outgoing {
    /// Send a binary frame.
    Frame(Vec<u8>),
    /// Wait this long before the next step.
    Wait(Duration),
    /// Send a text frame (a vice).
    Text(String),
    /// Send the beginning of a binary frame and never its end (a vice).
    Fragment(Vec<u8>),
    /// Drop the connection without a close frame.
    Cut,
    /// Close with this code. This is the last step.
    Close(u16),
}
