//! The objects that cross to JavaScript. Their fields have the names that `pkg/snaplight.d.ts`
//! promises. `pkg/lib/progress.js` adds what only it knows: the peers' names and how the last sync
//! ended.
//!
//! Each is made field by field. A struct for each, with `serde-wasm-bindgen`, made the module 2.5 kB
//! larger as brotli sends it.
//!
//! All numbers are `f64`, JavaScript's own kind: counts, bytes and milliseconds are exact up to
//! 2^53, far above what any of them reaches, and a number that a peer made up cannot fail to cross.

use js_sys::{Array, Object, Uint8Array};
use wasm_bindgen::prelude::*;

use super::held::Held;
use super::meter::Times;
use crate::hash::Hash;
use crate::state::{Block, Complete, Counts};
use crate::sync::{Counters, Lie, LieField, PeerProgress, Phase, Progress, Report, WaitReason};
use crate::wire::VerifiedHeader;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(extends = Object)]
    type Target;

    #[wasm_bindgen(method, indexing_setter)]
    fn set(this: &Target, name: &str, value: &JsValue);
}

/// A JavaScript object that is being made.
pub(super) struct Fields(Target);

impl Fields {
    pub(super) fn new() -> Fields {
        Fields(Object::new().unchecked_into())
    }

    pub(super) fn value(self, name: &str, value: impl Into<JsValue>) -> Fields {
        self.0.set(name, &value.into());
        self
    }

    // A function of its own, so that it is compiled once: most fields are numbers.
    #[inline(never)]
    pub(super) fn number(self, name: &str, value: f64) -> Fields {
        self.value(name, value)
    }

    #[inline(never)]
    fn count(self, name: &str, value: u64) -> Fields {
        self.number(name, value as f64)
    }

    #[inline(never)]
    pub(super) fn text(self, name: &str, value: &str) -> Fields {
        self.value(name, value)
    }

    fn hash(self, name: &str, value: &Hash) -> Fields {
        self.text(name, &value.to_string())
    }

    /// What is absent is `null`, as the types promise.
    pub(super) fn or_null(self, name: &str, value: Option<impl Into<JsValue>>) -> Fields {
        self.value(name, value.map_or(JsValue::NULL, Into::into))
    }
}

impl From<Fields> for JsValue {
    fn from(fields: Fields) -> JsValue {
        fields.0.into()
    }
}

/// Where a sync stands (`Progress` of `snaplight.d.ts`, before `progress.js` completes it). `peers`
/// has a [`peer_row`] for each connection.
pub(super) fn progress(
    progress: &Progress,
    times: &Times,
    damaged: usize,
    peers: &Array,
) -> JsValue {
    let (waiting_for, refused) = match &progress.waiting {
        None => (None, None),
        Some(WaitReason::NoPeers | WaitReason::NoAnswer { .. }) => (Some("peers"), None),
        Some(WaitReason::NeedNewRoot { root, .. }) => (Some("root"), Some(root)),
        Some(WaitReason::Unavailable { .. }) => (Some("item"), None),
        Some(WaitReason::BlockUnavailable { .. }) => (Some("block"), None),
    };
    let phase = match progress.phase {
        Phase::Idle => "idle",
        Phase::Locating => "locating",
        Phase::Resuming => "resuming",
        Phase::Ranges => "ranges",
        Phase::Healing => "healing",
        Phase::Finishing => "finishing",
    };
    let queued = Fields::new()
        .number("nodes", progress.queued.nodes as f64)
        .number("codes", progress.queued.codes as f64)
        .number("storages", progress.queued.storages as f64);
    let outrun = progress.outrun.map(|outrun| {
        Fields::new()
            .count("neededPerSecond", outrun.needed_per_second)
            .count("healedPerSecond", outrun.healed_per_second)
    });
    Fields::new()
        .text("phase", phase)
        .or_null("root", progress.target.as_ref().map(Hash::to_string))
        .value(
            "figures",
            figures(&progress.held, &progress.counters, times),
        )
        .value("queued", queued)
        .or_null("etaMs", progress.eta_ms.map(|ms| ms as f64))
        .or_null("outrun", outrun)
        .value("keySpace", Uint8Array::new_from_slice(&progress.key_space))
        .value("peers", peers)
        .number("damaged", damaged as f64)
        // Why nothing moves, in words and as a word for programs.
        .or_null(
            "waiting",
            progress.waiting.as_ref().map(WaitReason::to_string),
        )
        .or_null("waitingFor", waiting_for)
        // The root that all peers refuse.
        .or_null("refused", refused.map(Hash::to_string))
        .into()
}

/// What a sync took, when it has ended well.
pub(super) fn report(report: &Report, times: &Times) -> JsValue {
    Fields::new()
        .hash("root", &report.root)
        .or_null("block", report.block.as_ref().map(block))
        .value("figures", figures(&report.held, &report.counters, times))
        .into()
}

/// The faults of one connection.
pub(super) struct Faults<'a> {
    pub(super) count: u32,
    /// The last one in words.
    pub(super) last: Option<&'a str>,
}

/// What is known of one connection. `session` is the engine's part, `None` if the engine does not
/// know of the connection.
pub(super) fn peer_row(id: u32, session: Option<&PeerProgress>, faults: Faults<'_>) -> JsValue {
    Fields::new()
        .number("id", id.into())
        .number("faults", faults.count.into())
        .or_null("lastFault", faults.last)
        .or_null("session", session.map(peer_session))
        .into()
}

fn peer_session(peer: &PeerProgress) -> Fields {
    // The newest block that a peer says it has.
    let head = peer.head.as_ref().map(|head| {
        Fields::new()
            .or_null("number", head.number.map(|number| number as f64))
            .hash("hash", &head.hash)
    });
    Fields::new()
        .text("state", if peer.ready { "ready" } else { "greeting" })
        .text("client", &printable(&peer.client))
        .or_null("head", head)
        .value("refused", peer.refused)
        .number("requestsInFlight", peer.in_flight as f64)
        .count("answers", peer.answers)
        .count("bytes", peer.bytes)
        .count("accounts", peer.accounts)
        .count("slots", peer.slots)
        .count("codes", peer.codes)
        .count("latencyMs", peer.round_trip_ms)
}

/// What a provider claimed, and what it proved. `slot` is the slot's number, if the field of its
/// answer is that of a slot.
pub(super) fn lie(lie: &Lie) -> JsValue {
    // A hash is shown as what they are: 32 bytes in hexadecimal.
    let words = |bytes: [u8; 32]| Hash(bytes).to_string();
    let mut padded = [0; 32];
    padded[..20].copy_from_slice(&lie.address);
    let mut address = words(padded);
    address.truncate(2 + 2 * lie.address.len());
    let slot = match lie.field {
        LieField::Slot(number) => Some(words(number)),
        _ => None,
    };
    Fields::new()
        .text("address", &address)
        .text("field", lie.field.name())
        .or_null("slot", slot)
        .text("claimed", &words(lie.claimed))
        .text("proven", &words(lie.proven))
        .into()
}

/// Which states can be read, the complete one first, and what is to be held. `scope` is the version
/// of today's scope, as far as it is durable or this is the writer.
pub(super) fn held(held: &Held) -> JsValue {
    let holds = match held.scope.is_everything() {
        true => "everything",
        false => "set",
    };
    Fields::new()
        .value(
            "states",
            held.states.iter().map(complete).collect::<Array>(),
        )
        .count("scope", held.scope.version())
        .text("holds", holds)
        .into()
}

/// A complete state. `scope` is the version of the scope that it was built for.
pub(super) fn complete(complete: &Complete) -> JsValue {
    Fields::new()
        .hash("root", &complete.top.root())
        .or_null("block", complete.block.as_ref().map(block))
        .count("accounts", complete.counts.accounts)
        .count("slots", complete.counts.slots)
        .count("codes", complete.counts.codes)
        .count("scope", complete.scope)
        .into()
}

/// `timestamp`: seconds since 1970.
fn block(block: &Block) -> Fields {
    Fields::new()
        .hash("hash", &block.hash)
        .count("number", block.number)
        .count("timestamp", block.timestamp)
}

/// What a verified header says.
pub(super) fn header(header: &VerifiedHeader) -> JsValue {
    let root = header.state_root();
    block(&header.block()).hash("root", &root).into()
}

/// `SyncFigures` of `snaplight.d.ts`.
fn figures(held: &Counts, counters: &Counters, times: &Times) -> Fields {
    let received = Fields::new()
        .count("accounts", counters.accounts)
        .count("accountBytes", counters.account_bytes)
        .count("slots", counters.slots)
        .count("slotBytes", counters.slot_bytes)
        .count("codes", counters.codes)
        .count("codeBytes", counters.code_bytes)
        .count("bytes", counters.bytes_received);
    let ranges = Fields::new()
        .count("answers", counters.ranges.answers)
        .count("bytes", counters.ranges.bytes);
    let healing = Fields::new()
        .count("nodes", counters.nodes)
        .count("nodeBytes", counters.node_bytes)
        .count("codes", counters.healed_codes)
        .count("codeBytes", counters.healed_code_bytes)
        .count("answers", counters.healing.answers)
        .count("bytes", counters.healing.bytes);
    let unneeded = Fields::new()
        .count("late", counters.late)
        .count("duplicate", counters.duplicate)
        .count("unexpected", counters.unexpected);
    Fields::new()
        .count("accounts", held.accounts)
        .count("slots", held.slots)
        .count("codes", held.codes)
        .value("received", received)
        .value("ranges", ranges)
        .value("healing", healing)
        .value("unneeded", unneeded)
        .count("reused", counters.reused(held))
        .count("moves", counters.moves)
        .count("roundTrips", counters.round_trips)
        .count("requests", counters.requests)
        .count("bytesStored", counters.bytes_stored)
        .count("pagesStored", counters.pages_stored)
        .number("elapsedMs", times.elapsed())
        .number("hashingMs", times.computing)
        .number("storageMs", times.storing)
        .number("waitingMs", times.waiting)
}

/// A peer chooses its name: nothing in it may move a cursor or turn the direction of text.
fn printable(name: &str) -> String {
    let visible = |c: char| {
        !c.is_control()
            && !matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    name.chars().filter(|c| visible(*c)).collect()
}
