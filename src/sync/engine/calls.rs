//! Providers: calls go out, replies come back, and what a reply that is no answer means.

use super::Engine;
use crate::hash::Hash;
use crate::sync::ids::{Millis, PeerId};
use crate::sync::io::{Event, Output};
use crate::sync::peer::FailedCall;
use crate::sync::requests::{Arrived, Content, Match, PendingRequest, Subject};
use crate::sync::want::{RequestKind, Want};
use crate::wire::PeerFault;
use crate::wire::rpc::{Call, Reply, Trouble};

/// The number of the call for a provider's chain. Those of requests start at 1.
const CHAIN_CALL: u64 = 0;

impl Engine {
    /// Asks a provider for its chain. It is asked for nothing else before.
    pub(super) fn ask_for_chain(&mut self, now: Millis, id: PeerId) {
        let peer = self.peers.get_mut(id);
        if let Some(provider) = peer.and_then(|peer| peer.provider_mut()) {
            provider.chain_asked(now);
            self.outbox
                .push_back(Output::Call(id, CHAIN_CALL, Call::ChainId));
        }
    }

    /// A call of a provider has ended. It is held against its request as a frame is; its content is
    /// for [`Engine::verify_answer`].
    pub(super) fn replied(&mut self, now: Millis, id: PeerId, number: u64, reply: Reply) {
        let length = reply.bytes();
        self.peers.count_received(length);
        if let Some(job) = self.job_mut() {
            job.count_received(length);
        }
        if number == CHAIN_CALL {
            return self.chain_replied(now, id, reply);
        }
        // Only a driver can reply to a call twice, or to one that was not made.
        let Match::Open(request) = self.requests.answer(number, id) else {
            return self.count(|counters| counters.unexpected += 1);
        };
        let request = *request;
        if request.is_late {
            self.count(|counters| counters.late += 1);
        }
        let Some(peer) = self.peers.get_mut(id) else {
            return;
        };
        peer.answered(request.expected, request.is_late);
        match reply {
            Reply::Failed(error) => {
                let trouble = error.trouble();
                self.call_failed(now, request, trouble, error.retry_after_ms);
            }
            reply if is_answer(&reply, &request.subject) => {
                peer.replied(length, now.since(request.sent));
                let received = self.peers.received(id);
                let arrived = Arrived::new(request, Content::Reply(reply), now, received);
                self.arrived.push(arrived);
            }
            _ => {
                let about = (request.subject.kind(), request.subject.root());
                self.call_failed(now, request, Trouble::Other, None);
                self.mislead(now, id, about);
            }
        }
    }

    /// A provider named its chain, or did not.
    fn chain_replied(&mut self, now: Millis, id: PeerId, reply: Reply) {
        let expected = self.config.chain_id;
        let peer = self.peers.get_mut(id);
        let Some(provider) = peer.and_then(|peer| peer.provider_mut()) else {
            return;
        };
        let fault = match reply {
            Reply::ChainId(chain) if chain == expected => {
                if provider.chain_is_right(now) {
                    self.tell(Event::PeerReady(id));
                }
                return;
            }
            Reply::ChainId(chain) => PeerFault::WrongChain(chain),
            Reply::Failed(error) if error.trouble() == Trouble::Spent => PeerFault::Spent,
            Reply::Failed(error) => return provider.chain_failed(now, error.retry_after_ms),
            _ => return provider.chain_failed(now, None),
        };
        self.fault(id, fault);
    }

    /// A call brought nothing. Its work goes back, and what that says of the provider is noted.
    fn call_failed(
        &mut self,
        now: Millis,
        request: PendingRequest,
        trouble: Trouble,
        retry_after_ms: Option<u64>,
    ) {
        let call = FailedCall {
            kind: request.subject.kind(),
            root: request.subject.root(),
            slots: request.subject.slots(),
            sent: request.sent,
            trouble,
            retry_after_ms,
        };
        if !request.is_late {
            self.return_work(request.subject);
        }
        let peer = self.peers.get_mut(request.peer);
        if let Some(Err(fault)) = peer.map(|peer| peer.call_failed(now, &call)) {
            self.fault(request.peer, fault);
        }
    }

    /// A provider's answer was wrong: it is not asked for this for a while, and too many of them
    /// end it.
    pub(super) fn mislead(&mut self, now: Millis, id: PeerId, about: (RequestKind, Hash)) {
        let Some(peer) = self.peers.get_mut(id) else {
            return;
        };
        peer.is_not_here(about.0, about.1, now);
        if let Err(fault) = peer.marked() {
            self.fault(id, fault);
        }
    }
}

/// Whether a reply is of the kind that was asked for.
fn is_answer(reply: &Reply, subject: &Subject) -> bool {
    match (reply, subject) {
        (Reply::Header(_), Subject::Header(_)) => true,
        (Reply::Proof(_), Subject::State(state)) => matches!(state.want, Want::Proof { .. }),
        (Reply::Code(_), Subject::State(state)) => matches!(state.want, Want::CodeOf { .. }),
        _ => false,
    }
}
