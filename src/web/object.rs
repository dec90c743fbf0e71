//! Plain JavaScript objects, built field by field, and numbers in rows. What users see is shaped of them in
//! `pkg/lib/progress.js` and `answers.js`, whose names stand in the order of the rows here.
//!
//! By hand and not with `serde-wasm-bindgen`: a few small flat objects cross here, ten times a second at most, for which
//! serde's machinery would be a large part of the module.

use js_sys::{Array, Float64Array, Object, Reflect, Uint8Array};
use wasm_bindgen::JsValue;

use super::meter::Times;
use crate::hash::Hash;
use crate::state::{Block, Complete, Counts};
use crate::sync::{Counters, PeerProgress, Phase, Progress, Report, WaitReason};

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

pub(super) fn progress(progress: &Progress, times: &Times, damaged: usize, peers: &Array) -> Plain {
    let phase = match progress.phase {
        Phase::Idle => "idle",
        Phase::Locating => "locating",
        Phase::Resuming => "resuming",
        Phase::Ranges => "ranges",
        Phase::Healing => "healing",
        Phase::Finishing => "finishing",
    };
    let outrun = progress
        .outrun
        .map(|outrun| numbers([outrun.needed_per_second, outrun.healed_per_second]));
    let (waiting_for, refused) = match &progress.waiting {
        None => (None, None),
        Some(WaitReason::NoPeers) => (Some("peers"), None),
        Some(WaitReason::NeedNewRoot { root, .. }) => (Some("root"), Some(*root)),
        Some(WaitReason::BlockUnavailable { .. }) => (Some("block"), None),
    };
    let words = progress.waiting.as_ref().map(WaitReason::to_string);
    Plain::new()
        .with("phase", phase)
        .with("root", hash_or_null(progress.target))
        .with(
            "figures",
            figures(&progress.held, &progress.counters, times),
        )
        .with(
            "etaMs",
            progress
                .eta_ms
                .map_or(JsValue::NULL, |ms| (ms as f64).into()),
        )
        .with("outrun", outrun.map_or(JsValue::NULL, JsValue::from))
        .with("keySpace", Uint8Array::new_from_slice(&progress.key_space))
        .with("peers", peers)
        .with("damaged", damaged as f64)
        .with("waiting", text_or_null(words.as_deref()))
        .with("waitingFor", text_or_null(waiting_for))
        .with("refused", hash_or_null(refused))
}

pub(super) fn peer(id: u32, peer: Option<&PeerProgress>, faults: Faults<'_>) -> Plain {
    let row = Plain::new()
        .with("id", id)
        .with("faults", faults.count)
        .with("lastFault", text_or_null(faults.last));
    let Some(peer) = peer else { return row };
    let head = peer.head.as_ref().map_or(JsValue::NULL, |head| {
        Plain::new()
            .with("number", head.number as f64)
            .with("hash", head.hash.to_string())
            .into()
    });
    row.with("state", if peer.ready { "ready" } else { "greeting" })
        .with("client", printable(&peer.client))
        .with("head", head)
        .with("refused", peer.refused)
        .with(
            "figures",
            numbers([
                peer.in_flight as u64,
                peer.answers,
                peer.bytes,
                peer.accounts,
                peer.slots,
                peer.codes,
                peer.round_trip_ms,
            ]),
        )
}

pub(super) fn report(report: &Report, times: &Times) -> Plain {
    Plain::new()
        .with("root", report.root.to_string())
        .with("block", block(report.block.as_ref()))
        .with("figures", figures(&report.held, &report.counters, times))
}

pub(super) fn complete(complete: Option<&Complete>) -> JsValue {
    let Some(complete) = complete else {
        return JsValue::NULL;
    };
    Plain::new()
        .with("root", complete.top.root().to_string())
        .with("block", block(complete.block.as_ref()))
        .with("accounts", complete.counts.accounts as f64)
        .with("slots", complete.counts.slots as f64)
        .with("codes", complete.counts.codes as f64)
        .into()
}

/// What a sync counts, in the order of `FIGURES`.
fn figures(held: &Counts, counters: &Counters, times: &Times) -> Float64Array {
    let counts = [
        held.accounts,
        held.slots,
        held.codes,
        counters.accounts,
        counters.slots,
        counters.codes,
        counters.bytes_received,
        counters.ranges.answers,
        counters.ranges.bytes,
        counters.nodes,
        counters.healing.answers,
        counters.healing.bytes,
        counters.reused,
        counters.moves,
        counters.round_trips,
        counters.requests,
        counters.bytes_stored,
        counters.pages_stored,
    ];
    let times = [
        times.elapsed(),
        times.computing,
        times.storing,
        times.waiting,
    ];
    let counts = counts.iter().map(|count| *count as f64);
    let row: Vec<f64> = counts.chain(times).collect();
    Float64Array::from(row.as_slice())
}

/// Counts, bytes, milliseconds: exact up to 2^53, far above what any of them reaches.
fn numbers<const N: usize>(row: [u64; N]) -> Float64Array {
    Float64Array::from(row.map(|number| number as f64).as_slice())
}

fn block(block: Option<&Block>) -> JsValue {
    let Some(block) = block else {
        return JsValue::NULL;
    };
    Plain::new()
        .with("hash", block.hash.to_string())
        .with("number", block.number as f64)
        .with("timestamp", block.timestamp as f64)
        .into()
}

fn hash_or_null(hash: Option<Hash>) -> JsValue {
    hash.map_or(JsValue::NULL, |hash| hash.to_string().into())
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
