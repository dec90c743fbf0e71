//! Answers that are lists of single items: bytecodes and trie nodes. What a peer leaves out of them,
//! it lacks.

use super::{AnswerContext, AnswerError, Verdict};
use crate::hash::Hash;
use crate::state::{HashedNode, RevealFault, Revealing, StatePath};
use crate::sync::io::Failure;
use crate::sync::peer::Gain;
use crate::sync::progress::Missing;
use crate::sync::want::Want;
use crate::trie::keccak;
use crate::wire::{Answer, PeerFault};

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

    pub(super) fn nodes(
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
