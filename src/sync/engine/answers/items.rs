//! Answers that are lists of single items: bytecodes and trie nodes. What a peer leaves out of them,
//! it lacks.

use super::{AnswerContext, AnswerError, Verdict};
use crate::flat_map::{FlatMap, FlatSet};
use crate::hash::Hash;
use crate::state::{HashedNode, RevealFault, StatePath};
use crate::sync::io::Failure;
use crate::sync::peer::Gain;
use crate::sync::progress::Missing;
use crate::sync::want::Want;
use crate::trie::keccak;
use crate::wire::{Answer, PeerFault};

/// Places at which the nodes of one answer are joined at most. The same node may be wanted at
/// thousands, for instance in storages that are alike; what is left over is asked for again. Chosen
/// without a measurement: the list of so many takes a megabyte.
const MAX_PLACES: usize = 8_192;

impl AnswerContext<'_> {
    /// The peer lacks these items. What that says of it if it had nothing else.
    pub(super) fn lacks(&mut self, items: impl IntoIterator<Item = Missing>) -> Verdict {
        let mut is_new = false;
        for item in items {
            match self.lacking.note(item, self.peer) {
                Some(new) => is_new |= new,
                None => return Verdict::Refused,
            }
        }
        Verdict::Lacks { is_new }
    }

    pub(super) fn codes(
        &mut self,
        hashes: &[Hash],
        answer: Answer<'_>,
    ) -> Result<Verdict, AnswerError> {
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
                if self.codes_held.insert(hash, ()) {
                    self.job.code_arrived(hash, code);
                    gain.codes += 1;
                    gain.bytes += code.len() as u64;
                } else {
                    // It has come with another request meanwhile, or was held all along.
                    self.job.code_is_held(&hash);
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

    pub(super) fn nodes(
        &mut self,
        nodes: &[(StatePath, Hash)],
        answer: Answer<'_>,
    ) -> Result<Verdict, AnswerError> {
        let (mut skipped, mut found) = (Vec::new(), Vec::new());
        let mut came = Came::default();
        let mut wanted = nodes.iter();
        let verdict = answer.items(nodes.len()).and_then(|blobs| {
            // Servers put an empty string where nothing is at a path.
            for blob in blobs.into_iter().filter(|blob| !blob.is_empty()) {
                let node = HashedNode::new(blob);
                let is_wanted = |(_, hash): &(StatePath, Hash)| *hash == node.hash();
                let skip = |node| skipped.push(Missing::node(node));
                let wanted = in_order(&mut wanted, is_wanted, skip);
                found.push(Missing::node(wanted.ok_or(PeerFault::UnexpectedNode)?));
                came.insert(node.hash(), node);
            }
            Ok(())
        });
        let revealed = self.reveal(&came);
        self.requeue(Want::Nodes(nodes.to_vec()));
        let revealed = revealed?;
        verdict?;
        found.iter().for_each(|node| self.lacking.found(node));
        if found.is_empty() && !self.has_state {
            return Ok(Verdict::Refused);
        }
        if found.is_empty() {
            // Servers stop at the first node that they do not have.
            let first = nodes.first().filter(|_| skipped.is_empty());
            skipped.extend(first.map(Missing::node));
            return Ok(self.lacks(skipped));
        }
        self.lacks(skipped);
        Ok(Verdict::Proven(Gain {
            is_cut: found.len() < nodes.len(),
            ..revealed.gain
        }))
    }

    /// Takes node data in. An item says nothing but what its hash is, so it is used wherever that is
    /// wanted, whatever was asked for. Not inlined, which makes the module smaller.
    #[inline(never)]
    pub(super) fn node_data(
        &mut self,
        nodes: &[(StatePath, Hash)],
        codes: &[Hash],
        answer: Answer<'_>,
    ) -> Result<Verdict, AnswerError> {
        let mut came = Came::default();
        let mut again = 0;
        let verdict = answer.items(codes.len() + nodes.len()).map(|items| {
            for item in items {
                let item = HashedNode::new(item);
                if !came.insert(item.hash(), item) {
                    again += 1;
                }
            }
        });
        let mut gain = Gain::default();
        let mut used: FlatSet<Hash> = FlatSet::default();
        for (hash, code) in came.iter() {
            if !self.job.wants_code(hash) {
                continue;
            }
            used.insert(*hash, ());
            if self.codes_held.insert(*hash, ()) {
                self.job.code_arrived(*hash, code.rlp());
                gain.codes += 1;
                gain.bytes += code.rlp().len() as u64;
            } else {
                self.job.code_is_held(hash);
            }
        }
        let revealed = self.reveal(&came);
        let is_left = |hash: &&Hash| !self.codes_held.contains(hash);
        let left = codes.iter().filter(is_left).copied().collect();
        self.requeue(Want::NodeData {
            nodes: nodes.to_vec(),
            codes: left,
        });
        let revealed = revealed?;
        verdict?;

        // What stands before something that came is lacking. What follows may have been cut off,
        // unless there is nothing.
        let mut asked: Vec<(Hash, Missing)> = Vec::new();
        asked.extend(codes.iter().map(|hash| (*hash, Missing::Code(*hash))));
        let at = |(path, hash): &(StatePath, Hash)| (*hash, Missing::at(*path, *hash));
        asked.extend(nodes.iter().map(at));
        let has_come = |(hash, _): &&(Hash, Missing)| came.contains(hash);
        let found = asked.iter().filter(has_come).count();
        let until = asked.iter().rposition(|item| has_come(&item));
        for (_, item) in asked.iter().filter(has_come) {
            self.lacking.found(item);
        }
        // Who sends what nobody wants either sends it again, or makes it up.
        let mut unexpected = 0;
        for hash in came.keys() {
            if found == came.len() || asked.iter().any(|(asked, _)| asked == hash) {
                continue;
            }
            if used.contains(hash) || revealed.hashes.contains(hash) {
                unexpected += 1;
            } else if self.job.was_asked(hash) {
                again += 1;
            } else {
                return Err(PeerFault::UnexpectedNodeData.into());
            }
        }
        let counters = self.job.counters_mut();
        counters.unexpected += unexpected;
        counters.duplicate += again;

        let asks_for_nodes = asked
            .iter()
            .any(|(_, item)| !matches!(item, Missing::Code(_)));
        // What came before proves nothing.
        let has_nothing = found == 0 && unexpected == 0;
        if has_nothing && asks_for_nodes && !self.has_state {
            return Ok(Verdict::Refused);
        }
        let lacking = asked.iter().take(until.unwrap_or(asked.len()));
        let lacking = lacking
            .filter(|item| !has_come(item))
            .map(|(_, item)| *item);
        let verdict = self.lacks(lacking);
        if has_nothing {
            return Ok(verdict);
        }
        Ok(Verdict::Proven(Gain {
            codes: gain.codes,
            bytes: gain.bytes + revealed.gain.bytes,
            is_cut: until.is_some_and(|last| last + 1 < asked.len()),
            ..revealed.gain
        }))
    }

    /// Reveals nodes wherever they are wanted.
    pub(super) fn reveal(&mut self, came: &Came<'_>) -> Result<Revealed, AnswerError> {
        // Most hashes of the tree differ in their first bytes from all that came.
        let mut prefixes = vec![false; 1 << 16];
        let prefix = |hash: &Hash| usize::from(u16::from_be_bytes([hash.0[0], hash.0[1]]));
        for hash in came.keys() {
            prefixes[prefix(hash)] = true;
        }
        let is_there = |hash: &Hash| prefixes[prefix(hash)] && came.contains(hash);
        let places = self.job.tree().places_of(MAX_PLACES, &is_there);
        let mut revealed = Revealed::default();
        let mut room = self.room;
        let (verdict, joined) = self.job.reveal(self.codes_held, |revealing| {
            for (at, hash) in &places {
                let Some(node) = came.get(hash) else {
                    continue;
                };
                // At its first place it is always joined, and at others while memory has room.
                let bytes = node.rlp().len();
                if revealed.hashes.contains(hash) && bytes > room {
                    continue;
                }
                room = room.saturating_sub(bytes);
                match revealing.node(at, node) {
                    Ok(()) if revealed.hashes.insert(*hash, ()) => {
                        revealed.gain.bytes += node.rlp().len() as u64;
                    }
                    Ok(()) | Err(RevealFault::NotBlinded) => {}
                    Err(fault) => return Err(fault),
                }
            }
            Ok(())
        });
        for (at, hash) in &places {
            if let Some(account) = at.account
                && at.path.is_empty()
                && !self.job.tree().lacks_storage(&account)
            {
                self.job.storage_root_came(&account);
            }
            self.lacking.found(&Missing::at(*at, *hash));
        }
        self.job.note_trip(&places, &joined.codes, self.trip);
        revealed.gain.accounts = joined.accounts;
        revealed.gain.slots = joined.slots;
        let counters = self.job.counters_mut();
        counters.nodes += revealed.hashes.len() as u64;
        counters.node_bytes += revealed.gain.bytes;
        match verdict {
            Ok(()) => Ok(revealed),
            // It hashes to what the state root commits to, so no peer is to blame.
            Err(_) => Err(Failure::BogusRoot(self.job.root()).into()),
        }
    }
}

/// Trie nodes, or what may be one, by hash. Bound: the items asked for.
pub(super) type Came<'a> = FlatMap<Hash, HashedNode<'a>>;

/// What nodes came to.
#[derive(Default)]
pub(super) struct Revealed {
    /// Those that were blinded somewhere.
    pub(super) hashes: FlatSet<Hash>,
    pub(super) gain: Gain,
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
