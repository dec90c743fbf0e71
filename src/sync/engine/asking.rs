//! Asking: work is handed to peers and comes back. When nothing moves, the engine says why.

use super::batching::Room;
use super::{Activity, Engine};
use crate::hash::Hash;
use crate::sync::ids::Millis;
use crate::sync::io::{Event, Failure, Output};
use crate::sync::job::{Job, SetWays, Terms};
use crate::sync::lacking::Lacks;
use crate::sync::peers::{LONG_PAUSE_MS, Route};
use crate::sync::progress::WaitReason;
use crate::sync::requests::{PendingRequest, StateRequest, Subject};
use crate::sync::want::RequestKind;
use crate::wire::rpc::Call;
use crate::wire::{Offsets, Request};

/// How a request goes out.
enum Message {
    Call(Call),
    Frame(Request, Offsets),
}

impl Engine {
    /// Sends requests while there are peers, work and room for them.
    pub(super) fn assign(&mut self, now: Millis) {
        // What is lacking no more is planned at once.
        self.settle_lacking(now);
        let waiting_bytes = self.limits.waiting_bytes;
        if let Activity::Syncing(job) = &mut self.activity {
            let root = job.root();
            self.peers.serve_set(!job.tree().scope().is_everything());
            job.ask_by(SetWays {
                is_by_hash: self.peers.is_only_by_hash(&root, now),
                is_by_key: self.peers.is_only_by_key(&root),
            });
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
        let is_full = match self.room_for(kind) {
            Room::None => return false,
            Room::ToComplete => true,
            Room::Enough => false,
        };
        let Some(root) = self.job().map(Job::root) else {
            return false;
        };
        for route in self.askable(now, kind, &root) {
            let Activity::Syncing(job) = &mut self.activity else {
                return false;
            };
            let waiting = job.tree().resident_bytes();
            let terms = Terms {
                bytes: route.bytes,
                lacks: Lacks {
                    lacking: &self.lacking,
                    peer: route.peer,
                },
                is_full,
                room: self.limits.waiting_bytes.saturating_sub(waiting),
            };
            // Another peer may have what this one lacks.
            let Some(want) = job.take(kind, terms) else {
                match self.lacking.is_empty() {
                    true => return false,
                    false => continue,
                }
            };
            let want = match want.split(route.keys) {
                (want, None) => want,
                (want, Some(rest)) => {
                    job.requeue(rest);
                    want
                }
            };
            let request = StateRequest {
                root,
                round: job.round(),
                trip: job.asked(&want),
                block: job.pivot().block.map(|block| block.hash),
                want,
            };
            self.send(now, route, Subject::State(request));
            return true;
        }
        false
    }

    /// The peers that may be asked for this kind, the best first.
    pub(super) fn askable(&self, now: Millis, kind: RequestKind, root: &Hash) -> Vec<Route> {
        self.peers.askable(kind, root, now, self.limits.asked_bytes)
    }

    /// Sends a request.
    pub(super) fn send(&mut self, now: Millis, route: Route, subject: Subject) {
        let message = match (subject.request(route.bytes), route.offsets) {
            (Request::Call(call), _) => Message::Call(call),
            (Request::Header(block), None) => Message::Call(Call::Header(block)),
            (request, Some(offsets)) => Message::Frame(request, offsets),
            (_, None) => {
                debug_assert!(false, "a provider is only called");
                return;
            }
        };
        let expected = subject.expected(route.bytes, self.span_bytes);
        let (received, patience_ms) = self.peers.asked(route.peer, expected);
        let id = self.requests.open(PendingRequest {
            peer: route.peer,
            subject,
            bytes: route.bytes,
            expected,
            sent: now,
            deadline: now.after(patience_ms),
            received: Some(received),
            is_late: false,
            is_call: matches!(message, Message::Call(_)),
        });
        if self.waiting == Some(WaitReason::NoPeers) {
            self.waiting = None;
        }
        self.outbox.push_back(match message {
            Message::Call(call) => Output::Call(route.peer, id, call),
            Message::Frame(request, offsets) => {
                Output::Send(route.peer, request.frame(offsets, id))
            }
        });
    }

    /// Sets aside what no peer has, and asks for it again once its pause is over.
    fn settle_lacking(&mut self, now: Millis) {
        if self.lacking.is_empty() {
            return;
        }
        let Activity::Syncing(job) = &mut self.activity else {
            // It was about a state that nobody asks for now.
            return self.lacking.clear();
        };
        self.lacking.settle(&self.peers.holding(&job.root()), now);
        job.set_aside(self.lacking.unavailable());
    }

    /// If nothing moves although something is missing, says why, once for each reason. Peers that
    /// have refused are asked again and again, which is no movement.
    pub(super) fn report_stall(&mut self, now: Millis) {
        let only_retries = self
            .requests
            .in_time()
            .all(|request| self.is_retry(request));
        if !only_retries || !self.commits.is_settled() || !self.outbox.is_empty() {
            return;
        }
        if let Some(reason) = self.header_stall() {
            return self.wait_for(reason);
        }
        let Some(job) = self.job() else {
            return;
        };
        if self.is_reading() || self.upkeep.is_collecting() {
            return;
        }
        let root = job.root();
        let is_idle = self.requests.is_idle();
        if is_idle && !RequestKind::STATE.into_iter().any(|kind| job.lacks(kind)) {
            return self.fail(Failure::Defect(
                "nothing is left to ask for, and the state is incomplete",
            ));
        }
        let peers = self.peers.serving();
        let reason = match self.lacking.unavailable().next() {
            _ if peers == 0 => WaitReason::NoPeers,
            _ if self.peers.refusing_state(&root) == peers => {
                WaitReason::NeedNewRoot { root, peers }
            }
            Some(item) if is_idle => WaitReason::Unavailable { item: *item, peers },
            None if is_idle && self.peers.paused(now.after(LONG_PAUSE_MS)) == peers => {
                WaitReason::NoAnswer { peers }
            }
            // What is missing can be had from no provider: all slots of an account.
            None if is_idle && self.peers.is_only_called(now) => WaitReason::NoPeers,
            _ => return,
        };
        self.wait_for(reason);
    }

    /// Whether its peer has refused the same before.
    fn is_retry(&self, request: &PendingRequest) -> bool {
        let (kind, root) = (request.subject.kind(), request.subject.root());
        let peer = self.peers.get(request.peer);
        peer.is_some_and(|peer| peer.has_refused_kind(kind, &root))
    }

    pub(super) fn wait_for(&mut self, reason: WaitReason) {
        if self.waiting.as_ref() == Some(&reason) {
            return;
        }
        self.waiting = Some(reason.clone());
        // The rest may go on in between. The item is named once all the same.
        let item = match &reason {
            WaitReason::Unavailable { item, .. } => Some(*item),
            _ => None,
        };
        if item.is_none() || self.named != item {
            self.named = item.or(self.named);
            self.tell(Event::Waiting(reason));
        }
    }

    /// A request ended without a usable answer, or is late: its work goes back.
    pub(super) fn return_work(&mut self, subject: Subject) {
        match subject {
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
