//! GetByteCodes.

use super::{CODES_LIMIT, GetByteCodes, RESPONSE_LIMIT, put_answer};
use crate::{EMPTY_CODE, state::States};

pub(super) fn serve(states: &States, request: &GetByteCodes, out: &mut Vec<u8>) {
    let bytes = request.bytes.min(RESPONSE_LIMIT);
    let mut codes: Vec<&[u8]> = Vec::new();
    let mut size = 0;
    for hash in request.hashes.iter().take(CODES_LIMIT) {
        let code = if *hash == EMPTY_CODE {
            Some(&[][..])
        } else {
            states.code(hash)
        };
        // Missing codes are left out, without a placeholder.
        let Some(code) = code else { continue };
        codes.push(code);
        size += code.len() as u64;
        if size > bytes {
            break;
        }
    }
    put_answer(request.id, None, &codes, out);
}
