//! What a session wants done with its socket.

use std::time::Duration;

/// Something to do with the socket, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outgoing {
    /// Send a binary frame.
    Frame(Vec<u8>),
    /// Hold back what follows.
    Wait(Duration),
    /// Send a text frame (a vice).
    Text(String),
    /// Send the beginning of a binary frame that is never finished (a vice).
    Fragment(Vec<u8>),
    /// Drop the connection without saying so.
    Cut,
    /// Close with this code; nothing follows.
    Close(u16),
}
