//! GetAccountRange.

use super::{GetAccountRange, NO_STRINGS, RESPONSE_LIMIT, put_answer, weight};
use crate::state::States;

pub(super) fn serve(states: &States, request: &GetAccountRange, out: &mut Vec<u8>) {
    let Some(state) = super::state(states, &request.root) else {
        return put_answer(request.id, Some(&[]), NO_STRINGS, out);
    };
    let bytes = request.bytes.min(RESPONSE_LIMIT);
    let accounts = state.accounts();
    let first = accounts.first_from(&request.origin);
    let mut end = first;
    let mut size = 0;
    while end < accounts.len() {
        size += weight(accounts.value(end));
        end += 1;
        // Judged after taking it: one at least, and the first one at or behind the limit too.
        if *accounts.key(end - 1) >= request.limit || size > bytes {
            break;
        }
    }
    // Always proven, the whole state too: real servers do, and clients rely on it.
    let last = (end > first).then(|| accounts.key(end - 1));
    let proof = accounts.prove(&request.origin, last);
    put_answer(request.id, Some(&[accounts.items(first..end)]), &proof, out);
}
