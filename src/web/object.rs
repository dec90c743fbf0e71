//! The objects that cross to JavaScript: small structs whose fields have the names that
//! `pkg/snaplight.d.ts` promises. `pkg/lib/progress.js` adds what only it knows: the peers' names
//! and how the last sync ended.
//!
//! They cross by `serde-wasm-bindgen`, which makes the module 3.0 kB larger as brotli sends it
//! (149.2 to 152.2 kB) than rows of numbers whose names both sides knew by position.
//!
//! All numbers are `f64`, JavaScript's own kind: counts, bytes and milliseconds are exact up to
//! 2^53, far above what any of them reaches, and a number that a peer made up cannot fail to cross.

use serde::Serialize;
use serde_wasm_bindgen::Serializer;
use wasm_bindgen::JsValue;

use super::held;
use super::meter::Times;
use crate::hash::Hash;
use crate::state::{self, Counts};
use crate::sync::{self, Counters, KEY_SPACE_CELLS, PeerProgress, Phase, WaitReason};
use crate::wire::VerifiedHeader;

/// Makes a JavaScript object of a struct. What is absent is `null`, as the types promise.
pub(super) fn to_js(view: &impl Serialize) -> JsValue {
    let serializer = Serializer::new().serialize_missing_as_null(true);
    view.serialize(&serializer).unwrap_or_else(|error| {
        // Only maps and large integers can fail, and there are none here.
        debug_assert!(false, "{error}");
        error.into()
    })
}

/// Where a sync stands (`Progress` of `snaplight.d.ts`, before `progress.js` completes it).
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Progress {
    phase: &'static str,
    root: Option<String>,
    figures: Figures,
    queued: Queued,
    eta_ms: Option<f64>,
    outrun: Option<Outrun>,
    key_space: KeySpace,
    /// Bound: the connections.
    peers: Vec<PeerRow>,
    damaged: f64,
    /// Why nothing moves, in words and as a word for programs.
    waiting: Option<String>,
    waiting_for: Option<&'static str>,
    /// The root that all peers refuse.
    refused: Option<String>,
}

impl Progress {
    pub(super) fn new(
        progress: &sync::Progress,
        times: &Times,
        damaged: usize,
        peers: Vec<PeerRow>,
    ) -> Progress {
        let (waiting_for, refused) = match &progress.waiting {
            None => (None, None),
            Some(WaitReason::NoPeers | WaitReason::NoAnswer { .. }) => (Some("peers"), None),
            Some(WaitReason::NeedNewRoot { root, .. }) => (Some("root"), Some(root.to_string())),
            Some(WaitReason::Unavailable { .. }) => (Some("item"), None),
            Some(WaitReason::BlockUnavailable { .. }) => (Some("block"), None),
        };
        Progress {
            phase: match progress.phase {
                Phase::Idle => "idle",
                Phase::Locating => "locating",
                Phase::Resuming => "resuming",
                Phase::Ranges => "ranges",
                Phase::Healing => "healing",
                Phase::Finishing => "finishing",
            },
            root: progress.target.as_ref().map(Hash::to_string),
            figures: Figures::new(&progress.held, &progress.counters, times),
            queued: Queued {
                nodes: progress.queued.nodes as f64,
                codes: progress.queued.codes as f64,
                storages: progress.queued.storages as f64,
            },
            eta_ms: progress.eta_ms.map(|ms| ms as f64),
            outrun: progress.outrun.map(|outrun| Outrun {
                needed_per_second: outrun.needed_per_second as f64,
                healed_per_second: outrun.healed_per_second as f64,
            }),
            key_space: KeySpace(progress.key_space),
            peers,
            damaged: damaged as f64,
            waiting: progress.waiting.as_ref().map(WaitReason::to_string),
            waiting_for,
            refused,
        }
    }
}

/// What a sync took, when it has ended well.
#[derive(Serialize)]
pub(super) struct Report {
    root: String,
    block: Option<Block>,
    figures: Figures,
}

impl Report {
    pub(super) fn new(report: &sync::Report, times: &Times) -> Report {
        Report {
            root: report.root.to_string(),
            block: report.block.as_ref().map(Block::new),
            figures: Figures::new(&report.held, &report.counters, times),
        }
    }
}

/// What is known of one connection.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PeerRow {
    id: u32,
    faults: u32,
    last_fault: Option<String>,
    /// The engine's part; `None` if the engine does not know of the connection.
    session: Option<PeerSession>,
}

/// The faults of one connection.
pub(super) struct Faults<'a> {
    pub(super) count: u32,
    /// The last one in words.
    pub(super) last: Option<&'a str>,
}

impl PeerRow {
    pub(super) fn new(id: u32, session: Option<&PeerProgress>, faults: Faults<'_>) -> PeerRow {
        PeerRow {
            id,
            faults: faults.count,
            last_fault: faults.last.map(str::to_owned),
            session: session.map(PeerSession::new),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PeerSession {
    state: &'static str,
    client: String,
    head: Option<Head>,
    refused: bool,
    requests_in_flight: f64,
    answers: f64,
    bytes: f64,
    accounts: f64,
    slots: f64,
    codes: f64,
    latency_ms: f64,
}

impl PeerSession {
    fn new(peer: &PeerProgress) -> PeerSession {
        PeerSession {
            state: if peer.ready { "ready" } else { "greeting" },
            client: printable(&peer.client),
            head: peer.head.as_ref().map(|head| Head {
                number: head.number.map(|number| number as f64),
                hash: head.hash.to_string(),
            }),
            refused: peer.refused,
            requests_in_flight: peer.in_flight as f64,
            answers: peer.answers as f64,
            bytes: peer.bytes as f64,
            accounts: peer.accounts as f64,
            slots: peer.slots as f64,
            codes: peer.codes as f64,
            latency_ms: peer.round_trip_ms as f64,
        }
    }
}

/// The newest block that a peer says it has.
#[derive(Serialize)]
struct Head {
    number: Option<f64>,
    hash: String,
}

/// What a provider claimed, and what it proved.
#[derive(Serialize)]
pub(super) struct Lie {
    address: String,
    /// The field of its answer.
    field: &'static str,
    /// The slot's number, if the field is that of a slot.
    slot: Option<String>,
    claimed: String,
    proven: String,
}

impl Lie {
    pub(super) fn new(lie: &sync::Lie) -> Lie {
        // A hash is shown as what they are: 32 bytes in hexadecimal.
        let words = |bytes: [u8; 32]| Hash(bytes).to_string();
        let mut padded = [0; 32];
        padded[..20].copy_from_slice(&lie.address);
        let mut address = words(padded);
        address.truncate(2 + 2 * lie.address.len());
        Lie {
            address,
            field: lie.field.name(),
            slot: match lie.field {
                sync::LieField::Slot(number) => Some(words(number)),
                _ => None,
            },
            claimed: words(lie.claimed),
            proven: words(lie.proven),
        }
    }
}

/// Which states can be read, and what is to be held.
#[derive(Serialize)]
pub(super) struct Held {
    /// The complete state first. Bound: [`MAX_KEPT`](state::MAX_KEPT).
    states: Vec<Complete>,
    /// The version of today's scope, as far as it is durable or this is the writer.
    scope: f64,
    holds: &'static str,
}

impl Held {
    pub(super) fn new(held: &held::Held) -> Held {
        Held {
            states: held.states.iter().map(Complete::new).collect(),
            scope: held.scope.version() as f64,
            holds: match held.scope.is_everything() {
                true => "everything",
                false => "set",
            },
        }
    }
}

/// A complete state.
#[derive(Serialize)]
pub(super) struct Complete {
    root: String,
    block: Option<Block>,
    accounts: f64,
    slots: f64,
    codes: f64,
    /// The version of the scope that it was built for.
    scope: f64,
}

impl Complete {
    pub(super) fn new(complete: &state::Complete) -> Complete {
        Complete {
            root: complete.top.root().to_string(),
            block: complete.block.as_ref().map(Block::new),
            accounts: complete.counts.accounts as f64,
            slots: complete.counts.slots as f64,
            codes: complete.counts.codes as f64,
            scope: complete.scope as f64,
        }
    }
}

#[derive(Serialize)]
struct Block {
    hash: String,
    number: f64,
    /// Seconds since 1970.
    timestamp: f64,
}

impl Block {
    fn new(block: &state::Block) -> Block {
        Block {
            hash: block.hash.to_string(),
            number: block.number as f64,
            timestamp: block.timestamp as f64,
        }
    }
}

/// What a verified header says.
#[derive(Serialize)]
pub(super) struct Header {
    hash: String,
    number: f64,
    /// Seconds since 1970.
    timestamp: f64,
    /// The root of the state after the block.
    root: String,
}

impl Header {
    pub(super) fn new(header: &VerifiedHeader) -> Header {
        let block = header.block();
        Header {
            hash: block.hash.to_string(),
            number: block.number as f64,
            timestamp: block.timestamp as f64,
            root: header.state_root().to_string(),
        }
    }
}

/// `SyncFigures` of `snaplight.d.ts`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Figures {
    accounts: f64,
    slots: f64,
    codes: f64,
    received: Received,
    ranges: Ranges,
    healing: Healing,
    unneeded: Unneeded,
    reused: f64,
    moves: f64,
    round_trips: f64,
    requests: f64,
    bytes_stored: f64,
    pages_stored: f64,
    elapsed_ms: f64,
    hashing_ms: f64,
    storage_ms: f64,
    waiting_ms: f64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Received {
    accounts: f64,
    account_bytes: f64,
    slots: f64,
    slot_bytes: f64,
    codes: f64,
    code_bytes: f64,
    bytes: f64,
}

#[derive(Serialize)]
struct Ranges {
    answers: f64,
    bytes: f64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Healing {
    nodes: f64,
    node_bytes: f64,
    codes: f64,
    code_bytes: f64,
    answers: f64,
    bytes: f64,
}

#[derive(Serialize)]
struct Unneeded {
    late: f64,
    duplicate: f64,
    unexpected: f64,
}

#[derive(Serialize)]
struct Queued {
    nodes: f64,
    codes: f64,
    storages: f64,
}

impl Figures {
    fn new(held: &Counts, counters: &Counters, times: &Times) -> Figures {
        Figures {
            accounts: held.accounts as f64,
            slots: held.slots as f64,
            codes: held.codes as f64,
            received: Received {
                accounts: counters.accounts as f64,
                account_bytes: counters.account_bytes as f64,
                slots: counters.slots as f64,
                slot_bytes: counters.slot_bytes as f64,
                codes: counters.codes as f64,
                code_bytes: counters.code_bytes as f64,
                bytes: counters.bytes_received as f64,
            },
            ranges: Ranges {
                answers: counters.ranges.answers as f64,
                bytes: counters.ranges.bytes as f64,
            },
            healing: Healing {
                nodes: counters.nodes as f64,
                node_bytes: counters.node_bytes as f64,
                codes: counters.healed_codes as f64,
                code_bytes: counters.healed_code_bytes as f64,
                answers: counters.healing.answers as f64,
                bytes: counters.healing.bytes as f64,
            },
            unneeded: Unneeded {
                late: counters.late as f64,
                duplicate: counters.duplicate as f64,
                unexpected: counters.unexpected as f64,
            },
            reused: counters.reused(held) as f64,
            moves: counters.moves as f64,
            round_trips: counters.round_trips as f64,
            requests: counters.requests as f64,
            bytes_stored: counters.bytes_stored as f64,
            pages_stored: counters.pages_stored as f64,
            elapsed_ms: times.elapsed(),
            hashing_ms: times.computing,
            storage_ms: times.storing,
            waiting_ms: times.waiting,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Outrun {
    needed_per_second: f64,
    healed_per_second: f64,
}

/// Crosses as a `Uint8Array`: serde would make an array of numbers of it.
struct KeySpace([u8; KEY_SPACE_CELLS]);

impl Serialize for KeySpace {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

/// A peer chooses its name: nothing in it may move a cursor or turn the direction of text.
fn printable(name: &str) -> String {
    let visible = |c: char| {
        !c.is_control()
            && !matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    name.chars().filter(|c| visible(*c)).collect()
}
