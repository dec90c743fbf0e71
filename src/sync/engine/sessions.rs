//! Connections from the engine's side: frames in, faults out, silence ended.

use super::Engine;
use crate::sync::ids::{Millis, PeerId};
use crate::sync::io::{Event, Output};
use crate::sync::requests::{AnswerFrame, Arrived, Match};
use crate::wire::{Answer, Message, PeerFault, Session, SessionEvent};

impl Engine {
    pub(super) fn peer_joined(&mut self, now: Millis, peer: PeerId) {
        self.outbox.push_back(match self.peers.join(peer, now) {
            true => Output::Send(
                peer,
                Session::hello(&self.config.client, &self.config.node_id),
            ),
            false => Output::Drop(peer, PeerFault::TooManyPeers),
        });
    }

    pub(super) fn peer_left(&mut self, peer: PeerId) {
        self.peers.leave(peer);
        for request in self.requests.peer_left(peer) {
            self.return_work(request);
        }
    }

    pub(super) fn frame(&mut self, now: Millis, id: PeerId, frame: Vec<u8>) {
        let Some(peer) = self.peers.get_mut(id) else {
            return;
        };
        let length = frame.len();
        let received = peer.receive(now, &frame, &self.config.network);
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
        let (id, length) = (answer.id, answer.len() as u64);
        let request = match self.requests.answer(id, peer) {
            Match::Open(request) => *request,
            Match::Late => return Ok(()),
            Match::Unknown => return Err(PeerFault::Unrequested(id)),
        };
        let verdict = match request.subject.answer() == message {
            false => Err(PeerFault::WrongKind),
            true if length > request.most_bytes() => Err(PeerFault::TooMuch),
            true => Ok(()),
        };
        match verdict {
            Ok(()) => self.arrived.push_back(Arrived::new(request, frame, now)),
            Err(_) => self.return_work(request),
        }
        verdict
    }

    /// A peer broke a rule: tells it, and closes the connection if the rule is grave.
    pub(super) fn fault(&mut self, id: PeerId, fault: PeerFault) {
        let Some(peer) = self.peers.get_mut(id) else {
            return;
        };
        let is_grave = peer.strike(&fault);
        self.tell(Event::PeerFault(id, fault.clone()));
        if !is_grave {
            return;
        }
        // Nothing is answered to a Disconnect.
        if !matches!(fault, PeerFault::Disconnected(_)) {
            let goodbye = Session::disconnect(fault.reason());
            self.outbox.push_back(Output::Send(id, goodbye));
        }
        self.outbox.push_back(Output::Drop(id, fault));
        self.peer_left(id);
    }

    /// Ends what is over its time, and pings peers that are silent.
    pub(super) fn on_tick(&mut self, now: Millis) {
        for request in self.requests.expire(now) {
            let peer = request.peer;
            self.return_work(request);
            self.fault(peer, PeerFault::Timeout);
        }
        let (overdue, pings) = self.peers.on_tick(now);
        for (peer, fault) in overdue {
            self.fault(peer, fault);
        }
        for peer in pings {
            self.outbox.push_back(Output::Send(peer, Session::ping()));
        }
    }
}
