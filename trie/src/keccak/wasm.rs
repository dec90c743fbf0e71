//! Two 64-bit words in one 128-bit register of WebAssembly SIMD.

use core::arch::wasm32::{
    u64x2, u64x2_extract_lane, u64x2_shl, u64x2_shr, v128, v128_andnot, v128_or, v128_xor,
};

/// One lane of each of two sponge states.
#[derive(Clone, Copy)]
pub(super) struct Pair(v128);

impl Pair {
    pub(super) const ZERO: Pair = Pair(u64x2(0, 0));

    #[inline(always)]
    pub(super) fn new(low: u64, high: u64) -> Pair {
        Pair(u64x2(low, high))
    }

    #[inline(always)]
    pub(super) fn halves(self) -> (u64, u64) {
        (
            u64x2_extract_lane::<0>(self.0),
            u64x2_extract_lane::<1>(self.0),
        )
    }

    #[inline(always)]
    pub(super) fn xor(self, other: Pair) -> Pair {
        Pair(v128_xor(self.0, other.0))
    }

    #[inline(always)]
    pub(super) fn rotl<const N: u32>(self) -> Pair {
        Pair(v128_or(u64x2_shl(self.0, N), u64x2_shr(self.0, 64 - N)))
    }

    /// `self ^ (!next & after)`: the step chi for one lane of a row.
    #[inline(always)]
    pub(super) fn chi(self, next: Pair, after: Pair) -> Pair {
        Pair(v128_xor(self.0, v128_andnot(after.0, next.0)))
    }
}
