#![allow(clippy::unwrap_used)]
use super::codec::{VERSION, put_page};
use super::*;
use crate::state::scope::{TrackedAccount, TrackedSet};
use xxhash_rust::xxh64::xxh64;

/// A record of format 1 as it was written: [`record`] without counters, flags, scopes and older
/// states.
const FORMAT_1: &str = "\
    01070707070707070707070707070707070c000000000000006300000000000000010000000000000001\
    010101010101010101010101010101010101010101010101010101010101010156e81f171bcc55a6ff83\
    45e692c0f86e5b48e01b996cadc001622fb5e363b4210001000000000000000200000000000000030000\
    0000000000010505050505050505050505050505050505050505050505050505050505050505002d3101\
    0000000000f1536500000000010303030303030303030303030303030303030303030303030303030303\
    030303010303030303030303030303030303030303030303030303030303030303030303460000000000\
    0000030900000000000000040000000000000009000000000000003c0000000000000047000000000000\
    000100000000000000020000000000000003000000000000000001010303030303030303030303030303\
    030303030303030303030303030303030303460000000000000003090000000000000004000000000000\
    00030000000000000009000000000000000e5fcd975d04970b";

/// A record of format 2 as it was written: [`record`] without scopes and older states.
const FORMAT_2: &str = "\
    02070707070707070707070707070707070c000000000000006300000000000000010000000000000001\
    010101010101010101010101010101010101010101010101010101010101010156e81f171bcc55a6ff83\
    45e692c0f86e5b48e01b996cadc001622fb5e363b4210001000000000000000200000000000000030000\
    0000000000010505050505050505050505050505050505050505050505050505050505050505002d3101\
    0000000000f1536500000000010303030303030303030303030303030303030303030303030303030303\
    030303010303030303030303030303030303030303030303030303030303030303030303460000000000\
    0000030900000000000000040000000000000009000000000000003c0000000000000047000000000000\
    000100000000000000020000000000000003000000000000000000000000000100000100000000010000\
    020000000001000003000000000100000400000000010000050000000001000006000000000100000700\
    000000010000080000000001000009000000000100000a000000000100000b000000000100000c000000\
    000100000d000000000100000e000000000100000f000000000100001000000000010000110000000001\
    000012000000000100001300000000010000140000000001000015000000000100001600000000010000\
    170000000001000001010303030303030303030303030303030303030303030303030303030303030303\
    460000000000000003090000000000000004000000000000000300000000000000090000000000000001\
    6084552a4f36c4af";

/// Counters of which each differs from the others.
fn counters() -> Counters {
    let mut counters = Counters::default();
    for (number, counter) in (1u64 << 40..).zip(counters.each()) {
        *counter = number;
    }
    counters
}

fn record() -> Record {
    let page = PageRef {
        hash: Hash([3; 32]),
        id: PageId(70),
        open: true,
        inner: true,
        leaves: 9,
        slots: 4,
        parent: 0,
    };
    let counts = Counts {
        accounts: 1,
        slots: 2,
        codes: 3,
    };
    let block = Block {
        hash: Hash([5; 32]),
        number: 20_000_000,
        timestamp: 1_700_000_000,
    };
    Record {
        incarnation: [7; 16],
        sequence: 12,
        next_page: PageId(99),
        network: Network {
            id: 1,
            genesis: Hash([1; 32]),
        },
        complete: Some(Complete {
            top: RootPage::new(Hash::EMPTY_ROOT, None).unwrap(),
            counts,
            block: Some(block),
            scope: 4,
        }),
        building: Some(Building {
            top: RootPage::new(page.hash, Some(page)).unwrap(),
            first_page: PageId(9),
            spine: PageId(60)..PageId(71),
            counts,
            block: None,
            counters: counters(),
            scope: 5,
        }),
        pending_gc: Some(PendingGc {
            old: Some(page),
            build: PageId(3)..PageId(9),
            stray_codes: true,
        }),
        scope: 5,
        kept: vec![Complete {
            top: RootPage::new(page.hash, Some(page)).unwrap(),
            counts,
            block: None,
            scope: 3,
        }],
    }
}

#[test]
fn reads_what_it_wrote() {
    let full = record();
    let empty = Record {
        complete: None,
        building: None,
        pending_gc: None,
        kept: Vec::new(),
        ..record()
    };
    for record in [full, empty] {
        assert_eq!(Record::decode(&record.encode()), Ok(record));
    }
}

#[test]
fn any_changed_or_missing_byte_is_damage() {
    let bytes = record().encode();
    for at in 1..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x10;
        assert_eq!(Record::decode(&damaged), Err(RecordError::Damaged));
        assert_eq!(Record::decode(&bytes[..at]), Err(RecordError::Damaged));
    }
    assert_eq!(Record::decode(&[]), Err(RecordError::Damaged));
}

/// The record's bytes with some bytes replaced, under a checksum that fits.
fn forged(record: &Record, from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut bytes = record.encode();
    bytes.truncate(bytes.len() - 8);
    let at = bytes.windows(from.len()).position(|part| part == from);
    bytes.splice(at.unwrap()..at.unwrap() + from.len(), to.iter().copied());
    bytes.extend(xxh64(&bytes, 0).to_le_bytes());
    bytes
}

#[test]
fn a_root_over_another_page_or_over_none_is_damage_whatever_the_checksum() {
    let page = record().building.unwrap().top.page();
    let full = Record {
        complete: Some(Complete {
            top: RootPage(page),
            ..record().complete.unwrap()
        }),
        building: None,
        ..record()
    };
    let trusted = [9; 32];
    let some = record();
    for (record, from) in [
        // The trusted root over another page, complete and being built.
        (&full, [3; 32]),
        (&some, [3; 32]),
        // The trusted root over no page.
        (&some, Hash::EMPTY_ROOT.0),
    ] {
        let bytes = forged(record, &from, &trusted);
        assert_eq!(Record::decode(&bytes), Err(RecordError::Damaged));
    }
    // Keeps the trusted root and removes the page.
    let mut encoded_page = Vec::new();
    put_page(&page, &mut encoded_page);
    let bytes = forged(&full, &encoded_page, &[0]);
    assert_eq!(Record::decode(&bytes), Err(RecordError::Damaged));
    // The records that were refused differ from a good one only in what the forger changed.
    let same = forged(&full, &[3; 32], &[3; 32]);
    assert_eq!(Record::decode(&same), Ok(full));
}

fn bytes_of(hex: &str) -> Vec<u8> {
    let byte = |at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(byte).collect()
}

/// What is known of [`record`] where there are no scopes and no older states.
fn without_scopes() -> Record {
    let mut record = record();
    record.scope = 0;
    record.complete.as_mut().unwrap().scope = 0;
    record.building.as_mut().unwrap().scope = 0;
    record.kept.clear();
    record
}

/// The same bytes as those of another format, under a checksum that fits.
fn as_format(mut bytes: Vec<u8>, format: u8) -> Vec<u8> {
    bytes.truncate(bytes.len() - 8);
    bytes[0] = format;
    bytes.extend(xxh64(&bytes, 0).to_le_bytes());
    bytes
}

#[test]
fn a_record_of_format_1_is_read_with_counters_of_zero_and_holds_everything() {
    let mut expected = without_scopes();
    expected.building.as_mut().unwrap().counters = Counters::default();
    assert_eq!(Record::decode(&bytes_of(FORMAT_1)), Ok(expected));
}

#[test]
fn a_record_of_format_2_is_read_and_holds_everything_of_one_state() {
    assert_eq!(Record::decode(&bytes_of(FORMAT_2)), Ok(without_scopes()));
}

#[test]
fn a_record_of_an_older_format_is_written_in_the_newest() {
    for old in [FORMAT_1, FORMAT_2] {
        let record = Record::decode(&bytes_of(old)).unwrap();
        let bytes = record.encode();
        assert_eq!(bytes[0], VERSION);
        assert_eq!(Record::decode(&bytes), Ok(record));
    }
}

#[test]
fn no_format_is_read_as_another() {
    let formats = [bytes_of(FORMAT_1), bytes_of(FORMAT_2), record().encode()];
    for (written, bytes) in (1..).zip(formats) {
        for read in (1..=VERSION).filter(|read| *read != written) {
            let bytes = as_format(bytes.clone(), read);
            assert_eq!(Record::decode(&bytes), Err(RecordError::Damaged));
        }
    }
}

#[test]
fn newer_format_names_both_versions() {
    let mut bytes = record().encode();
    bytes[0] = VERSION + 1;
    let newer = RecordError::NewerFormat {
        found: VERSION + 1,
        supported: VERSION,
    };
    assert_eq!(Record::decode(&bytes), Err(newer));
}

/// The same record as format 1 wrote it. It has no build.
fn in_format_1(record: &Record) -> Vec<u8> {
    assert!(record.building.is_none());
    let mut bytes = record.encode();
    // The number of older states, the flags, and the checksum.
    let cut = 1 + usize::from(record.pending_gc.is_some()) + 8;
    bytes.truncate(bytes.len() - cut);
    let scope = 1 + 16 + 8 + 8 + 8 + 32;
    if record.complete.is_some() {
        // The complete state's scope, behind its flag, its root, and the flag of its page.
        let at = scope + 8 + 1 + 32 + 1;
        bytes.drain(at..at + 8);
    }
    bytes.drain(scope..scope + 8);
    bytes.extend([0; 8]);
    as_format(bytes, 1)
}

#[test]
fn the_codes_of_a_record_of_format_1_are_still_to_be_collected() {
    let pending = Record {
        building: None,
        ..without_scopes()
    };
    assert_eq!(Record::decode(&in_format_1(&pending)), Ok(pending));

    let collected = Record {
        building: None,
        pending_gc: None,
        ..without_scopes()
    };
    let decoded = Record::decode(&in_format_1(&collected)).unwrap();
    let of_codes = PendingGc {
        old: None,
        build: PageId(99)..PageId(99),
        stray_codes: true,
    };
    let expected = Record {
        pending_gc: Some(of_codes),
        ..collected
    };
    assert_eq!(decoded, expected);

    let fresh = Record::fresh([7; 16], record().network);
    assert_eq!(Record::decode(&in_format_1(&fresh)), Ok(fresh));
}

/// The fuzzer's: a sync over the first of them waited for a collection that could not begin, and
/// ended as a defect of ours.
#[test]
fn garbage_or_a_kept_state_without_a_complete_one_is_damage() {
    let nothing = Record {
        complete: None,
        building: None,
        pending_gc: None,
        kept: Vec::new(),
        ..record()
    };
    let garbage = Record {
        pending_gc: record().pending_gc,
        ..nothing.clone()
    };
    let kept = Record {
        kept: record().kept,
        ..nothing.clone()
    };
    for forged in [garbage, kept] {
        assert_eq!(Record::decode(&forged.encode()), Err(RecordError::Damaged));
    }
    assert_eq!(Record::decode(&nothing.encode()), Ok(nothing));
}

/// A complete state of a set whose root is known by one byte. It is the one after the block with
/// this number.
fn state(byte: u8) -> Complete {
    let page = PageRef {
        hash: Hash([byte; 32]),
        id: PageId(byte.into()),
        ..record().kept[0].top.page().unwrap()
    };
    Complete {
        top: RootPage::new(page.hash, Some(page)).unwrap(),
        block: Some(Block {
            hash: Hash([0x80 | byte; 32]),
            number: byte.into(),
            timestamp: 0,
        }),
        ..record().kept[0]
    }
}

fn roots(states: &[Complete]) -> Vec<u8> {
    states.iter().map(|state| state.top.root().0[0]).collect()
}

#[test]
fn eight_states_stay_readable_and_the_ninth_falls_out() {
    let mut record = Record::fresh([7; 16], record().network);
    for byte in 1..=8 {
        assert_eq!(record.switch(state(byte), true), []);
        assert_eq!(record.complete, Some(state(byte)));
    }
    assert_eq!(roots(&record.kept), [7, 6, 5, 4, 3, 2, 1]);
    assert_eq!(record.readable().count(), MAX_KEPT);
    assert_eq!(record.switch(state(9), true), [state(1)]);
    assert_eq!(roots(&record.kept), [8, 7, 6, 5, 4, 3, 2]);
    assert_eq!(Record::decode(&record.encode()), Ok(record));
}

#[test]
fn more_older_states_than_are_ever_kept_are_damage() {
    let mut record = record();
    record.kept = (1..=7).map(state).collect();
    assert_eq!(Record::decode(&record.encode()).as_ref(), Ok(&record));
    record.kept.push(state(8));
    assert_eq!(Record::decode(&record.encode()), Err(RecordError::Damaged));
}

#[test]
fn one_root_is_never_kept_twice() {
    let mut record = Record::fresh([7; 16], record().network);
    let narrow = state(1);
    let wide = Complete { scope: 8, ..narrow };
    record.switch(narrow, true);
    // The same root with another scope takes the place of the complete state.
    assert_eq!(record.switch(wide, true), [narrow]);
    assert!(record.kept.is_empty());
    record.switch(state(2), true);
    // And of the one that is kept.
    assert_eq!(record.switch(narrow, true), [wide]);
    assert_eq!(
        (record.complete, roots(&record.kept)),
        (Some(narrow), vec![2])
    );
}

#[test]
fn where_nothing_is_kept_every_state_but_the_complete_one_is_gone() {
    let mut record = Record::fresh([7; 16], record().network);
    for byte in 1..=3 {
        record.switch(state(byte), true);
    }
    assert_eq!(
        record.switch(state(4), false),
        [state(3), state(2), state(1)]
    );
    assert_eq!((record.complete, record.kept), (Some(state(4)), Vec::new()));
}

#[test]
fn an_elected_state_changes_its_place_with_the_complete_one() {
    let mut record = Record::fresh([7; 16], record().network);
    for byte in 1..=8 {
        record.switch(state(byte), true);
    }
    let block = state(99).block;
    let elected = record.elect(&Hash([3; 32]), block);
    assert_eq!(elected, Some(Complete { block, ..state(3) }));
    assert_eq!(record.complete, elected);
    assert_eq!(roots(&record.kept), [8, 7, 6, 5, 4, 2, 1]);
    let before = record.clone();
    assert_eq!(record.elect(&Hash([77; 32]), block), None);
    assert_eq!(record, before);
    // Only with the scope that it was built for.
    assert_eq!(record.kept_with(&Hash([5; 32]), 3), Some(&state(5)));
    assert_eq!(record.kept_with(&Hash([5; 32]), 4), None);
    assert_eq!(record.kept_with(&Hash([3; 32]), 3), None);
}

#[test]
fn a_readable_state_is_found_by_root_block_and_number_and_never_a_neighbour() {
    let mut record = Record::fresh([7; 16], record().network);
    for byte in 1..=4 {
        record.switch(state(byte), true);
    }
    for byte in 1..=4u8 {
        let is_it = Some(&state(byte));
        assert_eq!(record.state_with_root(&Hash([byte; 32])), is_it);
        assert_eq!(record.state_of_block(&Hash([0x80 | byte; 32])), is_it);
        assert_eq!(record.state_of_number(byte.into()), is_it);
    }
    for other in [0, 5] {
        assert_eq!(record.state_with_root(&Hash([other; 32])), None);
        assert_eq!(record.state_of_block(&Hash([0x80 | other; 32])), None);
        assert_eq!(record.state_of_number(other.into()), None);
    }
    // A root is no block hash.
    assert_eq!(record.state_of_block(&Hash([1; 32])), None);
    // A state without a block is found by its root alone.
    let nameless = Complete {
        block: None,
        ..state(6)
    };
    record.switch(nameless, true);
    assert_eq!(record.state_with_root(&Hash([6; 32])), Some(&nameless));
    assert_eq!(record.state_of_number(6), None);
}

#[test]
fn of_two_blocks_with_one_number_the_one_that_was_complete_last_is_found() {
    let mut record = Record::fresh([7; 16], record().network);
    let forked = Complete {
        block: state(1).block,
        ..state(2)
    };
    record.switch(state(1), true);
    record.switch(forked, true);
    assert_eq!(record.state_of_number(1), Some(&forked));
    record.elect(&Hash([1; 32]), state(1).block);
    assert_eq!(record.state_of_number(1), Some(&state(1)));
}

#[test]
fn the_scopes_are_those_of_today_of_the_states_and_of_the_build() {
    let mut some = record();
    some.scope = 6;
    assert_eq!(some.scopes(), [6, 4, 3, 5]);
    some.scope = 4;
    assert_eq!(some.scopes(), [4, 3, 5]);
    assert_eq!(without_scopes().scopes(), Vec::<u64>::new());
}

#[test]
fn a_scope_that_is_missing_or_damaged_or_another_one_is_noticed() {
    let set = TrackedSet::default().with(&[TrackedAccount::new([1; 20], true, &[[2; 32]])]);
    let scope = |version| Scope::set(version, set.clone().unwrap());
    let stored = |version: u64| (version, scope(version).encode());
    let whole = [stored(9), stored(3), stored(4), stored(5)];
    let found = record().scopes_of(&whole).unwrap();
    assert_eq!(found, [scope(5), scope(4), scope(3)]);
    assert_eq!(record().scopes_of(&whole[..3]), None);
    let mut damaged = whole.clone();
    damaged[1].1[20] ^= 1;
    assert_eq!(record().scopes_of(&damaged), None);
    let mut another = whole;
    another[1].1 = scope(4).encode();
    assert_eq!(record().scopes_of(&another), None);
    assert_eq!(without_scopes().scopes_of(&[]), Some(Vec::new()));
}

#[test]
fn a_network_has_forty_bytes_and_no_others_are_one() {
    let network = record().network;
    let bytes = network.to_bytes();
    assert_eq!(bytes.len(), 40);
    assert_eq!(Network::from_bytes(&bytes), Some(network));
    assert_eq!(Network::from_bytes(&bytes[1..]), None);
    assert_eq!(Network::from_bytes(&[&bytes[..], &[0]].concat()), None);
    assert_eq!(Network::from_bytes(&[]), None);
}
