//! Copies of a few bytes without a call: in wasm a copy of a length unknown to the compiler leaves the module for the engine's
//! own routine, which costs more than these bytes do, several times per leaf.

/// Copies all of `from` to the start of `to`, or as much as there is room for.
#[inline(always)]
pub(crate) fn copy(to: &mut [u8], from: &[u8]) {
    let len = from.len().min(to.len());
    let (Some(to), Some(from)) = (to.get_mut(..len), from.get(..len)) else {
        return;
    };
    // Two copies of a fixed length, from either end, that overlap in the middle.
    match len {
        0 => {}
        1..2 => ends::<1>(to, from),
        2..4 => ends::<2>(to, from),
        4..8 => ends::<4>(to, from),
        8..16 => ends::<8>(to, from),
        16..32 => ends::<16>(to, from),
        32..64 => ends::<32>(to, from),
        // In halves: what is longer than 32 bytes becomes a call again where the compiler is told to save space.
        64..=128 => {
            let ((to, to_rest), (from, from_rest)) =
                (to.split_at_mut(len / 2), from.split_at(len / 2));
            ends::<32>(to, from);
            ends::<32>(to_rest, from_rest);
        }
        _ => to.copy_from_slice(from),
    }
}

#[inline(always)]
fn ends<const N: usize>(to: &mut [u8], from: &[u8]) {
    if let (Some(to), Some(from)) = (to.first_chunk_mut::<N>(), from.first_chunk::<N>()) {
        *to = *from;
    }
    if let (Some(to), Some(from)) = (to.last_chunk_mut::<N>(), from.last_chunk::<N>()) {
        *to = *from;
    }
}
