//! Verifying answers and joining what they prove to the tree.

use super::{Activity, Engine};
use crate::flat_map::ChunkedSet;
use crate::hash::Hash;
use crate::state::{HashedNode, RevealFault, Revealing, StatePath, TreeError};
use crate::sync::ids::{Millis, PeerId};
use crate::sync::io::Failure;
use crate::sync::job::Job;
use crate::sync::lacking::Lacking;
use crate::sync::peer::{Gain, Timing};
use crate::sync::progress::Missing;
use crate::sync::requests::{AnswerFrame, Arrived, StateRequest, Subject};
use crate::sync::target::Goal;
use crate::sync::throughput::smoothed;
use crate::sync::want::{RequestKind, Want};
use crate::trie::{Fold, keccak, verify_accounts, verify_slots};
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
        let (request, timing, frame) = arrived.into_parts();
        let (peer, is_late) = (request.peer, request.is_late);
        match request.subject {
            Subject::Header(block) => {
                self.verify_header(now, peer, block, &frame, (timing, is_late));
            }
            Subject::State(state) => {
                self.verify_state(now, peer, state, &frame, (timing, is_late));
            }
        }
    }

    fn verify_state(
        &mut self,
        now: Millis,
        id: PeerId,
        request: StateRequest,
        frame: &AnswerFrame,
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
        let (root, trip) = (request.root, request.trip);
        let is_span = matches!(request.want, Want::Accounts { cursor: None, .. });
        let mut context = AnswerContext {
            is_current: !is_stale && !is_late,
            is_stale,
            root,
            job,
            fold: &mut self.fold,
            codes_held: &mut self.codes_held,
            lacking: &mut self.lacking,
            peer: id,
            has_state: self.peers.get(id).is_some_and(|peer| peer.has_state(&root)),
        };
        let verdict = Answer::split(frame.payload())
            .map_err(AnswerError::from)
            .and_then(|answer| context.verify(request.want, answer));
        match &verdict {
            Ok(Verdict::Proven(gain)) => {
                self.peers.proved(now, id, (kind, root), timing, *gain);
                job.proved(kind, timing.bytes, trip);
                if is_span {
                    self.span_bytes = smoothed(self.span_bytes, timing.bytes as u64);
                }
                self.waiting = None;
            }
            Ok(verdict) => {
                if let Some(peer) = self.peers.get_mut(id) {
                    let is_item = match verdict {
                        // Codes are the same under every root.
                        Verdict::Lacks { is_new: true } if kind != RequestKind::Codes => {
                            peer.lacked()
                        }
                        Verdict::Lacks { .. } => true,
                        Verdict::Proven(_) | Verdict::Refused => false,
                    };
                    if !is_item {
                        peer.refused(kind, root, now);
                    }
                }
            }
            Err(_) => {}
        }
        match verdict {
            Ok(_) => {}
            Err(AnswerError::Fault(fault)) => self.fault(id, fault),
            Err(AnswerError::Failure(failure)) => self.fail(failure),
        }
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
    job: &'a mut Job,
    fold: &'a mut Fold,
    codes_held: &'a mut ChunkedSet<Hash>,
    lacking: &'a mut Lacking,
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

    /// The peer lacks these items. What that says of it if it had nothing else.
    fn lacks(&mut self, items: impl IntoIterator<Item = Missing>) -> Verdict {
        let mut is_new = false;
        for item in items {
            match self.lacking.note(item, self.peer) {
                Some(new) => is_new |= new,
                None => return Verdict::Refused,
            }
        }
        Verdict::Lacks { is_new }
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

    fn codes(&mut self, hashes: &[Hash], answer: Answer<'_>) -> Result<Verdict, AnswerError> {
        let mut left: Vec<Hash> = Vec::new();
        let mut wanted = hashes.iter();
        let (mut found, mut gain) = (0, Gain::default());
        let verdict = answer.items(hashes.len()).and_then(|items| {
            for code in items {
                let hash = keccak(code);
                in_order(
                    &mut wanted,
                    |wanted| *wanted == hash,
                    |skipped| left.push(*skipped),
                )
                .ok_or(PeerFault::UnexpectedCode)?;
                self.lacking.found(&Missing::Code(hash));
                // It may have come with another request meanwhile.
                if self.codes_held.insert(hash, ()) {
                    self.job.code_arrived(hash, code);
                    gain.codes += 1;
                    gain.bytes += code.len() as u64;
                }
                found += 1;
            }
            Ok(())
        });
        // What it skipped it does not have. What follows may have been cut off, unless it had
        // nothing.
        let skipped = left.len();
        left.extend(wanted.copied());
        let lacked = if found == 0 { left.len() } else { skipped };
        let lacks = left.iter().take(lacked).map(|hash| Missing::Code(*hash));
        let lacks: Vec<Missing> = lacks.collect();
        left.retain(|hash| !self.codes_held.contains(hash));
        gain.is_cut = !left.is_empty();
        self.requeue(Want::Codes(left));
        verdict?;
        let verdict = self.lacks(lacks);
        Ok(match found {
            0 => verdict,
            _ => Verdict::Proven(gain),
        })
    }

    fn nodes(
        &mut self,
        nodes: &[(StatePath, Hash)],
        answer: Answer<'_>,
    ) -> Result<Verdict, AnswerError> {
        let (is_stale, root) = (self.is_stale, self.job.root());
        let blobs = answer.items(nodes.len());
        let revealed = blobs.map(|blobs| {
            self.job.reveal(self.codes_held, |revealing| {
                reveal(revealing, nodes, blobs, is_stale, root)
            })
        });
        self.requeue(Want::Nodes(nodes.to_vec()));
        let (revealed, joined) = revealed?;
        let counters = self.job.counters_mut();
        counters.nodes += revealed.new;
        counters.node_bytes += revealed.bytes;
        revealed.verdict?;
        if !self.lacking.is_empty() {
            for (path, hash) in &revealed.found {
                let (path, hash) = (*path, *hash);
                self.lacking.found(&Missing::Node { path, hash });
            }
        }
        let missing = |(path, hash): &(StatePath, Hash)| Missing::Node {
            path: *path,
            hash: *hash,
        };
        let lacks = revealed.skipped.iter().map(missing);
        if revealed.found.is_empty() && !self.has_state {
            return Ok(Verdict::Refused);
        }
        if revealed.found.is_empty() {
            // Servers stop at the first node that they do not have.
            let first = nodes.first().filter(|_| revealed.skipped.is_empty());
            return Ok(self.lacks(lacks.chain(first.map(missing))));
        }
        self.lacks(lacks);
        Ok(Verdict::Proven(Gain {
            accounts: joined.accounts,
            slots: joined.slots,
            bytes: revealed.bytes,
            is_cut: revealed.found.len() < nodes.len(),
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

/// What an answer's nodes came to.
struct Revealed {
    /// Nodes that were asked for and have come. Bound: the nodes asked for, as for `skipped`.
    found: Vec<(StatePath, Hash)>,
    /// Nodes that were left out before others that have come.
    skipped: Vec<(StatePath, Hash)>,
    /// Those of `found` that were still blinded, and their bytes.
    new: u64,
    bytes: u64,
    verdict: Result<(), AnswerError>,
}

/// Reveals the nodes of an answer to the request for `nodes`. `root`: the target's.
fn reveal(
    revealing: &mut Revealing<'_>,
    nodes: &[(StatePath, Hash)],
    blobs: Vec<&[u8]>,
    is_stale: bool,
    root: Hash,
) -> Revealed {
    let mut revealed = Revealed {
        found: Vec::new(),
        skipped: Vec::new(),
        new: 0,
        bytes: 0,
        verdict: Ok(()),
    };
    let mut wanted = nodes.iter();
    // Servers put an empty string where nothing is at a path.
    for blob in blobs.into_iter().filter(|blob| !blob.is_empty()) {
        let node = HashedNode::new(blob);
        let is_wanted = |(_, hash): &(StatePath, Hash)| *hash == node.hash();
        let skip = |skipped: &(StatePath, Hash)| revealed.skipped.push(*skipped);
        let Some((path, hash)) = in_order(&mut wanted, is_wanted, skip) else {
            revealed.verdict = Err(PeerFault::UnexpectedNode.into());
            break;
        };
        revealed.found.push((*path, *hash));
        match revealing.node(path, &node) {
            Ok(()) => {
                revealed.new += 1;
                revealed.bytes += blob.len() as u64;
            }
            // A range has revealed it meanwhile, or the root has moved.
            Err(RevealFault::NotBlinded) => {}
            Err(RevealFault::Hash) if is_stale => {}
            // It hashes to what the state root commits to, so no peer is to blame.
            Err(_) => {
                revealed.verdict = Err(Failure::BogusRoot(root).into());
                break;
            }
        }
    }
    revealed
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

/// The next of `wanted` that matches. Those before it were left out by the peer, which is allowed.
fn in_order<'a, T>(
    wanted: &mut impl Iterator<Item = &'a T>,
    matches: impl Fn(&T) -> bool,
    mut skipped: impl FnMut(&'a T),
) -> Option<&'a T> {
    for candidate in wanted {
        if matches(candidate) {
            return Some(candidate);
        }
        skipped(candidate);
    }
    None
}
