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

/// Chooses what an honest peer lacks: some codes, some trie nodes, or both.
pub(super) fn lack(rng: &mut Rng) -> String {
    let nodes = rng.pick(&["lacks-nodes", "ends-at-nodes"]);
    let some: &[&str] = match rng.below(3) {
        0 => &["lacks-codes"],
        1 => &[nodes],
        _ => &["lacks-codes", nodes],
    };
    let vices = some.iter().map(|vice| {
        let digits = rng.within(1, 2);
        let prefix: String = (0..digits)
            .map(|_| format!("{:x}", rng.below(16)))
            .collect();
        format!("{vice}={prefix}")
    });
    vices.collect::<Vec<_>>().join(" ")
}

/// Chooses a vice of a peer that wastes time. On a line that it shares with honest peers, its junk
/// is small, or it would keep them from shaking hands.
pub(super) fn waste(rng: &mut Rng, is_shared: bool) -> (String, Guilt) {
    let junk = if is_shared { "drip=600" } else { "drip=80000" };
    let (name, guilt) = rng.pick(&[
        ("drip=0", Guilt::Odd),
        ("drip=532", Guilt::Odd),
        ("drip=5000", Guilt::Wrong),
        (junk, Guilt::Wrong),
        ("padded=8", Guilt::Odd),
        ("padded=60", Guilt::Wrong),
        ("again=2000+2..4", Guilt::Odd),
        ("twice+1..3", Guilt::Odd),
        ("again=300", Guilt::Wrong),
        ("slow=20000", Guilt::Late),
        ("slow=60000", Guilt::Late),
        ("silent+3..5", Guilt::Late),
    ]);
    (name.to_owned(), guilt)
}

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

/// Vices of answers by hash.
const VICES_BY_HASH: &[(&str, Guilt)] = &[
    ("silent", Guilt::Late),
    ("slow=150", Guilt::Odd),
    ("slow=4000", Guilt::Late),
    ("empty", Guilt::Odd),
    ("stuck", Guilt::Odd),
    ("capped=1", Guilt::Odd),
    ("capped=500", Guilt::Odd),
    ("drip=0", Guilt::Odd),
    ("short", Guilt::Odd),
    ("reversed", Guilt::Odd),
    ("repeat-item", Guilt::Odd),
    // What it sends late may have come from another peer, and then nobody wants it.
    ("late-item", Guilt::Wrong),
    ("stray-item", Guilt::Wrong),
    ("corrupt=node", Guilt::Wrong),
    ("modify-value", Guilt::Wrong),
    ("more", Guilt::Wrong),
    ("replay", Guilt::Wrong),
    ("truncated", Guilt::Wrong),
    ("twice", Guilt::Wrong),
    ("unasked", Guilt::Wrong),
    ("wrong-id", Guilt::Wrong),
    ("wrong-code", Guilt::Wrong),
    ("garbage", Guilt::Wrong),
    ("cut", Guilt::Odd),
];

/// Chooses a vice of a peer by hash. It begins at once or after some honest answers, and may end.
pub(super) fn by_hash(rng: &mut Rng) -> (String, Guilt) {
    if rng.percent(20) {
        // A sixteenth or a 256th of all hashes.
        let digits = rng.within(1, 2);
        let prefix: String = (0..digits)
            .map(|_| format!("{:x}", rng.below(16)))
            .collect();
        return (format!("silent-about={prefix}"), Guilt::Late);
    }
    let (name, guilt) = rng.pick(VICES_BY_HASH);
    let after = match rng.below(2) {
        0 => 0,
        _ => rng.below(8),
    };
    let until = match rng.below(3) {
        0 => format!("..{}", after + rng.within(1, 3)),
        _ => String::new(),
    };
    (format!("{name}@node-data+{after}{until}"), guilt)
}

/// What an answer for a set may be besides: too little, too much, of another state, or a lie.
const VICES_OF_SETS: &[(&str, Guilt)] = &[
    ("wrong-state", Guilt::Wrong),
    ("empty@storage", Guilt::Odd),
    ("empty@nodes", Guilt::Odd),
    ("empty@accounts", Guilt::Odd),
    ("capped=1", Guilt::Odd),
    ("drip=0", Guilt::Odd),
    ("padded=5", Guilt::Odd),
    ("padded=40", Guilt::Wrong),
    ("drop-first-proof", Guilt::Wrong),
    ("drop-last-proof", Guilt::Wrong),
    ("no-proof", Guilt::Wrong),
    ("shuffled-proof", Guilt::Odd),
    ("corrupt=key", Guilt::Wrong),
    ("corrupt=nonce", Guilt::Wrong),
    ("corrupt=balance", Guilt::Wrong),
    ("corrupt=storage-root", Guilt::Wrong),
    ("corrupt=code-hash", Guilt::Wrong),
    ("corrupt=slot", Guilt::Wrong),
    ("corrupt=node", Guilt::Wrong),
    ("corrupt=proof", Guilt::Wrong),
    ("corrupt=code", Guilt::Wrong),
    ("lie", Guilt::Wrong),
    ("short", Guilt::Wrong),
    ("more", Guilt::Wrong),
    ("always-prove", Guilt::Odd),
    ("stuck", Guilt::Odd),
];

/// Chooses a vice of answers for sets. It begins at once or after some honest answers.
pub(super) fn of_sets(rng: &mut Rng) -> (String, Guilt) {
    if rng.percent(15) {
        return (lack(rng), Guilt::Odd);
    }
    let (name, guilt) = rng.pick(VICES_OF_SETS);
    let after = rng.pick(&[0, 0, 1, 2, 5]);
    (format!("{name}+{after}"), guilt)
}
