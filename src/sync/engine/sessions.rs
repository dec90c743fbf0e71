//! Connections from the engine's side: frames in, faults out, silence ended.

use super::Engine;
use crate::sync::ids::{Millis, PeerId};
use crate::sync::io::{Event, Output};
use crate::sync::peer::{MIN_REQUEST, Peer};
use crate::sync::progress::{Counters, WaitReason};
use crate::sync::requests::{
    AnswerFrame, Arrived, Content, Expired, Match, Overdue, PendingRequest,
};
use crate::wire::{Answer, By, Message, PeerFault, Session, SessionEvent};

impl Engine {
    pub(super) fn peer_joined(&mut self, now: Millis, peer: PeerId, by: By) {
        let has_joined = self.peers.join(peer, by, now);
        if has_joined && by == By::Rpc {
            return self.ask_for_chain(now, peer);
        }
        self.outbox.push_back(match has_joined {
            true => Output::Send(
                peer,
                Session::hello(by, &self.config.client, &self.config.node_id),
            ),
            false => Output::Drop(peer, PeerFault::TooManyPeers),
        });
    }

    pub(super) fn peer_left(&mut self, peer: PeerId) {
        self.peers.leave(peer);
        for request in self.requests.peer_left(peer) {
            if !request.is_late {
                self.return_work(request.subject);
            }
        }
    }

    pub(super) fn frame(&mut self, now: Millis, id: PeerId, frame: Vec<u8>) {
        let length = frame.len();
        self.peers.count_received(length);
        let Some(peer) = self.peers.get_mut(id) else {
            return;
        };
        let head = peer.head();
        let received = peer.receive(now, &frame, &self.config.network);
        if peer.head() != head {
            self.lacking.forgive(id);
        }
        let answer = match received {
            Ok(SessionEvent::Answer(message, payload)) => Ok(Some((message, payload.len()))),
            Ok(SessionEvent::None) => Ok(None),
            Ok(SessionEvent::Reply(reply)) => {
                self.outbox.push_back(Output::Send(id, reply));
                Ok(None)
            }
            Ok(SessionEvent::Ready(reply)) => {
                self.outbox.push_back(Output::Send(id, reply));
                self.tell(Event::PeerReady(id));
                Ok(None)
            }
            Err(fault) => Err(fault),
        };
        if let Some(job) = self.job_mut() {
            job.count_received(length);
        }
        let result = answer.and_then(|answer| match answer {
            Some((message, length)) => {
                self.answer(now, id, message, AnswerFrame::new(frame, length))
            }
            None => Ok(()),
        });
        if let Err(fault) = result {
            self.fault(id, fault);
        }
    }

    /// Holds an answer against its request: peer, id, kind, size. Its content is for
    /// [`Engine::verify_answer`].
    fn answer(
        &mut self,
        now: Millis,
        peer: PeerId,
        message: Message,
        frame: AnswerFrame,
    ) -> Result<(), PeerFault> {
        let answer = Answer::split(frame.payload())?;
        let (id, length) = (answer.id, answer.splittable_bytes(message)? as u64);
        let request = match self.requests.answer(id, peer) {
            Match::Open(request) => *request,
            Match::Again => return self.answered_again(peer, id),
            Match::Unknown => {
                self.count(|counters| counters.unexpected += 1);
                return Err(PeerFault::Unrequested(id));
            }
        };
        let kind = request.subject.kind();
        if let Some(peer) = self.peers.get_mut(peer) {
            peer.answered(request.expected, request.is_late);
        }
        if request.is_late {
            self.count(|counters| counters.late += 1);
        }
        let verdict = match kind.is_answered_by(message) {
            false => Err(PeerFault::WrongKind),
            true if length > request.most_bytes() => Err(PeerFault::TooMuch),
            true => Ok(()),
        };
        match verdict {
            Ok(()) => {
                let received = self.peers.received(peer);
                let content = Content::Frame(frame);
                self.arrived
                    .push(Arrived::new(request, content, now, received));
            }
            Err(_) if request.is_late => {}
            Err(_) => self.return_work(request.subject),
        }
        verdict
    }

    /// An answer came twice. That is counted, and not for ever.
    pub(super) fn answered_again(&mut self, id: PeerId, request: u64) -> Result<(), PeerFault> {
        self.count(|counters| counters.duplicate += 1);
        match self.peers.get_mut(id).is_some_and(Peer::repeats) {
            true => Err(PeerFault::Unrequested(request)),
            false => Ok(()),
        }
    }

    /// Counts something for the sync under way, if there is one.
    pub(super) fn count(&mut self, count: impl FnOnce(&mut Counters)) {
        if let Some(job) = self.job_mut() {
            count(job.counters_mut());
        }
    }

    /// A peer broke a rule, or its connection is dead: tells it, and closes the connection.
    pub(super) fn fault(&mut self, id: PeerId, fault: PeerFault) {
        let Some(by) = self.peers.get(id).map(Peer::by) else {
            return;
        };
        self.tell(Event::PeerFault(id, fault.clone()));
        // Nothing is answered to a Disconnect, and nothing is sent to a provider.
        if by != By::Rpc && !matches!(fault, PeerFault::Disconnected(_)) {
            let goodbye = Session::disconnect(fault.reason());
            self.outbox.push_back(Output::Send(id, goodbye));
        }
        self.outbox.push_back(Output::Drop(id, fault));
        self.peer_left(id);
    }

    /// Looks at requests whose time is over, ends connections that are dead, and pings peers that
    /// are silent.
    pub(super) fn on_tick(&mut self, now: Millis) {
        self.peers.end_refusals(now);
        if !self.clock.may_judge() {
            return;
        }
        self.expire_requests(now);
        let is_busy = !self.requests.is_empty();
        let (overdue, pings) = self.peers.on_tick(now, is_busy);
        for (peer, fault) in overdue {
            self.fault(peer, fault);
        }
        for peer in pings {
            match self.peers.get(peer).map(Peer::by) {
                Some(By::Rpc) => self.ask_for_chain(now, peer),
                _ => self.outbox.push_back(Output::Send(peer, Session::ping())),
            }
        }
    }

    /// Gives work whose time is over to somebody else, if there is anybody. One stall of a peer
    /// counts once, however many requests are open there.
    fn expire_requests(&mut self, now: Millis) {
        let peers = &self.peers;
        let can_replace = |request: &PendingRequest| {
            let (peer, sent) = (request.peer, request.sent);
            let root = request.subject.root();
            let about = (request.subject.kind(), &root);
            match request.is_call {
                true => peers.is_callable_elsewhere(peer, about, sent, now),
                false => peers.is_replaceable(peer, about.0, sent, now),
            }
        };
        let expired = self.requests.expire(now, can_replace);
        let mut seen: Vec<PeerId> = Vec::new();
        for request in expired {
            let id = request.peer;
            let is_first = !seen.contains(&id);
            seen.push(id);
            let mut peer = self.peers.get_mut(id);
            if let (Overdue::Late, Some(peer)) = (request.what, &mut peer) {
                peer.turned_late(request.expected);
            }
            let peer = peer.filter(|_| is_first);
            match request.what {
                Overdue::Waited => {
                    peer.into_iter().for_each(Peer::slowed);
                    let peers = self.peers.ready().len();
                    self.wait_for(WaitReason::NoAnswer { peers });
                }
                Overdue::Late => {
                    // Of a provider a call that is late only says that others come first.
                    let peer = peer.filter(|_| !request.is_call);
                    peer.into_iter().for_each(|peer| peer.late(now));
                    self.return_work(request.subject);
                }
                Overdue::Stalled if self.has_failed(now, &request) => {
                    self.fault(id, PeerFault::Timeout);
                }
                Overdue::Stalled => {}
            }
        }
    }

    /// Whether a peer fails even the smallest request while others answer. A bytecode may be of any
    /// size, so a request for codes shows nothing, nor does one whose answer is queued behind
    /// another.
    fn has_failed(&self, now: Millis, request: &Expired) -> bool {
        let is_smallest = request.bytes <= MIN_REQUEST && !request.subject.asks_for_codes();
        is_smallest
            && self
                .requests
                .is_first_in_line(request.peer, request.sent, now)
            && self.peers.has_proof_of_others(request.peer, request.sent)
    }
}
