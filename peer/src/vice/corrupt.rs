//! Changes one field of an answer. The result is well-formed, so only the proof shows the fault, or
//! the hash that was asked for.

use super::answer::{Answer, Content, Item};
use crate::{
    Hash, rlp,
    state::{State, slim_body},
    state::{hash_field, number},
};

/// The field that is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// `key`: the hash of an address or of a slot's key.
    Key,
    /// `nonce`
    Nonce,
    /// `balance`
    Balance,
    /// `storage-root`
    StorageRoot,
    /// `code-hash`
    CodeHash,
    /// `slot`: a slot's value.
    Slot,
    /// `code`
    Code,
    /// `node`: a trie node in TrieNodes, or an item in NodeData.
    Node,
    /// `proof`: a trie node in a proof.
    Proof,
}

impl Field {
    /// All fields by name.
    pub const ALL: [(&str, Field); 9] = [
        ("key", Field::Key),
        ("nonce", Field::Nonce),
        ("balance", Field::Balance),
        ("storage-root", Field::StorageRoot),
        ("code-hash", Field::CodeHash),
        ("slot", Field::Slot),
        ("code", Field::Code),
        ("node", Field::Node),
        ("proof", Field::Proof),
    ];
}

/// Changes the middle one of the items that have this field.
pub(super) fn corrupt(answer: &mut Answer, field: Field) {
    match (&mut answer.content, field) {
        (Content::Accounts { items, .. }, Field::Key) => middle(items, |item| flip(&mut item.0)),
        (Content::Storage { sets, .. }, Field::Key) => {
            middle(sets, |set| middle(set, |item| flip(&mut item.0)));
        }
        (
            Content::Accounts { items, .. },
            Field::Nonce | Field::Balance | Field::StorageRoot | Field::CodeHash,
        ) => middle(items, |item| body(item, field)),
        (Content::Storage { sets, .. }, Field::Slot) => middle(sets, |set| middle(set, slot)),
        (Content::Codes(strings), Field::Code) | (Content::Nodes(strings), Field::Node) => {
            middle(strings, |string| flip(string));
        }
        (Content::Accounts { proof, .. } | Content::Storage { proof, .. }, Field::Proof) => {
            middle(proof, |node| flip(node))
        }
        _ => {}
    }
}

/// The account that a liar lies about: the first one in the upper half of the key space, or else
/// the first of all.
pub(super) fn victim(state: &State) -> Option<Hash> {
    let mut half = [0; 32];
    half[0] = 0x80;
    let accounts = state.accounts();
    let (account, _) = accounts
        .iter_from(&half)
        .next()
        .or_else(|| accounts.iter().next())?;
    Some(*account)
}

/// Changes the balance of one account, if it is in the answer.
pub(super) fn lie(answer: &mut Answer, victim: &Hash) {
    if let Content::Accounts { items, .. } = &mut answer.content
        && let Some(item) = items.iter_mut().find(|(key, _)| key == victim)
    {
        body(item, Field::Balance);
    }
}

fn middle<T>(items: &mut [T], change: impl FnOnce(&mut T)) {
    let index = items.len() / 2;
    if let Some(item) = items.get_mut(index) {
        change(item);
    }
}

fn flip(bytes: &mut [u8]) {
    if let Some(byte) = bytes.last_mut() {
        *byte ^= 1;
    }
}

/// Changes a field of a slim body. A bogus body stays as it is.
fn body((_, body): &mut Item, field: Field) {
    let read = |body: &[u8]| {
        let mut fields = rlp::list(&mut &*body).ok()?;
        let nonce = rlp::uint(&mut fields).ok()?;
        let trimmed = rlp::string(&mut fields).ok()?;
        let mut balance = [0; 32];
        balance
            .get_mut(32_usize.checked_sub(trimmed.len())?..)?
            .copy_from_slice(trimmed);
        Some((nonce, balance))
    };
    let Some((mut nonce, mut balance)) = read(body) else {
        return;
    };
    let mut storage = hash_field(body, 2).unwrap_or(crate::EMPTY_ROOT);
    let mut code = hash_field(body, 3).unwrap_or(crate::EMPTY_CODE);
    match field {
        Field::Nonce => nonce ^= 1,
        Field::Balance => flip(&mut balance),
        Field::StorageRoot => flip(&mut storage),
        Field::CodeHash => flip(&mut code),
        _ => {}
    }
    *body = slim_body(nonce, &balance, &storage, &code);
}

/// Changes a slot's value, never to zero, because a slot of zero would not exist.
fn slot((_, value): &mut Item) {
    let read = |mut value: &[u8]| {
        let content = rlp::string(&mut value).ok()?;
        Some(rlp::string(&mut &*content).ok()?.to_vec())
    };
    let Some(mut word) = read(value) else { return };
    match word.as_mut_slice() {
        [1] => word = vec![2],
        word => flip(word),
    }
    let (mut content, mut item) = (Vec::new(), Vec::new());
    rlp::put_string(number::trimmed(&word), &mut content);
    rlp::put_string(&content, &mut item);
    *value = item;
}
