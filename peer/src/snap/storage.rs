//! GetStorageRanges.

use super::{GetStorageRanges, NO_STRINGS, RESPONSE_LIMIT, put_answer, weight};
use crate::{Hash, rlp, state::States};

pub(super) fn serve(states: &States, request: &GetStorageRanges, out: &mut Vec<u8>) {
    let Some(state) = super::state(states, &request.root) else {
        return put_answer(request.id, Some(&[]), NO_STRINGS, out);
    };
    let bytes = request.bytes.min(RESPONSE_LIMIT);
    // A tenth more rather than cutting the last contract.
    let hard_limit = bytes + bytes / 10;
    let mut size = 0;
    let mut headers: Vec<Vec<u8>> = Vec::new();
    let mut slots: Vec<&[u8]> = Vec::new();
    let mut proof = Vec::new();

    // Origin and limit are for the first account only.
    let mut origin = request.origin.unwrap_or_default();
    let mut limit = request.limit.unwrap_or([0xff; 32]);
    for account in &request.accounts {
        if size >= bytes {
            break;
        }
        if let Some(storage) = state.storage(account) {
            let first = storage.first_from(&origin);
            let mut end = first;
            let mut cut = false;
            while end < storage.len() {
                if size >= hard_limit {
                    cut = true;
                    break;
                }
                size += weight(storage.value(end));
                end += 1;
                if *storage.key(end - 1) >= limit {
                    // A stop is a cut, with a proof, even where nothing was left behind it.
                    cut = true;
                    break;
                }
            }
            if end > first {
                let items = storage.items(first..end);
                let mut header = Vec::with_capacity(5);
                rlp::put_list_header(items.len(), &mut header);
                headers.push(header);
                slots.push(items);
            }
            if origin != Hash::default() || cut {
                proof = storage.prove(&origin, (end > first).then(|| storage.key(end - 1)));
                break;
            }
        } else if origin != Hash::default() {
            // No storage, or no such account: nothing could prove anything. It ends the answer all the same.
            break;
        }
        origin = Hash::default();
        limit = [0xff; 32];
    }
    let pieces: Vec<&[u8]> = headers
        .iter()
        .zip(slots)
        .flat_map(|(header, items)| [header.as_slice(), items])
        .collect();
    put_answer(request.id, Some(&pieces), &proof, out);
}
