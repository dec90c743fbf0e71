//! What providers answer: a proof is a bag of trie nodes, from which everything is derived, and a
//! code is what its hash says.

use super::items::Came;
use super::keys::came;
use super::{AnswerContext, AnswerError, Verdict};
use crate::hash::Hash;
use crate::state::{HashedNode, SlimAccount, TrackedSlot};
use crate::sync::io::{Failure, Lie, LieField};
use crate::sync::peer::Gain;
use crate::sync::progress::Missing;
use crate::sync::want::Want;
use crate::trie::account::{Account, slot_value};
use crate::trie::{ProofFault, find_proven, keccak};
use crate::wire::PeerFault;
use crate::wire::rpc::{Claimed, Proof, Reply};

/// What a bag of nodes proves of an account, or why it proves nothing.
enum Derived {
    /// The account, and the values of the slots in their order.
    Proven(Account, Vec<[u8; 32]>),
    /// The root is not among the nodes, and others are.
    Elsewhere,
    /// A node on the way is not there.
    Incomplete,
}

/// The account that is not there, as its fields are claimed then: like one that is empty.
const ABSENT: Account = Account {
    nonce: 0,
    balance: [0; 32],
    storage_root: Hash::EMPTY_ROOT,
    code_hash: Hash::EMPTY_CODE,
};

impl AnswerContext<'_> {
    /// Takes a reply in. Whatever the outcome, every piece of `want` is either joined or back in its
    /// queue. What the provider claims otherwise than it proves is added to `lies`.
    pub(super) fn verify_reply(
        &mut self,
        want: Want,
        reply: &Reply,
        lies: &mut Vec<Lie>,
    ) -> Result<Verdict, AnswerError> {
        let verdict = match (&want, reply) {
            (Want::Proof { .. }, Reply::Proof(proof)) => self.proof(&want, proof, lies),
            (Want::CodeOf { hash, .. }, Reply::Code(code)) => self.code_of(hash, code),
            // The engine has compared their kinds.
            _ => Err(PeerFault::WrongKind.into()),
        };
        // What has come is not wanted any more, and is dropped by the queues.
        self.requeue(want);
        verdict
    }

    fn proof(
        &mut self,
        want: &Want,
        proof: &Proof,
        lies: &mut Vec<Lie>,
    ) -> Result<Verdict, AnswerError> {
        let Want::Proof {
            account,
            address,
            slots,
        } = want
        else {
            return Err(PeerFault::WrongKind.into());
        };
        let nodes: Vec<&[u8]> = proof.nodes.iter().map(Vec::as_slice).collect();
        let came = came(&nodes);
        let (proven, values) = match derive(&self.root, account, slots, &came) {
            Ok(Derived::Proven(proven, values)) => (proven, values),
            Ok(Derived::Elsewhere) => return Ok(Verdict::Elsewhere),
            Ok(Derived::Incomplete) => return Ok(Verdict::Incomplete),
            // It hashes to what the state root commits to, so no provider is to blame.
            Err(NoState) if self.is_stale => return Ok(Verdict::Refused),
            Err(NoState) => return Err(Failure::BogusRoot(self.root).into()),
        };
        let mut differ = |field, claimed: Option<[u8; 32]>, proven: [u8; 32]| {
            if let Some(claimed) = claimed.filter(|claimed| *claimed != proven) {
                lies.push(Lie {
                    address: *address,
                    field,
                    claimed,
                    proven,
                });
            }
        };
        compare(&proof.claimed, &proven, &mut differ);
        for (slot, proven) in slots.iter().zip(&values) {
            let number = slot.number();
            differ(LieField::Slot(number), proof.claimed.slot(&number), *proven);
        }
        let revealed = self.reveal_levels(&came)?;
        Ok(Verdict::Proven(revealed.gain))
    }

    fn code_of(&mut self, hash: &Hash, code: &[u8]) -> Result<Verdict, AnswerError> {
        let found = keccak(code);
        if found != *hash && !self.job.wants_code(&found) {
            // Of another block, most likely.
            return Ok(Verdict::Elsewhere);
        }
        self.lacking.found(&Missing::Code(found));
        let mut gain = Gain::default();
        if self.codes_held.insert(found, ()) {
            self.job.code_arrived(found, code);
            gain.codes += 1;
            gain.bytes += code.len() as u64;
        } else {
            // It has come with another request meanwhile, or was held all along.
            self.job.code_is_held(&found);
        }
        Ok(Verdict::Proven(gain))
    }
}

/// A node has the right hash, but what it commits to is no state.
struct NoState;

/// Walks from the root to the account, and from its storage root to each slot.
fn derive(
    root: &Hash,
    account: &Hash,
    slots: &[TrackedSlot],
    came: &Came<'_>,
) -> Result<Derived, NoState> {
    let node = |hash: &Hash| came.get(hash).map(HashedNode::rlp);
    // No node at all is what the proof of an empty state has.
    if *root != Hash::EMPTY_ROOT && node(root).is_none() {
        return Ok(Derived::Elsewhere);
    }
    let proven = match find_proven(root, account, &node) {
        Ok(Some(full)) => {
            let slim = SlimAccount::from_full(full).map_err(|_| NoState)?;
            SlimAccount::parse(&slim).map_err(|_| NoState)?.account()
        }
        Ok(None) => ABSENT,
        Err(ProofFault::MissingNode(_)) => return Ok(Derived::Incomplete),
        Err(_) => return Err(NoState),
    };
    let mut values = Vec::with_capacity(slots.len());
    for slot in slots {
        let value = match find_proven(&proven.storage_root, &slot.key(), &node) {
            Ok(value) => value,
            Err(ProofFault::MissingNode(_)) => return Ok(Derived::Incomplete),
            Err(_) => return Err(NoState),
        };
        let number = |rlp| slot_value(rlp).ok().and_then(Account::pad);
        values.push(value.map_or(Ok([0; 32]), |rlp| number(rlp).ok_or(NoState))?);
    }
    Ok(Derived::Proven(proven, values))
}

/// Compares what is claimed of an account with what is proven. Of an account without code or storage,
/// some clients claim hashes of zeros, and others the hashes of what is empty: both are right.
fn compare(
    claimed: &Claimed,
    proven: &Account,
    differ: &mut dyn FnMut(LieField, Option<[u8; 32]>, [u8; 32]),
) {
    let hash = |claimed: Option<Hash>, empty: Hash| {
        let claimed = claimed?;
        Some(match claimed == Hash::ZERO {
            true => empty.0,
            false => claimed.0,
        })
    };
    differ(LieField::Balance, claimed.balance, proven.balance);
    let mut nonce = [0; 32];
    let wide = |number: u64| Account::pad(&number.to_be_bytes());
    if let Some(proven) = wide(proven.nonce) {
        nonce = proven;
    }
    differ(LieField::Nonce, claimed.nonce.and_then(wide), nonce);
    differ(
        LieField::CodeHash,
        hash(claimed.code_hash, Hash::EMPTY_CODE),
        proven.code_hash.0,
    );
    differ(
        LieField::StorageHash,
        hash(claimed.storage_hash, Hash::EMPTY_ROOT),
        proven.storage_root.0,
    );
}
