//! GetAccountRange.

use super::{GetAccountRange, NO_STRINGS, RESPONSE_LIMIT, put_answer, weight};
use crate::{state::States, trie::Take};

pub(super) fn serve(states: &States, request: &GetAccountRange, out: &mut Vec<u8>) {
    let Some(state) = super::state(states, &request.root) else {
        return put_answer(request.id, Some(&[]), NO_STRINGS, out);
    };
    let bytes = request.bytes.min(RESPONSE_LIMIT);
    let accounts = state.accounts();
    let mut size = 0;
    let range = accounts.range(&request.origin, |key, body| {
        size += weight(body);
        // The limit is checked after an account is taken, so an answer has at least one, and the
        // first one at or behind the limit too.
        if *key >= request.limit || size > bytes {
            Take::Last
        } else {
            Take::Yes
        }
    });
    // There is always a proof, also for the whole state: real servers send it, and clients rely on
    // it.
    let proof = accounts.prove(&request.origin, range.last);
    put_answer(request.id, Some(&range.items), &proof, out);
}
