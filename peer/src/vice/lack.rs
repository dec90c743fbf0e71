//! Peers that lack single codes or trie nodes, and have everything else.

use super::answer::{Answer, Content};
use crate::{Hash, keccak::keccak, snap::Request, state::States};
use std::str::FromStr;

/// The beginning of a hash, as hexadecimal digits. All 64 digits name one hash, one digit names a
/// sixteenth of all hashes, and none names all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prefix(Vec<u8>);

impl Prefix {
    fn is_of(&self, hash: &Hash) -> bool {
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

impl Answer {
    /// Leaves out the codes that are lacked.
    pub(super) fn lack_codes(&mut self, lacked: &Prefix) {
        if let Content::Codes(codes) = &mut self.content {
            codes.retain(|code| !lacked.is_of_hash_of(code));
        }
    }

    /// Leaves out the nodes that are lacked, or everything from the first of them on. A range whose
    /// proof needs one of them is not answered, nor is a storage whose root is one of them.
    pub(super) fn lack_nodes(
        &mut self,
        lacked: &Prefix,
        ends: bool,
        states: &States,
        request: &Request,
    ) {
        match &mut self.content {
            Content::Nodes(nodes) => {
                let is_lacked = |node: &Vec<u8>| !node.is_empty() && lacked.is_of_hash_of(node);
                let first = nodes.iter().position(is_lacked);
                nodes.truncate(first.filter(|_| ends).unwrap_or(nodes.len()));
                nodes.retain(|node| !is_lacked(node));
            }
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
            Content::Codes(_) | Content::Headers(_) => {}
        }
    }
}
