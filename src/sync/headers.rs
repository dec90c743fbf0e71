//! From a block's hash to the root of its state: one header, proven by its own hash.

use super::engine::{Arrived, Engine};
use super::peers::Delivered;
use super::want::{Kind, Want};
use super::{Millis, Why};
use crate::hash::Hash;
use crate::state::{Block, Record};
use crate::wire::{VerifiedHeader, snap::Answer};

/// A state to make complete, once its root is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Aim {
    pub(crate) root: Hash,
    /// The block it was taken from, if a block was asked for.
    pub(crate) block: Option<Block>,
}

/// A header that is being looked for.
#[derive(Debug)]
pub(crate) struct Sought {
    pub(crate) block: Hash,
    /// Whether a request for it is in flight.
    asked: bool,
}

impl Sought {
    pub(crate) fn new(block: Hash) -> Sought {
        Sought {
            block,
            asked: false,
        }
    }

    /// What to ask for, unless somebody has been asked.
    pub(crate) fn take(&mut self) -> Option<Want> {
        (!std::mem::replace(&mut self.asked, true)).then_some(Want::Header(self.block))
    }

    /// The request for this block ended without its header.
    pub(crate) fn give_back(&mut self, block: Hash) {
        if block == self.block {
            self.asked = false;
        }
    }
}

/// The aim behind a block whose header was proven before.
pub(super) fn known(record: &Record, block: &Hash) -> Option<Aim> {
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
        .map(|(root, block)| Aim { root, block })
}

impl Engine {
    /// Takes in the answer to a request for a header.
    pub(super) fn header(&mut self, now: Millis, hash: Hash, arrived: &Arrived) {
        let id = arrived.request.peer;
        let read =
            Answer::split(&arrived.payload).and_then(|answer| VerifiedHeader::read(answer, &hash));
        let sought = self.goal.header_mut().filter(|sought| sought.block == hash);
        if let Some(peer) = self.peers.get_mut(id) {
            peer.freed(Kind::Headers);
            match &read {
                Ok(Some(_)) => {
                    let bytes = arrived.payload.len();
                    peer.proved(
                        Kind::Headers,
                        arrived.request.sent,
                        arrived.at,
                        bytes,
                        Delivered::default(),
                    );
                }
                Ok(None) => peer.refused(Kind::Headers, hash, now),
                Err(_) => {}
            }
        }
        match (read, sought) {
            (Ok(Some(header)), Some(_)) => {
                self.waiting = None;
                let aim = Aim {
                    root: header.state_root(),
                    block: Some(header.block()),
                };
                self.aim(now, aim);
                self.start_next(now);
            }
            (Ok(_), Some(sought)) => sought.give_back(hash),
            (Err(fault), sought) => {
                if let Some(sought) = sought {
                    sought.give_back(hash);
                }
                self.fault(id, fault);
            }
            (Ok(_), None) => {}
        }
    }

    /// Why the header does not come, if nobody is being asked for it.
    pub(super) fn header_waits_for(&self, now: Millis) -> Option<Why> {
        let sought = self.goal.header().filter(|sought| !sought.asked)?;
        let block = sought.block;
        match self.peers.ready() {
            0 => Some(Why::NoPeers),
            ready => (self.peers.refusing(Kind::Headers, &block, now) == ready).then_some(
                Why::BlockUnavailable {
                    block,
                    peers: ready,
                },
            ),
        }
    }
}
