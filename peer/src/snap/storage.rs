//! GetStorageRanges.

use super::{GetStorageRanges, NO_STRINGS, RESPONSE_LIMIT, put_answer, weight};
use crate::{Hash, rlp, state::States, trie::Take};

pub(super) fn serve(states: &States, request: &GetStorageRanges, out: &mut Vec<u8>) {
    let Some(state) = super::state(states, &request.root) else {
        return put_answer(request.id, Some(&[]), NO_STRINGS, out);
    };
    let bytes = request.bytes.min(RESPONSE_LIMIT);
    // An answer may be a tenth larger, so that the last contract need not be cut off.
    let hard_limit = bytes + bytes / 10;
    let mut size = 0;
    let mut lists: Vec<(Vec<u8>, Vec<&[u8]>)> = Vec::new();
    let mut proof = Vec::new();

    // Origin and limit are meant for the first account only.
    let mut origin = request.origin.unwrap_or_default();
    let mut limit = request.limit.unwrap_or([0xff; 32]);
    for account in &request.accounts {
        if size >= bytes {
            break;
        }
        if let Some(storage) = state.storage(account) {
            let mut cut = false;
            let range = storage.range(&origin, |key, value| {
                if size >= hard_limit {
                    cut = true;
                    return Take::No;
                }
                size += weight(value);
                if *key >= limit {
                    // A stop cuts the contract off, with a proof, even if nothing was left behind
                    // it.
                    cut = true;
                    Take::Last
                } else {
                    Take::Yes
                }
            });
            let last = range.last;
            if last.is_some() {
                let mut header = Vec::with_capacity(5);
                rlp::put_list_header(range.bytes(), &mut header);
                lists.push((header, range.items));
            }
            if origin != Hash::default() || cut {
                proof = storage.prove(&origin, last);
                break;
            }
        } else if origin != Hash::default() {
            // Without a storage or an account nothing can be proven. This ends the answer all the
            // same.
            break;
        }
        origin = Hash::default();
        limit = [0xff; 32];
    }
    let pieces: Vec<&[u8]> = lists
        .iter()
        .flat_map(|(header, items)| std::iter::once(header.as_slice()).chain(items.iter().copied()))
        .collect();
    put_answer(request.id, Some(&pieces), &proof, out);
}
