//! What is known of a JSON-RPC provider: its chain, its limits, and how long its calls take.
//!
//! A provider has no session and sends nothing of its own accord. So silence is judged call by call,
//! and there is nothing to ping.

use crate::hash::Hash;
use crate::sync::ids::Millis;
use crate::sync::want::RequestKind;
use crate::wire::PeerFault;
use crate::wire::rpc::Trouble;

/// Calls in flight before anything is known of a provider. Chosen without a measurement: below what
/// the free tiers of services allow in a second.
const FIRST_WINDOW: usize = 8;
/// Most calls in flight: services take no more in one batch over a WebSocket (Alchemy: 20).
const MAX_WINDOW: usize = 20;
/// Answers after which one more call may be in flight, once a provider has complained. Chosen without
/// a measurement: so few complaints follow that services do not take them for an attack.
const GROW_AFTER: usize = 32;
/// Most slots in one call. go-ethereum and QuickNode answer 1,024; so many of a large contract are
/// about a megabyte of JSON.
const MAX_KEYS: usize = 128;
/// A provider that is asked too often is left alone for this, each time in a row for twice as long.
const FIRST_BACK_OFF_MS: u64 = 1_000;
/// The longest time for which it is left alone if it does not say how long.
const LONGEST_BACK_OFF_MS: u64 = 64_000;
/// The same after errors that mean nothing, those of the line among them: as after a refusal.
const LONGEST_ERROR_MS: u64 = 8_000;
/// The longest time for which it is left alone if it does: a quota of a day is told as a status of
/// 402, and what is told as a rate ends within the hour.
const LONGEST_RETRY_AFTER_MS: u64 = 3_600_000;
/// A provider that does not have a state is not asked for that state for this: a block comes every
/// twelve seconds, and a node behind a router that lags is as far behind at most.
pub(super) const NOT_HERE_MS: u64 = 10_000;
/// Answers under another block's root in a row, although the block was named, that count as one
/// mark: a router may have asked a node that does not have the block yet.
const MAX_MISSES: u32 = 3;
/// Incomplete proofs in a row that count as one mark.
const MAX_INCOMPLETE: u32 = 2;
/// Marks after which a provider is not asked any more: so many of its answers were wrong. Chosen
/// without a measurement: more than a bug in one field of one client makes in a small set.
const MAX_MARKS: u32 = 64;
/// A call is given to somebody else after twice the usual time, and not before this: less than a
/// person notices, and more than the noise of a network.
const MIN_USUAL_MS: u64 = 150;
/// A provider that takes so many times as long as another is not called while that one is there:
/// as many calls fit into the other's window meanwhile.
const OUTRUN: u64 = 4;
/// Time for a call while nothing is known of the provider.
const UNKNOWN_USUAL_MS: u64 = 1_000;
/// Calls of which the time is remembered. The median of so many follows a change within a block.
const REMEMBERED: usize = 9;
/// Time for `eth_chainId`, after which it is asked again.
const CHAIN_ID_MS: u64 = 10_000;

/// One provider.
#[derive(Debug, Default)]
pub(crate) struct Provider {
    chain: Chain,
    limits: CallLimits,
    /// Methods that it lacks.
    lacks: [bool; RequestKind::COUNT],
    /// Answers in a row that were under another block's root.
    misses: u32,
    /// Proofs in a row that lacked a node.
    incomplete: u32,
    /// Wrong answers.
    marks: u32,
    usual: Usual,
}

/// Whether it is on the right chain.
#[derive(Debug, Default)]
enum Chain {
    /// It has to be asked.
    #[default]
    Unasked,
    /// It was asked then.
    Asked(Millis),
    Right,
}

/// How much may be asked of it at a time.
#[derive(Debug)]
struct CallLimits {
    /// Calls in flight.
    window: usize,
    /// Whether it has ever complained: then the window grows slowly.
    is_met: bool,
    /// Answers since the window has grown.
    answers: usize,
    /// Slots in one call.
    keys: usize,
    /// The last complaint; what was sent before it is no second one.
    complained: Millis,
    /// The length of the last pause.
    pause_ms: u64,
    /// When it may be asked again; `None` if it may be now.
    until: Option<Millis>,
}

impl Default for CallLimits {
    fn default() -> CallLimits {
        CallLimits {
            window: FIRST_WINDOW,
            is_met: false,
            answers: 0,
            keys: MAX_KEYS,
            complained: Millis(0),
            pause_ms: 0,
            until: None,
        }
    }
}

/// The times that its last calls took, in milliseconds. Bound: [`REMEMBERED`].
#[derive(Debug, Default)]
struct Usual {
    times: [u64; REMEMBERED],
    count: usize,
}

impl Usual {
    fn note(&mut self, millis: u64) {
        if let Some(time) = self.times.get_mut(self.count % REMEMBERED) {
            *time = millis;
        }
        self.count += 1;
    }

    fn median(&self) -> Option<u64> {
        let known = self.count.min(REMEMBERED);
        let times = self.times.get(..known)?;
        // The one that has as many below it as above. A sort would make the module larger.
        let is_middle = |time: &&u64| {
            let below = times.iter().filter(|other| other < time).count();
            let same = times.iter().filter(|other| other == time).count();
            below <= known / 2 && known / 2 < below + same
        };
        times.iter().find(is_middle).copied()
    }
}

/// Its chain.
impl Provider {
    pub(in crate::sync) fn is_ready(&self) -> bool {
        matches!(self.chain, Chain::Right)
    }

    /// When it has to be asked for its chain's id (again); `None` if that is known.
    pub(super) fn deadline(&self) -> Option<Millis> {
        match self.chain {
            Chain::Unasked => Some(self.limits.until.unwrap_or(Millis(0))),
            Chain::Asked(at) => Some(at.after(CHAIN_ID_MS)),
            Chain::Right => None,
        }
    }

    /// It is asked for its chain's id now.
    pub(in crate::sync) fn chain_asked(&mut self, now: Millis) {
        self.chain = Chain::Asked(now);
    }

    /// It named its chain. `false` if that was known, or it was not asked.
    pub(in crate::sync) fn chain_is_right(&mut self, now: Millis) -> bool {
        let Chain::Asked(at) = self.chain else {
            return false;
        };
        self.usual.note(now.since(at));
        self.chain = Chain::Right;
        self.limits.pause_ms = 0;
        true
    }

    /// It did not name its chain: it is asked again later.
    pub(in crate::sync) fn chain_failed(&mut self, now: Millis, retry_after: Option<u64>) {
        self.chain = Chain::Unasked;
        self.limits.pause(now, retry_after, LONGEST_BACK_OFF_MS);
    }
}

/// Asking.
impl Provider {
    /// Whether it may be called for this kind. `open`: its calls in flight that are not late.
    pub(super) fn may_call(&self, kind: RequestKind, open: usize) -> bool {
        open < self.limits.window && self.serves(kind)
    }

    /// Whether it may be called for this kind once it has room.
    pub(in crate::sync) fn serves(&self, kind: RequestKind) -> bool {
        self.is_ready() && self.limits.until.is_none() && self.knows(kind)
    }

    /// Whether it is not known to lack the method for this kind.
    pub(in crate::sync) fn knows(&self, kind: RequestKind) -> bool {
        !self.lacks.get(kind.index()).copied().unwrap_or(false)
    }

    /// Whether the other one is so much quicker that it is better to wait for it. Of neither may too
    /// little be known.
    pub(in crate::sync) fn is_outrun_by(&self, other: &Provider) -> bool {
        if self.usual.count < REMEMBERED || other.usual.count < REMEMBERED {
            return false;
        }
        match (self.usual_ms(), other.usual_ms()) {
            (Some(own), Some(other)) => own > OUTRUN * other.max(MIN_USUAL_MS),
            _ => false,
        }
    }

    /// Most slots in one call.
    pub(in crate::sync) fn keys(&self) -> usize {
        self.limits.keys
    }

    /// Milliseconds after which a call takes longer than usual. `quickest`: the usual time of the
    /// quickest provider, which would have answered twice by then.
    pub(in crate::sync) fn patience_ms(&self, quickest: Option<u64>) -> u64 {
        let usual = self.usual_ms().unwrap_or(UNKNOWN_USUAL_MS);
        let usual = quickest.map_or(usual, |quickest| usual.min(quickest));
        2 * usual.max(MIN_USUAL_MS)
    }

    /// The usual time of a call, in milliseconds.
    pub(in crate::sync) fn usual_ms(&self) -> Option<u64> {
        self.usual.median()
    }

    /// Wrong answers.
    pub(super) fn marks(&self) -> u32 {
        self.marks
    }

    /// Ends its pause, if that is over.
    pub(super) fn end_pause(&mut self, now: Millis) {
        self.limits.until = self.limits.until.filter(|until| now < *until);
    }

    /// When its pause is over.
    pub(in crate::sync) fn next_retry(&self) -> Option<Millis> {
        self.limits.until
    }
}

/// Judging.
impl Provider {
    /// It answered, whatever that was. `elapsed_ms`: how long it took.
    pub(super) fn answered(&mut self, elapsed_ms: u64) {
        self.usual.note(elapsed_ms);
        self.limits.pause_ms = 0;
        self.limits.answers += 1;
        if !self.limits.is_met || self.limits.answers >= GROW_AFTER {
            self.limits.answers = 0;
            self.limits.window = (self.limits.window + 1).min(MAX_WINDOW);
        }
    }

    /// Something of an answer was proven.
    pub(super) fn proved(&mut self) {
        (self.misses, self.incomplete) = (0, 0);
    }

    /// An answer was wrong.
    ///
    /// # Errors
    /// [`PeerFault::Misleading`] if too many were.
    pub(super) fn marked(&mut self) -> Result<(), PeerFault> {
        self.marks += 1;
        match self.marks < MAX_MARKS {
            true => Ok(()),
            false => Err(PeerFault::Misleading),
        }
    }

    /// An answer was under another block's root although the block was named. `true` if that has
    /// happened too often in a row.
    pub(super) fn missed(&mut self) -> bool {
        self.misses += 1;
        let is_often = self.misses >= MAX_MISSES;
        if is_often {
            self.misses = 0;
        }
        is_often
    }

    /// A proof lacked a node. `true` if that has happened too often in a row.
    pub(super) fn was_incomplete(&mut self) -> bool {
        self.incomplete += 1;
        let is_often = self.incomplete >= MAX_INCOMPLETE;
        if is_often {
            self.incomplete = 0;
        }
        is_often
    }

    /// A call failed. `slots`: how many it asked for; `sent`: when.
    pub(super) fn failed(&mut self, now: Millis, call: &FailedCall) {
        let limits = &mut self.limits;
        match call.trouble {
            Trouble::TooManyKeys if call.slots > 1 => limits.halve_keys(call.slots),
            Trouble::TooOften => limits.complained(now, call),
            Trouble::TooLarge => {
                // Which of the two was too large, it does not say.
                limits.halve_window(now, call.sent);
                limits.halve_keys(call.slots);
                if call.slots <= 1 && limits.window == 1 {
                    limits.pause(now, call.retry_after_ms, LONGEST_ERROR_MS);
                }
            }
            Trouble::NoMethod => {
                if let Some(lacks) = self.lacks.get_mut(call.kind.index()) {
                    *lacks = true;
                }
            }
            Trouble::TooManyKeys | Trouble::Other if call.sent >= limits.complained => {
                // As after a late answer: others come first, and it is tried again.
                limits.pause(now, call.retry_after_ms, LONGEST_ERROR_MS);
                limits.complained = now;
            }
            Trouble::NotHere | Trouble::Spent | Trouble::TooManyKeys | Trouble::Other => {}
        }
    }
}

/// A call that failed, and why.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FailedCall {
    pub(crate) kind: RequestKind,
    /// The root or block that it was about.
    pub(crate) root: Hash,
    /// How many slots it asked for.
    pub(crate) slots: usize,
    pub(crate) sent: Millis,
    pub(crate) trouble: Trouble,
    pub(crate) retry_after_ms: Option<u64>,
}

impl CallLimits {
    fn halve_keys(&mut self, asked: usize) {
        self.keys = self.keys.min((asked / 2).max(1));
    }

    /// Fewer calls at a time. What was sent before the last complaint is part of that one.
    fn halve_window(&mut self, now: Millis, sent: Millis) -> bool {
        if sent < self.complained {
            return false;
        }
        self.complained = now;
        self.is_met = true;
        self.answers = 0;
        self.window = (self.window / 2).max(1);
        true
    }

    fn complained(&mut self, now: Millis, call: &FailedCall) {
        match (self.halve_window(now, call.sent), call.retry_after_ms) {
            (true, retry_after) => self.pause(now, retry_after, LONGEST_BACK_OFF_MS),
            (false, Some(_)) => {
                // The same complaint, which may name a later time.
                let until = self.until;
                self.pause(now, call.retry_after_ms, LONGEST_BACK_OFF_MS);
                self.until = until.max(self.until);
            }
            (false, None) => {}
        }
    }

    /// It is left alone for as long as it says, or each time in a row for twice as long.
    fn pause(&mut self, now: Millis, retry_after_ms: Option<u64>, longest_ms: u64) {
        let own = (2 * self.pause_ms).clamp(FIRST_BACK_OFF_MS, longest_ms);
        let millis = match retry_after_ms {
            Some(millis) => millis.min(LONGEST_RETRY_AFTER_MS),
            None => {
                self.pause_ms = own;
                own
            }
        };
        self.until = Some(now.after(millis));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(trouble: Trouble, slots: usize, sent: u64, retry: Option<u64>) -> FailedCall {
        FailedCall {
            kind: RequestKind::Proofs,
            root: Hash::ZERO,
            slots,
            sent: Millis(sent),
            trouble,
            retry_after_ms: retry,
        }
    }

    fn ready() -> Provider {
        let mut provider = Provider::default();
        provider.chain_asked(Millis(0));
        assert!(provider.chain_is_right(Millis(10)));
        provider
    }

    #[test]
    fn a_limit_of_keys_halves_what_was_asked_for_and_is_remembered() {
        let mut provider = ready();
        assert_eq!(provider.keys(), MAX_KEYS);
        provider.failed(Millis(20), &failed(Trouble::TooManyKeys, 100, 11, None));
        assert_eq!(provider.keys(), 50);
        // A larger call that was sent before does not raise it again.
        provider.failed(Millis(21), &failed(Trouble::TooManyKeys, 128, 11, None));
        assert_eq!(provider.keys(), 50);
        assert!(provider.may_call(RequestKind::Proofs, 0));
    }

    #[test]
    fn a_provider_asked_too_often_is_left_alone_for_as_long_as_it_says_or_longer_each_time() {
        let mut provider = ready();
        let kind = RequestKind::Proofs;
        provider.failed(Millis(100), &failed(Trouble::TooOften, 1, 50, Some(7_000)));
        assert_eq!(provider.next_retry(), Some(Millis(7_100)));
        provider.end_pause(Millis(7_100));
        assert!(provider.may_call(kind, FIRST_WINDOW / 2 - 1));
        assert!(!provider.may_call(kind, FIRST_WINDOW / 2));
        // Without a word it is 1, 2, 4 seconds. What was sent before a complaint is part of it.
        let mut now = 10_000;
        for pause in [1_000, 2_000, 4_000] {
            provider.failed(Millis(now), &failed(Trouble::TooOften, 1, now - 1, None));
            provider.failed(Millis(now), &failed(Trouble::TooOften, 1, now - 1, None));
            assert_eq!(provider.next_retry(), Some(Millis(now + pause)));
            now += pause;
            provider.end_pause(Millis(now));
        }
        assert!(provider.may_call(kind, 0), "one call may always be made");
        provider.answered(5);
        provider.failed(Millis(now), &failed(Trouble::TooOften, 1, now, None));
        assert_eq!(provider.next_retry(), Some(Millis(now + 1_000)));
    }

    #[test]
    fn a_method_that_it_lacks_is_not_called_again_and_others_are() {
        let mut provider = ready();
        provider.failed(Millis(20), &failed(Trouble::NoMethod, 1, 11, None));
        assert!(!provider.may_call(RequestKind::Proofs, 0));
        assert!(provider.may_call(RequestKind::Headers, 0));
    }

    #[test]
    fn a_call_may_take_twice_the_median_and_300_milliseconds_at_least() {
        let mut provider = ready();
        assert_eq!(provider.patience_ms(None), 300);
        for time in [900, 1, 400, 800, 500] {
            provider.answered(time);
        }
        // 1, 10 of its chain's id, 400, 500, 800, 900
        assert_eq!(provider.usual_ms(), Some(500));
        assert_eq!(provider.patience_ms(None), 1_000);
        // Somebody else would have answered before.
        assert_eq!(provider.patience_ms(Some(200)), 400);
        assert_eq!(provider.patience_ms(Some(5)), 300);
    }

    #[test]
    fn the_window_grows_with_answers_and_slowly_once_a_limit_was_met() {
        let mut provider = ready();
        for _ in 0..100 {
            provider.answered(5);
        }
        assert!(provider.may_call(RequestKind::Proofs, MAX_WINDOW - 1));
        assert!(!provider.may_call(RequestKind::Proofs, MAX_WINDOW));
        provider.failed(Millis(200), &failed(Trouble::TooOften, 1, 150, Some(0)));
        provider.end_pause(Millis(200));
        for _ in 0..GROW_AFTER {
            provider.answered(5);
        }
        assert!(provider.may_call(RequestKind::Proofs, MAX_WINDOW / 2));
        assert!(!provider.may_call(RequestKind::Proofs, MAX_WINDOW / 2 + 1));
    }
}
