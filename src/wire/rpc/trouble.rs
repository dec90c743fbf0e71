//! What an error of a provider means. Providers agree on neither codes nor words, so both count
//! (EIP-1474, EIP-1193, and what clients and services are known to say).

use super::CallError;
use super::json::NULL_RESULT;

/// What the engine does about a call that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// More slots were asked for than it answers: it is asked for half of them from now on.
    TooManyKeys,
    /// It does not have the state or the block: it is not asked for this root for a while.
    NotHere,
    /// It is asked too often: it is left alone for a while, and fewer calls are made at a time.
    TooOften,
    /// What it gives away is spent, or it is forbidden: it is not asked again in this session.
    Spent,
    /// The answer, or the batch of calls, would be too large: less is asked for at a time.
    TooLarge,
    /// It does not know the method: it is not asked that way again.
    NoMethod,
    /// Anything else, the line's faults included: as an answer that is late.
    Other,
}

/// Words of clients that do not have a state, in lower case.
const NOT_HERE: [&str; 13] = [
    "maximum proof window",
    "missing trie node",
    "missingtrienode",
    "historical state",
    "is not available",
    "too old",
    "header for hash not found",
    "header not found",
    "block not found",
    "unknown block",
    "root hash mismatch",
    "pruned",
    NULL_RESULT,
];

impl CallError {
    /// What it means.
    pub fn trouble(&self) -> Trouble {
        let says = |words: &str| contains(&self.message, words) || contains(&self.data, words);
        match (self.status, self.code) {
            // EIP-1193: 4100 is "unauthorized".
            (401..=403, _) | (_, 401..=403 | 4100) => return Trouble::Spent,
            (429, _) | (_, 429 | -32005) => return Trouble::TooOften,
            (413, _) => return Trouble::TooLarge,
            _ => {}
        }
        if says("too many storage keys") {
            return Trouble::TooManyKeys;
        }
        // EIP-1193: 4200 is "unsupported method". go-ethereum says "does not exist/is not
        // available" of a method, so this comes before what is said of states.
        if matches!(self.code, -32601 | 4200) || says("method") && says("does not exist") {
            return Trouble::NoMethod;
        }
        if says("too many requests") || says("rate limit") {
            return Trouble::TooOften;
        }
        if NOT_HERE.into_iter().any(says) {
            return Trouble::NotHere;
        }
        match self.code {
            // go-ethereum's "request timed out" has the code with which others say that a state is
            // not there.
            -32002 if says("timed out") => Trouble::Other,
            -32001 | -32002 | -32014 | 4444 => Trouble::NotHere,
            // 1009 closes a WebSocket whose message was too big.
            -32003 | -32600 | 1009 => Trouble::TooLarge,
            _ if says("too large") => Trouble::TooLarge,
            _ => Trouble::Other,
        }
    }
}

/// Whether these words, in lower case, stand in a text in any case. The library's own search and its
/// lower case would add kilobytes to the module.
fn contains(text: &str, words: &str) -> bool {
    let mut windows = text.as_bytes().windows(words.len());
    windows.any(|window| window.eq_ignore_ascii_case(words.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(status: u16, code: i64, message: &str, data: &str) -> CallError {
        CallError {
            status,
            code,
            message: message.to_owned(),
            data: data.to_owned(),
            retry_after_ms: None,
        }
    }

    /// Row by row: what is seen, and what it means.
    #[test]
    fn errors_of_clients_and_services_mean_what_they_say() {
        let unknown_method = "the method eth_getProof does not exist/is not available";
        let rows = [
            // Limits of keys.
            (
                0,
                -32602,
                "too many storage keys requested (max 1024, got 2000)",
                "",
                Trouble::TooManyKeys,
            ),
            // States that are not there.
            (
                0,
                -32602,
                "distance to target block exceeds maximum proof window",
                "",
                Trouble::NotHere,
            ),
            (
                0,
                -32000,
                "missing trie node 5b1c (path ) state 0x5b is not available",
                "",
                Trouble::NotHere,
            ),
            (
                0,
                -32000,
                "historical state 0x5b is not available",
                "",
                Trouble::NotHere,
            ),
            (
                0,
                -32000,
                "requested block is too old, block must be within 1000 blocks",
                "",
                Trouble::NotHere,
            ),
            (0, -32000, "header for hash not found", "", Trouble::NotHere),
            (0, -32000, "root hash mismatch", "", Trouble::NotHere),
            (0, -32001, "resource not found", "", Trouble::NotHere),
            (0, -32002, "no state available", "", Trouble::NotHere),
            (0, -32014, "missing data", "", Trouble::NotHere),
            (0, 4444, "pruned history unavailable", "", Trouble::NotHere),
            (
                0,
                -32603,
                "Internal error",
                "Nethermind.Trie.MissingTrieNodeException: x",
                Trouble::NotHere,
            ),
            (200, 0, NULL_RESULT, "", Trouble::NotHere),
            // Rates.
            (429, 0, "", "", Trouble::TooOften),
            (
                200,
                429,
                "Your app has exceeded its compute units per second capacity",
                "",
                Trouble::TooOften,
            ),
            (0, -32005, "limit exceeded", "", Trouble::TooOften),
            (0, -32000, "Too Many Requests", "", Trouble::TooOften),
            // Spent, or forbidden.
            (402, 402, "daily request count exceeded", "", Trouble::Spent),
            (401, 0, "", "", Trouble::Spent),
            (403, 0, "", "", Trouble::Spent),
            (0, 402, "", "", Trouble::Spent),
            (0, 4100, "Unauthorized", "", Trouble::Spent),
            // Sizes.
            (0, -32003, "response too large", "", Trouble::TooLarge),
            (0, -32600, "batch too large", "", Trouble::TooLarge),
            (0, 1009, "message too big", "", Trouble::TooLarge),
            (413, 0, "", "", Trouble::TooLarge),
            // Methods.
            (0, -32601, unknown_method, "", Trouble::NoMethod),
            (0, -32000, unknown_method, "", Trouble::NoMethod),
            (0, 4200, "unsupported", "", Trouble::NoMethod),
            // Anything else.
            (0, -32000, "hash sort failed", "", Trouble::Other),
            (0, -32002, "request timed out", "", Trouble::Other),
            (0, -32603, "Internal error", "", Trouble::Other),
            (502, 0, "Bad gateway", "", Trouble::Other),
            (0, 0, "Failed to fetch", "", Trouble::Other),
        ];
        for (status, code, message, data, meaning) in rows {
            let found = error(status, code, message, data).trouble();
            assert_eq!(found, meaning, "{status} {code} {message} {data}");
        }
    }
}
