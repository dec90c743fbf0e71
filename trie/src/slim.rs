//! Expands a slim account body, as snap/1 sends it, to the full body that the account's leaf holds.

use super::copy::copy;
use super::encode::{EMPTY, HASH_HEADER};
use crate::hash::Hash;

/// Longest nonce and balance in bytes: 64 and 256 bits, each with an RLP header.
const MAX_NUMBERS: usize = 9 + 33;

/// Longest item in bytes: two headers of two bytes, the numbers, two hashes.
pub(crate) const MAX_ITEM: usize = 4 + MAX_NUMBERS + 2 * 33;

/// Writes the full account as its leaf holds it, an RLP string around a list, to the start of
/// `item`, which has [`MAX_ITEM`] bytes. Returns its length, or `None` if `slim` is not a slim
/// account.
///
/// Checks positions and lengths only. Whether the numbers are canonical is checked where an answer
/// is read.
#[inline]
pub(crate) fn expand(slim: &[u8], item: &mut [u8]) -> Option<usize> {
    let payload = match *slim {
        [0xf8, len, ref payload @ ..] if usize::from(len) == payload.len() => payload,
        [len @ 0xc0..=0xf7, ref payload @ ..] if usize::from(len - 0xc0) == payload.len() => {
            payload
        }
        _ => return None,
    };
    let nonce = string_len(payload)?;
    let balance = string_len(payload.get(nonce..)?)?;
    if nonce > 9 || balance > 33 {
        return None;
    }
    let (numbers, rest) = payload.split_at_checked(nonce + balance)?;
    let (storage_root, rest) = hash_or(&Hash::EMPTY_ROOT, rest)?;
    let (code_hash, rest) = hash_or(&Hash::EMPTY_CODE, rest)?;
    if !rest.is_empty() {
        return None;
    }

    let list_len = numbers.len() + 2 * 33;
    // The two hashes alone have more than 55 bytes, so both headers take two bytes.
    *item.first_chunk_mut()? = [0xb8, list_len as u8 + 2, 0xf8, list_len as u8];
    copy(item.get_mut(4..)?, numbers);
    let hashes = item.get_mut(4 + numbers.len()..)?;
    let (first, rest) = hashes.split_first_chunk_mut::<33>()?;
    *first = hash_string(storage_root);
    *rest.first_chunk_mut()? = hash_string(code_hash);
    Some(4 + list_len)
}

/// Length of the RLP string at the start of `rlp`, header included. `None` if its content has more
/// than 55 bytes.
fn string_len(rlp: &[u8]) -> Option<usize> {
    match *rlp.first()? {
        0..0x80 => Some(1),
        header @ 0x80..=0xb7 => Some(usize::from(header - 0x80) + 1),
        _ => None,
    }
}

/// The 32-byte string at the start of `rlp`, or `absent` if that string is empty; and what follows.
fn hash_or<'a>(absent: &'a Hash, rlp: &'a [u8]) -> Option<(&'a [u8; 32], &'a [u8])> {
    match rlp.split_first()? {
        (&EMPTY, rest) => Some((&absent.0, rest)),
        (&HASH_HEADER, rest) => rest.split_first_chunk(),
        _ => None,
    }
}

fn hash_string(hash: &[u8; 32]) -> [u8; 33] {
    let mut string = [HASH_HEADER; 33];
    if let Some(to) = string.last_chunk_mut() {
        *to = *hash;
    }
    string
}
