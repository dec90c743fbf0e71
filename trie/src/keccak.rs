//! Keccak-256 of two messages at a time, with the original padding, as Ethereum uses it. (SHA-3
//! pads differently.)
//!
//! Hashing nodes is the main cost of everything this crate does. Two sponge states run side by side
//! in the halves of a 128-bit register. Messages with the same number of blocks use both halves to
//! the end.

use super::copy::copy;
use crate::hash::Hash;

#[cfg_attr(target_arch = "wasm32", path = "keccak/wasm.rs")]
#[cfg_attr(not(target_arch = "wasm32"), path = "keccak/portable.rs")]
mod pair;
use pair::Pair;

/// Bytes absorbed per permutation: 1600 bits of state, less twice the digest's 256 bits.
pub const BLOCK: usize = 136;

/// Keccak-256 of `data`.
pub fn keccak(data: &[u8]) -> Hash {
    // The second half of the register is idle. In wasm this is still twice as fast as a kernel of
    // 64-bit words with rolled rounds, and the module needs no second kernel.
    keccak_pair(data, &[]).0
}

/// Keccak-256 of `a` and of `b`. If both have the same number of blocks, this takes little longer
/// than one of them alone.
pub fn keccak_pair(a: &[u8], b: &[u8]) -> (Hash, Hash) {
    let (a_blocks, b_blocks) = (blocks_of(a.len()), blocks_of(b.len()));
    let mut state = [Pair::ZERO; 25];
    let mut digests = (Hash::ZERO, Hash::ZERO);
    let (mut a_rest, mut b_rest) = (a, b);
    for done in 1..=a_blocks.max(b_blocks) {
        // The shorter message absorbs more padding after its end. Its digest is taken before that.
        let (a_block, b_block) = (next_block(&mut a_rest), next_block(&mut b_rest));
        absorb(&mut state, &a_block, &b_block);
        permute(&mut state);
        if done == a_blocks {
            digests.0 = squeeze(&state).0;
        }
        if done == b_blocks {
            digests.1 = squeeze(&state).1;
        }
    }
    digests
}

/// How many blocks a message of `len` bytes takes. At least one byte of padding follows it.
#[inline]
pub(crate) const fn blocks_of(len: usize) -> usize {
    len / BLOCK + 1
}

/// Keccak-256 of two messages that are padded already: whole blocks, equally many of them.
#[inline]
pub(crate) fn keccak_padded_pair(a: &[u8], b: &[u8]) -> (Hash, Hash) {
    let mut state = [Pair::ZERO; 25];
    let ((a, _), (b, _)) = (a.as_chunks::<BLOCK>(), b.as_chunks::<BLOCK>());
    for (a, b) in a.iter().zip(b) {
        absorb(&mut state, a, b);
        permute(&mut state);
    }
    squeeze(&state)
}

/// Takes a message's next block. If the message ends in it, the block is padded: `0x01` behind the
/// message, then zeros, and `0x80` in the last byte.
fn next_block(rest: &mut &[u8]) -> [u8; BLOCK] {
    if let Some((block, after)) = rest.split_first_chunk::<BLOCK>() {
        *rest = after;
        return *block;
    }
    let mut block = [0; BLOCK];
    copy(&mut block, rest);
    if let Some(end) = block.get_mut(rest.len()) {
        *end = 0x01;
    }
    block[BLOCK - 1] |= 0x80;
    *rest = &[];
    block
}

#[inline(always)]
fn absorb(state: &mut [Pair; 25], a: &[u8; BLOCK], b: &[u8; BLOCK]) {
    let ((a, _), (b, _)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    for ((lane, a), b) in state.iter_mut().zip(a).zip(b) {
        *lane = lane.xor(Pair::new(u64::from_le_bytes(*a), u64::from_le_bytes(*b)));
    }
}

#[inline]
fn squeeze(state: &[Pair; 25]) -> (Hash, Hash) {
    let (mut a, mut b) = ([0; 32], [0; 32]);
    let ((a_words, _), (b_words, _)) = (a.as_chunks_mut::<8>(), b.as_chunks_mut::<8>());
    for ((lane, a), b) in state.iter().zip(a_words).zip(b_words) {
        let (low, high) = lane.halves();
        *a = low.to_le_bytes();
        *b = high.to_le_bytes();
    }
    (Hash(a), Hash(b))
}

/// Iota's round constants (FIPS 202, 3.2.5).
const ROUND_CONSTANTS: [u64; 24] = [
    0x0000000000000001,
    0x0000000000008082,
    0x800000000000808a,
    0x8000000080008000,
    0x000000000000808b,
    0x0000000080000001,
    0x8000000080008081,
    0x8000000000008009,
    0x000000000000008a,
    0x0000000000000088,
    0x0000000080008009,
    0x000000008000000a,
    0x000000008000808b,
    0x800000000000008b,
    0x8000000000008089,
    0x8000000000008003,
    0x8000000000008002,
    0x8000000000000080,
    0x000000000000800a,
    0x800000008000000a,
    0x8000000080008081,
    0x8000000000008080,
    0x0000000080000001,
    0x8000000080008008,
];

/// Keccak-f\[1600\] on both states: 24 rounds of theta, rho, pi, chi and iota (FIPS 202, 3.3). The
/// lane (x, y) is at index x + 5y.
///
/// Each round is spelled out, so that the state lives in locals. The rounds stay a loop: unrolling
/// them grows the module and gains nothing measurable.
fn permute(state: &mut [Pair; 25]) {
    let mut s = *state;
    for constant in ROUND_CONSTANTS {
        let c0 = s[0].xor(s[5]).xor(s[10]).xor(s[15]).xor(s[20]);
        let c1 = s[1].xor(s[6]).xor(s[11]).xor(s[16]).xor(s[21]);
        let c2 = s[2].xor(s[7]).xor(s[12]).xor(s[17]).xor(s[22]);
        let c3 = s[3].xor(s[8]).xor(s[13]).xor(s[18]).xor(s[23]);
        let c4 = s[4].xor(s[9]).xor(s[14]).xor(s[19]).xor(s[24]);
        let d0 = c4.xor(c1.rotl::<1>());
        let d1 = c0.xor(c2.rotl::<1>());
        let d2 = c1.xor(c3.rotl::<1>());
        let d3 = c2.xor(c4.rotl::<1>());
        let d4 = c3.xor(c0.rotl::<1>());

        // Rho and pi: which lane each one comes from, and by how many bits it is rotated.
        let b0 = s[0].xor(d0);
        let b1 = s[6].xor(d1).rotl::<44>();
        let b2 = s[12].xor(d2).rotl::<43>();
        let b3 = s[18].xor(d3).rotl::<21>();
        let b4 = s[24].xor(d4).rotl::<14>();
        let b5 = s[3].xor(d3).rotl::<28>();
        let b6 = s[9].xor(d4).rotl::<20>();
        let b7 = s[10].xor(d0).rotl::<3>();
        let b8 = s[16].xor(d1).rotl::<45>();
        let b9 = s[22].xor(d2).rotl::<61>();
        let b10 = s[1].xor(d1).rotl::<1>();
        let b11 = s[7].xor(d2).rotl::<6>();
        let b12 = s[13].xor(d3).rotl::<25>();
        let b13 = s[19].xor(d4).rotl::<8>();
        let b14 = s[20].xor(d0).rotl::<18>();
        let b15 = s[4].xor(d4).rotl::<27>();
        let b16 = s[5].xor(d0).rotl::<36>();
        let b17 = s[11].xor(d1).rotl::<10>();
        let b18 = s[17].xor(d2).rotl::<15>();
        let b19 = s[23].xor(d3).rotl::<56>();
        let b20 = s[2].xor(d2).rotl::<62>();
        let b21 = s[8].xor(d3).rotl::<55>();
        let b22 = s[14].xor(d4).rotl::<39>();
        let b23 = s[15].xor(d0).rotl::<41>();
        let b24 = s[21].xor(d1).rotl::<2>();

        s = [
            b0.chi(b1, b2).xor(Pair::new(constant, constant)),
            b1.chi(b2, b3),
            b2.chi(b3, b4),
            b3.chi(b4, b0),
            b4.chi(b0, b1),
            b5.chi(b6, b7),
            b6.chi(b7, b8),
            b7.chi(b8, b9),
            b8.chi(b9, b5),
            b9.chi(b5, b6),
            b10.chi(b11, b12),
            b11.chi(b12, b13),
            b12.chi(b13, b14),
            b13.chi(b14, b10),
            b14.chi(b10, b11),
            b15.chi(b16, b17),
            b16.chi(b17, b18),
            b17.chi(b18, b19),
            b18.chi(b19, b15),
            b19.chi(b15, b16),
            b20.chi(b21, b22),
            b21.chi(b22, b23),
            b22.chi(b23, b24),
            b23.chi(b24, b20),
            b24.chi(b20, b21),
        ];
    }
    *state = s;
}
