//! The conformance cases that go-ethereum's `devp2p` tool asks of a snap/1 server, numbered as in its
//! suite, on a state of our own with the same shapes (the counts differ from those of its chain).

#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use alloy_rlp::{Encodable, Header};
use snaplight_peer::{
    EMPTY_CODE, EMPTY_ROOT, Hash,
    keccak::keccak,
    session::{Outgoing, Server, Session},
    snap::{GetAccountRange, GetByteCodes, GetStorageRanges, GetTrieNodes, Request},
    state::{Account, Builder, State, States},
};
use std::sync::Arc;
use support::{Answer, ask, assert_proves, plus, ready, request_frame, word};

/// What an account counts: 32 for its hash, 9 for `[1, 4 bytes, "", ""]`.
const WEIGHT: u64 = 32 + 9;
const ACCOUNTS: u32 = 300;
const MAX: Hash = [0xff; 32];
const ZERO: Hash = [0; 32];
const NOTHING: Vec<u8> = Vec::new();

/// go-ethereum's storage test account: slots 1, 2, 3 hold 1, 2, 3.
const STORAGE_ACCOUNT: [u8; 20] = [
    0x8b, 0xeb, 0xc8, 0xba, 0x65, 0x1a, 0xee, 0x62, 0x49, 0x37, 0xe7, 0xd8, 0x97, 0x85, 0x3a, 0xc3,
    0x0c, 0x95, 0xa0, 0x67,
];

fn code(number: u8) -> Vec<u8> {
    vec![number | 0x80; 40 + usize::from(number)]
}

/// Plain accounts of one size, behind them (so that ranges are easy to count) contracts.
fn state(balance: u128) -> State {
    let mut builder = Builder::new();
    for index in 0..ACCOUNTS {
        let mut hash = keccak(&index.to_be_bytes());
        hash[0] &= 0x7f;
        let account = Account::new().nonce(1).balance(balance + u128::from(index));
        builder = builder.account_at(hash, account);
    }
    for number in 0..4 {
        let mut hash = keccak(&[number]);
        hash[0] |= 0xe0;
        builder = builder.account_at(hash, Account::new().code(code(number)));
    }
    let mut account = Account::new().code(code(4));
    for slot in 1..=3 {
        account = account.slot(word(slot), word(slot));
    }
    let mut hash = keccak(&STORAGE_ACCOUNT);
    hash[0] |= 0x80;
    builder.account_at(hash, account).build()
}

struct Suite {
    session: Session,
    state: Arc<State>,
    keys: Vec<Hash>,
}

fn suite() -> Suite {
    let mut states = States::new(States::WINDOW);
    states.push(Arc::new(state(0x0100_0000)));
    states.push(Arc::new(state(0x0200_0000)));
    let state = Arc::clone(states.head().unwrap());
    let keys = state.accounts().iter().map(|(key, _)| *key).collect();
    let server = Arc::new(Server::of_chain(states));
    Suite {
        session: ready(&server, Vec::new()),
        state,
        keys,
    }
}

impl Suite {
    fn accounts(&mut self, bytes: u64, root: Hash, origin: Hash, limit: Hash) -> Answer {
        let request = GetAccountRange {
            id: u64::MAX,
            root,
            origin,
            limit,
            bytes,
        };
        let answer = ask(&mut self.session, &Request::Accounts(request));
        assert_eq!((answer.code, answer.id), (1, u64::MAX));
        assert!(answer.keys().is_sorted());
        answer
    }

    /// Checks count, first and last key, and that origin and last key are proven.
    #[track_caller]
    fn expect_accounts(
        &mut self,
        bytes: u64,
        origin: Hash,
        limit: Hash,
        count: usize,
        first: usize,
    ) {
        let answer = self.accounts(bytes, self.state.root(), origin, limit);
        assert_eq!(answer.keys(), &self.keys[first..first + count]);
        let trie = self.state.accounts();
        for key in answer.keys().last().into_iter().chain([&origin]) {
            assert_proves(
                trie,
                &answer.proof,
                key,
                self.state.account(key).map(full_body),
            );
        }
    }

    fn storage(&mut self, origin: Hash, limit: Hash, bytes: u64) -> Answer {
        let account = self.storage_account();
        let request = GetStorageRanges {
            id: 1,
            root: self.state.root(),
            accounts: vec![account],
            origin: Some(origin),
            limit: Some(limit),
            bytes,
        };
        ask(&mut self.session, &Request::Storage(request))
    }

    fn storage_account(&self) -> Hash {
        let mut hash = keccak(&STORAGE_ACCOUNT);
        hash[0] |= 0x80;
        hash
    }

    fn codes(&mut self, hashes: &[Hash], bytes: u64) -> Vec<Vec<u8>> {
        let request = GetByteCodes {
            id: 1,
            hashes: hashes.to_vec(),
            bytes,
        };
        let answer = ask(&mut self.session, &Request::Codes(request));
        let mut wanted = hashes.iter();
        for code in &answer.proof {
            assert!(
                wanted.any(|hash| *hash == keccak(code)),
                "in the order asked for"
            );
        }
        answer.proof
    }

    fn nodes(&mut self, paths: &[&[&[u8]]], bytes: u64) -> Vec<Vec<u8>> {
        let request = self.nodes_request(paths, bytes);
        ask(&mut self.session, &request).proof
    }

    fn nodes_request(&self, paths: &[&[&[u8]]], bytes: u64) -> Request {
        let paths = paths
            .iter()
            .map(|set| set.iter().map(|path| path.to_vec()).collect());
        let root = self.state.root();
        Request::Nodes(GetTrieNodes {
            id: 1,
            root,
            paths: paths.collect(),
            bytes,
        })
    }
}

/// A slim body as the trie has it.
fn full_body(slim: &[u8]) -> Vec<u8> {
    let mut fields = Header::decode_bytes(&mut &*slim, true).unwrap();
    let mut payload = Vec::new();
    for default in [&[][..], &[], &EMPTY_ROOT, &EMPTY_CODE] {
        let field = Header::decode_bytes(&mut fields, false).unwrap();
        if field.is_empty() { default } else { field }.encode(&mut payload);
    }
    let mut body = Vec::new();
    Header {
        list: true,
        payload_length: payload.len(),
    }
    .encode(&mut body);
    body.extend(payload);
    body
}

/// As many as are needed to exceed `bytes`.
fn count(bytes: u64) -> usize {
    (bytes / WEIGHT) as usize + 1
}

#[test]
fn account_range_00_to_02_stop_at_the_first_account_beyond_the_bytes() {
    let mut suite = suite();
    for bytes in [4000, 3000, 2000] {
        suite.expect_accounts(bytes, ZERO, MAX, count(bytes), 0);
    }
    // Not beyond if it fits exactly.
    suite.expect_accounts(WEIGHT * 10, ZERO, MAX, 11, 0);
    suite.expect_accounts(WEIGHT * 10 - 1, ZERO, MAX, 10, 0);
}

#[test]
fn account_range_03_04_one_account_for_one_byte_or_none() {
    let mut suite = suite();
    suite.expect_accounts(1, ZERO, MAX, 1, 0);
    suite.expect_accounts(0, ZERO, MAX, 1, 0);
}

#[test]
fn account_range_05_the_next_account_behind_the_limit_is_returned() {
    let mut suite = suite();
    let first = suite.keys[0];
    suite.expect_accounts(4000, plus(&first, -500), plus(&first, 1), 2, 0);
}

#[test]
fn account_range_06_07_out_of_bounds_the_first_account_behind_is_returned() {
    let mut suite = suite();
    let first = suite.keys[0];
    suite.expect_accounts(4000, plus(&first, -500), plus(&first, -450), 1, 0);
    suite.expect_accounts(4000, ZERO, ZERO, 1, 0);
}

#[test]
fn account_range_08_09_from_the_first_account_and_from_behind_it() {
    let mut suite = suite();
    let first = suite.keys[0];
    suite.expect_accounts(4000, first, MAX, count(4000), 0);
    suite.expect_accounts(4000, plus(&first, 1), MAX, count(4000), 1);
}

#[test]
fn account_range_10_13_unknown_roots_and_storage_roots_have_an_empty_answer() {
    let mut suite = suite();
    let account = suite.storage_account();
    let storage_root = suite.state.storage(&account).unwrap().root();
    for root in [[0x13; 32], storage_root, EMPTY_ROOT] {
        assert!(suite.accounts(4000, root, ZERO, MAX).is_nothing());
    }
}

#[test]
fn account_range_11_12_an_older_state_is_served_until_it_leaves_the_window() {
    let old = state(0x0100_0000).root();
    let mut suite = suite();
    assert_eq!(
        suite.accounts(4000, old, ZERO, MAX).keys().len(),
        count(4000)
    );

    let mut states = States::new(1);
    states.push(Arc::new(state(0x0100_0000)));
    states.push(Arc::new(state(0x0200_0000)));
    suite.session = ready(&Arc::new(Server::of_chain(states)), Vec::new());
    assert!(suite.accounts(4000, old, ZERO, MAX).is_nothing());
}

#[test]
fn account_range_14_from_the_end_there_is_only_a_proof() {
    let mut suite = suite();
    suite.expect_accounts(4000, MAX, ZERO, 0, 0);
    assert!(
        !suite
            .accounts(4000, suite.state.root(), MAX, ZERO)
            .proof
            .is_empty()
    );
}

#[test]
fn account_range_15_16_a_limit_before_the_origin_gives_one_account() {
    let mut suite = suite();
    let first = suite.keys[0];
    suite.expect_accounts(4000, first, plus(&first, -1), 1, 0);
    suite.expect_accounts(4000, first, ZERO, 1, 0);
}

#[test]
fn account_range_of_everything_is_proven_too() {
    let mut suite = suite();
    suite.expect_accounts(u64::MAX, ZERO, MAX, suite.keys.len(), 0);
    // A proof's nodes come once.
    let answer = suite.accounts(u64::MAX, suite.state.root(), suite.keys[0], MAX);
    let mut unique = answer.proof.clone();
    unique.sort();
    unique.dedup();
    assert_eq!(unique.len(), answer.proof.len());
}

#[test]
fn storage_ranges_00_to_04() {
    let mut suite = suite();
    let slots: Vec<Hash> = [2, 1, 3].map(|slot| keccak(&word(slot))).into();
    let [first, second, third] = [slots[0], slots[1], slots[2]];
    assert_eq!((first[0], second[0], third[0]), (0x40, 0xb1, 0xc2));
    let mut origin = [0xff; 32];
    origin[0] = 0x4f;
    for (origin, limit, bytes, expected) in [
        (ZERO, MAX, 500, &slots[..]),
        (first, MAX, 1000, &slots[..]),
        (plus(&first, 1), MAX, 500, &slots[1..]),
        (first, second, 500, &slots[..2]),
        (origin, plus(&second, 1), 500, &slots[1..]),
    ] {
        let answer = suite.storage(origin, limit, bytes);
        assert_eq!(answer.keys(), expected);
        let account = suite.storage_account();
        let trie = suite.state.storage(&account).unwrap();
        if origin == ZERO {
            assert!(answer.proof.is_empty(), "a whole storage needs no proof");
        } else {
            for key in [&origin, expected.last().unwrap()] {
                let value = trie.get(key).map(<[u8]>::to_vec);
                assert_proves(trie, &answer.proof, key, value);
            }
        }
        assert!(
            answer.sets[0]
                .iter()
                .all(|(key, value)| trie.get(key) == Some(value))
        );
    }
}

#[test]
fn storage_ranges_cut_an_answer_with_a_proof_and_end_it_there() {
    let mut suite = suite();
    // A slot counts 33; the second one starts below 1.1 * 32 = 35, the third one does not.
    for (bytes, count) in [(0, 1), (1, 1), (32, 2), (60, 2), (61, 3)] {
        let answer = suite.storage(ZERO, MAX, bytes);
        assert_eq!(answer.keys().len(), count, "{bytes} bytes");
        assert_eq!(answer.proof.is_empty(), count == 3);
    }
}

#[test]
fn storage_ranges_of_several_accounts_leave_out_empty_ones_and_want_all_known() {
    let mut suite = suite();
    let account = suite.storage_account();
    let plain = suite.keys[0];
    let mut ask_for = |accounts: &[Hash], bytes| {
        let (accounts, root) = (accounts.to_vec(), suite.state.root());
        let (origin, limit) = (None, None);
        let request = GetStorageRanges {
            id: 1,
            root,
            accounts,
            origin,
            limit,
            bytes,
        };
        ask(&mut suite.session, &Request::Storage(request))
    };
    let whole = ask_for(&[account, plain, account, account], 1000);
    assert_eq!(whole.sets.len(), 3);
    assert!(whole.proof.is_empty());
    // After three slots 99 are reached, so no further account is opened.
    assert_eq!(ask_for(&[account, account, account], 99).sets.len(), 1);
    // One byte more opens the second account, and cuts it at 110.
    let cut = ask_for(&[account, account, account], 100);
    assert_eq!(cut.sets.iter().map(Vec::len).collect::<Vec<_>>(), [3, 1]);
    assert!(!cut.proof.is_empty());
    assert!(ask_for(&[account, [0x77; 32]], 1000).is_nothing());
    assert!(ask_for(&[], 1000).is_nothing());
}

#[test]
fn storage_ranges_behind_the_last_slot_are_proven_to_be_empty() {
    let mut suite = suite();
    let answer = suite.storage(MAX, MAX, 500);
    assert!(answer.sets.is_empty());
    let account = suite.storage_account();
    assert_proves(
        suite.state.storage(&account).unwrap(),
        &answer.proof,
        &MAX,
        None,
    );
}

#[test]
fn storage_ranges_of_an_unknown_state_are_empty() {
    let mut suite = suite();
    let accounts = vec![suite.storage_account()];
    let (origin, limit) = (None, None);
    let request = GetStorageRanges {
        id: 1,
        root: [0x13; 32],
        accounts,
        origin,
        limit,
        bytes: 1000,
    };
    assert!(ask(&mut suite.session, &Request::Storage(request)).is_nothing());
}

#[test]
fn byte_codes_00_to_02_what_is_no_code_has_no_answer_and_no_placeholder() {
    let mut suite = suite();
    let root = suite.state.root();
    for hashes in [
        [state(0x0100_0000).root(), root],
        [root, root],
        [EMPTY_ROOT, EMPTY_ROOT],
    ] {
        assert!(suite.codes(&hashes, 10000).is_empty());
    }
}

#[test]
fn byte_codes_03_04_the_empty_code_is_an_empty_item() {
    let mut suite = suite();
    assert_eq!(suite.codes(&[EMPTY_CODE], 10000), [NOTHING]);
    assert_eq!(suite.codes(&[EMPTY_CODE; 3], 10000), vec![NOTHING; 3]);
}

#[test]
fn byte_codes_05_to_08_in_order_up_to_the_bytes_and_repeated_when_asked_repeatedly() {
    let mut suite = suite();
    let all: Vec<_> = (0..5).map(|number| keccak(&code(number))).collect();
    assert_eq!(suite.codes(&all, 100_000).len(), 5);
    assert_eq!(suite.codes(&all, 1), [code(0)]);
    assert_eq!(suite.codes(&all, 0), [code(0)]);
    assert_eq!(suite.codes(&[all[2]; 4], 1000), vec![code(2); 4]);
    assert_eq!(
        suite.codes(&[all[3], EMPTY_ROOT, all[1]], 1000),
        [code(3), code(1)]
    );
    // Only so many hashes are looked at.
    assert_eq!(suite.codes(&[EMPTY_CODE; 1100], 1000).len(), 1024);
}

#[test]
fn trie_nodes_00_nothing_asked_nothing_answered() {
    assert!(suite().nodes(&[], 500).is_empty());
}

#[test]
fn trie_nodes_01_an_empty_path_set_ends_the_connection() {
    let mut suite = suite();
    let request = suite.nodes_request(&[&[], &[&[0]]], 5000);
    let outgoing = suite.session.on_frame(&request_frame(&request));
    assert!(matches!(
        outgoing.as_slice(),
        [Outgoing::Frame(_), Outgoing::Close(4002)]
    ));
}

#[test]
fn trie_nodes_02_an_unknown_account_contributes_nothing() {
    let mut suite = suite();
    let root = suite.state.accounts().path_to(&ZERO)[0].clone();
    assert_eq!(keccak(&root), suite.state.root());
    assert_eq!(
        suite.nodes(&[&[&[0]], &[&[1], &[0]]], 5000),
        std::slice::from_ref(&root)
    );
    assert_eq!(
        suite.nodes(&[&[&[0x77; 32], &[0]], &[&[0]]], 5000),
        std::slice::from_ref(&root)
    );
    // No bytes at all are the root's path too.
    assert_eq!(suite.nodes(&[&[&[]]], 5000), [root]);
}

#[test]
fn trie_nodes_03_a_path_that_means_nothing_is_an_empty_item() {
    assert_eq!(suite().nodes(&[&[&[0x2a; 54]]], 5000), [NOTHING]);
}

/// A path of so many nibbles towards a key.
fn compact(key: &Hash, len: usize) -> Vec<u8> {
    let nibbles: Vec<u8> = key.iter().flat_map(|byte| [byte >> 4, byte & 15]).collect();
    let mut flagged = vec![0x1; len % 2];
    if len.is_multiple_of(2) {
        flagged = vec![0, 0];
    }
    flagged.extend(&nibbles[..len]);
    flagged
        .chunks(2)
        .map(|pair| pair[0] << 4 | pair[1])
        .collect()
}

#[test]
fn trie_nodes_04_all_paths_towards_a_key_give_its_nodes_and_then_empty_items() {
    let mut suite = suite();
    let key = suite.keys[42];
    let path = suite.state.accounts().path_to(&key);
    let paths: Vec<_> = (0..=64).map(|len| compact(&key, len)).collect();
    let sets: Vec<[&[u8]; 1]> = paths.iter().map(|path| [path.as_slice()]).collect();
    let sets: Vec<&[&[u8]]> = sets.iter().map(AsRef::as_ref).collect();
    let nodes = suite.nodes(&sets, 5000);
    assert_eq!(nodes.len(), 65);
    assert_eq!(nodes[..path.len()], path);
    assert!(nodes[path.len()..].iter().all(Vec::is_empty));
}

#[test]
fn trie_nodes_05_the_order_is_that_of_the_request() {
    let mut suite = suite();
    let key = suite.keys[42];
    let path = suite.state.accounts().path_to(&key);
    let [ten, one, zero] = [10, 1, 0].map(|len| compact(&key, len));
    let nodes = suite.nodes(&[&[&ten], &[&one], &[&zero]], 5000);
    assert_eq!(nodes, [NOTHING, path[1].clone(), path[0].clone()]);
}

#[test]
fn trie_nodes_06_07_nodes_of_a_storage() {
    let mut suite = suite();
    let account = suite.storage_account();
    let storage = suite.state.storage(&account).unwrap();
    let (root, leaf) = {
        let path = storage.path_to(&keccak(&word(1)));
        (path[0].clone(), path[1].clone())
    };
    assert_eq!(keccak(&root), storage.root());
    assert_eq!(
        suite.nodes(&[&[&account, &[0]]], 5000),
        std::slice::from_ref(&root)
    );
    assert_eq!(
        suite.nodes(&[&[&account, &[0], &[0x1b]]], 5000),
        [root, leaf]
    );
    // A known account without storage has no nodes, but it is there.
    let plain = suite.keys[0];
    assert_eq!(suite.nodes(&[&[&plain, &[0]]], 5000), [NOTHING]);
}

#[test]
fn trie_nodes_stop_at_the_bytes_and_at_the_lookups() {
    let mut suite = suite();
    let root: &[&[u8]] = &[&[0]];
    assert_eq!(suite.nodes(&[root; 10], 0).len(), 1);
    let len = suite.state.accounts().path_to(&ZERO)[0].len() as u64;
    assert_eq!(suite.nodes(&[root; 10], 3 * len).len(), 4);
    assert_eq!(suite.nodes(&[root; 10], 3 * len - 1).len(), 3);
    assert_eq!(suite.nodes(&[root; 1100], u64::MAX).len(), 1025);
}

#[test]
fn trie_nodes_of_an_unknown_state_are_an_empty_answer() {
    let mut suite = suite();
    let request = GetTrieNodes {
        id: 1,
        root: [0x13; 32],
        paths: vec![vec![vec![0]]],
        bytes: 500,
    };
    assert!(ask(&mut suite.session, &Request::Nodes(request)).is_nothing());
}

#[test]
fn status_peering_succeeds_with_the_version_offered() {
    // `ready` checks every step.
    suite();
}
