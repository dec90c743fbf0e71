//! Asking: work is handed to peers and comes back. When nothing moves, the engine says why.

use super::{Activity, Engine};
use crate::sync::ids::Millis;
use crate::sync::io::{Event, Failure, Output};
use crate::sync::peers::Route;
use crate::sync::progress::WaitReason;
use crate::sync::requests::{PendingRequest, StateRequest, Subject};
use crate::sync::want::RequestKind;

impl Engine {
    /// Sends requests while there are peers, work and room for them.
    pub(super) fn assign(&mut self, now: Millis) {
        let waiting_bytes = self.limits.waiting_bytes;
        if let Some(job) = self.job_mut() {
            job.replan(waiting_bytes);
        }
        self.ask_for_header(now);
        for kind in RequestKind::STATE {
            while self.ask_for_state(now, kind) {}
        }
    }

    /// Asks a peer for the next piece of this kind. `false` if there is no peer, no work or no
    /// room.
    fn ask_for_state(&mut self, now: Millis, kind: RequestKind) -> bool {
        let Some(bytes_left) = self.room_for(kind) else {
            return false;
        };
        let Activity::Syncing(job) = &mut self.activity else {
            return false;
        };
        let root = job.root();
        let Some(peer) = self.peers.idle(kind, &root, now) else {
            return false;
        };
        let bytes = peer.request_bytes().min(bytes_left);
        let Some(want) = job.take(kind, bytes) else {
            return false;
        };
        let request = StateRequest {
            root,
            round: job.round(),
            trip: job.asked(&want),
            want,
        };
        let route = peer.asked(kind);
        self.send(now, route, Subject::State(request), bytes);
        true
    }

    /// Sends a request.
    pub(super) fn send(&mut self, now: Millis, route: Route, subject: Subject, bytes: u64) {
        let request = subject.request(bytes);
        let id = self.requests.open(PendingRequest {
            peer: route.peer,
            subject,
            bytes,
            sent: now,
            deadline: now.after(route.patience_ms),
        });
        if self.waiting == Some(WaitReason::NoPeers) {
            self.waiting = None;
        }
        let frame = request.frame(route.offsets, id);
        self.outbox.push_back(Output::Send(route.peer, frame));
    }

    /// If nothing moves although something is missing, says why, once for each reason.
    pub(super) fn report_stall(&mut self, now: Millis) {
        if !self.requests.is_empty() || !self.commits.is_settled() || !self.outbox.is_empty() {
            return;
        }
        if let Some(reason) = self.header_stall(now) {
            return self.wait_for(reason);
        }
        let Some(job) = self.job() else {
            return;
        };
        if self.is_reading() || self.upkeep.is_collecting() {
            return;
        }
        let root = job.root();
        let lacking = RequestKind::STATE
            .into_iter()
            .filter(|kind| job.lacks(*kind));
        let refusing = lacking
            .map(|kind| self.peers.refusing(kind, &root, now))
            .max();
        let reason = match (self.peers.ready(), refusing) {
            (0, _) => WaitReason::NoPeers,
            (ready, Some(peers)) if peers == ready => WaitReason::NeedNewRoot { root, peers },
            (_, None) => {
                return self.fail(Failure::Defect(
                    "nothing is left to ask for, and the state is incomplete",
                ));
            }
            _ => return,
        };
        self.wait_for(reason);
    }

    fn wait_for(&mut self, reason: WaitReason) {
        if self.waiting.as_ref() != Some(&reason) {
            self.waiting = Some(reason.clone());
            self.tell(Event::Waiting(reason));
        }
    }

    /// A request ended without a usable answer: its peer is free, its work goes back.
    pub(super) fn return_work(&mut self, request: PendingRequest) {
        if let Some(peer) = self.peers.get_mut(request.peer) {
            peer.freed(request.subject.kind());
        }
        match request.subject {
            Subject::Header(block) => {
                if let Some(search) = self.goal.header_of(&block) {
                    search.requeue();
                }
            }
            Subject::State(request) => {
                if let Some(job) = self.job_mut() {
                    match job.round() == request.round {
                        true => job.requeue(request.want),
                        false => job.stale_ended(&request.want),
                    }
                }
            }
        }
    }
}
