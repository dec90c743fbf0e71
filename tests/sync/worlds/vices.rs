//! The vices of peers, and the faults that may be reported of each. The native peer's `vice` module
//! has what they do.

use snaplight::wire::PeerFault;

use crate::rng::Rng;

/// The faults that may be reported of a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Guilt {
    /// None: the peer is unusual, but keeps the rules.
    Odd,
    /// Timeouts only.
    Late,
    /// Every fault.
    Wrong,
}

impl Guilt {
    pub(super) fn covers(self, fault: &PeerFault) -> bool {
        match self {
            Guilt::Odd => false,
            Guilt::Late => matches!(fault, PeerFault::Timeout),
            Guilt::Wrong => true,
        }
    }
}

const VICES: &[(&str, Guilt)] = &[
    ("silent", Guilt::Late),
    ("slow=150", Guilt::Odd),
    ("slow=4000", Guilt::Late),
    ("empty", Guilt::Odd),
    ("stale-root", Guilt::Odd),
    ("stuck", Guilt::Odd),
    ("capped=500", Guilt::Odd),
    ("corrupt=key", Guilt::Wrong),
    ("corrupt=nonce", Guilt::Wrong),
    ("corrupt=balance", Guilt::Wrong),
    ("corrupt=storage-root", Guilt::Wrong),
    ("corrupt=code-hash", Guilt::Wrong),
    ("corrupt=slot", Guilt::Wrong),
    ("corrupt=code", Guilt::Wrong),
    ("corrupt=node", Guilt::Wrong),
    ("corrupt=proof", Guilt::Wrong),
    ("replay", Guilt::Wrong),
    ("truncated", Guilt::Wrong),
    ("short", Guilt::Wrong),
    ("more", Guilt::Wrong),
    ("cut", Guilt::Odd),
    ("lie", Guilt::Wrong),
    ("drop-first-proof", Guilt::Wrong),
    ("drop-last-proof", Guilt::Wrong),
    ("drop-item", Guilt::Wrong),
    ("swap-values", Guilt::Wrong),
    ("unsorted", Guilt::Wrong),
    ("modify-value", Guilt::Wrong),
    ("twice", Guilt::Wrong),
    ("unasked", Guilt::Wrong),
    ("wrong-id", Guilt::Wrong),
    ("wrong-code", Guilt::Wrong),
    ("garbage", Guilt::Wrong),
    ("text", Guilt::Wrong),
    ("always-prove", Guilt::Odd),
    ("no-proof", Guilt::Wrong),
    ("shuffled-proof", Guilt::Odd),
    ("many-proof-nodes", Guilt::Wrong),
    ("codes-as-hashes", Guilt::Wrong),
    ("one-code", Guilt::Odd),
    ("no-pong", Guilt::Wrong),
    ("no-status", Guilt::Wrong),
];

/// Chooses a vice. It begins at once or after some honest answers, in one kind of answer or in all.
pub(super) fn any(rng: &mut Rng) -> (String, Guilt) {
    let (name, guilt) = rng.pick(VICES);
    let kind = match rng.below(12) {
        0 => "@accounts",
        1 => "@storage",
        2 => "@codes",
        3 => "@nodes",
        _ => "",
    };
    let after = match rng.below(2) {
        0 => 0,
        _ => rng.below(8),
    };
    (format!("{name}{kind}+{after}"), guilt)
}
