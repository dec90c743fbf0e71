//! The record, scopes and lists of accounts, as a disk or another program may have them: any bytes,
//! with the checksum repaired. What is read encodes back to the same, and nothing holds more memory
//! than the bytes account for.

use snaplight::hash::Hash;
use snaplight::state::{MAX_KEPT, Record, Scope, TrackedAccount, TrackedSet, TrackedSlots};
use xxhash_rust::xxh64::xxh64;

use crate::bytes::Bytes;
use crate::heap::within;

/// Bytes that reading takes for each byte: an account without slots has 21, and takes up to 128
/// where lists are copied and sorted.
const FOR_EACH_BYTE: usize = 32;
/// Bytes for lists that start with room for a few items.
const SMALL: usize = 8 * 1024;
/// The newest format of records.
const NEWEST: u8 = 3;

pub(crate) fn run(input: &[u8]) {
    let mut bytes = Bytes::new(input);
    let (kind, is_repaired) = (bytes.byte() % 4, bytes.bool());
    let mut content = match kind {
        3 => {
            let record = fields(&mut bytes);
            let mut content = record;
            bytes.spoil(&mut content);
            content
        }
        _ => bytes.rest().to_vec(),
    };
    if kind != 2 && is_repaired {
        content.extend(xxh64(&content, 0).to_le_bytes());
    }
    let limit = FOR_EACH_BYTE * content.len() + SMALL;
    within(limit, || match kind {
        0 | 3 => record(&content),
        1 => scope(&content),
        _ => list(&content),
    });
}

fn record(content: &[u8]) {
    let Ok(record) = Record::decode(content) else {
        return;
    };
    let encoded = record.encode();
    assert_eq!(Record::decode(&encoded), Ok(record.clone()));
    if content[0] == NEWEST {
        assert_eq!(encoded, content, "one record has two encodings");
    }
    assert!(record.kept.len() < MAX_KEPT);
    for state in record.readable() {
        let page = state.top.page();
        assert_eq!(
            state.top.root(),
            page.map_or(Hash::EMPTY_ROOT, |page| page.hash)
        );
        assert!(record.state_with_root(&state.top.root()).is_some());
    }
    assert!(record.scopes().len() <= MAX_KEPT + 2);
}

fn scope(content: &[u8]) {
    let Ok(scope) = Scope::decode(content) else {
        return;
    };
    let encoded = scope.encode();
    let again = Scope::decode(&encoded);
    assert!(again.is_ok_and(|again| again.encode() == encoded));
    if let Some(set) = scope.tracked() {
        assert!(
            set.accounts()
                .windows(2)
                .all(|pair| pair[0].key() < pair[1].key())
        );
        for account in set.accounts() {
            assert!(scope.has_account(&account.key()));
            assert_eq!(scope.has_code(&account.key()), account.code());
        }
        let list = set.list();
        let read = TrackedAccount::read_list(&list).expect("a set is a list");
        assert_eq!(read, set.accounts());
        let nothing = set.less(&read).expect("all of it can be removed");
        for account in nothing.accounts() {
            let is_bare =
                matches!(account.slots(), TrackedSlots::Single(slots) if slots.is_empty());
            assert!(is_bare && !account.code(), "a part is left");
        }
    }
}

fn list(content: &[u8]) {
    let Ok(list) = TrackedAccount::read_list(content) else {
        return;
    };
    // Bounded by the number of slots and accounts.
    let Ok(set) = TrackedSet::default().with(&list) else {
        return;
    };
    let again = TrackedAccount::read_list(&set.list()).expect("a set is a list");
    assert_eq!(again, set.accounts());
    for account in &list {
        assert!(set.get(&account.key()).is_some());
    }
}

/// A record's fields, in its layout.
fn fields(bytes: &mut Bytes<'_>) -> Vec<u8> {
    let mut out = vec![NEWEST];
    out.extend(bytes.array::<16>());
    (0..3).for_each(|_| out.extend(bytes.u64().to_le_bytes()));
    out.extend(bytes.array::<32>());
    out.extend(bytes.u64().to_le_bytes());
    if there(bytes, &mut out) {
        complete(bytes, &mut out);
    }
    if there(bytes, &mut out) {
        root_page(bytes, &mut out);
        (0..4 + 3).for_each(|_| out.extend(bytes.u64().to_le_bytes()));
        block(bytes, &mut out);
        (0..24).for_each(|_| out.extend(bytes.u64().to_le_bytes()));
    }
    if there(bytes, &mut out) {
        let hash = bytes.hash();
        page(bytes, &mut out, &hash);
        (0..2).for_each(|_| out.extend(bytes.u64().to_le_bytes()));
        out.push(bytes.byte() & 1);
    }
    let kept = bytes.below(9) as u8;
    out.push(kept);
    (0..kept).for_each(|_| complete(bytes, &mut out));
    out
}

fn there(bytes: &mut Bytes<'_>, out: &mut Vec<u8>) -> bool {
    out.push(bytes.byte() & 1);
    out.ends_with(&[1])
}

fn complete(bytes: &mut Bytes<'_>, out: &mut Vec<u8>) {
    root_page(bytes, out);
    (0..4).for_each(|_| out.extend(bytes.u64().to_le_bytes()));
    block(bytes, out);
}

fn root_page(bytes: &mut Bytes<'_>, out: &mut Vec<u8>) {
    let root = match bytes.byte() % 3 {
        0 => Hash::EMPTY_ROOT,
        _ => bytes.hash(),
    };
    out.extend(root.0);
    page(bytes, out, &root);
}

fn page(bytes: &mut Bytes<'_>, out: &mut Vec<u8>, root: &Hash) {
    if there(bytes, out) {
        out.extend(root.0);
        out.extend(bytes.u64().to_le_bytes());
        out.push(bytes.byte() & 3);
        (0..2).for_each(|_| out.extend(bytes.u64().to_le_bytes()));
    }
}

fn block(bytes: &mut Bytes<'_>, out: &mut Vec<u8>) {
    if there(bytes, out) {
        out.extend(bytes.array::<32>());
        (0..2).for_each(|_| out.extend(bytes.u64().to_le_bytes()));
    }
}
