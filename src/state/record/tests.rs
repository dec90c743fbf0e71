#![allow(clippy::unwrap_used)]
use super::*;

/// A record of version 1 as it was written: [`record`] without counters and flags.
const VERSION_1: &str = "\
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

#[test]
fn a_record_of_version_1_is_read_with_counters_of_zero() {
    let byte = |at| u8::from_str_radix(&VERSION_1[at..at + 2], 16).unwrap();
    let bytes: Vec<u8> = (0..VERSION_1.len()).step_by(2).map(byte).collect();
    let mut expected = record();
    expected.building.as_mut().unwrap().counters = Counters::default();
    assert_eq!(Record::decode(&bytes), Ok(expected));
    // In version 2 the counters may not be missing, nor may version 1 have any.
    for (mut bytes, version) in [(bytes, 2), (record().encode(), 1)] {
        bytes.truncate(bytes.len() - 8);
        bytes[0] = version;
        bytes.extend(xxh64(&bytes, 0).to_le_bytes());
        assert_eq!(Record::decode(&bytes), Err(RecordError::Damaged));
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

/// The same record as version 1 wrote it. `cut` bytes at its end did not exist.
fn in_version_1(record: &Record, cut: usize) -> Vec<u8> {
    let mut bytes = record.encode();
    bytes[0] = 1;
    bytes.truncate(bytes.len() - 8 - cut);
    bytes.extend(xxh64(&bytes, 0).to_le_bytes());
    bytes
}

#[test]
fn a_record_of_version_1_is_read_and_its_codes_are_still_to_be_collected() {
    let pending = Record {
        building: None,
        ..record()
    };
    assert_eq!(Record::decode(&in_version_1(&pending, 1)), Ok(pending));

    let collected = Record {
        building: None,
        pending_gc: None,
        ..record()
    };
    let decoded = Record::decode(&in_version_1(&collected, 0)).unwrap();
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
    assert_eq!(Record::decode(&in_version_1(&fresh, 0)), Ok(fresh));
}
