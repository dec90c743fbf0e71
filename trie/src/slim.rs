//! An account's slim form, as snap sends it, becomes the full form that its leaf holds.

use super::copy::copy;
use super::encode::{EMPTY, HASH_HEADER};
use crate::hash::Hash;

/// Nonce and balance at their longest, 64 and 256 bits with an RLP header each.
const MAX_NUMBERS: usize = 9 + 33;

/// The longest item: two long headers, the numbers, two hashes.
pub(crate) const MAX_ITEM: usize = 4 + MAX_NUMBERS + 2 * 33;

/// Writes the full account as it stands in its leaf, an RLP string that holds a list, to the start of `item`, which has room for
/// [`MAX_ITEM`] bytes, and returns its length; `None` if `slim` is no slim account. Looks at positions and lengths only: whether
/// the numbers are canonical is checked where the account comes in.
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
    // Both headers are those of more than 55 bytes: two hashes are that already.
    *item.first_chunk_mut()? = [0xb8, list_len as u8 + 2, 0xf8, list_len as u8];
    copy(item.get_mut(4..)?, numbers);
    let hashes = item.get_mut(4 + numbers.len()..)?;
    let (first, rest) = hashes.split_first_chunk_mut::<33>()?;
    *first = hash_string(storage_root);
    *rest.first_chunk_mut()? = hash_string(code_hash);
    Some(4 + list_len)
}

/// Length of the string of at most 55 bytes that `rlp` starts with, header included.
fn string_len(rlp: &[u8]) -> Option<usize> {
    match *rlp.first()? {
        0..0x80 => Some(1),
        header @ 0x80..=0xb7 => Some(usize::from(header - 0x80) + 1),
        _ => None,
    }
}

/// The 32-byte string that `rlp` starts with, or `absent` where it is empty, and what follows.
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
