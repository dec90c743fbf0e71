//! From a block's hash to the root of its state: one header, proven by its own hash.

use super::Engine;
use crate::hash::Hash;
use crate::sync::ids::{Millis, PeerId};
use crate::sync::peer::{Gain, Timing};
use crate::sync::peers::Route;
use crate::sync::progress::WaitReason;
use crate::sync::requests::{Content, Subject};
use crate::sync::target::Pivot;
use crate::sync::want::RequestKind;
use crate::wire::eth::HEADER_BYTES;
use crate::wire::rpc::Reply;
use crate::wire::{Answer, PeerFault, VerifiedHeader};

impl Engine {
    /// Asks a peer for the header that is looked for, if there is one and nobody is asked yet.
    pub(super) fn ask_for_header(&mut self, now: Millis) {
        let search = self.goal.header().filter(|search| search.is_open());
        let Some(block) = search.map(|search| search.block()) else {
            return;
        };
        let routes = self.askable(now, RequestKind::Headers, &block);
        let Some(route) = routes.first().copied() else {
            return;
        };
        let route = Route {
            bytes: HEADER_BYTES,
            ..route
        };
        if let Some(search) = self.goal.header_of(&block) {
            search.asked();
        }
        if let Some(job) = self.job_mut() {
            job.count_request();
        }
        self.send(now, route, Subject::Header(block));
    }

    /// Takes in the answer to a request for a header.
    pub(super) fn verify_header(
        &mut self,
        now: Millis,
        id: PeerId,
        block: Hash,
        content: &Content,
        (timing, is_late): (Timing, bool),
    ) {
        let read = match content {
            Content::Frame(frame) => Answer::split(frame.payload())
                .and_then(|answer| VerifiedHeader::read(answer, &block)),
            Content::Reply(Reply::Header(rlp)) => {
                let header = VerifiedHeader::of_rlp(rlp, Some(&block));
                header.map(Some).map_err(|_| PeerFault::WrongHeader)
            }
            Content::Reply(_) => Err(PeerFault::WrongKind),
        };
        match (&read, self.peers.get_mut(id)) {
            (Ok(Some(_)), Some(_)) => {
                let gain = Gain {
                    bytes: timing.bytes as u64,
                    ..Gain::default()
                };
                let subject = (RequestKind::Headers, block);
                self.peers.proved(now, id, subject, timing, gain);
            }
            (Ok(None), Some(peer)) => peer.refused(RequestKind::Headers, block, now),
            (Err(_), _) | (_, None) => {}
        }
        let search = self.goal.header_of(&block);
        match (read, search) {
            (Ok(Some(header)), Some(_)) => {
                self.waiting = None;
                let pivot = Pivot {
                    root: header.state_root(),
                    block: Some(header.block()),
                };
                self.set_pivot(now, pivot);
                self.start_next(now);
            }
            (Ok(None), Some(search)) if !is_late => search.requeue(),
            // Another target or another peer has taken its place meanwhile.
            (Ok(_), _) => {}
            (Err(fault), search) => {
                if let Some(search) = search.filter(|_| !is_late) {
                    search.requeue();
                }
                match content {
                    Content::Frame(_) => self.fault(id, fault),
                    // Some provider's header of a new fork lacks a field, and so has no right hash.
                    Content::Reply(_) => {
                        self.mislead(now, id, (RequestKind::Headers, block));
                    }
                }
            }
        }
    }

    /// Why the header does not come, if nobody is being asked for it who has not refused before.
    pub(super) fn header_stall(&self) -> Option<WaitReason> {
        let block = self.goal.header()?.block();
        let peers = self.peers.serving_headers();
        if peers == 0 {
            return Some(WaitReason::NoPeers);
        }
        let refusing = self.peers.refusing(RequestKind::Headers, &block);
        (refusing == peers).then_some(WaitReason::BlockUnavailable { block, peers })
    }
}
