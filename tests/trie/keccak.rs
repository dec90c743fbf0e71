//! Keccak-256, compared with the crate sha3.

use proptest::collection::vec;
use proptest::prelude::*;
use sha3::{Digest, Keccak256};
use snaplight::hash::Hash;
use snaplight::trie::{keccak, keccak_pair};

fn reference(data: &[u8]) -> Hash {
    Hash(Keccak256::digest(data).into())
}

#[test]
fn every_length_around_the_block_boundaries_hashes_as_sha3_does() {
    let data: Vec<u8> = (0..700u32).map(|i| (i * 7) as u8).collect();
    for len in (0..=280).chain(400..=420).chain(535..=550).chain([700]) {
        let data = &data[..len];
        assert_eq!(keccak(data), reference(data), "{len} bytes");
    }
}

#[test]
fn the_empty_code_and_the_empty_trie_have_the_hashes_of_their_constants() {
    assert_eq!(keccak(&[]), Hash::EMPTY_CODE);
    assert_eq!(keccak(&[0x80]), Hash::EMPTY_ROOT);
}

proptest! {
    #[test]
    fn two_messages_of_any_lengths_are_hashed_independently(
        a in vec(any::<u8>(), 0..600), b in vec(any::<u8>(), 0..600),
    ) {
        prop_assert_eq!(keccak_pair(&a, &b), (reference(&a), reference(&b)));
    }
}
