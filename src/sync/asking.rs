//! Asking: work is handed to peers, comes back, and when nothing moves the engine says why.

use super::engine::{Activity, Engine};
use super::goal::Goal;
use super::requests::PendingRequest;
use super::want::Want;
use super::{Event, Failure, Millis, Output, RequestKind, WaitReason};

impl Engine {
    /// Sends requests while peers, work and room are there.
    pub(super) fn assign(&mut self, now: Millis) {
        if let Activity::Syncing(job) = &mut self.activity {
            job.replan(self.limits.waiting_bytes);
        }
        for kind in RequestKind::ALL {
            while self.ask(now, kind) {}
        }
    }

    fn ask(&mut self, now: Millis, kind: RequestKind) -> bool {
        let Some(bytes_left) = self.room_for(kind) else {
            return false;
        };
        let root = match (kind, &self.goal, &self.activity) {
            (RequestKind::Headers, Goal::Header(search), _) => search.block,
            (RequestKind::Headers, ..) => return false,
            (_, _, Activity::Syncing(job)) => job.pivot.root,
            _ => return false,
        };
        let Some(id) = self.peers.idle(kind, &root, now) else {
            return false;
        };
        let Some(peer) = self.peers.get_mut(id) else {
            return false;
        };
        let Some(offsets) = peer.session.offsets() else {
            return false;
        };
        let bytes = peer.request_bytes().min(bytes_left);
        let want = match (kind, &mut self.goal, &mut self.activity) {
            (RequestKind::Headers, Goal::Header(search), _) => search.take(),
            (_, _, Activity::Syncing(job)) => job.take(kind, bytes),
            _ => None,
        };
        let Some(want) = want else {
            return false;
        };
        let (round, trip) = match &mut self.activity {
            Activity::Syncing(job) => {
                job.counters.requests += 1;
                let trip = job.round_trips.ask(&want, job.counters.round_trips);
                (job.round, trip)
            }
            _ => (0, 1),
        };
        let asked = want.request(root, bytes);
        let deadline = now.after(peer.patience());
        let request = self.requests.open(PendingRequest {
            peer: id,
            root,
            want,
            bytes,
            round,
            trip,
            sent: now,
            deadline,
        });
        peer.asked(kind);
        if self.waiting == Some(WaitReason::NoPeers) {
            self.waiting = None;
        }
        self.outbox
            .push_back(Output::Send(id, asked.frame(offsets, request)));
        true
    }

    /// If nothing moves although something is missing, says why, once for each reason.
    pub(super) fn report_stall(&mut self, now: Millis) {
        if !self.requests.is_empty() || !self.commits.is_settled() || !self.outbox.is_empty() {
            return;
        }
        if let Some(why) = self.header_waits_for(now) {
            return self.wait_for(why);
        }
        let Activity::Syncing(job) = &self.activity else {
            return;
        };
        if job.is_reading() || self.gc.is_some() {
            return;
        }
        let root = job.pivot.root;
        let lacking = RequestKind::ALL.into_iter().filter(|kind| job.lacks(*kind));
        let refusing = lacking
            .map(|kind| self.peers.refusing(kind, &root, now))
            .max();
        let why = match (self.peers.ready(), refusing) {
            (0, _) => WaitReason::NoPeers,
            (ready, Some(peers)) if peers == ready => WaitReason::NeedNewRoot { root, peers },
            (_, None) => {
                return self.fail(Failure::Defect(
                    "nothing is left to ask for, and the state is incomplete",
                ));
            }
            _ => return,
        };
        self.wait_for(why);
    }

    fn wait_for(&mut self, why: WaitReason) {
        if self.waiting.as_ref() != Some(&why) {
            self.waiting = Some(why.clone());
            self.outbox.push_back(Output::Event(Event::Waiting(why)));
        }
    }

    /// A request ended without a usable answer: its peer is free, its work goes back.
    pub(super) fn return_work(&mut self, request: PendingRequest) {
        if let Some(peer) = self.peers.get_mut(request.peer) {
            peer.freed(request.want.kind());
        }
        if let Activity::Syncing(job) = &mut self.activity
            && request.want.kind() != RequestKind::Headers
        {
            match job.round == request.round {
                true => job.requeue(request.want),
                false => job.stale_ended(&request.want),
            }
            return;
        }
        if let (Want::Header(block), Some(search)) = (request.want, self.goal.header_mut()) {
            search.requeue(block);
        }
    }
}
