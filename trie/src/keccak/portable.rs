//! Two 64-bit words side by side, for all targets but wasm. The compiler uses whatever vector
//! instructions the target has.

/// One lane of each of two sponge states.
#[derive(Clone, Copy)]
pub(super) struct Pair([u64; 2]);

impl Pair {
    pub(super) const ZERO: Pair = Pair([0; 2]);

    #[inline(always)]
    pub(super) fn new(low: u64, high: u64) -> Pair {
        Pair([low, high])
    }

    #[inline(always)]
    pub(super) fn halves(self) -> (u64, u64) {
        (self.0[0], self.0[1])
    }

    #[inline(always)]
    pub(super) fn xor(self, other: Pair) -> Pair {
        Pair([self.0[0] ^ other.0[0], self.0[1] ^ other.0[1]])
    }

    #[inline(always)]
    pub(super) fn rotl<const N: u32>(self) -> Pair {
        Pair([self.0[0].rotate_left(N), self.0[1].rotate_left(N)])
    }

    /// `self ^ (!next & after)`: the step chi for one lane of a row.
    #[inline(always)]
    pub(super) fn chi(self, next: Pair, after: Pair) -> Pair {
        Pair([
            self.0[0] ^ (!next.0[0] & after.0[0]),
            self.0[1] ^ (!next.0[1] & after.0[1]),
        ])
    }
}
