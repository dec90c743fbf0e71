//! Connections from the engine's side: frames in, faults out, silence ended.

use super::engine::{Activity, Arrived, Engine};
use super::requests::Match;
use super::{Event, Millis, Output, PeerId};
use crate::wire::{Message, PeerFault, Session, SessionEvent, snap::Answer};

impl Engine {
    pub(super) fn peer_joined(&mut self, now: Millis, peer: PeerId) {
        match self.peers.join(peer, now) {
            true => {
                let hello = Session::hello(&self.config.client, &self.config.node_id);
                self.outbox.push_back(Output::Send(peer, hello));
            }
            false => self
                .outbox
                .push_back(Output::Drop(peer, PeerFault::TooManyPeers)),
        }
    }

    pub(super) fn peer_left(&mut self, peer: PeerId) {
        self.peers.leave(peer);
        for request in self.requests.peer_left(peer) {
            self.return_work(request);
        }
    }

    pub(super) fn frame(&mut self, now: Millis, id: PeerId, bytes: &[u8]) {
        let Some(peer) = self.peers.get_mut(id) else {
            return;
        };
        peer.heard(now, bytes.len());
        if let Activity::Syncing(job) = &mut self.activity {
            job.counters.bytes_received += bytes.len() as u64;
        }
        let head = peer.session.head();
        let received = peer.session.receive(bytes, &self.config.network);
        if peer.session.head() != head {
            peer.forgive();
        }
        match received {
            Ok(SessionEvent::None) => {}
            Ok(SessionEvent::Reply(reply)) => self.outbox.push_back(Output::Send(id, reply)),
            Ok(SessionEvent::Ready(reply)) => {
                self.outbox.push_back(Output::Send(id, reply));
                self.outbox.push_back(Output::Event(Event::PeerReady(id)));
            }
            Ok(SessionEvent::Answer(message, payload)) => {
                if let Err(fault) = self.answer(now, id, message, payload) {
                    self.fault(id, fault);
                }
            }
            Err(fault) => self.fault(id, fault),
        }
    }

    /// Holds an answer against its request: session, id, kind, size. Content is for [`Engine::verify_answer`].
    fn answer(
        &mut self,
        now: Millis,
        peer: PeerId,
        message: Message,
        payload: &[u8],
    ) -> Result<(), PeerFault> {
        let answer = Answer::split(payload)?;
        let request = match self.requests.answer(answer.id, peer) {
            Match::Open(request) => *request,
            Match::Late => return Ok(()),
            Match::Unknown => return Err(PeerFault::Unrequested(answer.id)),
        };
        let asked = request.want.request(request.root, request.bytes);
        let verdict = match asked.answer() == message {
            false => Err(PeerFault::WrongKind),
            true if answer.len() as u64 > request.most_bytes() => Err(PeerFault::TooMuch),
            true => Ok(()),
        };
        match verdict {
            Ok(()) => self.arrived.push_back(Arrived {
                request,
                payload: payload.to_vec(),
                at: now,
            }),
            Err(_) => self.return_work(request),
        }
        verdict
    }

    /// A peer broke a rule: say so, and close the connection if the rule is worth it.
    pub(super) fn fault(&mut self, id: PeerId, fault: PeerFault) {
        let Some(peer) = self.peers.get_mut(id) else {
            return;
        };
        self.outbox
            .push_back(Output::Event(Event::PeerFault(id, fault.clone())));
        if !peer.strike(&fault) {
            return;
        }
        self.outbox
            .push_back(Output::Send(id, Session::disconnect(fault.reason())));
        self.outbox.push_back(Output::Drop(id, fault));
        self.peer_left(id);
    }

    /// Ends what is over its time, pings who is silent.
    pub(super) fn on_tick(&mut self, now: Millis) {
        for request in self.requests.expire(now) {
            let peer = request.peer;
            self.return_work(request);
            self.fault(peer, PeerFault::Timeout);
        }
        let (overdue, pings) = self.peers.on_tick(now);
        overdue
            .into_iter()
            .for_each(|(peer, fault)| self.fault(peer, fault));
        pings
            .into_iter()
            .for_each(|peer| self.outbox.push_back(Output::Send(peer, Session::ping())));
    }
}
