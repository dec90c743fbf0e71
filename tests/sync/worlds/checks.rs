//! Checks what holds at any moment of any world.

use snaplight::hash::Hash;
use snaplight::state::page::Folds;
use snaplight::state::{Lookup, PageId, PageRef, StatePath, Step};
use snaplight::wire::PeerFault;
use snaplight_peer::state::State;

use super::director::Director;
use super::vices::Guilt;
use crate::bounds::assert_bounded;
use crate::rng::Rng;
use crate::world::World;

/// The outcome of a read.
pub(super) enum Read {
    True,
    NotTracked,
    Damaged(PageId, StatePath),
    NoCode(Hash),
}

impl Director {
    /// Checks everything that holds at any moment.
    pub(super) fn check(&mut self) {
        for (peer, fault) in self.world.faults.drain(..) {
            let guilt = self.guilt.get(&peer);
            // What a set asks for at first may hold a slow line for longer than a handshake may take.
            let is_held_up = self.sets.is_on() && self.misfortunes.are_slow();
            if is_held_up && fault == PeerFault::HandshakeTimeout {
                self.guilt.insert(peer, Guilt::Late);
                continue;
            }
            assert!(
                guilt.is_some_and(|guilt| guilt.covers(&fault)),
                "{fault:?} is reported of {peer:?}, which is {guilt:?}"
            );
            self.totals.faults += 1;
        }
        self.check_lies();
        for peer in self.world.dropped.drain(..) {
            let guilt = self.guilt.get(&peer);
            assert_ne!(guilt, Some(&Guilt::Odd), "{peer:?} was dropped");
        }
        assert_bounded(&self.world, &self.shape.limits);
        if self.rng.percent(40) {
            match self.sets.is_on() {
                true => self.read_some_tracked_keys(),
                false => self.read_some_keys(),
            }
        }
        if self.sets.is_on() {
            self.check_record();
        }
    }

    /// Reads some keys of the complete state, and reports damage as the reader in a web page does.
    fn read_some_keys(&mut self) {
        let Some(complete) = self.world.disk.record().complete else {
            return;
        };
        let truth = self.truths.get(&complete.top.root()).cloned();
        let truth = truth.expect("the complete state is one of the chain's");
        for _ in 0..6 {
            let (account, slot) = any_key(&mut self.rng, &truth);
            self.totals.reads += 1;
            match read(
                &self.world,
                complete.top.page(),
                &truth,
                account,
                slot,
                true,
            ) {
                Read::True => {}
                Read::NotTracked => panic!("{account} {slot:?} of a complete state is not held"),
                Read::NoCode(code) => self.report_code(code),
                Read::Damaged(page, at) => {
                    assert!(
                        self.damaged_pages.contains(&page),
                        "page {page:?} at {at:?} is damaged, but this world did not damage it"
                    );
                    self.report_damage(page, at);
                }
            }
        }
    }
}

/// Chooses an account and perhaps a slot of it. Most of them exist.
pub(super) fn any_key(rng: &mut Rng, truth: &State) -> (Hash, Option<Hash>) {
    let mut random = [0; 32];
    for bytes in random.chunks_mut(8) {
        bytes.copy_from_slice(&rng.next().to_be_bytes());
    }
    let count = truth.accounts().len() as u64;
    if count == 0 || rng.percent(20) {
        return (Hash(random), rng.percent(30).then_some(Hash(random)));
    }
    let nth = rng.below(count) as usize;
    let account = truth.accounts().nth(nth).expect("the nth account");
    let slot = truth.storage(account).map(|storage| {
        let nth = rng.below(storage.len() as u64 + 1) as usize;
        storage.nth(nth).map_or(random, |slot| *slot)
    });
    (Hash(*account), slot.filter(|_| rng.percent(70)).map(Hash))
}

/// Looks one key up and compares the answer with the true state. `has_code`: the account's code is
/// to be held too.
pub(super) fn read(
    world: &World,
    root: Option<PageRef>,
    truth: &State,
    account: Hash,
    slot: Option<Hash>,
    has_code: bool,
) -> Read {
    let mut lookup = match slot {
        None => Lookup::account(root, account),
        Some(slot) => Lookup::slot(root, account, slot),
    };
    let mut folds = Folds::new();
    loop {
        match lookup.step().clone() {
            Step::Need(wanted) => {
                let Some(page) = world.disk.verified(&wanted, &mut folds) else {
                    return Read::Damaged(wanted.page.id, wanted.at);
                };
                lookup.feed_verified(&page);
            }
            Step::Account(found) => {
                let body = truth.account(&account.0);
                assert_eq!(found.is_some(), body.is_some(), "account {account}");
                if let (Some(found), Some(body)) = (found, body) {
                    let parsed = snaplight::state::SlimAccount::parse(body);
                    let parsed = parsed.expect("a true body").account();
                    assert_eq!(found.account, parsed, "account {account}");
                    let code = found.account.code_hash;
                    let held = world.disk.codes.get(&code);
                    let is_needed = has_code && code != Hash::EMPTY_CODE;
                    if is_needed && held.map(Vec::as_slice) != truth.code(&code.0) {
                        return Read::NoCode(code);
                    }
                }
                return Read::True;
            }
            Step::Slot(value) => {
                let slot = slot.expect("a slot was asked for");
                let stored = truth
                    .storage(&account.0)
                    .and_then(|storage| storage.get(&slot.0));
                let mut expected = [0; 32];
                if let Some(rlp) = stored {
                    let trimmed = if rlp.len() == 1 { rlp } else { &rlp[1..] };
                    expected[32 - trimmed.len()..].copy_from_slice(trimmed);
                }
                assert_eq!(value, expected, "slot {slot} of {account}");
                return Read::True;
            }
            Step::NotTracked => return Read::NotTracked,
            step => panic!("reading {account} {slot:?} of a complete state: {step:?}"),
        }
    }
}
