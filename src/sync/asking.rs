//! Asking: work is handed to peers, comes back, and when nothing moves the engine says why.

use super::engine::{Activity, Engine};
use super::goal::Goal;
use super::requests::Request;
use super::want::Want;
use super::{Event, Failure, Kind, Millis, Output, Why};

impl Engine {
    /// Sends requests while peers, work and room are there.
    pub(super) fn assign(&mut self, now: Millis) {
        if let Activity::Syncing(job) = &mut self.activity {
            job.replan(self.limits.waiting_bytes);
        }
        for kind in Kind::ALL {
            while self.ask(now, kind) {}
        }
    }

    fn ask(&mut self, now: Millis, kind: Kind) -> bool {
        let Some(bytes_left) = self.room_for(kind) else {
            return false;
        };
        let root = match (kind, &self.goal, &self.activity) {
            (Kind::Headers, Goal::Header(sought), _) => sought.block,
            (Kind::Headers, ..) => return false,
            (_, _, Activity::Syncing(job)) => job.aim.root,
            _ => return false,
        };
        let Some(id) = self.peers.idle(kind, &root, now) else {
            return false;
        };
        let Some(peer) = self.peers.get_mut(id) else {
            return false;
        };
        let Some(offsets) = peer.link.offsets() else {
            return false;
        };
        let bytes = peer.request_bytes().min(bytes_left);
        let want = match (kind, &mut self.goal, &mut self.activity) {
            (Kind::Headers, Goal::Header(sought), _) => sought.take(),
            (_, _, Activity::Syncing(job)) => job.take(kind, bytes),
            _ => None,
        };
        let Some(want) = want else {
            return false;
        };
        let (round, trip) = match &mut self.activity {
            Activity::Syncing(job) => {
                job.counters.requests += 1;
                let trip = job.trips.ask(&want, job.counters.round_trips);
                (job.round, trip)
            }
            _ => (0, 1),
        };
        let asked = want.request(root, bytes);
        let deadline = now.after(peer.patience());
        let request = self.requests.open(Request {
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
        if self.waiting == Some(Why::NoPeers) {
            self.waiting = None;
        }
        self.outbox
            .push_back(Output::Send(id, asked.frame(offsets, request)));
        true
    }

    /// If nothing moves although something is missing, says why, once for each reason.
    pub(super) fn wait_aloud(&mut self, now: Millis) {
        if !self.requests.is_empty() || !self.commits.is_settled() || !self.outbox.is_empty() {
            return;
        }
        if let Some(why) = self.header_waits_for(now) {
            return self.wait_for(why);
        }
        let Activity::Syncing(job) = &self.activity else {
            return;
        };
        if job.is_reading() || self.sweep.is_some() {
            return;
        }
        let root = job.aim.root;
        let lacking = Kind::ALL.into_iter().filter(|kind| job.lacks(*kind));
        let refusing = lacking
            .map(|kind| self.peers.refusing(kind, &root, now))
            .max();
        let why = match (self.peers.ready(), refusing) {
            (0, _) => Why::NoPeers,
            (ready, Some(peers)) if peers == ready => Why::NeedNewRoot { root, peers },
            (_, None) => {
                return self.fail(Failure::Defect(
                    "nothing is left to ask for, and the state is incomplete",
                ));
            }
            _ => return,
        };
        self.wait_for(why);
    }

    fn wait_for(&mut self, why: Why) {
        if self.waiting.as_ref() != Some(&why) {
            self.waiting = Some(why.clone());
            self.outbox.push_back(Output::Event(Event::Waiting(why)));
        }
    }

    /// A request ended without a usable answer: its peer is free, its work goes back.
    pub(super) fn return_work(&mut self, request: Request) {
        if let Some(peer) = self.peers.get_mut(request.peer) {
            peer.freed(request.want.kind());
        }
        if let Activity::Syncing(job) = &mut self.activity
            && request.want.kind() != Kind::Headers
        {
            match job.round == request.round {
                true => job.give_back(request.want),
                false => job.late_ended(&request.want),
            }
            return;
        }
        if let (Want::Header(block), Some(sought)) = (request.want, self.goal.header_mut()) {
            sought.give_back(block);
        }
    }
}
