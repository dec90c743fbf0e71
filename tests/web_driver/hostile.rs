//! Frames and databases that somebody made to do harm.

use js_sys::{Array, Uint8Array};
use snaplight::hash::Hash;
use snaplight::state::{
    Account, Batch, Complete, Counts, Network, PageId, PageRef, Record, RootPage,
};
use snaplight::store::Store;
use snaplight::store::indexed_db::{Durability, IndexedDb, WriterLock};
use snaplight::trie::fold::{Fold, Root};
use snaplight::web::Database;
use snaplight::wire::{By, Session};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use wasm_bindgen_test::wasm_bindgen_test;
use xxhash_rust::xxh64::xxh64;

use super::{
    Listener, Socket, add, arguments, close, field, frame, in_memory, parts, refused_read, try_open,
};

/// Most bytes that the module's memory may ever have, whatever peers send. It never shrinks.
const MOST_MEMORY: u32 = 24 * 1024 * 1024;

fn memory() -> u32 {
    let memory: js_sys::WebAssembly::Memory = wasm_bindgen::memory().unchecked_into();
    let buffer: js_sys::ArrayBuffer = memory.buffer().unchecked_into();
    buffer.byte_length()
}

/// A frame of so many bytes in JavaScript's memory. It begins with these, and has an empty string at
/// each further place.
fn long_frame(length: u32, beginning: &[u8]) -> JsValue {
    let frame = Uint8Array::new_with_length(length).fill(0x80, 0, length);
    let start = frame.subarray(0, beginning.len() as u32);
    start.copy_from(beginning);
    frame.buffer().into()
}

/// Mainnet's Status, of eth/69, for the genesis block of the tests.
fn status() -> Vec<u8> {
    let mut status = vec![0x10, 0xf8, 0x4d, 69, 1, 0xa0];
    status.extend([7; 32]);
    status.extend([0xc6, 0x84, 0, 0, 0, 0, 0x80, 0x80, 1, 0xa0]);
    status.extend([9; 32]);
    status
}

/// A database with a peer that has shaken hands.
async fn with_ready_peer() -> (Database, Listener, Socket) {
    let (listener, socket) = (Listener::new(), Socket::new());
    let database = in_memory(&listener).await;
    add(&database, 1, &socket);
    socket.deliver(&frame(&Session::hello(By::Snap, "hostile", &[0; 64])));
    socket.deliver(&frame(&status()));
    // Hello, and the Status sent back.
    assert_eq!(socket.sent().length(), 2);
    (database, listener, socket)
}

/// Each took as much of the module's memory as it has bytes.
#[wasm_bindgen_test]
async fn frames_that_nobody_wants_are_blamed_and_not_copied() {
    const MEGABYTES_10: u32 = 10_000_000;
    const MEBIBYTES_10: u32 = 10 * 1024 * 1024;
    // A Hello and a Status, before their time and at it.
    for (has_hello, beginning, words) in [
        (
            false,
            [0x80, 0xfa, 0x98, 0x96, 0x7b],
            "sent a frame of 10000000 bytes",
        ),
        (
            false,
            [0x10, 0xfa, 0x98, 0x96, 0x7b],
            "did not start with exactly one Hello",
        ),
        (
            true,
            [0x10, 0xfa, 0x98, 0x96, 0x7b],
            "sent a frame of 10000000 bytes",
        ),
        (
            true,
            [0x02, 0xfa, 0x98, 0x96, 0x7b],
            "sent a frame of 10000000 bytes",
        ),
    ] {
        let (listener, socket) = (Listener::new(), Socket::new());
        let database = in_memory(&listener).await;
        add(&database, 1, &socket);
        if has_hello {
            socket.deliver(&frame(&Session::hello(By::Snap, "hostile", &[0; 64])));
        }
        let closed = listener.next("peerClosed");
        let before = memory();
        socket.deliver(&long_frame(MEGABYTES_10, &beginning));
        assert!(memory() - before < 1_000_000, "{words}");
        is_blamed(&arguments(closed).await, words);
        close(database).await;
    }
    // A hundred messages that are ignored; an answer that nobody asked for.
    for (beginning, words) in [
        ([0x12, 0xfa, 0x9f, 0xff, 0xfb], "sent more than a node does"),
        (
            [0x27, 0xfa, 0x9f, 0xff, 0xfb],
            "sent an answer with the id 0",
        ),
    ] {
        let (database, listener, socket) = with_ready_peer().await;
        let closed = listener.next("peerClosed");
        let before = memory();
        for _ in 0..100 {
            socket.deliver(&long_frame(MEBIBYTES_10, &beginning));
        }
        assert!(memory() - before < 1_000_000, "{words}");
        is_blamed(&arguments(closed).await, words);
        close(database).await;
    }
    assert!(memory() < MOST_MEMORY, "{} bytes", memory());
}

fn is_blamed(closed: &Array, words: &str) {
    assert_eq!(field(&closed.get(1), "by"), "fault");
    assert_eq!(field(&closed.get(1), "code"), 4002);
    let reason = field(&closed.get(1), "reason").as_string().unwrap();
    assert!(reason.contains(words), "{reason}");
}

/// A peer that is asked for accounts answers with a proof of a million empty strings.
#[wasm_bindgen_test]
async fn a_proof_of_a_million_empty_strings_is_blamed_and_not_copied() {
    let (database, listener, socket) = with_ready_peer().await;
    let closed = listener.next("peerClosed");
    database.start_sync(&[0xab; 32]).unwrap();
    let request: Uint8Array = socket.sent().get(2).unchecked_into();
    let request = request.to_vec();
    // GetAccountRange: its id, and a list of 0x68 bytes with the request id in front.
    assert_eq!((request[0], request[1]), (0x22, 0xf8));
    let id = request[3];
    let beginning = [
        0x23, 0xfa, 0x10, 0x00, 0x06, id, 0xc0, 0xfa, 0x10, 0x00, 0x00,
    ];
    let before = memory();
    socket.deliver(&long_frame(0x10_000b, &beginning));
    assert!(memory() - before < 500_000);
    is_blamed(&arguments(closed).await, "sent more than was asked for");
    assert!(memory() < MOST_MEMORY, "{} bytes", memory());
    close(database).await;
}

/// A page with its checksum. `body` is what stands before that.
fn sealed(mut body: Vec<u8>) -> Vec<u8> {
    body.extend(xxh64(&body, 0).to_le_bytes());
    body
}

/// Two accounts whose storages have one root and, in this database, one page, which is the first
/// one's.
fn shared_storage(addresses: [[u8; 20]; 2]) -> (PageRef, Vec<(PageId, Vec<u8>)>) {
    let mut accounts = addresses.map(|address| snaplight::trie::keccak(&address));
    let first = accounts[0];
    let mut fold = Fold::new();
    let slots = [[0x31; 32], [0x77; 32]].map(Hash);
    let mut storage = vec![1, 3];
    storage.extend(first.0);
    storage.push(0);
    for slot in slots {
        fold.push_leaf(&slot, &[5]).unwrap();
        storage.push(1);
        storage.extend(slot.0);
        storage.push(5);
    }
    let storage_root = fold.run(Root::Trie).unwrap();
    let slim = Account {
        nonce: 1,
        balance: [0; 32],
        storage_root,
        code_hash: Hash::EMPTY_CODE,
    }
    .to_slim();
    fold.clear();
    let mut root = vec![1, 2, 0];
    accounts.sort();
    for account in accounts {
        fold.push_account(&account, &slim).unwrap();
        // An account with its storage in a page: flags, id, leaves, slots.
        root.push(3 << 3);
        root.extend(account.0);
        root.extend(&slim);
        root.extend([0, 1, 2, 0]);
    }
    let page = PageRef {
        hash: fold.run(Root::Trie).unwrap(),
        id: PageId(2),
        open: false,
        inner: true,
        leaves: 2,
        slots: 4,
        parent: 0,
    };
    let pages = vec![(PageId(1), sealed(storage)), (PageId(2), sealed(root))];
    (page, pages)
}

/// A page of which the only entry is blinded over a base, which is blinded over a base, and so on.
fn nested_page() -> Vec<u8> {
    let mut body = vec![1, 2, 0];
    for _ in 0..1_700 {
        body.extend([4, 0]);
        body.extend([7; 32]);
        body.push(1);
    }
    body.extend([2, 0]);
    body.extend([7; 32]);
    sealed(body)
}

/// A database whose complete state has this root page.
async fn forge(name: &str, root: PageRef, pages: Vec<(PageId, Vec<u8>)>) {
    IndexedDb::delete(name).await.unwrap();
    let lock = WriterLock::acquire(name).await.unwrap();
    let writer = IndexedDb::open_to_write(lock, Durability::default())
        .await
        .unwrap();
    let network = Network {
        id: 1,
        genesis: Hash([7; 32]),
    };
    let record = Record {
        sequence: 1,
        next_page: PageId(3),
        complete: Some(Complete {
            top: RootPage::new(root.hash, Some(root)).unwrap(),
            counts: Counts::default(),
            block: None,
            scope: 0,
        }),
        ..Record::fresh([1; 16], network)
    };
    let batch = Batch {
        sequence: 1,
        pages,
        codes: vec![],
        delete: vec![],
        delete_codes: vec![],
        scopes: vec![],
        delete_scopes: vec![],
        record: record.encode(),
    };
    writer.commit(batch).await.unwrap();
    writer.close().await;
}

/// The look-up of the second account got the first one's page from the cache, again and again.
#[wasm_bindgen_test]
async fn one_page_named_by_two_accounts_is_damage_for_one_of_them_and_no_endless_loop() {
    let name = "driver: a shared page";
    let addresses = [[0x22; 20], [0x33; 20]];
    let (root, pages) = shared_storage(addresses);
    forge(name, root, pages).await;
    let listener = Listener::new();
    let database = try_open(name, false, &listener).await.unwrap();
    for address in addresses {
        let [_, body] = parts(database.account(&address, None)).await;
        assert_eq!(field(&body, "length"), 104);
    }
    let read = |address: [u8; 20]| JsFuture::from(database.storage(&address, &[0; 32], None));
    read(addresses[0]).await.unwrap();
    let damaged = read(addresses[1]).await.unwrap_err();
    assert_eq!(field(&damaged, "code"), "DAMAGED");
    close(database).await;
}

/// Reading it overflowed the stack, and the tab had no answer and no error.
#[wasm_bindgen_test]
async fn a_page_of_seventeen_hundred_nested_bases_is_damage() {
    let name = "driver: a nested page";
    let (root, _) = shared_storage([[0x22; 20], [0x33; 20]]);
    forge(name, root, vec![(PageId(2), nested_page())]).await;
    let database = try_open(name, false, &Listener::new()).await.unwrap();
    let code = refused_read(&database, 0x22).await.unwrap();
    assert_eq!(code, "DAMAGED");
    close(database).await;
}
