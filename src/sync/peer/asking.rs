//! Whether a peer may be asked, for how much, and how good it is at that.

use super::{Open, Peer};
use crate::hash::Hash;
use crate::sync::ids::Millis;
use crate::sync::throughput::Throughput;
use crate::sync::want::RequestKind;

/// Most requests open at a peer: servers take at least so many (`docs/websocket-peers.md`, section
/// 6.2).
const MAX_OPEN: usize = 16;
/// Most requests open at a peer by snap if the next one is for a single key: go-ethereum serves them
/// one after the other and takes 120 at once, and of a set all keys are asked for in one round trip.
const MAX_SMALL: usize = 64;
/// Bytes asked for in a request for a single key: its proof has 3.7 kB in a state of 350 million
/// accounts.
const SMALL_REQUEST: u64 = 4 * 1024;
/// Bytes of single keys that may be on their way from a peer before its line was measured: as many
/// requests as may be open.
const FIRST_SMALL: u64 = MAX_SMALL as u64 * SMALL_REQUEST;
/// Most calls open at a provider, late ones included: two windows.
const MAX_CALLS: usize = 40;
/// Bytes that one call of a provider is taken to bring: the proof of an account and some slots.
const CALL_BYTES: u64 = 32 * 1024;
/// Bytes of the first request to a peer, of which nothing is known. So little, because many peers
/// may share a slow line; the next request follows the rate of the first answer.
const FIRST_REQUEST: u64 = 8 * 1024;
/// Fewest bytes asked for in one request. go-ethereum's 64 KiB take 20 seconds at 3.5 kB/s; with
/// less than 16 KiB, most of an answer is proof.
pub(in crate::sync) const MIN_REQUEST: u64 = 16 * 1024;
/// Most bytes asked for in one request, as in go-ethereum.
const MAX_REQUEST: u64 = 512 * 1024;
/// Bytes that may be on their way from a peer while it is only known that it carries something:
/// little on a line of a megabit, and enough for a level of a trie that has changed here and there.
const UNMEASURED_WINDOW: u64 = 128 * 1024;
/// Bytes asked for in one request meanwhile: go-ethereum's fewest.
const UNMEASURED_REQUEST: u64 = 64 * 1024;
/// A request asks for what the peer delivers in this time, a quarter of what may be on its way, or
/// in two round trips if that is more: where each request waits for the answer before, the rate
/// doubles with each. Chosen without a measurement.
const REQUEST_MS: u64 = 250;
/// A peer of which nothing is known is taken to answer after this, so that it is tried when the
/// others have enough to do. Chosen without a measurement.
const UNKNOWN_MS: u64 = 500;
/// The share of useful bytes is counted in so many parts.
const USEFUL_PARTS: u64 = 256;

/// Its place among peers that may be asked: lower is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::sync) struct Rank {
    has_refused: bool,
    strikes: u32,
    /// Milliseconds until it would have answered.
    done_ms: u64,
}

impl Peer {
    /// Whether nothing that it sent was proven yet.
    pub(in crate::sync) fn is_unproven(&self) -> bool {
        self.proved_at.is_none()
    }

    /// Whether an answer of it was proven after this moment.
    pub(in crate::sync) fn proved_since(&self, moment: Millis) -> bool {
        self.proved_at.is_some_and(|proved| proved > moment)
    }

    /// Whether its last requests were late.
    pub(in crate::sync) fn is_struck(&self) -> bool {
        self.strikes > 0
    }

    /// Bytes per second that it is known to deliver. A peer that is late is not counted on.
    pub(in crate::sync) fn known_rate(&self) -> u64 {
        match self.is_unproven() || self.strikes > 0 {
            true => 0,
            false => self.line.per_second(),
        }
    }

    /// Bytes that may be on their way from it, at most `share`.
    pub(in crate::sync) fn window(&self, share: u64) -> u64 {
        if self.is_unproven() || self.strikes > 0 {
            return MIN_REQUEST;
        }
        let fewest = 2 * MIN_REQUEST;
        let least = match self.line.is_measured() {
            true => fewest,
            false => UNMEASURED_WINDOW,
        };
        let ahead = self.line.ahead(self.least_trip_ms).max(least);
        ahead.min(share.max(fewest))
    }

    /// Requests that are not late.
    pub(in crate::sync) fn requests_in_time(&self) -> usize {
        self.open.count - self.late.count
    }

    /// Bytes that they are likely to bring.
    pub(in crate::sync) fn bytes_in_time(&self) -> u64 {
        self.open.bytes - self.late.bytes
    }

    /// Whether a provider may be called for this kind, and for how many bytes.
    pub(in crate::sync) fn call_bytes(&self, kind: RequestKind) -> Option<u64> {
        let provider = self.provider()?;
        let may_call = provider.may_call(kind, self.requests_in_time());
        (may_call && self.open.count < MAX_CALLS).then_some(CALL_BYTES)
    }

    /// Whether calls of it are open that take longer than usual.
    pub(in crate::sync) fn has_late(&self) -> bool {
        self.late.count > 0
    }

    /// Bytes to ask for in a request for a single key, if it has room for one. `window`: bytes that
    /// may be on their way from it.
    pub(in crate::sync) fn small_bytes(&self, window: u64, now: Millis) -> Option<u64> {
        let window = match self.line.is_measured() {
            true => window,
            false => window.max(FIRST_SMALL),
        };
        let Open { count, bytes } = self.open;
        let has_room = match self.strikes {
            0 => count < MAX_SMALL && bytes + SMALL_REQUEST <= window,
            _ => self.has_room(window, now),
        };
        has_room.then_some(SMALL_REQUEST)
    }

    /// Whether it has room for one more request. `window`: bytes that may be on their way from it.
    pub(in crate::sync) fn has_room(&self, window: u64, now: Millis) -> bool {
        let Open { count, bytes } = self.open;
        if count >= MAX_OPEN {
            return false;
        }
        if self.strikes > 0 {
            // It has to show with one request that it is there.
            return self.requests_in_time() == 0 && self.probe_at <= now;
        }
        count == 0 || !self.is_unproven() && bytes + MIN_REQUEST <= window
    }

    /// The best peer is the one that would answer first, of those that have not refused. What
    /// counts is what it proves of what was asked for, and not what it sends.
    pub(in crate::sync) fn rank(&self, kind: RequestKind, root: &Hash) -> Rank {
        if let Some(provider) = self.provider() {
            // Calls do not wait for one another, so nothing is divided by a rate.
            return Rank {
                has_refused: self.has_refused_kind(kind, root),
                strikes: self.late.count as u32 + provider.marks(),
                done_ms: provider.usual_ms().unwrap_or(UNKNOWN_MS),
            };
        }
        let bytes = self.open.bytes + self.wanted_bytes(kind);
        let sent = self.delivered.bytes / USEFUL_PARTS + 1;
        let useful = (self.delivered.proven.bytes / sent).clamp(1, USEFUL_PARTS);
        let time = self.rate(kind).time_for(bytes * USEFUL_PARTS / useful);
        let done_ms = match time {
            Some(time) if !self.is_unproven() => time + self.least_trip_ms,
            _ => UNKNOWN_MS,
        };
        Rank {
            has_refused: self.has_refused_kind(kind, root),
            strikes: self.strikes,
            done_ms,
        }
    }

    /// What it carries while it serves this kind; of all kinds until the line was busy with it.
    fn rate(&self, kind: RequestKind) -> Throughput {
        let served = self.kinds[kind.index()].rate;
        match served.is_measured() {
            true => served,
            false => self.line,
        }
    }

    /// Bytes to ask for in one request of this kind, at most `left`. `None` if that is less than
    /// half of what such a request asks for: small requests have more proof than content. `window`:
    /// bytes that may be on their way from it.
    pub(in crate::sync) fn request_bytes(
        &self,
        kind: RequestKind,
        window: u64,
        left: u64,
    ) -> Option<u64> {
        let wanted = self.wanted_bytes(kind).min(window);
        let room = window.saturating_sub(self.open.bytes);
        let bytes = match self.open.count {
            0 => wanted,
            _ => wanted.min(room),
        };
        let bytes = bytes.min(left);
        (2 * bytes >= wanted).then_some(bytes)
    }

    /// Bytes that one request of this kind asks for.
    fn wanted_bytes(&self, kind: RequestKind) -> u64 {
        if self.is_unproven() {
            return FIRST_REQUEST;
        }
        if self.strikes > 0 {
            return MIN_REQUEST;
        }
        let unmeasured = match self.line.is_measured() {
            true => 0,
            false => UNMEASURED_REQUEST,
        };
        let time = REQUEST_MS.max(2 * self.least_trip_ms);
        let wanted = self.rate(kind).within(time).max(unmeasured);
        wanted.clamp(MIN_REQUEST, MAX_REQUEST)
    }

    /// Milliseconds in which it delivers what is open, and so many bytes more; `None` if nothing is
    /// known of it.
    pub(in crate::sync) fn time_for(&self, bytes: u64) -> Option<u64> {
        self.line.time_for(self.open.bytes + bytes)
    }

    /// A request is sent that is likely to bring so many bytes.
    pub(in crate::sync) fn asked(&mut self, expected: u64) {
        self.open.add(expected);
    }

    /// A request is late: its work has gone back.
    pub(in crate::sync) fn turned_late(&mut self, expected: u64) {
        self.late.add(expected);
    }

    /// A request was answered.
    pub(in crate::sync) fn answered(&mut self, expected: u64, was_late: bool) {
        self.open.remove(expected);
        if was_late {
            self.late.remove(expected);
        }
    }
}

impl Open {
    fn add(&mut self, expected: u64) {
        self.count += 1;
        self.bytes += expected;
    }

    fn remove(&mut self, expected: u64) {
        self.count = self.count.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(expected);
    }
}
