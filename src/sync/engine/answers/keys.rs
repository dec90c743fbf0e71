//! Answers to what a tracked set asks of peers by snap: ranges of one key, and nodes by path whose
//! hashes are not known yet.
//!
//! Both are bags of trie nodes. A node is used if the state root commits to it, wherever that is
//! wanted. What is delivered beside a proof is not looked at.

use super::items::{Came, Revealed};
use super::{AnswerContext, AnswerError, Verdict};
use crate::flat_map::FlatSet;
use crate::hash::Hash;
use crate::state::{HashedNode, SlimAccount, StatePath};
use crate::sync::job::{HeldSlot, KnownStorage, known_storage};
use crate::sync::peer::Gain;
use crate::sync::progress::Missing;
use crate::sync::want::Want;
use crate::trie::node::{Child, Node, decode};
use crate::trie::path::{Nibbles, Path};
use crate::trie::{MAX_SURPLUS_NODES, ProofFault, RangeFault, verify_proof};
use crate::wire::{Answer, PeerFault};

impl AnswerContext<'_> {
    /// Takes in a range of one key.
    pub(super) fn key(
        &mut self,
        account: &Hash,
        slot: Option<&Hash>,
        answer: Answer<'_>,
    ) -> Result<Verdict, AnswerError> {
        let want = Want::Key {
            account: *account,
            slot: slot.copied(),
        };
        let proof = match slot {
            None => answer.account_range().map(|answer| answer.proof),
            Some(_) => answer.storage_ranges(1).map(|answer| answer.proof),
        };
        let proof = match proof {
            Ok(proof) => proof,
            Err(fault) => {
                self.requeue(want);
                return Err(fault.into());
            }
        };
        let verdict = match slot {
            None if proof.is_empty() => Ok(Verdict::Refused),
            None => self.proof_of(&self.root.clone(), account, &proof),
            Some(slot) => match self.slot(account, slot, &proof) {
                Some(verdict) => verdict,
                // The request goes on until its account is known.
                None => return Ok(Verdict::Lacks { is_new: false }),
            },
        };
        self.requeue(want);
        verdict
    }

    /// Takes in a proof of a slot; `None` if it has to wait for the account.
    fn slot(
        &mut self,
        account: &Hash,
        slot: &Hash,
        proof: &[&[u8]],
    ) -> Option<Result<Verdict, AnswerError>> {
        if self.is_stale {
            // What the account was under that root is not known. Nodes prove themselves.
            let revealed = self.reveal_levels(&came(proof));
            return Some(revealed.map(|revealed| Verdict::Proven(revealed.gain)));
        }
        let known = known_storage(self.job.tree(), account);
        if known != KnownStorage::Unknown {
            return Some(self.judge_slot(known, slot, proof));
        }
        let is_held = self.is_current
            && self.job.hold(HeldSlot {
                peer: self.peer,
                account: *account,
                slot: *slot,
                proof: proof.iter().map(|node| node.to_vec()).collect(),
            });
        match is_held {
            true => None,
            false => Some(Ok(Verdict::Lacks { is_new: false })),
        }
    }

    /// What a proof of a slot comes to once its account is known.
    fn judge_slot(
        &mut self,
        known: KnownStorage,
        slot: &Hash,
        proof: &[&[u8]],
    ) -> Result<Verdict, AnswerError> {
        match known {
            KnownStorage::Unknown | KnownStorage::Unwanted => Ok(Verdict::Lacks { is_new: false }),
            // The account proves that it has no slot.
            KnownStorage::Root(root) if proof.is_empty() && root == Hash::EMPTY_ROOT => {
                Ok(Verdict::Proven(Gain::default()))
            }
            // The account has storage, so the peer does not have this state.
            KnownStorage::Root(_) if proof.is_empty() => Ok(Verdict::Refused),
            KnownStorage::Root(root) => self.proof_of(&root, slot, proof),
        }
    }

    /// Judges the answers that had to wait for their accounts.
    pub(super) fn judge_held(&mut self) -> Result<(), AnswerError> {
        while let Some(held) = self.job.take_held() {
            let known = known_storage(self.job.tree(), &held.account);
            let proof: Vec<&[u8]> = held.proof.iter().map(Vec::as_slice).collect();
            let verdict = match self.judge_slot(known, &held.slot, &proof) {
                Ok(verdict) => Ok(verdict),
                Err(AnswerError::Fault(fault)) => Err(fault),
                Err(failure) => return Err(failure),
            };
            self.job.requeue(Want::Key {
                account: held.account,
                slot: Some(held.slot),
            });
            self.held.push((held.peer, verdict));
        }
        Ok(())
    }

    /// Takes in what proves a key's value, or that there is none, in the trie with this root.
    fn proof_of(
        &mut self,
        root: &Hash,
        key: &Hash,
        proof: &[&[u8]],
    ) -> Result<Verdict, AnswerError> {
        verify_proof(root, key, proof).map_err(fault)?;
        let came = came(proof);
        match surplus(root, &came) {
            0..=MAX_SURPLUS_NODES => {}
            nodes => return Err(PeerFault::SurplusProofNodes(nodes).into()),
        }
        let revealed = self.reveal_levels(&came)?;
        Ok(Verdict::Proven(revealed.gain))
    }

    /// Takes in nodes by path. Each is linked: it is what was blinded where the request begins, or
    /// a child of one that came before it. Only the nodes of a storage whose account's leaf did not
    /// come, because it is deeper than was asked for, are not, and are of no use.
    pub(super) fn paths(
        &mut self,
        paths: &[StatePath],
        tops: &[Hash],
        answer: Answer<'_>,
    ) -> Result<Verdict, AnswerError> {
        let mut linked = FlatSet::default();
        for top in tops {
            linked.insert(*top, ());
        }
        let mut came = Came::default();
        let mut unlinked = 0;
        let verdict = answer.items(paths.len()).and_then(|items| {
            // Servers put an empty string where nothing is at a path.
            for item in items.into_iter().filter(|item| !item.is_empty()) {
                let node = HashedNode::new(item);
                if !linked.contains(&node.hash()) {
                    unlinked += 1;
                    continue;
                }
                children(item, &mut |child| {
                    linked.insert(child, ());
                });
                came.insert(node.hash(), node);
            }
            match unlinked > 0 && unlinked > loose(paths, &came) {
                true => Err(PeerFault::UnexpectedNode),
                false => Ok(()),
            }
        });
        let revealed = self.reveal_levels(&came);
        self.requeue(Want::Paths {
            paths: paths.to_vec(),
            tops: tops.to_vec(),
        });
        let revealed = revealed?;
        verdict?;
        let tree = self.job.tree();
        let mut left = paths.iter().filter_map(|at| {
            let hash = tree.blinded_hash(at)?;
            tops.contains(&hash).then_some(Missing::at(*at, hash))
        });
        let left = left.next();
        match left {
            // Without the root, it has nothing.
            Some(missing) if came.is_empty() && self.has_state => {
                let is_root = matches!(missing, Missing::Node { path, .. }
                    if path.account.is_none() && path.path.is_empty());
                Ok(match is_root {
                    true => Verdict::Refused,
                    false => self.lacks([missing]),
                })
            }
            _ if came.is_empty() => Ok(Verdict::Refused),
            left => Ok(Verdict::Proven(Gain {
                is_cut: left.is_some(),
                ..revealed.gain
            })),
        }
    }

    /// Reveals nodes wherever they are wanted, level by level, until nothing more is.
    pub(super) fn reveal_levels(&mut self, came: &Came<'_>) -> Result<Revealed, AnswerError> {
        let mut all = Revealed::default();
        loop {
            let revealed = self.reveal(came)?;
            if revealed.hashes.is_empty() {
                return Ok(all);
            }
            all.gain.accounts += revealed.gain.accounts;
            all.gain.slots += revealed.gain.slots;
            all.gain.bytes += revealed.gain.bytes;
        }
    }
}

/// How many nodes of an answer may be linked to nothing: as many as paths lie in storages whose
/// account's leaf was asked for too and did not come.
fn loose(paths: &[StatePath], came: &Came<'_>) -> usize {
    let leaves: Vec<Nibbles<'_>> = came
        .iter()
        .filter_map(|(_, node)| match decode(node.rlp()) {
            Ok(Node::Leaf { suffix, .. }) => Some(suffix),
            _ => None,
        })
        .collect();
    let is_loose = |account: &Hash| {
        let account = Path::full(*account);
        let mut above = paths.iter().take_while(|at| at.account.is_none());
        let mut leaves = leaves.iter();
        above.any(|at| at.path.is_prefix_of(&account))
            && !leaves.any(|leaf| {
                let depth = account.len().saturating_sub(leaf.len() as u8);
                account.prefix(depth).join(*leaf) == Some(account)
            })
    };
    let (mut last, mut count) = (None, 0);
    for account in paths.iter().filter_map(|at| at.account) {
        if last.is_none_or(|(known, _)| known != account) {
            last = Some((account, is_loose(&account)));
        }
        count += usize::from(last.is_some_and(|(_, is_loose)| is_loose));
    }
    count
}

/// Nodes by their hashes.
pub(super) fn came<'a>(proof: &[&'a [u8]]) -> Came<'a> {
    let mut came = Came::default();
    let mut insert = |node: HashedNode<'a>| came.insert(node.hash(), node);
    let (pairs, last) = proof.as_chunks::<2>();
    for [first, second] in pairs {
        for node in HashedNode::pair(first, second) {
            insert(node);
        }
    }
    if let [last] = last {
        insert(HashedNode::new(last));
    }
    came
}

/// How many of these nodes the root does not commit to through the others.
fn surplus(root: &Hash, came: &Came<'_>) -> usize {
    let mut linked: FlatSet<Hash> = FlatSet::default();
    let mut next = vec![*root];
    while let Some(hash) = next.pop() {
        if let Some(node) = came.get(&hash).filter(|_| linked.insert(hash, ())) {
            children(node.rlp(), &mut |child| next.push(child));
        }
    }
    came.len() - linked.len()
}

/// Calls for every hash in a node: of its children, of those of the nodes embedded in it, and the
/// storage root if it is an account's leaf. An embedded node is shorter than the node that holds it,
/// so the recursion is shallow.
fn children(rlp: &[u8], call: &mut dyn FnMut(Hash)) {
    let mut below = |child| match child {
        Child::Empty => {}
        Child::Hash(hash) => call(hash),
        Child::Embedded(node) => children(node, call),
    };
    match decode(rlp) {
        Ok(Node::Branch(all)) => all.into_iter().for_each(below),
        Ok(Node::Extension { child, .. }) => below(child),
        Ok(Node::Leaf { value, .. }) => {
            let slim = SlimAccount::from_full(value);
            if let Ok(slim) = slim
                && let Ok(account) = SlimAccount::parse(&slim)
            {
                call(account.storage_root());
            }
        }
        Err(_) => {}
    }
}

fn fault(fault: ProofFault) -> PeerFault {
    PeerFault::BadRange(match fault {
        ProofFault::MissingNode(path) => RangeFault::MissingNode(path),
        ProofFault::BadNode(path, error) => RangeFault::BadNode(path, error),
        ProofFault::BadDepth(path) => RangeFault::BadDepth(path),
        _ => RangeFault::TooMany,
    })
}
