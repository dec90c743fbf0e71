//! What can be asked of a peer.

use super::capabilities::Offsets;
use super::{eth, rpc, snap};
use crate::hash::Hash;

/// The content of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Request {
    /// The header of the block with this hash, over eth.
    Header(Hash),
    /// The trie nodes and bytecodes with these hashes, over eth/66.
    NodeData(Vec<Hash>),
    /// A part of a state, over snap/1.
    Snap(snap::SnapRequest),
    /// A call of a provider, which has no frame.
    Call(rpc::Call),
}

impl Request {
    /// The frame that asks this under the request id `id`.
    pub fn frame(&self, offsets: Offsets, id: u64) -> Vec<u8> {
        match self {
            Request::Header(hash) => eth::get_header(offsets, id, hash),
            Request::NodeData(hashes) => eth::get_node_data(offsets, id, hashes),
            Request::Snap(request) => request.frame(offsets, id),
            Request::Call(_) => {
                debug_assert!(false, "a call has no frame");
                Vec::new()
            }
        }
    }
}
