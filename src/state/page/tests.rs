#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use proptest::prelude::*;

use super::*;
use crate::state::account::Account;
use crate::state::entry::{AccountLeaf, Code, Neighbour, PageId};
use crate::trie::path::Path;

/// A page as [`PageWriter`] puts it down.
fn encode(page: &Page) -> Vec<u8> {
    let mut writer = PageWriter::new(&page.parent, page.whole, 0);
    for Entry { path, item } in &page.entries {
        writer.entry(path, item);
    }
    writer.finish()
}

/// A changed page with a checksum that fits, so that the change gets past it.
fn seal(body: &[u8]) -> Vec<u8> {
    let mut bytes = body.to_vec();
    bytes.extend(xxhash_rust::xxh64::xxh64(body, 0).to_le_bytes());
    bytes
}

fn hash() -> impl Strategy<Value = Hash> {
    any::<[u8; 32]>().prop_map(Hash)
}

fn page_ref(hash: Hash) -> impl Strategy<Value = PageRef> {
    (any::<u64>(), any::<bool>(), any::<bool>(), 0..1u64 << 40).prop_map(
        move |(id, open, inner, leaves)| PageRef {
            hash,
            id: PageId(id),
            open,
            inner,
            leaves,
            slots: leaves / 3,
            parent: (id % 3) as u8,
        },
    )
}

fn slot_entry() -> impl Strategy<Value = Entry> {
    prop_oneof![
        4 => (hash(), proptest::collection::vec(1..=255u8, 1..=32)).prop_map(|(key, value)| Entry {
            path: Path::full(key),
            item: Item::Slot(alloy_rlp::encode(value.as_slice()).into()),
        }),
        1 => (hash(), 1..=127u8).prop_map(|(key, value)| Entry {
            path: Path::full(key),
            item: Item::Neighbour(Neighbour::Slot([value].into())),
        }),
        1 => reference(),
    ]
}

fn reference() -> impl Strategy<Value = Entry> {
    let path = || (hash(), 4..=64u8).prop_map(|(key, len)| Path::new(key, len));
    prop_oneof![
        (path(), hash()).prop_map(|(path, hash)| Entry {
            path,
            item: Item::blinded(hash)
        }),
        (path(), hash()).prop_map(|(path, hash)| Entry {
            path,
            item: Item::Outside(hash)
        }),
        (path(), hash(), hash().prop_flat_map(page_ref), 0..4usize).prop_map(based),
        (path(), hash().prop_flat_map(page_ref)).prop_map(|(path, page)| Entry {
            path,
            item: Item::Page(page)
        }),
    ]
}

/// Over a base of one page, of a blinded subtrie below, or both; or of a page above.
fn based((path, hash, page, form): (Path, Hash, PageRef, usize)) -> Entry {
    Entry {
        path,
        item: Item::Blinded {
            hash,
            base: base(path, hash, page, form),
        },
    }
}

fn base(path: Path, hash: Hash, page: PageRef, form: usize) -> Vec<Entry> {
    let below = |nibble| path.child(nibble).unwrap_or(path);
    let page = |path: Path| Entry {
        path,
        item: Item::Page(PageRef { parent: 0, ..page }),
    };
    let blinded = Entry {
        path: below(3),
        item: Item::blinded(hash),
    };
    match form {
        0 => vec![page(path)],
        1 => vec![page(path.prefix(3))],
        _ if path.is_full() => vec![page(path)],
        2 => vec![page(below(2)), blinded],
        _ => vec![Entry {
            path: below(9),
            item: Item::Blinded {
                hash,
                base: vec![page(below(9))],
            },
        }],
    }
}

fn account_entry() -> impl Strategy<Value = Entry> {
    let body = (
        any::<u64>(),
        any::<[u8; 32]>(),
        hash(),
        hash(),
        any::<bool>(),
    );
    let slots = proptest::collection::vec(slot_entry(), 1..20).prop_map(in_order);
    (hash(), body, 0..6u8, page_ref(Hash::ZERO), slots).prop_map(
        |(key, body, form, page, slots)| {
            let (nonce, balance, storage_root, code_hash, held) = body;
            let (storage_root, storage) = match form {
                0 => (Hash::EMPTY_ROOT, Storage::Empty),
                1 => (storage_root, Storage::Blinded),
                2 => (storage_root, Storage::Inline(slots)),
                3 => (storage_root, Storage::Outside),
                _ => (
                    storage_root,
                    Storage::Page(PageRef {
                        hash: storage_root,
                        parent: 0,
                        ..page
                    }),
                ),
            };
            let (code_hash, code) = match (held, nonce % 2) {
                (true, 0) => (code_hash, Code::Held),
                (false, 0) => (code_hash, Code::Missing),
                (true, _) if form > 2 => (code_hash, Code::Outside),
                _ => (Hash::EMPTY_CODE, Code::None),
            };
            let account = Account {
                nonce,
                balance,
                storage_root,
                code_hash,
            };
            let leaf = AccountLeaf {
                slim: account.to_slim().into(),
                storage,
                code,
            };
            let item = match form {
                5 => Item::Neighbour(Neighbour::Account(leaf.slim)),
                _ => Item::Account(Box::new(leaf)),
            };
            Entry {
                path: Path::full(key),
                item,
            }
        },
    )
}

/// Sorted, and none above another.
fn in_order(mut entries: Vec<Entry>) -> Vec<Entry> {
    entries.sort_by_key(|entry| entry.path);
    entries.dedup_by(|below, above| above.path.is_prefix_of(&below.path));
    entries
}

/// Everything moves below a parent of any length.
fn page() -> impl Strategy<Value = Page> {
    let accounts = proptest::collection::vec(prop_oneof![account_entry(), reference()], 0..30);
    let slots = proptest::collection::vec(slot_entry(), 0..30);
    let entries = prop_oneof![
        accounts.prop_map(|list| (false, list)),
        slots.prop_map(|list| (true, list))
    ];
    (entries, hash(), 0..4u8, hash()).prop_map(|((storage, mut entries), parent, len, account)| {
        let parent = Path::new(parent, len);
        for entry in &mut entries {
            let mut key = entry.path.key();
            key.0[0] = parent.key().0[0];
            let (high, low) = (parent.key().0[1] & 0xf0, key.0[1] & 0x0f);
            key.0[1] = if len == 3 { high | low } else { key.0[1] };
            if len == 1 {
                key.0[0] = parent.key().0[0] & 0xf0 | entry.path.key().0[0] & 0x0f;
            } else if len == 0 {
                key = entry.path.key();
            }
            entry.path = Path::new(key, entry.path.len());
            if let Item::Blinded { hash, base: list } = &mut entry.item {
                let form = list.len() + 1;
                *list = match list.first().map(|entry| &entry.item) {
                    Some(Item::Page(page)) => base(entry.path, *hash, *page, form),
                    _ => Vec::new(),
                };
            }
        }
        let account = storage.then_some(account);
        Page {
            parent: StatePath {
                account,
                path: parent,
            },
            whole: len == 0,
            entries: in_order(entries),
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn reads_what_it_wrote(page in page()) {
        let bytes = encode(&page);
        let size: usize = page.entries.iter().map(entry_size).sum();
        prop_assert!(bytes.len() <= size + FRAME + 8);
        prop_assert_eq!(Page::decode(&bytes), Ok(page));
    }

    #[test]
    fn what_gets_past_the_checksum_is_canonical_or_refused(
        page in page(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<prop::sample::Index>(),
    ) {
        let bytes = encode(&page);
        let mut body = bytes[..bytes.len() - 8].to_vec();
        for (at, value) in changes {
            let at = at.index(body.len());
            body[at] = value;
        }
        if cut.index(4) == 0 {
            body.truncate(cut.index(body.len()));
        }
        let changed = seal(&body);
        if let Ok(page) = Page::decode(&changed) {
            prop_assert_eq!(encode(&page), changed);
        }
    }

    #[test]
    fn random_bytes_never_panic(
        version in 1..=2u8,
        body in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        let mut sealed = vec![version];
        sealed.extend(&body);
        let _ = Page::decode(&seal(&sealed));
        prop_assert!(Page::decode(&body).is_err());
    }
}

#[test]
fn any_flipped_bit_is_found_by_the_checksum() {
    let (_, bytes, _) = some_page();
    for at in 1..bytes.len() {
        for bit in 0..8 {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1 << bit;
            assert_eq!(Page::decode(&damaged), Err(PageError::Checksum));
        }
    }
}

#[test]
fn newer_format_names_both_versions() {
    let newer = PageError::NewerFormat {
        found: 9,
        supported: 2,
    };
    assert_eq!(Page::decode(&[9, 1, 2]), Err(newer));
}

#[test]
fn only_a_page_with_something_outside_has_version_2() {
    let (mut page, bytes, _) = some_page();
    assert_eq!(bytes[0], 1);
    let newer = |mut bytes: Vec<u8>, version| {
        bytes[0] = version;
        Page::decode(&seal(&bytes[..bytes.len() - 8]))
    };
    let malformed = PageError::Malformed("other entries than its version has");
    assert_eq!(newer(bytes, 2), Err(malformed.clone()));
    page.entries.push(Entry {
        path: Path::new(Hash([0x5f; 32]), 2),
        item: Item::Outside(Hash([1; 32])),
    });
    let bytes = encode(&page);
    assert_eq!(bytes[0], 2);
    assert_eq!(Page::decode(&bytes), Ok(page));
    assert_eq!(newer(bytes, 1), Err(malformed));
}

#[test]
fn a_plain_account_takes_46_bytes_at_most() {
    let mut balance = [0; 32];
    balance[24..].copy_from_slice(&5_000_000_000_000_000_000u64.to_be_bytes());
    let (storage_root, code_hash) = (Hash::EMPTY_ROOT, Hash::EMPTY_CODE);
    let slim = Account {
        nonce: 12,
        balance,
        storage_root,
        code_hash,
    }
    .to_slim();
    let parent = StatePath::account_trie(Path::new(Hash::ZERO, 2));
    let mut page = PageWriter::new(&parent, false, 0);
    let leaf = AccountLeaf {
        slim: slim.into(),
        storage: Storage::Empty,
        code: Code::None,
    };
    let item = Item::Account(Box::new(leaf));
    let empty = PageWriter::new(&parent, false, 0).finish().len();
    page.entry(&Path::full(Hash([0x07; 32])), &item);
    let size = page.finish().len() - empty;
    assert!(size <= 46, "{size} bytes");
}

/// Two accounts under 0x5, one of them with storage: the page, its bytes, and what its parent
/// holds.
fn some_page() -> (Page, Vec<u8>, PageRef) {
    let slots: Vec<Entry> = [3u8, 0x77, 0xf0]
        .map(|key| Entry {
            path: Path::full(Hash([key; 32])),
            item: Item::Slot([key & 0x7f].into()),
        })
        .into();
    let storage_root = fold_list(&mut Fold::new(), &slots, Root::Trie).unwrap();
    let code_hash = Hash::EMPTY_CODE;
    let account = |storage_root| Account {
        nonce: 1,
        balance: [0; 32],
        storage_root,
        code_hash,
    };
    let leaf = |storage_root, storage| {
        let slim = account(storage_root).to_slim().into();
        Item::Account(Box::new(AccountLeaf {
            slim,
            storage,
            code: Code::None,
        }))
    };
    let with = leaf(storage_root, Storage::Inline(slots));
    let entries = vec![
        Entry {
            path: Path::full(Hash([0x51; 32])),
            item: with,
        },
        Entry {
            path: Path::full(Hash([0x52; 32])),
            item: leaf(Hash::EMPTY_ROOT, Storage::Empty),
        },
    ];
    let hash = fold_list(&mut Fold::new(), &entries, Root::Branch(1)).unwrap();
    let page = Page {
        parent: StatePath::account_trie(Path::ROOT),
        whole: false,
        entries,
    };
    let bytes = encode(&page);
    let slots = page.entries.iter().map(Entry::slots).sum();
    (
        page,
        bytes,
        PageRef {
            hash,
            id: PageId(1),
            open: false,
            inner: false,
            leaves: 2,
            slots,
            parent: 0,
        },
    )
}

fn at(nibbles: u8) -> StatePath {
    StatePath::account_trie(Path::new(Hash([0x55; 32]), nibbles))
}

#[test]
fn a_page_is_believed_only_where_it_folds_to_its_hash() {
    let (page, bytes, reference) = some_page();
    let verify = |reference: &PageRef, at: &StatePath| {
        Page::decode(&bytes)
            .unwrap()
            .verify(reference, at, &mut Folds::new())
    };
    assert_eq!(verify(&reference, &at(1)).unwrap().entries(), page.entries);
    assert!(matches!(
        verify(&reference, &at(2)),
        Err(PageError::Fold(_))
    ));
    assert_eq!(verify(&reference, &at(0)), Err(PageError::Misplaced));
    let elsewhere = StatePath::storage(Hash([0x51; 32]), at(1).path);
    assert_eq!(verify(&reference, &elsewhere), Err(PageError::Misplaced));
    let other = PageRef {
        hash: Hash([1; 32]),
        ..reference
    };
    assert!(matches!(
        verify(&other, &at(1)),
        Err(PageError::Hash { .. })
    ));
    for other in [
        PageRef {
            leaves: 3,
            ..reference
        },
        PageRef {
            open: true,
            ..reference
        },
        PageRef {
            inner: true,
            ..reference
        },
    ] {
        assert!(matches!(
            verify(&other, &at(1)),
            Err(PageError::Malformed(_))
        ));
    }
}

#[test]
fn a_changed_slot_inside_an_account_is_found() {
    let (mut page, _, reference) = some_page();
    let Item::Account(leaf) = &mut page.entries[0].item else {
        panic!()
    };
    let Storage::Inline(slots) = &mut leaf.storage else {
        panic!()
    };
    slots[1].item = Item::Slot([0x55].into());
    let mut changed = Page::decode(&encode(&page)).unwrap();
    let verified = changed.verify(&reference, &at(1), &mut Folds::new());
    assert!(matches!(verified, Err(PageError::Hash { .. })));
}

/// A page of accounts of which the only entry is blinded, over a base of one blinded entry, and so
/// on: one for each of these depths, and a last one without a base.
fn nested_bases(depths: impl IntoIterator<Item = u8>) -> Vec<u8> {
    // Version 1, a whole trie, at the root's path.
    let mut body = vec![1, 2, 0];
    let place = |tag, depth: u8| {
        let mut entry = vec![tag, depth];
        entry.extend(vec![0; usize::from(depth.div_ceil(2))]);
        entry.extend([7; 32]);
        entry
    };
    for depth in depths {
        body.extend(place(4, depth));
        // A base of one entry.
        body.push(1);
    }
    body.extend(place(2, 64));
    seal(&body)
}

/// The recursion followed the base before it looked where the base was: a stack overflow.
#[test]
fn seventeen_hundred_bases_at_one_place_are_refused_and_not_followed() {
    for depth in [0, 1, 40] {
        let levels = 57_000 / (35 + usize::from(depth).div_ceil(2));
        let bytes = nested_bases(vec![depth; levels]);
        let malformed = PageError::Malformed("a base beside its entry");
        assert_eq!(Page::decode(&bytes), Err(malformed), "{levels} at {depth}");
    }
    assert!(nested_bases(vec![0; 1_700]).len() <= MAX_PAGE);
}

#[test]
fn bases_below_each_other_are_read_as_deep_as_a_key_is_long_and_no_deeper() {
    let page = Page::decode(&nested_bases(0..64)).unwrap();
    assert!(page.entries[0].is_open() && page.entries[0].has_base());
    assert!(!page.entries[0].has_pages());
    assert_eq!(encode(&page), nested_bases(0..64));
    assert!(Page::decode(&nested_bases(0..=64)).is_err());
}
