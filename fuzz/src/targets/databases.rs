//! Databases that somebody has forged: pages changed, swapped, lost and made anew, records and
//! scopes with other fields, all with right checksums. What is read is true or damage. A sync over
//! one ends, whatever is in it, and damage that is told is healed.

use std::cell::RefCell;
use std::rc::Rc;

use snaplight::hash::Hash;
use snaplight::state::page::Folds;
use snaplight::state::{PageId, ProofStep, Prover, Record};
use snaplight::sync::{Damage, Input, Millis};
use snaplight::trie::verify_proof;
use xxhash_rust::xxh64::xxh64;

use crate::bytes::Bytes;
use crate::chains::{LIMITS, STATES, Truth, truth};
use crate::disk::Disk;
use crate::reading::{Read, read};
use crate::world::{End, World};

/// Events in which a sync ends beside an honest peer. Chosen without a measurement of the worst.
const MOST_EVENTS: u64 = 50_000;
/// Most reads after which damage is told and healed.
const MOST_ROUNDS: usize = 4;
/// Most pages of one proof: of the account's key and of three slots', and their roots.
const MOST_PAGES: usize = 5 * 66;

thread_local! {
    static DISKS: RefCell<Option<Rc<Vec<Disk>>>> = const { RefCell::new(None) };
}

/// True databases: of everything and of a set, whole, half built, half healed, and not yet rid of
/// what they have left behind.
fn disks(truth: &Truth) -> Rc<Vec<Disk>> {
    DISKS.with_borrow_mut(|disks| Rc::clone(disks.get_or_insert_with(|| Rc::new(make(truth)))))
}

fn make(truth: &Truth) -> Vec<Disk> {
    let mut disks = Vec::new();
    for is_set in [false, true] {
        let mut world = open(truth, Disk::new(World::network_of(&truth.server)));
        if is_set {
            let mut choices: Vec<u8> = (0..40).collect();
            choices[0] = 5;
            let scope = truth.set(1, &mut Bytes::new(&choices));
            world.input(Input::Scope(scope));
        }
        world.honest_peer();
        for number in 0..STATES - 1 {
            world.target(truth.root(number));
            if matches!(world.run_some(40), End::Paused) {
                disks.push(world.disk.clone());
                let end = world.run();
                assert!(matches!(end, End::Done(_)), "{end:?}");
            }
            disks.push(world.disk.clone());
        }
        world.collect_garbage();
        disks.push(world.disk.clone());
    }
    disks
}

fn open(truth: &Truth, disk: Disk) -> World {
    let mut world = World::on_disk(truth.server.clone(), 1, disk);
    world.engine = world.engine.with_limits(LIMITS);
    world
}

pub(crate) fn run(input: &[u8]) {
    let truth = truth();
    let disks = disks(&truth);
    let mut bytes = Bytes::new(input);
    let mut disk = disks[bytes.below(disks.len())].clone();
    disk.is_forged = true;
    for _ in 0..1 + bytes.below(6) {
        forge(&mut bytes, &mut disk);
    }
    // What the engine does over such a database is asked only if one can be opened, as a driver
    // does it: a record and scopes that decode, of the right network.
    let Ok(record) = Record::decode(&disk.record) else {
        return;
    };
    let stored: Vec<(u64, Vec<u8>)> = disk.scopes.clone().into_iter().collect();
    let Some(scopes) = record.scopes_of(&stored) else {
        return;
    };
    if record.network != World::network_of(&truth.server) {
        return;
    }
    disk.scopes = scopes
        .iter()
        .map(|scope| (scope.version(), scope.encode()))
        .collect();

    let keys: Vec<(Hash, Option<Hash>)> = (0..6).map(|_| truth.key(&mut bytes)).collect();
    read_all(&disk, &truth, &keys);
    prove(&disk, &truth, &keys);

    let mut world = open(&truth, disk);
    world.honest_peer();
    world.target(truth.root(bytes.below(STATES)));
    for _ in 0..MOST_ROUNDS {
        let end = world.run_some(MOST_EVENTS);
        assert!(
            !matches!(end, End::Paused),
            "a sync that never ends: {:?} {:?} damaged {:?}, {} repairs, {} batches, waits {:?}",
            Record::decode(&world.disk.record),
            world.engine.progress(Millis(world.now)),
            world.damaged,
            world.repairs,
            world.batches,
            world.waits
        );
        assert!(
            world.faults.is_empty(),
            "an honest peer is blamed: {:?}",
            world.faults
        );
        let Ok(record) = Record::decode(&world.disk.record) else {
            panic!("the engine has written a record that does not decode");
        };
        let damages = read_all(&world.disk, &truth, &keys);
        if matches!(end, End::Failed(_)) || damages.is_empty() {
            break;
        }
        for damage in damages {
            world.input(Input::Damaged(damage));
        }
        if let Some(complete) = record.complete {
            world.target(complete.top.root());
        }
    }
}

/// Reads these keys of every state of the record. What is read is true. Returns what is damaged.
fn read_all(disk: &Disk, truth: &Truth, keys: &[(Hash, Option<Hash>)]) -> Vec<Damage> {
    let mut damages = Vec::new();
    for state in disk.record().readable() {
        // A record may name any root. Nothing is true under one that no chain has.
        let Some(state_of) = truth.state(&state.top.root()) else {
            continue;
        };
        for (account, slot) in keys {
            let found = read(disk, state.top.page(), state_of, *account, *slot);
            if let Read::Damaged(page, at) = found {
                damages.push(Damage::Page { page, at: Some(at) });
            }
        }
    }
    damages
}

/// Proves keys out of the pages. What comes of it is a proof, if anything comes.
fn prove(disk: &Disk, truth: &Truth, keys: &[(Hash, Option<Hash>)]) {
    for state in disk.record().readable() {
        let root = state.top.root();
        if truth.state(&root).is_none() {
            continue;
        }
        for (account, slot) in keys {
            let slots: Vec<Hash> = slot.iter().copied().collect();
            let mut prover = Prover::new(state.top.page(), *account, slots.clone());
            let mut folds = Folds::new();
            for round in 0.. {
                assert!(
                    round < MOST_PAGES,
                    "a proof reads more than {MOST_PAGES} pages"
                );
                let ProofStep::Need(needed) = prover.step() else {
                    break;
                };
                let Some(page) = disk.verified(&needed, &mut folds) else {
                    break;
                };
                prover.feed_verified(&page);
            }
            let Some(proof) = prover.into_proof() else {
                continue;
            };
            let nodes: Vec<&[u8]> = proof.nodes.iter().map(|node| &node[..]).collect();
            let proven = verify_proof(&root, account, &nodes);
            let full = proof.account.map(|account| account.to_full());
            assert_eq!(proven, Ok(full.as_deref()), "the proof of {account}");
            for (slot, shown) in slots.iter().zip(&proof.slots) {
                let storage = proof
                    .account
                    .map_or(Hash::EMPTY_ROOT, |account| account.storage_root);
                let nodes: Vec<&[u8]> = shown.nodes.iter().map(|node| &node[..]).collect();
                let proven = verify_proof(&storage, slot, &nodes);
                assert!(proven.is_ok_and(|value| value.is_some() == (shown.value != [0; 32])));
            }
        }
    }
}

/// Changes something, and repairs the checksum.
fn forge(bytes: &mut Bytes<'_>, disk: &mut Disk) {
    let ids: Vec<PageId> = disk.pages.keys().copied().collect();
    let pick = |bytes: &mut Bytes<'_>| match ids.len() {
        0 => PageId(1),
        many => ids[bytes.below(many)],
    };
    match bytes.byte() % 8 {
        0 => {
            let id = pick(bytes);
            if let Some(page) = disk.pages.get_mut(&id) {
                resealed(page, |content| bytes.spoil(content));
            }
        }
        1 => {
            let (one, other) = (pick(bytes), pick(bytes));
            if let (Some(a), Some(b)) = (disk.pages.remove(&one), disk.pages.remove(&other)) {
                disk.pages.insert(one, b);
                disk.pages.insert(other, a);
            }
        }
        2 => {
            let (one, other) = (pick(bytes), pick(bytes));
            if let Some(page) = disk.pages.get(&one).cloned() {
                disk.pages.insert(other, page);
            }
        }
        3 => {
            let id = pick(bytes);
            disk.pages.remove(&id);
        }
        4 => resealed(&mut disk.record, |content| bytes.spoil(content)),
        5 => {
            if let Ok(mut record) = Record::decode(&disk.record) {
                forge_record(bytes, &mut record, &ids);
                disk.record = record.encode();
            }
        }
        6 => {
            let versions: Vec<u64> = disk.scopes.keys().copied().collect();
            if !versions.is_empty() {
                let version = versions[bytes.below(versions.len())];
                if let Some(scope) = disk.scopes.get_mut(&version) {
                    resealed(scope, |content| bytes.spoil(content));
                }
            }
        }
        _ => {
            let codes: Vec<Hash> = disk.codes.keys().copied().collect();
            if !codes.is_empty() {
                disk.codes.remove(&codes[bytes.below(codes.len())]);
            }
        }
    }
}

/// Other fields, each of which is one that could have been written.
fn forge_record(bytes: &mut Bytes<'_>, record: &mut Record, ids: &[PageId]) {
    let pick = |bytes: &mut Bytes<'_>| match ids.len() {
        0 => PageId(1),
        many => ids[bytes.below(many)],
    };
    match bytes.byte() % 8 {
        0 => record.next_page = pick(bytes),
        1 => record.sequence = bytes.u64() >> 1,
        2 => record.complete = record.kept.pop(),
        3 => record.kept.extend(
            record
                .complete
                .into_iter()
                .take(usize::from(record.kept.len() < 7)),
        ),
        4 => record.building = None,
        5 => record.scope = bytes.below(4) as u64,
        6 => {
            if let Some(complete) = &mut record.complete {
                complete.counts.accounts = bytes.u64();
                complete.counts.slots = bytes.u64();
                complete.scope = bytes.below(3) as u64;
            }
        }
        _ => {
            if let Some(building) = &mut record.building {
                building.first_page = pick(bytes);
                building.spine = pick(bytes)..pick(bytes);
            }
            if let Some(pending_gc) = &mut record.pending_gc {
                pending_gc.build = pick(bytes)..pick(bytes);
            }
        }
    }
}

/// Changes what is in front of the checksum, and makes the checksum anew.
fn resealed(sealed: &mut Vec<u8>, change: impl FnOnce(&mut Vec<u8>)) {
    sealed.truncate(sealed.len().saturating_sub(8));
    change(sealed);
    sealed.extend(xxh64(sealed, 0).to_le_bytes());
}
