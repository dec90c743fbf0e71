//! Keccak-256 in assembly: making a state of a million accounts is mostly hashing.

use crate::Hash;
use keccak_asm::Keccak256;

/// Keccak-256 of `data` as Ethereum uses it, which is not the later SHA3-256.
#[must_use]
pub fn keccak(data: &[u8]) -> Hash {
    Keccak256::digest(data).into()
}
