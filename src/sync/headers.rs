//! From a block's hash to the root of its state: one header, proven by its own hash.

use super::engine::{Arrived, Engine};
use super::peers::Delivered;
use super::want::{RequestKind, Want};
use super::{Millis, WaitReason};
use crate::hash::Hash;
use crate::state::{Block, Record};
use crate::wire::{VerifiedHeader, snap::Answer};

/// A state to make complete, once its root is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pivot {
    pub(crate) root: Hash,
    /// The block it was taken from, if a block was asked for.
    pub(crate) block: Option<Block>,
}

/// A header that is being looked for.
#[derive(Debug)]
pub(crate) struct HeaderSearch {
    pub(crate) block: Hash,
    /// Whether a request for it is in flight.
    asked: bool,
}

impl HeaderSearch {
    pub(crate) fn new(block: Hash) -> HeaderSearch {
        HeaderSearch {
            block,
            asked: false,
        }
    }

    /// What to ask for, unless somebody has been asked.
    pub(crate) fn take(&mut self) -> Option<Want> {
        (!std::mem::replace(&mut self.asked, true)).then_some(Want::Header(self.block))
    }

    /// The request for this block ended without its header.
    pub(crate) fn requeue(&mut self, block: Hash) {
        if block == self.block {
            self.asked = false;
        }
    }
}

/// The aim behind a block whose header was proven before.
pub(super) fn known(record: &Record, block: &Hash) -> Option<Pivot> {
    let complete = record
        .complete
        .iter()
        .map(|state| (state.top.root(), state.block));
    let building = record
        .building
        .iter()
        .map(|state| (state.top.root(), state.block));
    complete
        .chain(building)
        .find(|(_, known)| known.is_some_and(|known| known.hash == *block))
        .map(|(root, block)| Pivot { root, block })
}

impl Engine {
    /// Takes in the answer to a request for a header.
    pub(super) fn header(&mut self, now: Millis, hash: Hash, arrived: &Arrived) {
        let id = arrived.request.peer;
        let read =
            Answer::split(&arrived.payload).and_then(|answer| VerifiedHeader::read(answer, &hash));
        let search = self.goal.header_mut().filter(|search| search.block == hash);
        if let Some(peer) = self.peers.get_mut(id) {
            peer.freed(RequestKind::Headers);
            match &read {
                Ok(Some(_)) => {
                    let bytes = arrived.payload.len();
                    peer.proved(
                        RequestKind::Headers,
                        arrived.request.sent,
                        arrived.at,
                        bytes,
                        Delivered::default(),
                    );
                }
                Ok(None) => peer.refused(RequestKind::Headers, hash, now),
                Err(_) => {}
            }
        }
        match (read, search) {
            (Ok(Some(header)), Some(_)) => {
                self.waiting = None;
                let pivot = Pivot {
                    root: header.state_root(),
                    block: Some(header.block()),
                };
                self.pivot(now, pivot);
                self.start_next(now);
            }
            (Ok(_), Some(search)) => search.requeue(hash),
            (Err(fault), search) => {
                if let Some(search) = search {
                    search.requeue(hash);
                }
                self.fault(id, fault);
            }
            (Ok(_), None) => {}
        }
    }

    /// Why the header does not come, if nobody is being asked for it.
    pub(super) fn header_waits_for(&self, now: Millis) -> Option<WaitReason> {
        let search = self.goal.header().filter(|search| !search.asked)?;
        let block = search.block;
        match self.peers.ready() {
            0 => Some(WaitReason::NoPeers),
            ready => (self.peers.refusing(RequestKind::Headers, &block, now) == ready).then_some(
                WaitReason::BlockUnavailable {
                    block,
                    peers: ready,
                },
            ),
        }
    }
}
