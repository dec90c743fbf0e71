//! Checks what holds at any moment of a world with sets.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use snaplight::hash::Hash;
use snaplight::state::{
    Complete, MAX_KEPT, PageId, Record, Scope, StatePath, TrackedAccount, TrackedSlots,
};
use snaplight_peer::state::{State, code_hash};

use super::checks::{Read, read};
use super::director::Director;
use crate::truth::{self, Walk};

/// What a page costs beyond its entries, and the entries of a set's root that nothing else needs.
const BYTES_PER_STATE: usize = 4 * 1024;
/// Bytes of a slot in a page, with its key.
const BYTES_PER_SLOT: usize = 80;

/// The states of a record that can be read, the newest first.
fn readable(record: &Record) -> Vec<Complete> {
    let complete = record.complete.into_iter();
    complete.chain(record.kept.iter().copied()).collect()
}

impl Director {
    /// Reads some keys of a state that is complete or kept, as the reader in a web page does.
    pub(super) fn read_some_tracked_keys(&mut self) {
        let states = readable(&self.world.disk.record());
        if states.is_empty() {
            return;
        }
        let state = self.sets.rng.pick(&states);
        let scope = self.sets.of(state.scope).clone();
        let Some(truth) = self.truth_of(&state) else {
            return;
        };
        for _ in 0..6 {
            let (account, slot) = self.sets.some_key(&truth, &scope);
            let has = |scope: &Scope| match &slot {
                None => scope.has_account(&account),
                Some(slot) => scope.has_slot(&account, slot),
            };
            let is_readable = has(&scope) && has(self.sets.today());
            let has_code = scope.has_code(&account);
            self.totals.reads += 1;
            let found = read(
                &self.world,
                state.top.page(),
                &truth,
                account,
                slot,
                has_code,
            );
            match found {
                // What is outside is never asked for, but what is there is true.
                _ if !is_readable => {}
                Read::True => {}
                Read::NotTracked => panic!(
                    "{account} {slot:?} is tracked in scope {} of {}, but cannot be read",
                    state.scope,
                    state.top.root()
                ),
                Read::NoCode(code) => self.report_code(code),
                Read::Damaged(page, at) => {
                    assert!(
                        self.damaged_pages.contains(&page),
                        "{page:?} at {at:?} is damaged, but this world did not damage it"
                    );
                    self.report_damage(page, at);
                }
            }
        }
    }

    /// The true state. `None` if nothing of it is held, so that nobody had to have it.
    fn truth_of(&self, state: &Complete) -> Option<Arc<State>> {
        let truth = self.truths.get(&state.top.root()).cloned();
        let set = self.sets.of(state.scope).tracked();
        assert!(
            truth.is_some() || set.is_some_and(|set| set.accounts().is_empty()),
            "{} is none of the chain's states",
            state.top.root()
        );
        truth
    }

    /// Checks the record, and how it changed since the last time.
    pub(super) fn check_record(&mut self) {
        let record = self.world.disk.record();
        for version in versions(&record) {
            let stored = self.world.disk.scopes.get(&version);
            let stored = stored.unwrap_or_else(|| panic!("scope {version} is not stored"));
            assert_eq!(*stored, self.sets.of(version).encode(), "scope {version}");
        }
        for (before, after) in std::mem::take(&mut self.world.disk.switches) {
            self.check_switch(&before, &after);
        }
        let dropped = std::mem::take(&mut self.world.dropped_states);
        assert!(
            dropped.is_empty() || !self.is_undamaged(),
            "{dropped:?} were dropped"
        );
        let is_settled = record.building.is_none() && record.pending_gc.is_none();
        if is_settled && self.is_undamaged() && self.sets.rng.percent(5) {
            self.assert_nothing_else();
        }
    }

    /// A set's old state is kept at a switch; the oldest falls out.
    fn check_switch(&self, before: &Record, after: &Record) {
        let new = after.complete.expect("a complete state stays complete");
        let is_set = |state: &Complete| !self.sets.of(state.scope).is_everything();
        let old = before.complete.filter(is_set);
        if !is_set(&new) {
            assert_eq!(after.kept, [], "states of sets are kept beside everything");
            return;
        }
        let same = |a: &Complete, b: &Complete| (a.top, a.scope) == (b.top, b.scope);
        let all = old.into_iter().chain(before.kept.iter().copied());
        let expected: Vec<_> = all.filter(|state| !same(state, &new)).collect();
        let mut left = expected.iter();
        for kept in &after.kept {
            let found = left.any(|state| same(state, kept));
            assert!(
                found,
                "{kept:?} was not complete before, or is out of order"
            );
        }
        assert!(after.kept.len() < MAX_KEPT);
        // A root is kept once: its newest scope.
        let roots: BTreeSet<Hash> = expected.iter().map(|state| state.top.root()).collect();
        let others = roots.iter().filter(|root| **root != new.top.root()).count();
        if self.is_undamaged() {
            assert!(
                after.kept.len() >= others.min(MAX_KEPT - 1),
                "{} of {others} states are kept",
                after.kept.len()
            );
        }
    }

    /// A sync has ended with this complete state.
    pub(super) fn check_set_done(&self, complete: &Complete) {
        assert!(
            self.sets.may_be_complete(complete.scope),
            "scope {} is complete, but {} is to be held",
            complete.scope,
            self.sets.today().version()
        );
        if self.is_undamaged() {
            let reached = self.assert_readable(complete);
            self.assert_codes(&reached.codes);
        }
    }

    fn assert_codes(&self, needed: &BTreeSet<Hash>) {
        for code in needed {
            let is_held = self.world.disk.codes.contains_key(code);
            assert!(is_held, "the code {code} is missing");
        }
    }

    /// Damaged pages of readable states.
    pub(super) fn damaged_now(&self) -> Vec<(PageId, StatePath)> {
        let states = readable(&self.world.disk.record()).into_iter();
        let walks = states.map(|state| {
            let is_set = !self.sets.of(state.scope).is_everything();
            Walk::of(&self.world.disk, state.top, is_set).damaged
        });
        walks.flatten().collect()
    }

    /// A code that readable states need. If the complete state is the empty one, there is no repair,
    /// and what older states lack stays so.
    pub(super) fn needed_code(&self, code: &Hash) -> Option<Vec<u8>> {
        // Codes of old states may be served no more.
        self.chain.server().states().code(&code.0)?;
        let record = self.world.disk.record();
        let has_page = |complete: Complete| complete.top.page().is_some();
        let is_repairable = record.complete.is_some_and(has_page);
        let states = readable(&record).into_iter().filter(|_| is_repairable);
        let mut needed = states.filter_map(|state| {
            let truth = self.truth_of(&state)?;
            let (scope, today) = (self.sets.of(state.scope), self.sets.today());
            let mut accounts = truth.accounts().iter();
            let is_needed = accounts.any(|(account, body)| {
                let account = Hash(*account);
                let is_wanted = scope.has_code(&account) && today.has_code(&account);
                Hash(code_hash(body)) == *code && is_wanted
            });
            truth
                .code(&code.0)
                .filter(|_| is_needed)
                .map(<[u8]>::to_vec)
        });
        needed.next()
    }

    /// Asserts that a readable state is whole. Returns what it reaches.
    #[track_caller]
    pub(super) fn assert_readable(&self, state: &Complete) -> Reached {
        let scope = self.sets.of(state.scope);
        let walk = Walk::of(&self.world.disk, state.top, !scope.is_everything());
        assert_eq!(walk.damaged, [], "pages of a readable state are damaged");
        let mut reached = Reached {
            pages: walk.reached.clone(),
            codes: BTreeSet::new(),
            bytes: BYTES_PER_STATE,
        };
        let Some(truth) = self.truth_of(state) else {
            return reached;
        };
        let Some(set) = scope.tracked() else {
            reached.codes = truth::codes_named(&truth).collect();
            reached.bytes = usize::MAX;
            return reached;
        };
        let (mut accounts, mut storages) = (BTreeMap::new(), BTreeMap::new());
        let mut nodes = BTreeSet::new();
        for tracked in set.accounts() {
            let key = tracked.key();
            nodes.extend(truth.accounts().path_to(&key.0));
            let Some(body) = truth.account(&key.0) else {
                continue;
            };
            accounts.insert(key, body.to_vec());
            let slots = tracked_slots(&truth, tracked, &mut nodes, &mut reached.bytes);
            if !slots.is_empty() {
                storages.insert(key, slots);
            }
            let code = Hash(code_hash(body));
            if tracked.code() && code != Hash::EMPTY_CODE {
                reached.codes.insert(code);
            }
        }
        let (held, true_keys) = (walk.accounts.keys(), accounts.keys());
        assert!(
            walk.accounts == accounts,
            "accounts of {} for scope {}: held {:?}, true {:?}",
            state.top.root(),
            state.scope,
            held.collect::<Vec<_>>(),
            true_keys.collect::<Vec<_>>()
        );
        assert!(
            walk.storages == storages,
            "slots of {} for scope {}: held {:?}, true {:?}",
            state.top.root(),
            state.scope,
            sizes(&walk.storages),
            sizes(&storages)
        );
        for (key, body) in &walk.neighbours {
            assert_eq!(truth.account(&key.0), Some(body.as_slice()), "{key}");
        }
        let slots: usize = storages.values().map(BTreeMap::len).sum();
        let counts = (state.counts.accounts, state.counts.slots);
        assert_eq!(counts, (accounts.len() as u64, slots as u64), "counts");
        reached.bytes += nodes
            .iter()
            .map(|node| node.len() * 5 / 4 + 16)
            .sum::<usize>();
        reached
    }

    /// Roots that are kept return without a request. Each readable state is whole, and the disk
    /// holds nothing else.
    pub(super) fn end_with_sets(&mut self) {
        self.assert_sets_complete();
        if !self.is_undamaged() {
            // What is damaged is kept no more.
            return;
        }
        let today = self.sets.today().version();
        let mut kept = self.world.disk.record().kept;
        kept.retain(|state| state.scope == today);
        for state in kept.iter().rev().take(2) {
            let requests = self.requests();
            self.set_target(state.top.root());
            self.go_until("a kept root does not return", |director| {
                director.target().is_none()
            });
            let after = self.requests();
            assert_eq!(requests, after, "something was asked for a kept root");
        }
        self.go_until(
            "the garbage of returned roots is not collected",
            |director| director.world.disk.record().pending_gc.is_none(),
        );
        self.assert_sets_complete();
    }

    /// Asserts that each readable state is whole, and that the disk holds nothing else.
    fn assert_sets_complete(&self) {
        let record = self.world.disk.record();
        assert!(record.building.is_none(), "an unfinished tree is left");
        if self.is_undamaged() {
            return self.assert_nothing_else();
        }
        for state in readable(&record) {
            let mut reached = self.assert_readable(&state);
            // Without a repair, a damaged code stays so.
            let needed = |code: &Hash| self.needed_code(code).is_some();
            reached
                .codes
                .retain(|code| needed(code) || !self.damaged_codes.contains(code));
            self.assert_codes(&reached.codes);
        }
    }

    /// Asserts that an undamaged disk holds what the readable states reach, and nothing else.
    fn assert_nothing_else(&self) {
        let disk = &self.world.disk;
        let record = disk.record();
        let (mut pages, mut codes) = (BTreeSet::<PageId>::new(), BTreeSet::new());
        let mut bytes: usize = 0;
        for state in readable(&record) {
            let reached = self.assert_readable(&state);
            pages.extend(reached.pages);
            codes.extend(reached.codes);
            bytes = bytes.saturating_add(reached.bytes);
        }
        self.assert_codes(&codes);
        let stored: BTreeSet<PageId> = disk.pages.keys().copied().collect();
        assert_eq!(pages, stored, "pages that no root reaches");
        let stored: BTreeSet<Hash> = disk.codes.keys().copied().collect();
        assert_eq!(codes, stored, "codes that no tracked account names");
        let stored: BTreeSet<u64> = disk.scopes.keys().copied().collect();
        assert_eq!(versions(&record), stored, "scopes that no state names");
        let held: usize = disk.pages.values().map(Vec::len).sum();
        assert!(
            held <= bytes,
            "{held} bytes are held, but the paths of {} states have {bytes}",
            1 + record.kept.len()
        );
    }
}

/// What a readable state reaches.
pub(super) struct Reached {
    pages: BTreeSet<PageId>,
    codes: BTreeSet<Hash>,
    /// The most bytes that it may take.
    bytes: usize,
}

/// The versions of the scopes that a record names, without the one that is never stored.
fn versions(record: &Record) -> BTreeSet<u64> {
    let states = readable(record).into_iter().map(|state| state.scope);
    let building = record.building.iter().map(|state| state.scope);
    let all = states.chain(building).chain([record.scope]);
    all.filter(|version| *version != 0).collect()
}

/// The tracked slots of an account that exist. Adds the nodes on the way to single ones, and the
/// bytes of whole storages.
fn tracked_slots(
    truth: &State,
    tracked: &TrackedAccount,
    nodes: &mut BTreeSet<Vec<u8>>,
    bytes: &mut usize,
) -> BTreeMap<Hash, Vec<u8>> {
    let Some(storage) = truth.storage(&tracked.key().0) else {
        return BTreeMap::new();
    };
    match tracked.slots() {
        TrackedSlots::All => {
            *bytes += storage.len() * BYTES_PER_SLOT + BYTES_PER_STATE;
            let slots = storage.iter();
            slots
                .map(|(key, value)| (Hash(*key), value.to_vec()))
                .collect()
        }
        TrackedSlots::Single(slots) => {
            let mut found = BTreeMap::new();
            for key in slots.iter().map(|slot| slot.key()) {
                nodes.extend(storage.path_to(&key.0));
                if let Some(value) = storage.get(&key.0) {
                    found.insert(key, value.to_vec());
                }
            }
            found
        }
    }
}

fn sizes(storages: &BTreeMap<Hash, BTreeMap<Hash, Vec<u8>>>) -> Vec<(Hash, usize)> {
    let sizes = storages.iter().map(|(key, slots)| (*key, slots.len()));
    sizes.collect()
}
