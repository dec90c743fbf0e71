//! Connections from the engine's side: frames in, faults out, silence ended.

use super::Engine;
use crate::sync::ids::{Millis, PeerId};
use crate::sync::io::{Event, Output};
use crate::sync::peer::{MIN_REQUEST, Peer};
use crate::sync::progress::{Counters, WaitReason};
use crate::sync::requests::{
    AnswerFrame, Arrived, Content, Expired, Match, Overdue, PendingRequest,
};
use crate::wire::{
    Beginning, By, HEAD, MAX_BASE_FRAME, MAX_FRAME, Message, PeerFault, Session, SessionEvent,
};

/// Bytes of answers that may wait for verification: one of the largest, and what else is asked for
/// at a time. Bytecodes may be so large; all other answers together are far below it.
pub(super) const MAX_ARRIVED: usize = MAX_FRAME + 2 * 1024 * 1024;

impl Engine {
    pub(super) fn peer_joined(&mut self, now: Millis, peer: PeerId, by: By) {
        let outside = self.clock.outside(now);
        let has_joined = self.peers.join(peer, by, now, outside);
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

    /// Whether a frame of this length, with these first bytes ([`HEAD`], or all of a shorter one), is
    /// to be handed over as [`Input::Frame`](super::Input::Frame). If not, the driver does not copy
    /// it, and hands over [`Input::Unread`](super::Input::Unread). So what nobody reads takes none of
    /// a memory that never shrinks.
    pub fn wants_frame(&self, id: PeerId, length: usize, head: &[u8]) -> bool {
        // A small one costs nothing, and may belong to a handshake that has not come so far.
        if length <= MAX_BASE_FRAME {
            return true;
        }
        match self.peers.get(id).and_then(|peer| peer.judge(length, head)) {
            Some(Ok(Beginning::Session | Beginning::Unasked)) => true,
            Some(Ok(Beginning::Answer(_, request))) => {
                let request = self.requests.awaited(request, id);
                request.is_some_and(|request| length <= request.most_frame())
                    && self.has_room_for(length)
            }
            Some(Ok(Beginning::Ignored) | Err(_)) | None => false,
        }
    }

    /// Whether an answer of so many bytes may wait for verification.
    fn has_room_for(&self, length: usize) -> bool {
        let waiting: usize = self.arrived.iter().map(Arrived::bytes).sum();
        waiting == 0 || waiting + length <= MAX_ARRIVED
    }

    pub(super) fn frame(&mut self, now: Millis, id: PeerId, frame: Vec<u8>) {
        let head: Vec<u8> = frame.iter().take(HEAD).copied().collect();
        self.received(now, id, frame.len(), &head, Some(frame));
    }

    /// A frame that the driver did not copy.
    pub(super) fn unread(&mut self, now: Millis, id: PeerId, length: usize, head: &[u8]) {
        self.received(now, id, length, head, None);
    }

    fn received(
        &mut self,
        now: Millis,
        id: PeerId,
        length: usize,
        head: &[u8],
        frame: Option<Vec<u8>>,
    ) {
        self.peers.count_received(length);
        let outside = self.clock.outside(now);
        let Some(peer) = self.peers.get_mut(id) else {
            return;
        };
        peer.heard(now, length);
        let Some(judged) = peer.judge(length, head) else {
            debug_assert!(false, "a provider has no frames");
            return;
        };
        let judged = judged.and_then(|beginning| {
            peer.count_unasked((now, outside), length, beginning)?;
            Ok(beginning)
        });
        if let Some(job) = self.job_mut() {
            job.count_received(length);
        }
        let result = match (judged, frame) {
            (Ok(Beginning::Answer(message, request)), frame) => {
                self.answer(now, id, (message, request), length, frame)
            }
            (Ok(Beginning::Ignored), _) => Ok(()),
            (Ok(_), Some(frame)) => self.take_message(now, id, &frame),
            // The driver has been told to copy it.
            (Ok(_), None) => Err(PeerFault::OversizedFrame { bytes: length }),
            (Err(fault), _) => Err(fault),
        };
        if let Err(fault) = result {
            self.fault(id, fault);
        }
    }

    /// Takes a message that is no answer.
    fn take_message(&mut self, now: Millis, id: PeerId, frame: &[u8]) -> Result<(), PeerFault> {
        let Some(peer) = self.peers.get_mut(id) else {
            return Ok(());
        };
        let head = peer.head();
        let received = peer.receive(now, frame, &self.config.network);
        if peer.head() != head {
            self.lacking.forgive(id);
        }
        match received? {
            SessionEvent::Reply(reply) => self.outbox.push_back(Output::Send(id, reply)),
            SessionEvent::Ready(reply) => {
                self.outbox.push_back(Output::Send(id, reply));
                self.tell(Event::PeerReady(id));
            }
            SessionEvent::None | SessionEvent::Answer(..) => {}
        }
        Ok(())
    }

    /// Holds an answer against its request: peer, id, kind, size. Its content is for
    /// [`Engine::verify_answer`]. Without a frame, the driver did not copy it.
    fn answer(
        &mut self,
        now: Millis,
        peer: PeerId,
        (message, id): (Message, u64),
        length: usize,
        frame: Option<Vec<u8>>,
    ) -> Result<(), PeerFault> {
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
        // What finds no room is asked for again, and nobody's fault.
        let frame = frame.filter(|_| self.has_room_for(length));
        let verdict = match kind.is_answered_by(message) {
            false => Err(PeerFault::WrongKind),
            true if length > request.most_frame() => Err(PeerFault::TooMuch),
            true => frame
                .map(|frame| AnswerFrame::of(frame, message, request.most_bytes()))
                .transpose(),
        };
        match verdict {
            Ok(Some(frame)) => {
                let received = self.peers.received(peer);
                let content = Content::Frame(frame);
                self.arrived
                    .push(Arrived::new(request, content, now, received));
                return Ok(());
            }
            _ if request.is_late => {}
            _ => self.return_work(request.subject),
        }
        verdict.map(|_| ())
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
