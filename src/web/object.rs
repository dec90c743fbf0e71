//! Plain JavaScript objects, built field by field.
//!
//! By hand and not with `serde-wasm-bindgen`: a few small flat objects cross here, ten times a second at most, for which
//! serde's machinery would be a large part of the module.

use js_sys::{Array, Object, Reflect, Uint8Array};
use wasm_bindgen::JsValue;

use super::meter::Times;
use crate::state::{Block, Complete, Counts};
use crate::sync::{Counters, PeerProgress, Phase, Progress, Report, Why};

/// An object under construction.
pub(super) struct Plain(Object);

impl Plain {
    pub(super) fn new() -> Plain {
        Plain(Object::new())
    }

    pub(super) fn with(self, key: &str, value: impl Into<JsValue>) -> Plain {
        // Setting a property of a fresh plain object cannot throw.
        let _ = Reflect::set(&self.0, &key.into(), &value.into());
        self
    }

    /// A count, a number of bytes or of milliseconds: exact up to 2^53, far above what any of them reaches.
    pub(super) fn number(self, key: &str, value: u64) -> Plain {
        self.with(key, value as f64)
    }

    fn counters(self, held: &Counts, counters: &Counters) -> Plain {
        self.number("accounts", held.accounts)
            .number("slots", held.slots)
            .number("codes", held.codes)
            .number("bytesReceived", counters.bytes_received)
            .number("bytesStored", counters.bytes_stored)
            .number("pagesStored", counters.pages_stored)
            .number("requests", counters.requests)
    }

    fn times(self, times: &Times) -> Plain {
        self.with("elapsedMs", times.elapsed())
            .with("hashingMs", times.computing)
            .with("storageMs", times.storing)
            .with("waitingMs", times.waiting)
    }
}

impl From<Plain> for JsValue {
    fn from(plain: Plain) -> JsValue {
        plain.0.into()
    }
}

/// What a connection's row has beyond the engine's numbers.
pub(super) struct Faults<'a> {
    pub(super) count: u32,
    pub(super) last: Option<&'a str>,
}

pub(super) fn progress(progress: &Progress, times: &Times, peers: &Array) -> Plain {
    let phase = match progress.phase {
        Phase::Idle => "idle",
        Phase::Locating => "locating",
        Phase::Resuming => "resuming",
        Phase::Ranges => "ranges",
        Phase::Healing => "healing",
        Phase::Finishing => "finishing",
    };
    Plain::new()
        .with("phase", phase)
        .with(
            "root",
            progress
                .target
                .map_or(JsValue::NULL, |root| root.to_string().into()),
        )
        .counters(&progress.held, &progress.counters)
        .times(times)
        .with("keySpace", Uint8Array::new_from_slice(&progress.key_space))
        .with("peers", peers)
        .with(
            "waiting",
            text_or_null(progress.waiting.as_ref().map(Why::to_string).as_deref()),
        )
}

pub(super) fn peer(id: u32, peer: Option<&PeerProgress>, faults: Faults<'_>) -> Plain {
    let row = Plain::new()
        .with("id", id)
        .with("faults", faults.count)
        .with("lastFault", text_or_null(faults.last));
    let Some(peer) = peer else { return row };
    row.with("state", if peer.ready { "ready" } else { "greeting" })
        .with("client", printable(&peer.client))
        .number("requestsInFlight", peer.in_flight as u64)
        .number("answers", peer.answers)
        .number("bytes", peer.bytes)
        .number("accounts", peer.accounts)
        .number("slots", peer.slots)
        .number("codes", peer.codes)
        .number("latencyMs", peer.round_trip_ms)
}

pub(super) fn report(report: &Report, times: &Times) -> Plain {
    Plain::new()
        .with("root", report.root.to_string())
        .with("block", block(report.block.as_ref()))
        .counters(&report.held, &report.counters)
        .number("nodesHealed", report.counters.nodes)
        .times(times)
}

pub(super) fn complete(complete: Option<&Complete>) -> JsValue {
    let Some(complete) = complete else {
        return JsValue::NULL;
    };
    Plain::new()
        .with("root", complete.root.to_string())
        .with("block", block(complete.block.as_ref()))
        .number("accounts", complete.counts.accounts)
        .number("slots", complete.counts.slots)
        .number("codes", complete.counts.codes)
        .into()
}

fn block(block: Option<&Block>) -> JsValue {
    let Some(block) = block else {
        return JsValue::NULL;
    };
    Plain::new()
        .with("hash", block.hash.to_string())
        .number("number", block.number)
        .number("timestamp", block.timestamp)
        .into()
}

/// `null`, as the types promise, and not the `undefined` that wasm-bindgen makes of `None`.
fn text_or_null(text: Option<&str>) -> JsValue {
    text.map_or(JsValue::NULL, JsValue::from_str)
}

/// A peer chooses its name: nothing in it may move a cursor or turn the direction of text.
fn printable(name: &str) -> String {
    let visible = |c: char| {
        !c.is_control()
            && !matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    name.chars().filter(|c| visible(*c)).collect()
}
