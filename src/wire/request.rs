//! What can be asked of a peer, in whichever capability.

use super::{Message, Offsets, eth, snap};
use crate::hash::Hash;

/// A request's content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// The header of the block with this hash, over eth/69.
    Header(Hash),
    /// A part of a state, over snap/1.
    Snap(snap::Request),
}

impl Request {
    /// The frame that asks this.
    pub fn frame(&self, offsets: Offsets, id: u64) -> Vec<u8> {
        match self {
            Request::Header(hash) => eth::get_header(offsets.eth, id, hash),
            Request::Snap(request) => request.frame(offsets.snap, id),
        }
    }

    /// The message that answers it.
    pub fn answer(&self) -> Message {
        match self {
            Request::Header(_) => Message::Headers,
            Request::Snap(request) => Message::Snap(request.answer_id()),
        }
    }
}
