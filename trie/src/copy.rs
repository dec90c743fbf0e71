//! Copies a few bytes without a call.
//!
//! In wasm, a copy whose length the compiler does not know calls the browser's own routine. That
//! call costs more than the few bytes it copies, and folding makes several such copies per leaf.

/// Copies all of `from` to the start of `to`, or as much as `to` has space for.
#[inline(always)]
pub(crate) fn copy(to: &mut [u8], from: &[u8]) {
    let len = from.len().min(to.len());
    let (Some(to), Some(from)) = (to.get_mut(..len), from.get(..len)) else {
        return;
    };
    // Two copies of one fixed length, from the start and from the end. They overlap in the middle.
    match len {
        0 => {}
        1..2 => ends::<1>(to, from),
        2..4 => ends::<2>(to, from),
        4..8 => ends::<4>(to, from),
        8..16 => ends::<8>(to, from),
        16..32 => ends::<16>(to, from),
        32..64 => ends::<32>(to, from),
        // In halves, because a copy of more than 32 bytes becomes a call again when the compiler
        // optimises for size.
        64..=128 => {
            let ((to, to_rest), (from, from_rest)) =
                (to.split_at_mut(len / 2), from.split_at(len / 2));
            ends::<32>(to, from);
            ends::<32>(to_rest, from_rest);
        }
        _ => to.copy_from_slice(from),
    }
}

/// Copies the first and the last `N` bytes. Both slices have one length, from `N` to `2 * N`.
#[inline(always)]
fn ends<const N: usize>(to: &mut [u8], from: &[u8]) {
    if let (Some(to), Some(from)) = (to.first_chunk_mut::<N>(), from.first_chunk::<N>()) {
        *to = *from;
    }
    if let (Some(to), Some(from)) = (to.last_chunk_mut::<N>(), from.last_chunk::<N>()) {
        *to = *from;
    }
}
