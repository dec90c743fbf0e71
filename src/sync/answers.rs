//! Verifying answers and joining what they prove to the tree.

use super::engine::{Activity, Arrived, Engine};
use super::job::Job;
use super::peers::Delivered;
use super::want::Want;
use super::{Failure, Millis, PeerId};
use crate::flat_map::ChunkedSet;
use crate::hash::Hash;
use crate::state::{RevealFault, StatePath, TreeError};
use crate::trie::{Fold, keccak, verify_accounts, verify_slots};
use crate::wire::{PeerFault, snap::Answer};

/// What an answer came to.
enum Verdict {
    /// Everything in it was proven, and is joined.
    Proven(Delivered),
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

impl From<TreeError> for AnswerError {
    fn from(error: TreeError) -> AnswerError {
        AnswerError::Failure(Failure::Tree(error))
    }
}

impl Engine {
    /// Verifies one answer. This is the expensive step.
    pub(super) fn verify_answer(&mut self, now: Millis, arrived: Arrived) {
        if let Want::Header(hash) = arrived.request.want {
            return self.header(now, hash, &arrived);
        }
        let Arrived {
            request,
            payload,
            at,
        } = arrived;
        let (id, root, kind, sent) = (
            request.peer,
            request.root,
            request.want.kind(),
            request.sent,
        );
        let Activity::Syncing(job) = &mut self.activity else {
            return self.return_work(request);
        };
        let is_current = job.round == request.round;
        if !is_current {
            job.stale_ended(&request.want);
        }
        let mut context = AnswerContext {
            is_current,
            root,
            job,
            fold: &mut self.fold,
            codes_held: &mut self.codes_held,
        };
        let verdict = Answer::split(&payload)
            .map_err(AnswerError::from)
            .and_then(|answer| context.verify_answer(request.want, answer));
        let Some(peer) = self.peers.get_mut(id) else {
            return self.end(id, verdict);
        };
        peer.freed(kind);
        match &verdict {
            Ok(Verdict::Proven(gain)) => {
                peer.proved(kind, sent, at, payload.len(), *gain);
                if let Activity::Syncing(job) = &mut self.activity {
                    job.counters.proved(kind, payload.len());
                    job.counters.round_trips = job.counters.round_trips.max(request.trip);
                }
            }
            Ok(Verdict::Refused) => peer.refused(kind, root, now),
            Err(_) => {}
        }
        self.end(id, verdict);
    }

    fn end(&mut self, id: PeerId, verdict: Result<Verdict, AnswerError>) {
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
    /// Whether the target is still the one that the request was made for. If not, what is proven is used wherever it is
    /// wanted, and nothing goes back to the queues, which were filled anew.
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
    fn verify_answer(&mut self, want: Want, answer: Answer<'_>) -> Result<Verdict, AnswerError> {
        let gain = match &want {
            Want::Accounts {
                cursor,
                origin,
                limit,
            } => self.accounts(*cursor, origin, limit, answer),
            Want::Storages(accounts) => return self.storages(accounts, answer),
            Want::Chunk {
                account,
                storage_root,
                chunk,
                origin,
                limit,
            } => self.chunk(account, storage_root, *chunk, origin, limit, answer),
            Want::Codes(hashes) => return self.codes(hashes, answer),
            Want::Nodes(nodes) => return self.nodes(nodes, answer),
            // Read before, by Engine::header.
            Want::Header(_) => return Ok(Verdict::Refused),
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
    ) -> Result<Option<Delivered>, AnswerError> {
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
        let (last, more) = (answer.accounts.last().map(|(hash, _)| *hash), range.more());
        let joined =
            self.job
                .tree
                .join_accounts(self.fold, &range, self.codes_held, &mut self.job.pages)?;
        match self.is_current {
            true => self.job.enqueue(&joined),
            false => self.job.enqueue_stale(&joined),
        }
        match cursor {
            _ if !self.is_current => {}
            Some(cursor) => self.job.accounts_joined(cursor, last, more),
            None => self.job.span_returned(None, origin, limit),
        }
        Ok(Some(Delivered {
            accounts: joined.accounts,
            ..Delivered::default()
        }))
    }

    fn storages(
        &mut self,
        accounts: &[(Hash, Hash)],
        answer: Answer<'_>,
    ) -> Result<Verdict, AnswerError> {
        let mut gain = Delivered::default();
        let mut joined = 0;
        let verdict = self.join_storages(accounts, answer, &mut joined, &mut gain);
        // What was proven before a fault stays; servers may stop anywhere, the rest is asked for again.
        self.requeue(Want::Storages(
            accounts.get(joined..).unwrap_or_default().to_vec(),
        ));
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
        gain: &mut Delivered,
    ) -> Result<(), AnswerError> {
        let answer = answer.storage_ranges(accounts.len())?;
        let sets = answer.storages.len();
        for (index, (slots, (account, storage_root))) in
            answer.storages.iter().zip(accounts).enumerate()
        {
            let proof: &[&[u8]] = if index + 1 == sets {
                &answer.proof
            } else {
                &[]
            };
            let range = verify_slots(self.fold, storage_root, &Hash::ZERO, slots, proof)
                .map_err(PeerFault::BadRange)?;
            let slots_joined =
                self.job
                    .tree
                    .join_storage(account, self.fold, &range, &mut self.job.pages)?;
            self.job.touch();
            gain.slots += slots_joined.slots;
            self.job.slots_joined(slots_joined);
            *joined += 1;
            if !self.is_current {
                continue;
            }
            self.job.storages_asked.remove(account);
            if let (true, Some((last, _))) = (range.more(), slots.last()) {
                self.job
                    .storage_cut(*account, *storage_root, slots.len() as u64, last);
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
    ) -> Result<Option<Delivered>, AnswerError> {
        let answer = answer.storage_ranges(1)?;
        let slots = answer
            .storages
            .first()
            .map(Vec::as_slice)
            .unwrap_or_default();
        if slots.is_empty() && answer.proof.is_empty() {
            return Ok(None);
        }
        stops_at_limit(slots.iter().map(|(hash, _)| hash), limit)?;
        let range = verify_slots(self.fold, storage_root, origin, slots, &answer.proof)
            .map_err(PeerFault::BadRange)?;
        let joined = self
            .job
            .tree
            .join_storage(account, self.fold, &range, &mut self.job.pages)?;
        self.job.slots_joined(joined);
        if self.is_current {
            let last = slots.last().map(|(hash, _)| *hash);
            self.job.chunk_joined(account, chunk, last, range.more());
        }
        Ok(Some(Delivered {
            slots: joined.slots,
            ..Delivered::default()
        }))
    }

    fn codes(&mut self, hashes: &[Hash], answer: Answer<'_>) -> Result<Verdict, AnswerError> {
        let items = answer.items(hashes.len());
        let mut left: Vec<Hash> = Vec::new();
        let mut wanted = hashes.iter();
        let (mut found, mut gain) = (0, Delivered::default());
        let verdict = items.and_then(|items| {
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
        self.job.counters.codes += gain.codes;
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
        let mut found = 0;
        let verdict = self.reveal(nodes, answer, &mut found);
        self.requeue(Want::Nodes(nodes.to_vec()));
        let gain = verdict?;
        match found {
            0 => Ok(Verdict::Refused),
            _ => Ok(Verdict::Proven(gain)),
        }
    }

    fn reveal(
        &mut self,
        nodes: &[(StatePath, Hash)],
        answer: Answer<'_>,
        found: &mut usize,
    ) -> Result<Delivered, AnswerError> {
        let mut revealing = self.job.tree.revealing(self.codes_held);
        let mut wanted = nodes.iter();
        let mut verdict = Ok(());
        for blob in answer.items(nodes.len())? {
            // Servers put an empty string where nothing is at a path.
            if blob.is_empty() {
                continue;
            }
            let hash = keccak(blob);
            let Some((path, _)) = in_order(&mut wanted, |(_, wanted)| *wanted == hash, drop) else {
                verdict = Err(PeerFault::UnexpectedNode.into());
                break;
            };
            *found += 1;
            match revealing.node(path, blob) {
                Ok(()) => self.job.counters.nodes += 1,
                // A range has revealed it meanwhile, or the root has moved.
                Err(RevealFault::NotBlinded) => {}
                Err(RevealFault::Hash) if !self.is_current => {}
                // It hashes to what the state root commits to, so no peer is to blame.
                Err(_) => {
                    verdict = Err(AnswerError::Failure(Failure::BogusRoot(
                        self.job.pivot.root,
                    )));
                    break;
                }
            }
        }
        let revealed = revealing.finish();
        self.job.enqueue_revealed(&revealed);
        verdict.map(|()| Delivered {
            accounts: revealed.accounts,
            slots: revealed.slots,
            ..Delivered::default()
        })
    }
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

/// The next of `wanted` that matches; those before it were left out by the peer, which is allowed.
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
