//! Random histories of a set.

use std::rc::Rc;

use snaplight::state::page::MIN_BUDGET;
use snaplight::state::{Lookup, ProofStep, Scope, SlimAccount, Step, TrackedSlots, Unfinished};

use crate::holder::Holder;
use crate::state_world::{Rng, World};
use crate::truth::{next, some_set};

fn some_scope(world: &World, rng: &mut Rng, version: u64) -> Scope {
    match rng.chance(5) {
        true => Scope::everything_as(version),
        false => Scope::set(version, some_set(world, rng, 12)),
    }
}

/// Another scope: some of the old one may stay, and some may come.
fn other_scope(world: &World, rng: &mut Rng, scope: &Scope) -> Scope {
    let version = scope.version() + 1;
    let Some(set) = scope.tracked() else {
        return some_scope(world, rng, version);
    };
    match rng.below(10) {
        0 => some_scope(world, rng, version),
        1..5 => {
            let added = some_set(world, rng, 4);
            Scope::set(version, set.with(added.accounts()).unwrap())
        }
        _ => {
            let keys = set.accounts().iter().map(|account| account.key());
            let removed: Vec<_> = keys.filter(|_| rng.chance(30)).collect();
            Scope::set(version, set.without(&removed))
        }
    }
}

struct History {
    rng: Rng,
    worlds: Vec<Rc<World>>,
    holder: Holder,
}

impl History {
    fn new(seed: u64) -> History {
        let mut rng = Rng(seed);
        let (accounts, slots) = match rng.below(4) {
            0 => (rng.below(4), 30),
            1 => (rng.below(40), 400),
            _ => (60 + rng.below(120), 60),
        };
        let mut worlds = vec![Rc::new(World::odd(&mut rng, accounts, slots, 50))];
        for _ in 0..3 {
            let share = [4, 20, 60][rng.below(3)];
            let last = worlds.last().unwrap();
            worlds.push(Rc::new(next(last, &mut rng, share)));
        }
        let scope = some_scope(&worlds[0], &mut rng, 1);
        let budget = MIN_BUDGET * (1 + rng.below(3));
        let mut holder = Holder::new(Rng(rng.next()), worlds[0].clone(), scope, budget);
        holder.lost = [0, 0, 5][rng.below(3)];
        History {
            rng,
            worlds,
            holder,
        }
    }

    fn step(&mut self) {
        let holder = &mut self.holder;
        match self.rng.below(100) {
            0..50 => {
                let careful = self.rng.chance(90);
                for _ in 0..1 + self.rng.below(8) {
                    holder.node(careful);
                }
            }
            50..54 => holder.read_bases(),
            54..60 => holder.storage(),
            60..70 => holder.code(),
            70..75 => drop(holder.batch(Unfinished::Blind)),
            75..80 => drop(holder.batch(Unfinished::Write)),
            80..86 => holder.open(),
            86..91 => {
                let world = self.worlds[self.rng.below(self.worlds.len())].clone();
                holder.retarget(world);
            }
            91..97 => {
                let world = &self.worlds[self.rng.below(self.worlds.len())];
                let scope = other_scope(world, &mut self.rng, &holder.scope);
                holder.rescope(scope);
            }
            _ => holder.finish(),
        }
    }

    /// Reads are the truth for what the scope wants, and nothing else is answered but absence.
    fn check_reads(&mut self) {
        let complete = self.holder.complete().unwrap().clone();
        let (world, scope) = (complete.world, complete.scope);
        let (root, holder) = (complete.page, &mut self.holder);
        for (key, slim) in &world.accounts.leaves {
            let body = SlimAccount::parse(slim).unwrap().account();
            match holder.look_up(Lookup::account(root, *key)) {
                Step::Account(Some(found)) if scope.has_account(key) => {
                    assert_eq!(found.account, body);
                }
                step => assert!(step == Step::NotTracked && !scope.has_account(key)),
            }
            let slots = world.storage.get(key);
            for (slot, value) in slots.iter().flat_map(|trie| &trie.leaves) {
                match holder.look_up(Lookup::slot(root, *key, *slot)) {
                    Step::Slot(word) if scope.has_slot(key, slot) => {
                        let value = snaplight::state::account::slot_value(value).unwrap();
                        assert_eq!(&word[32 - value.len()..], value);
                    }
                    step => assert!(step == Step::NotTracked && !scope.has_slot(key, slot)),
                }
            }
        }
        let Some(set) = scope.tracked() else {
            return;
        };
        for account in set.accounts() {
            let key = account.key();
            let exists = world.accounts.leaves.contains_key(&key);
            let step = holder.look_up(Lookup::account(root, key));
            assert!(exists || step == Step::Account(None));
            let mut slots = Vec::new();
            if let TrackedSlots::Single(tracked) = account.slots() {
                slots.extend(tracked.iter().map(|slot| slot.key()));
            }
            let trie = world.storage.get(&key);
            for slot in &slots {
                let value = trie.and_then(|trie| trie.leaves.get(slot));
                let step = holder.look_up(Lookup::slot(root, key, *slot));
                assert!(value.is_some() || step == Step::Slot([0; 32]));
            }
            let (prover, _) = holder.prove(key, slots.clone());
            let ProofStep::Proof(proof) = prover.step() else {
                panic!("{:?}", prover.step());
            };
            assert_eq!(proof.account.is_some(), exists);
            assert_eq!(proof.nodes, world.accounts.prove(&key));
            for (slot, proof) in slots.iter().zip(&proof.slots) {
                let nodes = trie.map(|trie| trie.prove(slot));
                assert_eq!(proof.nodes, nodes.unwrap_or_default());
            }
        }
    }
}

fn history(seed: u64) {
    let mut history = History::new(seed);
    for _ in 0..1 + history.rng.below(60) {
        history.step();
    }
    history.holder.finish();
    history.check_reads();
}

#[test]
fn after_any_history_a_set_holds_its_paths_and_nothing_else() {
    let seeds = std::env::var("SEEDS").map_or(0..300, |seeds| {
        let (from, to) = seeds.split_once("..").unwrap();
        from.parse().unwrap()..to.parse().unwrap()
    });
    for seed in seeds {
        let outcome = std::panic::catch_unwind(|| history(seed));
        if let Err(panic) = outcome {
            eprintln!("seed {seed}");
            std::panic::resume_unwind(panic);
        }
    }
}
