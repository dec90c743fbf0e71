//! Verifying answers and joining what they prove to the tree.

use super::{Activity, Engine};
use crate::flat_map::ChunkedSet;
use crate::hash::Hash;
use crate::state::{HashedNode, RevealFault, Revealing, StatePath, TreeError};
use crate::sync::ids::{Millis, PeerId};
use crate::sync::io::Failure;
use crate::sync::job::Job;
use crate::sync::peers::{Gain, Timing};
use crate::sync::requests::{AnswerFrame, Arrived, StateRequest, Subject};
use crate::sync::want::Want;
use crate::trie::{Fold, keccak, verify_accounts, verify_slots};
use crate::wire::{Answer, PeerFault};

/// What an answer came to.
enum Verdict {
    /// Everything in it was proven, and is joined.
    Proven(Gain),
    /// "I do not have that": no fault, and no use to ask this peer for this root again soon.
    Refused,
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
    /// Verifies one answer. This is the expensive step.
    pub(super) fn verify_answer(&mut self, now: Millis, arrived: Arrived) {
        let timing = Timing::of(&arrived);
        let (request, frame) = arrived.into_parts();
        let peer = request.peer;
        match request.subject {
            Subject::Header(block) => self.verify_header(now, peer, block, &frame, timing),
            Subject::State(request) => self.verify_state(now, peer, request, &frame, timing),
        }
    }

    fn verify_state(
        &mut self,
        now: Millis,
        id: PeerId,
        request: StateRequest,
        frame: &AnswerFrame,
        timing: Timing,
    ) {
        let kind = request.want.kind();
        let peer = self.peers.get_mut(id);
        let Activity::Syncing(job) = &mut self.activity else {
            if let Some(peer) = peer {
                peer.freed(kind);
            }
            return;
        };
        let is_current = job.round() == request.round;
        if !is_current {
            job.stale_ended(&request.want);
        }
        let (root, trip) = (request.root, request.trip);
        let mut context = AnswerContext {
            is_current,
            root,
            job,
            fold: &mut self.fold,
            codes_held: &mut self.codes_held,
        };
        let verdict = Answer::split(frame.payload())
            .map_err(AnswerError::from)
            .and_then(|answer| context.verify(request.want, answer));
        if let Some(peer) = peer {
            peer.freed(kind);
            match &verdict {
                Ok(Verdict::Proven(gain)) => {
                    peer.proved(kind, timing, *gain);
                    job.proved(kind, timing.bytes, trip);
                }
                Ok(Verdict::Refused) => peer.refused(kind, root, now),
                Err(_) => {}
            }
        }
        self.end_answer(id, verdict);
    }

    fn end_answer(&mut self, id: PeerId, verdict: Result<Verdict, AnswerError>) {
        match verdict {
            Ok(Verdict::Proven(_)) => self.waiting = None,
            Ok(Verdict::Refused) => {}
            Err(AnswerError::Fault(fault)) => self.fault(id, fault),
            Err(AnswerError::Failure(failure)) => self.fail(failure),
        }
    }
}

/// The parts of the engine that verification needs.
struct AnswerContext<'a> {
    /// Whether the target is still the one that the request was made for. If not, what is proven is
    /// used wherever it is wanted, and nothing goes back to the queues, which were filled anew.
    is_current: bool,
    /// The root that the request named, by which the answer is judged.
    root: Hash,
    job: &'a mut Job,
    fold: &'a mut Fold,
    codes_held: &'a mut ChunkedSet<Hash>,
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
        let range = verify_accounts(
            self.fold,
            &self.root,
            origin,
            &answer.accounts,
            &answer.proof,
        )
        .map_err(PeerFault::BadRange)?;
        let joined = self
            .job
            .join_accounts(&range, self.codes_held, !self.is_current)?;
        if self.is_current {
            let last = answer.accounts.last().map(|(hash, _)| *hash);
            self.job
                .accounts_joined(cursor, origin, limit, last.filter(|_| range.more()));
        }
        Ok(Some(Gain {
            accounts: joined.accounts,
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
        match verdict {
            Ok(()) if joined == 0 => Ok(Verdict::Refused),
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
            let range = verify_slots(self.fold, storage_root, &Hash::ZERO, slots, proof)
                .map_err(PeerFault::BadRange)?;
            gain.slots += self.job.join_storage(account, &range)?.slots;
            *joined += 1;
            if self.is_current {
                let last = slots.last().filter(|_| range.more());
                let more = last.map(|(last, _)| (slots.len() as u64, *last));
                self.job.storage_joined(*account, *storage_root, more);
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
        let range = verify_slots(self.fold, storage_root, origin, slots, &answer.proof)
            .map_err(PeerFault::BadRange)?;
        let joined = self.job.join_storage(account, &range)?;
        if self.is_current {
            let last = slots.last().map(|(hash, _)| *hash);
            self.job
                .chunk_joined(account, chunk, last.filter(|_| range.more()));
        }
        Ok(Some(Gain {
            slots: joined.slots,
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
                // It may have come with another request meanwhile.
                if self.codes_held.insert(hash, ()) {
                    self.job.code_arrived(hash, code);
                    gain.codes += 1;
                }
                found += 1;
            }
            Ok(())
        });
        left.extend(wanted.copied());
        left.retain(|hash| !self.codes_held.contains(hash));
        self.requeue(Want::Codes(left));
        match verdict {
            Ok(()) if found == 0 => Ok(Verdict::Refused),
            Ok(()) => Ok(Verdict::Proven(gain)),
            Err(fault) => Err(fault.into()),
        }
    }

    fn nodes(
        &mut self,
        nodes: &[(StatePath, Hash)],
        answer: Answer<'_>,
    ) -> Result<Verdict, AnswerError> {
        let (is_current, root) = (self.is_current, self.job.root());
        let blobs = answer.items(nodes.len());
        let revealed = blobs.map(|blobs| {
            self.job.reveal(self.codes_held, |revealing| {
                reveal(revealing, nodes, blobs, is_current, root)
            })
        });
        self.requeue(Want::Nodes(nodes.to_vec()));
        let (revealed, joined) = revealed?;
        let counters = self.job.counters_mut();
        counters.nodes += revealed.new;
        counters.node_bytes += revealed.new_bytes;
        revealed.verdict?;
        match revealed.found {
            0 => Ok(Verdict::Refused),
            _ => Ok(Verdict::Proven(Gain {
                accounts: joined.accounts,
                slots: joined.slots,
                ..Gain::default()
            })),
        }
    }
}

/// What an answer's nodes came to.
struct Revealed {
    /// Nodes that were asked for and have come.
    found: u64,
    /// Those of them that were still blinded.
    new: u64,
    /// The bytes of these.
    new_bytes: u64,
    verdict: Result<(), AnswerError>,
}

/// Reveals the nodes of an answer to the request for `nodes`. `root`: the target's.
fn reveal(
    revealing: &mut Revealing<'_>,
    nodes: &[(StatePath, Hash)],
    blobs: Vec<&[u8]>,
    is_current: bool,
    root: Hash,
) -> Revealed {
    let mut revealed = Revealed {
        found: 0,
        new: 0,
        new_bytes: 0,
        verdict: Ok(()),
    };
    let mut wanted = nodes.iter();
    // Servers put an empty string where nothing is at a path.
    for blob in blobs.into_iter().filter(|blob| !blob.is_empty()) {
        let node = HashedNode::new(blob);
        let is_wanted = |(_, hash): &(StatePath, Hash)| *hash == node.hash();
        let Some((path, _)) = in_order(&mut wanted, is_wanted, |_| {}) else {
            revealed.verdict = Err(PeerFault::UnexpectedNode.into());
            break;
        };
        revealed.found += 1;
        match revealing.node(path, &node) {
            Ok(()) => {
                revealed.new += 1;
                revealed.new_bytes += blob.len() as u64;
            }
            // A range has revealed it meanwhile, or the root has moved.
            Err(RevealFault::NotBlinded) => {}
            Err(RevealFault::Hash) if !is_current => {}
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
