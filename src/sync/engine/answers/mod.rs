//! Verifying answers and joining what they prove to the tree.

mod items;
mod keys;
mod provided;

use super::{Activity, Engine};
use crate::flat_map::ChunkedSet;
use crate::hash::Hash;
use crate::state::TreeError;
use crate::sync::ids::{Millis, PeerId};
use crate::sync::io::{Event, Failure, Lie};
use crate::sync::job::Job;
use crate::sync::lacking::Lacking;
use crate::sync::peer::{Gain, Peer, Timing};
use crate::sync::progress::Missing;
use crate::sync::requests::{Arrived, Content, StateRequest, Subject};
use crate::sync::target::Goal;
use crate::sync::throughput::smoothed;
use crate::sync::want::{RequestKind, Want};
use crate::trie::{Fold, verify_accounts, verify_slots};
use crate::wire::{Answer, PeerFault, proven};

/// What an answer came to.
enum Verdict {
    /// Everything in it was proven, and is joined.
    Proven(Gain),
    /// "I do not have that": no fault, and no use to ask this peer for this root again soon.
    Refused,
    /// The same, but it may be that the peer only lacks what was asked for. `is_new`: it was not
    /// known to.
    Lacks { is_new: bool },
    /// A provider answered under another block's root.
    Elsewhere,
    /// A provider's proof lacks a node.
    Incomplete,
}

/// Why an answer is of no use.
enum AnswerError {
    /// The peer broke a rule.
    Fault(PeerFault),
    /// We did.
    Failure(Failure),
}

impl From<PeerFault> for AnswerError {
    fn from(fault: PeerFault) -> AnswerError {
        AnswerError::Fault(fault)
    }
}

impl From<Failure> for AnswerError {
    fn from(failure: Failure) -> AnswerError {
        AnswerError::Failure(failure)
    }
}

impl From<TreeError> for AnswerError {
    fn from(error: TreeError) -> AnswerError {
        AnswerError::Failure(Failure::Tree(error))
    }
}

impl Engine {
    /// Takes out the next answer that can be judged now. What belongs to a state waits while a sync
    /// begins or ends, because the next one may want it.
    pub(super) fn next_answer(&mut self) -> Option<Arrived> {
        let may_wait = match self.activity {
            Activity::Syncing(_) => false,
            Activity::Idle => matches!(self.goal, Goal::Next(_)),
            Activity::Resuming(_) | Activity::Ending(_) => true,
        };
        let is_next =
            |arrived: &Arrived| !may_wait || matches!(arrived.request.subject, Subject::Header(_));
        let index = self.arrived.iter().position(is_next)?;
        Some(self.arrived.remove(index))
    }

    /// Verifies one answer. This is the expensive step.
    pub(super) fn verify_answer(&mut self, now: Millis, arrived: Arrived) {
        let (request, timing, content) = arrived.into_parts();
        let (peer, is_late) = (request.peer, request.is_late);
        match request.subject {
            Subject::Header(block) => {
                self.verify_header(now, peer, block, &content, (timing, is_late));
            }
            Subject::State(state) => {
                self.verify_state(now, peer, state, &content, (timing, is_late));
            }
        }
    }

    fn verify_state(
        &mut self,
        now: Millis,
        id: PeerId,
        request: StateRequest,
        content: &Content,
        (timing, is_late): (Timing, bool),
    ) {
        let kind = request.want.kind();
        let Activity::Syncing(job) = &mut self.activity else {
            return;
        };
        let is_stale = job.round() != request.round;
        if is_stale {
            // It may bring codes that the new root does not name.
            self.upkeep.build_moved();
        }
        if is_stale && !is_late {
            job.stale_ended(&request.want);
        }
        let (root, trip, is_named) = (request.root, request.trip, request.block.is_some());
        let mut lies = Vec::new();
        let is_span = matches!(request.want, Want::Accounts { cursor: None, .. });
        let waiting = job.tree().resident_bytes();
        let room = self.limits.waiting_bytes.saturating_sub(waiting);
        let mut context = AnswerContext {
            is_current: !is_stale && !is_late,
            is_stale,
            root,
            trip,
            held: Vec::new(),
            job,
            fold: &mut self.fold,
            codes_held: &mut self.codes_held,
            lacking: &mut self.lacking,
            room,
            peer: id,
            has_state: self.peers.get(id).is_some_and(|peer| peer.has_state(&root)),
        };
        let verdict = match content {
            Content::Frame(frame) => Answer::split(frame.payload())
                .map_err(AnswerError::from)
                .and_then(|answer| context.verify(request.want, answer)),
            Content::Reply(reply) => context.verify_reply(request.want, reply, &mut lies),
        };
        let verdict = match context.judge_held() {
            Ok(()) => verdict,
            Err(failure) => Err(failure),
        };
        let held = context.held;
        match &verdict {
            Ok(Verdict::Proven(gain)) => {
                self.peers.proved(now, id, (kind, root), timing, *gain);
                job.proved(kind, timing.bytes, trip);
                if is_span {
                    self.span_bytes = smoothed(self.span_bytes, timing.bytes as u64);
                }
                self.waiting = None;
            }
            Ok(Verdict::Elsewhere | Verdict::Incomplete) => {}
            Ok(verdict) => {
                if let Some(peer) = self.peers.get_mut(id) {
                    let is_item = match verdict {
                        // Codes are the same under every root.
                        Verdict::Lacks { is_new: true } if kind != RequestKind::Codes => {
                            peer.lacked()
                        }
                        Verdict::Lacks { .. } => true,
                        _ => false,
                    };
                    if !is_item {
                        peer.refused(kind, root, now);
                    }
                }
            }
            Err(_) => {}
        }
        self.tell_lies(id, lies);
        match verdict {
            Ok(Verdict::Elsewhere) => {
                self.judge(id, |peer| peer.was_elsewhere(now, (kind, root), is_named))
            }
            Ok(Verdict::Incomplete) => {
                self.judge(id, |peer| peer.was_incomplete(now, (kind, root)));
            }
            Ok(_) => {}
            Err(AnswerError::Fault(fault)) => self.fault(id, fault),
            Err(AnswerError::Failure(failure)) => self.fail(failure),
        }
        self.settle_held(now, root, held);
    }

    /// Notes what answers for slots came to that had to wait for their accounts.
    fn settle_held(
        &mut self,
        now: Millis,
        root: Hash,
        held: Vec<(PeerId, Result<Verdict, PeerFault>)>,
    ) {
        for (id, verdict) in held {
            match verdict {
                Ok(Verdict::Refused) => {
                    if let Some(peer) = self.peers.get_mut(id) {
                        peer.refused(RequestKind::Keys, root, now);
                    }
                }
                Ok(_) => {}
                Err(fault) => self.fault(id, fault),
            }
        }
    }
}

impl Engine {
    /// Notes that a provider's answer was of no use. Too many of them end it.
    fn judge(&mut self, id: PeerId, judge: impl FnOnce(&mut Peer) -> Result<(), PeerFault>) {
        if let Some(Err(fault)) = self.peers.get_mut(id).map(judge) {
            self.fault(id, fault);
        }
    }

    /// Tells what a provider claimed that its own proof shows to be otherwise.
    fn tell_lies(&mut self, id: PeerId, lies: Vec<Lie>) {
        if lies.is_empty() {
            return;
        }
        for lie in lies {
            self.tell(Event::Lie(id, lie));
        }
        self.judge(id, Peer::marked);
    }
}

/// The parts of the engine that verification needs.
struct AnswerContext<'a> {
    /// Whether the request's work is still with it. If not, what is proven is used wherever it is
    /// wanted, and nothing goes back to the queues: they were filled anew when the target moved, or
    /// got the work back when the request was late.
    is_current: bool,
    /// Whether the target has moved since the request was made.
    is_stale: bool,
    /// The root that the request named, by which the answer is judged.
    root: Hash,
    /// The round trips until it was answered.
    trip: u64,
    /// What earlier answers came to that had to wait for this one. Bound: those that a job holds.
    held: Vec<(PeerId, Result<Verdict, PeerFault>)>,
    job: &'a mut Job,
    fold: &'a mut Fold,
    codes_held: &'a mut ChunkedSet<Hash>,
    lacking: &'a mut Lacking,
    /// Bytes of the tree that may come to wait in memory.
    room: usize,
    peer: PeerId,
    /// Whether the peer has proven something of this state. What it does not have then is likely to
    /// be a single item.
    has_state: bool,
}

impl AnswerContext<'_> {
    fn requeue(&mut self, want: Want) {
        if self.is_current {
            self.job.requeue(want);
        }
    }

    /// Whatever the outcome, every piece of `want` is either joined or back in its queue.
    fn verify(&mut self, want: Want, answer: Answer<'_>) -> Result<Verdict, AnswerError> {
        let gain = match &want {
            Want::Accounts {
                cursor,
                origin,
                limit,
            } => self.accounts(*cursor, origin, limit, answer),
            Want::Chunk {
                account,
                storage_root,
                chunk,
                origin,
                limit,
            } => self.chunk(account, storage_root, *chunk, origin, limit, answer),
            Want::Storages(accounts) => return self.storages(accounts, answer),
            Want::Codes(hashes) => return self.codes(hashes, answer),
            Want::Nodes(nodes) => return self.nodes(nodes, answer),
            Want::NodeData { nodes, codes } => return self.node_data(nodes, codes, answer),
            Want::Paths { paths, tops } => return self.paths(paths, tops, answer),
            Want::Key { account, slot } => return self.key(account, slot.as_ref(), answer),
            // They are answered by replies.
            Want::Proof { .. } | Want::CodeOf { .. } => Ok(None),
        };
        match gain {
            Ok(Some(gain)) => Ok(Verdict::Proven(gain)),
            Ok(None) => {
                self.requeue(want);
                Ok(Verdict::Refused)
            }
            Err(error) => {
                self.requeue(want);
                Err(error)
            }
        }
    }

    fn accounts(
        &mut self,
        cursor: Option<usize>,
        origin: &Hash,
        limit: &Hash,
        answer: Answer<'_>,
    ) -> Result<Option<Gain>, AnswerError> {
        let answer = answer.account_range()?;
        if answer.accounts.is_empty() && answer.proof.is_empty() {
            return Ok(None);
        }
        stops_at_limit(answer.accounts.iter().map(|(hash, _)| hash), limit)?;
        let range = proven(verify_accounts(
            self.fold,
            &self.root,
            origin,
            &answer.accounts,
            &answer.proof,
        ))?;
        let joined = self
            .job
            .join_accounts(&range, self.codes_held, self.is_stale)?;
        let last = answer.accounts.last().map(|(hash, _)| *hash);
        let last = last.filter(|_| range.more());
        if self.is_current {
            self.job.accounts_joined(cursor, origin, limit, last);
        }
        Ok(Some(Gain {
            accounts: joined.accounts,
            bytes: useful_bytes(&answer.accounts, joined.accounts),
            is_cut: last.is_some_and(|last| last < *limit),
            ..Gain::default()
        }))
    }

    fn storages(
        &mut self,
        accounts: &[(Hash, Hash)],
        answer: Answer<'_>,
    ) -> Result<Verdict, AnswerError> {
        let mut gain = Gain::default();
        let mut joined = 0;
        let verdict = self.join_storages(accounts, answer, &mut joined, &mut gain);
        // What was proven before a fault stays. Servers may stop anywhere; the rest is asked for
        // again.
        let (_, rest) = accounts.split_at(joined.min(accounts.len()));
        self.requeue(Want::Storages(rest.to_vec()));
        gain.is_cut = !rest.is_empty();
        match verdict {
            Ok(()) if joined == 0 => {
                let first = rest.first().filter(|_| self.has_state).copied();
                Ok(first.map_or(Verdict::Refused, |(account, root)| {
                    self.lacks([Missing::Storage { account, root }])
                }))
            }
            Ok(()) => Ok(Verdict::Proven(gain)),
            Err(error) => Err(error),
        }
    }

    fn join_storages(
        &mut self,
        accounts: &[(Hash, Hash)],
        answer: Answer<'_>,
        joined: &mut usize,
        gain: &mut Gain,
    ) -> Result<(), AnswerError> {
        let answer = answer.storage_ranges(accounts.len())?;
        let sets = answer.storages.len();
        for (index, (slots, (account, storage_root))) in
            answer.storages.iter().zip(accounts).enumerate()
        {
            // Only the last set may be cut, so the proof is about that.
            let proof: &[&[u8]] = match index + 1 == sets {
                true => &answer.proof,
                false => &[],
            };
            let range = proven(verify_slots(
                self.fold,
                storage_root,
                &Hash::ZERO,
                slots,
                proof,
            ))?;
            let new = self.job.join_storage(account, &range)?.slots;
            gain.slots += new;
            gain.bytes += useful_bytes(slots, new);
            *joined += 1;
            let last = slots.last().filter(|_| range.more());
            let more = last.map(|(last, _)| (slots.len() as u64, *last));
            match (self.is_current, more) {
                (true, more) => self.job.storage_joined(*account, *storage_root, more),
                (false, None) => self.job.storage_came(account, storage_root),
                (false, Some(_)) => {}
            }
        }
        Ok(())
    }

    fn chunk(
        &mut self,
        account: &Hash,
        storage_root: &Hash,
        chunk: usize,
        origin: &Hash,
        limit: &Hash,
        answer: Answer<'_>,
    ) -> Result<Option<Gain>, AnswerError> {
        let answer = answer.storage_ranges(1)?;
        let slots = answer.storages.first().map_or(&[][..], Vec::as_slice);
        if slots.is_empty() && answer.proof.is_empty() {
            return Ok(None);
        }
        stops_at_limit(slots.iter().map(|(hash, _)| hash), limit)?;
        let range = proven(verify_slots(
            self.fold,
            storage_root,
            origin,
            slots,
            &answer.proof,
        ))?;
        let joined = self.job.join_storage(account, &range)?;
        let last = slots.last().map(|(hash, _)| *hash);
        let last = last.filter(|_| range.more());
        if self.is_current {
            self.job.chunk_joined(account, chunk, last);
        }
        Ok(Some(Gain {
            slots: joined.slots,
            bytes: useful_bytes(slots, joined.slots),
            is_cut: last.is_some_and(|last| last < *limit),
            ..Gain::default()
        }))
    }
}

/// Bytes of an answer's leaves that were new: the hash of each, and its body or value.
fn useful_bytes(leaves: &[(Hash, &[u8])], new: u64) -> u64 {
    let bytes: usize = leaves.iter().map(|(_, body)| 32 + body.len()).sum();
    let all = leaves.len().max(1) as u64;
    bytes as u64 * new.min(all) / all
}

/// Servers return the first item at or behind the limit, and nothing after it.
fn stops_at_limit<'a>(
    keys: impl DoubleEndedIterator<Item = &'a Hash>,
    limit: &Hash,
) -> Result<(), PeerFault> {
    match keys.rev().nth(1) {
        Some(key) if key >= limit => Err(PeerFault::TooMuch),
        _ => Ok(()),
    }
}
