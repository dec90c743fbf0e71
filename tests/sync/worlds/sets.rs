//! What the database of a world holds, and how that changes. It is chosen by a generator of its own,
//! so that a world that holds everything is what its seed has always made.

use std::collections::BTreeMap;

use snaplight::hash::Hash;
use snaplight::state::{Complete, Scope, TrackedAccount, TrackedSet, TrackedSlots};
use snaplight::sync::{Input, Phase};
use snaplight_peer::state::{Recipe, State};

use super::director::Director;
use super::vices;
use crate::disk::Disk;
use crate::rng::Rng;

/// Most accounts of a world's set.
const MAX_ACCOUNTS: usize = 40;

/// Which worlds hold sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holds {
    /// Each seed decides: a third of the worlds do.
    BySeed,
    /// All worlds.
    Sets,
    /// None: the worlds as they were before there were sets.
    Everything,
}

/// What a world holds.
#[derive(Debug)]
pub(super) struct Sets {
    pub(super) rng: Rng,
    /// Whether it holds a set. Otherwise it holds everything, and that never changes.
    is_on: bool,
    /// Whether some peers have a vice in their answers for sets.
    vices: bool,
    /// Whether it goes from a set to everything and back.
    moves: bool,
    /// Of 100 events, how many are followed by a change of the set.
    pace: u64,
    /// What is to be held now.
    today: Scope,
    /// All that were ever to be held, by version.
    known: BTreeMap<u64, Scope>,
    /// The oldest version that a sync which ends now may have made complete.
    oldest: u64,
    /// The accounts of the first state.
    names: Recipe,
    /// Those with a storage: the number of the account, and of its slots.
    contracts: Vec<(u64, u64)>,
}

impl Sets {
    pub(super) fn new(seed: u64, holds: Holds) -> Sets {
        // Any constant does that makes this another generator than the others of the seed.
        let mut rng = Rng::new(seed ^ 0x3c6e_f372_fe94_f82b);
        let is_chosen = rng.percent(33);
        let everything = Scope::everything();
        Sets {
            is_on: match holds {
                Holds::BySeed => is_chosen,
                Holds::Sets => true,
                Holds::Everything => false,
            },
            vices: rng.percent(30),
            moves: rng.percent(35),
            pace: rng.pick(&[5, 20, 50]),
            known: BTreeMap::from([(0, everything.clone())]),
            today: everything,
            oldest: 0,
            names: Recipe::plain(0, 0),
            contracts: Vec::new(),
            rng,
        }
    }

    /// Tells the names of the accounts and slots in the first state.
    pub(super) fn name(&mut self, names: &Recipe, state: &State) {
        self.names = names.clone();
        let slots = |index: &u64| {
            let storage = state.storage(&key_of(&names.address(*index)).0);
            storage.map(|storage| (*index, storage.len() as u64))
        };
        if self.is_on {
            self.contracts = (0..names.accounts)
                .filter_map(|index| slots(&index))
                .collect();
        }
    }

    pub(super) fn is_on(&self) -> bool {
        self.is_on
    }

    /// What is to be held now.
    pub(super) fn today(&self) -> &Scope {
        &self.today
    }

    /// The scope with this version.
    #[track_caller]
    pub(super) fn of(&self, version: u64) -> &Scope {
        let scope = self.known.get(&version);
        scope.unwrap_or_else(|| panic!("no scope ever had the version {version}"))
    }

    /// Whether a sync that ends now may leave a state complete that was built for this version: one
    /// of those since the last target, or one after which there were only removals.
    pub(super) fn may_be_complete(&self, version: u64) -> bool {
        let since = self.oldest..=self.today.version();
        let Some(built_for) = self.known.get(&version) else {
            return false;
        };
        let mut asked = self.known.range(since);
        version <= self.today.version() && asked.any(|(_, asked)| covers(built_for, asked))
    }

    /// A target is set: what makes it complete holds what is to be held now.
    pub(super) fn targeted(&mut self) {
        self.oldest = self.today.version();
    }

    /// A session begins over this disk. What was not committed is not to be held any more.
    pub(super) fn open(&mut self, disk: &Disk) {
        let version = disk.record().scope;
        for stored in disk.scopes() {
            assert_eq!(self.of(stored.version()), &stored, "a stored scope differs");
        }
        self.today = self.of(version).clone();
        self.oldest = version;
    }

    /// The next scope. It is everything, or a set near the one before.
    fn next(&mut self) -> Scope {
        let version = self.today.version() + 1;
        let scope = match self.today.tracked() {
            Some(_) if self.moves && self.rng.percent(15) => Scope::everything_as(version),
            Some(set) => Scope::set(version, self.near(&set.clone())),
            None => {
                let last = self.known.values().rev().find_map(Scope::tracked).cloned();
                let same = last.filter(|_| self.rng.percent(50));
                Scope::set(version, same.unwrap_or_else(|| self.some_set()))
            }
        };
        self.known.insert(version, scope.clone());
        scope
    }

    /// Any set, also the empty one.
    fn some_set(&mut self) -> TrackedSet {
        let count = match self.rng.below(8) {
            0 => 0,
            1..=5 => self.rng.within(1, 8),
            _ => self.rng.within(8, MAX_ACCOUNTS as u64),
        };
        self.with_some(&TrackedSet::default(), count)
    }

    fn with_some(&mut self, set: &TrackedSet, count: u64) -> TrackedSet {
        let added: Vec<_> = (0..count).map(|_| self.some_account()).collect();
        set.with(&added).expect("a small set")
    }

    /// A set that was made from this one by a few changes.
    fn near(&mut self, set: &TrackedSet) -> TrackedSet {
        let keys: Vec<Hash> = set.accounts().iter().map(TrackedAccount::key).collect();
        match self.rng.below(12) {
            0 => self.some_set(),
            1 => TrackedSet::default(),
            2..=4 if !keys.is_empty() => {
                let count = self.rng.within(1, 3);
                let removed: Vec<_> = (0..count).map(|_| self.rng.pick(&keys)).collect();
                set.without(&removed)
            }
            5 | 6 if !keys.is_empty() => {
                let key = self.rng.pick(&keys);
                self.with_less_of(set, &key)
            }
            7 | 8 if !keys.is_empty() => {
                let key = self.rng.pick(&keys);
                let known = set.get(&key).expect("a key of the set").address();
                let more = self.account(known);
                set.with(&[more]).expect("a small set")
            }
            _ if keys.len() < MAX_ACCOUNTS => {
                let count = self.rng.within(1, 4);
                self.with_some(set, count)
            }
            _ => self.some_set(),
        }
    }

    /// The set without the code and some slots of one account.
    fn with_less_of(&mut self, set: &TrackedSet, key: &Hash) -> TrackedSet {
        let before = set.get(key).expect("a key of the set");
        let slots: Vec<[u8; 32]> = match before.slots() {
            TrackedSlots::All => Vec::new(),
            TrackedSlots::Single(slots) => {
                let kept = slots.iter().filter(|_| self.rng.percent(50));
                kept.map(|slot| slot.number()).collect()
            }
        };
        let code = before.code() && self.rng.percent(50);
        let less = TrackedAccount::new(before.address(), code, &slots);
        set.without(&[*key]).with(&[less]).expect("a small set")
    }

    fn some_account(&mut self) -> TrackedAccount {
        let is_contract = !self.contracts.is_empty() && self.rng.percent(50);
        let address = if is_contract {
            let (index, _) = self.rng.pick(&self.contracts);
            self.names.address(index)
        } else if self.names.accounts > 0 && self.rng.percent(80) {
            self.names.address(self.rng.below(self.names.accounts))
        } else {
            // It never exists.
            let mut address = [0xee; 20];
            address[..8].copy_from_slice(&self.rng.next().to_be_bytes());
            address
        };
        self.account(address)
    }

    /// Something of the account with this address.
    fn account(&mut self, address: [u8; 20]) -> TrackedAccount {
        let code = self.rng.percent(40);
        let mut contracts = self.contracts.iter();
        let contract = contracts.find(|(index, _)| self.names.address(*index) == address);
        let contract = contract.copied();
        match self.rng.below(10) {
            0..3 => TrackedAccount::new(address, code, &[]),
            // All slots of a huge storage, but seldom.
            3 if contract.is_none_or(|(_, slots)| slots < 5_000) => {
                TrackedAccount::whole(address, code)
            }
            4 => TrackedAccount::whole(address, code),
            _ => {
                let count = self.rng.scale(12);
                let slots: Vec<_> = (0..count).map(|_| self.some_slot(contract)).collect();
                TrackedAccount::new(address, code, &slots)
            }
        }
    }

    fn some_slot(&mut self, contract: Option<(u64, u64)>) -> [u8; 32] {
        match contract {
            Some((index, slots)) if self.rng.percent(75) => {
                self.names.slot_key(index, self.rng.below(slots))
            }
            _ => {
                let mut number = [0; 32];
                number[24..].copy_from_slice(&self.rng.next().to_be_bytes());
                number
            }
        }
    }

    /// An account that is, was or never will be held, and perhaps a slot of it, by their hashes.
    pub(super) fn some_key(&mut self, truth: &State, scope: &Scope) -> (Hash, Option<Hash>) {
        let scope = match self.rng.percent(30) {
            true => self.today.clone(),
            false => scope.clone(),
        };
        let accounts = scope.tracked().map_or(&[][..], TrackedSet::accounts);
        if accounts.is_empty() || self.rng.percent(20) {
            return super::checks::any_key(&mut self.rng, truth);
        }
        let nth = self.rng.below(accounts.len() as u64) as usize;
        let (account, key) = (&accounts[nth], accounts[nth].key());
        let slots = match account.slots() {
            TrackedSlots::Single(slots) => slots.as_slice(),
            TrackedSlots::All => &[],
        };
        if !slots.is_empty() && self.rng.percent(60) {
            let nth = self.rng.below(slots.len() as u64) as usize;
            return (key, Some(slots[nth].key()));
        }
        let storage = truth.storage(&key.0).filter(|_| self.rng.percent(60));
        let slot = storage.and_then(|storage| {
            let nth = self.rng.below(storage.len() as u64) as usize;
            storage.nth(nth).map(|slot| Hash(*slot))
        });
        (key, slot)
    }
}

impl Director {
    /// Changes what is to be held, or not.
    pub(super) fn apply_some_change_of_scope(&mut self) {
        if self.sets.is_on && self.sets.rng.percent(self.sets.pace) {
            self.change_scope();
        }
    }

    /// A new database of a world with sets holds one from the beginning, or a little later.
    pub(super) fn hold_a_set_at_first(&mut self) {
        if self.sets.is_on && self.sets.today.version() == 0 && self.sets.rng.percent(80) {
            self.change_scope();
        }
    }

    fn change_scope(&mut self) {
        let is_local = self.holds_everything_whole();
        let scope = self.sets.next();
        self.log(|| format!("scope {}: {}", scope.version(), describe(&scope)));
        self.sets.today = scope.clone();
        if self.phase() != Phase::Finishing {
            self.sets.targeted();
        }
        self.world.input(Input::Scope(scope));
        if is_local && self.sets.rng.percent(50) {
            return self.build_the_set_without_peers();
        }
        let complete = self.world.disk.record().complete;
        if let Some(complete) = complete
            && self.target().is_none()
            && self.sets.rng.percent(50)
        {
            // Somebody waits for what is tracked now.
            self.set_target(complete.top.root());
        }
    }

    /// Whether a set can be made of what is complete.
    fn holds_everything_whole(&self) -> bool {
        let record = self.world.disk.record();
        let is_everything = |complete: Complete| self.sets.of(complete.scope).is_everything();
        let is_whole = record.complete.is_some_and(is_everything) && self.is_undamaged();
        let is_idle = record.building.is_none() && self.phase() == Phase::Idle;
        self.sets.today.is_everything() && is_whole && is_idle && !self.shape.store_errors
    }

    /// Waits for a set that is made of everything: nothing has to be asked for.
    fn build_the_set_without_peers(&mut self) {
        let record = self.world.disk.record();
        let Some(complete) = record.complete else {
            return;
        };
        let requests = self.requests();
        self.set_target(complete.top.root());
        self.go_until("a set is not made of everything", |director| {
            director.target().is_none()
        });
        assert_eq!(self.requests(), requests, "the set was asked for");
    }

    /// How many requests were made so far.
    pub(super) fn requests(&self) -> (usize, u64, u64) {
        let present = self.world.providers.values();
        let calls = present.chain(self.world.left.values());
        let calls = calls.map(|provider| provider.answered).sum();
        (self.world.asked.len(), self.world.hashes.requests, calls)
    }

    /// Connects a peer with a vice in its answers for sets, if this world has such peers.
    pub(super) fn join_with_a_vice_of_sets(&mut self) -> bool {
        let is_one = self.sets.is_on && self.sets.vices && self.sets.rng.percent(50);
        if is_one {
            let (vice, guilt) = vices::of_sets(&mut self.sets.rng);
            self.connect_vicious(vice, guilt);
        }
        is_one
    }

    /// Makes a root the target that is kept, now and then.
    pub(super) fn set_a_kept_target(&mut self) -> bool {
        if !self.sets.is_on || !self.sets.rng.percent(15) {
            return false;
        }
        let kept = self.world.disk.record().kept;
        if !kept.is_empty() {
            let state = self.sets.rng.pick(&kept);
            self.set_target(state.top.root());
        }
        !kept.is_empty()
    }
}

fn key_of(address: &[u8; 20]) -> Hash {
    TrackedAccount::new(*address, false, &[]).key()
}

/// Whether what the second scope wants is all in the first, and both are everything or sets.
fn covers(first: &Scope, second: &Scope) -> bool {
    let (Some(first), Some(second)) = (first.tracked(), second.tracked()) else {
        return first.is_everything() && second.is_everything();
    };
    second.accounts().iter().all(|wanted| {
        let held = first.get(&wanted.key());
        held.is_some_and(|held| {
            let has_slots = match (held.slots(), wanted.slots()) {
                (TrackedSlots::All, _) => true,
                (TrackedSlots::Single(_), TrackedSlots::All) => false,
                (TrackedSlots::Single(held), TrackedSlots::Single(wanted)) => {
                    wanted.iter().all(|slot| held.contains(slot))
                }
            };
            has_slots && (held.code() || !wanted.code())
        })
    })
}

/// A scope in one line.
fn describe(scope: &Scope) -> String {
    let Some(set) = scope.tracked() else {
        return "everything".to_owned();
    };
    let accounts = set.accounts().iter().map(|account| {
        let slots = match account.slots() {
            TrackedSlots::All => "all".to_owned(),
            TrackedSlots::Single(slots) => slots.len().to_string(),
        };
        let code = if account.code() { " and code" } else { "" };
        format!("{} with {slots} slots{code}", account.key())
    });
    format!("[{}]", accounts.collect::<Vec<_>>().join(", "))
}
