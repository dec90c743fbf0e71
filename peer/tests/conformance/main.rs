//! The checks that go-ethereum's `devp2p` tool makes of a snap/1 server, with its numbers. They run
//! on a state of our own with the same shapes, so the counts differ.

#![allow(clippy::unwrap_used, clippy::panic)]

mod accounts;
mod codes;
mod nodes;
mod storage;
#[path = "../support/mod.rs"]
mod support;

use alloy_rlp::{Encodable, Header};
use snaplight_peer::{
    EMPTY_CODE, EMPTY_ROOT, Hash,
    keccak::keccak,
    session::{Server, Session},
    snap::{GetAccountRange, GetByteCodes, GetStorageRanges, GetTrieNodes, Request},
    state::{Account, Builder, State, States},
};
use std::sync::Arc;
use support::{Answer, ask, assert_proves, ready, word};

/// What an account counts in bytes: 32 for its hash, and 9 for `[1, 4 bytes, "", ""]`.
const WEIGHT: u64 = 32 + 9;
const ACCOUNTS: u32 = 300;
const MAX: Hash = [0xff; 32];
const ZERO: Hash = [0; 32];
const NOTHING: Vec<u8> = Vec::new();

/// go-ethereum's account for storage tests: the slots 1, 2 and 3 contain 1, 2 and 3.
const STORAGE_ACCOUNT: [u8; 20] = [
    0x8b, 0xeb, 0xc8, 0xba, 0x65, 0x1a, 0xee, 0x62, 0x49, 0x37, 0xe7, 0xd8, 0x97, 0x85, 0x3a, 0xc3,
    0x0c, 0x95, 0xa0, 0x67,
];

fn code(number: u8) -> Vec<u8> {
    vec![number | 0x80; 40 + usize::from(number)]
}

/// Plain accounts of one size, so that ranges are easy to count, and contracts behind them.
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

    /// Checks the count, the first and the last key, and that origin and last key are proven.
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

#[test]
fn status_peering_succeeds_with_the_version_offered() {
    // `ready` checks every step of the handshake.
    suite();
}
