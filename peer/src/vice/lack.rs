//! Peers that lack single codes or trie nodes, and have everything else.

use super::answer::{Answer, Content};
use crate::{
    Hash,
    keccak::keccak,
    snap::{Request, nodes},
    state::States,
};
use std::str::FromStr;

/// The beginning of a hash, as hexadecimal digits. All 64 digits name one hash, one digit names a
/// sixteenth of all hashes, and none names all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prefix(Vec<u8>);

impl Prefix {
    pub(super) fn is_of(&self, hash: &Hash) -> bool {
        let mut digits = hash.iter().flat_map(|byte| [byte >> 4, byte & 0x0f]);
        self.0.iter().all(|digit| Some(*digit) == digits.next())
    }

    fn is_of_hash_of(&self, bytes: &[u8]) -> bool {
        self.is_of(&keccak(bytes))
    }
}

impl FromStr for Prefix {
    type Err = ();

    fn from_str(text: &str) -> Result<Prefix, ()> {
        let digits = text.chars().map(|digit| digit.to_digit(16));
        let digits: Option<Vec<u8>> = digits.map(|digit| digit.map(|digit| digit as u8)).collect();
        digits
            .filter(|digits| digits.len() <= 64)
            .map(Prefix)
            .ok_or(())
    }
}

/// Takes the codes out of a request that are lacked: no server counts what it does not have.
pub(super) fn leave_out_codes(request: &mut Request, lacked: &Prefix) {
    if let Request::Codes(request) = request {
        request.hashes.retain(|hash| !lacked.is_of(hash));
    }
}

/// Takes the nodes out of a request that are lacked, or everything from the first of them on.
pub(super) fn leave_out_nodes(states: &States, request: &mut Request, lacked: &Prefix, ends: bool) {
    if let Request::Nodes(request) = request {
        nodes::leave_out(states, request, |node| lacked.is_of_hash_of(node), ends);
    }
}

impl Answer {
    /// Takes the ranges out whose proof needs a node that is lacked, and the storages whose root is
    /// one, with what follows them.
    pub(super) fn lack_nodes(&mut self, lacked: &Prefix, states: &States, request: &Request) {
        match &mut self.content {
            Content::Accounts { items, proof } => {
                if proof.iter().any(|node| lacked.is_of_hash_of(node)) {
                    items.clear();
                    proof.clear();
                }
            }
            Content::Storage { sets, proof } => {
                if proof.iter().any(|node| lacked.is_of_hash_of(node)) {
                    sets.pop();
                    proof.clear();
                }
                let Request::Storage(request) = request else {
                    return;
                };
                let is_lacked = |account: &Hash| {
                    let state = states.get(&request.root);
                    let storage = state.and_then(|state| state.storage(account));
                    storage.is_some_and(|storage| lacked.is_of(&storage.root()))
                };
                if let Some(first) = request.accounts.iter().position(is_lacked)
                    && first < sets.len()
                {
                    sets.truncate(first);
                    proof.clear();
                }
            }
            Content::Codes(_) | Content::Nodes(_) | Content::Headers(_) => {}
        }
    }
}
