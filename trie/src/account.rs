//! Account bodies in their two encodings, and the values of storage slots.
//!
//! - *Slim*: as snap/1 sends accounts (devp2p `caps/snap.md`, "Account Data Format") and as pages
//!   keep them.
//! - *Full*: as the state trie hashes them (yellow paper, section 4.1).
//!
//! Both are the RLP list `[nonce, balance, storage root, code hash]`. The slim encoding has an
//! empty string in place of the root of the empty trie and of the hash of the empty code.

use core::fmt;

use alloy_rlp::Header;

use crate::hash::Hash;
use crate::scratch::ScratchBuf;

/// The values of one account (yellow paper, section 4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Account {
    /// Number of transactions sent, or of contracts created by a contract.
    pub nonce: u64,
    /// Balance in wei, big-endian.
    pub balance: [u8; 32],
    /// Root of the account's storage trie; [`Hash::EMPTY_ROOT`] if it has no storage.
    pub storage_root: Hash,
    /// Keccak-256 of its bytecode; [`Hash::EMPTY_CODE`] if it has none.
    pub code_hash: Hash,
}

/// A slim account body that has been checked. Every field is canonical, so each account has exactly
/// one slim body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlimAccount<'a> {
    raw: &'a [u8],
    nonce: u64,
    /// Big-endian without leading zeros, 0 to 32 bytes.
    balance: &'a [u8],
    storage_root: Option<Hash>,
    code_hash: Option<Hash>,
}

/// Why some bytes are not an account body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AccountError {
    /// Not canonical RLP, or not one list of four strings.
    Rlp,
    /// The nonce has a leading zero or more than 8 bytes.
    Nonce,
    /// The balance has a leading zero or more than 32 bytes.
    Balance,
    /// The storage root is neither empty nor 32 bytes; or a slim body spells out the empty root.
    StorageRoot,
    /// The code hash is neither empty nor 32 bytes; or a slim body spells out the empty code's
    /// hash.
    CodeHash,
}

impl fmt::Display for AccountError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            AccountError::Rlp => "the account body is not a canonical RLP list of four strings",
            AccountError::Nonce => "the account's nonce is not a canonical 64-bit number",
            AccountError::Balance => "the account's balance is not a canonical 256-bit number",
            AccountError::StorageRoot => "the account's storage root is not in its canonical form",
            AccountError::CodeHash => "the account's code hash is not in its canonical form",
        })
    }
}

impl core::error::Error for AccountError {}

impl<'a> SlimAccount<'a> {
    /// Checks a slim body.
    ///
    /// Refuses every encoding but the canonical one. The trie hashes the full body, so it cannot
    /// tell two slim encodings of one account apart; with one encoding only, the bytes of a page
    /// depend on nothing but the state.
    pub fn parse(rlp: &'a [u8]) -> Result<SlimAccount<'a>, AccountError> {
        let Fields {
            nonce,
            balance,
            storage_root,
            code_hash,
        } = Fields::parse(rlp)?;
        let storage_root = match storage_root {
            [] => None,
            bytes => Some(spelled_out(bytes, &Hash::EMPTY_ROOT).ok_or(AccountError::StorageRoot)?),
        };
        let code_hash = match code_hash {
            [] => None,
            bytes => Some(spelled_out(bytes, &Hash::EMPTY_CODE).ok_or(AccountError::CodeHash)?),
        };
        Ok(SlimAccount {
            raw: rlp,
            nonce,
            balance,
            storage_root,
            code_hash,
        })
    }

    /// The slim encoding of a full body (the value of an account's leaf in the trie).
    pub fn from_full(rlp: &[u8]) -> Result<Vec<u8>, AccountError> {
        let Fields {
            nonce,
            balance,
            storage_root,
            code_hash,
        } = Fields::parse(rlp)?;
        let storage_root = Hash::from_slice(storage_root).ok_or(AccountError::StorageRoot)?;
        let code_hash = Hash::from_slice(code_hash).ok_or(AccountError::CodeHash)?;
        Ok(Account {
            nonce,
            balance: Account::pad(balance).ok_or(AccountError::Balance)?,
            storage_root,
            code_hash,
        }
        .to_slim())
    }

    /// The bytes this was parsed from.
    pub fn raw(&self) -> &'a [u8] {
        self.raw
    }

    /// Root of the storage trie; [`Hash::EMPTY_ROOT`] if the account has no storage.
    pub fn storage_root(&self) -> Hash {
        self.storage_root.unwrap_or(Hash::EMPTY_ROOT)
    }

    /// Keccak-256 of the bytecode; [`Hash::EMPTY_CODE`] if the account has none.
    pub fn code_hash(&self) -> Hash {
        self.code_hash.unwrap_or(Hash::EMPTY_CODE)
    }

    /// Whether the account has any slot set.
    pub fn has_storage(&self) -> bool {
        self.storage_root.is_some()
    }

    /// Whether the account has bytecode.
    pub fn has_code(&self) -> bool {
        self.code_hash.is_some()
    }

    /// The account's values.
    pub fn account(&self) -> Account {
        let mut balance = [0; 32];
        // `Fields::parse` let no balance of more than 32 bytes through.
        debug_assert!(self.balance.len() <= balance.len());
        for (to, byte) in balance.iter_mut().rev().zip(self.balance.iter().rev()) {
            *to = *byte;
        }
        Account {
            nonce: self.nonce,
            balance,
            storage_root: self.storage_root(),
            code_hash: self.code_hash(),
        }
    }
}

impl Account {
    /// The slim body: an RLP list of 5 to 110 bytes.
    pub fn to_slim(&self) -> Vec<u8> {
        let root = (self.storage_root != Hash::EMPTY_ROOT).then_some(&self.storage_root);
        let code = (self.code_hash != Hash::EMPTY_CODE).then_some(&self.code_hash);
        self.encode(root, code)
    }

    /// The full body, the value of the account's leaf: an RLP list of 70 to 110 bytes.
    pub fn to_full(&self) -> Vec<u8> {
        self.encode(Some(&self.storage_root), Some(&self.code_hash))
    }

    fn encode(&self, storage_root: Option<&Hash>, code_hash: Option<&Hash>) -> Vec<u8> {
        let mut payload = Vec::with_capacity(MAX_PAYLOAD);
        push_string(trim(&self.nonce.to_be_bytes()), &mut payload);
        push_string(trim(&self.balance), &mut payload);
        push_string(storage_root.map_or(&[][..], |hash| &hash.0), &mut payload);
        push_string(code_hash.map_or(&[][..], |hash| &hash.0), &mut payload);
        let mut rlp = Vec::with_capacity(payload.len() + 2);
        Header {
            list: true,
            payload_length: payload.len(),
        }
        .encode(&mut rlp);
        rlp.extend_from_slice(&payload);
        rlp
    }

    /// A big-endian number of at most 32 bytes, padded in front to 32; `None` if it is longer.
    pub fn pad(balance: &[u8]) -> Option<[u8; 32]> {
        let mut padded = [0; 32];
        let start = padded.len().checked_sub(balance.len())?;
        padded.get_mut(start..)?.copy_from_slice(balance);
        Some(padded)
    }
}

/// A verified full body on its way into the slim encoding, without a copy in between.
pub struct VerifiedFull<'a> {
    /// Two RLP strings, one behind the other.
    nonce_and_balance: &'a [u8],
    /// `None` if it is the root of the empty trie, which a slim body leaves out.
    storage_root: Option<&'a [u8; 32]>,
    /// `None` if it is the hash of the empty code, which a slim body leaves out.
    code_hash: Option<&'a [u8; 32]>,
}

impl<'a> VerifiedFull<'a> {
    /// Splits a full body that is proven to be in the state, so only the positions of its fields
    /// matter. `None` if it is too short for an account.
    pub fn split(full: &'a [u8]) -> Option<VerifiedFull<'a>> {
        // The two hashes make the payload longer than 55 bytes, and it has at most MAX_PAYLOAD: its
        // header takes two bytes.
        let (rest, code_hash) = full.get(2..)?.split_last_chunk::<32>()?;
        let (rest, storage_root) = rest.split_last()?.1.split_last_chunk::<32>()?;
        let (_, nonce_and_balance) = rest.split_last()?;
        Some(VerifiedFull {
            nonce_and_balance,
            storage_root: Some(storage_root).filter(|root| Hash(**root) != Hash::EMPTY_ROOT),
            code_hash: Some(code_hash).filter(|hash| Hash(**hash) != Hash::EMPTY_CODE),
        })
    }

    /// The storage root, unless it is the root of the empty trie.
    pub fn storage_root(&self) -> Option<Hash> {
        self.storage_root.map(|root| Hash(*root))
    }

    /// The code hash, unless it is the hash of the empty code.
    pub fn code_hash(&self) -> Option<Hash> {
        self.code_hash.map(|hash| Hash(*hash))
    }

    /// Appends the slim body to `out`.
    pub fn write_slim(&self, out: &mut ScratchBuf) {
        let payload = self.slim_payload();
        if payload <= 55 {
            out.push(0xc0 + payload as u8);
        } else {
            // At most MAX_PAYLOAD, which fits one byte.
            out.push(0xf8);
            out.push(payload as u8);
        }
        out.append(self.nonce_and_balance);
        for hash in [self.storage_root, self.code_hash] {
            match hash {
                None => out.push(0x80),
                Some(hash) => {
                    out.push(0xa0);
                    out.append(hash);
                }
            }
        }
    }

    /// Length of the slim body, in bytes.
    pub fn slim_len(&self) -> usize {
        let payload = self.slim_payload();
        payload + if payload > 55 { 2 } else { 1 }
    }

    #[inline]
    fn slim_payload(&self) -> usize {
        let hashes = [self.storage_root, self.code_hash];
        self.nonce_and_balance.len() + 2 + 32 * hashes.iter().flatten().count()
    }
}

/// Some bytes are not the value of a storage slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotError;

impl fmt::Display for SlotError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the slot's value is not the canonical RLP of a 256-bit number above zero")
    }
}

impl core::error::Error for SlotError {}

/// Checks a slot's value as the storage trie holds it: the canonical RLP of a string of 1 to 32
/// bytes without a leading zero. (A slot that is zero is not in the trie.)
pub fn check_slot_value(rlp: &[u8]) -> Result<(), SlotError> {
    slot_value(rlp).map(|_| ())
}

/// The number in a slot's value, big-endian without leading zeros. Fails as [`check_slot_value`]
/// does.
pub fn slot_value(rlp: &[u8]) -> Result<&[u8], SlotError> {
    let mut rest = rlp;
    let value = string(&mut rest).ok_or(SlotError)?;
    match value {
        [] | [0, ..] => Err(SlotError),
        _ if value.len() > 32 || !rest.is_empty() => Err(SlotError),
        _ => Ok(value),
    }
}

/// Longest payload of an account's list: a nonce of 8 bytes, a balance of 32 bytes and two hashes,
/// each with an RLP header of one byte.
const MAX_PAYLOAD: usize = 9 + 33 + 2 * 33;

/// The four fields of either encoding. The numbers have been checked.
struct Fields<'a> {
    nonce: u64,
    balance: &'a [u8],
    storage_root: &'a [u8],
    code_hash: &'a [u8],
}

impl<'a> Fields<'a> {
    fn parse(rlp: &'a [u8]) -> Result<Fields<'a>, AccountError> {
        let mut after = rlp;
        let mut list = Header::decode_bytes(&mut after, true).map_err(|_| AccountError::Rlp)?;
        let nonce = string(&mut list).ok_or(AccountError::Rlp)?;
        let balance = string(&mut list).ok_or(AccountError::Rlp)?;
        let storage_root = string(&mut list).ok_or(AccountError::Rlp)?;
        let code_hash = string(&mut list).ok_or(AccountError::Rlp)?;
        if !list.is_empty() || !after.is_empty() {
            return Err(AccountError::Rlp);
        }
        if nonce.len() > 8 || nonce.first() == Some(&0) {
            return Err(AccountError::Nonce);
        }
        if balance.len() > 32 || balance.first() == Some(&0) {
            return Err(AccountError::Balance);
        }
        let nonce = nonce
            .iter()
            .fold(0, |nonce, byte| nonce << 8 | u64::from(*byte));
        Ok(Fields {
            nonce,
            balance,
            storage_root,
            code_hash,
        })
    }
}

/// A hash as a slim body spells it out; `None` if it is not 32 bytes, or is `left_out`.
#[inline]
fn spelled_out(bytes: &[u8], left_out: &Hash) -> Option<Hash> {
    Hash::from_slice(bytes).filter(|hash| hash != left_out)
}

#[inline]
fn string<'a>(rlp: &mut &'a [u8]) -> Option<&'a [u8]> {
    Header::decode_bytes(rlp, false).ok()
}

/// Compiled once: four copies would make the module larger, and it is no hot path.
#[inline(never)]
fn push_string(bytes: &[u8], out: &mut Vec<u8>) {
    alloy_rlp::Encodable::encode(bytes, out);
}

/// A big-endian number without its leading zeros.
fn trim(number: &[u8]) -> &[u8] {
    match number.iter().position(|byte| *byte != 0) {
        Some(first) => &number[first..],
        None => &[],
    }
}

// alloy-trie is a dev-dependency of native builds only.
#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn account(storage_root: Hash, code_hash: Hash) -> Account {
        let mut balance = [0; 32];
        balance[24..].copy_from_slice(&1_000_000_007u64.to_be_bytes());
        Account {
            nonce: 300,
            balance,
            storage_root,
            code_hash,
        }
    }

    #[test]
    fn slim_and_full_bodies_convert_into_each_other() {
        for root in [Hash::EMPTY_ROOT, Hash([1; 32])] {
            for code in [Hash::EMPTY_CODE, Hash([2; 32])] {
                let account = account(root, code);
                let slim = account.to_slim();
                let parsed = SlimAccount::parse(&slim).unwrap();
                assert_eq!(parsed.account(), account);
                assert_eq!(parsed.raw(), slim);
                assert_eq!(parsed.has_storage(), root != Hash::EMPTY_ROOT);
                assert_eq!(parsed.has_code(), code != Hash::EMPTY_CODE);
                let full = account.to_full();
                let verified = VerifiedFull::split(&full).unwrap();
                let mut written = ScratchBuf::default();
                verified.write_slim(&mut written);
                assert_eq!(written.written(), slim);
                assert_eq!(verified.slim_len(), slim.len());
                assert_eq!(SlimAccount::from_full(&full), Ok(slim));
            }
        }
    }

    #[test]
    fn the_full_body_is_the_one_that_alloy_hashes() {
        let ours = account(Hash([1; 32]), Hash::EMPTY_CODE);
        let theirs = alloy_trie::TrieAccount {
            nonce: ours.nonce,
            balance: 1_000_000_007u64.try_into().unwrap(),
            storage_root: ours.storage_root.0.into(),
            code_hash: ours.code_hash.0.into(),
        };
        assert_eq!(ours.to_full(), alloy_rlp::encode(theirs));
    }

    #[test]
    fn an_encoding_that_is_not_canonical_is_refused() {
        let good = account(Hash::EMPTY_ROOT, Hash::EMPTY_CODE);
        let encoded = |root, code| good.encode(root, code);
        let error = |rlp: &[u8]| SlimAccount::parse(rlp).unwrap_err();
        assert_eq!(
            error(&encoded(Some(&Hash::EMPTY_ROOT), None)),
            AccountError::StorageRoot
        );
        assert_eq!(
            error(&encoded(None, Some(&Hash::EMPTY_CODE))),
            AccountError::CodeHash
        );
        let mut trailing = good.to_slim();
        trailing.push(0);
        assert_eq!(error(&trailing), AccountError::Rlp);
        assert_eq!(error(&[0xc4, 0x00, 0x80, 0x80, 0x80]), AccountError::Nonce);
        assert_eq!(
            error(&[0xc4, 0x80, 0x00, 0x80, 0x80]),
            AccountError::Balance
        );
        assert_eq!(
            error(&[0xc5, 0x81, 0x01, 0x80, 0x80, 0x80]),
            AccountError::Rlp
        );
        assert_eq!(error(&[0xc3, 0x80, 0x80, 0x80]), AccountError::Rlp);
        assert_eq!(
            error(&[0xc5, 0x80, 0x80, 0x80, 0x80, 0x80]),
            AccountError::Rlp
        );
        assert_eq!(error(&[]), AccountError::Rlp);
    }

    #[test]
    fn slot_values_are_canonical_numbers() {
        assert_eq!(slot_value(&[0x01]), Ok(&[1][..]));
        assert_eq!(slot_value(&[0x81, 0x80]), Ok(&[0x80][..]));
        let mut word = vec![0xa0];
        word.extend([0xff; 32]);
        assert!(check_slot_value(&word).is_ok());
        for bad in [
            &[][..],
            &[0x80],
            &[0x00],
            &[0x81, 0x01],
            &[0x01, 0x01],
            &[0x82, 0, 1],
            &[0xc0],
        ] {
            assert_eq!(check_slot_value(bad), Err(SlotError), "{bad:02x?}");
        }
        word[0] = 0xa1;
        word.push(1);
        assert_eq!(check_slot_value(&word), Err(SlotError));
    }
}
